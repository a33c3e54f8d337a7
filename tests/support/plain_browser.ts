import assert from "node:assert/strict";

/** A page as a browser without scripts sees it. */
export interface SeenPage {
  /** Where it came from, after all redirects on the way. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
}

/** What a form is sent with; `origin` and `site` are what a browser says of the page that it stands on. */
export interface Submission {
  readonly fields?: Readonly<Record<string, string>>;
  /** Text of the button that is pressed; the first one unless given. */
  readonly button?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const REDIRECT_LIMIT = 10;

/** A browser that knows cookies, redirects and forms, and no scripts. It stops before it leaves the server it was made for. */
export class PlainBrowser {
  readonly #home: URL;
  readonly #cookies = new Map<string, { value: string; path: string }>();

  constructor(home: string | URL) {
    this.#home = new URL(home);
  }

  /** Goes to an address. @returns the page, or, as an empty one, the address elsewhere that it was sent to */
  async open(address: string | URL): Promise<SeenPage> {
    return await this.#follow(new URL(address, this.#home), { method: "GET" });
  }

  /** Sends the form of a page. */
  async submit(page: SeenPage, { fields = {}, button, headers = {} }: Submission = {}): Promise<SeenPage> {
    const form = formOf(page.html);
    const pressed = form.buttons.find(({ text }) => button === undefined || text === button);
    assert.ok(pressed, `no button "${button}" in ${page.html}`);
    const body = new URLSearchParams({ ...form.fields, ...fields, ...pressed.field });
    return await this.#follow(new URL(form.action ?? page.url, page.url), {
      method: "POST",
      body,
      headers: { origin: "null", "sec-fetch-site": "same-origin", ...headers },
    });
  }

  async #follow(url: URL, init: RequestInit): Promise<SeenPage> {
    for (let count = 0; count < REDIRECT_LIMIT; count++) {
      if (url.origin !== this.#home.origin) return { url, status: 0, headers: new Headers(), html: "" };
      const response = await fetch(url, {
        ...init,
        redirect: "manual",
        headers: { ...init.headers, accept: "text/html", cookie: this.#cookieHeader(url) },
      });
      this.#keepCookies(response.headers);
      const html = await response.text();
      const location = response.headers.get("location");
      if (location === null) return { url, status: response.status, headers: response.headers, html };
      url = new URL(location, url);
      init = { method: "GET" };
    }
    throw new Error(`There is no end of redirects at ${url}`);
  }

  #cookieHeader({ pathname }: URL): string {
    const sent = [...this.#cookies].filter(([, { path }]) => pathname.startsWith(path));
    return sent.map(([key, { value }]) => `${key.split(" ")[0]}=${value}`).join("; ");
  }

  #keepCookies(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(/; */);
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      const path = attributes.find((text) => /^path=/i.test(text))?.slice(5) ?? "/";
      assert.ok(attributes.some((text) => /^httponly$/i.test(text)), `a script can read ${line}`);
      assert.ok(attributes.some((text) => /^samesite=lax$/i.test(text)), `other sites can use ${line}`);
      if (value === "") this.#cookies.delete(`${name} ${path}`);
      else this.#cookies.set(`${name} ${path}`, { value, path });
    }
  }
}

function formOf(html: string) {
  const [, attributes = "", content = ""] = /<form([^>]*)>(.*?)<\/form>/s.exec(html) ?? [];
  assert.match(attributes, /method="post"/, `no form in ${html}`);
  const inputs = [...content.matchAll(/<input([^>]*)>/gs)].map(([, text = ""]) => text);
  const fields = inputs.map((text) => [attribute(text, "name") ?? "", attribute(text, "value") ?? ""] as const);
  const buttons = [...content.matchAll(/<button([^>]*)>([^<]*)<\/button>/gs)].map(([, text = "", label = ""]) => {
    const name = attribute(text, "name");
    return { text: label, field: name === undefined ? {} : { [name]: attribute(text, "value") ?? "" } };
  });
  return { action: attribute(attributes, "action"), fields: Object.fromEntries(fields), buttons };
}

function attribute(text: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1];
  return value?.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}
