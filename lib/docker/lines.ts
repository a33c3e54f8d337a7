import type { ByteStream } from "../streams.ts";

/** A line without an end does not fill the memory: its last part is kept. */
const LINE_LIMIT_CHARACTERS = 64 * 1024;

/** The lines of an engine's output, trimmed, without empty ones. */
export async function* linesOf(output: ByteStream): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of output) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()?.slice(-LINE_LIMIT_CHARACTERS) ?? "";
    yield* trimmed(lines);
  }
  yield* trimmed([rest + decoder.decode()]);
}

function trimmed(lines: readonly string[]): string[] {
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}
