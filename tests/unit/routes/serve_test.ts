import assert from "node:assert/strict";
import { parseSettings } from "../../../lib/config/config.ts";
import type { Settings } from "../../../lib/config/options.ts";
import { runDevice } from "../../../routes/serve.ts";
import { accountOf, PASSWORD } from "../../support/device.ts";
import { SmallResourceApi } from "../../support/resource_api.ts";

function settingsFor(api: SmallResourceApi, folder: string): Settings {
  const flags = {
    "resource-api-url": api.url.href,
    port: "0",
    "model-cache-dir": `${folder}/models`,
    "state-dir": `${folder}/state`,
    "hardware-root": folder,
    "log-level": "error",
  };
  return parseSettings({ flags, environment: () => undefined, file: {} });
}

Deno.test("runDevice() serves until it is told to stop, and lets a call under way end", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using api = await SmallResourceApi.start({
      [accountOf("Operator")]: { password: PASSWORD, role: "Operator" },
    });
    const stop = new AbortController();
    const listening = Promise.withResolvers<string>();
    const ended = runDevice(settingsFor(api, folder), stop.signal, listening.resolve);
    const url = await Promise.race([listening.promise, ended.then(() => "")]);
    assert.equal(await (await fetch(`${url}/health`)).text(), '{"status":"healthy"}');

    const asked = Promise.withResolvers<void>();
    api.intercept = async () => {
      api.intercept = () => undefined;
      asked.resolve();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return undefined;
    };
    const login = fetch(`${url}/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: accountOf("Operator"), password: PASSWORD }),
    });
    await asked.promise;
    stop.abort();
    assert.equal((await (await login).json()).role, "Operator");
    await ended;
    await assert.rejects(fetch(`${url}/health`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runDevice() says at its start that tokens are not verified", async () => {
  await using api = await SmallResourceApi.start();
  const folder = await Deno.makeTempDir();
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", new URL("../../../main.ts", import.meta.url).pathname, "device", "--port", "0"],
      env: {
        RESOURCE_API_URL: api.url.href,
        MODEL_CACHE_DIR: `${folder}/models`,
        STATE_DIR: `${folder}/state`,
        JWT_VERIFY: "off",
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const lines: string[] = [];
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      lines.push(text);
      if (lines.join("").includes('"message":"listening"')) child.kill("SIGTERM");
    }
    await child.status;
    const log = lines.join("").trim().split("\n").map((line) => JSON.parse(line));
    const warning = log.find(({ message }) => message === "unverified");
    assert.equal(warning?.level, "WARN");
    assert.match(warning?.properties.reason, /JWT_VERIFY is off/);
    assert.ok(log.some(({ message }) => message === "stopped"), lines.join(""));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runDevice() goes on when nobody reads its log any more", async () => {
  await using api = await SmallResourceApi.start();
  const folder = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("../../../main.ts", import.meta.url).pathname, "device", "--port", "0"],
    env: { RESOURCE_API_URL: api.url.href, MODEL_CACHE_DIR: `${folder}/models`, STATE_DIR: `${folder}/state` },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    const log = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) text += (await log.read()).value ?? "\n";
    await log.cancel();
    const answer = await fetch(`${JSON.parse(text).properties.url}/status`);
    assert.equal((await answer.json()).status, "healthy");
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(folder, { recursive: true });
  }
});
