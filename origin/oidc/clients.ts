import { z } from "zod";
import { ConflictError, InvalidInputError, NotFoundError } from "../../lib/errors.ts";
import { isLoopback } from "../../lib/http/loopback.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";

/** A program that people may sign in to. All are public (RFC 6749, 2.1): none has a secret. */
export interface OAuthClient {
  readonly id: string;
  /** What people are asked to allow. */
  readonly name: string;
  /** Where a browser may bring the answer; none for a program that only signs in by a code on another device. */
  readonly redirectUris: readonly string[];
}

/** Client of `tally` itself, in a browser and by a code; every origin begins with it. */
export const DEFAULT_CLIENT_ID = "tallystick-cli";

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const NAME_LIMIT = 100;
const URI_LIMIT = 2000;
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
const COLUMNS = "id, name, redirect_uris";

const redirectUrisSchema = z.array(z.string());

/** The clients of the issuer. */
export class Clients {
  readonly #state: State;
  readonly #clock: Clock;

  constructor({ state, clock }: { state: State; clock: Clock }) {
    this.#state = state;
    this.#clock = clock;
  }

  /** By id. */
  list(): OAuthClient[] {
    return this.#state.all(`SELECT ${COLUMNS} FROM oauth_clients ORDER BY id`).map(clientOf);
  }

  /** @throws {InvalidInputError} an id, name or redirect URI is wrong; {ConflictError} there is one with this id */
  add(client: OAuthClient): OAuthClient {
    checkClient(client);
    const { id, name, redirectUris } = client;
    const added = this.#state.run(
      "INSERT INTO oauth_clients (id, name, redirect_uris, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
      id,
      name,
      JSON.stringify(redirectUris),
      this.#clock.now(),
    );
    if (added === 0) throw new ConflictError(`There is already a client "${id}"`);
    return client;
  }

  /** Removes a client, and ends every sign-in to it. @throws {NotFoundError} */
  remove(id: string): void {
    this.#state.transaction(() => {
      if (this.#state.run("DELETE FROM oauth_clients WHERE id = ?", id) === 0) {
        throw new NotFoundError(`There is no client "${id}"`);
      }
      this.#state.run("DELETE FROM oauth_records WHERE payload ->> 'clientId' = ?", id);
    });
  }

  /** What `oidc-provider` is told of a client. @see RFC 7591, 2 */
  metadata(id: string): Readonly<Record<string, unknown>> | undefined {
    const row = this.#state.get(`SELECT ${COLUMNS} FROM oauth_clients WHERE id = ?`, id);
    if (row === undefined) return undefined;
    const { name, redirectUris } = clientOf(row);
    const byBrowser = redirectUris.length > 0;
    return {
      client_id: id,
      client_name: name,
      application_type: redirectUris.every((uri) => uri.startsWith("https:")) && byBrowser ? "web" : "native",
      token_endpoint_auth_method: "none",
      grant_types: [...(byBrowser ? ["authorization_code"] : []), "refresh_token", DEVICE_GRANT],
      response_types: byBrowser ? ["code"] : [],
      redirect_uris: [...redirectUris],
    };
  }
}

function checkClient({ id, name, redirectUris }: OAuthClient): void {
  if (!ID.test(id)) {
    throw new InvalidInputError("id", "The id of a client has 1 to 100 characters of A-Z, a-z, 0-9, dot, _ and -");
  }
  if (name.trim() === "" || name.length > NAME_LIMIT) {
    throw new InvalidInputError("name", `The name of a client has 1 to ${NAME_LIMIT} characters`);
  }
  const wrong = redirectUris.find((uri) => !isRedirectUri(uri));
  if (wrong === undefined) return;
  throw new InvalidInputError(
    "redirectUri",
    `A browser cannot be sent to "${wrong}": allowed are https, http of this machine, and schemes with a dot`,
  );
}

/** @see RFC 8252, 7 */
function isRedirectUri(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || text.length > URI_LIMIT || text.includes("#") || url.username !== "") return false;
  if (url.protocol === "http:") return isLoopback(url.hostname);
  return url.protocol === "https:" || /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]+:$/.test(url.protocol);
}

function clientOf({ id, name, redirect_uris }: Row): OAuthClient {
  return {
    id: String(id),
    name: String(name),
    redirectUris: redirectUrisSchema.parse(JSON.parse(String(redirect_uris))),
  };
}
