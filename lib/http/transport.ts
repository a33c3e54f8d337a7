import { type Environment, withVariables } from "../system/environment.ts";
import { AUTHORITY_VARIABLES, readAuthorities } from "./authorities.ts";
import { bareHost } from "./host_text.ts";
import { isLoopback } from "./loopback.ts";
import { EXEMPT_VARIABLES, PROXY_VARIABLES, proxyFor } from "./proxy.ts";

/** How one call gets to its server. Dispose it when the head of the answer is there. */
export interface Transport extends Disposable {
  /** `undefined` for the runtime's own. */
  readonly client: Deno.HttpClient | undefined;
  /** The proxy that it goes through. */
  readonly proxy: URL | undefined;
}

const HTTP_PORT = 80;
const OWN_CLIENT: Transport = { client: undefined, proxy: undefined, [Symbol.dispose]: () => {} };

/**
 * Chooses how calls get to their servers: by the proxies and the certificate authorities that the environment names. Where it
 * names none, the runtime's own client serves. Clients are kept, so that their connections are used again.
 */
export class Transports {
  readonly #environment: Environment;
  readonly #kept = new Map<string, Promise<Deno.HttpClient>>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The way to an address. @throws {ConfigurationError} the environment names no proxy or no authorities where it should */
  async to(url: URL): Promise<Transport> {
    if (url.protocol === "http:" && isLoopback(url.hostname)) {
      return this.#hasProxy(url) ? machineItself(url) : OWN_CLIENT;
    }
    const proxy = proxyFor(url, this.#environment);
    const needsOwn = proxy === undefined && !this.#hasProxy(url) && !this.#hasAuthorities(url);
    return needsOwn ? OWN_CLIENT : await this.#pooled(url, proxy);
  }

  /** The way past the proxy. */
  async directTo(url: URL): Promise<Transport> {
    return await this.#pooled(url, undefined);
  }

  /**
   * The way of a single call to this very address, past all proxies. Over TLS the name is looked up once more: the runtime speaks no
   * TLS to an address alone, and a server at another address could not prove that the name is its own before anything is sent.
   */
  async onceAt(url: URL, address: string): Promise<Transport> {
    return url.protocol === "https:"
      ? singleUse(await this.#make(url, undefined, { poolMaxIdlePerHost: 0 }))
      : addressTransport(url, address);
  }

  async #pooled(url: URL, proxy: URL | undefined): Promise<Transport> {
    const key = proxy?.href ?? (this.#hasProxy(url) ? `direct ${url.hostname}` : "direct");
    const made = this.#kept.get(key) ?? this.#make(url, proxy);
    this.#kept.set(key, made);
    made.catch(() => this.#kept.delete(key)); // told to this caller; the next one looks again
    return { client: await made, proxy, [Symbol.dispose]: () => {} };
  }

  async #make(url: URL, proxy: URL | undefined, pool: Deno.CreateHttpClientOptions = {}): Promise<Deno.HttpClient> {
    const caCerts = [...await readAuthorities(this.#environment)];
    const options = { ...pool, caCerts, ...(proxy === undefined ? {} : { proxy: proxyOptions(proxy) }) };
    // The runtime's own look at the proxy variables is when a client is made; only they can keep it from a proxy.
    const exempt = proxy === undefined ? bareHost(url.hostname) : undefined;
    const variables = Object.fromEntries(EXEMPT_VARIABLES.map((name) => [name, exempt]));
    return withVariables(variables, () => Deno.createHttpClient(options));
  }

  #hasProxy({ protocol }: URL): boolean {
    return (PROXY_VARIABLES[protocol] ?? []).some((name) => this.#environment(name) !== undefined);
  }

  #hasAuthorities({ protocol }: URL): boolean {
    return protocol === "https:" && AUTHORITY_VARIABLES.some((name) => this.#environment(name) !== undefined);
  }
}

function proxyOptions(proxy: URL): Deno.Proxy {
  const { protocol, host, username, password } = proxy;
  const url = `${protocol}//${host}`;
  if (username === "") return { transport: protocol.startsWith("socks5") ? "socks5" : "http", url };
  const basicAuth = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { transport: protocol.startsWith("socks5") ? "socks5" : "http", url, basicAuth };
}

/**
 * What goes to this machine itself goes past the proxies of the environment: it holds passwords in the clear. The machine
 * itself can be named as the proxy; only then, since it costs a connection a call.
 */
function machineItself(url: URL): Transport {
  return addressTransport(url, bareHost(url.hostname));
}

/** The connection is made to the address as to a proxy that hands it on as it is. */
function addressTransport({ port }: URL, address: string): Transport {
  return oneTransport({ transport: "tcp", hostname: address, port: Number(port || HTTP_PORT) });
}

/** A client of a unix socket, whatever host the URL names. */
export function socketTransport(path: string): Transport {
  return oneTransport({ transport: "unix", path });
}

function oneTransport(proxy: Deno.Proxy): Transport {
  return singleUse(Deno.createHttpClient({ proxy, poolMaxIdlePerHost: 0 }));
}

/** The answer outlives its client. */
function singleUse(client: Deno.HttpClient): Transport {
  return { client, proxy: undefined, [Symbol.dispose]: () => client.close() };
}
