import { Hono } from "hono";
import { z } from "zod";
import { NotFoundError } from "../../lib/errors.ts";
import type { Application, ApplicationVersion, InputArtifact, VersionDocument } from "./application.ts";
import type { PlatformEnv } from "./caller.ts";
import { type Catalogue, latestOf } from "./catalogue.ts";
import { invalid } from "./problems.ts";
import { pageParameter, pageSizeParameter, readQuery, sliceOf } from "./request.ts";
import type { SignedFiles } from "./signed_files.ts";

/** What the routes of applications need. */
export interface ApplicationRoutesDeps {
  readonly catalogue: Catalogue;
  readonly files: SignedFiles;
}

const SORT_FIELDS = ["application_id", "name", "description", "regulatory_classes"] as const;
const listQuery = z.object({
  "page": pageParameter,
  "page-size": pageSizeParameter,
  "sort": z.array(z.string()).default([]),
});

/** @see https://semver.org, the suggested regular expression */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;

/** Applications, their versions, and the documents of those. */
export function applicationRoutes({ catalogue, files }: ApplicationRoutesDeps): Hono<PlatformEnv> {
  return new Hono<PlatformEnv>()
    .get("/applications", (c) => {
      const query = readQuery(c, listQuery);
      const { limit, offset } = sliceOf(query.page, query["page-size"]);
      const sorted = catalogue.list().map(shortView).sort(comparison(query.sort));
      return c.json(sorted.slice(offset, offset + limit));
    })
    .get("/applications/:id", (c) => c.json(applicationView(catalogue.application(c.req.param("id")))))
    .get("/applications/:id/versions/:version", (c) => {
      const number = c.req.param("version");
      if (!SEMVER.test(number)) throw invalid("path", "version", "The version is not a semantic version");
      return c.json(versionView(catalogue.version(c.req.param("id"), number)));
    })
    .get("/applications/:id/versions/:version/documents", (c) => {
      const version = catalogue.version(c.req.param("id"), c.req.param("version"));
      return c.json(version.documents.map((document) => documentView(document, version)));
    })
    .get("/applications/:id/versions/:version/documents/:name", (c) => {
      const version = catalogue.version(c.req.param("id"), c.req.param("version"));
      return c.json(documentView(documentOf(version, c.req.param("name")), version));
    })
    .get("/applications/:id/versions/:version/documents/:name/file", async (c) => {
      const document = documentOf(catalogue.version(c.req.param("id"), c.req.param("version")), c.req.param("name"));
      c.header("Cache-Control", "no-store");
      return c.redirect(await files.documentUrl(document, document.name), 307);
    })
    .get("/applications/:id/versions/:version/documents/:name/content", async (c) => {
      const document = documentOf(catalogue.version(c.req.param("id"), c.req.param("version")), c.req.param("name"));
      c.header("Cache-Control", "no-store");
      return c.redirect(await files.documentUrl(document), 307);
    });
}

type ShortView = ReturnType<typeof shortView>;

function shortView(application: Application) {
  const { applicationId, name, description, regulatoryClasses, versions } = application;
  const latest = latestOf(versions);
  return {
    application_id: applicationId,
    name,
    regulatory_classes: regulatoryClasses,
    description,
    latest_version: latest === undefined ? null : numberView(latest),
  };
}

function applicationView({ applicationId, name, description, regulatoryClasses, versions }: Application) {
  return {
    application_id: applicationId,
    name,
    regulatory_classes: regulatoryClasses,
    description,
    versions: versions.map(numberView),
  };
}

function numberView({ number, releasedMs }: ApplicationVersion) {
  return { number, released_at: new Date(releasedMs).toISOString() };
}

function versionView({ number, changelog, releasedMs, inputArtifacts, outputArtifacts }: ApplicationVersion) {
  return {
    version_number: number,
    changelog,
    input_artifacts: inputArtifacts.map(artifactView),
    output_artifacts: outputArtifacts.map((artifact) => ({
      ...artifactView(artifact),
      scope: "ITEM",
      visibility: artifact.visibility,
    })),
    released_at: new Date(releasedMs).toISOString(),
  };
}

function artifactView({ name, mimeType, metadataSchema }: InputArtifact) {
  return { name, mime_type: mimeType, metadata_schema: metadataSchema };
}

function documentView({ id, name, mimeType }: VersionDocument, { releasedMs }: ApplicationVersion) {
  const releasedAt = new Date(releasedMs).toISOString();
  return { id, name, mime_type: mimeType, visibility: "public", created_at: releasedAt, updated_at: releasedAt };
}

function documentOf({ documents }: ApplicationVersion, name: string): VersionDocument {
  const found = documents.find((document) => document.name === name);
  if (found === undefined) throw new NotFoundError("Document not found");
  return found;
}

function comparison(sort: readonly string[]): (a: ShortView, b: ShortView) => number {
  const steps = sort.map((text) => {
    const [, sign = "", name = ""] = /^([+\- ]?)(\w+)$/.exec(text) ?? []; // a plus in a query is a space
    const field = SORT_FIELDS.find((known) => known === name);
    if (field === undefined) throw invalid("query", "sort", `Cannot sort by "${text.slice(0, 64)}"`);
    return { field, factor: sign === "-" ? -1 : 1 };
  });
  return (a, b) => {
    for (const { field, factor } of steps) {
      const [left, right] = [String(a[field]), String(b[field])];
      if (left !== right) return left < right ? -factor : factor;
    }
    return 0;
  };
}
