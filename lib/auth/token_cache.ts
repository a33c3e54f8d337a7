import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type Bytes, jsonValue, utf8 } from "../bytes.ts";
import type { PlatformSettings } from "../config/platform_settings.ts";
import { Secret } from "../config/secret.ts";
import { TooLargeError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { sweepPartialFiles } from "../system/atomic_file.ts";
import { removeFile } from "../system/files.ts";
import { readPrivateFile, waitForLock, writePrivateFile } from "../system/private_files.ts";
import type { TokenGrant } from "./token_grant.ts";

const FOLDER = "tallystick";
const LIMIT_BYTES = 64 * 1024;
const KEY_LENGTH = 32;

const recordSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
  client_id: z.string(),
});

/**
 * The tokens of one platform, in a file of their own (mode 0600, in a folder of mode 0700): one for each combination of
 * address, client, audience and endpoints, so that no setting sends the tokens of one platform to another. Written whole or
 * not at all. What cannot be read is removed and counts as absent.
 */
export class TokenCache {
  /** Where the tokens are. */
  readonly path: string;
  readonly #clock: Clock;

  constructor(settings: PlatformSettings, clock: Clock) {
    const key = createHash("sha256").update(identityOf(settings)).digest("hex").slice(0, KEY_LENGTH);
    this.path = join(settings.cacheDir, FOLDER, `${settings.environment}-${key}.json`);
    this.#clock = clock;
  }

  /** The tokens that are there; whether they are still good, nobody has looked. @throws {ConfigurationError} */
  async read(): Promise<TokenGrant | undefined> {
    const grant = parseTokens(await this.#bytes());
    if (grant === undefined) await removeFile(this.path);
    return grant;
  }

  /** Puts new tokens in the place of the old ones. @throws {DiskFullError}, {ConfigurationError} */
  async write({ accessToken, refreshToken, clientId }: TokenGrant): Promise<void> {
    const record: z.infer<typeof recordSchema> = {
      access_token: accessToken.reveal(),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken.reveal() }),
      client_id: clientId,
    };
    await writePrivateFile(this.path, utf8(JSON.stringify(record)));
    await sweepPartialFiles(dirname(this.path)); // of processes that were killed while they wrote
  }

  /** Removes the tokens. No error when there are none. */
  async remove(): Promise<void> {
    await removeFile(this.path);
  }

  /** Keeps other processes from renewing the same tokens until it is disposed. @throws the signal's reason */
  async lock(signal: AbortSignal): Promise<Disposable> {
    return await waitForLock(this.path.replace(/json$/, "lock"), this.#clock, signal);
  }

  async #bytes(): Promise<Bytes> {
    try {
      return await readPrivateFile(this.path, LIMIT_BYTES) ?? new Uint8Array(0);
    } catch (error) {
      if (error instanceof TooLargeError) return new Uint8Array(0);
      throw error;
    }
  }
}

/** The tokens in the bytes of a file; `undefined` when they are not of the form that is written. */
export function parseTokens(bytes: Bytes): TokenGrant | undefined {
  const record = recordSchema.safeParse(jsonValue(bytes));
  if (!record.success) return undefined;
  const { access_token, refresh_token, client_id } = record.data;
  return {
    accessToken: new Secret(access_token),
    refreshToken: refresh_token === undefined ? undefined : new Secret(refresh_token),
    clientId: client_id,
  };
}

function identityOf({ apiRoot, oauth, scopes, organizationId }: PlatformSettings): string {
  return JSON.stringify([apiRoot, { ...oauth, redirectUri: null }, [...scopes].sort(), organizationId ?? null]);
}
