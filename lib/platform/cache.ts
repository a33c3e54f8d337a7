import type { Clock } from "../system/clock.ts";

const LIMIT_CHARACTERS = 16 * 1024 * 1024;

interface Entry {
  readonly value: unknown;
  readonly sizeCharacters: number;
  readonly expiresMs: number;
}

/** An answer as it was parsed. Readers share it and do not change it. */
export interface Answer {
  readonly value: unknown;
  /** Length of the text that it was parsed from: what the cache is bounded by. */
  readonly sizeCharacters: number;
}

/**
 * Answers of the API for a short time, at most 16 million characters of them; the oldest go first. Any write to the API
 * empties it, and an answer that was asked for before a write does not come in after it.
 */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #sizeCharacters = 0;
  #writes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer under this key, when it is still fresh. */
  read(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresMs > this.#clock.now()) return entry;
    this.#remove(key, entry);
    return undefined;
  }

  /** Fetches an answer and keeps it for `ttlMs`. */
  async fill(key: string, ttlMs: number, fetchAnswer: () => Promise<Answer>): Promise<unknown> {
    const writesBefore = this.#writes;
    const { value, sizeCharacters } = await fetchAnswer();
    if (this.#writes === writesBefore && ttlMs > 0 && sizeCharacters <= LIMIT_CHARACTERS) {
      this.#keep(key, { value, sizeCharacters, expiresMs: this.#clock.now() + ttlMs });
    }
    return value;
  }

  /** Forgets everything: something was, or may have been, changed. */
  clear(): void {
    this.#writes++;
    this.#entries.clear();
    this.#sizeCharacters = 0;
  }

  #keep(key: string, entry: Entry): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    this.#entries.set(key, entry);
    this.#sizeCharacters += entry.sizeCharacters;
    for (const [oldest, old] of this.#entries) {
      if (this.#sizeCharacters <= LIMIT_CHARACTERS) return;
      this.#remove(oldest, old);
    }
  }

  #remove(key: string, { sizeCharacters }: Entry): void {
    this.#entries.delete(key);
    this.#sizeCharacters -= sizeCharacters;
  }
}
