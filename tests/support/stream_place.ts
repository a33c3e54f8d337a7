/** A place in a stream that comes in pieces: so many bytes behind a text, or behind several of which each follows the one before, or behind its beginning. */
export class Place {
  readonly #texts: string[];
  #leftBytes: number;
  #tail = "";

  constructor(
    { behind = [], afterBytes }: { readonly behind?: string | readonly string[]; readonly afterBytes: number },
  ) {
    this.#texts = [behind].flat();
    this.#leftBytes = afterBytes;
  }

  /** Where in this piece the place is, if it is in it. To be asked of each piece, in order. */
  find(piece: Uint8Array): number | undefined {
    let from = 0;
    for (let text = this.#texts[0]; text !== undefined; text = this.#texts[0]) {
      const end = this.#textEnd(text, piece.subarray(from));
      if (end === undefined) return undefined;
      from += end;
      this.#texts.shift();
      this.#tail = "";
    }
    const index = from + this.#leftBytes;
    this.#leftBytes = index - piece.byteLength;
    return index >= 0 && index < piece.byteLength ? index : undefined;
  }

  /** Where the text ends in this piece, which may hold only the last of it. */
  #textEnd(text: string, piece: Uint8Array): number | undefined {
    const joined = this.#tail + LATIN1.decode(piece);
    const found = joined.indexOf(text);
    if (found >= 0) return found + text.length - this.#tail.length;
    this.#tail = joined.slice(Math.max(0, joined.length - text.length + 1));
    return undefined;
  }
}

const LATIN1 = new TextDecoder("latin1");
