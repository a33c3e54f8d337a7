import { compareBuild, valid } from "semver";
import type { PlatformApi } from "./api.ts";
import {
  type Application,
  applicationAnswer,
  type ApplicationSummary,
  versionAnswer,
  type VersionData,
  type VersionName,
} from "./application_wire.ts";
import { NotFoundError } from "../errors.ts";
import type { ReadOptions } from "./reading.ts";

/** An application, or its id. */
export type ApplicationOrId = Pick<Application | ApplicationSummary, "application_id"> | string;

/** Versions of applications. */
export class Versions {
  readonly #api: PlatformApi;

  /** @internal */
  constructor(api: PlatformApi) {
    this.#api = api;
  }

  /** Every version that the caller may use, in the order of the server. @throws {NotFoundError} no such application */
  async *list(
    application: ApplicationOrId,
    options: ReadOptions = {},
  ): AsyncGenerator<VersionName, void, undefined> {
    yield* (await readApplication(this.#api, application, options)).versions;
  }

  /**
   * The same from the highest version to the lowest, as Semantic Versioning orders them: a pre-release comes before its
   * release. What is no semantic version is left out.
   * @see https://semver.org/#spec-item-11
   */
  async listSorted(application: ApplicationOrId, options: ReadOptions = {}): Promise<VersionName[]> {
    return sortedVersions((await readApplication(this.#api, application, options)).versions);
  }

  /** The highest version, which may be a pre-release; `undefined` when there is none. */
  async latest(application: ApplicationOrId, options: ReadOptions = {}): Promise<VersionName | undefined> {
    return (await this.listSorted(application, options))[0];
  }

  /**
   * All that is known of one version: `details("he-tme", "1.2.0")`, of the highest: `details("he-tme")`, or by the outdated
   * joint id: `details("he-tme:v1.2.0")`.
   * @throws {NotFoundError} no such application or version
   */
  async details(application: ApplicationOrId, version?: string, options: ReadOptions = {}): Promise<VersionData> {
    const [id, number] = version === undefined ? splitJointId(idOf(application)) : [idOf(application), version];
    const path = ["applications", id, "versions", number ?? await this.#highest(id, options)];
    return await this.#api.read(versionAnswer, { path, limits: this.#api.limits.applicationVersion, ...options });
  }

  async #highest(applicationId: string, options: ReadOptions): Promise<string> {
    const version = await this.latest(applicationId, options);
    if (version !== undefined) return version.number;
    throw new NotFoundError(`The application "${applicationId}" has no version`);
  }
}

/** Highest first; what is no semantic version is left out. */
export function sortedVersions(versions: readonly VersionName[]): VersionName[] {
  return versions.filter(({ number }) => valid(number) !== null)
    .sort((one, other) => compareBuild(other.number, one.number));
}

/** An application with its versions. @throws {NotFoundError} no such application */
export async function readApplication(
  api: PlatformApi,
  application: ApplicationOrId,
  options: ReadOptions,
): Promise<Application> {
  const path = ["applications", idOf(application)];
  return await api.read(applicationAnswer, { path, limits: api.limits.application, ...options });
}

function idOf(application: ApplicationOrId): string {
  return typeof application === "string" ? application : application.application_id;
}

/** `he-tme:v1.2.0` was the id of a version until 2025. */
function splitJointId(id: string): [applicationId: string, version: string | undefined] {
  const [, applicationId = id, version] = /^(.+):v(\d[^:]*)$/.exec(id) ?? [];
  return [applicationId, version];
}
