import { processIo } from "./cli/io.ts";
import { run } from "./cli/run.ts";
import type { Programs } from "./cli/shell.ts";
import { InterruptedError } from "./lib/errors.ts";
import { ignoresHangUp } from "./lib/system/signals.ts";

const INTERRUPTED = 130;

const programs: Programs = {
  device: () => import("./routes/serve.ts"),
  origin: () => import("./origin/commands.ts"),
};

async function main(): Promise<never> {
  const stop = new AbortController();
  const onHangUp = ignoresHangUp() ? () => {} : () => stop.abort(new InterruptedError()); // comes twice, from the shell too
  const onSignal = () => stop.signal.aborted ? Deno.exit(INTERRUPTED) : stop.abort(new InterruptedError());
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  Deno.addSignalListener("SIGHUP", onHangUp);
  Deno.exit(await run(Deno.args, processIo(), programs, stop.signal));
}

if (import.meta.main) await main();
