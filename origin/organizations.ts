import { z } from "zod";
import { ConflictError, InvalidInputError, NotFoundError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Row, State } from "./state.ts";

const SETTING_LIMIT = 1024; // characters

const setting = z.string().max(SETTING_LIMIT).default("");

const servicesSchema = z.strictObject({
  bucketHmacAccessKeyId: setting,
  bucketHmacSecretAccessKey: setting,
  bucketName: setting,
  bucketProtocol: setting,
  logfireToken: setting,
  sentryDsn: setting,
});

/** What the platform hands to every member of an organisation. Text that nobody has set is empty, never missing. */
export type OrganizationServices = Readonly<z.output<typeof servicesSchema>>;

/** Who runs belong to, and who may see them. */
export interface Organization {
  readonly id: string;
  /** Unique; `[a-z0-9-]`. */
  readonly name: string;
  readonly displayName: string;
  /** The one of accounts that are made without another. */
  readonly isDefault: boolean;
  readonly services: OrganizationServices;
}

/** What a new organisation needs. */
export interface NewOrganization {
  readonly name: string;
  /** The name unless given. */
  readonly displayName?: string | undefined;
  /** Object with any of the fields of {@link OrganizationServices}. */
  readonly services?: unknown;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const DISPLAY_NAME_LIMIT = 200;
const ID_BYTES = 8;
const COLUMNS = "id, name, display_name, is_default, services";

/** The organisations of the origin. There is always the default one. */
export class Organizations {
  readonly #state: State;
  readonly #clock: Clock;

  constructor({ state, clock }: { state: State; clock: Clock }) {
    this.#state = state;
    this.#clock = clock;
  }

  /** By name. */
  list(): Organization[] {
    return this.#state.all(`SELECT ${COLUMNS} FROM organizations ORDER BY name`).map(organizationOf);
  }

  byId(id: string): Organization | undefined {
    const row = this.#state.get(`SELECT ${COLUMNS} FROM organizations WHERE id = ?`, id);
    return row && organizationOf(row);
  }

  /** The organisation with this name, or with this id. @throws {NotFoundError} */
  known(nameOrId: string): Organization {
    const row = this.#state.get(`SELECT ${COLUMNS} FROM organizations WHERE name = ?1 OR id = ?1`, nameOrId);
    if (row === undefined) throw new NotFoundError(`There is no organisation "${nameOrId}"`);
    return organizationOf(row);
  }

  /** @throws {InvalidInputError} a name or setting is wrong; {ConflictError} there is one with this name */
  create({ name, displayName = name, services = {} }: NewOrganization): Organization {
    if (!NAME.test(name)) {
      throw new InvalidInputError("name", "The name of an organisation has 1 to 63 characters of a-z, 0-9 and -");
    }
    checkDisplayName(displayName);
    const settings = JSON.stringify(parseServices(services));
    return this.#state.transaction(() => {
      if (this.#state.get("SELECT 1 FROM organizations WHERE name = ?", name) !== undefined) {
        throw new ConflictError(`There is already an organisation "${name}"`);
      }
      this.#state.run(
        "INSERT INTO organizations (id, name, display_name, is_default, services, created_ms) VALUES (?, ?, ?, 0, ?, ?)",
        `org_${crypto.getRandomValues(new Uint8Array(ID_BYTES)).toHex()}`,
        name,
        displayName,
        settings,
        this.#clock.now(),
      );
      return this.known(name);
    });
  }

  /** Replaces what is given, and leaves the rest. @throws {NotFoundError} {InvalidInputError} */
  change(name: string, { displayName, services }: Omit<NewOrganization, "name">): Organization {
    if (displayName !== undefined) checkDisplayName(displayName);
    const settings = services === undefined ? null : JSON.stringify(parseServices(services));
    return this.#state.transaction(() => {
      const { id } = this.known(name);
      this.#state.run(
        "UPDATE organizations SET display_name = coalesce(?, display_name), services = coalesce(?, services) WHERE id = ?",
        displayName ?? null,
        settings,
        id,
      );
      return this.known(id);
    });
  }
}

function checkDisplayName(displayName: string): void {
  if (displayName.trim() !== "" && displayName.length <= DISPLAY_NAME_LIMIT) return;
  throw new InvalidInputError("displayName", `A display name has 1 to ${DISPLAY_NAME_LIMIT} characters`);
}

/** Names the field that is wrong, never its value: it may be a secret. */
function parseServices(services: unknown): OrganizationServices {
  const parsed = servicesSchema.safeParse(services);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const known = Object.keys(servicesSchema.shape).join(", ");
  const field = issue?.path.join(".") || "services";
  throw new InvalidInputError(field, `The services of an organisation are an object with texts for any of ${known}`);
}

function organizationOf(row: Row): Organization {
  return {
    id: String(row.id),
    name: String(row.name),
    displayName: String(row.display_name),
    isDefault: row.is_default === 1,
    services: servicesSchema.parse(JSON.parse(String(row.services))),
  };
}
