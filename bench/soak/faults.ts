import type { FaultyProxy, NetworkFault } from "../../tests/support/faulty_proxy.ts";
import { FOLDER, type Site } from "../site.ts";
import { join } from "node:path";

/** When a fault was there, in milliseconds of the soak's own clock. */
export interface FaultSpan {
  readonly what: string;
  readonly startMs: number;
  endMs: number;
}

/** The ways that a device's servers lie behind. */
export interface Links {
  readonly api: FaultyProxy;
  readonly cdn: FaultyProxy;
}

const PAUSE_MS = 15_000;
const SPARE_PAUSE_MS = 10_000;
const LASTS_MS = 2_000;
const SPARE_LASTS_MS = 5_000;
const MIB = 1024 * 1024;

/** Faults, one after the other, with quiet between them, until the signal is aborted. */
export class Faults {
  readonly spans: FaultSpan[] = [];
  readonly #site: Site;
  readonly #links: Links;
  readonly #random: () => number;

  constructor(site: Site, links: Links, random: () => number) {
    this.#site = site;
    this.#links = links;
    this.#random = random;
  }

  /** What was wrong at some moment of that time; a little after a fault its effects may still be seen. */
  during(startMs: number, endMs: number): FaultSpan | undefined {
    return this.spans.find((span) => span.startMs <= endMs && span.endMs >= startMs);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (await pause(PAUSE_MS + this.#random() * SPARE_PAUSE_MS, signal)) {
      const name = this.#random() < 0.5 ? "api" : "cdn";
      const link = this.#links[name];
      const span: FaultSpan = { what: "", startMs: performance.now(), endMs: Infinity };
      const what = await this.#begin(link);
      this.spans.push({ ...span, what: `${name}: ${what}` });
      await pause(LASTS_MS + this.#random() * SPARE_LASTS_MS, signal);
      await link.heal();
      const begun = this.spans.at(-1);
      if (begun !== undefined) begun.endMs = performance.now();
    }
  }

  async #begin(link: FaultyProxy): Promise<string> {
    const at = { direction: "down", afterBytes: Math.floor(this.#random() * 4 * MIB) } as const;
    const faults: readonly NetworkFault[] = [
      { kind: "cut", at, times: 3 },
      { kind: "reset", at: { ...at, afterBytes: 0 }, times: 3 },
      { kind: "stall", at, times: 1 },
      { kind: "slow", bytesPerSecond: 256 * 1024 },
      { kind: "delay", delayMs: 200 },
      { kind: "corrupt", at: { ...at, afterBytes: at.afterBytes + 2000 }, times: 1 },
    ];
    const choice = Math.floor(this.#random() * (faults.length + 2));
    const fault = faults[choice];
    if (fault !== undefined) {
      void link.begin(fault);
      return fault.kind;
    }
    if (choice === faults.length) {
      await link.begin({ kind: "gone" });
      return "down";
    }
    return await this.#damageCache();
  }

  /** A bit of a cached big part is another one. */
  async #damageCache(): Promise<string> {
    const folder = join(this.#site.cacheDir, FOLDER);
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    const parts = names.filter((name) => name.endsWith(".big") && !name.startsWith("."));
    const name = parts[Math.floor(this.#random() * parts.length)];
    if (name !== undefined) await flipBit(join(folder, name), Math.floor(this.#random() * MIB / 2));
    return "a bit of the cache flipped";
  }
}

async function flipBit(path: string, offset: number): Promise<void> {
  try {
    using file = await Deno.open(path, { read: true, write: true });
    const byte = new Uint8Array(1);
    await file.seek(offset, Deno.SeekMode.Start);
    await file.read(byte);
    await file.seek(offset, Deno.SeekMode.Start);
    await file.write(byte.map((value) => value ^ 1));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // evicted in this moment
  }
}

/** Whether it went on to its end. */
export function pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), durationMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    }, { once: true });
  });
}
