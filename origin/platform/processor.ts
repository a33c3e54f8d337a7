import type { ByteStream } from "../../lib/streams.ts";
import { InvalidInputError, TallyError } from "../../lib/errors.ts";
import type { JsonObject } from "./request.ts";

/** One input of an item, as an application sees it. */
export interface ItemInput {
  readonly name: string;
  readonly metadata: JsonObject;
  /** Its bytes, checked against the checksum of its metadata where there is one. Once. */
  open(): Promise<ByteStream>;
}

/** The work on one item. */
export interface ItemJob {
  readonly externalId: string;
  readonly inputs: readonly ItemInput[];
  readonly signal: AbortSignal;
  /** Stores an output; nothing of it is seen before the whole item is done. `metadata` are added to its media type and checksum. */
  produce(name: string, body: ByteStream, metadata?: JsonObject): Promise<void>;
}

/**
 * An application at work on one item: reads the inputs, produces every output of its version, and returns.
 * @throws {ItemInputError} the input is at fault; any other error is the application's or the platform's
 */
export type Processor = (job: ItemJob) => Promise<void>;

/** What an item was given cannot be processed: its submitter can do something about it. */
export class ItemInputError extends InvalidInputError {
  /** Such as `INPUT.CHECKSUM_MISMATCH`. */
  readonly errorCode: string;

  constructor(errorCode: string, message: string, options?: ErrorOptions) {
    super("input", message, options);
    this.errorCode = errorCode;
  }
}

/** The application itself failed: its maintainer can do something about it. */
export class ApplicationFailure extends TallyError {
  /** Such as `APPLICATION.TIME_LIMIT`. */
  readonly errorCode: string;

  constructor(errorCode: string, message: string, options?: ErrorOptions) {
    super("internal", message, options);
    this.errorCode = errorCode;
  }
}

/** The one input of an application that takes one. @throws {ItemInputError} */
export function onlyInput({ inputs }: ItemJob): ItemInput {
  const [input] = inputs;
  if (input === undefined) throw new ItemInputError("INPUT.MISSING", "The item has no input");
  return input;
}
