import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { formatSize } from "../lib/bytes.ts";
import { ensureProgram } from "../tools/peers.ts";
import { ensureAge } from "../tools/peers/age.ts";
import { ensureDocker } from "../tools/peers/docker.ts";
import { ensureVersitygw } from "../tools/peers/versitygw.ts";
import { say } from "../tools/say.ts";
import { benchAccel } from "./accel.ts";
import { benchArtifacts } from "./artifacts.ts";
import { benchCrowd } from "./crowd.ts";
import { benchHealth } from "./health.ts";
import { benchLoad } from "./load.ts";
import { benchDeviceRange, benchLoadV2 } from "./load_v2.ts";
import { benchOrigin } from "./origin.ts";
import { benchParts } from "./parts.ts";
import { benchPlatform } from "./platform.ts";
import { benchRange } from "./range.ts";
import { benchResume } from "./resume.ts";
import { benchSeal } from "./seal.ts";
import { benchStart } from "./start.ts";
import { benchUnlock } from "./unlock.ts";

/** Programs of other people that benchmarks run against, by absolute path. */
export interface BenchPeers {
  readonly versitygw: string;
  readonly dockerd: string;
  readonly wrk: string;
  readonly age: string;
}

/** What every benchmark is given. */
export interface Bench {
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly peers: BenchPeers;
}

const BENCHMARKS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  start: benchStart,
  parts: benchParts,
  health: benchHealth,
  load: async (bench) => {
    await benchLoadV2(bench, await benchLoad(bench));
    await benchResume(bench);
    await benchCrowd(bench);
  },
  crowd: benchCrowd,
  resume: benchResume,
  unlock: benchUnlock,
  seal: benchSeal,
  range: async (bench) => {
    await benchRange(bench);
    await benchDeviceRange(bench);
  },
  accel: benchAccel,
  origin: benchOrigin,
  platform: benchPlatform,
  artifacts: benchArtifacts,
};

const USAGE = `usage: deno task bench [${Object.keys(BENCHMARKS).join(" | ")}]… [--size 1GiB] [--rounds 3]`;
const UNITS: Readonly<Record<string, number>> = { MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Runs the benchmarks that were named, or all, one after the other. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { size: { type: "string", default: "1GiB" }, rounds: { type: "string", default: "3" } },
    allowPositionals: true,
  });
  const sizeBytes = parseSize(values.size);
  const rounds = Number(values.rounds);
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
  if (Number.isNaN(sizeBytes) || !(rounds >= 1) || names.some((name) => !Object.hasOwn(BENCHMARKS, name))) {
    say(USAGE);
    return 2;
  }
  const peers = await findPeers();
  say(
    `${cpus().length} cores, ${cpus()[0]?.model}; Deno ${Deno.version.deno}; ${
      formatSize(sizeBytes)
    }, median of ${rounds}`,
  );
  for (const name of names) {
    const folder = await Deno.makeTempDir({ prefix: "tally-bench-" });
    try {
      await BENCHMARKS[name]?.({ folder, sizeBytes, rounds, peers });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  return 0;
}

function parseSize(text: string): number {
  const [, figure, unit = ""] = /^(\d+)(MiB|GiB)$/.exec(text) ?? [];
  return Number(figure) * (UNITS[unit] ?? NaN);
}

async function findPeers(): Promise<BenchPeers> {
  return {
    versitygw: pathOf(await ensureVersitygw()),
    dockerd: pathOf(await ensureDocker()),
    wrk: pathOf(await ensureProgram("wrk", "wrk")),
    age: pathOf(await ensureAge()),
  };
}

function pathOf(peer: { readonly path: string } | { readonly missing: string }): string {
  if ("missing" in peer) throw new Error(`A program that the benchmarks need is missing: ${peer.missing}`);
  return peer.path;
}

/** What went wrong first, when ending the services went wrong as well. */
function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    throw firstError(error);
  }
}
