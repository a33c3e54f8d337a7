import type { Context } from "hono";
import { NotAllowedError, NotSignedInError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import { equalSecrets } from "./constant_time.ts";
import { bearerToken, type OriginEnv } from "./guard.ts";
import { readSecret } from "./secrets.ts";
import { type Permit, permitHolds } from "./signed_url.ts";
import type { State } from "./state.ts";

/** What a request wants to do with the object store. */
export type ObjectMethod = Permit["method"];

/** The bearer tokens of the object store, as the generated `cdn.yaml` names them. */
export function objectToken(state: State, access: "reader" | "writer"): string {
  return readSecret(state, access === "reader" ? "object_reader" : "object_writer").toHex();
}

/**
 * Decides whether a request may do what it wants with an object: by the writer token, by the reader token (GET only), or
 * by a signed URL for exactly this. Tokens are read anew for every request, so a rotation takes effect at once.
 * @throws {NotSignedInError} no such token, or the signature is wrong or has expired; {NotAllowedError} the reader may not write
 */
export function checkObjectAccess(
  c: Context<OriginEnv>,
  method: ObjectMethod,
  deps: { state: State; clock: Clock },
): void {
  const signature = c.req.query("signature");
  if (signature !== undefined) return checkSignature(c, method, signature, deps);
  const token = bearerToken(c.req.header("authorization")) ?? "";
  if (equalSecrets(token, objectToken(deps.state, "writer"))) return;
  if (!equalSecrets(token, objectToken(deps.state, "reader"))) {
    throw new NotSignedInError("The call needs a token of the object store or a signed URL");
  }
  if (method !== "GET") throw new NotAllowedError("This token may only read");
}

function checkSignature(
  c: Context<OriginEnv>,
  method: ObjectMethod,
  signature: string,
  { state, clock }: { state: State; clock: Clock },
): void {
  const expires = Number(c.req.query("expires"));
  const permit = { method, path: c.req.path, expires };
  if (permitHolds(permit, signature, { key: readSecret(state, "url_signing"), nowMs: clock.now() })) return;
  throw new NotSignedInError("The signed URL is not valid for this call or has expired");
}
