import { parsePlatformSettings, type PlatformSettings } from "../../lib/config/platform_settings.ts";
import { Client } from "../../lib/platform/client.ts";
import type { ItemCreation } from "../../lib/platform/run_wire.ts";
import type { OriginSite } from "./origin_site.ts";
import { PlatformUser } from "./platform_site.ts";

/** Settings of a client that calls this origin. */
export function settingsFor(site: OriginSite): PlatformSettings {
  return parsePlatformSettings({ flags: { AIGNOSTICS_API_ROOT: site.url }, environment: () => undefined, files: [] });
}

/** A new account of the origin, and a client that calls as it. */
export async function clientAt(
  site: OriginSite,
  email: string,
): Promise<{ client: Client; user: PlatformUser }> {
  const user = await PlatformUser.create(site, email);
  const tokenProvider = () => Promise.resolve(user.token);
  return { user, client: new Client({ settings: settingsFor(site), tokenProvider }) };
}

/** An item of the application `checksum` with these bytes as its input. */
export async function itemWith(user: PlatformUser, externalId: string, body: BodyInit): Promise<ItemCreation> {
  const artifact = { name: "file", download_url: await user.upload(body), metadata: {} };
  return { external_id: externalId, input_artifacts: [artifact] };
}
