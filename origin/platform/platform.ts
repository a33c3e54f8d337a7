import type { Logger } from "../../lib/log.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { ObjectFolder } from "../object_store.ts";
import type { State } from "../state.ts";
import { processChecksum } from "./builtin/checksum.ts";
import { processThumbnail } from "./builtin/thumbnail.ts";
import { Catalogue } from "./catalogue.ts";
import { sweepContainers } from "./container_host.ts";
import { type ContainerHost, containerProcessor } from "./container_processor.ts";
import { inputFetch } from "./input_fetch.ts";
import { InputSource } from "./input_source.ts";
import type { Processor } from "./processor.ts";
import { RunQueue } from "./run_queue.ts";
import { SignedFiles } from "./signed_files.ts";
import { Worker } from "./worker.ts";

/** How runs are processed. */
export interface PlatformSettings {
  /** Items that are worked on at once. */
  readonly parallelism: number;
  /** Whether inputs may be fetched from this machine and private networks. */
  readonly allowPrivateInputs: boolean;
}

/** The settings of an origin that says nothing else. */
export const DEFAULT_PLATFORM_SETTINGS: PlatformSettings = { parallelism: 2, allowPrivateInputs: false };

/** What a platform stands on. */
export interface PlatformDeps {
  readonly state: State;
  readonly objects: ObjectFolder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicUrl: URL;
  readonly settings: PlatformSettings;
  readonly containers: ContainerHost;
}

/** The platform behind its API: applications, runs and their files, and the worker. */
export interface Platform {
  readonly state: State;
  readonly objects: ObjectFolder;
  readonly clock: Clock;
  readonly files: SignedFiles;
  readonly catalogue: Catalogue;
  readonly queue: RunQueue;
  /** Tells the worker of a new run, or of one that has ended. */
  notify(): void;
  /** Works on runs until the signal is aborted. */
  work(signal: AbortSignal): Promise<void>;
}

const INPUT_LIMIT_BYTES = 64 * 1024 ** 3;
const BUILT_IN: Readonly<Record<string, Processor>> = { checksum: processChecksum, thumbnail: processThumbnail };

/** Puts the parts of the platform together. */
export function createPlatform({ settings, containers, ...deps }: PlatformDeps): Platform {
  const { state, objects, clock } = deps;
  const files = new SignedFiles(deps);
  const catalogue = new Catalogue(state);
  const queue = new RunQueue(deps);
  const fetchInput = inputFetch({ allowPrivate: settings.allowPrivateInputs, limitBytes: INPUT_LIMIT_BYTES, clock });
  const worker = new Worker({
    ...deps,
    ...{ queue, catalogue, parallelism: settings.parallelism },
    inputs: new InputSource({ files, objects, fetchInput }),
    processorOf: (applicationId, version) => {
      if (version.container !== undefined) return containerProcessor(containers, version, version.container);
      const processor = BUILT_IN[applicationId];
      if (processor === undefined) throw new Error(`The application "${applicationId}" cannot be run`);
      return processor;
    },
  });
  return {
    ...{ state, objects, clock, files, catalogue, queue },
    notify: () => worker.notify(),
    async work(signal) {
      const hasContainers = catalogue.list().some(({ versions }) => versions.some(({ container }) => container));
      if (hasContainers) await sweepContainers(containers, signal, deps.log);
      await worker.run(signal);
    },
  };
}
