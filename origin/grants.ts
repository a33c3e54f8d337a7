import type { Clock } from "../lib/system/clock.ts";
import type { Row, State } from "./state.ts";

/** A grant that was made. */
export interface GrantRecord {
  readonly atMs: number;
  readonly userId: string;
  readonly email: string;
  /** The device. */
  readonly kid: string;
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** Until when the grant holds, in seconds since 1970. */
  readonly expiresSeconds: number;
}

/** Which grants are looked for; what is left out does not matter. */
export interface GrantFilter {
  readonly email?: string | undefined;
  readonly kid?: string | undefined;
  readonly folder?: string | undefined;
  readonly name?: string | undefined;
  /** At most so many, the newest ones. */
  readonly limit?: number | undefined;
}

const DEFAULT_LIMIT = 1000;

/** Says whether a device may have grants now. */
interface ApprovedDevices {
  /** @throws {NotAllowedError} */
  approved(kid: string): unknown;
}

interface Waiting {
  readonly grant: GrantRecord;
  readonly written: PromiseWithResolvers<void>;
}

/** Writes down who was given which content key. What comes at once is written together: the disk is waited for once. */
export class GrantBook {
  readonly #state: State;
  readonly #devices: ApprovedDevices;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];

  constructor({ state, devices, clock }: { state: State; devices: ApprovedDevices; clock: Clock }) {
    this.#state = state;
    this.#devices = devices;
    this.#clock = clock;
  }

  /** It is durable when this returns: then the grant may leave. @throws {NotAllowedError} the device was revoked in this moment */
  async record(grant: GrantRecord): Promise<void> {
    const written = Promise.withResolvers<void>();
    this.#waiting.push({ grant, written });
    if (this.#waiting.length === 1) await this.#writeSoon();
    await written.promise;
  }

  async #writeSoon(): Promise<void> {
    await this.#clock.sleep(0);
    const batch = this.#waiting;
    this.#waiting = [];
    const settled: (() => void)[] = [];
    try {
      this.#state.transaction(() => batch.forEach(({ grant, written }) => settled.push(this.#write(grant, written))));
      settled.forEach((settle) => settle());
    } catch (error) {
      batch.forEach(({ written }) => written.reject(error));
    }
  }

  /** What to tell the caller when all of them are on the disk. */
  #write(grant: GrantRecord, written: PromiseWithResolvers<void>): () => void {
    try {
      this.#devices.approved(grant.kid);
    } catch (error) {
      return () => written.reject(error);
    }
    insertGrant(this.#state, grant);
    return written.resolve;
  }
}

function insertGrant(state: State, grant: GrantRecord): void {
  state.run(
    `INSERT INTO resource_grants (at_ms, user_id, email, kid, folder, name, version, expires_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    grant.atMs,
    grant.userId,
    grant.email,
    grant.kid,
    grant.folder,
    grant.name,
    grant.version,
    grant.expiresSeconds,
  );
}

/** Grants that were made, the newest first. */
export function listGrants(state: State, filter: GrantFilter = {}): GrantRecord[] {
  const { email = null, kid = null, folder = null, name = null, limit = DEFAULT_LIMIT } = filter;
  const rows = state.all(
    `SELECT * FROM resource_grants WHERE email = coalesce(?, email) AND kid = coalesce(?, kid)
       AND folder = coalesce(?, folder) AND name = coalesce(?, name) ORDER BY id DESC LIMIT ?`,
    email,
    kid,
    folder,
    name,
    limit,
  );
  return rows.map(grantOf);
}

function grantOf(row: Row): GrantRecord {
  return {
    atMs: Number(row.at_ms),
    userId: String(row.user_id),
    email: String(row.email),
    kid: String(row.kid),
    folder: String(row.folder),
    name: String(row.name),
    version: String(row.version),
    expiresSeconds: Number(row.expires_s),
  };
}
