import type { RemovingEngine } from "./docker.ts";
import { dockerCli } from "./docker_cli.ts";
import { engineApi } from "./engine_api.ts";

/** Which engine, and how it is spoken to. */
export interface EngineSettings {
  /** `unix:///path` or `tcp://host:port`. */
  readonly dockerHost: string;
  /** Over the engine's socket, or by the `docker` program. */
  readonly dockerVia: "socket" | "cli";
  /** Absolute path of the program; used by `cli` only. */
  readonly dockerProgram: string;
}

/** The engine of the settings. Nothing is opened before the first call. */
export function openEngine({ dockerHost, dockerVia, dockerProgram }: EngineSettings): RemovingEngine {
  return dockerVia === "cli" ? dockerCli({ dockerHost, program: dockerProgram }) : engineApi({ dockerHost });
}
