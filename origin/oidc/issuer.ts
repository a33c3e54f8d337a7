import type { SignInLimit } from "../../lib/auth/sign_in_limit.ts";
import type { Bytes } from "../../lib/bytes.ts";
import type { Logger } from "../../lib/log.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Accounts } from "../accounts.ts";
import type { Organizations } from "../organizations.ts";
import { ensureSecret } from "../secrets.ts";
import type { State } from "../state.ts";
import { Clients } from "./clients.ts";
import { limitCodes } from "./code_limit.ts";
import { DEVICE_INTERVAL_SECONDS, providerConfiguration } from "./configuration.ts";
import { refuseStrayCode } from "./device_pages.ts";
import { INTERACTION_PATH, interactionPages } from "./interaction.ts";
import { type IssuerKey, IssuerKeys } from "./issuer_keys.ts";
import { loadOidcLibrary, nameModels, type OidcContext, type OidcProvider } from "./library.ts";
import { bridge, type NodeProgram } from "./node_bridge.ts";
import { OidcRecords } from "./records.ts";

/** What the issuer stands on. */
export interface IssuerDeps {
  readonly state: State;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly signIns: SignInLimit;
  readonly publicUrl: URL;
  readonly log: Logger;
  readonly clock: Clock;
}

/** A request to the issuer, its body read. */
export interface IssuerRequest {
  readonly request: Request;
  readonly body: Bytes;
  /** Path and query below the public address. */
  readonly target: string;
  /** Address that the call comes from. */
  readonly client: string;
}

/** A device that asks this much too early is not told to slow down: networks are not punctual. */
const EARLY_MS = 1_000;

/** The `iss` of the issuer at a public address: the root of its host, with the slash, as the platform's clients expect it. */
export function issuerAt(publicUrl: URL): string {
  return new URL("/", publicUrl).href;
}

/**
 * The OAuth 2 and OpenID Connect issuer of the origin: `oidc-provider` on the origin's state. It is put together at the first
 * request, and anew when the signing key has changed; all that must last is in the state.
 */
export class Issuer {
  readonly keys: IssuerKeys;
  readonly records: OidcRecords;
  readonly #deps: IssuerDeps;
  #ready: { readonly kid: string; readonly program: Promise<NodeProgram> } | undefined;

  constructor(deps: IssuerDeps) {
    const { state, clock } = deps;
    this.#deps = deps;
    this.keys = new IssuerKeys({ state, clock });
    this.records = new OidcRecords({ state, clients: new Clients({ state, clock }), clock });
  }

  /** @throws the signal's reason when it is aborted before there is an answer */
  async answer(bridged: IssuerRequest, signal: AbortSignal): Promise<Response> {
    const { publicUrl } = this.#deps;
    return await bridge({ ...bridged, publicUrl }, await this.#program(), signal);
  }

  async #program(): Promise<NodeProgram> {
    const key = await this.keys.current();
    if (this.#ready?.kid !== key.kid) this.#ready = { kid: key.kid, program: this.#prepare(key) };
    try {
      return await this.#ready.program;
    } catch (error) {
      this.#ready = undefined; // the next request tries again
      throw error;
    }
  }

  async #prepare(key: IssuerKey): Promise<NodeProgram> {
    const { state, accounts, organizations, signIns, publicUrl, log, clock } = this.#deps;
    const library = await loadOidcLibrary(log);
    const cookieKey = ensureSecret(state, "cookie_signing").toHex();
    const interactionPath = publicUrl.pathname.replace(/\/+$/, "") + INTERACTION_PATH;
    const parts = { library, records: this.records, accounts, organizations, key, cookieKey, interactionPath };
    const provider = new library.default(issuerAt(publicUrl), providerConfiguration(parts));
    nameModels(provider);
    provider.use((context, next) => this.#pace(context, next));
    provider.use(limitCodes(clock));
    provider.use(refuseStrayCode);
    provider.use(interactionPages({ library, provider, accounts, organizations, signIns, clock }));
    logErrors(provider, log);
    return { handle: provider.callback() };
  }

  /** What RFC 8628 asks for beyond the package: the interval (3.2), and `slow_down` for who does not keep to it (3.5). */
  async #pace(context: OidcContext, next: () => Promise<void>): Promise<void> {
    await next();
    const { oidc, body } = context;
    if (typeof body !== "object" || body === null) return;
    if (oidc?.route === "device_authorization" && "device_code" in body) {
      context.body = { ...body, interval: DEVICE_INTERVAL_SECONDS };
    }
    if (!("error" in body) || body.error !== "authorization_pending") return;
    const sinceMs = this.records.notePoll(oidc?.params?.device_code ?? "");
    if (sinceMs === undefined || sinceMs >= DEVICE_INTERVAL_SECONDS * 1000 - EARLY_MS) return;
    context.body = { error: "slow_down", error_description: "the device asks too often" };
  }
}

function logErrors(provider: OidcProvider, log: Logger): void {
  provider.on("error", (error) => log.error("oidc_failed", { error: describe(error) }));
  provider.on("server_error", (_context, error) => log.error("oidc_failed", { error: describe(error) }));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
