import assert from "node:assert/strict";
import { join } from "node:path";
import { CacheQuota } from "../../../../lib/cdn/cache_quota.ts";
import { ContentCache } from "../../../../lib/cdn/content_cache.ts";
import { DirectoryStore } from "../../../../lib/cdn/directory.ts";
import { generateJwk } from "../../../../lib/crypto/okp_key.ts";
import { ConflictError, InterruptedError, NotAllowedError, UnavailableError } from "../../../../lib/errors.ts";
import { createLogger } from "../../../../lib/log.ts";
import { type UploadV2Deps, v2Stager } from "../../../../lib/resources/upload_v2.ts";
import { publisherKey } from "../../../../lib/split/manifest_signature.ts";
import { streamOf } from "../../../../lib/streams.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { listFiles } from "../../../../lib/system/files.ts";
import { keystream } from "../../../support/keystream.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { recordedLines } from "../../../support/witness.ts";

const RESOURCE = { folder: "models", name: "detector.onnx" };

/** Publishes once by a `send` of one's own; what was logged, and what lies in the CDN afterwards. */
async function published(changes: Partial<UploadV2Deps>) {
  await using folder = await tempFolder();
  const cdnPath = join(folder.path, "cdn");
  await Deno.mkdir(cdnPath);
  const lines: string[] = [];
  const key = await publisherKey(await generateJwk("Ed25519"));
  const quota = new CacheQuota(join(folder.path, "cache"), { quotaBytes: undefined, clock: systemClock });
  const stage = v2Stager({
    publisherKey: () => Promise.resolve(key),
    send: () => Promise.resolve(),
    highestSeq: () => Promise.resolve(0),
    cdn: () => Promise.resolve(new DirectoryStore({ kind: "directory", path: cdnPath })),
    cache: new ContentCache(join(folder.path, "cache"), quota),
    clock: systemClock,
    log: createLogger({ level: "debug", write: recordedLines("upload_v2_test", lines), now: systemClock.now }),
    ...changes,
  });
  using staged = await stage(streamOf(keystream("upload", 50_000)));
  const error = await staged.publish(RESOURCE).then(() => undefined, (reason) => reason);
  return { error, lines, objects: await listFiles(join(cdnPath, RESOURCE.folder)) };
}

Deno.test("upload() in format v2 leaves the big part of a manifest whose answer was lost: devices may know of it", async () => {
  const lost = [
    new UnavailableError("API", "The connection broke off"),
    new InterruptedError(),
    new DOMException("", "AbortError"),
  ];
  for (const failure of lost) {
    const { error, objects, lines } = await published({ send: () => Promise.reject(failure) });
    assert.equal(error, failure);
    assert.equal(objects.length, 1, failure.name);
    assert.match(lines.join(), /publication_unclear/);
  }
});

Deno.test("upload() in format v2 takes the big part of a manifest away that was refused, or never sent", async () => {
  const away = new UnavailableError("API", "Away");
  for (
    const [failure, changes] of [
      [away, { highestSeq: () => Promise.reject(away) }],
      ...[new NotAllowedError("No"), new ConflictError("Taken")].map((error) =>
        [error, { send: () => Promise.reject(error) }] as const
      ),
    ] as const
  ) {
    const { error, objects } = await published(changes);
    assert.equal(error, failure);
    assert.deepEqual(objects, [], failure.name);
  }
});
