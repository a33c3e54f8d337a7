import { join } from "node:path";
import { encryptedSize } from "../lib/crypto/cbc_v1.ts";
import { resourceKeyString } from "../lib/crypto/keys.ts";
import { smallPartSize } from "../lib/split/plan.ts";
import { checked, forget, onDevice } from "./device_load.ts";
import { healthLatency } from "./health.ts";
import { runScript, type Sample, sideBySide, summary } from "./measure.ts";
import { writeRandomFile } from "./random_file.ts";
import { formatSeconds, printTable, sampleColumns, sampleRow } from "./report.ts";
import type { Bench } from "./run.ts";
import { FOLDER, type Site, startSite } from "./site.ts";

const NAME = "model.bin";

const UPLOAD = 'curl -fsS -o /dev/null -F folder="$FOLDER" -F data=@"$PLAIN" "$DEVICE/upload/$NAME"';
const LOAD = `curl -fsS -o "$OUT" -H 'content-type: application/json' \\
  -d '{"folder":"'"$FOLDER"'","filename":"'"$NAME"'"}' "$DEVICE/load/$NAME"`;
const FETCH = `curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 -u "$S3_USER" \\
  -H x-amz-content-sha256:UNSIGNED-PAYLOAD "$S3/$FOLDER/$NAME.big"`;
const DECRYPT = 'openssl enc -d -aes-256-cbc -K "$KEY" -iv "$IV"';

/**
 * Publishing and loading a resource through a device in format v1, beside curl and openssl on the same bytes.
 * @returns the load from S3
 */
export async function benchLoad({ folder, sizeBytes, rounds, peers }: Bench): Promise<Sample> {
  const plainPath = join(folder, "plain");
  await writeRandomFile(plainPath, sizeBytes);
  await using site = await startSite({ folder: join(folder, "load"), s3Program: peers.versitygw });
  const variables = {
    ...{ FOLDER, NAME, PLAIN: plainPath, OUT: join(folder, "out"), DEVICE: site.device.url.origin },
    ...{ S3: site.s3.endpoint.origin, S3_USER: readerOf(site) },
  };
  const upload = await onDevice(site, () => runScript(UPLOAD, variables));
  const secrets = { SMALL: join(folder, "small"), ...await keyAndIv(site, join(folder, "small"), sizeBytes) };
  const all = { ...variables, ...secrets };

  const { curl, openssl, cold, cached } = await sideBySide(rounds, {
    curl: () => runScript(`${FETCH} -o "$OUT"`, all),
    openssl: () => checked(all, () => runScript(`{ tail -c +17 "$SMALL"; ${FETCH}; } | ${DECRYPT} > "$OUT"`, all)),
    cold: async () => {
      await forget(site);
      return await checked(all, () => onDevice(site, () => runScript(LOAD, all)));
    },
    cached: () => checked(all, () => onDevice(site, () => runScript(LOAD, all))),
  });
  await forget(site);
  const latency = await healthLatency(peers.wrk, site.device.url, () => runScript(LOAD, all));

  printTable("load, to a file of the caller", sampleColumns("curl"), [
    sampleRow("curl of the big part", summary(curl), summary(curl), sizeBytes),
    sampleRow("curl | openssl enc -d", summary(openssl), summary(curl), sizeBytes),
    {
      ...sampleRow("load, big part from S3", summary(cold), summary(curl), sizeBytes),
      budget: "≤ 1.30 × curl, faster than curl | openssl; ≤ 128 MiB",
    },
    {
      ...sampleRow("load, big part from the cache", summary(cached), summary(curl), sizeBytes),
      budget: "≤ 128 MiB",
    },
    { ...sampleRow("upload, once", upload, summary(curl), sizeBytes), budget: "≤ 128 MiB" },
    { what: "/health meanwhile, 99th percentile", cells: [formatSeconds(latency), "", "", "", ""], budget: "≤ 20 ms" },
  ]);
  return summary(cold);
}

function readerOf({ s3: { settings: { downloader } } }: Site): string {
  return `${downloader.id.reveal()}:${downloader.secret.reveal()}`;
}

/** What openssl needs to open the resource: the small part in a file, and its key and IV in hex. */
async function keyAndIv(site: Site, smallPath: string, sizeBytes: number): Promise<{ KEY: string; IV: string }> {
  const small = await Deno.readFile(join(site.cacheDir, "../origin/resources", FOLDER, `${NAME}.small`));
  if (small.byteLength !== smallPartSize(encryptedSize(sizeBytes))) {
    throw new Error("The small part has a strange size");
  }
  await Deno.writeFile(smallPath, small);
  return { KEY: await resourceKeyHex(), IV: small.subarray(0, 16).toHex() };
}

async function resourceKeyHex(): Promise<string> {
  const text = new TextEncoder().encode(await resourceKeyString());
  return new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex();
}
