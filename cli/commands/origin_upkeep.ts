import type { Command } from "commander";
import { formatSize } from "../../lib/bytes.ts";
import type { Output } from "../output.ts";
import type { OnProgress, Shell } from "../shell.ts";
import { type FolderFlags, folderVerb } from "./origin_folder.ts";

/** `tally origin backup`. */
export function backupCommand({ output, programs, signal }: Shell): Command {
  return folderVerb("backup", "Write everything that the origin holds into one file, also while it serves", [
    ["tally origin backup --data-dir /srv/origin --out /backup/origin.tar", "keep it like a key: it holds all of them"],
  ])
    .requiredOption("--out <file>", "file that is written, or replaced")
    .action(async ({ dataDir, out }: FolderFlags & { out: string }) => {
      const { ORIGIN_COMMANDS } = await programs.origin();
      const written = await withProgress(
        output,
        "Backing up",
        (onProgress) => ORIGIN_COMMANDS.backup({ dataDir, out, signal, onProgress }),
      );
      output.event(
        { event: "backed_up", out, ...written },
        `Backed up ${countOfFiles(written.fileCount)}, ${formatSize(written.sizeBytes)}, into ${out}`,
        `SHA-256 ${written.sha256}`,
      );
    });
}

/** `tally origin restore`. */
export function restoreCommand({ output, programs, signal }: Shell): Command {
  return folderVerb("restore", "Make an empty folder into the origin of a backup, after all of it has been verified", [
    ["tally origin restore --from /backup/origin.tar --data-dir /srv/origin", "then: tally origin serve"],
  ])
    .requiredOption("--from <file>", "file that tally origin backup wrote")
    .action(async ({ dataDir, from }: FolderFlags & { from: string }) => {
      const { ORIGIN_COMMANDS } = await programs.origin();
      const { fileCount, createdMs } = await withProgress(
        output,
        "Restoring",
        (onProgress) => ORIGIN_COMMANDS.restore({ dataDir, from, signal, onProgress }),
      );
      const created = new Date(createdMs).toISOString();
      output.event(
        { event: "restored", dataDir, fileCount, created },
        `Restored ${countOfFiles(fileCount)} into ${dataDir}: the origin of ${created}`,
      );
    });
}

/** `tally origin gc`. */
export function gcCommand({ output, programs }: Shell): Command {
  return folderVerb(
    "gc",
    "Remove what nobody needs any more: artifacts 30 days after their run, and what killed uploads, workers and backups left",
    [
      ["tally origin gc --data-dir /srv/origin --dry-run", "only says what would go"],
      ["tally origin gc --data-dir /srv/origin", "while the origin serves, only what is older than a day"],
    ],
  )
    .option("--dry-run", "remove nothing", false)
    .action(async ({ dataDir, dryRun }: FolderFlags & { dryRun: boolean }) => {
      const garbage = await (await programs.origin()).ORIGIN_COMMANDS.gc({ dataDir, dryRun });
      const sizeBytes = garbage.reduce((sum, file) => sum + file.sizeBytes, 0);
      const verb = dryRun ? "Would remove" : "Removed";
      output.result(
        { files: garbage, fileCount: garbage.length, sizeBytes, dryRun },
        ...(dryRun ? garbage.map(({ path, sizeBytes }) => `${path}  ${formatSize(sizeBytes)}`) : []),
        `${verb} ${countOfFiles(garbage.length)}, ${formatSize(sizeBytes)}`,
      );
    });
}

async function withProgress<T>(
  output: Output,
  label: string,
  work: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  using progress = output.progress(label, { event: "progress" });
  return await work(progress.update);
}

function countOfFiles(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
