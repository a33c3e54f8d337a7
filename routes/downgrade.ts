import type { Context } from "hono";
import { DOWNGRADE_ROLES } from "../lib/auth/roles.ts";
import { NotAllowedError } from "../lib/errors.ts";
import type { OpenResource } from "../lib/resources/open_resource.ts";
import type { Services } from "../lib/services.ts";
import { noteForAudit } from "./audit.ts";
import { clientOf } from "./client_address.ts";

const ACTION = "allow_downgrade";

/** Lets administrators alone ask for a version that is older than one that was used. @throws {NotAllowedError} */
export function requireDowngradeRole(c: Context): void {
  const { role } = c.get("caller");
  if (DOWNGRADE_ROLES.includes(role)) return;
  noteForAudit(c, { action: ACTION });
  throw new NotAllowedError(`The role ${role} may not load an older version; it takes ${DOWNGRADE_ROLES.join(", ")}`);
}

/**
 * Writes into the audit trail that the floor was lifted for a resource, whether its version turned out to be older or not. Where that cannot
 * be written the resource is closed and the call fails: nobody goes back unseen.
 */
export async function recordDowngrade(
  c: Context,
  { audit }: Pick<Services, "audit">,
  resource: OpenResource,
): Promise<void> {
  const { version, seq: versionSeq, floor: floorSeq } = resource.standing ?? {};
  const found = { version, versionSeq, floorSeq, from: clientOf(c), result: "ok", requestId: c.get("requestId") };
  try {
    await audit.record({ ...c.get("audited"), action: ACTION, ...found });
  } catch (error) {
    await resource.close();
    throw error;
  }
}
