import { ConfigurationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Libcrypto, openLibcrypto } from "./libcrypto.ts";

/** How v1's AES is done: by libcrypto where it can be used, by it or not at all, or by the runtime alone. */
export type Acceleration = "auto" | "libcrypto" | "none";

/**
 * The library that v1's decryption uses, or `undefined` for the runtime's own AES. The bytes are the same.
 * @param path absolute path of libcrypto; needed but for `none`
 * @throws {ConfigurationError} `libcrypto` was asked for and cannot be used
 */
export async function accelerator(
  acceleration: Acceleration,
  path: string | undefined,
  log: Logger,
): Promise<Libcrypto | undefined> {
  if (acceleration === "none") return undefined;
  try {
    if (path === undefined) throw new ConfigurationError(["CRYPTO_LIBRARY names no library"]);
    return await openLibcrypto(path);
  } catch (error) {
    if (acceleration === "libcrypto" || !(error instanceof ConfigurationError)) throw error;
    log.info("crypto.not_accelerated", { reason: error.message });
    return undefined;
  }
}
