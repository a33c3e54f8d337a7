import type { Command } from "commander";
import { UsageError } from "../../lib/errors.ts";
import type { Client } from "../../lib/platform/client.ts";
import { type JsonObject, jsonObject } from "../../lib/platform/wire.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import { type SharedFlags, shareTokenOf, withShareToken } from "../share_token.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";

interface ShowFlags extends SharedFlags {
  readonly item?: string;
  readonly showChecksum: boolean;
}

interface SetFlags {
  readonly item?: string;
  readonly checksum?: string;
  readonly enrichSdkMetadata: boolean;
}

interface Metadata {
  readonly custom_metadata: JsonObject | null;
  readonly custom_metadata_checksum: string | null;
}

/** `tally run metadata`: what is stored with a run and its items. */
export function metadataCommand(shell: Shell): Command {
  const command = verb("metadata", "Show and replace what is stored with a run or an item", [
    ["tally run metadata show 3fa85f64-5717-4562-b3fc-2c963f66afa6", "as JSON"],
  ]);
  for (const make of [showCommand, setCommand]) adopt(command, make(shell));
  return command;
}

function showCommand(shell: Shell): Command {
  const command = withShareToken(
    platformVerb("show", "Print the custom metadata of a run or an item", [
      ["tally run metadata show 3fa85f64-5717-4562-b3fc-2c963f66afa6 --show-checksum", "for a later set --checksum"],
      ["tally run metadata show 3fa85f64-5717-4562-b3fc-2c963f66afa6 --item slides/one.tiff", "of one item"],
    ])
      .argument("<run>", "id of the run")
      .option("--item <external-id>", "of this item, not of the run")
      .option("--show-checksum", "with the checksum that names this very state", false),
  );
  return acts(command, shell, async ({ client, flags }: PlatformAction<ShowFlags>, id) => {
    const { custom_metadata, custom_metadata_checksum } = await readMetadata(client, id, flags, shell);
    const document = flags.showChecksum ? { custom_metadata, custom_metadata_checksum } : custom_metadata;
    shell.output.result(document, ...JSON.stringify(document, null, 2).split("\n"));
  });
}

async function readMetadata(
  client: Client,
  id: string,
  { item, ...flags }: ShowFlags,
  { io, signal }: Shell,
): Promise<Metadata> {
  const run = client.run(id, { shareToken: shareTokenOf(flags, io) });
  const options = { nocache: true, signal };
  return item === undefined ? await run.details(options) : await run.item(item, options);
}

function setCommand(shell: Shell): Command {
  const command = platformVerb("set", "Replace the custom metadata of a run or an item", [
    ['tally run metadata set 3fa85f64-5717-4562-b3fc-2c963f66afa6 \'{"study": "high"}\'', "of the run"],
    [
      "tally run metadata set 3fa85f64-5717-4562-b3fc-2c963f66afa6 '{}' --checksum f54fe109",
      "refused with exit code 1 when somebody has changed it since",
    ],
  ])
    .argument("<run>", "id of the run")
    .argument("<json>", "a JSON object, or null")
    .option("--item <external-id>", "of this item, not of the run")
    .option("--checksum <checksum>", "of the state that is replaced")
    .option("--no-enrich-sdk-metadata", "leave the date in its sdk part as it is");
  return acts(command, shell, async ({ client, flags }: PlatformAction<SetFlags>, id, json) => {
    const { item, checksum } = flags;
    const update = { checksum, verbatim: !flags.enrichSdkMetadata, signal: shell.signal };
    const metadata = parseMetadata(json);
    const run = client.run(id);
    const custom_metadata_checksum = item === undefined
      ? await run.updateCustomMetadata(metadata, update)
      : await run.updateItemCustomMetadata(item, metadata, update);
    shell.output.result({ custom_metadata_checksum }, `Replaced; its checksum is ${custom_metadata_checksum}`);
  });
}

function parseMetadata(text: string): JsonObject | null {
  try {
    return jsonObject.nullable().parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError("The metadata is neither a JSON object nor null", { cause });
  }
}
