import { z } from "zod";
import { type Bytes, utf8 } from "../bytes.ts";
import { sha256Hex } from "../crypto/keys.ts";
import { ConfigurationError } from "../errors.ts";

const ALGORITHM = "GOOG4-RSA-SHA256";
const DEFAULT_ENDPOINT = "https://storage.googleapis.com";
const PAYLOAD_HEADER = "x-goog-content-sha256";

/** Who signs: what a service account's key file holds. */
export interface ServiceAccount {
  /** The account's name. */
  readonly email: string;
  /** For RSASSA-PKCS1-v1_5 with SHA-256; it cannot be read out. */
  readonly key: CryptoKey;
}

/** What a signed address is good for. */
export interface GcsSignOptions {
  readonly method: string;
  readonly bucket: string;
  /** Name of the object; the bucket itself is meant without one. */
  readonly object?: string | undefined;
  /** At most seven days: Cloud Storage takes no more. */
  readonly expiresSeconds: number;
  /** From when on it is good. */
  readonly nowMs: number;
  /** Scheme and host; that of Google where none is given. */
  readonly endpoint?: string;
  /** Headers that must come with the request, exactly so. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further parameters of the address. */
  readonly query?: Readonly<Record<string, string>>;
}

const keyFileSchema = z.object({
  type: z.literal("service_account"),
  client_email: z.string().min(3),
  private_key: z.string().includes("BEGIN PRIVATE KEY"),
});

/** Reads the JSON key file of a service account. @throws {ConfigurationError} it is none, which is said without its contents */
export async function parseServiceAccount(file: Bytes): Promise<ServiceAccount> {
  try {
    const { client_email: email, private_key } = keyFileSchema.parse(JSON.parse(new TextDecoder().decode(file)));
    const der = Uint8Array.fromBase64(private_key.replace(/-----[^-]+-----/g, ""));
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return { email, key: await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]) };
  } catch { // the cause may hold the key
    throw new ConfigurationError(["The key file is not that of a Google service account"]);
  }
}

/**
 * Makes an address that lets whoever has it read or write one object of Google Cloud Storage for a while: V4 signing, the
 * bucket in the path. Nothing is sent. A port is not signed.
 * @see https://cloud.google.com/storage/docs/authentication/canonical-requests
 */
export async function signGcsUrl(account: ServiceAccount, options: GcsSignOptions): Promise<string> {
  const { bucket, object, endpoint = DEFAULT_ENDPOINT, nowMs } = options;
  const timestamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${timestamp.slice(0, 8)}/auto/storage/goog4_request`;
  const headers = canonicalHeaders({ ...options.headers, host: new URL(endpoint).hostname });
  const signedHeaders = headers.map(([name]) => name).join(";");
  const query = canonicalQuery({
    ...options.query,
    "X-Goog-Algorithm": ALGORITHM,
    "X-Goog-Credential": `${account.email}/${scope}`,
    "X-Goog-Date": timestamp,
    "X-Goog-Expires": String(options.expiresSeconds),
    "X-Goog-SignedHeaders": signedHeaders,
  });
  const path = `/${[bucket, ...(object === undefined ? [] : object.split("/"))].map(percentEncode).join("/")}`;
  const request = [
    options.method,
    path,
    query,
    ...headers.map(([name, value]) => `${name}:${value}`),
    "",
    signedHeaders,
    headers.find(([name]) => name === PAYLOAD_HEADER)?.[1] ?? "UNSIGNED-PAYLOAD",
  ].join("\n");
  const toSign = [ALGORITHM, timestamp, scope, await sha256Hex(utf8(request))].join("\n");
  const signature = new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", account.key, utf8(toSign)));
  return `${endpoint}${path}?${query}&X-Goog-Signature=${signature.toHex()}`;
}

/** Names in small letters and in order; values without spaces round them, and with single ones within. */
function canonicalHeaders(headers: Readonly<Record<string, string>>): [name: string, value: string][] {
  const pairs = Object.entries(headers).map(([name, value]): [string, string] => [
    name.toLowerCase(),
    value.trim().replaceAll(/\s+/g, " "),
  ]);
  return pairs.sort(([one], [other]) => one < other ? -1 : 1);
}

function canonicalQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query).map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`).sort().join(
    "&",
  );
}

/** Everything but letters, digits and `-._~`. @see RFC 3986, section 2.3 */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
