import { z } from "zod";
import { messageOf } from "../../lib/errors.ts";
import { say } from "../say.ts";
import type { Program } from "./programs.ts";
import { requirePinnedVersion } from "./runtime.ts";
import { parseSite, type Site } from "./site.ts";

/** Flags of every tool that makes something for a site, as `parseArgs` takes them. */
export const SITE_FLAGS = {
  api: { type: "string" },
  cdn: { type: "string" },
  site: { type: "string" },
} as const;

const OK = 0;
const WRONG_USE = 2;

/** The site that the flags describe for a program; `site` names its file. */
export async function readSite(
  { site, api, cdn }: { readonly [flag in keyof typeof SITE_FLAGS]?: string | undefined },
  program: Program,
): Promise<Site> {
  return parseSite(site === undefined ? "" : await Deno.readTextFile(site), { api, cdn, program });
}

/** Runs a tool on the command line and ends the process: `--help` is answered, and whatever is wrong told in a sentence, with the usage. */
export async function runTool(usage: string, tool: (args: readonly string[]) => Promise<void>): Promise<never> {
  if (Deno.args.includes("--help")) {
    say(usage);
    Deno.exit(OK);
  }
  try {
    requirePinnedVersion();
    await tool(Deno.args);
    Deno.exit(OK);
  } catch (error) {
    say(error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error));
    say(usage);
    Deno.exit(WRONG_USE);
  }
}
