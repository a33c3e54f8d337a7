import { createHash } from "node:crypto";
import { z } from "zod";
import { type Bytes, utf8 } from "../lib/bytes.ts";
import { paddedSize, TAR_BLOCK_BYTES, tarEnd } from "../lib/docker/tar.ts";
import { ConfigurationError, IntegrityError, InvalidInputError } from "../lib/errors.ts";
import { parseFolder, parsePartName } from "./resource_names.ts";
import { EMPTY_FOLDER } from "./resource_store.ts";
import { DATABASE_NAME } from "./state.ts";

/** One file of an origin in a backup. */
export interface BackupFile {
  /** Where it lies in the data folder, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** What a backup says of itself. */
export interface BackupManifest {
  readonly createdMs: number;
  /** In the order of the archive; the database is the last. */
  readonly files: readonly BackupFile[];
}

/** Largest manifest: about half a million files. */
export const MANIFEST_LIMIT_BYTES = 64 * 1024 ** 2;

const FORMAT = "tallystick-origin-backup";
const FORMAT_VERSION = 1;
const MANIFEST_NAME = /^manifest-([0-9a-f]{64})\.json$/;

const hexDigest = z.string().regex(/^[0-9a-f]{64}$/);
const manifestSchema = z.object({
  format: z.literal(FORMAT),
  version: z.int(),
  createdMs: z.int(),
  files: z.array(z.object({ path: z.string(), sizeBytes: z.int().min(0), sha256: hexDigest })),
});

/** The bytes of a manifest. */
export function encodeManifest({ createdMs, files }: BackupManifest): Bytes {
  return utf8(JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, createdMs, files }));
}

/** Name of the manifest's entry, which carries its digest: the archive's first. */
export function manifestEntryName(manifest: Bytes): string {
  return `manifest-${createHash("sha256").update(manifest).digest("hex")}.json`;
}

/** Whether an entry can be a manifest at all. */
export function isManifestEntryName(name: string): boolean {
  return MANIFEST_NAME.test(name);
}

/** Name of the entry of any other file: `sha256sum` and `tar` are enough to check it. */
export function fileEntryName({ sha256 }: BackupFile): string {
  return `sha256/${sha256}`;
}

/** Bytes of the whole archive. */
export function archiveSize(manifest: Bytes, files: readonly BackupFile[]): number {
  const contents = [manifest.byteLength, ...files.map(({ sizeBytes }) => sizeBytes)];
  return contents.reduce((sum, size) => sum + TAR_BLOCK_BYTES + paddedSize(size), tarEnd().byteLength);
}

/**
 * Reads a manifest whose digest has been checked.
 * @throws {ConfigurationError} a newer program wrote it; {IntegrityError} it is none, or names a file that no origin has
 */
export function parseManifest(manifest: Bytes): BackupManifest {
  const parsed = manifestSchema.safeParse(jsonOf(manifest));
  if (!parsed.success) throw wrongManifest(parsed.error);
  const { version, createdMs, files } = parsed.data;
  if (version > FORMAT_VERSION) {
    throw new ConfigurationError([`The backup was made by a newer version of Tallystick (format ${version})`]);
  }
  const paths = files.map(({ path }) => path);
  if (new Set(paths).size !== paths.length || paths.at(-1) !== DATABASE_NAME) throw wrongManifest();
  paths.slice(0, -1).forEach(checkPath);
  return { createdMs, files };
}

function jsonOf(manifest: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(manifest));
  } catch (error) {
    throw wrongManifest(error);
  }
}

/** What the archive says must not lead out of the data folder, nor to a file that the origin does not expect. */
function checkPath(path: string): void {
  if (/^objects\/[0-9a-f]{32}$/.test(path)) return;
  const [root, folder = "", name = "", ...rest] = path.split("/");
  if (root !== "resources" || folder === "" || rest.length > 0) throw wrongManifest();
  try {
    parseFolder(folder === EMPTY_FOLDER ? "" : folder);
    parsePartName("name", name);
  } catch (error) {
    throw error instanceof InvalidInputError ? wrongManifest(error) : error;
  }
}

function wrongManifest(cause?: unknown): IntegrityError {
  return new IntegrityError("The manifest of the backup is not one of an origin", { cause });
}
