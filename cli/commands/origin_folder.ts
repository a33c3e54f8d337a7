import type { Command } from "commander";
import { type Example, verb } from "../verb.ts";

/** What `--master-key-file` is. */
export const MASTER_KEY_FILE_DOC =
  "file (0600) with the key that content keys are wrapped by (default: master.key in the data folder; ORIGIN_MASTER_KEY goes before it)";

/** Flags of every verb that works on an origin's folder. */
export interface FolderFlags {
  readonly dataDir: string;
}

/** Makes a subcommand of `tally origin`, with its `--data-dir`. */
export function folderVerb(name: string, description: string, examples: readonly Example[]): Command {
  return verb(name, description, examples)
    .requiredOption("--data-dir <folder>", "folder with all that the origin keeps");
}
