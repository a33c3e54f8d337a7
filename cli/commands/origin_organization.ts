import type { Command } from "commander";
import { InvalidInputError, NotFoundError } from "../../lib/errors.ts";
import { readSmallFile, requirePrivate } from "../../lib/system/files.ts";
import type { ListedOrganization, OrganizationOptions, Shell } from "../shell.ts";
import { formatTable } from "../table.ts";
import { adopt, verb } from "../verb.ts";
import { type FolderFlags, folderVerb } from "./origin_folder.ts";

interface OrganizationFlags extends FolderFlags {
  readonly displayName?: string;
  readonly services?: string;
}

const SERVICES_LIMIT_BYTES = 64 * 1024;

/** `tally origin organization`: who accounts and runs belong to. */
export function organizationCommand(shell: Shell): Command {
  const command = verb("organization", "Add, change and list the organisations that accounts belong to", [
    ["tally origin organization add acme --data-dir /srv/origin", "then: tally origin user add … --organization acme"],
  ]);
  for (const make of [addCommand, setCommand, listCommand]) adopt(command, make(shell));
  return command;
}

function addCommand(shell: Shell): Command {
  return changing("add", "Add an organisation", [
    ['tally origin organization add acme --display-name "Acme Labs" --data-dir /srv/origin', "its id is shown"],
  ])
    .action(async (name: string, flags: OrganizationFlags) => {
      const { ORIGIN_COMMANDS } = await shell.programs.origin();
      const added = await ORIGIN_COMMANDS["organization add"](await optionsOf(name, flags));
      shell.output.result(added, `Added the organisation ${added.name} (${added.id})`);
    });
}

function setCommand(shell: Shell): Command {
  return changing("set", "Change what is shown of an organisation, or what the platform hands to its members", [
    ["tally origin organization set default --services services.json --data-dir /srv/origin", "replaces all of them"],
  ])
    .action(async (name: string, flags: OrganizationFlags) => {
      const { ORIGIN_COMMANDS } = await shell.programs.origin();
      const changed = await ORIGIN_COMMANDS["organization set"](await optionsOf(name, flags));
      shell.output.result(changed, `Changed the organisation ${changed.name}`);
    });
}

function listCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the organisations", [
    ["tally origin organization list --data-dir /srv/origin --json", "for a script"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const organizations = await (await programs.origin()).ORIGIN_COMMANDS["organization list"]({ dataDir });
    output.result({ organizations }, ...formatTable(COLUMNS, organizations.map(rowOf)));
  });
}

const COLUMNS = [{ title: "NAME" }, { title: "ID" }, { title: "DISPLAY NAME" }, { title: "DEFAULT" }];

function rowOf({ name, id, displayName, isDefault }: ListedOrganization): string[] {
  return [name, id, displayName, isDefault ? "yes" : ""];
}

function changing(name: string, description: string, examples: Parameters<typeof folderVerb>[2]): Command {
  return folderVerb(name, description, examples)
    .argument("<name>", "unique name of the organisation: a-z, 0-9 and -")
    .option("--display-name <text>", "its name for people")
    .option(
      "--services <file>",
      "JSON file (mode 0600) with what the platform hands to members: bucketName, sentryDsn, …",
    );
}

async function optionsOf(
  name: string,
  { dataDir, displayName, services }: OrganizationFlags,
): Promise<OrganizationOptions> {
  return {
    dataDir,
    name,
    ...(displayName === undefined ? {} : { displayName }),
    ...(services === undefined ? {} : { services: await readJsonFile(services) }),
  };
}

async function readJsonFile(path: string): Promise<unknown> {
  const bytes = await readSmallFile(path, SERVICES_LIMIT_BYTES);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  await requirePrivate(path); // keys of a bucket, tokens
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new InvalidInputError("services", `The file "${path}" is not JSON`, { cause });
  }
}
