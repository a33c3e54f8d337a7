import { join } from "node:path";
import { startArtifactSite } from "./artifact_site.ts";
import { runScript, type Sample, sideBySide, summary } from "./measure.ts";
import {
  formatMemory,
  formatRate,
  formatRatio,
  formatSeconds,
  printTable,
  type Row,
  sampleColumns,
  sampleRow,
} from "./report.ts";
import type { Bench } from "./run.ts";

const COUNT = 2_000;
const FILE_BYTES = 1024 * 1024;
const AT_ONCE = 8;
const RUN_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

const CURL_ALL =
  `curl --no-progress-meter --fail --parallel --parallel-max ${AT_ONCE} --remote-name-all --output-dir "$OUT" \\
  "$ROOT"files/[0-${COUNT - 1}]`;
const CURL_ONE = 'curl --no-progress-meter --fail --output "$OUT/file" "$ROOT"files/0';
const TALLY = `read -ra words <<< "$PROGRAM"; "\${words[@]}" run download ${RUN_ID} "$OUT" --parallel ${AT_ONCE}`;
/** Killed when all but a hundredth has come, and started again. */
const KILLED = `read -ra words <<< "$PROGRAM"
"\${words[@]}" run download ${RUN_ID} "$OUT" & child=$!
until [ "$(curl -fsS "$ROOT"sent)" -ge "$KILL_AT" ]; do sleep 0.02; done
kill -9 $child; wait $child || true`;

/** Downloads of results of runs, checked, named and flushed to the disk, beside curl that only fetches the same files. */
export async function benchArtifacts(bench: Bench): Promise<void> {
  await benchMany(bench);
  await benchOne(bench);
}

async function benchMany({ folder, rounds }: Bench): Promise<void> {
  await using site = await startArtifactSite(COUNT, FILE_BYTES);
  const kept = join(folder, "kept");
  await Deno.mkdir(kept);
  await runScript(TALLY, { ...site.variables, OUT: kept });
  const { curl, tally, again } = await sideBySide(rounds, {
    curl: () => toFolder(folder, CURL_ALL, site.variables),
    tally: () => toFolder(folder, TALLY, site.variables),
    again: () => runScript(TALLY, { ...site.variables, OUT: kept }),
  });
  await Deno.remove(kept, { recursive: true });
  const reference = summary(curl);
  printTable(`${COUNT} artifacts of 1 MiB`, ["time", "files", "rate", "to curl", "peak memory"], [
    rowOf(`curl --parallel --parallel-max ${AT_ONCE}`, reference, reference),
    rowOf("tally run download", summary(tally), reference),
    rowOf("tally run download, all there and right", summary(again), reference),
  ]);
}

async function benchOne({ folder, rounds, sizeBytes }: Bench): Promise<void> {
  await using site = await startArtifactSite(1, sizeBytes);
  const { curl, tally } = await sideBySide(rounds, {
    curl: () => toFolder(folder, CURL_ONE, site.variables),
    tally: () => toFolder(folder, TALLY, site.variables),
  });
  const out = join(folder, "out");
  await Deno.mkdir(out);
  const variables = { ...site.variables, OUT: out };
  const beforeBytes = await site.sentBytes();
  await runScript(KILLED, { ...variables, KILL_AT: String(beforeBytes + Math.floor(sizeBytes * 0.99)) });
  const resumed = await runScript(TALLY, variables);
  const twiceBytes = await site.sentBytes() - beforeBytes - sizeBytes;
  const reference = summary(curl);
  printTable("one artifact", sampleColumns("curl"), [
    sampleRow("curl", reference, reference, sizeBytes),
    { ...sampleRow("tally run download", summary(tally), reference, sizeBytes), budget: "≤ 128 MiB" },
    sampleRow("tally run download, killed at 99 % and started again", resumed, reference, sizeBytes),
    {
      what: "bytes sent twice, what lay in the sockets of the killed included",
      cells: [formatMemory(twiceBytes), "", "", "", ""],
      budget: "one segment a range",
    },
  ]);
}

async function toFolder(folder: string, script: string, variables: Readonly<Record<string, string>>): Promise<Sample> {
  const out = join(folder, "out");
  await Deno.mkdir(out);
  const sample = await runScript(script, { ...variables, OUT: out });
  await Deno.remove(out, { recursive: true });
  return sample;
}

function rowOf(what: string, { seconds, peakBytes }: Sample, reference: Sample): Row {
  const cells = [
    formatSeconds(seconds),
    `${(COUNT / seconds).toFixed(0)}/s`,
    formatRate(COUNT * FILE_BYTES, seconds),
    formatRatio(seconds, reference.seconds),
    formatMemory(peakBytes),
  ];
  return { what, cells };
}
