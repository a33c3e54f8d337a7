import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { parseContentLength, parseContentRange, parseStrongEtag } from "../../../lib/http/byte_ranges.ts";
import { clientNetwork } from "../../../lib/http/client_network.ts";
import { formatEntry, formatHead, parseJournal } from "../../../lib/http/download_journal.ts";
import { readForm } from "../../../lib/http/form.ts";
import { multipartBoundary } from "../../../lib/http/multipart.ts";
import { evaluate, rangeStillHolds } from "../../../lib/http/precondition.ts";
import { isExempt, proxyFor } from "../../../lib/http/proxy.ts";
import { parseRange } from "../../../lib/http/range_request.ts";
import { httpSource } from "../../../lib/http/range_source.ts";
import { parseRate } from "../../../lib/http/rate_limit.ts";
import { collect, streamOf } from "../../../lib/streams.ts";
import { parseDigestField } from "../../../origin/digest_field.ts";
import { answering, headerText } from "../answers.ts";
import { nearBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const SIZE_BYTES = 1000;
const ETAG = "3e8-17f-a";
const BOUNDARY = "----b0undary";
const FORM = utf8(
  `preamble\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="folder"\r\n\r\nmodels\r\n--${BOUNDARY}\r\n` +
    `Content-Disposition: form-data; name="data"; filename="x.bin"\r\nContent-Type: a/b\r\n\r\nsome bytes\r\n--${BOUNDARY}--\r\n`,
);
const JOURNAL = [
  formatHead({ identity: "sha256", sizeBytes: 5_000_000, segmentBytes: 1_048_576, etag: ETAG }),
  ...[0, 3, 1].map((index) => formatEntry({ index, crc32: 0xdeadbeef })),
  "",
].join("\n");

/** Headers, forms, journals and rates. */
export function httpCases(): ParserCase[] {
  return [
    parserCase(
      "parseRange()",
      ["lib/http/range_request.ts"],
      nearText("bytes=0-499", "bytes=-500", "bytes=500-", "Bytes= 3 - 5 ", "bytes=0-1,3-4"),
      {
        parse: (header) => parseRange(header, SIZE_BYTES),
        accepted: (value) => {
          if (value === undefined || value === "unsatisfiable") return;
          assert.ok(value.start >= 0 && value.start < value.end && value.end <= SIZE_BYTES);
        },
      },
    ),
    parserCase(
      "parseContentRange()",
      ["lib/http/byte_ranges.ts"],
      nearText("bytes 0-499/1234", "bytes 42-1233/1234", "bytes */1234"),
      {
        parse: parseContentRange,
        accepted: (value, input) => {
          if (value === undefined) return;
          const { start, end, totalBytes } = value;
          assert.ok(start < end && end <= totalBytes && Number.isSafeInteger(totalBytes));
          assert.deepEqual(parseContentRange(`bytes ${start}-${end - 1}/${totalBytes}`), value, input);
        },
      },
    ),
    parserCase("parseContentLength()", ["lib/http/byte_ranges.ts"], nearText("1234", "0", "12, 12").map(headerText), {
      parse: (text) => parseContentLength(new Headers({ "content-length": text })),
      accepted: (value) => assert.ok(value === undefined || Number.isSafeInteger(value) && value >= 0),
    }),
    parserCase("parseStrongEtag()", ["lib/http/byte_ranges.ts"], nearText(`"${ETAG}"`, 'W/"a"', '""').map(headerText), {
      parse: (text) => parseStrongEtag(new Headers({ etag: text })),
      accepted: (value, input) => {
        if (value !== undefined) assert.equal(`"${value}"`, input, "it is what goes back in If-Range");
      },
    }),
    parserCase(
      "evaluate()",
      ["lib/http/precondition.ts"],
      fc.tuple(
        nearText(`"${ETAG}"`, `W/"${ETAG}"`, "*", `"a", "${ETAG}"`, `"a" , W/"b"`),
        fc.boolean(),
      ),
      {
        parse: ([header, isMatch]) =>
          evaluate(isMatch ? { ifMatch: header } : { ifNoneMatch: header }, ETAG, "not_modified"),
        accepted: (verdict, [header, isMatch]) => {
          const names = header.includes(`"${ETAG}"`) || header.trim() === "*";
          if (verdict === (isMatch ? "proceed" : "not_modified")) assert.ok(names, "it names the object");
        },
      },
    ),
    parserCase(
      "rangeStillHolds()",
      ["lib/http/precondition.ts"],
      nearText(`"${ETAG}"`, `W/"${ETAG}"`, "Mon, 01 Jan 2024"),
      {
        parse: (header) => rangeStillHolds(header, ETAG),
        accepted: (holds, header) => assert.equal(holds, header.trim() === `"${ETAG}"`),
      },
    ),
    asyncParserCase(
      "httpSource() on any answer",
      ["lib/http/range_source.ts"],
      fc.record({
        status: fc.constantFrom(200, 206, 206, 206, 416, 403, 404, 412, 429, 503, 302),
        range: nearText("bytes 100-199/1000", "bytes 100-150/151", "bytes */1000").map(headerText),
        etag: nearText(`"${ETAG}"`, `W/"${ETAG}"`).map(headerText),
        pause: nearText("5", "120", "Wed, 21 Oct 2026 07:28:00 GMT").map(headerText),
        encoding: fc.constantFrom("identity", "identity", "identity", "gzip"),
      }),
      {
        parse: ({ status, range, etag, pause, encoding }) => {
          const headers = { "content-range": range, etag, "retry-after": pause, "content-encoding": encoding };
          const http = answering({ status, headers, body: utf8("bytes") });
          const address = () => Promise.resolve({ url: new URL("http://127.0.0.1/x") });
          const { signal } = new AbortController();
          return httpSource({ name: "x", service: "CDN", http, address }).open({ start: 100, end: 200 }, { signal });
        },
        refusal: named("UpstreamError", "NotAllowedError", "NotFoundError", "ConflictError", "RetryLaterError"),
        accepted: async (opened, { status, etag }) => {
          assert.ok(opened.totalBytes === undefined || Number.isSafeInteger(opened.totalBytes));
          assert.equal(opened.isWhole, status === 200);
          assert.ok(opened.etag === undefined || etag === `"${opened.etag}"`);
          await opened.body.cancel();
        },
      },
    ),
    parserCase("parseRate()", ["lib/http/rate_limit.ts"], nearText("500K", "2M", "1.5g", "1024"), {
      parse: parseRate,
      refusal: (error) => error instanceof Error && error.message.startsWith("must be "),
      accepted: (value) => assert.ok(Number.isSafeInteger(value) && value >= 1024),
    }),
    parserCase(
      "isExempt() and proxyFor()",
      ["lib/http/proxy.ts"],
      fc.tuple(
        nearText("10.0.0.0/8,.example.com", "*", "[::1]:80 fe80::/10", "localhost:8080"),
        nearText("http://proxy.example.com:3128", "socks5://u:p@h:1", "proxy:3128"),
      ),
      {
        parse: ([entries, proxy]) => {
          const url = new URL("https://cdn.example.com/x");
          const variables: Record<string, string> = { HTTPS_PROXY: proxy, NO_PROXY: entries };
          return { exempt: isExempt(url, entries), proxy: proxyFor(url, (name) => variables[name] || undefined) };
        },
        refusal: named("ConfigurationError"),
        accepted: ({ exempt, proxy }) => assert.ok(!exempt || proxy === undefined),
      },
    ),
    parserCase("parseJournal()", ["lib/http/download_journal.ts"], nearText(JOURNAL), {
      parse: parseJournal,
      accepted: (journal) => {
        if (journal === undefined) return;
        assert.ok(journal.head.sizeBytes / journal.head.segmentBytes <= 2 ** 21, "what it describes fits into memory");
        const written = [formatHead(journal.head), ...journal.entries.map(formatEntry), ""].join("\n");
        assert.deepEqual(parseJournal(written), journal);
      },
    }),
    parserCase(
      "multipartBoundary()",
      ["lib/http/multipart.ts"],
      nearText(`multipart/form-data; boundary=${BOUNDARY}`, 'multipart/form-data; charset=x; boundary="a b"'),
      {
        parse: multipartBoundary,
        accepted: (value) => assert.ok(value === undefined || value.length >= 1 && value.length <= 70),
      },
    ),
    asyncParserCase("readForm()", ["lib/http/form.ts", "lib/http/multipart.ts"], nearBytes(FORM), {
      parse: (bytes) =>
        readForm(streamOf(bytes), `multipart/form-data; boundary=${BOUNDARY}`, {
          fileField: "data",
          receive: async (body, filename) => ({ filename, bytes: await collect(body, FORM.byteLength * 3) }),
        }),
      refusal: named("MalformedError", "InvalidInputError", "TooLargeError"),
      accepted: ({ file, fields }, input) => {
        assert.ok((file?.bytes.byteLength ?? 0) < input.byteLength);
        assert.ok(fields.size <= 8);
      },
    }),
    parserCase(
      "clientNetwork()",
      ["lib/http/client_network.ts"],
      nearText("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7"),
      {
        parse: clientNetwork,
        accepted: (network, address) => {
          if (isIP(address) !== 0) {
            assert.equal(clientNetwork(address.toUpperCase()), network, "capitals make no difference");
          }
          if (isIP(address) === 4) assert.equal(network, address);
          if (isIP(address) === 4) assert.equal(clientNetwork(`::ffff:${address}`), address);
        },
      },
    ),
    parserCase(
      "parseDigestField()",
      ["origin/digest_field.ts"],
      nearText(`sha-256=:${new Uint8Array(32).fill(7).toBase64()}:`, "sha-512=:AAAA:, md5=:AA==:"),
      {
        parse: parseDigestField,
        refusal: named("MalformedError"),
        accepted: (value) => assert.ok(value === undefined || /^[0-9a-f]{64}$/.test(value)),
      },
    ),
  ];
}
