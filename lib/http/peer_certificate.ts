import { connect, rootCertificates } from "node:tls";
import { InterruptedError, messageOf, UnavailableError, type Upstream } from "../errors.ts";
import { bareHost } from "./host_text.ts";

/** Who a server says it is. */
export interface PeerCertificate {
  /** Milliseconds since 1970 at which its certificate ends. */
  readonly untilMs: number;
}

/**
 * The certificate that a server shows in a handshake, which is the same for every caller. Nothing is sent.
 * @param authorities PEM texts that are trusted beside the built-in ones
 * @throws {UnavailableError} nobody answers, or the certificate is not trusted; {InterruptedError} by the signal
 */
export async function peerCertificate(
  { hostname, port }: URL,
  { service, authorities, signal }: {
    readonly service: Upstream;
    readonly authorities: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<PeerCertificate> {
  const host = bareHost(hostname);
  const ended = Promise.withResolvers<PeerCertificate>();
  const trusted = authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] };
  const socket = connect({ host, port: Number(port || 443), ...serverName(host), ...trusted }, () => {
    ended.resolve({ untilMs: Date.parse(socket.getPeerCertificate().valid_to) });
  });
  const stop = () => ended.reject(new InterruptedError());
  socket.on("error", (error) => {
    ended.reject(
      new UnavailableError(service, `No trusted connection to ${host}: ${messageOf(error)}`, { cause: error }),
    );
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    return await ended.promise;
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

/** An address is no name that could be asked for. @see RFC 6066, 3 */
function serverName(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host };
}
