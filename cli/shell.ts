import type { Bytes } from "../lib/bytes.ts";
import type { PublicJwk } from "../lib/crypto/okp_key.ts";
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
  /** Who lets new devices in. */
  readonly enrolment: "automatic" | "approval";
  readonly masterKeyFile?: string;
  /** How runs are processed. */
  readonly platform: { readonly parallelism: number; readonly allowPrivateInputs: boolean };
  readonly dockerHost: string;
  readonly log: Logger;
}

/** An application of the platform, as an origin lists it. */
export interface ListedOriginApplication {
  readonly applicationId: string;
  readonly name: string;
  /** Without an image it is built in. */
  readonly versions: readonly { readonly number: string; readonly image: string | null }[];
}

/** What `tally origin application add` is told. */
export interface AddApplicationOptions {
  readonly dataDir: string;
  readonly manifest: string;
  readonly image?: string;
  readonly version?: string;
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

/** A publisher that an origin trusts. */
export interface ListedPublisher {
  readonly kid: string;
  readonly name: string;
}

/** A device that is known to an origin. */
export interface ListedDevice {
  readonly kid: string;
  readonly email: string;
  readonly state: string;
  readonly enrolledMs: number;
  readonly decidedBy: string | undefined;
}

/** What `tally origin grants list` looks for. */
export interface GrantsListOptions {
  readonly dataDir: string;
  readonly email?: string;
  readonly kid?: string;
  readonly folder?: string;
  readonly name?: string;
  readonly limit?: number;
}

/** A grant that an origin made. */
export interface ListedGrant {
  readonly atMs: number;
  readonly email: string;
  readonly kid: string;
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly expiresSeconds: number;
}

/** A published version of a resource. */
export interface ListedVersion {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  readonly publishedMs: number;
  readonly publishedBy: string;
  readonly withdrawnMs: number | undefined;
  readonly pinned: boolean;
}

/** What `tally origin version pin`, `unpin` and `withdraw` are told. */
export interface VersionChangeOptions {
  readonly dataDir: string;
  readonly resource: { readonly folder: string; readonly name: string };
  readonly version: string;
  readonly change: "pin" | "unpin" | "withdraw";
}

/** A program that people may sign in to. */
export interface OAuthClient {
  readonly id: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
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
    readonly "rotate-keys": (options: { dataDir: string }) => Promise<{ kid: string; issuerKid?: string }>;
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
    readonly "application add": (options: AddApplicationOptions) => Promise<ListedOriginApplication>;
    readonly "application list": (options: { dataDir: string }) => Promise<readonly ListedOriginApplication[]>;
    readonly "application remove": (
      options: { dataDir: string; applicationId: string; version: string },
    ) => Promise<void>;
    readonly "organization add": (options: OrganizationOptions) => Promise<ListedOrganization>;
    readonly "organization set": (options: OrganizationOptions) => Promise<ListedOrganization>;
    readonly "organization list": (options: { dataDir: string }) => Promise<readonly ListedOrganization[]>;
    readonly "user add": (options: AddUserOptions) => Promise<ListedUser & { password?: string }>;
    readonly "user move": (
      options: { dataDir: string; email: string; organization: string; organizationRole: string },
    ) => Promise<ListedUser>;
    readonly "client add": (options: OAuthClient & { dataDir: string }) => Promise<OAuthClient>;
    readonly "client remove": (options: { dataDir: string; id: string }) => Promise<void>;
    readonly "client list": (options: { dataDir: string }) => Promise<readonly OAuthClient[]>;
    readonly "user sign-out": (options: { dataDir: string; email: string }) => Promise<void>;
    readonly "user list": (options: { dataDir: string }) => Promise<readonly ListedUser[]>;
    readonly "rotate-master-key": (
      options: { dataDir: string; masterKeyFile?: string },
    ) => Promise<{ id: string; rewrapped: number }>;
    readonly "publisher add": (options: { dataDir: string; key: PublicJwk; name: string }) => Promise<ListedPublisher>;
    readonly "publisher list": (options: { dataDir: string }) => Promise<readonly ListedPublisher[]>;
    readonly "publisher remove": (options: { dataDir: string; kid: string }) => Promise<void>;
    readonly "grants list": (options: GrantsListOptions) => Promise<readonly ListedGrant[]>;
    readonly "device list": (options: { dataDir: string }) => Promise<readonly ListedDevice[]>;
    readonly "device decide": (
      options: { dataDir: string; kid: string; state: "approved" | "revoked" },
    ) => Promise<ListedDevice>;
    readonly "version list": (
      options: { dataDir: string; resource?: { folder: string; name: string } },
    ) => Promise<readonly ListedVersion[]>;
    readonly "version change": (options: VersionChangeOptions) => Promise<void>;
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
