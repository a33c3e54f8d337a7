import { join } from "node:path";
import type { Command } from "commander";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { UsageError } from "../../lib/errors.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { adopt, type Example, verb } from "../verb.ts";

const HASH = /^[0-9a-f]{64}$/;

const VERIFY_EXAMPLES: readonly Example[] = [
  ["tally audit verify", "prints the head: keep it elsewhere, it vouches for all lines up to it"],
  ["tally audit verify --head 3f0c…", "also notices when lines at the end were removed since then"],
  ["tally audit verify --folder /srv/origin/audit", "the trail of an origin"],
];

interface VerifyFlags {
  readonly folder?: string;
  readonly head?: string;
}

/** `tally audit verify`. */
export function auditCommand(shell: Shell): Command {
  const audit = verb("audit", "Check the trail of who did what on this device, or at an origin", VERIFY_EXAMPLES);
  return adopt(audit, verifyCommand(shell));
}

function verifyCommand({ io, output }: Shell): Command {
  const command = verb(
    "verify",
    "Check that no line of the audit trail was altered, removed or moved; the first that was is named",
    VERIFY_EXAMPLES,
  );
  return withSettings(command, ["stateDir"])
    .option("--folder <folder>", "folder of the trail (default: audit in the state folder)")
    .option("--head <hash>", "head that an earlier check has printed")
    .action(async ({ folder, head }: VerifyFlags) => {
      if (head !== undefined && !HASH.test(head)) throw new UsageError("--head takes the 64 hex digits of a head");
      const { stateDir } = await readSettings(command, io.environment);
      const verdict = await verifyTrail(folder ?? join(stateDir, "audit"), head);
      const { lines, firstSeq, tornCharacters } = verdict;
      output.result(
        { lines, firstSeq, lastSeq: verdict.head.seq, head: verdict.head.hash, tornCharacters },
        `${lines} lines are whole and in order, from ${firstSeq} to ${verdict.head.seq}`,
        `Head: ${verdict.head.hash}`,
        ...(tornCharacters === 0 ? [] : [`The last line was torn by a power cut (${tornCharacters} characters)`]),
      );
    });
}
