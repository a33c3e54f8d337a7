/** Lets work on one name go on one after the other, in the order in which it came; other names are not waited for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does `work` when all earlier work on `name` has ended, however it ended. */
  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(work);
    const over = turn.catch(() => undefined); // told to whoever took the turn
    this.#last.set(name, over);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === over) this.#last.delete(name);
    }
  }

  /** Resolves when all work on `name` that has been asked for by now has ended. */
  async over(name: string): Promise<void> {
    await this.#last.get(name);
  }

  /** Resolves when all work on every name that has been asked for by now has ended. */
  async allOver(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
