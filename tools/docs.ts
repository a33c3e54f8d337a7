import { EXIT_CODES, HINTS } from "../cli/exit_codes.ts";
import { OPTIONS } from "../lib/config/options.ts";
import { PLATFORM_OPTIONS } from "../lib/config/platform_options.ts";
import { type ErrorCode } from "../lib/errors.ts";
import { PROBLEMS } from "../routes/problem.ts";
import { say } from "./say.ts";
import { licencesPage } from "./ship/licences.ts";
import { billOfMaterials } from "./ship/sbom.ts";
import { sandboxPage } from "./ship/sandbox_page.ts";

const CONFIGURATION = "docs/configuration.md";
const SANDBOX = "docs/sandbox.md";
const LICENCES = "docs/licences.md";
const OPERATIONS = "docs/operations.md";

const HEAD = `# Configuration

Generated from \`lib/config/options.ts\` by \`deno task docs\`; do not edit.

A setting is taken from its flag, else from the environment variable, else from the settings file (\`--config FILE\`, YAML with one
\`NAME: value\` per line), else from its default. All faults are reported at once, before anything starts.
\`tally config\` prints what holds and where each value comes from.

| variable | flag | default | meaning |
|---|---|---|---|
`;

const PLATFORM_HEAD = `
## The platform

Generated from \`lib/config/platform_options.ts\`. A setting is taken from its flag where a verb has one, else from \`--env NAME=VALUE\`, else from the
environment variable, else from \`./.env\`, else from the file of \`AIGNOSTICS_ENV_FILE\` or, without it, \`~/.aignostics/.env\`, else from its default.
"by environment": known for production, staging, development and test; for an origin of ours, and for any other address, it is discovered from
\`ADDRESS/.well-known/openid-configuration\` where it is not set. Any single one can be set.

| variable | default | meaning |
|---|---|---|
`;

/** The whole of `docs/configuration.md`. */
export function configurationPage(): string {
  const rows = Object.values(OPTIONS).map(({ name, flag, fallbackText, doc }) =>
    `| \`${name}\` | \`--${flag}\` | ${cell(fallbackText)} | ${cell(doc)} |\n`
  );
  const platformRows = Object.values(PLATFORM_OPTIONS).map(({ name, fallbackText, doc }) =>
    `| \`${name}\` | ${cell(fallbackText)} | ${cell(doc)} |\n`
  );
  return HEAD + rows.join("") + PLATFORM_HEAD + platformRows.join("");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

const ERRORS_HEAD = `| \`code\` | exit code | status | meaning | what to do |
|---|---|---|---|---|
`;
const GENERATED_PART = /(?<=<!-- Generated [^\n]*-->\n)[^]*(?=<!-- end of the generated part -->)/;

/** A row for each condition, by exit code. */
export function errorTable(): string {
  const codes = (Object.keys(EXIT_CODES) as ErrorCode[]).sort((a, b) => EXIT_CODES[a] - EXIT_CODES[b]);
  const rows = codes.map((code) => {
    const { status, title } = PROBLEMS[code];
    return `| \`${code}\` | ${EXIT_CODES[code]} | ${status} | ${title} | ${cell(HINTS[code])} |\n`;
  });
  return ERRORS_HEAD + rows.join("");
}

/** `docs/operations.md` with the table of errors of today. @throws {Error} when the page has no place for it */
export function operationsPage(page: string): string {
  if (!GENERATED_PART.test(page)) throw new Error(`${OPERATIONS} has no marks around its generated part`);
  return page.replace(GENERATED_PART, errorTable);
}

/** Writes the pages; with `--check`, only says whether they are up to date. */
async function main(args: readonly string[]): Promise<number> {
  const check = args.includes("--check");
  const pages: Readonly<Record<string, (present: string) => string | Promise<string>>> = {
    [CONFIGURATION]: configurationPage,
    [OPERATIONS]: operationsPage,
    [SANDBOX]: sandboxPage,
    [LICENCES]: async () => licencesPage(await billOfMaterials()),
  };
  let exitCode = 0;
  for (const [path, make] of Object.entries(pages)) {
    const present = await Deno.readTextFile(path);
    const wanted = await make(present);
    if (present === wanted) continue;
    if (!check) await Deno.writeTextFile(path, wanted);
    else {
      say(`${path} is not up to date: run deno task docs`);
      exitCode = 1;
    }
  }
  return exitCode;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
