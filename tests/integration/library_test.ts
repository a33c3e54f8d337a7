import assert from "node:assert/strict";
import { join } from "node:path";
import {
  aesKey,
  ApiClient,
  type ApiClientOptions,
  CdnManager,
  ConfigurationError,
  encryptCbc,
  InvalidInputError,
  NotFoundError,
  NotSignedInError,
} from "../../mod.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { keystream } from "../support/keystream.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const KEY = "the training side's own key";
const MODEL = keystream("model", 300_000);
const noEnvironment = () => undefined;

function options(site: OriginSite, folder: string): ApiClientOptions {
  return {
    account: { url: site.url, ...site.admin },
    settings: { "model-cache-dir": join(folder, "cache"), "hardware-root": folder },
    environment: noEnvironment,
  };
}

Deno.test("ApiClient loads what another one has published with the same key, as bytes and as a stream", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await using publisher = await ApiClient.open(options(site, join(folder.path, "publisher")));
  await publisher.login();
  const published = await publisher.uploadBigSmallResource(MODEL, "detector.onnx", "models", KEY);
  assert.deepEqual([published.sizeBytes, published.smallBytes], [MODEL.byteLength, 3072]);

  await using reader = await ApiClient.open(options(site, join(folder.path, "reader")));
  await reader.login();
  assert.deepEqual(await reader.loadBigSmallResource("detector.onnx", "models", KEY), MODEL);
  await publisher.uploadBigSmallResource(streamOf(MODEL.subarray(0, 100)), "detector.onnx", "models", KEY);
  const { body, sizeBytes } = await reader.openBigSmallResource("detector.onnx", "models", KEY);
  assert.equal(sizeBytes, 100);
  assert.deepEqual(await collect(body, 100), MODEL.slice(0, 100));
});

Deno.test("ApiClient puts small files on the API and reads them back, after a sign-in and under plain names only", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await using client = await ApiClient.open(options(site, folder.path));
  await assert.rejects(client.loadBytes("notes.txt", "docs"), NotSignedInError);
  await client.login();
  await client.uploadFile("notes.txt", MODEL.slice(0, 10), "docs");
  assert.deepEqual(await client.loadBytes("notes.txt", "docs"), MODEL.slice(0, 10));
  await assert.rejects(client.loadBytes("../notes.txt", "docs"), InvalidInputError);
  await assert.rejects(client.loadBigSmallResource("none", "models", KEY), NotFoundError);
});

Deno.test("ApiClient reads its account from config.yaml, and the environment before it", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const { email, password } = site.admin;
  const configPath = join(folder.path, "config.yaml");
  await Deno.writeTextFile(configPath, `api:\n  url: ${site.url}\n  email: ${email}\n  password: ${password}\n`);
  const { settings = {} } = options(site, folder.path);
  await using client = await ApiClient.open({ configPath, settings, environment: noEnvironment });
  await client.login();
  const environment = (name: string) => name === "API_PASSWORD" ? "wrong" : undefined;
  await using other = await ApiClient.open({ configPath, settings, environment });
  await assert.rejects(other.login(), NotSignedInError);
});

const WRONG_FILES: readonly [string, string, RegExp][] = [
  ["an empty file", "", /api.url is neither .*api.email .*api.password/s],
  ["no value", "api:\n", /api.url is neither/],
  ["no password", "api: {url: 'https://a.example', email: a}\n", /^api.password is neither/],
  ["a list", "- api\n", /is not YAML with api/],
  ["no YAML", "api: {password: hunter2\n", /is not YAML with api/],
  ["a number", "api: {url: 'https://a.example', email: a, password: 12345}\n", /is not YAML with api: .*in quotes/],
  ["http", "api: {url: 'http://a.example', email: a, password: hunter2}\n", /must be https/],
];
for (const [what, text, message] of WRONG_FILES) {
  Deno.test(`ApiClient.open() says what is wrong with a config.yaml: ${what}`, async () => {
    await using folder = await tempFolder();
    const configPath = join(folder.path, "config.yaml");
    await Deno.writeTextFile(configPath, text);
    await assert.rejects(ApiClient.open({ configPath, environment: noEnvironment }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, message);
      assert.doesNotMatch(Deno.inspect(error), /hunter2|12345/);
      return true;
    });
  });
}

Deno.test("ApiClient.open() takes no setting that does not exist", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const settings = { ...options(site, folder.path).settings, modelCacheDir: folder.path };
  await assert.rejects(ApiClient.open({ ...options(site, folder.path), settings }), /"modelCacheDir" is not a setting/);
});

Deno.test("CdnManager downloads to the path that was asked for, whole or not at all", async () => {
  await using folder = await tempFolder();
  const [stick, target] = [join(folder.path, "stick"), join(folder.path, "target")];
  await Deno.mkdir(stick);
  const cdn = await CdnManager.open(`host: file://${stick}\n`);
  await cdn.upload("models", "raw.bin", MODEL);
  assert.equal(await cdn.download("models", "raw.bin", join(target, "model.bin")), MODEL.byteLength);
  assert.deepEqual(new Uint8Array(await Deno.readFile(join(target, "model.bin"))), MODEL);
  await assert.rejects(cdn.download("models", "none.bin", join(target, "none.bin")), NotFoundError);
  await assert.rejects(cdn.download("models", "../raw.bin", join(target, "none.bin")), InvalidInputError);
  assert.deepEqual(await filesBelow(target), ["model.bin"]);
});

const openssl = peerPath("openssl");
Deno.test({
  name: "encryptCbc() with aesKey() writes what openssl enc reads",
  ignore: openssl === undefined,
  fn: async () => {
    await using folder = await tempFolder();
    const whole = await collect(encryptCbc(streamOf(MODEL), await aesKey(KEY)), 2 * MODEL.byteLength);
    const path = join(folder.path, "ciphertext");
    await Deno.writeFile(path, whole.subarray(16));
    const key = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(KEY))).toHex();
    const args = ["enc", "-d", "-aes-256-cbc", "-K", key, "-iv", whole.slice(0, 16).toHex(), "-in", path];
    const { stdout, success } = await new Deno.Command(openssl ?? "", { args }).output();
    assert.ok(success);
    assert.deepEqual(new Uint8Array(stdout), MODEL);
  },
});
