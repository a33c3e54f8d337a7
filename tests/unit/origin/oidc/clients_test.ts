import assert from "node:assert/strict";
import { ConflictError, InvalidInputError, NotFoundError } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { Clients } from "../../../../origin/oidc/clients.ts";
import { State } from "../../../../origin/state.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("Clients takes https, loopback and schemes of one's own as redirect URIs, and nothing that leads a code elsewhere", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const clients = new Clients({ state, clock: systemClock });
  const add = (redirectUri: string, id = "c") => clients.add({ id, name: "C", redirectUris: [redirectUri] });
  const right = [
    "https://a.example/cb?x=1",
    "http://localhost/",
    "http://127.0.0.1:80/a",
    "http://[::1]:1/",
    "com.example.app:/cb",
  ];
  for (const uri of right) {
    add(uri);
    clients.remove("c");
  }
  const wrong = [
    "http://a.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://a.example/#x",
    "/cb",
    "",
    "app:/cb",
  ];
  for (
    const uri of [
      ...wrong,
      "https://user@a.example/",
      "http://127.0.0.1.a.example/",
      `https://a.example/${"x".repeat(2000)}`,
    ]
  ) {
    assert.throws(() => add(uri), InvalidInputError, uri);
  }
  for (const id of ["", " ", "a b", "-a", "ä", "a".repeat(101), "../a"]) {
    assert.throws(() => add("https://a.example/", id), InvalidInputError, id);
  }
  assert.throws(() => clients.add({ id: "c", name: " ", redirectUris: [] }), InvalidInputError);
  assert.throws(() => clients.add({ id: "tallystick-cli", name: "C", redirectUris: [] }), ConflictError);
  assert.throws(() => clients.remove("c"), NotFoundError);
  assert.deepEqual(clients.list().map(({ id }) => id), ["tallystick-cli"]);
});

Deno.test("Clients tells what each may do: none has a secret, and one without a redirect URI gets no code", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const clients = new Clients({ state, clock: systemClock });
  clients.add({ id: "device", name: "Device", redirectUris: [] });
  clients.add({ id: "web", name: "Web", redirectUris: ["https://a.example/"] });
  for (const { id } of clients.list()) assert.equal(clients.metadata(id)?.token_endpoint_auth_method, "none");
  assert.deepEqual(clients.metadata("device")?.response_types, []);
  assert.ok(!JSON.stringify(clients.metadata("device")).includes("authorization_code"));
  assert.equal(clients.metadata("web")?.application_type, "web");
  assert.equal(clients.metadata("tallystick-cli")?.application_type, "native");
  assert.equal(clients.metadata("nobody"), undefined);
});
