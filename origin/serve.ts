import { AuditTrail } from "../lib/audit/audit_trail.ts";
import { ConfigurationError, messageOf } from "../lib/errors.ts";
import { isLoopback } from "../lib/http/loopback.ts";
import type { Handler } from "../lib/http/listening.ts";
import { serveHttp } from "../lib/http/server.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import { type Clock, systemClock } from "../lib/system/clock.ts";
import { sweepPartialFiles } from "../lib/system/atomic_file.ts";
import { openFileCount } from "../lib/system/open_files.ts";
import { Accounts } from "./accounts.ts";
import { createOriginApp } from "./app.ts";
import { ContentKeys } from "./content_keys.ts";
import { Devices, type EnrolmentPolicy } from "./devices.ts";
import { auditFolder, objectsFolder, resourcesFolder } from "./data_folder.ts";
import { lockFolder } from "./folder_lock.ts";
import { findGarbage, removeGarbage } from "./garbage.ts";
import { ObjectFolder } from "./object_store.ts";
import { AccessTokens } from "./oidc/access_tokens.ts";
import { Issuer, issuerAt, type IssuerDeps } from "./oidc/issuer.ts";
import { Organizations } from "./organizations.ts";
import { masterKeySource } from "./master_key.ts";
import { PasswordHasher } from "./passwords.ts";
import { tokenCallers } from "./platform/callers.ts";
import { containerHostOf, DEFAULT_DOCKER_HOST } from "./platform/container_host.ts";
import { createPlatform, DEFAULT_PLATFORM_SETTINGS, type PlatformSettings } from "./platform/platform.ts";
import { removeExpired } from "./platform/retention.ts";
import { baseOf } from "./public_url.ts";
import { holdSecrets } from "./secrets.ts";
import { ResourceStore } from "./resource_store.ts";
import { signInLimit } from "./sign_ins.ts";
import { notAnOrigin, State } from "./state.ts";
import { Tokens } from "./tokens.ts";
import { Versions } from "./versions.ts";

/** How an origin is run. */
export interface OriginOptions {
  /** Folder of everything the origin keeps; made by `initOrigin`. */
  readonly dataDir: string;
  /** Address to listen on; `127.0.0.1` unless given. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where clients reach it, through a TLS proxy; must be given when `host` can be reached from other machines. */
  readonly publicUrl?: URL;
  /** Who lets new devices in; the origin itself unless given. */
  readonly enrolment?: EnrolmentPolicy;
  /** File of the master key; `master.key` in the data folder unless given. The environment goes before it. */
  readonly masterKeyFile?: string;
  /** How runs are processed. */
  readonly platform?: PlatformSettings;
  /** Engine of container applications, `unix:///path` or `tcp://host:port`. */
  readonly dockerHost?: string;
  readonly log?: Logger;
  readonly clock?: Clock;
}

const DEFAULT_HOST = "127.0.0.1";

/**
 * Serves an origin until the signal is aborted; running requests then have ten seconds to finish.
 * @param onListening called once, with the address it listens on, when calls are taken
 * @throws {ConfigurationError} no origin in the folder, or no `publicUrl` for a public address; {ConflictError} another
 * origin serves this folder
 */
export async function runOrigin(
  options: OriginOptions,
  signal: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const { dataDir, host = DEFAULT_HOST, port, publicUrl, log = silentLogger, clock = systemClock } = options;
  checkAddress(options);
  using state = await State.open(dataDir, clock.now());
  using _lock = await lockFolder(dataDir);
  using _secrets = holdSecrets(state);
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  if (accounts.count() === 0) throw notAnOrigin(dataDir);
  await removeExpired({ state, dataDir, nowMs: clock.now(), strayBeforeMs: Infinity });
  await removeGarbage(await findGarbage(dataDir, Infinity));
  await sweepPartialFiles(dataDir); // of a rotation that was killed: there a master key may lie
  const resources = new ResourceStore(resourcesFolder(dataDir));
  const objects = new ObjectFolder(state, objectsFolder(dataDir));
  const organizations = new Organizations({ state, clock });
  const devices = new Devices({ state, accounts, policy: options.enrolment ?? "automatic", clock });
  const contentKeys = new ContentKeys({ state, source: masterKeySource(options), clock });
  await contentKeys.check().catch((error) => log.error("master_key_missing", { error: messageOf(error) }));
  const versions = new Versions({ state, contentKeys, clock });
  const v2 = { devices, versions, contentKeys };
  const signIns = signInLimit(clock);
  const audit = new AuditTrail(auditFolder(dataDir), clock, {
    onHead: ({ seq, hash }) => log.info("audit_head", { seq, hash }),
  });
  const deps = { state, accounts, organizations, resources, objects, ...v2, signIns, audit, log, clock };
  const { platform: settings = DEFAULT_PLATFORM_SETTINGS, dockerHost = DEFAULT_DOCKER_HOST } = options;
  const containers = await containerHostOf({ dataDir, dockerHost, clock });
  const stopped = new AbortController();
  let working = Promise.resolve();
  const handlerAt = (url: URL): Handler => {
    const publicDeps = { ...deps, ...signInAt(publicUrl ?? url, deps) };
    const platform = createPlatform({ ...publicDeps, settings, containers });
    const app = createOriginApp({ ...publicDeps, platform, authenticate: tokenCallers(publicDeps.tokens) });
    working = platform.work(stopped.signal).catch((error) => log.error("worker_failed", { error: messageOf(error) }));
    return (request, call) => app.fetch(request, call);
  };
  try {
    const renewal = {
      onTrouble: (error: unknown) => log.error("listener_lost", { error: messageOf(error) }),
      openFiles: () => openFileCount(dataDir),
    };
    await serveHttp({ host, port, clock, handlerAt, renewal }, signal, (url) => {
      log.info("origin_listening", { url: url.href });
      onListening(baseOf(url));
    });
  } finally {
    stopped.abort();
    await working;
    await audit.settled();
  }
  log.info("origin_stopped");
}

/** What says who calls: its tokens carry the public address. */
function signInAt(publicUrl: URL, deps: Omit<IssuerDeps, "publicUrl">) {
  const { state, accounts, clock } = deps;
  const issuer = new Issuer({ ...deps, publicUrl });
  const { keys, records } = issuer;
  const accessTokens = new AccessTokens({ keys, records, accounts, issuer: issuerAt(publicUrl), clock });
  return { publicUrl, issuer, accessTokens, tokens: new Tokens({ state, accounts, accessTokens, clock }) };
}

function checkAddress({ host = DEFAULT_HOST, publicUrl }: OriginOptions): void {
  if (publicUrl === undefined && !isLoopback(host)) {
    throw new ConfigurationError([`${host} can be reached from other machines: give the public https URL as well`]);
  }
  if (publicUrl?.protocol === "http:" && !isLoopback(publicUrl.hostname)) {
    throw new ConfigurationError(["The public URL must be https, except on this machine"]);
  }
}
