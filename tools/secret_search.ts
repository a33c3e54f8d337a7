/** A secret that a test has used. */
export interface UsedSecret {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** What a program has said. */
export interface RecordedOutput {
  readonly source: string;
  readonly text: string;
}

/** A secret in an output. */
export interface Leak {
  readonly kind: string;
  readonly source: string;
  /** What stands round it, with every secret in it replaced by its kind. */
  readonly context: string;
}

/** Shorter values are parts of ordinary words. */
const LEAST_CHARACTERS = 8;
const LEAKS_SHOWN = 20;
const CONTEXT_CHARACTERS = 80;

/**
 * Looks for secrets in outputs: as text, escaped as JSON, in a URL, in a form, in base64 and in hex. It shares nothing with what the
 * program itself masks secrets by. The first 20 leaks, one for each kind and source.
 */
export function findSecrets(secrets: readonly UsedSecret[], outputs: readonly RecordedOutput[]): Leak[] {
  const forms = formsOf(secrets);
  const leaks = new Map<string, Leak>();
  for (const { source, text } of outputs) {
    const found = occurrences(text, forms);
    for (const { kind, at } of found) {
      const key = `${kind}\n${source}`;
      if (leaks.size < LEAKS_SHOWN && !leaks.has(key)) {
        leaks.set(key, { kind, source, context: contextOf(text, at, found) });
      }
    }
  }
  return [...leaks.values()];
}

/** A way in which a secret may be written. */
interface Form {
  readonly kind: string;
  readonly text: string;
}

interface Occurrence {
  readonly kind: string;
  readonly at: number;
  readonly end: number;
}

/** By their first characters. */
function formsOf(secrets: readonly UsedSecret[]): ReadonlyMap<string, readonly Form[]> {
  const forms = new Map<string, Form[]>();
  for (const { kind, bytes } of secrets) {
    for (const text of new Set(writings(bytes))) {
      if (text.length < LEAST_CHARACTERS) continue;
      const start = text.slice(0, LEAST_CHARACTERS);
      forms.set(start, [...forms.get(start) ?? [], { kind, text }]);
    }
  }
  return forms;
}

function writings(bytes: Uint8Array): string[] {
  const encoded = [bytes.toHex(), ...[0, 1, 2].map((offset) => base64At(bytes, offset))];
  const text = new TextDecoder().decode(bytes);
  if (text.includes("\ufffd")) return encoded;
  const inForm = new URLSearchParams({ "": text }).toString().slice(1);
  return [...encoded, text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text), inForm];
}

/** The characters that do not depend on what stands before and behind. */
function base64At(bytes: Uint8Array, offset: number): string {
  const shifted = new Uint8Array([...new Uint8Array(offset), ...bytes]);
  return shifted.toBase64().replace(/.=+$/, "").slice(Math.ceil(offset * 8 / 6));
}

function occurrences(text: string, forms: ReadonlyMap<string, readonly Form[]>): Occurrence[] {
  const found: Occurrence[] = [];
  for (let at = 0; at + LEAST_CHARACTERS <= text.length; at++) {
    const longest = forms.get(text.slice(at, at + LEAST_CHARACTERS))
      ?.filter((form) => text.startsWith(form.text, at))
      .sort((one, other) => other.text.length - one.text.length)[0];
    if (longest === undefined) continue;
    found.push({ kind: longest.kind, at, end: at + longest.text.length });
    at += longest.text.length - 1;
  }
  return found;
}

function contextOf(text: string, at: number, found: readonly Occurrence[]): string {
  const parts: string[] = [];
  let from = 0;
  let place = 0;
  for (const { kind, at: start, end } of found) {
    parts.push(text.slice(from, start));
    if (start === at) place = parts.join("").length;
    parts.push(`[${kind}]`);
    from = end;
  }
  const masked = [...parts, text.slice(from)].join("");
  return masked.slice(Math.max(0, place - CONTEXT_CHARACTERS), place + CONTEXT_CHARACTERS).replaceAll("\n", " ").trim();
}
