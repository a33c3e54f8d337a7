import assert from "node:assert/strict";
import { join } from "node:path";
import { type BrowserCommand, browserCommands, openInBrowser } from "../../../../lib/system/browser.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const URL_WITH_SIGNS = new URL("https://login.test/authorize?a=1&b=$(touch%20x);'");

const CASES: readonly [
  variables: Record<string, string>,
  isTerminal: boolean,
  os: string,
  expected: BrowserCommand[],
][] = [
  [{ DISPLAY: ":0" }, true, "linux", [["xdg-open"]]],
  [{ WAYLAND_DISPLAY: "wayland-0" }, true, "linux", [["xdg-open"]]],
  [{}, true, "darwin", [["open"]]],
  [{ DISPLAY: ":0", BROWSER: "firefox --new-tab %s:w3m" }, true, "linux", [
    ["firefox", "--new-tab", "%s"],
    ["w3m"],
    ["xdg-open"],
  ]],
  [{}, true, "linux", []],
  [{ BROWSER: "firefox" }, true, "linux", []],
  [{ DISPLAY: ":0" }, false, "linux", []],
  [{ DISPLAY: ":0", SSH_CONNECTION: "10.0.0.1 1 10.0.0.2 22" }, true, "linux", []],
  [{ SSH_TTY: "/dev/pts/0" }, true, "darwin", []],
];

for (const [variables, isTerminal, os, expected] of CASES) {
  Deno.test(`browserCommands() on ${os}${isTerminal ? "" : " without a terminal"} with ${JSON.stringify(variables)}`, () => {
    assert.deepEqual(browserCommands((name) => variables[name], isTerminal, os), expected);
  });
}

Deno.test("openInBrowser() gives the address as one argument, and goes on to the next when one does not start", async () => {
  await using folder = await tempFolder();
  const script = join(folder.path, "browser");
  const seen = join(folder.path, "seen");
  await Deno.writeTextFile(script, `#!/bin/sh\nprintf '%s\\n' "$@" > ${seen}\n`);
  await Deno.chmod(script, 0o755);
  const failing = join(folder.path, "failing");
  await Deno.writeTextFile(failing, "#!/bin/sh\nexit 3\n");
  await Deno.chmod(failing, 0o755);
  const { signal } = new AbortController();
  const commands: BrowserCommand[] = [["/nowhere/browser"], [failing], [script, "--tab", "%s", "--last"]];
  assert.equal(await openInBrowser(commands, URL_WITH_SIGNS, signal), true);
  assert.equal(await Deno.readTextFile(seen), `--tab\n${URL_WITH_SIGNS.href}\n--last\n`);
  assert.equal(await openInBrowser(commands.slice(0, 2), URL_WITH_SIGNS, signal), false);
  assert.equal(await openInBrowser([], URL_WITH_SIGNS, signal), false);
});
