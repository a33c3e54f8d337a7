import { z } from "zod";
import { type Bytes, jsonValue, utf8 } from "../bytes.ts";
import { writeSmallFile } from "../system/atomic_file.ts";
import { isTaken, readSmallFile } from "../system/files.ts";

const RECORD_LIMIT_BYTES = 16 * 1024;
/** One big part is one version of one resource, unless somebody publishes the same bytes again. */
const RESOURCES_LIMIT = 16;
const recordSchema = z.object({ v: z.literal(2), resources: z.array(z.string()) });

/** Names of the resources that a cached big part of format v2 was used as, in its folder; none when nothing can be read. */
export async function resourcesOf(bigPath: string): Promise<readonly string[]> {
  try {
    return parseRecord(await readSmallFile(recordPath(bigPath), RECORD_LIMIT_BYTES) ?? new Uint8Array(0));
  } catch {
    return []; // a record that cannot be read says nothing
  }
}

/** The names in a record; none when it is damaged. */
export function parseRecord(bytes: Bytes): readonly string[] {
  return recordSchema.safeParse(jsonValue(bytes)).data?.resources ?? [];
}

/** Writes down that a cached big part, which is there, is used as this resource: its name in the cache is a digest, which no person pins. */
export async function noteResource(bigPath: string, name: string): Promise<void> {
  const known = await resourcesOf(bigPath);
  if (known.includes(name) || !await isTaken(bigPath)) return;
  const resources = [...known, name].slice(-RESOURCES_LIMIT);
  await writeSmallFile(recordPath(bigPath), utf8(JSON.stringify({ v: 2, resources })));
}

function recordPath(bigPath: string): string {
  return `${bigPath}.json`;
}
