import type { Command } from "commander";
import { messageOf, UsageError } from "../../lib/errors.ts";
import { RateLimit } from "../../lib/http/rate_limit.ts";
import type { ArtifactOutcome, RunDownload } from "../../lib/platform/downloads.ts";
import { connectPlatform, type PlatformFlags, withPlatform } from "../platform.ts";
import { formatTransfer } from "../progress.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface DownloadFlags extends PlatformFlags {
  readonly wait?: boolean;
  readonly parallel: string;
  readonly shareToken?: string;
}

const MOST_PARALLEL = 32;

/** `tally run download`: brings all that came out of a run into a folder. */
export function runDownloadCommand(shell: Shell): Command {
  const command = verb("download", "Download all that came out of a run, checked, into a folder", [
    ["tally run download 3f1c… results", "into results/RUN_ID/EXTERNAL_ID/NAME.png and so on; again to go on"],
    ["tally run download 3f1c… --wait", "while the run goes on: what is ready first, the rest as it becomes ready"],
    [
      "tally run download 3f1c… --limit-rate 2M --json",
      "not faster than 2 MiB a second; a line of JSON for each artifact",
    ],
  ]);
  command.argument("<run-id>", "id of the run").argument("[folder]", "folder that is there already", ".")
    .option("--wait", "wait until the run has ended, and download what becomes ready")
    .option("--parallel <count>", `artifacts at a time, at most ${MOST_PARALLEL}`, "8")
    .option("--share-token <token>", "secret that lets others see the run");
  withSettings(withPlatform(command), ["limitRate"]);
  return command.action(async (runId: string, folder: string, flags: DownloadFlags) => {
    await download(shell, command, { runId, folder, flags });
  });
}

async function download(
  shell: Shell,
  command: Command,
  { runId, folder, flags }: { runId: string; folder: string; flags: DownloadFlags },
): Promise<void> {
  const { io, output, signal } = shell;
  const parallel = parseParallel(flags.parallel);
  const { limitRate } = await readSettings(command, io.environment);
  const { settings, tokens } = await connectPlatform(shell, flags);
  const { Client } = await import("../../lib/platform/client.ts");
  const client = new Client({ settings, tokenProvider: tokens, via: "cli", clock: io.clock });
  const startMs = io.clock.now();
  const result = await bring();
  await tell(shell, runId, result, io.clock.now() - startMs);

  async function bring(): Promise<RunDownload> {
    using progress = output.progress(`Downloading ${runId}`);
    return await client.run(runId, { shareToken: flags.shareToken }).download(folder, {
      wait: flags.wait === true,
      parallel,
      limit: limitRate === undefined ? undefined : new RateLimit(limitRate, io.clock),
      signal,
      onProgress: (doneBytes) => progress.update(doneBytes),
      onArtifact: (artifact) => tellArtifact(shell, artifact),
    });
  }
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
  output.event(
    summary,
    `${downloaded} downloaded (${
      formatTransfer(sizeBytes, elapsedMs)
    }), ${skipped} there already, ${failed.length} failed`,
  );
  const failure = downloadFailure(result);
  if (failure !== undefined) throw failure;
}
