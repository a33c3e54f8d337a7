import { createHash } from "node:crypto";
import type { Command } from "commander";
import { DOWNGRADE_ROLES, READER_ROLES } from "../../lib/auth/roles.ts";
import { IntegrityError } from "../../lib/errors.ts";
import type { VersionStanding } from "../../lib/resources/open_resource.ts";
import type { Services } from "../../lib/services.ts";
import { parseName } from "../../lib/split/names.ts";
import { watched } from "../../lib/streams.ts";
import { writeStream } from "../../lib/system/atomic_file.ts";
import { connectDevice } from "../device.ts";
import type { LoadAnswer } from "../device_client.ts";
import { type AccountFlags, asAccount } from "../direct.ts";
import { formatTransfer } from "../progress.ts";
import { DIRECT_SETTINGS, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { checkTarget, STDOUT } from "../target_file.ts";
import { verb, withAccount } from "../verb.ts";

interface LoadFlags extends AccountFlags {
  readonly folder: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly sha256?: boolean;
  readonly allowDowngrade?: boolean;
}

interface Wanted {
  readonly folder: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly file: string;
}

interface Received {
  readonly sizeBytes: number;
  readonly elapsedMs: number;
  readonly sha256: string;
}

/** `tally load`: loads a resource into a file or to standard output. */
export function loadCommand(shell: Shell): Command {
  const command = verb("load", "Load a resource, decrypted, into a file or to standard output", [
    ["tally load yolo.onnx --folder models", "by the device service, into ./yolo.onnx"],
    ["tally load yolo.onnx --folder models -o /srv/yolo.onnx --force --sha256", "over an older file, with its digest"],
    ["tally load yolo.onnx --folder models -o - | sha256sum", "to standard output"],
    [
      "tally load yolo.onnx@1.4.2 --folder models",
      "a version of format v2, in place of the one that the origin chooses",
    ],
    ["tally load yolo.onnx@1.4.1 --folder models --allow-downgrade", "an older one than was used, as an administrator"],
    ["tally load yolo.onnx --folder models --email ada@example.com", "without a device service"],
  ]);
  command.argument("<name>", "name of the resource, or name@version")
    .option("--folder <folder>", "folder of the resource", "models")
    .option("-o, --output <file>", 'where to; "-" is standard output (default: ./NAME)')
    .option("--force", "replace the file if there is one")
    .option("--sha256", "show the SHA-256 of what was loaded")
    .option(
      "--allow-downgrade",
      "for administrators: also a version older than the one used before; stands in the audit trail",
    );
  withAccount(command, "load without a device service, signed in as this account for this one call");
  withSettings(command, ["deviceUrl"]);
  return withSettings(command, DIRECT_SETTINGS, "Settings with --email:")
    .action(async (name: string, flags: LoadFlags) => await load(shell, command, name, flags));
}

async function load(shell: Shell, command: Command, givenName: string, flags: LoadFlags): Promise<void> {
  const folder = parseName("folder", flags.folder);
  const [givenResource = "", version] = givenName.split(/@(.*)/s);
  const name = parseName("name", givenResource);
  const file = flags.output ?? name;
  await checkTarget(shell.output, file, flags.force ?? false);
  const wanted = { folder, name, version, file };
  const { sizeBytes, elapsedMs, sha256 } = flags.email === undefined
    ? await byDevice(shell, command, wanted, flags)
    : await bySelf(shell, command, wanted, flags, flags.email);
  const lines = [
    `Loaded ${folder}/${name} into ${file}: ${formatTransfer(sizeBytes, elapsedMs)}`,
    ...(flags.sha256 ? [`SHA-256 ${sha256}`] : []),
  ];
  if (file === STDOUT) return lines.forEach((line) => shell.output.note(line));
  shell.output.result({
    folder,
    name,
    ...(version === undefined ? {} : { version }),
    file,
    sizeBytes,
    elapsedMs,
    ...(flags.sha256 ? { sha256 } : {}),
  }, ...lines);
}

async function byDevice(
  shell: Shell,
  command: Command,
  wanted: Wanted,
  { allowDowngrade }: LoadFlags,
): Promise<Received> {
  const device = await connectDevice(shell, command);
  const { folder, name, version } = wanted;
  return await receive(shell, wanted, () => device.load(folder, name, { version, allowDowngrade }));
}

async function bySelf(
  shell: Shell,
  command: Command,
  wanted: Wanted,
  flags: LoadFlags,
  email: string,
): Promise<Received> {
  return await asAccount(
    shell,
    command,
    { flags, email, roles: flags.allowDowngrade ? DOWNGRADE_ROLES : READER_ROLES },
    (services) =>
      receive(shell, wanted, async () => {
        const { folder, name, version } = wanted;
        const { allowDowngrade } = flags;
        const found = await services.find({ folder, name, version, allowDowngrade, signal: shell.signal });
        if (allowDowngrade) await auditDowngrade(services, wanted, found.standing);
        return { ...await found.open(), sizeBytes: found.sizeBytes };
      }),
  );
}

/** Whether it turned out to be older or not: that the floor was lifted is what counts. */
async function auditDowngrade(
  { audit, session }: Services,
  { folder, name }: Wanted,
  { version, seq: versionSeq, floor: floorSeq }: Partial<VersionStanding> = {},
): Promise<void> {
  const { email: who, role } = session.user() ?? {};
  const found = { resource: `${folder}/${name}`, version, versionSeq, floorSeq };
  await audit.record({ action: "allow_downgrade", who, role, ...found, from: "local", result: "ok" });
}

async function receive(
  { io, output }: Shell,
  { name, file }: Wanted,
  open: () => Promise<LoadAnswer>,
): Promise<Received> {
  using progress = output.progress(`Loading ${name}`);
  const startMs = io.clock.now();
  const digest = createHash("sha256");
  const { body, sizeBytes: announcedBytes } = await open();
  let sizeBytes = 0;
  const counted = watched(body, {
    look(chunk) {
      digest.update(chunk);
      progress.update(sizeBytes += chunk.byteLength, announcedBytes);
    },
    end: () => checkSize(name, sizeBytes, announcedBytes),
  });
  await (file === STDOUT ? output.send(counted) : writeStream(file, counted));
  return { sizeBytes, elapsedMs: io.clock.now() - startMs, sha256: digest.digest("hex") };
}

function checkSize(name: string, sizeBytes: number, announcedBytes: number | undefined): void {
  if (announcedBytes === undefined || sizeBytes === announcedBytes) return;
  throw new IntegrityError(`Cannot load "${name}": ${sizeBytes} of ${announcedBytes} bytes came`);
}
