import type { Context } from "hono";
import { type ByteStream, watched } from "../lib/streams.ts";
import { Places } from "../lib/system/places.ts";
import { callOf } from "./call.ts";

const WAITING_PER_PLACE = 8;
const WAIT_MS = 60_000;

/** The places of loads and uploads: each holds memory, connections and files while it runs. */
export function transferPlaces(maxTransfers: number): Places {
  return new Places({ places: maxTransfers, waiting: maxTransfers * WAITING_PER_PLACE, waitMs: WAIT_MS });
}

/**
 * Runs a load or an upload when there is a place for it. The place is free again when the work has ended, or, when `work` answers with a body that it has
 * given to `keep`, when all of that body was taken, its caller has gone, or takes nothing for a minute.
 * @throws {BusyError} too many wait already, or none got free in time; and whatever `work` throws
 */
export async function inPlace<T>(
  c: Context,
  places: Places,
  work: (keep: (body: ByteStream) => ByteStream) => Promise<T>,
): Promise<T> {
  const giveBack = await places.take(c.req.raw.signal);
  let isKept = false;
  const keep = (body: ByteStream) => {
    isKept = true;
    return callOf(c).paced(watched(body, { look: () => {}, end: giveBack, drop: giveBack }));
  };
  try {
    return await work(keep);
  } catch (error) {
    isKept = false;
    throw error;
  } finally {
    if (!isKept) giveBack();
  }
}
