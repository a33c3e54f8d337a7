import { z } from "zod";
import { UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { ByteStream } from "../streams.ts";
import type { PlatformApi } from "./api.ts";

const LAST_WAIT_MS = 120_000;

const inputAnswer: z.ZodType<{ upload_url: string; download_url: string }> = z.object({
  upload_url: z.string(),
  download_url: z.string(),
});

/** Files for runs, where the platform takes them itself. An origin does; elsewhere they lie in a bucket of one's own. */
export class Inputs {
  readonly #api: PlatformApi;
  readonly #http: HttpClient;

  /** @internal */
  constructor(api: PlatformApi, http: HttpClient) {
    this.#api = api;
    this.#http = http;
  }

  /**
   * Sends a file, once, and gives the `download_url` for an input artifact. It is good for some days.
   * @param sizeBytes exactly as much as `data` has
   * @throws {NotFoundError} this platform takes no files
   */
  async upload(
    data: ByteStream,
    sizeBytes: number,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<string> {
    const { submitTimeoutMs: timeoutMs } = this.#api.limits;
    const place = await this.#api.write(inputAnswer, { method: "POST", path: ["inputs"], timeoutMs, signal });
    const url = this.#api.fileUrl(place.upload_url); // signed: it gets no token
    const sent = { body: data, bodyBytes: sizeBytes, timeoutMs: LAST_WAIT_MS, signal };
    const { status, body } = await this.#http(url, { method: "PUT", ...sent });
    await body.cancel();
    if (status === 200 || status === 201 || status === 204) return place.download_url;
    throw new UpstreamError("API", `The API at ${this.#api.host} does not take the file: status ${status}`);
  }
}
