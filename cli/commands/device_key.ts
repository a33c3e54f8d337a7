import type { Command } from "commander";
import { READER_ROLES } from "../../lib/auth/roles.ts";
import { NotAllowedError, UsageError } from "../../lib/errors.ts";
import { type AccountFlags, asAccount, withServices } from "../direct.ts";
import { DIRECT_SETTINGS, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb, withAccount } from "../verb.ts";

interface EnrolFlags extends AccountFlags {
  readonly trustPublishers?: boolean;
}

/** `tally device enroll`: makes this device known to the origin, or asks how it stands. */
export function enrolCommand(shell: Shell): Command {
  const command = verb("enroll", "Make this device known to the origin, or ask how it stands there", [
    [
      "tally device enroll --email device7@example.com",
      "as the user of the device service; exit code 4 while it waits",
    ],
    [
      "tally device enroll --email device7@example.com --trust-publishers",
      "believe the publishers that the origin names now",
    ],
  ]);
  command.option("--trust-publishers", "pin the publishers that the origin names, in place of those that are pinned");
  withAccount(command, "account that enrols");
  return withSettings(command, DIRECT_SETTINGS)
    .action(async (flags: EnrolFlags) => await enrol(shell, command, flags));
}

async function enrol(shell: Shell, command: Command, flags: EnrolFlags): Promise<void> {
  const { email, trustPublishers = false } = flags;
  if (email === undefined) throw new UsageError("Cannot enrol: --email is missing");
  const standing = await asAccount(
    shell,
    command,
    { flags, email, roles: READER_ROLES },
    ({ enrolment }) => enrolment.enroll({ trustPublishers, signal: shell.signal }),
  );
  const { kid, state, publishers, publishersDiffer } = standing;
  shell.output.result(
    standing,
    `Device      ${kid}`,
    `State       ${state}`,
    ...publishers.map(({ name, kid }) => `Publisher   ${name}, ${kid}`),
    ...(publishersDiffer ? ["The origin names other publishers: --trust-publishers pins them"] : []),
  );
  if (state !== "approved") {
    throw new NotAllowedError(`The device is ${state}: an administrator approves it with tally origin devices approve`);
  }
}

/** `tally device status`: shows the device's key and how it stood when it last asked; asks nobody. */
export function deviceStatusCommand(shell: Shell): Command {
  const command = verb("status", "Show this device's key, and how it stood at the origin when it last asked", [
    ["tally device status", "as the user of the device service"],
  ]);
  return withSettings(command, DIRECT_SETTINGS).action(async () => {
    await withServices(shell, command, async ({ enrolment }) => {
      const { kid } = await enrolment.key();
      const standing = await enrolment.standing();
      const { state = "unknown", publishers = [] } = standing ?? {};
      shell.output.result(
        { kid, state, publishers },
        `Device      ${kid}`,
        `State       ${state}`,
        ...publishers.map(({ name, kid }) => `Publisher   ${name}, ${kid}`),
      );
    });
  });
}
