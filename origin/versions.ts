import { ConflictError, NotFoundError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import { BusinessError } from "./business_error.ts";
import type { ContentKeys, WrappedKey } from "./content_keys.ts";
import type { Row, State } from "./state.ts";

/** Which resource. Both names have been checked. */
export interface ResourceRef {
  readonly folder: string;
  readonly name: string;
}

/** A version as it was published. */
export interface Version extends ResourceRef {
  readonly version: string;
  readonly seq: number;
  /** The publisher's JWS. */
  readonly manifest: string;
  /** Lower-case hex SHA-256 of the manifest's payload. */
  readonly payloadSha256: string;
  /** When the manifest expires, in seconds since 1970. */
  readonly expiresSeconds: number;
  /** Name of the big part in the bucket `folder`. */
  readonly bigKey: string;
  /** Size of the plaintext. */
  readonly plainBytes: number;
  readonly contentKey: WrappedKey;
}

/** A version and what became of it. */
export interface PublishedVersion extends Version {
  readonly publishedMs: number;
  /** E-mail address of the account that sent it. */
  readonly publishedBy: string;
  readonly withdrawnMs: number | undefined;
  /** This one is given to devices that name no version, whatever is newer. */
  readonly pinned: boolean;
}

const SELECT = `SELECT v.*, p.version IS NOT NULL AS pinned FROM resource_versions v
  LEFT JOIN resource_pins p ON p.folder = v.folder AND p.name = v.name AND p.version = v.version`;

/** The published versions of all resources. A version never changes; it can only be withdrawn. */
export class Versions {
  readonly #state: State;
  readonly #contentKeys: ContentKeys;
  readonly #clock: Clock;

  constructor({ state, contentKeys, clock }: { state: State; contentKeys: ContentKeys; clock: Clock }) {
    this.#state = state;
    this.#contentKeys = contentKeys;
    this.#clock = clock;
  }

  /**
   * Adds a version. The same manifest once more changes nothing, so that a publisher may repeat its call.
   * @throws {BusinessError} SequenceNotNewer, VersionExists; {ConflictError} the master key was rotated meanwhile
   */
  add(version: Version, publishedBy: string): "added" | "present" {
    return this.#state.transaction(() => {
      const known = this.#find(version, version.version);
      if (known?.payloadSha256 === version.payloadSha256) return "present";
      if (known !== undefined) {
        throw new BusinessError("VersionExists", `There is another manifest of the version "${version.version}"`);
      }
      this.#requireNewer(version);
      if (!this.#contentKeys.isPresent(version.contentKey.masterId)) {
        throw new ConflictError("The master key was rotated in this moment: publish again");
      }
      this.#insert(version, publishedBy);
      return "added";
    });
  }

  /** The version that a device gets: the one it names, else the pinned one, else that of the highest `seq`. @throws {NotFoundError} */
  current(resource: ResourceRef, version?: string): PublishedVersion {
    const { folder, name } = resource;
    const found = version === undefined
      ? this.#first(
        `${SELECT} WHERE v.folder = ? AND v.name = ? AND v.withdrawn_ms IS NULL
          ORDER BY pinned DESC, v.seq DESC LIMIT 1`,
        [folder, name],
      )
      : this.#find(resource, version);
    if (found !== undefined && found.withdrawnMs === undefined) return found;
    const of = version === undefined ? "" : ` of the version "${version}"`;
    throw new NotFoundError(`There is no resource "${folder}/${name}"${of} in format v2`);
  }

  /** All versions of a resource, or of all, the newest first. */
  list(resource?: ResourceRef): PublishedVersion[] {
    const rows = resource === undefined
      ? this.#state.all(`${SELECT} ORDER BY v.folder, v.name, v.seq DESC`)
      : this.#state.all(
        `${SELECT} WHERE v.folder = ? AND v.name = ? ORDER BY v.seq DESC`,
        resource.folder,
        resource.name,
      );
    return rows.map(versionOf);
  }

  /** Gives this version to all that name none. @throws {NotFoundError} */
  pin(resource: ResourceRef, version: string): void {
    this.#state.transaction(() => {
      const { folder, name } = this.current(resource, version);
      this.unpin(resource);
      this.#state.run("INSERT INTO resource_pins (folder, name, version) VALUES (?, ?, ?)", folder, name, version);
    });
  }

  /** Lets the newest version count again. No error when none is pinned. */
  unpin({ folder, name }: ResourceRef): void {
    this.#state.run("DELETE FROM resource_pins WHERE folder = ? AND name = ?", folder, name);
  }

  /** Gives a version to nobody any more; it stays in the list, and its big part in the CDN. @throws {NotFoundError} */
  withdraw(resource: ResourceRef, version: string): void {
    this.#state.transaction(() => {
      const { folder, name } = this.current(resource, version);
      this.#state.run("DELETE FROM resource_pins WHERE folder = ? AND name = ? AND version = ?", folder, name, version);
      this.#state.run(
        "UPDATE resource_versions SET withdrawn_ms = ? WHERE folder = ? AND name = ? AND version = ?",
        this.#clock.now(),
        folder,
        name,
        version,
      );
    });
  }

  #find({ folder, name }: ResourceRef, version: string): PublishedVersion | undefined {
    return this.#first(`${SELECT} WHERE v.folder = ? AND v.name = ? AND v.version = ?`, [folder, name, version]);
  }

  #first(sql: string, values: string[]): PublishedVersion | undefined {
    const row = this.#state.get(sql, ...values);
    return row && versionOf(row);
  }

  #requireNewer({ folder, name, seq }: Version): void {
    const row = this.#state.get(
      "SELECT max(seq) AS seq FROM resource_versions WHERE folder = ? AND name = ?",
      folder,
      name,
    );
    if (row?.seq === null || Number(row?.seq) < seq) return;
    throw new BusinessError(
      "SequenceNotNewer",
      `The manifest of "${folder}/${name}" has seq ${seq}, and ${Number(row?.seq)} is published already`,
    );
  }

  #insert(version: Version, publishedBy: string): void {
    this.#state.run(
      `INSERT INTO resource_versions (folder, name, version, seq, manifest, payload_sha256, expires_s, big_key, plain_bytes,
         wrapped_cek, master_id, published_ms, published_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      version.folder,
      version.name,
      version.version,
      version.seq,
      version.manifest,
      version.payloadSha256,
      version.expiresSeconds,
      version.bigKey,
      version.plainBytes,
      version.contentKey.wrapped,
      version.contentKey.masterId,
      this.#clock.now(),
      publishedBy,
    );
  }
}

function versionOf(row: Row): PublishedVersion {
  return {
    folder: String(row.folder),
    name: String(row.name),
    version: String(row.version),
    seq: Number(row.seq),
    manifest: String(row.manifest),
    payloadSha256: String(row.payload_sha256),
    expiresSeconds: Number(row.expires_s),
    bigKey: String(row.big_key),
    plainBytes: Number(row.plain_bytes),
    contentKey: { wrapped: new Uint8Array(row.wrapped_cek as Uint8Array), masterId: String(row.master_id) },
    publishedMs: Number(row.published_ms),
    publishedBy: String(row.published_by),
    withdrawnMs: row.withdrawn_ms === null ? undefined : Number(row.withdrawn_ms),
    pinned: row.pinned === 1,
  };
}
