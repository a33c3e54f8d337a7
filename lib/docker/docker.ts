import type { ByteStream } from "../streams.ts";

/** An image as the engine knows it. */
export interface ImageFacts {
  /** `sha256:…` */
  readonly id: string;
  readonly tags: readonly string[];
  readonly architecture: string;
  readonly sizeBytes: number;
}

/** How an archive is loaded. */
export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Lines that the engine says while it loads, for a log. */
  readonly onMessage?: (line: string) => void;
}

/**
 * The part of a Docker engine that an unlock needs. Every call fails with `DockerError`, whose message says whether the
 * engine is away or what it refused; with `InterruptedError` when the signal was aborted.
 */
export interface ImageEngine {
  /** The engine's version; the cheapest proof that it answers. */
  version(signal?: AbortSignal): Promise<string>;
  /**
   * Feeds a `docker save` archive to the engine and resolves when the engine has said that all of it is loaded. When the
   * stream fails, the engine is cut off and never sees an orderly end, so that it tags nothing. The buffers of the
   * chunks are taken over, and their memory is given back as soon as the engine has them.
   */
  load(archive: ByteStream, options?: LoadOptions): Promise<void>;
  /** Facts of one image by `name:tag` or id; `undefined` when the engine has none. */
  inspect(reference: string, signal?: AbortSignal): Promise<ImageFacts | undefined>;
  /** All `name:tag` of the engine, sorted. */
  list(signal?: AbortSignal): Promise<string[]>;
}

/** An engine whose images can be removed as well; an unlock never does that. */
export interface RemovingEngine extends ImageEngine {
  /** Takes the names `name:tag` away, and with the last name of an image the image. */
  remove(references: readonly string[], signal?: AbortSignal): Promise<void>;
}
