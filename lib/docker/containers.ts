import { z } from "zod";
import { InterruptedError } from "../errors.ts";
import { type ByteReader, byteReader } from "../streams.ts";
import { type EngineApiOptions, EngineConnection, jsonAnswer, parsed, reasonOf } from "./engine_connection.ts";
import { refusal } from "./refusal.ts";

/** A folder of this machine in a container. */
export interface ContainerMount {
  readonly source: string;
  readonly target: string;
  readonly access: "read" | "write";
}

/** A program that is run in a container of its own: without network and rights, with a root that cannot be written. */
export interface ContainerProgram {
  readonly image: string;
  /** Instead of the image's own; empty for that. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** `uid:gid`. */
  readonly user: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pidsLimit: number;
  /** Largest single file that it may write. */
  readonly fileLimitBytes: number;
  readonly mounts: readonly ContainerMount[];
  /** Marks the container, for {@link ContainerEngine.removeLabelled}. */
  readonly label: string;
}

/** How a program ended. */
export interface ContainerEnd {
  readonly exitCode: number;
  /** It was ended because it wanted more memory than it may have. */
  readonly outOfMemory: boolean;
  /** The last of what it printed. */
  readonly output: string;
}

/** The part of a Docker engine that runs programs. Every call fails with `DockerError`; `InterruptedError` at an abort. */
export interface ContainerEngine {
  /** Runs a program to its end; when the signal is aborted it is killed. The container is gone afterwards. */
  run(program: ContainerProgram, signal: AbortSignal): Promise<ContainerEnd>;
  /** Kills and removes all containers with a label: those that a killed process of ours has left. */
  removeLabelled(label: string, signal: AbortSignal): Promise<void>;
}

const LABEL = "tallystick.owner";
const TMP_OPTIONS = "rw,noexec,nosuid,nodev,size=64m";
const NANO = 1e9;
const LOG_LINES = 20;
const LOG_LIMIT_BYTES = 16 * 1024;
const FRAME_HEADER_BYTES = 8;
/** A program may run for so long without a word; who runs it sets an earlier end by its signal. */
const WAIT_LIMIT_MS = 7 * 24 * 3600_000;

const createdSchema = z.object({ Id: z.string() });
const endedSchema = z.object({ StatusCode: z.int() });
const stateSchema = z.object({ State: z.object({ OOMKilled: z.boolean() }) });
const listSchema = z.array(createdSchema);

/** Runs programs with the Docker engine's HTTP API. @see https://docs.docker.com/reference/api/engine/ */
export function containerEngine(options: EngineApiOptions): ContainerEngine {
  const engine = new EngineConnection(options);
  const remove = (id: string) => engine.json(`/containers/${id}?force=true&v=true`, { method: "DELETE" });
  return {
    async run(program, signal) {
      const id = await create(engine, program, signal);
      try {
        await engine.ask(`/containers/${id}/start`, z.unknown(), { method: "POST", signal });
        const exitCode = await ended(engine, id, signal);
        const { State } = await engine.ask(`/containers/${id}/json`, stateSchema, { signal });
        return { exitCode, outOfMemory: State.OOMKilled, output: await lastWords(engine, id, signal) };
      } finally {
        await remove(id);
      }
    },
    async removeLabelled(label, signal) {
      const filters = encodeURIComponent(JSON.stringify({ label: [`${LABEL}=${label}`] }));
      const found = await engine.ask(`/containers/json?all=true&filters=${filters}`, listSchema, { signal });
      for (const { Id } of found) await remove(Id);
    },
  };
}

async function create(engine: EngineConnection, program: ContainerProgram, signal: AbortSignal): Promise<string> {
  const { Id } = await engine.ask("/containers/create", createdSchema, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(containerOf(program)),
    signal,
  });
  return Id;
}

function containerOf(program: ContainerProgram) {
  const { image, command, environment, user, memoryBytes, cpus, pidsLimit, fileLimitBytes, mounts, label } = program;
  return {
    Image: image,
    ...(command.length === 0 ? {} : { Entrypoint: [], Cmd: command }),
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    User: user,
    NetworkDisabled: true,
    Labels: { [LABEL]: label },
    HostConfig: {
      NetworkMode: "none",
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": TMP_OPTIONS },
      Memory: memoryBytes,
      MemorySwap: memoryBytes, // none beside the memory
      NanoCpus: Math.round(cpus * NANO),
      PidsLimit: pidsLimit,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Ulimits: [
        { Name: "fsize", Soft: fileLimitBytes, Hard: fileLimitBytes },
        { Name: "core", Soft: 0, Hard: 0 },
      ],
      LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "1" } },
      Mounts: mounts.map(({ source, target, access }) => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: access === "read",
        BindOptions: { Propagation: "rprivate" },
      })),
    },
  };
}

async function ended(engine: EngineConnection, id: string, signal: AbortSignal): Promise<number> {
  try {
    const limits = { timeoutMs: WAIT_LIMIT_MS, stallMs: WAIT_LIMIT_MS };
    const answer = await jsonAnswer(await engine.send(`/containers/${id}/wait`, { method: "POST", signal, ...limits }));
    if (answer.status >= 300) throw refusal(reasonOf(answer));
    return parsed(endedSchema, answer.value).StatusCode;
  } catch (error) {
    if (signal.aborted) throw new InterruptedError();
    throw engine.translated(error, "did not tell how a container ended");
  }
}

/** The engine sends frames: one byte for the stream, three of zero, four of length, and then the text. */
async function lastWords(engine: EngineConnection, id: string, signal: AbortSignal): Promise<string> {
  const { body } = await engine.send(`/containers/${id}/logs?stdout=true&stderr=true&tail=${LOG_LINES}`, { signal });
  const reader = byteReader(body);
  let text = "";
  try {
    for (let frame = await nextFrame(reader); frame !== undefined; frame = await nextFrame(reader)) text += frame;
  } finally {
    await reader.cancel();
  }
  return text.slice(-LOG_LIMIT_BYTES).trim();
}

async function nextFrame(reader: ByteReader): Promise<string | undefined> {
  const header = await reader.read(FRAME_HEADER_BYTES);
  if (header.byteLength < FRAME_HEADER_BYTES) return undefined;
  let leftBytes = new DataView(header.buffer, header.byteOffset).getUint32(4);
  let text = "";
  while (leftBytes > 0) {
    const piece = await reader.read(Math.min(leftBytes, LOG_LIMIT_BYTES));
    if (piece.byteLength === 0) return undefined;
    text = (text + new TextDecoder().decode(piece)).slice(-LOG_LIMIT_BYTES);
    leftBytes -= piece.byteLength;
  }
  return text;
}
