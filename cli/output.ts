import { type ErrorCode, InterruptedError, messageOf } from "../lib/errors.ts";
import { redact } from "../lib/redaction/redact.ts";
import type { ByteStream } from "../lib/streams.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Environment } from "../lib/system/environment.ts";
import { errorCodeOf, EXIT_CODES, HINTS } from "./exit_codes.ts";
import { progressLine, progressShare } from "./progress.ts";
import { type Column, formatTable } from "./table.ts";

/** Standard output or standard error. */
export interface Channel {
  readonly isTerminal: boolean;
  /** Width of the terminal, in characters. */
  columns(): number;
  /** Writes all of it before it returns. */
  write(bytes: Uint8Array): void;
  /** Writes all of it and lets others run meanwhile. */
  send(bytes: Uint8Array): Promise<void>;
}

/** Whoever read our output has gone: there is nobody left to tell. */
export class ClosedOutputError extends InterruptedError {
  constructor(options?: ErrorOptions) {
    super("The reader of the output has gone", options);
  }
}

/** A JSON document of one event of long work; `event` names it. */
export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** A running progress display. Dispose it: the bar leaves the terminal. */
export interface Progress extends Disposable {
  update(doneBytes: number, totalBytes?: number): void;
}

/** A line that changes. Dispose it: it leaves the terminal. */
export interface LiveLine extends Disposable {
  show(text: string): void;
}

const REDRAW_MS = 100;
const STEP = 0.25;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[K";
const STYLES = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" } as const;
const encoder = new TextEncoder();

type Style = keyof typeof STYLES;

/** Standard output of this process. */
export const processStdout: Channel = channelOf(() => Deno.stdout);

/** Standard error of this process. */
export const processStderr: Channel = channelOf(() => Deno.stderr);

function channelOf(stream: () => typeof Deno.stdout): Channel {
  return {
    get isTerminal() {
      return stream().isTerminal();
    },
    columns: terminalColumns,
    write(bytes) {
      try {
        for (let offset = 0; offset < bytes.byteLength;) offset += stream().writeSync(bytes.subarray(offset));
      } catch (error) {
        throw closedOr(error);
      }
    },
    async send(bytes) {
      try {
        for (let offset = 0; offset < bytes.byteLength;) offset += await stream().write(bytes.subarray(offset));
      } catch (error) {
        throw closedOr(error);
      }
    },
  };
}

function closedOr(error: unknown): unknown {
  return error instanceof Deno.errors.BrokenPipe ? new ClosedOutputError({ cause: error }) : error;
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS; // neither input nor output is a terminal
  }
}

/**
 * All that the command line says. As text: results on standard output; notes, progress and errors on standard error. As
 * JSON: documents on standard output, one line each, and errors on standard error; text is left out.
 * Control characters in text are replaced, so that no server can speak to the terminal.
 */
export class Output {
  readonly json: boolean;
  readonly #stdout: Channel;
  readonly #stderr: Channel;
  readonly #clock: Clock;
  readonly #colours: boolean;

  constructor({ stdout, stderr, json, environment, clock }: {
    stdout: Channel;
    stderr: Channel;
    json: boolean;
    environment: Environment;
    clock: Clock;
  }) {
    this.json = json;
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#clock = clock;
    this.#colours = environment("NO_COLOR") === undefined && environment("TERM") !== "dumb";
  }

  /** The result of a short command: the document as JSON, or the lines as text. */
  result(document: unknown, ...lines: readonly string[]): void {
    if (this.json) return this.#stdout.write(encoder.encode(`${JSON.stringify(document)}\n`));
    for (const line of lines) this.line(line);
  }

  /** One step of long work: a line of NDJSON, or the lines as text. */
  event(event: JsonEvent, ...lines: readonly string[]): void {
    this.result(event, ...lines);
  }

  /** A line of text on standard output. */
  line(text: string, style?: Style): void {
    if (!this.json) this.#print(this.#stdout, text, style);
  }

  /** A line of text on standard error: worth knowing, but not the result. */
  note(text: string): void {
    if (!this.json) this.#print(this.#stderr, text, "dim");
  }

  /** A table on standard output. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    formatTable(columns, rows).forEach((line, index) => this.line(line, index === 0 ? "bold" : undefined));
  }

  /** Text that goes out as it is: help, completion scripts. */
  raw(text: string): void {
    this.#stdout.write(encoder.encode(text));
  }

  /** The same on standard error, for a person only. */
  rawNote(text: string): void {
    if (!this.json) this.#stderr.write(encoder.encode(text));
  }

  /** Bytes on standard output, as fast as it takes them. */
  async send(stream: ByteStream): Promise<void> {
    for await (const chunk of stream) await this.#stdout.send(chunk);
  }

  /** Tells of a failure on standard error and returns the exit code that belongs to it. */
  error(error: unknown, hint?: string): number {
    const code: ErrorCode = errorCodeOf(error);
    const exitCode = EXIT_CODES[code];
    const message = redact(messageOf(error));
    const advice = hint ?? HINTS[code];
    if (this.json) {
      this.#stderr.write(encoder.encode(`${JSON.stringify({ code, message, hint: advice, exitCode })}\n`));
    } else {
      for (const line of message.split("\n")) this.#print(this.#stderr, `tally: ${line}`, "red");
      this.#print(this.#stderr, advice, "dim");
    }
    return exitCode;
  }

  /** Shows how far something is: a bar on a terminal, a line per quarter without one, events as JSON when `event` is given. */
  progress(label: string, event?: JsonEvent): Progress {
    if (this.json) return event === undefined ? silentProgress() : this.#eventProgress(event);
    return this.#stderr.isTerminal ? this.#barProgress(label) : this.#stepProgress(label);
  }

  /** A line for a person that changes: redrawn on a terminal, written anew for each change without one, nothing as JSON. */
  liveLine(): LiveLine {
    const isDrawn = this.#stderr.isTerminal && !this.json;
    const draw = (text: string) => this.#stderr.write(encoder.encode(CLEAR_LINE + text));
    let shown: string | undefined;
    return {
      show: (text) => {
        if (text === shown) return;
        shown = text;
        if (isDrawn) draw([...printable(text)].slice(0, Math.max(0, this.#stderr.columns() - 1)).join(""));
        else this.note(text);
      },
      [Symbol.dispose]: () => {
        if (isDrawn && shown !== undefined) draw("");
      },
    };
  }

  #print(channel: Channel, text: string, style?: Style): void {
    const visible = printable(text);
    const painted = style !== undefined && this.#colours && channel.isTerminal
      ? `\x1b[${STYLES[style]}m${visible}\x1b[0m`
      : visible;
    channel.write(encoder.encode(`${painted}\n`));
  }

  #barProgress(label: string): Progress {
    const startMs = this.#clock.now();
    let drawnMs = -Infinity;
    return {
      update: (doneBytes, totalBytes) => {
        const nowMs = this.#clock.now();
        if (nowMs - drawnMs < REDRAW_MS && doneBytes !== totalBytes) return;
        drawnMs = nowMs;
        const facts = { label: printable(label), doneBytes, totalBytes, elapsedMs: nowMs - startMs };
        this.#stderr.write(encoder.encode(CLEAR_LINE + progressLine(facts, this.#stderr.columns())));
      },
      [Symbol.dispose]: () => {
        if (drawnMs > -Infinity) this.#stderr.write(encoder.encode(CLEAR_LINE));
      },
    };
  }

  #stepProgress(label: string): Progress {
    let saidShare = 0;
    return {
      update: (doneBytes, totalBytes) => {
        if (totalBytes === undefined) return;
        const share = Math.floor(progressShare(doneBytes, totalBytes) / STEP) * STEP;
        if (share <= saidShare) return;
        saidShare = share;
        this.note(`${label}: ${share * 100}%`);
      },
      [Symbol.dispose]: () => {},
    };
  }

  #eventProgress(event: JsonEvent): Progress {
    let saidMs = -Infinity;
    return {
      update: (doneBytes, totalBytes) => {
        const nowMs = this.#clock.now();
        if (nowMs - saidMs < REDRAW_MS && doneBytes !== totalBytes) return;
        saidMs = nowMs;
        this.event({ ...event, doneBytes, ...(totalBytes === undefined ? {} : { totalBytes }) });
      },
      [Symbol.dispose]: () => {},
    };
  }
}

function silentProgress(): Progress {
  return { update: () => {}, [Symbol.dispose]: () => {} };
}

/** Text without control characters other than the tab. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, "\ufffd");
}
