import { join } from "node:path";
import { InterruptedError, messageOf } from "../../lib/errors.ts";
import { type FaultyProxy, faultyProxy } from "../../tests/support/faulty_proxy.ts";
import { startDockerEngine } from "../../tests/support/docker_engine.ts";
import { randomNumbers } from "../../tests/support/random.ts";
import { ensureDocker } from "../../tools/peers/docker.ts";
import { ensureVersitygw } from "../../tools/peers/versitygw.ts";
import { say } from "../../tools/say.ts";
import { startSite } from "../site.ts";
import { writeArchives } from "../unlock.ts";
import { Faults, type Links, pause } from "./faults.ts";
import { type Operation, operationsOn, Resources, upload, WrongBytesError } from "./operations.ts";
import { drift, heldBy, newStretch, printStretches, type Stretch } from "./samples.ts";

const USAGE = "usage: deno task soak MINUTES [SEED]";
const STRETCHES = 30;
const LEAST_STRETCH_MS = 10_000;
const SAMPLE_MS = 1_000;
const WORKERS = 2;
const RESOURCES = 6;
/** Holds fewer than all resources, so that loads are cold again and again. */
const CACHE_QUOTA = "48M";
const IMAGES_BYTES = 8 * 1024 * 1024;
/** A connection that a fault has ended may fail its call a little later. */
const AFTERMATH_MS = 10_000;

/** What goes on while it soaks. */
interface Soak {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly faults: Faults;
  readonly random: () => number;
  readonly stretch: () => Stretch;
  readonly signal: AbortSignal;
  readonly stop: (error: unknown) => void;
}

/** Lets a device work under faults for so many minutes. Returns what was wrong. */
async function soak(minutes: number, seed: number): Promise<string[]> {
  await using folder = await temporaryFolder();
  await using engine = await startDockerEngine(pathOf(await ensureDocker()));
  await using links = new AsyncDisposableStack();
  const proxies: FaultyProxy[] = [];
  const between = async (server: URL) => {
    const proxy = links.use(await faultyProxy(server));
    proxies.push(proxy);
    return proxy.url;
  };
  await using site = await startSite({
    ...{
      folder: folder.path,
      s3Program: pathOf(await ensureVersitygw()),
      dockerHost: engine.dockerHost,
      publishes: true,
    },
    ...{ between, settings: { MODEL_CACHE_QUOTA: CACHE_QUOTA, LOG_LEVEL: "error" } },
  });
  const [cdn, api] = proxies;
  if (cdn === undefined || api === undefined) throw new Error("A site has an API and a CDN");
  const random = randomNumbers(seed);
  const resources = new Resources(RESOURCES);
  await writeArchives(site, join(folder.path, "images.tar"), IMAGES_BYTES);
  for (const name of resources.names) await upload(site, resources, name, random);
  const operations = operationsOn(site, engine, resources);
  const faults = new Faults(site, { api, cdn } satisfies Links, random);
  return await rotate({ operations, faults, random }, minutes, () => heldBy(site.device.pid));
}

async function rotate(
  parts: Pick<Soak, "operations" | "faults" | "random">,
  minutes: number,
  held: () => ReturnType<typeof heldBy>,
): Promise<string[]> {
  const stretches: Stretch[] = [];
  const stopped = new AbortController();
  let failure: unknown;
  const stop = (error: unknown) => {
    failure ??= error;
    stopped.abort();
  };
  const interrupt = () => stop(new InterruptedError());
  Deno.addSignalListener("SIGINT", interrupt);
  const stretch = () => stretches.at(-1) ?? newStretch("");
  const running = { ...parts, stretch, signal: stopped.signal, stop };
  const work = [
    ...Array.from({ length: WORKERS }, () => rotateOne(running)),
    parts.faults.run(stopped.signal).catch(stop),
  ];
  const stretchMs = Math.max(LEAST_STRETCH_MS, minutes * 60_000 / STRETCHES);
  const startMs = performance.now();
  for (let beganMs = startMs; beganMs - startMs < minutes * 60_000 && !stopped.signal.aborted; beganMs += stretchMs) {
    stretches.push(newStretch(`${((beganMs - startMs) / 60_000).toFixed(1)} min`));
    while (performance.now() < beganMs + stretchMs && await pause(SAMPLE_MS, stopped.signal)) {
      stretch().samples.push(held());
    }
  }
  stopped.abort();
  await Promise.all(work);
  Deno.removeSignalListener("SIGINT", interrupt);
  printStretches(stretches, Object.keys(parts.operations));
  say(`${parts.faults.spans.length} faults: ${countedFaults(parts.faults)}`);
  const unexplained = stretches.reduce((sum, { unexplained }) => sum + unexplained, 0);
  return [
    ...(failure === undefined ? [] : [messageOf(failure)]),
    ...(unexplained === 0 ? [] : [`${unexplained} calls failed while nothing was wrong`]),
    ...drift(stretches),
  ];
}

async function rotateOne({ operations, faults, random, stretch, signal, stop }: Soak): Promise<void> {
  const names = Object.keys(operations);
  while (!signal.aborted) {
    const name = pick(names, random);
    const startMs = performance.now();
    try {
      await operations[name]?.(random);
      stretch().done.set(name, (stretch().done.get(name) ?? 0) + 1);
    } catch (error) {
      if (error instanceof WrongBytesError) return stop(error);
      const fault = faults.during(startMs - AFTERMATH_MS, performance.now());
      if (fault !== undefined) stretch().failed++;
      else {
        stretch().unexplained++;
        say(`${name} failed while nothing was wrong: ${messageOf(error)}${causeOf(error)}`);
      }
    }
    await pause(random() * 1_000, signal);
  }
}

function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : "";
}

/** An unlock keeps an engine busy for long, and sign-ins are limited: loads and uploads come more often. */
function pick(names: readonly string[], random: () => number): string {
  const weighted = [...names, "load", "load", "load", "range", "upload"];
  const name = weighted[Math.floor(random() * weighted.length)] ?? "load";
  return name === "unlock" && random() < 0.5 ? "load" : name;
}

function countedFaults({ spans }: Faults): string {
  const counts = new Map<string, number>();
  for (const { what } of spans) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts].map(([what, count]) => `${what} × ${count}`).join(", ");
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "tally-soak-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function pathOf(peer: { readonly path: string } | { readonly missing: string }): string {
  if ("missing" in peer) throw new Error(`A program that the soak needs is missing: ${peer.missing}`);
  return peer.path;
}

if (import.meta.main) {
  const [minutes, seed] = [Number(Deno.args[0]), Number(Deno.args[1] ?? Date.now() % 2 ** 31)];
  if (!(minutes > 0) || !Number.isInteger(seed)) {
    say(USAGE);
    Deno.exit(2);
  }
  say(`${minutes} minutes, seed ${seed}`);
  const wrong = await soak(minutes, seed);
  wrong.forEach(say);
  say(
    wrong.length === 0 ? "Memory and file handles stayed flat, and every byte that came was right" : "This must not be",
  );
  Deno.exit(wrong.length === 0 ? 0 : 1);
}
