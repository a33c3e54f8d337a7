import { NotAllowedError } from "../errors.ts";
import type { ObjectStore } from "./store.ts";

/**
 * A store whose keys may have been exchanged since it was opened: a call that is not allowed is made once more, on the store that `renew` gives
 * in its place, and so are all calls after it.
 * @param renew called once for calls that are refused at the same time; `undefined` when there is no other store: then the call stays refused
 */
export function renewedStore(first: ObjectStore, renew: () => Promise<ObjectStore | undefined>): ObjectStore {
  let store = first;
  let renewing: Promise<void> | undefined;
  const exchange = async () => {
    try {
      store = await renew() ?? store;
    } finally {
      renewing = undefined;
    }
  };
  const call = async <T>(use: (store: ObjectStore) => Promise<T>): Promise<T> => {
    const tried = store;
    try {
      return await use(tried);
    } catch (error) {
      if (!(error instanceof NotAllowedError)) throw error;
      if (store === tried) await (renewing ??= exchange());
      if (store === tried) throw error;
      return await use(store);
    }
  };
  return {
    head: (...request) => call((present) => present.head(...request)),
    get: (...request) => call((present) => present.get(...request)),
    put: (...request) => call((present) => present.put(...request)),
    delete: (...request) => call((present) => present.delete(...request)),
    async *list(...request) {
      const { first, keys } = await call((present) => begun(present.list(...request)));
      if (first.done) return;
      yield first.value;
      yield* keys;
    },
  };
}

/** A list whose first entry has come: from then on it is not begun anew. */
async function begun<T>(list: AsyncIterable<T>): Promise<{ first: IteratorResult<T>; keys: AsyncIterable<T> }> {
  const iterator = list[Symbol.asyncIterator]();
  return { first: await iterator.next(), keys: { [Symbol.asyncIterator]: () => iterator } };
}
