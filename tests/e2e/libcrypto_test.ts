import assert from "node:assert/strict";
import { join } from "node:path";
import { runChild } from "../../lib/system/process.ts";
import { bundleModule } from "../../tools/ship/bundle.ts";
import { runtimePath } from "../../tools/ship/runtime.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const PROBE = join(import.meta.dirname ?? "", "../support/libcrypto_probe.ts");
const LIMIT_MS = 120_000;
const qemu = peerPath("qemu");
const native = peerPath("libcrypto");
const arm = peerPath("libcrypto_arm64");

interface Report {
  readonly architecture: string;
  readonly refused: string;
  readonly encrypted: string;
  readonly opened: string;
  readonly fast: string;
}

/** The probe as one file on a Deno that may open this one library, and nothing else. */
async function probe(deno: string, library: string, folder: string): Promise<Report> {
  const main = join(folder, "probe.js");
  await Deno.writeFile(main, await bundleModule(PROBE));
  const other = join(folder, "libcrypto.so.3");
  await Deno.copyFile(library, other);
  const rights = ["--no-prompt", "--no-config", "--no-lock", "--cached-only", `--allow-ffi=${library}`];
  const { exitCode, stdout, stderr } = await runChild(deno, {
    args: ["run", ...rights, main, library, other],
    env: { DENO_DIR: join(folder, "deno") },
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(new TextDecoder().decode(stdout));
}

function checkReport({ encrypted, opened, fast, refused }: Report): void {
  assert.match(encrypted, /^[0-9a-f]{64}$/);
  assert.equal(fast, opened);
  assert.match(refused, /sandbox of this program refuses ffi access/);
}

Deno.test({
  name:
    "libcrypto decrypts to the same bytes with the right to that one file alone, and a copy of it elsewhere is refused",
  ignore: native === undefined,
  async fn() {
    await using folder = await tempFolder();
    checkReport(await probe(Deno.execPath(), native ?? "", folder.path));
  },
});

Deno.test({
  name: "libcrypto on ARM64, under an emulator, decrypts to the same bytes as on this machine",
  ignore: native === undefined || arm === undefined || qemu === undefined,
  async fn() {
    await using folder = await tempFolder();
    const here = await probe(Deno.execPath(), native ?? "", folder.path);
    const there = await probe(await runtimePath("aarch64"), arm ?? "", folder.path);
    checkReport(there);
    assert.equal(there.architecture, "aarch64");
    assert.deepEqual({ ...there, architecture: "", refused: "" }, { ...here, architecture: "", refused: "" });
  },
});
