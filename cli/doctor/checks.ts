import { dirname, join } from "node:path";
import { trailFiles } from "../../lib/audit/audit_trail.ts";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { formatSize } from "../../lib/bytes.ts";
import { CacheQuota } from "../../lib/cdn/cache_quota.ts";
import type { Settings } from "../../lib/config/options.ts";
import { deviceKid } from "../../lib/device/device_key.ts";
import { knownApis } from "../../lib/device/enrolment.ts";
import { Floors } from "../../lib/device/floors.ts";
import { StateFolder } from "../../lib/device/state_folder.ts";
import { openEngine } from "../../lib/docker/open_engine.ts";
import { ConfigurationError, DiskFullError, TallyError, UpstreamError } from "../../lib/errors.ts";
import { hardwareFacts } from "../../lib/hardware/facts_file.ts";
import { httpClient } from "../../lib/http/client.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { freeBytes } from "../../lib/system/disk_space.ts";
import { fileFacts } from "../../lib/system/files.ts";
import { checkCdn } from "./cdn.ts";
import { checkCertificates, checkTls } from "./certificates.ts";
import { type Check, type Examined, type Finding, ok, warning } from "./finding.ts";
import { checkSecretFiles } from "./secret_files.ts";

const OTHERS = 0o077;
const LITTLE_SPACE_BYTES = 1024 ** 3;
const NO_SPACE_BYTES = 16 * 1024 ** 2;
const SKEW_LIMIT_MS = 30_000;
const CALL_LIMIT_MS = 10_000;

/** The checks of a device with these settings, in the order in which a person would do them. */
export function doctorChecks(examined: Examined): readonly Check[] {
  const { settings, clock } = examined;
  const { stateDir, modelCacheDir } = settings;
  return [
    { name: "state folder", run: () => checkFolder(stateDir, true) },
    { name: "cache folder", run: () => checkFolder(modelCacheDir, false) },
    { name: "pins", run: () => checkPins(settings, clock) },
    { name: "device state", run: () => checkState(settings, clock) },
    { name: "secret files", run: () => checkSecretFiles(examined) },
    { name: "log folder", run: () => checkLogFolder(settings) },
    { name: "audit trail", run: () => checkTrail(join(stateDir, "audit")) },
    { name: "TLS", run: () => checkTls(examined) },
    { name: "hardware facts", run: () => checkHardware(settings) },
    { name: "API", run: (signal) => checkApi(settings, signal) },
    { name: "clock", run: (signal) => checkClock(settings, clock, signal) },
    { name: "token keys", run: (signal) => checkKeys(settings, signal) },
    { name: "CDN", run: (signal) => checkCdn(examined, signal) },
    { name: "certificates", run: (signal) => checkCertificates(examined, signal) },
    { name: "Docker", run: (signal) => checkDocker(settings, signal) },
    { name: "archive", run: () => checkArchive(settings) },
  ];
}

/** A folder that is there, or the nearest one above it in which it will be made. */
async function checkFolder(path: string, isPrivate: boolean): Promise<Finding> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isFile) throw new ConfigurationError([`"${path}" is a file, where a folder must be`]);
  const free = await freeBytes(await nearestFolder(path));
  const space = `${formatSize(free)} free`;
  if (free < NO_SPACE_BYTES) throw new DiskFullError(`"${path}": only ${space}`);
  if (info === undefined) return ok(`"${path}" will be made; ${space}`);
  if (isPrivate && ((info.mode ?? 0) & OTHERS) !== 0) {
    return warning(`Others can look into "${path}"`, `chmod 700 ${path}`);
  }
  if (free < LITTLE_SPACE_BYTES) return warning(`"${path}": only ${space}`, 'See what can go with "tally cache list".');
  return ok(`"${path}", ${space}`);
}

async function checkLogFolder({ logDir }: Settings): Promise<Finding> {
  return logDir === undefined ? ok("none: the log goes to standard error only") : await checkFolder(logDir, true);
}

async function nearestFolder(path: string): Promise<string> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) return path;
  const above = dirname(path);
  return above === path ? path : await nearestFolder(above);
}

async function checkPins({ modelCacheDir }: Settings, clock: Clock): Promise<Finding> {
  const pins = await new CacheQuota(modelCacheDir, { quotaBytes: undefined, clock }).pins();
  return ok(`${pins.length} pinned`);
}

/** What the device must remember: its key, whom it believes, and what it never goes back behind. */
async function checkState({ stateDir, resourceApiUrl }: Settings, clock: Clock): Promise<Finding> {
  const folder = new StateFolder(stateDir, clock);
  await new Floors({ folder, api: resourceApiUrl.href, clock }).now();
  const apis = await knownApis(folder);
  const kid = await deviceKid(folder);
  return ok(
    kid === undefined ? "no key yet: it is made at the first sign-in" : `key ${kid}, enrolled at ${apis.length}`,
  );
}

async function checkTrail(folder: string): Promise<Finding> {
  if ((await trailFiles(folder)).length === 0) return ok("not begun yet");
  const { lines } = await verifyTrail(folder);
  return ok(`${lines} lines, whole and in order`);
}

async function checkHardware(settings: Settings): Promise<Finding> {
  const facts = Object.entries(await hardwareFacts(settings));
  const missing = facts.filter(([name, fact]) => fact === "" && name !== "gpu").map(([name]) => name); // many have none
  if (missing.length === 0) return ok(facts.map(([name, fact]) => `${name} ${fact || "none"}`).join(", "));
  const hint =
    "Keys are bound to these facts: in a sandbox or container, give HARDWARE_FILE or mounts below HARDWARE_ROOT.";
  return warning(`This machine does not tell its ${missing.join(", ")}`, hint);
}

async function checkApi({ resourceApiUrl }: Settings, signal: AbortSignal): Promise<Finding> {
  const { status } = await ask(resourceApiUrl, signal);
  return ok(`${resourceApiUrl.href} answers (status ${status})`);
}

async function checkClock({ resourceApiUrl }: Settings, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const { headers } = await ask(resourceApiUrl, signal);
  const theirsMs = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(theirsMs)) return ok("the API does not say what time it is");
  const skewMs = clock.now() - theirsMs;
  if (Math.abs(skewMs) <= SKEW_LIMIT_MS) return ok("agrees with that of the API");
  const direction = skewMs > 0 ? "ahead of" : "behind";
  return warning(
    `This machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${direction} the API`,
    "Set the time, with NTP if you can: tokens and grants are refused by a wrong clock.",
  );
}

async function checkKeys(settings: Settings, signal: AbortSignal): Promise<Finding> {
  if (settings.jwtVerify === "off") {
    return warning("JWT_VERIFY is off: tokens are believed", "Take JWT_VERIFY=off away.");
  }
  if (settings.jwtHs256SecretFile !== undefined) return ok("a shared secret verifies tokens");
  const url = settings.jwtJwksUrl ??
    new URL(".well-known/jwks.json", `${settings.resourceApiUrl.href.replace(/\/$/, "")}/`);
  const { status } = await ask(url, signal);
  if (status === 200) return ok(`${url.href} answers`);
  throw new UpstreamError("API", `The keys that verify tokens are not at ${url.href} (status ${status})`);
}

async function checkDocker(settings: Settings, signal: AbortSignal): Promise<Finding> {
  return ok(`engine ${await openEngine(settings).version(signal)}`);
}

async function checkArchive({ imagesPath }: Settings): Promise<Finding> {
  const facts = await fileFacts(imagesPath);
  if (facts !== undefined) return ok(`"${imagesPath}", ${formatSize(facts.sizeBytes)}`);
  return warning(
    `There is no "${imagesPath}"`,
    "Put the archive there, or give its place with IMAGES_PATH; only unlock needs it.",
  );
}

/** The head of whatever a server answers; its body is not waited for. */
async function ask(url: URL, signal: AbortSignal): Promise<{ status: number; headers: Headers }> {
  const { status, headers, body } = await httpClient("API")(url, {
    timeoutMs: CALL_LIMIT_MS,
    redirects: "answer",
    signal,
  });
  await body.cancel();
  return { status, headers };
}

/** What a check that failed says. */
export function failureOf(error: unknown): TallyError {
  return error instanceof TallyError ? error : new TallyError("internal", "The check itself failed", { cause: error });
}
