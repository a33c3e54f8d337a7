import { JsonPathError } from "./lexer.ts";
import { patternSize } from "./pattern_size.ts";

/** Whether a text has a match anywhere, in time linear in its length. */
export interface TextMatcher {
  (text: string): boolean;
  /** Work for each character, where it is more than that of one step. */
  readonly cost?: number;
}

const FLAGS = /^[ismxq]*$/;
/** Steps of a pattern, repetitions written out: a match takes as many for each character. */
const SIZE_LIMIT = 10_000;
/** Steps that take as long as looking at one value. */
const STEPS_PER_COST = 4;

/**
 * Compiles the pattern of `like_regex` with RE2, which never takes more than linear time; so it has no back references and
 * looks neither ahead nor behind. Flags: `i` any case, `s` a dot is any character, `m` anchors stand at lines, `q` no pattern.
 * @throws {JsonPathError} also for one that is large: the time is linear in its size as well
 */
export async function textMatcher(pattern: string, flags: string): Promise<TextMatcher> {
  if (!FLAGS.test(flags) || (flags.includes("x") && !flags.includes("q"))) {
    throw new JsonPathError(`The flags "${flags.slice(0, 16)}" of like_regex are not understood`);
  }
  const { RE2JS } = await import("re2js");
  const source = flags.includes("q") ? RE2JS.quote(pattern) : pattern;
  if (patternSize(source) > SIZE_LIMIT) throw tooLarge(); // before it is compiled, which takes a second for the worst
  const bits = (flags.includes("i") ? RE2JS.CASE_INSENSITIVE : 0) | (flags.includes("s") ? RE2JS.DOTALL : 0) |
    (flags.includes("m") ? RE2JS.MULTILINE : 0);
  try {
    const compiled = RE2JS.compile(source, bits);
    if (compiled.programSize() > SIZE_LIMIT) throw tooLarge();
    const cost = Math.max(1, compiled.programSize() / STEPS_PER_COST);
    return Object.assign((text: string) => compiled.matcher(text).find(), { cost });
  } catch (error) {
    throw error instanceof JsonPathError ? error : new JsonPathError("The pattern of like_regex is not understood");
  }
}

function tooLarge(): JsonPathError {
  return new JsonPathError("The pattern of like_regex repeats too much");
}
