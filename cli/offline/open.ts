import { dirname } from "node:path";
import { deviceKey } from "../../lib/crypto/grant.ts";
import { readPrivateKey, readPublicKey } from "../../lib/crypto/key_file.ts";
import { UsageError } from "../../lib/errors.ts";
import { type KeySource, openFiles } from "../../lib/resources/open_files.ts";
import { trustStore } from "../../lib/split/manifest_signature.ts";
import type { ManifestRules } from "../../lib/split/open_small_part.ts";
import { type ByteStream, watched } from "../../lib/streams.ts";
import { sweepPartialFiles, writeStream } from "../../lib/system/atomic_file.ts";
import { formatTransfer } from "../progress.ts";
import type { Shell } from "../shell.ts";
import { checkTarget, STDOUT } from "../target_file.ts";

/** What the command line of `tally open` says. */
export interface OpenFlags {
  readonly small: string;
  readonly big: string;
  readonly hashes?: string;
  readonly deviceKey?: string;
  readonly cekFile?: string;
  readonly publisherKey: readonly string[];
  readonly user?: string;
  readonly folder?: string;
  readonly name?: string;
  readonly version?: string;
  readonly minSeq: string;
  readonly arch?: string;
  readonly out?: string;
  readonly force?: true;
}

/** Names of Go and Docker for what Deno calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Opens files, and tells into which; nothing is left when a check fails. @throws {UsageError} a flag is wrong; {IntegrityError} */
export async function open({ io, output, signal }: Shell, flags: OpenFlags): Promise<void> {
  const startMs = io.clock.now();
  const { small, big, hashes = `${big}.hashes`, out, force = false } = flags;
  if (out !== undefined) await checkTarget(output, out, force);
  const rules = await readRules(flags, Math.floor(startMs / 1000));
  const key = await readKey(flags);
  const { manifest, plain } = await openFiles({ small, big, hashes, key, rules, checksContent: out === STDOUT });
  const file = out ?? manifest.name;
  if (out === undefined) await checkTarget(output, file, force).catch((error) => giveUp(plain, error));
  using progress = output.progress(`Opening ${manifest.name}`);
  let sizeBytes = 0;
  const counted = watched(plain, {
    look(chunk) {
      signal.throwIfAborted();
      progress.update(sizeBytes += chunk.byteLength, manifest.plain.size);
    },
  });
  await (file === STDOUT ? output.send(counted) : writeWhole(file, counted));
  const { folder, name, version, seq } = manifest;
  const elapsedMs = io.clock.now() - startMs;
  const line = `Opened ${folder}/${name} ${version} into ${file}: ${formatTransfer(sizeBytes, elapsedMs)}`;
  if (file === STDOUT) return output.note(line);
  output.result({ folder, name, version, seq, file, sizeBytes, elapsedMs }, line);
}

async function writeWhole(file: string, plain: ByteStream): Promise<void> {
  await sweepPartialFiles(dirname(file)); // of a process that was killed while it opened
  await writeStream(file, plain);
}

async function giveUp(plain: ByteStream, reason: unknown): Promise<never> {
  await plain.cancel(reason);
  throw reason;
}

async function readRules(flags: OpenFlags, nowSeconds: number): Promise<ManifestRules> {
  const { publisherKey, folder, name, version, minSeq, arch = ARCHITECTURES[Deno.build.arch] } = flags;
  if (publisherKey.length === 0) throw new UsageError("Name at least one publisher with --publisher-key F.pub");
  if (!/^\d{1,15}$/.test(minSeq)) throw new UsageError(`"${minSeq}" is no sequence number`);
  return {
    trust: await trustStore(await Promise.all(publisherKey.map((path) => readPublicKey(path, "Ed25519")))),
    ...{ nowSeconds, seqFloor: Number(minSeq), architecture: arch },
    wanted: {
      ...(folder === undefined ? {} : { folder }),
      ...(name === undefined ? {} : { name }),
      ...(version === undefined ? {} : { version }),
    },
  };
}

async function readKey({ deviceKey: path, cekFile, user }: OpenFlags): Promise<KeySource> {
  if ((path === undefined) === (cekFile === undefined)) {
    throw new UsageError("Say what opens it: --device-key FILE, or --cek-file FILE");
  }
  if (cekFile !== undefined) return { contentKeyFile: cekFile };
  return { device: await deviceKey(await readPrivateKey(path ?? "", "X25519")), user };
}
