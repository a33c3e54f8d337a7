import assert from "node:assert/strict";
import type { Client } from "../../lib/platform/client.ts";
import { PlatformDocument } from "../support/platform_document.ts";
import { clientOf } from "../support/platform_client.ts";
import { SmallPlatform } from "../support/small_platform.ts";

const all = <T>(items: AsyncIterable<T>) => Array.fromAsync(items);
const ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const DOCUMENT_NAME = { applicationId: "he-tme", version: "1.2.0", name: "a b.pdf" };
const EVERY_RUN = {
  ...{ applicationId: "he-tme", applicationVersion: "1.2.0", externalId: "a/b", customMetadata: "$.a", pageSize: 5 },
  ...{ submittedBy: "me", organizationId: "my_org", forOrganization: "org_1", sort: ["-submitted_at", "run_id"] },
};
const EVERY_ITEM = {
  ...{ itemIds: [ID], externalIds: ["a&b", "c"], state: "TERMINATED", terminationReason: "SUCCEEDED" },
  ...{ customMetadata: "$.a", sort: "external_id", pageSize: 100 },
};
const EVERY_GRANT = {
  ...{ resourceType: "run", resourceId: ID, subjectType: "user", subjectId: "u", relation: "viewer", revoked: true },
  ...{ sort: "created_at", pageSize: 5 },
};

/** Every call of the client, by the operation of the document that it makes. */
const CALLS: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  "GET /v1/me": (client) => client.me(),
  "GET /v1/applications": (client) => all(client.applications.list({ pageSize: 5, sort: ["name", "-application_id"] })),
  "GET /v1/applications/{application_id}": (client) => client.application("he-tme"),
  "GET /v1/applications/{application_id}/versions/{version}": (client) => client.versions.details("he-tme", "1.2.0"),
  "GET /v1/applications/{application_id}/versions/{version}/documents": (client) =>
    client.documents.list("he-tme", "1.2.0"),
  "GET /v1/applications/{application_id}/versions/{version}/documents/{name}": (client) =>
    client.documents.details(DOCUMENT_NAME),
  "GET /v1/runs": (client) => all(client.runs.listData(EVERY_RUN)),
  "GET /v1/runs/{run_id}": (client) => client.run(ID, { shareToken: "secret" }).details(),
  "POST /v1/runs/{run_id}/cancel": (client) => client.run(ID).cancel(),
  "GET /v1/runs/{run_id}/items": (client) => all(client.run(ID, { shareToken: "secret" }).results(EVERY_ITEM)),
  "GET /v1/runs/{run_id}/items/{external_id}": (client) => client.run(ID).item("folder/a b.tiff"),
  "GET /v1/runs/{run_id}/artifacts/{artifact_id}/file": (client) => client.run(ID).artifactUrl(ID),
  "DELETE /v1/runs/{run_id}/artifacts": (client) => client.run(ID).delete(),
  "PUT /v1/runs/{run_id}/custom-metadata": (client) => client.run(ID).updateCustomMetadata({ a: 1 }, { checksum: "c" }),
  "PUT /v1/runs/{run_id}/items/{external_id}/custom-metadata": (client) =>
    client.run(ID).updateItemCustomMetadata("a/b", null),
  "POST /v1/access/grants": (client) =>
    client.run(ID).grantAccess({ subjectType: "user", subjectEmail: "a@b.example" }),
  "GET /v1/access/grants": (client) => all(client.grants.list(EVERY_GRANT)),
  "GET /v1/access/grants/{grant_id}": (client) => client.grants.details(ID),
  "DELETE /v1/access/grants/{grant_id}": (client) => client.grants.revoke(ID),
  "POST /v1/access/share-tokens": (client) => client.shareTokens.create({ expiresAt: "2027-01-01T00:00:00Z" }),
  "GET /v1/access/share-tokens": (client) =>
    all(client.shareTokens.list({ runId: ID, createdBy: "u", sort: "created_at", pageSize: 5 })),
  "GET /v1/access/share-tokens/{share_token_id}": (client) => client.shareTokens.details(ID),
  "DELETE /v1/access/share-tokens/{share_token_id}": (client) => client.shareTokens.revoke(ID),
};

/** Their answers lead to another server; the unit and integration tests follow them. */
const ELSEWHERE = [
  "GET /v1/applications/{application_id}/versions/{version}/documents/{name}/file",
  "GET /v1/applications/{application_id}/versions/{version}/documents/{name}/content",
];

const document = new PlatformDocument();

for (const [operation, call] of Object.entries(CALLS)) {
  for (const fill of ["least", "most"] as const) {
    Deno.test(`Client: ${operation} is as the document has it, and reads an answer with the ${fill} that it allows`, async () => {
      await using platform = new SmallPlatform();
      platform.intercept = (request) => document.answer(request, fill);
      await call(clientOf(platform));
      assert.deepEqual(platform.requests.map((request) => document.check(request)), [{ operation, faults: [] }]);
    });
  }
}

Deno.test("Client: POST /v1/runs is as the document has it", async () => {
  await using platform = new SmallPlatform();
  await clientOf(platform).runs.submit({
    applicationId: "checksum",
    items: [{
      external_id: "a/b",
      custom_metadata: { mine: 1 },
      input_artifacts: [
        { name: "file", download_url: "https://storage.example/x", metadata: { checksum_base64_crc32c: "4waSgw==" } },
      ],
    }],
    ...{ tags: ["a"], note: "n", customMetadata: { study: null }, callbackContext: { job: 1 } },
    scheduling: { due_date: "2026-03-04T23:59:59Z", deadline: "2026-03-05T23:59:59Z" },
  });
  const checked = platform.requests.map((request) => document.check(request));
  assert.deepEqual(checked.flatMap(({ faults }) => faults), []);
  assert.equal(checked.at(-1)?.operation, "POST /v1/runs");
});

Deno.test("Client: every operation of the document has a call", () => {
  assert.deepEqual(document.operations.toSorted(), [...Object.keys(CALLS), ...ELSEWHERE, "POST /v1/runs"].toSorted());
});
