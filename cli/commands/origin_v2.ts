import type { Command } from "commander";
import type { Bytes } from "../../lib/bytes.ts";
import type { PublicJwk } from "../../lib/crypto/okp_key.ts";
import { InvalidInputError, NotFoundError, UsageError } from "../../lib/errors.ts";
import { parseName } from "../../lib/split/names.ts";
import { readSmallFile } from "../../lib/system/files.ts";
import type { ListedDevice, ListedGrant, ListedVersion, Shell } from "../shell.ts";
import { formatTable } from "../table.ts";
import { adopt, type Example, verb } from "../verb.ts";
import { type FolderFlags, folderVerb, MASTER_KEY_FILE_DOC } from "./origin_folder.ts";

interface GrantFlags extends FolderFlags {
  readonly email?: string;
  readonly device?: string;
  readonly resource?: string;
  readonly limit: string;
}

const KEY_LIMIT_BYTES = 4 * 1024;

/** `tally origin publisher`: whose manifests the origin takes. */
export function publisherCommand(shell: Shell): Command {
  const command = verb("publisher", "Add, list and remove the publishers whose manifests the origin takes", [
    ["tally origin publisher add ci.key.pub --name ci --data-dir /srv/origin", "devices pin it when they enrol"],
  ]);
  for (const make of [addPublisherCommand, listPublishersCommand, removePublisherCommand]) adopt(command, make(shell));
  return command;
}

function addPublisherCommand({ output, programs }: Shell): Command {
  return folderVerb("add", "Trust a publisher's key from now on", [
    ["tally origin publisher add ci.key.pub --name ci --data-dir /srv/origin", "the public half, of tally keys new"],
  ])
    .argument("<file>", "public half of the key")
    .requiredOption("--name <name>", "what people call it")
    .action(async (file: string, { dataDir, name }: FolderFlags & { name: string }) => {
      const key = await readPublisherKey(file);
      const added = await (await programs.origin()).ORIGIN_COMMANDS["publisher add"]({ dataDir, key, name });
      output.result(added, `The origin takes manifests of ${added.name}, ${added.kid}`);
    });
}

async function readPublisherKey(path: string): Promise<PublicJwk> {
  const { publicJwkSchema } = await import("../../lib/crypto/okp_key.ts");
  const bytes = await readSmallFile(path, KEY_LIMIT_BYTES);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  const parsed = publicJwkSchema.safeParse(jsonOf(bytes));
  if (parsed.success) return parsed.data;
  throw new InvalidInputError("key", `"${path}" is not the public half of a key`);
}

function listPublishersCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the publishers", [
    ["tally origin publisher list --data-dir /srv/origin", "names and keys"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const publishers = await (await programs.origin()).ORIGIN_COMMANDS["publisher list"]({ dataDir });
    const rows = publishers.map(({ name, kid }) => [name, kid]);
    output.result({ publishers }, ...formatTable([{ title: "NAME" }, { title: "KEY" }], rows));
  });
}

function removePublisherCommand({ output, programs }: Shell): Command {
  return folderVerb("remove", "Take no more manifests of a publisher's key", [
    ["tally origin publisher remove KEY --data-dir /srv/origin", "devices keep it until they pin anew"],
  ])
    .argument("<key>", "its name, as list shows it")
    .action(async (kid: string, { dataDir }: FolderFlags) => {
      await (await programs.origin()).ORIGIN_COMMANDS["publisher remove"]({ dataDir, kid });
      output.result({ kid }, `The origin takes no more manifests of ${kid}`);
    });
}

/** `tally origin devices`: which devices get grants. */
export function devicesCommand(shell: Shell): Command {
  const command = verb("devices", "List, approve and revoke devices", [
    ["tally origin devices list --data-dir /srv/origin", "who waits, who is in, who is out"],
    ["tally origin devices approve KEY --data-dir /srv/origin", "takes effect at once"],
  ]);
  adopt(command, listDevicesCommand(shell));
  adopt(command, decideCommand(shell, "approve", "approved", "Let a device have grants"));
  adopt(
    command,
    decideCommand(shell, "revoke", "revoked", "Give a device no more grants; those it has expire in a day"),
  );
  return command;
}

function listDevicesCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the devices", [
    ["tally origin devices list --data-dir /srv/origin", "the oldest first"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const devices = await (await programs.origin()).ORIGIN_COMMANDS["device list"]({ dataDir });
    const columns = ["DEVICE", "STATE", "ACCOUNT", "ENROLLED", "DECIDED BY"].map((title) => ({ title }));
    output.result({ devices }, ...formatTable(columns, devices.map(deviceRow)));
  });
}

function deviceRow({ kid, state, email, enrolledMs, decidedBy }: ListedDevice): string[] {
  return [kid, state, email, dateOf(enrolledMs), decidedBy ?? "-"];
}

function decideCommand(
  { output, programs }: Shell,
  name: string,
  state: "approved" | "revoked",
  description: string,
): Command {
  return folderVerb(name, description, [
    [`tally origin devices ${name} KEY --data-dir /srv/origin`, "also while the origin serves"],
  ])
    .argument("<device>", "name of its key, as list shows it")
    .action(async (kid: string, { dataDir }: FolderFlags) => {
      const device = await (await programs.origin()).ORIGIN_COMMANDS["device decide"]({ dataDir, kid, state });
      output.result(device, `The device ${kid} of ${device.email} is ${device.state}`);
    });
}

/** `tally origin versions`: what is published in format v2. */
export function versionCommand(shell: Shell): Command {
  const command = verb("versions", "List, pin and withdraw the versions of resources in format v2", [
    ["tally origin versions list models/yolo.onnx --data-dir /srv/origin", "the newest first"],
    ["tally origin versions pin models/yolo.onnx@1.4.2 --data-dir /srv/origin", "for all who name no version"],
  ]);
  adopt(command, listVersionsCommand(shell));
  adopt(command, changeCommand(shell, "pin", "Give this version to all who name none", "pinned"));
  adopt(command, changeCommand(shell, "unpin", "Let the newest version count again", "not pinned any more"));
  adopt(command, changeCommand(shell, "withdraw", "Give a version to nobody any more", "withdrawn"));
  return command;
}

function listVersionsCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the versions of a resource, or of all", [
    ["tally origin versions list --data-dir /srv/origin", "of all resources"],
  ])
    .argument("[resource]", "folder/name")
    .action(async (text: string | undefined, { dataDir }: FolderFlags) => {
      const resource = text === undefined ? {} : { resource: resourceOf(text).resource };
      const versions = await (await programs.origin()).ORIGIN_COMMANDS["version list"]({ dataDir, ...resource });
      const columns = ["RESOURCE", "VERSION", "SEQ", "PUBLISHED", "BY", "STATE"].map((title) => ({ title }));
      output.result({ versions: versions.map(shownVersion) }, ...formatTable(columns, versions.map(versionRow)));
    });
}

/** Neither the wrapped key nor the manifest is for a list. */
function shownVersion(version: ListedVersion) {
  const { folder, name, seq, publishedMs, publishedBy, withdrawnMs, pinned } = version;
  const withdrawn = withdrawnMs ?? null;
  return { folder, name, version: version.version, seq, publishedMs, publishedBy, withdrawnMs: withdrawn, pinned };
}

function versionRow({ folder, name, version, seq, publishedMs, publishedBy, withdrawnMs, pinned }: ListedVersion) {
  const state = withdrawnMs !== undefined ? "withdrawn" : pinned ? "pinned" : "-";
  return [`${folder}/${name}`, version, String(seq), dateOf(publishedMs), publishedBy, state];
}

function changeCommand(
  { output, programs }: Shell,
  change: "pin" | "unpin" | "withdraw",
  description: string,
  outcome: string,
): Command {
  return folderVerb(change, description, [
    [`tally origin versions ${change} models/yolo.onnx@1.4.2 --data-dir /srv/origin`, "also while the origin serves"],
  ])
    .argument("<version>", "folder/name@version")
    .action(async (text: string, { dataDir }: FolderFlags) => {
      const { resource, version } = resourceOf(text);
      if (version === undefined) {
        throw new UsageError(`Cannot ${change} "${text}": it names no version (folder/name@version)`);
      }
      const { ORIGIN_COMMANDS } = await programs.origin();
      await ORIGIN_COMMANDS["version change"]({ dataDir, resource, version, change });
      output.result({ ...resource, version, change }, `${text} is ${outcome}`);
    });
}

/** `tally origin grants list`: who was given what. */
export function grantsCommand(shell: Shell): Command {
  const command = verb("grants", "Show which devices were given which content keys", [
    ["tally origin grants list --data-dir /srv/origin", "the newest 1000"],
  ]);
  return adopt(command, listGrantsCommand(shell));
}

function listGrantsCommand({ output, programs }: Shell): Command {
  return folderVerb("list", "List the grants, the newest first", [
    ["tally origin grants list --email ada@example.com --data-dir /srv/origin", "of one account"],
    [
      "tally origin grants list --resource models/yolo.onnx --json --data-dir /srv/origin",
      "of one resource, for a script",
    ],
  ])
    .option("--email <email>", "of this account")
    .option("--device <key>", "for this device")
    .option("--resource <folder/name>", "of this resource")
    .option("--limit <number>", "at most so many", "1000")
    .action(async ({ dataDir, email, device, resource, limit }: GrantFlags) => {
      const grants = await (await programs.origin()).ORIGIN_COMMANDS["grants list"]({
        dataDir,
        ...(email === undefined ? {} : { email }),
        ...(device === undefined ? {} : { kid: device }),
        ...(resource === undefined ? {} : resourceOf(resource).resource),
        limit: limitOf(limit),
      });
      const columns = ["WHEN", "ACCOUNT", "DEVICE", "VERSION", "UNTIL"].map((title) => ({ title }));
      output.result({ grants }, ...formatTable(columns, grants.map(grantRow)));
    });
}

function grantRow({ atMs, email, kid, folder, name, version, expiresSeconds }: ListedGrant): string[] {
  return [dateOf(atMs), email, kid, `${folder}/${name}@${version}`, dateOf(expiresSeconds * 1000)];
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot list "${text}" grants: give a number`);
}

/** `tally origin rotate-master-key`. */
export function rotateMasterKeyCommand({ output, programs }: Shell): Command {
  const examples: Example[] = [
    [
      "tally origin rotate-master-key --data-dir /srv/origin",
      "also while the origin serves; run it again after a kill",
    ],
  ];
  return folderVerb("rotate-master-key", "Wrap all content keys by a new master key", examples)
    .option("--master-key-file <file>", MASTER_KEY_FILE_DOC)
    .action(async (flags: FolderFlags & { masterKeyFile?: string }) => {
      const done = await (await programs.origin()).ORIGIN_COMMANDS["rotate-master-key"](flags);
      output.result(done, `${done.rewrapped} content keys are wrapped by the new master key ${done.id}`);
    });
}

function resourceOf(text: string): { resource: { folder: string; name: string }; version: string | undefined } {
  const [path = "", version] = text.split(/@(.*)/s);
  const [folder = "", name = "", ...rest] = path.split("/");
  if (rest.length > 0 || name === "") throw new UsageError(`"${text}" is not folder/name`);
  return { resource: { folder: parseName("folder", folder), name: parseName("name", name) }, version };
}

function jsonOf(bytes: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // the schema refuses it; a message would show a private key that was named by mistake
  }
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}
