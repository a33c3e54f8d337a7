import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { z } from "zod";
import type { AccessKey, S3CdnSettings } from "../config/cdn_file.ts";
import { InterruptedError, TallyError, UpstreamError } from "../errors.ts";
import { withRetry } from "../http/retry.ts";
import type { Clock } from "../system/clock.ts";
import type { S3Transport } from "./s3_transport.ts";
import { statusError } from "./status_error.ts";

const retryAnswerSchema = z.object({ $response: z.object({ headers: z.record(z.string(), z.string()) }) });

/** The AWS SDK, which costs 27 MiB and is imported only where there is an S3 CDN. */
export type Sdk = typeof import("@aws-sdk/client-s3");

/** Options of one call. */
export interface S3CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the answer's head, after the last piece of the body that went out. */
  readonly timeoutMs?: number;
}

/** What `client.send` takes beside the command. */
export interface SendOptions {
  readonly abortSignal?: AbortSignal;
  readonly requestTimeout?: number;
}

/**
 * One user of an S3 server. Repeats what failed in passing and turns the SDK's errors into ours. All that the SDK would look
 * up otherwise is given, so that no environment variable and no file of the machine has a say.
 */
export class S3User {
  readonly sdk: Sdk;
  readonly clock: Clock;
  readonly #client: S3Client;

  constructor(sdk: Sdk, settings: S3CdnSettings, key: AccessKey, deps: { transport: S3Transport; clock: Clock }) {
    this.sdk = sdk;
    this.clock = deps.clock;
    this.#client = new sdk.S3Client({ ...s3ClientConfig(settings, key), requestHandler: deps.transport });
  }

  /**
   * Makes one call, repeated while it fails in passing.
   * @param action what is tried, as the middle of a sentence: `read "models/x.big"`
   * @throws the errors of `ObjectStore`
   */
  call<T>(
    action: string,
    send: (client: S3Client, options: SendOptions) => Promise<T>,
    { signal, timeoutMs }: S3CallOptions = {},
  ): Promise<T> {
    const options: SendOptions = {
      ...(signal === undefined ? {} : { abortSignal: signal }),
      ...(timeoutMs === undefined ? {} : { requestTimeout: timeoutMs }),
    };
    const once = () => send(this.#client, options);
    const attempt = () =>
      once().catch((error) => onceMoreAtServerTime(error, once)).catch((error) => fail(error, action, signal));
    return withRetry(attempt, { clock: this.clock, signal });
  }
}

/** Everything that the SDK would look up otherwise, but for the way that its requests are sent. */
export function s3ClientConfig({ endpoint, region }: S3CdnSettings, key: AccessKey): S3ClientConfig {
  return {
    endpoint: endpoint.href,
    region,
    credentials: { accessKeyId: key.id.reveal(), secretAccessKey: key.secret.reveal() },
    forcePathStyle: true,
    maxAttempts: 1, // we repeat: the SDK does not know our transport's errors
    retryMode: "standard",
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED", // else the body is wrapped and slow; checksums are ours to compare
    expectContinueHeader: false,
    disableClockSkewCorrection: false,
    defaultsMode: "standard",
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableS3ExpressSessionAuth: true,
    disableMultiregionAccessPoints: true,
    userAgentAppId: "tallystick",
    defaultUserAgentProvider: () => Promise.resolve([["tallystick"]]),
    sigv4aSigningRegionSet: [],
    authSchemePreference: [],
  };
}

/** After a 403 because of a wrong clock the SDK has taken over the server's time: the same call now passes. */
function onceMoreAtServerTime<T>(error: unknown, send: () => Promise<T>): Promise<T> {
  return httpStatus(error) === 403 && metadataOf(error)?.clockSkewCorrected === true ? send() : Promise.reject(error);
}

/** Turns the error of an answer with this status into `undefined`. */
export function noneFor(status: number): (error: unknown) => undefined {
  return (error) => {
    if (httpStatus(error) === status) return undefined;
    throw error;
  };
}

/** The status of the answer that an error of the SDK stands for. Its name is not to be trusted: on HEAD it is "Unknown". */
function httpStatus(error: unknown): number | undefined {
  return metadataOf(error)?.httpStatusCode;
}

function metadataOf(error: unknown): { httpStatusCode?: number; clockSkewCorrected?: boolean } | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  return typeof error.$metadata === "object" && error.$metadata !== null ? error.$metadata : undefined;
}

/** The SDK keeps the answer with its headers beside the error. */
function retryAfterOf(error: Error): string | undefined {
  const answer = retryAnswerSchema.safeParse(error);
  return answer.success ? answer.data.$response.headers["retry-after"] : undefined;
}

function fail(error: unknown, action: string, signal: AbortSignal | undefined): never {
  if (error instanceof TallyError) throw error;
  if (signal?.aborted) throw new InterruptedError(); // the SDK looks at the signal as well
  const status = httpStatus(error);
  // The SDK's error is left out as a cause: it holds the whole answer, with the access key's name.
  if (status !== undefined && error instanceof Error) {
    throw statusError(action, status, { word: error.name, retryAfter: retryAfterOf(error) });
  }
  throw new UpstreamError("CDN", `Cannot ${action}: the CDN's answer is not S3`, { cause: error });
}
