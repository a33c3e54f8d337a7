import { fileURLToPath } from "node:url";
import type { Environment } from "../../lib/system/environment.ts";

/** How this same program is started once more. */
export interface ThisProgram {
  readonly program: string;
  /** Stand before the arguments of the program itself. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Where Deno finds its cache and its packages; no setting of ours, so that a child gets all of them as flags. */
const INHERITED = [
  ...["PATH", "HOME", "TMPDIR", "DENO_DIR", "XDG_CACHE_HOME", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG"],
  ...["DENO_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"],
] as const;

/** The compiled program, or this Deno with the module that began it all. */
export function thisProgram(environment: Environment): ThisProgram {
  const program = Deno.execPath();
  const env = Object.fromEntries(
    INHERITED.map((name) => [name, environment(name)]).filter((entry): entry is [string, string] =>
      entry[1] !== undefined
    ),
  );
  if (Deno.build.standalone) return { program, args: [], env };
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  return { program, args: ["run", "--quiet", "-A", "--v8-flags=--max-semi-space-size=1", main], env };
}
