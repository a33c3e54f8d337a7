import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { fileForm, type OriginSite, PASSWORD } from "./origin_site.ts";

const SHOWN_BYTES = 500;
const CONTENT = new Uint8Array(randomBytes(300_000));

/** Signs in, publishes `models/model.bin` and loads it, by the HTTP API of a device. */
export async function useDevice(origin: OriginSite, url: string): Promise<void> {
  const { email } = await origin.user("ResourceUploader");
  assert.deepEqual(await (await fetch(`${url}/health`)).json(), { status: "healthy" });
  await expect(200, post(`${url}/login`, JSON.stringify({ email, password: PASSWORD })));
  await expect(200, fetch(`${url}/upload/model.bin`, { method: "POST", body: fileForm(CONTENT, "model.bin") }));
  const { email: operator } = await origin.user("Operator");
  await expect(200, post(`${url}/login`, JSON.stringify({ email: operator, password: PASSWORD })));
  await loadModel(url);
}

/** Loads `models/model.bin`, and expects that it is what was published. */
export async function loadModel(url: string): Promise<void> {
  const body = JSON.stringify({ filename: "model.bin", folder: "models" });
  assert.deepEqual(await expect(200, post(`${url}/load/model.bin`, body)), CONTENT);
}

/** Sends JSON. */
export function post(url: string, body: string): Promise<Response> {
  return fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
}

/** The body of an answer that must have a status. */
export async function expect(status: number, response: Promise<Response>): Promise<Uint8Array> {
  const answer = await response;
  const bytes = new Uint8Array(await answer.arrayBuffer());
  assert.equal(answer.status, status, new TextDecoder().decode(bytes.subarray(0, SHOWN_BYTES)));
  return bytes;
}
