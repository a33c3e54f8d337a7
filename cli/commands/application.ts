import type { Command } from "commander";
import type { ListOptions } from "../../lib/platform/reading.ts";
import { sortedVersions } from "../../lib/platform/versions.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";
import { documentsCommand } from "./application_documents.ts";
import { schemataCommand } from "./application_schemata.ts";

interface ListFlags {
  readonly sort?: readonly string[];
  readonly verbose?: boolean;
}

/** `tally application`: what can be run on the platform. */
export function applicationCommand(shell: Shell): Command {
  const command = verb("application", "See which applications the platform has, their versions and documents", [
    ["tally application list", "what can be run"],
    ["tally application describe he-tme", "one of them, with its versions"],
  ]);
  for (const make of [listCommand, describeCommand, versionsCommand, schemataCommand, documentsCommand]) {
    adopt(command, make(shell));
  }
  return command;
}

function listCommand(shell: Shell): Command {
  const command = platformVerb("list", "List the applications", [
    ["tally application list", "their ids and highest versions"],
    ["tally application list --format json", "for a script"],
  ])
    .option("--verbose", "with their descriptions")
    .option("--sort <field...>", "field to sort by; -field for descending");
  return acts(command, shell, list);
}

async function list({ client, flags, shell: { output, signal } }: PlatformAction<ListFlags>): Promise<void> {
  const options: ListOptions = flags.sort === undefined ? { signal } : { signal, sort: flags.sort };
  const all = await Array.fromAsync(client.applications.list(options));
  if (output.json) return output.result(all);
  output.table(
    [{ title: "APPLICATION" }, { title: "LATEST" }, { title: "CLASSES" }, { title: "NAME" }],
    all.map((
      one,
    ) => [one.application_id, one.latest_version?.number ?? "", one.regulatory_classes.join(","), one.name]),
  );
  if (flags.verbose) {
    for (const { application_id, description } of all) output.line(`\n${application_id}: ${description}`);
  }
}

function describeCommand(shell: Shell): Command {
  const command = platformVerb("describe", "Show one application, or one version of it", [
    ["tally application describe he-tme", "with its versions, the highest first"],
    ["tally application describe he-tme --application-version 1.2.0", "what that version takes and gives"],
  ])
    .argument("<application>", "id of the application")
    .option("--application-version <version>", "a version of it");
  return acts(command, shell, describe);
}

async function describe(
  { client, flags, shell }: PlatformAction<{ applicationVersion?: string }>,
  id: string,
): Promise<void> {
  const { output, signal } = shell;
  if (flags.applicationVersion !== undefined) {
    const version = await client.versions.details(id, flags.applicationVersion, { signal });
    const files = (kinds: readonly { name: string; mime_type: string }[]) =>
      kinds.map(({ name, mime_type }) => `  ${name} (${mime_type})`);
    return output.result(
      version,
      `${id} ${version.version_number}, released ${version.released_at}`,
      version.changelog,
      ...["Takes:", ...files(version.input_artifacts), "Gives:", ...files(version.output_artifacts)],
    );
  }
  const application = await client.application(id, { signal });
  output.result(
    application,
    `${application.application_id}: ${application.name} (${application.regulatory_classes.join(", ")})`,
    application.description,
    "Versions:",
    ...sortedVersions(application.versions).map(({ number, released_at }) => `  ${number}  ${released_at}`),
  );
}

function versionsCommand(shell: Shell): Command {
  const command = platformVerb("versions", "List the versions of an application, the highest first", [
    ["tally application versions he-tme", "pre-releases stand below their release"],
  ]).argument("<application>", "id of the application");
  return acts(command, shell, async ({ client, shell: { output, signal } }, id: string) => {
    const versions = await client.versions.listSorted(id, { signal });
    output.result(versions, ...versions.map(({ number, released_at }) => `${number}  ${released_at}`));
  });
}
