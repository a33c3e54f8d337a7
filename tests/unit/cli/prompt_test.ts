import assert from "node:assert/strict";
import { readPassword } from "../../../cli/prompt.ts";
import { InterruptedError, TooLargeError, UsageError } from "../../../lib/errors.ts";
import { RecordedIo, type RecordedIoOptions } from "../../support/recorded_io.ts";

function ask(options: RecordedIoOptions & { fromStdin?: boolean; signal?: AbortSignal }) {
  const io = new RecordedIo(options);
  const password = readPassword({ email: "ada@example.com", fromStdin: options.fromStdin ?? false }, {
    keyboard: io.keyboard,
    stderr: io.stderr,
    signal: options.signal ?? new AbortController().signal,
  });
  return { io, password };
}

const TYPED: readonly [name: string, typed: string, password: string][] = [
  ["plain", "secret\r", "secret"],
  ["with a backspace", "secrex\x7ft\r", "secret"],
  ["with a backspace over a wide character", "aé\x7fb\n", "ab"],
  ["after the line was cleared", "wrong\x15right\r", "right"],
  ["with spaces at its ends", " a b \r", " a b "],
  ["with characters outside ASCII", "pässwörd🔑\r", "pässwörd🔑"],
];

for (const [name, typed, expected] of TYPED) {
  Deno.test(`readPassword() reads a typed password ${name}, without echo`, async () => {
    const { io, password } = ask({ isTerminal: true, input: typed });
    assert.equal(await password, expected);
    assert.equal(io.complained, "Password of ada@example.com: \n");
    assert.deepEqual(io.rawModes, [true, false]);
  });
}

for (const [name, typed] of [["Ctrl-C", "sec\x03"], ["Ctrl-D", "\x04"]] as const) {
  Deno.test(`readPassword() ends on ${name} and gives the terminal back`, async () => {
    const { io, password } = ask({ isTerminal: true, input: typed });
    await assert.rejects(password, InterruptedError);
    assert.deepEqual(io.rawModes, [true, false]);
  });
}

Deno.test("readPassword() ends on a signal and gives the terminal back", async () => {
  const { io, password } = ask({ isTerminal: true, input: "secret\r", signal: AbortSignal.abort() });
  await assert.rejects(password, InterruptedError);
  assert.deepEqual(io.rawModes, [true, false]);
});

Deno.test("readPassword() takes the first line of standard input", async () => {
  for (const input of ["secret", "secret\n", "secret\r\n", "secret\nmore\n"]) {
    assert.equal(await ask({ input, fromStdin: true }).password, "secret", JSON.stringify(input));
  }
});

Deno.test("readPassword() does not wait at a pipe that nobody announced", async () => {
  await assert.rejects(ask({ input: "secret\n" }).password, UsageError);
});

Deno.test("readPassword() refuses an empty and an endless password", async () => {
  await assert.rejects(ask({ input: "\n", fromStdin: true }).password, UsageError);
  await assert.rejects(ask({ input: "x".repeat(5000), fromStdin: true }).password, TooLargeError);
  await assert.rejects(ask({ input: "x".repeat(5000), isTerminal: true }).password, TooLargeError);
});
