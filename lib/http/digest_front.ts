import { type Bytes, release } from "../bytes.ts";
import type { PartialFile } from "../system/partial_file.ts";
import type { DownloadPlan } from "./download_plan.ts";
import type { RunningDigest } from "./download_request.ts";

/**
 * Computes a digest over segments that arrive in any order: the next one in order as it arrives, those that came before
 * their turn by reading them back, behind everybody else.
 */
export class DigestFront {
  readonly #file: PartialFile;
  readonly #plan: DownloadPlan;
  readonly #digest: RunningDigest;
  #next = 0;
  #catchingUp: Promise<void> | undefined;

  constructor(file: PartialFile, plan: DownloadPlan, digest: RunningDigest) {
    this.#file = file;
    this.#plan = plan;
    this.#digest = digest;
  }

  /** A segment was written; the plan knows it. */
  offer(index: number, bytes: Bytes): void {
    if (this.#catchingUp !== undefined) return; // it is met on the way
    if (index === this.#next) {
      this.#digest.update(bytes);
      this.#next++;
    }
    if (this.#isNextThere()) this.#startCatchingUp();
  }

  /** After the last segment: whether the whole file is what was expected. */
  async matches(): Promise<boolean> {
    await this.#catchingUp;
    await this.#catchUp();
    return this.#next === this.#plan.count && this.#digest.matches();
  }

  /** Waits until nothing is read any more. */
  async stop(): Promise<void> {
    this.#next = this.#plan.count;
    await this.#catchingUp?.catch(() => undefined); // the download has failed of something else
  }

  #isNextThere(): boolean {
    return this.#next < this.#plan.count && this.#plan.isDone(this.#next);
  }

  #startCatchingUp(): void {
    const work = this.#catchUp().finally(() => this.#catchingUp = undefined);
    work.catch(() => undefined); // matches() reads once more, and fails of it
    this.#catchingUp = work;
  }

  async #catchUp(): Promise<void> {
    while (this.#isNextThere()) {
      const index = this.#next;
      const bytes = await this.#file.readAt(this.#plan.startOf(index), this.#plan.sizeOf(index));
      if (this.#next !== index) return; // stopped meanwhile
      this.#digest.update(bytes);
      release(bytes);
      this.#next++;
    }
  }
}
