import { JsonPathError } from "./lexer.ts";

/** Whether a text has a match anywhere, in time linear in its length. */
export type TextMatcher = (text: string) => boolean;

const FLAGS = /^[ismxq]*$/;

/**
 * Compiles the pattern of `like_regex` with RE2, which never takes more than linear time; so it has no back references and
 * looks neither ahead nor behind. Flags: `i` any case, `s` a dot is any character, `m` anchors stand at lines, `q` no pattern.
 * @throws {JsonPathError}
 */
export async function textMatcher(pattern: string, flags: string): Promise<TextMatcher> {
  if (!FLAGS.test(flags) || (flags.includes("x") && !flags.includes("q"))) {
    throw new JsonPathError(`The flags "${flags.slice(0, 16)}" of like_regex are not understood`);
  }
  const { RE2JS } = await import("re2js");
  const source = flags.includes("q") ? RE2JS.quote(pattern) : pattern;
  const bits = (flags.includes("i") ? RE2JS.CASE_INSENSITIVE : 0) | (flags.includes("s") ? RE2JS.DOTALL : 0) |
    (flags.includes("m") ? RE2JS.MULTILINE : 0);
  try {
    const compiled = RE2JS.compile(source, bits);
    return (text) => compiled.matcher(text).find();
  } catch {
    throw new JsonPathError("The pattern of like_regex is not understood");
  }
}
