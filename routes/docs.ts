import type { OpenAPIHono } from "@hono/zod-openapi";
import { html, raw } from "hono/html";
import type { Settings } from "../lib/config/options.ts";
import { utf8 } from "../lib/bytes.ts";
import { type ApiDocument, apiDocument } from "./api_document.ts";
import { type DocumentedCall, documentedCalls } from "./documented_calls.ts";
import { PROBLEMS } from "./problem.ts";

type Html = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #3a424c); --soft: light-dark(#f5f7f9, #1b2128);
  --ink: light-dark(#1f2328, #e2e8ee); --quiet: light-dark(#59636e, #9aa5b1); --accent: light-dark(#0b6b5d, #58c7b3); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 54rem; color: var(--ink);
  background: light-dark(#fff, #12171c); font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; } h1 small { color: var(--quiet); font-size: 1rem; font-weight: 400; }
h2 { margin: 3rem 0 .5rem; font-size: 1.25rem; }
a { color: var(--accent); }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { margin: .75rem 0; padding: .8rem 1rem; overflow-x: auto; background: var(--soft); border: 1px solid var(--line);
  border-radius: .4rem; }
article { margin: 1.5rem 0; padding: 1.1rem 1.25rem; border: 1px solid var(--line); border-radius: .6rem; }
article h3 { margin: 0; font-size: 1rem; } article p { margin: .35rem 0; }
.method { display: inline-block; min-width: 3.6rem; color: var(--accent); font-weight: 700; }
.quiet { color: var(--quiet); }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
td, th { padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
tr:target { background: var(--soft); }
nav ul { padding: 0; list-style: none; columns: 2 16rem; }
`;

/** `GET /openapi.json` and `GET /docs`: what the calls added before take and answer. Made at the first request. */
export function addDocs(app: OpenAPIHono, settings: Pick<Settings, "callerAuth">): void {
  let made: ApiDocument | undefined;
  const document = () => made ??= apiDocument(app);

  app.get("/openapi.json", (c) => c.json(document()));
  app.get("/docs", async (c) => {
    c.header(
      "Content-Security-Policy",
      `default-src 'none'; style-src 'sha256-${await sha256(STYLE)}'; frame-ancestors 'none'`,
    );
    const calls = documentedCalls(document(), new URL(c.req.url).origin, settings.callerAuth === "bearer");
    return c.html(page(document(), calls));
  });
}

async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))).toBase64();
}

function page({ info }: ApiDocument, calls: readonly DocumentedCall[]): Html {
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${info.title}</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
    <h1>${info.title} <small>${info.version}</small></h1>
    <p>${marked(info.description)}</p>
    <p class="quiet">The same for programs: <a href="/openapi.json">OpenAPI 3.1</a></p>
    <nav><ul>${calls.map((call) =>
      html`
        <li><a href="#${anchor(call)}"><code>${call.method} ${call.path}</code></a></li>
      `
    )}
    <li><a href="#errors">Errors</a></li></ul></nav>
    <h2>Calls</h2>${calls.map(callPart)}
    <h2 id="errors">Errors</h2>
    <p>The body of an error is <code>application/problem+json</code>; <code>code</code> names the condition.</p>
    <table><tr><th>Code</th><th>Status</th><th>Meaning</th></tr>${Object.entries(PROBLEMS).map((
      [code, { status, title }],
    ) =>
      html`
        <tr id="${code}">
          <td><code>${code}</code></td>
          <td>${status}</td>
          <td>${title}</td>
        </tr>
      `
    )}
    </table>
      </body>
    </html>
  `;
}

function callPart(call: DocumentedCall): Html {
  return html`
    <article id="${anchor(call)}">
    <h3><code><span class="method">${call.method}</span>${call.path}</code></h3>
    <p><strong>${call.summary}</strong></p>
    ${call.description === undefined ? "" : html`<p class="quiet">${marked(call.description)}</p>`}
    <pre>${call.curl}</pre>
    <table>${call.answers.map(({ status, description }) =>
      html`
        <tr>
          <td>${status}</td>
          <td>${marked(description)}</td>
        </tr>
      `
    )}
    </table>
    </article>
  `;
}

function anchor({ method, path }: DocumentedCall): string {
  return `${method}${path.replaceAll(/[^a-z]+/g, "-")}`.toLowerCase().replace(/-$/, "");
}

/** Text in which what stands between back-ticks is code. */
function marked(text = ""): Html[] {
  return text.split("`").map((part, index) => index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`);
}
