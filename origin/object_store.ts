import { createHash } from "node:crypto";
import { join } from "node:path";
import { ConflictError, IntegrityError, NotFoundError } from "../lib/errors.ts";
import { type ByteStream, consume } from "../lib/streams.ts";
import { AtomicFile } from "../lib/system/atomic_file.ts";
import { openFile, removeFile } from "../lib/system/files.ts";
import type { Span } from "../lib/http/byte_ranges.ts";
import { type Conditions, evaluate } from "../lib/http/precondition.ts";
import type { Row, State } from "./state.ts";

/** Where an object lies. Both names have been checked. */
export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

/** What is known of an object. */
export interface ObjectRecord {
  readonly sizeBytes: number;
  /** Another one for every write. Without quotes. */
  readonly etag: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Lower-case hex SHA-256 of the small part that belongs to it. */
  readonly pairedWith: string | undefined;
}

/** How an object is written. */
export interface WriteOptions {
  /** Lower-case hex SHA-256 that the bytes must have. */
  readonly expectedSha256?: string | undefined;
  readonly pairedWith?: string | undefined;
  readonly conditions?: Conditions;
}

const BLOB_ID_BYTES = 16;
const OPEN_ATTEMPTS = 5;

/**
 * Objects of the origin: every write is a file of its own under a random name, and a row that says which file is the
 * present one. The row is switched in one transaction after the file is durable, and the old file removed after that; so
 * at any moment an object is the old or the new one, and what a killed process leaves is swept at the next start.
 */
export class ObjectFolder {
  readonly #state: State;
  readonly #folder: string;

  constructor(state: State, folder: string) {
    this.#state = state;
    this.#folder = folder;
  }

  /** What is known of an object; `undefined` when there is none. */
  find({ bucket, key }: ObjectName): ObjectRecord | undefined {
    return recordOf(this.#state.get("SELECT * FROM objects WHERE bucket = ? AND key = ?", bucket, key));
  }

  /**
   * Bytes of an object, after `choose` has said which. When the object is replaced between look and open, it is asked again.
   * @throws {NotFoundError}
   */
  async open<T extends Span>(
    name: ObjectName,
    choose: (record: ObjectRecord) => T,
  ): Promise<{ readonly chosen: T; readonly body: ByteStream }> {
    for (let attempt = 1;; attempt++) {
      const record = this.find(name);
      if (record === undefined) {
        throw new NotFoundError(`There is no object "${name.key}" in the bucket "${name.bucket}"`);
      }
      const chosen = choose(record);
      try {
        return { chosen, body: await openFile(this.#path(record.etag), chosen.start, chosen.end) };
      } catch (error) {
        const replaced = error instanceof NotFoundError && this.find(name)?.etag !== record.etag;
        if (!replaced || attempt === OPEN_ATTEMPTS) {
          throw new Error(`The file of the object "${name.bucket}/${name.key}" cannot be opened`, { cause: error });
        }
      }
    }
  }

  /**
   * Writes or replaces an object.
   * @throws {IntegrityError} the bytes have another digest; {ConflictError} the conditions fail, before or after the body
   * came; and the errors of `body`. The object is then as it was.
   */
  async write(name: ObjectName, body: ByteStream, options: WriteOptions = {}): Promise<ObjectRecord> {
    this.#check(name, options);
    const etag = crypto.getRandomValues(new Uint8Array(BLOB_ID_BYTES)).toHex();
    const record = {
      ...await this.#writeBlob(etag, body, options.expectedSha256),
      etag,
      pairedWith: options.pairedWith,
    };
    try {
      const replaced = this.#state.transaction(() => this.#switch(name, record, options));
      if (replaced !== undefined) await removeFile(this.#path(replaced.etag));
      return record;
    } catch (error) {
      if (this.find(name)?.etag !== etag) await removeFile(this.#path(etag));
      throw error;
    }
  }

  /** Removes an object. Whether there was one. @throws {ConflictError} the conditions fail */
  async remove(name: ObjectName, conditions: Conditions = {}): Promise<boolean> {
    const record = this.#state.transaction(() => {
      this.#check(name, { conditions });
      const present = this.find(name);
      this.#state.run("DELETE FROM objects WHERE bucket = ? AND key = ?", name.bucket, name.key);
      return present;
    });
    if (record !== undefined) await removeFile(this.#path(record.etag));
    return record !== undefined;
  }

  /** Keys of a bucket, sorted. */
  list(bucket: string): { key: string; sizeBytes: number }[] {
    const rows = this.#state.all("SELECT key, size_bytes FROM objects WHERE bucket = ? ORDER BY key", bucket);
    return rows.map((row) => ({ key: String(row.key), sizeBytes: Number(row.size_bytes) }));
  }

  async #writeBlob(etag: string, body: ByteStream, expectedSha256: string | undefined) {
    using file = await AtomicFile.create(this.#path(etag));
    const hash = createHash("sha256");
    let sizeBytes = 0;
    await consume(body, (chunk) => {
      hash.update(chunk);
      file.write(chunk);
      sizeBytes += chunk.byteLength;
    });
    const sha256 = hash.digest("hex");
    if (expectedSha256 !== undefined && expectedSha256 !== sha256) {
      throw new IntegrityError("The body does not have the digest that came with it");
    }
    await file.commit();
    return { sizeBytes, sha256 };
  }

  /** Makes `record` the present one and returns the one before it. */
  #switch({ bucket, key }: ObjectName, record: ObjectRecord, options: WriteOptions): ObjectRecord | undefined {
    this.#check({ bucket, key }, options);
    const replaced = this.find({ bucket, key });
    this.#state.run(
      `INSERT INTO objects (bucket, key, blob, size_bytes, sha256, paired_with) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (bucket, key) DO UPDATE SET blob = excluded.blob, size_bytes = excluded.size_bytes,
         sha256 = excluded.sha256, paired_with = excluded.paired_with`,
      bucket,
      key,
      record.etag,
      record.sizeBytes,
      record.sha256,
      record.pairedWith ?? null,
    );
    return replaced;
  }

  #check(name: ObjectName, { conditions = {} }: WriteOptions): void {
    if (evaluate(conditions, this.find(name)?.etag, "failed") === "proceed") return;
    throw new ConflictError("The object is not in the state that the request names");
  }

  #path(blob: string): string {
    return join(this.#folder, blob);
  }
}

function recordOf(row: Row | undefined): ObjectRecord | undefined {
  if (row === undefined) return undefined;
  return {
    sizeBytes: Number(row.size_bytes),
    etag: String(row.blob),
    sha256: String(row.sha256),
    pairedWith: row.paired_with === null ? undefined : String(row.paired_with),
  };
}
