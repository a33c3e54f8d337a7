import { z } from "zod";
import { ResourceApi } from "../../lib/api/client.ts";
import type { Role } from "../../lib/auth/roles.ts";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { UpstreamError } from "../../lib/errors.ts";
import { type HttpClient, httpClient, type HttpRequest } from "../../lib/http/client.ts";
import { collect } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";

/** Name and password of an account. */
export interface Account {
  readonly email: string;
  readonly password: string;
}

const ANSWER_LIMIT_BYTES = 64 * 1024;
const PASSWORD_BYTES = 18;
const devicesSchema = z.array(z.object({ kid: z.string() }));
const deviceSchema = z.object({ email: z.string(), password: z.string() });

/** Administers an origin through its HTTP API, signed in as its administrator. */
export class OriginAdmin {
  readonly #baseUrl: URL;
  readonly #http: HttpClient = httpClient("API");
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #token: string;

  private constructor(baseUrl: URL, token: string, { clock, signal }: { clock: Clock; signal: AbortSignal }) {
    this.#baseUrl = baseUrl;
    this.#token = token;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Signs the administrator in. */
  static async signIn(
    baseUrl: URL,
    { email, password }: Account,
    deps: { clock: Clock; signal: AbortSignal },
  ): Promise<OriginAdmin> {
    const api = new ResourceApi({ baseUrl, http: httpClient("API"), clock: deps.clock });
    return new OriginAdmin(baseUrl, await api.login(email, password, deps.signal), deps);
  }

  /** Makes an account with a generated password. */
  async createAccount(email: string, role: Role): Promise<Account> {
    const password = crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES)).toBase64({ alphabet: "base64url" });
    await this.#post("users", { email, password, role });
    return { email, password };
  }

  /** Makes the account of a device; its name and password are the origin's choice. */
  async createDevice(): Promise<Account> {
    return deviceSchema.parse(await this.#post("devices", undefined));
  }

  /** The secret that opens image archives. */
  async keyFragment(): Promise<Bytes> {
    const token = () => Promise.resolve(this.#token);
    const api = new ResourceApi({
      baseUrl: this.#baseUrl,
      http: this.#http,
      clock: this.#clock,
      tokens: { token, renew: token },
    });
    return await api.keyFragment(this.#signal);
  }

  /** The small part of a resource, as the first device that has enrolled gets it. */
  async smallPart({ folder, name }: { folder: string; name: string }): Promise<{ path: string; sizeBytes: number }> {
    const [device] = devicesSchema.parse(JSON.parse(await this.#get("devices")));
    const path = `v2/resources/${folder}/${name}`;
    const text = await this.#get(`${path}?device=${device?.kid ?? ""}`);
    return { path: this.#urlOf(path).href, sizeBytes: utf8(text).byteLength };
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return JSON.parse(await this.#call(path, { method: "POST", headers, ...sent }));
  }

  async #get(path: string): Promise<string> {
    return await this.#call(path, { method: "GET" });
  }

  async #call(path: string, { headers, ...request }: HttpRequest & { readonly method: string }): Promise<string> {
    const { status, body } = await this.#http(this.#urlOf(path), {
      ...request,
      headers: { ...headers, "authorization": `Bearer ${this.#token}` },
      signal: this.#signal,
    });
    const text = new TextDecoder().decode(await collect(body, ANSWER_LIMIT_BYTES, "The answer of the origin"));
    if (status === 200) return text;
    const call = `${request.method} ${this.#urlOf(path).pathname}`;
    throw new UpstreamError("API", `The origin answered "${call}" with status ${status}`);
  }

  #urlOf(path: string): URL {
    return new URL(path, `${this.#baseUrl.href.replace(/\/+$/, "")}/`);
  }
}
