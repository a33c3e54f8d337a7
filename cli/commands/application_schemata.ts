import type { Command } from "commander";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import type { VersionData } from "../../lib/platform/application_wire.ts";
import { writePublicFile } from "../../lib/system/atomic_file.ts";
import { ensureFolder } from "../../lib/system/files.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import type { Shell } from "../shell.ts";

const FOLDER_MODE = 0o755;

interface Flags {
  readonly applicationVersion?: string;
  readonly destination: string;
}

/** `tally application dump-schemata`: the JSON Schemas of a version, as files. */
export function schemataCommand(shell: Shell): Command {
  const command = platformVerb("dump-schemata", "Write the JSON Schemas of a version's inputs and outputs into files", [
    ["tally application dump-schemata he-tme", "of its highest version, into this folder"],
    ["tally application dump-schemata he-tme --application-version 1.2.0 --destination schemata", "into another one"],
  ])
    .argument("<application>", "id of the application")
    .option("--application-version <version>", "version; the highest when it is left out")
    .option("--destination <folder>", "where the files go", ".");
  return acts(command, shell, dump);
}

async function dump({ client, flags, shell }: PlatformAction<Flags>, id: string): Promise<void> {
  const version = await client.versions.details(id, flags.applicationVersion, { signal: shell.signal });
  await ensureFolder(flags.destination, FOLDER_MODE);
  const files: string[] = [];
  for (const { kind, name, schema } of schemataOf(version)) {
    const file = join(flags.destination, fileName(`${id}_${version.version_number}_${kind}_${name}`));
    await writePublicFile(file, utf8(`${JSON.stringify(schema, null, 2)}\n`));
    files.push(file);
  }
  shell.output.result({ files }, ...files);
}

function schemataOf({ input_artifacts, output_artifacts }: VersionData) {
  const named = (kind: string) => ({ name, metadata_schema }: VersionData["input_artifacts"][number]) => ({
    ...{ kind, name, schema: metadata_schema },
  });
  return [...input_artifacts.map(named("input")), ...output_artifacts.map(named("output"))];
}

/** Names come from the server: nothing of them may lead out of the folder. */
function fileName(text: string): string {
  return `${text.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 200)}.json`;
}
