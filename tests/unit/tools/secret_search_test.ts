import assert from "node:assert/strict";
import { findSecrets } from "../../../tools/secret_search.ts";

const SECRET = 'battery "stäple" 17';
const bytes = new TextEncoder().encode(SECRET);
const used = [{ kind: "password", bytes }];

Deno.test("findSecrets() finds a secret however it is written, and shows its kind only", () => {
  const written = {
    text: SECRET,
    json: JSON.stringify({ given: SECRET }),
    url: `https://a.example/?p=${encodeURIComponent(SECRET)}`,
    form: new URLSearchParams({ p: SECRET }).toString(),
    base64: bytes.toBase64(),
    basic: new TextEncoder().encode(`ada@example.com:${SECRET}`).toBase64(),
    field: new TextEncoder().encode(`{"p":"${SECRET}"}`).toBase64(),
    hex: bytes.toHex(),
  };
  for (const [way, text] of Object.entries(written)) {
    const [leak, ...others] = findSecrets(used, [{ source: way, text: `before ${text} after` }]);
    assert.deepEqual([leak?.kind, leak?.source, others], ["password", way, []], way);
    assert.match(leak?.context ?? "", /\[password\]/, way);
    assert.ok(!leak?.context.includes("battery"), way);
  }
});

Deno.test("findSecrets() takes no part of a secret for it, and none that is shorter than eight characters", () => {
  const short = { kind: "short", bytes: new TextEncoder().encode("secret1") };
  const text = `${SECRET.slice(0, -1)} ${SECRET.slice(1)} secret1`;
  assert.deepEqual(findSecrets([...used, short], [{ source: "log", text }]), []);
});

Deno.test("findSecrets() names each kind and source once, the longest secret at a place, and no other secret beside it", () => {
  const other = { kind: "token", bytes: new TextEncoder().encode("tok-12345678") };
  const longer = { kind: "longer", bytes: new TextEncoder().encode("tok-12345678-and-more") };
  const text = "tok-12345678 tok-12345678-and-more";
  const leaks = findSecrets([other, longer], [{ source: "a", text }, { source: "a", text }, { source: "b", text }]);
  assert.deepEqual(leaks.map(({ kind, source }) => `${kind} ${source}`), [
    "token a",
    "longer a",
    "token b",
    "longer b",
  ]);
  assert.deepEqual(new Set(leaks.map(({ context }) => context)), new Set(["[token] [longer]"]));
});
