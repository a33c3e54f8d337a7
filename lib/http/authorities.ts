import { ConfigurationError, messageOf } from "../errors.ts";
import { collect } from "../streams.ts";
import type { Environment } from "../system/environment.ts";
import { openWholeFile } from "../system/files.ts";

/** Variables that name a file of certificate authorities; those of both files are trusted, beside the built-in ones. */
export const AUTHORITY_VARIABLES = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] as const;

const FILE_LIMIT_BYTES = 4 * 1024 * 1024;
const CERTIFICATE = "-----BEGIN CERTIFICATE-----";

/**
 * The PEM texts of the authorities that the environment adds.
 * @throws {ConfigurationError} a file cannot be read, or holds no certificate
 */
export async function readAuthorities(environment: Environment): Promise<readonly string[]> {
  const found = AUTHORITY_VARIABLES.flatMap((name) => {
    const path = environment(name);
    return path === undefined ? [] : [{ name, path }];
  });
  const distinct = found.filter(({ path }, index) => found.findIndex((other) => other.path === path) === index);
  return await Promise.all(distinct.map(({ name, path }) => readPem(name, path)));
}

async function readPem(name: string, path: string): Promise<string> {
  const pem = await openWholeFile(path)
    .then(({ body }) => collect(body, FILE_LIMIT_BYTES, `"${path}"`))
    .then((bytes) => new TextDecoder().decode(bytes), (cause) => {
      throw new ConfigurationError([`${name} cannot be used: ${messageOf(cause)}`], { cause });
    });
  if (pem.includes(CERTIFICATE)) return pem;
  throw new ConfigurationError([`${name} cannot be used: "${path}" holds no certificate in PEM`]);
}
