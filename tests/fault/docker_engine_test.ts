import assert from "node:assert/strict";
import { dockerPrograms, enginePlace, startEngineIn, type TestEngine } from "../support/docker_engine.ts";
import { engineRelay } from "../support/engine_relay.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { peerPath } from "../support/peers.ts";
import { REFERENCES, UnlockSite } from "../support/unlock_site.ts";

const dockerd = peerPath("dockerd");
const READY = { state: "ready", error: null, progress: null };
const MIB = 1024 * 1024;
const UNREACHABLE = /^The Docker engine cannot be reached: unix:\/\/\S+ does not answer, or broke the connection off$/;

/** What carries one of the names is whole. @returns the names that are there */
async function tagged({ images }: TestEngine): Promise<readonly string[]> {
  const names = await images.list();
  for (const name of names) assert.ok((await images.inspect(name))?.id, name);
  return names;
}

/** The engine dies while half of the archive has gone out, and comes back. @param sentence that the unlock ends with */
async function killedInTheMiddle(flags: Readonly<Record<string, string>>, sentence: RegExp): Promise<void> {
  await using place = await enginePlace();
  await using relay = await engineRelay(place.dockerHost);
  await using site = await UnlockSite.start({ ...relay, flags, payloadBytes: 16 * MIB });
  await using first = await startEngineIn(place, dockerd ?? "");
  using held = relay.hold({ afterBytes: 16 * MIB });
  await site.ask();
  await eventually("half of it has gone out", () => Promise.resolve(relay.isHolding()));
  await first.kill();
  held[Symbol.dispose]();
  const { state, code, error } = await site.settled();
  assert.deepEqual({ state, code }, { state: "error", code: "docker" });
  assert.match(error ?? "", sentence);
  await using again = await startEngineIn(place, dockerd ?? "");
  assert.deepEqual(await tagged(again), []);
  assert.deepEqual(await site.unlock(), READY);
  assert.deepEqual(await tagged(again), REFERENCES);
}

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "engine away, and started later",
  outcome: "502 with one sentence, nobody is signed in; the next unlock works",
  ignore: dockerd === undefined,
}, async () => {
  await using place = await enginePlace();
  await using site = await UnlockSite.start(place);
  const { status, text } = await site.ask();
  assert.equal(status, 502);
  const { code, detail } = JSON.parse(text);
  assert.equal(code, "docker");
  assert.match(detail, UNREACHABLE);
  const { state, error } = await site.status();
  assert.equal(state, "error");
  assert.match(error ?? "", UNREACHABLE);
  await using engine = await startEngineIn(place, dockerd ?? "");
  assert.deepEqual(await site.unlock(), READY);
  assert.deepEqual(await tagged(engine), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "engine and containerd killed in the middle of a load, and started again",
  outcome: "state error with one sentence, nothing is tagged; the next unlock works",
  ignore: dockerd === undefined,
}, () => killedInTheMiddle({}, UNREACHABLE));

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "engine and containerd killed when they have all of the archive, and started again",
  outcome: "state error with one sentence, what is tagged is whole; the next unlock works",
  ignore: dockerd === undefined,
}, async () => {
  await using place = await enginePlace();
  await using site = await UnlockSite.start({ ...place, payloadBytes: 32 * MIB });
  await using first = await startEngineIn(place, dockerd ?? "");
  await site.ask();
  await site.until("all of it has gone out", ({ state }) => state === "loading_images");
  await first.kill();
  const { state, code, error } = await site.settled();
  assert.deepEqual({ state, code }, { state: "error", code: "docker" });
  assert.match(error ?? "", UNREACHABLE);
  await using again = await startEngineIn(place, dockerd ?? "");
  await tagged(again);
  assert.deepEqual(await site.unlock(), READY);
  assert.deepEqual(await tagged(again), REFERENCES);
});

faultTest({
  area: "docker",
  operation: "unlock by the docker program",
  fault: "engine and containerd killed in the middle of a load, and started again",
  outcome: "state error with one sentence, nothing is tagged; the next unlock works",
  ignore: dockerd === undefined,
}, () => {
  const [program = ""] = dockerPrograms();
  const flags = { "docker-via": "cli", "docker-program": program };
  return killedInTheMiddle(flags, /^The Docker engine cannot be reached: [^\n]+$/);
});
