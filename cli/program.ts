import { type Command, InvalidArgumentError, Option } from "commander";
import project from "../deno.json" with { type: "json" };
import { RootCommand } from "./root_command.ts";
import type { Shell } from "./shell.ts";
import { adopt, withExamples } from "./verb.ts";

const DESCRIPTION = "Delivers AI models and container images to devices that nobody can guard.\n" +
  "Each resource is encrypted and split: neither half alone is of any use.";

const OUTPUT_FORMS: readonly string[] = ["text", "json"];

/** It lists all the others. */
const COMPLETIONS = "completions";

/** Makes a verb. */
type MakeVerb = (shell: Shell) => Command;

/** The verbs by their names. What one needs is imported when it is asked for: a service holds no memory for the others. */
const GROUPS: readonly (readonly [heading: string, verbs: Readonly<Record<string, () => Promise<MakeVerb>>>])[] = [
  ["Services:", {
    "device": async () => (await import("./commands/device.ts")).deviceCommand,
    "origin": async () => (await import("./commands/origin.ts")).originCommand,
  }],
  ["Resources:", {
    "load": async () => (await import("./commands/load.ts")).loadCommand,
    "upload": async () => (await import("./commands/upload.ts")).uploadCommand,
    "unlock": async () => (await import("./commands/unlock.ts")).unlockCommand,
  }],
  ["Offline:", {
    "seal": async () => (await import("./commands/seal.ts")).sealCommand,
    "open": async () => (await import("./commands/open.ts")).openCommand,
    "small": async () => (await import("./commands/small.ts")).smallCommand,
    "keys": async () => (await import("./commands/keys.ts")).keysCommand,
  }],
  ["Platform:", {
    "application": async () => (await import("./commands/application.ts")).applicationCommand,
    "run": async () => (await import("./commands/run.ts")).runCommand,
    "health": async () => (await import("./commands/health.ts")).healthCommand,
    "sign-url": async () => (await import("./commands/sign_url.ts")).signUrlCommand,
  }],
  ["Session:", {
    "login": async () => (await import("./commands/login.ts")).loginCommand,
    "logout": async () => (await import("./commands/logout.ts")).logoutCommand,
    "whoami": async () => (await import("./commands/whoami.ts")).whoamiCommand,
  }],
  ["This machine:", {
    "status": async () => (await import("./commands/status.ts")).statusCommand,
    "cache": async () => (await import("./commands/cache.ts")).cacheCommand,
    "hardware": async () => (await import("./commands/hardware.ts")).hardwareCommand,
    "config": async () => (await import("./commands/config.ts")).configCommand,
    "doctor": async () => (await import("./commands/doctor.ts")).doctorCommand,
    "audit": async () => (await import("./commands/audit.ts")).auditCommand,
  }],
  ["More:", {
    "demo": async () => (await import("./commands/demo.ts")).demoCommand,
    "version": async () => (await import("./commands/version.ts")).versionCommand,
    "self-update": async () => (await import("./commands/self_update.ts")).selfUpdateCommand,
    "completions": async () => (await import("./commands/completions.ts")).completionsCommand,
  }],
];

/**
 * The tree of verbs. Parsing throws instead of ending the process.
 * @param first what the command line begins with: when it is a verb that needs no other one, only this one is there
 */
export async function createProgram(shell: Shell, first?: string): Promise<Command> {
  const program = withExamples(new RootCommand("tally"), [
    ["tally demo", "see all of it on this machine, on real input"],
    ["tally login --email ada@example.com", "sign in on the device service"],
    ["tally load yolo.onnx --folder models", "load a resource"],
  ])
    .description(DESCRIPTION)
    .version(`tally ${project.version}`, "-V, --version", 'print the version; "tally version" tells more')
    .option("--json", "print JSON: one document, or one line per event for long work")
    .addOption(new Option("--format <form>", "json is the same as --json").choices(OUTPUT_FORMS).argParser(outputForm))
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
  const wanted = GROUPS.some(([, verbs]) => isAlone(first, verbs)) ? first : undefined;
  for (const [heading, verbs] of GROUPS) {
    for (const [name, load] of Object.entries(verbs)) {
      if (wanted === undefined || name === wanted) adopt(program, (await load())(shell).helpGroup(heading));
    }
  }
  return program;
}

/** What resources are published in is another setting: it must not be taken for this one. */
function outputForm(form: string): string {
  if (OUTPUT_FORMS.includes(form)) return form;
  const elsewhere = /^v\d$/.test(form) ? " It is the form of the output; that of a resource is --resource-format." : "";
  throw new InvalidArgumentError(`Allowed choices are ${OUTPUT_FORMS.join(", ")}.${elsewhere}`);
}

function isAlone(first: string | undefined, verbs: Readonly<Record<string, unknown>>): boolean {
  return first !== undefined && first !== COMPLETIONS && Object.hasOwn(verbs, first);
}
