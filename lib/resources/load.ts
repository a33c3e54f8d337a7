import type { ByteStream } from "../streams.ts";

/** Which resource. Both names have passed `parseName`. */
export interface LoadRequest {
  readonly folder: string;
  readonly name: string;
  readonly signal?: AbortSignal;
}

/** A resource on its way to the caller. Cancel the body when it is not read to its end. */
export interface LoadedResource {
  /** Plaintext. The last piece is held back until everything before it is known to be right; else the stream fails. */
  readonly body: ByteStream;
  readonly sizeBytes: number;
  /** Without quotes; changes with every published version. */
  readonly etag: string;
  /** Where the big part came from. */
  readonly source: "cache" | "cdn";
}

/** Loads a resource: small part from the API, big part from the cache or the CDN, decrypted as it streams. */
export type LoadResource = (request: LoadRequest) => Promise<LoadedResource>;
