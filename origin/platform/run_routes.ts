import { Hono } from "hono";
import { z } from "zod";
import { ConflictError } from "../../lib/errors.ts";
import type { RunAccess } from "./access.ts";
import type { PlatformEnv } from "./caller.ts";
import { changeMetadata, metadataChange } from "./metadata_change.ts";
import type { MetadataFilters } from "./metadata_filter.ts";
import { pathUuid, readBody, readQuery } from "./request.ts";
import { createRun, type RunCreationDeps } from "./run_creation.ts";
import { listRuns, runListQuery } from "./run_list.ts";
import { runRequest } from "./run_request.ts";
import type { RunQueue } from "./run_queue.ts";
import { runView } from "./run_view.ts";

/** What the routes of runs need. */
export interface RunRoutesDeps extends RunCreationDeps {
  readonly access: RunAccess;
  readonly filters: MetadataFilters;
  readonly queue: RunQueue;
  /** Told of every new run and of every one that was cancelled. */
  readonly onChange: () => void;
}

const viewQuery = z.object({ share_token: z.string().optional() });

/** Runs: list, submit, look at, cancel, and change their metadata. */
export function runRoutes(deps: RunRoutesDeps): Hono<PlatformEnv> {
  const { state, access, queue, onChange } = deps;
  return new Hono<PlatformEnv>()
    .get("/runs", async (c) => {
      const rows = await listRuns(deps, readQuery(c, runListQuery), c.get("caller"));
      return c.json(rows.map((run) => runView(state, run)));
    })
    .post("/runs", async (c) => {
      const request = await readBody(c, runRequest);
      const submission = { caller: c.get("caller"), idempotencyKey: c.req.header("idempotency-key") };
      const runId = await createRun(deps, request, submission);
      onChange();
      return c.json({ run_id: runId }, 201);
    })
    .get("/runs/:run", (c) => {
      const { share_token: shareToken } = readQuery(c, viewQuery);
      return c.json(runView(state, access.viewed(pathUuid(c, "run"), { caller: c.get("caller"), shareToken })));
    })
    .post("/runs/:run/cancel", (c) => {
      const run = access.owned(pathUuid(c, "run"), c.get("caller"));
      if (!queue.cancel(String(run.run_id))) throw new ConflictError("The run has already ended");
      onChange();
      return c.json({}, 202);
    })
    .put("/runs/:run/custom-metadata", async (c) => {
      const runId = pathUuid(c, "run");
      const change = await readBody(c, metadataChange);
      const checksum = state.transaction(() => {
        const { custom_metadata: present } = access.owned(runId, c.get("caller"));
        const { stored, checksum } = changeMetadata(present, change);
        state.run("UPDATE platform_runs SET custom_metadata = ? WHERE run_id = ?", stored, runId);
        return checksum;
      });
      return c.json({ custom_metadata_checksum: checksum });
    });
}
