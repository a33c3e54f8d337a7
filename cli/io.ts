import { type Clock, systemClock } from "../lib/system/clock.ts";
import { type Environment, processEnvironment } from "../lib/system/environment.ts";
import { type Channel, processStderr, processStdout } from "./output.ts";
import { type Keyboard, processKeyboard } from "./prompt.ts";

/** What a command has of the world around the process. Tests bring their own. */
export interface Io {
  readonly stdout: Channel;
  readonly stderr: Channel;
  readonly keyboard: Keyboard;
  readonly environment: Environment;
  readonly clock: Clock;
}

/** The real terminal, pipes, variables and time of this process. */
export function processIo(): Io {
  return {
    stdout: processStdout,
    stderr: processStderr,
    keyboard: processKeyboard,
    environment: processEnvironment,
    clock: systemClock,
  };
}
