import { join } from "node:path";
import { type Bytes, concat } from "../bytes.ts";

/** What the kernel tells under `/proc` and `/sys`; nothing there that we want is larger. */
const READ_LIMIT_BYTES = 64 * 1024;

/**
 * The kernel's files under a root folder: `/` on a machine, another folder for a copy or a bind mount of it. What is
 * missing or cannot be read is empty, never a failure.
 *
 * @throws {Deno.errors.NotCapable} from every call when this process may not read there at all: that is a wrong set of
 * permissions, not a missing fact
 */
export class SystemTree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The first 64 KiB of a file; empty when there is none. */
  async bytes(path: string): Promise<Bytes> {
    return await orWhenMissing(() => readStart(join(this.#root, path)), () => new Uint8Array(0));
  }

  /** The same as text without control characters but line feeds, and without space around it. */
  async text(path: string): Promise<string> {
    return printable(await this.bytes(path));
  }

  /** The words of a NUL-separated list, as the device tree has them. */
  async words(path: string): Promise<string[]> {
    const text = new TextDecoder().decode(await this.bytes(path));
    return text.split("\0").filter((word) => word !== "");
  }

  /** Names in a folder, sorted; none when there is no such folder. */
  async names(path: string): Promise<string[]> {
    return await orWhenMissing(async () => {
      const entries = await Array.fromAsync(Deno.readDir(join(this.#root, path)));
      return entries.map(({ name }) => name).sort();
    }, () => []);
  }

  /** Where a symbolic link points, as it is written; empty when it is none. */
  async linkTarget(path: string): Promise<string> {
    return await orWhenMissing(() => Deno.readLink(join(this.#root, path)), () => "");
  }
}

/** Text of a fact: UTF-8, without control characters but line feeds, and without space around it. */
export function printable(bytes: Uint8Array): string {
  // deno-lint-ignore no-control-regex -- they are what is removed
  return new TextDecoder().decode(bytes).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "").trim();
}

async function readStart(path: string): Promise<Bytes> {
  using file = await Deno.open(path, { read: true });
  const parts: Bytes[] = [];
  for (let left = READ_LIMIT_BYTES; left > 0;) {
    const buffer = new Uint8Array(left);
    const count = await file.read(buffer);
    if (count === null) break;
    parts.push(buffer.subarray(0, count));
    left -= count;
  }
  return concat(...parts);
}

async function orWhenMissing<T>(read: () => Promise<T>, missing: () => T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return missing(); // not there, or one of the many ways in which a driver refuses (EACCES, EIO, ENODATA, …)
  }
}
