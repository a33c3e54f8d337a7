import { createHash } from "node:crypto";
import { type Bytes, concat } from "../bytes.ts";
import { ConflictError, IntegrityError, NotFoundError, TooLargeError } from "../errors.ts";
import { type ByteStream, collect, consume } from "../streams.ts";
import { AtomicFile } from "../system/atomic_file.ts";
import { fileFacts, moveFile, openFile } from "../system/files.ts";
import { checkUpdate, digestOf, readHeader, type ShippedProgram, verifySums } from "./release.ts";

/** Opens the new file, or what lies beside it. */
export type OpenShipped = (beside?: "SHA256SUMS" | "SHA256SUMS.sig") => Promise<ByteStream>;

/** What is exchanged, and what is asked of the new file. */
export interface UpdateOptions {
  /** Path of the installed file. */
  readonly installed: string;
  /** Program and processor: `tally-device-aarch64`. */
  readonly name: string;
  readonly publicKeyPem: string;
  readonly allowDowngrade: boolean;
  readonly open: OpenShipped;
}

const UNVERIFIED_MODE = 0o700;
const EXECUTABLE_MODE = 0o755;
const HEAD_BYTES = 256;
const SUMS_LIMIT_BYTES = 64 * 1024;
const SIGNATURE_LIMIT_BYTES = 64;
const FILE_LIMIT_BYTES = 512 * 1024 * 1024;

/** Where the file that was exchanged last is kept. */
export function previousPath(installed: string): string {
  return `${installed}.previous`;
}

/**
 * What the installed file says of itself.
 * @throws {NotFoundError} when there is none; {ConflictError} when it is not of the launcher form
 */
export async function readInstalled(installed: string): Promise<ShippedProgram> {
  if (await fileFacts(installed) === undefined) {
    throw new NotFoundError(`There is no file "${installed}": install it with install.sh first`);
  }
  const found = readHeader(await collect(await openFile(installed, 0, HEAD_BYTES), HEAD_BYTES));
  if (found === undefined) throw new ConflictError(`"${installed}" does not say its version: exchange it by hand`);
  return found;
}

/**
 * Puts a new file in the place of the installed one, which stays beside it as {@link previousPath}. Signature, digest, name
 * and version are verified before; a kill at any moment leaves the old or the new file, whole.
 * @throws {IntegrityError} when the file is not the publisher's; {ConflictError} when it is older
 */
export async function installUpdate(options: UpdateOptions): Promise<ShippedProgram> {
  const { installed, name, publicKeyPem, allowDowngrade, open } = options;
  const { version: floor } = await readInstalled(installed);
  const sums = await collect(await open("SHA256SUMS"), SUMS_LIMIT_BYTES, "SHA256SUMS");
  const signature = await collect(await open("SHA256SUMS.sig"), SIGNATURE_LIMIT_BYTES, "SHA256SUMS.sig");
  await verifySums(sums, signature, publicKeyPem);
  const expected = digestOf(sums, name);
  using file = await AtomicFile.create(installed, UNVERIFIED_MODE);
  const { head, sha256 } = await receive(await open(), file);
  if (sha256 !== expected) throw new IntegrityError("The new file is not the one that the signed SHA256SUMS names");
  const program = checkUpdate(readHeader(head), { name, floor, allowDowngrade });
  await keepPrevious(installed);
  file.setMode(EXECUTABLE_MODE);
  await file.commit();
  return program;
}

/** Puts the previous file back. @throws {NotFoundError} when there is none */
export async function rollBack(installed: string): Promise<void> {
  const previous = previousPath(installed);
  if (await fileFacts(previous) === undefined) throw new NotFoundError(`There is no file "${previous}" to go back to`);
  await moveFile(previous, installed);
}

async function receive(stream: ByteStream, file: AtomicFile): Promise<{ head: Bytes; sha256: string }> {
  const hash = createHash("sha256");
  let head: Bytes = new Uint8Array(0);
  let left = FILE_LIMIT_BYTES;
  await consume(stream, (chunk) => {
    left -= chunk.byteLength;
    if (left < 0) throw new TooLargeError(`The new file is larger than ${FILE_LIMIT_BYTES} bytes`, FILE_LIMIT_BYTES);
    if (head.byteLength < HEAD_BYTES) head = concat(head, chunk.subarray(0, HEAD_BYTES - head.byteLength));
    hash.update(chunk);
    file.write(chunk);
  });
  return { head, sha256: hash.digest("hex") };
}

async function keepPrevious(installed: string): Promise<void> {
  using copy = await AtomicFile.create(previousPath(installed), UNVERIFIED_MODE);
  await consume(await openFile(installed), (chunk) => copy.write(chunk));
  copy.setMode(EXECUTABLE_MODE);
  await copy.commit();
}
