import { createHash } from "node:crypto";
import { join } from "node:path";
import { ResourceApi } from "../../lib/api/client.ts";
import { unverified } from "../../lib/auth/claims.ts";
import { Session } from "../../lib/auth/session.ts";
import { CacheQuota } from "../../lib/cdn/cache_quota.ts";
import { BigPartCache } from "../../lib/cdn/cached.ts";
import { HttpStore } from "../../lib/cdn/http.ts";
import type { ObjectStore } from "../../lib/cdn/store.ts";
import { parseSettings } from "../../lib/config/config.ts";
import { httpClient } from "../../lib/http/client.ts";
import { RateLimit } from "../../lib/http/rate_limit.ts";
import { createLogger } from "../../lib/log.ts";
import type { FindResource } from "../../lib/resources/open_resource.ts";
import { openState, resourcesInV2, type ServicesV2 } from "../../lib/services_v2.ts";
import { byteReader, type ByteStream, byteStream, consume } from "../../lib/streams.ts";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { FACTS } from "./hardware_facts.ts";
import { hurriedClock } from "./hurried_clock.ts";
import { PASSWORD } from "./origin_site.ts";
import { recordOutput } from "./witness.ts";

/** What a child loads, in the way of a device: all at a time. */
export interface LoadJob {
  readonly origin: string;
  readonly cdn: string;
  /** For its state and its cache. */
  readonly folder: string;
  readonly email: string;
  readonly resources: readonly { readonly folder: string; readonly name: string }[];
  readonly bytesPerSecond?: number;
  /** Goes on behind the first bytes when a line comes on its standard input. */
  readonly isSlow?: boolean;
}

/** What is counted at once, and may so be read ahead. */
export const PIECE_BYTES = 64 * 1024;

/** Long, so that few fit into a pipe: a child is not far ahead of what its parent has heard. */
const LINE_BYTES = 2_000;
const encoder = new TextEncoder();

/**
 * Each line reaches the parent before the next thing happens: `open KEY` and `over KEY` (an answer of the CDN), `got KEY BYTES` (of it),
 * `log EVENT`, `paused NAME`, `end NAME SHA256`.
 */
function say(...words: readonly (string | number)[]): void {
  Deno.stdout.writeSync(encoder.encode(`${words.join(" ").padEnd(LINE_BYTES)}\n`));
}

/** Counts what of the big parts is taken off a store. */
function counted(store: HttpStore, limit: RateLimit | undefined): ObjectStore {
  const get: ObjectStore["get"] = async (bucket, key, options) => {
    const found = await store.get(bucket, key, options);
    return key.endsWith(".big") ? { ...found, body: countedBody(key, found.body, limit) } : found;
  };
  return Object.assign(Object.create(store), { get });
}

function countedBody(key: string, body: ByteStream, limit: RateLimit | undefined): ByteStream {
  const reader = byteReader(body);
  say("open", key);
  return byteStream(async () => {
    const piece = await reader.read(PIECE_BYTES, 1);
    await limit?.take(piece.byteLength);
    if (piece.byteLength === 0) return void say("over", key);
    say("got", key, piece.byteLength);
    return piece;
  }, (reason) => {
    say("over", key);
    return reader.cancel(reason);
  });
}

async function servicesOf(job: LoadJob): Promise<ServicesV2> {
  const hurried = hurriedClock();
  const startMs = Date.now();
  const clock: Clock = { ...hurried, now: () => startMs + hurried.now() };
  const settings = parseSettings({
    flags: {
      "resource-api-url": job.origin,
      "state-dir": join(job.folder, "state"),
      "model-cache-dir": join(job.folder, "cache"),
    },
    environment: () => undefined,
    file: {},
  });
  const apiDeps = { baseUrl: settings.resourceApiUrl, http: httpClient("API"), clock };
  const login = new ResourceApi(apiDeps);
  const session = new Session({ authenticate: (...account) => login.login(...account), verify: unverified() });
  await session.signIn({ email: job.email, password: PASSWORD });
  const limit = job.bytesPerSecond === undefined ? undefined : new RateLimit(job.bytesPerSecond, systemClock);
  const store = new HttpStore({ kind: "http", baseUrl: new URL(job.cdn) }, { http: httpClient("CDN"), clock });
  const log = createLogger({
    level: "info",
    write: (line) => say("log", JSON.parse(recordOutput("log of a child that loads", line)).message),
    now: clock.now,
  });
  const quota = new CacheQuota(settings.modelCacheDir, { quotaBytes: undefined, clock });
  await new BigPartCache(settings.modelCacheDir, quota).sweep(); // as a device does when it starts
  return resourcesInV2(settings, {
    ...{ apiDeps, session, log, clock },
    hardware: () => Promise.resolve(FACTS),
    cdn: () => Promise.resolve(counted(store, limit)),
    quota,
    state: await openState(settings, { log, clock }),
  });
}

async function load(find: FindResource, resource: LoadJob["resources"][number], isSlow: boolean): Promise<void> {
  const { body } = await (await find(resource)).open();
  const hash = createHash("sha256");
  if (isSlow) {
    const reader = body.getReader();
    hash.update((await reader.read()).value ?? "");
    reader.releaseLock();
    say("paused", resource.name);
    await Deno.stdin.read(new Uint8Array(1));
  }
  await consume(body, (chunk) => void hash.update(chunk));
  say("end", resource.name, hash.digest("hex"));
}

if (import.meta.main) {
  const job: LoadJob = JSON.parse(Deno.args[0] ?? "");
  const { find, settled, enrolment } = await servicesOf(job);
  await enrolment.current();
  await Promise.all(job.resources.map((resource) => load(find, resource, job.isSlow === true)));
  await settled();
}
