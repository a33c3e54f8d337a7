import { PartialError } from "../lib/errors.ts";
import type { Run } from "../lib/platform/run.ts";
import type { RunData } from "../lib/platform/run_wire.ts";
import { countsText, failedCount, progressText } from "./run_text.ts";
import type { Shell } from "./shell.ts";

/**
 * Shows each change of a run until it has ended.
 * @throws {PartialError} not every item succeeded
 */
export async function watchRun(
  { output, signal }: Shell,
  run: Run,
  limit: { timeoutMs?: number } = {},
): Promise<void> {
  let last: RunData | undefined;
  {
    using line = output.liveLine();
    for await (const data of run.watch({ ...limit, signal })) {
      last = data;
      if (output.json) output.event({ event: "state", ...data });
      else line.show(`Run ${data.run_id}: ${progressText(data)}`);
    }
  }
  if (last === undefined) return;
  if (!output.json) output.line(`Run ${last.run_id}: ${progressText(last)}`);
  if (failedCount(last.statistics) === 0) return;
  const why = last.error_message === null ? "" : ` (${last.error_message})`;
  throw new PartialError(`The run ${last.run_id} has ended with ${countsText(last.statistics)}${why}`);
}
