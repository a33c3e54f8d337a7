import { Hono } from "hono";
import type { PlatformEnv } from "./caller.ts";
import { instant } from "./run_view.ts";
import type { SignedFiles } from "./signed_files.ts";

/**
 * `POST /inputs`: a place for a file that a run shall read. The file is sent with `PUT` to `upload_url`; `download_url` goes
 * into the run. Not part of the platform's own API, where clients keep their inputs elsewhere.
 */
export function inputRoutes({ files }: { readonly files: SignedFiles }): Hono<PlatformEnv> {
  return new Hono<PlatformEnv>().post("/inputs", (c) => {
    const { uploadUrl, downloadUrl, expiresMs } = files.inputUrls();
    c.header("Cache-Control", "no-store");
    return c.json({ upload_url: uploadUrl, download_url: downloadUrl, expires_at: instant(expiresMs) }, 201);
  });
}
