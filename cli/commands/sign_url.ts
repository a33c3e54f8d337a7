import { type Command, Option as Flag } from "commander";
import { parseCdnFile, readCdnFile, type S3CdnSettings } from "../../lib/config/cdn_file.ts";
import { ConfigurationError, UsageError } from "../../lib/errors.ts";
import type { ServiceAccount } from "../../lib/platform/gcs_signed_url.ts";
import { readSecretFile } from "../../lib/system/files.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface SignFlags {
  readonly method: "GET" | "PUT";
  readonly expires: string;
  readonly keyFile?: string;
}

const KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS";
const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** `tally sign-url`: an address that lets whoever has it read or write one object for a while. */
export function signUrlCommand(shell: Shell): Command {
  const command = verb("sign-url", "Make an address that opens one object of a bucket for a while", [
    [
      "tally sign-url gs://slides/a.tiff --key-file account.json --expires 6h",
      "Google Cloud Storage, by a service account",
    ],
    ["tally sign-url s3://models/a.big --cdn-config cdn.yaml", "an S3 server, by the downloader of cdn.yaml"],
    ["tally sign-url s3://models/a.big --cdn-config cdn.yaml --method PUT", "for writing, by the uploader"],
  ]);
  command.argument("<uri>", "gs://bucket/key or s3://bucket/key")
    .addOption(new Flag("--method <method>", "what the address is good for").choices(["GET", "PUT"]).default("GET"))
    .option("--expires <time>", "how long: 90s, 30m, 6h, 7d at most", "6h")
    .option("--key-file <file>", `key file (mode 0600) of a service account (default: $${KEY_VARIABLE})`);
  withSettings(command, ["cdnConfig"]);
  return command.action((uri: string, flags: SignFlags) => signUrl(shell, command, uri, flags));
}

async function signUrl({ io, output }: Shell, command: Command, uri: string, flags: SignFlags): Promise<void> {
  const { signObjectUrl } = await import("../../lib/platform/signed_url.ts");
  const expiresSeconds = parseDuration(flags.expires);
  const nowMs = io.clock.now();
  const url = await signObjectUrl(uri, {
    gs: () => serviceAccount(flags.keyFile ?? io.environment(KEY_VARIABLE)),
    s3: async () => await s3Settings((await readSettings(command, io.environment)).cdnConfig),
  }, { method: flags.method, expiresSeconds, nowMs });
  const expiresAt = new Date(nowMs + expiresSeconds * 1000).toISOString();
  output.result({ url, method: flags.method, expires_at: expiresAt }, url);
}

function parseDuration(text: string): number {
  const [, figure = "", unit = ""] = /^(\d{1,7})([smhd]?)$/.exec(text) ?? [];
  const seconds = Number(figure || NaN) * (UNITS[unit] ?? NaN);
  if (seconds > 0) return seconds;
  throw new UsageError(`"${text}" is not a time such as 90s, 30m, 6h or 7d`);
}

async function serviceAccount(path: string | undefined): Promise<ServiceAccount> {
  if (path === undefined) throw new ConfigurationError([`Give --key-file, or set ${KEY_VARIABLE}`]);
  const { parseServiceAccount } = await import("../../lib/platform/gcs_signed_url.ts");
  return await parseServiceAccount(await readSecretFile(path));
}

async function s3Settings(path: string | undefined): Promise<S3CdnSettings> {
  if (path === undefined) throw new ConfigurationError(["Give --cdn-config with a file that is there"]);
  const settings = await parseCdnFile(await readCdnFile(path));
  if (settings.kind === "s3") return settings;
  throw new ConfigurationError([`The CDN of "${path}" is no S3 server`]);
}
