import assert from "node:assert/strict";
import { startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { type EngineRelay, engineRelay } from "../support/engine_relay.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { peerPath } from "../support/peers.ts";
import { killTally, type RunningTally, startTally, type TallyResult } from "../support/tally.ts";
import { REFERENCES, startUnlockService, UnlockSite } from "../support/unlock_site.ts";

const dockerd = peerPath("dockerd");
const ignore = dockerd === undefined;
const READY = { state: "ready", error: null, progress: null };
const MIB = 1024 * 1024;

let engine: TestEngine;
Deno.test.beforeAll(async () => {
  if (dockerd !== undefined) engine = await startDockerEngine(dockerd);
});
Deno.test.beforeEach(async () => {
  if (dockerd !== undefined) await engine.clear();
});
Deno.test.afterAll(async () => {
  if (dockerd !== undefined) await engine[Symbol.asyncDispose]();
});

/** `tally unlock --direct` as a process of its own, on the archive of a site. Disposing kills it. */
async function unlockDirectly(site: UnlockSite, dockerHost: string): Promise<RunningTally & AsyncDisposable> {
  const { email, password } = site.account;
  const running = startTally([
    "unlock",
    "--direct",
    "--email",
    email,
    "--password-stdin",
    ...site.flagsOfAnother({ "docker-host": dockerHost }),
  ]);
  await running.stdin.write(new TextEncoder().encode(`${password}\n`));
  await running.stdin.close();
  return { ...running, [Symbol.asyncDispose]: () => killTally(running) };
}

/** Waits until an unlock of another process has begun to load. */
async function loads({ ended }: RunningTally, relay: EngineRelay): Promise<void> {
  let early: TallyResult | undefined;
  ended.then((result) => early = result);
  await eventually("the first loads", () => {
    assert.equal(early, undefined);
    return Promise.resolve(relay.loads() === 1);
  });
}

function waits({ device }: UnlockSite): Promise<void> {
  return eventually(
    "the second waits",
    () => Promise.resolve(device.logLines.some((line) => /unlock\.waits/.test(line))),
  );
}

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "images removed after the unlock",
  outcome: "the next unlock notices, and loads them again",
  ignore,
}, async () => {
  await using site = await UnlockSite.start(engine);
  assert.deepEqual(await site.unlock(), READY);
  await engine.clear();
  assert.equal((await site.status()).state, "ready", "what was so at the end of the last one");
  assert.deepEqual(await site.unlock(), READY);
  assert.deepEqual(await engine.images.list(), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "two unlocks of one archive at once, by two processes",
  outcome: "the second waits, and finds the images there: one load",
  ignore,
}, async () => {
  await using relay = await engineRelay(engine.dockerHost);
  await using site = await UnlockSite.start(relay);
  using held = relay.hold();
  await using first = await unlockDirectly(site, relay.dockerHost);
  await loads(first, relay);
  assert.deepEqual(await site.ask(), { status: 200, text: '{"state":"downloading_key"}' });
  await waits(site);
  assert.deepEqual(await engine.images.list(), []);
  held[Symbol.dispose]();
  const { exitCode, stderr } = await first.ended;
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(await site.settled(), READY);
  assert.equal(relay.loads(), 1);
  assert.deepEqual(await engine.images.list(), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "two unlocks of one archive at once, and the process of the first is killed",
  outcome: "the second goes on by itself",
  ignore,
}, async () => {
  await using relay = await engineRelay(engine.dockerHost);
  await using site = await UnlockSite.start(relay);
  using held = relay.hold();
  await using first = await unlockDirectly(site, relay.dockerHost);
  await loads(first, relay);
  await site.ask();
  await waits(site);
  await killTally(first);
  held[Symbol.dispose]();
  assert.deepEqual(await site.settled(), READY);
  assert.deepEqual(await engine.images.list(), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "a second unlock is stopped while it waits for the first",
  outcome: "it ends at once; the first goes on",
  ignore,
}, async () => {
  await using relay = await engineRelay(engine.dockerHost);
  await using site = await UnlockSite.start(relay);
  using held = relay.hold();
  await using first = await unlockDirectly(site, relay.dockerHost);
  await loads(first, relay);
  await site.ask();
  await waits(site);
  await site.device.services.unlock.stop();
  const { state, code } = await site.status();
  assert.deepEqual({ state, code }, { state: "error", code: "interrupted" });
  held[Symbol.dispose]();
  const { exitCode, stderr } = await first.ended;
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(await engine.images.list(), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "SIGTERM of the device service in the middle of a load",
  outcome: "ends with 0 within its limit, nothing is tagged; the next start unlocks",
  ignore,
}, async () => {
  await using relay = await engineRelay(engine.dockerHost);
  await using site = await UnlockSite.start({ ...relay, payloadBytes: 16 * MIB });
  await using service = await startUnlockService(site);
  using held = relay.hold({ afterBytes: 16 * MIB });
  await service.unlock();
  await eventually("half of it has gone out", () => Promise.resolve(relay.isHolding()));
  const { exitCode, stderr } = await service.stop();
  assert.equal(exitCode, 0, stderr);
  assert.match(stderr, /"code":"interrupted"/);
  assert.doesNotMatch(stderr, new RegExp(site.account.password));
  assert.deepEqual(await engine.images.list(), []);
  held[Symbol.dispose]();
  assert.deepEqual(await site.unlock(), READY);
});
