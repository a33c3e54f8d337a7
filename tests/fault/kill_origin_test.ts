import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { equalBytes } from "../../lib/bytes.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { ContentKeys } from "../../origin/content_keys.ts";
import { masterKeySource, readMasterKeys } from "../../origin/master_key.ts";
import { restoreOrigin } from "../../origin/restore.ts";
import { State } from "../../origin/state.ts";
import { Versions } from "../../origin/versions.ts";
import { launchOf, startOriginProcess } from "../support/device_process.ts";
import { faultTest } from "../support/fault_test.ts";
import { nothingIsLeft } from "../support/killed_device.ts";
import { keystream } from "../support/keystream.ts";
import { fileForm, filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { runProgram } from "../support/run_program.ts";
import { killAtEachStep } from "../support/steps.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2_RESOURCE, V2Publisher, type V2Version } from "../support/v2_publisher.ts";

const strace = peerPath("strace") ?? "";
const ignore = strace === "";
const SIZE_BYTES = 100_000;
const FAULT = "killed after each step on the disk";
const { signal } = new AbortController();

/** What is sent to an origin that is killed, and what must be so after its next start. */
interface KilledCalls {
  operate(round: number): Promise<void>;
  check(round: number, step: string | undefined): Promise<void>;
}

/** The same as `killDevice()`, for the origin of a site. */
async function killOrigin(site: OriginSite, { operate, check }: KilledCalls): Promise<readonly string[]> {
  let killedBefore = () => Promise.resolve();
  await site.stop();
  const steps = await killAtEachStep({ strace, folder: site.dataDir }, (round) =>
    Promise.resolve({
      async work(trap, arm) {
        await using origin = await startOriginProcess(site.dataDir, { spawn: trap.spawn });
        site.url = origin.url;
        await killedBefore();
        arm();
        await operate(round);
        await origin.stop();
      },
      check(step) {
        killedBefore = () => check(round, step);
        return Promise.resolve();
      },
    }));
  await site.serve();
  await killedBefore();
  await nothingIsLeft(site.dataDir);
  await verifyTrail(join(site.dataDir, "audit"));
  return steps;
}

/** Runs a command of the command line again and again, each time killed one step later. */
async function killCommand(
  folder: string,
  args: readonly string[],
  { prepare, check }: { prepare(): Promise<void>; check(round: number, step: string | undefined): Promise<void> },
): Promise<readonly string[]> {
  return await killAtEachStep({ strace, folder }, async (round) => {
    await prepare();
    return {
      async work(trap, arm) {
        arm();
        await trap.spawn(launchOf(args)).output();
      },
      check: (step) => check(round, step),
    };
  });
}

faultTest({
  area: "process",
  fault: FAULT,
  operation: "origin: an object is replaced",
  outcome: "the old or the new object, whole; once answered, the new one; the file of the other is gone",
  ignore,
}, async () => {
  await using site = await OriginSite.start();
  const { writer: token } = await site.objectTokens();
  const bytesOf = (round: number) => keystream(`object ${round}`, SIZE_BYTES);
  const put = async (round: number) => {
    const { status, text } = await site.call("PUT", "/objects/models/a.big", { token, body: bytesOf(round) });
    assert.ok(status < 300, text);
  };
  let answered = 0;
  await put(0);
  const steps = await killOrigin(site, {
    async operate(round) {
      await put(round);
      answered = round;
    },
    async check(round, step) {
      const { bytes } = await site.call("GET", "/objects/models/a.big", { token });
      const found = [round, round - 1].find((number) => equalBytes(bytes, bytesOf(number)));
      assert.ok(found !== undefined && found >= answered, step);
      await put(round);
      const blobs = await filesBelow(join(site.dataDir, "objects"));
      assert.equal(blobs.length, 1, step);
    },
  });
  assert.ok(steps.some((step) => /^rename.*objects/.test(step)), steps.join("\n"));
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "origin: a version is published (v2)",
  outcome: "it is published or not; repeated, it is there once; what was answered stays",
  ignore,
}, async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const versions = new Map<number, V2Version>();
  const steps = await killOrigin(site, {
    async operate(round) {
      const version = await publisher.seal(keystream(`version ${round}`, SIZE_BYTES), { seq: round });
      versions.set(round, version);
      assert.equal((await publisher.send(version)).status, 201);
    },
    async check(round, step) {
      const version = versions.get(round);
      const again = version && await publisher.send(version);
      assert.ok(again?.status === 201 || again?.status === 200, `${step}: ${again?.text}`);
      assert.deepEqual(await keysOf(site), [...versions.values()].map(({ contentKey }) => contentKey), step);
    },
  });
  assert.match(steps[0] ?? "", /\.partial$/, "the master key is made by the first version");
});

/** The content keys of all versions, opened, in the order of their `seq`. */
async function keysOf({ dataDir }: Pick<OriginSite, "dataDir">): Promise<Uint8Array[]> {
  using state = await State.open(dataDir, 0);
  const contentKeys = new ContentKeys({ state, source: masterKeySource({ dataDir }), clock: systemClock });
  const versions = new Versions({ state, contentKeys, clock: systemClock }).list(V2_RESOURCE).reverse();
  return await Promise.all(versions.map((version) => contentKeys.unwrap(version, version.contentKey)));
}

faultTest({
  area: "process",
  fault: FAULT,
  operation: "origin: a small part is uploaded (v1), an account is made",
  outcome: "the old or the new small part; the account is there and signs in, or is not; both can be repeated",
  ignore,
}, async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  const admin = await site.adminToken();
  const bytesOf = (round: number) => keystream(`small ${round}`, 1000);
  const post = (round: number) =>
    site.call("POST", "/resources/models", { token, body: fileForm(bytesOf(round), "a.small") });
  const add = (round: number) =>
    site.call("POST", "/users", {
      token: admin,
      json: { email: `user-${round}@example.com`, password: PASSWORD, role: "Operator" },
    });
  await post(0);
  await killOrigin(site, {
    async operate(round) {
      assert.equal((await post(round)).status, 200);
      assert.equal((await add(round)).status, 200);
    },
    async check(round, step) {
      const small = await Deno.readFile(join(site.dataDir, "resources", "models", "a.small"));
      assert.ok([round, round - 1].some((number) => equalBytes(small, bytesOf(number))), step);
      assert.equal((await post(round)).status, 200, step);
      const { status } = await add(round);
      assert.ok(status === 200 || status === 409, `${step}: ${status}`);
      await site.signIn(`user-${round}@example.com`);
    },
  });
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "origin: rotate-master-key",
  outcome: "every content key opens after every kill; run again, it ends; no file with a master key is left over",
  ignore,
}, async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const published: V2Version[] = [];
  for (const seq of [1, 2]) published.push(await publisher.publish(keystream(`version ${seq}`, 1000), { seq }));
  const expected = published.map(({ contentKey }) => contentKey);
  await site.stop();
  await using folder = await tempFolder();
  const copy = { dataDir: join(folder.path, "copy") };
  const rotate = ["origin", "rotate-master-key", "--data-dir", copy.dataDir];
  const steps = await killCommand(folder.path, rotate, {
    async prepare() {
      await Deno.remove(copy.dataDir, { recursive: true }).catch(() => undefined);
      await runProgram("cp", ["-a", site.dataDir, copy.dataDir]);
    },
    check: async (_round, step) => assert.deepEqual(await keysOf(copy), expected, step),
  });
  assert.equal(steps.filter((step) => /^rename.*master\.key/.test(step)).length, 2, steps.join("\n"));
  await killCommand(folder.path, rotate, { prepare: () => Promise.resolve(), check: () => Promise.resolve() });
  assert.deepEqual(await keysOf(copy), expected);
  assert.equal((await readMasterKeys(masterKeySource(copy))).length, 1);
  await nothingIsLeft(folder.path);
  await site.serve();
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "origin: gc, backup",
  outcome: "what is published stays; a backup is whole or not there; run again, both end and leave nothing over",
  ignore,
}, async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const { contentKey } = await publisher.publish(keystream("kept", SIZE_BYTES));
  await site.stop();
  const objects = join(site.dataDir, "objects");
  const kept = await filesBelow(objects);
  const gc = await killCommand(site.dataDir, ["origin", "gc", "--data-dir", site.dataDir], {
    prepare: () => Deno.writeFile(join(objects, "nobody-knows-it"), new Uint8Array(10)),
    async check(_round, step) {
      const present = await filesBelow(objects);
      assert.deepEqual(kept.filter((name) => !present.includes(name)), [], step);
    },
  });
  assert.ok(gc.some((step) => /^unlink.*nobody/.test(step)), gc.join("\n"));
  assert.deepEqual(await filesBelow(objects), kept);

  const out = join(folder.path, "origin.tar");
  const root = join(site.dataDir, "..");
  const outside = join(root, "backup.tar");
  const backup = await killCommand(root, ["origin", "backup", "--data-dir", site.dataDir, "--out", outside], {
    prepare: () => Deno.remove(outside).catch(() => undefined),
    async check(_round, step) {
      if (!await Deno.stat(outside).then(() => true, () => false)) return;
      const restored = join(folder.path, crypto.randomUUID());
      await restoreOrigin({ from: outside, dataDir: restored, signal });
      assert.deepEqual(await filesBelow(join(restored, "objects")), kept, step);
    },
  });
  assert.ok(backup.some((step) => /^rename.*backup\.tar/.test(step)), backup.join("\n"));
  await Deno.rename(outside, out);
  await nothingIsLeft(root);
  assert.equal(await Deno.stat(join(site.dataDir, "backup.partial")).catch(() => undefined), undefined);
  assert.deepEqual(await keysOf(site), [contentKey]);
  await site.serve();
});
