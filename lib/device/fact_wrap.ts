import { z } from "zod";
import { type Bytes, concat, utf8, wipe } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import type { HardwareFacts } from "../hardware/probe.ts";

/** A fact that one slot does without. */
type FactName = keyof HardwareFacts;

const FACT_NAMES: readonly FactName[] = ["cpu", "gpu", "memory", "driveSerial"];
/** OWASP's figure for PBKDF2 with SHA-256: it makes guessing of facts slow, and starting 0.1 s slower. */
const ITERATIONS = 600_000;
const KEK_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const LABEL = "tallystick device key v1";

const base64 = z.string().max(1024);
const slotSchema = z.object({
  without: z.enum(["cpu", "gpu", "memory", "driveSerial"]),
  salt: base64,
  wrapped: base64,
});

/** Schema of {@link FactWrapped}. */
export const factWrappedSchema = z.object({
  iterations: z.literal(ITERATIONS),
  slots: z.array(slotSchema).length(FACT_NAMES.length),
  sealed: base64,
});

/** A secret that opens with any three of the four hardware facts. Bytes are in base64url. */
export type FactWrapped = z.infer<typeof factWrappedSchema>;

/** An opened secret. */
export interface FactOpened {
  readonly secret: Bytes;
  /** The fact that is another one by now; `undefined` when all are as they were. */
  readonly changed: FactName | undefined;
}

/**
 * Seals a secret by a random key (KEK), and wraps the KEK once for each choice of three facts: PBKDF2-HMAC-SHA-256 over the
 * three, and AES-256-GCM. So any one fact may change. The facts are all that guards it: who knows three of them opens it.
 * @param context what the secret belongs to, such as its public half: it opens for nothing else
 */
export async function wrapByFacts(secret: Bytes, facts: HardwareFacts, context: string): Promise<FactWrapped> {
  const kek = crypto.getRandomValues(new Uint8Array(KEK_BYTES));
  try {
    const slots = await Promise.all(FACT_NAMES.map(async (without) => {
      const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
      const wrapped = await seal(await slotKey(facts, without, salt), kek, slotContext(context, without));
      return { without, salt: encode(salt), wrapped: encode(wrapped) };
    }));
    const sealed = await seal(await gcmKey(kek), secret, `${LABEL}\0${context}`);
    return { iterations: ITERATIONS, slots, sealed: encode(sealed) };
  } finally {
    wipe(kek);
  }
}

/** @throws {IntegrityError} more than one fact is another one by now, or the bytes were changed */
export async function openByFacts(wrapped: FactWrapped, facts: HardwareFacts, context: string): Promise<FactOpened> {
  const fitting: FactName[] = [];
  let kek: Bytes | undefined;
  for (const { without, salt, wrapped: wrappedKek } of wrapped.slots) {
    if (fitting.length === 2) break; // two slots together need all four facts
    const key = await slotKey(facts, without, decode(salt));
    const opened = await open(key, decode(wrappedKek), slotContext(context, without));
    if (opened === undefined) continue;
    fitting.push(without);
    kek = opened;
  }
  const secret = kek && await open(await gcmKey(kek), decode(wrapped.sealed), `${LABEL}\0${context}`);
  if (kek !== undefined) wipe(kek);
  if (secret === undefined) {
    throw new IntegrityError(
      "The device key cannot be opened: more than one hardware fact of this machine has changed",
    );
  }
  return { secret, changed: fitting.length === 1 ? fitting[0] : undefined };
}

async function slotKey(facts: HardwareFacts, without: FactName, salt: Bytes): Promise<CryptoKey> {
  const known = FACT_NAMES.filter((name) => name !== without).map((name) => `${name}=${facts[name]}`);
  const text = await crypto.subtle.importKey("raw", utf8([LABEL, ...known].join("\0")), "PBKDF2", false, ["deriveKey"]);
  const parameters = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS };
  return await crypto.subtle.deriveKey(parameters, text, { name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
}

function slotContext(context: string, without: FactName): string {
  return `${LABEL}\0${context}\0${without}`;
}

function gcmKey(raw: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

async function seal(key: CryptoKey, plain: Bytes, context: string): Promise<Bytes> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const parameters = { name: "AES-GCM", iv, additionalData: utf8(context) };
  return concat(iv, new Uint8Array(await crypto.subtle.encrypt(parameters, key, plain)));
}

async function open(key: CryptoKey, sealed: Bytes, context: string): Promise<Bytes | undefined> {
  const parameters = { name: "AES-GCM", iv: sealed.subarray(0, NONCE_BYTES), additionalData: utf8(context) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parameters, key, sealed.subarray(NONCE_BYTES)));
  } catch {
    return undefined; // which of the slots fits is found out by trying
  }
}

function encode(bytes: Bytes): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decode(text: string): Bytes {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url" });
  } catch {
    return new Uint8Array(0); // opens nothing
  }
}
