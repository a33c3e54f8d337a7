import type { TestEngine } from "../../tests/support/docker_engine.ts";
import { Turns } from "../../lib/system/turns.ts";
import { FOLDER, postJson, type Site } from "../site.ts";
import { unlockOnce } from "../unlock.ts";
import { contentOf, sha256Of } from "./contents.ts";

/** What a device is asked for, again and again. It fails with {@link WrongBytesError}, or because of some fault. */
export type Operation = (random: () => number) => Promise<void>;

/** What no fault excuses: the device gave out other bytes than were published. */
export class WrongBytesError extends Error {}

const LIMIT_MS = 120_000;
const LEAST_BYTES = 1024 * 1024;
const MOST_BYTES = 24 * 1024 * 1024;
const RANGE_BYTES = 700_000;

/** What was published under a name: after an upload that failed it may be the new or the old content. */
interface Published {
  readonly seeds: readonly number[];
  readonly sizeBytes: ReadonlyMap<number, number>;
}

/** The resources that the rotation publishes and loads, and what they should hold. */
export class Resources {
  readonly #names: readonly string[];
  readonly #published = new Map<string, Published>();
  readonly #busy = new Set<string>();
  #seed = 1;

  constructor(count: number) {
    this.#names = Array.from({ length: count }, (_, index) => `model-${index}.bin`);
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Somebody's alone for as long as the work goes on, so that it is known what it must hold. */
  async withOne<T>(random: () => number, work: (name: string) => Promise<T>): Promise<T> {
    const free = this.#names.filter((name) => !this.#busy.has(name));
    const name = free[Math.floor(random() * free.length)];
    if (name === undefined) throw new Error("There are more workers than resources");
    this.#busy.add(name);
    try {
      return await work(name);
    } finally {
      this.#busy.delete(name);
    }
  }

  /** A new content, which the name may hold from now on, beside the one before. */
  begin(name: string, sizeBytes: number): { readonly seed: number; done(): void } {
    const seed = this.#seed++;
    const before = this.#published.get(name);
    const sizes = new Map([...before?.sizeBytes ?? [], [seed, sizeBytes]]);
    this.#published.set(name, { seeds: [...before?.seeds ?? [], seed], sizeBytes: sizes });
    return {
      seed,
      done: () => void this.#published.set(name, { seeds: [seed], sizeBytes: new Map([[seed, sizeBytes]]) }),
    };
  }

  /** @throws {WrongBytesError} unless the digest is that of a content which the name may hold; of the bytes `[start, end)` of it */
  async check(name: string, sha256: string, range?: { readonly start: number; readonly end: number }): Promise<void> {
    const { seeds = [], sizeBytes } = this.#published.get(name) ?? {};
    for (const seed of seeds) {
      const content = contentOf(seed, sizeBytes?.get(seed) ?? 0);
      if (await sha256Of(range === undefined ? content : content.slice(range.start, range.end)) === sha256) return;
    }
    throw new WrongBytesError(`"${name}" came with other bytes than were published`);
  }
}

/** All operations, by the names that the table gives them. */
export function operationsOn(
  site: Site,
  engine: TestEngine,
  resources: Resources,
): Readonly<Record<string, Operation>> {
  const unlocks = new Turns(); // whoever removes the images must not do it under another's unlock
  const url = (name: string) => new URL(`/resources/${FOLDER}/${name}`, site.device.url);
  return {
    "sign-in": async () => void await postJson(new URL("/login", site.device.url), site.account),
    "load": (random) =>
      resources.withOne(random, async (name) => await resources.check(name, await digestAt(url(name)))),
    "range": (random) =>
      resources.withOne(random, async (name) => {
        const start = Math.floor(random() * (LEAST_BYTES - RANGE_BYTES));
        const range = { start, end: start + RANGE_BYTES };
        const headers = { range: `bytes=${range.start}-${range.end - 1}` };
        await resources.check(name, await digestAt(url(name), headers), range);
      }),
    "upload": (random) => resources.withOne(random, (name) => upload(site, resources, name, random)),
    "unlock": () =>
      unlocks.take("", async () => {
        await engine.clear();
        await unlockOnce(site);
      }),
  };
}

/** Publishes new content under a name. */
export async function upload(site: Site, resources: Resources, name: string, random: () => number): Promise<void> {
  const sizeBytes = LEAST_BYTES + Math.floor(random() * (MOST_BYTES - LEAST_BYTES));
  const { seed, done } = resources.begin(name, sizeBytes);
  const form = new FormData();
  form.set("folder", FOLDER);
  form.set("data", new File([contentOf(seed, sizeBytes)], name));
  const answer = await fetch(new URL(`/upload/${name}`, site.device.url), {
    method: "POST",
    body: form,
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`upload: ${answer.status} ${text}`);
  done();
}

async function digestAt(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(LIMIT_MS) });
  if (answer.status >= 300) throw new Error(`${url.pathname}: ${answer.status} ${await answer.text()}`);
  if (answer.body === null) throw new Error(`${url.pathname}: an answer without a body`);
  return await sha256Of(answer.body);
}
