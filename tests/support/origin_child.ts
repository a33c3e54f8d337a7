/**
 * Serves the origin of the folder that is the first argument, with the engine that is the second, and prints its address: a process that a test may
 * kill.
 */
import { runOrigin } from "../../origin/serve.ts";

const [dataDir = "", dockerHost] = Deno.args;

await runOrigin(
  { dataDir, port: 0, ...(dockerHost === undefined ? {} : { dockerHost }) },
  new AbortController().signal,
  (url) => Deno.stdout.writeSync(new TextEncoder().encode(`${url}\n`)),
);
