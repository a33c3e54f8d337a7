import type { ObjectStore } from "../cdn/store.ts";
import { allUnits } from "../crypto/open_units.ts";
import { ownArchitecture } from "../device/architecture.ts";
import type { Enrolment } from "../device/enrolment.ts";
import type { Floors } from "../device/floors.ts";
import { IntegrityError } from "../errors.ts";
import { bigPart, hashList } from "../split/big_part.ts";
import { type OpenedSmallPart, openSmallPart } from "../split/open_small_part.ts";
import { parseSmallPart } from "../split/small_part_v2.ts";
import type { ByteStream } from "../streams.ts";
import { openFile } from "../system/files.ts";
import { fetchHashList, type LoadV2Deps } from "./load_v2.ts";
import { readSmallPartFile } from "./small_part_file.ts";
import { trustOf } from "./small_part_v2.ts";
import { openedUnits } from "./unit_feed.ts";
import { fileUnits, storeUnits } from "./unit_sources.ts";

/** What opening an archive of format v2 needs. */
export interface ArchiveV2Deps extends LoadV2Deps {
  readonly enrolment: Enrolment;
  readonly floors: Floors;
  readonly userId: () => string;
  readonly cdn: () => Promise<ObjectStore>;
}

/** Where an archive lies, and under which name it is published where its small part comes from the API. */
export interface ArchivePlace {
  readonly path: string;
  readonly resource: { readonly folder: string; readonly name: string } | undefined;
}

/**
 * The small part of an archive: that of the file beside it, else that of the API; `undefined` when it has neither, and so is one of format v1.
 * @throws {IntegrityError} with the step that failed
 */
export async function archiveSmallPart(
  deps: ArchiveV2Deps,
  { path, resource }: ArchivePlace,
  signal: AbortSignal,
): Promise<OpenedSmallPart | undefined> {
  const bytes = await readSmallPartFile(`${path}.small`);
  if (bytes === undefined) return resource && await deps.openVersion({ ...resource, signal });
  const { enrolment, floors, userId } = deps;
  const standing = await enrolment.current(signal);
  const part = parseSmallPart(bytes);
  const opened = await openSmallPart(part, {
    trust: await trustOf(standing),
    nowSeconds: await floors.now() / 1000,
    seqFloor: 0, // its name is not known yet: the floor stands below
    wanted: resource ?? {},
    architecture: ownArchitecture(),
    device: await enrolment.key(),
    user: part.grant.user === "" ? undefined : userId(), // one that was made on files alone is for whoever signs in here
  });
  const { manifest } = opened;
  await floors.raise(manifest, manifest.iat * 1000); // its grant may hold for years: a clock that is far ahead would not be noticed
  return opened;
}

/** The plaintext of an archive on this disk; a damaged segment is fetched from the CDN, where the archive is there too. */
export async function openArchive(
  deps: ArchiveV2Deps,
  opened: OpenedSmallPart,
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<ByteStream> {
  const { manifest } = opened;
  if (sizeBytes !== manifest.big.size) {
    const message = `The archive has ${sizeBytes} bytes, and ${manifest.big.size} were published`;
    throw new IntegrityError(message, { step: "size" });
  }
  const hashes = await hashList(manifest, await fetchHashList(deps, manifest, { signal, beside: `${path}.hashes` }));
  const big = await bigPart(opened, hashes);
  const range = allUnits(big);
  const file = { sizeBytes, open: (start = 0, end = sizeBytes) => openFile(path, start, end) };
  const name = { folder: manifest.folder, key: manifest.big.key };
  const sources = [
    fileUnits(file, { big, end: range.end }),
    storeUnits(deps.cdn, name, { big, end: range.end }, { clock: deps.clock, signal }),
  ];
  return openedUnits({ big, range, sources, log: deps.log, name: path });
}
