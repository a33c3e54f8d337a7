/** Largest small part that a v1 writer makes: `SMALL_SIZE_KB` = 3. */
export const SMALL_PART_BYTES = 3 * 1024;

/** From this encrypted size on, the small part has {@link SMALL_PART_BYTES}; below it, 30 % of the whole. */
export const FULL_CUT_BYTES = Math.ceil(SMALL_PART_BYTES / 0.3);

/** Where an encrypted resource is cut: size of its small part, `min(3 KiB, floor(30 %))`. The reader does not care where. */
export function smallPartSize(encryptedBytes: number): number {
  return Math.min(SMALL_PART_BYTES, Math.floor((3 * encryptedBytes) / 10));
}

/** Name of the small part on the API. */
export function smallPartName(name: string): string {
  return `${name}.small`;
}

/** Name of the big part in the CDN bucket and in the cache. */
export function bigPartName(name: string): string {
  return `${name}.big`;
}
