import { X509Certificate } from "node:crypto";
import { parseCdnFile, readCdnFile } from "../../lib/config/cdn_file.ts";
import { ConfigurationError, type Upstream } from "../../lib/errors.ts";
import { readAuthorities } from "../../lib/http/authorities.ts";
import { isLoopback } from "../../lib/http/loopback.ts";
import { peerCertificate } from "../../lib/http/peer_certificate.ts";
import { proxyFor } from "../../lib/http/proxy.ts";
import { TlsFiles } from "../../lib/http/tls_files.ts";
import { type Examined, type Finding, ok, warning } from "./finding.ts";

const DAY_MS = 24 * 3600 * 1000;
const SOON_DAYS = 21;
const CALL_LIMIT_MS = 10_000;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** A certificate, and the day on which it ends. */
interface Dated {
  readonly what: string;
  readonly untilMs: number;
}

/**
 * The certificates of API and CDN, and of the authorities that the environment adds: whether they can be read, are trusted, and how long they hold.
 * A server behind a proxy is not looked at: the proxy would have to be asked to make way.
 * @throws {ConfigurationError} a file holds none; {UnavailableError} a server is not trusted
 */
export async function checkCertificates(examined: Examined, signal: AbortSignal): Promise<Finding> {
  const { environment, clock } = examined;
  const authorities = await readAuthorities(environment);
  const dated = authorities.flatMap(datedAuthorities);
  for (const [service, url] of await serversOf(examined)) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_LIMIT_MS)]);
    const { untilMs } = await peerCertificate(url, { service, authorities, signal: limit });
    dated.push({ what: url.host, untilMs });
  }
  const [first] = dated.sort((one, other) => one.untilMs - other.untilMs);
  if (first === undefined) return ok("none is in use: no server is asked over https without a proxy");
  const days = Math.floor((first.untilMs - clock.now()) / DAY_MS);
  const says = `the first of ${dated.length} to end is that of ${first.what}, ${daysText(days)}`;
  return days < SOON_DAYS
    ? warning(says, "Renew it: when it has ended, nothing is fetched from there any more.")
    : ok(says);
}

/** The certificate of the device itself: that it and its key can be used, belong together, and for how long. @throws {ConfigurationError} */
export async function checkTls({ settings, clock }: Examined): Promise<Finding> {
  const { host, tlsCertFile, tlsKeyFile } = settings;
  if (tlsCertFile === undefined || tlsKeyFile === undefined) {
    if (isLoopback(host)) return ok("not used: the device listens on this machine only");
    return warning(
      `The device listens on ${host} without TLS`,
      "Set TLS_CERT_FILE and TLS_KEY_FILE: tokens pass there.",
    );
  }
  const { certificate: { subject, names, notBeforeMs, notAfterMs } } = await TlsFiles.open(tlsCertFile, tlsKeyFile);
  const nowMs = clock.now();
  const days = Math.floor((notAfterMs - nowMs) / DAY_MS);
  const who = names || subject;
  if (nowMs < notBeforeMs) throw new ConfigurationError([`The certificate in "${tlsCertFile}" is not valid yet`]);
  if (nowMs > notAfterMs) throw new ConfigurationError([`The certificate in "${tlsCertFile}" has expired`]);
  if (days < SOON_DAYS) {
    return warning(
      `The certificate for ${who} ends in ${days} days`,
      "Renew it: the device takes the new files by itself.",
    );
  }
  return ok(`${who}, for ${days} days`);
}

async function serversOf({ settings, environment }: Examined): Promise<[Upstream, URL][]> {
  const { resourceApiUrl, cdnConfig } = settings;
  const cdn = cdnConfig === undefined ? undefined : await parseCdnFile(await readCdnFile(cdnConfig));
  const cdnUrl = cdn?.kind === "s3" ? cdn.endpoint : cdn?.kind === "http" ? cdn.baseUrl : undefined;
  const servers: [Upstream, URL][] = [["API", resourceApiUrl], ...(cdnUrl ? [["CDN", cdnUrl] as [Upstream, URL]] : [])];
  return servers.filter(([, url]) => url.protocol === "https:" && proxyFor(url, environment) === undefined);
}

function datedAuthorities(pem: string): Dated[] {
  return [...pem.matchAll(CERTIFICATE)].map(([text]) => {
    try {
      const { subject, validTo } = new X509Certificate(text);
      return { what: `the authority ${subject.replaceAll("\n", ", ")}`, untilMs: Date.parse(validTo) };
    } catch (cause) {
      throw new ConfigurationError(["A certificate of REQUESTS_CA_BUNDLE or SSL_CERT_FILE cannot be read"], { cause });
    }
  });
}

function daysText(days: number): string {
  return days < 0 ? `${-days} days ago` : `in ${days} days`;
}
