import { type PublicJwk, thumbprint } from "../lib/crypto/okp_key.ts";
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

const NAME_LIMIT = 128;

/** Trusts a publisher's key from now on; a key that is known gets the new name. @throws {InvalidInputError} it is on another curve, or the name is none */
export async function addPublisher(
  state: State,
  { key, name }: { key: PublicJwk; name: string },
  nowMs: number,
): Promise<Publisher> {
  if (key.crv !== "Ed25519") throw new InvalidInputError("key", `A publisher's key is on Ed25519, not on ${key.crv}`);
  if (name.trim() === "" || name.length > NAME_LIMIT || /\p{Cc}/u.test(name)) {
    throw new InvalidInputError("name", `A publisher's name has 1 to ${NAME_LIMIT} characters on one line`);
  }
  const kid = await thumbprint(key);
  state.run(
    `INSERT INTO publishers (kid, public_x, name, added_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (kid) DO UPDATE SET name = excluded.name`,
    kid,
    key.x,
    name,
    nowMs,
  );
  return { kid, publicX: key.x, name };
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
