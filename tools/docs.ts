import { OPTIONS } from "../lib/config/options.ts";
import { say } from "./say.ts";

const PATH = "docs/configuration.md";

const HEAD = `# Configuration

Generated from \`lib/config/options.ts\` by \`deno task docs\`; do not edit.

A setting is taken from its flag, else from the environment variable, else from the settings file (\`--config FILE\`, YAML with one
\`NAME: value\` per line), else from its default. All faults are reported at once, before anything starts.
\`tally config\` prints what holds and where each value comes from.

| variable | flag | default | meaning |
|---|---|---|---|
`;

/** The whole of `docs/configuration.md`. */
export function configurationPage(): string {
  const rows = Object.values(OPTIONS).map(({ name, flag, fallbackText, doc }) =>
    `| \`${name}\` | \`--${flag}\` | ${cell(fallbackText)} | ${cell(doc)} |\n`
  );
  return HEAD + rows.join("");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

/** Writes the page; with `--check`, only says whether it is up to date. */
async function main(args: readonly string[]): Promise<number> {
  if (!args.includes("--check")) {
    await Deno.writeTextFile(PATH, configurationPage());
    return 0;
  }
  const current = await Deno.readTextFile(PATH).catch(() => "");
  if (current === configurationPage()) return 0;
  say(`${PATH} is not up to date: run deno task docs`);
  return 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
