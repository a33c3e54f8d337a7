import { join } from "node:path";
import { runLoads } from "../tests/support/load_run.ts";
import { V2Round } from "../tests/support/v2_round.ts";
import { formatMemory, printTable } from "./report.ts";
import type { Bench } from "./run.ts";

const NAME = "resumed.bin";
/** The server holds all of it in memory. */
const MOST_BYTES = 96 * 1024 * 1024;

/** A load in format v2 that is killed at 99 %, and what the next one fetches again: whatever its size, a segment of each range at most. */
export async function benchResume({ folder, sizeBytes }: Bench): Promise<void> {
  await using round = await V2Round.start();
  const plain = crypto.getRandomValues(new Uint8Array(65_536));
  const plainBytes = Math.min(sizeBytes, MOST_BYTES);
  const content = new Uint8Array(plainBytes).map((_, index) => plain[index % plain.byteLength] ?? 0);
  const { manifest: { big: { key, size } } } = await round.publish(content, { name: NAME });
  const job = {
    ...{ origin: round.site.url, cdn: round.cdn.url.href, email: round.email },
    folder: join(folder, "resume"),
    resources: [{ folder: "models", name: NAME }],
  };
  await Deno.mkdir(job.folder);
  const killed = await runLoads(job, (_, child, { gotBytes }) => {
    if ((gotBytes.get(key) ?? 0) >= size * 0.99) child.kill();
  });
  const last = await runLoads(job, () => {});
  const first = killed.gotBytes.get(key) ?? 0;
  const second = last.gotBytes.get(key) ?? 0;
  const ranges = killed.open.get(key) ?? 0;
  printTable(`${formatMemory(size)}, killed at 99 %`, ["before", "ranges open", "after", "fetched again"], [{
    what: "load in format v2",
    cells: [formatMemory(first), `${ranges}`, formatMemory(second), formatMemory(first + second - size)],
    budget: "≤ 1 segment (1.0 MiB) of each range",
  }]);
}
