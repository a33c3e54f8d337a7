import type { Command } from "commander";
import type { Io } from "./io.ts";

/** Flags of verbs that may look at somebody else's run. */
export interface SharedFlags {
  readonly shareToken?: string;
}

const VARIABLE = "AIGNOSTICS_SHARE_TOKEN";

/** Gives a verb the flag by which somebody else's run is seen. */
export function withShareToken(command: Command): Command {
  return command.option(
    "--share-token <token>",
    `token that somebody shared the run with; what other users of this machine cannot see is ${VARIABLE}`,
  );
}

/** The token of the flag, or else of the environment. */
export function shareTokenOf({ shareToken }: SharedFlags, { environment }: Io): string | undefined {
  return shareToken ?? environment(VARIABLE);
}
