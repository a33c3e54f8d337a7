import { z } from "zod";
import { jsonOrUndefined } from "../api/wire.ts";
import { type ErrorCode, InterruptedError, messageOf, TallyError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { collect } from "../streams.ts";
import type { Clock } from "../system/clock.ts";

const LIMIT_BYTES = 64 * 1024;

/** How something is: works, works with restrictions, does not work. */
export type HealthStatus = "UP" | "DEGRADED" | "DOWN";

/** How one check went. */
export interface ComponentHealth {
  /** What it showed. */
  readonly status: HealthStatus;
  /** Why it is not `UP`. */
  readonly reason: string | null;
  /** The condition behind `DOWN`. */
  readonly code: ErrorCode | null;
  /** How long the check took. */
  readonly latency_ms: number;
}

/** How the platform is. */
export interface Health {
  /** `UP` when both checks are, `DOWN` when both are, else `DEGRADED`: with a token that is accepted, work goes on. */
  readonly status: HealthStatus;
  /** The first reason why it is not `UP`. */
  readonly reason: string | null;
  /** What was checked. */
  readonly components: {
    /** `GET /health`, without a token. */
    readonly api_public: ComponentHealth;
    /** `GET /me`: whether the caller's token is accepted. */
    readonly api_authenticated: ComponentHealth;
  };
}

const healthSchema = z.object({
  status: z.string(),
  reason: z.string().nullish(),
});

/** Checks the API without a token and with one, at the same time, each once. */
export async function checkHealth(
  { askPublic, askAuthenticated, clock }: {
    /** What the API says of itself. */
    askPublic: () => Promise<{ status: HealthStatus; reason: string | null }>;
    /** Fails when the caller's token is not accepted. */
    askAuthenticated: () => Promise<unknown>;
    clock: Clock;
  },
): Promise<Health> {
  const [api_public, api_authenticated] = await Promise.all([
    timed(askPublic, clock),
    timed(async () => {
      await askAuthenticated();
      return { status: "UP", reason: null };
    }, clock),
  ]);
  return { ...overall(api_public, api_authenticated), components: { api_public, api_authenticated } };
}

/** Reads `{root}/health`. Anything but `UP` and `DEGRADED` is `DOWN`. @throws when it cannot be reached */
export async function readPublicHealth(
  { root, http, timeoutMs, signal }: {
    root: URL;
    http: HttpClient;
    timeoutMs: number;
    signal?: AbortSignal | undefined;
  },
): Promise<{ status: HealthStatus; reason: string | null }> {
  const { status, body } = await http(new URL("health", root), { timeoutMs, stallMs: timeoutMs, signal });
  const text = new TextDecoder().decode(await collect(body, LIMIT_BYTES, "The answer of the API"));
  const said = healthSchema.safeParse(jsonOrUndefined(text)).data;
  if (status !== 200) return { status: "DOWN", reason: `The API at ${root.host} answers with status ${status}` };
  if (said?.status === "UP") return { status: "UP", reason: null };
  if (said?.status === "DEGRADED") return { status: "DEGRADED", reason: said.reason ?? "The API gives no reason" };
  return { status: "DOWN", reason: said?.reason ?? `The API at ${root.host} does not say that it is up` };
}

async function timed(
  check: () => Promise<{ status: HealthStatus; reason: string | null }>,
  clock: Clock,
): Promise<ComponentHealth> {
  const startMs = clock.now();
  const latency = () => Math.round(clock.now() - startMs);
  try {
    return { ...await check(), code: null, latency_ms: latency() };
  } catch (error) {
    if (!(error instanceof TallyError) || error instanceof InterruptedError) throw error;
    return { status: "DOWN", reason: messageOf(error), code: error.code, latency_ms: latency() };
  }
}

function overall(open: ComponentHealth, signedIn: ComponentHealth): Pick<Health, "status" | "reason"> {
  const reason = open.reason ?? signedIn.reason;
  return { status: open.status === signedIn.status ? open.status : "DEGRADED", reason };
}
