import assert from "node:assert/strict";
import { NotFoundError } from "../../../../lib/errors.ts";
import { sortedVersions } from "../../../../lib/platform/versions.ts";
import { clientOf } from "../../../support/platform_client.ts";
import { SmallPlatform, VERSIONS } from "../../../support/small_platform.ts";

/** The order of semver.org, section 11, from the lowest to the highest. */
const SPEC_ORDER = [
  ...["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"],
  ...["1.0.0", "1.9.0", "1.10.0", "1.11.0", "2.0.0", "2.1.0", "2.1.1"],
];

Deno.test("sortedVersions() orders as the specification of Semantic Versioning does", () => {
  const shuffled = SPEC_ORDER.toSorted().map((number) => ({ number, released_at: "" }));
  assert.deepEqual(sortedVersions(shuffled).map(({ number }) => number), SPEC_ORDER.toReversed());
});

Deno.test("Versions lists what the application has, and sorted without what is no version", async () => {
  await using platform = new SmallPlatform();
  const { versions } = clientOf(platform);
  assert.deepEqual((await Array.fromAsync(versions.list("checksum"))).map(({ number }) => number), VERSIONS);
  const sorted = await versions.listSorted({ application_id: "checksum" });
  assert.deepEqual(sorted.map(({ number }) => number), [
    ...["2.0.0-alpha.1", "2.0.0-alpha", "1.10.0", "1.10.0-rc.1", "1.9.0", "1.0.0"],
  ]);
  assert.equal((await versions.latest("checksum"))?.number, "2.0.0-alpha.1");
});

Deno.test("Versions gives details of a version, of the highest, and by the joint id of 2025", async () => {
  await using platform = new SmallPlatform();
  const { versions } = clientOf(platform);
  const number = async (...args: Parameters<typeof versions.details>) =>
    (await versions.details(...args)).version_number;
  assert.equal(await number("checksum", "1.9.0"), "1.9.0");
  assert.equal(await number("checksum"), "2.0.0-alpha.1");
  assert.equal(await number("checksum:v1.10.0"), "1.10.0");
  await assert.rejects(versions.details("checksum", "9.9.9"), NotFoundError);
  await assert.rejects(versions.details("nothing"), NotFoundError);
});

Deno.test("Applications lists with a hyphen in page-size, the only list of the wire that has one", async () => {
  await using platform = new SmallPlatform();
  const { applications } = clientOf(platform);
  const [application] = await Array.fromAsync(applications.list({ pageSize: 5, sort: "-name" }));
  assert.equal(application?.latest_version?.number, "1.10.0");
  assert.deepEqual(platform.calls, ["GET /applications?page=1&page-size=5&sort=-name"]);
  assert.equal((await applications.details("checksum")).name, "Checksum");
});
