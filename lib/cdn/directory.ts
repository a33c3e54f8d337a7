import { join } from "node:path";
import type { DirectoryCdnSettings } from "../config/cdn_file.ts";
import {
  DiskFailedError,
  IntegrityError,
  InterruptedError,
  NotAllowedError,
  NotFoundError,
  TallyError,
  UnavailableError,
} from "../errors.ts";
import type { Span } from "../http/byte_ranges.ts";
import { type ByteStream, byteStream, consume } from "../streams.ts";
import { AtomicFile, sweepPartialFiles } from "../system/atomic_file.ts";
import { ensureFolder, fileFacts, listFiles, removeFile } from "../system/files.ts";
import { changed } from "./answer.ts";
import { checkObjectName } from "./object_name.ts";
import { resolveRange } from "./range.ts";
import type { ByteSource, GetOptions, ObjectFacts, ObjectStore, PutOptions, StoredObject } from "./store.ts";

const READ_SIZE_BYTES = 256 * 1024;
/** A stick or share is there for other machines and users, and holds ciphertext only. */
const SHARED_FILE_MODE = 0o644;
const SHARED_FOLDER_MODE = 0o755;

interface OpenedObject {
  readonly file: Deno.FsFile;
  readonly facts: ObjectFacts;
}

/**
 * Big parts in a folder (USB stick, network share), at `<root>/<bucket>/<key>`. Symbolic links below the root are not
 * followed. The root is never made: a stick that is not plugged in makes every call fail with `UnavailableError`.
 * Digests and pairings are not kept; the ETag is made of size, time and inode.
 */
export class DirectoryStore implements ObjectStore {
  readonly #root: string;

  constructor({ path }: DirectoryCdnSettings) {
    this.#root = path;
  }

  async head(bucket: string, key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> {
    checkAbort(signal);
    const opened = await this.#open(bucket, key);
    opened?.file.close();
    return opened?.facts;
  }

  async get(bucket: string, key: string, options: GetOptions = {}): Promise<StoredObject> {
    const { range, ifMatch, signal } = options;
    checkAbort(signal);
    resolveRange(range, 0); // a wrong range is refused before anything is open
    const opened = await this.#open(bucket, key);
    if (opened === undefined) throw new NotFoundError(`Cannot read "${bucket}/${key}": there is no such file`);
    const { file, facts: { etag, sizeBytes: totalBytes } } = opened;
    if (ifMatch !== undefined && ifMatch !== etag) {
      file.close();
      throw changed(`"${bucket}/${key}"`);
    }
    const span = resolveRange(range, totalBytes);
    return { body: bodyOf(file, span, signal), sizeBytes: span.end - span.start, totalBytes, etag };
  }

  async put(bucket: string, key: string, source: ByteSource, options: PutOptions = {}): Promise<ObjectFacts> {
    const { onProgress, signal } = options;
    checkAbort(signal);
    const folder = await this.#writableFolder(bucket);
    checkObjectName("key", key);
    try {
      await sweepPartialFiles(folder); // of uploads that were killed
      using file = await AtomicFile.create(join(folder, key), SHARED_FILE_MODE);
      let sentBytes = 0;
      await consume(await source.open(), (chunk) => {
        checkAbort(signal);
        file.write(chunk);
        sentBytes += chunk.byteLength;
        onProgress?.(sentBytes);
      });
      if (sentBytes !== source.sizeBytes) throw new IntegrityError(`The source of "${bucket}/${key}" was cut short`);
      await file.commit();
    } catch (error) {
      throw translate(error, `write "${bucket}/${key}"`);
    }
    return await this.head(bucket, key) ?? gone(bucket, key);
  }

  async delete(bucket: string, key: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    checkAbort(signal);
    const folder = await this.#folder(bucket);
    checkObjectName("key", key);
    if (folder === undefined) return;
    try {
      await removeFile(join(folder, key));
    } catch (error) {
      throw translate(error, `remove "${bucket}/${key}"`);
    }
  }

  async *list(
    bucket: string,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncIterable<{ key: string; sizeBytes: number }> {
    const folder = await this.#folder(bucket);
    if (folder === undefined) return;
    for (const key of await listFiles(folder)) {
      checkAbort(signal);
      const facts = key.startsWith(".") ? undefined : await fileFacts(join(folder, key));
      if (facts !== undefined) yield { key, sizeBytes: facts.sizeBytes };
    }
  }

  /** Opens first and looks then, so that facts and bytes are of the same file whatever happens to the name. */
  async #open(bucket: string, key: string): Promise<OpenedObject | undefined> {
    const folder = await this.#folder(bucket);
    checkObjectName("key", key);
    if (folder === undefined) return undefined;
    const path = join(folder, key);
    if (await fileFacts(path) === undefined) return undefined; // a pipe would block when it is opened
    const file = await openOrNone(path, `read "${bucket}/${key}"`);
    if (file === undefined) return undefined;
    const [opened, named] = await Promise.all([file.stat(), Deno.lstat(path).catch(() => undefined)]);
    if (named?.isFile && named.ino === opened.ino && named.dev === opened.dev) return { file, facts: factsOf(opened) };
    file.close(); // a link, or replaced in this moment
    return undefined;
  }

  /** Real path of a bucket; `undefined` when there is none, or what has its name leads elsewhere. */
  async #folder(bucket: string): Promise<string | undefined> {
    checkObjectName("bucket", bucket);
    const root = await this.#realRoot();
    const path = join(root, bucket);
    try {
      if (await Deno.realPath(path) !== path) return undefined;
      return (await Deno.lstat(path)).isDirectory ? path : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw translate(error, `open "${bucket}"`);
    }
  }

  async #writableFolder(bucket: string): Promise<string> {
    checkObjectName("bucket", bucket);
    try {
      await ensureFolder(join(await this.#realRoot(), bucket), SHARED_FOLDER_MODE);
    } catch (error) {
      throw translate(error, `make the folder "${bucket}"`);
    }
    const folder = await this.#folder(bucket);
    if (folder !== undefined) return folder;
    throw new NotAllowedError(`Cannot write to "${bucket}": it leads out of the CDN folder`);
  }

  async #realRoot(): Promise<string> {
    try {
      return await Deno.realPath(this.#root);
    } catch (error) {
      throw translate(error, `open the CDN folder "${this.#root}"`);
    }
  }
}

async function openOrNone(path: string, action: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw translate(error, action);
  }
}

function factsOf({ size, mtime, ino }: Deno.FileInfo): ObjectFacts {
  const etag = [size, mtime?.getTime() ?? 0, ino ?? 0].map((number) => number.toString(16)).join("-");
  return { sizeBytes: size, etag, digests: {} };
}

function bodyOf(file: Deno.FsFile, { start, end }: Span, signal: AbortSignal | undefined): ByteStream {
  let position = start;
  return byteStream(async () => {
    checkAbort(signal);
    if (position === end) return void file.close();
    if (position === start) await file.seek(start, Deno.SeekMode.Start);
    const buffer = new Uint8Array(Math.min(READ_SIZE_BYTES, end - position));
    const count = await file.read(buffer).catch((error) => Promise.reject(translate(error, "read on")));
    if (count === null) throw new UnavailableError("CDN", "A file in the CDN folder became shorter while it was read");
    position += count;
    return buffer.subarray(0, count);
  }, () => file.close());
}

function checkAbort(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError();
}

function gone(bucket: string, key: string): never {
  throw new UnavailableError("CDN", `"${bucket}/${key}" vanished from the CDN folder right after it was written`);
}

/** A medium that was pulled out or a share that went away gives many different errors: all mean that it is not there. */
function translate(error: unknown, action: string): unknown {
  if (error instanceof DiskFailedError) return translate(error.cause, action); // the CDN's disk, not ours
  if (error instanceof TallyError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (error instanceof Deno.errors.PermissionDenied || code === "EROFS") {
    return new NotAllowedError(`Cannot ${action}: the folder may not be used in this way`, { cause: error });
  }
  if (code === undefined) return error;
  return new UnavailableError("CDN", `Cannot ${action}: the folder is not there or cannot be read`, { cause: error });
}
