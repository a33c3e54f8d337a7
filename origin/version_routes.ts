import { type Context, Hono } from "hono";
import { z } from "zod";
import { DEVICE_HEADER } from "../lib/api/v2_api.ts";
import { READER_ROLES, UPLOADER_ROLES } from "../lib/auth/roles.ts";
import { type Bytes, utf8, wipe } from "../lib/bytes.ts";
import { makeGrant } from "../lib/crypto/grant.ts";
import { sha256Hex } from "../lib/crypto/keys.ts";
import { parseName } from "../lib/split/names.ts";
import { serializeSmallPart, SMALL_PART_MEDIA_TYPE } from "../lib/split/small_part_v2.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Account } from "./accounts.ts";
import type { ContentKeys } from "./content_keys.ts";
import type { Device, Devices } from "./devices.ts";
import { GrantBook } from "./grants.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import { readJson } from "./json_body.ts";
import { evaluate } from "../lib/http/precondition.ts";
import { publishVersion } from "./publish_version.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";
import type { PublishedVersion, ResourceRef, Versions } from "./versions.ts";

/** What the routes of versions need. */
export interface VersionRoutesDeps {
  readonly state: State;
  readonly tokens: Tokens;
  readonly devices: Devices;
  readonly versions: Versions;
  readonly contentKeys: ContentKeys;
  readonly clock: Clock;
}

/** A device asks again after this long, and so learns of its revocation. */
const GRANT_SECONDS = 24 * 3600;
const TEXT_LIMIT = 16 * 1024;

const publishRequest = z.object({ manifest: z.string().max(TEXT_LIMIT), cek: z.string().max(TEXT_LIMIT) });

/**
 * Resources in format v2: `GET /v2` says that there are any; `POST /v2/resources/{folder}/{name}` publishes `{manifest, cek}`;
 * `GET /v2/resources/{folder}/{name}[@version]` gives the small part with a grant for the device that the header `x-tally-device` or the
 * query `device` names; `GET …/versions` lists; `POST …/versions/{version}/pin`, `DELETE …/pin` and `POST …/versions/{version}/withdraw`.
 */
export function versionRoutes(deps: VersionRoutesDeps): Hono<OriginEnv> {
  const { tokens, versions } = deps;
  const grants = new GrantBook(deps);
  const reader = requireSignIn(tokens, READER_ROLES);
  const uploader = requireSignIn(tokens, UPLOADER_ROLES);
  return new Hono<OriginEnv>()
    .get("/v2", (c) => c.json({ formats: ["v2"], smallPart: SMALL_PART_MEDIA_TYPE }))
    .get("/v2/resources/:folder/:name/versions", reader, (c) => c.json(versions.list(resourceOf(c)).map(shown)))
    .get("/v2/resources/:folder/:reference", reader, (c) => sendSmallPart(c, deps, grants))
    .post("/v2/resources/:folder/:name", uploader, async (c) => {
      const { manifest, cek } = await readJson(c, publishRequest);
      const { email } = c.get("signedIn").account;
      const resource = resourceOf(c);
      const note = (version: string) => c.set("audited", { resource: `${resource.folder}/${resource.name}`, version });
      const added = await publishVersion(deps, { resource, manifest, cek, email }, note);
      return c.json({ status: "ok" }, added === "added" ? 201 : 200);
    })
    .post("/v2/resources/:folder/:name/versions/:version/pin", uploader, (c) => {
      versions.pin(resourceOf(c), c.req.param("version"));
      return c.json(versions.list(resourceOf(c)).map(shown));
    })
    .delete("/v2/resources/:folder/:name/pin", uploader, (c) => {
      versions.unpin(resourceOf(c));
      return c.json(versions.list(resourceOf(c)).map(shown));
    })
    .post("/v2/resources/:folder/:name/versions/:version/withdraw", uploader, (c) => {
      versions.withdraw(resourceOf(c), c.req.param("version"));
      return c.json(versions.list(resourceOf(c)).map(shown));
    });
}

async function sendSmallPart(c: Context<OriginEnv>, deps: VersionRoutesDeps, grants: GrantBook): Promise<Response> {
  const { resource, version } = referenceOf(c);
  const found = deps.versions.current(resource, version); // first: a device that waits goes on with what is in v1 only
  c.set("audited", { resource: `${resource.folder}/${resource.name}`, version: found.version });
  const device = deps.devices.approved(c.req.header(DEVICE_HEADER) ?? c.req.query("device") ?? "");
  const { account } = c.get("signedIn");
  const etag = await sha256Hex(utf8([found.payloadSha256, device.kid, account.id].join("\0")));
  const headers = { "cache-control": "no-store", "etag": `"${etag}"`, "vary": `authorization, ${DEVICE_HEADER}` };
  if (evaluate({ ifNoneMatch: c.req.header("if-none-match") }, etag, "not_modified") === "not_modified") {
    return new Response(null, { status: 304, headers });
  }
  const small = await smallPartFor({ ...deps, grants }, found, device, account);
  return new Response(small, { headers: { ...headers, "content-type": SMALL_PART_MEDIA_TYPE } });
}

/** The grant is written down before it leaves, and not made for a device that was revoked in this moment. */
async function smallPartFor(
  { grants, contentKeys, clock }: VersionRoutesDeps & { readonly grants: GrantBook },
  version: PublishedVersion,
  { kid, publicX }: Device,
  { id: userId, email }: Account,
): Promise<Bytes> {
  const { folder, name, manifest, expiresSeconds } = version;
  const exp = Math.min(Math.floor(clock.now() / 1000) + GRANT_SECONDS, expiresSeconds);
  const contentKey = await contentKeys.unwrap(version, version.contentKey);
  try {
    const device = { kty: "OKP", crv: "X25519", x: publicX } as const;
    const grant = await makeGrant(contentKey, device, { payload: payloadOf(manifest), user: userId, exp });
    const record = { atMs: clock.now(), userId, email, kid, folder, name, version: version.version };
    await grants.record({ ...record, expiresSeconds: exp });
    return serializeSmallPart({ manifest, grant });
  } finally {
    wipe(contentKey);
  }
}

function payloadOf(jws: string): Bytes {
  return Uint8Array.fromBase64(jws.split(".")[1] ?? "", { alphabet: "base64url" });
}

function resourceOf(c: Context<OriginEnv>): ResourceRef {
  return {
    folder: parseName("folder", c.req.param("folder") ?? ""),
    name: parseName("name", c.req.param("name") ?? ""),
  };
}

/** `name` or `name@version`; no name has an `@`. */
function referenceOf(c: Context<OriginEnv>): { readonly resource: ResourceRef; readonly version: string | undefined } {
  const [name = "", version] = (c.req.param("reference") ?? "").split(/@(.*)/s);
  return {
    resource: { folder: parseName("folder", c.req.param("folder") ?? ""), name: parseName("name", name) },
    version,
  };
}

function shown(
  { version, seq, plainBytes, publishedMs, publishedBy, withdrawnMs, pinned, expiresSeconds }: PublishedVersion,
) {
  const withdrawn = withdrawnMs ?? null;
  return { version, seq, plainBytes, publishedMs, publishedBy, withdrawnMs: withdrawn, pinned, expiresSeconds };
}
