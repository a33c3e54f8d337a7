/** What every read takes. */
export interface ReadOptions {
  /** Asks the server even when a fresh answer is at hand. */
  readonly nocache?: boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** What every list takes beside. */
export interface ListOptions extends ReadOptions {
  /** Entries that are asked for at once, 5 to 100. */
  readonly pageSize?: number;
  /** `field` or `+field` ascending, `-field` descending; several are applied in turn. */
  readonly sort?: string | readonly string[];
}
