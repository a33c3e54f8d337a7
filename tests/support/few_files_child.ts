/** Opens a partial file while one file more may be opened, and says why not; then again when others have been closed. */
import { utf8 } from "../../lib/bytes.ts";
import { messageOf } from "../../lib/errors.ts";
import { PartialFile } from "../../lib/system/partial_file.ts";

const [path = ""] = Deno.args;

async function tryOnce(): Promise<void> {
  try {
    using _file = await PartialFile.open(path);
    say("opened");
  } catch (error) {
    say(messageOf(error));
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(utf8(`${line}\n`));
}

function openAll(): Deno.FsFile[] {
  const files: Deno.FsFile[] = [];
  try {
    for (;;) files.push(Deno.openSync("/dev/null"));
  } catch {
    return files;
  }
}

await tryOnce(); // whatever the runtime opens on the way is open by now
const files = openAll();
files.pop()?.close();
await tryOnce();
for (const file of files) file.close();
await tryOnce();
