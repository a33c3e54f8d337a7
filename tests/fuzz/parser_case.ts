import assert from "node:assert/strict";
import fc from "fast-check";

/** A row of the table: one parser, and what holds for whatever it is given. */
export interface ParserCase {
  /** Name of the function, or of what it reads. */
  readonly name: string;
  /** Modules whose parsing it covers. */
  readonly modules: readonly string[];
  readonly property: fc.IRawProperty<unknown>;
  /** Cases in CI, where the usual number takes longer than it is worth. */
  readonly ciRuns?: number;
}

/** Whether an error is one that the parser's documentation names. */
export type IsRefusal = (error: unknown) => boolean;

/** What is asked of a parser. */
export interface ParserRules<Input, Value> {
  readonly parse: (input: Input) => Value;
  /** The only errors that may leave it; none for a parser that answers with a value for what it does not take. */
  readonly refusal?: IsRefusal;
  /** Judges what was accepted; throws when it must not have been. */
  readonly accepted?: (value: Value, input: Input) => void;
}

/** Errors of the classes with these names, or of classes below them, and no others. */
export function named(...names: readonly string[]): IsRefusal {
  return (error) => error instanceof Error && classNames(error).some((name) => names.includes(name));
}

function classNames(error: Error): string[] {
  const names: string[] = [];
  for (
    let proto: unknown = Object.getPrototypeOf(error);
    proto instanceof Error;
    proto = Object.getPrototypeOf(proto)
  ) {
    names.push(proto.constructor.name);
  }
  return names;
}

/** A row for a parser that answers at once. */
export function parserCase<Input, Value>(
  name: string,
  modules: readonly string[],
  arbitrary: fc.Arbitrary<Input>,
  { parse, refusal = () => false, accepted = () => {} }: ParserRules<Input, Value>,
): ParserCase {
  const property = fc.property(arbitrary, (input) => {
    let value: Value;
    try {
      value = parse(input);
    } catch (error) {
      if (refusal(error)) return;
      throw undocumented(error);
    }
    accepted(value, input);
    assertUnpolluted();
  });
  return { name, modules, property: property as fc.IRawProperty<unknown> };
}

/** A row for a parser that answers later. */
export function asyncParserCase<Input, Value>(
  name: string,
  modules: readonly string[],
  arbitrary: fc.Arbitrary<Input>,
  { parse, refusal = () => false, accepted = () => {} }:
    & Omit<ParserRules<Input, Promise<Value>>, "accepted">
    & { readonly accepted?: (value: Value, input: Input) => void | Promise<void> },
): ParserCase {
  const property = fc.asyncProperty(arbitrary, async (input) => {
    let value: Value;
    try {
      value = await parse(input);
    } catch (error) {
      if (refusal(error)) return;
      throw undocumented(error);
    }
    await accepted(value, input);
    assertUnpolluted();
  });
  return { name, modules, property: property as fc.IRawProperty<unknown> };
}

/** What was accepted is written and read again: the same. */
export function readsBack<Value, Input>(parse: (input: Input) => Value, write: (value: Value) => Input) {
  return (value: Value): void => assert.deepEqual(parse(write(value)), value);
}

function undocumented(cause: unknown): Error {
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new Error(`An error that is not documented: ${what}`, { cause });
}

/** No input may give every object a property. */
function assertUnpolluted(): void {
  if ("polluted" in {}) throw new Error("The prototype of all objects was changed");
}
