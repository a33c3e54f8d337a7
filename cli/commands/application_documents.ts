import type { Command } from "commander";
import { NotFoundError } from "../../lib/errors.ts";
import type { Client } from "../../lib/platform/client.ts";
import { parseName } from "../../lib/split/names.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";

interface Flags {
  readonly applicationVersion?: string;
}

const VERSION_FLAG = ["--application-version <version>", "version; the highest when it is left out"] as const;

/** `tally application documents`: release documents of a version. */
export function documentsCommand(shell: Shell): Command {
  const command = verb("documents", "List, show and fetch the release documents of a version", [
    ["tally application documents list he-tme", "of its highest version"],
  ]);
  for (const make of [listCommand, describeCommand, downloadCommand]) adopt(command, make(shell));
  return command;
}

function listCommand(shell: Shell): Command {
  const command = platformVerb("list", "List the release documents of a version", [
    ["tally application documents list he-tme --application-version 1.2.0", "their names and types"],
  ]).argument("<application>", "id of the application").option(...VERSION_FLAG);
  return acts(command, shell, async ({ client, flags, shell: { output, signal } }: PlatformAction<Flags>, id) => {
    const documents = await client.documents.list(id, await versionOf(client, id, flags, signal), { signal });
    if (output.json) return output.result(documents);
    const rows = documents.map(({ name, mime_type, updated_at }) => [name, mime_type, updated_at]);
    output.table([{ title: "DOCUMENT" }, { title: "TYPE" }, { title: "CHANGED" }], rows);
  });
}

function describeCommand(shell: Shell): Command {
  const command = platformVerb("describe", "Show what is known of a release document", [
    ["tally application documents describe he-tme manual.pdf", "its type and dates"],
  ]).argument("<application>", "id of the application").argument("<name>", "name of the document")
    .option(...VERSION_FLAG);
  return acts(command, shell, async ({ client, flags, shell: { output, signal } }: PlatformAction<Flags>, id, name) => {
    const version = await versionOf(client, id, flags, signal);
    const document = await client.documents.details({ applicationId: id, version, name }, { signal });
    output.result(document, ...Object.entries(document).map(([field, value]) => `${field}: ${value}`));
  });
}

function downloadCommand(shell: Shell): Command {
  const command = platformVerb("download", "Fetch a release document", [
    ["tally application documents download he-tme manual.pdf -o /tmp/manual.pdf", "under another name"],
  ]).argument("<application>", "id of the application").argument("<name>", "name of the document")
    .option(...VERSION_FLAG)
    .option("-o, --output <file>", "file that is written, or replaced; the document's name when it is left out");
  return acts(
    command,
    shell,
    async ({ client, flags, shell: { output, signal } }: PlatformAction<Flags & { output?: string }>, id, name) => {
      const file = flags.output ?? parseName("name", name);
      const version = await versionOf(client, id, flags, signal);
      await client.documents.downloadToPath({ applicationId: id, version, name }, file, { signal });
      output.result({ name, file }, `Wrote ${name} into ${file}`);
    },
  );
}

async function versionOf(
  client: Client,
  id: string,
  { applicationVersion }: Flags,
  signal: AbortSignal,
): Promise<string> {
  const version = applicationVersion ?? (await client.versions.latest(id, { signal }))?.number;
  if (version !== undefined) return version;
  throw new NotFoundError(`The application "${id}" has no version`);
}
