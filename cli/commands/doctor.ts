import type { Command } from "commander";
import { TallyError } from "../../lib/errors.ts";
import { redact } from "../../lib/redaction/redact.ts";
import { doctorChecks, failureOf } from "../doctor/checks.ts";
import { type Check, type Finding, ok } from "../doctor/finding.ts";
import { errorCodeOf, HINTS } from "../exit_codes.ts";
import { DIRECT_SETTINGS, DOCKER_SETTINGS, readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

const MARKS = { ok: "ok", warning: "warning", failed: "FAILED" } as const;

interface Result {
  readonly name: string;
  readonly status: keyof typeof MARKS;
  readonly says: string;
  readonly hint?: string;
  readonly error?: TallyError;
}

/** `tally doctor`. */
export function doctorCommand(shell: Shell): Command {
  const command = verb("doctor", "Check what a device needs on this machine, and say what to do about the rest", [
    ["tally doctor", "exit code 0 also with warnings; else that of the first check that failed"],
    ["tally --config /etc/tallystick.yaml doctor --json", "with the settings of the service, for a script"],
  ]);
  const keys = [
    ...new Set([
      ...DIRECT_SETTINGS,
      ...DOCKER_SETTINGS,
      "imagesPath" as const,
      "imagesResource" as const,
      "logDir" as const,
    ]),
  ];
  return withSettings(command, keys).action(async () => await examine(shell, command));
}

async function examine({ io, output, signal }: Shell, command: Command): Promise<void> {
  let checks: readonly Check[] = [];
  const readingSettings: Check = {
    name: "settings",
    async run() {
      const settings = await readSettings(command, io.environment, ["resourceApiUrl"]);
      checks = doctorChecks({ settings, environment: io.environment, clock: io.clock });
      return ok("all are known and right");
    },
  };
  const results = [await resultOf(readingSettings, signal)];
  for (const check of checks) {
    results.push(await resultOf(check, signal));
    signal.throwIfAborted();
  }
  const shown = results.map(({ error: _error, ...rest }) => rest);
  output.result({ checks: shown }, ...results.flatMap(linesOf));
  const failed = results.filter(({ status }) => status === "failed");
  const [first] = failed;
  if (first?.error === undefined) return;
  throw new TallyError(first.error.code, `${failed.length} of ${results.length} checks failed: ${namesOf(failed)}`);
}

async function resultOf({ name, run }: Check, signal: AbortSignal): Promise<Result> {
  try {
    return { name, ...await run(signal) satisfies Finding };
  } catch (cause) {
    const error = failureOf(cause);
    const says = redact(error.message).replaceAll("\n", "; "); // one line for each fault in the settings
    return { name, status: "failed", says, hint: HINTS[errorCodeOf(error)], error };
  }
}

function linesOf({ name, status, says, hint }: Result): string[] {
  const line = `${MARKS[status].padEnd(8)}${`${name}:`.padEnd(16)}${says}`;
  return hint === undefined ? [line] : [line, `${" ".repeat(24)}${hint}`];
}

function namesOf(results: readonly Result[]): string {
  return results.map(({ name }) => name).join(", ");
}
