import { calculateJwkThumbprint } from "jose";
import type { Bytes } from "../lib/bytes.ts";
import { InvalidInputError, NotFoundError } from "../lib/errors.ts";
import type { Row, State } from "./state.ts";

/** A key whose manifests the origin takes, and devices pin at their enrolment. */
export interface Publisher {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** Ed25519 public key, base64url. */
  readonly publicX: string;
  /** For people. */
  readonly name: string;
}

const PUBLIC_KEY_BYTES = 32;
const NAME_LIMIT = 128;

/** Trusts a publisher's key from now on; a key that is known gets the new name. @throws {InvalidInputError} it is no Ed25519 key */
export async function addPublisher(
  state: State,
  { publicKey, name }: { publicKey: Bytes; name: string },
  nowMs: number,
): Promise<Publisher> {
  if (publicKey.byteLength !== PUBLIC_KEY_BYTES) {
    throw new InvalidInputError("key", "The publisher's key is not an Ed25519 public key");
  }
  if (name.trim() === "" || name.length > NAME_LIMIT || /\p{Cc}/u.test(name)) {
    throw new InvalidInputError("name", `A publisher's name has 1 to ${NAME_LIMIT} characters on one line`);
  }
  const publicX = publicKey.toBase64({ alphabet: "base64url", omitPadding: true });
  const kid = await calculateJwkThumbprint({ kty: "OKP", crv: "Ed25519", x: publicX });
  state.run(
    `INSERT INTO publishers (kid, public_x, name, added_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (kid) DO UPDATE SET name = excluded.name`,
    kid,
    publicX,
    name,
    nowMs,
  );
  return { kid, publicX, name };
}

/** All of them, by name. */
export function listPublishers(state: State): Publisher[] {
  return state.all("SELECT * FROM publishers ORDER BY name, kid").map(publisherOf);
}

/** Takes no more manifests of this key. Devices keep it until they pin anew. @throws {NotFoundError} */
export function removePublisher(state: State, kid: string): void {
  if (state.run("DELETE FROM publishers WHERE kid = ?", kid) > 0) return;
  throw new NotFoundError(`There is no publisher with the key "${kid}"`);
}

function publisherOf(row: Row): Publisher {
  return { kid: String(row.kid), publicX: String(row.public_x), name: String(row.name) };
}
