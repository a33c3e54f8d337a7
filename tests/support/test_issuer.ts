import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { parsePlatformSettings, type PlatformSettings } from "../../lib/config/platform_settings.ts";
import { useSecret } from "./witness.ts";

/** A key that tokens are signed with. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

interface PendingCode {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly clientId: string;
  readonly nonce: string | null;
  readonly scope: string;
}

/** How an issuer is started. */
export interface TestIssuerOptions {
  /** Serves TLS with these. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Name in its addresses. */
  readonly host?: string;
}

let sharedKey: Promise<SigningKey> | undefined;

const CLIENT_ID = "test-client";
const AUDIENCE = "https://platform.example.com";
const SUBJECT = "auth0|1";
const LIFETIME_SECONDS = 3600;

const ME = {
  user: { id: SUBJECT, email: "jane@example.com", email_verified: true, name: "Jane Doe" },
  organization: {
    id: "org_1",
    name: "acme",
    aignostics_bucket_hmac_access_key_id: "GOOG1EXAMPLE",
    aignostics_bucket_hmac_secret_access_key: "k".repeat(40),
    aignostics_bucket_name: "bucket",
    aignostics_bucket_protocol: "gs",
    aignostics_logfire_token: "logfire-token",
    aignostics_sentry_dsn: "https://key@sentry.example.com/1",
  },
};

/** A key of RS256, as an issuer makes one. */
export async function signingKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateKey, publicJwk: { ...jwk, kid, alg: "RS256", use: "sig" } };
}

/**
 * A true issuer and the platform's `/me`, small: it really signs, checks PKCE, rotates refresh tokens, and takes a reused one for
 * stolen. Whoever comes to its authorization page is signed in at once. Its fields let a test make it hostile.
 */
export class TestIssuer implements AsyncDisposable {
  readonly url: URL;
  readonly key: SigningKey;
  /** `GET /path` or `POST /path grant_type`, in the order of coming. */
  readonly calls: string[] = [];
  /** Forms of the token and device endpoints, in the order of coming. */
  readonly forms: Record<string, string>[] = [];
  /** The queries of the authorization page. */
  readonly authorizations: URLSearchParams[] = [];
  /** Whether it answers 503 to everything. */
  isAway = false;
  /** Errors that the device endpoint gives before the code counts as confirmed. */
  pollErrors: string[] = [];
  /** What the device endpoint answers beside the codes. */
  deviceAnswer: Record<string, unknown> = { interval: 1, expires_in: 60 };
  /** Makes an access token; tests put their own here. */
  mint: (issuer: TestIssuer) => Promise<string> = (issuer) => issuer.token();
  /** Changes the way back from the authorization page. */
  answer: (parameters: URLSearchParams) => URLSearchParams = (parameters) => parameters;
  /** Answers for the platform in place of the usual; `undefined` leaves it at that. */
  me: () => Response | undefined = () => undefined;
  /** Keys that it publishes. */
  published: JWK[];
  /** Overrides the `scope` of the answers. */
  scope: string | undefined;
  /** Whether it says where its endpoints are. */
  hasMetadata = true;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #codes = new Map<string, PendingCode>();
  readonly #refreshTokens = new Set<string>();

  private constructor(key: SigningKey, { tls, host = "127.0.0.1" }: TestIssuerOptions) {
    this.key = key;
    this.published = [key.publicJwk];
    const where = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    const certificate = tls === undefined ? {} : { cert: tls.cert, key: tls.key };
    this.#server = Deno.serve({ ...where, ...certificate }, (request) => this.#answer(request));
    this.url = new URL(`${tls === undefined ? "http" : "https"}://${host}:${this.#server.addr.port}/`);
  }

  /** All issuers of a test file share a key, which takes a second to make. */
  static async start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
    return new TestIssuer(await (sharedKey ??= signingKey()), options);
  }

  /** An access token of this issuer, with other claims or headers where a test wants them. */
  async token({ claims = {}, header = {}, key = this.key }: {
    claims?: JWTPayload;
    header?: Record<string, string>;
    key?: SigningKey;
  } = {}): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const all: JWTPayload = {
      iss: this.url.href,
      sub: SUBJECT,
      aud: [AUDIENCE],
      iat: nowSeconds,
      exp: nowSeconds + LIFETIME_SECONDS,
      scope: "offline_access",
      azp: CLIENT_ID,
      org_id: "org_1",
      [`${AUDIENCE}/role`]: "admin",
      jti: randomUUID(),
      ...claims,
    };
    const signer = new SignJWT(all).setProtectedHeader({ alg: "RS256", kid: key.kid, ...header });
    return useSecret("token of an issuer", await signer.sign(key.privateKey));
  }

  /** A refresh token that it knows. */
  refreshToken(): string {
    const token = useSecret("refresh token of an issuer", `refresh-${randomUUID()}`);
    this.#refreshTokens.add(token);
    return token;
  }

  isKnown(refreshToken: string): boolean {
    return this.#refreshTokens.has(refreshToken);
  }

  /** Lets no refresh token be used any more. */
  forgetAll(): void {
    this.#refreshTokens.clear();
  }

  /** Calls of one endpoint. */
  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }

  /** Variables of a client that knows nothing but the address, client and audience of it. */
  variables(cacheDir: string, redirectPort = 1): Record<string, string> {
    return {
      AIGNOSTICS_API_ROOT: this.url.href,
      AIGNOSTICS_AUDIENCE: AUDIENCE,
      AIGNOSTICS_CLIENT_ID_INTERACTIVE: CLIENT_ID,
      AIGNOSTICS_CLIENT_ID_DEVICE: CLIENT_ID,
      AIGNOSTICS_REDIRECT_URI: `http://localhost:${redirectPort}/`,
      AIGNOSTICS_CACHE_DIR: cacheDir,
      AIGNOSTICS_AUTH_RETRY_WAIT_MIN: "0",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const form = request.method === "POST" ? Object.fromEntries(new URLSearchParams(await request.text())) : undefined;
    this.calls.push([request.method, pathname, ...(form?.grant_type ? [form.grant_type] : [])].join(" "));
    if (form !== undefined) this.forms.push(form);
    if (this.isAway) return new Response("away", { status: 503 });
    switch (pathname) {
      case "/.well-known/openid-configuration":
        return this.hasMetadata ? Response.json(this.#metadata()) : new Response(null, { status: 404 });
      case "/jwks":
        return Response.json({ keys: this.published });
      case "/authorize":
        return this.#authorize(searchParams);
      case "/device":
        return Response.json({
          device_code: "device-code",
          user_code: "ABCD-EFGH",
          verification_uri: new URL("/activate", this.url),
          verification_uri_complete: new URL("/activate?user_code=ABCD-EFGH", this.url),
          ...this.deviceAnswer,
        });
      case "/token":
        return await this.#token(form ?? {});
      case "/revoke":
        this.#refreshTokens.delete(form?.token ?? "");
        return new Response(null, { status: 200 });
      case "/api/v1/me":
        if (!request.headers.has("authorization")) return new Response("Jwt is missing", { status: 401 });
        return this.me() ?? Response.json(ME);
    }
    return new Response(null, { status: 404 });
  }

  #metadata() {
    return {
      issuer: this.url.href,
      authorization_endpoint: new URL("/authorize", this.url),
      token_endpoint: new URL("/token", this.url),
      device_authorization_endpoint: new URL("/device", this.url),
      revocation_endpoint: new URL("/revoke", this.url),
      jwks_uri: new URL("/jwks", this.url),
      id_token_signing_alg_values_supported: ["RS256"],
    };
  }

  #authorize(query: URLSearchParams): Response {
    this.authorizations.push(query);
    const code = randomUUID();
    this.#codes.set(code, {
      challenge: query.get("code_challenge") ?? "",
      redirectUri: query.get("redirect_uri") ?? "",
      clientId: query.get("client_id") ?? "",
      nonce: query.get("nonce"),
      scope: query.get("scope") ?? "",
    });
    const back = new URL(query.get("redirect_uri") ?? "");
    back.search = this.answer(new URLSearchParams({ code, state: query.get("state") ?? "" })).toString();
    return new Response(null, { status: 302, headers: { location: back.href } });
  }

  async #token(form: Record<string, string>): Promise<Response> {
    switch (form.grant_type) {
      case "authorization_code":
        return await this.#exchange(form);
      case "refresh_token":
        return this.#refreshTokens.delete(form.refresh_token ?? "")
          ? await this.#grant()
          : refused("invalid_grant", "Unknown or invalid refresh token.");
      case "urn:ietf:params:oauth:grant-type:device_code": {
        const error = this.pollErrors.shift();
        return error === undefined ? await this.#grant() : refused(error);
      }
    }
    return refused("unsupported_grant_type");
  }

  async #exchange(form: Record<string, string>): Promise<Response> {
    const pending = this.#codes.get(form.code ?? "");
    this.#codes.delete(form.code ?? "");
    const challenge = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
    const isRight = pending?.challenge === challenge && pending.redirectUri === form.redirect_uri &&
      pending.clientId === form.client_id;
    if (!isRight) return refused("invalid_grant");
    if (!pending.scope.includes("openid")) return await this.#grant();
    const idToken = await this.token({ claims: { aud: pending.clientId, nonce: pending.nonce } });
    return await this.#grant({ id_token: idToken });
  }

  async #grant(more: Record<string, unknown> = {}): Promise<Response> {
    return Response.json({
      access_token: await this.mint(this),
      refresh_token: this.refreshToken(),
      token_type: "Bearer",
      expires_in: LIFETIME_SECONDS,
      ...(this.scope === undefined ? {} : { scope: this.scope }),
      ...more,
    });
  }
}

/** Settings of a client from variables alone. */
export function settingsFrom(variables: Readonly<Record<string, string>>): PlatformSettings {
  return parsePlatformSettings({ flags: {}, environment: (name) => variables[name], files: [] });
}

function refused(error: string, description?: string): Response {
  return Response.json({ error, ...(description === undefined ? {} : { error_description: description }) }, {
    status: error === "access_denied" ? 403 : 400,
  });
}
