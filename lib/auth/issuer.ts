import type { AuthorizationServer } from "oauth4webapi";
import { z } from "zod";
import { jsonValue } from "../bytes.ts";
import { serverUrl } from "../config/values.ts";
import { PLATFORM_OPTIONS } from "../config/platform_options.ts";
import type { GivenOAuth, PlatformSettings } from "../config/platform_settings.ts";
import { ConfigurationError, messageOf, TallyError, UnavailableError, UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { isLoopback } from "../http/loopback.ts";
import { isOutOfReach } from "../http/reach.ts";
import { collect } from "../streams.ts";

/** Who gives out the tokens of a platform, and how it is spoken to. */
export interface Issuer {
  /** Its endpoints; that of the device flow or of the revocation may be missing. */
  readonly server: AuthorizationServer;
  /** What a token may name as its `iss`. */
  readonly names: readonly string[];
  /** The only algorithms that its tokens may be signed with. */
  readonly algorithms: readonly string[];
  readonly jwksUrl: URL;
  readonly audience: string;
  readonly clientIdInteractive: string;
  /** Missing where nobody has set it: then there is no device flow. */
  readonly clientIdDevice: string | undefined;
  readonly redirectUri: URL;
}

/** What it takes to find an issuer. */
export interface IssuerDeps {
  readonly http: HttpClient;
  readonly signal: AbortSignal;
}

const METADATA_PATHS = [".well-known/openid-configuration", ".well-known/oauth-authorization-server"];
const METADATA_LIMIT_BYTES = 256 * 1024;
const DEFAULT_ALGORITHM = "RS256";
/** Only signatures with a private key: with the others, whoever verifies could sign. */
const ALLOWED_ALGORITHMS = [DEFAULT_ALGORITHM, "PS256", "ES256", "EdDSA"];
/** Settings without which nobody can sign in, unless the issuer's metadata tell them. */
const NEEDED = [
  ...["audience", "authorizationBaseUrl", "tokenUrl", "deviceUrl", "jwsJsonUrl", "clientIdInteractive"] as const,
];

const endpoint = z.string().transform((text, context) => {
  try {
    return serverUrl(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: messageOf(error) });
    return z.NEVER;
  }
});

/** @see RFC 8414, 2. The last two are ours: they let an origin be used with nothing but its address. */
const metadataSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
  device_authorization_endpoint: endpoint.optional(),
  revocation_endpoint: endpoint.optional(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  tallystick_audience: z.string().optional(),
  tallystick_client_id: z.string().optional(),
});

type Metadata = z.infer<typeof metadataSchema>;

/**
 * The issuer of a platform: from the settings where they say enough, else from its metadata, which the platform's own
 * address leads to. A single setting is stronger than the metadata.
 * @throws {ConfigurationError} something is set nowhere and cannot be discovered, with a sentence for each; its cause says why.
 * {UnavailableError}, {UpstreamTimeoutError} an origin of ours is away
 */
export async function findIssuer({ environment, apiRoot, oauth }: PlatformSettings, deps: IssuerDeps): Promise<Issuer> {
  if (missingOf(oauth).length === 0) return issuerOf(oauth, undefined);
  const metadata = await discover(apiRoot, deps).catch((error) => {
    throw environment === "custom" ? namingMissing(oauth, apiRoot, error) : error;
  });
  return issuerOf(withMetadata(oauth, metadata), metadata);
}

function missingOf(oauth: GivenOAuth): string[] {
  return NEEDED.filter((key) => oauth[key] === undefined).map((key) => PLATFORM_OPTIONS[key].name);
}

async function discover(apiRoot: URL, deps: IssuerDeps): Promise<Metadata> {
  const first = await readMetadata(apiRoot, deps);
  return sameAddress(first.issuer, apiRoot.href) ? first : await ownMetadata(first.issuer, deps);
}

function namingMissing(oauth: GivenOAuth, apiRoot: URL, cause: unknown): unknown {
  if (!(cause instanceof TallyError) || cause.code === "interrupted") return cause;
  const why = `the metadata of ${apiRoot.origin} do not tell it: ${cause.message}`;
  return new ConfigurationError(missingOf(oauth).map((name) => `${name} is not set, and ${why}`), { cause });
}

/** An issuer at another address than the platform must confirm what was said in its name. @see RFC 8414, 3.3 */
async function ownMetadata(issuer: string, deps: IssuerDeps): Promise<Metadata> {
  const address = endpoint.safeParse(issuer);
  if (!address.success) {
    throw new UpstreamError("issuer", `What is named as the issuer, "${issuer}", is not an address`);
  }
  const metadata = await readMetadata(address.data, deps);
  if (metadata.issuer === issuer) return metadata;
  throw new UpstreamError("issuer", `The issuer at "${issuer}" calls itself by another name`);
}

async function readMetadata(base: URL, { http, signal }: IssuerDeps): Promise<Metadata> {
  for (const path of METADATA_PATHS) {
    const url = new URL(path, base.href.endsWith("/") ? base : `${base.href}/`);
    const { status, body } = await http(url, { headers: { accept: "application/json" }, signal });
    const bytes = await collect(body, METADATA_LIMIT_BYTES, `The answer of ${url.host}`);
    if (status >= 500) {
      throw new UnavailableError("issuer", `The server at ${url.host} answers with status ${status}`);
    }
    if (status !== 200) continue;
    const parsed = metadataSchema.safeParse(jsonValue(bytes));
    if (parsed.success && staysWithinReach(parsed.data, base)) return parsed.data;
    throw new UpstreamError("issuer", `What ${url.host} says of its issuer is not metadata of an issuer`);
  }
  throw new UpstreamError("issuer", `The server at ${base.host} says nothing of an issuer`);
}

/** A server elsewhere names no service of this machine, nor of its neighbours: tokens and codes would be sent there. */
function staysWithinReach(metadata: Metadata, base: URL): boolean {
  const reach = isLoopback(base.hostname) ? "loopback" : "private";
  return Object.values(metadata).every((value) => !(value instanceof URL) || !isOutOfReach(value, reach));
}

function withMetadata(oauth: GivenOAuth, metadata: Metadata): GivenOAuth {
  return {
    ...oauth,
    issuer: metadata.issuer,
    audience: oauth.audience ?? metadata.tallystick_audience,
    authorizationBaseUrl: oauth.authorizationBaseUrl ?? metadata.authorization_endpoint,
    tokenUrl: oauth.tokenUrl ?? metadata.token_endpoint,
    deviceUrl: oauth.deviceUrl ?? metadata.device_authorization_endpoint,
    jwsJsonUrl: oauth.jwsJsonUrl ?? metadata.jwks_uri,
    revocationUrl: oauth.revocationUrl ?? metadata.revocation_endpoint,
    clientIdInteractive: oauth.clientIdInteractive ?? metadata.tallystick_client_id,
    clientIdDevice: oauth.clientIdDevice ?? metadata.tallystick_client_id,
  };
}

function issuerOf(oauth: GivenOAuth, metadata: Metadata | undefined): Issuer {
  const { issuer, audience, authorizationBaseUrl, tokenUrl, jwsJsonUrl, clientIdInteractive } = oauth;
  const isWhole = issuer !== undefined && audience !== undefined && authorizationBaseUrl !== undefined &&
    tokenUrl !== undefined && jwsJsonUrl !== undefined && clientIdInteractive !== undefined;
  if (!isWhole) {
    const missing = missingOf(oauth).filter((name) => name !== PLATFORM_OPTIONS.deviceUrl.name); // an issuer may have none
    throw new ConfigurationError(missing.map((name) => `${name} is not set, and the issuer's metadata do not tell it`));
  }
  return {
    server: {
      issuer,
      authorization_endpoint: authorizationBaseUrl.href,
      token_endpoint: tokenUrl.href,
      ...(oauth.deviceUrl === undefined ? {} : { device_authorization_endpoint: oauth.deviceUrl.href }),
      ...(oauth.revocationUrl === undefined ? {} : { revocation_endpoint: oauth.revocationUrl.href }),
      authorization_response_iss_parameter_supported: metadata?.authorization_response_iss_parameter_supported ?? false,
    },
    names: bothSpellings(issuer),
    algorithms: algorithmsOf(metadata),
    jwksUrl: jwsJsonUrl,
    audience,
    clientIdInteractive,
    clientIdDevice: oauth.clientIdDevice,
    redirectUri: oauth.redirectUri,
  };
}

/** What the issuer declares, as far as it is safe: never what a token says of itself. @see RFC 8725, 3.1 */
function algorithmsOf(metadata: Metadata | undefined): readonly string[] {
  const declared = metadata?.id_token_signing_alg_values_supported ?? [];
  const allowed = ALLOWED_ALGORITHMS.filter((name) => declared.includes(name));
  return allowed.length === 0 ? [DEFAULT_ALGORITHM] : allowed;
}

/** Issuers are at odds about the slash at the end of their names. */
function bothSpellings(issuer: string): readonly string[] {
  return issuer.endsWith("/") ? [issuer, issuer.slice(0, -1)] : [issuer, `${issuer}/`];
}

function sameAddress(one: string, other: string): boolean {
  return bothSpellings(one).includes(other);
}
