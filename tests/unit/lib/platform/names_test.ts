import assert from "node:assert/strict";
import * as library from "../../../../mod.ts";

/** Classes of the platform's own client, today's and those of 2025, with their methods in this language's way. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  Client: ["me", "application", "applicationVersion", "run", "health"],
  Service: ["login", "logout", "getUserInfo", "health", "info"],
  Applications: ["list", "details"],
  Versions: ["list", "listSorted", "latest", "details"],
  Runs: ["submit", "create", "list", "listData", "get"],
  Run: ["details", "cancel", "delete", "results", "itemStatus", "downloadToFolder", "updateCustomMetadata", "wait"],
  ApplicationRun: ["details", "cancel", "results", "itemStatus", "downloadToFolder", "grantAccess", "listShareGrants"],
  Documents: ["list", "details", "readContent", "downloadToPath"],
  Grants: ["create", "list", "details", "revoke"],
  ShareTokens: ["create", "list", "details", "revoke"],
};

Deno.test("mod.ts has the names that users of the platform's own client know", () => {
  const exported: Readonly<Record<string, unknown>> = library;
  for (const [name, methods] of Object.entries(NAMES)) {
    const known = exported[name];
    assert.ok(typeof known === "function", name);
    for (const method of methods) assert.equal(typeof known.prototype[method], "function", `${name}.${method}`);
  }
  assert.equal(library.ApplicationRun, library.Run);
  const settings: library.Settings | undefined = undefined;
  assert.equal(settings, undefined);
});
