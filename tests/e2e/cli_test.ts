import assert from "node:assert/strict";
import { join } from "node:path";
import type { Account } from "../../cli/demo/origin_admin.ts";
import { DemoSite } from "../../cli/demo/site.ts";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { peerPath } from "../support/peers.ts";
import { startTally, tally, type TallyOptions } from "../support/tally.ts";
import { type TempFolder, tempFolder } from "../support/temp_folder.ts";

const CONTENT = crypto.getRandomValues(new Uint8Array(50_000));
const LARGE_BYTES = 32 * 1024 * 1024;
const NO_DOCKER = {
  dockerHost: "unix:///proc/none.sock",
  dockerVia: "socket",
  dockerProgram: "/usr/bin/docker",
} as const;
const script = peerPath("script");

interface Site extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly demo: DemoSite;
  readonly operator: Account;
  readonly uploader: Account;
  /** Runs a verb against the device of this site. */
  run(args: readonly string[], options?: TallyOptions): ReturnType<typeof tally>;
}

async function startSite(): Promise<Site> {
  await using made = new AsyncDisposableStack();
  const folder = made.use(await tempFolder());
  const demo = made.use(
    await DemoSite.start({ path: folder.path, imageTag: "cli-test", docker: NO_DOCKER }, {
      program: thisProgram(processEnvironment),
      clock: systemClock,
      signal: new AbortController().signal,
    }),
  );
  const operator = await demo.admin.createAccount("operator@example.com", "Operator");
  const uploader = await demo.admin.createAccount("uploader@example.com", "ResourceUploader");
  const all = made.move();
  return {
    folder,
    demo,
    operator,
    uploader,
    run: (args, options) => tally([...args, "--device-url", demo.deviceUrl.href], { cwd: folder.path, ...options }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function signIn(site: Site, { email, password }: Account) {
  return site.run(["login", "--email", email, "--password-stdin"], { stdin: `${password}\n` });
}

Deno.test("tally login, upload, whoami, load and logout do what they say, by a device and without", async (t) => {
  await using site = await startSite();
  const { run, folder, uploader, operator } = site;
  await Deno.writeFile(join(folder.path, "model.bin"), CONTENT);

  await t.step("nobody is signed in: 3", async () => {
    for (const args of [["whoami"], ["load", "model.bin"], ["upload", "model.bin"], ["logout"]]) {
      const { exitCode, stderr, stdout } = await run([...args, "--json", ...(args[0] === "load" ? ["-o", "x"] : [])]);
      assert.equal(exitCode, 3, `${args}: ${stderr}`);
      assert.equal(stdout, "");
      assert.equal(JSON.parse(stderr).code, "not_signed_in");
    }
  });

  await t.step("a wrong password: 3, and it is not repeated", async () => {
    const { exitCode, stderr } = await signIn(site, { email: operator.email, password: "hunter2" });
    assert.equal(exitCode, 3);
    assert.doesNotMatch(stderr, /hunter2/);
  });

  await t.step("the uploader publishes", async () => {
    assert.match((await signIn(site, uploader)).stdout, /^Signed in as uploader@example.com \(ResourceUploader\)\n$/);
    const { exitCode, stdout, stderr } = await run(["upload", "model.bin", "--json"]);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual({ ...JSON.parse(stdout), elapsedMs: 0 }, {
      folder: "models",
      name: "model.bin",
      format: "v2",
      sizeBytes: CONTENT.byteLength,
      elapsedMs: 0,
    });
  });

  await t.step("the operator loads, into a file and to standard output", async () => {
    await signIn(site, operator);
    assert.equal((await run(["whoami"])).stdout, "operator@example.com (Operator)\n");
    const { exitCode, stdout, stderr } = await run(["load", "model.bin", "-o", "out/copy.bin", "--sha256", "--json"]);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(await Deno.readFile(join(folder.path, "out/copy.bin")), CONTENT);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", CONTENT)).toHex();
    assert.equal(JSON.parse(stdout).sha256, digest);
    assert.equal((await run(["load", "model.bin", "-o", "out/copy.bin"])).exitCode, 2);
    assert.match((await run(["load", "model.bin", "-o", ""])).stderr, /a file without a name/);
    assert.equal((await run(["load", "model.bin", "-o", "out/copy.bin", "--force"])).exitCode, 0);
    assert.equal((await run(["load", "model.bin", "-o", "-"])).exitCode, 0);
    const denied = await run(["load", "model.bin", "-o", "/proc/none/copy.bin", "--json"]);
    assert.deepEqual([denied.exitCode, JSON.parse(denied.stderr).code], [2, "usage"]);
  });

  await t.step("what is no regular file is not replaced, whatever is asked for", async () => {
    using pipe = Deno.listen({ transport: "unix", path: join(folder.path, "socket") });
    assert.ok(pipe);
    const { exitCode, stderr } = await run(["load", "model.bin", "-o", "socket", "--force"]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /it is not a regular file/);
    assert.equal((await Deno.stat(join(folder.path, "socket"))).isSocket, true);
  });

  await t.step("the operator may not publish, whatever the size: 4", async () => {
    await using large = await Deno.open(join(folder.path, "large.bin"), { create: true, write: true }).then((file) => ({
      file,
      [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
    }));
    await large.file.truncate(LARGE_BYTES);
    for (const file of ["model.bin", "large.bin"]) {
      const { exitCode, stderr } = await run(["upload", file, "--json"]);
      assert.equal(exitCode, 4, `${file}: ${stderr}`);
      assert.equal(JSON.parse(stderr).code, "not_allowed");
    }
  });

  await t.step("a resource that is not there: 5, and no file", async () => {
    const { exitCode, stderr } = await run(["load", "missing.bin", "--json"]);
    assert.equal(exitCode, 5);
    assert.equal(JSON.parse(stderr).code, "not_found");
    await assert.rejects(Deno.stat(join(folder.path, "missing.bin")), Deno.errors.NotFound);
  });

  await t.step("a proxy of the environment gets nothing that is for this machine", async () => {
    const nobody = "http://127.0.0.1:9";
    const { exitCode, stderr } = await run(["whoami"], {
      env: { HTTP_PROXY: nobody, http_proxy: nobody, ALL_PROXY: nobody },
    });
    assert.equal(exitCode, 0, stderr);
  });

  await t.step("logout forgets", async () => {
    assert.equal((await run(["logout"])).exitCode, 0);
    assert.equal((await run(["whoami"])).exitCode, 3);
  });

  const direct = (args: readonly string[], { email, password }: Account) =>
    tally([
      ...args,
      "--resource-api-url",
      site.demo.originUrl.href,
      "--model-cache-dir",
      "cache",
      "--state-dir",
      "state",
      "--email",
      email,
      "--password-stdin",
    ], {
      cwd: folder.path,
      stdin: `${password}\n`,
    });

  await t.step("with --email everything works without a device", async () => {
    const uploaded = await direct(["upload", "model.bin", "--name", "direct.bin"], uploader);
    assert.equal(uploaded.exitCode, 0, uploaded.stderr);
    const loaded = await direct(["load", "direct.bin"], operator);
    assert.equal(loaded.exitCode, 0, loaded.stderr);
    assert.deepEqual(await Deno.readFile(join(folder.path, "direct.bin")), CONTENT);
    const noLibrary = ["--crypto-accel", "libcrypto", "--crypto-library", "/nowhere/libcrypto.so.3"];
    const refused = await direct(["load", "direct.bin", "-o", "other.bin", ...noLibrary], operator);
    assert.equal(refused.exitCode, 2, refused.stderr);
    assert.match(refused.stderr, /Cannot use "\/nowhere\/libcrypto.so.3" as libcrypto/);
    const fallback = ["-o", "other.bin", ...noLibrary, "--crypto-accel", "auto"];
    assert.equal((await direct(["load", "direct.bin", ...fallback], operator)).exitCode, 0);
    assert.equal((await direct(["upload", "model.bin"], operator)).exitCode, 4);
    assert.equal((await direct(["load", "missing.bin"], operator)).exitCode, 5);
    assert.equal((await direct(["load", "x.bin"], { ...operator, password: "wrong" })).exitCode, 3);
  });

  await t.step("unlock without a Docker engine: 9", async () => {
    const { exitCode, stderr } = await site.run(
      ["unlock", "--email", operator.email, "--password-stdin", "--json"],
      { stdin: `${operator.password}\n` },
    );
    assert.equal(exitCode, 9, stderr);
  });
});

/** A device that sends half of what it announced, and then whatever `rest` does. */
function halfDevice(rest: (connection: Deno.TcpConn) => void): Disposable & { url: string; sent: Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sent = Promise.withResolvers<void>();
  const connections: Deno.TcpConn[] = [];
  const serve = async () => {
    for await (const connection of listener) {
      connections.push(connection);
      await connection.read(new Uint8Array(4096));
      const head = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 2000\r\n\r\n";
      await connection.write(new TextEncoder().encode(head + "x".repeat(1000)));
      sent.resolve();
      rest(connection);
    }
  };
  serve().catch(sent.reject);
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    sent: sent.promise,
    [Symbol.dispose]() {
      for (const connection of connections) connection.close();
      listener.close();
    },
  };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`tally load leaves no file and exits with 130 on ${signal}`, async () => {
    await using folder = await tempFolder();
    using device = halfDevice(() => {});
    const running = startTally(["load", "x.bin", "--device-url", device.url, "--json"], { cwd: folder.path });
    await device.sent;
    await untilNotEmpty(folder.path);
    running.signal(signal);
    const { exitCode, stdout, stderr } = await running.ended;
    await running.stdin.close().catch(() => undefined);
    assert.equal(exitCode, 130);
    assert.equal(stdout, "");
    assert.equal(JSON.parse(stderr).code, "interrupted");
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  });
}

Deno.test("tally load of a body that breaks off leaves no file and exits with 6", async () => {
  await using folder = await tempFolder();
  using device = halfDevice((connection) => void connection.closeWrite());
  const { exitCode, stderr } = await tally(["load", "x.bin", "--device-url", device.url], { cwd: folder.path });
  assert.equal(exitCode, 6, stderr);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("tally never shows a password in its arguments or environment", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  const running = startTally(["login", "--email", "ada@example.com", "--password-stdin", "--device-url", url]);
  await running.stdin.write(new TextEncoder().encode("hunter2\n"));
  const connection = await listener.accept(); // the password is on its way
  for (const name of ["cmdline", "environ"]) {
    assert.doesNotMatch(await Deno.readTextFile(`/proc/${running.pid}/${name}`), /hunter2/);
  }
  connection.close();
  listener.close();
  const { exitCode, stdout, stderr } = await running.ended;
  await running.stdin.close().catch(() => undefined);
  assert.equal(exitCode, 6);
  assert.doesNotMatch(stdout + stderr, /hunter2/);
});

Deno.test({
  name: "tally login asks on a terminal without echo, and Ctrl-C ends it",
  ignore: script === undefined,
  async fn() {
    assert.ok(script !== undefined);
    const { program, args, env } = thisProgram(processEnvironment);
    const command = [program, ...args, "login", "--email", "ada@example.com", "--device-url", "http://127.0.0.1:9"];
    for (const [typed, exitCode] of [["hunter2\r", 6], ["hunt\x03", 130]] as const) {
      const terminal = new Deno.Command(script, {
        args: ["-qec", command.join(" "), "/dev/null"],
        clearEnv: true,
        env,
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const shown = await typeAfterPrompt(terminal, typed);
      assert.equal((await terminal.status).code, exitCode, shown);
      assert.match(shown, /Password of ada@example\.com: /);
      assert.doesNotMatch(shown, /hunt/);
    }
  },
});

Deno.test("tally device and tally origin end with 0 when they are asked to stop", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "origin");
  assert.equal((await tally(["origin", "init", "--data-dir", dataDir])).exitCode, 0);
  const origin = ["origin", "serve", "--data-dir", dataDir];
  const device = [
    "device",
    "--resource-api-url",
    "http://127.0.0.1:9",
    "--model-cache-dir",
    join(folder.path, "cache"),
  ];
  for (const args of [origin, device]) {
    const { program, args: before, env } = thisProgram(processEnvironment);
    const child = new Deno.Command(program, {
      args: [...before, ...args, "--port", "0", "--json"],
      clearEnv: true,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await reader.read();
    const { event, url } = JSON.parse(value);
    assert.equal(event, "listening");
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0, args.join(" "));
    await reader.cancel();
  }
});

Deno.test("tally origin outlives its terminal under nohup, and only then", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "origin");
  assert.equal((await tally(["origin", "init", "--data-dir", dataDir])).exitCode, 0);
  const { program, args, env } = thisProgram(processEnvironment);
  const serve = [program, ...args, "origin", "serve", "--data-dir", dataDir, "--port", "0", "--json"];
  for (const [wrapper, lives] of [["env", false], ["nohup", true]] as const) {
    const options = { args: serve, clearEnv: true, env, stdin: "null", stdout: "piped", stderr: "null" } as const;
    const child = new Deno.Command(wrapper, options).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { url } = JSON.parse((await reader.read()).value ?? "");
    child.kill("SIGHUP");
    for (let calls = 0; lives && calls < 50; calls++) {
      assert.equal((await fetch(`${url}/health`).then((answer) => answer.json())).status, "UP");
    }
    if (lives) child.kill("SIGTERM");
    assert.equal((await child.status).code, 0, wrapper);
    await reader.cancel();
  }
});

async function untilNotEmpty(folder: string): Promise<void> {
  for (let waitedMs = 0; [...Deno.readDirSync(folder)].length === 0; waitedMs += 10) {
    assert.ok(waitedMs < 10_000, "no temporary file was made");
    await systemClock.sleep(10);
  }
}

async function typeAfterPrompt(terminal: Deno.ChildProcess, typed: string): Promise<string> {
  const writer = terminal.stdin.getWriter();
  let shown = "";
  let isTyped = false;
  for await (const text of terminal.stdout.pipeThrough(new TextDecoderStream())) {
    shown += text;
    if (isTyped || !shown.includes(": ")) continue;
    isTyped = true;
    await writer.write(new TextEncoder().encode(typed));
  }
  await writer.close().catch(() => undefined); // the terminal has gone
  return shown;
}
