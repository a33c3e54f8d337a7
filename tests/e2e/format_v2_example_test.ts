import assert from "node:assert/strict";
import { join } from "node:path";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";

const PAGE = join(import.meta.dirname ?? "", "../../docs/format_v2.md");
const FILE_BLOCK = /```(json|hex) (\S+)\n([\s\S]*?)\n```/g;
const COMMAND = /```console\n\$ tally (.*)\n([\s\S]*?)```/;

Deno.test("the worked example of docs/format_v2.md opens with the bytes that are printed there", async () => {
  await using folder = await tempFolder();
  const page = await Deno.readTextFile(PAGE);
  const files = [...page.matchAll(FILE_BLOCK)];
  assert.deepEqual(files.map(([, , name]) => name).sort(), [
    "device.key",
    "release.key.pub",
    "stick.big",
    "stick.small",
  ]);
  for (const [, kind, name = "", text = ""] of files) {
    const bytes = kind === "hex" ? Uint8Array.fromHex(text.replaceAll("\n", "")) : new TextEncoder().encode(text);
    await Deno.writeFile(join(folder.path, name), bytes, { mode: 0o600 });
  }
  const [, commandLine = "", expected] = COMMAND.exec(page) ?? [];
  const { exitCode, stdout, stderr } = await tally(commandLine.split(" "), { cwd: folder.path });
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout, expected);
});
