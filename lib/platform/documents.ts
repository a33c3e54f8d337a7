import { UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { type ByteStream, collect } from "../streams.ts";
import { writeStream } from "../system/atomic_file.ts";
import type { PlatformApi } from "./api.ts";
import { documentAnswer, type DocumentData, documentsAnswer } from "./application_wire.ts";
import type { ReadOptions } from "./reading.ts";

const CONTENT_LIMIT_BYTES = 64 * 1024 * 1024;

/** Names one release document. */
export interface DocumentName {
  /** Which application. */
  readonly applicationId: string;
  /** Which version of it. */
  readonly version: string;
  /** Which document of it. */
  readonly name: string;
}

/** Release documents of versions: notices, manuals, certificates. */
export class Documents {
  readonly #api: PlatformApi;
  readonly #http: HttpClient;

  /** @internal */
  constructor(api: PlatformApi, http: HttpClient) {
    this.#api = api;
    this.#http = http;
  }

  /** The documents of a version. @throws {NotFoundError} no such version */
  async list(applicationId: string, version: string, options: ReadOptions = {}): Promise<DocumentData[]> {
    const path = ["applications", applicationId, "versions", version, "documents"];
    return await this.#api.read(documentsAnswer, { path, limits: this.#api.limits.applicationVersion, ...options });
  }

  /** What is known of one document. @throws {NotFoundError} no such document */
  async details(document: DocumentName, options: ReadOptions = {}): Promise<DocumentData> {
    const limits = this.#api.limits.applicationVersion;
    return await this.#api.read(documentAnswer, { path: pathOf(document), limits, ...options });
  }

  /** The document as a stream. Read it to its end, or cancel it. */
  async open(document: DocumentName, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<ByteStream> {
    const limits = this.#api.limits.applicationVersion;
    const url = await this.#api.location({ path: [...pathOf(document), "content"], limits, signal });
    const answer = await this.#http(url, { timeoutMs: limits.timeoutMs, signal }); // without the token: it is another server
    if (answer.status === 200) return answer.body;
    await answer.body.cancel();
    throw new UpstreamError("API", `The document "${document.name}" cannot be fetched: status ${answer.status}`);
  }

  /** The document in memory, at most 64 MiB. @throws {TooLargeError} */
  async readContent(
    document: DocumentName,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return await collect(await this.open(document, options), CONTENT_LIMIT_BYTES, "The document");
  }

  /** Writes the document to this file, which appears, or is replaced, when all of it has come. */
  async downloadToPath(
    document: DocumentName,
    path: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    await writeStream(path, await this.open(document, options));
  }
}

function pathOf({ applicationId, version, name }: DocumentName): string[] {
  return ["applications", applicationId, "versions", version, "documents", name];
}
