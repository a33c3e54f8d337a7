import { basename } from "node:path";
import { readPrivateKey, readPublicKey } from "../../lib/crypto/key_file.ts";
import type { SuiteName } from "../../lib/crypto/suites.ts";
import { UsageError } from "../../lib/errors.ts";
import { type SealedFiles, sealFiles } from "../../lib/resources/seal_files.ts";
import { ARCHITECTURE_LIMIT, ARCHITECTURE_PATTERN, VERSION_PATTERN } from "../../lib/split/manifest.ts";
import { publisherKey } from "../../lib/split/manifest_signature.ts";
import { parseName } from "../../lib/split/names.ts";
import type { SealRequest } from "../../lib/split/seal.ts";
import { isUser } from "../../lib/split/small_part_v2.ts";
import { type ByteStream, untilAborted, watched } from "../../lib/streams.ts";
import { openWholeFile } from "../../lib/system/files.ts";
import { expirySeconds } from "../expiry.ts";
import type { Progress } from "../output.ts";
import { formatTransfer } from "../progress.ts";
import type { Shell } from "../shell.ts";

/** What stands for standard input in the place of a file. */
const STDIN = "-";

/** What the command line of `tally seal` says. */
export interface SealFlags {
  readonly folder: string;
  readonly name?: string;
  readonly version: string;
  readonly publisherKey: string;
  readonly to: readonly string[];
  readonly out: string;
  readonly suite: SuiteName;
  readonly cekFile?: string;
  readonly recovery?: string;
  readonly seq?: string;
  readonly expires: string;
  readonly arch: readonly string[];
  readonly user: string;
}

/** Seals a file for devices, and tells what was written. @throws {UsageError} a flag is wrong */
export async function seal(shell: Shell, path: string, flags: SealFlags): Promise<void> {
  const { io, output } = shell;
  const startMs = io.clock.now();
  const resource = readResource(path, flags, Math.floor(startMs / 1000));
  if (flags.to.length === 0) throw new UsageError("Name at least one device with --to DEVICE.pub");
  if (!isUser(flags.user)) throw new UsageError(`"${flags.user}" is no name of a user that a grant can carry`);
  const publisher = await publisherKey(await readPrivateKey(flags.publisherKey, "Ed25519"));
  const devices = await Promise.all(flags.to.map((device) => readPublicKey(device, "X25519")));
  using progress = output.progress(`Sealing ${resource.name}`);
  const { sizeBytes, body } = path === STDIN ? { body: io.keyboard.readable() } : await openWholeFile(path);
  const source = counted(untilAborted(body, shell.signal), sizeBytes, progress);
  const { out, user, cekFile: contentKeyFile } = flags;
  const files = await sealFiles(source, { resource, publisher, devices, user, out, contentKeyFile });
  tell(shell, files, io.clock.now() - startMs);
}

function readResource(path: string, flags: SealFlags, nowSeconds: number): Omit<SealRequest, "contentKey"> {
  const { version, seq = String(nowSeconds), arch, suite, recovery } = flags;
  if (path === STDIN && flags.name === undefined) {
    throw new UsageError("Name what comes from standard input with --name");
  }
  if (!VERSION_PATTERN.test(version)) {
    throw new UsageError(`"${version}" is no version: letters, digits, ".", "_", "+", "-"`);
  }
  if (!/^\d{1,15}$/.test(seq)) throw new UsageError(`"${seq}" is no sequence number`);
  if (arch.length > ARCHITECTURE_LIMIT || !arch.every((name) => ARCHITECTURE_PATTERN.test(name))) {
    throw new UsageError(`Name at most ${ARCHITECTURE_LIMIT} architectures, such as amd64 and arm64`);
  }
  return {
    folder: parseName("folder", flags.folder),
    name: parseName("name", flags.name ?? basename(path)),
    ...{
      version,
      seq: Number(seq),
      iat: nowSeconds,
      exp: expirySeconds(flags.expires, nowSeconds),
      arch,
      suite,
      recovery,
    },
  };
}

function counted(body: ByteStream, totalBytes: number | undefined, progress: Progress): ByteStream {
  let doneBytes = 0;
  return watched(body, {
    look: (chunk) => progress.update(doneBytes += chunk.byteLength, totalBytes),
  });
}

function tell({ output }: Shell, { manifest, big, hashes, small }: SealedFiles, elapsedMs: number): void {
  const { folder, name, version, seq, suite, exp, plain } = manifest;
  const facts = { folder, name, version, seq, suite, exp, sizeBytes: plain.size, big, hashes, small, elapsedMs };
  output.result(
    facts,
    `Sealed ${folder}/${name} ${version} for ${small.length === 1 ? "one device" : `${small.length} devices`}: ${
      formatTransfer(plain.size, elapsedMs)
    }`,
    `Big part:   ${big}`,
    ...(hashes === undefined ? [] : [`Hash list:  ${hashes}`]),
    ...small.map(({ path }) => `Small part: ${path}`),
  );
}
