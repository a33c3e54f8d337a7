import { type Command, Option as Flag } from "commander";
import { UsageError } from "../../lib/errors.ts";
import type { RunSubmission } from "../../lib/platform/submission.ts";
import { type LocalItem, uploadInputs } from "../input_files.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import { watchRun } from "../run_watch.ts";
import type { Shell } from "../shell.ts";
import { readSubmission, setDeep, type SubmissionFile } from "../submission_file.ts";

interface Flags {
  readonly applicationVersion?: string;
  readonly items?: string;
  readonly tags?: readonly string[];
  readonly note?: string;
  readonly dueDate?: string;
  readonly deadline?: string;
  readonly callbackContext?: string;
  readonly submissionId?: string;
  readonly wait: boolean;
}

/** `tally run submit` */
export function submitCommand(shell: Shell): Command {
  const made: LocalItem[] = [];
  const command = platformVerb("submit", "Submit a run, once, even when its answer is lost", [
    ["tally run submit he-tme --items items.json --tags trial --wait", "JSON, a list of items; waits for the end"],
    ["tally run submit he-tme --items items.csv --deadline 2026-12-01T00:00:00Z", "a table with semicolons"],
    [
      "tally run submit checksum --item a.bin --input file=https://example.com/a.bin --input-metadata file.size=7",
      "one item; --item can be given several times, and what follows belongs to it",
    ],
    ["tally run submit checksum --item a.bin --input-file file=a.bin --wait", "a file from here, at an origin"],
  ])
    .argument("<application>", "id of the application")
    .option("--application-version <version>", "version; the highest when it is left out")
    .option("--items <file>", "file with the items, .json or .csv; - for JSON on standard input")
    .option("--tags <tag...>", "words to find the run by")
    .option("--note <text>", "a sentence to find the run by")
    .option("--due-date <instant>", "when it should be ready, in ISO 8601")
    .option("--deadline <instant>", "when it is cancelled unless it is ready, in ISO 8601")
    .option("--callback-context <json>", "comes back in every event about the run; at most 1 KiB")
    .option("--submission-id <id>", "submitting again under the same id gives the run that is there")
    .option("--wait", "wait until the run has ended, and show how it goes", false);
  for (const flag of itemFlags(made)) command.addOption(flag.helpGroup("Items:"));
  return acts(command, shell, (action: PlatformAction<Flags>, id) => submit(action, id, made));
}

/** What stands behind `--item` belongs to that item. */
function itemFlags(made: LocalItem[]): Flag[] {
  const lastOf = (flag: string) => {
    const last = made.at(-1);
    if (last === undefined) throw new UsageError(`${flag} belongs behind --item`);
    return last.input_artifacts;
  };
  const artifactOf = (name: string) => {
    const found = lastOf("--input-metadata").find((artifact) => artifact.name === name);
    if (found === undefined) {
      throw new UsageError(`--input-metadata names "${name}", which no --input or --input-file before it does`);
    }
    return found;
  };
  return [
    new Flag("--item <external-id>", "own name of an item").argParser((external_id) => {
      made.push({ external_id, input_artifacts: [] });
    }),
    new Flag("--input <name=url>", "a file of the item").argParser((pair: string) => {
      const [name, download_url] = splitPair("--input", pair);
      lastOf("--input").push({ name, download_url, metadata: {} });
    }),
    new Flag("--input-file <name=path>", "a file of the item from this machine, where the platform takes them")
      .argParser(
        (pair: string) => {
          const [name, path] = splitPair("--input-file", pair);
          lastOf("--input-file").push({ name, download_url: "", metadata: {}, path });
        },
      ),
    new Flag("--input-metadata <name.key=value>", "metadata of that file").argParser((pair: string) => {
      const [path, value] = splitPair("--input-metadata", pair);
      const dot = path.indexOf(".");
      if (dot < 1) throw new UsageError(`"${pair}" of --input-metadata is not of the form NAME.KEY=VALUE`);
      setDeep(artifactOf(path.slice(0, dot)).metadata, path.slice(dot + 1), value);
    }),
  ];
}

async function submit(
  { client, flags, shell }: PlatformAction<Flags>,
  applicationId: string,
  made: readonly LocalItem[],
): Promise<void> {
  const { output, signal } = shell;
  const file = flags.items === undefined ? { items: [] } : await readSubmission(flags.items, shell.io);
  const uploaded = await uploadInputs(made, { client, shell, applicationId, version: flags.applicationVersion });
  const submission = submissionOf(applicationId, flags, { ...file, items: [...file.items, ...uploaded] });
  output.note(`Submitting as ${submission.submissionId}; after an interruption, go on with --submission-id`);
  const run = await client.runs.submit(submission, { signal });
  const { submissionId: submission_id } = submission;
  output.event({ event: "submitted", run_id: run.runId, submission_id }, `Submitted the run ${run.runId}`);
  if (flags.wait) await watchRun(shell, run);
}

function submissionOf(applicationId: string, flags: Flags, file: SubmissionFile): RunSubmission {
  const { dueDate, deadline, callbackContext } = flags;
  const callback = callbackContext === undefined ? file.callback_context : parseObject(callbackContext);
  return {
    applicationId,
    applicationVersion: flags.applicationVersion,
    items: file.items,
    customMetadata: file.custom_metadata ?? undefined,
    callbackContext: callback ?? undefined,
    tags: flags.tags,
    note: flags.note,
    scheduling: dueDate === undefined && deadline === undefined ? undefined : { due_date: dueDate, deadline },
    submissionId: flags.submissionId ?? crypto.randomUUID(),
  };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // told below
  }
  throw new UsageError("The value of --callback-context is not a JSON object");
}

function splitPair(flag: string, pair: string): [name: string, value: string] {
  const end = pair.indexOf("=");
  if (end < 1) throw new UsageError(`"${pair}" of ${flag} is not of the form NAME=VALUE`);
  return [pair.slice(0, end), pair.slice(end + 1)];
}
