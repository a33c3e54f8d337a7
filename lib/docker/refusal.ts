import { DockerError } from "../errors.ts";

/** What an engine refused, as one sentence: the first line of its reason, without its temporary folders. */
export function refusal(reason: string): DockerError {
  const [line = ""] = reason.trim().split("\n");
  const sentence = line.replaceAll(/\S*\/docker-import-\d+\//g, "").replace(/[\s:]+$/, "");
  return new DockerError(`The Docker engine refused: ${sentence || "no reason given"}`);
}
