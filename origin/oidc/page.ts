import { createHash } from "node:crypto";
import { html, raw } from "hono/html";

/** HTML in which every text has been escaped. */
export type Html = ReturnType<typeof html>;

/** What every page has. */
export interface Page {
  readonly title: string;
  readonly body: Html;
}

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 }
main { box-sizing: border-box; margin: 8vh auto; max-width: 26rem; padding: 0 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }
label { display: block; font-weight: 600; margin-top: 1rem }
input { border: 1px solid; border-radius: .25rem; box-sizing: border-box; font: inherit; margin-top: .25rem; padding: .5rem; width: 100% }
button { border: 1px solid; border-radius: .25rem; cursor: pointer; font: inherit; margin: 1.5rem .5rem 0 0; padding: .5rem 1.25rem }
button.main { background: #14532d; border-color: #14532d; color: #fff; font-weight: 600 }
[role=alert] { border-left: .25rem solid #b91c1c; padding-left: .75rem }
code { font-size: 1.75rem; letter-spacing: .1em }
`;
const FORM_TARGET = /^[a-z][a-z0-9+.-]*:(\/\/[a-z0-9.-]+(:\d+)?|\/\/\[[0-9a-f:.]+\](:\d+)?)?$/;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** A page as the browser gets it. It needs no script, and the policy of {@link pageHeaders} allows none. */
export async function renderPage({ title, body }: Page): Promise<string> {
  const page = String(
    await html`
      <!DOCTYPE html>
      <html lang="en">
        <head>
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width, initial-scale=1">
          <meta name="robots" content="noindex">
          <title>${title} – Tallystick</title>
          <style>${raw(STYLE)}</style>
        </head>
        <body>
          <main>
      <h1>${title}</h1>
      ${body}
          </main>
        </body>
      </html>
    `,
  );
  return page.trim();
}

/**
 * Headers of a page. @param sentOnTo origin of the place to which its form leads in the end: browsers that check `form-action`
 * on redirects as well would not go there otherwise
 */
export function pageHeaders(sentOnTo?: string): Readonly<Record<string, string>> {
  return {
    "Content-Security-Policy": [
      "default-src 'none'",
      `style-src 'sha256-${STYLE_HASH}'`,
      `form-action 'self'${sentOnTo === undefined ? "" : ` ${sentOnTo}`}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
  };
}

/** What `form-action` calls the place of a redirect URI; `undefined` for one that could write into the policy: a host may have a `;` in it. */
export function formTarget(redirectUri: string | undefined): string | undefined {
  const url = redirectUri === undefined ? null : URL.parse(redirectUri);
  if (url === null) return undefined;
  const target = url.protocol === "https:" || url.protocol === "http:" ? url.origin : url.protocol;
  return FORM_TARGET.test(target) ? target : undefined;
}
