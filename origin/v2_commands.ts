import type { PublicJwk } from "../lib/crypto/okp_key.ts";
import { systemClock } from "../lib/system/clock.ts";
import { ContentKeys } from "./content_keys.ts";
import { type Device, Devices, type DeviceState } from "./devices.ts";
import { type GrantFilter, type GrantRecord, listGrants } from "./grants.ts";
import { masterKeySource } from "./master_key.ts";
import { type OpenOrigin, type OriginFolder, withOrigin } from "./origin_folder.ts";
import { addPublisher, listPublishers, type Publisher, removePublisher } from "./publishers.ts";
import { type MasterRotation, rotateMasterKey } from "./rotate_master_key.ts";
import { type PublishedVersion, type ResourceRef, Versions } from "./versions.ts";

/** Who decides, where it was done on the machine of the origin itself. */
const AT_THE_ORIGIN = "tally origin";

/** Wraps all content keys by a new master key. */
export function rotateMaster(
  options: OriginFolder & { readonly masterKeyFile?: string },
): Promise<MasterRotation> {
  return rotateMasterKey({ dataDir: options.dataDir, source: masterKeySource(options) });
}

/** Trusts a publisher's key. */
export function trustPublisher(
  { dataDir, key, name }: OriginFolder & { readonly key: PublicJwk; readonly name: string },
): Promise<Publisher> {
  return withOrigin(dataDir, ({ state }) => addPublisher(state, { key, name }, systemClock.now()));
}

/** All publishers. */
export function publishers({ dataDir }: OriginFolder): Promise<Publisher[]> {
  return withOrigin(dataDir, ({ state }) => listPublishers(state));
}

/** Takes no more manifests of a publisher's key. @throws {NotFoundError} */
export function distrustPublisher({ dataDir, kid }: OriginFolder & { readonly kid: string }): Promise<void> {
  return withOrigin(dataDir, ({ state }) => removePublisher(state, kid));
}

/** Grants, the newest first. */
export function grants({ dataDir, ...filter }: OriginFolder & GrantFilter): Promise<GrantRecord[]> {
  return withOrigin(dataDir, ({ state }) => listGrants(state, filter));
}

/** Devices, the oldest first. */
export function devices(
  { dataDir, state: wanted }: OriginFolder & { readonly state?: DeviceState },
): Promise<Device[]> {
  return withOrigin(dataDir, (origin) => devicesOf(origin).list(wanted));
}

/** Lets a device in, or shuts it out. @throws {NotFoundError} */
export function decideDevice(
  { dataDir, kid, state: decision }: OriginFolder & { readonly kid: string; readonly state: "approved" | "revoked" },
): Promise<Device> {
  return withOrigin(dataDir, (origin) => devicesOf(origin).decide(kid, decision, AT_THE_ORIGIN));
}

/** Versions of one resource, or of all. */
export function versions(
  { dataDir, resource }: OriginFolder & { readonly resource?: ResourceRef },
): Promise<PublishedVersion[]> {
  return withOrigin(dataDir, (origin) => versionsOf(origin, dataDir).list(resource));
}

/** Pins, frees or withdraws a version. @throws {NotFoundError} */
export function changeVersion(
  { dataDir, resource, version, change }: OriginFolder & {
    readonly resource: ResourceRef;
    readonly version: string;
    readonly change: "pin" | "unpin" | "withdraw";
  },
): Promise<void> {
  return withOrigin(dataDir, (origin) => versionsOf(origin, dataDir)[change](resource, version));
}

function devicesOf({ state, accounts }: OpenOrigin): Devices {
  return new Devices({ state, accounts, policy: "approval", clock: systemClock });
}

function versionsOf({ state }: OpenOrigin, dataDir: string): Versions {
  const contentKeys = new ContentKeys({ state, source: masterKeySource({ dataDir }), clock: systemClock });
  return new Versions({ state, contentKeys, clock: systemClock });
}
