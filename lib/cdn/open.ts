import type { CdnSettings } from "../config/cdn_file.ts";
import type { Reach } from "../http/address_guard.ts";
import { httpClient } from "../http/client.ts";
import { limitedClient, type RateLimit } from "../http/rate_limit.ts";
import { withinReach } from "../http/reach.ts";
import type { Clock } from "../system/clock.ts";
import { DirectoryStore } from "./directory.ts";
import { HttpStore } from "./http.ts";
import type { ObjectStore } from "./store.ts";

/** How a store is spoken to. */
export interface StoreOptions {
  readonly clock: Clock;
  readonly limit?: RateLimit | undefined;
  /** How far settings may lead that a server has given; those of this machine may lead to this machine. */
  readonly reach?: Reach | undefined;
  /** A host that is spoken to anyway, wherever it is: the API's own. */
  readonly known?: string | undefined;
}

/**
 * Makes the store that the settings name. Nothing is sent or read yet, so it does not fail when the CDN is away. A limit
 * holds for what comes and goes over the network.
 */
export async function openStore(
  settings: CdnSettings,
  { clock, limit, reach = "loopback", known }: StoreOptions,
): Promise<ObjectStore> {
  if (settings.kind === "directory") return new DirectoryStore(settings);
  const http = withinReach(httpClient("CDN"), { service: "CDN", reach, known, clock });
  const deps = { http: limitedClient(http, limit), clock };
  if (settings.kind === "http") return new HttpStore(settings, deps);
  const { S3Store } = await import("./s3.ts");
  return await S3Store.open(settings, deps);
}
