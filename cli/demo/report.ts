import { formatSize } from "../../lib/bytes.ts";
import type { Output } from "../output.ts";
import { formatRate } from "../progress.ts";
import type { PartPlace } from "./site.ts";

/** A step of the demo and how fast it was. */
export interface DemoStep {
  readonly step: string;
  readonly sizeBytes: number;
  readonly elapsedMs: number;
}

/** Gathers what the demo did, for the tables at its end. */
export class DemoReport {
  readonly #output: Output;
  readonly #steps: DemoStep[] = [];
  #parts: readonly PartPlace[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** Notes a step that is done. */
  add(step: DemoStep): void {
    this.#steps.push(step);
  }

  /** Notes where the parts lie. */
  place(parts: readonly PartPlace[]): void {
    this.#parts = parts;
  }

  /** Prints the tables, or the last event. */
  finish(keptFolder: string | undefined): void {
    const output = this.#output;
    if (output.json) {
      const kept = keptFolder === undefined ? {} : { keptFolder };
      return output.event({ event: "summary", ok: true, steps: this.#steps, parts: this.#parts, ...kept });
    }
    output.line("");
    output.table(
      [{ title: "STEP" }, ...["BYTES", "SECONDS", "RATE"].map((title) => ({ title, align: "right" as const }))],
      this.#steps.map(stepRow),
    );
    output.line("");
    output.table(
      [{ title: "PART" }, { title: "SIZE", align: "right" }, { title: "WHERE" }, { title: "AT" }],
      this.#parts.map(partRow),
    );
    output.line("");
    output.line("Everything that came back is what went in.", "green");
    if (keptFolder !== undefined) output.line(`Kept: ${keptFolder}`);
  }
}

function stepRow({ step, sizeBytes, elapsedMs }: DemoStep): string[] {
  return [step, String(sizeBytes), (elapsedMs / 1000).toFixed(2), formatRate(sizeBytes, elapsedMs)];
}

function partRow({ part, place, path, sizeBytes }: PartPlace): string[] {
  return [part, formatSize(sizeBytes), place, path];
}
