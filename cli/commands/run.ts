import type { Command } from "commander";
import type { Run } from "../../lib/platform/run.ts";
import { numberFlag } from "../number_flag.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import { ITEM_COLUMNS, itemRow, progressText, runLines } from "../run_text.ts";
import { watchRun } from "../run_watch.ts";
import { type SharedFlags, shareTokenOf, withShareToken } from "../share_token.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";
import { downloadCommand } from "./run_download.ts";
import { cancelByFilterCommand, listCommand } from "./run_list.ts";
import { metadataCommand } from "./run_metadata.ts";
import { shareCommand } from "./run_share.ts";
import { submitCommand } from "./run_submit.ts";

interface ResultFlags extends SharedFlags {
  readonly state?: string;
  readonly reason?: string;
  readonly externalId?: readonly string[];
  readonly itemId?: readonly string[];
  readonly query?: string;
}

interface WaitFlags extends SharedFlags {
  readonly timeout?: string;
}

/** `tally run`: runs of applications on the platform. */
export function runCommand(shell: Shell): Command {
  const command = verb("run", "Submit runs of applications, follow them and share them", [
    ["tally run submit he-tme --items items.json --wait", "submits a run and waits for its end"],
    ["tally run list --tags trial", "own runs with a tag"],
  ]);
  const verbs = [
    ...[submitCommand, listCommand, describeCommand, resultsCommand, waitCommand, downloadCommand],
    ...[cancelCommand, cancelByFilterCommand, deleteCommand, metadataCommand, shareCommand],
  ];
  for (const make of verbs) adopt(command, make(shell));
  return command;
}

function sharedVerb(...args: Parameters<typeof platformVerb>): Command {
  return withShareToken(platformVerb(...args).argument("<run>", "id of the run"));
}

function runOf({ client, flags, shell: { io } }: PlatformAction<SharedFlags>, id: string): Run {
  return client.run(id, { shareToken: shareTokenOf(flags, io) });
}

function describeCommand(shell: Shell): Command {
  const command = sharedVerb("describe", "Show a run", [
    ["tally run describe 3fa85f64-5717-4562-b3fc-2c963f66afa6", "its state, and how many items are in which"],
    ["tally run describe 3fa85f64-5717-4562-b3fc-2c963f66afa6 --summarize", "in one line"],
  ]).option("--summarize", "one line", false);
  return acts(command, shell, async (action: PlatformAction<SharedFlags & { summarize: boolean }>, id) => {
    const run = await runOf(action, id).details({ signal: shell.signal });
    const lines = action.flags.summarize ? [`${run.run_id} ${progressText(run)}`] : runLines(run);
    shell.output.result(run, ...lines);
  });
}

function resultsCommand(shell: Shell): Command {
  const command = sharedVerb("results", "List the items of a run, and what became of them", [
    ["tally run results 3fa85f64-5717-4562-b3fc-2c963f66afa6 --reason USER_ERROR", "those that failed by their input"],
    ["tally run results 3fa85f64-5717-4562-b3fc-2c963f66afa6 --external-id slides/one.tiff --json", "one of them"],
  ])
    .option("--state <state>", "PENDING, PROCESSING or TERMINATED")
    .option("--reason <reason>", "SUCCEEDED, USER_ERROR, SYSTEM_ERROR or SKIPPED")
    .option("--external-id <id...>", "own names of items")
    .option("--item-id <id...>", "ids of items")
    .option("--query <jsonpath>", "filter on the items' custom metadata");
  return acts(command, shell, async (action: PlatformAction<ResultFlags>, id) => {
    const items = await Array.fromAsync(runOf(action, id).results(resultFilter(action.flags, shell.signal)));
    if (shell.output.json) return shell.output.result(items);
    shell.output.table(ITEM_COLUMNS, items.map(itemRow));
  });
}

function resultFilter({ state, reason, externalId, itemId, query }: ResultFlags, signal: AbortSignal) {
  return {
    signal,
    ...(state === undefined ? {} : { state }),
    ...(reason === undefined ? {} : { terminationReason: reason }),
    ...(externalId === undefined ? {} : { externalIds: externalId }),
    ...(itemId === undefined ? {} : { itemIds: itemId }),
    ...(query === undefined ? {} : { customMetadata: query }),
  };
}

function waitCommand(shell: Shell): Command {
  const command = sharedVerb("wait", "Wait until a run has ended, and show how it goes", [
    ["tally run wait 3fa85f64-5717-4562-b3fc-2c963f66afa6", "exit code 0 when all items succeeded, else 1"],
    ["tally run wait 3fa85f64-5717-4562-b3fc-2c963f66afa6 --timeout 600 --json", "a line for each change"],
  ]).option("--timeout <seconds>", "longest wait");
  return acts(command, shell, async (action: PlatformAction<WaitFlags>, id) => {
    const { timeout } = action.flags;
    const limit = timeout === undefined ? {} : { timeoutMs: numberFlag("--timeout", timeout, 0) * 1000 };
    await watchRun(shell, runOf(action, id), limit);
  });
}

function cancelCommand(shell: Shell): Command {
  const command = platformVerb("cancel", "Stop a run; what is ready stays", [
    ["tally run cancel 3fa85f64-5717-4562-b3fc-2c963f66afa6", "only who has submitted it may"],
  ]).argument("<run>", "id of the run");
  return acts(command, shell, async ({ client }, id) => {
    await client.run(id).cancel({ signal: shell.signal });
    shell.output.result({ run_id: id, status: "cancelled" }, `Cancelled the run ${id}`);
  });
}

function deleteCommand(shell: Shell): Command {
  const command = platformVerb("delete", "Delete the files that came out of a run", [
    ["tally run delete 3fa85f64-5717-4562-b3fc-2c963f66afa6", "the run itself stays in the list"],
  ]).argument("<run>", "id of the run");
  return acts(command, shell, async ({ client }, id) => {
    await client.run(id).delete({ signal: shell.signal });
    shell.output.result({ run_id: id, status: "deleted" }, `Deleted the results of the run ${id}`);
  });
}
