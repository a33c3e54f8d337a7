import type { ByteStream } from "../streams.ts";

/** Where a staged resource is published. Both names have passed `parseName`. */
export interface PublishRequest {
  readonly folder: string;
  readonly name: string;
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What was published. */
export interface PublishedResource {
  /** Size of the plaintext. */
  readonly sizeBytes: number;
  readonly smallBytes: number;
  readonly bigBytes: number;
}

/** An encrypted and cut resource that waits on disk (as ciphertext) for its name. Dispose it: what was not published is removed. */
export interface StagedUpload extends Disposable {
  publish(request: PublishRequest): Promise<PublishedResource>;
}

/** Reads a plaintext stream to its end, encrypts and cuts it. The name may come later: in a form it may follow the data. */
export type StageUpload = (data: ByteStream, options?: { signal?: AbortSignal }) => Promise<StagedUpload>;
