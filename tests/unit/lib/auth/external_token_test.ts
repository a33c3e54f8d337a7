import assert from "node:assert/strict";
import { join } from "node:path";
import { UnsecuredJWT } from "jose";
import { givenToken, tokenOfCommand } from "../../../../lib/auth/external_token.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { ConfigurationError, NotSignedInError } from "../../../../lib/errors.ts";
import { peerPath } from "../../../support/peers.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const bash = peerPath("bash");
const { signal } = new AbortController();

Deno.test("givenToken() gives the token as it is, and refuses what could end a header", async () => {
  assert.equal(await givenToken(new Secret("opaque-token"))(signal), "opaque-token");
  for (const text of ["two words", "line\r\nX-Evil: 1", "é"]) {
    assert.throws(() => givenToken(new Secret(text))(signal), NotSignedInError);
  }
});

Deno.test({
  name: "tokenOfCommand() runs the program with its arguments as they are, and shares one run",
  ignore: bash === undefined,
  async fn() {
    await using folder = await tempFolder();
    const log = join(folder.path, "runs");
    const script = 'echo run >> "$1"; printf "%s\\nsecond line" "$2"';
    const clock = testClock();
    const tokens = tokenOfCommand([bash ?? "", "-c", script, "name", log, "tok$(id);'\"*"], clock);
    const given = await Promise.all([tokens(signal), tokens(signal)]);
    assert.deepEqual(given, ["tok$(id);'\"*", "tok$(id);'\"*"]);
    await tokens(signal);
    assert.equal(await Deno.readTextFile(log), "run\n");
    clock.advance(61_000);
    await tokens(signal);
    assert.equal(await Deno.readTextFile(log), "run\nrun\n", "a token that does not say its end is a minute old");
  },
});

Deno.test({
  name: "tokenOfCommand() keeps a JWT until five minutes before its end",
  ignore: bash === undefined,
  async fn() {
    await using folder = await tempFolder();
    const log = join(folder.path, "runs");
    const clock = testClock();
    const token = new UnsecuredJWT({ exp: Math.floor(clock.now() / 1000) + 3600 }).encode();
    const tokens = tokenOfCommand([bash ?? "", "-c", 'echo run >> "$1"; echo "$2"', "name", log, token], clock);
    assert.equal(await tokens(signal), token);
    clock.advance(54 * 60_000);
    await tokens(signal);
    assert.equal(await Deno.readTextFile(log), "run\n");
    clock.advance(2 * 60_000);
    await tokens(signal);
    assert.equal(await Deno.readTextFile(log), "run\nrun\n");
  },
});

Deno.test({
  name: "tokenOfCommand() says why there is no token, without what the program printed",
  ignore: bash === undefined,
  async fn() {
    const run = (script: string) => tokenOfCommand([bash ?? "", "-c", script], testClock())(signal);
    await assert.rejects(run("echo s3cret; echo s3cret >&2; exit 3"), (error) => {
      assert.ok(error instanceof NotSignedInError);
      assert.match(error.message, /ended with exit code 3/);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
    await assert.rejects(run("true"), NotSignedInError);
    await assert.rejects(tokenOfCommand(["/nowhere/token"], testClock())(signal), ConfigurationError);
  },
});
