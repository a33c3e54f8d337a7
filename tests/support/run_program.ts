/** Runs a program of the system to its end. @throws {Error} with what it says when it fails */
export async function runProgram(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
