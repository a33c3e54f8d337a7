import assert from "node:assert/strict";
import { join } from "node:path";
import jsQR from "jsqr";
import type { IntegrityStep } from "../../lib/errors.ts";
import { keystream } from "../support/keystream.ts";
import { OfflineSite } from "../support/offline_site.ts";
import { NOW_SECONDS } from "../support/sealed_resource.ts";

const SUITES = ["C20P-AGE", "A256GCM-HKDF-1M"] as const;
const MODE_BITS = 0o777;

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & MODE_BITS;
}

for (const suite of SUITES) {
  Deno.test(`tally seal and tally open: what was sealed with ${suite} opens to the same bytes, by grant and by content key`, async () => {
    await using site = await OfflineSite.create();
    for (const sizeBytes of [0, 3_000_000, 17 << 20]) {
      const plain = keystream(suite, sizeBytes);
      const cek = site.path(`cek-${sizeBytes}`);
      const sealed = await site.seal(plain, "--suite", suite, "--cek-file", cek);
      assert.equal(sealed.hashes !== undefined, sizeBytes > 16 << 20, "a long hash list is a file of its own");
      await site.ok(...site.openArgs(sealed, "--force"));
      assert.deepEqual(await Deno.readFile(site.path("opened")), plain);
      assert.equal(await modeOf(site.path("opened")), 0o600);
      assert.equal(await modeOf(cek), 0o600);
      const small = sealed.small[0]?.path ?? "";
      const byKey = ["--cek-file", cek, "--publisher-key", site.path("release.key.pub"), "--out", site.path("escrow")];
      await site.ok("open", "--small", small, "--big", sealed.big, "--force", ...byKey);
      assert.deepEqual(await Deno.readFile(site.path("escrow")), plain);
    }
  });
}

Deno.test("tally keys, seal, open and small need no network, no variable and no other program", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("sandbox", 100_000));
  const small = sealed.small[0]?.path ?? "";
  const seal = ["--version", "2", "--publisher-key", site.path("release.key"), "--to", site.path("device.key.pub")];
  const commandLines = [
    ["keys", "new", "--device", "--out", site.path("fresh.key")],
    ["seal", site.path("plain"), ...seal, "--out", site.path("again")],
    site.openArgs(sealed),
    ["small", "--qr", small],
  ];
  for (const args of commandLines) {
    const { code, stderr } = await inSandbox(args);
    assert.equal(code, 0, `tally ${args[0]}: ${stderr}`);
  }
  assert.deepEqual(await Deno.readFile(site.path("opened")), keystream("sandbox", 100_000));
});

Deno.test("tally seal makes a small part for each device, and names the big part after its digest", async () => {
  await using site = await OfflineSite.create();
  await site.ok("keys", "new", "--device", "--out", site.path("second.key"));
  const plain = keystream("two", 1000);
  const sealed = await site.seal(plain, "--to", site.path("second.key.pub"), "--folder", "maps");
  assert.equal(sealed.small.length, 2);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(sealed.big))).toHex();
  assert.equal(sealed.big, site.path("site", "maps", `${digest}.big`));
  for (const [index, key] of ["device.key", "second.key"].entries()) {
    const own = { ...sealed, small: sealed.small.slice(index) };
    await site.ok(...site.openArgs(own, "--device-key", site.path(key), "--force"));
    assert.deepEqual(await Deno.readFile(site.path("opened")), plain);
  }
  const { exitCode, complained } = await site.tally(
    ...site.openArgs(sealed, "--device-key", site.path("second.key"), "--out", site.path("x")),
  );
  assert.equal(exitCode, 7);
  assert.match(complained, /its grant is for another device/);
});

Deno.test("tally open exits with 7 at the first check that fails, and leaves no file", async () => {
  await using site = await OfflineSite.create();
  await site.ok("keys", "new", "--publisher", "--out", site.path("evil.key"));
  const sealed = await site.seal(keystream("refused", 3_000_000), "--seq", "5", "--arch", "arm64", "--user", "ada");
  const other = await site.seal(keystream("other", 3_000_000), "--name", "other");
  const changedBig = await changed(site, sealed.big, (bytes) => bytes.set([(bytes[2_000_000] ?? 0) ^ 1], 2_000_000));
  const shortBig = await changed(site, sealed.big, (bytes) => bytes.subarray(0, 1_048_848));
  const changedSmall = await changed(
    site,
    sealed.small[0]?.path ?? "",
    (bytes) => bytes.set([bytes[400] === 0x41 ? 0x42 : 0x41], 400),
  );
  const cek = site.path("wrong-cek");
  await Deno.writeFile(cek, keystream("wrong", 16), { mode: 0o600 });
  const arm = ["--arch", "arm64"];
  const cases: readonly [IntegrityStep, RegExp, string[]][] = [
    ["signature", /not believed/, site.openArgs(sealed, ...arm, "--small", changedSmall)],
    ["sequence", /older than 6/, site.openArgs(sealed, ...arm, "--min-seq", "6")],
    ["resource", /was asked for/, site.openArgs(sealed, ...arm, "--version", "2.0.0")],
    ["architecture", /it is for arm64, and this machine is amd64/, site.openArgs(sealed, "--arch", "amd64")],
    ["grant-user", /for another user/, site.openArgs(sealed, ...arm, "--user", "eve")],
    ["size", /bytes, and \d+ were published/, site.openArgs(sealed, ...arm, "--big", shortBig)],
    ["unit-hash", /Unit 1 .* is not the one/, site.openArgs(sealed, ...arm, "--big", changedBig)],
    ["unit-hash", /Unit 0 .* is not the one/, site.openArgs(sealed, ...arm, "--big", other.big)],
  ];
  const before = site.names();
  for (const [step, sentence, args] of cases) {
    const { exitCode, complained } = await site.tally(...args);
    assert.equal(exitCode, 7, `${step}: ${complained}`);
    assert.match(complained, sentence, step);
    assert.deepEqual(site.names(), before, `${step}: something was left`);
  }
  const byKey = ["--cek-file", cek, "--publisher-key", site.path("release.key.pub"), "--out", site.path("opened")];
  const files = ["--small", sealed.small[0]?.path ?? "", "--big", sealed.big];
  const wrongKey = await site.tally("open", ...files, ...byKey, ...arm);
  assert.equal(wrongKey.exitCode, 7);
  assert.match(wrongKey.complained, /content key is not the one/);
  const evil = ["--publisher-key", site.path("evil.key.pub")];
  const untrusted = await site.tally(
    "open",
    ...files,
    "--device-key",
    site.path("device.key"),
    ...evil,
    "--out",
    site.path("opened"),
  );
  assert.equal(untrusted.exitCode, 7);
  assert.match(untrusted.complained, /no trusted publisher has the key/);
  assert.deepEqual(site.names(), before);
});

Deno.test("tally open refuses a hash list that was changed or is missing, and an expired version", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("list", 17 << 20), "--expires", "1h");
  const list = sealed.hashes ?? "";
  const flipped = await changed(site, list, (bytes) => bytes.set([(bytes[0] ?? 0) ^ 1], 0));
  for (const hashes of [flipped, site.path("missing")]) {
    const { exitCode, complained } = await site.tally(...site.openArgs(sealed, "--hashes", hashes));
    assert.equal(exitCode, 7);
    assert.match(complained, /hash list/);
  }
  const late = await site.tally(...site.openArgs(await site.seal(keystream("late", 10), "--expires", "1h")));
  assert.equal(late.exitCode, 0);
  const { exitCode, complained } = await site.tallyAt(NOW_SECONDS + 3600, ...site.openArgs(sealed, "--force"));
  assert.equal(exitCode, 7);
  assert.match(complained, /has expired/);
});

Deno.test("tally seal and tally open refuse keys that others can read, and those that are for something else", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("keys", 10));
  await Deno.chmod(site.path("device.key"), 0o644);
  const readable = await site.tally(...site.openArgs(sealed));
  assert.equal(readable.exitCode, 2);
  assert.match(readable.complained, /can be read by others/);
  const publisher = await site.tally(...site.openArgs(sealed, "--device-key", site.path("release.key")));
  assert.equal(publisher.exitCode, 2);
  assert.match(publisher.complained, /the key of a publisher, not of a device/);
  const whole = await site.tally(...site.openArgs(sealed, "--publisher-key", site.path("release.key")));
  assert.equal(whole.exitCode, 2);
  assert.match(whole.complained, /it is not a public key/);
  const { d } = JSON.parse(await Deno.readTextFile(site.path("release.key")));
  for (const { complained } of [readable, publisher, whole]) assert.ok(!complained.includes(d), "no secret is told");
});

Deno.test("tally keys never writes over a key, and keeps the old one when a new one takes its place", async () => {
  await using site = await OfflineSite.create();
  const again = await site.tally("keys", "new", "--device", "--out", site.path("device.key"));
  assert.equal(again.exitCode, 2);
  assert.match(again.complained, /it exists/);
  assert.equal(await modeOf(site.path("device.key")), 0o600);
  const sealed = await site.seal(keystream("rotate", 10));
  const { kid: oldKid } = JSON.parse(await site.ok("--json", "keys", "show", site.path("device.key.pub")));
  const { kid, previous } = JSON.parse(await site.ok("--json", "keys", "rotate", "--device", site.path("device.key")));
  assert.notEqual(kid, oldKid);
  assert.equal(previous, `${site.path("device.key")}.${oldKid}`);
  assert.equal(JSON.parse(await site.ok("--json", "keys", "show", site.path("device.key.pub"))).kid, kid);
  assert.equal((await site.tally(...site.openArgs(sealed))).exitCode, 7, "sealed for the old one");
  await site.ok(...site.openArgs(sealed, "--device-key", previous));
  assert.equal((await site.tally("keys", "new", "--out", site.path("x"))).exitCode, 2, "neither kind");
});

Deno.test("tally seal and tally open refuse a key whose halves do not belong together, before anything is written", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("halves", 10));
  await site.ok("keys", "new", "--publisher", "--out", site.path("second.key"));
  for (const [path, other] of [["release.key", "second.key"], ["device.key", "release.key"]]) {
    const { d } = JSON.parse(await Deno.readTextFile(site.path(other ?? "")));
    const mixed = { ...JSON.parse(await Deno.readTextFile(site.path(path ?? ""))), d };
    await Deno.writeTextFile(site.path(`mixed-${path}`), JSON.stringify(mixed), { mode: 0o600 });
  }
  const keys = ["--publisher-key", site.path("mixed-release.key"), "--to", site.path("device.key.pub")];
  const args = ["seal", site.path("plain"), "--version", "1", ...keys, "--out", site.path("unbelieved")];
  for (const line of [args, site.openArgs(sealed, "--device-key", site.path("mixed-device.key"))]) {
    const { exitCode, complained } = await site.tally(...line);
    assert.equal(exitCode, 2, complained);
    assert.match(complained, /halves do not belong together/);
  }
  for (const name of ["unbelieved", "opened"]) assert.ok(!site.names().includes(name), name);
});

Deno.test("tally keys rotate goes on where it was cut off", async () => {
  await using site = await OfflineSite.create();
  const path = site.path("release.key");
  const { kid } = JSON.parse(await Deno.readTextFile(path));
  await Deno.copyFile(path, `${path}.${kid}`); // the old one was kept, and then the power went
  const { previous } = JSON.parse(await site.ok("--json", "keys", "rotate", "--publisher", path));
  assert.equal(previous, `${path}.${kid}`);
  assert.equal(JSON.parse(await Deno.readTextFile(`${previous}.pub`)).kid, kid);
  assert.notEqual(JSON.parse(await Deno.readTextFile(path)).kid, kid);
});

Deno.test("tally seal leaves what is no file in the place of a key alone, and no big part without its key", async () => {
  await using site = await OfflineSite.create();
  await Deno.writeFile(site.path("escrow"), keystream("escrow", 16), { mode: 0o600 });
  await Deno.symlink(site.path("escrow"), site.path("link"));
  await Deno.mkdir(site.path("folder"));
  await Deno.writeTextFile(site.path("plain"), "content");
  const keys = ["--publisher-key", site.path("release.key"), "--to", site.path("device.key.pub")];
  for (const place of ["link", "folder"]) {
    const args = ["seal", site.path("plain"), "--version", "1", ...keys, "--out", site.path("site")];
    const { exitCode, complained } = await site.tally(...args, "--cek-file", site.path(place));
    assert.equal(exitCode, 2, place);
    assert.match(complained, /is not a regular file/);
    assert.equal((await site.tally("keys", "new", "--device", "--out", site.path(place))).exitCode, 2, place);
  }
  assert.ok((await Deno.lstat(site.path("link"))).isSymlink);
  assert.ok(!site.names().includes("site"));
});

Deno.test("tally seal and tally open remove what a killed one has left, and nobody else's files", async () => {
  await using site = await OfflineSite.create();
  await Deno.mkdir(site.path("site", "models"), { recursive: true });
  const abandoned = [site.path("site", "models", `.${crypto.randomUUID()}.partial`)];
  abandoned.push(site.path(`.${crypto.randomUUID()}.partial`));
  const foreign = site.path(".holiday.partial");
  for (const path of [...abandoned, foreign]) await Deno.writeTextFile(path, "half");
  await site.ok(...site.openArgs(await site.seal(keystream("swept", 10))));
  for (const path of abandoned) await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
  assert.equal(await Deno.readTextFile(foreign), "half");
});

Deno.test("tally seal keeps the small parts of names and versions apart that read alike", async () => {
  await using site = await OfflineSite.create();
  const one = await site.seal(keystream("one", 10), "--name", "yolo-v8", "--version", "1");
  const other = await site.seal(keystream("other", 10), "--name", "yolo", "--version", "v8-1");
  assert.notEqual(one.small[0]?.path, other.small[0]?.path);
});

Deno.test("tally open and tally small take a file that is too large for no small part", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("large", 10));
  const large = site.path("large.small");
  await Deno.writeFile(large, new Uint8Array(100_000));
  for (const args of [["small", large], ["small", "--qr", large], site.openArgs(sealed, "--small", large)]) {
    const { exitCode, complained } = await site.tally(...args);
    assert.equal(exitCode, 7, args.join(" "));
    assert.match(complained, /is no small part/);
  }
  assert.ok(!site.names().includes("opened"));
});

Deno.test("tally seal takes standard input, under a name", async () => {
  await using site = await OfflineSite.create();
  const keys = ["--publisher-key", site.path("release.key"), "--to", site.path("device.key.pub")];
  const args = ["--json", "seal", "-", "--version", "1", ...keys, "--out", site.path("site")];
  const nameless = await site.tallyWith("content", ...args);
  assert.equal(nameless.exitCode, 2);
  assert.match(nameless.complained, /--name/);
  const { exitCode, said } = await site.tallyWith("content", ...args, "--name", "piped");
  assert.equal(exitCode, 0);
  await site.ok(...site.openArgs(JSON.parse(said)));
  assert.equal(await Deno.readTextFile(site.path("opened")), "content");
});

Deno.test("tally seal and tally open leave nothing when they are asked to stop", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("stop", 1000));
  const keys = ["--publisher-key", site.path("release.key"), "--to", site.path("device.key.pub")];
  const out = site.path("stopped");
  const stopped = await site.tallyStopped("seal", site.path("plain"), "--version", "1", ...keys, "--out", out);
  assert.equal(stopped.exitCode, 130);
  assert.deepEqual([...Deno.readDirSync(site.path("stopped", "models"))], []);
  const before = site.names();
  assert.equal((await site.tallyStopped(...site.openArgs(sealed))).exitCode, 130);
  assert.deepEqual(site.names(), before);
});

Deno.test("tally small --qr prints a code that another program reads back to the same bytes", async () => {
  await using site = await OfflineSite.create();
  const long = ["--folder", "f".repeat(128), "--name", "n".repeat(128), "--user", "u".repeat(128)];
  for (const [sizeBytes, more] of [[10, []], [15 << 20, long]] as const) {
    const sealed = await site.seal(keystream("qr", sizeBytes), ...more);
    const path = sealed.small[0]?.path ?? "";
    const { pixels, width, height } = picture(await site.ok("small", "--qr", path));
    const code = jsQR.default(pixels, width, height);
    assert.equal(code?.data, await Deno.readTextFile(path), `${sizeBytes} bytes`);
  }
});

Deno.test("tally small shows what a small part says, and says that nothing is verified", async () => {
  await using site = await OfflineSite.create();
  const sealed = await site.seal(keystream("show", 10), "--seq", "7");
  const said = await site.ok("small", sealed.small[0]?.path ?? "");
  assert.match(said, /models\/detector 1\.0\.0 \(sequence 7\)/);
  assert.match(said, /Nothing of this has been verified/);
});

async function inSandbox(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const rights = [
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--ignore-env",
    "--deny-net",
    "--deny-run",
    "--deny-ffi",
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", ...rights, join(import.meta.dirname ?? "", "../../main.ts"), ...args],
  });
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

async function changed(
  site: OfflineSite,
  path: string,
  change: (bytes: Uint8Array) => Uint8Array | void,
): Promise<string> {
  const bytes = await Deno.readFile(path);
  const target = site.path(`changed-${crypto.randomUUID()}`);
  await Deno.writeFile(target, change(bytes) ?? bytes);
  return target;
}

/** The picture of half blocks as RGBA, four dots to a module; a light dot is drawn, as on a dark terminal. */
function picture(text: string): { pixels: Uint8ClampedArray; width: number; height: number } {
  const SCALE = 4;
  const BORDER = 4;
  const rows = text.replace(/\n+$/, "").split("\n").flatMap((line) => [
    [...line].map((character) => character === "█" || character === "▀"),
    [...line].map((character) => character === "█" || character === "▄"),
  ]);
  const modules = Math.max(...rows.map((row) => row.length));
  const side = (modules + 2 * BORDER) * SCALE;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const row = rows[Math.floor(y / SCALE) - BORDER];
      const column = Math.floor(x / SCALE) - BORDER;
      const isLight = row === undefined || column < 0 || column >= modules || (row[column] ?? true);
      if (!isLight) pixels.set([0, 0, 0], (y * side + x) * 4);
    }
  }
  return { pixels, width: side, height: side };
}
