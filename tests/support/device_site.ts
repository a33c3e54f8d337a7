import type { Role } from "../../lib/auth/roles.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { DevicePlace } from "./device_process.ts";
import { OriginSite } from "./origin_site.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";

/** An origin with an account, and the place of a device beside it. Disposing ends the one and removes the other. */
export interface DeviceSite extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly site: OriginSite;
  /** Of the account. */
  readonly email: string;
  readonly place: DevicePlace;
}

/** Makes such a site. @param clock of the origin */
export async function deviceSite(role: Role, { clock }: { readonly clock?: Clock } = {}): Promise<DeviceSite> {
  await using made = new AsyncDisposableStack();
  const folder = made.use(await tempFolder());
  const site = made.use(await OriginSite.start(clock === undefined ? {} : { clock }));
  const { email } = await site.user(role);
  const owned = made.move();
  const place = { folder: folder.path, origin: site };
  return { folder, site, email, place, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
