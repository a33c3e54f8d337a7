import assert from "node:assert/strict";
import { inspect } from "node:util";
import { type CdnSettings, parseCdnFile } from "../../../../lib/config/cdn_file.ts";
import { cdnReach } from "../../../../lib/config/cdn_reach.ts";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { evaluate } from "../../../support/evaluate.ts";

const AZAION = `
host: https://cdn.example.com
downloader_access_key: reader
downloader_access_secret: hush-reader
uploader_access_key: writer
uploader_access_secret: hush-writer
`;

async function faultsOf(yaml: string): Promise<readonly string[]> {
  try {
    await parseCdnFile(yaml);
  } catch (error) {
    assert(error instanceof ConfigurationError, String(error));
    return error.faults.map((fault) => fault.replace("The CDN settings: ", ""));
  }
  throw new assert.AssertionError({ message: `accepted: ${yaml}` });
}

async function s3(yaml: string): Promise<CdnSettings & { kind: "s3" }> {
  const settings = await parseCdnFile(yaml);
  assert(settings.kind === "s3");
  return settings;
}

Deno.test("parseCdnFile() reads an Azaion cdn.yaml as S3", async () => {
  const settings = await s3(AZAION);
  assert.equal(settings.endpoint.href, "https://cdn.example.com/");
  assert.equal(settings.region, "us-east-1");
  assert.equal(settings.downloader.id.reveal(), "reader");
  assert.equal(settings.downloader.secret.reveal(), "hush-reader");
  assert.equal(settings.uploader?.id.reveal(), "writer");
});

Deno.test("parseCdnFile() lets the uploader be missing or empty", async () => {
  const reader = "host: cdn.example.com\ndownloader_access_key: a\ndownloader_access_secret: b\n";
  const settings = await s3(reader);
  assert.equal(settings.endpoint.href, "https://cdn.example.com/", "a bare host means https");
  assert.equal(settings.uploader, undefined);
  assert.equal((await s3(`${reader}uploader_access_key:\nuploader_access_secret: ""\n`)).uploader, undefined);
});

Deno.test("parseCdnFile() keeps keys that look like numbers as they are written", async () => {
  const settings = await s3(
    "host: https://h\ndownloader_access_key: 0012e4\ndownloader_access_secret: true\nregion: eu-1",
  );
  assert.equal(settings.downloader.id.reveal(), "0012e4");
  assert.equal(settings.downloader.secret.reveal(), "true");
  assert.equal(settings.region, "eu-1");
});

Deno.test("parseCdnFile() chooses the kind by host, type and keys", async () => {
  const directory = await parseCdnFile("host: file:///media/usb%20stick\ndownloader_access_key: left over");
  assert.deepEqual(directory, { kind: "directory", path: "/media/usb stick" });
  const http = await parseCdnFile("host: http://127.0.0.1:9000/cdn\nuploader_token: hush");
  assert(http.kind === "http");
  assert.equal(http.baseUrl.href, "http://127.0.0.1:9000/cdn");
  assert.equal(http.uploader?.reveal(), "hush");
  assert.equal(http.downloader, undefined);
  assert.equal((await parseCdnFile(`${AZAION}type: http`)).kind, "http");
});

Deno.test("parseCdnFile() names every fault", async () => {
  const cases: [yaml: string, faults: string[]][] = [
    ["", ["host is missing"]],
    ["- a\n- b", ["is not a list of name: value lines"]],
    ["just text", ["is not a list of name: value lines"]],
    ["host: [a]", ["host must be a text"]],
    ["host: https://h\ntype: ftp", ["type must be s3 or http"]],
    ["host: https://h\ncolour: red\nsize: 3", ["colour is not a setting", "size is not a setting"]],
    ["host: http://cdn.example.com", ["host must be https, except for this machine itself"]],
    ["host: https://u:p@h", ["host must not hold a user name or password"]],
    ["host: https://h/?a=b", ["host must not hold a ? or #"]],
    ["host: file://media/usb", ["host must be a folder such as file:///media/usb"]],
    ["host: https://h\ntype: s3", ["downloader_access_key is missing"]],
    ["host: https://h\ndownloader_access_key: a", ["downloader_access_secret is missing"]],
    [`${AZAION}uploader_token: x`, ["uploader_token is only for type http"]],
    ["host: https://h\nregion: eu", ["region is only for type s3"]],
    ["host: https://h\nhost: https://i", ["is not YAML: see line 2"]],
    ["host: 'https://h", ["is not YAML: see line 1"]],
    ["host: &a https://h\nregion: *a", ["is not a list of name: value lines"]],
    [`host: ${"[".repeat(30_000)}`, ["is not YAML: see line 1"]],
    [`host: https://h/${"x".repeat(64 * 1024)}`, ["is larger than 65536 characters"]],
  ];
  for (const [yaml, faults] of cases) assert.deepEqual(await faultsOf(yaml), faults, yaml.slice(0, 80));
});

Deno.test("parseCdnFile() refuses a file that grows by aliases", async () => {
  const levels = ["a: &a0 [x]", ...Array.from({ length: 30 }, (_, n) => `k${n}: &a${n + 1} [*a${n}, *a${n}]`)];
  assert.deepEqual(await faultsOf(levels.join("\n")), ["is not a list of name: value lines"]);
});

Deno.test("parseCdnFile() tells no secret, neither in settings that are printed nor in faults", async () => {
  const settings = await parseCdnFile(AZAION);
  const printed = [inspect(settings, { depth: 9, showHidden: true }), Deno.inspect(settings), JSON.stringify(settings)];
  const { faults } = await parseCdnFile(`${AZAION}  - hush: [`).catch((error) => error);
  for (const text of [...printed, ...faults]) assert(!text.includes("hush"), text);
});

Deno.test("parseCdnFile() tells nothing of a damaged file, neither in faults nor on standard error", async () => {
  const torn = "host: https://h\ndownloader_access_key: a\n'downloader_access_secret:hush and more': b\n";
  assert.deepEqual(await faultsOf(torn), ["one of the names is not a setting"]);
  const script = `import { parseCdnFile } from ${
    JSON.stringify(import.meta.resolve("../../../../lib/config/cdn_file.ts"))
  };
    await parseCdnFile("{downloader_access_secret: hush}: 1\\n").catch(() => console.log("refused"));`;
  const { stdout, stderr } = await evaluate(script);
  const [told, warned] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(told, "refused\n");
  assert.ok(!warned?.includes("hush"), warned);
});

Deno.test("parseCdnFile() refuses a host that ends with a bare ? or #", async () => {
  for (const sign of ["?", "'#'"]) {
    const [fault] = await faultsOf(`host: "https://h${sign.replaceAll("'", "")}"`);
    assert.equal(fault, "host must not hold a ? or #");
  }
});

Deno.test("parseCdnFile() lets settings of a server lead to no folder and no service of this machine", async () => {
  const hosts: readonly (readonly [host: string, ofServer: boolean, ofMachine: boolean])[] = [
    ["https://cdn.example.com", true, true],
    ["https://10.0.0.7", true, true],
    ["https://[fd12::7]:9000", true, true],
    ["file:///media/usb", false, true],
    ["http://127.0.0.1:9000", false, true],
    ["http://localhost:9000", false, true],
    ["https://[::1]", false, true],
    ["https://2130706433", false, true],
    ["https://0x7f000001", false, true],
    ["https://[::ffff:127.0.0.1]", false, true],
    ["https://169.254.169.254", false, false],
    ["https://0xa9fea9fe", false, false],
    ["https://[fe80::1]", false, false],
    ["https://0.0.0.0", false, false],
    ["https://[::ffff:169.254.169.254]", false, false],
    ["https://224.0.0.1", false, false],
    ["https://[fd00:ec2::254]", false, false],
  ];
  for (const [host, ofServer, ofMachine] of hosts) {
    const isTaken = (reach: "private" | "loopback") =>
      parseCdnFile(`host: "${host}"`, reach).then(() => true, () => false);
    assert.deepEqual([await isTaken("private"), await isTaken("loopback")], [ofServer, ofMachine], host);
  }
});

Deno.test("cdnReach() trusts this machine's own settings, and an API on this machine", () => {
  const of = (api: string, cdnConfig?: string) => cdnReach({ cdnConfig, resourceApiUrl: new URL(api) });
  assert.equal(of("https://api.example.com"), "private");
  assert.equal(of("https://api.example.com", "/etc/cdn.yaml"), "loopback");
  assert.equal(of("http://127.0.0.1:8090"), "loopback");
  assert.equal(of("https://127.0.0.1.example.com"), "private");
});
