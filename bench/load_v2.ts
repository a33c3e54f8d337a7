import { join } from "node:path";
import { checked, forget, onDevice } from "./device_load.ts";
import { runScript, type Sample, sideBySide, summary } from "./measure.ts";
import { writeRandomFile } from "./random_file.ts";
import { formatMemory, formatRatio, formatSeconds, printTable, sampleColumns, sampleRow } from "./report.ts";
import type { Bench } from "./run.ts";
import { FOLDER, type Site, startSite } from "./site.ts";

const NAME = "model.bin";
const RANGE_BYTES = 1024 * 1024;

const UPLOAD = 'curl -fsS -o /dev/null -F folder="$FOLDER" -F data=@"$PLAIN" "$DEVICE/upload/$NAME"';
const LOAD = 'curl -fsS -o "$OUT" "$DEVICE/resources/$FOLDER/$NAME"';
const RANGE = 'curl -fsS -o "$OUT" -r "$RANGE" "$DEVICE/resources/$FOLDER/$NAME"';
const S3_FLAGS = '--aws-sigv4 aws:amz:us-east-1:s3 -u "$S3_USER" -H x-amz-content-sha256:UNSIGNED-PAYLOAD';
const FETCH = `curl -fsS ${S3_FLAGS} "$S3/$FOLDER/$KEY" -o "$OUT"`;
const PUT_AGE = `"$AGE" -r "$RECIPIENT" -o "$AGE_FILE" "$PLAIN"
  curl -fsS ${S3_FLAGS} -T "$AGE_FILE" "$S3/$FOLDER/plain.age"; rm "$AGE_FILE"`;
const FETCH_AGE = `curl -fsS ${S3_FLAGS} "$S3/$FOLDER/plain.age" | "$AGE" -d -i "$IDENTITY" > "$OUT"`;
const FETCH_RANGE = `curl -fsS ${S3_FLAGS} -r "$RANGE" "$S3/$FOLDER/$KEY" -o "$OUT"`;

/** A resource in format v2 on an S3 server, published by a device that holds a publisher's key. */
interface Published extends AsyncDisposable {
  readonly site: Site;
  readonly upload: Sample;
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Loading a resource in format v2 through a device, beside curl on the same bytes, and on those that stock age decrypts.
 * @param v1 the same content, loaded from S3 in format v1
 */
export async function benchLoadV2(bench: Bench, v1: Sample): Promise<void> {
  await using published = await publish(bench, "load-v2");
  const { site, upload } = published;
  const variables = { ...published.variables, ...await putAgeFile(bench, published) };
  const { curl, age, cold, cached } = await sideBySide(bench.rounds, {
    curl: () => runScript(FETCH, variables),
    age: () => checked(variables, () => runScript(FETCH_AGE, variables)),
    cold: async () => {
      await forget(site);
      return await checked(variables, () => onDevice(site, () => runScript(LOAD, variables)));
    },
    cached: () => checked(variables, () => onDevice(site, () => runScript(LOAD, variables))),
  });
  printTable("load in format v2, to a file of the caller", sampleColumns("curl"), [
    sampleRow("curl of the big part", summary(curl), summary(curl), bench.sizeBytes),
    sampleRow("curl | age -d", summary(age), summary(curl), bench.sizeBytes),
    {
      ...sampleRow("load, big part from S3", summary(cold), summary(curl), bench.sizeBytes),
      budget: "≤ 1.30 × curl, faster than curl | age; ≤ 128 MiB",
    },
    sampleRow("the same in format v1, from S3", v1, summary(curl), bench.sizeBytes),
    {
      ...sampleRow("load, big part from the cache", summary(cached), summary(curl), bench.sizeBytes),
      budget: "≤ 128 MiB",
    },
    { ...sampleRow("upload, once", upload, summary(curl), bench.sizeBytes), budget: "≤ 128 MiB" },
  ]);
}

/** One MiB out of the middle of a large resource, beside curl on as many bytes of the big part. */
export async function benchDeviceRange(bench: Bench): Promise<void> {
  await using published = await publish(bench, "range");
  const { site } = published;
  const start = Math.floor(bench.sizeBytes / 2) + 12_345;
  const variables = { ...published.variables, RANGE: `${start}-${start + RANGE_BYTES - 1}` };
  await forget(site);
  const { curl, range } = await sideBySide(Math.max(bench.rounds, 5), {
    curl: () => runScript(FETCH_RANGE, variables),
    range: () => onDevice(site, () => runScript(RANGE, variables)),
  });
  await runScript(`cmp "$OUT" <(tail -c +${start + 1} "$PLAIN" | head -c ${RANGE_BYTES})`, variables);
  const reference = summary(curl);
  const sample = summary(range);
  printTable(`1 MiB out of ${formatMemory(bench.sizeBytes)}`, ["median", "to curl", "peak memory"], [
    { what: "curl of 1 MiB of the big part", cells: [formatSeconds(reference.seconds), formatRatio(1, 1), ""] },
    {
      what: "GET /resources with Range",
      cells: [
        formatSeconds(sample.seconds),
        formatRatio(sample.seconds, reference.seconds),
        formatMemory(sample.peakBytes),
      ],
      budget: "≤ 128 MiB",
    },
  ]);
}

async function publish({ folder, sizeBytes, peers }: Bench, name: string): Promise<Published> {
  const plainPath = join(folder, "plain-v2");
  await writeRandomFile(plainPath, sizeBytes);
  const site = await startSite({ folder: join(folder, name), s3Program: peers.versitygw, publishes: true });
  const { downloader } = site.s3.settings;
  const variables = {
    ...{ FOLDER, NAME, PLAIN: plainPath, OUT: join(folder, "out"), DEVICE: site.device.url.origin },
    ...{ S3: site.s3.endpoint.origin, S3_USER: `${downloader.id.reveal()}:${downloader.secret.reveal()}` },
  };
  const upload = await onDevice(site, () => runScript(UPLOAD, variables));
  const KEY = await keyOf(site);
  await site.restartDevice();
  return { site, upload, variables: { ...variables, KEY }, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

/** Puts the same content on the S3 server as an age file. */
async function putAgeFile({ folder, peers }: Bench, { site, variables }: Published): Promise<Record<string, string>> {
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const { uploader } = site.s3.settings;
  const own = { AGE: peers.age, AGE_FILE: join(folder, "age"), IDENTITY: join(folder, "identity") };
  await Deno.writeTextFile(own.IDENTITY, `${identity}\n`, { mode: 0o600 });
  await runScript(PUT_AGE, {
    ...variables,
    ...own,
    RECIPIENT: await identityToRecipient(identity),
    S3_USER: `${uploader?.id.reveal()}:${uploader?.secret.reveal()}`,
  });
  return own;
}

/** The device keeps what it has published under the name that it has in the CDN. */
async function keyOf({ cacheDir }: Site): Promise<string> {
  for await (const { name } of Deno.readDir(join(cacheDir, FOLDER))) if (/^[0-9a-f]{64}\.big$/.test(name)) return name;
  throw new Error("The upload was not one of format v2");
}
