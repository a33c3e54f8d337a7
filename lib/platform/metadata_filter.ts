import { InvalidInputError } from "../errors.ts";

/** The server takes no longer expression. */
const LIMIT_CHARACTERS = 1000;

/**
 * A JSONPath filter (as PostgreSQL has it) for runs that carry at least one of the tags.
 * @see https://www.postgresql.org/docs/current/functions-json.html#FUNCTIONS-SQLJSON-PATH
 */
export function tagsFilter(tags: readonly string[]): string {
  if (tags.length === 0) throw new InvalidInputError("tags", "At least one tag is needed to filter by tags");
  return `$.sdk.tags[*] ? (${tags.map((tag) => `@ == ${JSON.stringify(tag)}`).join(" || ")})`;
}

/** A filter for runs whose note matches the regular expression. */
export function noteFilter(pattern: string, { ignoreCase = false }: { ignoreCase?: boolean } = {}): string {
  return `$.sdk.note ? (@ like_regex ${JSON.stringify(pattern)}${ignoreCase ? ' flag "i"' : ""})`;
}

/** A filter for the run that was submitted under this id by {@link submitRun}. */
export function submissionFilter(submissionId: string): string {
  return `$.tallystick.submission_id ? (@ == ${JSON.stringify(submissionId)})`;
}

/** @throws {InvalidInputError} longer than the server takes */
export function checkedFilter(expression: string): string {
  if (expression.length <= LIMIT_CHARACTERS) return expression;
  throw new InvalidInputError(
    "custom_metadata",
    `The filter has ${expression.length} characters, more than the ${LIMIT_CHARACTERS} that the platform takes`,
  );
}
