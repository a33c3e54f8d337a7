import { MASK } from "./mask.ts";

/** Parameters of a URL or a form whose value lets somebody in. `code` and `sig` are whole names. */
const PARAMETERS = [
  ...["x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "x-goog-credential"],
  ...["signature", "sig", "access_token", "refresh_token", "id_token", "token", "client_secret", "client_assertion"],
  ...["password", "code", "code_verifier", "device_code", "api_key", "apikey"],
].join("|");

/** Parts of the names of JSON's fields whose value lets somebody in. */
const FIELDS = "pass(?:word|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature";

/** What looks like a secret, whoever made it, and what is left of it. No pattern takes longer than the text is long. */
const PATTERNS: readonly (readonly [pattern: RegExp, rest: string])[] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, MASK],
  [/AGE-SECRET-KEY-1[0-9A-Z]+/gi, MASK],
  [/((?:authorization|set-cookie|cookie|x-api-key)["']?\s{0,8}[:=]\s{0,8}["']?)[^"'\r\n]+/gi, `$1${MASK}`],
  [/\b([Bb]earer|BEARER|[Bb]asic|BASIC) +(?=[a-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/-]{8,}=*/g, `$1 ${MASK}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{2,}(?:\.[\w-]*)*/g, MASK],
  [new RegExp(`((?:[?&;]|&amp;|\\b)(?:${PARAMETERS})=)[^&;\\s"'<>#\\\\]+`, "gi"), `$1${MASK}`],
  [/(:\/\/)[^\s/?#"'<>]+@/g, `$1${MASK}@`],
  // of JSON in a text, and of JSON in that: up to the quote that is escaped as the first one is
  [
    new RegExp(
      `(["'][\\w-]{0,40}(?:${FIELDS})[\\w-]{0,40}\\\\{0,8}["']\\s{0,8}:\\s{0,8}(\\\\{0,8}["']))[\\s\\S]+?(?=(?<!\\\\)\\2|$)`,
      "gi",
    ),
    `$1${MASK}`,
  ],
];

/** Without one of these, no pattern fits: most texts are done with one look. */
const SUSPICIOUS = /[:=]|eyJ|bearer|basic|AGE-SECRET|-----BEGIN/i;

/** The text with `***` in the place of what looks like a secret: tokens, headers that carry them, signatures in URLs, private keys. */
export function maskPatterns(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  return PATTERNS.reduce((masked, [pattern, rest]) => masked.replace(pattern, rest), text);
}
