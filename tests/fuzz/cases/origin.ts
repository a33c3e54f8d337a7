import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import { z } from "zod";
import { utf8 } from "../../../lib/bytes.ts";
import { encodeManifest, parseManifest } from "../../../origin/backup_manifest.ts";
import { checkNewEmail } from "../../../origin/credentials.ts";
import { bearerToken, type OriginEnv } from "../../../origin/guard.ts";
import { readJson } from "../../../origin/json_body.ts";
import { readMasterKeys } from "../../../origin/master_key.ts";
import { readPicture, writePng } from "../../../origin/platform/builtin/picture.ts";
import type { PlatformEnv } from "../../../origin/platform/caller.ts";
import { textMatcher } from "../../../origin/platform/jsonpath/like_regex.ts";
import { pathMatches } from "../../../origin/platform/jsonpath/matcher.ts";
import { parseJsonPath } from "../../../origin/platform/jsonpath/parser.ts";
import { metadataChange } from "../../../origin/platform/metadata_change.ts";
import {
  booleanParameter,
  dateTime,
  orderBy,
  pageParameter,
  pageSizeParameter,
  readBody,
  readQuery,
  uuid,
} from "../../../origin/platform/request.ts";
import { runListQuery } from "../../../origin/platform/run_list.ts";
import { runRequest } from "../../../origin/platform/run_request.ts";
import { parseFolder, parsePartName } from "../../../origin/resource_names.ts";
import { permitHolds, signPermit } from "../../../origin/signed_url.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";
import { nearBytes, nearJson, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const HEX = "ab".repeat(32);
const RUN = {
  application_id: "checksum",
  version_number: "1.0.0",
  custom_metadata: { sdk: { tags: ["a"] } },
  scheduling: { due_date: "2026-01-01T00:00:00Z", deadline: "2026-01-02T00:00:00+02:00" },
  callback_context: { a: 1 },
  items: [{ external_id: "s1", input_artifacts: [{ name: "i", download_url: "https://h/x", metadata: {} }] }],
};
const BACKUP = {
  createdMs: 1,
  files: [
    { path: `objects/${"0".repeat(32)}`, sizeBytes: 3, sha256: HEX },
    { path: "resources/models/a.onnx.small", sizeBytes: 3, sha256: HEX },
    { path: "origin.sqlite", sizeBytes: 3, sha256: HEX },
  ],
};
const PATHS = [
  ...['$.sdk.tags[*] ? (@ == "a" || @ == "b")', '$.note ? (@ like_regex "^x.*y" flag "i")', "$.a.**{1 to 3}.b"],
  ...[
    "strict $.a[0 to last].size() ? (@ > 1 && !(@ == 2))",
    'exists($.a ? (@ starts with "b")) && ($.c == 1) is unknown',
  ],
  ...["-$.a + 2 * (3 - $.b) % 4 >= 1e2", 'sdk."tags"', "$.a.double().ceiling()"],
];
const METADATA = { sdk: { tags: ["a", "c"], note: "xy" }, a: [{ b: 1 }, 2, "3"], b: null, c: true };
const context = {
  cutOff: new AbortController().signal,
  remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const,
};
const badRequest = named("InvalidRequestError", "InvalidInputError", "MalformedError", "TooLargeError");
const signup = z.object({ email: z.string(), password: z.string() });
const COLUMNS = { run_id: "run_id", submitted_at: "submitted_ms" };

/** What the origin is asked. */
export async function originCases(): Promise<ParserCase[]> {
  const png = await writePng({ width: 2, height: 2, data: new Uint8Array(16).fill(200) });
  const gray = await Deno.readFile(new URL("../../fixtures/pictures/gray.png", import.meta.url));
  const permit = { method: "GET", path: "/objects/models/a.big", expires: 2_000_000_000 } as const;
  const signature = signPermit(permit, utf8("k".repeat(32)));
  return [
    asyncParserCase("readJson()", ["origin/json_body.ts"], nearJsonBytes({ Email: "a@b", password: "p" }), {
      parse: (body) => jsonBody(body),
      refusal: badRequest,
      accepted: ({ email, password }) => assert.ok(typeof email === "string" && typeof password === "string"),
    }),
    asyncParserCase(
      "readBody() of a run",
      [
        ...["origin/platform/request.ts", "origin/platform/run_request.ts", "origin/platform/problems.ts"],
      ],
      nearJsonBytes(RUN),
      {
        parse: (body) => platformBody(body, runRequest),
        refusal: badRequest,
        accepted: ({ items }) =>
          assert.ok(items.length > 0 && items.every(({ external_id }) => external_id.isWellFormed())),
      },
    ),
    asyncParserCase(
      "readBody() of metadata",
      ["origin/platform/metadata_change.ts", "origin/platform/request.ts"],
      nearJsonBytes({ custom_metadata: { a: 1 }, custom_metadata_checksum: "x" }),
      {
        parse: (body) => platformBody(body, metadataChange),
        refusal: badRequest,
        accepted: ({ custom_metadata: value }) => assert.ok(value === null || typeof value !== "string"),
      },
    ),
    asyncParserCase(
      "readQuery() of a list",
      ["origin/platform/request.ts", "origin/platform/run_list.ts"],
      nearText(
        "page=2&page_size=50&sort=-submitted_at&sort=run_id&custom_metadata=$.a&for_organization=o",
      ),
      {
        parse: async (query) => {
          let found: z.output<typeof runListQuery> | undefined;
          let failure: unknown;
          const app = new Hono<PlatformEnv>().get("/", (c) => {
            try {
              found = readQuery(c, runListQuery);
            } catch (error) {
              failure = error;
            }
            return c.body(null, 204);
          });
          const url = new URL("http://localhost/");
          url.search = query;
          await app.fetch(new Request(url), context);
          if (failure !== undefined) throw failure;
          return found;
        },
        refusal: badRequest,
        accepted: (found) => {
          assert.ok(found !== undefined && found.page >= 1 && found.page_size >= 5 && found.page_size <= 100);
          assert.ok(found.sort.every((text) => typeof text === "string"));
        },
      },
    ),
    parserCase(
      "parameters",
      ["origin/platform/request.ts"],
      nearText("true", "2026-02-28T12:00:00+02:00", "7", HEX, "1"),
      {
        parse: (text) => ({
          flag: booleanParameter.safeParse(text).data,
          ms: dateTime.safeParse(text).data,
          page: pageParameter.safeParse(text).data,
          size: pageSizeParameter.safeParse(text).data,
          id: uuid.safeParse(text).data,
        }),
        accepted: ({ flag, ms, page, size }, text) => {
          assert.ok(flag === undefined || typeof flag === "boolean", "a flag is one");
          assert.ok(page === undefined || page >= 1);
          assert.ok(size === undefined || size >= 5 && size <= 100);
          if (ms !== undefined) assert.ok(Number.isSafeInteger(ms), text);
        },
      },
    ),
    parserCase(
      "orderBy()",
      ["origin/platform/request.ts"],
      fc.array(nearText("-submitted_at", "+run_id", "run_id;DROP"), {
        maxLength: 3,
      }),
      {
        parse: (sort) => orderBy(sort, COLUMNS, "run_id"),
        refusal: badRequest,
        accepted: (sql) => assert.match(sql, /^((run_id|submitted_ms) (ASC|DESC), )*run_id$/, "constant SQL"),
      },
    ),
    parserCase(
      "parseJsonPath()",
      [
        ...[
          "origin/platform/jsonpath/lexer.ts",
          "origin/platform/jsonpath/parser.ts",
          "origin/platform/jsonpath/matcher.ts",
        ],
        ...["origin/platform/jsonpath/values.ts"],
      ],
      nearText(...PATHS),
      {
        parse: parseJsonPath,
        refusal: (error) => error instanceof Error && error.constructor.name === "JsonPathError",
        accepted: (path) => {
          const matcherOf = () => () => true;
          try {
            assert.equal(typeof pathMatches(path, METADATA, { matcherOf, budget: { left: 10_000 } }), "boolean");
          } catch (error) {
            assert.equal(Object(error).constructor.name, "BudgetError");
          }
        },
      },
    ),
    asyncParserCase(
      "textMatcher()",
      ["origin/platform/jsonpath/like_regex.ts", "origin/platform/jsonpath/pattern_size.ts"],
      fc.tuple(
        nearText("^x.*(y|z)+$", "(a{1,3}){2}", "((a?){9}b){9}", "[^a-z\\d]", "\\p{L}"),
        nearText("i", "q", "sm"),
      ),
      {
        parse: ([pattern, flags]) => textMatcher(pattern, flags),
        refusal: (error) => error instanceof Error && error.constructor.name === "JsonPathError",
        accepted: (matches) => assert.equal(typeof matches("xyz aaa"), "boolean"),
      },
    ),
    parserCase("parseManifest() of a backup", ["origin/backup_manifest.ts"], nearBytes(encodeManifest(BACKUP)), {
      parse: parseManifest,
      refusal: named("IntegrityError", "ConfigurationError"),
      accepted: ({ files }) => {
        for (const { path } of files) {
          assert.ok(!path.includes("..") && !path.startsWith("/") && !path.includes("\\"), path);
        }
      },
    }),
    parserCase(
      "parsePartName() and parseFolder()",
      ["origin/resource_names.ts"],
      nearText("detector.onnx.small", "models", ...HOSTILE_NAMES),
      {
        parse: (name) => [parsePartName("name", name), parseFolder(name)],
        refusal: named("InvalidInputError"),
        accepted: ([name]) => assert.equal(encodeURIComponent(name ?? ""), name),
      },
    ),
    parserCase(
      "permitHolds()",
      ["origin/signed_url.ts"],
      fc.tuple(
        nearText(permit.path),
        fc.oneof(fc.constant(permit.expires), fc.nat(), fc.constant(Infinity), fc.constant(NaN)),
        nearText(signature),
      ),
      {
        parse: ([path, expires, mark]) =>
          permitHolds({ method: "GET", path, expires }, mark, { key: utf8("k".repeat(32)), nowMs: 0 }),
        accepted: (holds, [path, expires]) => assert.ok(!holds || path === permit.path && expires === permit.expires),
      },
    ),
    parserCase("bearerToken()", ["origin/guard.ts"], nearText("Bearer a.b-c_d~e+f/g==", "bearer x"), {
      parse: bearerToken,
      accepted: (token) => assert.ok(token === undefined || /^[\w.~+/-]+=*$/.test(token)),
    }),
    parserCase("checkNewEmail()", ["origin/credentials.ts"], nearText("ada@example.com", "ö@ü"), {
      parse: (email) => (checkNewEmail(email), email),
      refusal: named("BusinessError"),
      accepted: (email) => assert.ok(!/[\s"<>\\]/.test(email) && email.length <= 254),
    }),
    asyncParserCase(
      "readMasterKeys()",
      ["origin/master_key.ts"],
      nearText("A".repeat(43), `${"A".repeat(43)},${"B".repeat(43)}`),
      {
        parse: (text) => readMasterKeys({ text, path: "/nonexistent" }),
        refusal: named("ConfigurationError"),
        accepted: (keys) => assert.ok(keys.length > 0 && keys.every(({ raw }) => raw.byteLength === 32)),
      },
    ),
    asyncParserCase("readPicture()", ["origin/platform/builtin/picture.ts"], nearBytes(png, gray), {
      parse: readPicture,
      refusal: named("ItemInputError"),
      accepted: ({ width, height, data }) => assert.equal(data.length, width * height * 4),
    }),
    parserCase(
      "JSON of metadata in the order of the database",
      ["origin/platform/jsonpath/values.ts"],
      nearJson(METADATA),
      {
        parse: (text) => {
          const value = valueOf(text);
          return value === undefined ? [] : PATHS.map((path) => matchesOrGivesUp(path, value));
        },
        accepted: (verdicts) => assert.ok(verdicts.every((verdict) => typeof verdict === "boolean")),
      },
    ),
  ];
}

function matchesOrGivesUp(path: string, value: unknown): boolean {
  return pathMatches(parseJsonPath(path), value, { matcherOf: () => () => true, budget: { left: 1_000_000 } });
}

async function jsonBody(body: Uint8Array<ArrayBuffer>): Promise<z.output<typeof signup>> {
  let found: Promise<z.output<typeof signup>> | undefined;
  const app = new Hono<OriginEnv>().post("/", async (c) => {
    found = readJson(c, signup);
    await found.catch(() => undefined); // told to the caller
    return c.body(null, 204);
  });
  await app.fetch(posted(body), context);
  return await required(found);
}

async function platformBody<T extends z.ZodType>(body: Uint8Array<ArrayBuffer>, schema: T): Promise<z.output<T>> {
  let found: Promise<z.output<T>> | undefined;
  const app = new Hono<PlatformEnv>().post("/", async (c) => {
    found = readBody(c, schema);
    await found.catch(() => undefined); // told to the caller
    return c.body(null, 204);
  });
  await app.fetch(posted(body), context);
  return await required(found);
}

function posted(body: Uint8Array<ArrayBuffer>): Request {
  return new Request("http://localhost/", { method: "POST", body, headers: { "content-type": "application/json" } });
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The call was not made");
  return value;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
