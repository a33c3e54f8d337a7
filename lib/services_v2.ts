import type { ApiCallsDeps } from "./api/calls.ts";
import { V2Api } from "./api/v2_api.ts";
import type { Session } from "./auth/session.ts";
import type { CacheQuota } from "./cdn/cache_quota.ts";
import { ContentCache } from "./cdn/content_cache.ts";
import type { Media } from "./cdn/media.ts";
import type { ObjectStore } from "./cdn/store.ts";
import type { Settings } from "./config/options.ts";
import { readPrivateKey } from "./crypto/key_file.ts";
import { Enrolment } from "./device/enrolment.ts";
import { Floors } from "./device/floors.ts";
import { StateFolder } from "./device/state_folder.ts";
import { messageOf, NotSignedInError } from "./errors.ts";
import type { HardwareFacts } from "./hardware/probe.ts";
import type { Logger } from "./log.ts";
import { archiveSmallPart, openArchive } from "./resources/archive_v2.ts";
import { v2Finder } from "./resources/load_v2.ts";
import type { FindResource } from "./resources/open_resource.ts";
import { versionOpener } from "./resources/small_part_v2.ts";
import { UnitDownloads } from "./resources/unit_downloads.ts";
import type { StageUpload } from "./resources/upload.ts";
import { v2Stager } from "./resources/upload_v2.ts";
import { publisherKey } from "./split/manifest_signature.ts";
import type { ByteStream } from "./streams.ts";
import { type Clock, stillHolds } from "./system/clock.ts";
import { Turns } from "./system/turns.ts";

/** What format v2 adds to a device. */
export interface ServicesV2 {
  readonly enrolment: Enrolment;
  readonly floors: Floors;
  readonly isOffered: (signal?: AbortSignal) => Promise<boolean>;
  readonly find: FindResource;
  /** Absent without a publisher's key. */
  readonly stage: StageUpload | undefined;
  readonly beginEnrolment: () => void;
  /** The plaintext of the archive at `IMAGES_PATH`; `undefined` when it is one of format v1. */
  readonly openArchive: (
    archive: { readonly sizeBytes: number },
    signal: AbortSignal,
  ) => Promise<ByteStream | undefined>;
  /** Resolves when nothing is written any more. */
  settled(): Promise<void>;
}

/** What this device keeps for itself. One process has one of it: it remembers what it has seen. */
export interface DeviceState {
  readonly folder: StateFolder;
  readonly floors: Floors;
}

/** Opens `STATE_DIR`, and removes what killed processes have left half written there. Where it cannot be read, who needs it is told. */
export async function openState(
  { stateDir, resourceApiUrl }: Settings,
  { log, clock }: { log: Logger; clock: Clock },
): Promise<DeviceState> {
  const folder = new StateFolder(stateDir, clock);
  try {
    await folder.sweep();
  } catch (error) {
    log.warning("state_not_swept", { why: messageOf(error) });
  }
  return { folder, floors: new Floors({ folder, api: resourceApiUrl.href, clock }) };
}

/** What it is made from. */
export interface ServicesV2Deps {
  readonly apiDeps: ApiCallsDeps;
  readonly session: Session;
  readonly hardware: () => Promise<HardwareFacts>;
  readonly cdn: () => Promise<ObjectStore>;
  readonly media?: Media;
  readonly quota: CacheQuota;
  readonly state: DeviceState;
  readonly log: Logger;
  readonly clock: Clock;
}

/** A server that has no format v2 may have it after its next upgrade. */
const NOT_OFFERED_MS = 10 * 60_000;

/** Puts the parts of format v2 together. Nothing is read, written or asked before it is needed. */
export function resourcesInV2(settings: Settings, deps: ServicesV2Deps): ServicesV2 {
  const { apiDeps, session, hardware, cdn, media, quota, state: { folder, floors }, log, clock } = deps;
  const api = new V2Api({ ...apiDeps, tokens: session });
  const isOffered = offerMemory((signal) => api.offer(signal), clock);
  const address = settings.resourceApiUrl.href;
  const enrolment = new Enrolment({ folder, api: address, hardware, enroll: (...call) => api.enroll(...call), log });
  const cache = new ContentCache(settings.modelCacheDir, quota);
  const pending = new Turns();
  const downloads = new UnitDownloads({ cache, pending, log, clock });
  const openVersion = versionOpener({
    ask: (...call) => api.smallPart(...call),
    ...{ enrolment, floors, log },
    userId: () => userOf(session),
  });
  const loading = { openVersion, cdn, media, cache, downloads, pending, log, clock };
  const archive = { ...loading, enrolment, floors, userId: () => userOf(session) };
  return {
    ...{ enrolment, floors, isOffered },
    find: v2Finder(loading),
    openArchive: async ({ sizeBytes }, signal) => {
      const place = { path: settings.imagesPath, resource: settings.imagesResource };
      const opened = settings.resourceFormat === "v1" ? undefined : await archiveSmallPart(archive, place, signal);
      return opened && await openArchive(archive, opened, { path: settings.imagesPath, sizeBytes }, signal);
    },
    stage: stagerOf(settings, { api, cdn, cache, log, clock }),
    beginEnrolment: () => void pending.take("enrolment", () => enrolQuietly(isOffered, enrolment, log)),
    settled: () => pending.allOver(),
  };
}

function stagerOf(
  { publisherKeyFile }: Settings,
  { api, ...deps }: { api: V2Api; cdn: () => Promise<ObjectStore>; cache: ContentCache; log: Logger; clock: Clock },
): StageUpload | undefined {
  if (publisherKeyFile === undefined) return undefined;
  return v2Stager({
    ...deps,
    publisherKey: async () => publisherKey(await readPrivateKey(publisherKeyFile, "Ed25519")),
    send: (...call) => api.publish(...call),
    highestSeq: (...call) => api.highestSeq(...call),
  });
}

function userOf(session: Session): string {
  const user = session.user();
  if (user === undefined) throw new NotSignedInError("Nobody is signed in on this device");
  return user.id;
}

async function enrolQuietly(
  isOffered: ServicesV2["isOffered"],
  enrolment: Enrolment,
  log: Logger,
): Promise<void> {
  try {
    if (!await isOffered()) return;
    const { kid, state } = await enrolment.current();
    log.info("device_enrolled", { kid, state });
  } catch (error) {
    log.warning("device_not_enrolled", { why: messageOf(error) });
  }
}

/** Asks once while the answer is yes, every ten minutes while it is no, and each time while it is neither: then no is not taken for granted. */
function offerMemory(ask: (signal?: AbortSignal) => ReturnType<V2Api["offer"]>, clock: Clock): ServicesV2["isOffered"] {
  let noUntilMs = -Infinity;
  let yes = false;
  return async (signal) => {
    if (yes) return true;
    if (stillHolds(noUntilMs, NOT_OFFERED_MS, clock.now())) return false;
    const answer = await ask(signal);
    yes = answer === "yes";
    if (answer === "no") noUntilMs = clock.now() + NOT_OFFERED_MS;
    return yes;
  };
}
