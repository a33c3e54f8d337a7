/** Serves the origin of the folder that is the first argument, and prints its address: a process that a test may kill. */
import { runOrigin } from "../../origin/serve.ts";

await runOrigin(
  { dataDir: Deno.args[0] ?? "", port: 0 },
  new AbortController().signal,
  (url) => Deno.stdout.writeSync(new TextEncoder().encode(`${url}\n`)),
);
