import assert from "node:assert/strict";
import { run } from "../../cli/run.ts";
import type { Programs } from "../../cli/shell.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { eventually } from "../support/eventually.ts";
import { approve } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";
import { PlainBrowser } from "../support/plain_browser.ts";
import { RecordedIo } from "../support/recorded_io.ts";
import { tempFolder } from "../support/temp_folder.ts";

const PROGRAMS: Programs = {
  device: () => Promise.reject(new Error("not asked for")),
  origin: () => Promise.reject(new Error("not asked for")),
};

/** A terminal whose clock is the machine's, but which does not wait for as long as it is told to. */
function recorded(environment: Readonly<Record<string, string>>): RecordedIo {
  const sleep = (_delayMs: number, signal?: AbortSignal) => systemClock.sleep(50, signal);
  return Object.assign(new RecordedIo({ environment }), { clock: { now: systemClock.now, sleep } });
}

Deno.test("tally login by a code, whoami, application list and logout work at an origin whose address is all they know", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const environment = { AIGNOSTICS_API_ROOT: site.url, AIGNOSTICS_CACHE_DIR: folder.path, HOME: folder.path };
  const { signal } = new AbortController();
  const command = async (args: readonly string[]) => {
    const io = recorded(environment);
    const exitCode = await run(args, io, PROGRAMS, signal);
    assert.equal(exitCode, 0, io.complained);
    return JSON.parse(io.said.trim().split("\n").at(-1) ?? "");
  };

  const io = recorded(environment);
  const login = run(["login", "--no-browser", "--json"], io, PROGRAMS, signal);
  await eventually("the code is shown", () => Promise.resolve(io.said.includes("verificationUrl")));
  const { verificationUrl } = JSON.parse(io.said.split("\n")[0] ?? "");
  const browser = new PlainBrowser(site.url);
  const confirmation = await browser.submit(await browser.open(verificationUrl));
  await approve(browser, await browser.submit(confirmation), site.admin);
  assert.equal(await login, 0, io.complained);

  const me = await command(["whoami", "--no-mask-secrets", "--json"]);
  assert.equal(me.user.email, site.admin.email);
  assert.equal(me.role, "admin");
  const applications = await command(["application", "list", "--json"]);
  assert.ok(JSON.stringify(applications).includes("checksum"));
  await command(["logout", "--json"]);
  const after = recorded(environment);
  assert.notEqual(await run(["application", "list", "--json"], after, PROGRAMS, signal), 0);
});
