import { Crc32c } from "../lib/crc32c.ts";
import type { Client } from "../lib/platform/client.ts";
import type { InputArtifact, ItemCreation } from "../lib/platform/run_wire.ts";
import { jsonObject } from "../lib/platform/wire.ts";
import { watched } from "../lib/streams.ts";
import { openWholeFile } from "../lib/system/files.ts";
import type { Shell } from "./shell.ts";

/** An item whose inputs may lie on this machine. */
export interface LocalItem {
  readonly external_id: string;
  readonly input_artifacts: LocalArtifact[];
}

/** With a `path`, the file is sent to the platform first. */
interface LocalArtifact extends InputArtifact {
  readonly metadata: Record<string, unknown>;
  readonly path?: string;
}

const CHECKSUM = "checksum_base64_crc32c";

/**
 * Sends the files that lie on this machine, one after the other, and puts their addresses in place; and their CRC-32C, where the
 * version has a place for it and nobody has given one.
 */
export async function uploadInputs(
  items: readonly LocalItem[],
  { client, shell, applicationId, version }: {
    client: Client;
    shell: Shell;
    applicationId: string;
    version: string | undefined;
  },
): Promise<ItemCreation[]> {
  if (items.every(({ input_artifacts }) => input_artifacts.every(({ path }) => path === undefined))) return [...items];
  const { input_artifacts: kinds } = await client.versions.details(applicationId, version, { signal: shell.signal });
  const summed = new Set(kinds.filter(hasChecksum).map(({ name }) => name));
  const uploaded: ItemCreation[] = [];
  for (const { external_id, input_artifacts } of items) {
    const artifacts: InputArtifact[] = [];
    for (const { path, ...artifact } of input_artifacts) {
      if (path === undefined) artifacts.push(artifact);
      else artifacts.push(await uploadInput(artifact, path, { client, shell, isSummed: summed.has(artifact.name) }));
    }
    uploaded.push({ external_id, input_artifacts: artifacts });
  }
  return uploaded;
}

async function uploadInput(
  artifact: InputArtifact,
  path: string,
  { client, shell: { output, signal }, isSummed }: { client: Client; shell: Shell; isSummed: boolean },
): Promise<InputArtifact> {
  const { sizeBytes, body } = await openWholeFile(path);
  using progress = output.progress(`Uploading ${path}`);
  const checksum = new Crc32c();
  let sentBytes = 0;
  const data = watched(body, {
    look(chunk) {
      checksum.update(chunk);
      progress.update(sentBytes += chunk.byteLength, sizeBytes);
    },
  });
  const download_url = await client.inputs.upload(data, sizeBytes, { signal });
  const metadata = isSummed ? { [CHECKSUM]: checksum.base64(), ...artifact.metadata } : artifact.metadata;
  return { ...artifact, download_url, metadata };
}

function hasChecksum({ metadata_schema }: { metadata_schema: Readonly<Record<string, unknown>> }): boolean {
  return Object.hasOwn(jsonObject.safeParse(metadata_schema.properties).data ?? {}, CHECKSUM);
}
