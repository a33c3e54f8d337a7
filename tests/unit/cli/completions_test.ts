import assert from "node:assert/strict";
import { join } from "node:path";
import { bashScript, type CompletionNode, fishScript, zshScript } from "../../../cli/completions.ts";
import { run } from "../../../cli/run.ts";
import { runChild } from "../../../lib/system/process.ts";
import { peerPath } from "../../support/peers.ts";
import { RecordedIo } from "../../support/recorded_io.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const bash = peerPath("bash");
const zsh = peerPath("zsh");
const fish = peerPath("fish");

const TRICKY: CompletionNode = {
  path: "tally",
  name: "tally",
  description: "",
  flags: [{ names: ["--a"], description: `it's "so": $(false) \`false\` \\`, takesValue: false }],
  choices: [],
  children: [],
};

async function scriptFor(shell: string): Promise<string> {
  const io = new RecordedIo();
  const none = () => Promise.reject(new Error("not asked for"));
  assert.equal(await run(["completions", shell], io, { device: none, origin: none }, new AbortController().signal), 0);
  return io.said;
}

/** Runs a script from a file: as an argument it would be too long. */
async function shellOutput(
  program: string | undefined,
  flags: readonly string[],
  script: string,
  words: readonly string[] = [],
): Promise<string> {
  assert.ok(program !== undefined);
  await using home = await tempFolder(); // fish makes folders in it
  const env = { PATH: "/usr/bin:/bin", HOME: home.path };
  const file = join(home.path, "script");
  await Deno.writeTextFile(file, script);
  const { exitCode, stdout, stderr } = await runChild(program, { args: [...flags, file, ...words], env });
  assert.equal(stderr, "");
  assert.equal(exitCode, 0);
  return new TextDecoder().decode(stdout).trim();
}

async function completeInBash(...words: string[]): Promise<string[]> {
  const script = `${await scriptFor("bash")}
complete -p tally >/dev/null
COMP_WORDS=(tally "$@"); COMP_CWORD=$#; _tally
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await shellOutput(bash, [], script, words)).split("\n");
}

Deno.test({
  name: "bashScript() completes verbs, flags and choices in a real bash",
  ignore: bash === undefined,
  async fn() {
    assert.deepEqual(await completeInBash("lo"), ["load", "login", "logout"]);
    assert.deepEqual(await completeInBash("load", "--fo"), ["--folder", "--force", "--format"]);
    assert.deepEqual(await completeInBash("--json", "load", "x", "--sha"), ["--sha256"]);
    assert.deepEqual(await completeInBash("load", "--js"), ["--json"]);
    assert.deepEqual(await completeInBash("completions", ""), ["bash", "zsh", "fish"]);
    assert.deepEqual(await completeInBash("origin", "in"), ["init"]);
    assert.deepEqual(await completeInBash("upload", "/proc/meminf"), ["/proc/meminfo"]);
  },
});

Deno.test({
  name: "bashScript() never offers the flag that is refused",
  ignore: bash === undefined,
  async fn() {
    assert.deepEqual(await completeInBash("login", "--passw"), ["--password-stdin"]);
  },
});

Deno.test({
  name: "zshScript() is loaded by a real zsh and takes over the completion of tally",
  ignore: zsh === undefined,
  async fn() {
    const script = `autoload -U compinit; compinit -u -D\n${await scriptFor("zsh")}\nprint -r -- $_comps[tally]`;
    assert.equal(await shellOutput(zsh, ["-f"], script), "_tally");
    await shellOutput(zsh, ["-fn"], zshScript(TRICKY));
  },
});

Deno.test({
  name: "fishScript() completes verbs, flags and choices in a real fish",
  ignore: fish === undefined,
  async fn() {
    const complete = async (line: string) => {
      const script = `${await scriptFor("fish")}\ncomplete -C '${line}'`;
      const lines = (await shellOutput(fish, ["--no-config"], script)).split("\n");
      return lines.map((found) => found.split("\t")[0]);
    };
    assert.deepEqual(await complete("tally lo"), ["load", "login", "logout"]);
    assert.deepEqual(await complete("tally load --fo"), ["--folder", "--force", "--format"]);
    assert.deepEqual(await complete("tally completions "), ["bash", "fish", "zsh"]);
    await shellOutput(fish, ["--no-config"], fishScript(TRICKY));
  },
});

Deno.test({
  name: "bashScript() survives descriptions with quotes and commands",
  ignore: bash === undefined,
  async fn() {
    await shellOutput(bash, ["-n"], bashScript(TRICKY));
  },
});
