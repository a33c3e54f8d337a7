import type { Command } from "commander";
import { PartialError, TallyError, UsageError } from "../../lib/errors.ts";
import { noteFilter, tagsFilter } from "../../lib/platform/metadata_filter.ts";
import type { RunData } from "../../lib/platform/run_wire.ts";
import type { RunFilter } from "../../lib/platform/runs.ts";
import { numberFlag } from "../number_flag.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import { RUN_COLUMNS, runRow } from "../run_text.ts";
import type { Shell } from "../shell.ts";

interface FilterFlags {
  readonly applicationId?: string;
  readonly applicationVersion?: string;
  readonly externalId?: string;
  readonly tags?: readonly string[];
  readonly noteRegex?: string;
  readonly noteCaseInsensitive?: boolean;
  readonly query?: string;
  readonly limit?: string;
}

interface ListFlags extends FilterFlags {
  readonly forOrganization?: string;
  readonly submittedBy?: string;
  readonly sort?: readonly string[];
}

interface CancelFlags extends FilterFlags {
  readonly dryRun: boolean;
}

/** `tally run list` */
export function listCommand(shell: Shell): Command {
  const command = withFilter(platformVerb("list", "List runs, the newest first", [
    ["tally run list --limit 20", "own runs"],
    ['tally run list --tags trial --tags night --note-regex "^batch" --note-case-insensitive', "by tag and note"],
    ["tally run list --query '$.study ? (@ == \"high\")' --json", "by any custom metadata (JSONPath)"],
    ["tally run list --for-organization org_1", "of everybody, for administrators"],
  ]))
    .option("--for-organization <id>", "runs of everybody in this organisation")
    .option("--submitted-by <id>", "runs of this user; me for own ones")
    .option("--sort <field...>", "field to sort by; -field for descending", ["-submitted_at"]);
  return acts(command, shell, async ({ client, flags }: PlatformAction<ListFlags>) => {
    const filter = {
      ...runFilter(flags, shell.signal),
      forOrganization: flags.forOrganization,
      submittedBy: flags.submittedBy,
      ...(flags.sort === undefined ? {} : { sort: flags.sort }),
    };
    const runs = await upTo(flags, client.runs.listData(filter));
    if (shell.output.json) return shell.output.result(runs);
    shell.output.table(RUN_COLUMNS, runs.map(runRow));
    shell.output.note(`${runs.length} run(s)`);
  });
}

/** `tally run cancel-by-filter` */
export function cancelByFilterCommand(shell: Shell): Command {
  const command = withFilter(platformVerb("cancel-by-filter", "Stop all own runs that a filter lets through", [
    ["tally run cancel-by-filter --tags trial --dry-run", "only says which"],
    ["tally run cancel-by-filter --application-id he-tme --limit 10", "the ten newest"],
  ])).option("--dry-run", "cancel nothing", false);
  return acts(command, shell, cancelByFilter);
}

async function cancelByFilter({ client, flags, shell }: PlatformAction<CancelFlags>): Promise<void> {
  const { signal, output } = shell;
  if (isUnfiltered(flags)) throw new UsageError("Cannot cancel without a filter: give --tags, --query or another one");
  const filter = { ...runFilter(flags, signal), submittedBy: "me", sort: "-submitted_at", nocache: true };
  const runs = await upTo(flags, running(client.runs.listData(filter)));
  const failed: { run_id: string; code: string; message: string }[] = [];
  const cancelled: string[] = [];
  for (const { run_id } of flags.dryRun ? [] : runs) {
    try {
      await client.run(run_id).cancel({ signal });
      cancelled.push(run_id);
    } catch (error) {
      if (!(error instanceof TallyError) || ["interrupted", "not_signed_in"].includes(error.code)) throw error;
      failed.push({ run_id, code: error.code, message: error.message }); // the others are tried all the same
    }
  }
  output.result(
    { dry_run: flags.dryRun, matched: runs.map(({ run_id }) => run_id), cancelled, failed },
    ...(flags.dryRun ? runs.map(({ run_id }) => `Would cancel ${run_id}`) : cancelled.map((id) => `Cancelled ${id}`)),
    ...failed.map(({ run_id, message }) => `Not cancelled: ${run_id}: ${message}`),
  );
  output.note(`${runs.length} run(s) match`);
  if (failed.length > 0) throw new PartialError(`${failed.length} of ${runs.length} runs could not be cancelled`);
}

function withFilter(command: Command): Command {
  return command
    .option("--application-id <id>", "runs of this application")
    .option("--application-version <version>", "runs of this version of it")
    .option("--external-id <id>", "runs with an item of this name")
    .option("--tags <tag...>", "runs with one of these tags")
    .option("--note-regex <pattern>", "runs whose note matches")
    .option("--note-case-insensitive", "upper and lower case are the same for --note-regex")
    .option("--query <jsonpath>", "filter on the custom metadata, as PostgreSQL's JSONPath")
    .option("--limit <number>", "no more than so many");
}

function isUnfiltered(flags: FilterFlags): boolean {
  const { applicationId, applicationVersion, externalId, tags, noteRegex, query } = flags;
  return [applicationId, applicationVersion, externalId, tags, noteRegex, query].every((one) => one === undefined);
}

function runFilter(flags: FilterFlags, signal: AbortSignal): RunFilter {
  return {
    applicationId: flags.applicationId,
    applicationVersion: flags.applicationVersion,
    externalId: flags.externalId,
    customMetadata: metadataFilter(flags),
    signal,
  };
}

/** The platform takes one expression: tags and note are joined in it. */
function metadataFilter({ tags, noteRegex, noteCaseInsensitive = false, query }: FilterFlags): string | undefined {
  if (query !== undefined && (tags !== undefined || noteRegex !== undefined)) {
    throw new UsageError("--query cannot be given together with --tags or --note-regex: put them into the query");
  }
  const note = noteRegex === undefined ? undefined : noteFilter(noteRegex, { ignoreCase: noteCaseInsensitive });
  if (tags === undefined) return query ?? note;
  return note === undefined ? tagsFilter(tags) : `$ ? (${exists(tagsFilter(tags))} && ${exists(note)})`;
}

function exists(path: string): string {
  return `exists(@${path.slice(1)})`;
}

async function* running(runs: AsyncIterable<RunData>): AsyncGenerator<RunData> {
  for await (const run of runs) if (run.state !== "TERMINATED") yield run;
}

async function upTo({ limit }: FilterFlags, runs: AsyncIterable<RunData>): Promise<RunData[]> {
  const most = limit === undefined ? Infinity : numberFlag("--limit", limit, 1);
  const taken: RunData[] = [];
  for await (const run of runs) {
    taken.push(run);
    if (taken.length >= most) break;
  }
  return taken;
}
