import { join } from "node:path";
import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { runScript, type Sample, sideBySide, summary } from "./measure.ts";
import { formatMemory, formatRate, formatRatio, formatSeconds, printTable, type Row } from "./report.ts";
import type { Bench } from "./run.ts";

const COUNT = 2_000;
const FILE_BYTES = 1024 * 1024;
const AT_ONCE = 8;
const RUN_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const SERVER = new URL("artifact_server.ts", import.meta.url).pathname;

const CURL =
  `curl --silent --show-error --no-progress-meter --fail --parallel --parallel-max ${AT_ONCE} --remote-name-all --output-dir "$OUT" \\
  "$ROOT"files/[0-${COUNT - 1}]`;
const TALLY = `read -ra words <<< "$PROGRAM"; "\${words[@]}" run download ${RUN_ID} "$OUT" --parallel ${AT_ONCE}`;

/** 2,000 artifacts of 1 MiB of a run: checked, named and flushed to the disk, beside curl that only fetches the same files. */
export async function benchArtifacts({ folder, rounds }: Bench): Promise<void> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", SERVER, String(COUNT), String(FILE_BYTES)],
    stdout: "piped",
  }).spawn();
  try {
    const root = await firstLine(server.stdout);
    const { program, args, env } = thisProgram(processEnvironment);
    const words = [program, ...args].join(" ");
    const platform = { ...env, PROGRAM: words, AIGNOSTICS_API_ROOT: root, AIGNOSTICS_TOKEN: "token" };
    const kept = join(folder, "kept");
    await Deno.mkdir(kept);
    const fresh = async (script: string, variables: Record<string, string>): Promise<Sample> => {
      const out = join(folder, "out");
      await Deno.mkdir(out);
      const sample = await runScript(script, { ...variables, OUT: out });
      await Deno.remove(out, { recursive: true });
      return sample;
    };
    await runScript(TALLY, { ...platform, OUT: kept });
    const { curl, tally, again } = await sideBySide(rounds, {
      curl: () => fresh(CURL, { ROOT: root }),
      tally: () => fresh(TALLY, platform),
      again: () => runScript(TALLY, { ...platform, OUT: kept }),
    });
    const reference = summary(curl);
    printTable(`${COUNT} artifacts of 1 MiB`, ["time", "files", "rate", "to curl", "peak memory"], [
      rowOf(`curl --parallel --parallel-max ${AT_ONCE}`, reference, reference),
      rowOf("tally run download", summary(tally), reference),
      rowOf("tally run download, all there and right", summary(again), reference),
    ]);
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
}

async function firstLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.endsWith("\n")) return text.trim();
  }
  throw new Error("The server of the artifacts does not start");
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
