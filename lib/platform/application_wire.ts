import { z } from "zod";
import { instant, type JsonObject, jsonObject, orNull, type Word, word } from "./wire.ts";

/** A version as lists name it. */
export interface VersionName {
  /** Semantic version. */
  readonly number: string;
  /** When it became available. */
  readonly released_at: string;
}

/** An application as lists show it. */
export interface ApplicationSummary {
  /** Name in the API. */
  readonly application_id: string;
  /** Name for people. */
  readonly name: string;
  /** `RUO`, `IVDR`, `FDA` */
  readonly regulatory_classes: readonly string[];
  /** What it does. */
  readonly description: string;
  /** The highest version that the caller may use. */
  readonly latest_version: VersionName | null;
}

/** An application with all its versions. */
export interface Application {
  /** Name in the API. */
  readonly application_id: string;
  /** Name for people. */
  readonly name: string;
  /** `RUO`, `IVDR`, `FDA` */
  readonly regulatory_classes: readonly string[];
  /** What it does. */
  readonly description: string;
  /** In the order of the server. */
  readonly versions: readonly VersionName[];
}

/** What a version expects for each item. */
export interface InputArtifactKind {
  /** Name that an item's input artifact must carry. */
  readonly name: string;
  /** Media type of the file. */
  readonly mime_type: string;
  /** JSON Schema that the metadata must satisfy. */
  readonly metadata_schema: JsonObject;
}

/** What a version gives back. */
export interface OutputArtifactKind extends InputArtifactKind {
  /** One per item, or one for the whole run. */
  readonly scope: Word<"ITEM" | "GLOBAL">;
  /** Whether it is handed to the caller. */
  readonly visibility: Word<"INTERNAL" | "EXTERNAL">;
}

/** All that is known of one version of an application. */
export interface VersionData {
  /** Semantic version. */
  readonly version_number: string;
  /** What changed since the version before. */
  readonly changelog: string;
  /** When it became available. */
  readonly released_at: string;
  /** What it expects. */
  readonly input_artifacts: readonly InputArtifactKind[];
  /** What it gives back. */
  readonly output_artifacts: readonly OutputArtifactKind[];
}

/** A release document of a version. */
export interface DocumentData {
  /** UUID. */
  readonly id: string;
  /** File name; unique within its version. */
  readonly name: string;
  /** Media type of the file. */
  readonly mime_type: string;
  /** Who may see it. */
  readonly visibility: Word<"public" | "internal">;
  /** When it was added. */
  readonly created_at: string;
  /** When it was changed last. */
  readonly updated_at: string;
}

const versionName: z.ZodType<VersionName> = z.object({ number: z.string(), released_at: instant });
const APPLICATION = {
  application_id: z.string(),
  name: z.string(),
  regulatory_classes: z.array(z.string()),
  description: z.string(),
};
const ARTIFACT = { name: z.string(), mime_type: z.string(), metadata_schema: jsonObject };

/** Answer of `GET /applications`. */
export const applicationsAnswer: z.ZodType<ApplicationSummary[]> = z.array(
  z.object({ ...APPLICATION, latest_version: orNull(versionName) }),
);

/** Answer of `GET /applications/{application_id}`. */
export const applicationAnswer: z.ZodType<Application> = z.object({ ...APPLICATION, versions: z.array(versionName) });

/** Answer of `GET /applications/{application_id}/versions/{version}`. */
export const versionAnswer: z.ZodType<VersionData> = z.object({
  version_number: z.string(),
  changelog: z.string(),
  released_at: instant,
  input_artifacts: z.array(z.object(ARTIFACT)),
  output_artifacts: z.array(
    z.object({ ...ARTIFACT, scope: word<"ITEM" | "GLOBAL">(), visibility: word<"INTERNAL" | "EXTERNAL">() }),
  ),
});

/** Answer of `GET …/documents/{name}`. */
export const documentAnswer: z.ZodType<DocumentData> = z.object({
  id: z.string(),
  name: z.string(),
  mime_type: z.string(),
  visibility: word<"public" | "internal">(),
  created_at: instant,
  updated_at: instant,
});

/** Answer of `GET …/documents`. */
export const documentsAnswer: z.ZodType<DocumentData[]> = z.array(documentAnswer);
