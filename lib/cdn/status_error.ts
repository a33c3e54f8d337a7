import { ConflictError, NotAllowedError, NotFoundError, type TallyError, UpstreamError } from "../errors.ts";
import { RetryLaterError } from "../http/retry_later_error.ts";

/** Statuses that the same call may not meet a second time. @see RFC 9110, section 15 */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * S3's names of what came to it otherwise than it was sent, or not whole, within its time. Their status is 400.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const DAMAGED_ON_THE_WAY: ReadonlySet<string> = new Set([
  "BadDigest",
  "IncompleteBody",
  "RequestTimeout",
  "XAmzContentChecksumMismatch",
  "XAmzContentSHA256Mismatch",
]);

/** The CDN refuses who asks. */
export class CdnRefusalError extends NotAllowedError {
  /** The CDN's own name of the fault, such as `SignatureDoesNotMatch`; empty where it gave none. */
  readonly word: string;

  constructor(message: string, word: string) {
    super(message);
    this.word = word;
  }
}

/** There is not even the bucket. */
export class NoBucketError extends NotFoundError {}

/**
 * What a refusal of the CDN means for a caller.
 * @param action what was tried, as the middle of a sentence: `read "models/x.big"`
 * @param word the CDN's own name of the fault, where it gave one
 * @param retryAfter the header of that name
 */
export function statusError(
  action: string,
  status: number,
  { word = "", retryAfter }: { readonly word?: string; readonly retryAfter?: string | null | undefined } = {},
): TallyError {
  if (status === 401 || status === 403) {
    return new CdnRefusalError(`Cannot ${action}: the CDN does not allow it with the given credentials`, word);
  }
  if (word === "NoSuchBucket") return new NoBucketError(`Cannot ${action}: there is no such bucket in the CDN`);
  if (status === 404) return new NotFoundError(`Cannot ${action}: there is no such object in the CDN`);
  if (status === 409 || status === 412) return new ConflictError(`Cannot ${action}: it is another version by now`);
  const answer = `the CDN answers with status ${status}${word === "" ? "" : ` (${word})`}`;
  if (PASSING.has(status) || DAMAGED_ON_THE_WAY.has(word)) {
    return new RetryLaterError("CDN", `Cannot ${action}: ${answer}`, retryAfter);
  }
  return new UpstreamError("CDN", `Cannot ${action}: ${answer}`);
}
