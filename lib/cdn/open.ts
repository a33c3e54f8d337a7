import type { CdnSettings } from "../config/cdn_file.ts";
import { httpClient } from "../http/client.ts";
import type { Clock } from "../system/clock.ts";
import { DirectoryStore } from "./directory.ts";
import { HttpStore } from "./http.ts";
import type { ObjectStore } from "./store.ts";

/** Makes the store that the settings name. Nothing is sent or read yet, so it does not fail when the CDN is away. */
export async function openStore(settings: CdnSettings, { clock }: { clock: Clock }): Promise<ObjectStore> {
  if (settings.kind === "directory") return new DirectoryStore(settings);
  const deps = { http: httpClient("CDN"), clock };
  if (settings.kind === "http") return new HttpStore(settings, deps);
  const { S3Store } = await import("./s3.ts");
  return await S3Store.open(settings, deps);
}
