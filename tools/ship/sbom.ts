import { join } from "node:path";
import { z } from "zod";
import project from "../../deno.json" with { type: "json" };
import { utf8 } from "../../lib/bytes.ts";
import { sha256Hex } from "../../lib/crypto/keys.ts";
import { runChild } from "../../lib/system/process.ts";
import { say } from "../say.ts";
import { DENO_VERSION, RUNTIMES } from "./runtime.ts";

const ROOT = join(import.meta.dirname ?? "", "../..");
const LIMIT_MS = 60_000;

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.array(z.string()),
  localPath: z.string(),
});
const graphSchema = z.object({
  modules: z.array(z.object({ npmPackage: z.string().optional() })),
  npmPackages: z.record(z.string(), packageSchema),
});
const lockSchema = z.object({ npm: z.record(z.string(), z.object({ integrity: z.string() })) });
const manifestSchema = z.object({ license: z.string().optional() });

type Lock = z.infer<typeof lockSchema>;
type Package = z.infer<typeof packageSchema>;

/**
 * The bill of materials of what is shipped, as CycloneDX 1.6 JSON: the runtime, and every package that `main.ts` reaches,
 * with the digests of `deno.lock`. The same sources give the same text: it bears no date.
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export async function billOfMaterials(): Promise<string> {
  const { modules, npmPackages } = await moduleGraph();
  const reached = reachedFrom(modules.flatMap(({ npmPackage }) => npmPackage ?? []), npmPackages);
  const lock = lockSchema.parse(JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock"))));
  const direct = new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []));
  const self = `pkg:generic/${project.name}@${project.version}`;
  const components = await Promise.all(reached.map(([id, found]) => component(id, found, lock)));
  const runtime = runtimeComponent();
  const content = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        "type": "application",
        "bom-ref": self,
        "name": project.name,
        "version": project.version,
        "licenses": [{ license: { id: project.license } }],
      },
    },
    components: [runtime, ...components],
    dependencies: [
      {
        ref: self,
        dependsOn: [runtime["bom-ref"], ...reached.filter(([id]) => direct.has(id)).map(([, found]) => purl(found))],
      },
      { ref: runtime["bom-ref"] },
      ...reached.map(([, found]) => ({ ref: purl(found), dependsOn: dependenciesOf(found, npmPackages) })),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(await sha256Hex(utf8(JSON.stringify(content))))}`;
  return `${
    JSON.stringify({ $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", serialNumber, ...content }, null, 2)
  }\n`;
}

async function moduleGraph(): Promise<z.infer<typeof graphSchema>> {
  const { exitCode, stdout, stderr } = await runChild(Deno.execPath(), {
    args: ["info", "--json", join(ROOT, "main.ts")],
    env: Deno.env.toObject(),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (exitCode !== 0) throw new Error(`deno info failed: ${stderr}`);
  return graphSchema.parse(JSON.parse(new TextDecoder().decode(stdout)));
}

/** The packages and all that they depend on, once each, sorted. */
function reachedFrom(roots: readonly string[], all: Readonly<Record<string, Package>>): [string, Package][] {
  const reached = new Map<string, Package>();
  for (const queue = [...roots]; queue.length > 0;) {
    const id = queue.pop() ?? "";
    const found = all[id];
    if (found === undefined) throw new Error(`deno info does not say what "${id}" is`);
    if (!reached.has(id)) queue.push(...found.dependencies);
    reached.set(id, found);
  }
  return [...reached].sort(([one], [other]) => one < other ? -1 : 1);
}

async function component(id: string, found: Package, lock: Lock) {
  const [scope, name] = found.name.startsWith("@") ? found.name.split("/") : [undefined, found.name];
  return {
    "type": "library",
    "bom-ref": purl(found),
    ...(scope === undefined ? {} : { group: scope }),
    name,
    "version": found.version,
    "hashes": [{ alg: "SHA-512", content: digestOf(id, lock) }],
    "licenses": await licenses(found),
    "purl": purl(found),
  };
}

function runtimeComponent() {
  const ref = `pkg:npm/deno@${DENO_VERSION}`;
  return {
    "type": "platform",
    "bom-ref": ref,
    "name": "deno",
    "version": DENO_VERSION,
    "hashes": Object.values(RUNTIMES).map(({ sha256 }) => ({ alg: "SHA-256", content: sha256 })),
    "licenses": [{ license: { id: "MIT" } }],
    "purl": ref,
  };
}

/** The digest of the package's archive that `deno.lock` pins, lower-case hex. @see Subresource Integrity */
function digestOf(id: string, lock: Lock): string {
  const integrity = lock.npm[id]?.integrity;
  if (!integrity?.startsWith("sha512-")) throw new Error(`deno.lock does not pin "${id}" by SHA-512`);
  return Uint8Array.fromBase64(integrity.slice("sha512-".length)).toHex();
}

/** As the package itself says. */
async function licenses({ localPath }: Package) {
  const { license } = manifestSchema.parse(JSON.parse(await Deno.readTextFile(join(localPath, "package.json"))));
  return license === undefined ? [] : [/[ (]/.test(license) ? { expression: license } : { license: { id: license } }];
}

function dependenciesOf({ dependencies }: Package, all: Readonly<Record<string, Package>>): string[] {
  return [...new Set(dependencies.flatMap((id) => all[id] === undefined ? [] : [purl(all[id])]))].sort();
}

/** @see https://github.com/package-url/purl-spec */
function purl({ name, version }: Package): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** A UUID of version 8: its content is ours. @see RFC 9562, section 5.8 */
function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

if (import.meta.main) say((await billOfMaterials()).trimEnd());
