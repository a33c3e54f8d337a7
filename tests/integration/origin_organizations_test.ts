import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../lib/system/clock.ts";
import { Accounts } from "../../origin/accounts.ts";
import { Organizations } from "../../origin/organizations.ts";
import { PasswordHasher } from "../../origin/passwords.ts";
import { MIGRATIONS } from "../../origin/schema.ts";
import { State } from "../../origin/state.ts";
import { OriginSite } from "../support/origin_site.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";

async function run<T>(args: readonly string[], stdin?: string): Promise<T> {
  const { exitCode, stdout, stderr } = await tally(["origin", ...args, "--json"], stdin === undefined ? {} : { stdin });
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as T;
}

interface User {
  email: string;
  organization: string;
  organizationRole: string;
  password?: string;
}

Deno.test("tally origin organization and user work while the origin serves", async () => {
  await using site = await OriginSite.start();
  const folder = ["--data-dir", site.dataDir];
  const services = join(site.dataDir, "services.json");
  await Deno.writeTextFile(services, '{"bucketName":"slides","sentryDsn":"https://sentry.example/1"}', { mode: 0o600 });
  const acme = await run<{ id: string }>([
    ...["organization", "add", "acme", "--display-name", "Acme Labs", "--services", services],
    ...folder,
  ]);
  assert.match(acme.id, /^org_[0-9a-f]{16}$/);
  const jane = ["jane@acme.example", "--organization", "acme", "--organization-role", "admin", "--given-name", "Jane"];
  const added = await run<User>(["user", "add", ...jane, ...folder]);
  assert.deepEqual([added.organization, added.organizationRole], ["acme", "admin"]);
  await site.signIn("jane@acme.example", added.password);
  const john = await run<User>(
    ["user", "add", "john@acme.example", "--password-stdin", ...folder],
    "a long password\n",
  );
  assert.deepEqual([john.organization, john.organizationRole, john.password], ["default", "member", undefined]);
  await site.signIn("john@acme.example", "a long password");
  await run(["user", "move", "john@acme.example", "--organization", "acme", ...folder]);
  const { users } = await run<{ users: User[] }>(["user", "list", ...folder]);
  assert.deepEqual(users.map(({ email, organization, organizationRole }) => [email, organization, organizationRole]), [
    ["jane@acme.example", "acme", "admin"],
    ["john@acme.example", "acme", "member"],
    ["root@example.com", "default", "admin"],
  ]);

  using state = await State.open(site.dataDir, 0);
  const organizations = new Organizations({ state, clock: systemClock });
  assert.deepEqual(organizations.byId(acme.id)?.services, {
    ...{ bucketHmacAccessKeyId: "", bucketHmacSecretAccessKey: "", bucketName: "slides" },
    ...{ bucketProtocol: "", logfireToken: "", sentryDsn: "https://sentry.example/1" },
  });
  assert.equal(organizations.known("acme").displayName, "Acme Labs");
});

Deno.test("tally origin organization and user refuse what is wrong, and change nothing", async () => {
  await using site = await OriginSite.start();
  const folder = ["--data-dir", site.dataDir];
  const secret = join(site.dataDir, "secret.json");
  await Deno.writeTextFile(secret, '{"bucketHmacSecret":"hush-hush"}');
  const cases: readonly (readonly [exitCode: number, ...args: string[]])[] = [
    [2, "organization", "add", "Acme Labs"],
    [1, "organization", "add", "default"],
    [2, "organization", "add", "acme", "--services", secret],
    [2, "organization", "set", "default", "--display-name", " "],
    [5, "organization", "set", "acme", "--display-name", "Acme"],
    [5, "user", "add", "jane@acme.example", "--organization", "acme"],
    [1, "user", "add", "root@example.com"],
    [1, "user", "add", "nobody"],
    [2, "user", "add", "jane@acme.example", "--organization-role", "owner"],
    [2, "user", "add", "jane@acme.example", "--role", "Emperor"],
    [5, "user", "move", "root@example.com", "--organization", "acme"],
    [1, "user", "move", "nobody@example.com", "--organization", "default"],
  ];
  for (const [expected, ...args] of cases) {
    const { exitCode, stdout, stderr } = await tally(["origin", ...args, ...folder]);
    assert.equal(exitCode, expected, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /hush-hush/);
  }
  const { organizations } = await run<{ organizations: { name: string }[] }>(["organization", "list", ...folder]);
  assert.deepEqual(organizations.map(({ name }) => name), ["default"]);
  assert.equal((await run<{ users: User[] }>(["user", "list", ...folder])).users.length, 1);
});

Deno.test("State.open() puts the accounts of an older origin into the default organisation", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "origin.db");
  {
    using old = new DatabaseSync(path);
    old.exec("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT");
    old.exec(MIGRATIONS[0] ?? "");
    old.exec(`INSERT INTO migrations VALUES (1, 0);
      INSERT INTO users VALUES ('1', 'root@example.com', 'root@example.com', '', 'ApiAdmin', 1, NULL, 0);
      INSERT INTO users VALUES ('2', 'op@example.com', 'op@example.com', '', 'Operator', 1, NULL, 0);`);
  }
  await Deno.chmod(path, 0o600);
  using state = await State.open(folder.path, 0);
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock: systemClock });
  const [standard] = new Organizations({ state, clock: systemClock }).list();
  assert.equal(standard?.isDefault, true);
  assert.deepEqual(accounts.list().map(({ organizationId, organizationRole }) => [organizationId, organizationRole]), [
    [standard?.id, "member"],
    [standard?.id, "admin"],
  ]);
});
