import { join } from "node:path";
import { CBC_TUNING, decryptCbc, encryptCbc } from "../lib/crypto/cbc_v1.ts";
import { aesKey, type CbcKey } from "../lib/crypto/keys.ts";
import { openLibcrypto } from "../lib/crypto/libcrypto.ts";
import { consume } from "../lib/streams.ts";
import { writeStream } from "../lib/system/atomic_file.ts";
import { openWholeFile } from "../lib/system/files.ts";
import { ensureLibcrypto } from "../tools/peers/libcrypto.ts";
import { median, secondsOf, sideBySide } from "./measure.ts";
import { writeRandomFile } from "./random_file.ts";
import { formatRate, formatRatio, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";

/** Decrypting v1 from a file to nowhere, by the runtime's AES and by libcrypto's. What it buys on ARM64, only an ARM64 machine can tell. */
export async function benchAccel({ folder, sizeBytes, rounds }: Bench): Promise<void> {
  const peer = await ensureLibcrypto();
  if ("missing" in peer) throw new Error(`libcrypto is missing: ${peer.missing}`);
  using library = await openLibcrypto(peer.path);
  const [plain, encrypted] = [join(folder, "plain"), join(folder, "encrypted")];
  const [web, native] = [await aesKey("bench"), await aesKey("bench", library)];
  await writeRandomFile(plain, sizeBytes);
  await writeStream(encrypted, encryptCbc((await openWholeFile(plain)).body, web));
  const times = await sideBySide(rounds, {
    webcrypto: () => secondsOf(() => decrypt(encrypted, web)),
    libcrypto: () => secondsOf(() => decrypt(encrypted, native)),
  });
  const [byWeb, byLibrary] = [median(times.webcrypto), median(times.libcrypto)];
  const row = (what: string, seconds: number) => ({
    what,
    cells: [formatSeconds(seconds), formatRate(sizeBytes, seconds), formatRatio(seconds, byWeb)],
  });
  printTable(`AES-256-CBC of v1 on ${Deno.build.arch}, decrypted`, ["median", "rate", "to WebCrypto"], [
    row("CRYPTO_ACCEL=none: WebCrypto", byWeb),
    row("CRYPTO_ACCEL=libcrypto", byLibrary),
  ]);
}

async function decrypt(path: string, key: CbcKey): Promise<void> {
  const { body } = await openWholeFile(path);
  await consume(decryptCbc(body, key, CBC_TUNING), () => {});
}
