import { DiskFullError, type TallyError, UsageError } from "../lib/errors.ts";

const HINT = "Check the path, and who may read and write it.";
/** What a file system refuses because of the path that was named. */
const PATH_FAULTS: ReadonlySet<unknown> = new Set([
  ...["EACCES", "EPERM", "EROFS", "ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP", "ENXIO", "ETXTBSY"],
]);
const DISK_FAULTS: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);
const DENO_MESSAGE = /^(?<reason>.+?) \(os error \d+\)(?:: (?<action>\w+) '(?<path>[^']*)')?/;

/** An error of the operating system in our words, with what can be done about it. */
export interface ToldSystemError {
  readonly error: TallyError;
  readonly hint?: string;
}

/** What the operating system refused, when that is what was thrown: a path that cannot be used, or a full disk. */
export function systemError(thrown: unknown): ToldSystemError | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  const message = sentence(thrown.message);
  if (DISK_FAULTS.has(thrown.code)) return { error: new DiskFullError(message, { cause: thrown }) };
  if (PATH_FAULTS.has(thrown.code)) return { error: new UsageError(message, { cause: thrown }), hint: HINT };
  return undefined;
}

/**
 * `Cannot mkdir "/x": permission denied` of Deno's `Permission denied (os error 13): mkdir '/x'`. Of a rename, the first of the
 * two names.
 */
function sentence(message: string): string {
  const { reason, action, path } = DENO_MESSAGE.exec(message)?.groups ?? {};
  if (reason === undefined) return message;
  return action === undefined ? reason : `Cannot ${action} "${path}": ${reason.toLowerCase()}`;
}
