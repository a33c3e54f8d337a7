import { createHash } from "node:crypto";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { type Bytes, jsonValue } from "../bytes.ts";
import { consume } from "../streams.ts";
import { fileFacts, listFiles, listFolders, readSmallFile } from "../system/files.ts";
import { openUsed } from "../system/used_files.ts";
import { resourcesOf } from "./content_record.ts";

/** What lies in a cache under one name: a big part with all that belongs to it, or an unfinished download. */
export interface CacheEntry {
  readonly folder: string;
  /** Of a resource in format v1; of an object in format v2; of the file to be in an unfinished download. */
  readonly name: string;
  readonly kind: "big" | "partial";
  /** The resources whose big part it is, as far as it is known; by these names it is pinned. */
  readonly resources: readonly string[];
  /** Everything that goes with it; the bytes themselves come first. */
  readonly files: readonly string[];
  readonly sizeBytes: number;
  /** When it was used last. */
  readonly usedMs: number;
}

/** What a look at all bytes of an entry showed; `unknown` where nothing says what they must be. */
export type EntryState = "good" | "damaged" | "unknown";

const RECORD_LIMIT_BYTES = 16 * 1024;
const BIG_ENDING = ".big";
/** The name of a big part in format v2, without its ending. */
const DIGEST = /^[0-9a-f]{64}$/;
const PARTIAL = /^\.(.+)\.part$/;
const HASHES_ENDING = ".hashes";
/** Files that go with the one whose name they begin with. */
const COMPANION_ENDINGS = [".json", HASHES_ENDING];
const recordSchema = z.object({ pairings: z.array(z.object({ crc32: z.number() })) });

/** Every entry of a cache, in no order. What is no file, or lies through a symbolic link, is left out. */
export async function listEntries(root: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const folder of await listFolders(root)) {
    if (folder.startsWith(".")) continue;
    const names = new Set(await listFiles(join(root, folder)));
    for (const file of names) {
      const entry = await entryOf(join(root, folder), file, names);
      if (entry !== undefined) entries.push({ ...entry, folder });
    }
  }
  return entries;
}

async function entryOf(
  folder: string,
  file: string,
  names: ReadonlySet<string>,
): Promise<Omit<CacheEntry, "folder"> | undefined> {
  const partial = PARTIAL.exec(file)?.[1];
  if (partial === undefined && (file.startsWith(".") || isCompanion(file, names))) return undefined;
  const companions = partial === undefined ? companionsOf(file, names) : [`${file}.journal`];
  const files = [file, ...companions.filter((name) => names.has(name))].map((name) => join(folder, name));
  const facts = await Promise.all(files.map(fileFacts));
  const [own] = facts;
  if (own === undefined) return undefined; // gone meanwhile
  const name = partial ?? (file.endsWith(BIG_ENDING) ? file.slice(0, -BIG_ENDING.length) : file);
  return {
    name,
    resources: partial === undefined && DIGEST.test(name) ? await resourcesOf(join(folder, file)) : [name],
    kind: partial === undefined ? "big" : "partial",
    files,
    sizeBytes: facts.reduce((sum, one) => sum + (one?.sizeBytes ?? 0), 0),
    usedMs: own.modifiedMs,
  };
}

/** A journal without its partial file is what a process has left that was killed when the file had just got its name. */
function companionsOf(file: string, names: ReadonlySet<string>): string[] {
  const own = COMPANION_ENDINGS.map((ending) => file + ending);
  return names.has(`.${file}.part`) ? own : [...own, `.${file}.part.journal`];
}

function isCompanion(file: string, names: ReadonlySet<string>): boolean {
  return COMPANION_ENDINGS.some((ending) => file.endsWith(ending) && names.has(file.slice(0, -ending.length)));
}

/**
 * Reads all of an entry and compares it with what is known of it: the digest in its name (format v2), or the record beside
 * it (format v1).
 */
export async function verifyEntry({ files, kind }: CacheEntry): Promise<EntryState> {
  const [path = ""] = files;
  if (kind === "partial") return "unknown"; // looked at segment by segment when it is gone on with
  if (path.endsWith(HASHES_ENDING)) return "unknown"; // its big part is not there; compared with the manifest when it is used
  const sha256 = /(?:^|[^0-9a-f])([0-9a-f]{64})(?:[^0-9a-f]|$)/.exec(path.slice(path.lastIndexOf("/")))?.[1];
  const expected = sha256 === undefined ? await recordedSums(path) : [sha256];
  if (expected.length === 0) return "unknown";
  const hash = createHash("sha256");
  let crc = 0;
  await consume(await openUsed(path), (chunk) => {
    if (sha256 === undefined) crc = crc32(chunk, crc);
    else hash.update(chunk);
  });
  const actual = sha256 === undefined ? crc : hash.digest("hex");
  return expected.includes(actual) ? "good" : "damaged";
}

/** A record may name two sums, while a big part is replaced. */
async function recordedSums(path: string): Promise<(string | number)[]> {
  try {
    return parseSums(await readSmallFile(`${path}.json`, RECORD_LIMIT_BYTES) ?? new Uint8Array(0));
  } catch {
    return []; // a record that cannot be read says nothing
  }
}

/** The sums that a record names; none when it cannot be read. */
export function parseSums(bytes: Bytes): number[] {
  return recordSchema.safeParse(jsonValue(bytes)).data?.pairings.map(({ crc32 }) => crc32) ?? [];
}
