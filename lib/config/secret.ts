import { KNOWN_SECRETS } from "../redaction/known_secrets.ts";

const MASK = "********";

/**
 * A secret text. It shows itself only through {@link Secret.reveal}: printing it, turning it into JSON or into a string
 * gives a mask, so that it cannot reach a log by accident. As long as it is in memory, logs and messages are searched for it
 * ({@link KNOWN_SECRETS}).
 */
export class Secret {
  readonly #text: string;

  /** Takes the text; nobody else should keep it. */
  constructor(text: string) {
    this.#text = text;
    KNOWN_SECRETS.keepFor(this, text);
  }

  /** The text itself, for the one call that needs it. */
  reveal(): string {
    return this.#text;
  }

  /** A mask. */
  toString(): string {
    return MASK;
  }

  /** A mask. */
  toJSON(): string {
    return MASK;
  }

  /** A mask. */
  [Symbol.for("Deno.customInspect")](): string {
    return MASK;
  }

  /** A mask. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return MASK;
  }
}
