import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { AuditTrail } from "../../lib/audit/audit_trail.ts";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { utf8 } from "../../lib/bytes.ts";
import { CacheQuota } from "../../lib/cdn/cache_quota.ts";
import { BigPartCache } from "../../lib/cdn/cached.ts";
import { ContentCache } from "../../lib/cdn/content_cache.ts";
import { DirectoryStore } from "../../lib/cdn/directory.ts";
import { Floors, FLOORS_FILE } from "../../lib/device/floors.ts";
import { StateFolder } from "../../lib/device/state_folder.ts";
import { TallyError } from "../../lib/errors.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { KINDS, plant } from "../support/planted_files.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { testClock } from "../support/test_clock.ts";

const BIG = { folder: "models", name: "a" };
const KEY = { folder: "models", key: `${"ab".repeat(32)}.big` };
const CONTENT = utf8("content of ours");
const LIMIT_BYTES = 1000;
/** Ours, and the system's own of a name that is taken by something of another kind. */
const REFUSALS = [TallyError, Deno.errors.IsADirectory, Deno.errors.NotADirectory, Deno.errors.AlreadyExists];

/** What a device does in its folders, and the names under which somebody may have put something else before. */
function operationsIn(root: string) {
  const clock = testClock();
  const [cache, state, audit, media] = ["cache", "state", "audit", "media"].map((name) => join(root, name)) as [
    ...[string, string, string, string],
  ];
  const quota = new CacheQuota(cache, { quotaBytes: LIMIT_BYTES, clock });
  const big = new BigPartCache(cache, quota);
  const content = new ContentCache(cache, quota);
  const store = new DirectoryStore({ kind: "directory", path: media });
  const folder = new StateFolder(state, clock);
  const floors = new Floors({ folder, api: "https://api.example.com", clock });
  const trail = new AuditTrail(audit, clock);
  const source = { sizeBytes: CONTENT.byteLength, open: () => Promise.resolve(streamOf(CONTENT.slice())) };
  const read = async (found: { open(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> } | undefined) =>
    found && await collect(await found.open(), LIMIT_BYTES);
  const write = async () => {
    using writer = await big.create(CONTENT.byteLength);
    writer.write(CONTENT.slice());
    await writer.commit(BIG, { smallSha256: "s" });
  };
  const names: Record<string, readonly (() => Promise<unknown>)[]> = {
    "cache/models/a.big": [
      async () => await read(await big.find(BIG)),
      write,
      () => big.evict(BIG),
      () => quota.list(),
    ],
    "cache/models/a.big.json": [async () => (await big.find(BIG))?.pairing, write],
    "cache/.pins.json": [() => quota.pins(), () => quota.repin({ pin: ["models/a"] }), () => quota.makeRoom(1)],
    "cache/.staging": [write, async () => (await content.stage())[Symbol.dispose]()],
    "cache/models": [
      write,
      async () => await read(await big.find(BIG)),
      async () => await read(await content.find(KEY)),
    ],
    [`cache/models/${KEY.key}`]: [
      async () => await read(await content.find(KEY)),
      () => content.repair(KEY, 0, CONTENT),
      () => content.readSmall(KEY, LIMIT_BYTES),
      () => content.writeSmall(KEY, CONTENT),
      () => quota.prune({ quotaBytes: 0 }),
    ],
    [`cache/models/.${KEY.key}.part`]: [async () => (await content.begin(KEY, 10))?.[Symbol.dispose]()],
    [`media/models/${KEY.key}`]: [
      async () => await collect((await store.get(KEY.folder, KEY.key)).body, LIMIT_BYTES),
      () => store.put(KEY.folder, KEY.key, source),
      () => Array.fromAsync(store.list(KEY.folder)),
    ],
    "media/models": [() => store.head(KEY.folder, KEY.key), () => store.put(KEY.folder, KEY.key, source)],
    "state/floors.json": [() => folder.read(FLOORS_FILE), () => floors.raise({ ...BIG, seq: 1 })],
    "state/device.lock": [() => floors.raise({ ...BIG, seq: 1 })],
    "audit/audit.lock": [() => trail.record({ action: "load", from: "local", result: "ok" })],
    "audit/audit-000000000001.jsonl": [
      () => trail.record({ action: "load", from: "local", result: "ok" }),
      () => verifyTrail(audit),
    ],
  };
  return Object.entries(names);
}

Deno.test("what somebody has planted in the folders of a device is neither read nor written through, and nothing waits for it", async () => {
  for (const kind of KINDS) {
    await using folder = await tempFolder();
    for (const [name, operations] of operationsIn(folder.path)) {
      for (const [index, operation] of operations.entries()) {
        const what = `${kind} at ${name}, operation ${index}`;
        const path = join(folder.path, name);
        await Deno.mkdir(dirname(path), { recursive: true });
        const assertUntouched = await plant(kind, path, folder.path);
        const result = await operation().catch((error) => {
          assert.ok(REFUSALS.some((kind) => error instanceof kind), `${what}: ${error}`);
        });
        if (result instanceof Uint8Array) assert.deepEqual(result, CONTENT, what);
        await assertUntouched();
        await Deno.remove(path, { recursive: true }).catch(() => undefined); // it may have been replaced, or removed
      }
    }
  }
});
