import type { User } from "../auth/roles.ts";
import type { Bytes } from "../bytes.ts";
import { ConflictError, NotSignedInError } from "../errors.ts";
import type { HttpAnswer } from "../http/client.ts";
import { ApiCalls, type ApiCallsDeps, jsonPost } from "./calls.ts";
import { loginAnswer, namesAnswer, userAnswer } from "./wire.ts";

const KEY_FRAGMENT_LIMIT_BYTES = 64 * 1024;
/** Largest resource that is taken from the API as a whole; small parts have 3 KiB. */
const RESOURCE_LIMIT_BYTES = 16 * 1024 * 1024;

/** What the API needs to know to encrypt a resource for one user on one device. */
export interface ResourceRequest {
  /** May be empty: `cdn.yaml` lies in the empty folder. */
  readonly folder: string;
  readonly name: string;
  readonly password: string;
  readonly hardware: string;
}

/** A resource to publish. */
export interface ResourceUpload {
  readonly folder: string;
  readonly name: string;
  readonly data: Bytes;
}

/**
 * Client of the Resource API. All calls may run at the same time, and all may be repeated without harm, so each is:
 * after a transient failure (unreachable, silent, broken off, status 5xx) up to three times in all; after 401 or 403 once, with a new token.
 *
 * Errors of every call: `NotSignedInError` (401), `NotAllowedError` (403), `NotFoundError` (404), `ConflictError` (409,
 * with the server's `ErrorCode` as `reason`), `RateLimitedError` (429), `UnavailableError` (unreachable, 5xx),
 * `UpstreamTimeoutError`, `UpstreamError` (an answer that is none of this API), `InterruptedError`.
 * Messages quote the server's sentence where it gave one.
 */
export class ResourceApi {
  readonly #calls: ApiCalls;
  readonly #done = (answer: HttpAnswer) => this.#calls.done(answer);

  constructor(deps: ApiCallsDeps) {
    this.#calls = new ApiCalls(deps);
  }

  /** Exchanges name and password for a token. @throws {NotSignedInError} the API refuses them, with 401 or 409 */
  async login(email: string, password: string, signal?: AbortSignal): Promise<string> {
    try {
      const request = jsonPost({ email, password }, signal);
      return await this.#calls.repeated(["login"], request, (answer) => this.#calls.json(answer, loginAnswer));
    } catch (error) {
      if (error instanceof ConflictError) throw new NotSignedInError(error.message, { cause: error });
      throw error;
    }
  }

  /** The account that the token stands for. */
  async currentUser(signal?: AbortSignal): Promise<User> {
    const read = (answer: HttpAnswer) => this.#calls.json(answer, userAnswer);
    return await this.#calls.signedIn(["users", "current"], { signal }, read);
  }

  /** A resource of at most 16 MiB, encrypted for this user and hardware. */
  async getResource(request: ResourceRequest, signal?: AbortSignal): Promise<Bytes> {
    const { folder, name, password, hardware } = request;
    return await this.#calls.signedIn(
      ["resources", "get", folder],
      jsonPost({ password, hardware, fileName: name }, signal),
      async (answer) => await this.#calls.limited(await this.#calls.octets(answer), RESOURCE_LIMIT_BYTES),
    );
  }

  /** Publishes a resource, or replaces it. */
  async uploadResource({ folder, name, data }: ResourceUpload, signal?: AbortSignal): Promise<void> {
    const body = new FormData();
    body.set("data", new File([data], name, { type: "application/octet-stream" }));
    await this.#calls.signedIn(["resources", folder], { method: "POST", body, signal }, this.#done);
  }

  /** Binds the hardware to the account at first use. @throws {ConflictError} the account is bound to other hardware */
  async checkHardware(hardware: string, signal?: AbortSignal): Promise<void> {
    await this.#calls.signedIn(["resources", "check"], jsonPost({ hardware }, signal), this.#done);
  }

  /** Names of the resources in a folder. */
  async listResources(folder: string, signal?: AbortSignal): Promise<string[]> {
    const read = (answer: HttpAnswer) => this.#calls.json(answer, namesAnswer);
    return await this.#calls.signedIn(["resources", "list", folder], { method: "POST", signal }, read);
  }

  /** The secret that opens the image archive, at most 64 KiB. Wipe it after use. */
  async keyFragment(signal?: AbortSignal): Promise<Bytes> {
    return await this.#calls.signedIn(["binary-split", "key-fragment"], { signal }, async (answer) => {
      const fragment = await this.#calls.limited(await this.#calls.octets(answer), KEY_FRAGMENT_LIMIT_BYTES);
      if (fragment.byteLength === 0) throw this.#calls.strange("an empty key fragment");
      return fragment;
    });
  }
}
