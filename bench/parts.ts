import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { bundleModule } from "../tools/ship/bundle.ts";
import { formatRatio, formatSeconds, printTable } from "./report.ts";
import type { Bench } from "./run.ts";
import { startService } from "./service.ts";
import { DEVICE, runToEnd, Shipped, VERSION } from "./shipped.ts";
import { measureStarts, repeated, startCells } from "./starts.ts";

const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));
const SOURCE = fileURLToPath(new URL("../main.ts", import.meta.url));
const EAGER = fileURLToPath(new URL("eager.ts", import.meta.url));
/** Flags that keep the sources from finding their packages. */
const BUNDLE_ONLY: ReadonlySet<string> = new Set(["--no-npm", "--no-config"]);

/** What the program is started with, before its own arguments. */
interface Variant {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The bundle as a launcher starts it, and with one thing left out at a time. */
type VariantName = "bundle" | "uncached" | "modules" | "eager" | "largeYoung";

const TITLES: Readonly<Record<VariantName | "file", string>> = {
  bundle: "bundle",
  file: "behind its launcher: as shipped",
  uncached: "without the code cache",
  modules: "modules and packages in place of the bundle",
  eager: "everything imported at the start",
  largeYoung: "without --max-semi-space-size=1",
};

/** What the launcher costs, and what each part of the shipped file has bought: the start without it. */
export async function benchParts({ folder }: Bench): Promise<void> {
  const shipped = new Shipped(folder);
  const file = await shipped.make("device", Deno.build.arch);
  await (await shipped.start(file))[Symbol.asyncDispose](); // it unpacks
  const variants = await makeVariants(shipped, folder);
  await printStarts(shipped, file, variants);
  await printVersions(shipped, file, variants);
}

async function printStarts(
  shipped: Shipped,
  file: string,
  variants: Readonly<Record<VariantName, Variant>>,
): Promise<void> {
  const starts = await measureStarts<VariantName | "file">({
    ...each(variants, ({ args, env }) => () => startService(Deno.execPath(), [...args, ...DEVICE], env)),
    file: () => shipped.start(file),
  });
  printTable(
    "device, second start",
    ["to first /health", "to bundle", "idle memory"],
    names(TITLES).map((name) => ({ what: TITLES[name], cells: startCells(starts[name], starts.bundle) })),
  );
}

async function printVersions(
  shipped: Shipped,
  file: string,
  variants: Readonly<Record<VariantName, Variant>>,
): Promise<void> {
  const seconds = await repeated<VariantName | "file">({
    ...each(variants, ({ args, env }) => () => runToEnd(Deno.execPath(), [...args, ...VERSION], env)),
    file: () => shipped.run(file, VERSION),
  });
  const cells = (one: number) => [formatSeconds(one), formatRatio(one, seconds.bundle)];
  printTable(
    "tally version, second start",
    ["median", "to bundle"],
    names(TITLES).map((name) => ({ what: TITLES[name], cells: cells(seconds[name]) })),
  );
}

async function makeVariants(shipped: Shipped, folder: string): Promise<Readonly<Record<VariantName, Variant>>> {
  const { flags, env } = shipped.runtime("device");
  const main = join(shipped.unpacked, "main.js");
  const eager = join(folder, "eager.js");
  await Deno.writeFile(eager, await bundleModule(EAGER));
  const moduleFlags = [...flags.filter((flag) => !BUNDLE_ONLY.has(flag)), `--config=${CONFIG}`];
  const { DENO_DIR: _, ...withoutFolder } = env;
  return {
    bundle: { args: ["run", ...flags, main], env },
    uncached: { args: ["run", "--no-code-cache", ...flags, main], env },
    modules: {
      args: ["run", ...moduleFlags, SOURCE],
      env: { ...withoutFolder, ...thisProgram(processEnvironment).env },
    },
    eager: { args: ["run", ...flags, eager], env },
    largeYoung: { args: ["run", ...flags.filter((flag) => !flag.startsWith("--v8-flags")), main], env },
  };
}

function each<To>(
  variants: Readonly<Record<VariantName, Variant>>,
  change: (variant: Variant) => To,
): Record<VariantName, To> {
  return Object.fromEntries(names(variants).map((name) => [name, change(variants[name])])) as Record<VariantName, To>;
}

function names<Name extends string>(record: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(record) as Name[];
}
