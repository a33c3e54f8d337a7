import assert from "node:assert/strict";
import { loginAnswer, parseRefusal, userAnswer } from "../../../../lib/api/wire.ts";

Deno.test("loginAnswer and userAnswer take camel and Pascal case and ignore further keys", () => {
  for (const answer of [{ token: "t" }, { Token: "t" }, { Token: "t", Expires: 1 }]) {
    assert.equal(loginAnswer.parse(answer), "t", JSON.stringify(answer));
  }
  const user = { id: "7", email: "a@b", role: "Admin" };
  for (
    const answer of [user, { Id: 7, Email: "a@b", Role: "Admin" }, { id: 7, email: "a@b", role: 40, isEnabled: true }]
  ) {
    assert.deepEqual(userAnswer.parse(answer), user, JSON.stringify(answer));
  }
});

Deno.test("userAnswer makes an unknown role NONE", () => {
  for (const role of ["God", 41, null, undefined, "constructor"]) {
    assert.equal(userAnswer.parse({ id: 1, email: "a@b", role }).role, "NONE", String(role));
  }
});

Deno.test("parseRefusal() reads business errors and problem bodies, and nothing else", () => {
  const cases: [string, { reason: string | undefined; message: string | undefined }][] = [
    ['{"ErrorCode":30,"Message":"Wrong."}', { reason: "30", message: "Wrong." }],
    ['{"errorCode":0,"message":"Zero."}', { reason: "0", message: "Zero." }],
    ['{"code":"conflict","detail":"Taken.","title":"x"}', { reason: "conflict", message: "Taken." }],
    ['{"Message":" \\u202e\\u0000 "}', { reason: undefined, message: undefined }],
    ["<html>", { reason: undefined, message: undefined }],
    ["[]", { reason: undefined, message: undefined }],
    ["", { reason: undefined, message: undefined }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseRefusal(text), expected, text);
});

Deno.test("loginAnswer refuses whatever is no token, also where it pretends to have a length", () => {
  const refused = ["", "x".repeat(16_385), 7, null, ["a"], { length: 3 }, { length: { toString: 1 } }];
  for (const token of refused) {
    assert.ok(!loginAnswer.safeParse({ token }).success, JSON.stringify(token)?.slice(0, 40));
  }
  assert.equal(loginAnswer.parse({ Token: "x".repeat(16_384) }).length, 16_384);
});
