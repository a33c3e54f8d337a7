import { z } from "zod";
import { DockerError } from "../errors.ts";
import type { ImageFacts } from "./docker.ts";

const inspectSchema = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Architecture: z.string(),
  Size: z.number(),
});

/** What an engine's description of an image says. @throws {DockerError} when it is not of the known form */
export function imageFacts(description: unknown): ImageFacts {
  const { success, data, error } = inspectSchema.safeParse(description);
  if (!success) {
    throw new DockerError("The Docker engine describes an image in a form that is not understood", { cause: error });
  }
  return { id: data.Id, tags: data.RepoTags ?? [], architecture: data.Architecture, sizeBytes: data.Size };
}
