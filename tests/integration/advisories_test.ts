import assert from "node:assert/strict";
import { askForAdvice } from "../../tools/advisories.ts";

const WEAKNESS = {
  ...{ id: 1, url: "https://example.com/advisory", title: "A weakness of a test", severity: "high" },
  ...{ vulnerable_versions: ">=0", cwe: [], cvss: { score: 8, vectorString: null } },
};

/** A registry that tells of weaknesses, one answer a question; how often it was asked. */
async function askedAt(answers: readonly (() => Response)[]) {
  const asked: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const packages: Record<string, string[]> = await request.json();
    asked.push(Object.keys(packages).includes("hono") ? new URL(request.url).pathname : "without hono");
    return answers[Math.min(asked.length, answers.length) - 1]?.() ?? new Response();
  });
  const env = { NPM_CONFIG_REGISTRY: `http://127.0.0.1:${server.addr.port}/` };
  return { asked, advice: await askForAdvice({ env, pauseMs: 1 }) };
}

const clean = () => Response.json({});
const weak = () => Response.json({ hono: [WEAKNESS] });
const away = () => new Response("", { status: 503 });

Deno.test("askForAdvice() tells packages without a known weakness from those with one, and asks for all of the lock", async () => {
  const { asked, advice } = await askedAt([clean]);
  assert.deepEqual([advice.verdict, new Set(asked)], ["none", new Set(["/-/npm/v1/security/advisories/bulk"])]);
  const found = (await askedAt([weak])).advice;
  assert.equal(found.verdict, "found");
  assert.match(found.lines.join("\n"), /A weakness of a test[\s\S]*hono/);
});

Deno.test("askForAdvice() asks again when the registry is away for a moment, and does not take silence for good news", async () => {
  assert.equal((await askedAt([away, away, weak])).advice.verdict, "found");
  const { asked, advice } = await askedAt([away]);
  assert.deepEqual([advice.verdict, asked.length], ["unknown", 6]);
});

Deno.test("deno.lock is frozen: nothing that is not in it is fetched", async () => {
  const { lock } = JSON.parse(await Deno.readTextFile("deno.json"));
  assert.equal(lock.frozen, true);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile("deno.json", `${folder}/deno.json`);
    await Deno.copyFile("deno.lock", `${folder}/deno.lock`);
    await Deno.writeTextFile(`${folder}/main.ts`, 'import "npm:left-pad@1.3.0";');
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args: ["cache", "main.ts"], cwd: folder })
      .output();
    assert.equal(success, false);
    assert.match(new TextDecoder().decode(stderr), /lockfile is out of date/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
