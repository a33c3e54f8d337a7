import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { ResourceApi } from "../../../lib/api/client.ts";
import { V2Api } from "../../../lib/api/v2_api.ts";
import { parseRefusal } from "../../../lib/api/wire.ts";
import { ROLES } from "../../../lib/auth/roles.ts";
import { meAnswer } from "../../../lib/platform/account_wire.ts";
import { applicationAnswer, documentsAnswer, versionAnswer } from "../../../lib/platform/application_wire.ts";
import { artifactPath } from "../../../lib/platform/artifact_paths.ts";
import { parseServiceAccount } from "../../../lib/platform/gcs_signed_url.ts";
import { readPublicHealth } from "../../../lib/platform/health.ts";
import { maskMe } from "../../../lib/platform/masking.ts";
import { noteFilter, submissionFilter, tagsFilter } from "../../../lib/platform/metadata_filter.ts";
import { refusedCall } from "../../../lib/platform/refusal.ts";
import { itemAnswer, runAnswer } from "../../../lib/platform/run_wire.ts";
import { grantAnswer, newShareTokenAnswer } from "../../../lib/platform/sharing_wire.ts";
import { parseObjectUri } from "../../../lib/platform/signed_url.ts";
import { checkSubmission, checkSubmissionId } from "../../../lib/platform/submission.ts";
import { parseJsonPath } from "../../../origin/platform/jsonpath/parser.ts";
import { answering, headerText, STILL_CLOCK } from "../answers.ts";
import { nearBytes, nearJson, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const INSTANT = "2026-01-01T00:00:00Z";
const UUID = "00000000-0000-4000-8000-000000000000";
const BASE64 = "A".repeat(43);
const USER = { id: "auth0|1", email: "ada@example.com", name: "Ada", updated_at: INSTANT };
const ORGANIZATION = {
  ...{ id: "o", name: "org", aignostics_bucket_hmac_access_key_id: "k", aignostics_bucket_name: "b" },
  ...{ aignostics_bucket_hmac_secret_access_key: "hush", aignostics_bucket_protocol: "gs" },
  ...{ aignostics_logfire_token: "hush", aignostics_sentry_dsn: "hush" },
};
const ARTIFACT = { name: "image", mime_type: "image/png", metadata_schema: { type: "object" } };
const VERSION = {
  ...{ version_number: "1.0.0", changelog: "", released_at: INSTANT, input_artifacts: [ARTIFACT] },
  output_artifacts: [{ ...ARTIFACT, scope: "ITEM", visibility: "EXTERNAL" }],
};
const STATISTICS = Object.fromEntries(
  ["", "pending_", "processing_", "user_error_", "system_error_", "skipped_", "succeeded_"].map((kind) => [
    `item_${kind}count`,
    1,
  ]),
);
const RUN = {
  ...{ run_id: UUID, application_id: "a", version_number: "1.0.0", state: "TERMINATED", output: "FULL" },
  ...{ termination_reason: null, error_code: null, error_message: null, statistics: STATISTICS },
  ...{ submitted_at: INSTANT, submitted_by: "u", custom_metadata: { sdk: { tags: ["a"] } } },
};
const OUTPUT = { output_artifact_id: UUID, name: "o", state: "TERMINATED", output: "AVAILABLE", metadata: {} };
const ITEM = {
  ...{ item_id: UUID, external_id: "s/1", custom_metadata: null, state: "PENDING", output: "NONE" },
  ...{ input_artifacts: [{ input_artifact_id: UUID, name: "i", metadata: {} }], output_artifacts: [OUTPUT] },
};
const GRANT = {
  ...{ grant_id: UUID, resource_type: "run", resource_id: UUID, subject_type: "user", subject_id: "u" },
  ...{ relation: "viewer", created_by: "u", created_at: INSTANT, revoked: false },
};
const TOKEN = { share_token_id: UUID, created_at: INSTANT, expires_at: null, revoked: false, share_token: "s" };
const APPLICATION = {
  ...{ application_id: "a", name: "A", regulatory_classes: ["RUO"], description: "" },
  versions: [{ number: "1.0.0", released_at: INSTANT }],
};
const DOCUMENT = {
  ...{ id: UUID, name: "README.md", mime_type: "text/plain", visibility: "public" },
  ...{ created_at: INSTANT, updated_at: INSTANT },
};
const WIRE = [
  ...[meAnswer, applicationAnswer, versionAnswer, documentsAnswer, runAnswer, itemAnswer, grantAnswer],
  newShareTokenAnswer,
];
const SUBMISSION = {
  applicationId: "a",
  items: [{ external_id: "s1", input_artifacts: [{ name: "image", download_url: "https://h/x", metadata: {} }] }],
  callbackContext: { a: 1 },
  scheduling: { due_date: INSTANT, deadline: INSTANT },
};
const apiErrors = named(
  ...["NotSignedInError", "NotAllowedError", "NotFoundError", "ConflictError", "RateLimitedError", "UpstreamError"],
  ...["UnavailableError"],
);

/** What the Resource API and the platform answer, and what is sent to them. */
export async function platformCases(): Promise<ParserCase[]> {
  const pair = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).toBase64();
  const account = {
    type: "service_account",
    client_email: "a@b.iam",
    private_key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
  };
  const tokens = { token: () => Promise.resolve("t"), renew: () => Promise.resolve("t") };
  const apiDeps = { baseUrl: new URL("https://api.example.com"), clock: STILL_CLOCK, tokens };
  const version = versionAnswer.parse(VERSION);
  return [
    parserCase(
      "parseRefusal()",
      ["lib/api/wire.ts"],
      nearJson({ ErrorCode: 30, Message: "no" }, { code: "x", detail: "y" }),
      {
        parse: parseRefusal,
        accepted: ({ message }) => assert.ok(message === undefined || message.length <= 300 && !/[\r\n]/.test(message)),
      },
    ),
    asyncParserCase(
      "ResourceApi.login()",
      ["lib/api/client.ts", "lib/api/wire.ts"],
      nearJsonBytes({ token: "a.b.c" }),
      {
        parse: (body) => new ResourceApi({ ...apiDeps, http: answering({ body }) }).login("e", "p"),
        refusal: named("UpstreamError"),
        accepted: (token) => assert.ok(token !== "" && token.length <= 16_384),
      },
    ),
    asyncParserCase(
      "ResourceApi.currentUser()",
      ["lib/api/client.ts", "lib/api/wire.ts"],
      nearJsonBytes({ Id: 7, Email: "a@b", Role: 10 }, { id: "x", email: "a@b", role: "Admin" }),
      {
        parse: (body) => new ResourceApi({ ...apiDeps, http: answering({ body }) }).currentUser(),
        refusal: named("UpstreamError"),
        accepted: ({ role }) => assert.ok(Object.hasOwn(ROLES, role)),
      },
    ),
    asyncParserCase(
      "ResourceApi on refusals",
      ["lib/api/calls.ts"],
      fc.tuple(
        fc.constantFrom(400, 401, 403, 404, 409, 429, 500, 503, 302),
        nearText("5", "Wed, 21 Oct 2026 07:28:00 GMT").map(headerText),
        nearJsonBytes({ ErrorCode: 30, Message: "no" }),
      ),
      {
        parse: ([status, pause, body]) => {
          const http = answering({ status, headers: { "retry-after": pause }, body });
          return new ResourceApi({ ...apiDeps, http }).currentUser().catch((error) => {
            const { retryAfterSeconds = 0, retryAfterMs = 0 } = error;
            assert.ok(retryAfterSeconds >= 0 && retryAfterSeconds <= 3600 && retryAfterMs <= 3_600_000);
            throw error;
          });
        },
        refusal: apiErrors,
      },
    ),
    asyncParserCase(
      "V2Api.enroll()",
      ["lib/api/v2_api.ts"],
      nearJsonBytes({
        kid: BASE64,
        state: "approved",
        publishers: [{ kid: BASE64, name: "v", jwk: { kty: "OKP", crv: "Ed25519", x: BASE64 } }],
      }),
      {
        parse: (body) => {
          const hardware = { cpu: "", gpu: "", memory: "", driveSerial: "" };
          return new V2Api({ ...apiDeps, http: answering({ body }) }).enroll({ publicX: BASE64, hardware });
        },
        refusal: named("UpstreamError"),
        accepted: ({ publishers }) => publishers.forEach(({ publicX }) => assert.match(publicX, /^[A-Za-z0-9_-]{43}$/)),
      },
    ),
    asyncParserCase(
      "V2Api.offer() and highestSeq()",
      ["lib/api/v2_api.ts"],
      nearJsonBytes(
        { formats: ["v2"] },
        [{ version: "1", seq: 3 }],
      ),
      {
        parse: async (body) => {
          const api = new V2Api({ ...apiDeps, http: answering({ body }) });
          return [await api.offer(), await api.highestSeq("f", "n")];
        },
        refusal: named("UpstreamError"),
        accepted: ([, seq]) => assert.ok(Number.isSafeInteger(seq)),
      },
    ),
    parserCase(
      "answers of the platform",
      [
        ...["lib/platform/account_wire.ts", "lib/platform/application_wire.ts", "lib/platform/run_wire.ts"],
        ...["lib/platform/sharing_wire.ts", "lib/platform/wire.ts"],
      ],
      nearJson({ user: USER, organization: ORGANIZATION }, APPLICATION, VERSION, [DOCUMENT], RUN, ITEM, GRANT, TOKEN),
      {
        parse: (text) => {
          const value = valueOf(text);
          return WIRE.map((schema) => schema.safeParse(value)).filter(({ success }) => success).map(({ data }) => data);
        },
        accepted: (found) => {
          for (const value of found) {
            assert.ok(
              WIRE.some((schema) => schema.safeParse(valueOf(JSON.stringify(value))).success),
              "it is accepted again",
            );
          }
        },
      },
    ),
    parserCase("maskMe()", ["lib/platform/masking.ts"], nearJson({ user: USER, organization: ORGANIZATION }), {
      parse: (text) => meAnswer.safeParse(valueOf(text)).data,
      accepted: (me) => {
        if (me === undefined) return;
        const shown = maskMe(me);
        assert.equal(shown.organization.aignostics_logfire_token.replace(/^\*\*\*MASKED\(\d+\)\*\*\*$/, ""), "");
      },
    }),
    parserCase(
      "refusedCall()",
      ["lib/platform/refusal.ts"],
      fc.record({
        status: fc.constantFrom(400, 401, 402, 403, 404, 409, 410, 412, 418, 422, 429, 500, 503),
        pause: nearText("5", "Wed, 21 Oct 2026 07:28:00 GMT").map(headerText),
        type: fc.constantFrom("application/json", "text/plain", "text/html"),
        text: nearJson({ detail: "no" }, { detail: [{ loc: ["body", "items", 0], msg: "no", type: "x" }] }),
      }),
      {
        parse: ({ status, pause, type, text }) => {
          const headers = new Headers({ "retry-after": pause, "content-type": type });
          return refusedCall({ status, headers, text, host: "h", nowMs: STILL_CLOCK.now() });
        },
        accepted: (error) => {
          assert.ok(error.message.length <= 400 && !/[\r\n]/.test(error.message));
          const { retryAfterMs = 0 } = error as { retryAfterMs?: number };
          assert.ok(retryAfterMs >= 0 && retryAfterMs <= 3_600_000);
        },
      },
    ),
    asyncParserCase(
      "readPublicHealth()",
      ["lib/platform/health.ts"],
      nearJsonBytes({ status: "DEGRADED", reason: "busy" }),
      {
        parse: (body) => readPublicHealth({ root: new URL("https://h/"), http: answering({ body }), timeoutMs: 1000 }),
        accepted: ({ status }) => assert.match(status, /^(UP|DEGRADED|DOWN)$/),
      },
    ),
    asyncParserCase(
      "parseServiceAccount()",
      ["lib/platform/gcs_signed_url.ts"],
      nearBytes(utf8(JSON.stringify(account))),
      {
        parse: parseServiceAccount,
        refusal: (error) =>
          named("ConfigurationError")(error) && !String((error as Error).message).includes(der.slice(0, 20)),
        accepted: ({ email }) => assert.ok(email.length >= 3),
      },
    ),
    parserCase(
      "parseObjectUri()",
      ["lib/platform/signed_url.ts"],
      nearText("gs://bucket/a/b.png", "s3://my-bucket/ü"),
      {
        parse: parseObjectUri,
        refusal: named("InvalidInputError"),
        accepted: ({ provider, bucket, key }, uri) => assert.equal(`${provider}://${bucket}/${key}`, uri),
      },
    ),
    parserCase(
      "artifactPath()",
      ["lib/platform/artifact_paths.ts"],
      fc.tuple(
        nearText("slide/1", "../x", "a\\b"),
        nearText("out", ".x.part"),
        fc.constantFrom("image/png", "__proto__", "constructor"),
      ),
      {
        parse: ([externalId, name, type]) =>
          artifactPath({ runId: UUID, externalId, name, metadata: { media_type: type } }),
        accepted: (segments) => {
          for (const segment of segments) {
            assert.ok(segment !== "" && segment !== "." && segment !== ".." && !/[/\\\0\r\n]/.test(segment));
            assert.ok(utf8(segment).byteLength <= 255 && segment.isWellFormed());
          }
        },
      },
    ),
    parserCase("checkSubmissionId()", ["lib/platform/submission.ts"], nearText("tally-1", UUID), {
      parse: (id) => (checkSubmissionId(id), id),
      refusal: named("InvalidInputError"),
      accepted: (id) => assert.equal(new Headers({ k: id }).get("k"), id, "a header carries it"),
    }),
    asyncParserCase(
      "checkSubmission()",
      ["lib/platform/submission.ts", "lib/platform/json_schema.ts"],
      nearJson(SUBMISSION),
      {
        parse: async (text) => {
          const parsed = submissionOf(text);
          if (parsed !== undefined) await checkSubmission(parsed, version);
          return parsed;
        },
        refusal: named("InvalidInputError"),
        accepted: (parsed) => assert.ok(parsed === undefined || parsed.items.length > 0),
      },
    ),
    parserCase("filters of metadata", ["lib/platform/metadata_filter.ts"], nearText("tag", 'a"b', "a\\"), {
      parse: (text) => [tagsFilter([text, "other"]), noteFilter(text), submissionFilter(text)],
      accepted: (filters, text) => {
        if (text.length > 100 || text.includes("\0")) return; // longer than the server takes, or what its database has no place for
        for (const filter of filters) {
          assert.ok(text === "" || parseJsonPath(filter), "what we send is read as one filter");
        }
        const { body } = parseJsonPath(filters[2] ?? "");
        assert.ok(body.kind === "access" && body.steps.at(-1)?.kind === "filter", "and as nothing more");
      },
    }),
  ];
}

/** Only what the types allow: the checks below are of values, not of shapes. */
function submissionOf(text: string): typeof SUBMISSION | undefined {
  const value = valueOf(text);
  const isShaped = typeof value === "object" && value !== null && "items" in value && Array.isArray(value.items) &&
    value.items.every((item: unknown) => hasStrings(item, "external_id") && isList(item, "input_artifacts")) &&
    (!("scheduling" in value) || hasStrings(value.scheduling, "due_date", "deadline"));
  return isShaped ? value as typeof SUBMISSION : undefined;
}

function isList(value: unknown, name: string): boolean {
  const list = Object(value)[name];
  return Array.isArray(list) && list.every((entry: unknown) => hasStrings(entry, "name", "download_url"));
}

function hasStrings(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === "object" && value !== null && names.every((name) => typeof Object(value)[name] === "string");
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
