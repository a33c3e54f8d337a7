import type { Command } from "commander";
import { connectDevice } from "../device.ts";
import { withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally logout`: signs out on the device. */
export function logoutCommand(shell: Shell): Command {
  const command = verb("logout", "Sign out on the device service, which forgets the password", [
    ["tally logout", "on this machine"],
    ["tally logout --device-url http://127.0.0.1:9000", "where the device service listens elsewhere"],
  ]);
  return withSettings(command, ["deviceUrl"]).action(async () => {
    await (await connectDevice(shell, command)).logout();
    shell.output.result({ status: "ok" }, "Signed out");
  });
}
