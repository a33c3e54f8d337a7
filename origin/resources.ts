import { type Context, Hono } from "hono";
import { z } from "zod";
import { READER_ROLES, type Role, ROLES, UPLOADER_ROLES } from "../lib/auth/roles.ts";
import { utf8 } from "../lib/bytes.ts";
import { encryptCbc, encryptedSize } from "../lib/crypto/cbc_v1.ts";
import { aesKey, apiKeyString } from "../lib/crypto/keys.ts";
import { NotFoundError } from "../lib/errors.ts";
import { readForm } from "../lib/http/form.ts";
import { requestBody } from "../lib/http/request_body.ts";
import { type ByteStream, streamOf } from "../lib/streams.ts";
import type { AtomicFile } from "../lib/system/atomic_file.ts";
import { hashOf } from "./account_routes.ts";
import type { Accounts } from "./accounts.ts";
import { BusinessError } from "./business_error.ts";
import { CDN_CONFIG_NAME, generatedCdnConfig } from "./cdn_config.ts";
import { type OriginEnv, requireSignIn } from "./guard.ts";
import { readJson } from "./json_body.ts";
import { parseFolder, parsePartName } from "./resource_names.ts";
import type { ResourceStore } from "./resource_store.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** What the routes of resources need. */
export interface ResourceRoutesDeps {
  readonly state: State;
  readonly accounts: Accounts;
  readonly tokens: Tokens;
  readonly resources: ResourceStore;
  readonly publicUrl: URL;
}

/** Largest resource of the API. What is larger belongs into the CDN. */
export const RESOURCE_LIMIT_BYTES = 1024 ** 3;

const FORM_OVERHEAD_BYTES = 1024 * 1024;
const TEXT_LIMIT = 4096;
const CLEARING_ROLES = (Object.keys(ROLES) as Role[]).filter((role) => ROLES[role] >= ROLES.ResourceUploader);

const text = z.string().max(TEXT_LIMIT);
const getRequest = z.object({ password: text, hardware: text, fileName: text });
const checkRequest = z.object({ hardware: text });

/**
 * Resources: `POST /resources/get/{folder}`, `/resources/check`, `/resources/list/{folder}?search=`,
 * `/resources/clear/{folder}` and `/resources/{folder}`. The folder may be empty, with or without the slash before it.
 */
export function resourceRoutes(deps: ResourceRoutesDeps): Hono<OriginEnv> {
  const { accounts, tokens, resources } = deps;
  const reader = requireSignIn(tokens, READER_ROLES);
  return new Hono<OriginEnv>()
    .post("/resources/check", requireSignIn(tokens), async (c) => {
      const { hardware } = await readJson(c, checkRequest);
      accounts.checkHardware(c.get("signedIn").account.id, await hashOf(hardware));
      return c.json(true);
    })
    .on("POST", folderPaths("/resources/get"), reader, (c) => sendResource(c, deps))
    .on(
      "POST",
      folderPaths("/resources/list"),
      reader,
      async (c) => c.json(await resources.list(parseFolder(c.req.param("folder")), c.req.query("search"))),
    )
    .on("POST", folderPaths("/resources/clear"), requireSignIn(tokens, CLEARING_ROLES), async (c) => {
      await resources.clear(parseFolder(c.req.param("folder")));
      return c.body(null, 200);
    })
    .on("POST", folderPaths("/resources"), requireSignIn(tokens, UPLOADER_ROLES), async (c) => {
      await receiveResource(c, resources);
      return c.body(null, 200);
    });
}

function folderPaths(path: string): string[] {
  return [path, `${path}/`, `${path}/:folder`];
}

/** The password is asked again because the download key is made of it, and only its hash is stored. */
async function sendResource(c: Context<OriginEnv>, deps: ResourceRoutesDeps): Promise<Response> {
  const { password, hardware, fileName } = await readJson(c, getRequest);
  const folder = parseFolder(c.req.param("folder"));
  const name = parsePartName("fileName", fileName);
  c.set("audited", { resource: `${folder}/${name}` });
  const { account: { id, email, role }, spelledEmail } = c.get("signedIn");
  const hash = await hashOf(hardware);
  await deps.accounts.authenticate(email, password);
  deps.accounts.checkHardware(id, hash);
  const { sizeBytes, body } = await openResource(deps, { folder, name, role });
  const key = await aesKey(await apiKeyString(spelledEmail, password, hash));
  return new Response(c.env.paced(encryptCbc(body, key)), {
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(encryptedSize(sizeBytes)),
      "cache-control": "no-store",
    },
  });
}

async function openResource(
  { resources, state, publicUrl }: ResourceRoutesDeps,
  { folder, name, role }: { folder: string; name: string; role: Role },
): Promise<{ readonly sizeBytes: number; readonly body: ByteStream }> {
  try {
    return await resources.open(folder, name);
  } catch (error) {
    if (!(error instanceof NotFoundError) || folder !== "" || name !== CDN_CONFIG_NAME) throw error;
    const generated = utf8(generatedCdnConfig(state, publicUrl, role));
    return { sizeBytes: generated.byteLength, body: streamOf(generated) };
  }
}

async function receiveResource(c: Context<OriginEnv>, resources: ResourceStore): Promise<void> {
  const folder = parseFolder(c.req.param("folder"));
  let staged: AtomicFile | undefined;
  try {
    const body = requestBody(c.req.raw, RESOURCE_LIMIT_BYTES + FORM_OVERHEAD_BYTES, c.env.cutOff);
    await readForm(body, c.req.header("content-type") ?? "", {
      fileField: "data",
      fileLimitBytes: RESOURCE_LIMIT_BYTES,
      receive: async (file, filename) => {
        const name = parsePartName("filename", filename);
        c.set("audited", { resource: `${folder}/${name}` });
        staged = await resources.stage(folder, name);
        for await (const chunk of file) staged.write(chunk);
      },
    });
    if (staged === undefined) throw new BusinessError("NoFileProvided", 'The form has no file in the field "data"');
    await staged.commit();
  } finally {
    staged?.[Symbol.dispose]();
  }
}
