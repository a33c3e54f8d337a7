import { type Bytes, utf8, wipe } from "../lib/bytes.ts";
import { InterruptedError, TooLargeError, UsageError } from "../lib/errors.ts";
import { KNOWN_SECRETS } from "../lib/redaction/known_secrets.ts";
import type { ByteStream } from "../lib/streams.ts";
import type { Channel } from "./output.ts";

/** Standard input: a person's keyboard, or a pipe. */
export interface Keyboard {
  readonly isTerminal: boolean;
  /** The bytes as they come. May be asked for once. */
  readable(): ByteStream;
  /** Switches echo and line editing of the terminal off and on again. */
  setRaw(raw: boolean): void;
}

/** Standard input of this process. */
export const processKeyboard: Keyboard = {
  get isTerminal() {
    return Deno.stdin.isTerminal();
  },
  readable: () => Deno.stdin.readable,
  setRaw: (raw) => Deno.stdin.setRaw(raw),
};

const PASSWORD_LIMIT_BYTES = 1024;
const CTRL_C = "\x03";
const CTRL_D = "\x04";
const CTRL_U = "\x15";
const ERASE: ReadonlySet<string> = new Set(["\x7f", "\b"]);
const ENTER: ReadonlySet<string> = new Set(["\r", "\n"]);

/** Who signs in. */
export interface PasswordRequest {
  readonly email: string;
  /** Take the first line of standard input instead of asking. */
  readonly fromStdin: boolean;
}

/**
 * Gets a password: from the first line of standard input, or from a person, without echo.
 * @throws {UsageError} when there is nobody to ask, or nothing was given; {InterruptedError} on Ctrl-C
 */
export async function readPassword(
  { email, fromStdin }: PasswordRequest,
  { keyboard, stderr, signal }: { keyboard: Keyboard; stderr: Channel; signal: AbortSignal },
): Promise<string> {
  if (!fromStdin && !keyboard.isTerminal) {
    throw new UsageError("Cannot ask for the password: standard input is not a terminal. Use --password-stdin");
  }
  const password = fromStdin && !keyboard.isTerminal
    ? await firstLine(keyboard.readable(), signal)
    : await askHidden(`Password of ${email}: `, keyboard, stderr, signal);
  if (password === "") throw new UsageError("The password is empty");
  KNOWN_SECRETS.hold(password); // until the process ends: no message shows it
  return password;
}

async function askHidden(question: string, keyboard: Keyboard, stderr: Channel, signal: AbortSignal): Promise<string> {
  keyboard.setRaw(true);
  try {
    stderr.write(utf8(question));
    return await typedLine(keyboard.readable(), signal);
  } finally {
    keyboard.setRaw(false);
    stderr.write(utf8("\n"));
  }
}

async function typedLine(stream: ByteStream, signal: AbortSignal): Promise<string> {
  const typed: string[] = [];
  for await (const character of characters(stream, signal)) {
    if (ENTER.has(character)) break;
    if (character === CTRL_C || (character === CTRL_D && typed.length === 0)) throw new InterruptedError();
    if (ERASE.has(character)) typed.pop();
    else if (character === CTRL_U) typed.length = 0;
    else if (character >= " ") typed.push(character);
    if (typed.length > PASSWORD_LIMIT_BYTES) throw tooLong();
  }
  return typed.join("");
}

async function* characters(stream: ByteStream, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of interruptible(stream, signal)) {
    yield* decoder.decode(chunk, { stream: true });
    wipe(chunk);
  }
}

async function firstLine(stream: ByteStream, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const chunk of interruptible(stream, signal)) {
    line += decoder.decode(chunk, { stream: true });
    wipe(chunk);
    if (line.includes("\n")) break;
    if (line.length > PASSWORD_LIMIT_BYTES) throw tooLong();
  }
  return (line + decoder.decode()).split("\n", 1)[0]?.replace(/\r$/, "") ?? "";
}

function tooLong(): TooLargeError {
  return new TooLargeError(`The password is longer than ${PASSWORD_LIMIT_BYTES} bytes`, PASSWORD_LIMIT_BYTES);
}

/** Ends with an error as soon as the signal says so, even while a read of the terminal still waits. */
async function* interruptible(stream: ByteStream, signal: AbortSignal): AsyncGenerator<Bytes> {
  const reader = stream.getReader();
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(new InterruptedError());
  stopped.promise.catch(() => undefined); // only one side of the race is awaited
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const { value, done } = await Promise.race([reader.read(), stopped.promise]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
