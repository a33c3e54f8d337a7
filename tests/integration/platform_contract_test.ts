import assert from "node:assert/strict";
import { join } from "node:path";
import { OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { checksumItem, PlatformUser } from "../support/platform_site.ts";
import { tempFolder } from "../support/temp_folder.ts";

const schemathesis = peerPath("schemathesis");
/** The platform's own, version 1.7.0, as its server gives it at `/api/v1/openapi.json`. */
const DOCUMENT = join(import.meta.dirname ?? "", "../fixtures/platform.openapi.json");
const BUDGET_SECONDS = 10;
const LIMIT_MS = 120_000;
/** The document says neither which values fit together, nor that what was revoked can still be looked at. */
const LEFT_OUT = ["positive_data_acceptance", "use_after_free"];

interface Run {
  readonly checksLeftOut: readonly string[];
  readonly options?: readonly string[];
  /** Text of a configuration file. */
  readonly config: string;
}

async function check(user: PlatformUser, { checksLeftOut, options = [], config }: Run): Promise<void> {
  await using folder = await tempFolder();
  await Deno.writeTextFile(join(folder.path, "schemathesis.toml"), config);
  const { code, stdout, stderr } = await new Deno.Command(schemathesis ?? "", {
    args: [
      ...["--config-file", join(folder.path, "schemathesis.toml"), "run", DOCUMENT, "--url", `${user.site.url}/api`],
      ...["--header", `Authorization: Bearer ${user.token}`, "--seed", "1", "--max-time", String(BUDGET_SECONDS)],
      ...[
        "--max-redirects",
        "0",
        "--checks",
        "all",
        "--exclude-checks",
        checksLeftOut.join(","),
        "--continue-on-failure",
        ...options,
      ],
    ],
    cwd: folder.path, // it keeps what it found where it stands
    env: { HOME: folder.path, NO_PROXY: "127.0.0.1", TERM: "dumb" },
    signal: AbortSignal.timeout(LIMIT_MS),
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
}

Deno.test({
  name: "the platform API keeps to its OpenAPI document, whatever it is asked",
  ignore: schemathesis === undefined,
  async fn() {
    await using site = await OriginSite.start();
    await check(await PlatformUser.administrator(site), { checksLeftOut: LEFT_OUT, config: "" });
  },
});

Deno.test({
  name: "the platform API keeps to its OpenAPI document when it is asked about what there is",
  ignore: schemathesis === undefined,
  async fn() {
    await using site = await OriginSite.start();
    const user = await PlatformUser.administrator(site);
    const runId = await user.submit([checksumItem("item", await user.upload("content"))]);
    await user.ended(runId);
    const [item] = await user.items(runId);
    const parameters = {
      application_id: "checksum",
      version: "1.0.0",
      name: "README.md",
      run_id: runId,
      external_id: "item",
      artifact_id: item?.output_artifacts[0]?.output_artifact_id,
    };
    const lines = Object.entries(parameters).map(([name, value]) => `"path.${name}" = "${value}"`);
    await check(user, {
      checksLeftOut: [...LEFT_OUT, "negative_data_rejection"], // to it, a text is a wrong list of texts
      options: ["--exclude-path", "/v1/runs/{run_id}/artifacts"], // would delete what there is
      config: ["[parameters]", ...lines].join("\n"),
    });
  },
});
