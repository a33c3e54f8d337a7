import type { Reach } from "../http/address_guard.ts";
import { isLoopback } from "../http/loopback.ts";
import type { Settings } from "./options.ts";

/**
 * How far CDN settings may lead: those of a server to no folder and no other service of this machine, unless the server itself is on it;
 * those of `CDN_CONFIG`, which somebody on this machine has written, to both.
 */
export function cdnReach({ cdnConfig, resourceApiUrl }: Pick<Settings, "cdnConfig" | "resourceApiUrl">): Reach {
  return cdnConfig !== undefined || isLoopback(resourceApiUrl.hostname) ? "loopback" : "private";
}
