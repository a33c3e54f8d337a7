import assert from "node:assert/strict";
import { createDecipheriv, createHash } from "node:crypto";
import { join } from "node:path";
import { connect } from "node:net";
import { parseCdnFile } from "../../lib/config/cdn_file.ts";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { BUSINESS_ERRORS } from "../../origin/business_error.ts";
import { RESOURCE_LIMIT_BYTES } from "../../origin/resources.ts";
import { eventually } from "../support/eventually.ts";
import { HOSTILE_NAMES } from "../support/hostile_names.ts";
import { keystream } from "../support/keystream.ts";
import { fileForm, filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { V1 } from "../support/v1_vectors.ts";

const HARDWARE = "CPU: a. GPU: b. Memory: 8. DriveSerial: d";

/** Decrypts a download as the v1 documents say, with `node:crypto` alone. */
function decrypt(encrypted: Bytes, email: string, password: string, hardware: string): Bytes {
  const sha384 = (text: string) => createHash("sha384").update(text).digest("base64");
  const keyText = sha384(`${email}-${password}-${sha384(`Azaion_${hardware}_%$$$)0_`)}-#%@AzaionKey@%#---`);
  const key = createHash("sha256").update(keyText).digest();
  const decipher = createDecipheriv("aes-256-cbc", key, encrypted.subarray(0, 16));
  return new Uint8Array([...decipher.update(encrypted.subarray(16)), ...decipher.final()]);
}

async function stored(site: OriginSite): Promise<string[]> {
  return (await filesBelow(site.dataDir)).filter((path) => path.startsWith("resources/"));
}

Deno.test("origin: an uploaded resource comes back encrypted for the user and the device, with its length", async () => {
  await using site = await OriginSite.start();
  const { token, email } = await site.user("ResourceUploader");
  for (const folder of ["/models", "/", ""]) {
    for (const sizeBytes of [0, 1, 15, 16, 17, 300_000]) {
      const plain = keystream(`origin${folder}`, sizeBytes);
      const upload = await site.call("POST", `/resources${folder}`, { token, body: fileForm(plain, "net.onnx.small") });
      assert.equal(upload.status, 200, upload.text);
      const reply = await site.call("POST", `/resources/get${folder}`, {
        token,
        json: { Password: PASSWORD, Hardware: HARDWARE, FileName: "net.onnx.small" },
      });
      assert.equal(reply.status, 200, reply.text);
      assert.equal(reply.headers.get("content-type"), "application/octet-stream");
      assert.equal(Number(reply.headers.get("content-length")), reply.bytes.byteLength);
      assert.deepEqual(decrypt(reply.bytes, email, PASSWORD, HARDWARE), plain, `"${folder}" ${sizeBytes} bytes`);
    }
  }
});

for (const { email, password, hardware, aes_key_hex } of V1.keys.filter((row) => row.password.length >= 8)) {
  Deno.test(`origin: a download opens with the outside vector's key of "${email}"`, async () => {
    await using site = await OriginSite.start();
    const token = await site.adminToken();
    const created = await site.call("POST", "/users", { token, json: { email, password, role: "ResourceUploader" } });
    assert.equal(created.status, 200, created.text);
    const user = await site.signIn(email, password);
    await site.call("POST", "/resources/models", { token: user, body: fileForm(utf8("plain text"), "a.small") });
    const { bytes } = await site.call("POST", "/resources/get/models", {
      token: user,
      json: { password, hardware, fileName: "a.small" },
    });
    const decipher = createDecipheriv("aes-256-cbc", Uint8Array.fromHex(aes_key_hex), bytes.subarray(0, 16));
    assert.equal(decipher.update(bytes.subarray(16), undefined, "utf8") + decipher.final("utf8"), "plain text");
  });
}

Deno.test("origin: the download key follows the spelling of the e-mail address at sign-in", async () => {
  await using site = await OriginSite.start();
  await site.user("ResourceUploader", "uploader@example.com");
  const token = await site.signIn("Uploader@Example.com");
  await site.call("POST", "/resources/models", { token, body: fileForm(utf8("x"), "a") });
  const { bytes } = await site.call("POST", "/resources/get/models", {
    token,
    json: { password: PASSWORD, hardware: HARDWARE, fileName: "a" },
  });
  assert.deepEqual(decrypt(bytes, "Uploader@Example.com", PASSWORD, HARDWARE), utf8("x"));
});

Deno.test("origin: a download needs the password, the bound device and an existing resource", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("Operator");
  const get = (json: unknown) => site.call("POST", "/resources/get/models", { token, json });
  const wrong = await get({ password: "wrong", hardware: HARDWARE, fileName: "a" });
  assert.equal(wrong.status, 409);
  assert.equal(wrong.json<{ ErrorCode: number }>().ErrorCode, BUSINESS_ERRORS.WrongPassword);
  assert.equal((await site.call("GET", "/users/current", { token })).json<{ hardwareHash: null }>().hardwareHash, null);
  assert.equal((await get({ password: PASSWORD, hardware: HARDWARE, fileName: "a" })).status, 404);
  const other = await get({ password: PASSWORD, hardware: "other", fileName: "a" });
  assert.equal(other.status, 409);
  assert.equal(other.json<{ ErrorCode: number }>().ErrorCode, BUSINESS_ERRORS.HardwareIdMismatch);
  assert.equal((await get({ password: PASSWORD, hardware: "", fileName: "a" })).status, 409);
  assert.equal((await get({ password: PASSWORD, fileName: "a" })).status, 422);
});

Deno.test("origin: POST /resources/check binds a device, and an administrator unbinds it", async () => {
  await using site = await OriginSite.start();
  const { token, email } = await site.user("CompanionPC");
  const admin = await site.adminToken();
  const check = async (hardware: string) =>
    (await site.call("POST", "/resources/check", { token, json: { hardware } })).status;
  assert.equal(await check("one"), 200);
  assert.equal(await check("one"), 200);
  assert.equal(await check("two"), 409);
  await site.call("PUT", "/users/hardware/set", { token: admin, json: { Email: email, Hardware: null } });
  assert.equal(await check("two"), 200);
  await site.call("PUT", "/users/hardware/set", { token: admin, json: { email, hardware: "three" } });
  assert.equal(await check("two"), 409);
  assert.equal(await check("three"), 200);
});

Deno.test("origin: list shows and searches one folder, clear empties only it", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  for (const path of ["/models/b.small", "/models/A.small", "/other/c", "//models"]) {
    const [, folder = "", name = ""] = path.split("/");
    const reply = await site.call("POST", `/resources/${folder}`, { token, body: fileForm(utf8(path), name) });
    assert.equal(reply.status, 200, reply.text);
  }
  const list = async (path: string) => (await site.call("POST", `/resources/list${path}`, { token })).json<string[]>();
  assert.deepEqual(await list("/models"), ["A.small", "b.small"]);
  assert.deepEqual(await list("/models?search=a."), ["A.small"]);
  assert.deepEqual(await list(""), ["models"]);
  assert.deepEqual(await list("/"), ["models"]);
  assert.deepEqual(await list("/nothing"), []);
  assert.equal((await site.call("POST", "/resources/clear/models", { token })).status, 200);
  assert.deepEqual(await list("/models"), []);
  assert.deepEqual(await list("/other"), ["c"]);
  assert.equal((await site.call("POST", "/resources/clear", { token })).status, 200);
  assert.deepEqual(await stored(site), ["resources/other/c"]);
});

Deno.test("origin: hostile names are refused and nothing is written", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  const outside = await filesBelow(join(site.dataDir, ".."));
  for (const name of HOSTILE_NAMES) {
    const byFile = await site.call("POST", "/resources/models", { token, body: fileForm(utf8("x"), name) });
    assert.ok(byFile.status >= 400 && byFile.status < 500, `upload of "${name}": ${byFile.status}`);
    const get = await site.call("POST", "/resources/get/models", {
      token,
      json: { password: PASSWORD, hardware: HARDWARE, fileName: name },
    });
    assert.equal(get.status, 422, `get of "${name}"`);
    if (name === "" || name === "." || name === "..") continue; // these are other paths
    for (const call of ["", "/get", "/list", "/clear"]) {
      const path = `/resources${call}/${encodeURIComponent(name)}`;
      const reply = await site.call("POST", path, { token, body: fileForm(utf8("x"), "good") });
      assert.ok(reply.status >= 400 && reply.status < 500, `POST ${path}: ${reply.status}`);
    }
  }
  const after = await filesBelow(join(site.dataDir, ".."));
  assert.deepEqual(
    after.filter((path) => !/origin\.db-/.test(path)),
    outside.filter((path) => !/origin\.db-/.test(path)),
  );
});

Deno.test("origin: uploads that are no whole form leave the old resource as it was", async () => {
  await using site = await OriginSite.start();
  const { token, email } = await site.user("ResourceUploader");
  await site.call("POST", "/resources/models", { token, body: fileForm(utf8("old"), "a") });
  const part = '--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\nnew';
  const cases: readonly [status: number, contentType: string | undefined, body: string][] = [
    [400, "multipart/form-data; boundary=b", ""],
    [400, "multipart/form-data; boundary=b", "nonsense"],
    [400, "multipart/form-data; boundary=b", part],
    [400, "multipart/form-data; boundary=b", `${part}\r\n--b`],
    [400, "multipart/form-data; boundary=other", `${part}\r\n--b--\r\n`],
    [400, "multipart/form-data", `${part}\r\n--b--\r\n`],
    [422, "multipart/form-data; boundary=b", `${part}\r\n${part}\r\n--b--\r\n`],
    [415, "application/json", "{}"],
    [415, "application/octet-stream", "new"],
    [415, "multipart/mixed; boundary=b", `${part}\r\n--b--\r\n`],
    [
      409,
      "multipart/form-data; boundary=b",
      '--b\r\nContent-Disposition: form-data; name="data"\r\n\r\nnew\r\n--b--\r\n',
    ],
    [422, "multipart/form-data; boundary=b", `${part.replace('"data"', '"file"')}\r\n--b--\r\n`],
  ];
  for (const [status, contentType, body] of cases) {
    const headers: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };
    const reply = await site.call("POST", "/resources/models", { token, headers, body });
    assert.equal(reply.status, status, `${contentType} ${JSON.stringify(body)}: ${reply.text}`);
  }
  assert.deepEqual(await stored(site), ["resources/models/a"]);
  const { bytes } = await site.call("POST", "/resources/get/models", {
    token,
    json: { password: PASSWORD, hardware: HARDWARE, fileName: "a" },
  });
  assert.deepEqual(decrypt(bytes, email, PASSWORD, HARDWARE), utf8("old"));
});

Deno.test("origin: an upload over the limit is refused before its body is read", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  const answer = await rawRequest(site.url, [
    "POST /resources/models HTTP/1.1",
    "Host: x",
    `Authorization: Bearer ${token}`,
    "Content-Type: multipart/form-data; boundary=b",
    `Content-Length: ${RESOURCE_LIMIT_BYTES * 2}`,
  ], '--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.deepEqual(await stored(site), []);
});

Deno.test("origin: a connection that breaks within an upload leaves nothing", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  const { hostname, port } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  const head = [
    "POST /resources/models HTTP/1.1",
    "Host: x",
    `Authorization: Bearer ${token}`,
    "Content-Type: multipart/form-data; boundary=b",
    "Content-Length: 1000000",
  ].join("\r\n");
  socket.write(
    `${head}\r\n\r\n--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n${"x".repeat(500_000)}`,
  );
  await eventually("a temporary file is there", async () => (await stored(site)).length > 0);
  socket.destroy();
  await eventually("the temporary file is gone", async () => (await stored(site)).length === 0);
});

Deno.test("origin: cdn.yaml names the embedded object store, with the writer's token for uploaders only", async () => {
  await using site = await OriginSite.start();
  const operator = await site.user("Operator");
  const uploader = await site.user("ResourceUploader");
  const settingsOf = async ({ token, email }: { token: string; email: string }) => {
    const { bytes } = await site.call("POST", "/resources/get/", {
      token,
      json: { password: PASSWORD, hardware: HARDWARE, fileName: "cdn.yaml" },
    });
    const settings = await parseCdnFile(new TextDecoder().decode(decrypt(bytes, email, PASSWORD, HARDWARE)));
    assert.ok(settings.kind === "http");
    return settings;
  };
  const forOperator = await settingsOf(operator);
  const forUploader = await settingsOf(uploader);
  assert.equal(forOperator.baseUrl.href, `${site.url}/objects`);
  assert.equal(forOperator.uploader, undefined);
  const put = await site.call("PUT", "/objects/models/a.big", {
    token: forUploader.uploader?.reveal() ?? "",
    body: "big",
  });
  assert.equal(put.status, 201, put.text);
  const get = await site.call("GET", "/objects/models/a.big", { token: forOperator.downloader?.reveal() ?? "" });
  assert.equal(get.text, "big");

  await site.call("POST", "/resources", {
    token: uploader.token,
    body: fileForm(utf8("host: file:///media/usb"), "cdn.yaml"),
  });
  const { bytes } = await site.call("POST", "/resources/get", {
    token: operator.token,
    json: { password: PASSWORD, hardware: HARDWARE, fileName: "cdn.yaml" },
  });
  assert.deepEqual(decrypt(bytes, operator.email, PASSWORD, HARDWARE), utf8("host: file:///media/usb"));
});

async function rawRequest(url: string, head: readonly string[], body: string): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(utf8(`${head.join("\r\n")}\r\n\r\n${body}`));
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}
