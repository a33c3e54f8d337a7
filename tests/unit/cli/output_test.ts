import assert from "node:assert/strict";
import { Output } from "../../../cli/output.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { NotSignedInError } from "../../../lib/errors.ts";
import { streamOf } from "../../../lib/streams.ts";
import { RecordedIo, type RecordedIoOptions } from "../../support/recorded_io.ts";

function outputOn(options: RecordedIoOptions & { json?: boolean } = {}): { io: RecordedIo; output: Output } {
  const io = new RecordedIo(options);
  return { io, output: new Output({ ...ioParts(io), json: options.json ?? false }) };
}

function ioParts({ stdout, stderr, environment, clock }: RecordedIo) {
  return { stdout, stderr, environment, clock };
}

Deno.test("Output.result() prints the lines as text and the document as JSON", () => {
  const text = outputOn();
  text.output.result({ a: 1 }, "one", "two");
  assert.equal(text.io.said, "one\ntwo\n");
  const json = outputOn({ json: true });
  json.output.result({ a: 1 }, "one", "two");
  assert.equal(json.io.said, '{"a":1}\n');
});

Deno.test("Output with JSON keeps lines, notes and tables off standard output and standard error", () => {
  const { io, output } = outputOn({ json: true });
  output.line("x");
  output.note("x");
  output.table([{ title: "A" }], [["x"]]);
  assert.equal(io.said + io.complained, "");
});

Deno.test("Output.error() prints sentence and hint, and returns the exit code", () => {
  const { io, output } = outputOn();
  assert.equal(output.error(new NotSignedInError("Nobody is signed in")), 3);
  assert.match(io.complained, /^tally: Nobody is signed in\nSign in with .+\n$/);
  assert.equal(io.said, "");
});

Deno.test("Output.error() prints one JSON document on standard error", () => {
  const { io, output } = outputOn({ json: true });
  assert.equal(output.error(new NotSignedInError("Nobody is signed in")), 3);
  const { hint, ...rest } = JSON.parse(io.complained);
  assert.deepEqual(rest, { code: "not_signed_in", message: "Nobody is signed in", exitCode: 3 });
  assert.equal(typeof hint, "string");
});

Deno.test("Output lets no control character of a message through to the terminal", () => {
  const { io, output } = outputOn({ isTerminal: true, environment: { NO_COLOR: "1" } });
  output.error(new NotSignedInError("a\x1b]0;title\x07b\rc\x9bd"));
  output.line("x\x1b[31my");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  assert.doesNotMatch(io.complained + io.said, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

Deno.test("Output uses colours only on a terminal, without NO_COLOR and where TERM is not dumb", () => {
  const coloured = (options: RecordedIoOptions) => {
    const { io, output } = outputOn(options);
    output.line("x", "green");
    return io.said.includes("\x1b");
  };
  assert.equal(coloured({ isTerminal: true }), true);
  assert.equal(coloured({ isTerminal: false }), false);
  assert.equal(coloured({ isTerminal: true, environment: { NO_COLOR: "1" } }), false);
  assert.equal(coloured({ isTerminal: true, environment: { TERM: "dumb" } }), false);
});

Deno.test("Output.progress() redraws one line of a terminal, not more than ten times a second, and clears it", () => {
  const { io, output } = outputOn({ isTerminal: true, columns: 60 });
  {
    using progress = output.progress("Loading");
    for (let doneBytes = 1; doneBytes <= 100; doneBytes++) {
      io.nowMs += 10;
      progress.update(doneBytes, 100);
    }
  }
  const draws = io.complained.split("\r\x1b[K").slice(1);
  assert.ok(draws.length <= 12, `${draws.length} draws in one second`);
  assert.ok(draws.every((draw) => draw.length < 60 && !draw.includes("\n")));
  assert.match(draws.at(-2) ?? "", /100%/);
  assert.equal(draws.at(-1), "");
  assert.equal(io.said, "");
});

Deno.test("Output.progress() prints a plain line per quarter without a terminal", () => {
  const { io, output } = outputOn();
  {
    using progress = output.progress("Loading");
    for (let doneBytes = 0; doneBytes <= 100; doneBytes++) progress.update(doneBytes, 100);
  }
  assert.equal(io.complained, "Loading: 25%\nLoading: 50%\nLoading: 75%\nLoading: 100%\n");
});

Deno.test("Output.progress() with JSON is a line per step of the named event, else nothing", () => {
  const { io, output } = outputOn({ json: true });
  {
    using silent = output.progress("Loading");
    silent.update(1, 2);
    using progress = output.progress("Loading", { event: "progress", step: "load" });
    progress.update(1, 2);
    progress.update(2, 2);
  }
  assert.deepEqual(io.said.trim().split("\n").map((line) => JSON.parse(line)), [
    { event: "progress", step: "load", doneBytes: 1, totalBytes: 2 },
    { event: "progress", step: "load", doneBytes: 2, totalBytes: 2 },
  ]);
});

Deno.test("Output.send() passes bytes on as they are", async () => {
  const { io, output } = outputOn();
  await output.send(streamOf(utf8("a\x1b"), utf8("b")));
  assert.equal(io.said, "a\x1bb");
});
