import { parseRole, type Role, type User } from "../lib/auth/roles.ts";
import type { Clock } from "../lib/system/clock.ts";
import { BusinessError } from "./business_error.ts";
import { equalSecrets } from "./constant_time.ts";
import { checkNewEmail, checkNewPassword, emailKey } from "./credentials.ts";
import type { PasswordHasher } from "./passwords.ts";
import type { Row, State } from "./state.ts";

/** What an account may do in its organisation on the platform; what it may do with resources is its {@link Role}. */
export type OrganizationRole = "admin" | "member";

/** An account as administrators see it. The password's hash is never part of it. */
export interface Account extends User {
  readonly enabled: boolean;
  readonly organizationId: string;
  readonly organizationRole: OrganizationRole;
  readonly givenName: string | undefined;
  readonly familyName: string | undefined;
  /** v1 hash of the device that the account is bound to; `undefined` before its first use. */
  readonly hardwareHash: string | undefined;
}

/** What a new account needs. */
export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly role: Role;
  /** The default organisation unless given. */
  readonly organizationId?: string | undefined;
  /** `admin` for an ApiAdmin, `member` for everybody else, unless given. */
  readonly organizationRole?: OrganizationRole | undefined;
  readonly givenName?: string | undefined;
  readonly familyName?: string | undefined;
}

/** A device account, with the only copy of its password. */
export interface NewDevice {
  readonly serial: string;
  readonly email: string;
  readonly password: string;
}

/** Domain of the e-mail addresses of devices. */
export const DEVICE_EMAIL_DOMAIN = "azaion.com";

const SERIAL_PREFIX = "azj-";
const SERIAL_DIGITS = 4;
const DEVICE_PASSWORD_BYTES = 16;
const COLUMNS = "id, email, role, enabled, hardware_hash, organization_id, organization_role, given_name, family_name";

/** The accounts of the origin. There is always an enabled ApiAdmin: what would remove the last one is refused. */
export class Accounts {
  readonly #state: State;
  readonly #passwords: PasswordHasher;
  readonly #clock: Clock;

  constructor({ state, passwords, clock }: { state: State; passwords: PasswordHasher; clock: Clock }) {
    this.#state = state;
    this.#passwords = passwords;
    this.#clock = clock;
  }

  /** Number of accounts. */
  count(): number {
    return Number(this.#state.get("SELECT count(*) AS count FROM users")?.count);
  }

  /** The account as it stands now. */
  byId(id: string): Account | undefined {
    return accountOf(this.#state.get(`SELECT ${COLUMNS} FROM users WHERE id = ?`, id));
  }

  /** The account with this e-mail address, in any case. */
  byEmail(email: string): Account | undefined {
    return accountOf(this.#state.get(`SELECT ${COLUMNS} FROM users WHERE email_key = ?`, emailKey(email)));
  }

  /** Accounts by e-mail address: those whose address contains `email` and that have the role. */
  list({ email = "", role }: { email?: string | undefined; role?: Role | undefined } = {}): Account[] {
    const rows = this.#state.all(
      `SELECT ${COLUMNS} FROM users WHERE instr(email_key, ?) > 0 AND role = coalesce(?, role) ORDER BY email_key`,
      emailKey(email),
      role ?? null,
    );
    return rows.flatMap((row) => accountOf(row) ?? []);
  }

  /**
   * The account that the e-mail address and password belong to. Takes the same time for unknown addresses.
   * @throws {BusinessError} WrongPassword; UserDisabled, only to who knows the password
   */
  async authenticate(email: string, password: string): Promise<Account> {
    const row = this.#state.get("SELECT id, password_hash FROM users WHERE email_key = ?", emailKey(email));
    const matches = await this.#passwords.matches(password, row && String(row.password_hash));
    const account = row && this.byId(String(row.id)); // as it stands after the wait
    if (!matches || account === undefined) {
      throw new BusinessError("WrongPassword", "The e-mail address or the password is wrong");
    }
    if (!account.enabled) throw new BusinessError("UserDisabled", "The account is disabled");
    return account;
  }

  /** @throws {BusinessError} EmailExists, WrongEmail, EmailLengthIncorrect, PasswordLengthIncorrect */
  async create({ password, ...account }: NewAccount): Promise<Account> {
    checkNewEmail(account.email);
    checkNewPassword(password);
    this.#refuseExisting(account.email);
    const passwordHash = await this.#passwords.hash(password);
    this.#refuseExisting(account.email);
    return this.#insert(account, passwordHash);
  }

  /** Creates a CompanionPC account with the next serial and a generated password. A serial is never given twice. */
  async createDevice(): Promise<NewDevice> {
    const password = crypto.getRandomValues(new Uint8Array(DEVICE_PASSWORD_BYTES)).toHex();
    const passwordHash = await this.#passwords.hash(password);
    return this.#state.transaction(() => {
      let device = this.#nextDevice();
      while (this.byEmail(device.email) !== undefined) device = this.#nextDevice();
      this.#insert({ email: device.email, role: "CompanionPC" }, passwordHash);
      return { ...device, password };
    });
  }

  /** @throws {BusinessError} NoEmailFound, LastAdministrator */
  setRole(email: string, role: Role): Account {
    return this.#change(email, (id) => this.#state.run("UPDATE users SET role = ? WHERE id = ?", role, id));
  }

  /** @throws {BusinessError} NoEmailFound */
  setOrganization(email: string, organizationId: string, role: OrganizationRole): Account {
    return this.#change(
      email,
      (id) =>
        this.#state.run(
          "UPDATE users SET organization_id = ?, organization_role = ? WHERE id = ?",
          organizationId,
          role,
          id,
        ),
    );
  }

  /** @throws {BusinessError} NoEmailFound, LastAdministrator */
  setEnabled(email: string, enabled: boolean): Account {
    return this.#change(
      email,
      (id) => this.#state.run("UPDATE users SET enabled = ? WHERE id = ?", enabled ? 1 : 0, id),
    );
  }

  /** Binds the account to a device, or to none. @throws {BusinessError} NoEmailFound */
  setHardware(email: string, hardwareHash: string | undefined): Account {
    return this.#change(
      email,
      (id) => this.#state.run("UPDATE users SET hardware_hash = ? WHERE id = ?", hardwareHash ?? null, id),
    );
  }

  /** @throws {BusinessError} NoEmailFound, LastAdministrator */
  remove(email: string): void {
    this.#state.transaction(() => {
      const { id } = this.#known(email);
      this.#state.run("DELETE FROM users WHERE id = ?", id);
      this.#refuseWithoutAdministrator();
    });
  }

  /** Binds the account to this device at its first use. @throws {BusinessError} HardwareIdMismatch for another device later */
  checkHardware(id: string, hardwareHash: string): void {
    this.#state.run("UPDATE users SET hardware_hash = ? WHERE id = ? AND hardware_hash IS NULL", hardwareHash, id);
    const bound = this.byId(id)?.hardwareHash;
    if (bound === undefined || !equalSecrets(bound, hardwareHash)) {
      throw new BusinessError("HardwareIdMismatch", "The account is bound to another device");
    }
  }

  #change(email: string, change: (id: string) => void): Account {
    return this.#state.transaction(() => {
      change(this.#known(email).id);
      this.#refuseWithoutAdministrator();
      return this.#known(email);
    });
  }

  #known(email: string): Account {
    const account = this.byEmail(email);
    if (account === undefined) throw new BusinessError("NoEmailFound", "There is no account with this e-mail address");
    return account;
  }

  #refuseExisting(email: string): void {
    if (this.byEmail(email) !== undefined) {
      throw new BusinessError("EmailExists", "There is already an account with this e-mail address");
    }
  }

  #refuseWithoutAdministrator(): void {
    const row = this.#state.get("SELECT count(*) AS count FROM users WHERE role = 'ApiAdmin' AND enabled = 1");
    if (row?.count === 0) {
      throw new BusinessError("LastAdministrator", "The last enabled ApiAdmin cannot be removed, disabled or demoted");
    }
  }

  #insert(account: Omit<NewAccount, "password">, passwordHash: string): Account {
    const { email, role, organizationId, organizationRole, givenName, familyName } = account;
    this.#state.run(
      `INSERT INTO users (id, email, email_key, password_hash, role, enabled, created_ms,
         organization_id, organization_role, given_name, family_name)
       VALUES (?, ?, ?, ?, ?, 1, ?, coalesce(?, (SELECT id FROM organizations WHERE is_default = 1)), ?, ?, ?)`,
      crypto.randomUUID(),
      email,
      emailKey(email),
      passwordHash,
      role,
      this.#clock.now(),
      organizationId ?? null,
      organizationRole ?? (role === "ApiAdmin" ? "admin" : "member"),
      givenName ?? null,
      familyName ?? null,
    );
    return this.#known(email);
  }

  #nextDevice(): { serial: string; email: string } {
    const row = this.#state.get(
      `INSERT INTO counters (name, value) VALUES ('device', 1)
       ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`,
    );
    const serial = SERIAL_PREFIX + String(row?.value).padStart(SERIAL_DIGITS, "0");
    return { serial, email: `${serial}@${DEVICE_EMAIL_DOMAIN}` };
  }
}

function accountOf(row: Row | undefined): Account | undefined {
  if (row === undefined) return undefined;
  return {
    id: String(row.id),
    email: String(row.email),
    role: parseRole(row.role),
    enabled: row.enabled === 1,
    hardwareHash: textOf(row.hardware_hash),
    organizationId: String(row.organization_id),
    organizationRole: row.organization_role === "admin" ? "admin" : "member",
    givenName: textOf(row.given_name),
    familyName: textOf(row.family_name),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
