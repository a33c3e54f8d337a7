import { z } from "zod";
import { ConfigurationError } from "../errors.ts";
import type { Environment } from "../system/environment.ts";
import { readSmallFile } from "../system/files.ts";

const FILE_LIMIT_BYTES = 64 * 1024;
const apiSchema = z.object({ url: z.string(), email: z.string(), password: z.string() }).partial();
const fileSchema = z.object({ api: apiSchema.nullish() }).nullable();

/** An API and an account there. */
export interface ApiAccount {
  /** Of the Resource API; https, except on this machine. */
  readonly url: string;
  /** Name of the account. */
  readonly email: string;
  /** In plain text: keep the file for its owner only. */
  readonly password: string;
}

/**
 * The account that a training script works with: from `RESOURCE_API_URL`, `API_EMAIL` and `API_PASSWORD`, else from
 * `api: {url, email, password}` of a `config.yaml`, which may be missing.
 * @throws {ConfigurationError} naming all that is in neither
 */
export async function readApiAccount(path: string, environment: Environment): Promise<ApiAccount> {
  const api = await readConfigFile(path);
  const found = {
    url: environment("RESOURCE_API_URL") ?? api.url,
    email: environment("API_EMAIL") ?? api.email,
    password: environment("API_PASSWORD") ?? api.password,
  };
  const { url, email, password } = found;
  if (url !== undefined && email !== undefined && password !== undefined) return { url, email, password };
  const missing = Object.entries(found).filter(([, value]) => value === undefined).map(([name]) => name);
  throw new ConfigurationError(missing.map((name) => `api.${name} is neither in "${path}" nor in the environment`));
}

async function readConfigFile(path: string): Promise<z.infer<typeof apiSchema>> {
  const bytes = await readSmallFile(path, FILE_LIMIT_BYTES);
  if (bytes === undefined) return {};
  const { parse } = await import("yaml"); // 15 MiB of memory, for those who have a file
  const options = { maxAliasCount: 0, logLevel: "error" } as const; // warnings would show lines of the file
  try {
    return fileSchema.parse(parse(new TextDecoder().decode(bytes), options))?.api ?? {};
  } catch {
    // Without the cause: a YAML error quotes lines of the file, and one of them is the password.
    throw new ConfigurationError([
      `Cannot read "${path}": it is not YAML with api: {url, email, password}, in quotes where they look like numbers`,
    ]);
  }
}
