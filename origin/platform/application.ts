import type { JsonObject } from "./request.ts";

/** What an application takes for each item. */
export interface InputArtifact {
  readonly name: string;
  readonly mimeType: string;
  /** JSON Schema of the metadata that come with it. */
  readonly metadataSchema: JsonObject;
}

/** What an application gives for each item. */
export interface OutputArtifact extends InputArtifact {
  readonly visibility: "INTERNAL" | "EXTERNAL";
}

/** A text that comes with a version. */
export interface VersionDocument {
  /** UUID. */
  readonly id: string;
  readonly name: string;
  readonly mimeType: string;
  readonly content: string;
}

/** What a container application is run with. */
export interface ContainerSpec {
  readonly image: string;
  readonly command: readonly string[];
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pidsLimit: number;
  readonly timeLimitMs: number;
  /** Largest sum of the outputs of an item. */
  readonly outputLimitBytes: number;
  /** Exit codes that say that the input was at fault; any other but 0 says that the application was. */
  readonly userErrorExitCodes: readonly number[];
}

/** A version of an application. */
export interface ApplicationVersion {
  /** Semantic version. */
  readonly number: string;
  readonly changelog: string;
  readonly releasedMs: number;
  readonly inputArtifacts: readonly InputArtifact[];
  readonly outputArtifacts: readonly OutputArtifact[];
  readonly documents: readonly VersionDocument[];
  /** `undefined` for one that is built in. */
  readonly container?: ContainerSpec | undefined;
}

/** An application with its versions, the highest first. */
export interface Application {
  readonly applicationId: string;
  readonly name: string;
  readonly description: string;
  readonly regulatoryClasses: readonly string[];
  readonly versions: readonly ApplicationVersion[];
}
