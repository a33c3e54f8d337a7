import { authCases } from "./cases/auth.ts";
import { cliCases } from "./cases/cli.ts";
import { configCases } from "./cases/config.ts";
import { dockerCases } from "./cases/docker.ts";
import { formatCases } from "./cases/format.ts";
import { httpCases } from "./cases/http.ts";
import { machineCases } from "./cases/machine.ts";
import { originCases } from "./cases/origin.ts";
import { platformCases } from "./cases/platform.ts";
import { storeCases } from "./cases/store.ts";
import type { ParserCase } from "./parser_case.ts";

/** The table: every parser of what comes from outside, with what must hold for whatever it is given. */
export async function allParsers(): Promise<readonly ParserCase[]> {
  const groups = await Promise.all([
    ...[formatCases(), authCases(), storeCases(), dockerCases(), machineCases(), platformCases(), originCases()],
    ...[cliCases(), httpCases(), configCases()],
  ]);
  return groups.flat();
}

/** Modules that read something and have no row of their own, each with the reason. */
export const WITHOUT_ROW: Readonly<Record<string, string>> = {
  ...reasons("reads what the origin itself has written into its database", [
    ...["origin/database_file.ts", "origin/devices.ts", "origin/oidc/clients.ts", "origin/oidc/issuer_keys.ts"],
    ...["origin/oidc/records.ts", "origin/organizations.ts", "origin/passwords.ts"],
    ...["origin/platform/catalogue.ts", "origin/platform/metadata.ts", "origin/state.ts", "origin/version_routes.ts"],
  ]),
  ...reasons(
    "verifies tokens by the library that tokenVerifier() is tried with; its own rules have tests of their own",
    [
      ...["origin/oidc/access_tokens.ts", "origin/tokens.ts"],
    ],
  ),
  ...reasons(
    "reads a document that an administrator or the person at the keyboard has written, and stops at what is wrong",
    [
      ...["cli/commands/origin_organization.ts", "cli/commands/origin_v2.ts", "cli/commands/run_metadata.ts"],
      ...["cli/commands/run_submit.ts", "cli/commands/sign_url.ts", "cli/platform.ts", "lib/training/config_file.ts"],
      ...[
        "lib/platform/sdk_metadata.ts",
        "lib/platform/versions.ts",
        "origin/platform/manifest.ts",
        "cli/input_files.ts",
      ],
    ],
  ),
  ...reasons("reads what a child of our own has printed", [
    ...["cli/demo/child.ts", "cli/demo/origin_admin.ts", "cli/demo/site.ts"],
  ]),
  ...reasons("compares a text with one pattern, without a step behind it", [
    ...["cli/system_error.ts", "lib/hardware/gpu.ts", "lib/logs/log_name.ts", "lib/system/signals.ts"],
    ...["origin/platform/application_routes.ts", "origin/platform/signed_files.ts", "routes/documented_calls.ts"],
    "routes/guard.ts",
  ]),
  ...reasons("hands the text to a schema that has a row", ["lib/platform/api.ts", "lib/platform/service.ts"]),
  ...reasons("runs the filters that parseJsonPath() and textMatcher() have read", [
    "origin/platform/metadata_filter.ts",
  ]),
};

function reasons(reason: string, modules: readonly string[]): Record<string, string> {
  return Object.fromEntries(modules.map((path) => [path, reason]));
}
