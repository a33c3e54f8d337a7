import assert from "node:assert/strict";
import { join } from "node:path";
import { writeKeyPair } from "../../lib/crypto/key_file.ts";
import { trailFiles } from "../../lib/audit/audit_trail.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2Publisher } from "../support/v2_publisher.ts";

/** What stands in a trail: action, who, resource, version, result. */
async function trailIn(folder: string): Promise<string[][]> {
  const texts = await Promise.all((await trailFiles(folder)).map((name) => Deno.readTextFile(join(folder, name))));
  return texts.join("").trimEnd().split("\n").map((line) => {
    const { action, who, resource, version, result } = JSON.parse(line);
    return [action, who, resource, version, result];
  });
}

async function post(url: string, body: BodyInit, type?: string): Promise<number> {
  const answer = await fetch(url, {
    method: "POST",
    headers: type === undefined ? {} : { "content-type": type },
    body,
  });
  await answer.arrayBuffer();
  return answer.status;
}

Deno.test("the audit trails of device and origin say which version was published and loaded", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  await using folder = await V2Device.start(site);
  const keyPath = join(folder.folder.path, "publisher.key");
  await writeKeyPair(keyPath, publisher.jwk);
  await using device = await V2Device.start(site, { flags: { "publisher-key-file": keyPath } });
  const { email } = await site.user("Admin");
  const json = "application/json";
  assert.equal(await post(`${device.url}/login`, JSON.stringify({ email, password: PASSWORD }), json), 200);
  const form = new FormData();
  form.set("data", new File([new Uint8Array(1000)], "a.onnx"));
  assert.equal(await post(`${device.url}/upload/a.onnx`, form), 200);
  assert.equal(
    await post(`${device.url}/load/a.onnx`, JSON.stringify({ filename: "a.onnx", folder: "models" }), json),
    200,
  );
  await (await fetch(`${device.url}/resources/models/a.onnx`)).arrayBuffer();
  const onDevice = await trailIn(join(device.folder.path, "state/audit"));
  assert.deepEqual(onDevice.slice(-3), [
    ["upload", email, "models/a.onnx", "1", "ok"],
    ["load", email, "models/a.onnx", "1", "ok"],
    ["load", email, "models/a.onnx", "1", "ok"],
  ]);
  const atOrigin = (await trailIn(join(site.dataDir, "audit"))).filter(([action]) =>
    action?.includes("/v2/resources/")
  );
  assert.deepEqual(
    new Set(atOrigin.map(([action, , resource, version]) => [action, resource, version].join(" "))),
    new Set([
      "GET /v2/resources/models/a.onnx models/a.onnx 1",
      "POST /v2/resources/models/a.onnx models/a.onnx 1",
    ]),
  );
  assert.ok(device.logLines.some((line) => line.includes('"audit_head"')), "the log holds no head of the trail");
});
