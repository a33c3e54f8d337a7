import { gzipSync } from "node:zlib";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import { sha256Hex } from "../../lib/crypto/keys.ts";
import { tarEnd, tarHeader, tarPadding } from "../../lib/docker/tar.ts";
import { grantedVariables, programFlags, RUNTIME_VARIABLES } from "./flags.ts";
import type { Program } from "./programs.ts";
import { type Site, withVariable } from "./site.ts";

/** What goes into a launcher file. */
export interface LauncherParts {
  /** Name of the file itself. */
  readonly name: string;
  readonly version: string;
  readonly program: Program;
  readonly site: Site;
  readonly runtime: Bytes;
  /** The runtime as {@link packRuntime} packs it: it is large, and the same in every file. */
  readonly packedRuntime: Bytes;
  /** The bundles `main.js` and `collect.js`. */
  readonly main: Bytes;
  readonly collect: Bytes;
}

const TEMPLATE = new URL("launcher.sh", import.meta.url);
const ID_CHARACTERS = 16;
const COMPRESSION_LEVEL = 6;
/** Where the launcher itself puts the facts; the shell puts the folder in. */
const FACTS_FILE = "/@FOLDER@/hardware.json";
/** What starts at once: nobody waits for facts that are not asked for. */
const VERBS_WITHOUT_FACTS = ["version", "completions", "config", "--help"];
const COLLECT_FLAGS = "--no-prompt --no-config --no-lock --no-npm --no-remote --cached-only --quiet";

/** One executable file: a shell script, and behind it a compressed archive with the runtime and the program. */
export async function launcherFile(parts: LauncherParts): Promise<Bytes> {
  const { packedRuntime, main, collect } = parts;
  const scripts = gzipSync(concat(...entry("main.js", main), ...entry("collect.js", collect), tarEnd()), { level: 9 });
  const payload = concat(packedRuntime, scripts); // members of one gzip file, see RFC 1952, section 2.2
  return concat(utf8(await launcherScript(parts, payload)), payload);
}

/** The runtime as the first member of the archive. */
export function packRuntime(runtime: Bytes): Bytes {
  return new Uint8Array(gzipSync(concat(...entry("deno", runtime)), { level: COMPRESSION_LEVEL }));
}

/** What the launcher passes to the runtime before the program, with the folder that it has unpacked into. */
export function launcherFlags(program: Program, site: Site, folder: string): string[] {
  return programFlags(program, withFacts(program, site), "launcher").map((flag) =>
    flag.replaceAll("/@FOLDER@", folder)
  );
}

async function launcherScript(parts: LauncherParts, payload: Bytes): Promise<string> {
  const { name, version, program, site, runtime, main, collect } = parts;
  const files = { "deno": runtime, "main.js": main, "collect.js": collect };
  const sums = await Promise.all(
    Object.entries(files).map(async ([file, bytes]) => `${await sha256Hex(bytes)}  ${file}`),
  );
  const granted = programFlags(program, withFacts(program, site), "launcher").map(quoted).join(" ");
  const flags = granted.replaceAll("/@FOLDER@", `'"$folder"'`);
  const variables = grantedVariables(program, site);
  const template = await Deno.readTextFile(TEMPLATE);
  const values: Readonly<Record<string, string>> = {
    NAME: name,
    VERSION: version,
    ID: (await sha256Hex(payload)).slice(0, ID_CHARACTERS),
    SUMS: sums.join("\n"),
    RUNTIME_BYTES: String(runtime.byteLength),
    DEFAULTS: variables.map((variable) => defaulting(variable, site.variables[variable])).join(""),
    COLLECT: collects(program, site) ? collecting(flags) : "",
    FLAGS: flags,
    RUNTIME_VARIABLES: RUNTIME_VARIABLES.map(({ name, value }) => `${name}=${quoted(value)}`).join(" "),
    VARIABLES: variables.join(" "),
  };
  const filled = template.replace(/@([A-Z_]+)@/g, (mark, key) => values[key] ?? mark);
  const lines = filled.split("\n").length; // the template ends with a line feed: the payload begins on this line
  return filled.replace("@PAYLOAD_LINE@", String(lines));
}

/** A variable that is not set gets what the site says. */
function defaulting(variable: string, value: string | undefined): string {
  return value === undefined ? "" : `[ -n "\${${variable}-}" ] || export ${variable}=${quoted(value)}\n`;
}

/** Whether the launcher collects the facts by itself: unless the site brings a file, or mounts of what the kernel says. */
function collects(program: Program, site: Site): boolean {
  const { HARDWARE_FILE, HARDWARE_ROOT } = site.variables;
  const reads = grantedVariables(program, site).includes("HARDWARE_FILE");
  return reads && HARDWARE_FILE === undefined && HARDWARE_ROOT === undefined;
}

function withFacts(program: Program, site: Site): Site {
  return collects(program, site) ? withVariable(site, "HARDWARE_FILE", FACTS_FILE) : site;
}

/**
 * The one thing that runs outside of the sandbox: code of ours, without a single argument or variable of the caller.
 * Then, after unpacking only, a first start that fills the runtime's code cache: it halves the time of every later one.
 */
function collecting(flags: string): string {
  return [
    "export HARDWARE_FILE=$folder/hardware.json",
    `case $is_new\${1-} in ${VERBS_WITHOUT_FACTS.join(" | ")}) ;;`,
    `*) sealed "$folder/deno" run --allow-all ${COLLECT_FLAGS} "$folder/collect.js" "$HARDWARE_FILE" </dev/null ||`,
    `  fail "cannot collect the hardware facts" ;;`,
    "esac",
    `[ -z "$is_new" ] || sealed "HARDWARE_FILE=$HARDWARE_FILE" "$folder/deno" run ${flags} "$folder/main.js" hardware \\`,
    `  </dev/null >/dev/null 2>&1 || :`,
  ].join("\n");
}

/** One word for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function entry(name: string, bytes: Bytes): Bytes[] {
  return [tarHeader(name, bytes.byteLength), bytes, tarPadding(bytes.byteLength)];
}
