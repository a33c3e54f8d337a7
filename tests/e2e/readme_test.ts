import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { decryptSmall } from "../../lib/crypto/cbc_v1.ts";
import { aesKey, archiveKey, resourceKeyString } from "../../lib/crypto/keys.ts";
import { startDockerEngine } from "../support/docker_engine.ts";
import { freePort } from "../support/free_port.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { matchesTranscript, parseTranscripts, runSteps, type Step } from "../support/transcript.ts";

const bash = peerPath("bash");
const openssl = peerPath("openssl");
const curl = peerPath("curl");
const dockerd = peerPath("dockerd");

/** Runs one block and compares what each of its commands prints. */
async function checkBlock(
  steps: readonly Step[] | undefined,
  cwd: string,
  env: Record<string, string> = {},
): Promise<void> {
  assert.ok(bash !== undefined && steps !== undefined && steps.length > 0);
  const outputs = await runSteps(steps, { bash, cwd, env });
  for (const [index, { command, expected }] of steps.entries()) {
    const actual = outputs[index] ?? [];
    const message = `$ ${command}\nexpected:\n${expected.join("\n")}\nbut it printed:\n${actual.join("\n")}`;
    assert.ok(matchesTranscript(actual, expected), message);
  }
}

Deno.test({
  name: "docs/format_v1.md: its commands give what it says, and our own code opens what they make",
  ignore: bash === undefined || openssl === undefined,
  async fn() {
    await using folder = await tempFolder();
    const blocks = parseTranscripts(await Deno.readTextFile("docs/format_v1.md"));
    assert.equal(blocks.length, 4);
    for (const block of blocks) await checkBlock(block, folder.path);

    const read = (name: string) => Deno.readFile(join(folder.path, name));
    const note = new Uint8Array([...await read("note.small"), ...await read("note.big")]);
    const resourceKey = await aesKey(await resourceKeyString());
    assert.deepEqual(await decryptSmall(note, resourceKey), utf8("A tally stick was notched and split in two."));
    const fragmentKey = await archiveKey(utf8("an example of a key fragment"));
    assert.deepEqual(await decryptSmall(await read("images.enc"), fragmentKey), await read("images.tar"));
  },
});

Deno.test({
  name: "README.md: the demo prints what it says",
  ignore: bash === undefined || dockerd === undefined,
  async fn() {
    await using engine = await startDockerEngine(dockerd ?? "");
    const [demo] = parseTranscripts(await Deno.readTextFile("README.md"));
    await checkBlock(demo, ".", { DOCKER_HOST: engine.dockerHost, TMPDIR: "/tmp" });
  },
});

Deno.test({
  name: "README.md: origin, device and command line run by hand as it says",
  ignore: bash === undefined || curl === undefined,
  async fn() {
    const [, byHand = []] = parseTranscripts(await Deno.readTextFile("README.md"));
    const [originPort, devicePort] = [`${freePort()}`, `${freePort()}`];
    const steps = byHand.map(({ command, expected }) => ({
      expected,
      command: command.replaceAll("8090", originPort).replaceAll("8080", devicePort),
    }));
    await checkBlock(steps, ".", { PORT: devicePort });
  },
});

Deno.test({
  name: "README.md: sealing and opening with no network works as it says",
  ignore: bash === undefined,
  async fn() {
    const [, , offline] = parseTranscripts(await Deno.readTextFile("README.md"));
    await checkBlock(offline, ".");
  },
});

Deno.test("SECURITY.md: every test that it names exists", async () => {
  const page = await Deno.readTextFile("SECURITY.md");
  const named = [...page.matchAll(/`(tests\/[^`]+_test\.ts)`: "([^"]+)"/g)];
  assert.ok(named.length > 15, `only ${named.length} tests are named`);
  const missing = named.filter(([, path = "", name = ""]) => !Deno.readTextFileSync(path).includes(name));
  assert.deepEqual(missing.map(([text]) => text), []);
});
