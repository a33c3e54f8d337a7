import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import type { ContainerEnd, ContainerEngine } from "../../lib/docker/containers.ts";
import { InterruptedError } from "../../lib/errors.ts";
import { consume } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { AtomicFile, writePublicFile } from "../../lib/system/atomic_file.ts";
import { fileFacts, openFile } from "../../lib/system/files.ts";
import { makeOpenFolder, removeFolder } from "../../lib/system/folders.ts";
import type { ApplicationVersion, ContainerSpec } from "./application.ts";
import { ApplicationFailure, ItemInputError, type ItemJob, type Processor } from "./processor.ts";

/** Where containers are run. */
export interface ContainerHost {
  readonly engine: ContainerEngine;
  /** Folder of what is at work, which the engine must see under the same path. */
  readonly workFolder: string;
  /** Marks the containers of this origin. */
  readonly label: string;
  /** `uid:gid` that programs run as. */
  readonly user: string;
  readonly clock: Clock;
}

/** Where a container finds what it reads, and where it leaves what it has made. */
const INPUT_FOLDER = "/inputs";
const OUTPUT_FOLDER = "/outputs";
const JOB_FILE = "item.json";
const SIZE_LOOK_MS = 500;
const SHOWN_CHARACTERS = 500;
const READABLE_MODE = 0o644;

/**
 * Makes the processor of an application that is a container image. The container reads `/inputs/item.json` and one file per
 * input, named as that is, and leaves one file per output in `/outputs`.
 */
export function containerProcessor(host: ContainerHost, version: ApplicationVersion, spec: ContainerSpec): Processor {
  return async (job) => {
    const folder = join(host.workFolder, crypto.randomUUID());
    const [inputs, outputs] = [join(folder, "in"), join(folder, "out")];
    try {
      await makeOpenFolder(inputs);
      await makeOpenFolder(outputs);
      await writeInputs(inputs, job, version);
      checkEnd(await runLimited(host, spec, { inputs, outputs, signal: job.signal }), spec);
      await collectOutputs(outputs, job, version, spec);
    } finally {
      await removeFolder(folder);
    }
  };
}

async function writeInputs(folder: string, job: ItemJob, version: ApplicationVersion): Promise<void> {
  for (const input of job.inputs) {
    using file = await AtomicFile.create(join(folder, input.name));
    await consume(await input.open(), (chunk) => file.write(chunk));
    file.setMode(READABLE_MODE);
    await file.commit();
  }
  const description = {
    external_id: job.externalId,
    inputs: job.inputs.map(({ name, metadata }) => ({ name, path: `${INPUT_FOLDER}/${name}`, metadata })),
    outputs: version.outputArtifacts.map(({ name }) => ({ name, path: `${OUTPUT_FOLDER}/${name}` })),
  };
  await writePublicFile(join(folder, JOB_FILE), utf8(JSON.stringify(description)));
}

interface Folders {
  readonly inputs: string;
  readonly outputs: string;
  readonly signal: AbortSignal;
}

/** @throws {ApplicationFailure} it took too long, or wrote too much */
async function runLimited(host: ContainerHost, spec: ContainerSpec, folders: Folders): Promise<ContainerEnd> {
  const { engine, label, user, clock } = host;
  const { image, command, memoryBytes, cpus, pidsLimit, outputLimitBytes } = spec;
  const stop = new AbortController();
  const ended = new AbortController();
  const watching = watch(spec, folders, clock, ended.signal).then((failure) => {
    if (failure !== undefined) stop.abort(failure);
    return failure;
  });
  try {
    return await engine.run({
      ...{ image, command, memoryBytes, cpus, pidsLimit, label, user, fileLimitBytes: outputLimitBytes },
      environment: { INPUT_FOLDER, OUTPUT_FOLDER },
      mounts: [
        { source: folders.inputs, target: INPUT_FOLDER, access: "read" },
        { source: folders.outputs, target: OUTPUT_FOLDER, access: "write" },
      ],
    }, AbortSignal.any([stop.signal, folders.signal]));
  } catch (error) {
    throw stop.signal.reason instanceof ApplicationFailure && error instanceof InterruptedError
      ? stop.signal.reason
      : error;
  } finally {
    ended.abort();
    await watching;
  }
}

/** Looks at the time and at the outputs until the program has ended. */
async function watch(
  spec: ContainerSpec,
  { outputs }: Folders,
  clock: Clock,
  ended: AbortSignal,
): Promise<ApplicationFailure | undefined> {
  const endMs = clock.now() + spec.timeLimitMs;
  while (!ended.aborted) {
    if (clock.now() >= endMs) {
      return new ApplicationFailure(
        "APPLICATION.TIME_LIMIT",
        `The application took longer than ${spec.timeLimitMs} ms`,
      );
    }
    const fault = await faultOf(outputs, spec);
    if (fault !== undefined) return fault;
    await clock.sleep(Math.min(SIZE_LOOK_MS, Math.max(1, endMs - clock.now())), ended).catch(() => undefined);
  }
  return undefined;
}

function checkEnd({ exitCode, outOfMemory, output }: ContainerEnd, spec: ContainerSpec): void {
  if (exitCode === 0) return;
  const said = output.split("\n").at(-1)?.slice(0, SHOWN_CHARACTERS) ?? "";
  if (spec.userErrorExitCodes.includes(exitCode)) {
    throw new ItemInputError("APPLICATION.INPUT_REFUSED", `The application refused the input: ${said}`);
  }
  if (outOfMemory) throw new ApplicationFailure("APPLICATION.OUT_OF_MEMORY", "The application wanted too much memory");
  throw new ApplicationFailure("APPLICATION.FAILED", `The application ended with exit code ${exitCode}: ${said}`);
}

/** Takes plain files only: a link could lead to any file of this machine. */
async function collectOutputs(folder: string, job: ItemJob, version: ApplicationVersion, spec: ContainerSpec) {
  const fault = await faultOf(folder, spec);
  if (fault !== undefined) throw fault;
  for (const { name } of version.outputArtifacts) {
    const path = join(folder, name);
    if (await fileFacts(path) === undefined) {
      throw new ApplicationFailure("APPLICATION.OUTPUT_MISSING", `The application has not made the output "${name}"`);
    }
    await job.produce(name, await openFile(path));
  }
}

/** What speaks against the outputs as they lie there. Never fails: a program may do anything to its folder. */
async function faultOf(folder: string, { outputLimitBytes }: ContainerSpec): Promise<ApplicationFailure | undefined> {
  try {
    if (await folderSize(folder) <= outputLimitBytes) return undefined;
    const limit = `The outputs of the application are larger than ${outputLimitBytes} bytes`;
    return new ApplicationFailure("APPLICATION.OUTPUT_TOO_LARGE", limit);
  } catch (cause) {
    const unreadable = "The folder of the outputs of the application cannot be read";
    return new ApplicationFailure("APPLICATION.OUTPUT_UNREADABLE", unreadable, { cause });
  }
}

/** Of all that lies in it, at any depth; links count nothing and are not followed, and nor does what has gone meanwhile. */
async function folderSize(folder: string): Promise<number> {
  let sizeBytes = 0;
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      sizeBytes += isDirectory ? await folderSize(path) : (await fileFacts(path))?.sizeBytes ?? 0;
    }
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
    if (!isGone) throw error;
  }
  return sizeBytes;
}
