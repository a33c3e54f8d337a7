import assert from "node:assert/strict";
import fc from "fast-check";
import { html } from "hono/html";
import { formTarget, pageHeaders, renderPage } from "../../../../origin/oidc/page.ts";

Deno.test("formTarget() is the origin of a web address, and the scheme of any other", () => {
  const cases: readonly [string | undefined, string | undefined][] = [
    ["http://localhost:8989/cb?x=1", "http://localhost:8989"],
    ["https://viewer.example.com/callback", "https://viewer.example.com"],
    ["http://[::1]:8989/", "http://[::1]:8989"],
    ["com.example.app:/callback", "com.example.app:"],
    ["no address", undefined],
    [undefined, undefined],
  ];
  for (const [uri, expected] of cases) assert.equal(formTarget(uri), expected, uri);
});

Deno.test("formTarget() lets no redirect URI write into the policy", () => {
  const hostile = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string().map((text) => `https://${text}/`),
    fc.string().map((text) => `${text}:/x`),
    fc.constantFrom(
      "https://a.example;script-src *",
      "https://a.example script-src/",
      "x;y:/z",
      "https://a.example'self'/",
    ),
  );
  fc.assert(fc.property(hostile, (uri) => {
    assert.doesNotMatch(formTarget(uri) ?? "", /[\s;,'"]/, uri);
    const policy = pageHeaders(formTarget(uri))["Content-Security-Policy"] ?? "";
    assert.equal(policy.split(";").length, 5, policy);
  }));
});

Deno.test("renderPage() shows whatever text it is given as text", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      const page = await renderPage({ title: text, body: html`<p title="${text}">${text}</p>` });
      const shown = page.replace(/<style>.*<\/style>/s, "");
      assert.equal(shown.match(/</g)?.length, EMPTY_TAGS, text);
    }),
    { numRuns: 200 },
  );
});

/** Number of `<` in a page with one paragraph and no text, its style left out. */
const EMPTY_TAGS = (await renderPage({ title: "", body: html`<p title="">${""}</p>` }))
  .replace(/<style>.*<\/style>/s, "").match(/</g)?.length;
