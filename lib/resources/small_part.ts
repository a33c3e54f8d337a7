import type { Bytes } from "../bytes.ts";
import { decryptSmall } from "../crypto/cbc_v1.ts";
import { aesKey, apiKeyString, hardwareHash } from "../crypto/keys.ts";
import { IntegrityError } from "../errors.ts";

/** What the API is asked with: the account's own credentials and this device's hardware string. */
export interface SmallPartDeps {
  readonly api: {
    getResource(
      request: { folder: string; name: string; password: string; hardware: string },
      signal?: AbortSignal,
    ): Promise<Bytes>;
  };
  /** @throws {NotSignedInError} */
  readonly credentials: () => { email: string; password: string };
  readonly hardware: () => Promise<string>;
}

/** Reads a resource of the API and opens it with the key of this user on this device. The folder may be empty. */
export type ReadApiResource = (resource: { folder: string; name: string }, signal?: AbortSignal) => Promise<Bytes>;

/** @throws from the reader: {@link IntegrityError} when the answer was made for another user, password or device; those of the API */
export function apiResourceReader({ api, credentials, hardware }: SmallPartDeps): ReadApiResource {
  return async ({ folder, name }, signal) => {
    const { email, password } = credentials();
    const hardwareText = await hardware();
    const encrypted = await api.getResource({ folder, name, password, hardware: hardwareText }, signal);
    const key = await aesKey(await apiKeyString(email, password, await hardwareHash(hardwareText)));
    try {
      return await decryptSmall(encrypted, key);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      throw new IntegrityError(`Cannot open "${name}" from the API: it was made for another user or device`, {
        cause: error,
      });
    }
  };
}
