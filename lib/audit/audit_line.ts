import { createHash } from "node:crypto";
import { z } from "zod";
import { jsonValue } from "../bytes.ts";
import { redact } from "../redaction/redact.ts";

/** What happened. No value is a secret. */
export interface AuditEvent {
  /** What was asked for: `sign_in`, `load`, `upload`, … */
  readonly action: string;
  /** The account, as far as it is known: one that was refused is the one that was typed. */
  readonly who?: string | undefined;
  /** Present where `who` has proved to be that account. */
  readonly role?: string | undefined;
  /** `folder/name`, or what else the action was about. */
  readonly resource?: string | undefined;
  readonly version?: string | undefined;
  /** Number of that version in its order, and the highest that the device had used, where the two were compared. */
  readonly versionSeq?: number | undefined;
  readonly floorSeq?: number | undefined;
  /** Address that the call came from, or `local`. */
  readonly from: string;
  /** `ok`, or the code of the error. */
  readonly result: string;
  /** Of the call, as in the log. */
  readonly requestId?: string | undefined;
}

/** Where a trail stands: number and hash of its last line. */
export interface TrailHead {
  readonly seq: number;
  readonly hash: string;
}

/** A line whose own hash is right. */
export interface AuditLine extends TrailHead {
  /** Hash of the line before. */
  readonly prev: string;
}

/** Before the first line. */
export const EMPTY_HEAD: TrailHead = { seq: 0, hash: "0".repeat(64) };

const TEXT_LIMIT = 512;
const HASH = /^[0-9a-f]{64}$/;
const HASH_ENDING = /,"hash":"([0-9a-f]{64})"\}$/;
const lineSchema = z.looseObject({ seq: z.int().positive(), time: z.iso.datetime(), prev: z.string().regex(HASH) });

/** The next line of a trail, without its line feed, and the new head. */
export function auditLine(head: TrailHead, event: AuditEvent, nowMs: number): { text: string; head: TrailHead } {
  const seq = head.seq + 1;
  const { action, role, version, versionSeq, floorSeq, from, result, requestId } = event;
  const isTyped = role === undefined; // else it is a token's, and hidden by nobody who gives it out for a password meanwhile
  const who = event.who && (isTyped ? redact(event.who) : event.who).slice(0, TEXT_LIMIT);
  const resource = event.resource && redact(event.resource).slice(0, TEXT_LIMIT);
  const time = new Date(nowMs).toISOString();
  const about = { resource, version, versionSeq, floorSeq };
  const fields = { seq, time, action, who, role, ...about, from, result, requestId, prev: head.hash };
  const content = JSON.stringify(fields);
  const hash = hashOf(content);
  return { text: `${content.slice(0, -1)},"hash":"${hash}"}`, head: { seq, hash } };
}

/**
 * Whether a call is one that anybody could repeat at will to push the trail's old lines out: refused without a name, or for coming too
 * often or while too many others wait. It stands in the log only.
 */
export function isNobodys(who: string | undefined, result: string): boolean {
  return result === "rate_limited" || result === "busy" || (who === undefined && result !== "ok");
}

/** Reads a line, or `undefined` when a byte of it is another than the one that was written. */
export function parseAuditLine(text: string): AuditLine | undefined {
  const hash = HASH_ENDING.exec(text)?.[1];
  if (hash === undefined) return undefined;
  const content = `${text.slice(0, text.length - hash.length - ',"hash":""}'.length)}}`;
  if (hashOf(content) !== hash) return undefined;
  const parsed = lineSchema.safeParse(jsonValue(content));
  return parsed.success ? { seq: parsed.data.seq, prev: parsed.data.prev, hash } : undefined;
}

function hashOf(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
