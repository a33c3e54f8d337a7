import type { Bytes } from "../../lib/bytes.ts";
import type { HttpAnswer, HttpClient } from "../../lib/http/client.ts";
import { streamOf } from "../../lib/streams.ts";

/** What some server answers, whatever it is asked. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Bytes;
}

/** A client whose server gives these answers in turn, the last one for ever. */
export function answering(...answers: readonly Answer[]): HttpClient {
  let next = 0;
  return () => {
    const { status = 200, headers = {}, body = new Uint8Array(0) } = answers[Math.min(next++, answers.length - 1)] ??
      {};
    const answer: HttpAnswer = { status, headers: new Headers(headers), body: streamOf(body.slice()) };
    return Promise.resolve(answer);
  };
}

/** A text as it can stand in a header: what no server can send is left out. */
export function headerText(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").trim();
}

/** A clock on which nobody waits. */
export const STILL_CLOCK = { now: () => 1_800_000_000_000, sleep: () => Promise.resolve() };
