import type { AuditEvent } from "../../lib/audit/audit_line.ts";
import { ResourceApi } from "../../lib/api/client.ts";
import { tokenVerifier } from "../../lib/auth/claims.ts";
import { type Role, ROLES } from "../../lib/auth/roles.ts";
import { Session } from "../../lib/auth/session.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { parseSettings } from "../../lib/config/config.ts";
import { NotAllowedError, NotFoundError } from "../../lib/errors.ts";
import { httpClient } from "../../lib/http/client.ts";
import { createLogger } from "../../lib/log.ts";
import { Enrolment } from "../../lib/device/enrolment.ts";
import { StateFolder } from "../../lib/device/state_folder.ts";
import type { FindResource } from "../../lib/resources/open_resource.ts";
import type { LoadResource } from "../../lib/resources/load.ts";
import type { StageUpload } from "../../lib/resources/upload.ts";
import type { Services } from "../../lib/services.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { Unlock } from "../../lib/unlock/unlock.ts";
import { serveDevice } from "../../routes/serve.ts";
import { SmallResourceApi, type TestAccount } from "./resource_api.ts";
import { recordedLines, useSecret } from "./witness.ts";

/** Password of every account that {@link startDevice} makes: one per role, named `<role>@example.com`. */
export const PASSWORD = useSecret("password of an account on a device", "correct horse battery staple");

/** Repeated calls come at once. */
const impatientClock: Clock = { now: () => Date.now(), sleep: () => Promise.resolve() };
const STAGE_LIMIT_BYTES = 16 * 1024 * 1024;

/** The address of the account with that role. */
export function accountOf(role: Role): string {
  return `${role}@example.com`;
}

/** What the resources of a device are kept in while a test runs, in place of API, CDN and cache. */
export class MemoryResources {
  /** By `folder/name`. */
  readonly published = new Map<string, Bytes>();
  /** Uploads that were staged and not disposed of. */
  openStagings = 0;
  /** Uploads whose data was read to its end. */
  stagings = 0;

  readonly load: LoadResource = ({ folder, name }) => {
    const bytes = this.published.get(`${folder}/${name}`);
    if (bytes === undefined) throw new NotFoundError(`There is no resource "${folder}/${name}"`);
    return Promise.resolve({ body: streamOf(bytes), sizeBytes: bytes.byteLength, etag: "abc", source: "cache" });
  };

  readonly find: FindResource = async (request) => {
    const { body, source, sizeBytes, etag } = await this.load(request);
    const open = () => Promise.resolve({ body, source });
    return { format: "v1", sizeBytes, etag, hasRanges: false, open, close: () => body.cancel() };
  };

  readonly stage: StageUpload = async (data) => {
    const bytes = await collect(data, STAGE_LIMIT_BYTES);
    this.stagings++;
    this.openStagings++;
    return {
      format: "v1",
      publish: ({ folder, name }) => {
        this.published.set(`${folder}/${name}`, bytes);
        return Promise.resolve({ sizeBytes: bytes.byteLength, smallBytes: 0, bigBytes: bytes.byteLength });
      },
      [Symbol.dispose]: () => void this.openStagings--,
    };
  };
}

/** A device service on a free port of loopback, with a small API beside it. */
export interface TestDevice extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly api: SmallResourceApi;
  readonly services: Services;
  readonly resources: MemoryResources;
  readonly logLines: string[];
  /** What stands in the audit trail. */
  readonly audited: AuditEvent[];
  /** Signs the account of that role in on the device. */
  signIn(role: Role): Promise<string>;
}

/** Starts the real app over real sockets: real session, verifier and API client; resources in memory. */
export async function startDevice(
  { flags = {}, services: replaced = {} }: {
    flags?: Readonly<Record<string, string>>;
    services?: Partial<Services>;
  } = {},
): Promise<TestDevice> {
  const accounts = (Object.keys(ROLES) as Role[]).map((role): [string, TestAccount] => [
    accountOf(role),
    { password: PASSWORD, role },
  ]);
  const api = await SmallResourceApi.start(Object.fromEntries(accounts));
  const resources = new MemoryResources();
  const logLines: string[] = [];
  const audited: AuditEvent[] = [];
  const services = { ...serviceParts(api, resources, { logLines, audited }, flags), ...replaced };
  const stop = new AbortController();
  const listening = Promise.withResolvers<string>();
  const ended = serveDevice(services, stop.signal, listening.resolve);
  const url = await Promise.race([listening.promise, ended.then(() => "")]);
  return {
    url,
    port: Number(new URL(url).port),
    api,
    services,
    resources,
    logLines,
    audited,
    signIn: async (role) => (await services.session.signIn({ email: accountOf(role), password: PASSWORD })).token,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      await services.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

function serviceParts(
  api: SmallResourceApi,
  resources: MemoryResources,
  { logLines, audited }: { logLines: string[]; audited: AuditEvent[] },
  flags: Readonly<Record<string, string>>,
): Services {
  const settings = parseSettings({
    flags: { "resource-api-url": api.url.href, port: "0", "images-path": "/nonexistent/images.enc", ...flags },
    environment: () => undefined,
    file: {},
  });
  const clock = systemClock;
  const log = createLogger({ level: "debug", write: recordedLines("log of a device", logLines), now: clock.now });
  const apiParts = { baseUrl: api.url, http: httpClient("API"), clock: impatientClock };
  const login = new ResourceApi(apiParts);
  const verify = tokenVerifier({
    jwksUrl: api.jwksUrl,
    algorithms: settings.jwtAlgorithms,
    http: apiParts.http,
    clock,
    ...(settings.jwtIssuer === undefined ? {} : { issuer: settings.jwtIssuer }),
    ...(settings.jwtAudience === undefined ? {} : { audience: settings.jwtAudience }),
  });
  const newSession = () => new Session({ authenticate: (...account) => login.login(...account), verify });
  const session = newSession();
  const engine: Services["engine"] = {
    version: () => Promise.resolve("27.0"),
    load: async (archive) => void await collect(archive, STAGE_LIMIT_BYTES),
    inspect: () => Promise.resolve(undefined),
    list: () => Promise.resolve([]),
  };
  const unlock = new Unlock({
    engine,
    imagesPath: settings.imagesPath,
    references: settings.images.map((name) => `${name}:${settings.apiVersion}`),
    signIn: async (credentials, signal) => {
      const own = newSession();
      const { user } = await own.signIn(credentials, signal);
      if (user.role === "NONE") throw new NotAllowedError("The role NONE may not unlock images");
      const ownApi = new ResourceApi({ ...apiParts, tokens: own });
      return { keyFragment: (keySignal) => ownApi.keyFragment(keySignal) };
    },
    log,
    clock,
  });
  return {
    settings,
    log,
    clock,
    session,
    verify,
    api: new ResourceApi({ ...apiParts, tokens: session }),
    readApiResource: ({ name }) => Promise.reject(new NotFoundError(`There is no resource "${name}"`)),
    load: resources.load,
    find: resources.find,
    stage: resources.stage,
    enrolment: new Enrolment({
      folder: new StateFolder("/nonexistent", clock),
      api: api.url.href,
      hardware: () => Promise.reject(new NotFoundError("This device has no hardware")),
      enroll: () => Promise.reject(new NotFoundError("This API enrols nobody")),
      log,
    }),
    beginEnrolment: () => {},
    unlock,
    engine,
    audit: { record: (event) => Promise.resolve(void audited.push(event)) },
    hardware: () => Promise.resolve({ cpu: "", gpu: "", memory: "", driveSerial: "" }),
    stop: async () => {
      await unlock.stop();
      session.signOut();
    },
  };
}
