import { type Command, Option } from "commander";
import project from "../deno.json" with { type: "json" };
import { applicationCommand } from "./commands/application.ts";
import { auditCommand } from "./commands/audit.ts";
import { cacheCommand } from "./commands/cache.ts";
import { completionsCommand } from "./commands/completions.ts";
import { configCommand } from "./commands/config.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { deviceCommand } from "./commands/device.ts";
import { hardwareCommand } from "./commands/hardware.ts";
import { healthCommand } from "./commands/health.ts";
import { keysCommand } from "./commands/keys.ts";
import { loadCommand } from "./commands/load.ts";
import { loginCommand } from "./commands/login.ts";
import { logoutCommand } from "./commands/logout.ts";
import { originCommand } from "./commands/origin.ts";
import { openCommand } from "./commands/open.ts";
import { runCommand } from "./commands/run.ts";
import { sealCommand } from "./commands/seal.ts";
import { selfUpdateCommand } from "./commands/self_update.ts";
import { signUrlCommand } from "./commands/sign_url.ts";
import { smallCommand } from "./commands/small.ts";
import { statusCommand } from "./commands/status.ts";
import { unlockCommand } from "./commands/unlock.ts";
import { uploadCommand } from "./commands/upload.ts";
import { versionCommand } from "./commands/version.ts";
import { whoamiCommand } from "./commands/whoami.ts";
import { RootCommand } from "./root_command.ts";
import type { Shell } from "./shell.ts";
import { adopt, withExamples } from "./verb.ts";

const DESCRIPTION = "Delivers AI models and container images to devices that nobody can guard.\n" +
  "Each resource is encrypted and split: neither half alone is of any use.";

const GROUPS: readonly [heading: string, verbs: readonly ((shell: Shell) => Command)[]][] = [
  ["Services:", [deviceCommand, originCommand]],
  ["Resources:", [loadCommand, uploadCommand, unlockCommand]],
  ["Offline:", [sealCommand, openCommand, smallCommand, keysCommand]],
  ["Platform:", [applicationCommand, runCommand, healthCommand, signUrlCommand]],
  ["Session:", [loginCommand, logoutCommand, whoamiCommand]],
  ["This machine:", [statusCommand, cacheCommand, hardwareCommand, configCommand, doctorCommand, auditCommand]],
  ["More:", [demoCommand, versionCommand, selfUpdateCommand, completionsCommand]],
];

/** The whole tree of verbs. Parsing throws instead of ending the process. */
export function createProgram(shell: Shell): Command {
  const program = withExamples(new RootCommand("tally"), [
    ["tally demo", "see all of it on this machine, on real input"],
    ["tally login --email ada@example.com", "sign in on the device service"],
    ["tally load yolo.onnx --folder models", "load a resource"],
  ])
    .description(DESCRIPTION)
    .version(`tally ${project.version}`, "-V, --version", 'print the version; "tally version" tells more')
    .option("--json", "print JSON: one document, or one line per event for long work")
    .addOption(new Option("--format <form>", "json is the same as --json").choices(["text", "json"]))
    .option("--config <file>", "settings file with NAME: value lines")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => shell.output.raw(text),
      writeErr: (text) => shell.output.rawNote(text),
      outputError: () => {}, // told by run(), with its code and hint
      getOutHelpWidth: () => shell.io.stdout.columns(),
      getOutHasColors: () => false,
    })
    .exitOverride();
  for (const [heading, verbs] of GROUPS) {
    for (const make of verbs) adopt(program, make(shell).helpGroup(heading));
  }
  return program;
}
