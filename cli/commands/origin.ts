import { type Command, Option } from "commander";
import { OPTIONS } from "../../lib/config/options.ts";
import { ConfigurationError, messageOf, NotFoundError } from "../../lib/errors.ts";
import { readSmallFile, requirePrivate } from "../../lib/system/files.ts";
import type { ServiceLog } from "../../lib/logs/service_log.ts";
import { originLog } from "../log.ts";
import type { OriginServeOptions, Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";
import { clientCommand } from "./origin_client.ts";
import { type FolderFlags, folderVerb, MASTER_KEY_FILE_DOC } from "./origin_folder.ts";
import { organizationCommand } from "./origin_organization.ts";
import { applicationCommand } from "./origin_application.ts";
import { backupCommand, gcCommand, restoreCommand } from "./origin_upkeep.ts";
import { userCommand } from "./origin_user.ts";
import {
  devicesCommand,
  grantsCommand,
  publisherCommand,
  rotateMasterKeyCommand,
  versionCommand,
} from "./origin_v2.ts";

interface ServeFlags extends FolderFlags {
  readonly host: string;
  readonly port: string;
  readonly publicUrl?: string;
  readonly enrolment: "automatic" | "approval";
  readonly masterKeyFile?: string;
  readonly workers: string;
  readonly allowPrivateInputs: boolean;
  readonly dockerHost: string;
  readonly logLevel: string;
  readonly logDir?: string;
  readonly logRetentionDays?: string;
}

const DEFAULT_EMAIL = "admin@example.com";
const DEFAULT_PORT = "8090";
const DEFAULT_WORKERS = "2";
const WORKER_LIMIT = 64;
const FRAGMENT_LIMIT_BYTES = 64 * 1024;

const SUBCOMMANDS: readonly ((shell: Shell) => Command)[] = [
  ...[initCommand, serveCommand],
  ...[rotateKeysCommand, rotateTokensCommand, setFragmentCommand],
  ...[organizationCommand, userCommand, applicationCommand, clientCommand],
  ...[publisherCommand, devicesCommand, versionCommand, grantsCommand, rotateMasterKeyCommand],
  ...[backupCommand, restoreCommand, gcCommand],
];

/** `tally origin`: makes and runs an origin. */
export function originCommand(shell: Shell): Command {
  const command = verb("origin", "Make and run an origin: Resource API, keys and object store", [
    ["tally origin init --data-dir /srv/origin", "makes it, and shows the administrator's password once"],
    ["tally origin serve --data-dir /srv/origin", "runs it on http://127.0.0.1:8090"],
  ]);
  for (const make of SUBCOMMANDS) adopt(command, make(shell));
  return command;
}

function initCommand({ output, programs }: Shell): Command {
  return folderVerb("init", "Make a new origin and its first administrator", [
    ["tally origin init --data-dir /srv/origin --email root@example.com", "the password is shown once and never again"],
    ["tally origin init --data-dir /srv/origin --json", 'for a script: {"email":…,"password":…}'],
  ])
    .option("--email <email>", "address of the administrator", DEFAULT_EMAIL)
    .action(async ({ dataDir, email }: FolderFlags & { email: string }) => {
      const { ORIGIN_COMMANDS } = await programs.origin();
      const administrator = await ORIGIN_COMMANDS.init({ dataDir, email });
      output.result(
        administrator,
        `Administrator: ${administrator.email}`,
        `Password:      ${administrator.password}`,
        "Keep it: it is stored nowhere and not shown again.",
      );
    });
}

function serveCommand(shell: Shell): Command {
  const { output, programs, signal } = shell;
  return folderVerb("serve", "Run an origin until it is told to stop", [
    ["tally origin serve --data-dir /srv/origin", "on http://127.0.0.1:8090"],
    [
      "tally origin serve --data-dir /srv/origin --host 0.0.0.0 --public-url https://origin.example.com",
      "behind a proxy that does TLS",
    ],
    [
      "tally origin serve --data-dir /srv/origin --port 0 --json",
      'takes a free port and prints {"event":"listening","url":…}',
    ],
  ])
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes a free one", DEFAULT_PORT)
    .option("--public-url <url>", "where clients reach it, when that is another address")
    .addOption(
      new Option("--enrolment <policy>", "who lets new devices in: the origin by itself, or an administrator")
        .choices(["automatic", "approval"]).default("automatic"),
    )
    .option("--master-key-file <file>", MASTER_KEY_FILE_DOC)
    .option("--workers <number>", "items of runs that are worked on at once", DEFAULT_WORKERS)
    .option("--allow-private-inputs", "inputs of runs may be fetched from this machine and private networks", false)
    .option("--docker-host <url>", "Docker engine of container applications", OPTIONS.dockerHost.fallbackText)
    .option("--log-level <level>", OPTIONS.logLevel.doc, "info")
    .option("--log-dir <folder>", `${OPTIONS.logDir.doc} (or the variable LOG_DIR)`)
    .option("--log-retention-days <number>", `${OPTIONS.logRetentionDays.doc} (or the variable; default: 30)`)
    .action(async (flags: ServeFlags) => {
      using serviced = logOf(shell, flags);
      const options = { ...serveOptions(flags), log: serviced.log };
      const { ORIGIN_COMMANDS } = await programs.origin();
      await ORIGIN_COMMANDS.serve(options, signal, (url) => {
        const signIn = `Sign in at it: tally login --api-root ${options.publicUrl?.href ?? url}`;
        output.event({ event: "listening", url }, `The origin listens on ${url}`, signIn);
      });
    });
}

function logOf({ io }: Shell, { logLevel, logDir, logRetentionDays }: ServeFlags): ServiceLog {
  const { logLevel: level, logDir: folder, logRetentionDays: retention } = OPTIONS;
  const [folderThere, daysThere] = [io.environment(folder.name), io.environment(retention.name)];
  const path = logDir ?? folderThere;
  return originLog(io, {
    level: parsed(level.flag, level.parse, logLevel),
    logDir: path === undefined ? undefined : parsed(folder.flag, folder.parse, path),
    retentionDays: parsed(retention.flag, retention.parse, logRetentionDays ?? daysThere ?? retention.fallbackText),
  });
}

function serveOptions(
  { dataDir, host, port, publicUrl, enrolment, masterKeyFile, ...platform }: ServeFlags,
): Omit<OriginServeOptions, "log"> {
  const parallelism = parsed("workers", workerCount, platform.workers);
  return {
    dataDir,
    host,
    enrolment,
    platform: { parallelism, allowPrivateInputs: platform.allowPrivateInputs },
    dockerHost: parsed("docker-host", OPTIONS.dockerHost.parse, platform.dockerHost),
    ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
    port: parsed("port", OPTIONS.port.parse, port),
    ...(publicUrl === undefined ? {} : { publicUrl: parsed("public-url", OPTIONS.resourceApiUrl.parse, publicUrl) }),
  };
}

function workerCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > WORKER_LIMIT) {
    throw new Error(`must be a number from 1 to ${WORKER_LIMIT}`);
  }
  return count;
}

function parsed<T>(flag: string, parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigurationError([`--${flag} ${messageOf(error)}`], { cause: error });
  }
}

function rotateKeysCommand({ output, programs }: Shell): Command {
  return folderVerb("rotate-keys", "Sign new tokens with a new key; those signed before stay good until they expire", [
    ["tally origin rotate-keys --data-dir /srv/origin", "also while the origin serves"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    const rotated = await (await programs.origin()).ORIGIN_COMMANDS["rotate-keys"]({ dataDir });
    const { kid, issuerKid } = rotated;
    const issuer = issuerKid === undefined
      ? []
      : [`New access tokens of the issuer are signed with the key ${issuerKid}`];
    output.result(rotated, `New tokens are signed with the key ${kid}`, ...issuer);
  });
}

function rotateTokensCommand({ output, programs }: Shell): Command {
  return folderVerb("rotate-object-tokens", "Make the tokens and signed URLs of the object store void, and new ones", [
    ["tally origin rotate-object-tokens --data-dir /srv/origin", "devices get the new ones with their next cdn.yaml"],
  ]).action(async ({ dataDir }: FolderFlags) => {
    await (await programs.origin()).ORIGIN_COMMANDS["rotate-object-tokens"]({ dataDir });
    output.result({ status: "ok" }, "The object store has new tokens");
  });
}

function setFragmentCommand({ output, programs }: Shell): Command {
  return folderVerb("set-key-fragment", "Take over the key fragment of a fleet that exists", [
    ["tally origin set-key-fragment --data-dir /srv/origin --file fragment.bin", "from a file of raw bytes"],
  ])
    .requiredOption("--file <file>", "file with the fragment's bytes")
    .action(async ({ dataDir, file }: FolderFlags & { file: string }) => {
      const fragment = await readSmallFile(file, FRAGMENT_LIMIT_BYTES);
      if (fragment === undefined) throw new NotFoundError(`Cannot read "${file}": there is no such file`);
      await requirePrivate(file);
      await (await programs.origin()).ORIGIN_COMMANDS["set-key-fragment"]({ dataDir, fragment });
      output.result({ status: "ok" }, "The key fragment is replaced");
    });
}
