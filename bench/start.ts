import { gzipSync } from "node:zlib";
import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { runtimePath } from "../tools/ship/runtime.ts";
import { startBare, startIdleDevice } from "./health.ts";
import { formatRatio, formatSeconds, printTable, type Row } from "./report.ts";
import type { Bench } from "./run.ts";
import { runToEnd, Shipped, VERSION } from "./shipped.ts";
import { measureStarts, repeated, secondsToHealth, startCells } from "./starts.ts";

const START_COLUMNS = ["to first /health", "to bare", "idle memory"];
const MEGABYTE = 1e6;

/** The second start of the shipped files, and what they hold, beside the same from source and the least that Deno can do; their sizes. */
export async function benchStart({ folder }: Bench): Promise<void> {
  const shipped = new Shipped(folder);
  const file = await shipped.make("device", Deno.build.arch);
  const firstSeconds = await secondsToHealth(() => shipped.start(file));
  const { bare, source, device } = await measureStarts({
    bare: startBare,
    source: startIdleDevice,
    device: () => shipped.start(file),
  });
  printTable("start, and idle", START_COLUMNS, [
    { what: "bare Deno.serve", cells: startCells(bare, bare) },
    { what: "device, from source", cells: startCells(source, bare) },
    { what: "device, as shipped, second start", cells: startCells(device, bare), budget: "≤ 300 ms; ≤ 70 MiB" },
    {
      what: "the same, first start: it unpacks",
      cells: [formatSeconds(firstSeconds), formatRatio(firstSeconds, bare.seconds), ""],
    },
  ]);
  await benchVersion(shipped);
  await printSizes(shipped);
}

async function benchVersion(shipped: Shipped): Promise<void> {
  const file = await shipped.make("cli", Deno.build.arch);
  const { program, args, env } = thisProgram(processEnvironment);
  const { nothing, source, cli } = await repeated({
    nothing: () => runToEnd(program, ["eval", "0"], env),
    source: () => runToEnd(program, [...args, ...VERSION], env),
    cli: () => shipped.run(file, VERSION),
  });
  const row = (what: string, seconds: number, budget = ""): Row => {
    return { what, cells: [formatSeconds(seconds), formatRatio(seconds, nothing)], budget };
  };
  printTable("tally version, second start", ["median", "to deno eval 0"], [
    row("deno eval 0", nothing),
    row("from source", source),
    row("as shipped", cli, "≤ 150 ms"),
  ]);
}

async function printSizes(shipped: Shipped): Promise<void> {
  const rows: Row[] = [];
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const file = await Deno.readFile(await shipped.make("device", architecture));
    const runtime = await Deno.stat(await runtimePath(architecture));
    rows.push({
      what: `tally-device-${architecture}`,
      cells: [megabytes(file.byteLength), megabytes(gzipSync(file).byteLength), megabytes(runtime.size)],
      budget: architecture === "aarch64" ? "≤ 95 MB; compressed ≤ 45 MB" : "",
    });
  }
  printTable("size", ["file", "compressed once more", "runtime in it"], rows);
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}
