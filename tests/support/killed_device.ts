import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { type DevicePlace, type ServiceProcess, signInOn, startDeviceProcess, statePath } from "./device_process.ts";
import { filesBelow } from "./origin_site.ts";
import { killAtEachStep } from "./steps.ts";

/** A temporary name of ours, or an unfinished download. */
const LEFTOVER = /(^|\/)\.[^/]*\.(partial|part|part\.journal)$/;

/** What is done on a device that is killed while it is under way. */
export interface KilledWork {
  /** What must be so before, each time. */
  prepare?(round: number): Promise<void>;
  /** What is killed. The device is told to stop afterwards, and ends what it does behind its callers. */
  operate(url: string, round: number): Promise<void>;
  /** What must be so after the next start. @param step after which it was killed; `undefined` when it was not */
  check(url: string, round: number, step: string | undefined): Promise<void>;
}

/**
 * Does some work on a device again and again, each time killed one step later, until it comes through. Each next start is that of
 * the killed device, and repeats the work. Every time the audit trail holds, and nothing half done is left.
 * @returns the steps at which it was killed
 */
export async function killDevice(
  { strace, place, email }: { strace: string; place: DevicePlace; email: string },
  { prepare = () => Promise.resolve(), operate, check }: KilledWork,
): Promise<readonly string[]> {
  let killedBefore: ((device: ServiceProcess) => Promise<void>) | undefined;
  return await killAtEachStep({ strace, folder: place.folder }, (round) =>
    Promise.resolve({
      async work(trap, arm) {
        await using device = await startDeviceProcess(place, trap);
        await signInOn(device.url, email);
        await killedBefore?.(device);
        await prepare(round);
        arm();
        await operate(device.url, round);
        await device.stop();
      },
      async check(step) {
        killedBefore = async ({ url }) => {
          await check(url, round, step);
          await verifyTrail(join(statePath(place), "audit"));
        };
        if (step !== undefined) return;
        await using device = await startDeviceProcess(place);
        await signInOn(device.url, email);
        await killedBefore(device);
        await device.stop();
        await nothingIsLeft(place.folder);
      },
    }));
}

/** Asserts that no temporary file is below a folder. */
export async function nothingIsLeft(folder: string, why = ""): Promise<void> {
  const left = (await filesBelow(folder)).filter((path) => LEFTOVER.test(path));
  assert.deepEqual(left, [], why);
}

/** The highest `seq` that a device has written down of its only resource; 0 when it has none. */
export async function floorOf(place: DevicePlace): Promise<number> {
  const text = await Deno.readTextFile(join(statePath(place), "floors.json")).catch(() => '{"seq":{}}');
  const { seq }: { seq: Record<string, number> } = JSON.parse(text);
  return Math.max(0, ...Object.values(seq));
}
