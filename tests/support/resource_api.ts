import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { Role } from "../../lib/auth/roles.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { useSecret } from "./witness.ts";

/** An account of {@link SmallResourceApi}. */
export interface TestAccount {
  password: string;
  role: Role;
}

/**
 * A small true Resource API on a free port: it signs its tokens (ES256), checks them, and speaks the v1 wire, with
 * Pascal-case keys as .NET servers do. It keeps resources in memory and does not encrypt them.
 */
export class SmallResourceApi implements AsyncDisposable {
  readonly accounts = new Map<string, TestAccount>();
  /** By `folder/name`. */
  readonly resources = new Map<string, Bytes>();
  /** `METHOD /path` of every request, in order. */
  readonly calls: string[] = [];
  readonly url: URL;
  keyFragment: Bytes = new TextEncoder().encode("fragment-of-a-key-0b7e");
  hardware: string | undefined;
  /** Answers in place of the API while it returns one. */
  intercept: (request: Request) => Response | undefined | Promise<Response | undefined> = () => undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #keys: CryptoKeyPair;
  readonly #jwk: JWK;
  #tokenCount = 0;
  readonly #validTokens = new Map<string, string>();

  private constructor(keys: CryptoKeyPair, jwk: JWK) {
    this.#keys = keys;
    this.#jwk = jwk;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#handle(request),
    );
    this.url = new URL(`http://127.0.0.1:${this.#server.addr.port}`);
  }

  static async start(accounts: Readonly<Record<string, TestAccount>> = {}): Promise<SmallResourceApi> {
    const keys = await generateKeyPair("ES256");
    const api = new SmallResourceApi(keys, { ...await exportJWK(keys.publicKey), kid: "1", alg: "ES256" });
    for (const [email, account] of Object.entries(accounts)) api.accounts.set(email, account);
    return api;
  }

  get jwksUrl(): URL {
    return new URL("/.well-known/jwks.json", this.url);
  }

  /** Forgets all tokens: every call until the next sign-in is answered with 401. */
  revokeTokens(): void {
    this.#validTokens.clear();
  }

  /** A token as `POST /login` gives it, or one that differs from it. */
  async token(
    email: string,
    { audience = "Annotators/OrangePi/Admins", issuer = "AzaionApi", expires = "4h" } = {},
  ): Promise<string> {
    const token = await new SignJWT({ nameid: `id-${email}`, unique_name: email, role: this.accounts.get(email)?.role })
      .setProtectedHeader({ alg: "ES256", kid: "1" })
      .setIssuer(issuer).setAudience(audience)
      .setJti(String(++this.#tokenCount)).setIssuedAt().setExpirationTime(expires)
      .sign(this.#keys.privateKey);
    this.#validTokens.set(useSecret("token of the small API", token), email);
    return token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    this.calls.push(`${request.method} ${pathname}`);
    const instead = await this.intercept(request);
    if (instead !== undefined) return instead;
    if (pathname === "/.well-known/jwks.json") return Response.json({ keys: [this.#jwk] });
    if (pathname === "/login") return await this.#login(await request.json());
    const email = this.#validTokens.get(request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "");
    return email === undefined ? new Response(null, { status: 401 }) : await this.#signedIn(request, pathname, email);
  }

  async #login({ email = "", password }: Record<string, string>): Promise<Response> {
    const account = this.accounts.get(email);
    if (account === undefined) return refusal(10, "No such email found.");
    if (account.password !== password) return refusal(30, "Passwords do not match.");
    useSecret("password of an account", account.password);
    return Response.json({ Token: await this.token(email) });
  }

  async #signedIn(request: Request, pathname: string, email: string): Promise<Response> {
    const [area, verb, folder = ""] = pathname.slice(1).split("/").map(decodeURIComponent);
    if (pathname === "/users/current") {
      return Response.json({ Id: `id-${email}`, Email: email, Role: this.accounts.get(email)?.role, Extra: [] });
    }
    if (pathname === "/binary-split/key-fragment") return new Response(useSecret("key fragment", this.keyFragment));
    if (pathname === "/resources/check") return this.#check((await request.json()).hardware);
    if (area === "resources" && verb === "list") return Response.json(this.#names(folder));
    if (area === "resources" && verb === "get") return this.#get(`${folder}/${(await request.json()).fileName}`);
    if (area === "resources" && verb !== undefined) return await this.#put(verb, await request.formData());
    return new Response(null, { status: 404 });
  }

  #check(hardware: string): Response {
    this.hardware ??= hardware;
    return this.hardware === hardware ? new Response() : refusal(40, "Hardware mismatch! You are not allowed.");
  }

  #names(folder: string): string[] {
    return [...this.resources.keys()].filter((name) => name.startsWith(`${folder}/`)).map((name) =>
      name.slice(folder.length + 1)
    );
  }

  #get(name: string): Response {
    const bytes = this.resources.get(name);
    return bytes === undefined ? refusal(50, "Wrong resource file name.") : new Response(bytes);
  }

  async #put(folder: string, form: FormData): Promise<Response> {
    const file = form.get("data");
    if (!(file instanceof File)) return refusal(60, "No file provided.");
    this.resources.set(`${folder}/${file.name}`, new Uint8Array(await file.arrayBuffer()));
    return new Response();
  }
}

function refusal(ErrorCode: number, Message: string): Response {
  return Response.json({ ErrorCode, Message }, { status: 409 });
}
