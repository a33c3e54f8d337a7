import assert from "node:assert/strict";
import { faultTest } from "../support/fault_test.ts";
import { hostileFront } from "../support/hostile_front.ts";
import { OPERATIONS } from "../support/network_attempt.ts";
import { NetworkSite } from "../support/network_site.ts";
import { peerPath } from "../support/peers.ts";
import { rawAnswer } from "../support/raw_answers.ts";
import { tcpServer } from "../support/tcp_server.ts";

const versitygw = peerPath("versitygw");
const STATUSES = [
  "301 Moved Permanently",
  "302 Found",
  "303 See Other",
  "307 Temporary Redirect",
  "308 Permanent Redirect",
];
const REFUSED = new Set(["upstream", "broken off"]);

for (const where of ["api", "cdn"] as const) {
  const operations = OPERATIONS.filter(({ name }) => name !== "run download" && (where === "api" || name !== "login"));
  faultTest({
    area: "server",
    fault: `${where.toUpperCase()}: redirects to another host (302, 307, 308)`,
    operation: operations.map(({ name }) => name).join(", "),
    outcome: "refused (502); the other host is never called",
    ignore: versitygw === undefined,
  }, async () => {
    const asked: string[] = [];
    await using other = tcpServer((_, head) => Promise.resolve(void asked.push(head)));
    await using site = await NetworkSite.start(versitygw ?? "");
    const redirected = async ({ begin, name }: typeof operations[number]) => {
      await using attempt = await begin(site, hostileFront);
      for (const status of STATUSES) {
        await attempt.prepare();
        const met = attempt[where].begin({ call: /./, say: rawAnswer(status, [`location: ${other.url.href}there`]) });
        const [ended] = await Promise.all([attempt.run(), met]);
        assert(REFUSED.has(ended), `${name}, ${status}: ${ended}`);
        await attempt.health();
        await attempt.verify(ended);
        await attempt[where].heal();
      }
      assert.equal(await attempt.run(), "done");
    };
    const results = await Promise.allSettled(operations.map(redirected));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    assert.deepEqual(asked, []);
  });
}
