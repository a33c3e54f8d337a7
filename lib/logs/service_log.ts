import { createLogger, type Level, type Logger } from "../log.ts";
import type { Clock } from "../system/clock.ts";
import { LogFiles } from "./log_files.ts";

/** Where the events of a service go. */
export interface ServiceLogOptions {
  /** First part of the names of its files. */
  readonly program: "device" | "origin";
  readonly level: Level;
  /** Folder of its files; none are written without it. */
  readonly logDir: string | undefined;
  readonly retentionDays: number;
  /** Takes one whole line. */
  readonly writeStderr: (line: string) => void;
  readonly clock: Clock;
}

/** A log that ends with its service. */
export interface ServiceLog extends Disposable {
  readonly log: Logger;
}

/**
 * Events as JSON lines on standard error, and in the files of a folder where one is given. What goes wrong with the files is told on
 * standard error only.
 * @throws {ConfigurationError} the folder is none, or others may write into it
 */
export function serviceLog(options: ServiceLogOptions): ServiceLog {
  const { program, level, logDir, retentionDays, writeStderr, clock } = options;
  const toStderr = createLogger({ level, write: writeStderr, now: clock.now });
  if (logDir === undefined) return { log: toStderr, [Symbol.dispose]: () => {} };
  const files = LogFiles.open(logDir, { program, retentionDays, now: clock.now, tell: toStderr.error });
  const write = (line: string) => {
    files.write(line); // first: nobody may be left who reads standard error
    writeStderr(line);
  };
  return { log: createLogger({ level, write, now: clock.now }), [Symbol.dispose]: () => files[Symbol.dispose]() };
}
