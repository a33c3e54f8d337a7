/** A place in a stream that comes in pieces: so many bytes behind a text, or behind its beginning. */
export class Place {
  readonly #text: string;
  #leftBytes: number;
  #isBehind: boolean;
  #tail = "";

  constructor({ behind = "", afterBytes }: { readonly behind?: string; readonly afterBytes: number }) {
    this.#text = behind;
    this.#leftBytes = afterBytes;
    this.#isBehind = behind === "";
  }

  /** Where in this piece the place is, if it is in it. To be asked of each piece, in order. */
  find(piece: Uint8Array): number | undefined {
    const from = this.#isBehind ? 0 : this.#textEnd(piece);
    if (from === undefined) return undefined;
    const index = from + this.#leftBytes;
    this.#leftBytes = index - piece.byteLength;
    return index >= 0 && index < piece.byteLength ? index : undefined;
  }

  /** Where the text ends in this piece, which may hold only the last of it. */
  #textEnd(piece: Uint8Array): number | undefined {
    const joined = this.#tail + LATIN1.decode(piece);
    const found = joined.indexOf(this.#text);
    const end = found + this.#text.length - this.#tail.length;
    this.#tail = joined.slice(joined.length - this.#text.length + 1);
    this.#isBehind = found >= 0;
    return this.#isBehind ? end : undefined;
  }
}

const LATIN1 = new TextDecoder("latin1");
