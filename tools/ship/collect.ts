/** Writes the hardware facts to the file of the first argument: what the launcher runs before the sandbox closes. */
import { collectHardware } from "../../lib/hardware/collect.ts";

await collectHardware("/", Deno.args[0] ?? "");
