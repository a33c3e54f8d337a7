import { join } from "node:path";
import { OriginAdmin } from "../cli/demo/origin_admin.ts";
import { utf8 } from "../lib/bytes.ts";
import { systemClock } from "../lib/system/clock.ts";
import { writeSmallFile } from "../lib/system/atomic_file.ts";
import { writeKeyPair } from "../lib/crypto/key_file.ts";
import { generateJwk, publicHalf } from "../lib/crypto/okp_key.ts";
import { ORIGIN_COMMANDS } from "../origin/commands.ts";
import { initOrigin } from "../origin/init.ts";
import { type S3Server, startS3Server } from "../tests/support/s3_server.ts";
import { Shipped } from "./shipped.ts";
import { type Service, startTally } from "./service.ts";

/** Bucket and folder of the resource that is measured. */
export const FOLDER = "models";

/** An origin, an S3 server and a device as it is shipped, each in a process of its own; the administrator is signed in on the device. */
export interface Site extends AsyncDisposable {
  readonly admin: OriginAdmin;
  readonly account: { readonly email: string; readonly password: string };
  readonly origin: Service;
  readonly s3: S3Server;
  readonly device: Service;
  /** So that nothing of what it did before is measured; it has the same address, and the administrator is signed in. */
  restartDevice(): Promise<void>;
  readonly cacheDir: string;
  readonly imagesPath: string;
}

/** What a site is started with. */
export interface SiteOptions {
  readonly folder: string;
  /** Absolute path of versitygw. */
  readonly s3Program: string;
  readonly dockerHost?: string;
  /** The device holds a publisher's key that the origin trusts, and so publishes in format v2. */
  readonly publishes?: boolean;
  /** Puts something between the device and a server; gives the address that the device is told. */
  readonly between?: (server: URL) => Promise<URL>;
  /** More settings of the device. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts all of it with fresh state below `folder`. */
export async function startSite(
  { folder, s3Program, dockerHost, publishes = false, between = (server) => Promise.resolve(server), settings }:
    SiteOptions,
): Promise<Site> {
  await using started = new AsyncDisposableStack();
  const dataDir = join(folder, "origin");
  const account = await initOrigin(dataDir, { email: "bench@example.com" });
  const keyPath = publishes ? await makePublisher(folder, dataDir) : undefined;
  const origin = started.use(
    await startTally(["origin", "serve", "--data-dir", dataDir, "--port", "0", "--log-level", "warning"]),
  );
  const s3 = started.use(await startS3Server({ program: s3Program, bucket: FOLDER }));
  const cdnPath = join(folder, "cdn.yaml");
  const cdnUrl = await between(s3.endpoint);
  await writeSmallFile(cdnPath, utf8(cdnYaml(s3, cdnUrl)));
  const shipped = new Shipped(folder, {
    settings: {
      RESOURCE_API_URL: (await between(origin.url)).href,
      CDN_CONFIG: cdnPath,
      STATE_DIR: join(folder, "state"),
      IMAGES_PATH: join(folder, "images.enc"),
      ...(dockerHost === undefined ? {} : { DOCKER_HOST: dockerHost }),
      ...(keyPath === undefined ? {} : { PUBLISHER_KEY_FILE: keyPath }),
      ...settings,
    },
    cdn: [cdnUrl.host],
  });
  let device = await shipped.startDevice();
  started.defer(() => device[Symbol.asyncDispose]());
  const admin = await OriginAdmin.signIn(origin.url, account, {
    clock: systemClock,
    signal: new AbortController().signal,
  });
  await postJson(new URL("/login", device.url), account);
  const processes = started.move();
  return {
    ...{ admin, account, origin, s3 },
    get device() {
      return device;
    },
    async restartDevice() {
      await device[Symbol.asyncDispose]();
      device = await shipped.startDevice();
      await postJson(new URL("/login", device.url), account);
    },
    cacheDir: shipped.site.settings.modelCacheDir,
    imagesPath: shipped.site.settings.imagesPath,
    [Symbol.asyncDispose]: () => processes.disposeAsync(),
  };
}

async function makePublisher(folder: string, dataDir: string): Promise<string> {
  const jwk = await generateJwk("Ed25519");
  const path = join(folder, "publisher.key");
  await writeKeyPair(path, jwk);
  await ORIGIN_COMMANDS["publisher add"]({ dataDir, key: publicHalf(jwk), name: "bench" });
  return path;
}

/** Posts JSON and gives the JSON of the answer. @throws {Error} unless the status is 200 */
export async function postJson(url: URL, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url.pathname} was answered with ${response.status}: ${text}`);
  return JSON.parse(text);
}

function cdnYaml({ settings: { downloader, uploader } }: S3Server, url: URL): string {
  return [
    `host: ${url.href}`,
    `downloader_access_key: ${downloader.id.reveal()}`,
    `downloader_access_secret: ${downloader.secret.reveal()}`,
    `uploader_access_key: ${uploader?.id.reveal()}`,
    `uploader_access_secret: ${uploader?.secret.reveal()}`,
    "",
  ].join("\n");
}
