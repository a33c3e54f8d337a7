import { createLogger, type Level, type Logger } from "../lib/log.ts";
import { type ServiceLog, serviceLog, type ServiceLogOptions } from "../lib/logs/service_log.ts";
import type { Io } from "./io.ts";

const encoder = new TextEncoder();

/** A logger that writes JSON lines on standard error. */
export function stderrLog({ stderr, clock }: Pick<Io, "stderr" | "clock">, level: Level): Logger {
  return createLogger({ level, write: (line) => stderr.write(encoder.encode(line)), now: () => clock.now() });
}

/** The log of an origin: on standard error, and in a folder where one is given. @throws {ConfigurationError} */
export function originLog(
  { stderr, clock }: Pick<Io, "stderr" | "clock">,
  options: Pick<ServiceLogOptions, "level" | "logDir" | "retentionDays">,
): ServiceLog {
  const writeStderr = (line: string) => stderr.write(encoder.encode(line));
  return serviceLog({ ...options, program: "origin", writeStderr, clock });
}
