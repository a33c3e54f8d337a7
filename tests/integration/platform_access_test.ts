import assert from "node:assert/strict";
import { join } from "node:path";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { State } from "../../origin/state.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser, type ShownRun } from "../support/platform_site.ts";
import { testClock } from "../support/test_clock.ts";

interface ShareToken {
  readonly share_token_id: string;
  readonly share_token: string;
  readonly revoked: boolean;
}

interface Grant {
  readonly grant_id: string;
  readonly subject_type: string;
  readonly subject_id: string;
  readonly revoked: boolean;
}

/** Everybody who could want to see the run of `owner`. */
interface Cast {
  readonly owner: PlatformUser;
  readonly colleague: PlatformUser;
  readonly administrator: PlatformUser;
  readonly stranger: PlatformUser;
  readonly strangeAdministrator: PlatformUser;
  readonly superAdministrator: PlatformUser;
}

async function castOf(site: OriginSite): Promise<Cast> {
  const { dataDir } = site;
  for (const name of ["acme", "other"]) await ORIGIN_COMMANDS["organization add"]({ dataDir, name });
  const member = async (email: string, organization: string, organizationRole: string) => {
    const user = await PlatformUser.create(site, email);
    await ORIGIN_COMMANDS["user move"]({ dataDir, email, organization, organizationRole });
    return user;
  };
  return {
    owner: await member("owner@acme.example", "acme", "member"),
    colleague: await member("colleague@acme.example", "acme", "member"),
    administrator: await member("administrator@acme.example", "acme", "admin"),
    stranger: await member("stranger@other.example", "other", "member"),
    strangeAdministrator: await member("administrator@other.example", "other", "admin"),
    superAdministrator: await PlatformUser.administrator(site),
  };
}

async function endedRun(user: PlatformUser): Promise<string> {
  const runId = await user.submit([checksumItem("a/b", await user.upload("content"))]);
  await user.ended(runId);
  return runId;
}

/** Statuses of all calls that look at a run. */
async function looks(user: PlatformUser, runId: string, artifactId: string, query = ""): Promise<number[]> {
  const paths = [
    `/runs/${runId}`,
    `/runs/${runId}/items`,
    `/runs/${runId}/items/a%2Fb`,
    `/runs/${runId}/artifacts/${artifactId}/file`,
  ];
  const statuses: number[] = [];
  for (const path of paths) statuses.push((await user.call("GET", path + query)).status);
  return statuses;
}

const SEEN = [200, 200, 200, 307];
const UNSEEN = [403, 404, 403, 403];

async function artifactOf(user: PlatformUser, runId: string): Promise<string> {
  const [item] = await user.items(runId);
  return item?.output_artifacts[0]?.output_artifact_id ?? "";
}

async function meOf(user: PlatformUser): Promise<{ user: { id: string }; organization: { id: string } }> {
  return await user.json("GET", "/me");
}

function grantOf(runId: string, subject: Readonly<Record<string, unknown>>) {
  return { json: { resource_type: "run", resource_id: runId, relation: "viewer", ...subject } };
}

Deno.test("a run is seen by its submitter and the administrators of its organisation, and changed by its submitter", async () => {
  await using site = await OriginSite.start();
  const cast = await castOf(site);
  const runId = await endedRun(cast.owner);
  const artifactId = await artifactOf(cast.owner, runId);
  for (const name of ["owner", "administrator", "superAdministrator"] as const) {
    assert.deepEqual(await looks(cast[name], runId, artifactId), SEEN, name);
  }
  for (const name of ["colleague", "stranger", "strangeAdministrator"] as const) {
    assert.deepEqual(await looks(cast[name], runId, artifactId), UNSEEN, name);
  }
  const changes = [["POST", "cancel", 403], ["PUT", "custom-metadata", 403], [
    "PUT",
    "items/a%2Fb/custom-metadata",
    403,
  ], ["DELETE", "artifacts", 404]] as const;
  for (const name of ["colleague", "administrator", "stranger", "superAdministrator"] as const) {
    for (const [method, path, status] of changes) {
      const reply = await cast[name].call(method, `/runs/${runId}/${path}`, method === "PUT" ? { json: {} } : {});
      assert.equal(reply.status, status, `${name} ${path}`);
    }
  }
  const nobody = await site.call("GET", `/api/v1/runs/${runId}`);
  assert.deepEqual([nobody.status, nobody.headers.get("www-authenticate")], [401, "Bearer"]);
  assert.equal((await new PlatformUser(site, "garbage").call("GET", "/me")).status, 401);
  assert.deepEqual(await looks(cast.owner, crypto.randomUUID(), artifactId), [404, 404, 404, 404]);
});

Deno.test("runs are listed for whom they belong to", async () => {
  await using site = await OriginSite.start();
  const cast = await castOf(site);
  const own = await endedRun(cast.owner);
  const other = await endedRun(cast.colleague);
  const list = async (user: PlatformUser, query = "") =>
    (await user.json<ShownRun[]>("GET", `/runs?${query}`)).map(({ run_id }) => run_id).sort();
  const { organization } = await meOf(cast.owner);
  const me = (await meOf(cast.owner)).user.id;
  const both = [own, other].sort();
  assert.deepEqual(await list(cast.owner), [own]);
  assert.deepEqual(await list(cast.administrator), []);
  assert.deepEqual(await list(cast.administrator, `for_organization=${organization.id}`), both);
  assert.deepEqual(await list(cast.administrator, "organization_id=my_org"), both);
  assert.deepEqual(await list(cast.administrator, `submitted_by=${me}`), [own]);
  assert.deepEqual(await list(cast.owner, "organization_id=my_org"), [own]);
  assert.deepEqual(await list(cast.owner, "submitted_by=me"), [own]);
  assert.deepEqual(await list(cast.stranger, `submitted_by=${me}`), []);
  assert.deepEqual(await list(cast.superAdministrator, `for_organization=${organization.id}`), both);
  for (const name of ["owner", "stranger", "strangeAdministrator"] as const) {
    assert.equal((await cast[name].call("GET", `/runs?for_organization=${organization.id}`)).status, 403, name);
  }
});

Deno.test("a grant lets its subject look until it is revoked", async () => {
  await using site = await OriginSite.start();
  const cast = await castOf(site);
  const runId = await endedRun(cast.owner);
  const artifactId = await artifactOf(cast.owner, runId);
  const { user: { id: strangerId }, organization: { id: otherId } } = await meOf(cast.stranger);
  const subjects: readonly (readonly [Record<string, string>, readonly (keyof Cast)[]])[] = [
    [{ subject_type: "user", subject_id: strangerId }, ["stranger"]],
    [{ subject_type: "user", subject_email: "stranger@other.example" }, ["stranger"]],
    [{ subject_type: "organization_user", subject_id: otherId }, ["stranger", "strangeAdministrator"]],
    [{ subject_type: "organization_admin", subject_id: otherId }, ["strangeAdministrator"]],
    [{ subject_type: "organization_user" }, ["colleague"]],
  ];
  for (const [subject, seers] of subjects) {
    const grant = await cast.owner.json<Grant>("POST", "/access/grants", grantOf(runId, subject));
    const again = await cast.owner.json<Grant>("POST", "/access/grants", grantOf(runId, subject));
    assert.equal(again.grant_id, grant.grant_id, "the same grant is given once");
    for (const name of ["colleague", "stranger", "strangeAdministrator"] as const) {
      const expected = seers.includes(name) ? SEEN : UNSEEN;
      assert.deepEqual(await looks(cast[name], runId, artifactId), expected, `${name}, ${JSON.stringify(subject)}`);
    }
    const shown = await cast.owner.json<Grant[]>("GET", `/access/grants?resource_id=${runId}&revoked=false`);
    assert.deepEqual(shown.map(({ grant_id }) => grant_id), [grant.grant_id]);
    assert.equal((await cast.stranger.call("DELETE", `/access/grants/${grant.grant_id}`)).status, 403);
    assert.equal((await cast.owner.json<Grant>("DELETE", `/access/grants/${grant.grant_id}`)).revoked, true);
    assert.equal((await cast.owner.call("DELETE", `/access/grants/${grant.grant_id}`)).status, 409);
    assert.equal((await cast.owner.json<Grant>("GET", `/access/grants/${grant.grant_id}`)).revoked, true);
    for (const name of seers) assert.deepEqual(await looks(cast[name], runId, artifactId), UNSEEN, name);
  }
  const stranger = { subject_type: "user", subject_id: strangerId };
  assert.equal((await cast.stranger.call("POST", "/access/grants", grantOf(runId, stranger))).status, 403);
  assert.equal((await cast.owner.call("POST", "/access/grants", grantOf(crypto.randomUUID(), stranger))).status, 404);
  for (
    const wrong of [{ relation: "owner" }, { relation: "editor" }, { resource_type: "item" }, { subject_id: null }]
  ) {
    const reply = await cast.owner.call("POST", "/access/grants", grantOf(runId, { ...stranger, ...wrong }));
    assert.equal(reply.status, 422, JSON.stringify(wrong));
  }
  const nobody = grantOf(runId, { subject_type: "user", subject_email: "nobody@example.com" });
  assert.equal((await cast.owner.call("POST", "/access/grants", nobody)).status, 404);
  assert.equal((await cast.administrator.json<Grant[]>("GET", "/access/grants")).length, 5);
  assert.deepEqual(await cast.stranger.json<Grant[]>("GET", "/access/grants"), []);
});

Deno.test("a share token shows the runs that it was granted, and no others, until it is revoked", async () => {
  await using site = await OriginSite.start();
  const cast = await castOf(site);
  const runId = await endedRun(cast.owner);
  const artifactId = await artifactOf(cast.owner, runId);
  const secret = await endedRun(cast.owner);
  const token = await cast.owner.json<ShareToken>("POST", "/access/share-tokens", { json: {} });
  const query = `?share_token=${token.share_token}`;
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, query), UNSEEN, "it was granted nothing");
  const grant = grantOf(runId, { subject_type: "share_token", subject_id: token.share_token_id });
  assert.equal((await cast.administrator.call("POST", "/access/grants", grant)).status, 404, "another's token");
  assert.equal((await cast.owner.call("POST", "/access/grants", grant)).status, 201);
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, query), SEEN);
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, "?share_token=wrong"), UNSEEN);
  assert.deepEqual(await looks(cast.stranger, secret, artifactId, query), UNSEEN);
  assert.equal(
    (await site.call("GET", `/api/v1/runs/${runId}${query}`)).status,
    401,
    "it stands beside a token, not for one",
  );
  assert.equal((await cast.stranger.call("POST", `/runs/${runId}/cancel${query}`)).status, 403);
  const shown = await cast.owner.call("GET", `/access/share-tokens?run_id=${runId}`);
  assert.equal(shown.json<ShareToken[]>().length, 1);
  assert.ok(!shown.text.includes(token.share_token), "the secret is shown once");
  assert.deepEqual(await cast.owner.json("GET", `/access/share-tokens?run_id=${secret}`), []);
  assert.deepEqual(await cast.administrator.json("GET", "/access/share-tokens"), []);
  assert.equal((await cast.stranger.call("GET", `/access/share-tokens/${token.share_token_id}`)).status, 403);
  assert.equal((await cast.owner.call("DELETE", `/access/share-tokens/${token.share_token_id}`)).status, 200);
  assert.equal((await cast.owner.call("DELETE", `/access/share-tokens/${token.share_token_id}`)).status, 409);
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, query), UNSEEN);
  using state = await State.open(site.dataDir, 0);
  const stored = JSON.stringify(state.all("SELECT * FROM platform_share_tokens"));
  assert.ok(!stored.includes(token.share_token), "the secret is stored nowhere");
});

Deno.test("a share token ends when it expires", async () => {
  const clock = testClock();
  await using site = await OriginSite.start({ clock });
  const cast = await castOf(site);
  const runId = await endedRun(cast.owner);
  const artifactId = await artifactOf(cast.owner, runId);
  const json = { expires_at: new Date(clock.now() + 60_000).toISOString() };
  const token = await cast.owner.json<ShareToken>("POST", "/access/share-tokens", { json });
  const grant = grantOf(runId, { subject_type: "share_token", subject_id: token.share_token_id });
  assert.equal((await cast.owner.call("POST", "/access/grants", grant)).status, 201);
  const query = `?share_token=${token.share_token}`;
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, query), SEEN);
  clock.advance(60_000);
  assert.deepEqual(await looks(cast.stranger, runId, artifactId, query), UNSEEN);
});

Deno.test("calls that change something on the platform stand in the audit trail, without secrets", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.create(site, "somebody@example.com");
  const runId = await endedRun(user);
  const { share_token: secret } = await user.json<ShareToken>("POST", "/access/share-tokens", { json: {} });
  assert.equal((await user.call("POST", `/runs/${runId}/cancel`)).status, 409);
  await site.stop();
  const audit = join(site.dataDir, "audit");
  const files = await Promise.all((await filesBelow(audit)).map((name) => Deno.readTextFile(join(audit, name))));
  const lines = files.join("").split("\n").filter((line) => line.includes("somebody@example.com"));
  for (const action of ["POST /api/v1/runs", "POST /api/v1/access/share-tokens", `POST /api/v1/runs/${runId}/cancel`]) {
    assert.ok(lines.some((line) => line.includes(`"${action}"`)), action);
  }
  assert.ok(!files.join("").includes(secret) && !files.join("").includes("signature="));
  await site.serve();
});
