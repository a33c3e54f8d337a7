import { fileURLToPath } from "node:url";
import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { median, sideBySide } from "./measure.ts";
import { peakBytes } from "./memory.ts";
import { formatMemory, formatRatio, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";
import { type Service, startService, startTally } from "./service.ts";
import { type Load, runWrk } from "./wrk.ts";

const CONNECTIONS = 32;
const SECONDS = 5;
const BARE_SERVER = fileURLToPath(new URL("bare_server.ts", import.meta.url));

/** `/health` of a device that does nothing else, beside a bare `Deno.serve` with the same answer. */
export async function benchHealth({ rounds, peers: { wrk } }: Bench): Promise<void> {
  await using bareServer = await startBare();
  await using deviceServer = await startIdleDevice();
  const ask = ({ url }: Service, seconds: number) =>
    runWrk({ wrk, url: new URL("/health", url), connections: CONNECTIONS, seconds });
  for (const server of [bareServer, deviceServer]) await ask(server, 1); // so that the compiler has had its chance
  const { bare, device } = await sideBySide(rounds, {
    bare: () => ask(bareServer, SECONDS),
    device: () => ask(deviceServer, SECONDS),
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
  const { p99 } = await runWrk({ wrk, url: new URL("/health", url), connections: 1, seconds: 2 });
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
