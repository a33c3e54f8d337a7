import type { Bytes } from "../bytes.ts";
import type { UnitLayout } from "./unit_layout.ts";

/** Which of a big part's units. */
export interface UnitPlace {
  readonly index: number;
  readonly isLast: boolean;
}

/** Seals and opens the units of one big part. Units may be worked on in any order, and several at a time. */
export interface UnitCipher {
  /**
   * One unit as it stands in the big part, the header in front of unit 0. Each place may be sealed once.
   * @param plain as much plaintext as fits into the unit; less, down to none, in the last one only
   */
  seal(plain: Bytes, place: UnitPlace): Promise<Bytes>;
  /**
   * The plaintext of one unit, after all its tags were checked.
   * @throws {IntegrityError} step `unit-tag`, always with the same sentence; {RangeError} past the last place of the suite
   */
  open(unit: Bytes, place: UnitPlace): Promise<Bytes>;
}

/** A way to encrypt big parts, by its name in the manifest. */
export interface StreamSuite {
  readonly name: string;
  /** Bytes of the content key (CEK). */
  readonly contentKeyBytes: number;
  readonly layout: UnitLayout;
  /** A new header from fresh random bytes. */
  newHeader(): Bytes;
  /**
   * A cipher for the units of one big part.
   * @param contentKey as `importContentKey` gives it
   * @param header the first bytes of the big part, as they stand in its manifest
   * @param associatedData what the key is bound to besides; a suite without such a binding leaves it out
   * @throws {IntegrityError} step `form`, when this is no header of the suite
   */
  unitCipher(contentKey: CryptoKey, header: Bytes, associatedData: Bytes): Promise<UnitCipher>;
}
