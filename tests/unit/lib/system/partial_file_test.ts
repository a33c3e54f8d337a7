import assert from "node:assert/strict";
import { join } from "node:path";
import { tempFolder } from "../../../support/temp_folder.ts";

const CHILD = new URL("../../../support/few_files_child.ts", import.meta.url).pathname;

Deno.test("PartialFile.open() keeps nothing locked when the process has too many files open", async () => {
  await using folder = await tempFolder();
  const command = [Deno.execPath(), "run", "--quiet", "-A", CHILD, join(folder.path, "big")];
  const child = new Deno.Command("sh", { args: ["-c", 'ulimit -n 80; exec "$@"', "sh", ...command] });
  const { stdout, stderr } = await child.output();
  const [first, second, third] = new TextDecoder().decode(stdout).split("\n");
  assert.equal(first, "opened", new TextDecoder().decode(stderr));
  assert.match(second ?? "", /Too many open files/);
  assert.equal(third, "opened");
});
