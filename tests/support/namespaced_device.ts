import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { thisProgram } from "../../cli/demo/this_program.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { FACTS } from "./hardware_facts.ts";
import { type NamespacePair, SERVER_ADDRESS } from "./namespace_pair.ts";
import type { NetworkSite } from "./network_site.ts";
import { PASSWORD } from "./origin_site.ts";
import { privateAuthority } from "./private_authority.ts";
import { runningService } from "./shipped_site.ts";
import { tempFolder } from "./temp_folder.ts";
import { unixRelay } from "./unix_relay.ts";

/** What it is made with, by absolute paths. */
export interface NamespacedPrograms {
  readonly openssl: string;
  readonly curl: string;
}

/** The archive that it unlocks, and where. */
export interface NamespacedArchive {
  readonly bytes: Bytes;
  /** `IMAGES`, `API_VERSION`, `DOCKER_HOST`, … */
  readonly env: Readonly<Record<string, string>>;
}

/** What curl was told. */
export interface Fetched {
  /** `done`, the code of the problem, or `broken off`. */
  readonly ended: string;
  readonly bytes: Uint8Array;
}

/** The real device service in its namespace, with somebody signed in; its servers are in the other one, where they speak TLS. */
export interface NamespacedDevice extends AsyncDisposable {
  /** Asks it by a curl in the same namespace. */
  fetch(path: string, args?: readonly string[]): Promise<Fetched>;
  /** A file that {@link NamespacedDevice.fetch} may send. */
  file(name: string, bytes: Uint8Array): Promise<string>;
}

/** Starts it. */
export async function startNamespacedDevice(
  site: NetworkSite,
  namespaces: NamespacePair,
  { openssl, curl }: NamespacedPrograms,
  { bytes, env }: NamespacedArchive,
): Promise<NamespacedDevice> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const authority = stack.use(await privateAuthority(openssl, `IP:${SERVER_ADDRESS}`));
  const sockets = ["api", "cdn"].map((name) => join(folder.path, `${name}.sock`));
  for (const [index, target] of [site.ways.api, site.ways.cdn].entries()) {
    stack.use(unixRelay(sockets[index] ?? "", target));
  }
  const files = ["server.pem", "server.key"].map((name) => join(authority.folder, name));
  const relay = namespaces.within(namespaces.server, Deno.execPath(), [
    ...["run", "--quiet", "-A", fileURLToPath(new URL("tls_relay_child.ts", import.meta.url))],
    ...[SERVER_ADDRESS, ...files, ...sockets],
  ]);
  const [api, cdn] = (await firstLine(stack, relay)).split(" ").map((port) => `https://${SERVER_ADDRESS}:${port}`);
  const ways = { api: new URL(api ?? ""), cdn: new URL(cdn ?? "") };
  await Deno.writeTextFile(join(folder.path, "hardware.json"), JSON.stringify(FACTS));
  await Deno.writeFile(join(folder.path, "images.enc"), bytes);
  const settings = { ...env, SSL_CERT_FILE: authority.caFile };
  const service = stack.use(await runningService(await deviceCommand(site, namespaces, ways, folder.path, settings)));
  const device: Omit<NamespacedDevice, typeof Symbol.asyncDispose> = {
    async fetch(path, args = []) {
      const out = join(folder.path, crypto.randomUUID());
      const [program, all] = namespaces.within(namespaces.device, curl, [
        ...["--silent", "--output", out, "--write-out", "%{http_code}", ...args, `${service.url}${path}`],
      ]);
      const { success, stdout } = await new Deno.Command(program, { args: all }).output();
      const bytes = await Deno.readFile(out).catch(() => new Uint8Array());
      if (!success) return { ended: "broken off", bytes };
      const isDone = new TextDecoder().decode(stdout) === "200";
      return { ended: isDone ? "done" : JSON.parse(new TextDecoder().decode(bytes)).code, bytes };
    },
    async file(name, bytes) {
      const path = join(folder.path, name);
      await Deno.writeFile(path, bytes);
      return path;
    },
  };
  const { ended } = await device.fetch("/login", jsonArgs({ email: site.email, password: PASSWORD }));
  assert.equal(ended, "done");
  const owned = stack.move();
  return { ...device, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Arguments with which curl posts JSON. */
export function jsonArgs(body: unknown): string[] {
  return ["--header", "content-type: application/json", "--data", JSON.stringify(body)];
}

async function deviceCommand(
  site: NetworkSite,
  namespaces: NamespacePair,
  ways: { api: URL; cdn: URL },
  folder: string,
  settings: Readonly<Record<string, string>>,
): Promise<Deno.Command> {
  const { program, args, env } = thisProgram(processEnvironment);
  const [ip, all] = namespaces.within(namespaces.device, program, [...args, "device", "--json"]);
  return new Deno.Command(ip, {
    args: all,
    clearEnv: true,
    env: {
      ...env,
      ...settings,
      ...{ RESOURCE_API_URL: ways.api.href, PORT: "0" },
      ...{ STATE_DIR: join(folder, "state"), MODEL_CACHE_DIR: join(folder, "cache") },
      ...{ HARDWARE_FILE: join(folder, "hardware.json"), IMAGES_PATH: join(folder, "images.enc") },
      ...{ CDN_CONFIG: await site.cdnFile(ways.cdn), PUBLISHER_KEY_FILE: site.publisherKeyPath },
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function firstLine(stack: AsyncDisposableStack, [program, args]: [string, string[]]): Promise<string> {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.getReader();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  });
  const { value } = await reader.read();
  return new TextDecoder().decode(value).trim();
}
