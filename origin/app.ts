import { type Context, Hono } from "hono";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import type { AuditTrail } from "../lib/audit/audit_trail.ts";
import type { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import { READER_ROLES } from "../lib/auth/roles.ts";
import { NotFoundError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Clock } from "../lib/system/clock.ts";
import { accountRoutes } from "./account_routes.ts";
import type { Accounts } from "./accounts.ts";
import { answerError } from "./answers.ts";
import { auditTrail } from "./audit.ts";
import { deviceRoutes } from "./device_routes.ts";
import type { ContentKeys } from "./content_keys.ts";
import type { Devices } from "./devices.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import type { ObjectFolder } from "./object_store.ts";
import { objectRoutes } from "./objects.ts";
import type { Issuer } from "./oidc/issuer.ts";
import { issuerRoutes } from "./oidc/routes.ts";
import type { Organizations } from "./organizations.ts";
import type { Authenticate } from "./platform/caller.ts";
import { directoryOf } from "./platform/callers.ts";
import type { Platform } from "./platform/platform.ts";
import { platformRoutes } from "./platform/routes.ts";
import type { ResourceStore } from "./resource_store.ts";
import { resourceRoutes } from "./resources.ts";
import { readSecret } from "./secrets.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";
import { versionRoutes } from "./version_routes.ts";
import type { Versions } from "./versions.ts";

/** What the origin's HTTP API is built from. */
export interface OriginDeps {
  readonly state: State;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly tokens: Tokens;
  readonly issuer: Issuer;
  /** Shared by all calls that take a password. */
  readonly signIns: SignInLimit;
  readonly audit: Pick<AuditTrail, "record">;
  readonly resources: ResourceStore;
  readonly objects: ObjectFolder;
  readonly devices: Devices;
  readonly platform: Platform;
  /** Says who calls the platform. */
  readonly authenticate: Authenticate;
  readonly versions: Versions;
  readonly contentKeys: ContentKeys;
  /** Where clients reach the origin; may have a path. */
  readonly publicUrl: URL;
  readonly log: Logger;
  readonly clock: Clock;
}

const JWKS_MAX_AGE_SECONDS = 300;

/** The origin's HTTP API: the Resource API, the public keys, the object store, the platform, and the issuer that people sign in at. */
export function createOriginApp(deps: OriginDeps): Hono<OriginEnv> {
  const { state, tokens, issuer, log, clock } = deps;
  const app = new Hono<OriginEnv>()
    .use(requestId())
    .use(secureHeaders())
    .use(async (c, next) => {
      const startMs = clock.now();
      await next();
      logRequest(log, c, clock.now() - startMs);
    })
    .use(auditTrail(deps))
    .get("/health", (c) => c.json({ status: "UP" })) // to clients of the platform, every other word means that it is down
    .get("/.well-known/jwks.json", (c) => {
      c.header("Cache-Control", `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
      return c.json({ keys: [...tokens.jwks().keys, ...issuer.keys.published()] });
    })
    .get("/binary-split/key-fragment", requireSignIn(tokens, READER_ROLES), (c) => {
      c.header("Cache-Control", "no-store");
      return c.body(readSecret(state, "key_fragment"), 200, { "Content-Type": "application/octet-stream" });
    })
    .route("/", accountRoutes(deps))
    .route("/", deviceRoutes(deps))
    .route("/", versionRoutes(deps))
    .route("/", resourceRoutes(deps))
    .route("/", objectRoutes(deps))
    .route("/", issuerRoutes(deps))
    .route("/api", platformRoutes({ ...deps, directory: directoryOf(deps.accounts, deps.organizations) }));
  app.onError((error, c) => answerError(error, c, log));
  app.notFound((c) => answerError(new NotFoundError("There is no such call"), c, log));
  return app;
}

/** The path only: a query may hold a signature. */
function logRequest(log: Logger, c: Context<OriginEnv>, durationMs: number): void {
  log.info("request", {
    requestId: c.get("requestId"),
    method: c.req.method,
    path: c.req.path,
    status: c.res.status,
    durationMs,
  });
}
