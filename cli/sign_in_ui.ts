import type { SignInUi } from "../lib/auth/platform_session.ts";
import { browserCommands, openInBrowser } from "../lib/system/browser.ts";
import type { JsonEvent } from "./output.ts";
import type { Shell } from "./shell.ts";

/** Shows something to a person, or to the program that reads our JSON. */
export type Announce = (event: JsonEvent, ...lines: readonly string[]) => void;

/** How a sign-in at the platform reaches whoever sits at this terminal. */
export function signInUi({ io, output }: Shell, announce: Announce): SignInUi {
  const commands = browserCommands(io.environment, io.stderr.isTerminal, Deno.build.os);
  return {
    note: (sentence) => output.note(sentence),
    openBrowser: commands.length === 0 ? undefined : async (url, signal) => {
      output.note("Sign in in the browser window that opens now; without one, stop this and use --no-browser");
      return await openInBrowser(commands, url, signal);
    },
    showPrompt: ({ userCode, verificationUrl, expiresInMs }) =>
      announce(
        { event: "device_code", userCode, verificationUrl, expiresInSeconds: Math.round(expiresInMs / 1000) },
        `Your user code is: ${userCode}`,
        `Please visit: ${verificationUrl} and verify the same code is displayed!`,
      ),
  };
}
