import { startBare, startIdleDevice } from "./health.ts";
import { median } from "./measure.ts";
import { residentBytes } from "./memory.ts";
import { formatMemory, formatRatio, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";
import type { Service } from "./service.ts";

const STARTS = 7;
const REST_MS = 2_000;

interface Start {
  readonly seconds: number;
  readonly idleBytes: number;
}

/** From the start of the process to its first answer, and the memory that it holds when nothing happens. */
export async function benchStart(_bench: Bench): Promise<void> {
  const bare = await measure(startBare);
  const device = await measure(startIdleDevice);
  printTable("start, and idle", ["to first /health", "to bare", "idle memory"], [
    { what: "bare Deno.serve", cells: cellsOf(bare, bare) },
    { what: "device", cells: cellsOf(device, bare), budget: "≤ 300 ms; ≤ 70 MiB" },
  ]);
}

async function measure(start: () => Promise<Service>): Promise<Start> {
  const seconds: number[] = [];
  for (let round = 0; round < STARTS; round++) {
    const startMs = performance.now();
    await using service = await start();
    await askHealth(service);
    seconds.push((performance.now() - startMs) / 1000);
  }
  await using service = await start();
  await askHealth(service);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  return { seconds: median(seconds), idleBytes: residentBytes(service.pid) };
}

async function askHealth({ url }: Service): Promise<void> {
  const response = await fetch(new URL("/health", url));
  const text = await response.text();
  if (text !== '{"status":"healthy"}') throw new Error(`/health answered: ${text}`);
}

function cellsOf({ seconds, idleBytes }: Start, bare: Start): string[] {
  return [formatSeconds(seconds), formatRatio(seconds, bare.seconds), formatMemory(idleBytes)];
}
