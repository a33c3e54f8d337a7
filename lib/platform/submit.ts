import { InterruptedError, NotFoundError, RateLimitedError, TallyError } from "../errors.ts";
import { isTransient } from "../http/retry.ts";
import type { PlatformApi } from "./api.ts";
import { submissionFilter } from "./metadata_filter.ts";
import { runCreatedAnswer, type RunData, runsAnswer } from "./run_wire.ts";
import type { JsonObject } from "./wire.ts";

const ATTEMPTS = 4;
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** How long a run whose answer was lost may take to appear in the list. */
const APPEARANCE_MS = 5_000;
const LOOK_PAUSE_MS = 1_000;
const PAGE_SIZE = 5;

/** A body of `POST /runs` and the id that makes it repeatable. */
export interface SubmittedBody {
  /** Stands in `custom_metadata.tallystick.submission_id`, and goes out as `Idempotency-Key`. */
  readonly submissionId: string;
  readonly body: JsonObject;
}

/** The part of a run's custom metadata by which its submission is found again. */
export function submissionMark(submissionId: string): JsonObject {
  return { submission_id: submissionId };
}

/**
 * Posts a run once, to the user's eye. A server that knows `Idempotency-Key` answers a repeated call with the run that the
 * first one made. For others, after an answer that was lost the list is searched for the run, for 5 s, before the call is
 * repeated; and after a repeated call it is searched for a second one, which is cancelled. Only a server that ignores the key,
 * and shows the first run later than that, could leave both.
 * @returns the run's id
 * @throws as every call of {@link PlatformApi}
 */
export async function submitRun(
  api: PlatformApi,
  { submissionId, body }: SubmittedBody,
  signal?: AbortSignal,
): Promise<string> {
  for (let attempt = 1;; attempt++) {
    try {
      const { run_id } = await api.write(runCreatedAnswer, {
        method: "POST",
        path: ["runs"],
        body,
        headers: { "idempotency-key": submissionId },
        timeoutMs: api.limits.submitTimeoutMs,
        signal,
      });
      return attempt === 1 ? run_id : await onlyOne(api, submissionId, run_id, signal);
    } catch (error) {
      const found = isTransient(error) ? await appearing(api, submissionId, signal) : undefined;
      if (found !== undefined) return found;
      const isRepeatable = isTransient(error) || error instanceof RateLimitedError;
      if (attempt >= ATTEMPTS || !isRepeatable) throw error;
      await api.clock.sleep(pauseMs(error, attempt), signal);
    }
  }
}

/** The run that an earlier call under this id has made, the oldest of several. */
export async function findSubmitted(
  api: PlatformApi,
  submissionId: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  return (await submittedRuns(api, submissionId, signal))[0]?.run_id;
}

/** Cancels all but the oldest run that was made under this id, and names that one. */
async function onlyOne(
  api: PlatformApi,
  submissionId: string,
  latest: string,
  signal?: AbortSignal,
): Promise<string> {
  try {
    const [oldest, ...others] = await submittedRuns(api, submissionId, signal);
    for (const { run_id } of others) {
      const path = ["runs", run_id, "cancel"];
      await api.tell({ method: "POST", path, timeoutMs: api.limits.cancelTimeoutMs, signal });
    }
    return oldest?.run_id ?? latest;
  } catch (error) {
    if (!(error instanceof TallyError) || error instanceof InterruptedError) throw error;
    return latest; // the run is there: that its twin could not be looked for must not take it away
  }
}

/** The oldest first. */
async function submittedRuns(api: PlatformApi, submissionId: string, signal?: AbortSignal): Promise<RunData[]> {
  const query = { custom_metadata: submissionFilter(submissionId), page: 1, page_size: PAGE_SIZE };
  try {
    const runs = await api.read(runsAnswer, { path: ["runs"], query, limits: api.limits.run, nocache: true, signal });
    return runs.toSorted((one, other) => Date.parse(one.submitted_at) - Date.parse(other.submitted_at));
  } catch (error) {
    if (error instanceof NotFoundError) return []; // so some servers say "none"
    throw error;
  }
}

async function appearing(api: PlatformApi, submissionId: string, signal?: AbortSignal): Promise<string | undefined> {
  const endMs = api.clock.now() + APPEARANCE_MS;
  while (true) {
    const found = await findSubmitted(api, submissionId, signal);
    if (found !== undefined || api.clock.now() >= endMs) return found;
    await api.clock.sleep(LOOK_PAUSE_MS, signal);
  }
}

function pauseMs(error: unknown, attempt: number): number {
  const asked = error instanceof Error && "retryAfterMs" in error ? Number(error.retryAfterMs) : 0;
  return Math.min(Math.max(asked, PAUSE_MS * 2 ** (attempt - 1)), LONGEST_PAUSE_MS);
}
