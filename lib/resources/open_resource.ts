import type { ByteStream } from "../streams.ts";
import type { ResourceName } from "../cdn/cached.ts";
import type { LoadSource } from "../cdn/media.ts";

/** Which resource. Both names have passed `parseName`. */
export interface OpenRequest extends ResourceName {
  /** A version of format v2; without it, the one that the origin chooses. */
  readonly version?: string | undefined;
  /** An administrator asks for a version that is older than the one that was used; it is logged. */
  readonly allowDowngrade?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of a resource, and where they come from. */
export interface OpenBody {
  /** Plaintext; nothing leaves before it was checked. Cancel it when it is not read to its end. */
  readonly body: ByteStream;
  readonly source: LoadSource;
}

/** Which version of format v2 was found, and where it stands. */
export interface VersionStanding {
  readonly version: string;
  readonly seq: number;
  /** The highest `seq` that this device had used by then; 0 when it had used none. */
  readonly floor: number;
}

/** A resource that may be loaded. Close it when it is not opened. */
export interface OpenResource {
  readonly format: "v1" | "v2";
  /** Absent in format v1, which has no versions. */
  readonly standing?: VersionStanding | undefined;
  /** Size of the plaintext. */
  readonly sizeBytes: number;
  /** Without quotes; changes with every published version. */
  readonly etag: string;
  /** Whether {@link open} takes a range. */
  readonly hasRanges: boolean;
  /** All of it, or bytes `[start, end)`; called once. */
  open(range?: { readonly start: number; readonly end: number }): Promise<OpenBody>;
  close(): Promise<void>;
}

/** Finds a resource and checks all that can be checked before its bytes come. */
export type FindResource = (request: OpenRequest) => Promise<OpenResource>;
