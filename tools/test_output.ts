const RESULT = /^running \d+ tests? from |(?:^| )\.\.\. .*(?:ok|ignored|FAILED) .*\(\S+\)$|^\s*$/;
const BEGUN = /^\s*(.*) \.\.\.(?:'.*)?$/;
const FAILURES = /^ (?:ERRORS|FAILURES) $/;

/** What the pretty reporter of `deno test` prints, without the line of each test: failures, and what else was said. */
export class TestOutput {
  readonly #show: (line: string) => void;
  #begun: string | undefined;
  #failing = false;

  /** @param show takes the lines that are worth it */
  constructor(show: (line: string) => void) {
    this.#show = show;
  }

  /** The test that had begun and not ended when the output ended. */
  get unfinished(): string | undefined {
    return this.#begun;
  }

  /** Takes the next line. */
  take(line: string): void {
    this.#failing ||= FAILURES.test(line);
    if (this.#failing) return this.#show(line);
    const begun = BEGUN.exec(line)?.[1];
    if (begun === undefined && !RESULT.test(line)) return this.#show(line);
    this.#begun = begun;
  }
}
