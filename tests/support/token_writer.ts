import { TokenCache } from "../../lib/auth/token_cache.ts";
import { Secret } from "../../lib/config/secret.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { settingsFrom } from "./test_issuer.ts";

/** Writes tokens to the cache in the folder of its argument, over and over, until it is killed. */
if (import.meta.main) {
  const cache = new TokenCache(settingsFrom({ AIGNOSTICS_CACHE_DIR: Deno.args[0] ?? "" }), systemClock);
  for (let count = 0;; count++) {
    const text = `${count}`.padEnd(20_000, "x");
    await cache.write({ accessToken: new Secret(text), refreshToken: new Secret(text), clientId: "client" });
    if (count === 0) Deno.stdout.writeSync(new TextEncoder().encode("written\n"));
  }
}
