import { renewedStore } from "../cdn/renewed_store.ts";
import type { ObjectStore } from "../cdn/store.ts";
import { readCdnFile } from "../config/cdn_file.ts";
import { NotSignedInError } from "../errors.ts";
import { type Clock, stillHolds } from "../system/clock.ts";
import type { ReadApiResource } from "./small_part.ts";

/** Name of the CDN settings in the API's empty folder. */
const CDN_FILE = "cdn.yaml";
/** How long settings are believed, unless the CDN refuses them before. */
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

/** Settings that were looked up. */
interface Known {
  readonly account: string;
  readonly untilMs: number;
  readonly yaml: Promise<string>;
  readonly store: Promise<ObjectStore>;
}

/**
 * Gives the CDN of who is signed in. Simultaneous callers share one look-up, which none of them ends; a failed one is not remembered. When the
 * CDN refuses a call, the settings are looked up anew, and the call is repeated once where they are other ones.
 */
export function cdnSource(deps: CdnSourceDeps): () => Promise<ObjectStore> {
  let known: Known | undefined;
  const present = (): Known => {
    const account = deps.account();
    if (account === undefined) throw new NotSignedInError("Nobody is signed in on this device");
    if (known?.account === account && stillHolds(known.untilMs, BELIEVED_MS, deps.clock.now())) return known;
    const yaml = readSettings(deps);
    const found = { account, untilMs: deps.clock.now() + BELIEVED_MS, yaml, store: yaml.then(deps.open) };
    known = found;
    found.store.catch(() => known = known === found ? undefined : known);
    return found;
  };
  return async () => {
    let used = present();
    return renewedStore(await used.store, async () => {
      if (known === used) known = undefined;
      const fresh = present();
      const isOther = fresh.account === used.account && await fresh.yaml !== await used.yaml;
      used = fresh;
      return isOther ? await fresh.store : undefined;
    });
  };
}

async function readSettings({ configPath, readApiResource }: CdnSourceDeps): Promise<string> {
  if (configPath !== undefined) return await readCdnFile(configPath);
  return new TextDecoder().decode(await readApiResource({ folder: "", name: CDN_FILE }));
}
