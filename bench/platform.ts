import { join } from "node:path";
import { thisProgram } from "../cli/demo/this_program.ts";
import { ResourceApi } from "../lib/api/client.ts";
import { parsePlatformSettings } from "../lib/config/platform_settings.ts";
import { httpClient } from "../lib/http/client.ts";
import { Client } from "../lib/platform/client.ts";
import { systemClock } from "../lib/system/clock.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { initOrigin } from "../origin/init.ts";
import { eventually } from "../tests/support/eventually.ts";
import { runScript, type Sample, secondsOf, sideBySide, summary } from "./measure.ts";
import { peakBytes, resetPeak, residentBytes } from "./memory.ts";
import { cpuSeconds } from "./processor.ts";
import { formatMemory, formatRatio, formatSeconds, printTable, type Row } from "./report.ts";
import type { Bench } from "./run.ts";
import { startTally } from "./service.ts";

const RUNS = 1_000;
const PAGE_SIZE = 100;
const AT_ONCE = 4;

/** How long it takes to list 1,000 runs of an origin: by the command line, in a program, and beside curl that only fetches the pages. */
export async function benchPlatform({ folder, rounds }: Bench): Promise<void> {
  const dataDir = join(folder, "origin");
  const account = await initOrigin(dataDir, { email: "bench@example.com" });
  await using origin = await startTally([
    ...["origin", "serve", "--data-dir", dataDir, "--port", "0", "--log-level", "warning"],
  ]);
  const api = new ResourceApi({ baseUrl: origin.url, http: httpClient("API"), clock: systemClock });
  const token = await api.login(account.email, account.password);
  const client = clientFor(origin.url, token);
  await submitRuns(client);
  const { curl, tally, library } = await sideBySide(rounds, {
    curl: () => runScript(CURL, { API: new URL("/api/v1/runs", origin.url).href, TOKEN: token }),
    tally: () => runScript(TALLY, tallyVariables(origin.url, token)),
    library: () => listInProcess(client),
  });
  const reference = summary(curl);
  printTable(`${RUNS} runs listed`, ["time", "to curl", "peak memory"], [
    rowOf("curl, the same pages to /dev/null", reference, reference),
    rowOf("tally run list --json", summary(tally), reference),
    rowOf("Runs.listData(); memory: more than before", summary(library), reference),
  ]);
}

const CURL = `curl --fail --silent --show-error -H "authorization: Bearer $TOKEN" "$API?page=[1-${
  RUNS / PAGE_SIZE
}]&page_size=${PAGE_SIZE}"`;
const TALLY = `read -ra words <<< "$PROGRAM"; "\${words[@]}" run list --json`;

function tallyVariables(root: URL, token: string): Record<string, string> {
  const { program, args, env } = thisProgram(processEnvironment);
  const words = [program, ...args].join(" ");
  return { ...env, PROGRAM: words, AIGNOSTICS_API_ROOT: root.href, AIGNOSTICS_TOKEN: token };
}

function clientFor(root: URL, token: string): Client {
  const flags = { AIGNOSTICS_API_ROOT: root.href };
  const settings = parsePlatformSettings({ flags, environment: () => undefined, files: [] });
  return new Client({ settings, tokenProvider: () => Promise.resolve(token) });
}

/** Each has one item that fails at once; the worker has done with all of them when this returns. */
async function submitRuns(client: Client): Promise<void> {
  const numbers = Array.from({ length: RUNS }, (_, number) => number).values();
  const artifact = { name: "file", download_url: "https://storage.invalid/x", metadata: {} };
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const number of numbers) {
      const items = [{ external_id: `item ${number}`, input_artifacts: [artifact] }];
      const run = await client.runs.submit({ applicationId: "checksum", items, tags: ["bench"] });
      await run.cancel().catch(() => undefined); // it may have ended by itself
    }
  }));
  await eventually("all runs have ended", async () => {
    const runs = await Array.fromAsync(client.runs.listData({ nocache: true }));
    return runs.length === RUNS && runs.every(({ state }) => state === "TERMINATED");
  });
}

/** The memory is what this process holds more than before. */
async function listInProcess(client: Client): Promise<Sample> {
  resetPeak(Deno.pid);
  const beforeBytes = residentBytes(Deno.pid);
  const before = cpuSeconds(Deno.pid);
  let count = 0;
  const seconds = await secondsOf(async () => {
    for await (const _ of client.runs.listData({ nocache: true })) count++;
  });
  if (count !== RUNS) throw new Error(`${count} runs were listed, not ${RUNS}`);
  return {
    seconds,
    cpuSeconds: cpuSeconds(Deno.pid) - before,
    peakBytes: Math.max(0, peakBytes(Deno.pid) - beforeBytes),
  };
}

function rowOf(what: string, sample: Sample, reference: Sample): Row {
  const { seconds, peakBytes } = sample;
  return { what, cells: [formatSeconds(seconds), formatRatio(seconds, reference.seconds), formatMemory(peakBytes)] };
}
