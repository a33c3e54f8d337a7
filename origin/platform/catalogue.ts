import { compare } from "semver";
import { NotFoundError } from "../../lib/errors.ts";
import type { Row, State } from "../state.ts";
import type { Application, ApplicationVersion } from "./application.ts";
import { CHECKSUM_APPLICATION } from "./builtin/checksum.ts";
import { THUMBNAIL_APPLICATION } from "./builtin/thumbnail.ts";

const BUILT_IN: readonly Application[] = [CHECKSUM_APPLICATION, THUMBNAIL_APPLICATION];

/** The applications that can be run: those built in, and those that `tally origin application add` has added. */
export class Catalogue {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** By id. */
  list(): Application[] {
    const rows = this.#state.all("SELECT * FROM platform_applications");
    const all = [...BUILT_IN, ...rows.map((row) => this.#applicationOf(row))];
    return all.sort((a, b) => a.applicationId < b.applicationId ? -1 : 1);
  }

  /** @throws {NotFoundError} */
  application(applicationId: string): Application {
    const builtIn = BUILT_IN.find((application) => application.applicationId === applicationId);
    const row = this.#state.get("SELECT * FROM platform_applications WHERE application_id = ?", applicationId);
    const found = builtIn ?? (row && this.#applicationOf(row));
    if (found === undefined) throw new NotFoundError("Application with the given ID does not exist");
    return found;
  }

  /** One version; without a number the highest, a release before every pre-release. @throws {NotFoundError} */
  version(applicationId: string, number?: string): ApplicationVersion {
    const { versions } = this.application(applicationId);
    const found = number === undefined ? latestOf(versions) : versions.find((version) => version.number === number);
    if (found === undefined) throw new NotFoundError("Application version with the given number does not exist");
    return found;
  }

  #applicationOf(row: Row): Application {
    const applicationId = String(row.application_id);
    const versions = this.#state.all("SELECT manifest FROM platform_versions WHERE application_id = ?", applicationId);
    return {
      applicationId,
      name: String(row.name),
      description: String(row.description),
      regulatoryClasses: JSON.parse(String(row.regulatory_classes)),
      versions: versions.map(({ manifest }): ApplicationVersion => JSON.parse(String(manifest)))
        .sort((a, b) => compare(b.number, a.number)),
    };
  }
}

/** The version that is run when nobody names one: the highest release, or the highest pre-release where there is none. */
export function latestOf(versions: readonly ApplicationVersion[]): ApplicationVersion | undefined {
  return versions.find(({ number }) => !number.includes("-")) ?? versions[0];
}
