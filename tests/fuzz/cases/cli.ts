import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { parseCsv } from "../../../cli/csv.ts";
import { DeviceClient, problemError } from "../../../cli/device_client.ts";
import { expirySeconds } from "../../../cli/expiry.ts";
import { numberFlag } from "../../../cli/number_flag.ts";
import { itemsOfCsv, itemsOfJson } from "../../../cli/submission_file.ts";
import { answering, headerText } from "../answers.ts";
import { nearJson, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const CSV =
  'external_id;input;download_url;tissue.kind;stain\ns1;image;https://h/1;"a; ""b""";1\r\ns2;image;https://h/2;;\n';
const NOW_SECONDS = 1_800_000_000;
const ITEMS = [{
  external_id: "s1",
  input_artifacts: [{ name: "i", download_url: "https://h/x", metadata: { a: 1 } }],
}];

/** What the command line reads. */
export function cliCases(): Promise<ParserCase[]> {
  const { signal } = new AbortController();
  const clientOf = (body: Uint8Array<ArrayBuffer>) =>
    new DeviceClient({ baseUrl: new URL("http://127.0.0.1:8080"), http: answering({ body }), signal });
  return Promise.resolve([
    parserCase("parseCsv()", ["cli/csv.ts"], nearText(CSV), {
      parse: parseCsv,
      refusal: named("InvalidInputError"),
      accepted: (rows) => {
        const written = rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(";")).join("\n");
        assert.deepEqual(parseCsv(written), rows);
      },
    }),
    parserCase("itemsOfCsv()", ["cli/submission_file.ts"], nearText(CSV), {
      parse: itemsOfCsv,
      refusal: named("InvalidInputError"),
      accepted: (items) => assert.equal(new Set(items.map(({ external_id }) => external_id)).size, items.length),
    }),
    parserCase(
      "itemsOfJson()",
      ["cli/submission_file.ts"],
      nearJson(ITEMS, { items: ITEMS, custom_metadata: { a: 1 } }),
      {
        parse: (text) => itemsOfJson(text, "f"),
        refusal: named("InvalidInputError"),
        accepted: ({ items }) => assert.ok(items.every(({ external_id }) => typeof external_id === "string")),
      },
    ),
    parserCase("expirySeconds()", ["cli/expiry.ts"], nearText("90d", "2y", "2027-12-31", "2027-12-31T12:00Z"), {
      parse: (text) => expirySeconds(text, NOW_SECONDS),
      refusal: named("UsageError"),
      accepted: (seconds, text) => {
        assert.ok(Number.isSafeInteger(seconds) && seconds > NOW_SECONDS);
        if (/^\d{4}-/.test(text)) assert.equal(new Date(seconds * 1000).toISOString().slice(0, 10), text.slice(0, 10));
      },
    }),
    parserCase("numberFlag()", ["cli/number_flag.ts"], nearText("5", "1.5", "100"), {
      parse: (text) => numberFlag("--limit", text, 1),
      refusal: named("UsageError"),
      accepted: (number) => assert.ok(number >= 1 && Number.isFinite(number)),
    }),
    parserCase(
      "problemError()",
      ["cli/device_client.ts"],
      fc.record({
        status: fc.constantFrom(400, 401, 403, 404, 409, 422, 429, 429, 500, 502, 503, 418),
        pause: nearText("5").map(headerText),
        text: nearJson({ type: "/docs#x", title: "t", status: 404, detail: "d", code: "not_found" }),
      }),
      {
        parse: ({ status, pause, text }) => problemError(status, new Headers({ "retry-after": pause }), text),
        accepted: (error) => {
          const { retryAfterSeconds = 0 } = error as { retryAfterSeconds?: number };
          assert.ok(retryAfterSeconds >= 0 && Number.isFinite(retryAfterSeconds));
        },
      },
    ),
    asyncParserCase(
      "DeviceClient",
      ["cli/device_client.ts"],
      nearJsonBytes(
        { status: "healthy", authenticated: true, user: { email: "a@b", role: "Admin" } },
        { state: "ready", error: null, code: "docker", progress: { doneBytes: 1, totalBytes: 2 } },
      ),
      {
        parse: async (body) => [
          await clientOf(body).status().catch(onlyUpstream),
          await clientOf(body).unlockStatus().catch(onlyUpstream),
        ],
        accepted: (answers) => assert.equal(answers.length, 2),
      },
    ),
    asyncParserCase("DeviceClient.load()", ["cli/device_client.ts"], nearText("12", "1e3").map(headerText), {
      parse: async (length) => {
        const http = answering({ headers: { "content-length": length }, body: utf8("x") });
        const client = new DeviceClient({ baseUrl: new URL("http://127.0.0.1:8080"), http, signal });
        const { sizeBytes, body } = await client.load("f", "n");
        await body.cancel();
        return sizeBytes;
      },
      accepted: (size) => assert.ok(size === undefined || Number.isSafeInteger(size)),
    }),
  ]);
}

function onlyUpstream(error: unknown): undefined {
  if (!named("UpstreamError")(error)) throw error;
  return undefined;
}
