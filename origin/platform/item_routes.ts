import { type Context, Hono } from "hono";
import { z } from "zod";
import { ConflictError, NotAllowedError, NotFoundError } from "../../lib/errors.ts";
import type { ObjectFolder } from "../object_store.ts";
import type { Row, State } from "../state.ts";
import type { RunAccess } from "./access.ts";
import { removeOutputs } from "./artifacts.ts";
import type { PlatformEnv } from "./caller.ts";
import { changeMetadata, metadataChange } from "./metadata_change.ts";
import type { MetadataFilters } from "./metadata_filter.ts";
import { GoneError } from "./problems.ts";
import { orderBy, pageParameter, pageSizeParameter, pathUuid, readBody, readQuery, sliceOf, uuid } from "./request.ts";
import { filterParameter } from "./run_list.ts";
import { itemView } from "./run_view.ts";
import type { SignedFiles } from "./signed_files.ts";

/** What the routes of items and their artifacts need. */
export interface ItemRoutesDeps {
  readonly state: State;
  readonly access: RunAccess;
  readonly filters: MetadataFilters;
  readonly files: SignedFiles;
  readonly objects: ObjectFolder;
}

const viewQuery = z.object({ share_token: z.string().optional() });
const listQuery = viewQuery.extend({
  item_id__in: z.array(uuid).optional(),
  external_id__in: z.array(z.string()).optional(),
  state: z.enum(["PENDING", "PROCESSING", "TERMINATED"]).optional(),
  termination_reason: z.enum(["SUCCEEDED", "USER_ERROR", "SYSTEM_ERROR", "SKIPPED"]).optional(),
  custom_metadata: filterParameter,
  page: pageParameter,
  page_size: pageSizeParameter,
  sort: z.array(z.string()).default([]),
});

const COLUMNS: Readonly<Record<string, string>> = {
  item_id: "item_id",
  external_id: "external_id",
  custom_metadata: "custom_metadata",
  state: "state",
  terminated_at: "terminated_ms",
  termination_reason: "termination_reason",
};

/** Items of a run with their results, and the files of those. */
export function itemRoutes(deps: ItemRoutesDeps): Hono<PlatformEnv> {
  const { state, access, files, objects } = deps;
  return new Hono<PlatformEnv>()
    .get("/runs/:run/items", async (c) => {
      const query = readQuery(c, listQuery);
      const run = hidden(() => viewedRun(c, query.share_token));
      const items = await listItems(deps, String(run.run_id), query);
      return c.json(items.map((item) => itemView(state, item, run.deleted_by)));
    })
    .get("/runs/:run/items/:item", (c) => {
      const run = viewedRun(c, readQuery(c, viewQuery).share_token);
      return c.json(itemView(state, itemOf(c, run), run.deleted_by));
    })
    .put("/runs/:run/items/:item/custom-metadata", async (c) => {
      const runId = pathUuid(c, "run");
      const change = await readBody(c, metadataChange);
      const checksum = state.transaction(() => {
        const item = itemOf(c, access.owned(runId, c.get("caller")));
        const { stored, checksum } = changeMetadata(item.custom_metadata, change);
        state.run("UPDATE platform_items SET custom_metadata = ? WHERE item_id = ?", stored, item.item_id ?? null);
        return checksum;
      });
      return c.json({ custom_metadata_checksum: checksum });
    })
    .get("/runs/:run/artifacts/:artifact/file", (c) => {
      const artifactId = pathUuid(c, "artifact");
      const run = viewedRun(c, readQuery(c, viewQuery).share_token);
      c.header("Cache-Control", "no-store");
      return c.redirect(artifactUrl(run, artifactId), 307);
    })
    .delete("/runs/:run/artifacts", async (c) => {
      const run = hidden(() => access.owned(pathUuid(c, "run"), c.get("caller")));
      if (run.state !== "TERMINATED") throw new ConflictError("The run has not ended yet");
      if (run.deleted_by !== null) throw new GoneError("The artifacts of this run are deleted already");
      await removeOutputs({ state, objects }, String(run.run_id), "USER");
      return c.json({});
    });

  function viewedRun(c: Context<PlatformEnv>, shareToken: string | undefined): Row {
    return access.viewed(pathUuid(c, "run"), { caller: c.get("caller"), shareToken });
  }

  function itemOf(c: Context<PlatformEnv>, run: Row): Row {
    const item = state.get(
      "SELECT * FROM platform_items WHERE run_id = ? AND external_id = ?",
      run.run_id ?? null,
      c.req.param("item") ?? "",
    );
    if (item === undefined) throw new NotFoundError("Item with given ID does not exist");
    return item;
  }

  function artifactUrl(run: Row, artifactId: string): string {
    const output = state.get(
      `SELECT o.*, i.termination_reason FROM platform_outputs o JOIN platform_items i USING (item_id)
       WHERE o.output_artifact_id = ? AND i.run_id = ?`,
      artifactId,
      run.run_id ?? null,
    );
    if (output?.termination_reason !== "SUCCEEDED") throw new NotFoundError("Artifact not found for the specified run");
    if (output.object_key === null) throw new GoneError("Artifact has been deleted");
    const presentation = { mimeType: String(output.mime_type), saveAs: String(output.name) };
    return files.outputUrl(String(output.object_key), presentation);
  }
}

async function listItems(
  { state, filters }: Pick<ItemRoutesDeps, "state" | "filters">,
  runId: string,
  query: z.output<typeof listQuery>,
): Promise<Row[]> {
  const { limit, offset } = sliceOf(query.page, query.page_size);
  const order = orderBy(query.sort, COLUMNS, "seq");
  using filter = await filters.open(query.custom_metadata);
  return filter.run(() =>
    state.all(
      `SELECT * FROM platform_items WHERE run_id = ?1 AND state = coalesce(?2, state)
         AND (?3 IS NULL OR termination_reason = ?3)
         AND (?4 IS NULL OR item_id IN (SELECT value FROM json_each(?4)))
         AND (?5 IS NULL OR external_id IN (SELECT value FROM json_each(?5)))
         AND (?6 IS NULL OR metadata_matches(?6, custom_metadata))
       ORDER BY ${order} LIMIT ?7 OFFSET ?8`,
      runId,
      query.state ?? null,
      query.termination_reason ?? null,
      listOrNull(query.item_id__in),
      listOrNull(query.external_id__in),
      filter.key,
      limit,
      offset,
    )
  );
}

function listOrNull(values: readonly string[] | undefined): string | null {
  return values === undefined ? null : JSON.stringify(values);
}

/** These calls know no 403: what may not be seen is not there. */
function hidden(look: () => Row): Row {
  try {
    return look();
  } catch (error) {
    throw error instanceof NotAllowedError ? new NotFoundError("Run not found") : error;
  }
}
