import { join } from "node:path";
import { startDockerEngine } from "../tests/support/docker_engine.ts";
import { forget } from "./device_load.ts";
import { runScript } from "./measure.ts";
import { peakBytes, resetPeak } from "./memory.ts";
import { writeRandomFile } from "./random_file.ts";
import { formatMemory, formatSeconds, printTable, type Row } from "./report.ts";
import type { Bench } from "./run.ts";
import { FOLDER, type Site, startSite } from "./site.ts";
import { unlockOnce, writeArchives } from "./unlock.ts";
import { type Load, startWrk } from "./wrk.ts";

const CLIENTS_PER_PATH = 100;
const LIMIT_SECONDS = 900;
/** Clients of a device ask now and then: twice a second, at moments of their own. */
const THINKING = "function delay() return math.random(100, 900) end\n";
const PARALLEL = 50;
const SMALL_BYTES = 10 * 1024 * 1024;
const LARGE = ["large-0", "large-1"];
const SMALL = Array.from({ length: PARALLEL }, (_, index) => `small-${index}`);

const UPLOAD = `for name in $NAMES; do
  curl -fsS -o /dev/null -F folder="$FOLDER" -F data=@"$PLAIN" "$DEVICE/upload/$name"
done`;
/** A device that is busy says so, and when to come again: curl waits so long. */
const LOAD_ALL = `for name in $NAMES; do
  curl -fsS --retry 100 -o "$OUT-$name" "$DEVICE/resources/$FOLDER/$name" & pids+=($!)
done
for pid in "\${pids[@]}"; do wait "$pid"; done
for name in $NAMES; do cmp "$OUT-$name" "$PLAIN"; rm "$OUT-$name"; done`;

/** Two hundred clients that ask how a device is, while it loads and unlocks what is large, and while it loads fifty resources at once. */
export async function benchCrowd({ folder, sizeBytes, peers }: Bench): Promise<void> {
  await using engine = await startDockerEngine(peers.dockerd);
  const { dockerHost } = engine;
  const place = { folder: join(folder, "crowd"), s3Program: peers.versitygw, dockerHost, publishes: true };
  await using site = await startSite(place);
  const large = await publish(site, LARGE, { path: join(folder, "large"), sizeBytes });
  const small = await publish(site, SMALL, { path: join(folder, "small"), sizeBytes: SMALL_BYTES });
  await writeArchives(site, join(folder, "images.tar"), sizeBytes);
  const crowd = new Crowd(peers.wrk, join(folder, "thinking.lua"), site);
  const rows = [
    await crowd.during("nothing else, for 5 s", () => new Promise((resolve) => setTimeout(resolve, 5_000))),
    await crowd.during("two large loads and an unlock", async () => {
      await forget(site);
      await Promise.all([runScript(LOAD_ALL, large), unlockOnce(site)]);
    }, "p99 of /health ≤ 20 ms; ≤ 128 MiB + 1 MiB a load"),
    await crowd.during(`${PARALLEL} loads of ${formatMemory(SMALL_BYTES)} at once`, async () => {
      await forget(site);
      await runScript(LOAD_ALL, small);
    }, "p99 of /health ≤ 20 ms; ≤ 178 MiB"),
  ];
  const columns = ["/health answered", "p99 of /health", "/status answered", "p99 of /status", "peak memory"];
  printTable("200 clients, and", columns, rows);
}

interface Plain {
  readonly path: string;
  readonly sizeBytes: number;
}

async function publish(
  site: Site,
  names: readonly string[],
  { path, sizeBytes }: Plain,
): Promise<Record<string, string>> {
  await writeRandomFile(path, sizeBytes);
  const variables = { FOLDER, NAMES: names.join(" "), PLAIN: path, OUT: `${path}-out`, DEVICE: site.device.url.origin };
  await runScript(UPLOAD, variables);
  return variables;
}

/** The clients: half of them ask `/health`, half `/status`. */
class Crowd {
  readonly #wrk: string;
  readonly #script: string;
  readonly #site: Site;

  constructor(wrk: string, script: string, site: Site) {
    this.#wrk = wrk;
    this.#script = script;
    this.#site = site;
    Deno.writeTextFileSync(script, THINKING);
  }

  async during(what: string, work: () => Promise<unknown>, budget?: string): Promise<Row> {
    const { device } = this.#site;
    resetPeak(device.pid);
    const asking = ["/health", "/status"].map((path) => this.#ask(new URL(path, device.url)));
    try {
      await work();
    } finally {
      await Promise.allSettled(asking.map(({ stop }) => stop()));
    }
    const loads = await Promise.all(asking.map(({ done }) => done));
    const cells = [...loads.flatMap(cellsOf), formatMemory(peakBytes(device.pid))];
    return { what, cells, ...(budget === undefined ? {} : { budget }) };
  }

  #ask(url: URL) {
    const options = { url, connections: CLIENTS_PER_PATH, seconds: LIMIT_SECONDS, script: this.#script };
    return startWrk({ wrk: this.#wrk, ...options });
  }
}

function cellsOf({ answers, p99 }: Load): string[] {
  return [String(answers), formatSeconds(p99)];
}
