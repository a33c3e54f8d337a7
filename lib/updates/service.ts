import { InterruptedError, messageOf, NotFoundError, TallyError, UnavailableError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { Clock } from "../system/clock.ts";
import { runChild } from "../system/process.ts";
import { rollBack } from "./install.ts";

/** A service whose program is exchanged, and how it is restarted and watched. */
export interface WatchedService {
  /** Name of the systemd unit. */
  readonly unit: string;
  /** Absolute path of systemctl. */
  readonly systemctl: string;
  readonly healthUrl: URL;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const COMMAND_LIMIT_MS = 90_000;
const WATCH_MS = 60_000;
const PROBE_TIMEOUT_MS = 2_000;
const PROBE_PAUSE_MS = 1_000;
/** A service that fails at its start and is started again answers now and then. */
const PROBES_IN_A_ROW = 3;

/** @throws {NotFoundError} when systemd has no such unit: said before anything is exchanged */
export async function requireUnit({ unit, systemctl, signal }: WatchedService): Promise<void> {
  if (await control(systemctl, ["cat", unit], signal)) return;
  throw new NotFoundError(`systemd has no unit "${unit}"`);
}

/**
 * Restarts the service with the file that was just installed, and watches its health for a minute at most.
 * @throws {UnavailableError} when it is not healthy: then the previous file is installed and started again
 */
export async function restartOrGoBack(service: WatchedService, installed: string): Promise<void> {
  if (await restartsHealthy(service)) return;
  await rollBack(installed);
  const end = await restartsHealthy(service) ? "which is healthy" : "which is not healthy either";
  throw new UnavailableError(
    "device",
    `"${service.unit}" was not healthy with the new file: the previous one is back, ${end}`,
  );
}

async function restartsHealthy(service: WatchedService): Promise<boolean> {
  const { unit, systemctl, clock, signal } = service;
  if (!await control(systemctl, ["restart", unit], signal)) return false;
  const endMs = clock.now() + WATCH_MS;
  for (let inARow = 0; clock.now() < endMs;) {
    inARow = await isHealthy(service) ? inARow + 1 : 0;
    if (inARow === PROBES_IN_A_ROW) return true;
    await clock.sleep(PROBE_PAUSE_MS, signal);
  }
  return false;
}

async function isHealthy({ healthUrl, http, signal }: WatchedService): Promise<boolean> {
  try {
    const { status, body } = await http(healthUrl, { timeoutMs: PROBE_TIMEOUT_MS, signal });
    await body.cancel();
    return status === 200;
  } catch (error) {
    if (error instanceof InterruptedError || !(error instanceof TallyError)) throw error;
    return false;
  }
}

async function control(systemctl: string, args: readonly string[], signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.timeout(COMMAND_LIMIT_MS);
  try {
    const { exitCode } = await runChild(systemctl, { args, env: {}, signal: AbortSignal.any([signal, limit]) });
    return exitCode === 0;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return false;
    throw new NotFoundError(`Cannot run "${systemctl}": ${messageOf(error)}`, { cause: error });
  }
}
