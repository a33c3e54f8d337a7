import { AGE_SUITE } from "./stream_age.ts";
import type { StreamSuite } from "./stream_suite.ts";
import { TINK_SUITE } from "./stream_tink.ts";

/** Names of the suites, as they stand in manifests; the first is what writers use when nothing else is asked for. */
export const SUITE_NAMES = ["C20P-AGE", "A256GCM-HKDF-1M"] as const;

/** One of {@link SUITE_NAMES}. */
export type SuiteName = typeof SUITE_NAMES[number];

/** Every suite by its name. All are read, whichever is written. */
export const SUITES: Readonly<Record<SuiteName, StreamSuite>> = {
  "C20P-AGE": AGE_SUITE,
  "A256GCM-HKDF-1M": TINK_SUITE,
};
