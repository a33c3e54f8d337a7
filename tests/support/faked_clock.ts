import { join } from "node:path";

/** The clock of one process, which can be set while it runs; those of durations go on. */
export interface FakedClock {
  /** What the process is started with. */
  readonly env: Readonly<Record<string, string>>;
  /** Sets it to so many milliseconds beside the right time. */
  set(offsetMs: number): Promise<void>;
}

/**
 * A clock by libfaketime, which a process reads anew at each look.
 * @param faketime path of the program that comes with it
 * @param folder for the file that the process reads the time from
 */
export async function fakedClock(faketime: string, folder: string): Promise<FakedClock> {
  const file = join(folder, `clock-${crypto.randomUUID()}`);
  const set = async (offsetMs: number) => {
    await Deno.writeTextFile(`${file}.new`, `${offsetMs < 0 ? "-" : "+"}${Math.abs(offsetMs) / 1000}\n`);
    await Deno.rename(`${file}.new`, file);
  };
  await set(0);
  const env = {
    LD_PRELOAD: await preloadedBy(faketime),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  };
  return { env, set };
}

/** Where its library lies is known to the program alone. */
async function preloadedBy(faketime: string): Promise<string> {
  const { stdout } = await new Deno.Command(faketime, { args: ["-f", "+0", "env"] }).output();
  const [, path] = /^LD_PRELOAD=(.+)$/m.exec(new TextDecoder().decode(stdout)) ?? [];
  if (path === undefined) throw new Error(`${faketime} does not say which library it uses`);
  return path;
}
