import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import { messageOf } from "../lib/errors.ts";
import type { Services } from "../lib/services.ts";
import { isRunning } from "../lib/unlock/machine.ts";
import { JSON_BODY_CODES, jsonAnswer, jsonBody, problemAnswers, UPSTREAM_CODES } from "./answers.ts";
import { noteForAudit } from "./audit.ts";
import { holdForCall } from "./call_secrets.ts";
import { clientOf } from "./client_address.ts";
import { credentialsSchema } from "./credentials_schema.ts";

const stateSchema = z.enum([
  "idle",
  "authenticating",
  "downloading_key",
  "decrypting",
  "loading_images",
  "ready",
  "error",
]).openapi("UnlockState", { example: "decrypting" });

const unlockRoute = createRoute({
  method: "post",
  path: "/unlock",
  summary: "Decrypt the image archive into Docker",
  description: "The account of the body is checked; who is signed in on the device does not matter and stays so. " +
    "One unlock runs at a time: while it does, and when the images are loaded, the answer is the present state.",
  request: { body: jsonBody(credentialsSchema) },
  responses: {
    200: jsonAnswer("The state after the start", z.object({ state: stateSchema })),
    ...problemAnswers(
      ...JSON_BODY_CODES,
      "not_signed_in",
      "not_allowed",
      "not_found",
      "docker",
      ...UPSTREAM_CODES,
    ),
  },
});

const statusRoute = createRoute({
  method: "get",
  path: "/unlock/status",
  summary: "How far the unlock is",
  responses: {
    200: jsonAnswer(
      "The present state",
      z.object({
        state: stateSchema,
        error: z.string().nullable().openapi({ description: "What went wrong, in the state `error`", example: null }),
        code: z.string().optional().openapi({ description: "The condition behind `error`, for programs" }),
        progress: z.object({ doneBytes: z.int(), totalBytes: z.int() }).nullable()
          .openapi({ description: "Bytes of the archive that are decrypted and handed to Docker" }),
      }).openapi("UnlockStatus"),
    ),
    ...problemAnswers(),
  },
});

/** `POST /unlock` and `GET /unlock/status`. */
export function addUnlock(app: OpenAPIHono, services: Services, limit: SignInLimit): void {
  const { unlock } = services;
  app.openapi(unlockRoute, async (c) => {
    const credentials = c.req.valid("json");
    holdForCall(c, credentials.password);
    noteForAudit(c, { who: credentials.email });
    let isFirst = false;
    const status = await limit.attempt(
      { account: credentials.email, client: clientOf(c) },
      () => {
        isFirst = !isRunning(unlock.status());
        return unlock.start(credentials); // goes on when this caller has gone
      },
      { isProof: (status) => isFirst && isRunning(status) }, // else nobody has looked at the password
    );
    if (isFirst && isRunning(status)) void recordEnd(services, c.get("requestId"), credentials.email);
    return c.json({ state: status.state }, 200);
  });
  app.openapi(statusRoute, (c) => {
    return c.json(unlock.status(), 200);
  });
}

/** Writes into the audit trail how an unlock has ended; nobody's call waits for that. */
async function recordEnd({ unlock, audit, log }: Services, requestId: string, who: string): Promise<void> {
  const { code, error } = await unlock.settled();
  const result = error === null ? "ok" : code ?? "internal";
  try {
    await audit.record({ action: "unlock_end", who, from: "local", result, requestId });
  } catch (error) {
    log.error("audit_failed", { requestId, action: "unlock_end", error: messageOf(error) });
  }
}
