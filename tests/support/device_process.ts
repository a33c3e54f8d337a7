import { join } from "node:path";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import type { HardwareFacts } from "../../lib/hardware/probe.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { post } from "./device_round.ts";
import { FACTS } from "./hardware_facts.ts";
import { fileForm, type OriginSite, PASSWORD } from "./origin_site.ts";
import { recordOutput } from "./witness.ts";

/** Where a device keeps what it has, and what it is told. It outlives each of its processes. */
export interface DevicePlace {
  readonly folder: string;
  readonly origin: OriginSite;
  readonly flags?: Readonly<Record<string, string>>;
}

/** What a program is started with. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a program another way than directly, as under a tracer. */
export type Spawn = (launch: Launch) => Deno.ChildProcess;

/** A service of this repository as a process of its own. Disposing kills it. */
export interface ServiceProcess extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly url: string;
  /** What it has written on standard error so far. */
  readonly log: () => string;
  /** Asks it to stop, and waits until it has ended, so or otherwise. */
  stop(): Promise<void>;
}

/** A device in a folder: its state, its cache, its archive. */
export function statePath({ folder, flags }: DevicePlace): string {
  return flags?.["state-dir"] ?? join(folder, "state");
}

/** Folder of the cache of a device. */
export function cachePath({ folder, flags }: DevicePlace): string {
  return flags?.["model-cache-dir"] ?? join(folder, "cache");
}

/** Runs `main.ts` with these arguments. */
export function launchOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Launch {
  const { program, args: before, env: inherited } = thisProgram(processEnvironment);
  return { program, args: [...before, ...args], env: { ...inherited, ...env } };
}

/** Starts a program directly. */
export const spawnPlain: Spawn = ({ program, args, env }) =>
  new Deno.Command(program, { args: [...args], clearEnv: true, env, stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();

/** How a device is started. */
export interface DeviceStart {
  readonly spawn?: Spawn;
  /** Of the machine that it runs on. */
  readonly facts?: HardwareFacts;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the device service of a place, and waits until it listens. @throws {Error} with its log when it does not */
export async function startDeviceProcess(
  place: DevicePlace,
  { spawn = spawnPlain, facts = FACTS, env = {} }: DeviceStart = {},
): Promise<ServiceProcess> {
  const hardwareFile = join(place.folder, "hardware.json");
  await Deno.writeFile(hardwareFile, utf8(JSON.stringify(facts)));
  const flags = {
    "resource-api-url": place.origin.url,
    "port": "0",
    "state-dir": join(place.folder, "state"),
    "model-cache-dir": join(place.folder, "cache"),
    "images-path": join(place.folder, "images.enc"),
    "hardware-file": hardwareFile,
    ...place.flags,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  return await startService(launchOf(["device", "--json", ...words], env), spawn);
}

/** Starts the origin of a data folder, and waits until it listens. */
export async function startOriginProcess(
  dataDir: string,
  { port = 0, spawn = spawnPlain }: { port?: number; spawn?: Spawn } = {},
): Promise<ServiceProcess> {
  const args = ["origin", "serve", "--json", "--data-dir", dataDir, "--port", String(port)];
  return await startService(launchOf(args), spawn);
}

async function startService(launch: Launch, spawn: Spawn): Promise<ServiceProcess> {
  const child = spawn(launch);
  let log = "";
  const logged = keep(child.stderr, (text) => log += recordOutput("log of a service in a process", text));
  let said = "";
  const listening = Promise.withResolvers<string>();
  const told = keep(child.stdout, (text) => {
    said += text;
    const url = /"url":"([^"]+)"/.exec(said)?.[1];
    if (url !== undefined) listening.resolve(url.replace(/\/$/, ""));
  });
  const ended = Promise.all([child.status, logged, told]);
  ended.then(([{ code, signal }]) => listening.reject(new Error(`It ended with ${signal ?? code}: ${log}`)));
  listening.promise.catch(() => undefined); // told to whoever waits for it below
  const end = async () => {
    signalIfAlive(child, "SIGKILL");
    await ended;
  };
  const stop = async () => {
    signalIfAlive(child, "SIGTERM");
    await ended;
  };
  try {
    return { child, url: await listening.promise, log: () => log, stop, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Sends a signal; no error when the process has ended. */
export function signalIfAlive(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Signs an account in on a device. */
export async function signInOn(url: string, email: string): Promise<void> {
  const answer = await post(`${url}/login`, JSON.stringify({ email, password: PASSWORD }));
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`The sign-in was answered with ${answer.status}: ${text}`);
}

/** What came of a call: its status, and its whole body; an error when the connection broke off. */
export interface LoadReply {
  readonly status: number;
  readonly source: string | null;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The `code` and the `detail` of a problem. */
  readonly code: string;
  readonly detail: string;
}

/** Loads a resource over the HTTP API. @throws {TypeError} the connection broke off */
export async function loadFrom(url: string, folder: string, name: string): Promise<LoadReply> {
  const answer = await post(`${url}/load/${name}`, JSON.stringify({ filename: name, folder }));
  return await replyOf(answer);
}

/** Publishes a resource over the HTTP API. @throws {TypeError} the connection broke off */
export async function uploadTo(url: string, content: Bytes, name: string): Promise<LoadReply> {
  return await replyOf(await fetch(`${url}/upload/${name}`, { method: "POST", body: fileForm(content, name) }));
}

/** Reads an answer to its end. */
export async function replyOf(answer: Response): Promise<LoadReply> {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const isProblem = answer.headers.get("content-type")?.includes("problem") ?? false;
  const { code = "", detail = "" } = isProblem ? JSON.parse(new TextDecoder().decode(bytes)) : {};
  return { status: answer.status, source: answer.headers.get("x-tally-source"), bytes, code, detail };
}

async function keep(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
