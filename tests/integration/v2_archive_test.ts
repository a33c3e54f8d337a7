import assert from "node:assert/strict";
import { join } from "node:path";
import { ResourceApi } from "../../lib/api/client.ts";
import { unverified } from "../../lib/auth/claims.ts";
import { Session } from "../../lib/auth/session.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { CacheQuota } from "../../lib/cdn/cache_quota.ts";
import { openStore } from "../../lib/cdn/open.ts";
import { parseSettings } from "../../lib/config/config.ts";
import { httpClient } from "../../lib/http/client.ts";
import { silentLogger } from "../../lib/log.ts";
import { openState, resourcesInV2 } from "../../lib/services_v2.ts";
import { collect } from "../../lib/streams.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { FACTS } from "../support/hardware_facts.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const LIMIT_BYTES = 64 * 1024 * 1024;
const PLAIN = keystream("archive", 20 * 1024 * 1024);
const { signal } = new AbortController();

/** What an unlock opens its archive by, with the account of a CompanionPC. */
async function archiveOpener(site: OriginSite, path: string, flags: Record<string, string>) {
  const settings = parseSettings({
    flags: {
      "resource-api-url": site.url,
      "state-dir": join(path, "state"),
      "model-cache-dir": join(path, "cache"),
      ...flags,
    },
    environment: () => undefined,
    file: {},
  });
  const apiDeps = { baseUrl: settings.resourceApiUrl, http: httpClient("API"), clock: systemClock };
  const login = new ResourceApi(apiDeps);
  const session = new Session({ authenticate: (...account) => login.login(...account), verify: unverified() });
  const store = await openStore({ kind: "directory", path: join(path, "cdn") }, { clock: systemClock });
  const { openArchive, enrolment } = resourcesInV2(settings, {
    ...{ apiDeps, session, log: silentLogger, clock: systemClock },
    hardware: () => Promise.resolve(FACTS),
    cdn: () => Promise.resolve(store),
    quota: new CacheQuota(settings.modelCacheDir, { quotaBytes: undefined, clock: systemClock }),
    state: await openState(settings, { log: silentLogger, clock: systemClock }),
  });
  const { email } = await site.user("CompanionPC", `${crypto.randomUUID()}@example.com`);
  await session.signIn({ email, password: PASSWORD });
  return {
    async open(): Promise<Bytes | undefined> {
      const { size } = await Deno.stat(settings.imagesPath);
      const plain = await openArchive({ sizeBytes: size }, signal);
      return plain && await collect(plain, LIMIT_BYTES);
    },
    /** The small part, as somebody lays it beside the archive. */
    async smallPart(): Promise<Bytes> {
      const { kid } = await enrolment.key();
      const path = `/v2/resources/${V2_RESOURCE.folder}/${V2_RESOURCE.name}?device=${kid}`;
      return (await site.call("GET", path, { token: await session.token() })).bytes;
    },
  };
}

Deno.test("unlock opens a v2 archive whose small part comes from the API or lies beside it, and mends a damaged segment from the CDN", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const publisher = await V2Publisher.at(site);
  const { manifest, big, hashes } = await publisher.publish(PLAIN);
  const images = join(folder.path, "images.enc");
  const resource = `${V2_RESOURCE.folder}/${V2_RESOURCE.name}`;
  const cdn = join(folder.path, "cdn", V2_RESOURCE.folder);
  await Deno.mkdir(cdn, { recursive: true });
  await Deno.writeFile(join(cdn, `${manifest.big.key}.hashes`), hashes);
  await Deno.writeFile(images, big);
  const byApi = await archiveOpener(site, folder.path, { "images-path": images, "images-resource": resource });
  assert.deepEqual(await byApi.open(), PLAIN);

  const damaged = big.slice();
  damaged[7_000_000] = (damaged[7_000_000] ?? 0) ^ 1;
  await Deno.writeFile(images, damaged);
  await assert.rejects(byApi.open(), { name: "IntegrityError", step: "unit-hash" }, "the CDN has it not");
  await Deno.writeFile(join(cdn, manifest.big.key), big);
  assert.deepEqual(await byApi.open(), PLAIN);
  await Deno.writeFile(images, big.slice(0, -1));
  await assert.rejects(byApi.open(), { name: "IntegrityError", step: "size" });

  await Deno.writeFile(images, big);
  const alone = await archiveOpener(site, folder.path, { "images-path": images });
  assert.equal(await alone.open(), undefined, "without a small part it is one of format v1");
  await Deno.writeFile(`${images}.small`, await byApi.smallPart());
  assert.deepEqual(await byApi.open(), PLAIN, "of the file beside it");
  await assert.rejects(alone.open(), { name: "IntegrityError", step: "grant-user" }, "another account's");
  await Deno.writeTextFile(`${images}.small`, "{}");
  await assert.rejects(alone.open(), { name: "IntegrityError", step: "form" });
});
