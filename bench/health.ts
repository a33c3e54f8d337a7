import { fileURLToPath } from "node:url";
import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { median, sideBySide } from "./measure.ts";
import { peakBytes } from "./memory.ts";
import { formatMemory, formatRatio, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";
import { type Service, startService, startTally } from "./service.ts";

const CONNECTIONS = 32;
const SECONDS = 5;
const BARE_SERVER = fileURLToPath(new URL("bare_server.ts", import.meta.url));

interface Load {
  readonly perSecond: number;
  /** 99th percentile, in seconds. */
  readonly p99: number;
}

/** `/health` of a device that does nothing else, beside a bare `Deno.serve` with the same answer. */
export async function benchHealth({ rounds, peers: { wrk } }: Bench): Promise<void> {
  await using bareServer = await startBare();
  await using deviceServer = await startIdleDevice();
  for (const { url } of [bareServer, deviceServer]) await runWrk(wrk, url, { connections: CONNECTIONS, seconds: 1 }); // so that the compiler has had its chance
  const { bare, device } = await sideBySide(rounds, {
    bare: () => runWrk(wrk, bareServer.url, { connections: CONNECTIONS, seconds: SECONDS }),
    device: () => runWrk(wrk, deviceServer.url, { connections: CONNECTIONS, seconds: SECONDS }),
  });
  printTable("/health", ["requests/s", "to bare", "p99", "peak memory"], [
    { what: "bare Deno.serve", cells: cellsOf(bare, bare, bareServer) },
    { what: "device", cells: cellsOf(device, bare, deviceServer), budget: "≥ 0.80 × bare; ≤ 128 MiB" },
  ]);
}

/** Starts a device that is not signed in and whose API does not exist. */
export function startIdleDevice(): Promise<Service> {
  return startTally(["device", "--port", "0", "--resource-api-url", "http://127.0.0.1:1", "--log-level", "warning"]);
}

/** Starts a server that answers every call as `/health` does. */
export function startBare(): Promise<Service> {
  const { program, env } = thisProgram(processEnvironment);
  return startService(program, ["run", "--quiet", "--allow-net", BARE_SERVER], env);
}

/** 99th percentile of `/health`, in seconds, as one caller sees it while `work` goes on. */
export async function healthLatency(wrk: string, url: URL, work: () => Promise<unknown>): Promise<number> {
  const working = work();
  const { p99 } = await runWrk(wrk, url, { connections: 1, seconds: 2 });
  await working;
  return p99;
}

function cellsOf(loads: readonly Load[], bare: readonly Load[], { pid }: Service): string[] {
  const perSecond = median(loads.map((load) => load.perSecond));
  return [
    perSecond.toFixed(0),
    formatRatio(perSecond, median(bare.map((load) => load.perSecond))),
    formatSeconds(median(loads.map(({ p99 }) => p99))),
    formatMemory(peakBytes(pid)),
  ];
}

async function runWrk(wrk: string, url: URL, options: { connections: number; seconds: number }): Promise<Load> {
  const { stdout } = await new Deno.Command(wrk, {
    args: ["-t1", `-c${options.connections}`, `-d${options.seconds}s`, "--latency", new URL("/health", url).href],
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const [, figure, unit = ""] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  if (!(perSecond > 0) || /Non-2xx/.test(text)) throw new Error(`wrk did not measure ${url.href}:\n${text}`);
  return { perSecond, p99: Number(figure) * ({ us: 1e-6, ms: 1e-3 }[unit] ?? 1) };
}
