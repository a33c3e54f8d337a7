import { createLogger, type Level, type Logger } from "../lib/log.ts";
import type { Io } from "./io.ts";

const encoder = new TextEncoder();

/** A logger that writes JSON lines on standard error. */
export function stderrLog({ stderr, clock }: Pick<Io, "stderr" | "clock">, level: Level): Logger {
  return createLogger({ level, write: (line) => stderr.write(encoder.encode(line)), now: () => clock.now() });
}
