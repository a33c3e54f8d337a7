import type { PlatformApi } from "./api.ts";
import { type Application, applicationsAnswer, type ApplicationSummary } from "./application_wire.ts";
import { Documents } from "./documents.ts";
import { allPages, checkedPageSize } from "./pages.ts";
import type { ListOptions, ReadOptions } from "./reading.ts";
import { type ApplicationOrId, readApplication, Versions } from "./versions.ts";

const PAGE_SIZE = 20;

/** Applications that the caller may run. */
export class Applications {
  /** Their versions. */
  readonly versions: Versions;
  /** Release documents of their versions. */
  readonly documents: Documents;
  readonly #api: PlatformApi;

  /** @internal */
  constructor(api: PlatformApi, documents: Documents) {
    this.#api = api;
    this.versions = new Versions(api);
    this.documents = documents;
  }

  /** Every application, page by page. */
  list({ pageSize = PAGE_SIZE, sort, ...options }: ListOptions = {}): AsyncGenerator<
    ApplicationSummary,
    void,
    undefined
  > {
    checkedPageSize(pageSize);
    const limits = this.#api.limits.application;
    return allPages((page) => {
      const query = { page, "page-size": pageSize, sort }; // the one list of the API with a hyphen here
      return this.#api.read(applicationsAnswer, { path: ["applications"], query, limits, ...options });
    }, pageSize);
  }

  /** One application with its versions. @throws {NotFoundError} */
  async details(application: ApplicationOrId, options: ReadOptions = {}): Promise<Application> {
    return await readApplication(this.#api, application, options);
  }
}
