import { thisProgram } from "../cli/demo/this_program.ts";
import { processEnvironment } from "../lib/system/environment.ts";

const SERVER = new URL("artifact_server.ts", import.meta.url).pathname;

/** A platform with one run of so many files, in a process of its own. */
export interface ArtifactSite extends AsyncDisposable {
  /** With a slash at its end. */
  readonly root: string;
  /** What a script needs to call this program there: `PROGRAM`, in words, and who asks whom. */
  readonly variables: Readonly<Record<string, string>>;
  /** Bytes of files that were taken off it. */
  sentBytes(): Promise<number>;
}

/** Starts it. Dispose it. */
export async function startArtifactSite(count: number, sizeBytes: number): Promise<ArtifactSite> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", SERVER, String(count), String(sizeBytes)],
    stdout: "piped",
  }).spawn();
  const root = await firstLine(server.stdout);
  const { program, args, env } = thisProgram(processEnvironment);
  const words = [program, ...args].join(" ");
  return {
    root,
    variables: { ...env, PROGRAM: words, AIGNOSTICS_API_ROOT: root, AIGNOSTICS_TOKEN: "token", ROOT: root },
    sentBytes: async () => Number(await (await fetch(`${root}sent`)).text()),
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.status;
    },
  };
}

async function firstLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.endsWith("\n")) return text.trim();
  }
  throw new Error("The server of the artifacts does not start");
}
