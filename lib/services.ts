import { join } from "node:path";
import type { ApiCallsDeps } from "./api/calls.ts";
import { ResourceApi } from "./api/client.ts";
import { tokenVerifier, unverified, type VerifyToken } from "./auth/claims.ts";
import { READER_ROLES } from "./auth/roles.ts";
import { Session } from "./auth/session.ts";
import type { TrailHead } from "./audit/audit_line.ts";
import { AuditTrail } from "./audit/audit_trail.ts";
import type { Bytes } from "./bytes.ts";
import { CacheQuota } from "./cdn/cache_quota.ts";
import { BigPartCache } from "./cdn/cached.ts";
import { Media } from "./cdn/media.ts";
import { openStore } from "./cdn/open.ts";
import { parseCdnFile } from "./config/cdn_file.ts";
import { cdnReach } from "./config/cdn_reach.ts";
import type { Settings } from "./config/options.ts";
import { accelerator } from "./crypto/accelerator.ts";
import type { Enrolment } from "./device/enrolment.ts";
import { aesKey, resourceKeyString } from "./crypto/keys.ts";
import type { ImageEngine } from "./docker/docker.ts";
import { openEngine } from "./docker/open_engine.ts";
import { ConfigurationError, NotAllowedError } from "./errors.ts";
import { hardwareString } from "./hardware/fingerprint.ts";
import { hardwareFacts } from "./hardware/facts_file.ts";
import type { HardwareFacts } from "./hardware/probe.ts";
import { httpClient } from "./http/client.ts";
import { RateLimit } from "./http/rate_limit.ts";
import type { Logger } from "./log.ts";
import { KNOWN_SECRETS } from "./redaction/known_secrets.ts";
import { cdnSource } from "./resources/cdn_source.ts";
import { resourceFinder, uploadChooser, wholeLoader } from "./resources/format_choice.ts";
import { type LoadResource, resourceLoader } from "./resources/load.ts";
import { apiResourceReader, type ReadApiResource } from "./resources/small_part.ts";
import type { FindResource } from "./resources/open_resource.ts";
import { type StageUpload, uploadStager } from "./resources/upload.ts";
import { openState, resourcesInV2 } from "./services_v2.ts";
import { watched } from "./streams.ts";
import type { Clock } from "./system/clock.ts";
import { readSecretFile } from "./system/files.ts";
import { Unlock, type UnlockAccount, type UnlockSignIn } from "./unlock/unlock.ts";

/** Everything that a device does, ready to be called by its HTTP API or by the command line. */
export interface Services {
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly session: Session;
  /** Verifies the token of a caller, where callers bring their own. */
  readonly verify: VerifyToken;
  readonly api: ResourceApi;
  readonly readApiResource: ReadApiResource;
  /** This device at the API: its key, how it stands, whom it believes. */
  readonly enrolment: Enrolment;
  /** Enrols the device where the server has format v2, behind the caller; a failure is logged, and told to who loads. */
  readonly beginEnrolment: () => void;
  readonly find: FindResource;
  readonly load: LoadResource;
  readonly stage: StageUpload;
  readonly unlock: Unlock;
  readonly engine: ImageEngine;
  readonly hardware: () => Promise<HardwareFacts>;
  readonly audit: Pick<AuditTrail, "record">;
  /** Ends what runs and waits for what is being written; the password is forgotten. */
  stop(): Promise<void>;
}

/** Puts the parts together; no logic of its own. @throws {ConfigurationError} */
export async function createServices(
  settings: Settings,
  { log, clock }: { log: Logger; clock: Clock },
): Promise<Services> {
  const apiDeps = { baseUrl: settings.resourceApiUrl, http: httpClient("API"), clock };
  const signInApi = new ResourceApi(apiDeps);
  const verify = await verifierOf(settings, clock);
  const newSession = () => new Session({ authenticate: (...account) => signInApi.login(...account), verify });

  const hardware = once(() => hardwareFacts(settings));
  const limit = settings.limitRate === undefined ? undefined : new RateLimit(settings.limitRate, clock);
  const partsFor = (session: Session) => apiParts(settings, { apiDeps, session, hardware, limit, clock });
  const session = newSession();
  const { api, readApiResource, cdn } = partsFor(session);
  const quota = new CacheQuota(settings.modelCacheDir, { quotaBytes: settings.modelCacheQuota, clock });
  const cache = new BigPartCache(settings.modelCacheDir, quota);
  const media = new Media(settings.mediaDirs ?? [], log);
  await cache.sweep();
  const state = await openState(settings, { log, clock });
  const library = await accelerator(settings.cryptoAccel, settings.cryptoLibrary, log);
  const sharedKey = once(async () => aesKey(await resourceKeyString(), library));
  const sendSmallPart = (request: { folder: string; name: string; data: Bytes }, signal?: AbortSignal) =>
    api.uploadResource(request, signal);
  const requireApi = async (signal?: AbortSignal) => void await api.currentUser(signal);
  const engine = openEngine(settings);
  const onHead = ({ seq, hash }: TrailHead) => log.info("audit_head", { seq, hash });
  const audit = new AuditTrail(join(settings.stateDir, "audit"), clock, { onHead });
  const unlock = new Unlock({
    engine,
    imagesPath: settings.imagesPath,
    references: settings.images.map((name) => `${name}:${settings.apiVersion}`),
    signIn: unlockSignIn(newSession, (own) => {
      const { api, cdn } = partsFor(own);
      const { openArchive } = resourcesInV2(settings, {
        apiDeps,
        session: own,
        hardware,
        cdn,
        media,
        quota,
        state,
        log,
        clock,
      });
      return { keyFragment: (signal) => api.keyFragment(signal), openArchive };
    }),
    library,
    log,
    clock,
  });
  const v2 = resourcesInV2(settings, { apiDeps, session, hardware, cdn, media, quota, state, log, clock });
  const v1 = {
    load: resourceLoader({ readApiResource, cdn, media, cache, sharedKey, log, clock }),
    stage: uploadStager({ requireApi, sendSmallPart, cdn, cache, sharedKey, log }),
  };
  const { resourceFormat: format } = settings;
  const { isOffered, floors } = v2;
  const find = resourceFinder({ format, isOffered, v1: v1.load, v2: v2.find, floors });
  return {
    settings,
    log,
    clock,
    session,
    verify,
    api,
    readApiResource,
    enrolment: v2.enrolment,
    find,
    load: wholeLoader(find, v1.load),
    stage: uploadChooser({ format, isOffered, v1: v1.stage, v2: v2.stage, log }),
    beginEnrolment: v2.beginEnrolment,
    unlock,
    engine,
    hardware,
    audit,
    async stop() {
      await unlock.stop();
      await cache.settled();
      await v2.settled();
      session.signOut();
      await audit.settled(); // how an unlock has ended, above all, for which nobody's call waits
    },
  };
}

async function verifierOf(settings: Settings, clock: Clock): Promise<VerifyToken> {
  if (settings.jwtVerify === "off") return unverified(clock);
  const { jwtHs256SecretFile, jwtIssuer, jwtAudience } = settings;
  return tokenVerifier({
    jwksUrl: settings.jwtJwksUrl ?? under(settings.resourceApiUrl, ".well-known/jwks.json"),
    algorithms: settings.jwtAlgorithms,
    http: httpClient("API"),
    clock,
    ...(jwtHs256SecretFile === undefined ? {} : { hs256Secret: await hs256Secret(jwtHs256SecretFile) }),
    ...(jwtIssuer === undefined ? {} : { issuer: jwtIssuer }),
    ...(jwtAudience === undefined ? {} : { audience: jwtAudience }),
  });
}

async function hs256Secret(path: string): Promise<Bytes> {
  const secret = await readSecretFile(path);
  KNOWN_SECRETS.keepFor(secret, secret);
  if (secret.byteLength < 32) {
    throw new ConfigurationError([`JWT_HS256_SECRET_FILE "${path}" holds fewer than 32 bytes`]);
  }
  return secret;
}

/** The API and the CDN, as who is signed in has them. */
function apiParts(
  settings: Settings,
  { apiDeps, session, hardware, limit, clock }: {
    apiDeps: ApiCallsDeps;
    session: Session;
    hardware: () => Promise<HardwareFacts>;
    limit: RateLimit | undefined;
    clock: Clock;
  },
) {
  const api = new ResourceApi({ ...apiDeps, tokens: session });
  const readApiResource = apiResourceReader({
    api,
    credentials: () => session.credentials(),
    hardware: async () => hardwareString(await hardware()),
  });
  const cdn = cdnSource({
    readApiResource,
    account: () => session.user()?.email,
    configPath: settings.cdnConfig,
    open: async (yaml) => {
      const reach = cdnReach(settings);
      return openStore(await parseCdnFile(yaml, reach), {
        clock,
        limit,
        reach,
        known: settings.resourceApiUrl.hostname,
      });
    },
    clock,
  });
  return { api, readApiResource, cdn };
}

/** An unlock brings its own account: who is signed in on the device stays so. It is signed out when its secret is no longer needed. */
function unlockSignIn(
  newSession: () => Session,
  accountOf: (own: Session) => Required<Omit<UnlockAccount, "close">>,
): UnlockSignIn {
  return async (credentials, signal) => {
    const session = newSession();
    const { user } = await session.signIn(credentials, signal);
    const end = () => session.signOut();
    if (!READER_ROLES.includes(user.role)) {
      end();
      throw new NotAllowedError(`The role ${user.role} may not unlock images`);
    }
    const account = accountOf(session);
    return {
      close: end,
      keyFragment: (keySignal) => account.keyFragment(keySignal).finally(end),
      async openArchive(archive, archiveSignal) {
        try {
          const plain = await account.openArchive(archive, archiveSignal);
          return plain && watched(plain, { look: () => {}, end, drop: end });
        } catch (error) {
          end();
          throw error;
        }
      },
    };
  };
}

function under(base: URL, path: string): URL {
  return new URL(path, base.href.endsWith("/") ? base : `${base.href}/`);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
