import { utf8 } from "../../lib/bytes.ts";
import { NotSignedInError } from "../../lib/errors.ts";
import { streamOf } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { ObjectFolder, ObjectName } from "../object_store.ts";
import { baseOf } from "../public_url.ts";
import { readSecret } from "../secrets.ts";
import { type Permit, permitHolds, signPermit } from "../signed_url.ts";
import type { State } from "../state.ts";
import type { VersionDocument } from "./application.ts";

/**
 * Buckets of the platform. Their names are none that the object store's own calls take: its tokens, which every device
 * has, reach nothing in them.
 */
export const PLATFORM_BUCKETS = { outputs: "_outputs", inputs: "_inputs", documents: "_documents" } as const;

/** What a file is sent as. */
export interface FilePresentation {
  readonly mimeType: string;
  /** Name under which a browser saves it; without one it shows it. */
  readonly saveAs?: string | undefined;
}

/** A signed URL that was found to be good: what it allows. */
export interface FilePermit extends FilePresentation {
  readonly object: ObjectName;
}

/** Path of the platform's files from the origin's root. */
export const FILES_PATH = "/api/files";

const FILE_PATH = /\/api\/files\/(_[a-z]+)\/([0-9a-f-]{36})$/;
const DOWNLOAD_SECONDS = 3600;
/** Clients are told that inputs must be readable for six days. */
const INPUT_SECONDS = 7 * 24 * 3600;

/** Signed URLs of the platform's files: whoever has one needs no token. */
export class SignedFiles {
  readonly #state: State;
  readonly #objects: ObjectFolder;
  readonly #clock: Clock;
  readonly #base: string;

  constructor({ state, objects, clock, publicUrl }: {
    readonly state: State;
    readonly objects: ObjectFolder;
    readonly clock: Clock;
    readonly publicUrl: URL;
  }) {
    this.#state = state;
    this.#objects = objects;
    this.#clock = clock;
    this.#base = `${baseOf(publicUrl)}${FILES_PATH}`;
  }

  /** Where the bytes of an output are for the next hour. */
  outputUrl(key: string, presentation: FilePresentation): string {
    return this.#sign("GET", { bucket: PLATFORM_BUCKETS.outputs, key }, DOWNLOAD_SECONDS, presentation);
  }

  /** Where a document is for the next hour. */
  async documentUrl(document: VersionDocument, saveAs?: string): Promise<string> {
    const object = { bucket: PLATFORM_BUCKETS.documents, key: document.id };
    if (this.#objects.find(object) === undefined) await this.#objects.write(object, streamOf(utf8(document.content)));
    return this.#sign("GET", object, DOWNLOAD_SECONDS, { mimeType: document.mimeType, saveAs });
  }

  /** Where a file for a run is sent to, and where it is then, for a week. */
  inputUrls(): { uploadUrl: string; downloadUrl: string; expiresMs: number } {
    const object = { bucket: PLATFORM_BUCKETS.inputs, key: crypto.randomUUID() };
    const presentation = { mimeType: "application/octet-stream" };
    return {
      uploadUrl: this.#sign("PUT", object, INPUT_SECONDS, presentation),
      downloadUrl: this.#sign("GET", object, INPUT_SECONDS, presentation),
      expiresMs: (this.#nowSeconds() + INPUT_SECONDS) * 1000,
    };
  }

  /** Whether a URL leads to a file of this platform: also one that was signed when the origin had another address. */
  isOwn(url: URL): boolean {
    return url.href.startsWith(`${this.#base}/`) || this.#permit("GET", url) !== undefined;
  }

  /** What a signed URL allows. @throws {NotSignedInError} it is not ours for this method, or has expired */
  permitOf(method: "GET" | "PUT", url: URL): FilePermit {
    const permit = this.#permit(method, url);
    if (permit === undefined) throw new NotSignedInError("The signed URL is not valid for this call or has expired");
    return permit;
  }

  #permit(method: "GET" | "PUT", { pathname, searchParams: query }: URL): FilePermit | undefined {
    const [, bucket = "", key = ""] = FILE_PATH.exec(pathname) ?? [];
    const presentation = { mimeType: query.get("type") ?? "", saveAs: query.get("name") ?? undefined };
    const permit = permitFor(method, { bucket, key }, Number(query.get("expires")), presentation);
    const check = { key: readSecret(this.#state, "url_signing"), nowMs: this.#clock.now() };
    if (!permitHolds(permit, query.get("signature") ?? "", check)) return undefined;
    return { object: { bucket, key }, ...presentation };
  }

  #sign(method: "GET" | "PUT", object: ObjectName, lifeSeconds: number, presentation: FilePresentation): string {
    const permit = permitFor(method, object, this.#nowSeconds() + lifeSeconds, presentation);
    const query = new URLSearchParams({ expires: String(permit.expires), type: presentation.mimeType });
    if (presentation.saveAs !== undefined) query.set("name", presentation.saveAs);
    query.set("signature", signPermit(permit, readSecret(this.#state, "url_signing")));
    return `${this.#base}/${object.bucket}/${object.key}?${query}`;
  }

  #nowSeconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}

/** What is signed: the path, and how the file is presented. */
function permitFor(
  method: "GET" | "PUT",
  { bucket, key }: ObjectName,
  expires: number,
  { mimeType, saveAs }: FilePresentation,
): Permit {
  const query = new URLSearchParams([["type", mimeType], ...(saveAs === undefined ? [] : [["name", saveAs]])]);
  return { method, path: `${FILES_PATH}/${bucket}/${key}?${query}`, expires };
}
