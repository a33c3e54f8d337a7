import { z } from "zod";

/** What a journal belongs to: segments of another object, size or length are of no use. */
export interface JournalHead {
  /** Names the object: a digest of it, or its address and version. */
  readonly identity: string;
  readonly sizeBytes: number;
  readonly segmentBytes: number;
  /** Version of the object, where its bytes are known by nothing better. */
  readonly etag?: string | undefined;
}

/** A segment that a run before has written. */
export interface JournalEntry {
  readonly index: number;
  /** CRC-32 of its bytes: they are read again and compared before they count. */
  readonly crc32: number;
}

/** A journal of some run before. */
export interface Journal {
  readonly head: JournalHead;
  readonly entries: readonly JournalEntry[];
}

/** Lines of 18 characters: enough for 1 TiB in segments of 1 MiB. */
export const JOURNAL_LIMIT_BYTES = 32 * 1024 * 1024;
const headSchema = z.object({
  v: z.literal(1),
  identity: z.string(),
  sizeBytes: z.int().min(0),
  segmentBytes: z.int().min(1),
  etag: z.string().optional(),
});
/** As many as lines fit in: a damaged head must not ask for memory. */
const SEGMENTS_LIMIT = Math.floor(JOURNAL_LIMIT_BYTES / 18);
const ENTRY = /^([0-9a-f]{8}) ([0-9a-f]{8})$/;

/** The first line of a journal. */
export function formatHead({ identity, sizeBytes, segmentBytes, etag }: JournalHead): string {
  return JSON.stringify({ v: 1, identity, sizeBytes, segmentBytes, ...(etag === undefined ? {} : { etag }) });
}

/** The line of a segment: its number and its CRC-32, each as eight hex digits. */
export function formatEntry({ index, crc32 }: JournalEntry): string {
  return `${hex(index)} ${hex(crc32)}`;
}

/**
 * Reads a journal. Lines that are cut off or damaged are left out; without a first line that can be read there is no
 * journal. Of several lines for one segment the last counts.
 */
export function parseJournal(text: string): Journal | undefined {
  const lines = text.split("\n").slice(0, -1); // behind the last line feed stands what was cut off
  const head = parseHead(lines[0] ?? "");
  if (head === undefined) return undefined;
  const entries = new Map<number, JournalEntry>();
  for (const line of lines.slice(1)) {
    const [, index, crc32] = ENTRY.exec(line) ?? [];
    if (index === undefined || crc32 === undefined) continue;
    entries.set(parseInt(index, 16), { index: parseInt(index, 16), crc32: parseInt(crc32, 16) });
  }
  return { head, entries: [...entries.values()] };
}

function parseHead(line: string): JournalHead | undefined {
  try {
    const { v: _version, ...head } = headSchema.parse(JSON.parse(line));
    return head.sizeBytes / head.segmentBytes <= SEGMENTS_LIMIT ? head : undefined;
  } catch {
    return undefined;
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(8, "0");
}
