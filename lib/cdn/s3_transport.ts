import type { Bytes } from "../bytes.ts";
import type { HttpClient, HttpRequest } from "../http/client.ts";

/** A request of the AWS SDK, as far as S3 needs it. */
interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkOptions {
  readonly abortSignal?: unknown;
  readonly requestTimeout?: number;
}

/**
 * Lets the AWS SDK send through our HTTP client, which watches for stalls and gives back-pressure. The SDK's own handlers
 * wait for ever on a server that falls silent, and its default one takes a whole object into memory when the reader is slow.
 */
export class S3Transport {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #http: HttpClient;
  readonly #stallMs: number | undefined;

  /** @param stallMs longest silence within a body; the HTTP client's own limit when it is left out */
  constructor(http: HttpClient, stallMs?: number) {
    this.#http = http;
    this.#stallMs = stallMs;
  }

  /** Sends one request. Any status is an answer; errors are those of the HTTP client. */
  async handle(request: SdkRequest, { abortSignal, requestTimeout }: SdkOptions = {}) {
    const { status, headers, body } = await this.#http(urlOf(request), {
      method: methodOf(request.method),
      headers: { ...request.headers, "accept-encoding": "identity" },
      ...(request.body instanceof Uint8Array ? { body: request.body as Bytes } : {}),
      ...(typeof request.body === "string" ? { body: request.body } : {}),
      ...(requestTimeout === undefined ? {} : { timeoutMs: requestTimeout }),
      ...(this.#stallMs === undefined ? {} : { stallMs: this.#stallMs }),
      signal: abortSignal instanceof AbortSignal ? abortSignal : undefined,
    });
    return { response: { statusCode: status, headers: Object.fromEntries(headers), body } };
  }

  /** Part of the SDK's contract; there is nothing to configure. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's contract; there is nothing to configure. */
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): URL {
  const pairs = Object.entries(query).sort(([one], [other]) => one < other ? -1 : 1).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((item) => [name, item] as const) : [[name, value] as const]
  );
  const search = pairs.map(([name, value]) => value === null ? escape(name) : `${escape(name)}=${escape(value)}`);
  return new URL(
    `${protocol}//${hostname}${port ? `:${port}` : ""}${path}${search.length ? `?${search.join("&")}` : ""}`,
  );
}

/** As signed: everything but unreserved characters. @see RFC 3986, section 2.3 */
function escape(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"] as const;

function methodOf(method: string): NonNullable<HttpRequest["method"]> {
  const known = METHODS.find((candidate) => candidate === method);
  if (known === undefined) throw new TypeError(`The S3 client sends no ${method}`);
  return known;
}
