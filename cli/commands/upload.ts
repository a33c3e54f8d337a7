import { basename } from "node:path";
import type { Command } from "commander";
import { UPLOADER_ROLES } from "../../lib/auth/roles.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { NotFoundError, UsageError } from "../../lib/errors.ts";
import { parseName } from "../../lib/split/names.ts";
import { type ByteStream, watched } from "../../lib/streams.ts";
import { openFile } from "../../lib/system/files.ts";
import { connectDevice } from "../device.ts";
import { type AccountFlags, asAccount } from "../direct.ts";
import { formatTransfer } from "../progress.ts";
import { DIRECT_SETTINGS, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb, withAccount } from "../verb.ts";

interface UploadFlags extends AccountFlags {
  readonly folder: string;
  readonly name?: string;
  readonly resourceFormat?: string;
}

interface Source {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
  readonly sizeBytes: number;
}

interface Sent {
  readonly elapsedMs: number;
  /** Of the resource: `v1` or `v2`. */
  readonly format: string;
}

/** `tally upload`: encrypts, splits and publishes a file. */
export function uploadCommand(shell: Shell): Command {
  const command = verb("upload", "Encrypt, split and publish a file as a resource", [
    ["tally upload yolo.onnx --folder models", "as models/yolo.onnx, by the device service"],
    ["tally upload build/out.bin --folder models --name yolo.onnx", "under another name"],
    ["tally upload yolo.onnx --folder models --email ada@example.com", "without a device service"],
  ]);
  command.argument("<file>", "file to publish")
    .option("--folder <folder>", "folder of the resource", "models")
    .option("--name <name>", "name of the resource (default: the file's)");
  withAccount(command, "publish without a device service, signed in as this account for this one call");
  withSettings(command, ["deviceUrl"]);
  return withSettings(command, DIRECT_SETTINGS, "Settings with --email:")
    .action(async (file: string, flags: UploadFlags) => await upload(shell, command, file, flags));
}

async function upload(shell: Shell, command: Command, path: string, flags: UploadFlags): Promise<void> {
  const folder = parseName("folder", flags.folder);
  const name = parseName("name", flags.name ?? basename(path));
  if (flags.resourceFormat !== undefined && flags.email === undefined) {
    throw new UsageError(
      "The device service publishes in the format of its own settings: --resource-format goes with --email",
    );
  }
  const source = { path, folder, name, sizeBytes: await regularFileSize(path) };
  const { elapsedMs, format } = flags.email === undefined
    ? await byDevice(shell, command, source)
    : await bySelf(shell, command, source, flags, flags.email);
  shell.output.result(
    { folder, name, sizeBytes: source.sizeBytes, elapsedMs, format },
    `Published ${folder}/${name}: ${formatTransfer(source.sizeBytes, elapsedMs)}, in format ${format}`,
  );
}

async function byDevice(shell: Shell, command: Command, { path, ...target }: Source): Promise<Sent> {
  const device = await connectDevice(shell, command);
  return await send(shell, { path, ...target }, (data) => device.upload({ ...target, data }));
}

async function bySelf(
  shell: Shell,
  command: Command,
  source: Source,
  flags: AccountFlags,
  email: string,
): Promise<Sent> {
  const { folder, name } = source;
  const { signal } = shell;
  return await asAccount(
    shell,
    command,
    { flags, email, roles: UPLOADER_ROLES },
    ({ stage }) =>
      send(shell, source, async (data) => {
        using staged = await stage(data, { signal });
        await staged.publish({ folder, name, signal });
        return staged.format;
      }),
  );
}

/** Hands the file over with a progress display. */
async function send(
  { io, output }: Shell,
  { path, name, sizeBytes }: Source,
  publish: (data: ByteStream) => Promise<string>,
): Promise<Sent> {
  using progress = output.progress(`Uploading ${name}`);
  const startMs = io.clock.now();
  let sentBytes = 0;
  const look = (chunk: Bytes) => progress.update(sentBytes += chunk.byteLength, sizeBytes);
  const format = await publish(watched(await openFile(path), { look }));
  return { elapsedMs: io.clock.now() - startMs, format };
}

async function regularFileSize(path: string): Promise<number> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isFile) return info.size;
  throw new NotFoundError(
    `Cannot upload "${path}": ${info === undefined ? "there is no such file" : "it is not a file"}`,
  );
}
