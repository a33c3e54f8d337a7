import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { parseSums } from "../../../lib/cdn/cache_entries.ts";
import { parsePins } from "../../../lib/cdn/cache_quota.ts";
import { parsePairings } from "../../../lib/cdn/cached.ts";
import { parseRecord } from "../../../lib/cdn/content_record.ts";
import { HttpStore } from "../../../lib/cdn/http.ts";
import { checkObjectName } from "../../../lib/cdn/object_name.ts";
import { pairingOf } from "../../../lib/cdn/pairing.ts";
import { S3Store } from "../../../lib/cdn/s3.ts";
import { fromBase64Crc } from "../../../lib/cdn/s3_upload.ts";
import { Secret } from "../../../lib/config/secret.ts";
import { answering, headerText, STILL_CLOCK } from "../answers.ts";
import { nearBytes, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const DIGEST = new Uint8Array(32).fill(7).toBase64();
const HEX = "ab".repeat(32);
const PAIRING = { id: HEX, smallSha256: HEX, etag: "e", crc32: 0xdeadbeef };
const S3_ERROR = utf8(
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce</Message><RequestId>1</RequestId></Error>',
);
const S3_LIST = utf8(
  '<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>' +
    "<Contents><Key>a.big</Key><Size>12</Size><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>",
);
const key = { id: new Secret("id"), secret: new Secret("secret") };
const storeErrors = named(
  ...["UpstreamError", "NotAllowedError", "NotFoundError", "ConflictError", "UnavailableError", "IntegrityError"],
);

/** Objects, caches and what CDNs answer. */
export async function storeCases(): Promise<ParserCase[]> {
  const endpoint = new URL("http://127.0.0.1:9000");
  const settings = { kind: "s3", endpoint, region: "r", downloader: key, uploader: key } as const;
  await S3Store.open(settings, { http: answering(), clock: STILL_CLOCK }); // imports the SDK before anything is counted
  return [
    parserCase("checkObjectName()", ["lib/cdn/object_name.ts"], nearText(`${HEX}.big.hashes`, "models", "../x"), {
      parse: (name) => checkObjectName("key", name),
      refusal: named("InvalidInputError"),
      accepted: (name) => assert.equal(new URL(name, "http://h/b/").pathname, `/b/${name}`, "one segment, itself"),
    }),
    parserCase("pairingOf()", ["lib/cdn/pairing.ts"], nearText(HEX), {
      parse: pairingOf,
      accepted: ({ pairedWith }) => assert.ok(pairedWith === undefined || /^[0-9a-f]{64}$/.test(pairedWith)),
    }),
    parserCase("parsePairings()", ["lib/cdn/cached.ts"], nearJsonBytes({ v: 1, pairings: [PAIRING, PAIRING] }), {
      parse: parsePairings,
      accepted: (pairings) => assert.ok(pairings.length <= 2),
    }),
    parserCase("parseSums()", ["lib/cdn/cache_entries.ts"], nearJsonBytes({ v: 1, pairings: [PAIRING] }), {
      parse: parseSums,
      accepted: (sums) => assert.ok(sums.every((sum) => typeof sum === "number")),
    }),
    parserCase("parseRecord()", ["lib/cdn/content_record.ts"], nearJsonBytes({ v: 2, resources: ["a", "b"] }), {
      parse: parseRecord,
      accepted: (resources) => assert.ok(resources.every((name) => typeof name === "string")),
    }),
    parserCase("parsePins()", ["lib/cdn/cache_quota.ts"], nearJsonBytes({ v: 1, pins: ["models/a", "models/b"] }), {
      parse: (bytes) => parsePins("p", bytes),
      refusal: named("ConfigurationError"),
      accepted: (pins) => assert.ok(pins.every((pin) => typeof pin === "string")),
    }),
    parserCase("fromBase64Crc()", ["lib/cdn/s3_upload.ts"], nearText("3q2+7w==", "AAAAAA=="), {
      parse: fromBase64Crc,
      refusal: named("UpstreamError"),
      accepted: (sum) => assert.ok(sum >= 0 && sum <= 0xffffffff),
    }),
    asyncParserCase(
      "HttpStore.head()",
      ["lib/cdn/http.ts"],
      fc.record({
        status: fc.constantFrom(200, 200, 200, 404, 302, 500),
        etag: nearText('"e"').map(headerText),
        length: nearText("12").map(headerText),
        digest: nearText(`sha-256=:${DIGEST}:`, `md5=:AA==:, sha-256=:${DIGEST}:`).map(headerText),
      }),
      {
        parse: ({ status, etag, length, digest }) => {
          const http = answering({ status, headers: { etag, "content-length": length, "repr-digest": digest } });
          return new HttpStore({ kind: "http", baseUrl: endpoint }, { http, clock: STILL_CLOCK }).head("b", "k");
        },
        refusal: storeErrors,
        accepted: (facts) => {
          if (facts === undefined) return;
          assert.ok(Number.isSafeInteger(facts.sizeBytes));
          assert.match(facts.digests.sha256 ?? HEX, /^[0-9a-f]{64}$/);
        },
      },
    ),
    asyncParserCase(
      "HttpStore.list()",
      ["lib/cdn/http.ts"],
      nearJsonBytes({ keys: [{ key: "a.big", sizeBytes: 12 }] }),
      {
        parse: (body) => {
          const store = new HttpStore({ kind: "http", baseUrl: endpoint }, {
            http: answering({ body }),
            clock: STILL_CLOCK,
          });
          return Array.fromAsync(store.list("b"));
        },
        refusal: named("UpstreamError"),
        accepted: (list) => assert.ok(list.every(({ key, sizeBytes }) => typeof key === "string" && sizeBytes >= 0)),
      },
    ),
    costly(asyncParserCase(
      "S3Store.list()",
      ["lib/cdn/s3.ts", "lib/cdn/s3_user.ts"],
      fc.tuple(
        fc.constantFrom(200, 200, 200, 403, 404, 503),
        nearBytes(S3_LIST, S3_ERROR),
      ),
      {
        parse: async ([status, body]) => {
          const headers = { "content-type": "application/xml" };
          const http = answering({ status, headers, body }, { status: 404 }); // a token for a next page leads nowhere
          return await Array.fromAsync((await S3Store.open(settings, { http, clock: STILL_CLOCK })).list("b"));
        },
        refusal: storeErrors,
        accepted: (list) => assert.ok(list.every(({ sizeBytes }) => typeof sizeBytes === "number")),
      },
    )),
    costly(asyncParserCase(
      "S3Store.head()",
      ["lib/cdn/s3.ts"],
      fc.record({
        etag: nearText('"d41d8cd98f00b204e9800998ecf8427e"', '"d41d8cd98f00b204e9800998ecf8427e-2"').map(headerText),
        length: nearText("12").map(headerText),
        crc32: nearText("3q2+7w==").map(headerText),
        sha256: nearText(DIGEST).map(headerText),
        type: nearText("FULL_OBJECT", "COMPOSITE").map(headerText),
      }),
      {
        parse: async ({ etag, length, crc32, sha256, type }) => {
          const headers = {
            ...{ etag, "content-length": length, "x-amz-checksum-type": type },
            ...{ "x-amz-checksum-crc32": crc32, "x-amz-checksum-sha256": sha256 },
          };
          return await (await S3Store.open(settings, { http: answering({ headers }), clock: STILL_CLOCK })).head(
            "b",
            "k",
          );
        },
        refusal: storeErrors,
        accepted: (facts) => assert.ok(facts === undefined || Number.isFinite(facts.sizeBytes)),
      },
    )),
  ];
}

/** Each makes a client of the SDK, and a request of its own. */
function costly(row: ParserCase): ParserCase {
  return { ...row, ciRuns: 1_000 };
}
