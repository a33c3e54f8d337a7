import assert from "node:assert/strict";
import { BUSINESS_ERRORS } from "../../origin/business_error.ts";
import { enrol, newDeviceKey } from "../support/enrolled_device.ts";
import { FACTS } from "../support/hardware_facts.ts";
import { OriginSite } from "../support/origin_site.ts";

interface Shown {
  readonly kid: string;
  readonly email: string;
  readonly state: string;
  readonly decidedBy: string | null;
}

async function stateOf(site: OriginSite, kid: string): Promise<string | undefined> {
  const reply = await site.call("GET", "/devices", { token: await site.adminToken() });
  return reply.json<Shown[]>().find((device) => device.kid === kid)?.state;
}

Deno.test("origin: a device enrols by itself at its account's first hardware, and as often as it likes", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("CompanionPC");
  const key = await newDeviceKey();
  for (let time = 0; time < 2; time++) {
    const reply = await enrol(site, token, key);
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(reply.json(), { kid: key.kid, state: "approved", publishers: [] });
    assert.equal(reply.headers.get("cache-control"), "no-store");
  }
  const list = (await site.call("GET", "/devices", { token: await site.adminToken() })).json<Shown[]>();
  assert.deepEqual(list.map(({ kid, email, state }) => ({ kid, email, state })), [
    { kid: key.kid, email: "companionpc@example.com", state: "approved" },
  ]);
});

Deno.test("origin: a key on other hardware than the account's waits for an administrator", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("Operator");
  await enrol(site, token, await newDeviceKey());
  const stolen = await newDeviceKey();
  const reply = await enrol(site, token, stolen, { ...FACTS, driveSerial: "another", cpu: "another" });
  assert.equal(reply.json<Shown>().state, "pending", reply.text);
});

Deno.test("origin: enrolment by approval waits for an administrator, who may revoke and approve again", async () => {
  await using site = await OriginSite.start({ enrolment: "approval" });
  const { token } = await site.user("Operator");
  const admin = await site.adminToken();
  const key = await newDeviceKey();
  assert.equal((await enrol(site, token, key)).json<Shown>().state, "pending");
  for (const [verb, state] of [["approve", "approved"], ["revoke", "revoked"], ["approve", "approved"]] as const) {
    const reply = await site.call("POST", `/devices/${key.kid}/${verb}`, { token: admin });
    assert.equal(reply.json<Shown>().state, state, reply.text);
    assert.equal(reply.json<Shown>().decidedBy, site.admin.email);
    assert.equal((await enrol(site, token, key)).json<Shown>().state, state, "asking again changes nothing");
  }
  assert.equal((await site.call("POST", `/devices/nobody/approve`, { token: admin })).status, 404);
  assert.deepEqual((await site.call("GET", "/devices?state=pending", { token: admin })).json(), []);
  await site.stop();
  await site.serve();
  assert.equal(await stateOf(site, key.kid), "approved");
});

Deno.test("origin: what is no X25519 key that anything can be encrypted to is refused", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("Operator");
  const { publicX } = await newDeviceKey();
  const lowOrder = ["A".repeat(43), `AQ${"A".repeat(41)}`];
  for (const x of ["", publicX.slice(1), `${publicX}A`, `${publicX}=`, `+${publicX.slice(1)}`, ...lowOrder]) {
    const reply = await enrol(site, token, { publicX: x });
    assert.equal(reply.status, 422, `${x}: ${reply.text}`);
  }
  for (const hardware of [{}, { ...FACTS, cpu: "a\nb" }, { ...FACTS, gpu: "x".repeat(257) }]) {
    const json = { publicKey: { kty: "OKP", crv: "X25519", x: publicX }, hardware };
    assert.equal((await site.call("POST", "/devices/enroll", { token, json })).status, 422, JSON.stringify(hardware));
  }
  assert.deepEqual((await site.call("GET", "/devices", { token: await site.adminToken() })).json(), []);
});

Deno.test("origin: one account cannot enrol keys without end", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("Operator");
  let last = await enrol(site, token, await newDeviceKey());
  for (let count = 1; last.status === 200 && count < 100; count++) {
    last = await enrol(site, token, await newDeviceKey());
  }
  assert.equal(last.status, 409);
  assert.equal(last.json<{ ErrorCode: number }>().ErrorCode, BUSINESS_ERRORS.TooManyDevices);
});
