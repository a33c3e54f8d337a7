import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { streamOf } from "../../lib/streams.ts";
import { eventually } from "./eventually.ts";
import type { FaultPoint } from "./faulty_proxy.ts";
import { keystream } from "./keystream.ts";
import { FOLDER, type Format, type NetworkSite } from "./network_site.ts";
import { fileForm, filesBelow, PASSWORD } from "./origin_site.ts";
import { runAt } from "./platform_cli.ts";
import { runResults } from "./run_results.ts";
import { tempFolder } from "./temp_folder.ts";
import type { V2Device } from "./v2_device.ts";

/** How an operation ended: `done`, the code of the problem (with its `Retry-After`, if it has one), `broken off` (the answer ended early), or `exit N` of a command. */
export type Ended = string;

/** Puts something before a server. */
export type MakeFront<Fault> = (target: URL) => Promise<FaultPoint<Fault>>;

/** An operation that somebody wants, with what brings faults before each of its servers. */
export interface Attempt<Fault> extends AsyncDisposable {
  readonly api: FaultPoint<Fault>;
  readonly cdn: FaultPoint<Fault>;
  /** Makes everything ready for the next fault: new files, and nobody has them yet. */
  prepare(): Promise<void>;
  /** Does it once, and looks at what it gave. */
  run(): Promise<Ended>;
  /** Looks at everything that must hold, however it has ended. */
  verify(ended: Ended): Promise<void>;
  /** Asks the service that does it, where there is one. */
  health(): Promise<void>;
}

/** What is under way when a fault comes. */
export interface Operation {
  /** As the table of `docs/reliability.md` says it. */
  readonly name: string;
  begin<Fault>(site: NetworkSite, front: MakeFront<Fault>): Promise<Attempt<Fault>>;
}

const LOAD_BYTES = 2_500_001;
/** One is sent to S3 in parts, the other in one piece. */
const UPLOAD_BYTES: Readonly<Record<Format, number>> = { v1: 9_000_001, v2: 2_500_001 };
const RESULT_BYTES = 1_500_000;
const SAMPLE_BYTES = 64;

/** Every operation that reaches over the network, but for unlock: see `unlock_attempt.ts`. */
export const OPERATIONS: readonly Operation[] = [
  { name: "login", begin: login },
  loadOf("v1"),
  loadOf("v2"),
  { name: "upload (v1)", begin: (site, front) => upload(site, front, "v1") },
  { name: "upload (v2)", begin: (site, front) => upload(site, front, "v2") },
  { name: "run download", begin: (_, front) => runDownload(front) },
];

/** A load of a resource of that size. */
export function loadOf(format: Format, sizeBytes = LOAD_BYTES): Operation {
  return { name: `load (${format})`, begin: (site, front) => load(site, front, format, sizeBytes) };
}

async function login<Fault>(site: NetworkSite, front: MakeFront<Fault>): Promise<Attempt<Fault>> {
  const made = await deviceBehind(site, front, "v2");
  const { device } = made;
  return {
    ...made,
    prepare: () => Promise.resolve(device.services.session.signOut()),
    run: () => endOf(made.call("/login", json({ email: site.email, password: PASSWORD }))),
    async verify(ended) {
      const { authenticated } = await (await made.call("/status")).json();
      assert.equal(authenticated, ended === "done");
      made.verifyLog();
    },
  };
}

async function load<Fault>(
  site: NetworkSite,
  front: MakeFront<Fault>,
  format: Format,
  sizeBytes: number,
): Promise<Attempt<Fault>> {
  const made = await deviceBehind(site, front, format);
  let name = "";
  let plain = keystream("", 0);
  return {
    ...made,
    async prepare() {
      name = site.newName();
      plain = keystream(name, sizeBytes);
      await site.publish(name, plain, format);
    },
    run() {
      return endOf(made.call(`/load/${name}`, json({ filename: name, folder: FOLDER })), plain);
    },
    async verify(ended) {
      if (ended === "done") await eventually("nothing is unfinished", async () => !await hasUnfinished(made.cachePath));
      await verifyCache(site, made.cachePath, plain);
      made.verifyLog();
    },
  };
}

async function upload<Fault>(
  site: NetworkSite,
  front: MakeFront<Fault>,
  format: Format,
): Promise<Attempt<Fault>> {
  const made = await deviceBehind(site, front, format);
  let name = "";
  let versions = { old: keystream("", 0), new: keystream("", 0) };
  return {
    ...made,
    async prepare() {
      name = site.newName();
      const version = (word: string) => keystream(`${word} ${name}`, UPLOAD_BYTES[format]);
      versions = { old: version("old"), new: version("new") };
      using staged = await made.device.services.stage(streamOf(versions.old));
      await staged.publish({ folder: FOLDER, name });
    },
    run: () => endOf(made.call(`/upload/${name}`, { method: "POST", body: fileForm(versions.new, name) })),
    async verify(ended) {
      const present = await site.read(name, format);
      const isNew = equal(present, versions.new);
      assert(isNew || ended !== "done" && equal(present, versions.old), "neither the old nor the new version");
      assert.deepEqual((await filesBelow(made.cachePath)).filter((path) => /staging|\.part|\.tmp/.test(path)), []);
      await verifyCache(site, made.cachePath, versions.new);
      made.verifyLog();
    },
  };
}

/** `tally run download` of two files, from a platform and another server. */
async function runDownload<Fault>(front: MakeFront<Fault>): Promise<Attempt<Fault>> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const results = stack.use(runResults());
  const api = stack.use(await front(results.platform.url));
  const cdn = stack.use(await front(results.storage.url));
  results.storageUrl = cdn.url;
  const { run: { runId }, files } = results;
  let round = 0;
  const owned = stack.move();
  return {
    ...{ api, cdn },
    prepare() {
      const names = [`one-${++round}`, `two-${round}`];
      files.splice(0, 2, ...names.map((name) => ({ externalId: "x", name, bytes: keystream(name, RESULT_BYTES) })));
      return Promise.resolve();
    },
    async run() {
      const { exitCode } = await runAt(api.url, ["run", "download", runId, folder.path]);
      return exitCode === 0 ? "done" : `exit ${exitCode}`;
    },
    async verify(ended) {
      const present = await filesBelow(join(folder.path, runId));
      const isUnfinished = (path: string) => /\/\.[^/]+\.part(\.journal)?$/.test(path);
      if (ended === "done") assert(!present.some(isUnfinished), present.join());
      for (const { name, bytes } of files) {
        const path = `x/${name}.json`;
        assert(present.includes(path) || ended !== "done", path);
        if (present.includes(path)) assert(equal(await Deno.readFile(join(folder.path, runId, path)), bytes), path);
      }
      assert(present.every((path) => isUnfinished(path) || /^x\/(one|two)-\d+\.json$/.test(path)), present.join());
    },
    health: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A device with what brings faults before each of its servers. */
export interface FrontedDevice<Fault> extends AsyncDisposable {
  readonly device: V2Device;
  readonly api: FaultPoint<Fault>;
  readonly cdn: FaultPoint<Fault>;
  readonly cachePath: string;
  /** Calls it, over a connection of its own. */
  call(path: string, init?: RequestInit): Promise<Response>;
  health(): Promise<void>;
  /** No secret may stand in what the device logs. */
  verifyLog(): void;
}

/** Starts such a device; somebody is signed in, and the device is enrolled. */
export async function deviceBehind<Fault>(
  site: NetworkSite,
  front: MakeFront<Fault>,
  format: Format,
  flags: Readonly<Record<string, string>> = {},
): Promise<FrontedDevice<Fault>> {
  await using stack = new AsyncDisposableStack();
  const api = stack.use(await front(site.ways.api));
  const cdn = stack.use(await front(site.ways.cdn));
  const device = await site.device({ api: api.url, cdn: cdn.url }, format, flags);
  stack.use(device);
  await device.signIn(site.email);
  await device.services.enrolment.current();
  const cachePath = join(device.folder.path, "cache");
  await Deno.mkdir(cachePath, { recursive: true });
  const client = stack.adopt(Deno.createHttpClient({ poolMaxIdlePerHost: 0 }), (made) => made.close());
  const call = (path: string, init: RequestInit = {}) => fetch(`${device.url}${path}`, { ...init, client });
  const owned = stack.move();
  return {
    ...{ device, api, cdn, cachePath, call },
    async health() {
      assert.deepEqual(await (await call("/health")).json(), { status: "healthy" });
    },
    verifyLog() {
      const log = device.logLines.join("\n");
      const { downloader, uploader } = site.s3.settings;
      const secrets = [PASSWORD, downloader.secret.reveal(), uploader?.secret.reveal() ?? PASSWORD];
      assert(secrets.every((secret) => !log.includes(secret)), "a secret in the log");
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How a call of a device ended; what it gave must be what was `wanted`. */
export async function endOf(answer: Promise<Response>, wanted?: Bytes): Promise<Ended> {
  const response = await answer;
  const bytes = await response.bytes().catch(() => undefined);
  if (bytes === undefined) return "broken off";
  const retryAfter = response.headers.get("retry-after");
  const wait = retryAfter === null ? "" : `, ${retryAfter} s`;
  if (!response.ok) return JSON.parse(new TextDecoder().decode(bytes)).code + wait;
  if (wanted !== undefined) assert(equal(bytes, wanted), "other bytes than were published");
  return "done";
}

/** What has its name in the cache is what the CDN has; and plaintext is nowhere. */
async function verifyCache({ s3 }: NetworkSite, cachePath: string, plain: Bytes): Promise<void> {
  const sample = plain.subarray(plain.byteLength - SAMPLE_BYTES);
  for (const path of await filesBelow(cachePath)) {
    const bytes = await Deno.readFile(join(cachePath, path)).catch(() => new Uint8Array());
    assert.equal(Buffer.from(bytes).indexOf(sample), -1, `plaintext in ${path}`);
    const published = await Deno.readFile(join(s3.dataDir, path)).catch(() => undefined);
    if (published !== undefined) assert(equal(bytes, published), `other bytes in ${path} than in the CDN`);
  }
}

async function hasUnfinished(cachePath: string): Promise<boolean> {
  return (await filesBelow(cachePath)).some((path) => /\.part|staging\//.test(path));
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** A call that posts JSON. */
export function json(body: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
