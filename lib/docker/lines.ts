import { DockerError } from "../errors.ts";
import type { ByteStream } from "../streams.ts";

/** A line without an end does not fill the memory: its last part is kept. */
const LINE_LIMIT_CHARACTERS = 64 * 1024;
/** An engine tells of each layer ten times a second: this is enough for hours. */
const OUTPUT_LIMIT_MIB = 32;

/** The lines of an engine's output to a load, trimmed, without empty ones. @throws {DockerError} they do not end */
export async function* linesOf(output: ByteStream): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let sizeBytes = 0;
  for await (const chunk of output) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > OUTPUT_LIMIT_MIB * 1024 * 1024) {
      throw new DockerError(`The Docker engine says more than ${OUTPUT_LIMIT_MIB} MiB to one load`);
    }
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()?.slice(-LINE_LIMIT_CHARACTERS) ?? "";
    yield* trimmed(lines);
  }
  yield* trimmed([rest + decoder.decode()]);
}

function trimmed(lines: readonly string[]): string[] {
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}
