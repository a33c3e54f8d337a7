import { join } from "node:path";
import { writeKeyPair } from "../../lib/crypto/key_file.ts";
import type { OriginSite } from "./origin_site.ts";
import { V2Publisher } from "./v2_publisher.ts";

/** Flags of a device whose CDN is the folder `cdn` beside it, which is made. */
export async function folderCdnFlags(folder: string): Promise<Readonly<Record<string, string>>> {
  const configFile = join(folder, "cdn.yaml");
  const cdn = join(folder, "cdn");
  await Deno.mkdir(cdn);
  await Deno.writeTextFile(configFile, `host: file://${cdn}\n`, { mode: 0o600 });
  return { "cdn-config": configFile };
}

/** The same for a device that publishes in format v2. */
export async function publishingFlags(folder: string, site: OriginSite): Promise<Readonly<Record<string, string>>> {
  const publisher = await V2Publisher.at(site);
  const keyFile = join(folder, "release.key");
  await writeKeyPair(keyFile, publisher.jwk);
  return { "publisher-key-file": keyFile, ...await folderCdnFlags(folder) };
}
