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

/** An organisation, as it is listed. */
export interface ListedOrganization {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly isDefault: boolean;
}

/** What `tally origin organization add` and `set` are told. */
export interface OrganizationOptions {
  readonly dataDir: string;
  readonly name: string;
  readonly displayName?: string;
  readonly services?: unknown;
}

/** An account of the origin, as it is listed. */
export interface ListedUser {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly enabled: boolean;
  readonly organization: string;
  readonly organizationRole: string;
}

/** What `tally origin user add` is told. */
export interface AddUserOptions {
  readonly dataDir: string;
  readonly email: string;
  readonly role: string;
  readonly organization?: string;
  readonly organizationRole?: string;
  readonly givenName?: string;
  readonly familyName?: string;
  readonly password?: string;
}

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
    readonly "organization add": (options: OrganizationOptions) => Promise<ListedOrganization>;
    readonly "organization set": (options: OrganizationOptions) => Promise<ListedOrganization>;
    readonly "organization list": (options: { dataDir: string }) => Promise<readonly ListedOrganization[]>;
    readonly "user add": (options: AddUserOptions) => Promise<ListedUser & { password?: string }>;
    readonly "user move": (
      options: { dataDir: string; email: string; organization: string; organizationRole: string },
    ) => Promise<ListedUser>;
    readonly "user list": (options: { dataDir: string }) => Promise<readonly ListedUser[]>;
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
