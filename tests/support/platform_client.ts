import { Client, type ClientOptions } from "../../lib/platform/client.ts";
import { type SmallPlatform, TOKEN } from "./small_platform.ts";
import { testClock } from "./test_clock.ts";

/** A client of a small platform, signed in, whose pauses are over at once. */
export function clientOf(
  platform: SmallPlatform,
  { settings = {}, ...options }: Partial<Omit<ClientOptions, "settings">> & {
    settings?: Readonly<Record<string, string>>;
  } = {},
): Client {
  return new Client({
    settings: platform.settings(settings),
    tokenProvider: () => Promise.resolve(TOKEN),
    clock: testClock(),
    environment: () => undefined,
    ...options,
  });
}
