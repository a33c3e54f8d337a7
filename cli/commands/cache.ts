import type { Command } from "commander";
import { type EntryState, verifyEntry } from "../../lib/cdn/cache_entries.ts";
import { CacheQuota, type KeptEntry, pinOf, removeEntry } from "../../lib/cdn/cache_quota.ts";
import { formatSize } from "../../lib/bytes.ts";
import { IntegrityError, UsageError } from "../../lib/errors.ts";
import { parseName } from "../../lib/split/names.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";

const DIGEST_SHOWN = 12;

interface PruneFlags {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly pin?: readonly string[];
  readonly unpin?: readonly string[];
}

/** `tally cache`: big parts that lie on this machine. */
export function cacheCommand(shell: Shell): Command {
  const command = verb("cache", "See, check and clear the big parts that lie on this machine", [
    ["tally cache list", "what is there, and when it was used last"],
    [
      "tally cache prune --model-cache-quota 20G --pin models/yolo.onnx",
      "down to 20 GiB; yolo.onnx stays, now and later",
    ],
  ]);
  for (const make of [listCommand, verifyCommand, pruneCommand]) adopt(command, make(shell));
  return command;
}

function listCommand(shell: Shell): Command {
  const command = verb("list", "List what is in the cache, the longest unused first", [
    ["tally cache list --json", "with all its names and sizes"],
  ]);
  withSettings(command, ["modelCacheDir", "modelCacheQuota"]);
  return command.action(async () => {
    const { quota } = await openCache(shell, command);
    const entries = await quota.list();
    const totalBytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    shell.output.result({ entries: entries.map(shown), totalBytes });
    shell.output.table(
      ["Size", "Last used", "Kept", "Name"].map((title) => ({ title })),
      entries.map((entry) => [formatSize(entry.sizeBytes), timeOf(entry), kept(entry), labelOf(entry)]),
    );
    shell.output.note(`${entries.length} entries, ${formatSize(totalBytes)}`);
  });
}

function verifyCommand(shell: Shell): Command {
  const command = verb("verify", "Read all that is in the cache, and compare it with what is known of it", [
    ["tally cache verify --remove", "and remove what is damaged: it is fetched anew when it is asked for"],
  ]).option("--remove", "remove what is damaged");
  withSettings(command, ["modelCacheDir"]);
  return command.action(async ({ remove = false }: { remove?: boolean }) => {
    const { quota } = await openCache(shell, command);
    const states: Record<EntryState, number> = { good: 0, damaged: 0, unknown: 0 };
    for (const entry of await quota.list()) {
      shell.signal.throwIfAborted();
      const state = await verifyEntry(entry);
      states[state]++;
      const removed = state === "damaged" && remove && await removeEntry(entry);
      shell.output.event({ event: "entry", ...shown(entry), state, removed }, `${state.padEnd(8)} ${labelOf(entry)}`);
    }
    shell.output.note(`${states.good} good, ${states.damaged} damaged, ${states.unknown} of which nothing is known`);
    if (states.damaged > 0) throw new IntegrityError(`${states.damaged} entries of the cache are damaged`);
  });
}

function pruneCommand(shell: Shell): Command {
  const command = verb("prune", "Remove what was used longest ago, down to the quota", [
    ["tally cache prune --all --dry-run", "what would go if everything went that may go"],
    ["tally cache prune --pin models/yolo.onnx", "keeps it, now and later"],
  ])
    .option("--all", "everything that is neither pinned nor in use")
    .option("--dry-run", "only tell what would go")
    .option("--pin <name...>", "keep FOLDER/NAME, now and later")
    .option("--unpin <name...>", "keep it no longer");
  withSettings(command, ["modelCacheDir", "modelCacheQuota"]);
  return command.action(async (flags: PruneFlags) => await prune(shell, command, flags));
}

async function prune(shell: Shell, command: Command, { all, dryRun = false, pin = [], unpin = [] }: PruneFlags) {
  const { quota, quotaBytes } = await openCache(shell, command);
  const names = { pin: pin.map(parsePin), unpin: unpin.map(parsePin) };
  if (pin.length + unpin.length > 0) await quota.repin(names);
  const limit = all ? 0 : quotaBytes;
  if (limit === undefined) {
    if (pin.length + unpin.length > 0) {
      return shell.output.result(names, "Pins changed; without a quota nothing is removed");
    }
    throw new UsageError("There is no quota: give --model-cache-quota, or --all");
  }
  const { removed, leftBytes } = await quota.prune({ quotaBytes: limit, dryRun });
  const what = dryRun ? "would go" : "gone";
  const lines = removed.map((entry) => `${what}: ${labelOf(entry)} (${formatSize(entry.sizeBytes)})`);
  shell.output.result(
    { removed: removed.map(shown), leftBytes, dryRun },
    ...lines,
    `${formatSize(leftBytes)} are left`,
  );
}

async function openCache(shell: Shell, command: Command) {
  const { modelCacheDir, modelCacheQuota } = await readSettings(command, shell.io.environment);
  const quota = new CacheQuota(modelCacheDir, { quotaBytes: modelCacheQuota, clock: shell.io.clock });
  return { quota, quotaBytes: modelCacheQuota };
}

function parsePin(text: string): string {
  const [folder = "", name, ...more] = text.split("/");
  if (name === undefined || more.length > 0) throw new UsageError(`"${text}" is not of the form FOLDER/NAME`);
  return `${parseName("folder", folder)}/${parseName("name", name)}`;
}

/** What a person calls it; the digest that it lies under tells versions apart. */
function labelOf(entry: KeptEntry): string {
  const { folder, name, resources } = entry;
  if (resources.length === 0 || resources.includes(name)) return pinOf(entry);
  return `${folder}/${resources.join(", ")} (${name.slice(0, DIGEST_SHOWN)})`;
}

function shown({ folder, name, resources, kind, sizeBytes, usedMs, pinned }: KeptEntry) {
  return { folder, name, resources, kind, sizeBytes, pinned, usedAt: new Date(usedMs).toISOString() };
}

function timeOf({ usedMs }: KeptEntry): string {
  return new Date(usedMs).toISOString().slice(0, 16).replace("T", " ");
}

function kept({ pinned, kind }: KeptEntry): string {
  return pinned ? "pinned" : kind === "partial" ? "unfinished" : "";
}
