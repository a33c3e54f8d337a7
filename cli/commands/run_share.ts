import type { Command } from "commander";
import { UsageError } from "../../lib/errors.ts";
import type { Client } from "../../lib/platform/client.ts";
import type { GrantSubject } from "../../lib/platform/sharing.ts";
import type { GrantData, NewShareToken, ShareTokenData } from "../../lib/platform/sharing_wire.ts";
import { acts, type PlatformAction, platformVerb } from "../platform_client.ts";
import type { Shell } from "../shell.ts";
import { adopt, verb } from "../verb.ts";

interface GrantFlags {
  readonly user?: string;
  readonly email?: string;
  readonly organization?: string;
  readonly administrators: boolean;
}

const RUN_ARGUMENT = ["<run>", "id of the run"] as const;

/** `tally run share`: who may see a run. */
export function shareCommand(shell: Shell): Command {
  const command = verb("share", "Let others see a run, by name or by a token", [
    ["tally run share grant 3fa85f64-5717-4562-b3fc-2c963f66afa6 --email bob@example.com", "one person"],
    ["tally run share token create 3fa85f64-5717-4562-b3fc-2c963f66afa6", "whoever has the token"],
  ]);
  for (const make of [statusCommand, grantCommand, revokeCommand, tokenCommand]) adopt(command, make(shell));
  return command;
}

function statusCommand(shell: Shell): Command {
  const command = platformVerb("status", "Show with whom a run is shared", [
    ["tally run share status 3fa85f64-5717-4562-b3fc-2c963f66afa6", "grants that hold"],
  ]).argument(...RUN_ARGUMENT);
  return acts(command, shell, async ({ client }, id) => {
    const { output, signal } = shell;
    const grants = await Array.fromAsync(client.run(id).listShareGrants({ signal }));
    if (output.json) return output.result({ grants });
    output.table(
      [{ title: "GRANT" }, { title: "SUBJECT" }, { title: "ID" }, { title: "RIGHT" }, { title: "SINCE" }],
      grants.map((one) => [one.grant_id, one.subject_type, one.subject_id, one.relation, one.created_at]),
    );
  });
}

function grantCommand(shell: Shell): Command {
  const command = platformVerb("grant", "Let a person or an organisation see a run and its results", [
    ["tally run share grant 3fa85f64-5717-4562-b3fc-2c963f66afa6 --email bob@example.com", "by address"],
    ["tally run share grant 3fa85f64-5717-4562-b3fc-2c963f66afa6 --organization org_1 --administrators", "some of one"],
  ])
    .argument(...RUN_ARGUMENT)
    .option("--user <id>", "a person, by id")
    .option("--email <address>", "a person, by address")
    .option("--organization <id>", "everybody in an organisation")
    .option("--administrators", "with --organization: only its administrators", false);
  return acts(command, shell, async ({ client, flags }: PlatformAction<GrantFlags>, id) => {
    const grant = await client.run(id).grantAccess(subjectOf(flags), { signal: shell.signal });
    shell.output.result(grant, `Shared; the grant is ${grant.grant_id}`);
  });
}

function subjectOf({ user, email, organization, administrators }: GrantFlags): GrantSubject {
  const given = [user, email, organization].filter((one) => one !== undefined);
  if (given.length !== 1) throw new UsageError("Give one of --user, --email and --organization");
  if (user !== undefined) return { subjectType: "user", subjectId: user };
  if (email !== undefined) return { subjectType: "user", subjectEmail: email };
  const subjectType = administrators ? "organization_admin" : "organization_user";
  return { subjectType, ...(organization === undefined ? {} : { subjectId: organization }) };
}

function revokeCommand(shell: Shell): Command {
  const command = platformVerb("revoke", "Take a grant back", [
    ["tally run share revoke 0b6f3d0e-6f0e-4a53-9d1c-000000000000", "its id is in: tally run share status RUN"],
  ]).argument("<grant>", "id of the grant");
  return acts(command, shell, async ({ client }, id) => {
    await client.grants.revoke(id, { signal: shell.signal });
    shell.output.result({ grant_id: id, revoked: true }, `Revoked the grant ${id}`);
  });
}

function tokenCommand(shell: Shell): Command {
  const command = verb("token", "Make, list and take back tokens that show a run to whoever has them", [
    ["tally run share token create 3fa85f64-5717-4562-b3fc-2c963f66afa6", "the token is shown this once"],
  ]);
  for (const make of [tokenCreateCommand, tokenListCommand, tokenRevokeCommand]) adopt(command, make(shell));
  return command;
}

function tokenCreateCommand(shell: Shell): Command {
  const command = platformVerb("create", "Make a token that shows a run; it is shown this once", [
    [
      "tally run share token create 3fa85f64-5717-4562-b3fc-2c963f66afa6 --expires-at 2027-01-01T00:00:00Z",
      "for a while",
    ],
  ]).argument(...RUN_ARGUMENT).option("--expires-at <instant>", "when it ends by itself, in ISO 8601");
  return acts(command, shell, async ({ client, flags }: PlatformAction<{ expiresAt?: string }>, id) => {
    const { token, grant } = await shareByToken(client, id, flags.expiresAt, shell.signal);
    shell.output.result(
      { ...token, grant_id: grant.grant_id },
      token.share_token,
    );
    shell.output.note(`Token ${token.share_token_id}; it is shown this once and stored nowhere`);
  });
}

/** A token that was made for a run and cannot be granted it is taken back. */
async function shareByToken(
  client: Client,
  runId: string,
  expiresAt: string | undefined,
  signal: AbortSignal,
): Promise<{ token: NewShareToken; grant: GrantData }> {
  const token = await client.shareTokens.create({ expiresAt, signal });
  try {
    const subject = { subjectType: "share_token", subjectId: token.share_token_id };
    return { token, grant: await client.run(runId).grantAccess(subject, { signal }) };
  } catch (error) {
    await client.shareTokens.revoke(token.share_token_id).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}

function tokenListCommand(shell: Shell): Command {
  const command = platformVerb("list", "List share tokens, without their secrets", [
    ["tally run share token list --run 3fa85f64-5717-4562-b3fc-2c963f66afa6", "those of one run"],
  ]).option("--run <id>", "those that this run is shared with");
  return acts(command, shell, async ({ client, flags }: PlatformAction<{ run?: string }>) => {
    const { output, signal } = shell;
    const filter = flags.run === undefined ? { signal } : { runId: flags.run, signal };
    const tokens = await Array.fromAsync(client.shareTokens.list(filter));
    if (output.json) return output.result(tokens);
    output.table([{ title: "TOKEN" }, { title: "SINCE" }, { title: "UNTIL" }], tokens.map(tokenRow));
  });
}

function tokenRow({ share_token_id, created_at, expires_at }: ShareTokenData): string[] {
  return [share_token_id, created_at, expires_at ?? ""];
}

function tokenRevokeCommand(shell: Shell): Command {
  const command = platformVerb("revoke", "Take a share token back", [
    ["tally run share token revoke 0b6f3d0e-6f0e-4a53-9d1c-000000000000", "by its id, not its secret"],
  ]).argument("<token>", "id of the share token");
  return acts(command, shell, async ({ client }, id) => {
    await client.shareTokens.revoke(id, { signal: shell.signal });
    shell.output.result({ share_token_id: id, revoked: true }, `Revoked the share token ${id}`);
  });
}
