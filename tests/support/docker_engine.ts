import { join } from "node:path";
import { engineApi } from "../../lib/docker/engine_api.ts";
import type { ImageEngine } from "../../lib/docker/docker.ts";
import { messageOf } from "../../lib/errors.ts";

const READY_LIMIT_MS = 30_000;
const POLL_MS = 50;
const STOP_LIMIT_MS = 10_000;

/** An engine of our own, in a temporary folder; nothing of the machine's engine is touched. */
export interface TestEngine extends AsyncDisposable {
  /** `unix:///…` */
  readonly dockerHost: string;
  /** Its images, over its socket. */
  readonly images: ImageEngine;
  /** Removes every image. */
  clear(): Promise<void>;
}

/** A folder in which an engine keeps its images, whether it runs or not. Dispose it after the engine: it is removed. */
export interface EnginePlace extends AsyncDisposable {
  readonly folder: string;
  /** Where the engine answers while it runs. */
  readonly dockerHost: string;
}

/** An engine that can be ended without a warning, and started again in its place. */
export interface KillableEngine extends TestEngine {
  /** Ends it and its containerd at once (SIGKILL). */
  kill(): Promise<void>;
}

/** Makes a place for an engine; nothing runs yet. */
export async function enginePlace(): Promise<EnginePlace> {
  const folder = await Deno.makeTempDir({ prefix: "tally-docker-" });
  return {
    folder,
    dockerHost: `unix://${folder}/docker.sock`,
    async [Symbol.asyncDispose]() {
      await unmountUnder(folder);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * Starts `dockerd` without network set-up and waits until it answers. Dispose it: it is stopped with its containerd, and
 * its folder removed.
 * @param dockerd absolute path
 */
export async function startDockerEngine(dockerd: string): Promise<TestEngine> {
  const place = await enginePlace();
  try {
    const engine = await startEngineIn(place, dockerd);
    const end = async () => {
      await engine[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    };
    return { ...engine, [Symbol.asyncDispose]: end };
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts an engine in its place, which stays when the engine is disposed of. */
export async function startEngineIn({ folder, dockerHost }: EnginePlace, dockerd: string): Promise<KillableEngine> {
  const daemon = new Deno.Command("sh", {
    args: [
      ...["-c", 'exec "$@" 2>> "$0"', join(folder, "log"), dockerd], // not read by us: no test waits for a line of it
      ...["--iptables=false", "--ip6tables=false", "--bridge=none", "--host", dockerHost],
      ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec"), "--pidfile", join(folder, "pid")],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const images = engineApi({ dockerHost });
  const engine: KillableEngine = {
    dockerHost,
    images,
    clear: () => clearImages(dockerHost),
    async kill() {
      const pidFile = join(folder, "exec/containerd/containerd.pid");
      const containerd = await processId(pidFile);
      for (const id of [daemon.pid, containerd]) if (id !== undefined) killQuietly(id, "SIGKILL");
      await daemon.status;
      await Deno.remove(pidFile); // where nobody reaps orphans, the next daemon would wait for that process
    },
    async [Symbol.asyncDispose]() {
      await stopDaemon(daemon, join(folder, "exec"));
    },
  };
  await untilReady(engine, daemon, join(folder, "log"));
  return engine;
}

/** Every `docker` program on PATH: a machine may have several, of different ages, and all must do. */
export function dockerPrograms(): string[] {
  const found = (Deno.env.get("PATH") ?? "").split(":").map((folder) => realPath(join(folder, "docker")));
  return [...new Set(found.filter((path) => path !== undefined))];
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

async function untilReady(engine: TestEngine, daemon: Deno.ChildProcess, logPath: string): Promise<void> {
  let problem: unknown;
  for (let waitedMs = 0; waitedMs < READY_LIMIT_MS; waitedMs += POLL_MS) {
    try {
      await engine.images.version();
      return;
    } catch (error) {
      problem = error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  killQuietly(daemon.pid, "SIGKILL");
  const log = await Deno.readTextFile(logPath);
  await engine[Symbol.asyncDispose]();
  throw new Error(`dockerd does not answer: ${messageOf(problem)}\n${log.slice(-2000)}`);
}

/** An orderly stop takes containerd along; a daemon that hangs is killed, and then its containerd by its own process id. */
async function stopDaemon(daemon: Deno.ChildProcess, execRoot: string): Promise<void> {
  const containerd = await processId(join(execRoot, "containerd/containerd.pid"));
  killQuietly(daemon.pid, "SIGTERM");
  const timer = setTimeout(() => killQuietly(daemon.pid, "SIGKILL"), STOP_LIMIT_MS);
  const { signal } = await daemon.status;
  clearTimeout(timer);
  if (signal === "SIGKILL" && containerd !== undefined) killQuietly(containerd, "SIGKILL");
}

async function processId(path: string): Promise<number | undefined> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

function killQuietly(processId: number, signal: Deno.Signal): void {
  try {
    Deno.kill(processId, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function clearImages(dockerHost: string): Promise<void> {
  const env = { DOCKER_HOST: dockerHost };
  const { stdout } = await new Deno.Command("docker", { args: ["image", "ls", "--quiet", "--all"], env }).output();
  const ids = new Set(new TextDecoder().decode(stdout).split("\n").filter((id) => id !== ""));
  if (ids.size === 0) return;
  const { success, stderr } = await new Deno.Command("docker", { args: ["image", "rm", "--force", ...ids], env })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** What an engine that was killed leaves mounted keeps its folder from being removed. */
async function unmountUnder(folder: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n").map((line) => line.split(" ")[1] ?? "");
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse()) {
    await new Deno.Command("umount", { args: ["--lazy", path] }).output();
  }
}
