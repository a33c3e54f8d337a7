import type { HardwareFacts } from "../lib/hardware/probe.ts";
import { hardwareString } from "../lib/hardware/fingerprint.ts";
import { InvalidInputError, NotAllowedError, NotFoundError } from "../lib/errors.ts";
import { hardwareHash } from "../lib/crypto/keys.ts";
import { thumbprint } from "../lib/crypto/okp_key.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Account, Accounts } from "./accounts.ts";
import { BusinessError } from "./business_error.ts";
import type { Row, State } from "./state.ts";

/** Whether a device gets grants. */
export type DeviceState = "pending" | "approved" | "revoked";

/** Who lets a new device in: the origin itself, or an administrator. */
export type EnrolmentPolicy = "automatic" | "approval";

/** A device as administrators see it. */
export interface Device {
  /** RFC 7638 thumbprint of its public key, and its name everywhere. */
  readonly kid: string;
  /** X25519 public key, base64url. */
  readonly publicX: string;
  readonly hardware: HardwareFacts;
  /** Who enrolled it. */
  readonly email: string;
  readonly state: DeviceState;
  readonly enrolledMs: number;
  readonly decidedMs: number | undefined;
  /** Administrator who decided last. */
  readonly decidedBy: string | undefined;
}

/** What a device sends of itself. */
export interface Enrolment {
  /** X25519 public key, base64url. */
  readonly publicX: string;
  readonly hardware: HardwareFacts;
}

/** An account that enrols more is a program gone wrong, or a thief. */
const DEVICES_PER_ACCOUNT = 64;
const PUBLIC_KEY_BYTES = 32;

/** The devices that may, might or may no longer get grants. */
export class Devices {
  readonly #state: State;
  readonly #accounts: Accounts;
  readonly #policy: EnrolmentPolicy;
  readonly #clock: Clock;

  constructor(
    { state, accounts, policy, clock }: { state: State; accounts: Accounts; policy: EnrolmentPolicy; clock: Clock },
  ) {
    this.#state = state;
    this.#accounts = accounts;
    this.#policy = policy;
    this.#clock = clock;
  }

  /**
   * Enrols a device, or says how one that is enrolled stands: its state is never changed by this. A new one waits for an
   * administrator under the policy `approval`, and whenever its account is bound to other hardware.
   * @throws {InvalidInputError} the key is no X25519 key; {BusinessError} TooManyDevices
   */
  async enroll(account: Account, { publicX, hardware }: Enrolment): Promise<Device> {
    const kid = await deviceKid(publicX);
    const hash = await hardwareHash(hardwareString(hardware));
    return this.#state.transaction(() => {
      const known = this.byKid(kid);
      if (known !== undefined) return known;
      this.#refuseTooMany(account.id);
      const state = this.#policy === "automatic" && this.#fits(account.id, hash) ? "approved" : "pending";
      this.#state.run(
        `INSERT INTO devices (kid, public_x, hardware, user_id, email, state, enrolled_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        kid,
        publicX,
        JSON.stringify(hardware),
        account.id,
        account.email,
        state,
        this.#clock.now(),
      );
      return this.#known(kid);
    });
  }

  /** The device of that key. */
  byKid(kid: string): Device | undefined {
    return deviceOf(this.#state.get("SELECT * FROM devices WHERE kid = ?", kid));
  }

  /** The device, when it may have grants now. @throws {NotAllowedError} it is unknown, not approved yet, or revoked */
  approved(kid: string): Device {
    const device = this.byKid(kid);
    if (device === undefined) throw new NotAllowedError("The device is not enrolled at this origin");
    if (device.state === "pending") throw new NotAllowedError("The device waits for the approval of an administrator");
    if (device.state === "revoked") throw new NotAllowedError("The device was revoked by an administrator");
    return device;
  }

  /** All devices, or those in one state, the oldest first. */
  list(state?: DeviceState): Device[] {
    const rows = this.#state.all(
      "SELECT * FROM devices WHERE state = coalesce(?, state) ORDER BY enrolled_ms, kid",
      state ?? null,
    );
    return rows.flatMap((row) => deviceOf(row) ?? []);
  }

  /** An administrator lets a device in, or shuts it out: at once, for every grant from now on. @throws {NotFoundError} */
  decide(kid: string, state: "approved" | "revoked", administrator: string): Device {
    const changed = this.#state.run(
      "UPDATE devices SET state = ?, decided_ms = ?, decided_by = ? WHERE kid = ?",
      state,
      this.#clock.now(),
      administrator,
      kid,
    );
    if (changed === 0) throw new NotFoundError("There is no such device");
    return this.#known(kid);
  }

  /** Binds the account to the hardware at its first use, as a download of v1 does. Whether it is bound to this one. */
  #fits(userId: string, hash: string): boolean {
    try {
      this.#accounts.checkHardware(userId, hash);
      return true;
    } catch (error) {
      if (error instanceof BusinessError) return false;
      throw error;
    }
  }

  #refuseTooMany(userId: string): void {
    const row = this.#state.get("SELECT count(*) AS count FROM devices WHERE user_id = ?", userId);
    if (Number(row?.count) < DEVICES_PER_ACCOUNT) return;
    throw new BusinessError("TooManyDevices", `The account has enrolled ${DEVICES_PER_ACCOUNT} devices already`);
  }

  #known(kid: string): Device {
    const device = this.byKid(kid);
    if (device === undefined) throw new Error("A device that was just written is not there");
    return device;
  }
}

/**
 * Name of a device: the RFC 7638 thumbprint of its X25519 key.
 * @throws {InvalidInputError} it is no key that anything can be encrypted to: no 32 bytes, or a point of low order
 */
export async function deviceKid(publicX: string): Promise<string> {
  try {
    const raw = Uint8Array.fromBase64(publicX, { alphabet: "base64url" });
    if (raw.byteLength !== PUBLIC_KEY_BYTES || publicX.length !== 43) throw new RangeError("not 32 bytes");
    const theirs = await crypto.subtle.importKey("raw", raw, "X25519", false, []);
    const ours = await crypto.subtle.generateKey("X25519", false, ["deriveBits"]) as CryptoKeyPair;
    const shared = await crypto.subtle.deriveBits({ name: "X25519", public: theirs }, ours.privateKey, 256);
    if (new Uint8Array(shared).every((byte) => byte === 0)) throw new RangeError("a point of low order");
  } catch (error) {
    throw new InvalidInputError("publicKey", "The public key is not an X25519 key", { cause: error });
  }
  return await thumbprint({ kty: "OKP", crv: "X25519", x: publicX });
}

function deviceOf(row: Row | undefined): Device | undefined {
  if (row === undefined) return undefined;
  return {
    kid: String(row.kid),
    publicX: String(row.public_x),
    hardware: JSON.parse(String(row.hardware)),
    email: String(row.email),
    state: row.state as DeviceState,
    enrolledMs: Number(row.enrolled_ms),
    decidedMs: row.decided_ms === null ? undefined : Number(row.decided_ms),
    decidedBy: row.decided_by === null ? undefined : String(row.decided_by),
  };
}
