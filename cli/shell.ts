import type { Bytes } from "../lib/bytes.ts";
import type { Settings } from "../lib/config/options.ts";
import type { Logger } from "../lib/log.ts";
import type { Io } from "./io.ts";
import type { Output } from "./output.ts";

/** The device service, as the command line sees it. */
export interface DeviceProgram {
  /** Serves until the signal is aborted; `onListening` is called once, when calls are taken. */
  runDevice(settings: Settings, signal: AbortSignal, onListening: (url: string) => void): Promise<void>;
}

/** How an origin is served. */
export interface OriginServeOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: URL;
  readonly log: Logger;
}

/** How far something has come. */
export type OnProgress = (doneBytes: number, totalBytes: number) => void;

/** The origin, as the command line sees it: its subcommands by name. */
export interface OriginProgram {
  readonly ORIGIN_COMMANDS: {
    readonly "init": (options: { dataDir: string; email: string }) => Promise<{ email: string; password: string }>;
    readonly "serve": (
      options: OriginServeOptions,
      signal: AbortSignal,
      onListening: (url: string) => void,
    ) => Promise<void>;
    readonly "rotate-keys": (options: { dataDir: string }) => Promise<{ kid: string }>;
    readonly "rotate-object-tokens": (options: { dataDir: string }) => Promise<void>;
    readonly "set-key-fragment": (options: { dataDir: string; fragment: Bytes }) => Promise<void>;
    readonly "backup": (
      options: { dataDir: string; out: string; signal: AbortSignal; onProgress: OnProgress },
    ) => Promise<{ fileCount: number; sizeBytes: number; sha256: string }>;
    readonly "restore": (
      options: { dataDir: string; from: string; signal: AbortSignal; onProgress: OnProgress },
    ) => Promise<{ fileCount: number; createdMs: number }>;
    readonly "gc": (
      options: { dataDir: string; dryRun: boolean },
    ) => Promise<readonly { path: string; sizeBytes: number }[]>;
  };
}

/** Programs that stand beside the command line and are fetched when they are asked for. */
export interface Programs {
  readonly device: () => Promise<DeviceProgram>;
  readonly origin: () => Promise<OriginProgram>;
}

/** What a command works with. */
export interface Shell {
  readonly io: Io;
  readonly output: Output;
  readonly programs: Programs;
  /** Aborted when the person or the system asks to stop. */
  readonly signal: AbortSignal;
}
