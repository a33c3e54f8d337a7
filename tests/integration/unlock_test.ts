import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { archiveKey } from "../../lib/crypto/keys.ts";
import { dockerCli } from "../../lib/docker/docker_cli.ts";
import type { ImageEngine } from "../../lib/docker/docker.ts";
import { engineApi } from "../../lib/docker/engine_api.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { DockerError, InterruptedError, NotAllowedError, NotFoundError, NotSignedInError } from "../../lib/errors.ts";
import { createLogger } from "../../lib/log.ts";
import type { ByteStream } from "../../lib/streams.ts";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { writeStream } from "../../lib/system/atomic_file.ts";
import type { UnlockStatus } from "../../lib/unlock/machine.ts";
import { Unlock, type UnlockSignIn } from "../../lib/unlock/unlock.ts";
import { startDockerEngine } from "../support/docker_engine.ts";
import { keystream } from "../support/keystream.ts";
import { peerPath } from "../support/peers.ts";
import { type PodmanEngine, startPodmanEngine } from "../support/podman_engine.ts";
import { tempFolder } from "../support/temp_folder.ts";

const dockerd = peerPath("dockerd");
const podman = peerPath("podman");
const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
const CREDENTIALS = { email: "operator@example.com", password: "correct horse" };
const FRAGMENT = utf8("the key fragment of this archive");
const IMAGES = ["annotations", "flights", "detections", "gps-denied-onboard", "gps-denied-desktop", "autopilot"];
const REFERENCES = [...IMAGES, "ai-training"].map((name) => `azaion/${name}:1.4.2`).sort();

/** An unlock on an archive of its own, and all that it said. */
interface Site extends AsyncDisposable {
  readonly unlock: Unlock;
  readonly archivePath: string;
  readonly log: string[];
  /** The fragment that was handed to the unlock last. */
  fragment: Bytes | undefined;
}

interface SiteOptions {
  readonly engine: ImageEngine;
  readonly archive?: ByteStream;
  readonly fragment?: Bytes;
  readonly signIn?: UnlockSignIn;
  readonly clock?: Clock;
}

async function site({ engine, archive, fragment = FRAGMENT, signIn, clock = systemClock }: SiteOptions): Promise<Site> {
  const folder = await tempFolder();
  const archivePath = join(folder.path, "images.enc");
  if (archive !== undefined) await writeStream(archivePath, archive);
  const log: string[] = [];
  const made: Site = {
    archivePath,
    log,
    fragment: undefined,
    unlock: new Unlock({
      engine,
      imagesPath: archivePath,
      references: REFERENCES,
      signIn: signIn ??
        (() => Promise.resolve({ keyFragment: () => Promise.resolve(made.fragment = fragment.slice()) })),
      log: createLogger({ level: "debug", write: (line) => void log.push(line), now: () => 0 }),
      clock,
    }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return made;
}

function plainArchive(references = REFERENCES, payloadBytes = 100_000): ByteStream {
  return scratchArchive({ references, architecture, payloadBytes });
}

async function encrypted(plain = plainArchive()): Promise<ByteStream> {
  return encryptCbc(plain, await archiveKey(FRAGMENT));
}

async function run({ unlock }: Site): Promise<UnlockStatus> {
  await unlock.start(CREDENTIALS);
  return await unlock.settled();
}

/** A file that is cut to `sizeBytes` (counted from its end when negative). */
async function cut(path: string, sizeBytes: number): Promise<void> {
  const { size } = await Deno.stat(path);
  await Deno.truncate(path, sizeBytes < 0 ? size + sizeBytes : sizeBytes);
}

/** An engine that has no image and answers, but never takes an archive: a real failure that dockerd does not show on demand. */
function hangingEngine(folder: string): { dockerHost: string } & AsyncDisposable {
  const path = join(folder, "docker.sock");
  const release = Promise.withResolvers<void>();
  const server = Deno.serve({ path, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/images/load")) await release.promise;
    return pathname.endsWith("/_ping") ? new Response("OK", { headers: { "API-Version": "1.41" } }) : Response.json([]);
  });
  return {
    dockerHost: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      release.resolve();
      await server.shutdown();
    },
  };
}

/** Both ways to an engine. */
const WAYS: Readonly<Record<string, (options: { dockerHost: string; answerLimitMs?: number }) => ImageEngine>> = {
  "the socket": engineApi,
  "the docker program": dockerCli,
};

for (const [way, connect] of Object.entries(WAYS)) {
  Deno.test({
    name: `Unlock on a real engine, by ${way}`,
    ignore: dockerd === undefined,
    async fn(test) {
      await using engine = await startDockerEngine(dockerd ?? "");
      const images = connect(engine);
      const step = (title: string, work: () => Promise<void>) =>
        test.step(title, async () => {
          await work();
          await engine.clear();
        });
      const failsWith = async (made: Site, code: string, sentence: RegExp) => {
        const { state, ...status } = await run(made);
        assert.equal(state, "error");
        assert.equal(status.code, code);
        assert.match(status.error ?? "", sentence);
        assert.deepEqual(await images.list(), [], "nothing may be tagged");
      };

      await step("lands all images with their tag, shows progress, and leaves nothing on disk", async () => {
        await using made = await site({ engine: images, archive: await encrypted() });
        const { size } = await Deno.stat(made.archivePath);
        const before = await Array.fromAsync(Deno.readDir(join(made.archivePath, "..")));
        const first = await made.unlock.start(CREDENTIALS);
        assert.equal(first.state, "downloading_key");
        assert.deepEqual(await made.unlock.settled(), { state: "ready", error: null, progress: null });
        assert.deepEqual(await images.list(), REFERENCES);
        assert.deepEqual(await Array.fromAsync(Deno.readDir(join(made.archivePath, ".."))), before);
        assert.equal((await Deno.stat(made.archivePath)).size, size);
        assert.deepEqual(made.fragment, new Uint8Array(FRAGMENT.byteLength), "the key fragment must be wiped");
        const log = made.log.join("\n");
        assert.doesNotMatch(log, /correct horse|key fragment of/);
        for (const state of ["authenticating", "downloading_key", "decrypting", "loading_images", "ready"]) {
          assert.match(log, new RegExp(`"state":"${state}"`));
        }
      });

      await step("is ready at once when the images are there, without archive, account or key", async () => {
        await images.load(plainArchive());
        const signIn = () => Promise.reject(new NotSignedInError("must not be asked"));
        await using made = await site({ engine: images, signIn });
        assert.equal((await made.unlock.start(CREDENTIALS)).state, "ready");
      });

      await step("looks again when it is started after ready", async () => {
        await using made = await site({ engine: images, archive: await encrypted() });
        assert.equal((await run(made)).state, "ready");
        await engine.clear();
        assert.equal((await run(made)).state, "ready");
        assert.deepEqual(await images.list(), REFERENCES);
      });

      await step("takes an archive that docker save made, for the images that are missing", async () => {
        await images.load(plainArchive());
        const save = new Deno.Command("docker", {
          args: ["save", ...REFERENCES],
          env: { DOCKER_HOST: engine.dockerHost },
          stdout: "piped",
        });
        const { stdout } = await save.output();
        await engine.clear();
        await images.load(plainArchive(REFERENCES.slice(0, 2)));
        await using made = await site({ engine: images, archive: await encrypted(new Blob([stdout]).stream()) });
        assert.equal((await run(made)).state, "ready");
        assert.deepEqual(await images.list(), REFERENCES);
      });

      await step("a second start gives the current state of the first", async () => {
        const asked = Promise.withResolvers<void>();
        const signIn = async () => {
          await asked.promise;
          return { keyFragment: () => Promise.resolve(FRAGMENT.slice()) };
        };
        await using made = await site({ engine: images, archive: await encrypted(), signIn });
        const first = made.unlock.start(CREDENTIALS);
        assert.equal((await made.unlock.start({ email: "x", password: "y" })).state, "authenticating");
        asked.resolve();
        await first;
        const states = new Set<string>();
        while (states.add((await made.unlock.start(CREDENTIALS)).state), !states.has("ready")) {
          assert.ok(!states.has("error"), made.unlock.status().error ?? "");
          await systemClock.sleep(1);
        }
        assert.ok(states.has("decrypting") || states.has("loading_images"));
        assert.deepEqual(await images.list(), REFERENCES);
      });

      await step("refuses a wrong key fragment", async () => {
        await using small = await site({ engine: images, archive: await encrypted(), fragment: utf8("another") });
        await failsWith(small, "integrity", /wrong key fragment|cannot be opened/);
        const large = await encrypted(plainArchive(REFERENCES, 1_000_000));
        await using made = await site({ engine: images, archive: large, fragment: utf8("another") });
        await failsWith(made, "integrity", /wrong key fragment|cannot be opened/);
      });

      await step("refuses an archive that was cut off, at a block or anywhere", async () => {
        for (const sizeBytes of [-16, -1024, -4096, -100_000, -7, 0, 5, 16, 32, 1040]) {
          await using made = await site({ engine: images, archive: await encrypted() });
          await cut(made.archivePath, sizeBytes);
          await failsWith(made, "integrity", /cut off|cannot be opened|not an image archive/);
        }
      });

      await step("refuses what is no image archive, or one of other images", async () => {
        const garbage = await encrypted(new Blob([keystream("garbage", 1_000_000)]).stream());
        await using notArchive = await site({ engine: images, archive: garbage });
        await failsWith(notArchive, "integrity", /not an image archive/);
        await using foreign = await site({
          engine: images,
          archive: await encrypted(plainArchive(["foreign/image:1"])),
        });
        await failsWith(
          foreign,
          "integrity",
          /^The archive is another one: it does not hold "azaion\/ai-training:1\.4\.2", /,
        );
        await using partly = await site({
          engine: images,
          archive: await encrypted(plainArchive(REFERENCES.slice(1))),
        });
        await failsWith(partly, "integrity", /does not hold "azaion\/ai-training:1\.4\.2"$/);
      });

      await step("refuses an account that is wrong or not allowed, and can be started again", async () => {
        let refusal: Error | undefined = new NotSignedInError("The name or the password is wrong");
        const signIn = () => {
          if (refusal !== undefined) return Promise.reject(refusal);
          return Promise.resolve({ keyFragment: () => Promise.resolve(FRAGMENT.slice()) });
        };
        await using made = await site({ engine: images, archive: await encrypted(), signIn });
        await assert.rejects(made.unlock.start(CREDENTIALS), NotSignedInError);
        assert.deepEqual(made.unlock.status(), {
          state: "error",
          error: "The name or the password is wrong",
          code: "not_signed_in",
          progress: null,
        });
        refusal = new NotAllowedError("The role NONE may not unlock images");
        await assert.rejects(made.unlock.start(CREDENTIALS), NotAllowedError);
        assert.deepEqual(await images.list(), []);
        refusal = undefined;
        assert.equal((await run(made)).state, "ready");
      });

      await step("has nothing to unlock without an archive, before anybody is asked for an account", async () => {
        const signIn = () => Promise.reject(new NotSignedInError("must not be asked"));
        await using made = await site({ engine: images, signIn });
        await assert.rejects(made.unlock.start(CREDENTIALS), NotFoundError);
        assert.equal(made.unlock.status().state, "idle");
      });

      await step("stop() ends a run, and nothing is tagged", async () => {
        const archive = await encrypted(plainArchive(REFERENCES, 20_000_000));
        await using made = await site({ engine: images, archive });
        await made.unlock.start(CREDENTIALS);
        while ((made.unlock.status().progress?.doneBytes ?? 0) < 10_000_000) await systemClock.sleep(1);
        await made.unlock.stop();
        const { state, code, error } = made.unlock.status();
        assert.deepEqual({ state, code, error }, {
          state: "error",
          code: "interrupted",
          error: "The unlock was interrupted",
        });
        assert.deepEqual(await images.list(), []);
      });

      await step("a caller who goes away while signing in ends the run", async () => {
        const signIn: UnlockSignIn = (_credentials, signal) =>
          new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new InterruptedError())));
        await using made = await site({ engine: images, archive: await encrypted(), signIn });
        await assert.rejects(made.unlock.start(CREDENTIALS, AbortSignal.timeout(200)), InterruptedError);
        assert.equal(made.unlock.status().state, "error");
      });
    },
  });

  Deno.test({
    name: `Unlock says that the engine is away, by ${way}`,
    ignore: dockerd === undefined,
    async fn() {
      await using made = await site({ engine: connect({ dockerHost: "unix:///nowhere/docker.sock" }) });
      await assert.rejects(made.unlock.start(CREDENTIALS), DockerError);
      const { state, error, code } = made.unlock.status();
      assert.deepEqual({ state, code }, { state: "error", code: "docker" });
      assert.match(error ?? "", /^The Docker engine cannot be reached: /);
    },
  });

  Deno.test({
    name: `Unlock gives up on an engine that hangs, by ${way}`,
    ignore: dockerd === undefined,
    async fn() {
      await using folder = await tempFolder();
      await using hanging = hangingEngine(folder.path);
      const clock: Clock = { now: () => hurriedMs, sleep: hurry };
      let hurriedMs = 0;
      async function hurry(delayMs: number, signal?: AbortSignal): Promise<void> {
        await systemClock.sleep(delayMs / 1000, signal);
        hurriedMs += delayMs;
      }
      const archive = await encrypted(plainArchive(REFERENCES, 5_000_000));
      await using made = await site({ engine: connect(hanging), archive, clock });
      const { state, error } = await run(made);
      assert.equal(state, "error");
      assert.equal(error, "The Docker engine has made no progress for 10 minutes");
    },
  });

  Deno.test({
    name: `ImageEngine gives up on an engine that does not answer, by ${way}`,
    ignore: dockerd === undefined,
    async fn() {
      await using folder = await tempFolder();
      const path = join(folder.path, "docker.sock");
      using silent = Deno.listen({ transport: "unix", path });
      const images = connect({ dockerHost: `unix://${path}`, answerLimitMs: 500 });
      await assert.rejects(images.list(), new DockerError("The Docker engine did not answer within 0.5 seconds"));
      assert.ok(silent.addr);
    },
  });
}

/** An OCI image layout of all images, as Podman writes it: layers in gzip. */
async function ociArchive(podman: PodmanEngine, folder: string): Promise<ByteStream> {
  const layout = join(folder, "layout");
  await podman.images.load(plainArchive());
  for (const reference of REFERENCES) {
    await podman.run("push", "--quiet", `localhost/${reference}`, `oci:${layout}:${reference}`);
  }
  await podman.clear();
  const path = join(folder, "layout.tar");
  const { success } = await new Deno.Command("tar", { args: ["cf", path, "-C", layout, "."] }).output();
  assert.ok(success);
  return (await Deno.open(path)).readable;
}

Deno.test({
  name: "Unlock takes an OCI image layout that Podman wrote, into dockerd and into Podman",
  ignore: dockerd === undefined || podman === undefined,
  async fn() {
    await using podmanEngine = await startPodmanEngine(podman ?? "");
    await using dockerEngine = await startDockerEngine(dockerd ?? "");
    for (const { images } of [dockerEngine, podmanEngine]) {
      await using folder = await tempFolder();
      const archive = await encrypted(await ociArchive(podmanEngine, folder.path));
      await using made = await site({ engine: images, archive });
      assert.deepEqual(await run(made), { state: "ready", error: null, progress: null });
      assert.deepEqual(await images.list(), REFERENCES);
    }
  },
});

Deno.test("dockerCli() says that the program is not installed", async () => {
  const images = dockerCli({ dockerHost: "unix:///nowhere/docker.sock", program: "no-such-docker" });
  const expected = new DockerError('Cannot run the program "no-such-docker": it is not installed');
  await assert.rejects(images.version(), expected);
  await assert.rejects(images.load(plainArchive()), expected);
});
