import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { findProgram } from "../program.ts";
import { say } from "../say.ts";
import { ensureGo, runGo } from "./go.ts";

const VERSION = "v1.3.1";
const PACKAGE = `filippo.io/age/cmd/age@${VERSION}`;

/** Finds `age` on PATH or where an earlier run has put it; else builds it from the Go module proxy. */
export async function ensureAge(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(import.meta.dirname ?? "", "../../.cache/peers", `age-${VERSION}`);
  const found = findProgram("age", folder);
  if (found !== undefined) return { path: found };
  try {
    const go = await ensureGo();
    if ("missing" in go) return go;
    say(`Building age ${VERSION}, once, with ${go.path}`);
    await runGo(go.path, ["install", "-trimpath", "-ldflags", "-s -w", PACKAGE], { GOBIN: folder, CGO_ENABLED: "0" });
    return { path: join(folder, "age") };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}
