import { join } from "node:path";
import { importContentKey } from "../lib/crypto/content_key.ts";
import { sealUnits } from "../lib/crypto/seal_units.ts";
import { SUITE_NAMES, type SuiteName, SUITES } from "../lib/crypto/suites.ts";
import { openRange, plainRange } from "../lib/split/big_part.ts";
import { byteStream, consume } from "../lib/streams.ts";
import { writeStream } from "../lib/system/atomic_file.ts";
import { openFile } from "../lib/system/files.ts";
import { median, secondsOf } from "./measure.ts";
import { formatMemory, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";

const RANGE_BYTES = 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const RANGES = 30;

/** A range of 1 MiB out of a sealed file: only the units that hold it are read and opened. */
export async function benchRange({ folder, sizeBytes }: Bench): Promise<void> {
  const rows = [];
  for (const name of SUITE_NAMES) rows.push(await measure(name, join(folder, name), sizeBytes));
  printTable(`1 MiB out of ${formatMemory(sizeBytes)}, anywhere`, ["median", "slowest", "read for it"], rows);
}

async function measure(name: SuiteName, path: string, sizeBytes: number) {
  const { layout, contentKeyBytes, newHeader, unitCipher } = SUITES[name];
  const contentKey = await importContentKey(crypto.getRandomValues(new Uint8Array(contentKeyBytes)));
  const cipher = await unitCipher(contentKey, newHeader(), new Uint8Array(0));
  const { body, facts } = sealUnits(zeros(sizeBytes), layout, cipher);
  await writeStream(path, body);
  const { big: { size }, hashes } = facts();
  const big = { layout, cipher, sizeBytes: size, hashes };
  const seconds: number[] = [];
  let readBytes = 0;
  for (let index = 0; index < RANGES; index++) {
    const start = Math.floor((sizeBytes - RANGE_BYTES) * index / RANGES);
    const range = plainRange(big, start, start + RANGE_BYTES);
    readBytes = Math.max(readBytes, range.bigEnd - range.bigStart);
    seconds.push(
      await secondsOf(async () => {
        await consume(openRange(await openFile(path, range.bigStart, range.bigEnd), big, range), () => {});
      }),
    );
  }
  await Deno.remove(path);
  const cells = [formatSeconds(median(seconds)), formatSeconds(Math.max(...seconds)), formatMemory(readBytes)];
  return { what: name, cells };
}

function zeros(sizeBytes: number) {
  let left = sizeBytes;
  return byteStream(() => {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, left));
    left -= piece.byteLength;
    return Promise.resolve(piece.byteLength > 0 ? piece : undefined);
  });
}
