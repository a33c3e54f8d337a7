import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { utf8 } from "../bytes.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { collect } from "../streams.ts";
import { openFile, requirePrivate } from "../system/files.ts";
import type { TlsPair } from "./listening.ts";
import type { TlsSource } from "./server.ts";

const FILE_LIMIT_BYTES = 256 * 1024;
const decoder = () => new TextDecoder("utf-8", { fatal: true });

/** The certificate of a server as its file says it. */
export interface Certificate {
  readonly subject: string;
  /** Names and addresses that it is good for. */
  readonly names: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A certificate chain and its private key in two files of PEM, which may be exchanged while the server runs. */
export class TlsFiles implements TlsSource {
  readonly pair: TlsPair;
  readonly certificate: Certificate;
  readonly #paths: readonly [cert: string, key: string];
  #stamp: string;
  /** Of the last look that failed: what has been told is not told again. */
  #told = "";

  private constructor(
    read: { pair: TlsPair; certificate: Certificate },
    paths: readonly [string, string],
    stamp: string,
  ) {
    this.pair = read.pair;
    this.certificate = read.certificate;
    this.#paths = paths;
    this.#stamp = stamp;
  }

  /**
   * Reads both files.
   * @throws {ConfigurationError} one cannot be read or is none, others may read the key, or it does not belong to the certificate
   */
  static async open(certPath: string, keyPath: string): Promise<TlsFiles> {
    const paths = [certPath, keyPath] as const;
    const stamp = await stampOf(paths);
    return new TlsFiles(await readPair(paths), paths, stamp);
  }

  /**
   * What the files hold since they were changed, so that of two files the second one to be exchanged counts. What cannot be used is looked at again each
   * time, since it may lie at the moment (too many open files), but fails only once for the same reason.
   */
  async next(): Promise<TlsPair | undefined> {
    const stamp = await stampOf(this.#paths);
    if (stamp === this.#stamp) return undefined;
    try {
      const { pair } = await readPair(this.#paths);
      this.#stamp = stamp;
      return pair;
    } catch (error) {
      const failure = `${stamp} ${messageOf(error)}`;
      if (failure === this.#told) return undefined;
      this.#told = failure;
      throw error;
    }
  }
}

async function readPair(paths: readonly [string, string]): Promise<{ pair: TlsPair; certificate: Certificate }> {
  const [certPath, keyPath] = paths;
  const [cert, key] = [await textOf(certPath), await textOf(keyPath)];
  await requirePrivate(keyPath);
  const [certificate, privateKey] = [parseCertificate(certPath, cert), parseKey(keyPath, key)];
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ConfigurationError([`The key in "${keyPath}" does not belong to the certificate in "${certPath}"`]);
  }
  const { subject, subjectAltName: names = "", validFrom, validTo } = certificate;
  const facts = { subject, names, notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
  return { pair: { cert, key }, certificate: facts };
}

async function textOf(path: string): Promise<string> {
  try {
    return decoder().decode(await collect(await openFile(path), FILE_LIMIT_BYTES, `"${path}"`));
  } catch (cause) {
    throw new ConfigurationError([`Cannot use "${path}" for TLS: ${messageOf(cause)}`], { cause });
  }
}

function parseCertificate(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(utf8(pem));
  } catch (cause) {
    throw new ConfigurationError([`There is no certificate in PEM in "${path}"`], { cause });
  }
}

/** What the key holds stays out of every message. */
function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new ConfigurationError([`There is no private key in PEM, without a passphrase, in "${path}"`]);
  }
}

/** Changes with each file, also where a link leads to another one. */
async function stampOf(paths: readonly string[]): Promise<string> {
  const infos = await Promise.all(paths.map((path) => Deno.stat(path).catch(() => undefined))); // reading it says why
  return infos.map((info) =>
    `${info?.dev}:${info?.ino}:${info?.size}:${info?.mtime?.getTime()}:${info?.ctime?.getTime()}`
  ).join(" ");
}
