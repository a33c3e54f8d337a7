import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { except } from "hono/combine";
import { requestId } from "hono/request-id";
import { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import { InvalidInputError, messageOf, NotSignedInError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Services } from "../lib/services.ts";
import { allowedHosts } from "./allowed_hosts.ts";
import { auditTrail } from "./audit.ts";
import { callSecrets } from "./call_secrets.ts";
import { corsFor } from "./cors.ts";
import { addDocs } from "./docs.ts";
import { addHealth } from "./health.ts";
import { addLoad } from "./load.ts";
import { ownPagesOnly } from "./own_pages.ts";
import { expectedError, type Fault, problemAnswer, PROBLEMS } from "./problem.ts";
import { addResources } from "./resources.ts";
import { requestLog } from "./request_log.ts";
import { securityHeaders } from "./security_headers.ts";
import { addSession } from "./session.ts";
import { timelyBody } from "./timely_body.ts";
import { transferPlaces } from "./transfers.ts";
import { addUnlock } from "./unlock.ts";
import { unknownCall } from "./unknown_call.ts";
import { addUpload } from "./upload.ts";

const REQUEST_ID_LIMIT = 64;

/** Per minute. What is right is limited only against floods. */
const SIGN_INS = { failuresPerAccount: 10, failuresPerClient: 10, callsPerClient: 60 };

/** The device's HTTP API. What stands first here sees a call first. */
export function createApp(services: Services): OpenAPIHono {
  const app = new OpenAPIHono({ defaultHook: refuseInvalid });
  const limit = new SignInLimit(SIGN_INS, isNotSignedIn, services.clock);

  const { settings: { callerAuth, corsOrigins, maxTransfers }, settings } = services;
  const transfers = transferPlaces(maxTransfers);

  app.use(callSecrets);
  app.use(requestId({ limitLength: REQUEST_ID_LIMIT }));
  app.use(requestLog(services));
  app.use(auditTrail(services));
  app.use(securityHeaders);
  app.use(allowedHosts(settings));
  if (corsOrigins !== undefined) app.use(corsFor(corsOrigins));
  if (callerAuth === "session") app.use(ownPagesOnly(corsOrigins));
  app.use(except("/upload/*", timelyBody));

  addHealth(app, services);
  addSession(app, services, limit);
  addLoad(app, services, transfers);
  addResources(app, services, transfers);
  addUpload(app, services, transfers);
  addUnlock(app, services, limit);
  addDocs(app, settings);

  app.notFound((c) => problemAnswer(c, unknownCall(app, c)));
  app.onError((error, c) => {
    logFailure(c, error, services.log);
    return problemAnswer(c, error);
  });
  return app;
}

/** All faults of a request at once. Messages of schemas name what is expected, and never repeat what came. */
function refuseInvalid(result: { success: true } | { success: false; error: z.ZodError }, c: Context) {
  if (result.success) return;
  const faults = result.error.issues.map(({ path, message }): Fault => ({ field: path.join("."), detail: message }));
  const sentence = faults.map(({ field, detail }) => `${field || "body"}: ${detail}`).join("; ");
  return problemAnswer(c, new InvalidInputError(faults[0]?.field ?? "", sentence), faults);
}

function isNotSignedIn(error: unknown): boolean {
  return error instanceof NotSignedInError;
}

/** What the caller did wrong is in the request log; here is what we or a server further up did. */
function logFailure(c: Context, error: unknown, log: Logger): void {
  const expected = expectedError(error);
  const requestId = c.get("requestId");
  if (expected === undefined) {
    return log.error("request_failed", { requestId, error: messageOf(error), stack: stackOf(error) });
  }
  if (PROBLEMS[expected.code].status >= 500) {
    log.warning("request_failed", { requestId, code: expected.code, error: expected.message });
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
