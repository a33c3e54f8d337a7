import { parseRole, type Role } from "../lib/auth/roles.ts";
import { InvalidInputError, NotFoundError } from "../lib/errors.ts";
import type { Account, OrganizationRole } from "./accounts.ts";
import { Clients } from "./oidc/clients.ts";
import { OidcRecords } from "./oidc/records.ts";
import type { Organizations } from "./organizations.ts";
import { type OriginFolder, withOrigin } from "./origin_folder.ts";
import { randomPassword } from "./passwords.ts";

/** What `tally origin user add` is told. */
export interface AddUserOptions extends OriginFolder {
  readonly email: string;
  readonly role: string;
  /** Name or id; the default organisation unless given. */
  readonly organization?: string | undefined;
  readonly organizationRole?: string | undefined;
  readonly givenName?: string | undefined;
  readonly familyName?: string | undefined;
  /** A generated one unless given. */
  readonly password?: string | undefined;
}

/** An account as it is listed. */
export interface ListedUser {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly enabled: boolean;
  readonly organization: string;
  readonly organizationRole: OrganizationRole;
}

/**
 * Makes an account. @returns it, and its password when it was generated: there is no other copy
 * @throws {BusinessError} EmailExists, WrongEmail and the like; {NotFoundError} no such organisation; {InvalidInputError}
 */
export async function addUser(options: AddUserOptions): Promise<ListedUser & { password?: string }> {
  const { dataDir, email, organization, organizationRole, givenName, familyName } = options;
  const role = knownRole(options.role);
  const password = options.password ?? randomPassword();
  return await withOrigin(dataDir, async ({ accounts, organizations }) => {
    const account = await accounts.create({
      ...{ email, password, role, givenName, familyName },
      organizationId: organization === undefined ? undefined : organizations.known(organization).id,
      organizationRole: organizationRole === undefined ? undefined : knownOrganizationRole(organizationRole),
    });
    return { ...listed(account, organizations), ...(options.password === undefined ? { password } : {}) };
  });
}

/** Moves an account to another organisation. @throws {BusinessError} NoEmailFound; {NotFoundError} {InvalidInputError} */
export function moveUser(
  { dataDir, email, organization, organizationRole }: OriginFolder & {
    readonly email: string;
    readonly organization: string;
    readonly organizationRole: string;
  },
): Promise<ListedUser> {
  const role = knownOrganizationRole(organizationRole);
  return withOrigin(dataDir, ({ accounts, organizations }) => {
    const { id } = organizations.known(organization);
    return listed(accounts.setOrganization(email, id, role), organizations);
  });
}

/**
 * Ends every sign-in of an account at the issuer, and the tokens under them; sessions of devices are another thing.
 * @throws {NotFoundError} there is no such account
 */
export function signUserOut({ dataDir, email }: OriginFolder & { readonly email: string }): Promise<void> {
  return withOrigin(dataDir, ({ state, accounts, clock }) => {
    const account = accounts.byEmail(email);
    if (account === undefined) throw new NotFoundError(`There is no account "${email}"`);
    new OidcRecords({ state, clients: new Clients({ state, clock }), clock }).revokeAccount(account.id);
  });
}

/** All accounts, by e-mail address. */
export function listUsers({ dataDir }: OriginFolder): Promise<readonly ListedUser[]> {
  return withOrigin(
    dataDir,
    ({ accounts, organizations }) => accounts.list().map((account) => listed(account, organizations)),
  );
}

function knownRole(name: string): Role {
  const role = parseRole(name);
  if (role === name) return role;
  throw new InvalidInputError("role", `There is no role "${name}"`);
}

function knownOrganizationRole(name: string): OrganizationRole {
  if (name === "admin" || name === "member") return name;
  throw new InvalidInputError("organizationRole", `A role in an organisation is admin or member, not "${name}"`);
}

function listed(account: Account, organizations: Organizations): ListedUser {
  const { id, email, role, enabled, organizationId, organizationRole } = account;
  return { id, email, role, enabled, organization: organizations.known(organizationId).name, organizationRole };
}
