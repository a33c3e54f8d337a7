import { ConflictError, NotFoundError } from "../../lib/errors.ts";
import { type OriginFolder, withOrigin } from "../origin_folder.ts";
import type { Application } from "./application.ts";
import { Catalogue } from "./catalogue.ts";
import { type ManifestOverrides, readManifest } from "./manifest.ts";

/** What `tally origin application add` is told. */
export interface AddApplicationOptions extends OriginFolder, ManifestOverrides {
  /** Path of the manifest. */
  readonly manifest: string;
}

/** An application as it is listed. */
export interface ListedApplication {
  readonly applicationId: string;
  readonly name: string;
  readonly versions: readonly { readonly number: string; readonly image: string | null }[];
}

/**
 * `tally origin application add`: adds a version of a container application, and the application with its first one.
 * @throws {InvalidInputError} {NotFoundError} the manifest; {ConflictError} there is that version already, or the application is built in
 */
export function addApplication({ dataDir, manifest, ...overrides }: AddApplicationOptions): Promise<ListedApplication> {
  return withOrigin(dataDir, async ({ state, clock }) => {
    const { applicationId, name, description, regulatoryClasses, version } = await readManifest(
      manifest,
      overrides,
      clock.now(),
    );
    const catalogue = new Catalogue(state);
    const present = catalogue.list().find((application) => application.applicationId === applicationId);
    if (present?.versions.some(({ container }) => container === undefined)) {
      throw new ConflictError(`The application "${applicationId}" is built in`);
    }
    if (present?.versions.some(({ number }) => number === version.number)) {
      throw new ConflictError(`There is already a version ${version.number} of "${applicationId}"`);
    }
    state.transaction(() => {
      state.run(
        `INSERT INTO platform_applications VALUES (?, ?, ?, ?) ON CONFLICT (application_id) DO UPDATE
           SET name = excluded.name, description = excluded.description, regulatory_classes = excluded.regulatory_classes`,
        applicationId,
        name,
        description,
        JSON.stringify(regulatoryClasses),
      );
      state.run(
        "INSERT INTO platform_versions VALUES (?, ?, ?)",
        applicationId,
        version.number,
        JSON.stringify(version),
      );
    });
    return listed(catalogue.application(applicationId));
  });
}

/** `tally origin application list`. */
export function listApplications({ dataDir }: OriginFolder): Promise<readonly ListedApplication[]> {
  return withOrigin(dataDir, ({ state }) => new Catalogue(state).list().map(listed));
}

/**
 * `tally origin application remove`: takes a version away, and the application with its last one. Runs that are there keep what they have;
 * items that were not begun fail.
 * @throws {NotFoundError}
 */
export function removeApplication(
  { dataDir, applicationId, version }: OriginFolder & { readonly applicationId: string; readonly version: string },
): Promise<void> {
  return withOrigin(dataDir, ({ state }) => {
    state.transaction(() => {
      const removed = state.run(
        "DELETE FROM platform_versions WHERE application_id = ? AND version_number = ?",
        applicationId,
        version,
      );
      if (removed === 0) throw new NotFoundError(`There is no version ${version} of "${applicationId}" that could go`);
      state.run(
        `DELETE FROM platform_applications WHERE application_id = ?
           AND NOT EXISTS (SELECT 1 FROM platform_versions v WHERE v.application_id = platform_applications.application_id)`,
        applicationId,
      );
    });
  });
}

function listed({ applicationId, name, versions }: Application): ListedApplication {
  return {
    applicationId,
    name,
    versions: versions.map(({ number, container }) => ({ number, image: container?.image ?? null })),
  };
}
