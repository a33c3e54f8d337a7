import { join } from "node:path";
import { parseArgs } from "node:util";
import project from "../../deno.json" with { type: "json" };
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { sha256Hex } from "../../lib/crypto/keys.ts";
import { AtomicFile, writePublicFile } from "../../lib/system/atomic_file.ts";
import { run } from "../run.ts";
import { say } from "../say.ts";
import { bundle } from "./bundle.ts";
import { programFlags } from "./flags.ts";
import { launcherFile, packRuntime } from "./launcher.ts";
import { type Architecture, ARCHITECTURES, type Form, known, type Program, PROGRAMS, shippedName } from "./programs.ts";
import { runtimeBytes, RUNTIMES } from "./runtime.ts";
import { type Site, withVariable } from "./site.ts";
import { billOfMaterials } from "./sbom.ts";
import { signSums, writeSums } from "./sums.ts";
import { readSite, runTool, SITE_FLAGS } from "./tool.ts";

/** What is made. */
export interface CompileOptions {
  readonly program: Program;
  readonly architecture: Architecture;
  readonly site: Site;
  readonly folder: string;
  /** Bundle that is run, in place of the one of the sources. */
  readonly main?: Bytes;
  /** Program that `deno compile` puts the bundle into, in place of the one that it finds or fetches. */
  readonly denort?: string;
}

const EXECUTABLE_MODE = 0o755;
const COMPILE_LIMIT_MS = 5 * 60_000;
/** Where a site has its hardware facts when nobody says otherwise: a compiled file has no launcher to collect them. */
const FACTS_FILE = "/run/tallystick/hardware.json";
const PACKED_FOLDER = join(import.meta.dirname ?? "", "../../.cache/deno");
const SBOM_NAME = "tally.cdx.json";
const USAGE =
  `usage: ./compile.sh [--target aarch64|x86_64] [--program device|origin|cli] [--api HOST:PORT] [--cdn HOST:PORT,…]
                    [--site FILE] [--form launcher|compiled] [--out FOLDER] [--sign KEY.pem]
A device needs --api, or a site file that names it.`;

/** Makes one executable file of launcher, runtime and program; returns its path. */
export async function makeLauncher({ program, architecture, site, folder, main }: CompileOptions): Promise<string> {
  const name = shippedName(program, architecture);
  const runtime = await runtimeBytes(architecture);
  const file = await launcherFile({
    name,
    version: project.version,
    program,
    site,
    runtime,
    packedRuntime: await packed(architecture, runtime),
    main: main ?? await bundle("main.js"),
    collect: await bundle("collect.js"),
  });
  return await writeExecutable(join(folder, name), file);
}

/**
 * Makes one executable file with `deno compile`; returns its path. The runtime in it is that of `DENORT_BIN`, or of the
 * archive that Deno finds in its cache, or that it fetches.
 */
export async function makeCompiled(
  { program, architecture, site, folder, main, denort }: CompileOptions,
): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "tally-compile-" });
  try {
    const name = shippedName(program, architecture);
    const located = site.variables.HARDWARE_FILE ?? site.variables.HARDWARE_ROOT;
    const complete = located === undefined ? withVariable(site, "HARDWARE_FILE", FACTS_FILE) : site;
    await writeDated(join(work, "main.js"), main ?? await bundle("main.js"));
    await Deno.writeTextFile(join(work, "site.env"), environmentFile(complete));
    const flags = [...programFlags(program, complete, "compiled"), `--env-file=${join(work, "site.env")}`];
    const target = `--target=${RUNTIMES[architecture].target}`;
    const args = ["compile", "--quiet", target, ...flags, `--output=${join(work, name)}`, join(work, "main.js")];
    const { exitCode } = await run(Deno.execPath(), args, {
      limitMs: COMPILE_LIMIT_MS,
      ...(denort === undefined ? {} : { env: { DENORT_BIN: denort } }),
    });
    if (exitCode !== 0) throw new Error(`deno compile failed with exit code ${exitCode}`);
    return await writeExecutable(join(folder, name), await Deno.readFile(join(work, name)));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Its time is part of what is baked. */
async function writeDated(path: string, bytes: Bytes): Promise<void> {
  await Deno.writeFile(path, bytes);
  await Deno.utime(path, 0, 0);
}

function environmentFile({ variables }: Site): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}='${value.replaceAll("'", "")}'\n`);
  return lines.join("");
}

/** Packing takes seconds, and gives the same bytes for the same runtime: it is done once. */
async function packed(architecture: Architecture, runtime: Bytes): Promise<Bytes> {
  const path = join(PACKED_FOLDER, `${RUNTIMES[architecture].sha256}.tar.gz`);
  const digestPath = `${path}.sha256`;
  const known = await Deno.readFile(path).catch(() => undefined);
  if (known !== undefined && await sha256Hex(known) === await Deno.readTextFile(digestPath).catch(() => "")) {
    return known;
  }
  const made = packRuntime(runtime);
  await Deno.mkdir(PACKED_FOLDER, { recursive: true });
  await Deno.writeFile(path, made);
  await Deno.writeTextFile(digestPath, await sha256Hex(made));
  return made;
}

async function writeExecutable(path: string, bytes: Bytes): Promise<string> {
  using file = await AtomicFile.create(path, EXECUTABLE_MODE);
  file.write(bytes);
  await file.commit();
  return path;
}

const MAKERS: Readonly<Record<Form, (options: CompileOptions) => Promise<string>>> = {
  launcher: makeLauncher,
  compiled: makeCompiled,
};

/** Makes what is asked for, and everything that belongs beside it. */
async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...SITE_FLAGS,
      target: { type: "string", default: "aarch64" },
      program: { type: "string", default: "device" },
      form: { type: "string", default: Deno.env.get("DENORT_BIN") ? "compiled" : "launcher" },
      out: { type: "string", default: "dist" },
      sign: { type: "string" },
    },
  });
  const program = known(PROGRAMS, values.program);
  const architecture = known(ARCHITECTURES, values.target);
  const make = MAKERS[known(["launcher", "compiled"], values.form)];
  const site = await readSite(values, program);
  await Deno.mkdir(values.out, { recursive: true });
  const path = await make({ program, architecture, site, folder: values.out });
  await writePublicFile(join(values.out, SBOM_NAME), utf8(await billOfMaterials()));
  await writeSums(values.out);
  if (values.sign !== undefined) await signSums(values.out, values.sign);
  say(path);
}

if (import.meta.main) await runTool(USAGE, main);
