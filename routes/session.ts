import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import type { Services } from "../lib/services.ts";
import {
  CALLER_SECURITY,
  JSON_BODY_CODES,
  jsonAnswer,
  jsonBody,
  problemAnswers,
  SIGNED_IN_CODES,
  UPSTREAM_CODES,
} from "./answers.ts";
import { credentialsSchema } from "./credentials_schema.ts";
import { noteForAudit } from "./audit.ts";
import { holdForCall } from "./call_secrets.ts";
import { clientOf } from "./client_address.ts";
import { ANY_ROLE, requireRole } from "./guard.ts";

const okSchema = z.object({ status: z.literal("ok") });

const loginRoute = createRoute({
  method: "post",
  path: "/login",
  summary: "Sign an account in on the device",
  description: "The device keeps the password in memory, to renew the token, until `POST /logout` or its end. " +
    "A refused sign-in leaves whoever was signed in.",
  request: { body: jsonBody(credentialsSchema) },
  responses: {
    200: jsonAnswer(
      "Signed in",
      okSchema.extend({
        access_token: z.string(),
        token_type: z.literal("Bearer"),
        expires_in: z.int().openapi({ description: "Seconds", example: 14400 }),
        role: z.string().openapi({ example: "Operator" }),
      }).openapi("Grant"),
    ),
    ...problemAnswers(...JSON_BODY_CODES, "not_signed_in", ...UPSTREAM_CODES),
  },
});

/** `POST /login` and `POST /logout`. */
export function addSession(app: OpenAPIHono, services: Services, limit: SignInLimit): void {
  const { session, clock } = services;
  const logoutRoute = createRoute({
    method: "post",
    path: "/logout",
    summary: "Sign out and forget the password",
    security: CALLER_SECURITY,
    middleware: requireRole(services, ANY_ROLE),
    responses: { 200: jsonAnswer("Nobody is signed in any more", okSchema), ...problemAnswers(...SIGNED_IN_CODES) },
  });

  app.openapi(loginRoute, async (c) => {
    const { signal } = c.req.raw;
    const credentials = c.req.valid("json");
    holdForCall(c, credentials.password);
    noteForAudit(c, { who: credentials.email });
    const { token, user, expiresAtMs } = await limit.attempt(
      { account: credentials.email, client: clientOf(c) },
      () => session.signIn(credentials, signal),
      { signal },
    );
    services.beginEnrolment();
    return c.json({
      status: "ok" as const,
      access_token: token,
      token_type: "Bearer" as const,
      expires_in: Math.max(0, Math.floor((expiresAtMs - clock.now()) / 1000)),
      role: user.role,
    }, 200);
  });
  app.openapi(logoutRoute, (c) => {
    session.signOut();
    return c.json({ status: "ok" as const }, 200);
  });
}
