import { Hono } from "hono";
import type { Logger } from "../../lib/log.ts";
import { NotFoundError } from "../../lib/errors.ts";
import type { OriginEnv } from "../guard.ts";
import { RunAccess } from "./access.ts";
import { applicationRoutes } from "./application_routes.ts";
import type { Authenticate, PlatformDirectory, PlatformEnv } from "./caller.ts";
import { fileRoutes } from "./file_routes.ts";
import { grantRoutes } from "./grant_routes.ts";
import { inputRoutes } from "./input_routes.ts";
import { itemRoutes } from "./item_routes.ts";
import { meRoutes } from "./me_routes.ts";
import { MetadataFilters } from "./metadata_filter.ts";
import type { Platform } from "./platform.ts";
import { answerPlatformError } from "./problems.ts";
import { runRoutes } from "./run_routes.ts";
import { shareTokenRoutes } from "./share_token_routes.ts";

/** What the platform API is built from. */
export interface PlatformRoutesDeps {
  readonly platform: Platform;
  readonly authenticate: Authenticate;
  readonly directory: PlatformDirectory;
  readonly log: Logger;
}

/** The platform API below `/api`: `/api/v1/…` for callers with a token, `/api/files/…` for those with a signed URL. */
export function platformRoutes({ platform, authenticate, directory, log }: PlatformRoutesDeps): Hono<OriginEnv> {
  const { state, clock, objects, files, catalogue, queue } = platform;
  const access = new RunAccess({ state, clock });
  const deps = { state, clock, objects, files, catalogue, queue, access, directory };
  const filters = new MetadataFilters(state);
  const v1 = new Hono<PlatformEnv>()
    .use(async (c, next) => {
      const caller = await authenticate(c);
      c.set("caller", caller);
      c.set("platformUser", caller.email);
      await next();
    })
    .route("/", meRoutes(deps))
    .route("/", applicationRoutes(deps))
    .route("/", runRoutes({ ...deps, filters, onChange: () => platform.notify() }))
    .route("/", itemRoutes({ ...deps, filters }))
    .route("/", grantRoutes(deps))
    .route("/", shareTokenRoutes(deps))
    .route("/", inputRoutes(deps));
  for (const path of new Set(v1.routes.map(({ path }) => path).filter((path) => path !== "/*"))) {
    const allowed = v1.routes.filter((route) => route.path === path).map(({ method }) => method);
    v1.all(path, (c) => c.json({ detail: "Method Not Allowed" }, 405, { Allow: [...new Set(allowed)].join(", ") }));
  }
  v1.onError((error, c) => answerPlatformError(error, c, log));
  v1.all("*", (c) => answerPlatformError(new NotFoundError("Not Found"), c, log));
  return new Hono<OriginEnv>().route("/v1", v1).route("/files", fileRoutes(deps));
}
