import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { NamespacePair } from "../support/namespace_pair.ts";
import { jsonArgs, type NamespacedDevice, startNamespacedDevice } from "../support/namespaced_device.ts";
import { FOLDER, NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";

const versitygw = peerPath("versitygw");
const ip = peerPath("iproute2");
const iptables = peerPath("iptables");
const openssl = peerPath("openssl");
const curl = peerPath("curl");
const LARGE_BYTES = 4_000_001;
const SMALL_BYTES = 400_001;
/** So slow that a transfer is still under way when the link goes down. */
const WATCHED_RATE = "16mbit";
const PASSED_BYTES = 1_000_000;
const PASS_LIMIT_MS = 30_000;

/** A device, its servers, and the link between them. */
interface Net {
  readonly site: NetworkSite;
  readonly pair: NamespacePair;
  readonly device: NamespacedDevice;
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
    operation: "load (v2)",
    fault: "the device gets another address",
    outcome: "goes on over new connections after 30 s of silence; same bytes",
    run: (net) => whileBytesPass(net, "received", (net) => load(net, LARGE_BYTES), ({ pair }) => pair.newAddress()),
  },
];

let failures: ReadonlyMap<Scenario, unknown> | undefined;

for (const scenario of SCENARIOS) {
  const { run: _, ...row } = scenario;
  const ignore = [versitygw, ip, iptables, openssl, curl].includes(undefined);
  faultTest({ area: "network", ...row, ignore }, async () => {
    failures ??= await runAll();
    if (failures.has(scenario)) throw failures.get(scenario);
  });
}

/** One device meets all of it, one after the other, without a restart. */
async function runAll(): Promise<ReadonlyMap<Scenario, unknown>> {
  await using site = await NetworkSite.start(versitygw ?? "");
  await using pair = await NamespacePair.make({ ip: ip ?? "", iptables: iptables ?? "" });
  await using device = await startNamespacedDevice(site, pair, { openssl: openssl ?? "", curl: curl ?? "" });
  const failed = new Map<Scenario, unknown>();
  for (const scenario of SCENARIOS) {
    await scenario.run({ site, pair, device }).catch((error) => failed.set(scenario, error));
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
