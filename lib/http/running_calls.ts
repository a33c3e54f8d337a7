import type { ByteStream } from "../streams.ts";
import { pacedBody } from "./paced_body.ts";

/** What a handler is told of a call, beside its request. */
export interface Call {
  /** Aborted when the server has waited long enough at its end: give up then. */
  readonly cutOff: AbortSignal;
  /** Who is at the other end of the connection. */
  readonly remoteAddr: Deno.NetAddr;
  /** The body of an answer that is longer than what lies in the buffers of a connection: given up when its caller takes nothing of it for a minute. */
  paced(body: ByteStream): ByteStream;
}

/** What stands before a server and knows its connections one by one, by the port that the server sees. */
export interface Front {
  /** A call has begun. @returns who calls; `undefined` when it did not come this way */
  began(port: number): Deno.NetAddr | undefined;
  /** A call has ended. */
  ended(port: number): void;
  /** Closes one connection at once. */
  drop(port: number): void;
}

/** Limits of all calls of a server. */
export interface CallLimits {
  readonly cutOff: AbortSignal;
  readonly stallMs: number;
  readonly front?: Front | undefined;
}

/** The calls that are under way on the connections of one listener. */
export class RunningCalls {
  readonly limits: CallLimits;
  readonly #live = new Set<RunningCall>();
  readonly #stuck = new Set<RunningCall>();
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(limits: CallLimits) {
    this.limits = limits;
  }

  /** How many go on: their callers take what they are sent. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** How many answers were given up because their callers took nothing: their connections stay until all are broken off. */
  get stuckCount(): number {
    return this.#stuck.size;
  }

  /** Resolves when no call goes on. */
  get idle(): Promise<void> {
    if (this.#live.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Resolves when those that go on have ended. */
  async liveEnded(): Promise<void> {
    await Promise.all([...this.#live].map(({ completed }) => completed));
  }

  /** Resolves when all have ended. */
  async allEnded(): Promise<void> {
    await Promise.all([...this.#live, ...this.#stuck].map(({ completed }) => completed));
  }

  /** A call that has begun; `undefined` when it has gone past the front. */
  begin({ remoteAddr, completed }: Deno.ServeHandlerInfo<Deno.NetAddr>): Call | undefined {
    const { front } = this.limits;
    const client = front === undefined ? remoteAddr : front.began(remoteAddr.port);
    if (client === undefined) return undefined;
    const call = new RunningCall({ client, port: remoteAddr.port, completed }, this);
    this.#live.add(call);
    return call;
  }

  /** Its answer was given up. */
  stick(call: RunningCall): void {
    this.#stuck.add(call);
    this.#leave(call);
    this.limits.front?.drop(call.port);
  }

  /** All of its answer is on its way, or its client has gone. */
  end(call: RunningCall): void {
    this.#stuck.delete(call);
    this.#leave(call);
    this.limits.front?.ended(call.port);
  }

  #leave(call: RunningCall): void {
    this.#live.delete(call);
    if (this.#idle === undefined || this.#live.size > 0) return;
    this.#idle.resolve();
    this.#idle = undefined;
  }
}

class RunningCall implements Call {
  readonly remoteAddr: Deno.NetAddr;
  /** Of the connection, as the server sees it. */
  readonly port: number;
  readonly completed: Promise<void>;
  readonly #calls: RunningCalls;

  constructor(
    { client, port, completed }: { client: Deno.NetAddr; port: number; completed: Promise<void> },
    calls: RunningCalls,
  ) {
    this.remoteAddr = client;
    this.port = port;
    this.#calls = calls;
    const end = () => calls.end(this);
    this.completed = completed.then(end, end); // rejected by a client that leaves
  }

  get cutOff(): AbortSignal {
    return this.#calls.limits.cutOff;
  }

  paced(body: ByteStream): ByteStream {
    return pacedBody(body, { ...this.#calls.limits, onStall: () => this.#calls.stick(this) });
  }
}
