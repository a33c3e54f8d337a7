import { createHash } from "node:crypto";
import { type Bytes, concat, utf8, wipe } from "../bytes.ts";
import { MASK } from "./mask.ts";
import { secretForms } from "./secret_forms.ts";

const VALUES_LIMIT = 4096;
const MASK_BYTES = utf8(MASK);

/** A value and how many hold it. */
interface Held {
  readonly forms: readonly Bytes[];
  holders: number;
}

/**
 * The secret values in use. Texts are searched for all of them in one pass, however many there are. At most 4,096: then the
 * oldest is forgotten.
 */
export class KnownSecrets {
  /** By digest of the value. */
  readonly #values = new Map<string, Held>();
  /** By the first two bytes of the form. */
  readonly #forms = new Map<number, Bytes[]>();
  /** How many forms begin with these two bytes. */
  readonly #starts = new Uint32Array(1 << 16);
  readonly #ownersGone = new FinalizationRegistry<Disposable>((held) => held[Symbol.dispose]());

  /** How many values are looked for. */
  get size(): number {
    return this.#values.size;
  }

  /** Looks for a value until it is disposed; its copies here are then overwritten. Holding it twice is no error. */
  hold(secret: string | Uint8Array): Disposable {
    const bytes = typeof secret === "string" ? utf8(secret) : new Uint8Array(secret);
    const key = createHash("sha256").update(bytes).digest("base64");
    const held = this.#values.get(key) ?? this.#added(key, bytes);
    wipe(bytes);
    held.holders++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        if (--held.holders === 0) this.#drop(key, held);
      },
    };
  }

  /** Looks for a value as long as `owner` is in memory. */
  keepFor(owner: object, secret: string | Uint8Array): void {
    this.#ownersGone.register(owner, this.hold(secret));
  }

  /** The text with `***` in the place of every secret in it, however it is written. */
  mask(text: string): string {
    if (this.#forms.size === 0) return text;
    const bytes = utf8(text);
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at + 1 < bytes.byteLength;) {
      const length = this.#lengthAt(bytes, at);
      if (length === 0) {
        at++;
        continue;
      }
      parts.push(bytes.subarray(from, at), MASK_BYTES);
      from = at += length;
    }
    return from === 0 ? text : new TextDecoder().decode(concat(...parts, bytes.subarray(from)));
  }

  /** Bytes of the longest secret that begins there. */
  #lengthAt(bytes: Bytes, at: number): number {
    const start = startOf(bytes, at);
    if (this.#starts[start] === 0) return 0;
    const fits = (form: Bytes) => form.every((byte, index) => bytes[at + index] === byte);
    return this.#forms.get(start)?.reduce(
      (most, form) => form.byteLength > most && fits(form) ? form.byteLength : most,
      0,
    ) ?? 0;
  }

  #added(key: string, bytes: Bytes): Held {
    if (this.#values.size >= VALUES_LIMIT) {
      const [oldest] = this.#values;
      if (oldest !== undefined) this.#drop(...oldest);
    }
    const held: Held = { forms: secretForms(bytes), holders: 0 };
    this.#values.set(key, held);
    for (const form of held.forms) {
      const start = startOf(form, 0);
      this.#forms.set(start, [...this.#forms.get(start) ?? [], form]);
      this.#count(start, 1);
    }
    return held;
  }

  #drop(key: string, { forms }: Held): void {
    if (!this.#values.delete(key)) return;
    for (const form of forms) {
      const start = startOf(form, 0);
      const others = (this.#forms.get(start) ?? []).filter((other) => other !== form);
      if (others.length === 0) this.#forms.delete(start);
      else this.#forms.set(start, others);
      this.#count(start, -1);
      wipe(form);
    }
  }

  #count(start: number, change: number): void {
    this.#starts[start] = (this.#starts[start] ?? 0) + change;
  }
}

function startOf(bytes: Bytes, at: number): number {
  return (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
}

/** Those of this process: one for all, because a secret that somebody forgot to hand over would be the one that is written. */
export const KNOWN_SECRETS: KnownSecrets = new KnownSecrets();
