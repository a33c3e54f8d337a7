import type { Bytes } from "../bytes.ts";
import { parseSettings } from "../config/config.ts";
import { OPTIONS } from "../config/options.ts";
import { aesKey } from "../crypto/keys.ts";
import { ConfigurationError, TooLargeError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { LoadedResource } from "../resources/load.ts";
import type { PublishedResource } from "../resources/upload.ts";
import { createServices, type Services } from "../services.ts";
import { parseName } from "../split/names.ts";
import { type ByteStream, collect, streamOf } from "../streams.ts";
import { systemClock } from "../system/clock.ts";
import { type Environment, processEnvironment } from "../system/environment.ts";
import { type ApiAccount, readApiAccount } from "./config_file.ts";

/** Largest resource that is given back as one array; larger ones only as a stream. */
const ARRAY_LIMIT_BYTES = 2 ** 31 - 1;

/** Where an {@link ApiClient} takes its settings from. */
export interface ApiClientOptions {
  /** File with `api: {url, email, password}`; `config.yaml` without it. Not read when `account` is given. */
  readonly configPath?: string;
  /** Used in place of a file and the environment. */
  readonly account?: ApiAccount;
  /** Any setting of the program, by its flag: `{ "model-cache-dir": "/var/cache/models" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The environment of this process without it. */
  readonly environment?: Environment;
}

/**
 * What a training script needs of the Resource API and the CDN: the library interface of the Azaion loader, with streams
 * beside the arrays. Names are checked as everywhere; keys are key strings that the caller brings.
 *
 * Methods fail with the errors of `lib/errors.ts`; call {@link ApiClient.close} at the end, it waits for the cache.
 */
export class ApiClient implements AsyncDisposable {
  readonly #services: Services;
  readonly #account: ApiAccount;

  private constructor(services: Services, account: ApiAccount) {
    this.#services = services;
    this.#account = account;
  }

  /** Reads the settings; signs nobody in yet. @throws {ConfigurationError} */
  static async open(options: ApiClientOptions = {}): Promise<ApiClient> {
    const environment = options.environment ?? processEnvironment;
    const account = options.account ?? await readApiAccount(options.configPath ?? "config.yaml", environment);
    const flags = { ...knownFlags(options.settings ?? {}), "resource-api-url": account.url };
    const settings = parseSettings({ flags, environment, file: {} });
    return new ApiClient(await createServices(settings, { log: silentLogger, clock: systemClock }), account);
  }

  /** Signs in. @throws {NotSignedInError} */
  async login(): Promise<void> {
    const { email, password } = this.#account;
    await this.#services.session.signIn({ email, password });
  }

  /** Puts bytes as they are into a folder of the API, which may be empty. */
  async uploadFile(name: string, bytes: Bytes, folder = ""): Promise<void> {
    await this.#services.api.uploadResource({ ...resourceOf(name, folder), data: bytes });
  }

  /** A resource of the API, opened with the key of this user and hardware. At most 16 MiB. */
  async loadBytes(name: string, folder = ""): Promise<Bytes> {
    return await this.#services.readApiResource(resourceOf(name, folder));
  }

  /** A split resource as a stream; nothing is written but the cache. @param key the key string it was published with */
  async openBigSmallResource(name: string, folder: string, key: string, signal?: AbortSignal): Promise<LoadedResource> {
    return await this.#services.load({
      ...resourceOf(name, parseName("folder", folder)),
      key: await aesKey(key),
      signal,
    });
  }

  /** A split resource as one array. @throws {TooLargeError} from 2 GiB on: take the stream */
  async loadBigSmallResource(name: string, folder: string, key: string): Promise<Bytes> {
    const { body, sizeBytes } = await this.openBigSmallResource(name, folder, key);
    if (sizeBytes <= ARRAY_LIMIT_BYTES) return await collect(body, sizeBytes, `"${name}"`);
    await body.cancel();
    throw new TooLargeError(`"${name}" is too large for one array: use openBigSmallResource()`, ARRAY_LIMIT_BYTES);
  }

  /** Encrypts, splits and publishes a resource. @param key a key string of the caller's choice */
  async uploadBigSmallResource(
    resource: Bytes | ByteStream,
    name: string,
    folder: string,
    key: string,
  ): Promise<PublishedResource> {
    const target = resourceOf(name, parseName("folder", folder));
    const data = resource instanceof Uint8Array ? streamOf(resource) : resource;
    using staged = await this.#services.stage(data, { key: await aesKey(key) });
    return await staged.publish(target);
  }

  /** Signs out, and waits until the cache is written. */
  close(): Promise<void> {
    return this.#services.stop();
  }

  /** The same as {@link ApiClient.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A misspelled name must not leave the default in force. */
function knownFlags(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const known = new Set<string>(Object.values(OPTIONS).map(({ flag }) => flag));
  const unknown = Object.keys(settings).filter((flag) => !known.has(flag));
  if (unknown.length === 0) return settings;
  throw new ConfigurationError(unknown.map((flag) => `"${flag}" is not a setting: they are named as the flags are`));
}

function resourceOf(name: string, folder: string): { name: string; folder: string } {
  return { name: parseName("filename", name), folder: folder === "" ? "" : parseName("folder", folder) };
}
