import { inflateSync } from "node:zlib";
import * as cctv from "cctv-age";
import { type Bytes, concat } from "../../lib/bytes.ts";

/** A vector of the age project's own suite, cut behind the age header. */
export interface AgeVector {
  readonly name: string;
  readonly expect: "success" | "payload failure";
  /** SHA-256 of the plaintext; of as much as may be released before the failure. */
  readonly plainSha256: string;
  readonly fileKey: Bytes;
  /** What a big part of `C20P-AGE` is: `nonce ‖ chunks`. */
  readonly payload: Bytes;
}

const BLANK_LINE = "\n\n";
const MAC_LINE = /\n--- [A-Za-z0-9+/]{43}\n/;

/** All vectors of `cctv-age` that are about the payload. Those in armor are about another layer. */
export const AGE_VECTORS: readonly AgeVector[] = Object.entries(cctv).flatMap(([name, bytes]) =>
  bytes instanceof Uint8Array ? readVector(name, concat(bytes)) : []
);

function readVector(name: string, bytes: Bytes): AgeVector[] {
  const text = latin1(bytes);
  const bodyStart = text.indexOf(BLANK_LINE) + BLANK_LINE.length;
  const facts = new Map(text.slice(0, bodyStart).trim().split("\n").map((line) => pair(line)));
  const expect = facts.get("expect");
  if (expect !== "success" && expect !== "payload failure" || facts.has("armored")) return [];
  const packed = bytes.slice(bodyStart);
  const file = facts.get("compressed") === "zlib" ? concat(inflateSync(packed)) : packed;
  const mac = MAC_LINE.exec(latin1(file));
  if (mac === null) throw new Error(`"${name}" has no header of age`);
  return [{
    name,
    expect,
    plainSha256: facts.get("payload") ?? "",
    fileKey: Uint8Array.fromHex(facts.get("file key") ?? ""),
    payload: file.slice(mac.index + mac[0].length),
  }];
}

function pair(line: string): [string, string] {
  const [key = "", value = ""] = line.split(": ", 2);
  return [key, value];
}

function latin1(bytes: Bytes): string {
  return Buffer.from(bytes).toString("latin1");
}
