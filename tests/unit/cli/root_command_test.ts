import assert from "node:assert/strict";
import { Command } from "commander";
import { RootCommand } from "../../../cli/root_command.ts";
import { adopt } from "../../../cli/verb.ts";

function parse(...args: string[]): { seen: string[]; program: string } {
  const seen: string[] = [];
  let program = "";
  const root = new RootCommand("tally").version("9").exitOverride()
    .configureOutput({ writeOut: (text) => void (program += text) });
  adopt(
    root,
    new Command("seal").argument("<file>").option("--version <version>").action((file, flags) => {
      seen.push(file, flags.version);
    }),
  );
  adopt(root, new Command("load").action(() => {}));
  try {
    root.parse(args, { from: "user" });
  } catch {
    return { seen, program };
  }
  return { seen, program };
}

Deno.test("RootCommand leaves --version to a verb that has such a flag, and tells its own otherwise", () => {
  for (const flag of [["--version", "1.2"], ["--version=1.2"]]) {
    assert.deepEqual(parse("seal", "f", ...flag), { seen: ["f", "1.2"], program: "" });
    assert.deepEqual(parse("seal", ...flag, "f"), { seen: ["f", "1.2"], program: "" });
  }
  for (const args of [["--version"], ["load", "--version"], ["--version", "seal", "f"]]) {
    assert.deepEqual(parse(...args), { seen: [], program: "9\n" }, args.join(" "));
  }
});
