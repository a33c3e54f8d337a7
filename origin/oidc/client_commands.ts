import { type OriginFolder, withOrigin } from "../origin_folder.ts";
import { Clients, type OAuthClient } from "./clients.ts";

/** `tally origin client add`. @throws {InvalidInputError} {ConflictError} */
export function addClient({ dataDir, ...client }: OriginFolder & OAuthClient): Promise<OAuthClient> {
  return withOrigin(dataDir, (origin) => new Clients(origin).add(client));
}

/** `tally origin client list`. */
export function listClients({ dataDir }: OriginFolder): Promise<readonly OAuthClient[]> {
  return withOrigin(dataDir, (origin) => new Clients(origin).list());
}

/** `tally origin client remove`. @throws {NotFoundError} */
export function removeClient({ dataDir, id }: OriginFolder & { readonly id: string }): Promise<void> {
  return withOrigin(dataDir, (origin) => new Clients(origin).remove(id));
}
