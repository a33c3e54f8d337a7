import assert from "node:assert/strict";
import type { Role } from "../../lib/auth/roles.ts";
import { startDevice } from "../support/device.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const schemathesis = peerPath("schemathesis");
const BUDGET_SECONDS = 8;
const LIMIT_MS = 120_000;
/** The document cannot say that the name in the body is the one in the path. */
const LEFT_OUT = "positive_data_acceptance";

/** How a device is asked: by whom it lets calls be made, and who is signed in on it. */
interface Asked {
  readonly callerAuth: "session" | "bearer";
  readonly signedIn: Role | undefined;
  /** Whether calls bring the token of who is signed in. */
  readonly bringsToken: boolean;
}

async function check({ callerAuth, signedIn, bringsToken }: Asked): Promise<void> {
  await using device = await startDevice({ flags: { "caller-auth": callerAuth } });
  await using folder = await tempFolder();
  const token = signedIn === undefined ? "" : await device.signIn(signedIn);
  const { code, stdout, stderr } = await new Deno.Command(schemathesis ?? "", {
    args: [
      ...["run", `${device.url}/openapi.json`, "--seed", "1", "--max-time", String(BUDGET_SECONDS)],
      ...["--checks", "all", "--exclude-checks", LEFT_OUT, "--mode", "all", "--continue-on-failure"],
      ...["--exclude-path", "/logout", ...(bringsToken ? ["--header", `Authorization: Bearer ${token}`] : [])],
    ],
    cwd: folder.path, // it keeps what it found where it stands
    env: { HOME: folder.path, NO_PROXY: "127.0.0.1", TERM: "dumb" },
    signal: AbortSignal.timeout(LIMIT_MS),
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
  const failures = device.logLines.filter((line) => line.includes('"request_failed"') && line.includes('"stack"'));
  assert.deepEqual(failures, [], "a call has found a fault of the program");
}

const CASES: Readonly<Record<string, Asked>> = {
  "with somebody signed in": { callerAuth: "session", signedIn: "Admin", bringsToken: false },
  "with a token in every call": { callerAuth: "bearer", signedIn: "ApiAdmin", bringsToken: true },
};

for (const [what, asked] of Object.entries(CASES)) {
  Deno.test({
    name: `the device keeps to its own OpenAPI document, whatever it is asked ${what}`,
    ignore: schemathesis === undefined,
    fn: () => check(asked),
  });
}
