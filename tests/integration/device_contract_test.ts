import assert from "node:assert/strict";
import { startDevice } from "../support/device.ts";
import { peerPath } from "../support/peers.ts";
import { tempFolder } from "../support/temp_folder.ts";

const schemathesis = peerPath("schemathesis");
const BUDGET_SECONDS = 12;
const LIMIT_MS = 120_000;
/** The document cannot say that the name in the body is the one in the path. */
const LEFT_OUT = "positive_data_acceptance";

Deno.test({
  name: "the device keeps to its own OpenAPI document, whatever it is asked",
  ignore: schemathesis === undefined,
  async fn() {
    await using device = await startDevice();
    await using folder = await tempFolder();
    await device.signIn("Admin");
    const { code, stdout, stderr } = await new Deno.Command(schemathesis ?? "", {
      args: [
        ...["run", `${device.url}/openapi.json`, "--seed", "1", "--max-time", String(BUDGET_SECONDS)],
        ...["--exclude-path", "/logout", "--exclude-checks", LEFT_OUT, "--continue-on-failure"],
      ],
      cwd: folder.path, // it keeps what it found where it stands
      env: { HOME: folder.path, NO_PROXY: "127.0.0.1", TERM: "dumb" },
      signal: AbortSignal.timeout(LIMIT_MS),
    }).output();
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
    const failures = device.logLines.filter((line) => line.includes('"request_failed"') && line.includes('"stack"'));
    assert.deepEqual(failures, [], "a call has found a fault of the program");
  },
});
