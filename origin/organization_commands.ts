import type { NewOrganization, Organization } from "./organizations.ts";
import { type OriginFolder, withOrigin } from "./origin_folder.ts";

/** An organisation without its services: they are secrets of its members. */
export type ListedOrganization = Omit<Organization, "services">;

/** `tally origin organization add`. @throws {InvalidInputError} {ConflictError} */
export function addOrganization({ dataDir, ...organization }: OriginFolder & NewOrganization) {
  return withOrigin(dataDir, ({ organizations }) => listed(organizations.create(organization)));
}

/** `tally origin organization set`. @throws {NotFoundError} {InvalidInputError} */
export function changeOrganization({ dataDir, name, ...changes }: OriginFolder & NewOrganization) {
  return withOrigin(dataDir, ({ organizations }) => listed(organizations.change(name, changes)));
}

/** `tally origin organization list`. */
export function listOrganizations({ dataDir }: OriginFolder): Promise<readonly ListedOrganization[]> {
  return withOrigin(dataDir, ({ organizations }) => organizations.list().map(listed));
}

function listed({ id, name, displayName, isDefault }: Organization): ListedOrganization {
  return { id, name, displayName, isDefault };
}
