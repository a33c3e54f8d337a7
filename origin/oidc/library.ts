import type { Logger } from "../../lib/log.ts";
import type { NodeProgram, NodeRequest, NodeResponse } from "./node_bridge.ts";

/**
 * The part of `oidc-provider` that is used here. The package brings no types, and those that others write for it bring
 * Node's, which contradict the runtime's.
 * @see https://github.com/panva/node-oidc-provider/blob/main/docs/README.md
 */
export interface OidcLibrary {
  readonly default: new (issuer: string, configuration: object) => OidcProvider;
  readonly errors: {
    readonly InvalidGrant: new (detail: string) => Error;
    readonly InvalidTarget: new () => Error;
    readonly TemporarilyUnavailable: new (description: string) => Error;
    readonly SessionNotFound: new (detail: string) => Error;
  };
  readonly interactionPolicy: {
    readonly base: () => { get(prompt: "login"): { readonly checks: { add(check: object): void } } };
    readonly Check: new (
      reason: string,
      description: string,
      check: (context: OidcContext) => boolean | Promise<boolean>,
    ) => object;
  };
}

/** A program for Koa. */
export interface OidcProvider {
  /** Puts a middleware before those of the package. */
  use(middleware: (context: OidcContext, next: () => Promise<void>) => Promise<void>): void;
  on(event: "error" | "server_error", listener: (...facts: unknown[]) => void): void;
  callback(): NodeProgram["handle"];
  /** @throws when the browser has no such interaction */
  interactionDetails(request: NodeRequest, response: NodeResponse): Promise<Interaction>;
  /** @returns where the browser goes on */
  interactionResult(
    request: NodeRequest,
    response: NodeResponse,
    result: object,
    options: { mergeWithLastSubmission: boolean },
  ): Promise<string>;
  readonly Session: { findByUid(uid: string): Promise<{ destroy(): Promise<void> } | undefined> };
  readonly Client: { find(id: string): Promise<ProviderClient | undefined> };
  readonly Grant: {
    new (owner: { accountId: string; clientId: string }): ConsentGrant;
    find(id: string): Promise<ConsentGrant | undefined>;
  };
}

/** A client as the package knows it. */
export interface ProviderClient {
  readonly clientId: string;
  readonly clientName?: string;
}

/** What a person has allowed a client. */
export interface ConsentGrant {
  addOIDCScope(scope: string): void;
  addResourceScope(resource: string, scope: string): void;
  /** @returns its id */
  save(): Promise<string>;
}

/** What a person is asked on the way to a token. */
export interface Interaction {
  readonly uid: string;
  readonly prompt: { readonly name: string };
  readonly params: RequestParameters;
  /** Where the browser goes on. */
  readonly returnTo: string;
  readonly exp: number;
  /** Who is signed in with this browser. */
  session?: { readonly accountId: string; readonly uid: string };
  save(ttlSeconds: number): Promise<string>;
}

/** Parameters of a request to the issuer, none of which was sent twice. */
export type RequestParameters = Readonly<Record<string, string | undefined>>;

/** A request and its answer, as Koa and the package see them. */
export interface OidcContext {
  readonly req: NodeRequest;
  readonly res: NodeResponse;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  get(header: string): string;
  set(headers: Readonly<Record<string, string>>): void;
  redirect(url: string): void;
  status: number;
  type: string;
  body: unknown;
  /** There once a route of the package was chosen. */
  readonly oidc?: {
    readonly provider: OidcProvider;
    readonly route: string;
    readonly params?: RequestParameters;
    readonly result?: { readonly consent?: { readonly grantId?: string } };
    readonly session?: {
      readonly accountId?: string;
      readonly state?: { readonly secret?: string };
      /** It is not stored yet. */
      readonly new?: boolean;
    };
    readonly client?: ProviderClient;
    urlFor(route: string): string;
  };
}

/** What the package stores; the fields that records are found by. */
export type StoredPayload = Readonly<Record<string, unknown>> & {
  readonly grantId?: string;
  readonly userCode?: string;
  readonly uid?: string;
};

/** Where the package stores one kind of record. */
export interface Adapter {
  upsert(id: string, payload: StoredPayload, expiresInSeconds?: number): Promise<void>;
  find(id: string): Promise<StoredPayload | undefined>;
  findByUserCode(userCode: string): Promise<StoredPayload | undefined>;
  findByUid(uid: string): Promise<StoredPayload | undefined>;
  consume(id: string): Promise<void>;
  destroy(id: string): Promise<void>;
  revokeByGrantId(grantId: string): Promise<void>;
}

/** The classes of the package whose names it goes by: what is stored as what, and for how long it is good. */
export const MODELS: readonly string[] = [
  ...["AccessToken", "AuthorizationCode", "Client", "DeviceCode", "Grant", "IdToken", "Interaction", "RefreshToken"],
  ...["Session", "ClientCredentials", "InitialAccessToken", "RegistrationAccessToken", "ReplayDetection"],
  ...["PushedAuthorizationRequest", "BackchannelAuthenticationRequest", "PreAuthorizedCode"],
];

/** Gives the classes their names again, which a minifier has taken. To be called before the provider answers anything. */
export function nameModels(provider: OidcProvider): void {
  for (const name of MODELS) {
    const model: unknown = Reflect.get(provider, name);
    if (typeof model !== "function") throw new TypeError(`The package has no class "${name}"`);
    Object.defineProperty(model, "name", { value: name });
  }
}

/**
 * Loads `oidc-provider`, which costs a quarter of a second and 15 MiB: an origin that nobody signs in to with a browser does
 * without. At its import it says on the console that it is made for Node; that goes to the log instead.
 */
export async function loadOidcLibrary(log: Logger): Promise<OidcLibrary> {
  const { warn } = console;
  // deno-lint-ignore no-console -- the package's, not ours
  console.warn = (notice: unknown) => log.debug("oidc_notice", { notice: String(notice) });
  try {
    return await import("oidc-provider");
  } finally {
    // deno-lint-ignore no-console -- the package's, not ours
    console.warn = warn;
  }
}
