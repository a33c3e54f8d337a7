import { join } from "node:path";
import { z } from "zod";
import { ResourceApi } from "../lib/api/client.ts";
import { DEVICE_HEADER } from "../lib/api/v2_api.ts";
import { httpClient } from "../lib/http/client.ts";
import { systemClock } from "../lib/system/clock.ts";
import { writeSmallFile } from "../lib/system/atomic_file.ts";
import { utf8 } from "../lib/bytes.ts";
import { startBare } from "./health.ts";
import { runScript } from "./measure.ts";
import { peakBytes, resetPeak } from "./memory.ts";
import { writeRandomFile } from "./random_file.ts";
import { formatMemory, formatRatio, formatSeconds, printTable, type Row } from "./report.ts";
import type { Bench } from "./run.ts";
import type { Service } from "./service.ts";
import { FOLDER, type Site, startSite } from "./site.ts";
import { type Load, runWrk, type WrkOptions } from "./wrk.ts";

const NAME = "model.bin";
const RESOURCE_BYTES = 1024 * 1024;
const CONNECTIONS = 32;
/** A password costs a core a while, on purpose. */
const SIGN_IN_CONNECTIONS = 4;
const SECONDS = 5;
const WARM_UP_SECONDS = 3;
const UPLOAD = 'curl -fsS -o /dev/null -F folder="$FOLDER" -F data=@"$PLAIN" "$DEVICE/upload/$NAME"';
const devicesSchema = z.array(z.object({ kid: z.string() }));

/** What devices ask of an origin most, as often as it can: sign-ins, small parts with a fresh grant, and "still the same". */
export async function benchOrigin({ folder, peers: { wrk, versitygw } }: Bench): Promise<void> {
  await using bare = await startBare();
  await using site = await startSite({ folder: join(folder, "site"), s3Program: versitygw, publishes: true });
  await publish(site, join(folder, "plain"));
  const { origin } = site;
  const common = { wrk, connections: CONNECTIONS, seconds: SECONDS };
  const smallPart = { ...common, url: new URL(`/v2/resources/${FOLDER}/${NAME}`, origin.url) };
  const headers = await deviceHeaders(site);
  const etag = await etagOf(smallPart.url, headers);
  const reference = await measured(bare, { ...common, url: new URL("/health", bare.url) });
  const signIn = {
    ...common,
    connections: SIGN_IN_CONNECTIONS,
    url: new URL("/login", origin.url),
    script: await signInScript(site, folder),
  };
  const rows: Row[] = [];
  const add = async (what: string, options: WrkOptions) => {
    rows.push(rowOf(what, await measured(origin, options), reference, origin));
  };
  rows.push(rowOf("bare Deno.serve", reference, reference, bare));
  await add("sign-ins with a password (scrypt)", signIn);
  await add("small parts, each with a fresh grant", { ...smallPart, headers });
  await add("small parts that have not changed (304)", {
    ...smallPart,
    headers: { ...headers, "if-none-match": etag },
  });
  printTable("the origin", ["requests/s", "to bare", "p99", "peak memory"], rows);
}

/** Some seconds first, so that the compiler has had its chance. */
async function measured({ pid }: Service, options: WrkOptions): Promise<Load> {
  await runWrk({ ...options, seconds: WARM_UP_SECONDS });
  resetPeak(pid);
  return await runWrk(options);
}

function rowOf(what: string, load: Load, reference: Load, { pid }: Service): Row {
  const ratio = formatRatio(load.perSecond, reference.perSecond);
  return { what, cells: [load.perSecond.toFixed(0), ratio, formatSeconds(load.p99), formatMemory(peakBytes(pid))] };
}

async function publish({ device }: Site, plainPath: string): Promise<void> {
  await writeRandomFile(plainPath, RESOURCE_BYTES);
  await runScript(UPLOAD, { FOLDER, NAME, PLAIN: plainPath, DEVICE: device.url.origin });
}

/** What the device that has enrolled sends with its calls. */
async function deviceHeaders({ origin, account: { email, password } }: Site): Promise<Record<string, string>> {
  const api = new ResourceApi({ baseUrl: origin.url, http: httpClient("API"), clock: systemClock });
  const authorization = `Bearer ${await api.login(email, password)}`;
  const answer = await fetch(new URL("/devices", origin.url), { headers: { authorization } });
  const [device] = devicesSchema.parse(await answer.json());
  return { authorization, [DEVICE_HEADER]: device?.kid ?? "" };
}

async function etagOf(url: URL, headers: Readonly<Record<string, string>>): Promise<string> {
  const answer = await fetch(url, { headers });
  await answer.body?.cancel();
  const etag = answer.headers.get("etag");
  if (answer.status !== 200 || etag === null) throw new Error(`The small part was answered with ${answer.status}`);
  return etag;
}

async function signInScript({ account }: Site, folder: string): Promise<string> {
  const path = join(folder, "sign_in.lua");
  const body = JSON.stringify(JSON.stringify(account)); // a string of Lua, too: the account needs no other escapes
  await writeSmallFile(
    path,
    utf8(`wrk.method, wrk.body = "POST", ${body}\nwrk.headers["content-type"] = "application/json"\n`),
  );
  return path;
}
