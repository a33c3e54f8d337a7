import { Readable, Writable } from "node:stream";
import { type Bytes, concat } from "../../lib/bytes.ts";

/** A program for Node's HTTP server, of which no server is needed here. */
export interface NodeProgram {
  /** Reads the request, writes the response and ends it. */
  handle(request: NodeRequest, response: NodeResponse): Promise<unknown>;
}

/** What the program is told of a request. */
export interface BridgedRequest {
  readonly request: Request;
  /** The whole body; its caller has limited it. */
  readonly body: Bytes;
  /** Path and query as the program routes them. */
  readonly target: string;
  /** Where clients reach the program: its scheme, host and path are told to it, whatever the request says of them. */
  readonly publicUrl: URL;
  /** Address that the call comes from. */
  readonly client: string;
}

/** Headers that a proxy may have added, or that belong to a connection which the program does not have. */
const DROPPED_REQUEST_HEADERS = /^(x-forwarded-.*|forwarded|transfer-encoding|connection|keep-alive|upgrade|expect)$/;
/** No page of another origin reads these answers. */
const DROPPED_RESPONSE_HEADERS = /^(access-control-.*|connection|transfer-encoding|keep-alive)$/;

/** The part of `http.IncomingMessage` that Koa and what stands on it read. */
export class NodeRequest extends Readable {
  readonly method: string;
  readonly url: string;
  readonly originalUrl: string;
  readonly headers: Record<string, string>;
  readonly httpVersion = "1.1";
  readonly socket: { readonly encrypted: boolean; readonly remoteAddress: string };
  #body: Bytes | null;

  constructor({ request, body, target, publicUrl, client }: BridgedRequest) {
    super();
    this.method = request.method;
    this.url = target;
    this.originalUrl = publicUrl.pathname.replace(/\/+$/, "") + target;
    this.headers = {
      ...Object.fromEntries([...request.headers].filter(([name]) => !DROPPED_REQUEST_HEADERS.test(name))),
      ...(body.byteLength > 0 ? { "content-length": String(body.byteLength) } : {}),
      host: publicUrl.host,
    };
    this.socket = { encrypted: publicUrl.protocol === "https:", remoteAddress: client };
    this.#body = body;
  }

  override _read(): void {
    if (this.#body !== null && this.#body.byteLength > 0) this.push(this.#body);
    this.#body = null;
    this.push(null);
  }
}

/** The part of `http.ServerResponse` that Koa and what stands on it write. It is collected: its program writes small pages. */
export class NodeResponse extends Writable {
  statusCode = 404;
  statusMessage = "";
  readonly socket = null;
  readonly #headers = new Map<string, string | readonly string[]>();
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];

  get finished(): boolean {
    return this.writableEnded;
  }

  get headersSent(): boolean {
    return this.writableEnded;
  }

  setHeader(name: string, value: string | number | readonly string[]): this {
    this.#headers.set(name.toLowerCase(), typeof value === "number" ? String(value) : value);
    return this;
  }

  getHeader(name: string): string | readonly string[] | undefined {
    return this.#headers.get(name.toLowerCase());
  }

  getHeaders(): Record<string, string | readonly string[]> {
    return Object.fromEntries(this.#headers);
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
  }

  flushHeaders(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#chunks.push(new Uint8Array(chunk));
    done();
  }

  /** What was written, after the end. */
  toResponse(): Response {
    const headers = new Headers();
    for (const [name, value] of this.#headers) {
      if (DROPPED_RESPONSE_HEADERS.test(name)) continue;
      for (const item of typeof value === "string" ? [value] : value) headers.append(name, item);
    }
    const body = this.#chunks.length === 0 ? null : concat(...this.#chunks);
    return new Response(body, { status: this.statusCode, headers });
  }
}

/**
 * Lets a program for Node's HTTP server answer one request, without a server or a socket.
 * @throws whatever the program throws; the signal's reason when it is aborted before the response has ended
 */
export async function bridge(bridged: BridgedRequest, program: NodeProgram, signal: AbortSignal): Promise<Response> {
  const response = new NodeResponse();
  const ended = Promise.withResolvers<void>();
  const stop = () => ended.reject(signal.reason);
  response.once("finish", ended.resolve);
  response.once("error", ended.reject);
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    program.handle(new NodeRequest(bridged), response).catch(ended.reject);
    await ended.promise;
    return response.toResponse();
  } finally {
    signal.removeEventListener("abort", stop);
    response.destroy();
  }
}
