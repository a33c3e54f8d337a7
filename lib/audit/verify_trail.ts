import { join } from "node:path";
import { IntegrityError, NotFoundError } from "../errors.ts";
import { openFile } from "../system/files.ts";
import { type AuditLine, EMPTY_HEAD, parseAuditLine, type TrailHead } from "./audit_line.ts";
import { FILES_LIMIT, nameOf, trailFiles } from "./audit_trail.ts";

const LINE_LIMIT_CHARACTERS = 16 * 1024;

/** A trail in which every line is right and follows the one before. */
export interface TrailVerdict {
  readonly lines: number;
  /** Number of the first line that is still kept. */
  readonly firstSeq: number;
  readonly head: TrailHead;
  /** Of a last line that was torn by a power cut; the next line that is written cuts it off. */
  readonly tornCharacters: number;
}

/**
 * Checks every line of a trail in order. What it cannot notice is that lines at the end, or whole files there, were removed, or that
 * somebody wrote the whole rest anew: for that, keep a head elsewhere (the log has some) and give it as `knownHash`.
 * @throws {NotFoundError} there is no trail; {IntegrityError} naming the first line that was altered, is missing or was moved
 */
export async function verifyTrail(
  folder: string,
  knownHash?: string,
  { filesKept = FILES_LIMIT }: { readonly filesKept?: number } = {},
): Promise<TrailVerdict> {
  const names = await trailFiles(folder);
  if (names.length === 0) throw new NotFoundError(`There is no audit trail in "${folder}"`);
  let [lines, firstSeq, tornCharacters] = [0, 0, 0];
  let head: TrailHead | undefined;
  let isKnown = knownHash === undefined || knownHash === EMPTY_HEAD.hash;
  for (const name of names) {
    let number = 0;
    for await (const { text, isWhole } of linesOf(join(folder, name))) {
      number++;
      if (!isWhole && name === names.at(-1)) {
        tornCharacters = text.length;
        break;
      }
      const line = checkedLine(text, head, { name, number });
      firstSeq ||= line.seq;
      isKnown ||= line.hash === knownHash;
      head = line;
      lines++;
    }
  }
  if (firstSeq > 1 && names.length < filesKept) throw startIsMissing(folder, firstSeq);
  if (!isKnown) throw new IntegrityError(`The trail in "${folder}" does not hold the line ${knownHash}`);
  const { seq, hash } = head ?? EMPTY_HEAD;
  return { lines, firstSeq, head: { seq, hash }, tornCharacters };
}

/** Old files go only when a new one makes them too many. */
function startIsMissing(folder: string, firstSeq: number): IntegrityError {
  return new IntegrityError(
    `The trail in "${folder}" begins with line ${firstSeq}: older files were removed from outside`,
  );
}

function checkedLine(
  text: string,
  head: TrailHead | undefined,
  { name, number }: { name: string; number: number },
): AuditLine {
  const line = parseAuditLine(text);
  if (line === undefined) throw new IntegrityError(`Line ${number} of "${name}" was altered`);
  if (number === 1 && name !== nameOf(line.seq)) throw new IntegrityError(`"${name}" begins with line ${line.seq}`);
  const before = head ?? (line.seq === 1 ? EMPTY_HEAD : { seq: line.seq - 1, hash: line.prev }); // older files were pruned
  if (line.seq === before.seq + 1 && line.prev === before.hash) return line;
  const fault = line.seq > before.seq + 1
    ? `the trail goes from ${before.seq} to ${line.seq}: what was between them is missing or was moved`
    : `it does not follow line ${before.seq} before it`;
  throw new IntegrityError(`Line ${number} of "${name}" (${line.seq} of the trail) is not in its place: ${fault}`);
}

async function* linesOf(path: string): AsyncGenerator<{ text: string; isWhole: boolean }> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of await openFile(path)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_LIMIT_CHARACTERS);
    for (const text of lines) yield { text, isWhole: true };
  }
  if (rest !== "") yield { text: rest, isWhole: false };
}
