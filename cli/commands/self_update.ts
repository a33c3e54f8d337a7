import { type Command, Option } from "commander";
import { dirname, join } from "node:path";
import { serverUrl } from "../../lib/config/values.ts";
import { ConfigurationError, messageOf, UpstreamError, UsageError } from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { openWholeFile, readSmallFile } from "../../lib/system/files.ts";
import type { OpenShipped } from "../../lib/updates/install.ts";
import type { WatchedService } from "../../lib/updates/service.ts";
import { readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

interface UpdateFlags {
  readonly from?: string;
  readonly program: string;
  readonly installed?: string;
  readonly service?: string;
  readonly allowDowngrade?: true;
  readonly rollback?: true;
}

const INSTALL_FOLDER = "/usr/local/lib/tallystick";
const SYSTEMCTL = "/usr/bin/systemctl";
const KEY_LIMIT_BYTES = 4 * 1024;
const UNIT = /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}$/;

/** `tally self-update`: exchanges an installed program for a newer one that the publisher has signed. */
export function selfUpdateCommand(shell: Shell): Command {
  const command = verb("self-update", "Exchange an installed program for one that the publisher has signed", [
    [
      "tally self-update --from dist/tally-device-aarch64 --update-public-key-file /etc/tallystick/public.pem",
      "SHA256SUMS and SHA256SUMS.sig lie beside the file",
    ],
    ["tally self-update --service tallystick-device", "from UPDATE_URL; goes back by itself when it is not healthy"],
    ["tally self-update --rollback", "back to the previous file"],
  ]);
  command
    .option("--from <file|url>", "new file; UPDATE_URL when it is left out")
    .addOption(
      new Option("--program <name>", "program that is exchanged").choices(["device", "origin", "cli"]).default(
        "device",
      ),
    )
    .option("--installed <file>", `where it lies (default: ${INSTALL_FOLDER}/tally-PROGRAM)`)
    .option("--service <unit>", "systemd unit to restart; its health is watched at DEVICE_URL")
    .option("--allow-downgrade", "take a version that is older than the installed one, too")
    .addOption(new Option("--rollback", "put the previous file back").conflicts(["from", "allowDowngrade"]));
  return withSettings(command, ["updatePublicKeyFile", "updateUrl", "deviceUrl"])
    .action(async (flags: UpdateFlags) => await selfUpdate(shell, command, flags));
}

async function selfUpdate(shell: Shell, command: Command, flags: UpdateFlags): Promise<void> {
  const { installUpdate, previousPath, readInstalled, rollBack } = await import("../../lib/updates/install.ts");
  const { requireUnit, restartOrGoBack } = await import("../../lib/updates/service.ts");
  const settings = await readSettings(command, shell.io.environment);
  const installed = flags.installed ?? join(INSTALL_FOLDER, `tally-${flags.program}`);
  if (flags.rollback) {
    if (flags.service !== undefined) throw new UsageError("--rollback restarts nothing: leave --service out");
    await rollBack(installed);
    return tell(shell, "rolled_back", installed, (await readInstalled(installed)).version);
  }
  const service = flags.service === undefined ? undefined : watchedService(shell, flags.service, settings.deviceUrl);
  if (service !== undefined) await requireUnit(service);
  const { version } = await installUpdate({
    installed,
    name: `tally-${flags.program}-${Deno.build.arch}`,
    publicKeyPem: await readPublicKey(settings.updatePublicKeyFile),
    allowDowngrade: flags.allowDowngrade ?? false,
    open: openerOf(flags.from ?? settings.updateUrl?.href, shell.signal),
  });
  if (service !== undefined) await restartOrGoBack(service, installed);
  tell(shell, service === undefined ? "updated" : "updated_and_restarted", installed, version);
  shell.output.note(`The previous file is ${previousPath(installed)}`);
}

function tell({ output }: Shell, event: string, installed: string, version: string): void {
  const restart = event === "updated_and_restarted"
    ? "and is healthy"
    : "now; restart its service (systemctl restart UNIT) to run it";
  output.result({ event, installed, version }, `${installed} is version ${version} ${restart}`);
}

async function readPublicKey(path: string | undefined): Promise<string> {
  if (path === undefined) throw new ConfigurationError(["UPDATE_PUBLIC_KEY_FILE is not set: nothing can be verified"]);
  const bytes = await readSmallFile(path, KEY_LIMIT_BYTES);
  if (bytes === undefined) throw new ConfigurationError([`UPDATE_PUBLIC_KEY_FILE: there is no file "${path}"`]);
  return new TextDecoder().decode(bytes);
}

function openerOf(from: string | undefined, signal: AbortSignal): OpenShipped {
  if (from === undefined) throw new UsageError("Say where the new file is: --from FILE or URL, or UPDATE_URL");
  if (!/^https?:/i.test(from)) {
    return async (beside) => (await openWholeFile(beside === undefined ? from : join(dirname(from), beside))).body;
  }
  const http = httpClient("update server");
  const url = updateUrl(from);
  return async (beside) => {
    const { status, body } = await http(beside === undefined ? url : new URL(beside, url), { signal });
    if (status === 200) return body;
    await body.cancel();
    throw new UpstreamError("update server", `"${url.host}" answered ${status} for ${beside ?? "the new file"}`);
  };
}

function updateUrl(from: string): URL {
  try {
    return serverUrl(from);
  } catch (error) {
    throw new UsageError(`--from ${messageOf(error)}`, { cause: error });
  }
}

function watchedService({ io, signal }: Shell, unit: string, deviceUrl: URL): WatchedService {
  if (!UNIT.test(unit)) throw new UsageError(`"${unit}" is not the name of a systemd unit`);
  const healthUrl = new URL("health", deviceUrl.href.endsWith("/") ? deviceUrl : `${deviceUrl.href}/`);
  return { unit, systemctl: SYSTEMCTL, healthUrl, http: httpClient("device"), clock: io.clock, signal };
}
