/** The program with its heavy packages and all its parts imported at its start: what importing them where they are used is compared with. */
import { processIo } from "../cli/io.ts";
import { run } from "../cli/run.ts";
import * as origin from "../origin/commands.ts";
import * as device from "../routes/serve.ts";

// An import for nothing but its effects would be left out of the bundle.
export * as s3 from "@aws-sdk/client-s3";
export * as yaml from "yaml";

const programs = { device: () => Promise.resolve(device), origin: () => Promise.resolve(origin) };
Deno.exit(await run(Deno.args, processIo(), programs, new AbortController().signal));
