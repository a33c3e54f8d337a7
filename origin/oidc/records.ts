import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";
import type { Clients } from "./clients.ts";
import { type Adapter, MODELS, type StoredPayload } from "./library.ts";

/** How long an expired record is kept, so that its holder hears that it has expired and not that there never was one. */
const KEPT_MS = 15 * 60_000;
/** What anybody can make without being anybody, and how many of each there may be: about 40 MB. */
const OPEN_KINDS: readonly string[] = ["DeviceCode", "Interaction", "Session"];
const OPEN_LIMIT = 20_000;
const EXPIRED = 1; // seconds since 1970
const UNLIMITED_SECONDS = 10 * 365 * 24 * 3600;
const COLUMNS = "payload, expires_ms, consumed_ms";

/** The errors that a caller is told. */
export interface Refusals {
  /** Somebody else was faster. */
  readonly consumed: () => Error;
  /** There are too many that nobody has finished. */
  readonly full: () => Error;
}

/** What goes on between the issuer and its clients, in the origin's state: it survives a restart in the middle of a sign-in. */
export class OidcRecords {
  readonly #state: State;
  readonly #clients: Clients;
  readonly #clock: Clock;

  constructor({ state, clients, clock }: { state: State; clients: Clients; clock: Clock }) {
    this.#state = state;
    this.#clients = clients;
    this.#clock = clock;
  }

  /** Whether the consent that a token was issued under still stands. */
  hasGrant(grantId: string): boolean {
    const row = this.#state.get(
      "SELECT 1 FROM oauth_records WHERE model = 'Grant' AND id = ? AND expires_ms > ?",
      grantId,
      this.#clock.now(),
    );
    return row !== undefined;
  }

  /** Ends all consents of an account, and every token under them. */
  revokeAccount(accountId: string): void {
    this.#state.run("DELETE FROM oauth_records WHERE payload ->> 'accountId' = ?", accountId);
  }

  /** Notes that a device has asked. @returns the milliseconds since it asked before; `undefined` the first time */
  notePoll(deviceCode: string): number | undefined {
    const nowMs = this.#clock.now();
    const row = this.#state.get(
      "SELECT polled_ms FROM oauth_records WHERE model = 'DeviceCode' AND id = ?",
      deviceCode,
    );
    this.#state.run(
      "UPDATE oauth_records SET polled_ms = ? WHERE model = 'DeviceCode' AND id = ?",
      nowMs,
      deviceCode,
    );
    return typeof row?.polled_ms === "number" ? nowMs - row.polled_ms : undefined;
  }

  /**
   * The records of one kind, as `oidc-provider` asks for them. A record is consumed once, also when two ask at the same
   * time; the second gets `consumed`.
   * @throws {TypeError} there is no such kind
   */
  adapter(model: string, refusals: Refusals): Adapter {
    if (!MODELS.includes(model)) throw new TypeError(`The issuer keeps no records of the kind "${model}"`);
    return {
      upsert: (id, payload, expiresIn) => this.#upsert(model, id, payload, { expiresIn, refusals }),
      find: (id) => Promise.resolve(model === "Client" ? this.#clients.metadata(id) : this.#find(model, "id", id)),
      findByUserCode: (userCode) => Promise.resolve(this.#find(model, "user_code", userCode)),
      findByUid: (uid) => Promise.resolve(this.#find(model, "uid", uid)),
      consume: (id) => this.#consume(model, id, refusals),
      destroy: (id) => this.#run("DELETE FROM oauth_records WHERE model = ? AND id = ?", model, id),
      revokeByGrantId: (grantId) =>
        this.#run("DELETE FROM oauth_records WHERE model = ? AND grant_id = ?", model, grantId),
    };
  }

  #upsert(
    model: string,
    id: string,
    payload: StoredPayload,
    { expiresIn = UNLIMITED_SECONDS, refusals }: { expiresIn?: number | undefined; refusals: Refusals },
  ): Promise<void> {
    const nowMs = this.#clock.now();
    this.#state.run("DELETE FROM oauth_records WHERE expires_ms < ?", nowMs - KEPT_MS);
    if (OPEN_KINDS.includes(model) && this.#isFull(model, id)) return Promise.reject(refusals.full());
    return this.#run(
      `INSERT INTO oauth_records (model, id, payload, grant_id, user_code, uid, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, expires_ms = excluded.expires_ms,
         grant_id = excluded.grant_id, uid = excluded.uid`,
      model,
      id,
      JSON.stringify(payload),
      payload.grantId ?? null,
      payload.userCode ?? null,
      payload.uid ?? null,
      nowMs + expiresIn * 1000,
    );
  }

  #isFull(model: string, id: string): boolean {
    const row = this.#state.get("SELECT count(*) AS count FROM oauth_records WHERE model = ?", model);
    return Number(row?.count) >= OPEN_LIMIT && this.#find(model, "id", id) === undefined;
  }

  #find(model: string, column: "id" | "user_code" | "uid", value: string): StoredPayload | undefined {
    const row = this.#state.get(
      `SELECT ${COLUMNS} FROM oauth_records WHERE model = ? AND ${column} = ?`,
      model,
      value,
    );
    return row && this.#payloadOf(row);
  }

  /** The package compares `exp` with a clock of its own; what has expired by ours has expired. */
  #payloadOf({ payload, expires_ms, consumed_ms }: Row): StoredPayload {
    const stored: StoredPayload = JSON.parse(String(payload));
    return {
      ...stored,
      ...(Number(expires_ms) <= this.#clock.now() ? { exp: EXPIRED } : {}),
      ...(typeof consumed_ms === "number" ? { consumed: Math.floor(consumed_ms / 1000) } : {}),
    };
  }

  #consume(model: string, id: string, { consumed }: Refusals): Promise<void> {
    const changed = this.#state.run(
      "UPDATE oauth_records SET consumed_ms = ? WHERE model = ? AND id = ? AND consumed_ms IS NULL",
      this.#clock.now(),
      model,
      id,
    );
    return changed === 1 ? Promise.resolve() : Promise.reject(consumed());
  }

  #run(sql: string, ...values: (string | number | null)[]): Promise<void> {
    this.#state.run(sql, ...values);
    return Promise.resolve();
  }
}
