import type { Command } from "commander";
import type { ListedOriginApplication, Shell } from "../shell.ts";
import { formatTable } from "../table.ts";
import { adopt, verb } from "../verb.ts";
import { type FolderFlags, folderVerb } from "./origin_folder.ts";

interface AddFlags extends FolderFlags {
  readonly manifest: string;
  readonly image?: string;
  readonly applicationVersion?: string;
}

interface RemoveFlags extends FolderFlags {
  readonly applicationVersion: string;
}

/** `tally origin application`: what runs can be submitted for. */
export function applicationCommand(shell: Shell): Command {
  const command = verb(
    "application",
    "Add, list and remove the applications of the platform that are container images",
    [
      [
        "tally origin application add --manifest words.yaml --data-dir /srv/origin",
        "docs/platform_api.md has the manifest",
      ],
    ],
  );
  for (const make of [addCommand, listCommand, removeCommand]) adopt(command, make(shell));
  return command;
}

function addCommand({ output, programs }: Shell): Command {
  return folderVerb("add", "Add a version of an application, also while the origin serves", [
    ["tally origin application add --manifest words.yaml --data-dir /srv/origin", "its image must be in the engine"],
    [
      "tally origin application add --manifest words.yaml --image words:2 --application-version 2.0.0 --data-dir /srv/origin",
      "the same with another image",
    ],
  ])
    .requiredOption("--manifest <file>", "YAML or JSON file that describes it")
    .option("--image <reference>", "instead of the manifest's image")
    .option("--application-version <number>", "instead of the manifest's version")
    .action(async ({ applicationVersion, ...flags }: AddFlags) => {
      const options = { ...flags, ...(applicationVersion === undefined ? {} : { version: applicationVersion }) };
      const added = await (await programs.origin()).ORIGIN_COMMANDS["application add"](options);
      output.result(added, `Added ${added.applicationId}; it has the versions ${numbersOf(added)}`);
    });
}

function listCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the applications", [
    ["tally origin application list --data-dir /srv/origin --json", "for a script"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const applications = await (await programs.origin()).ORIGIN_COMMANDS["application list"]({ dataDir });
    output.result({ applications }, ...formatTable(COLUMNS, applications.flatMap(rowsOf)));
  });
}

function removeCommand({ output, programs }: Shell): Command {
  return folderVerb("remove", "Remove a version of an application; runs that have ended keep what they have", [
    [
      "tally origin application remove words --application-version 1.0.0 --data-dir /srv/origin",
      "those built in cannot go",
    ],
  ])
    .argument("<application>", "its id")
    .requiredOption("--application-version <number>", "its version")
    .action(async (applicationId: string, { dataDir, applicationVersion: version }: RemoveFlags) => {
      const { ORIGIN_COMMANDS } = await programs.origin();
      await ORIGIN_COMMANDS["application remove"]({ dataDir, applicationId, version });
      output.result({ applicationId, version }, `Removed the version ${version} of ${applicationId}`);
    });
}

const COLUMNS = [{ title: "APPLICATION" }, { title: "VERSION" }, { title: "IMAGE" }];

function rowsOf({ applicationId, versions }: ListedOriginApplication): string[][] {
  return versions.map(({ number, image }) => [applicationId, number, image ?? "(built in)"]);
}

function numbersOf({ versions }: ListedOriginApplication): string {
  return versions.map(({ number }) => number).join(", ");
}
