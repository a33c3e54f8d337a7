import { OPTIONS } from "../../lib/config/options.ts";
import { PLATFORM_OPTIONS, PLATFORM_PREFIX } from "../../lib/config/platform_options.ts";
import { AUTHORITY_VARIABLES } from "../../lib/http/authorities.ts";
import { EXEMPT_VARIABLES, PROXY_VARIABLES } from "../../lib/http/proxy.ts";

/** Every setting of the table. */
export const SETTING_VARIABLES: readonly string[] = Object.values(OPTIONS).map(({ name }) => name);

/** What names a proxy. */
export const PROXIES: readonly string[] = [...new Set(Object.values(PROXY_VARIABLES).flat())];

/** What an enterprise network tells its machines. */
export const NETWORK_VARIABLES: readonly string[] = [...PROXIES, ...EXEMPT_VARIABLES, ...AUTHORITY_VARIABLES];

/** Settings of the platform's client. */
export const PLATFORM_VARIABLES: readonly string[] = [
  ...Object.values(PLATFORM_OPTIONS).map(({ name }) => name),
  ...["ENV_FILE", "SHARE_TOKEN"].map((name) => PLATFORM_PREFIX + name),
];

/** Where a person has files of their own, and what their terminal can show. */
export const PERSON_VARIABLES: readonly string[] = ["HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "NO_COLOR", "TERM"];

/** What a program needs to show a page on somebody's display. */
export const DISPLAY_VARIABLES: readonly string[] = [
  ...["BROWSER", "PATH", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_CURRENT_DESKTOP"],
  ...["DBUS_SESSION_BUS_ADDRESS", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"],
];
