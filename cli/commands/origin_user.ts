import { type Command, Option } from "commander";
import { ROLES } from "../../lib/auth/roles.ts";
import { readPassword } from "../prompt.ts";
import type { ListedUser, Shell } from "../shell.ts";
import { formatTable } from "../table.ts";
import { adopt, verb } from "../verb.ts";
import { type FolderFlags, folderVerb } from "./origin_folder.ts";

interface AddFlags extends FolderFlags {
  readonly role: string;
  readonly organization?: string;
  readonly organizationRole?: string;
  readonly givenName?: string;
  readonly familyName?: string;
  readonly passwordStdin?: boolean;
}

interface MoveFlags extends FolderFlags {
  readonly organization: string;
  readonly organizationRole: string;
}

/** `tally origin user`: the accounts of an origin. */
export function userCommand(shell: Shell): Command {
  const command = verb("user", "Add, move, sign out and list the accounts of an origin", [
    ["tally origin user add jane@acme.example --organization acme --data-dir /srv/origin", "shows the password once"],
  ]);
  for (const make of [addCommand, moveCommand, signOutCommand, listCommand]) adopt(command, make(shell));
  return command;
}

function addCommand({ io, output, programs, signal }: Shell): Command {
  return folderVerb("add", "Add an account", [
    ["tally origin user add jane@acme.example --data-dir /srv/origin", "in the default organisation"],
    [
      "tally origin user add jane@acme.example --organization acme --organization-role admin --data-dir /srv/origin",
      "may see all runs of acme",
    ],
  ])
    .argument("<email>", "address of the account")
    .addOption(
      new Option("--role <role>", "what it may do with resources and devices").choices(Object.keys(ROLES))
        .default("Operator"),
    )
    .option("--organization <name>", "organisation it belongs to; the default one unless given")
    .addOption(organizationRole())
    .option("--given-name <text>", "first name of the person")
    .option("--family-name <text>", "last name of the person")
    .option("--password-stdin", "take the first line of standard input as the password, instead of a generated one")
    .action(async (email: string, { passwordStdin, ...flags }: AddFlags) => {
      const { keyboard, stderr } = io;
      const chosen = passwordStdin
        ? { password: await readPassword({ email, fromStdin: true }, { keyboard, stderr, signal }) }
        : {};
      const { ORIGIN_COMMANDS } = await programs.origin();
      const user = await ORIGIN_COMMANDS["user add"]({ email, ...flags, ...chosen });
      output.result(user, `Added ${user.email} to ${user.organization} as ${user.organizationRole}`, ...onceOnly(user));
    });
}

function onceOnly({ password }: { password?: string }): string[] {
  if (password === undefined) return [];
  return [`Password: ${password}`, "Keep it: it is stored nowhere and not shown again."];
}

function moveCommand({ output, programs }: Shell): Command {
  return folderVerb("move", "Move an account to another organisation, or give it another role in its own", [
    ["tally origin user move jane@acme.example --organization acme --data-dir /srv/origin", "takes effect at once"],
  ])
    .argument("<email>", "address of the account")
    .requiredOption("--organization <name>", "organisation it will belong to")
    .addOption(organizationRole().default("member"))
    .action(async (email: string, flags: MoveFlags) => {
      const user = await (await programs.origin()).ORIGIN_COMMANDS["user move"]({ email, ...flags });
      output.result(user, `${user.email} belongs to ${user.organization} as ${user.organizationRole}`);
    });
}

function signOutCommand({ output, programs }: Shell): Command {
  return folderVerb("sign-out", "End every sign-in of an account, and the tokens that came of them", [
    ["tally origin user sign-out jane@acme.example --data-dir /srv/origin", "after a computer was lost"],
  ])
    .argument("<email>", "address of the account")
    .action(async (email: string, { dataDir }: FolderFlags) => {
      await (await programs.origin()).ORIGIN_COMMANDS["user sign-out"]({ dataDir, email });
      output.result({ status: "ok" }, `${email} is signed out everywhere`);
    });
}

function listCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the accounts", [
    ["tally origin user list --data-dir /srv/origin --json", "for a script"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const users = await (await programs.origin()).ORIGIN_COMMANDS["user list"]({ dataDir });
    output.result({ users }, ...formatTable(COLUMNS, users.map(rowOf)));
  });
}

const COLUMNS = [
  ...[{ title: "EMAIL" }, { title: "ROLE" }, { title: "ORGANIZATION" }],
  ...[{ title: "ORGANIZATION ROLE" }, { title: "ENABLED" }],
];

function rowOf({ email, role, organization, organizationRole, enabled }: ListedUser): string[] {
  return [email, role, organization, organizationRole, enabled ? "yes" : "no"];
}

function organizationRole(): Option {
  return new Option("--organization-role <role>", "what it may do in the organisation").choices(["admin", "member"]);
}
