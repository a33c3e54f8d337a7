import { type Context, Hono } from "hono";
import { z } from "zod";
import { type Role, ROLES } from "../lib/auth/roles.ts";
import type { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import { hardwareHash } from "../lib/crypto/keys.ts";
import type { Account, Accounts } from "./accounts.ts";
import { BusinessError } from "./business_error.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import { readJson } from "./json_body.ts";
import type { Tokens } from "./tokens.ts";

/** What the routes of accounts need. */
export interface AccountRoutesDeps {
  readonly accounts: Accounts;
  readonly tokens: Tokens;
  /** Shared with every other way to sign in with a password. */
  readonly signIns: SignInLimit;
}

const TEXT_LIMIT = 4096;
const text = z.string().max(TEXT_LIMIT);

const loginRequest = z.object({ email: text, password: text });
const newUserRequest = z.object({ email: text, password: text, role: z.union([text, z.number()]) });
const hardwareRequest = z.object({ email: text, hardware: text.nullish() });

/**
 * Sign-in and the administration of accounts: `POST /login`, `GET /users/current`, and for ApiAdmin `POST /users`,
 * `GET /users?email&role`, `PUT /users/{email}/set-role/{role}`, `…/enable`, `…/disable`, `DELETE /users/{email}`,
 * `PUT /users/hardware/set` and `POST /devices`. A role is given by its name or its number.
 */
export function accountRoutes({ accounts, tokens, signIns }: AccountRoutesDeps): Hono<OriginEnv> {
  const administrator = requireSignIn(tokens, ["ApiAdmin"]);
  return new Hono<OriginEnv>()
    .post("/login", async (c) => {
      const { email, password } = await readJson(c, loginRequest);
      c.set("nameTyped", email);
      const account = await signIns.attempt(
        { account: email, client: c.env.remoteAddr.hostname },
        () => accounts.authenticate(email, password),
      );
      c.header("Cache-Control", "no-store");
      return c.json({ token: await tokens.issue({ account, spelledEmail: email }) });
    })
    .get("/users/current", requireSignIn(tokens), (c) => c.json(shown(c.get("signedIn").account)))
    .get("/users", administrator, (c) => {
      const role = c.req.query("role");
      const found = accounts.list({ email: c.req.query("email"), role: role ? parseNewRole(role) : undefined });
      return c.json(found.map(shown));
    })
    .post("/users", administrator, async (c) => {
      const { email, password, role } = await readJson(c, newUserRequest);
      return c.json(shown(await accounts.create({ email, password, role: parseNewRole(role) })));
    })
    .put("/users/hardware/set", administrator, async (c) => {
      const { email, hardware } = await readJson(c, hardwareRequest);
      const hash = hardware === null || hardware === undefined ? undefined : await hashOf(hardware);
      return c.json(shown(accounts.setHardware(email, hash)));
    })
    .put(
      "/users/:email/set-role/:role",
      administrator,
      (c) => c.json(shown(accounts.setRole(c.req.param("email"), parseNewRole(c.req.param("role"))))),
    )
    .put("/users/:email/enable", administrator, (c) => setEnabled(c, c.req.param("email"), true))
    .put("/users/:email/disable", administrator, (c) => setEnabled(c, c.req.param("email"), false))
    .delete("/users/:email", administrator, (c) => {
      accounts.remove(c.req.param("email"));
      return c.body(null, 200);
    })
    .post("/devices", administrator, async (c) => {
      c.header("Cache-Control", "no-store");
      return c.json(await accounts.createDevice());
    });

  function setEnabled(c: Context<OriginEnv>, email: string, enabled: boolean): Response {
    return c.json(shown(accounts.setEnabled(email, enabled)));
  }
}

/** v1 hash of a hardware string. @throws {BusinessError} BadHardware when it is empty */
export async function hashOf(hardware: string): Promise<string> {
  if (hardware.trim() === "") throw new BusinessError("BadHardware", "The hardware string is empty");
  return await hardwareHash(hardware);
}

function shown({ id, email, role, enabled, hardwareHash }: Account) {
  return { id, email, role, enabled, hardwareHash: hardwareHash ?? null };
}

function parseNewRole(value: string | number): Role {
  const match = Object.entries(ROLES).find(([name, number]) => name === value || String(number) === String(value));
  if (match === undefined) throw new BusinessError("WrongRole", "There is no such role");
  return match[0] as Role;
}
