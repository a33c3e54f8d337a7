import assert from "node:assert/strict";
import { scratchArchive } from "../../../../lib/docker/scratch_archive.ts";
import { collect, watched } from "../../../../lib/streams.ts";
import { TarWalk } from "../../../../lib/unlock/tar_walk.ts";

const OPTIONS = { references: ["azaion/a:1", "azaion/b:1"], architecture: "arm64" } as const;

Deno.test("scratchArchive() gives the same tar archive each time, with a manifest", async () => {
  const archive = await collect(scratchArchive(OPTIONS), 100_000);
  assert.deepEqual(await collect(scratchArchive(OPTIONS), 100_000), archive);
  assert.equal(archive.byteLength % 512, 0);
  const manifests: string[] = [];
  const walk = new TarWalk({
    wants: (path) => path === "manifest.json",
    take: (_path, content) => void manifests.push(new TextDecoder().decode(content)),
  });
  walk.take(archive);
  assert.equal(manifests.length, 1);
  assert.deepEqual(
    JSON.parse(manifests[0] ?? "").flatMap(({ RepoTags }: { RepoTags: string[] }) => RepoTags),
    OPTIONS.references,
  );
});

Deno.test("scratchArchive() stays whole when its reader takes the buffers for good", async () => {
  const archive = await collect(scratchArchive(OPTIONS), 100_000);
  const passed = await collect(watched(scratchArchive(OPTIONS), { look: () => {} }), 100_000);
  assert.deepEqual(passed, archive);
});

Deno.test("scratchArchive() carries payload of any size", async () => {
  const plain = (await collect(scratchArchive(OPTIONS), 10_000_000)).byteLength;
  for (const payloadBytes of [1, 511, 512, 513, 262_144, 300_001]) {
    const archive = await collect(scratchArchive({ ...OPTIONS, payloadBytes }), 10_000_000);
    const perImage = 512 + Math.ceil(payloadBytes / 512) * 512;
    assert.equal(archive.byteLength, plain + 2 * perImage, `${payloadBytes} B`);
  }
});
