import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";

/** A service in a process of its own. Dispose it: it is stopped. */
export interface Service extends AsyncDisposable {
  readonly pid: number;
  readonly url: URL;
}

/** Starts a verb of this program that serves, and waits until it says where. */
export function startTally(verb: readonly string[]): Promise<Service> {
  const { program, args, env } = thisProgram(processEnvironment);
  return startService(program, [...args, ...verb, "--json"], env);
}

/** Starts a program whose first line is a JSON document with its `url`. */
export async function startService(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Service> {
  const child = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`"${args.join(" ")}" ended before it listened`);
    text += value;
  }
  return {
    pid: child.pid,
    url: new URL(JSON.parse(text.split("\n", 1)[0] ?? "").url),
    async [Symbol.asyncDispose]() {
      const early = await Promise.race([child.status, undefined]);
      if (early !== undefined) {
        throw new Error(`"${args.join(" ")}" ended by itself, with ${early.signal ?? early.code}`);
      }
      child.kill("SIGTERM");
      await child.status;
      await lines.cancel();
    },
  };
}
