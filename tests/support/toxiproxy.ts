import { eventually } from "./eventually.ts";
import type { FaultPoint } from "./faulty_proxy.ts";
import { freePort } from "./free_port.ts";

/** What Toxiproxy does to what goes one way. @see https://github.com/Shopify/toxiproxy#toxics */
export interface Toxic {
  readonly type: "latency" | "timeout" | "slicer" | "limit_data" | "reset_peer" | "slow_close" | "bandwidth";
  /** `downstream`: to the caller. */
  readonly stream: "downstream" | "upstream";
  readonly attributes: Readonly<Record<string, number>>;
}

/** Toxiproxy, as a process of its own. */
export interface Toxiproxy extends AsyncDisposable {
  /** Puts a proxy before a server. */
  front(target: URL): Promise<FaultPoint<Toxic>>;
}

/** Starts Toxiproxy's server; its proxies are driven by its HTTP API. @param program its absolute path */
export async function startToxiproxy(program: string): Promise<Toxiproxy> {
  const port = freePort();
  const api = new URL(`http://127.0.0.1:${port}`);
  const child = new Deno.Command(program, {
    args: ["-host", "127.0.0.1", "-port", String(port)],
    clearEnv: true,
    env: { LOG_LEVEL: "error" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await eventually("Toxiproxy answers", () => ask(api, "GET", "/version").then(() => true, () => false));
  let count = 0;
  return {
    async front(target) {
      const name = `proxy-${++count}`;
      const { listen } = await ask(api, "POST", "/proxies", { name, listen: "127.0.0.1:0", upstream: target.host });
      return new ToxicFront(api, name, new URL(target.pathname, `http://${listen}`));
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

class ToxicFront implements FaultPoint<Toxic> {
  strikes = 0;
  readonly url: URL;
  readonly #api: URL;
  readonly #name: string;

  constructor(api: URL, name: string, url: URL) {
    this.#api = api;
    this.#name = name;
    this.url = url;
  }

  /** Toxiproxy does not tell whom it has met; from here on that is everybody. */
  async begin(toxic: Toxic): Promise<void> {
    await ask(this.#api, "POST", `/proxies/${this.#name}/toxics`, { name: "toxic", toxicity: 1, ...toxic });
    this.strikes = 1;
  }

  async heal(): Promise<void> {
    const toxics = await ask(this.#api, "GET", `/proxies/${this.#name}/toxics`);
    if (toxics.length > 0) await ask(this.#api, "DELETE", `/proxies/${this.#name}/toxics/toxic`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ask(this.#api, "DELETE", `/proxies/${this.#name}`);
  }
}

async function ask(api: URL, method: string, path: string, body?: unknown) {
  const response = await fetch(new URL(path, api), { method, ...(body ? { body: JSON.stringify(body) } : {}) });
  const text = await response.text();
  if (!response.ok) throw new Error(`Toxiproxy refuses ${method} ${path}: ${text}`);
  return text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : {};
}
