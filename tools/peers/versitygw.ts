import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";
import { ensureGo, runGo } from "./go.ts";

const VERSION = "v1.8.0";
const PACKAGE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;

/** Finds versitygw, an S3 server, on PATH or where an earlier run has put it; else builds it from the Go module proxy. */
export async function ensureVersitygw(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(import.meta.dirname ?? "", "../../.cache/peers", `versitygw-${VERSION}`);
  const found = findProgram("versitygw", folder);
  if (found !== undefined) return { path: found };
  try {
    const go = await ensureGo();
    if ("missing" in go) return go;
    say(`Building versitygw ${VERSION}, once, with ${go.path} (about two minutes)`);
    const install = ["install", "-trimpath", "-ldflags", "-s -w", PACKAGE];
    await runGo(go.path, install, { GOBIN: folder, CGO_ENABLED: "0" });
    return { path: join(folder, "versitygw") };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}
