import type { Bytes } from "../lib/bytes.ts";
import { InvalidInputError } from "../lib/errors.ts";
import { addUser, listUsers, moveUser, signUserOut } from "./account_commands.ts";
import { backupOrigin } from "./backup.ts";
import { collectGarbage } from "./garbage.ts";
import { type FirstAdministrator, initOrigin } from "./init.ts";
import { addClient, listClients, removeClient } from "./oidc/client_commands.ts";
import { IssuerKeys } from "./oidc/issuer_keys.ts";
import { addOrganization, changeOrganization, listOrganizations } from "./organization_commands.ts";
import { type OriginFolder, withOrigin } from "./origin_folder.ts";
import { addApplication, listApplications, removeApplication } from "./platform/application_commands.ts";
import { restoreOrigin } from "./restore.ts";
import { randomSecret, writeSecret } from "./secrets.ts";
import { runOrigin } from "./serve.ts";
import { generateSigningKey, rotateSigningKey } from "./tokens.ts";
import {
  changeVersion,
  decideDevice,
  devices,
  distrustPublisher,
  grants,
  publishers,
  rotateMaster,
  trustPublisher,
  versions,
} from "./v2_commands.ts";

const KEY_FRAGMENT_LIMIT_BYTES = 64 * 1024;

/** Makes a new origin. @returns the first ApiAdmin with the only copy of its password */
function init({ dataDir, email }: OriginFolder & { readonly email: string }): Promise<FirstAdministrator> {
  return initOrigin(dataDir, { email });
}

/**
 * Signs from now on with new keys; tokens signed before stay good until they expire.
 * @returns the `kid` of the Resource API's, and of the issuer's where somebody has used it
 */
async function rotateKeys({ dataDir }: OriginFolder): Promise<{ kid: string; issuerKid?: string }> {
  const key = await generateSigningKey();
  return await withOrigin(dataDir, async ({ state, clock }) => {
    rotateSigningKey(state, key, clock.now());
    const issuerKid = await new IssuerKeys({ state, clock }).rotate();
    return { kid: key.kid, ...(issuerKid === undefined ? {} : { issuerKid }) };
  });
}

/** Makes the tokens of the object store and all signed URLs void; devices get the new ones with their next `cdn.yaml`. */
async function rotateObjectTokens({ dataDir }: OriginFolder): Promise<void> {
  await withOrigin(dataDir, ({ state }) =>
    state.transaction(() => {
      for (const name of ["object_reader", "object_writer", "url_signing"] as const) {
        writeSecret(state, name, randomSecret());
      }
    }));
}

/** Replaces the key fragment by the one of a fleet that exists. @throws {InvalidInputError} unless it has 1 byte to 64 KiB */
async function setKeyFragment({ dataDir, fragment }: OriginFolder & { readonly fragment: Bytes }): Promise<void> {
  if (fragment.byteLength === 0 || fragment.byteLength > KEY_FRAGMENT_LIMIT_BYTES) {
    throw new InvalidInputError("fragment", `A key fragment has 1 to ${KEY_FRAGMENT_LIMIT_BYTES} bytes`);
  }
  await withOrigin(dataDir, ({ state }) => writeSecret(state, "key_fragment", fragment));
}

/** The subcommands of `tally origin`, by name. */
export const ORIGIN_COMMANDS = {
  "init": init,
  "serve": runOrigin,
  "rotate-keys": rotateKeys,
  "rotate-object-tokens": rotateObjectTokens,
  "set-key-fragment": setKeyFragment,
  "backup": backupOrigin,
  "restore": restoreOrigin,
  "gc": collectGarbage,
  "application add": addApplication,
  "application list": listApplications,
  "application remove": removeApplication,
  "organization add": addOrganization,
  "organization set": changeOrganization,
  "organization list": listOrganizations,
  "client add": addClient,
  "client remove": removeClient,
  "client list": listClients,
  "user add": addUser,
  "user move": moveUser,
  "user sign-out": signUserOut,
  "user list": listUsers,
  "rotate-master-key": rotateMaster,
  "publisher add": trustPublisher,
  "publisher list": publishers,
  "publisher remove": distrustPublisher,
  "grants list": grants,
  "device list": devices,
  "device decide": decideDevice,
  "version list": versions,
  "version change": changeVersion,
} as const;
