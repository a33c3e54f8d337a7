import { join } from "node:path";
import type { Role } from "../../lib/auth/roles.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { type FirstAdministrator, initOrigin } from "../../origin/init.ts";
import { objectToken } from "../../origin/object_access.ts";
import { type OriginOptions, runOrigin } from "../../origin/serve.ts";
import { createLogger } from "../../lib/log.ts";
import { State } from "../../origin/state.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";
import { recordedLines, recordOutput, useSecret } from "./witness.ts";

/** Password of every account that {@link OriginSite.user} makes. */
export const PASSWORD = useSecret("password of an account at an origin", "correct horse battery");

/** What a test sends; `json` is sent as such. */
export interface Call {
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What came back, read whole. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
  /** The text as JSON of the shape that the test expects. */
  json<T>(): T;
}

/** A real origin over real sockets, on a temporary folder. */
export class OriginSite implements AsyncDisposable {
  readonly dataDir: string;
  readonly admin: FirstAdministrator;
  url = "";
  readonly #folder: TempFolder;
  readonly #clock: Clock | undefined;
  /** How it is served, from the next {@link OriginSite.serve} on. */
  options: Partial<OriginOptions> = {};
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(folder: TempFolder, admin: FirstAdministrator, clock: Clock | undefined) {
    this.#folder = folder;
    this.dataDir = join(folder.path, "origin");
    this.admin = admin;
    this.#clock = clock;
  }

  /** Makes a new origin and serves it. */
  static async start(
    { clock, ...options }: { clock?: Clock } & Partial<OriginOptions> = {},
  ): Promise<OriginSite> {
    const folder = await tempFolder();
    const admin = await initOrigin(join(folder.path, "origin"), { email: "root@example.com" });
    useSecret("password of an origin's administrator", admin.password);
    const site = new OriginSite(folder, admin, clock);
    site.options = options;
    await site.serve();
    return site;
  }

  /** @param port a free one unless given */
  async serve({ port = 0 }: { port?: number } = {}): Promise<void> {
    const listening = Promise.withResolvers<string>();
    this.#stop = new AbortController();
    const options = {
      log: createLogger({ level: "debug", write: recordedLines("log of an origin", []), now: Date.now }),
      ...this.options,
      dataDir: this.dataDir,
      port,
      ...(this.#clock === undefined ? {} : { clock: this.#clock }),
    };
    this.#running = runOrigin(options, this.#stop.signal, listening.resolve);
    this.#running.catch(listening.reject);
    this.url = await listening.promise;
    await useSecretsOf(this.dataDir);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async call(method: string, path: string, { token, json, body, headers }: Call = {}): Promise<Reply> {
    const response = await fetch(this.url + path, {
      method,
      redirect: "manual",
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? body ?? null : JSON.stringify(json),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    if (response.status >= 400) recordOutput(`refusal of ${method} ${path.split("?", 1)} by an origin`, text);
    return { status: response.status, headers: response.headers, bytes, text, json: <T>() => JSON.parse(text) as T };
  }

  async signIn(email: string, password = PASSWORD): Promise<string> {
    const reply = await this.call("POST", "/login", { json: { email, password } });
    if (reply.status !== 200) {
      throw new Error(`The sign-in of "${email}" was answered with ${reply.status}: ${reply.text}`);
    }
    return useSecret("token of an origin", reply.json<{ token: string }>().token);
  }

  adminToken(): Promise<string> {
    return this.signIn(this.admin.email, this.admin.password);
  }

  /** What its object store is read and written with. */
  async objectTokens(): Promise<{ readonly reader: string; readonly writer: string }> {
    using state = await State.open(this.dataDir, 0);
    return { reader: objectToken(state, "reader"), writer: objectToken(state, "writer") };
  }

  /** Makes an account and signs it in. */
  async user(role: Role, email = `${role.toLowerCase()}@example.com`): Promise<{ email: string; token: string }> {
    const token = await this.adminToken();
    const reply = await this.call("POST", "/users", { token, json: { email, password: PASSWORD, role } });
    if (reply.status !== 200) throw new Error(`The account "${email}" was not made: ${reply.text}`);
    return { email, token: await this.signIn(email) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Tokens of its object store, its key fragment, and what it signs with. */
async function useSecretsOf(dataDir: string): Promise<void> {
  using state = await State.open(dataDir, Date.now());
  for (const { name, value } of state.all("SELECT name, value FROM secrets")) {
    if (value instanceof Uint8Array) useSecret(`secret "${name}" of an origin`, new Uint8Array(value));
  }
}

/** A multipart form with one file, as uploaders send it. */
export function fileForm(bytes: Uint8Array<ArrayBuffer>, fileName: string, field = "data"): FormData {
  const form = new FormData();
  form.set(field, new File([bytes], fileName));
  return form;
}

/** All files below a folder, as relative paths, sorted. */
export async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory) paths.push(...await filesBelow(join(folder, entry.name), `${path}/`));
    else paths.push(path);
  }
  return paths.sort();
}
