import { jsonLinesFormatter, type LogLevel, type LogRecord } from "@logtape/logtape";
import { redact, redactValue } from "./redaction/redact.ts";
import { MASK } from "./redaction/mask.ts";
import { isSecretName } from "./redaction/secret_name.ts";

/** How severe an event is. */
export type Level = Extract<LogLevel, "debug" | "info" | "warning" | "error">;

/** What goes with an event. Never a secret: {@link createLogger} masks what it recognises, but the caller does not rely on it. */
export type Fields = Readonly<Record<string, unknown>>;

/** Writes events, one JSON line each. */
export type Logger = Readonly<Record<Level, (event: string, fields?: Fields) => void>>;

const LEVELS: readonly Level[] = ["debug", "info", "warning", "error"];

/**
 * A logger that writes JSON lines in LogTape's format, without secrets ({@link redactValue}). A line that cannot be written (the disk of the log is full, its reader
 * has gone) is lost: what it tells of must go on.
 * @param level least severe level that is written
 * @param write takes one whole line
 * @param now milliseconds since 1970
 */
export function createLogger({ level, write, now }: {
  level: Level;
  write: (line: string) => void;
  now: () => number;
}): Logger {
  const log = (eventLevel: Level) => (event: string, fields: Fields = {}) => {
    if (LEVELS.indexOf(eventLevel) < LEVELS.indexOf(level)) return;
    const line = jsonLinesFormatter(recordOf(eventLevel, event, fields, now()));
    try {
      write(line);
    } catch {
      return; // there is nobody left to tell
    }
  };
  return { debug: log("debug"), info: log("info"), warning: log("warning"), error: log("error") };
}

function recordOf(level: Level, event: string, fields: Fields, timestamp: number): LogRecord {
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isSecretName(name) ? MASK : redactValue(value)]),
  );
  const message = redact(event);
  return { category: ["tally"], level, timestamp, message: [message], rawMessage: message, properties };
}

/** A logger that keeps quiet. */
export const silentLogger: Logger = createLogger({ level: "error", write: () => {}, now: () => 0 });
