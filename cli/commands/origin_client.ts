import type { Command } from "commander";
import type { OAuthClient, Shell } from "../shell.ts";
import { formatTable } from "../table.ts";
import { adopt, verb } from "../verb.ts";
import { type FolderFlags, folderVerb } from "./origin_folder.ts";

interface AddFlags extends FolderFlags {
  readonly name?: string;
  readonly redirectUri: readonly string[];
}

const COLUMNS = [{ title: "ID" }, { title: "NAME" }, { title: "REDIRECT URIS" }];

/** `tally origin client`: the programs that people may sign in to. */
export function clientCommand(shell: Shell): Command {
  const command = verb("client", "Add, remove and list the programs that people may sign in to (OAuth 2 clients)", [
    [
      'tally origin client add viewer --name "Slide viewer" --redirect-uri https://viewer.example.com/callback --data-dir /srv/origin',
      "a web page; PKCE takes the place of a secret",
    ],
  ]);
  for (const make of [addCommand, removeCommand, listCommand]) adopt(command, make(shell));
  return command;
}

function addCommand({ output, programs }: Shell): Command {
  return folderVerb("add", "Add a client", [
    [
      "tally origin client add scanner --data-dir /srv/origin",
      "signs in by a code that is entered in a browser elsewhere",
    ],
    [
      "tally origin client add desktop --redirect-uri http://localhost:8989/ --data-dir /srv/origin",
      "a program on the person's machine; any port will do",
    ],
  ])
    .argument("<id>", "what the program calls itself")
    .option("--name <text>", "what people are asked to allow; the id unless given")
    .option(
      "--redirect-uri <uri>",
      "where a browser may bring the answer; can be given several times",
      (uri: string, before: readonly string[]) => [...before, uri],
      [],
    )
    .action(async (id: string, { dataDir, name = id, redirectUri }: AddFlags) => {
      const { ORIGIN_COMMANDS } = await programs.origin();
      const added = await ORIGIN_COMMANDS["client add"]({ dataDir, id, name, redirectUris: redirectUri });
      output.result(added, `Added the client ${added.id}`);
    });
}

function removeCommand({ output, programs }: Shell): Command {
  return folderVerb("remove", "Remove a client: nobody signs in to it any more, and its tokens end", [
    ["tally origin client remove scanner --data-dir /srv/origin", "on devices its access tokens end within the hour"],
  ])
    .argument("<id>", "what the program calls itself")
    .action(async (id: string, { dataDir }: FolderFlags) => {
      await (await programs.origin()).ORIGIN_COMMANDS["client remove"]({ dataDir, id });
      output.result({ status: "ok" }, `Removed the client ${id}`);
    });
}

function listCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the clients", [
    ["tally origin client list --data-dir /srv/origin --json", "for a script"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const clients = await (await programs.origin()).ORIGIN_COMMANDS["client list"]({ dataDir });
    output.result({ clients }, ...formatTable(COLUMNS, clients.map(rowOf)));
  });
}

function rowOf({ id, name, redirectUris }: OAuthClient): string[] {
  return [id, name, redirectUris.join(" ")];
}
