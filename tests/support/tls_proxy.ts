import type { PrivateAuthority } from "./private_authority.ts";

/** A server that does TLS in front of another, as an origin's proxy does. */
export interface TlsProxy extends AsyncDisposable {
  readonly url: URL;
  /** Where calls go from now on. */
  forwardTo(base: string): void;
}

/** Starts a proxy with a certificate of the authority. */
export function startTlsProxy({ cert, key }: Pick<PrivateAuthority, "cert" | "key">): TlsProxy {
  let base = "";
  const options = { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} };
  const server = Deno.serve(options, (request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(base + pathname + search, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: "manual",
    });
  });
  return {
    url: new URL(`https://localhost:${server.addr.port}`),
    forwardTo: (to) => void (base = to),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
