import { basename, dirname, join } from "node:path";
import { valid } from "semver";
import { z } from "zod";
import { InvalidInputError, NotFoundError } from "../../lib/errors.ts";
import { compileSchema } from "../../lib/platform/json_schema.ts";
import { readSmallFile } from "../../lib/system/files.ts";
import type { ApplicationVersion } from "./application.ts";
import { jsonObject } from "./request.ts";

/** What a manifest says of its application. */
export interface ManifestedApplication {
  readonly applicationId: string;
  readonly name: string;
  readonly description: string;
  readonly regulatoryClasses: readonly string[];
  readonly version: ApplicationVersion;
}

/** What the command line says instead of the manifest. */
export interface ManifestOverrides {
  readonly image?: string | undefined;
  readonly version?: string | undefined;
}

const MANIFEST_LIMIT_BYTES = 1024 ** 2;
const DOCUMENT_LIMIT_BYTES = 4 * 1024 ** 2;
const MIB = 1024 ** 2;
const EX_DATAERR = 65; // @see sysexits.h
/** Becomes a file's name in the container. */
const ARTIFACT_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$/;
/** As the API's document has it. */
const MIME_TYPE = /^\w+\/\w+[-+.|\w+]+\w+$/;
const RESERVED_NAME = "item.json";

const artifact = z.strictObject({
  name: z.string().regex(ARTIFACT_NAME).refine((name) => name !== RESERVED_NAME && !name.includes("..")),
  mime_type: z.string().regex(MIME_TYPE),
  metadata_schema: jsonObject.default({}),
});

const manifestSchema = z.strictObject({
  application_id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  name: z.string().min(1).max(200),
  description: z.string().max(10_000).default(""),
  regulatory_classes: z.array(z.enum(["RUO", "IVDR", "FDA"])).default(["RUO"]),
  version: z.string().refine((number) => valid(number) === number, "must be a semantic version").optional(),
  changelog: z.string().max(100_000).default(""),
  image: z.string().min(1).max(500).optional(),
  command: z.array(z.string()).default([]),
  limits: z.strictObject({
    memory_mib: z.int().min(6).max(1024 * 1024).default(1024),
    cpus: z.number().min(0.01).max(1024).default(1),
    pids: z.int().min(1).max(100_000).default(256),
    seconds: z.number().min(1).max(7 * 24 * 3600).default(3600),
    output_mib: z.int().min(1).max(1024 * 1024).default(1024),
  }).prefault({}),
  user_error_exit_codes: z.array(z.int().min(1).max(255)).default([EX_DATAERR]),
  input_artifacts: z.array(artifact).min(1).max(100),
  output_artifacts: z.array(artifact.extend({ visibility: z.enum(["INTERNAL", "EXTERNAL"]).default("EXTERNAL") })).min(
    1,
  )
    .max(100),
  documents: z.array(z.strictObject({ file: z.string(), mime_type: z.string().regex(MIME_TYPE) })).max(100).default([]),
});
type Manifest = z.output<typeof manifestSchema>;

/**
 * Reads the manifest of a container application, YAML or JSON; its documents lie beside it.
 * @throws {NotFoundError} no such file; {InvalidInputError} it is not a manifest
 */
export async function readManifest(
  path: string,
  overrides: ManifestOverrides,
  nowMs: number,
): Promise<ManifestedApplication> {
  const text = new TextDecoder().decode(await requiredFile(path, MANIFEST_LIMIT_BYTES));
  const { parse } = await import("yaml");
  const manifest = checkManifest(parsedOr(() => parse(text), path), path);
  const image = overrides.image ?? manifest.image;
  const number = overrides.version ?? manifest.version;
  if (image === undefined) throw wrong(path, "image", "is missing");
  if (number === undefined || valid(number) !== number) throw wrong(path, "version", "must be a semantic version");
  await checkSchemas(manifest, path);
  return {
    applicationId: manifest.application_id,
    name: manifest.name,
    description: manifest.description,
    regulatoryClasses: manifest.regulatory_classes,
    version: {
      number,
      changelog: manifest.changelog,
      releasedMs: nowMs,
      inputArtifacts: manifest.input_artifacts.map(artifactOf),
      outputArtifacts: manifest.output_artifacts.map((each) => ({ ...artifactOf(each), visibility: each.visibility })),
      documents: await readDocuments(manifest, dirname(path)),
      container: {
        image,
        command: manifest.command,
        memoryBytes: manifest.limits.memory_mib * MIB,
        cpus: manifest.limits.cpus,
        pidsLimit: manifest.limits.pids,
        timeLimitMs: manifest.limits.seconds * 1000,
        outputLimitBytes: manifest.limits.output_mib * MIB,
        userErrorExitCodes: manifest.user_error_exit_codes,
      },
    },
  };
}

function parsedOr(parse: () => unknown, path: string): unknown {
  try {
    return parse();
  } catch (cause) {
    throw new InvalidInputError("manifest", `Cannot read "${path}": it is neither YAML nor JSON`, { cause });
  }
}

function checkManifest(value: unknown, path: string): Manifest {
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(path, issue?.path.join(".") || "manifest", issue?.message ?? "is wrong");
  }
  for (const artifacts of [parsed.data.input_artifacts, parsed.data.output_artifacts]) {
    const names = artifacts.map(({ name }) => name);
    if (new Set(names).size !== names.length) throw wrong(path, "artifacts", "have the same name");
  }
  return parsed.data;
}

async function checkSchemas({ input_artifacts, output_artifacts }: Manifest, path: string): Promise<void> {
  for (const { name, metadata_schema } of [...input_artifacts, ...output_artifacts]) {
    try {
      await compileSchema(metadata_schema, name);
    } catch (cause) {
      throw new InvalidInputError("manifest", `"${path}": the metadata_schema of "${name}" is not a JSON Schema`, {
        cause,
      });
    }
  }
}

async function readDocuments({ documents }: Manifest, folder: string) {
  return await Promise.all(documents.map(async ({ file, mime_type }) => ({
    id: crypto.randomUUID(),
    name: basename(file),
    mimeType: mime_type,
    content: new TextDecoder().decode(await requiredFile(join(folder, file), DOCUMENT_LIMIT_BYTES)),
  })));
}

async function requiredFile(path: string, limitBytes: number) {
  const bytes = await readSmallFile(path, limitBytes);
  if (bytes === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  return bytes;
}

function artifactOf({ name, mime_type, metadata_schema }: z.output<typeof artifact>) {
  return { name, mimeType: mime_type, metadataSchema: metadata_schema };
}

function wrong(path: string, field: string, why: string): InvalidInputError {
  return new InvalidInputError(field, `"${path}": the field "${field}" ${why}`);
}
