import type { Command } from "commander";
import { messageOf, UsageError } from "../../lib/errors.ts";
import { RateLimit } from "../../lib/http/rate_limit.ts";
import type { ArtifactOutcome, RunDownload } from "../../lib/platform/downloads.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import { formatTransfer } from "../progress.ts";
import { readSettings, withSettings } from "../settings.ts";
import { type SharedFlags, shareTokenOf, withShareToken } from "../share_token.ts";
import type { Shell } from "../shell.ts";

interface DownloadFlags extends SharedFlags {
  readonly wait?: boolean;
  readonly parallel: string;
}

const MOST_PARALLEL = 32;
const ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

/** `tally run download`: brings all that came out of a run into a folder. */
export function downloadCommand(shell: Shell): Command {
  const command = platformVerb("download", "Download all that came out of a run, checked, into a folder", [
    [`tally run download ${ID} results`, "into results/RUN/ITEM/NAME.png and so on; once more to go on"],
    [`tally run download ${ID} --wait`, "what is ready first, the rest as it becomes ready"],
    [`tally run download ${ID} --limit-rate 2M --json`, "not faster than 2 MiB a second; a line for each file"],
  ])
    .argument("<run>", "id of the run")
    .argument("[folder]", "folder that is there already (default: the present one)")
    .option("--wait", "wait until the run has ended, and download what becomes ready")
    .option("--parallel <count>", `artifacts at a time, at most ${MOST_PARALLEL}`, "8");
  withSettings(withShareToken(command), ["limitRate"]);
  return acts(command, shell, async (action: PlatformAction<DownloadFlags>, runId = "", folder = ".") => {
    const startMs = shell.io.clock.now();
    const result = await download(action, command, { runId, folder });
    await tell(shell, runId, result, shell.io.clock.now() - startMs);
  });
}

async function download(
  { client, flags, shell }: PlatformAction<DownloadFlags>,
  command: Command,
  { runId, folder }: { runId: string; folder: string },
): Promise<RunDownload> {
  const { io, output, signal } = shell;
  const parallel = parseParallel(flags.parallel);
  const { limitRate } = await readSettings(command, io.environment);
  const shareToken = shareTokenOf(flags, io);
  using progress = output.progress(`Downloading ${runId}`);
  return await client.run(runId, { shareToken }).download(folder, {
    wait: flags.wait === true,
    parallel,
    limit: limitRate === undefined ? undefined : new RateLimit(limitRate, io.clock),
    signal,
    onProgress: (doneBytes) => progress.update(doneBytes),
    onArtifact: (artifact) => tellArtifact(shell, artifact),
  });
}

function parseParallel(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST_PARALLEL) return count;
  throw new UsageError(`--parallel must be a number from 1 to ${MOST_PARALLEL}`);
}

function tellArtifact({ output }: Shell, { error, ...artifact }: ArtifactOutcome): void {
  const reason = error === undefined ? {} : { error: messageOf(error) };
  if (output.json) return output.event({ event: "artifact", ...artifact, ...reason });
  if (error !== undefined) output.note(`failed: ${artifact.path}: ${messageOf(error)}`);
  else if (!artifact.verified) output.note(`not verified, since the server gives no checksum: ${artifact.path}`);
}

async function tell({ output }: Shell, runId: string, result: RunDownload, elapsedMs: number): Promise<void> {
  const { downloadFailure } = await import("../../lib/platform/downloads.ts");
  const { downloaded, skipped, sizeBytes, failed } = result;
  const summary = { event: "summary", runId, downloaded, skipped, failed: failed.length, sizeBytes, elapsedMs };
  const transfer = formatTransfer(sizeBytes, elapsedMs);
  output.event(summary, `${downloaded} downloaded (${transfer}), ${skipped} there already, ${failed.length} failed`);
  const failure = downloadFailure(result);
  if (failure !== undefined) throw failure;
}
