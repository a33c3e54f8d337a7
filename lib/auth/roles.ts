/** What an account may do, with the numbers of the Resource API. */
export const ROLES = {
  NONE: 0,
  Operator: 10,
  Validator: 20,
  CompanionPC: 30,
  Admin: 40,
  ResourceUploader: 50,
  ApiAdmin: 1000,
} as const;

/** Name of a role. */
export type Role = keyof typeof ROLES;

/** Who is signed in. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
}

/** A role's name as it comes from outside, in any form; whatever is not known is `NONE`. */
export function parseRole(claim: unknown): Role {
  return typeof claim === "string" && Object.hasOwn(ROLES, claim) ? claim as Role : "NONE";
}

/** Roles that may load resources and unlock images: Operator and up. */
export const READER_ROLES: readonly Role[] = [
  "Operator",
  "Validator",
  "CompanionPC",
  "Admin",
  "ResourceUploader",
  "ApiAdmin",
];

/** Roles that may publish resources. */
export const UPLOADER_ROLES: readonly Role[] = ["ResourceUploader", "Admin", "ApiAdmin"];

/** Roles that may let a device load a version older than one that it has used: administrators. */
export const DOWNGRADE_ROLES: readonly Role[] = ["Admin", "ApiAdmin"];
