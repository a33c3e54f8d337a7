import { z } from "zod";
import type { ByteStream } from "../streams.ts";
import { ArchiveFeed } from "./archive_feed.ts";
import type { ImageFacts, LoadOptions, RemovingEngine } from "./docker.ts";
import { type EngineApiOptions, EngineConnection, jsonAnswer, jsonOf, parsed, reasonOf } from "./engine_connection.ts";
import { imageFacts } from "./image_facts.ts";
import { linesOf } from "./lines.ts";
import { refusal } from "./refusal.ts";

/** While it loads, the engine takes bytes or says something at least this often. */
const LOAD_STALL_MS = 10 * 60_000;
/** Podman keeps images without a registry in their name under this one. */
const PODMAN_PREFIX = /^localhost\//;
const NO_IMAGE = /no such image|invalid reference format/i;
/** Name of an image that has none. */
const NO_NAME = "<none>";

const versionSchema = z.object({ Version: z.string() });
const listSchema = z.array(z.object({ RepoTags: z.array(z.string()).nullish() }));
const progressSchema = z.object({
  error: z.string().optional(),
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).nullish(),
});

/** The Docker engine, through its HTTP API (tried with dockerd 20.10 and Podman 4.3). @see https://docs.docker.com/reference/api/engine/ */
export function engineApi(options: EngineApiOptions): RemovingEngine {
  const engine = new EngineConnection(options);
  return {
    async version(signal) {
      return (await engine.ask("/version", versionSchema, { signal })).Version;
    },
    load: (archive, options = {}) => load(engine, archive, options),
    inspect: (reference, signal) => inspect(engine, reference, signal),
    list: (signal) => list(engine, signal),
    async remove(references, signal) {
      for (const reference of references) {
        await engine.ask(imagePath(reference), z.unknown(), { method: "DELETE", signal });
      }
    },
  };
}

async function inspect(
  engine: EngineConnection,
  reference: string,
  signal: AbortSignal | undefined,
): Promise<ImageFacts | undefined> {
  const answer = await engine.json(`${imagePath(reference)}/json`, { signal });
  if (answer.status < 300) {
    const facts = imageFacts(answer.value);
    return { ...facts, tags: familiarNames(facts.tags, answer) };
  }
  const reason = reasonOf(answer);
  if (NO_IMAGE.test(reason)) return undefined;
  throw refusal(reason);
}

async function list(engine: EngineConnection, signal: AbortSignal | undefined): Promise<string[]> {
  const answer = await engine.json("/images/json", { signal });
  if (answer.status >= 300) throw refusal(reasonOf(answer));
  const names = parsed(listSchema, answer.value).flatMap(({ RepoTags }) => RepoTags ?? []);
  return familiarNames(names.filter((name) => !name.includes(NO_NAME)), answer).sort();
}

async function load(engine: EngineConnection, archive: ByteStream, options: LoadOptions): Promise<void> {
  const { signal, onMessage = () => {} } = options;
  const feed = new ArchiveFeed(archive);
  try {
    const answer = await engine.send("/images/load?quiet=0", {
      method: "POST",
      headers: { "content-type": "application/x-tar" },
      body: feed.body,
      timeoutMs: LOAD_STALL_MS,
      stallMs: LOAD_STALL_MS,
      signal,
    });
    if (answer.status !== 200) throw refusal(reasonOf(await jsonAnswer(answer)));
    for await (const line of linesOf(answer.body)) {
      const said = parseLoadLine(line);
      if (said !== "") onMessage(said);
    }
    if (!feed.finished) throw refusal("it did not read the archive to its end");
  } catch (error) {
    throw feed.failure ?? engine.translated(error, "has made no progress for 10 minutes");
  } finally {
    await feed.stop();
  }
}

function imagePath(reference: string): string {
  return `/images/${encodeURIComponent(reference)}`;
}

function familiarNames(names: readonly string[], { isPodman }: { readonly isPodman: boolean }): string[] {
  return names.map((name) => isPodman ? name.replace(PODMAN_PREFIX, "") : name);
}

/**
 * What one line of a load says. The engine has answered 200 by then: only such a line says that it failed.
 * @throws {DockerError}
 */
export function parseLoadLine(line: string): string {
  const { error, stream, status, id, progressDetail } = parsed(progressSchema, jsonOf(line));
  if (error !== undefined) throw refusal(error);
  const { current, total } = progressDetail ?? {};
  const progress = current === undefined ? "" : ` (${current} of ${total} bytes)`;
  return (stream ?? `${status ?? ""} ${id ?? ""}${progress}`).trim();
}
