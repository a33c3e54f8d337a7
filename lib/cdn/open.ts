import type { CdnSettings } from "../config/cdn_file.ts";
import { httpClient } from "../http/client.ts";
import { limitedClient, type RateLimit } from "../http/rate_limit.ts";
import type { Clock } from "../system/clock.ts";
import { DirectoryStore } from "./directory.ts";
import { HttpStore } from "./http.ts";
import type { ObjectStore } from "./store.ts";

/**
 * Makes the store that the settings name. Nothing is sent or read yet, so it does not fail when the CDN is away. A limit
 * holds for what comes and goes over the network.
 */
export async function openStore(
  settings: CdnSettings,
  { clock, limit }: { clock: Clock; limit?: RateLimit | undefined },
): Promise<ObjectStore> {
  if (settings.kind === "directory") return new DirectoryStore(settings);
  const deps = { http: limitedClient(httpClient("CDN"), limit), clock };
  if (settings.kind === "http") return new HttpStore(settings, deps);
  const { S3Store } = await import("./s3.ts");
  return await S3Store.open(settings, deps);
}
