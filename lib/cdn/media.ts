import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DirectoryStore } from "./directory.ts";
import type { ObjectFacts, ObjectStore } from "./store.ts";

/** An object on a medium. */
export interface OnMedium {
  readonly store: ObjectStore;
  readonly facts: ObjectFacts;
}

/** Which object, and how large it must be. */
export interface MediumQuery {
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number;
}

/** Where a load came from. */
export type LoadSource = "cache" | "media" | "cdn";

/**
 * Folders (USB sticks, shares) that are looked into before the CDN, laid out as a CDN folder is. They may be pulled out and be
 * anybody's: nothing on them is believed, and one that is not there is passed over.
 */
export class Media {
  readonly #stores: readonly ObjectStore[];
  readonly #log: Logger;

  constructor(folders: readonly string[], log: Logger) {
    this.#stores = folders.map((path) => new DirectoryStore({ kind: "directory", path }));
    this.#log = log;
  }

  /** Whether there is any folder to look into. */
  get hasFolders(): boolean {
    return this.#stores.length > 0;
  }

  /** The objects of this name and size, in the order of the folders. */
  async find({ bucket, key, sizeBytes }: MediumQuery): Promise<OnMedium[]> {
    const found: OnMedium[] = [];
    for (const store of this.#stores) {
      try {
        const facts = await store.head(bucket, key);
        if (facts?.sizeBytes === sizeBytes) found.push({ store, facts });
      } catch (error) {
        this.#log.debug("medium_passed_over", { bucket, key, why: messageOf(error) });
      }
    }
    return found;
  }
}
