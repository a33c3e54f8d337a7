import { once } from "node:events";
import net from "node:net";
import { systemClock } from "../../lib/system/clock.ts";
import { Place } from "./stream_place.ts";

/** Which way bytes go: `up` to the server, `down` to its caller. */
export type Direction = "up" | "down";

/** Where in what goes one way over a connection: so many bytes behind a text, or several in this order, or behind the connection's beginning. */
export interface FaultPlace {
  readonly direction: Direction;
  readonly behind?: string | readonly string[];
  readonly afterBytes: number;
}

/** What a proxy does with connections. */
export type NetworkFault =
  /** The port is closed, and with it all connections; as soon as something gets to a place, where there is one. */
  | { readonly kind: "gone"; readonly at?: FaultPlace }
  /** The connection ends there; `reset` ends it with RST. `stall`: nothing passes any more, and the connection stays. */
  | { readonly kind: "cut" | "reset" | "stall"; readonly at: FaultPlace; readonly times?: number }
  /** One bit of the byte there is another; of the next one, as far behind it, too, if it is to be more than once. */
  | { readonly kind: "corrupt"; readonly at: FaultPlace; readonly times?: number }
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  /** Each piece comes so much later. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The way is so long: each piece comes so much later, and keeps none behind it waiting. */
  | { readonly kind: "latency"; readonly delayMs: number }
  /** Of two connections the later one reaches the server first, and has its answer first. */
  | { readonly kind: "reorder" };

/** Something before one server that hands on what comes, as long as nothing is wrong. */
export interface FaultPoint<Fault> extends AsyncDisposable {
  /** The server's own address, with the port of what is before it. */
  readonly url: URL;
  /** How often the fault has met somebody. */
  readonly strikes: number;
  /** Begins a fault in place of the one before; resolves when it has first met somebody. */
  begin(fault: Fault): Promise<void>;
  /** Nothing is wrong any more. */
  heal(): Promise<void>;
}

/** A proxy whose faults meet connections that are open, too. */
export type FaultyProxy = FaultPoint<NetworkFault>;

/** How long a connection waits for another one that could overtake it. */
const OVERTAKE_MS = 5_000;
const PAUSES_PER_SECOND = 20;

/** Starts a proxy on a free port of this machine. It knows TCP alone. */
export async function faultyProxy(target: URL): Promise<FaultyProxy> {
  const proxy = new Proxy(target);
  await proxy.heal();
  return proxy;
}

class Proxy implements FaultyProxy {
  strikes = 0;
  readonly #target: URL;
  readonly #stop = new AbortController();
  readonly #open = new Set<net.Socket>();
  readonly #serving = new Set<Promise<void>>();
  #server: net.Server | undefined;
  #port = 0;
  #fault: NetworkFault | undefined;
  #vanishing: Promise<void> | undefined;
  #struck = Promise.withResolvers<void>();
  /** The connection that came last, while it waits to be overtaken. */
  #waiting: Overtaken | undefined;

  constructor(target: URL) {
    this.#target = target;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}${this.#target.pathname}`);
  }

  begin(fault: NetworkFault): Promise<void> {
    this.#fault = fault;
    this.strikes = 0;
    this.#struck = Promise.withResolvers();
    if (fault.kind === "reorder") this.#open.forEach((socket) => socket.destroy()); // those that idle would not be
    if (fault.kind === "gone" && fault.at === undefined) {
      this.#vanishing = this.#vanish().then(() => void this.#strike(1));
    }
    return this.#struck.promise;
  }

  async #vanish(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    this.#open.forEach((socket) => socket.destroy());
    await closed;
    await Promise.all(this.#serving);
  }

  async heal(): Promise<void> {
    this.#fault = undefined;
    await this.#vanishing;
    if (this.#server !== undefined) return;
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (caller) => {
      const served = this.#serve(caller).finally(() => this.#serving.delete(served));
      this.#serving.add(served);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new TypeError("A TCP server has a port");
    this.#port = address.port;
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#vanish();
  }

  #strike(times: number): boolean {
    if (this.strikes >= times) return false;
    this.strikes++;
    this.#struck.resolve();
    return true;
  }

  async #serve(caller: net.Socket): Promise<void> {
    const turn = this.#fault?.kind === "reorder" ? await this.#takeTurn() : undefined;
    const server = net.connect({
      host: this.#target.hostname,
      port: Number(this.#target.port),
      allowHalfOpen: true,
    });
    const pair = [caller, server];
    const closed = Promise.all(pair.map((socket) => this.#watched(socket)));
    const link = { end: (how: "cut" | "reset") => pair.forEach((socket) => endSocket(socket, how)) };
    await Promise.all([
      this.#pass(caller, server, "up", link),
      this.#pass(server, caller, "down", link, turn),
    ]);
    turn?.answered();
    pair.forEach((socket) => socket.destroy());
    await closed;
  }

  #watched(socket: net.Socket): Promise<void> {
    this.#open.add(socket);
    socket.on("error", () => {}); // who left is no news here
    return new Promise((resolve) =>
      socket.once("close", () => {
        this.#open.delete(socket);
        resolve();
      })
    );
  }

  /** Hands on what comes from one side until it ends. */
  async #pass(from: net.Socket, to: net.Socket, direction: Direction, link: Link, turn?: Turn): Promise<void> {
    const places = new Map<NetworkFault, Place>();
    const line = new LongLine(this.#stop.signal);
    try {
      for await (const chunk of from) {
        await this.#passChunk(chunk, { to, direction, link, places, line, turn });
      }
      await line.empty();
      to.end();
    } catch (error) {
      if (!isGone(error) && !this.#stop.signal.aborted) throw error;
      to.destroy();
    }
  }

  async #passChunk(chunk: Uint8Array, way: Way): Promise<void> {
    const { to, direction, line, turn } = way;
    const fault = this.#fault;
    await turn?.mayAnswer(this.#stop.signal);
    if (isPlaced(fault) && fault.at.direction === direction) return await this.#meet(chunk, fault, way);
    if (fault?.kind === "latency") {
      this.#strike(Infinity);
      return line.send(fault.delayMs, () => write(to, chunk));
    }
    await line.empty();
    if (fault?.kind === "slow") return await this.#trickle(to, chunk, fault.bytesPerSecond);
    if (fault?.kind === "delay") {
      this.#strike(Infinity);
      await systemClock.sleep(fault.delayMs, this.#stop.signal);
    }
    await write(to, chunk);
    turn?.answered();
  }

  /** The fault is at a place of this way: does it lie in this piece? */
  async #meet(chunk: Uint8Array, fault: PlacedFault, { to, link, places }: Way): Promise<void> {
    const place = places.get(fault) ?? new Place(fault.at);
    places.set(fault, place);
    const index = place.find(chunk);
    const times = fault.kind === "gone" ? 1 : fault.times ?? 1;
    if (index === undefined || !this.#strike(times)) return await write(to, chunk);
    if (fault.kind === "corrupt") {
      places.delete(fault); // counted from there on, for who wants more than one
      return await write(to, chunk.with(index, (chunk[index] ?? 0) ^ 1));
    }
    if (fault.kind === "gone") return void (this.#vanishing = this.#vanish()); // which waits for this connection, too
    await write(to, chunk.subarray(0, index));
    if (fault.kind === "stall") return await once(to, "close").then(() => {}); // until the caller has enough
    link.end(fault.kind);
  }

  async #trickle(to: net.Socket, chunk: Uint8Array, bytesPerSecond: number): Promise<void> {
    this.#strike(Infinity);
    const pieceBytes = Math.ceil(bytesPerSecond / PAUSES_PER_SECOND);
    for (let start = 0; start < chunk.byteLength; start += pieceBytes) {
      await systemClock.sleep(1000 / PAUSES_PER_SECOND, this.#stop.signal);
      await write(to, chunk.subarray(start, start + pieceBytes));
    }
  }

  /** The first of two waits for the second, which goes first; for a while, since there may be none. */
  async #takeTurn(): Promise<Turn | undefined> {
    const earlier = this.#waiting;
    if (earlier !== undefined) {
      this.#waiting = undefined;
      this.#strike(Infinity);
      return earlier.overtaken();
    }
    const waiting = new Overtaken();
    this.#waiting = waiting;
    const isOvertaken = await Promise.race([
      waiting.meeting.then(() => true),
      systemClock.sleep(OVERTAKE_MS, this.#stop.signal).then(() => false),
    ]);
    if (this.#waiting === waiting) this.#waiting = undefined;
    return isOvertaken ? { mayAnswer: () => waiting.answer, answered: () => {} } : undefined;
  }
}

type PlacedFault = Extract<NetworkFault, { readonly at?: FaultPlace }> & { readonly at: FaultPlace };

function isPlaced(fault: NetworkFault | undefined): fault is PlacedFault {
  return fault !== undefined && "at" in fault && fault.at !== undefined;
}

interface Link {
  end(how: "cut" | "reset"): void;
}

interface Way {
  readonly to: net.Socket;
  readonly direction: Direction;
  readonly link: Link;
  readonly places: Map<NetworkFault, Place>;
  readonly line: LongLine;
  readonly turn?: Turn | undefined;
}

/** What is under way on a line that is so long that several pieces are in it. */
class LongLine {
  readonly #signal: AbortSignal;
  #last: Promise<void> = Promise.resolve();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  send(delayMs: number, arrive: () => Promise<void>): void {
    const before = this.#last;
    const last = systemClock.sleep(delayMs, this.#signal).then(() => before).then(arrive);
    last.catch(() => {}); // told by empty()
    this.#last = last;
  }

  /** Resolves when all of it has arrived. */
  empty(): Promise<void> {
    return this.#last;
  }
}

/** The order of answers among two connections. */
interface Turn {
  mayAnswer(signal: AbortSignal): Promise<void>;
  answered(): void;
}

/** A connection that another one overtakes. */
class Overtaken {
  readonly #met = Promise.withResolvers<void>();
  readonly #answered = Promise.withResolvers<void>();
  readonly meeting: Promise<void> = this.#met.promise;
  /** Resolves when the other one has its answer, or has ended. */
  readonly answer: Promise<void> = this.#answered.promise;

  /** What the one that overtakes is to tell. */
  overtaken(): Turn {
    this.#met.resolve();
    return { mayAnswer: () => Promise.resolve(), answered: () => this.#answered.resolve() };
  }
}

function endSocket(socket: net.Socket, how: "cut" | "reset"): void {
  if (how === "reset") socket.resetAndDestroy();
  else socket.end(() => socket.destroy());
}

async function write(to: net.Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.byteLength === 0 || to.destroyed || to.write(bytes)) return;
  await Promise.race([once(to, "drain"), once(to, "close")]);
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(ECONN|EPIPE|ERR_STREAM|ABORT_ERR)/.test(code);
}
