import { join } from "node:path";
import { CreateBucketCommand, PutBucketPolicyCommand, S3Client } from "@aws-sdk/client-s3";
import { S3Transport } from "../../lib/cdn/s3_transport.ts";
import type { S3CdnSettings } from "../../lib/config/cdn_file.ts";
import { Secret } from "../../lib/config/secret.ts";
import { httpClient } from "../../lib/http/client.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { runChild } from "../../lib/system/process.ts";
import { freePort } from "./free_port.ts";
import { useSecret } from "./witness.ts";

const ROOT = { user: "root", secret: useSecret("secret key of S3", "rootsecret1") };
const READER = { user: "reader", secret: useSecret("secret key of S3", "readersecret1") };
const WRITER = { user: "writer", secret: useSecret("secret key of S3", "writersecret1") };
const START_ATTEMPTS = 100;
const START_PAUSE_MS = 50;

/** A running S3 server of somebody else's (versitygw), with a user who may read and one who may write as well. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: URL;
  readonly bucket: string;
  /** Objects lie here as plain files: `<dataDir>/<bucket>/<key>`. */
  readonly dataDir: string;
  /** As a `cdn.yaml` would have it. */
  readonly settings: S3CdnSettings;
  /** A client that may do everything. */
  readonly root: S3Client;
  /** Halts, goes on with, or kills the server process. */
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
}

/** How the server is started. */
export interface S3ServerOptions {
  /** Absolute path of versitygw. */
  readonly program: string;
  readonly bucket?: string;
  /** PEM files; with them it speaks https. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** Starts the server on a free port of this machine and in a folder of its own. Dispose it. */
export async function startS3Server({ program, bucket = "models", tls }: S3ServerOptions): Promise<S3Server> {
  const folder = await Deno.makeTempDir({ prefix: "tally-s3-" });
  const dataDir = join(folder, "data");
  const iamDir = join(folder, "iam");
  await Promise.all([Deno.mkdir(dataDir), Deno.mkdir(iamDir)]);
  const address = `127.0.0.1:${freePort()}`;
  const endpoint = new URL(`${tls === undefined ? "http" : "https"}://${address}`);
  const child = new Deno.Command(program, {
    args: [
      ...["--port", address, "--iam-dir", iamDir, "--iam-cache-disable", "--keep-alive", "--quiet"],
      ...["--health", "/health"],
      ...(tls === undefined ? [] : ["--cert", tls.certFile, "--key", tls.keyFile]),
      ...["posix", dataDir],
    ],
    env: { ROOT_ACCESS_KEY: ROOT.user, ROOT_SECRET_KEY: ROOT.secret },
    clearEnv: true,
    stdout: "null",
    stderr: "null",
  }).spawn();
  const root = rootClient(endpoint);
  const server: S3Server = {
    endpoint,
    bucket,
    dataDir,
    root,
    settings: { kind: "s3", endpoint, region: "us-east-1", downloader: accessKey(READER), uploader: accessKey(WRITER) },
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      root.destroy();
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // killed by the test
      }
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
  try {
    if (tls === undefined) await prepare(program, server);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

async function prepare(program: string, { endpoint, root, bucket }: S3Server): Promise<void> {
  await untilHealthy(endpoint);
  for (const { user, secret } of [READER, WRITER]) await createUser(program, endpoint, user, secret);
  await root.send(new CreateBucketCommand({ Bucket: bucket }));
  await root.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policyOf(bucket)) }));
}

async function untilHealthy(endpoint: URL): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      const response = await fetch(new URL("/health", endpoint));
      await response.body?.cancel();
      if (response.ok) return;
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
    await systemClock.sleep(START_PAUSE_MS);
  }
}

async function createUser(program: string, endpoint: URL, user: string, secret: string): Promise<void> {
  const asRoot = ["admin", "-a", ROOT.user, "-s", ROOT.secret, "--er", endpoint.origin];
  const args = [...asRoot, "create-user", "-a", user, "-s", secret, "-r", "user"];
  const { exitCode, stderr } = await runChild(program, { args, env: {} });
  if (exitCode !== 0) throw new Error(`The S3 server does not make the user ${user}: ${stderr}`);
}

function rootClient(endpoint: URL): S3Client {
  return new S3Client({
    endpoint: endpoint.href,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: ROOT.user, secretAccessKey: ROOT.secret },
    requestHandler: new S3Transport(httpClient("CDN")),
  });
}

function accessKey({ user, secret }: typeof ROOT) {
  return { id: new Secret(user), secret: new Secret(secret) };
}

function policyOf(bucket: string) {
  const allow = (user: string, actions: string[], resource: string) => ({
    Effect: "Allow",
    Principal: { AWS: [user] },
    Action: actions.map((action) => `s3:${action}`),
    Resource: [`arn:aws:s3:::${resource}`],
  });
  const writing = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"];
  return {
    Version: "2012-10-17",
    Statement: [
      allow(READER.user, ["GetObject"], `${bucket}/*`),
      allow(READER.user, ["ListBucket"], bucket),
      allow(WRITER.user, writing, `${bucket}/*`),
      allow(WRITER.user, ["ListBucket", "ListBucketMultipartUploads"], bucket),
    ],
  };
}
