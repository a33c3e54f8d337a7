import { utf8 } from "../lib/bytes.ts";
import type { Settings } from "../lib/config/options.ts";
import { messageOf } from "../lib/errors.ts";
import type { Handler } from "../lib/http/listening.ts";
import { isLoopback } from "../lib/http/loopback.ts";
import { serveHttp } from "../lib/http/server.ts";
import { TlsFiles } from "../lib/http/tls_files.ts";
import type { Logger } from "../lib/log.ts";
import { serviceLog } from "../lib/logs/service_log.ts";
import { createServices, type Services } from "../lib/services.ts";
import { systemClock } from "../lib/system/clock.ts";
import { openFileCount } from "../lib/system/open_files.ts";
import { createApp } from "./app.ts";
import { healthAnswer } from "./health.ts";

/**
 * Runs the device service until `signal` is aborted; then takes no new calls, ends an unlock, lets calls under way end for at most 10 s and
 * forgets who was signed in. Logs JSON lines on standard error, and in `LOG_DIR`.
 * @param onListening called once with the URL of the service
 * @throws {ConfigurationError} and whatever keeps the port from being opened
 */
export async function runDevice(
  settings: Settings,
  signal: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const clock = systemClock;
  const { logLevel: level, logDir, logRetentionDays: retentionDays } = settings;
  using serviced = serviceLog({ program: "device", level, logDir, retentionDays, writeStderr, clock });
  const { log } = serviced;
  const services = await createServices(settings, { log, clock });
  try {
    warnOfUnverified(settings, log);
    await serveDevice(services, signal, onListening);
  } finally {
    await services.stop();
    log.info("stopped");
  }
}

function warnOfUnverified({ jwtVerify }: Settings, log: Logger): void {
  if (jwtVerify !== "off") return;
  log.warning("unverified", { reason: "JWT_VERIFY is off: whoever answers in place of the API decides who is who" });
}

/** Serves the HTTP API of a device with these services, in the way of {@link serveHttp}. */
export async function serveDevice(
  services: Services,
  signal: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const { settings: { host, port, callerAuth, corsOrigins, stateDir, tlsCertFile, tlsKeyFile }, log, clock } = services;
  const app = createApp(services);
  const handle: Handler = corsOrigins === undefined
    ? (request, call) => healthAnswer(request) ?? app.fetch(request, call)
    : (request, call) => app.fetch(request, call); // pages are told that they may read it
  signal.addEventListener("abort", () => void services.unlock.stop(), { once: true }); // nobody's call waits for it
  const onBrokenOff = (error: unknown) => log.error("answer_broken_off", { error: messageOf(error) });
  const onTrouble = (error: unknown) => log.error("listener_lost", { error: messageOf(error) });
  const tls = tlsCertFile === undefined || tlsKeyFile === undefined
    ? undefined
    : await TlsFiles.open(tlsCertFile, tlsKeyFile);
  if (tls === undefined && !isLoopback(host)) log.warning("unencrypted", { host, reason: "TLS_CERT_FILE is not set" });
  const renewal = { tls, onTrouble, openFiles: () => openFileCount(stateDir) };
  await serveHttp(
    { host, port, clock, handlerAt: () => handle, onBrokenOff, renewal },
    signal,
    (url) => {
      log.info("listening", { url: url.origin, callerAuth });
      onListening(url.origin);
    },
  );
}

function writeStderr(line: string): void {
  const bytes = utf8(line);
  for (let offset = 0; offset < bytes.byteLength;) offset += Deno.stderr.writeSync(bytes.subarray(offset));
}
