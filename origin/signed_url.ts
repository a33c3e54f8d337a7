import { createHmac } from "node:crypto";
import type { Bytes } from "../lib/bytes.ts";
import { equalSecrets } from "./constant_time.ts";

/** What a signed URL allows: one method on one path until a time. */
export interface Permit {
  readonly method: "GET" | "PUT" | "DELETE";
  /** Path of the object from the origin's root, `/objects/{bucket}/{key}`. */
  readonly path: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** HMAC-SHA-256 over method, path and expiry, one per line, in base64url. */
export function signPermit({ method, path, expires }: Permit, key: Bytes): string {
  return createHmac("sha256", key).update(`${method}\n${path}\n${expires}`).digest("base64url");
}

/** Whether the signature is the permit's and the permit has not expired. Takes the same time for every wrong signature. */
export function permitHolds(permit: Permit, signature: string, { key, nowMs }: { key: Bytes; nowMs: number }): boolean {
  const genuine = equalSecrets(signPermit(permit, key), signature);
  return genuine && nowMs < permit.expires * 1000;
}
