import { parsePlatformSettings, type PlatformSettings } from "../../lib/config/platform_settings.ts";

/** A request as it came in. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query, as they were on the wire. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A run in the memory of {@link SmallPlatform}; `body` is what was posted. */
export interface SmallRun {
  readonly runId: string;
  readonly body: Record<string, unknown>;
  state: string;
  terminationReason: string | null;
  metadata: unknown;
  checksum: number;
}

type Handler = (match: readonly string[], request: SeenRequest) => Response | undefined;

/** What a version of the application `checksum` expects for each item. */
export const METADATA_SCHEMA = {
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  properties: { checksum_base64_crc32c: { type: "string", minLength: 8 }, taken: { type: "string", format: "date" } },
  required: ["checksum_base64_crc32c"],
  additionalProperties: false,
};
export const VERSIONS = ["1.0.0", "1.10.0-rc.1", "1.10.0", "not-semver", "1.9.0", "2.0.0-alpha", "2.0.0-alpha.1"];
export const TOKEN = "token-of-ada";
const TIME = "2026-01-02T03:04:05Z";
const USER = "auth0|1";

/**
 * A small platform on a free port, in memory, for the faults that a real one cannot be made to have. It knows the application
 * `checksum`, takes one token, and finds runs only by the id of their submission.
 */
export class SmallPlatform implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly runs: SmallRun[] = [];
  /** Whether a repeated `Idempotency-Key` gives the first run. */
  knowsIdempotencyKey = true;
  /** Answers in place of the platform while it returns something; `handled` is called by whoever wants the true answer first. */
  intercept: (request: SeenRequest, handled: () => Response) => Response | undefined | Promise<Response | undefined> =
    () => undefined;
  readonly url: URL;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #keys = new Map<string, string>();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#handle(request),
    );
    this.url = new URL(`http://127.0.0.1:${this.#server.addr.port}/`);
  }

  /** Settings with short pauses. */
  settings(changes: Readonly<Record<string, string>> = {}): PlatformSettings {
    const flags = { AIGNOSTICS_API_ROOT: this.url.href, ...changes };
    return parsePlatformSettings({ flags, environment: () => undefined, files: [] });
  }

  /** `METHOD target` of every request. */
  get calls(): string[] {
    return this.requests.map(({ method, target }) => `${method} ${target.replace("/api/v1", "")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const seen = { method, headers, target: pathname + search, body: await request.text() };
    this.requests.push(seen);
    return await this.intercept(seen, () => this.#answer(seen)) ?? this.#answer(seen);
  }

  #answer(request: SeenRequest): Response {
    const [path = ""] = request.target.split("?");
    if (path === "/health") return Response.json({ status: "UP" });
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
      return new Response("Jwt verification fails", { status: 401, headers: { "content-type": "text/plain" } });
    }
    for (const [route, handler] of this.#routes) {
      const match = new RegExp(`^${route}$`).exec(`${request.method} ${path}`);
      if (match === null) continue;
      const answer = handler(match.slice(1).map(decodeURIComponent), request);
      if (answer !== undefined) return answer;
    }
    return refusal(404, "Not found");
  }

  readonly #routes: readonly [string, Handler][] = [
    ["GET /api/v1/me", () => Response.json(ME)],
    ["GET /api/v1/applications", () => Response.json([SUMMARY])],
    ["GET /api/v1/applications/checksum", () => Response.json(APPLICATION)],
    [
      "GET /api/v1/applications/checksum/versions/([^/]+)",
      ([number]) => VERSIONS.includes(number ?? "") ? Response.json(versionBody(number)) : undefined,
    ],
    ["GET /api/v1/runs", (_, request) => this.#list(request)],
    ["POST /api/v1/runs", (_, request) => this.#submit(request)],
    ["GET /api/v1/runs/([^/]+)", ([id]) => this.#with(id, (run) => Response.json(runBody(run)))],
    ["POST /api/v1/runs/([^/]+)/cancel", ([id]) => this.#with(id, (run) => this.#cancel(run))],
    ["PUT /api/v1/runs/([^/]+)/custom-metadata", ([id], request) => this.#with(id, (run) => putMetadata(run, request))],
  ];

  #list({ target }: SeenRequest): Response {
    const query = new URLSearchParams(target.split("?")[1]);
    const page = Number(query.get("page") ?? 1);
    const size = Number(query.get("page_size") ?? 50);
    const wanted = /"([^"]*)"/.exec(query.get("custom_metadata") ?? "")?.[1];
    const runs = this.runs.filter(({ metadata }) => wanted === undefined || JSON.stringify(metadata).includes(wanted));
    return Response.json(runs.slice((page - 1) * size, page * size).map(runBody));
  }

  #submit({ headers, body }: SeenRequest): Response {
    const key = headers.get("idempotency-key");
    const before = this.knowsIdempotencyKey && key !== null ? this.#keys.get(key) : undefined;
    const run_id = before ?? this.add(JSON.parse(body)).runId;
    if (key !== null) this.#keys.set(key, run_id);
    return Response.json({ run_id }, { status: 201 });
  }

  /** A run that somebody else has submitted. */
  add(body: Record<string, unknown> = { custom_metadata: null }): SmallRun {
    const run: SmallRun = {
      ...{ runId: crypto.randomUUID(), body, state: "PENDING", terminationReason: null },
      ...{ metadata: body.custom_metadata, checksum: 1 },
    };
    this.runs.push(run);
    return run;
  }

  #cancel(run: SmallRun): Response {
    if (run.state === "TERMINATED") return refusal(409, "Run is already terminated");
    run.state = "TERMINATED";
    run.terminationReason = "CANCELED_BY_USER";
    return new Response(null, { status: 202 });
  }

  #with(id: string | undefined, answer: (run: SmallRun) => Response): Response | undefined {
    const run = this.runs.find(({ runId }) => runId === id);
    return run === undefined ? undefined : answer(run);
  }
}

function putMetadata(run: SmallRun, { body }: SeenRequest): Response {
  const { custom_metadata, custom_metadata_checksum } = JSON.parse(body);
  if (custom_metadata_checksum !== undefined && custom_metadata_checksum !== String(run.checksum)) {
    return refusal(412, "Checksum mismatch");
  }
  run.metadata = custom_metadata;
  return Response.json({ custom_metadata_checksum: String(++run.checksum) });
}

/** How the platform refuses, in FastAPI's form. */
export function refusal(status: number, detail: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json({ detail }, { status, headers });
}

function runBody({ runId, state, terminationReason, metadata, checksum }: SmallRun): unknown {
  const counts = { item_pending_count: state === "PENDING" ? 1 : 0, item_skipped_count: state === "PENDING" ? 0 : 1 };
  return {
    ...{ run_id: runId, application_id: "checksum", version_number: "1.10.0", state, output: "NONE" },
    ...{ termination_reason: terminationReason, error_code: null, error_message: null },
    statistics: {
      ...{ item_count: 1, item_processing_count: 0, item_user_error_count: 0, item_system_error_count: 0 },
      ...{ item_succeeded_count: 0, ...counts },
    },
    ...{ submitted_at: TIME, submitted_by: USER },
    ...{ custom_metadata: metadata, custom_metadata_checksum: String(checksum), field_of_tomorrow: {} },
  };
}

function versionBody(number: string | undefined): unknown {
  return {
    ...{ version_number: number, changelog: "", released_at: TIME },
    input_artifacts: [{ name: "file", mime_type: "application/octet-stream", metadata_schema: METADATA_SCHEMA }],
    output_artifacts: [{
      ...{ name: "checksums", mime_type: "application/json", metadata_schema: {} },
      ...{ scope: "ITEM", visibility: "EXTERNAL" },
    }],
  };
}

const ABOUT = { application_id: "checksum", name: "Checksum", regulatory_classes: ["RUO"], description: "Adds up" };
const SUMMARY = { ...ABOUT, latest_version: { number: "1.10.0", released_at: TIME } };
const APPLICATION = { ...ABOUT, versions: VERSIONS.map((number) => ({ number, released_at: TIME })) };
const ME = {
  user: { id: USER, email: "ada@example.com", name: "Ada" },
  organization: {
    ...{ id: "org_1", name: "acme" },
    aignostics_bucket_hmac_access_key_id: "GOOG1ID",
    aignostics_bucket_hmac_secret_access_key: "hmac-secret-value",
    aignostics_bucket_name: "bucket",
    aignostics_bucket_protocol: "gs",
    aignostics_logfire_token: "logfire-token-value",
    aignostics_sentry_dsn: "https://sentry-key@example.com/1",
  },
};
