import { Hono } from "hono";
import { z } from "zod";
import { READER_ROLES } from "../lib/auth/roles.ts";
import type { Device, Devices, DeviceState } from "./devices.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import { readJson } from "./json_body.ts";
import { listPublishers, type Publisher } from "./publishers.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** What the routes of devices need. */
export interface DeviceRoutesDeps {
  readonly state: State;
  readonly tokens: Tokens;
  readonly devices: Devices;
}

const FACT_LIMIT = 256;
const fact = z.string().max(FACT_LIMIT).regex(/^[^\p{Cc}]*$/u);
const enrolRequest = z.object({
  publicKey: z.object({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string().max(FACT_LIMIT) }),
  hardware: z.object({ cpu: fact, gpu: fact, memory: fact, driveSerial: fact }),
});
const STATES: readonly DeviceState[] = ["pending", "approved", "revoked"];

/**
 * Devices of format v2: `POST /devices/enroll` → `{kid, state, publishers}`, which may be repeated; and for ApiAdmin
 * `GET /devices?state=` and `POST /devices/{kid}/approve` and `…/revoke`.
 */
export function deviceRoutes({ state, tokens, devices }: DeviceRoutesDeps): Hono<OriginEnv> {
  const administrator = requireSignIn(tokens, ["ApiAdmin"]);
  return new Hono<OriginEnv>()
    .post("/devices/enroll", requireSignIn(tokens, READER_ROLES), async (c) => {
      const { publicKey, hardware } = await readJson(c, enrolRequest);
      const device = await devices.enroll(c.get("signedIn").account, { publicX: publicKey.x, hardware });
      c.header("Cache-Control", "no-store");
      return c.json({ kid: device.kid, state: device.state, publishers: listPublishers(state).map(shownPublisher) });
    })
    .get("/devices", administrator, (c) => {
      const wanted = STATES.find((known) => known === c.req.query("state"));
      return c.json(devices.list(wanted).map(shown));
    })
    .post("/devices/:kid/approve", administrator, (c) => {
      return c.json(shown(devices.decide(c.req.param("kid"), "approved", c.get("signedIn").account.email)));
    })
    .post("/devices/:kid/revoke", administrator, (c) => {
      return c.json(shown(devices.decide(c.req.param("kid"), "revoked", c.get("signedIn").account.email)));
    });
}

function shown({ kid, email, state, hardware, enrolledMs, decidedMs, decidedBy }: Device) {
  return { kid, email, state, hardware, enrolledMs, decidedMs: decidedMs ?? null, decidedBy: decidedBy ?? null };
}

function shownPublisher({ kid, publicX, name }: Publisher) {
  return { kid, name, jwk: { kty: "OKP", crv: "Ed25519", x: publicX } };
}
