/** Runs a module's text in a process of its own, to its end. */
export async function evaluate(code: string): Promise<Deno.CommandOutput> {
  return await new Deno.Command(Deno.execPath(), { args: ["eval", code], stdout: "piped", stderr: "piped" }).output();
}
