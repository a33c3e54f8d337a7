import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { containerEngine } from "../../lib/docker/containers.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { removeFolder } from "../../lib/system/folders.ts";
import type { ContainerHost } from "./container_processor.ts";

/** Where engines listen that nobody has moved. */
export const DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock";
/** Nobody, as the base images of distributions without a shell have it. */
const NOBODY = "65532:65532";

/** Where the containers of an origin are run. Programs run as the owner of the data folder, but never as root. */
export async function containerHostOf(
  { dataDir, dockerHost, clock }: { readonly dataDir: string; readonly dockerHost: string; readonly clock: Clock },
): Promise<ContainerHost> {
  const { uid, gid } = await Deno.stat(dataDir);
  return {
    engine: containerEngine({ dockerHost }),
    workFolder: join(resolve(dataDir), "work.partial"),
    label: createHash("sha256").update(resolve(dataDir)).digest("hex"),
    user: uid === null || uid === 0 ? NOBODY : `${uid}:${gid}`,
    clock,
  };
}

/**
 * Removes what a killed origin has left: containers that are still at work, then their files. What cannot be removed is
 * logged, and stays: a program may have locked a folder of its own.
 */
export async function sweepContainers(
  { engine, label, workFolder }: ContainerHost,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  await engine.removeLabelled(label, signal).catch((error) => log.warning("engine_away", { error: messageOf(error) }));
  await removeFolder(workFolder).catch((error) => log.warning("work_folder_left", { error: messageOf(error) }));
}
