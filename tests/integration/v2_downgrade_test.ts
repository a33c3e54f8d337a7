import assert from "node:assert/strict";
import { join } from "node:path";
import { trailFiles } from "../../lib/audit/audit_trail.ts";
import { utf8 } from "../../lib/bytes.ts";
import { expect, post } from "../support/device_round.ts";
import { OriginSite } from "../support/origin_site.ts";
import { assertProblem } from "../support/problem.ts";
import { tally } from "../support/tally.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const { folder, name } = V2_RESOURCE;
const [OLD, NEW] = [utf8("the older version"), utf8("the newer version")];

/** A device that has used version 1.2, and may use 1.1 no longer. */
async function usedDevice(site: OriginSite): Promise<V2Device> {
  const publisher = await V2Publisher.at(site);
  await publisher.publish(OLD, { seq: 1 });
  await publisher.publish(NEW, { seq: 2 });
  const device = await V2Device.start(site);
  await device.signIn((await site.user("Operator")).email);
  assert.deepEqual(await device.load(folder, name), NEW);
  return device;
}

function get(device: V2Device, query: string): Promise<Response> {
  return fetch(`${device.url}/resources/${folder}/${name}?${query}`);
}

function trailOf({ services: { settings } }: V2Device): string {
  return join(settings.stateDir, "audit");
}

/** The lines of the audit trail about downgrades. */
async function audited(device: V2Device): Promise<Record<string, unknown>[]> {
  const trail = trailOf(device);
  const texts = await Promise.all((await trailFiles(trail)).map((file) => Deno.readTextFile(join(trail, file))));
  const lines = texts.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line));
  return lines.filter((line) => line.action === "allow_downgrade");
}

function facts({ who, role, resource, version, versionSeq, floorSeq, result }: Record<string, unknown>) {
  return { who, role, resource, version, versionSeq, floorSeq, result };
}

Deno.test("a device gives an older version to an administrator who says so, and to nobody else; its floor stays", async (t) => {
  await using site = await OriginSite.start();
  await using device = await usedDevice(site);
  const resource = `${folder}/${name}`;
  const load = (more: Record<string, unknown>) =>
    post(`${device.url}/load/${name}`, JSON.stringify({ filename: name, folder, ...more }));
  const args = ["load", `${name}@1.1`, "--folder", folder, "-o", "-", "--device-url", device.url];

  await t.step("not to an operator, and the audit trail says who asked", async () => {
    const problem = await assertProblem(await get(device, "version=1.1&allow_downgrade=true"), 403, "not_allowed");
    assert.equal(problem.detail, "The role Operator may not load an older version; it takes Admin, ApiAdmin");
    await assertProblem(await load({ allow_downgrade: true }), 403, "not_allowed");
    const { exitCode, stdout, stderr } = await tally([...args, "--allow-downgrade"]);
    assert.deepEqual([exitCode, stdout], [4, ""], stderr);
    const lines = (await audited(device)).map(({ role, resource, result }) => [role, resource, result]);
    assert.deepEqual(lines, Array.from({ length: 3 }, () => ["Operator", resource, "not_allowed"]));
  });

  await device.signIn(site.admin.email, site.admin.password);
  await t.step("to an administrator by GET, for one call, with a line in the audit trail", async () => {
    await assertProblem(await get(device, "version=1.1"), 502, "integrity");
    await assertProblem(await get(device, "version=1.1&allow_downgrade=false"), 502, "integrity");
    await assertProblem(await get(device, "version=1.1&allow_downgrade=yes"), 422, "invalid_input");
    assert.deepEqual(await expect(200, get(device, "version=1.1&allow_downgrade=true")), OLD);
    await assertProblem(await get(device, "version=1.1"), 502, "integrity");
    assert.deepEqual(await expect(200, get(device, "allow_downgrade=true")), NEW, "what the origin chooses");
    const found = { who: site.admin.email, role: "ApiAdmin", resource, floorSeq: 2, result: "ok" };
    assert.deepEqual((await audited(device)).slice(3).map(facts), [
      { ...found, version: "1.1", versionSeq: 1 },
      { ...found, version: "1.2", versionSeq: 2 },
    ]);
  });

  await t.step("to an administrator by the command line", async () => {
    const { exitCode, stdout, stderr } = await tally([...args, "--allow-downgrade"]);
    assert.deepEqual([exitCode, stdout], [0, "the older version"], stderr);
  });

  await t.step("to an administrator by POST, when the newer one was withdrawn", async () => {
    const headers = { authorization: `Bearer ${await site.adminToken()}` };
    await expect(
      200,
      fetch(`${site.url}/v2/resources/${resource}/versions/1.2/withdraw`, { method: "POST", headers }),
    );
    await assertProblem(await load({}), 502, "integrity");
    await assertProblem(await load({ allow_downgrade: "true" }), 422, "invalid_input");
    assert.deepEqual(await expect(200, load({ allow_downgrade: true })), OLD);
    await assertProblem(await load({}), 502, "integrity");
    assert.deepEqual((await audited(device)).at(-1)?.versionSeq, 1);
  });

  await t.step("to nobody while the audit trail cannot be written", async () => {
    await Deno.rename(trailOf(device), `${trailOf(device)}.away`);
    await Deno.writeTextFile(trailOf(device), "a file where a folder must be");
    for (const answer of [await get(device, "allow_downgrade=true"), await load({ allow_downgrade: true })]) {
      assert.ok(answer.status >= 500, `${answer.status}`);
      assert.doesNotMatch(await answer.text(), /older version/);
    }
  });
});
