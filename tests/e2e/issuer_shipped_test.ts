import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { bundle } from "../../tools/ship/bundle.ts";
import { FIXED_FLAGS } from "../../tools/ship/flags.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { CLIENT_ID, postForm, refresh, signInByBrowser } from "../support/oauth_client.ts";
import { PlainBrowser } from "../support/plain_browser.ts";
import { tempFolder } from "../support/temp_folder.ts";

/** Serves the origin of a folder from the file that is shipped, with the rights that it is shipped with. */
async function startShipped(file: string, dataDir: string) {
  const flags = FIXED_FLAGS.filter(({ forms }) => forms.includes("launcher")).map(({ flag }) => flag);
  const rights = ["--allow-net=127.0.0.1", `--allow-read=${dataDir}`, `--allow-write=${dataDir}`];
  const verb = ["origin", "serve", "--data-dir", dataDir, "--port", "0", "--json", "--log-level", "error"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...rights, file, ...verb],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const { url } = JSON.parse(new TextDecoder().decode(value).split("\n")[0] ?? "");
  return {
    url: String(url),
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await reader.cancel();
      return await stderr;
    },
  };
}

Deno.test("the issuer of a minified origin in its sandbox signs in, forgets nothing, and lets its tokens expire", async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, "main.js");
  await Deno.writeFile(file, await bundle("main.js"));
  const dataDir = join(folder.path, "origin");
  const admin = await ORIGIN_COMMANDS.init({ dataDir, email: "root@example.com" });
  const { url, stop } = await startShipped(file, dataDir);
  const site = { url, admin };
  try {
    const first = await signInByBrowser(site);
    const { exp = 0, iat = 0 } = decodeJwt(first.access_token);
    assert.equal(exp - iat, 3600);
    const second = await refresh(site, first.refresh_token);
    assert.equal(second.status, 200);
    assert.equal((await refresh(site, first.refresh_token)).error, "invalid_grant");
    assert.equal((await refresh(site, second.refresh_token)).error, "invalid_grant");

    const device = await postForm(site, "/oauth/device/code", { client_id: CLIENT_ID, scope: "offline_access" });
    const browser = new PlainBrowser(url);
    const code = await browser.open(`/device?${new URLSearchParams({ user_code: String(device.user_code) })}`);
    const cancelled = await browser.submit(await browser.submit(code), { button: "Cancel" });
    assert.match(cancelled.html, /was not signed in/);
    assert.match((await browser.open("/oauth/interaction/nobody")).html, /begun in another browser/);
  } finally {
    assert.equal(await stop(), "");
  }
});
