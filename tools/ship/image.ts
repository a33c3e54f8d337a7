import { join } from "node:path";
import { parseArgs } from "node:util";
import project from "../../deno.json" with { type: "json" };
import { bracketedHost } from "../../lib/http/host_text.ts";
import { say } from "../say.ts";
import { bundle } from "./bundle.ts";
import { FIXED_FLAGS, programFlags, RUNTIME_VARIABLES } from "./flags.ts";
import { type Architecture, ARCHITECTURES, known } from "./programs.ts";
import { runtimePath } from "./runtime.ts";
import { type Site, withVariable } from "./site.ts";
import { readSite, runTool, SITE_FLAGS } from "./tool.ts";

/** Programs that there are images of. */
export const SERVICES = ["device", "origin"] as const;

/** One of {@link SERVICES}. */
export type Service = typeof SERVICES[number];

/** What an image is made for. */
export interface ImageOptions {
  readonly service: Service;
  readonly site: Site;
  readonly architectures: readonly Architecture[];
}

/** Processors as Docker calls them. */
export const DOCKER_ARCHITECTURES: Readonly<Record<Architecture, "amd64" | "arm64">> = {
  aarch64: "arm64",
  x86_64: "amd64",
};

const PACKAGING = new URL("../../packaging/", import.meta.url);
const EXECUTABLE_MODE = 0o755;
/** Where the facts are mounted: a container must not guess what its machine is. */
const FACTS_FILE = "/run/tallystick/hardware.json";
const ANY_ADDRESS: ReadonlyMap<string, string> = new Map([["0.0.0.0", "127.0.0.1"], ["::", "::1"], ["[::]", "::1"]]);
const USAGE =
  `usage: deno task image [--service device|origin] [--target aarch64|x86_64 …] [--api HOST:PORT] [--cdn HOST:PORT,…]
                       [--site FILE] [--out FOLDER]
Prepares the folder for docker build; both processors unless --target says otherwise. A device needs --api, or a site file that names it.`;

/** Makes a folder that `docker build` needs nothing beside: runtimes, program, health check, and the Dockerfile of the site. */
export async function writeImageFolder(folder: string, options: ImageOptions): Promise<void> {
  await Deno.mkdir(join(folder, "empty"), { recursive: true });
  for (const architecture of options.architectures) {
    const place = join(folder, DOCKER_ARCHITECTURES[architecture]);
    await Deno.mkdir(place, { recursive: true });
    await Deno.copyFile(await runtimePath(architecture), join(place, "deno"));
    await Deno.chmod(join(place, "deno"), EXECUTABLE_MODE);
  }
  await Deno.writeFile(join(folder, "main.js"), await bundle("main.js"));
  await Deno.copyFile(new URL("health.js", PACKAGING), join(folder, "health.js"));
  const template = await Deno.readTextFile(new URL("Dockerfile", PACKAGING));
  await Deno.writeTextFile(join(folder, "Dockerfile"), dockerfile(template, options));
}

/**
 * The Dockerfile of a site: the template with its marks filled in. `"@NAME@"` in a list stands for any number of words.
 * @throws {Error} when the template has a mark that is unknown
 */
export function dockerfile(template: string, { service, site }: Omit<ImageOptions, "architectures">): string {
  const located = withFacts(site);
  const health = healthUrl(service, site);
  const lists: Readonly<Record<string, readonly string[]>> = {
    FLAGS: programFlags(service, located, "launcher"),
    HEALTH_FLAGS: healthFlags(health),
    HEALTH_URL: [health.href],
    STATE: stateFolders(service, site),
    COMMAND: command(service, site),
  };
  const words: Readonly<Record<string, string>> = {
    VERSION: project.version,
    PROGRAM: service,
    STATE_FOLDERS: stateFolders(service, site).map((folder) => `COPY --chown=65532:65532 empty/ ${folder}/`).join("\n"),
    VARIABLES: variableLines(service === "device" ? located.variables : {}),
  };
  return template
    .replace(/"@([A-Z_]+)@"/g, (mark, name) => lists[name]?.map((word) => JSON.stringify(word)).join(", ") ?? mark)
    .replace(
      / ?@([A-Z_]+)@/g,
      (mark, name) => words[name] === undefined ? unknownMark(mark) : filled(mark, words[name]),
    );
}

function unknownMark(mark: string): never {
  throw new Error(`The Dockerfile has the unknown mark "${mark.trim()}"`);
}

/** A mark that stands for nothing takes the space before it away. */
function filled(mark: string, word: string): string {
  return mark.startsWith(" ") && word !== "" ? ` ${word}` : word;
}

function command(service: Service, { origin: { dataDir, host, port } }: Site): string[] {
  if (service === "device") return ["device"];
  return ["origin", "serve", "--data-dir", dataDir, "--host", host, "--port", String(port)];
}

/** What the service keeps, each in a volume. */
function stateFolders(service: Service, { settings, origin }: Site): string[] {
  return service === "device" ? [settings.modelCacheDir, settings.stateDir] : [origin.dataDir];
}

function withFacts(site: Site): Site {
  const { HARDWARE_FILE, HARDWARE_ROOT } = site.variables;
  return (HARDWARE_FILE ?? HARDWARE_ROOT) === undefined ? withVariable(site, "HARDWARE_FILE", FACTS_FILE) : site;
}

function healthUrl(service: Service, { settings, origin }: Site): URL {
  const { host, port } = service === "device" ? settings : origin;
  const name = ANY_ADDRESS.get(host) ?? host;
  const scheme = service === "device" && settings.tlsCertFile !== undefined ? "https" : "http";
  return new URL(`${scheme}://${bracketedHost(name)}:${port}/health`);
}

/** The health check asks the service beside it whether it answers, by an address that stands in no certificate, and tells it nothing. */
function healthFlags({ protocol, hostname, port }: URL): string[] {
  const fixed = FIXED_FLAGS.filter(({ forms }) => forms.includes("launcher")).map(({ flag }) => flag);
  if (protocol === "http:") return [...fixed, `--allow-net=${hostname}:${port || 80}`];
  return [...fixed, `--allow-net=${hostname}:${port || 443}`, `--unsafely-ignore-certificate-errors=${hostname}`];
}

/** @see https://docs.docker.com/reference/dockerfile/#env for what has to be escaped */
function variableLines(settings: Site["variables"]): string {
  const runtime = RUNTIME_VARIABLES.map(({ name, value }) => [name, value] as const);
  const escaped = (value: string) => value.replaceAll(/[\\"$]/g, "\\$&");
  return [...runtime, ...Object.entries(settings)].map(([name, value]) => `\\\n    ${name}="${escaped(value)}"`).join(
    " ",
  );
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...SITE_FLAGS,
      service: { type: "string", default: "device" },
      target: { type: "string", multiple: true, default: [...ARCHITECTURES] },
      out: { type: "string" },
    },
  });
  const service = known(SERVICES, values.service);
  const architectures = values.target.map((name) => known(ARCHITECTURES, name));
  const site = await readSite(values, service);
  const folder = values.out ?? join("dist", `image-${service}`);
  await writeImageFolder(folder, { service, site, architectures });
  const [architecture = "amd64"] = architectures.map((name) => DOCKER_ARCHITECTURES[name]);
  const platform = `--platform linux/${architecture} --build-arg TARGETARCH=${architecture}`;
  say(`docker build ${platform} --tag tallystick/${service}:${project.version} ${folder}`);
}

if (import.meta.main) await runTool(USAGE, main);
