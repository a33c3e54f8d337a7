import { z } from "zod";
import type { Bytes } from "../bytes.ts";
import { NotAllowedError, NotFoundError, NotSignedInError, TooLargeError, UpstreamError } from "../errors.ts";
import type { HardwareFacts } from "../hardware/probe.ts";
import type { HttpAnswer } from "../http/client.ts";
import { collect } from "../streams.ts";
import { ApiCalls, type ApiCallsDeps, jsonPost } from "./calls.ts";
import { jsonOrUndefined } from "./wire.ts";

/** What the API says of a device. */
export interface EnrolAnswer {
  /** Name of the device's key. */
  readonly kid: string;
  readonly state: "pending" | "approved" | "revoked";
  /** Keys that the origin takes manifests of; Ed25519, base64url. */
  readonly publishers: readonly { readonly kid: string; readonly name: string; readonly publicX: string }[];
}

/** A small part as the API gave it. */
export interface SmallPartAnswer {
  readonly bytes: Bytes;
  /** In lower case, without parameters: it alone tells the format. */
  readonly mediaType: string;
  /** With its quotes, as it came. */
  readonly etag: string | undefined;
}

/** Which small part, and for which device. */
export interface SmallPartRequest {
  readonly folder: string;
  readonly name: string;
  /** The one that the origin chooses, unless it is named. */
  readonly version?: string | undefined;
  readonly kid: string;
  /** Of a small part that is at hand. */
  readonly etag?: string | undefined;
}

/** A version to publish. */
export interface VersionUpload {
  readonly folder: string;
  readonly name: string;
  /** JWS. */
  readonly manifest: string;
  readonly contentKey: Bytes;
}

const SMALL_PART_LIMIT_BYTES = 64 * 1024;
const OFFER_LIMIT_BYTES = 64 * 1024;

/** Header in which a device says which key its grant is to be made for. */
export const DEVICE_HEADER = "x-tally-device";

const publisherKey = z.object({ crv: z.literal("Ed25519"), x: z.string().regex(/^[A-Za-z0-9_-]{43}$/) });
const offerAnswer = z.object({ formats: z.array(z.string()) });
const enrolAnswer: z.ZodType<EnrolAnswer> = z.object({
  kid: z.string(),
  state: z.enum(["pending", "approved", "revoked"]),
  publishers: z.array(
    z.object({ kid: z.string(), name: z.string(), jwk: publisherKey })
      .transform(({ kid, name, jwk }) => ({ kid, name, publicX: jwk.x })),
  ),
});
const versionsAnswer = z.array(z.object({ version: z.string(), seq: z.int() }));

/** Client of what an origin offers beyond the Resource API: devices, and resources in format v2. Errors are those of the Resource API's client. */
export class V2Api {
  readonly #calls: ApiCalls;

  constructor(deps: ApiCallsDeps) {
    this.#calls = new ApiCalls(deps);
  }

  /**
   * Whether the server knows format v2; `unclear` when what answers is neither a server that does nor one that does not, such as a network that wants
   * a sign-in first. A server that cannot be asked now is an error, and not one that does not know it.
   */
  async offer(signal?: AbortSignal): Promise<"yes" | "no" | "unclear"> {
    try {
      const read = ({ body }: HttpAnswer) => collect(body, OFFER_LIMIT_BYTES, "The answer of the API");
      const text = new TextDecoder().decode(await this.#calls.repeated(["v2"], { signal }, read));
      const offered = offerAnswer.safeParse(jsonOrUndefined(text)).data?.formats;
      return offered === undefined ? "unclear" : offered.includes("v2") ? "yes" : "no";
    } catch (error) {
      if (NO_SUCH_CALL.some((kind) => error instanceof kind)) return "no";
      if (UNCLEAR.some((kind) => error instanceof kind)) return "unclear";
      throw error;
    }
  }

  /** Makes this device known, or asks how it stands. */
  async enroll(
    { publicX, hardware }: { readonly publicX: string; readonly hardware: HardwareFacts },
    signal?: AbortSignal,
  ): Promise<EnrolAnswer> {
    const publicKey = { kty: "OKP", crv: "X25519", x: publicX };
    const read = (answer: HttpAnswer) => this.#calls.json(answer, enrolAnswer);
    return await this.#calls.signedIn(["devices", "enroll"], jsonPost({ publicKey, hardware }, signal), read);
  }

  /** The small part with a grant for the device, or `unchanged` when it is the one of the ETag. */
  async smallPart(request: SmallPartRequest, signal?: AbortSignal): Promise<SmallPartAnswer | "unchanged"> {
    const { folder, name, version, kid, etag } = request;
    const headers = { [DEVICE_HEADER]: kid, ...(etag === undefined ? {} : { "if-none-match": etag }) };
    const path = ["v2", "resources", folder, version === undefined ? name : `${name}@${version}`];
    return await this.#calls.signedIn(path, { headers, signal }, async (answer) => {
      if (answer.status === 304) return await dropped(answer);
      const bytes = await this.#calls.limited(answer, SMALL_PART_LIMIT_BYTES);
      const [mediaType = ""] = (answer.headers.get("content-type") ?? "").split(";");
      return { bytes, mediaType: mediaType.trim().toLowerCase(), etag: answer.headers.get("etag") ?? undefined };
    });
  }

  /** Publishes a version, whose big part is in the CDN already. The same once more changes nothing. */
  async publish({ folder, name, manifest, contentKey }: VersionUpload, signal?: AbortSignal): Promise<void> {
    const cek = contentKey.toBase64({ alphabet: "base64url", omitPadding: true });
    const read = (answer: HttpAnswer) => this.#calls.done(answer);
    await this.#calls.signedIn(["v2", "resources", folder, name], jsonPost({ manifest, cek }, signal), read);
  }

  /** Highest `seq` among the published versions of a resource, withdrawn ones too; 0 when there is none. */
  async highestSeq(folder: string, name: string, signal?: AbortSignal): Promise<number> {
    const read = (answer: HttpAnswer) => this.#calls.json(answer, versionsAnswer);
    const versions = await this.#calls.signedIn(["v2", "resources", folder, name, "versions"], { signal }, read);
    return versions.reduce((highest, { seq }) => Math.max(highest, seq), 0);
  }
}

/** How servers answer to a path that they do not know. */
const NO_SUCH_CALL = [NotFoundError, NotSignedInError, NotAllowedError];
/** A path that is known for other methods only, a redirect, more than anybody asked for. */
const UNCLEAR = [UpstreamError, TooLargeError];

async function dropped(answer: HttpAnswer): Promise<"unchanged"> {
  await answer.body.cancel();
  return "unchanged";
}
