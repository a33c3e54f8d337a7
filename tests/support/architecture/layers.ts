/**
 * The layers from top to bottom. A module belongs to the first entry that is its path or a folder above it, and imports
 * only what stands on a lower layer or beside it in its own folder.
 */
export const LAYERS: readonly (readonly string[])[] = [
  ["main.ts", "mod.ts"],
  ["routes/", "cli/", "origin/"],
  ["lib/training/"],
  ["lib/services.ts"],
  ["lib/services_v2.ts"],
  ["lib/resources/", "lib/unlock/", "lib/platform/"],
  ["lib/split/", "lib/cdn/", "lib/api/", "lib/auth/", "lib/device/", "lib/updates/"],
  ["lib/crypto/"],
  ["lib/docker/", "lib/hardware/", "lib/config/", "lib/audit/", "lib/logs/"],
  ["lib/http/"],
  ["lib/log.ts", "lib/system/"],
  ["lib/redaction/"],
  ["lib/streams.ts"],
  ["lib/crc32c.ts"],
  ["lib/bytes.ts"],
  ["lib/errors.ts"],
];

/** Single modules that others of their own layer may import: pure names and tables. */
export const SHARED_WITHIN_LAYER: ReadonlySet<string> = new Set([
  "lib/split/names.ts",
  "lib/split/plan.ts",
  "lib/auth/roles.ts",
]);

/** What every layer may import beside modules. */
export const DATA_FILES: ReadonlySet<string> = new Set(["deno.json"]);

/** Packages that cost memory and start-up time: imported where they are used, by `await import()`. */
export const HEAVY_PACKAGES: ReadonlySet<string> = new Set([
  "@aws-sdk/client-s3",
  "@aws-sdk/s3-request-presigner",
  "ajv",
  "ajv-formats",
  "jpeg-js",
  "oidc-provider",
  "pngjs",
  "re2js",
  "yaml",
]);

/** Each piece of the outside world, and the modules that may touch it. */
export interface Owner {
  readonly what: string;
  readonly pattern: RegExp;
  readonly owners: readonly string[];
}

const WRITERS =
  "writeFile|writeTextFile|create|mkdir|rename|remove|copyFile|symlink|link|truncate|chmod|chown|utime|makeTempDir|makeTempFile";
const FILE_WRITES = new RegExp(`^Deno\.((${WRITERS})(Sync)?|open(Sync)? for writing)$`);

/** Owners of the outside world, by the global names that reach it. */
export const OWNERS: readonly Owner[] = [
  { what: "fetch", pattern: /^fetch$/, owners: ["lib/http/client.ts"] },
  { what: "child processes", pattern: /^Deno\.(Command|run|spawn\w*)$/, owners: ["lib/system/process.ts"] },
  {
    what: "file writes",
    pattern: FILE_WRITES,
    owners: [
      "lib/system/append_file.ts",
      "lib/system/atomic_file.ts",
      "lib/system/files.ts",
      "lib/system/folders.ts",
      "lib/system/line_file.ts",
      "lib/system/partial_file.ts",
      "lib/system/private_files.ts",
      "lib/system/regular_file.ts",
      "lib/system/used_files.ts",
      "origin/state.ts",
    ],
  },
  { what: "native libraries", pattern: /^Deno\.dlopen$/, owners: ["lib/crypto/libcrypto.ts"] },
  { what: "the clock", pattern: /^(Date\.now|new Date\(\)|performance\.\w+)$/, owners: ["lib/system/clock.ts"] },
  { what: "the environment", pattern: /^(Deno|process)\.env$/, owners: ["lib/system/environment.ts"] },
  { what: "standard output", pattern: /^(Deno|process)\.stdout$/, owners: ["cli/output.ts"] },
  { what: "standard error", pattern: /^(Deno|process)\.stderr$/, owners: ["cli/output.ts", "routes/serve.ts"] },
  { what: "the exit", pattern: /^(Deno|process)\.(exit|exitCode)$/, owners: ["main.ts"] },
  // oidc-provider speaks to it at its import
  { what: "the console", pattern: /^console\./, owners: ["origin/oidc/library.ts"] },
  { what: "all of Deno at once", pattern: /^Deno\.(\*|\?)$/, owners: [] },
];

/** Node modules that would go round {@link OWNERS}. */
export const OWNED_MODULES: Readonly<Record<string, readonly string[]>> = {
  "node:fs": ["lib/system/open_files.ts"], // openSync() alone: Deno itself does not tell the number of a file
  "node:fs/promises": ["lib/system/disk_space.ts"], // statfs() alone: Deno itself does not tell of free space
  "node:child_process": [],
  "node:process": [],
  "node:http": [],
  "node:https": [],
};
