import type { Io } from "../../cli/io.ts";
import type { Channel } from "../../cli/output.ts";
import { utf8 } from "../../lib/bytes.ts";
import { streamOf } from "../../lib/streams.ts";
import { recordOutput } from "./witness.ts";

/** What a recorded terminal is like. */
export interface RecordedIoOptions {
  readonly isTerminal?: boolean;
  readonly columns?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** What standard input holds, or what is typed. */
  readonly input?: string;
}

/** A terminal that remembers what was said, with a clock that is moved by hand. */
export class RecordedIo implements Io {
  readonly stdout: Channel;
  readonly stderr: Channel;
  readonly keyboard: Io["keyboard"];
  readonly environment: Io["environment"];
  readonly clock: Io["clock"];
  readonly rawModes: boolean[] = [];
  said = "";
  complained = "";
  nowMs = 0;

  constructor({ isTerminal = false, columns = 80, environment = {}, input = "" }: RecordedIoOptions = {}) {
    const channel = (write: (text: string) => void): Channel => ({
      isTerminal,
      columns: () => columns,
      write: (bytes) => write(new TextDecoder().decode(bytes)),
      // deno-lint-ignore require-await -- errors must reject
      send: async (bytes) => write(new TextDecoder().decode(bytes)),
    });
    this.stdout = channel((text) => this.said += text);
    this.stderr = channel((text) => this.complained += recordOutput("standard error of a recorded terminal", text));
    this.keyboard = {
      isTerminal,
      readable: () => streamOf(utf8(input)),
      setRaw: (raw) => void this.rawModes.push(raw),
    };
    this.environment = (name) => environment[name];
    this.clock = {
      now: () => this.nowMs,
      // deno-lint-ignore require-await -- errors must reject
      sleep: async (delayMs, signal) => {
        signal?.throwIfAborted();
        this.nowMs += delayMs;
      },
    };
  }
}
