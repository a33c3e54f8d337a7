import project from "../../deno.json" with { type: "json" };
import type { TokenProvider } from "../auth/token_provider.ts";
import type { PlatformSettings } from "../config/platform_settings.ts";
import { httpClient } from "../http/client.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { type Environment, processEnvironment } from "../system/environment.ts";
import { type Me, meAnswer } from "./account_wire.ts";
import { PlatformApi } from "./api.ts";
import type { Application, VersionData } from "./application_wire.ts";
import { Applications } from "./applications.ts";
import { Documents } from "./documents.ts";
import { checkHealth, type Health, readPublicHealth } from "./health.ts";
import { Inputs } from "./inputs.ts";
import { limitsOf } from "./limits.ts";
import type { ReadOptions } from "./reading.ts";
import type { Run } from "./run.ts";
import { Runs } from "./runs.ts";
import { Grants, ShareTokens } from "./sharing.ts";
import type { Versions } from "./versions.ts";

/** What a client is made of. */
export interface ClientOptions {
  /** Where the platform is, and the limits of its calls. */
  readonly settings: PlatformSettings;
  /** Gives the token of each request. */
  readonly tokenProvider: TokenProvider;
  /** What its runs say of where they come from; `script` when it is left out. */
  readonly via?: "script" | "cli";
  /** The source of time. */
  readonly clock?: Clock;
  /** Where facts of a workflow run (`GITHUB_*`) are read. */
  readonly environment?: Environment;
}

/**
 * The platform: applications, their versions and documents, runs and who may see them. Making one asks for nothing; all
 * calls may run at the same time. Data has the names of the wire.
 *
 * Errors of every call are classes of this library; see {@link TallyError.code}.
 */
export class Client {
  /** Applications that the caller may run. */
  readonly applications: Applications;
  /** Their versions. */
  readonly versions: Versions;
  /** Release documents of versions. */
  readonly documents: Documents;
  /** Files for runs, where the platform takes them itself. */
  readonly inputs: Inputs;
  /** Runs. */
  readonly runs: Runs;
  /** Rights that were given to others. */
  readonly grants: Grants;
  /** Secrets that let others see runs. */
  readonly shareTokens: ShareTokens;
  readonly #api: PlatformApi;
  readonly #askPublic: (signal?: AbortSignal) => ReturnType<typeof readPublicHealth>;

  /** Makes a client; nothing is asked for yet. */
  constructor(
    { settings, tokenProvider, via = "script", clock = systemClock, environment = processEnvironment }: ClientOptions,
  ) {
    const http = httpClient("API");
    const limits = limitsOf(settings);
    const root = settings.apiRoot;
    const userAgent = `tallystick/${project.version} (${Deno.build.os}; ${Deno.build.arch})`;
    this.#api = new PlatformApi({ apiRoot: root, limits, tokens: tokenProvider, http, clock, userAgent });
    this.#askPublic = (signal) => readPublicHealth({ root, http, timeoutMs: limits.healthTimeoutMs, signal });
    this.documents = new Documents(this.#api, http);
    this.applications = new Applications(this.#api, this.documents);
    this.versions = this.applications.versions;
    this.inputs = new Inputs(this.#api, http);
    this.runs = new Runs(this.#api, { versions: this.versions, via, environment });
    this.grants = new Grants(this.#api);
    this.shareTokens = new ShareTokens(this.#api);
  }

  /** Who the token stands for, with the organisation's credentials: {@link maskMe} before it is shown. */
  async me(options: ReadOptions = {}): Promise<Me> {
    return await this.#api.read(meAnswer, { path: ["me"], limits: this.#api.limits.me, ...options });
  }

  /** One application with its versions. @throws {NotFoundError} */
  async application(applicationId: string, options: ReadOptions = {}): Promise<Application> {
    return await this.applications.details(applicationId, options);
  }

  /** One version, the highest when none is named. @throws {NotFoundError} */
  async applicationVersion(
    applicationId: string,
    version?: string,
    options: ReadOptions = {},
  ): Promise<VersionData> {
    return await this.versions.details(applicationId, version, options);
  }

  /** The run of this id; nothing is asked for yet. */
  run(runId: string, options: { shareToken?: string | undefined } = {}): Run {
    return this.runs.get(runId, options);
  }

  /** Checks the API without and with a token. It does not fail when the platform is down. */
  async health({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Health> {
    const limits = { ...this.#api.limits.me, timeoutMs: this.#api.limits.healthTimeoutMs };
    const once = { ...limits, retry: { ...limits.retry, attempts: 1 } };
    return await checkHealth({
      askPublic: () => this.#askPublic(signal),
      askAuthenticated: () => this.#api.read(meAnswer, { path: ["me"], limits: once, nocache: true, signal }),
      clock: this.#api.clock,
    });
  }
}
