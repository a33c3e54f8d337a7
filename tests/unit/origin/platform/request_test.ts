import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import { z } from "zod";
import type { PlatformEnv } from "../../../../origin/platform/caller.ts";
import { canonicalJson, metadataChecksum, storedMetadata } from "../../../../origin/platform/metadata.ts";
import { InvalidRequestError } from "../../../../origin/platform/problems.ts";
import {
  booleanParameter,
  dateTime,
  orderBy,
  pageParameter,
  pageSizeParameter,
  readBody,
  readQuery,
  sliceOf,
  uuid,
} from "../../../../origin/platform/request.ts";

const { signal: cutOff } = new AbortController();
const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;

async function bodyOf(text: string): Promise<unknown> {
  let result: unknown;
  const app = new Hono<PlatformEnv>().post("/", async (c) => {
    result = await readBody(c, z.unknown()).catch((error) => error);
    return c.body(null, 204);
  });
  const headers = { "content-type": "application/json" };
  await app.fetch(new Request("http://localhost/", { method: "POST", body: text, headers }), { cutOff, remoteAddr });
  return result;
}

Deno.test("readBody() gives any JSON as it came", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 8 }), async (value) => {
      assert.deepEqual(await bodyOf(JSON.stringify(value)), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 50 },
  );
});

Deno.test("readBody() refuses what is nested too deeply, and counts no brackets in strings", async () => {
  const nest = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.ok(Array.isArray(await bodyOf(nest(200))));
  for (
    const text of [nest(201), '{"a":'.repeat(100_000), "[".repeat(1_000_000), "{", "", "\\", '"', "nan", "\u00ff\ufffe"]
  ) {
    assert.ok(await bodyOf(text) instanceof InvalidRequestError, text.slice(0, 20));
  }
  assert.equal(
    await bodyOf(JSON.stringify("[".repeat(1000) + '\\"{{'.repeat(1000))),
    "[".repeat(1000) + '\\"{{'.repeat(1000),
  );
});

Deno.test("readQuery() takes the last of each parameter, and all of those that are repeated", async () => {
  const schema = z.object({
    page: pageParameter,
    page_size: pageSizeParameter,
    revoked: booleanParameter.optional(),
    sort: z.array(z.string()).default([]),
    external_id__in: z.array(z.string()).optional(),
  });
  const read = async (query: string) => {
    let result: unknown;
    const app = new Hono<PlatformEnv>().get("/", (c) => {
      result = readQuery(c, schema);
      return c.body(null, 204);
    });
    app.onError((error, c) => {
      result = error;
      return c.body(null, 500);
    });
    await app.fetch(new Request(`http://localhost/?${query}`), { cutOff, remoteAddr });
    return result;
  };
  assert.deepEqual(await read(""), { page: 1, page_size: 50, sort: [] });
  assert.deepEqual(await read("page=2&page=3&sort=a&sort=-b&external_id__in=%2F&other=1&revoked=True"), {
    page: 3,
    page_size: 50,
    sort: ["a", "-b"],
    external_id__in: ["/"],
    revoked: true,
  });
  for (
    const query of [
      "page=0",
      "page=1.5",
      "page=",
      "page_size=4",
      "page_size=101",
      "revoked=maybe",
      "revoked=constructor",
      "revoked=__proto__",
    ]
  ) {
    assert.ok(await read(query) instanceof InvalidRequestError, query);
  }
});

Deno.test("orderBy() makes SQL of its own words only", () => {
  const columns = { name: "name_column", at: "at_ms" };
  assert.equal(orderBy([], columns, "id"), "id");
  assert.equal(orderBy(["-at", "+name", " at", "name"], columns, "id"), "at_ms DESC, name_column ASC, id");
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      assert.match(orderBy([text], columns, "id"), /^(at_ms|name_column) (ASC|DESC), id$/);
    } catch (error) {
      assert.ok(error instanceof InvalidRequestError);
    }
  }));
  for (const field of ["constructor", "__proto__", "name; DROP TABLE x", "--name"]) {
    assert.throws(() => orderBy([field], columns, "id"), InvalidRequestError, field);
  }
});

Deno.test("sliceOf() is bounded for any page", () => {
  assert.deepEqual(sliceOf(3, 5), { limit: 5, offset: 10 });
  assert.deepEqual(sliceOf(Number("9".repeat(400)), 100), { limit: 100, offset: Number.MAX_SAFE_INTEGER });
});

Deno.test("dateTime and uuid take the standard's forms", () => {
  const noon = Date.UTC(2026, 10, 24, 12);
  for (
    const text of ["2026-11-24T12:00:00Z", "2026-11-24T13:00:00+01:00", "2026-11-24 12:00:00.000", "2026-11-24T12:00"]
  ) {
    assert.equal(dateTime.parse(text), noon, text);
  }
  for (const text of ["", "2026-11-24", "tomorrow", "2026-13-01T00:00:00Z", "12:00"]) {
    assert.ok(!dateTime.safeParse(text).success, text);
  }
  const id = crypto.randomUUID();
  assert.equal(uuid.parse(id.toUpperCase()), id);
  for (const text of ["", "x", `${id} `, id.replaceAll("-", "")]) assert.ok(!uuid.safeParse(text).success, text);
});

Deno.test("canonicalJson() is the same for the same JSON, whatever the order of its keys", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (object) => {
    const reversed = Object.fromEntries(Object.entries(object).reverse());
    assert.equal(canonicalJson(reversed), canonicalJson(object));
    assert.deepEqual(JSON.parse(canonicalJson(object)), JSON.parse(JSON.stringify(object)));
  }));
});

Deno.test("metadataChecksum() is another one for every change, and none for nothing", () => {
  assert.equal(metadataChecksum(storedMetadata(null)), null);
  assert.equal(metadataChecksum(storedMetadata(undefined)), null);
  const sums = [{}, { a: 1 }, { a: 2 }, { a: null }, { b: 1 }].map((metadata) =>
    metadataChecksum(storedMetadata(metadata))
  );
  assert.equal(new Set(sums).size, sums.length);
  assert.ok(sums.every((sum) => /^[0-9a-f]{16}$/.test(sum ?? "")));
});
