import { z } from "zod";
import type { HardwareFacts } from "../hardware/probe.ts";
import type { Logger } from "../log.ts";
import { deviceKey, deviceKid, type OwnKey } from "./device_key.ts";
import type { StateFile, StateFolder } from "./state_folder.ts";

const publisherSchema = z.object({
  kid: z.string(),
  name: z.string(),
  publicX: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
const standingSchema = z.object({
  kid: z.string(),
  state: z.enum(["pending", "approved", "revoked"]),
  /** Pinned: what the API says later does not change them by itself. */
  publishers: z.array(publisherSchema).readonly(),
});
const fileSchema = z.object({ v: z.literal(1), apis: z.record(z.string(), standingSchema) });
/** The file of APIs and publishers. */
export const TRUST_FILE: StateFile<z.infer<typeof fileSchema>> = {
  name: "trust.json",
  schema: fileSchema,
  remedy:
    "put it back from a copy; or remove it, and the device enrols anew and believes the publishers that the API names then",
};

/** A publisher's Ed25519 key that this device believes. */
export type PinnedPublisher = z.infer<typeof publisherSchema>;

/** How this device stands with an API. */
export type Standing = z.infer<typeof standingSchema>;

/** What was found when the API was asked. */
export interface Enrolled extends Standing {
  /** The API names other publishers than those that are pinned. */
  readonly publishersDiffer: boolean;
}

/** What enrolling needs of the outside. */
export interface EnrolmentDeps {
  readonly folder: StateFolder;
  /** Address of the API: a device stands with each by itself. */
  readonly api: string;
  readonly hardware: () => Promise<HardwareFacts>;
  readonly enroll: (
    request: { readonly publicX: string; readonly hardware: HardwareFacts },
    signal?: AbortSignal,
  ) => Promise<Standing>;
  readonly log: Logger;
}

/** Addresses of the APIs that this device has enrolled at. @throws {ConfigurationError} the file is damaged */
export async function knownApis(folder: StateFolder): Promise<string[]> {
  return Object.keys((await folder.read(TRUST_FILE))?.apis ?? {});
}

/** The key of this device, its enrolment at an API, and the publishers whose manifests it believes. */
export class Enrolment {
  readonly #deps: EnrolmentDeps;
  #key: Promise<OwnKey> | undefined;

  constructor(deps: EnrolmentDeps) {
    this.#deps = deps;
  }

  /** The device's key pair; made at the first call. @throws {IntegrityError} the machine is another one */
  key(): Promise<OwnKey> {
    this.#key ??= this.#openKey().catch((error) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }

  /** How the device stood when it last asked; `undefined` when it never did. */
  async standing(): Promise<Standing | undefined> {
    return (await this.#deps.folder.read(TRUST_FILE))?.apis[this.#deps.api];
  }

  /** How the device stands; the API is asked unless it is known to be approved. */
  async current(signal?: AbortSignal): Promise<Standing> {
    const known = await this.standing();
    const { kid } = await this.key();
    const isKnown = known?.state === "approved" && known.kid === kid && known.publishers.length > 0;
    return isKnown ? known : await this.enroll({ signal });
  }

  /**
   * Asks the API, with who is signed in. The first publishers that it names are pinned; others only with `trustPublishers`, which is a
   * person's decision.
   */
  async enroll(
    { trustPublishers = false, signal }: { trustPublishers?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<Enrolled> {
    const { folder, api, hardware, enroll, log } = this.#deps;
    const { kid, publicX } = await this.key();
    const answer = await enroll({ publicX, hardware: await hardware() }, signal);
    return await folder.locked(async () => {
      const apis = (await folder.read(TRUST_FILE))?.apis ?? {};
      const pinned = apis[api]?.publishers ?? [];
      const publishersDiffer = kidsOf(pinned) !== kidsOf(answer.publishers);
      const publishers = trustPublishers || pinned.length === 0 ? answer.publishers : pinned;
      const standing = { kid, state: answer.state, publishers };
      await folder.write(TRUST_FILE.name, { v: 1, apis: { ...apis, [api]: standing } });
      const told = publishersDiffer && publishers === pinned;
      if (told) log.warning("publishers_differ", { api, pinned: kidsOf(pinned), named: kidsOf(answer.publishers) });
      return { ...standing, publishersDiffer: told };
    });
  }

  async #openKey(): Promise<OwnKey> {
    const { folder, hardware, log } = this.#deps;
    const before = await deviceKid(folder);
    const key = await deviceKey(folder, await hardware());
    if (before === undefined) {
      log.warning("device_key_made", { kid: key.kid, why: `there was none in "${folder.path}"` });
    }
    return key;
  }
}

function kidsOf(publishers: readonly PinnedPublisher[]): string {
  return publishers.map(({ kid }) => kid).sort().join(",");
}
