import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../lib/bytes.ts";
import { startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { NamespacePair } from "../support/namespace_pair.ts";
import { jsonArgs, type NamespacedDevice, startNamespacedDevice } from "../support/namespaced_device.ts";
import { FOLDER, NetworkSite } from "../support/network_site.ts";
import { PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { type LockedArchive, lockedArchive } from "../support/unlock_attempt.ts";

const versitygw = peerPath("versitygw");
const ip = peerPath("iproute2");
const iptables = peerPath("iptables");
const openssl = peerPath("openssl");
const curl = peerPath("curl");
const dockerd = peerPath("dockerd");
const LARGE_BYTES = 4_000_001;
const SMALL_BYTES = 400_001;
/** So slow that a transfer is still under way when the link goes down. */
const WATCHED_RATE = "16mbit";
const PASSED_BYTES = 1_000_000;
const PASS_LIMIT_MS = 30_000;
const UNLOCK_LIMIT_MS = 60_000;
/** About a unit of a big part. */
const UNIT_BYTES = 1024 * 1024;

/** A device, its servers, and the link between them; the engine is on the device's side. */
interface Net {
  readonly site: NetworkSite;
  readonly pair: NamespacePair;
  readonly device: NamespacedDevice;
  readonly engine: TestEngine;
  readonly archive: LockedArchive;
}

interface Scenario {
  readonly operation: string;
  readonly fault: string;
  readonly outcome: string;
  run(net: Net): Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    operation: "load (v2)",
    fault: "the link goes down and comes up",
    outcome: "goes on; same bytes",
    run: (net) => whileBytesPass(net, "received", (net) => load(net, LARGE_BYTES), downAndUp),
  },
  {
    operation: "upload (v2)",
    fault: "the link goes down and comes up",
    outcome: "goes on; done",
    run: (net) => whileBytesPass(net, "sent", (net) => upload(net, LARGE_BYTES), downAndUp),
  },
  {
    operation: "load (v2)",
    fault: "the link is down",
    outcome: "given up after three tries (503); done when it is up",
    async run(net) {
      await net.pair.link("down");
      const ended = await load(net, SMALL_BYTES, "unavailable");
      await healthy(net);
      await net.pair.link("up");
      await ended();
    },
  },
  {
    operation: "load (v2), upload (v2)",
    fault: "5 % of all packets are lost",
    outcome: "done",
    async run(net) {
      await net.pair.lose(0.05);
      await Promise.all([load(net, LARGE_BYTES), upload(net, LARGE_BYTES), healthy(net)]);
      await net.pair.loseNothing();
    },
  },
  {
    operation: "load (v2), upload (v2)",
    fault: "1 Mbit/s",
    outcome: "done",
    async run(net) {
      await net.pair.rate("1mbit");
      await Promise.all([load(net, SMALL_BYTES), upload(net, SMALL_BYTES), healthy(net)]);
      await net.pair.rate(undefined);
    },
  },
  {
    operation: "unlock (v2)",
    fault: "the link is down",
    outcome: "given up after three tries (503), nothing is tagged; done when it is up",
    async run(net) {
      await net.pair.link("down");
      await unlock(net, "unavailable");
      await net.pair.link("up");
      await unlock(net, "done");
    },
  },
  {
    operation: "unlock (v2)",
    fault: "the link goes down and comes up while damaged units of the archive are fetched",
    outcome: "goes on; done",
    run: (net) => whileBytesPass(net, "received", (net) => unlock(net, "done"), downAndUp),
  },
  {
    operation: "load (v2)",
    fault: "the device gets another address",
    outcome: "goes on over new connections after 30 s of silence; same bytes",
    run: (net) => whileBytesPass(net, "received", (net) => load(net, LARGE_BYTES), ({ pair }) => pair.newAddress()),
  },
];

let failures: ReadonlyMap<Scenario, unknown> | undefined;

for (const scenario of SCENARIOS) {
  const { run: _, ...row } = scenario;
  const ignore = [versitygw, ip, iptables, openssl, curl, dockerd].includes(undefined);
  faultTest({ area: "network", ...row, ignore }, async () => {
    failures ??= await runAll();
    if (failures.has(scenario)) throw failures.get(scenario);
  });
}

/** One device meets all of it, one after the other, without a restart. */
async function runAll(): Promise<ReadonlyMap<Scenario, unknown>> {
  await using site = await NetworkSite.start(versitygw ?? "");
  await using engine = await startDockerEngine(dockerd ?? "");
  const archive = await lockedArchive(site, "v2", LARGE_BYTES);
  await using pair = await NamespacePair.make({ ip: ip ?? "", iptables: iptables ?? "" });
  const programs = { openssl: openssl ?? "", curl: curl ?? "" };
  await using device = await startNamespacedDevice(site, pair, programs, {
    bytes: damagedEverywhere(archive.bytes),
    env: { ...environmentOf(archive), DOCKER_HOST: engine.dockerHost },
  });
  const failed = new Map<Scenario, unknown>();
  for (const scenario of SCENARIOS) {
    await scenario.run({ site, pair, device, engine, archive }).catch((error) => failed.set(scenario, error));
  }
  return failed;
}

/** Does something to the link when a part of the bytes has passed, and no more: the rate is limited. */
async function whileBytesPass(
  net: Net,
  way: "received" | "sent",
  operation: (net: Net) => Promise<unknown>,
  disturb: (net: Net) => Promise<void>,
): Promise<void> {
  const { pair } = net;
  await pair.rate(WATCHED_RATE);
  const before = (await pair.passedBytes())[way];
  let isOver = false;
  const running = operation(net).finally(() => isOver = true);
  running.catch(() => {}); // told below
  const passed = async () => isOver || (await pair.passedBytes())[way] - before > PASSED_BYTES;
  await eventually("a part has passed", passed, PASS_LIMIT_MS);
  assert(!isOver, "all was over before the link was touched");
  await disturb(net);
  await healthy(net);
  await running;
  await pair.rate(undefined);
}

async function downAndUp(net: Net): Promise<void> {
  await net.pair.link("down");
  await healthy(net);
  await net.pair.link("up");
}

async function healthy({ device }: Net): Promise<void> {
  const { bytes } = await device.fetch("/health");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes)), { status: "healthy" });
}

/** Publishes a resource past the link and loads it over it. @returns loads it once more, which must be done */
async function load({ site, device }: Net, sizeBytes: number, end = "done"): Promise<() => Promise<void>> {
  const name = site.newName();
  const plain = keystream(name, sizeBytes);
  await site.publish(name, plain, "v2");
  const loadOnce = async (wanted: string) => {
    const { ended, bytes } = await device.fetch(`/load/${name}`, jsonArgs({ filename: name, folder: FOLDER }));
    assert.equal(ended, wanted);
    if (wanted === "done") assert(Buffer.compare(bytes, plain) === 0, "other bytes than were published");
  };
  await loadOnce(end);
  return () => loadOnce("done");
}

/** Uploads a version over the link in place of one that was published past it. */
async function upload({ site, device }: Net, sizeBytes: number): Promise<void> {
  const name = site.newName();
  await site.publish(name, keystream(`old ${name}`, sizeBytes), "v2");
  const plain = keystream(`new ${name}`, sizeBytes);
  const path = await device.file(name, plain);
  const { ended } = await device.fetch(`/upload/${name}`, ["--form", `data=@${path}`]);
  assert.equal(ended, "done");
  assert(Buffer.compare(await site.read(name, "v2"), plain) === 0, "not the new version");
}

/** Unlocks an archive of which everything but its size is damaged: all of it comes over the link. */
async function unlock({ site, device, engine, archive: { reference } }: Net, end: string): Promise<void> {
  await engine.clear();
  const { ended } = await device.fetch("/unlock", jsonArgs({ email: site.email, password: PASSWORD }));
  assert.equal(ended, end);
  let status = { state: "", code: "", error: "" };
  await eventually("the unlock has ended", async () => {
    const { bytes } = await device.fetch("/unlock/status");
    status = { code: "done", ...JSON.parse(new TextDecoder().decode(bytes)) };
    return status.state === "ready" || status.state === "error";
  }, UNLOCK_LIMIT_MS);
  assert.equal(status.code, end, status.error);
  assert.equal(await engine.images.inspect(reference) !== undefined, end === "done");
}

/** A byte of each unit is another. */
function damagedEverywhere(bytes: Bytes): Bytes {
  return bytes.map((byte, index) => index % UNIT_BYTES === UNIT_BYTES / 2 ? byte ^ 1 : byte);
}

function environmentOf({ flags }: LockedArchive): Record<string, string> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, value]) => [name.replaceAll("-", "_").toUpperCase(), value]),
  );
}
