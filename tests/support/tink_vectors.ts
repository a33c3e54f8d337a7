import negative from "../fixtures/tink_4kb_negative.json" with { type: "json" };
import positive from "../fixtures/tink.json" with { type: "json" };

/** Files that Tink for Python 1.16.1 made and read again. Plaintexts are given by seed and length, see `keystream`. */
export const TINK = positive;

/** One of them, and 18 changes of it that must be refused: Tink for Go refuses all, Tink for Python all but one. */
export const TINK_NEGATIVE = negative;
