import assert from "node:assert/strict";
import { join } from "node:path";
import { collectHardware } from "../../lib/hardware/collect.ts";
import { DOCKER_ARCHITECTURES, writeImageFolder } from "../../tools/ship/image.ts";
import type { Architecture } from "../../tools/ship/programs.ts";
import { parseSite } from "../../tools/ship/site.ts";
import { docker, importBaseImage } from "../support/base_image.ts";
import { type ComposeService, composeServices, runArguments } from "../support/compose.ts";
import { expect, post, useDevice } from "../support/device_round.ts";
import { startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free_port.ts";
import { OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { UNLOCK_SETTINGS, unlockImages, writeImages } from "../support/unlock_round.ts";

const dockerd = peerPath("dockerd");
const qemu = peerPath("qemu");
/** That of the image: a named volume has it as its owner, a folder of the machine has to be given to it. */
const USER_ID = 65532;
const NATIVE = { healthcheck: { interval: "1s" } };
const WITHOUT_CHECK = { healthcheck: { disable: true as const } };
/** The emulator takes memory of its own, and makes one check last longer than the next one waits. */
const EMULATED = { ...WITHOUT_CHECK, mem_limit: "2g" };
const BUILD_LIMIT_MS = 2 * 60_000;
const EMULATED_LIMIT_MS = 150_000;

/** An engine, an origin, and a device image for each processor that may reach only this origin. */
class ImageSite implements AsyncDisposable {
  readonly url: string;
  /** Archive that an unlock opens. */
  readonly imagesPath: string;
  /** The volume of the hardware facts. */
  readonly factsFolder: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    folder: string,
    readonly engine: TestEngine,
    readonly origin: OriginSite,
    port: number,
    resources: AsyncDisposableStack,
  ) {
    this.imagesPath = join(folder, "images.enc");
    this.factsFolder = join(folder, "facts");
    this.url = `http://127.0.0.1:${port}`;
    this.#resources = resources;
  }

  static async build(architectures: readonly Architecture[]): Promise<ImageSite> {
    await using made = new AsyncDisposableStack();
    const { path: folder } = made.use(await tempFolder());
    const engine = made.use(await startDockerEngine(dockerd ?? ""));
    const origin = made.use(await OriginSite.start());
    const port = freePort();
    await Deno.mkdir(join(folder, "facts"));
    await Deno.chown(join(folder, "facts"), USER_ID, USER_ID);
    const settings = { RESOURCE_API_URL: origin.url, PORT: port, ...UNLOCK_SETTINGS };
    const site = parseSite(JSON.stringify({ settings, cdn: [new URL(origin.url).host] }));
    const context = join(folder, "context");
    await writeImageFolder(context, { service: "device", site, architectures });
    for (const architecture of architectures) await buildImage(engine, context, architecture);
    return new ImageSite(folder, engine, origin, port, made.move());
  }

  docker(args: readonly string[], limitMs?: number): Promise<string> {
    return docker(this.engine.dockerHost, args, limitMs);
  }

  /** Runs a service of the Compose example to its end, or with another command. */
  async run(name: string, architecture: Architecture, command?: readonly string[]): Promise<string> {
    const changes = command === undefined ? WITHOUT_CHECK : { ...WITHOUT_CHECK, command: [...command] };
    const changed = { ...await this.#service(name), ...changes };
    return await this.docker(["run", "--rm", ...this.#arguments(changed, architecture)], EMULATED_LIMIT_MS);
  }

  /** Starts a service of the Compose example; disposing it removes the container. */
  async start(name: string, architecture: Architecture): Promise<AsyncDisposable & { id: string }> {
    const changes = architecture === Deno.build.arch ? NATIVE : EMULATED;
    const service = { ...await this.#service(name), ...changes };
    const id = await this.docker(["run", "--detach", ...this.#arguments(service, architecture)]);
    return {
      id,
      [Symbol.asyncDispose]: async () => void await this.docker(["rm", "--force", "--volumes", id]),
    };
  }

  async #service(name: string): Promise<ComposeService> {
    const service = (await composeServices())[name];
    assert.ok(service !== undefined, name);
    return service;
  }

  #arguments(service: ComposeService, architecture: Architecture): string[] {
    const socket = this.engine.dockerHost.replace(/^unix:\/\//, "");
    return runArguments(service, {
      image: imageName(architecture),
      sources: { "/var/run/docker.sock": socket, "/opt/azaion/images.enc": this.imagesPath, "facts": this.factsFolder },
      variables: { DOCKER_GID: String(Deno.statSync(socket).gid) },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function imageName(architecture: Architecture): string {
  return `local/tally:${DOCKER_ARCHITECTURES[architecture]}`;
}

async function buildImage({ dockerHost }: TestEngine, context: string, architecture: Architecture): Promise<void> {
  const base = await importBaseImage(dockerHost, architecture);
  const name = DOCKER_ARCHITECTURES[architecture];
  const values = [`BASE=${base}`, `TARGETARCH=${name}`, "REVISION=0123456789abcdef"].flatMap((pair) => [
    "--build-arg",
    pair,
  ]);
  const args = ["build", "--quiet", "--network=none", ...values, "--tag", imageName(architecture), context];
  await docker(dockerHost, args, BUILD_LIMIT_MS);
}

/** Waits until the service answers, and the check that the image brings says so too, where it is on. */
async function untilHealthy(site: ImageSite, id: string, limitMs: number): Promise<void> {
  const check = async () => {
    const state = JSON.parse(await site.docker(["inspect", "--format={{json .State}}", id]));
    if (!state.Running) throw new Error(`The container has ended: ${JSON.stringify(state)}\n${await logs(site, id)}`);
    return (state.Health?.Status ?? "healthy") === "healthy" && await answers(`${site.url}/health`);
  };
  await eventually("the container is healthy", check, limitMs);
}

/** What a device says, and what an origin says. */
const HEALTHY: ReadonlySet<string> = new Set(['{"status":"healthy"}', '{"status":"UP"}']);

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(async (answer) => HEALTHY.has(await answer.text()), () => false);
}

async function logs({ engine }: ImageSite, id: string): Promise<string> {
  const env = { DOCKER_HOST: engine.dockerHost };
  const { stdout, stderr } = await new Deno.Command("docker", { args: ["logs", id], env }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test({
  name: "image: the device service does all its work in it, with nothing that it may write but its three volumes",
  ignore: dockerd === undefined,
  async fn(t) {
    await using site = await ImageSite.build([Deno.build.arch]);
    await writeImages(site.origin, site.imagesPath);

    await t.step("without the facts it tells no hardware, rather than another one", async () => {
      await assert.rejects(site.run("device", Deno.build.arch, ["hardware"]), /there is no such file/);
    });

    await t.step("with them, the hardware is that of the machine", async () => {
      await site.run("hardware", Deno.build.arch);
      const inside = await site.run("device", Deno.build.arch, ["hardware", "--json"]);
      const outside = await tally(["hardware", "--json"]);
      assert.deepEqual(JSON.parse(inside), JSON.parse(outside.stdout));
    });

    await using container = await site.start("device", Deno.build.arch);
    await t.step("its health check passes", () => untilHealthy(site, container.id, 30_000));
    await t.step("sign-in, upload, load", () => useDevice(site.origin, site.url));
    await t.step("unlock, by the engine's socket", () => unlockImages(site.origin, site.url, site.engine));

    await t.step("it is nobody, and says what it is", async () => {
      const format = "--format={{json .Config}}";
      const { User, Labels } = JSON.parse(await site.docker(["inspect", format, imageName(Deno.build.arch)]));
      assert.equal(User, "65532:65532");
      assert.equal(Labels["org.opencontainers.image.revision"], "0123456789abcdef");
      assert.match(Labels["org.opencontainers.image.version"], /^\d+\.\d+\.\d+$/);
    });

    await t.step("an orderly stop takes no time", async () => {
      await site.docker(["stop", "--time=20", container.id]);
      assert.equal(await site.docker(["inspect", "--format={{.State.ExitCode}}", container.id]), "0");
    });
  },
});

Deno.test({
  name: "image: the one for ARM64 runs",
  ignore: dockerd === undefined || qemu === undefined,
  async fn(t) {
    await using site = await ImageSite.build(["aarch64"]);
    await writeImages(site.origin, site.imagesPath);
    await collectHardware("/", join(site.factsFolder, "hardware.json"));
    await using container = await site.start("device", "aarch64");
    await t.step("health", () => untilHealthy(site, container.id, EMULATED_LIMIT_MS));
    await t.step("sign-in, upload, load", () => useDevice(site.origin, site.url));
    await t.step("unlock", () => unlockImages(site.origin, site.url, site.engine));
    await t.step("version", async () => {
      assert.match(await site.run("device", "aarch64", ["version"]), /^tally \d.*aarch64/);
    });
  },
});

Deno.test({
  name: "image: an origin is made and served in it",
  ignore: dockerd === undefined,
  async fn() {
    await using folder = await tempFolder();
    await using engine = await startDockerEngine(dockerd ?? "");
    const port = freePort();
    const site = parseSite(JSON.stringify({ origin: { port } }), { program: "origin" });
    await writeImageFolder(folder.path, { service: "origin", site, architectures: [Deno.build.arch] });
    await buildImage(engine, folder.path, Deno.build.arch);
    const { origin } = await composeServices();
    assert.ok(origin !== undefined);
    const options = (changes: Partial<ComposeService>) =>
      runArguments({ ...origin, ...changes }, { image: imageName(Deno.build.arch) });
    const init = options({
      command: ["origin", "init", "--data-dir", site.origin.dataDir, "--json"],
      ...WITHOUT_CHECK,
    });
    const { email, password } = JSON.parse(await docker(engine.dockerHost, ["run", "--rm", ...init]));
    const id = await docker(engine.dockerHost, ["run", "--detach", ...options(NATIVE)]);
    const format = "--format={{.State.Health.Status}}";
    await eventually(
      "the container is healthy",
      async () => await docker(engine.dockerHost, ["inspect", format, id]) === "healthy",
    );
    await expect(200, post(`http://127.0.0.1:${port}/login`, JSON.stringify({ email, password })));
    await docker(engine.dockerHost, ["stop", "--time=20", id]);
  },
});
