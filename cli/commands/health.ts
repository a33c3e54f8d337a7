import { type Command } from "commander";
import { NotSignedInError, PartialError, UnavailableError } from "../../lib/errors.ts";
import type { Health } from "../../lib/platform/health.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import type { Shell } from "../shell.ts";

/** `tally health`: how the platform is. */
export function healthCommand(shell: Shell): Command {
  const command = platformVerb("health", "Check the platform, without and with the token", [
    ["tally health", "exit code 0: up, 1: degraded, 3: up, but the token is missing or refused, 6: down"],
    ["tally health --api-root https://origin.example.com --json", "another platform, for a script"],
  ]);
  return acts(command, shell, showHealth, { mayAsk: false }); // a look must not open a browser
}

async function showHealth({ client, shell }: PlatformAction<unknown>): Promise<void> {
  const health = await client.health({ signal: shell.signal });
  const parts = Object.entries(health.components).map(([name, { status, latency_ms, reason }]) =>
    `${`${name}:`.padEnd(19)}${status.padEnd(9)}${latency_ms} ms${reason === null ? "" : `  ${reason}`}`
  );
  shell.output.result(health, `${"platform:".padEnd(19)}${health.status}`, ...parts);
  failUnlessUp(health);
}

/** The exit code says how it is, and the sentence why. */
function failUnlessUp({ status, reason, components: { api_public, api_authenticated } }: Health): void {
  const why = reason ?? status;
  if (status === "DOWN") throw new UnavailableError("API", why);
  if (api_public.status === "UP" && api_authenticated.code === "not_signed_in") throw new NotSignedInError(why);
  if (api_public.status === "UP" && api_authenticated.code === "token_expired") throw new NotSignedInError(why);
  if (status === "DEGRADED") throw new PartialError(why);
}
