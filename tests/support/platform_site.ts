import type { Role } from "../../lib/auth/roles.ts";
import { type Call, OriginSite, PASSWORD, type Reply } from "./origin_site.ts";
import { eventually } from "./eventually.ts";

/** A run as the API shows it, as far as tests look at it. */
export interface ShownRun {
  readonly run_id: string;
  readonly state: string;
  readonly output: string;
  readonly termination_reason: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly statistics: Readonly<Record<string, number>>;
  readonly custom_metadata: unknown;
  readonly custom_metadata_checksum: string | null;
  readonly submitted_by: string;
  readonly num_preceding_items_org: number | null;
  readonly num_preceding_items_platform: number | null;
}

/** An output of an item as the API shows it. */
export interface ShownOutput {
  readonly output_artifact_id: string;
  readonly name: string;
  readonly output: string;
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

/** An item as the API shows it. */
export interface ShownItem {
  readonly item_id: string;
  readonly external_id: string;
  readonly state: string;
  readonly output: string;
  readonly termination_reason: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly custom_metadata_checksum: string | null;
  readonly queue_position_platform: number | null;
  readonly output_artifacts: readonly ShownOutput[];
}

/** One who calls the platform of an {@link OriginSite}. */
export class PlatformUser {
  readonly site: OriginSite;
  readonly token: string;

  constructor(site: OriginSite, token: string) {
    this.site = site;
    this.token = token;
  }

  /** The administrator of the site. */
  static async administrator(site: OriginSite): Promise<PlatformUser> {
    return new PlatformUser(site, await site.adminToken());
  }

  /** A new account, in an organisation of the site. */
  static async create(
    site: OriginSite,
    email: string,
    { role = "Operator" }: { role?: Role } = {},
  ): Promise<PlatformUser> {
    const { token } = await site.user(role, email);
    return new PlatformUser(site, token);
  }

  /** Signs in anew. */
  static async signIn(site: OriginSite, email: string): Promise<PlatformUser> {
    return new PlatformUser(site, await site.signIn(email, PASSWORD));
  }

  /** A call below `/api/v1`. */
  call(method: string, path: string, call: Call = {}): Promise<Reply> {
    return this.site.call(method, `/api/v1${path}`, { token: this.token, ...call });
  }

  /** The JSON of a call that must succeed. */
  async json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const reply = await this.call(method, path, call);
    if (reply.status >= 300) throw new Error(`${method} ${path} was answered with ${reply.status}: ${reply.text}`);
    return reply.json<T>();
  }

  /** Sends a file to the origin. @returns its `download_url` */
  async upload(body: BodyInit): Promise<string> {
    const { upload_url, download_url } = await this.json<{ upload_url: string; download_url: string }>(
      "POST",
      "/inputs",
    );
    const answer = await fetch(upload_url, { method: "PUT", body });
    await answer.body?.cancel();
    if (answer.status !== 200) throw new Error(`The upload was answered with ${answer.status}`);
    return download_url;
  }

  /** Submits a run of the application `checksum`, or of another one. @returns its id */
  async submit(items: readonly unknown[], rest: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const json = { application_id: "checksum", items, ...rest };
    return (await this.json<{ run_id: string }>("POST", "/runs", { json })).run_id;
  }

  run(runId: string): Promise<ShownRun> {
    return this.json("GET", `/runs/${runId}`);
  }

  items(runId: string): Promise<ShownItem[]> {
    return this.json("GET", `/runs/${runId}/items?page_size=100`);
  }

  /** The run once it has ended. */
  async ended(runId: string, limitMs?: number): Promise<ShownRun> {
    await this.until(runId, "TERMINATED", limitMs);
    return await this.run(runId);
  }

  /** Waits until a run is in a state. */
  async until(runId: string, state: string, limitMs?: number): Promise<void> {
    await eventually(`the run is ${state}`, async () => (await this.run(runId)).state === state, limitMs);
  }

  /** Where an artifact's bytes are. */
  async fileUrl(runId: string, { output_artifact_id }: ShownOutput): Promise<string> {
    const reply = await this.call("GET", `/runs/${runId}/artifacts/${output_artifact_id}/file`);
    if (reply.status !== 307) throw new Error(`The artifact was answered with ${reply.status}: ${reply.text}`);
    return reply.headers.get("location") ?? "";
  }
}

/** An item of the application `checksum`. */
export function checksumItem(externalId: string, downloadUrl: string, metadata: unknown = {}) {
  return { external_id: externalId, input_artifacts: [{ name: "file", download_url: downloadUrl, metadata }] };
}
