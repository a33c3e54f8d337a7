import { join } from "node:path";
import { engineApi } from "../../lib/docker/engine_api.ts";
import type { TestEngine } from "./docker_engine.ts";
import { eventually } from "./eventually.ts";

/** An engine of Podman's kind. */
export interface PodmanEngine extends TestEngine {
  /** Runs a verb of the `podman` program on it. */
  run(...args: readonly string[]): Promise<void>;
}

/**
 * Starts Podman's service, which speaks the Docker API, and waits until it answers. Dispose it: it is stopped, and its
 * folder removed.
 * @param podman absolute path
 */
export async function startPodmanEngine(podman: string): Promise<PodmanEngine> {
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "tally-podman-" }); // "runroot" may have 50 characters at most
  const dockerHost = `unix://${folder}/podman.sock`;
  const storage = [
    ...["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--tmpdir", join(folder, "tmp")],
    ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"],
  ];
  const env = { TMPDIR: folder };
  const service = new Deno.Command(podman, {
    args: [...storage, "system", "service", "--time=0", dockerHost],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const images = engineApi({ dockerHost });
  const run = async (...args: readonly string[]) => {
    const { success, stderr } = await new Deno.Command(podman, { args: [...storage, ...args], env }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  await eventually("Podman answers", () => images.version().then(() => true, () => false));
  return {
    dockerHost,
    images,
    run,
    clear: () => run("rmi", "--all", "--force"),
    async [Symbol.asyncDispose]() {
      service.kill("SIGTERM");
      await service.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
