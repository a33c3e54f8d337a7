import assert from "node:assert/strict";
import { dockerCli } from "../../lib/docker/docker_cli.ts";
import type { ImageEngine } from "../../lib/docker/docker.ts";
import { scratchArchive } from "../../lib/docker/scratch_archive.ts";
import { engineApi } from "../../lib/docker/engine_api.ts";
import { DockerError, IntegrityError, InterruptedError } from "../../lib/errors.ts";
import { type ByteStream, byteStream, streamOf } from "../../lib/streams.ts";
import { dockerPrograms, startDockerEngine, type TestEngine } from "../support/docker_engine.ts";
import { keystream } from "../support/keystream.ts";
import { peerPath } from "../support/peers.ts";
import { startPodmanEngine } from "../support/podman_engine.ts";

interface Implementation {
  readonly name: string;
  readonly connect: (dockerHost: string) => ImageEngine;
  /** Starts an engine for it; `undefined` when none is installed. */
  readonly start: (() => Promise<TestEngine>) | undefined;
}

const dockerd = peerPath("dockerd");
const podman = peerPath("podman");
const startDocker = dockerd === undefined ? undefined : () => startDockerEngine(dockerd);
const startPodman = podman === undefined ? undefined : () => startPodmanEngine(podman);
const socket = (dockerHost: string) => engineApi({ dockerHost });

/** What every {@link ImageEngine} does, tried with each of them against real engines. */
const IMPLEMENTATIONS: readonly Implementation[] = [
  ...dockerPrograms().map((program) => ({
    name: program,
    connect: (dockerHost: string) => dockerCli({ dockerHost, program }),
    start: startDocker,
  })),
  { name: "the socket of dockerd", connect: socket, start: startDocker },
  { name: "the socket of Podman", connect: socket, start: startPodman },
];

const REFERENCES = ["azaion/one:7", "azaion/two:7"];
const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

function archive(): ByteStream {
  return scratchArchive({ references: REFERENCES, architecture, payloadBytes: 100_000 });
}

/** All but the last 1,024 bytes of an archive, and then `end`. */
function archiveThen(end: () => Promise<undefined>): ByteStream {
  const reader = archive().getReader();
  let ahead: Uint8Array<ArrayBuffer> | undefined;
  return byteStream(async () => {
    ahead ??= (await reader.read()).value;
    const piece = ahead;
    ahead = (await reader.read()).value;
    return ahead === undefined ? await end() : piece;
  });
}

for (const { name, connect, start } of IMPLEMENTATIONS) {
  Deno.test({
    name: `ImageEngine by ${name}`,
    ignore: start === undefined,
    async fn(test) {
      assert.ok(start);
      await using engine = await start();
      const step = (title: string, run: (images: ImageEngine) => Promise<void>) =>
        test.step(title, async () => {
          await run(connect(engine.dockerHost));
          await engine.clear();
        });

      await step("version() is the engine's", async (images) => {
        assert.match(await images.version(), /^\d+\.\d+/);
      });

      await step("load() tags every image of an archive, and says so", async (images) => {
        const lines: string[] = [];
        await images.load(archive(), { onMessage: (line) => void lines.push(line) });
        assert.deepEqual(await images.list(), REFERENCES);
        for (const reference of REFERENCES) assert.ok(lines.some((line) => line.includes(reference)), reference);
      });

      await step("inspect() tells the facts of an image, and undefined of none", async (images) => {
        await images.load(archive());
        const facts = await images.inspect("azaion/one:7");
        assert.match(facts?.id ?? "", /^sha256:[0-9a-f]{64}$/);
        assert.deepEqual(facts?.tags, ["azaion/one:7"]);
        assert.equal(facts?.architecture, architecture);
        assert.ok((facts?.sizeBytes ?? 0) >= 100_000);
        assert.equal(await images.inspect("azaion/one:8"), undefined);
        assert.equal(await images.inspect("--help"), undefined);
      });

      await step("list() of an empty engine is empty", async (images) => {
        assert.deepEqual(await images.list(), []);
      });

      await step("load() of a stream that fails gives its error, and tags nothing", async (images) => {
        const failing = archiveThen(() => Promise.reject(new IntegrityError("wrong padding")));
        await assert.rejects(images.load(failing), new IntegrityError("wrong padding"));
        assert.deepEqual(await images.list(), []);
      });

      await step("load() that is aborted ends at once, and tags nothing", async (images) => {
        const stop = new AbortController();
        const hanging = archiveThen(() => {
          queueMicrotask(() => stop.abort());
          return new Promise(() => {});
        });
        await assert.rejects(images.load(hanging, { signal: stop.signal }), InterruptedError);
        assert.deepEqual(await images.list(), []);
      });

      await step("load() of garbage tells what the engine says, without its folders", async (images) => {
        const notArchives = [streamOf(keystream("garbage", 100_000)), streamOf(), streamOf(new Uint8Array(10_240))];
        for (const garbage of notArchives) {
          await assert.rejects(images.load(garbage), (error) => {
            assert.ok(error instanceof DockerError);
            assert.match(error.message, /^The Docker engine refused: .+/);
            assert.doesNotMatch(error.message, /tmp|\n/);
            return true;
          });
        }
      });

      await step("every call with an aborted signal is interrupted", async (images) => {
        const signal = AbortSignal.abort();
        await assert.rejects(images.version(signal), InterruptedError);
        await assert.rejects(images.list(signal), InterruptedError);
        await assert.rejects(images.inspect("azaion/one:7", signal), InterruptedError);
        await assert.rejects(images.load(archive(), { signal }), InterruptedError);
      });
    },
  });

  Deno.test({
    name: `ImageEngine by ${name} says that no engine answers`,
    ignore: start === undefined,
    async fn() {
      const images = connect("unix:///nowhere/docker.sock");
      const expected = { name: "DockerError", message: /^The Docker engine cannot be reached: / };
      await assert.rejects(images.version(), expected);
      await assert.rejects(images.list(), expected);
      await assert.rejects(images.inspect("azaion/one:7"), expected);
      await assert.rejects(images.load(archive()), expected);
    },
  });
}
