import assert from "node:assert/strict";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { readHeader } from "../../lib/updates/release.ts";
import { restartOrGoBack } from "../../lib/updates/service.ts";
import { makePublisher, shippedFile } from "../support/signed_release.ts";
import { startTally, tally } from "../support/tally.ts";
import { serveStaticFiles } from "../support/static_files.ts";
import { tempFolder } from "../support/temp_folder.ts";

const NAME = `tally-device-${Deno.build.arch}`;
const OLD = shippedFile(NAME, "1.0.0");
const NEW = shippedFile(NAME, "1.1.0", 4_000_000);

interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly installed: string;
  readonly args: readonly string[];
  readonly files: Map<string, Bytes>;
}

/** An installed program, and a server with a newer one. */
async function updateSite(file: Bytes = NEW): Promise<Site> {
  const folder = await tempFolder();
  const server = serveStaticFiles();
  const publisher = await makePublisher();
  const { sums, signature } = await publisher.sign(NAME, file);
  server.files.set(NAME, file).set("SHA256SUMS", sums).set("SHA256SUMS.sig", signature);
  const installed = join(folder.path, "tally-device");
  const key = join(folder.path, "public.pem");
  await Deno.writeFile(installed, OLD, { mode: 0o755 });
  await Deno.writeTextFile(key, publisher.publicKeyPem);
  const args = ["self-update", "--installed", installed, "--update-public-key-file", key, "--from"];
  return {
    folder: folder.path,
    installed,
    args: [...args, new URL(NAME, server.url).href],
    files: server.files,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("tally self-update exchanges the file, keeps the old one, and goes back", async () => {
  await using site = await updateSite();
  const updated = await tally(site.args);
  assert.equal(updated.exitCode, 0, updated.stderr);
  assert.match(updated.stdout, /is version 1\.1\.0/);
  assert.deepEqual(await Deno.readFile(site.installed), NEW);
  assert.deepEqual(await Deno.readFile(`${site.installed}.previous`), OLD);
  for (const path of [site.installed, `${site.installed}.previous`]) {
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o755);
  }
  const back = await tally(["self-update", "--rollback", "--installed", site.installed]);
  assert.equal(back.exitCode, 0, back.stderr);
  assert.deepEqual(await Deno.readFile(site.installed), OLD);
  assert.deepEqual(namesIn(site.folder), ["public.pem", "tally-device"]);
  assert.equal((await tally(["self-update", "--rollback", "--installed", site.installed])).exitCode, 5);
});

Deno.test("tally self-update leaves everything as it was when the new file cannot be trusted", async () => {
  const flipped = NEW.slice();
  flipped[flipped.length - 1] = 0;
  const foreign = await (await makePublisher()).sign(NAME, flipped);
  const cases: Readonly<Record<string, readonly [exitCode: number, change: (files: Map<string, Bytes>) => unknown]>> = {
    "a flipped bit in the file": [7, (files) => files.set(NAME, flipped)],
    "a cut file": [7, (files) => files.set(NAME, NEW.slice(0, -1))],
    "sums and signature of somebody else": [
      7,
      (files) => files.set(NAME, flipped).set("SHA256SUMS", foreign.sums).set("SHA256SUMS.sig", foreign.signature),
    ],
    "no signature": [6, (files) => files.delete("SHA256SUMS.sig")],
  };
  for (const [what, [exitCode, change]] of Object.entries(cases)) {
    await using site = await updateSite();
    change(site.files);
    const refused = await tally(site.args);
    assert.equal(refused.exitCode, exitCode, `${what}: ${refused.stderr}`);
    assert.deepEqual(await Deno.readFile(site.installed), OLD, what);
    assert.deepEqual(namesIn(site.folder), ["public.pem", "tally-device"], what);
  }
});

Deno.test("tally self-update takes no older version unless it is told, and nothing without a key", async () => {
  await using site = await updateSite(shippedFile(NAME, "0.9.0"));
  assert.equal((await tally(site.args)).exitCode, 1);
  const keyless = await tally(["self-update", "--installed", site.installed, "--from", site.args.at(-1) ?? ""]);
  assert.equal(keyless.exitCode, 2);
  assert.match(keyless.stderr, /UPDATE_PUBLIC_KEY_FILE is not set/);
  assert.deepEqual(await Deno.readFile(site.installed), OLD);
  assert.equal((await tally([...site.args, "--allow-downgrade"])).exitCode, 0);
});

/** A server that sends the new file slowly, and tells how far it is. */
function slowServer(files: ReadonlyMap<string, Bytes>, signal: AbortSignal, onSent: (sentBytes: number) => void) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, signal, onListen() {} }, (request) => {
    const name = new URL(request.url).pathname.slice(1);
    if (name !== NAME) return new Response(files.get(name));
    let sentBytes = 0;
    const body = new ReadableStream({
      async pull(controller) {
        onSent(sentBytes);
        if (sentBytes >= NEW.byteLength) return controller.close();
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(NEW.slice(sentBytes, sentBytes += 250_000));
      },
    });
    return new Response(body);
  });
}

Deno.test("tally self-update that is killed leaves the old or the new file, whole", async () => {
  await using site = await updateSite();
  const stop = new AbortController();
  let onSent = (_sentBytes: number) => {};
  const server = slowServer(site.files, stop.signal, (sentBytes) => onSent(sentBytes));
  let killed = 0;
  const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);
  for (const point of [0, 2_000_000, NEW.byteLength, "previous", "previous", "swapped"] as const) {
    const reached = Promise.withResolvers<void>();
    onSent = (sentBytes) => typeof point === "number" && sentBytes >= point && reached.resolve();
    const running = startTally([...site.args.slice(0, -1), `http://127.0.0.1:${server.addr.port}/${NAME}`]);
    let hasEnded = false;
    running.ended.then(() => hasEnded = true);
    const isReached = async () =>
      point === "previous"
        ? await exists(`${site.installed}.previous`)
        : point === "swapped" && (await Deno.stat(site.installed)).size === NEW.byteLength;
    if (typeof point === "number") await Promise.race([reached.promise, running.ended]);
    else while (!hasEnded && !await isReached()) await new Promise((resolve) => setTimeout(resolve, 0));
    try {
      running.signal("SIGKILL");
    } catch (error) {
      assert.ok(error instanceof TypeError); // it was faster
    }
    await running.stdin.close().catch(() => undefined);
    killed += (await running.ended).exitCode === 0 ? 0 : 1;
    const left = await Deno.readFile(site.installed);
    assert.deepEqual(left, left.byteLength === OLD.byteLength ? OLD : NEW, `killed at ${point}`);
    assert.equal(((await Deno.stat(site.installed)).mode ?? 0) & 0o777, 0o755);
    if (await exists(`${site.installed}.previous`)) {
      assert.deepEqual(await Deno.readFile(`${site.installed}.previous`), OLD);
      await Deno.remove(`${site.installed}.previous`);
    }
    await Deno.writeFile(site.installed, OLD);
  }
  stop.abort();
  await server.finished;
  assert.ok(killed >= 2, `only ${killed} were killed before they ended`);
});

/** A unit's restart, as far as it can be seen: the service that answers is the file that is installed. */
async function runningService(healthyVersion: string) {
  const folder = await tempFolder();
  const installed = join(folder.path, "tally-device");
  await Deno.writeFile(installed, NEW);
  await Deno.writeFile(`${installed}.previous`, OLD);
  const systemctl = join(folder.path, "systemctl");
  await Deno.writeTextFile(systemctl, `#!/bin/sh\n/bin/head -n 2 "${installed}" >"${folder.path}/running"\n`, {
    mode: 0o755,
  });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    const version = readHeader(await Deno.readFile(join(folder.path, "running")))?.version;
    return new Response(null, { status: version === healthyVersion ? 200 : 503 });
  });
  let nowMs = 0;
  const sleep = (delayMs: number) => Promise.resolve(void (nowMs += delayMs));
  return {
    installed,
    watched: {
      unit: "tallystick-device",
      systemctl,
      healthUrl: new URL(`http://127.0.0.1:${server.addr.port}/health`),
      http: httpClient("device"),
      clock: { now: () => nowMs, sleep },
      signal: new AbortController().signal,
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("restartOrGoBack() stays with a service that is healthy", async () => {
  await using service = await runningService("1.1.0");
  await restartOrGoBack(service.watched, service.installed);
  assert.deepEqual(await Deno.readFile(service.installed), NEW);
});

Deno.test("restartOrGoBack() goes back when the new service is not healthy, and says so", async () => {
  await using service = await runningService("1.0.0");
  await assert.rejects(restartOrGoBack(service.watched, service.installed), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /the previous one is back, which is healthy/);
    return true;
  });
  assert.deepEqual(await Deno.readFile(service.installed), OLD);
});

Deno.test("tally self-update says that there is no such unit before it exchanges anything", async () => {
  await using site = await updateSite();
  const refused = await tally([...site.args, "--service", "tally-no-such-unit"]);
  assert.equal(refused.exitCode, 5, refused.stderr);
  assert.equal((await tally([...site.args, "--service", "--now"])).exitCode, 2);
  assert.deepEqual(await Deno.readFile(site.installed), OLD);
});
