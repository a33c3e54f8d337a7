import { type Role, UPLOADER_ROLES } from "../lib/auth/roles.ts";
import { objectToken } from "./object_access.ts";
import { baseOf } from "./public_url.ts";
import type { State } from "./state.ts";

/** Name of the CDN settings in the empty folder. */
export const CDN_CONFIG_NAME = "cdn.yaml";

/** CDN settings that name the origin's own object store; the writer token only for roles that may publish. */
export function generatedCdnConfig(state: State, publicUrl: URL, role: Role): string {
  const settings = {
    type: "http",
    host: `${baseOf(publicUrl)}/objects`,
    downloader_token: objectToken(state, "reader"),
    ...(UPLOADER_ROLES.includes(role) ? { uploader_token: objectToken(state, "writer") } : {}),
  };
  // Every JSON string is a YAML string.
  return Object.entries(settings).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join("");
}
