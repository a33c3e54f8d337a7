import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";

/** What parsers trip over: borders of numbers, keys of prototypes, letters that look like others, openings without an end. */
const WORDS: readonly string[] = [
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "then", "null", "true", "NaN"],
  ...["0", "-0", "-1", "1e999", "-1e999", "9007199254740993", "99999999999999999999", "0x10", "1.5", "010", "+1"],
  ...[
    "\0",
    "\r\n",
    "\n\n",
    "\t",
    " ",
    "\u00a0",
    "\ufeff",
    "\u2028",
    "\u202e",
    "\ud800",
    "\udfff",
    "\u0307",
    "K",
    "ſ",
    "İ",
  ],
  ...["../", "..", "%2e%2e%2f", "%00", "\\", "//", "file:///", "http://[::1]/", "@", "#", "?", ";", ",", ":", "="],
  ...['"', "'", "{", "}", "[", "]", "[[[[[[[[", '{"a":', "*a", "&a ", "!!js ", "<<: ", "- ", "| \n", "--", "\r\n\r\n"],
  ...["(", ")", "$", "@", "**", "=", "==", "A", "/", "+", "_", ".", "bytes=", 'W/"', "Infinity"],
];
const PUMPED_CHARACTERS = 2_000;
const NASTY_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 53), "", "x", "\ud800", "\0", "\n", [], {}],
  ...[[[[[[]]]]], { a: { a: { a: {} } } }, ["x"], { length: 3 }, { toString: 1 }, "x".repeat(300), [null], [{}]],
];

const STEPS: readonly number[] = [1, -1, 0.5, 1e6, -1e9, 2 ** 53];

/** Few changes find as much as many, and say more. */
const codes = fc.array(fc.nat(), { minLength: 1, maxLength: 3 });

/** Texts that differ from a valid one by a few changes, and sometimes the valid one itself or anything at all. */
export function nearText(...seeds: readonly string[]): fc.Arbitrary<string> {
  return nearOf(seeds, mutateText, fc.string({ maxLength: 40, unit: "binary" }));
}

/** The same of bytes. */
export function nearBytes(...seeds: readonly Bytes[]): fc.Arbitrary<Bytes> {
  const anything = fc.uint8Array({ maxLength: 64 }).map((bytes) => new Uint8Array(bytes));
  return nearOf(seeds, mutateBytes, anything).map((bytes) => bytes.slice()); // a parser may wipe or take what it is given
}

/** JSON texts: a value of a valid one is another, missing, there twice or one too many; or the text itself is changed. */
export function nearJson(...seeds: readonly unknown[]): fc.Arbitrary<string> {
  const written = seeds.map((seed) => JSON.stringify(seed));
  const mutate = (text: string, code: number) =>
    code % 4 === 0 ? mutateText(text, code >>> 2) : mutateJsonText(text, code >>> 2);
  return nearOf(written, mutate, fc.json({ maxDepth: 2, stringUnit: "binary" }));
}

/** The same as bytes. */
export function nearJsonBytes(...seeds: readonly unknown[]): fc.Arbitrary<Bytes> {
  return fc.oneof({ weight: 7, arbitrary: nearJson(...seeds).map(utf8) }, {
    weight: 1,
    arbitrary: nearBytes(...seeds.map((seed) => utf8(JSON.stringify(seed)))),
  });
}

function nearOf<T>(seeds: readonly T[], mutate: (seed: T, code: number) => T, anything: fc.Arbitrary<T>) {
  const seed = fc.constantFrom(...seeds);
  return fc.oneof(
    { weight: 16, arbitrary: fc.tuple(seed, codes).map(([first, changes]) => changes.reduce(mutate, first)) },
    { weight: 1, arbitrary: seed },
    { weight: 1, arbitrary: anything },
  );
}

/** One change of a text; which one, and where, is in `code`. */
export function mutateText(text: string, code: number): string {
  const at = (code >>> 4) % (text.length + 1);
  const end = Math.min(text.length, at + 1 + (code >>> 20) % 8);
  const word = WORDS[(code >>> 12) % WORDS.length] ?? "";
  switch (code % 16) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at);
    case 3:
      return text.slice(0, at) + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << (code >>> 16) % 16)) +
        text.slice(at + 1);
    case 4:
      return text.slice(0, at) + (text[at + 1] ?? "") + (text[at] ?? "") + text.slice(at + 2);
    case 5:
      return (code >>> 20) % 16 === 0 ? text.slice(0, at) + word.repeat(pumps(word)) + text.slice(at) : text + word;
    case 6:
      return text.slice(0, at) + text.slice(at, end).toUpperCase() + text.slice(end);
    case 7:
      return text + text;
    case 8:
      return word + text.slice(at);
    case 9:
      return text.slice(0, at) + text.slice(at).split("").reverse().join("");
    default:
      return text.slice(0, at) + word + text.slice((code >>> 20) % 2 === 0 ? at : end);
  }
}

function pumps(word: string): number {
  return Math.ceil(PUMPED_CHARACTERS / Math.max(1, word.length));
}

/** One change of bytes: a bit, a byte, a range that is cut, doubled, moved or overwritten. */
export function mutateBytes(bytes: Bytes, code: number): Bytes {
  const at = (code >>> 4) % (bytes.byteLength + 1);
  const end = Math.min(bytes.byteLength, at + 1 + (code >>> 20) % 64);
  switch (code % 16) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return concat(bytes.subarray(0, at), bytes.subarray(end));
    case 2:
      return concat(bytes.subarray(0, end), bytes.subarray(at));
    case 3:
      return concat(bytes.subarray(0, at), new Uint8Array(end - at), bytes.subarray(end));
    case 4:
      return concat(bytes.subarray(0, at), new Uint8Array(end - at).fill(0xff), bytes.subarray(end));
    case 5:
      return concat(bytes.subarray(end), bytes.subarray(0, end));
    case 6:
      return concat(bytes, utf8(WORDS[(code >>> 12) % WORDS.length] ?? ""));
    case 7:
      return concat(bytes.subarray(0, at), utf8(WORDS[(code >>> 12) % WORDS.length] ?? ""), bytes.subarray(at));
    default:
      return bytes.byteLength === 0 ? bytes : flipped(bytes, at % bytes.byteLength, 1 << (code >>> 20) % 8);
  }
}

function flipped(bytes: Bytes, at: number, mask: number): Bytes {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

/** One change of the value that a JSON text stands for. What is no JSON any more stays as it is. */
function mutateJsonText(text: string, code: number): string {
  const value = valueOf(text);
  if (value === undefined) return text;
  const places = placesOf(value);
  const place = places[(code >>> 3) % places.length];
  const nasty = NASTY_VALUES[(code >>> 12) % NASTY_VALUES.length];
  if (place === undefined) return JSON.stringify(nasty);
  const { holder, key } = place;
  const old = holder[key];
  switch (code % 8) {
    case 0:
      delete holder[key];
      break;
    case 1:
      return withTwice(text, key, JSON.stringify(nasty));
    case 2:
      return withTwice(text, key, `${JSON.stringify(old) ?? "null"},"__proto__":{"polluted":true}`);
    case 3:
      if (!Array.isArray(holder)) holder[WORDS[(code >>> 12) % WORDS.length] ?? ""] = old;
      break;
    case 4:
      if (typeof old === "string") holder[key] = mutateText(old, code >>> 3);
      else if (typeof old === "number") holder[key] = old + (STEPS[(code >>> 12) % STEPS.length] ?? 0);
      else holder[key] = nasty;
      break;
    default:
      holder[key] = nasty;
  }
  return JSON.stringify(value);
}

/** The first time that a key stands in a text, it stands there twice: readers must not see different things in it. */
function withTwice(text: string, key: string, value: string): string {
  const name = `${JSON.stringify(key)}:`;
  return text.replace(name, () => `${name}${value},${name}`);
}

type Holder = Record<string, unknown>;

function placesOf(value: unknown): { holder: Holder; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
