import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";
import { ensureGo, runGo } from "./go.ts";

const VERSION = "v2.12.0";
const PACKAGE = `github.com/Shopify/toxiproxy/v2/cmd/server@${VERSION}`;

/** Finds Toxiproxy's server on PATH or where an earlier run has put it; else builds it from the Go module proxy. */
export async function ensureToxiproxy(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(import.meta.dirname ?? "", "../../.cache/peers", `toxiproxy-${VERSION}`);
  const found = findProgram("toxiproxy-server") ?? findProgram("server", folder);
  if (found !== undefined) return { path: found };
  try {
    const go = await ensureGo();
    if ("missing" in go) return go;
    say(`Building Toxiproxy ${VERSION}, once, with ${go.path}`);
    await runGo(go.path, ["install", "-trimpath", "-ldflags", "-s -w", PACKAGE], { GOBIN: folder, CGO_ENABLED: "0" });
    return { path: join(folder, "server") };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}
