import { join } from "node:path";
import { runScript, type Sample } from "./measure.ts";
import { peakBytes, resetPeak } from "./memory.ts";
import { cpuSeconds } from "./processor.ts";
import { FOLDER, type Site } from "./site.ts";

/** What came must be what was published. */
export async function checked(
  variables: Readonly<Record<string, string>>,
  load: () => Promise<Sample>,
): Promise<Sample> {
  const sample = await load();
  await runScript('cmp "$OUT" "$PLAIN" && rm "$OUT"', variables);
  return sample;
}

/** The time of the caller; processor time and peak of the device. */
export async function onDevice({ device }: Site, work: () => Promise<{ readonly seconds: number }>): Promise<Sample> {
  resetPeak(device.pid);
  const before = cpuSeconds(device.pid);
  const { seconds } = await work();
  return { seconds, cpuSeconds: cpuSeconds(device.pid) - before, peakBytes: peakBytes(device.pid) };
}

/** Removes what the device has cached. */
export async function forget({ cacheDir }: Site): Promise<void> {
  await Deno.remove(join(cacheDir, FOLDER), { recursive: true });
}
