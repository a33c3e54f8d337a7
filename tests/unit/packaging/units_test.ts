import assert from "node:assert/strict";
import { join } from "node:path";
import { runChild } from "../../../lib/system/process.ts";
import { grantedRights } from "../../../tools/ship/flags.ts";
import { type Service, SERVICES } from "../../../tools/ship/image.ts";
import { parseSite } from "../../../tools/ship/site.ts";
import { peerPath } from "../../support/peers.ts";
import { tempFolder } from "../../support/temp_folder.ts";

const systemdAnalyze = peerPath("systemd");
/** In tenths, as docs/deployment.md has it. */
const EXPOSURE = 13;
const LIMIT_MS = 20_000;
const SITE = parseSite("", { api: "api.example.com:443" });

function unitPath(service: Service): string {
  return new URL(`../../../packaging/tallystick-${service}.service`, import.meta.url).pathname;
}

/** All values of a setting in a unit file, in their order. */
function settingOf(unit: string, name: string): string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value ?? "");
}

for (const service of SERVICES) {
  Deno.test(`the unit of the ${service} lets it write all that its flags let it write`, async () => {
    const unit = await Deno.readTextFile(unitPath(service));
    const folders = settingOf(unit, "StateDirectory").flatMap((names) => names.split(" ")).map((name) =>
      `/var/lib/${name}`
    );
    const paths = grantedRights(service, SITE).get("write") ?? [];
    const inUnit = paths.filter((path) => !path.endsWith(".sock"));
    assert.ok(inUnit.length > 0);
    assert.deepEqual(inUnit.filter((path) => !folders.includes(path)), []);
  });

  Deno.test(`the unit of the ${service} allows Unix sockets only where its flags do`, async () => {
    const unit = await Deno.readTextFile(unitPath(service));
    const [families = ""] = settingOf(unit, "RestrictAddressFamilies");
    const hosts = grantedRights(service, SITE).get("net") ?? [];
    assert.deepEqual(families.split(" "), [
      ...["AF_INET", "AF_INET6"],
      ...(hosts.some((host) => host.startsWith("unix:")) ? ["AF_UNIX"] : []),
    ]);
  });

  Deno.test({
    name: `the unit of the ${service} is one that systemd understands, and no more exposed than its documentation says`,
    ignore: systemdAnalyze === undefined,
    async fn() {
      await using folder = await tempFolder();
      const path = join(folder.path, `tallystick-${service}.service`);
      const unit = await Deno.readTextFile(unitPath(service));
      await Deno.writeTextFile(path, unit.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true")); // it looks for the program
      const analyze = (args: readonly string[]) =>
        runChild(systemdAnalyze ?? "", { args: [...args, path], env: {}, signal: AbortSignal.timeout(LIMIT_MS) });
      const verified = await analyze(["verify", "--man=no"]);
      assert.deepEqual({ exitCode: verified.exitCode, stderr: verified.stderr }, { exitCode: 0, stderr: "" });
      const judged = await analyze(["security", "--offline=true", `--threshold=${EXPOSURE}`, "--no-pager"]);
      assert.equal(judged.exitCode, 0, new TextDecoder().decode(judged.stdout));
    },
  });
}
