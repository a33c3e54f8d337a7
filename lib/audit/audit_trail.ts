import { join } from "node:path";
import { type Bytes, utf8 } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { appendToFile, readEnd } from "../system/append_file.ts";
import type { Clock } from "../system/clock.ts";
import { ensureFolder, fileFacts, listFiles, removeFile } from "../system/files.ts";
import { waitForFileLock } from "../system/file_lock.ts";
import { Turns } from "../system/turns.ts";
import { type AuditEvent, auditLine, EMPTY_HEAD, parseAuditLine, type TrailHead } from "./audit_line.ts";

const LOCK_NAME = "audit.lock";
const LOCK_LIMIT_MS = 10_000;
const FILE_LIMIT_BYTES = 4 * 1024 * 1024;
/** Files that are kept, unless others are asked for. */
export const FILES_LIMIT = 16;
/** A head is told at the first line, in each new file, and after so many lines. */
const TOLD_LINES = 100;
const LINE_FEED = 0x0a;
/** Holds a whole line and a torn one, as a rule. */
const END_BYTES = 32 * 1024;
const TRAIL_FILE = /^audit-\d{12}\.jsonl$/;

/** Size of a file after which the next is begun, and how many are kept. */
export interface TrailLimits {
  readonly fileBytes: number;
  readonly files: number;
}

/** How a trail is kept. */
export interface TrailOptions {
  readonly limits?: TrailLimits;
  /** Is told where the trail stands, now and then: kept elsewhere, a head vouches for every line up to it. */
  readonly onHead?: (head: TrailHead) => void;
}

/**
 * The trail of who did what: JSON lines in a folder, only ever appended to, each holding the hash of the one before, over the border
 * of files too. A file is named after the number of its first line. Each line is on the disk before its call returns;
 * several processes may write to one folder. A line that a power cut has torn is cut off, and the next one says so;
 * so it does of lines that were removed under a process that runs.
 */
export class AuditTrail {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #limits: TrailLimits;
  readonly #turns = new Turns();
  #waiting: AuditEvent[] = [];
  #writing: Promise<void> | undefined;
  readonly #onHead: (head: TrailHead) => void;
  #toldSeq: number | undefined;
  /** Of the last line that this process has written. */
  #writtenSeq = 0;

  constructor(folder: string, clock: Clock, { limits, onHead }: TrailOptions = {}) {
    this.#folder = folder;
    this.#clock = clock;
    this.#limits = limits ?? { fileBytes: FILE_LIMIT_BYTES, files: FILES_LIMIT };
    this.#onHead = onHead ?? (() => {});
  }

  /**
   * Appends one line. Those that come while others are being written wait, and are written together: a disk is waited for once.
   * @throws {IntegrityError} the last line is not one of ours: nothing is appended to a trail that was altered; {DiskFullError}
   */
  record(event: AuditEvent): Promise<void> {
    this.#waiting.push(event);
    return this.#writing ??= this.#turns.take(this.#folder, () => this.#write());
  }

  /** Resolves when every line that has been asked for by now is on the disk or was refused. */
  async settled(): Promise<void> {
    await this.#turns.allOver();
  }

  async #write(): Promise<void> {
    const events = this.#waiting;
    this.#waiting = [];
    this.#writing = undefined;
    await ensureFolder(this.#folder);
    const path = join(this.#folder, LOCK_NAME);
    using _lock = await waitForFileLock(path, this.#clock, AbortSignal.timeout(LOCK_LIMIT_MS));
    await this.#append(events);
  }

  async #append(recorded: readonly AuditEvent[]): Promise<void> {
    const names = await trailFiles(this.#folder);
    const end = await this.#end(names);
    const isCut = end.head.seq < this.#writtenSeq;
    const events = [
      ...(end.tornBytes === 0 ? [] : [tornEvent(end.tornBytes)]),
      ...(isCut ? [lostEvent(this.#writtenSeq)] : []),
      ...recorded,
    ];
    let head = end.head;
    const lines = events.map((one) => {
      const line = auditLine(head, one, this.#clock.now());
      head = line.head;
      return `${line.text}\n`;
    });
    const isFull = names.length === 0 || end.sizeBytes >= this.#limits.fileBytes;
    const name = isFull ? nameOf(end.head.seq + 1) : names[names.length - 1] ?? "";
    await appendToFile(join(this.#folder, name), utf8(lines.join("")), isFull ? 0 : end.sizeBytes);
    this.#writtenSeq = head.seq;
    if (isFull || isCut || head.seq >= (this.#toldSeq ?? 0) + TOLD_LINES || this.#toldSeq === undefined) {
      this.#tell(head);
    }
    if (isFull) await this.#prune([...names, name]);
  }

  #tell(head: TrailHead): void {
    this.#toldSeq = head.seq;
    this.#onHead(head);
  }

  /** Head of the trail, and where the next line goes in its last file. */
  async #end(names: readonly string[]): Promise<{ head: TrailHead; sizeBytes: number; tornBytes: number }> {
    const name = names.at(-1);
    if (name === undefined) return { head: EMPTY_HEAD, sizeBytes: 0, tornBytes: 0 };
    const path = join(this.#folder, name);
    const sizeBytes = (await fileFacts(path))?.sizeBytes ?? 0;
    const end = await wholeEnd(path, sizeBytes);
    const wholeBytes = end.lastIndexOf(LINE_FEED) + 1;
    const tornBytes = end.byteLength - wholeBytes;
    const head = wholeBytes === 0
      ? (await this.#end(names.slice(0, -1))).head
      : parseAuditLine(lastLineOf(end.subarray(0, wholeBytes)));
    if (head === undefined) throw new IntegrityError(`The last line of "${path}" was altered: see tally audit verify`);
    return { head, sizeBytes: sizeBytes - tornBytes, tornBytes };
  }

  async #prune(names: readonly string[]): Promise<void> {
    for (const name of names.slice(0, Math.max(0, names.length - this.#limits.files))) {
      await removeFile(join(this.#folder, name));
    }
  }
}

/** Names of a trail's files, in order. */
export async function trailFiles(folder: string): Promise<string[]> {
  return (await listFiles(folder)).filter((name) => TRAIL_FILE.test(name));
}

/** Name of the file that begins with that line. */
export function nameOf(seq: number): string {
  return `audit-${String(seq).padStart(12, "0")}.jsonl`;
}

/** As much of the end of a file as holds its last whole line, and what is torn behind it; all of it when there is none. */
async function wholeEnd(path: string, sizeBytes: number): Promise<Bytes> {
  for (let limitBytes = END_BYTES;; limitBytes *= 8) {
    const end = await readEnd(path, limitBytes);
    if (limitBytes >= sizeBytes || end.indexOf(LINE_FEED) < end.lastIndexOf(LINE_FEED)) return end;
  }
}

function lastLineOf(lines: Bytes): string {
  return new TextDecoder().decode(lines.subarray(lines.lastIndexOf(LINE_FEED, -2) + 1, -1));
}

function lostEvent(seq: number): AuditEvent {
  return { action: "trail_lost", resource: `lines up to ${seq} were removed`, from: "local", result: "ok" };
}

function tornEvent(tornBytes: number): AuditEvent {
  return { action: "trail_repaired", resource: `${tornBytes} bytes of a torn line`, from: "local", result: "ok" };
}
