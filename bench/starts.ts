import { median, sideBySide } from "./measure.ts";
import { residentBytes } from "./memory.ts";
import { formatMemory, formatRatio, formatSeconds } from "./report.ts";
import type { Service } from "./service.ts";

const STARTS = 9;
/** The runtime compiles what a first start has used, and keeps it with the second. */
const STARTS_BEFORE = 2;
const REST_MS = 2_000;
const HEALTHY = '{"status":"healthy"}';

/** How a service starts. */
export interface Start {
  /** From the start of the process to the first answer; median. */
  readonly seconds: number;
  /** Memory that it holds when nothing happens. */
  readonly idleBytes: number;
}

/** Something that runs, and how to start it. */
export type Contestants<Name extends string, T> = Readonly<Record<Name, () => Promise<T>>>;

/** Starts of services that were started before, side by side, and what each holds afterwards. */
export async function measureStarts<Name extends string>(
  services: Contestants<Name, Service>,
): Promise<Record<Name, Start>> {
  const seconds = await repeated(mapped(services, (start) => () => secondsToHealth(start)));
  const idle = await sideBySide(1, mapped(services, (start) => () => idleMemory(start)));
  return mapped(services, (_, name) => ({ seconds: seconds[name], idleBytes: idle[name][0] ?? NaN }));
}

/** Medians of something that was done before, side by side, in seconds. */
export async function repeated<Name extends string>(
  contestants: Contestants<Name, number>,
): Promise<Record<Name, number>> {
  await sideBySide(STARTS_BEFORE, contestants);
  const seconds = await sideBySide(STARTS, contestants);
  return mapped(contestants, (_, name) => median(seconds[name]));
}

/** The cells of a start: time, its ratio to another one, memory. */
export function startCells({ seconds, idleBytes }: Start, reference: Start): string[] {
  return [formatSeconds(seconds), formatRatio(seconds, reference.seconds), formatMemory(idleBytes)];
}

/** From the start of a service to its first answer; then it is stopped. */
export async function secondsToHealth(start: () => Promise<Service>): Promise<number> {
  const startMs = performance.now();
  await using service = await start();
  await askHealth(service);
  return (performance.now() - startMs) / 1000;
}

async function idleMemory(start: () => Promise<Service>): Promise<number> {
  await using service = await start();
  await askHealth(service);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  return residentBytes(service.pid);
}

async function askHealth({ url }: Service): Promise<void> {
  const response = await fetch(new URL("/health", url));
  const text = await response.text();
  if (text !== HEALTHY) throw new Error(`/health answered: ${text}`);
}

function mapped<Name extends string, From, To>(
  record: Readonly<Record<Name, From>>,
  change: (value: From, name: Name) => To,
): Record<Name, To> {
  const names = Object.keys(record) as Name[];
  return Object.fromEntries(names.map((name) => [name, change(record[name], name)])) as Record<Name, To>;
}
