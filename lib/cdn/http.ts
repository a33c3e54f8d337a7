import { createHash } from "node:crypto";
import { z } from "zod";
import type { Bytes } from "../bytes.ts";
import type { HttpCdnSettings } from "../config/cdn_file.ts";
import type { Secret } from "../config/secret.ts";
import { IntegrityError, NotAllowedError, UpstreamError } from "../errors.ts";
import { parseContentLength, parseStrongEtag } from "../http/byte_ranges.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../http/client.ts";
import { withRetry } from "../http/retry.ts";
import { type ByteStream, collect, consume, watched } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { emptyObject, storedObject } from "./answer.ts";
import { checkObjectName } from "./object_name.ts";
import { pairingOf } from "./pairing.ts";
import { isEmptyRange, rangeHeader } from "./range.ts";
import { statusError } from "./status_error.ts";
import type { ByteSource, Digests, GetOptions, ObjectFacts, ObjectStore, PutOptions, StoredObject } from "./store.ts";

const LIST_LIMIT_BYTES = 16 * 1024 * 1024;
const PAIRED_WITH_HEADER = "x-tally-small-sha256";

const listSchema = z.object({ keys: z.array(z.object({ key: z.string(), sizeBytes: z.int().min(0) })) });

/** What the store is built from. */
export interface HttpStoreDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
}

/**
 * Big parts on a web server, at `<baseUrl>/<bucket>/<key>`. Reading needs `Content-Length` and a strong `ETag`; ranges,
 * `Repr-Digest` (RFC 9530) and `x-tally-small-sha256` are used where the server has them. Writing needs a server that takes
 * `PUT` and `DELETE` with a bearer token, listing one that answers `{"keys": [{"key", "sizeBytes"}]}` at `<baseUrl>/<bucket>`.
 */
export class HttpStore implements ObjectStore {
  readonly #settings: HttpCdnSettings;
  readonly #deps: HttpStoreDeps;

  constructor(settings: HttpCdnSettings, deps: HttpStoreDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  async head(bucket: string, key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> {
    const url = this.#url(bucket, key);
    const action = `look up "${bucket}/${key}"`;
    const answer = await this.#send(url, action, [200, 404], this.#reading({ method: "HEAD", signal }));
    await answer.body.cancel();
    if (answer.status === 404) return undefined;
    checkEncoding(action, answer.headers);
    return factsOf(`"${bucket}/${key}"`, answer.headers);
  }

  async get(bucket: string, key: string, options: GetOptions = {}): Promise<StoredObject> {
    const { range, ifMatch, signal } = options;
    if (isEmptyRange(range)) return await this.#empty(bucket, key, options);
    const headers = {
      ...(range === undefined ? {} : { range: rangeHeader(range) }),
      ...(ifMatch === undefined ? {} : { "if-match": `"${ifMatch}"` }),
    };
    const action = `read "${bucket}/${key}"`;
    const accepted = range === undefined ? [200] : [200, 206, 416];
    const answer = await this.#send(this.#url(bucket, key), action, accepted, this.#reading({ headers, signal }));
    if (answer.status === 416) {
      await answer.body.cancel();
      return await this.#empty(bucket, key, options);
    }
    try {
      checkEncoding(action, answer.headers);
      return storedObject(`"${bucket}/${key}"`, rangeAnswer(answer), options);
    } catch (error) {
      await answer.body.cancel();
      throw error;
    }
  }

  async put(bucket: string, key: string, source: ByteSource, options: PutOptions = {}): Promise<ObjectFacts> {
    const { pairedWith, onProgress = () => {}, signal } = options;
    const url = this.#url(bucket, key);
    const authorization = bearer(this.#uploader());
    const sha256 = await sha256Of(await source.open());
    const headers = {
      ...authorization,
      "content-type": "application/octet-stream",
      "repr-digest": `sha-256=:${sha256.toBase64()}:`,
      ...(pairedWith === undefined ? {} : { [PAIRED_WITH_HEADER]: pairedWith }),
    };
    const action = `write "${bucket}/${key}"`;
    const answer = await this.#retried(signal, async () => {
      const body = counted(await source.open(), source.sizeBytes, onProgress);
      const request = { method: "PUT", headers, body, bodyBytes: source.sizeBytes, signal } as const;
      return await this.#sendOnce(url, action, [200, 201, 204], request);
    });
    await answer.body.cancel();
    return await this.#written(bucket, key, source.sizeBytes, sha256.toHex());
  }

  async delete(bucket: string, key: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const url = this.#url(bucket, key);
    const request = { method: "DELETE", headers: bearer(this.#uploader()), signal } as const;
    const answer = await this.#send(url, `remove "${bucket}/${key}"`, [200, 202, 204, 404], request);
    await answer.body.cancel();
  }

  async *list(
    bucket: string,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncIterable<{ key: string; sizeBytes: number }> {
    const action = `list "${bucket}"`;
    const answer = await this.#send(this.#url(bucket), action, [200, 404], this.#reading({ signal }));
    if (answer.status === 404) return await answer.body.cancel();
    const { keys } = parseList(action, await collect(answer.body, LIST_LIMIT_BYTES, "The list of big parts"));
    yield* keys.sort((one, other) => one.key < other.key ? -1 : 1);
  }

  /** What the server says of the object that it has just taken. */
  async #written(bucket: string, key: string, sizeBytes: number, sha256: string): Promise<ObjectFacts> {
    const facts = await this.head(bucket, key);
    const same = facts?.sizeBytes === sizeBytes && (facts.digests.sha256 ?? sha256) === sha256;
    if (facts !== undefined && same) return facts;
    throw new IntegrityError(`The CDN took "${bucket}/${key}", but does not hold the bytes that were sent`);
  }

  async #empty(bucket: string, key: string, options: GetOptions): Promise<StoredObject> {
    const facts = await this.head(bucket, key, options);
    if (facts === undefined) throw statusError(`read "${bucket}/${key}"`, 404);
    return emptyObject(`"${bucket}/${key}"`, facts, options);
  }

  #reading(request: HttpRequest): HttpRequest {
    const { downloader } = this.#settings;
    const authorization = downloader === undefined ? {} : bearer(downloader);
    // A compressed body would be unpacked on the way and have another length.
    return { ...request, headers: { ...request.headers, ...authorization, "accept-encoding": "identity" } };
  }

  #uploader(): Secret {
    const { uploader } = this.#settings;
    if (uploader !== undefined) return uploader;
    throw new NotAllowedError("The CDN settings hold no uploader_token: nothing can be written");
  }

  #send(url: URL, action: string, accepted: readonly number[], request: HttpRequest): Promise<HttpAnswer> {
    return this.#retried(request.signal, () => this.#sendOnce(url, action, accepted, request));
  }

  async #sendOnce(url: URL, action: string, accepted: readonly number[], request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#deps.http(url, request);
    if (accepted.includes(answer.status)) return answer;
    await answer.body.cancel();
    throw statusError(action, answer.status, { retryAfter: answer.headers.get("retry-after") });
  }

  #retried<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    return withRetry(call, { clock: this.#deps.clock, signal });
  }

  #url(bucket: string, key?: string): URL {
    const url = new URL(this.#settings.baseUrl);
    const names = [checkObjectName("bucket", bucket), ...(key === undefined ? [] : [checkObjectName("key", key)])];
    url.pathname = [url.pathname.replace(/\/+$/, ""), ...names].join("/");
    return url;
  }
}

/** The body of an upload; it fails when the source has another size than it said. */
function counted(source: ByteStream, sizeBytes: number, onProgress: (sentBytes: number) => void): ByteStream {
  let sentBytes = 0;
  const check = (fits: boolean) => {
    if (!fits) throw new IntegrityError("The source of an upload is not as large as it said");
  };
  return watched(source, {
    look(chunk) {
      check((sentBytes += chunk.byteLength) <= sizeBytes);
      onProgress(sentBytes);
    },
    end: () => check(sentBytes === sizeBytes),
  });
}

function bearer(token: Secret): Record<string, string> {
  return { authorization: `Bearer ${token.reveal()}` };
}

/** @throws {UpstreamError} when the bytes are packed: ranges, length and ETag are then not those of the object */
function checkEncoding(action: string, headers: Headers): void {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new UpstreamError("CDN", `Cannot ${action}: the CDN sends it packed (${encoding})`);
  }
}

function rangeAnswer({ status, headers, body }: HttpAnswer) {
  const contentRange = status === 206 ? headers.get("content-range") ?? "" : undefined;
  return { body, contentLength: parseContentLength(headers), contentRange, etag: parseStrongEtag(headers) };
}

function factsOf(what: string, headers: Headers): ObjectFacts {
  const etag = parseStrongEtag(headers);
  const sizeBytes = parseContentLength(headers);
  if (etag === undefined || sizeBytes === undefined) {
    throw new UpstreamError("CDN", `The CDN gives ${what} without its length or a strong ETag`);
  }
  return { sizeBytes, etag, digests: digestsOf(headers), ...pairingOf(headers.get(PAIRED_WITH_HEADER)) };
}

/** @see RFC 9530, section 3 */
function digestsOf(headers: Headers): Digests {
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(headers.get("repr-digest") ?? "")?.[1];
  return base64 === undefined ? {} : { sha256: Uint8Array.fromBase64(base64).toHex() };
}

function parseList(action: string, bytes: Uint8Array): z.infer<typeof listSchema> {
  try {
    return listSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new UpstreamError("CDN", `Cannot ${action}: the CDN gives no list of big parts`, { cause: error });
  }
}

async function sha256Of(stream: ByteStream): Promise<Bytes> {
  const hash = createHash("sha256");
  await consume(stream, (chunk) => void hash.update(chunk));
  return new Uint8Array(hash.digest());
}
