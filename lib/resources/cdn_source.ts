import type { ObjectStore } from "../cdn/store.ts";
import { ConfigurationError, NotSignedInError } from "../errors.ts";
import { readSmallFile } from "../system/files.ts";
import type { Clock } from "../system/clock.ts";
import type { ReadApiResource } from "./small_part.ts";

/** Name of the CDN settings in the API's empty folder. */
const CDN_FILE = "cdn.yaml";
const CDN_FILE_LIMIT_BYTES = 64 * 1024;
/** How long settings from the API are believed: new keys arrive within this time. */
const BELIEVED_MS = 10 * 60_000;

/** What the CDN is found with. */
export interface CdnSourceDeps {
  readonly readApiResource: ReadApiResource;
  /** Email of who is signed in: settings of one account are not used for another. */
  readonly account: () => string | undefined;
  /** Local settings file, in place of the API's. */
  readonly configPath: string | undefined;
  /** Makes a store from the text of a settings file. */
  readonly open: (yaml: string) => Promise<ObjectStore>;
  readonly clock: Clock;
}

/** Gives the CDN of who is signed in. Simultaneous callers share one look-up, which none of them ends; a failed one is not remembered. */
export function cdnSource(deps: CdnSourceDeps): () => Promise<ObjectStore> {
  let known: { account: string; untilMs: number; store: Promise<ObjectStore> } | undefined;
  return async () => {
    const account = deps.account();
    if (account === undefined) throw new NotSignedInError("Nobody is signed in on this device");
    if (known?.account !== account || known.untilMs < deps.clock.now()) {
      const store = readSettings(deps).then(deps.open);
      const found = { account, untilMs: deps.clock.now() + BELIEVED_MS, store };
      known = found;
      store.catch(() => known = known === found ? undefined : known);
    }
    return await known.store;
  };
}

async function readSettings({ configPath, readApiResource }: CdnSourceDeps): Promise<string> {
  const bytes = configPath === undefined
    ? await readApiResource({ folder: "", name: CDN_FILE })
    : await readSmallFile(configPath, CDN_FILE_LIMIT_BYTES);
  if (bytes === undefined) {
    throw new ConfigurationError([`Cannot read CDN_CONFIG "${configPath}": there is no such file`]);
  }
  return new TextDecoder().decode(bytes);
}
