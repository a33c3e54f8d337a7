/** What callers who ask all the time saw of a server. */
export interface Load {
  readonly perSecond: number;
  /** 99th percentile, in seconds. */
  readonly p99: number;
  readonly answers: number;
}

/** How a server is asked. */
export interface WrkOptions {
  /** Absolute path of `wrk`. */
  readonly wrk: string;
  readonly url: URL;
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A script of wrk's own (Lua), for what its flags cannot say. */
  readonly script?: string;
}

/** Asks for so many seconds. @throws {Error} when a call failed, or was answered with a status above 399 */
export async function runWrk(options: WrkOptions): Promise<Load> {
  return await startWrk(options).done;
}

/** Asks until it is told to stop, or for as long as the options say; `done` then has what it saw. */
export function startWrk(options: WrkOptions): { readonly done: Promise<Load>; stop(): Promise<Load> } {
  const child = new Deno.Command(options.wrk, {
    args: argumentsOf(options),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const done = child.output().then(({ stdout }) => parseLoad(new TextDecoder().decode(stdout), options.url));
  return {
    done,
    stop: () => {
      child.kill("SIGINT"); // wrk then prints what it has
      return done;
    },
  };
}

function argumentsOf({ url, connections, seconds, headers = {}, script }: WrkOptions): string[] {
  return [
    ...["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "--timeout", "10s"],
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    ...(script === undefined ? [] : ["-s", script]),
    url.href,
  ];
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1 };

function parseLoad(text: string, url: URL): Load {
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const answers = Number(/(\d+) requests in /.exec(text)?.[1]);
  const [, figure, unit = ""] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  if (!(perSecond > 0) || /Non-2xx|Socket errors/.test(text)) {
    throw new Error(`wrk did not measure ${url.href}:\n${text}`);
  }
  return { perSecond, answers, p99: Number(figure) * (UNIT_SECONDS[unit] ?? NaN) };
}
