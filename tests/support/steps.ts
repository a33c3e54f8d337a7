import assert from "node:assert/strict";
import { join } from "node:path";
import { type Launch, signalIfAlive, type Spawn } from "./device_process.ts";
import { linesOf } from "./lines.ts";

/** The system calls that end a write, name a file or remove one: what a kill leaves is another state after each. */
const STEP_CALLS = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat";
const CALL = /^(\d+) +(\w+)\(/;
const STOPPED = /^(\d+) +--- stopped by SIGSTOP/;
/** A call that changed nothing, or did not end. */
const FAILED = / = (-1 |\?)/;
const RENAME = /^rename\w*\(.*"(.+)\/[^/"]+"/;
const STEPS_LIMIT = 100;

/** Watches the steps of a process below one folder, and kills it after one of them. */
export interface StepTrap {
  /** Starts the process that is caught. */
  readonly spawn: Spawn;
  /** From now on the process is killed right after the first step that is not among these. */
  arm(known: ReadonlySet<string>): void;
  /** After which step it was killed. */
  readonly killedAfter: string | undefined;
}

/**
 * Runs a process under strace, which halts it after each step, whichever of its threads makes it: nothing happens between the step and
 * the kill.
 * @param folder only what concerns paths below it is a step
 * @param pipe a path that is free, for what the tracer tells
 */
export function stepTrap({ strace, folder, pipe }: { strace: string; folder: string; pipe: string }): StepTrap {
  const trap = new Trap(folder);
  return {
    arm: (known) => trap.arm(known),
    get killedAfter() {
      return trap.killedAfter;
    },
    spawn({ program, args, env }: Launch) {
      new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
      const words = ["-D", "-f", "-y", "-s", "0", "-qq", "-e", `trace=${STEP_CALLS}`, "-o", pipe];
      const child = new Deno.Command(strace, {
        args: [...words, "-e", `inject=${STEP_CALLS}:signal=SIGSTOP`, "--", program, ...args],
        clearEnv: true,
        env,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      void trap.watch(child, pipe);
      return child;
    },
  };
}

class Trap {
  readonly #folder: string;
  /** How often each step was made. */
  readonly #counts = new Map<string, number>();
  #known: ReadonlySet<string> | undefined;
  /** Threads that will halt all of them when their call has ended. */
  readonly #halting = new Set<string>();
  #last = "";
  killedAfter: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  arm(known: ReadonlySet<string>): void {
    this.#counts.clear();
    this.#known = known;
  }

  async watch(child: Deno.ChildProcess, pipe: string): Promise<void> {
    const told = await Deno.open(pipe, { read: true });
    await Deno.remove(pipe);
    for await (const line of linesOf(told.readable)) this.#look(line, child);
  }

  #look(line: string, child: Deno.ChildProcess): void {
    const [, caller] = CALL.exec(line) ?? [];
    if (caller !== undefined) {
      this.#halting.add(caller);
      if (line.includes(this.#folder) && !FAILED.test(line)) this.#step(line.replace(CALL, "$2("), child);
    }
    const [, halted = ""] = STOPPED.exec(line) ?? [];
    if (this.#halting.delete(halted) && this.killedAfter === undefined) signalIfAlive(child, "SIGCONT");
  }

  #step(step: string, child: Deno.ChildProcess): void {
    const [, folder] = RENAME.exec(this.#last) ?? [];
    this.#last = step;
    if (folder !== undefined && step.includes(`<${folder}>`)) return; // flushing it is for power cuts, and shows nothing to a kill
    if (this.#known === undefined || this.killedAfter !== undefined) return;
    const name = nameOf(step.replaceAll(this.#folder, ""));
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const numbered = count === 1 ? name : `${name} (${count})`;
    if (this.#known.has(numbered)) return;
    this.killedAfter = numbered;
    signalIfAlive(child, "SIGKILL");
  }
}

/** The same for the same step of every run: without what is random in it. */
function nameOf(step: string): string {
  return step.replace(/(\)| <unfinished).*$/, "")
    .replace(/\(\d+</, "(")
    .replace(/>(\(deleted\))?$/, "")
    .replace(/\.?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
    .replace(/[0-9a-f]{32,64}/g, "HEX");
}

/** One round: what starts and does the work under a trap, and what is looked at afterwards, killed or not. */
export interface Round {
  /** Ends with the work, or rejects because the process was killed. */
  work(trap: StepTrap, arm: () => void): Promise<void>;
  /** @param step after which the process was killed; `undefined` when it was not */
  check(step: string | undefined): Promise<void>;
}

/**
 * Does some work again and again, each time killed after a step after which it was not yet killed, until it comes through.
 * @returns the steps after which it was killed
 * @throws {Error} it never comes through, or fails without being killed
 */
export async function killAtEachStep(
  { strace, folder }: { strace: string; folder: string },
  round: (number: number) => Promise<Round>,
): Promise<readonly string[]> {
  const known = new Set<string>();
  for (let number = 1; number <= STEPS_LIMIT; number++) {
    const trap = stepTrap({ strace, folder, pipe: join(folder, `strace-${number}.pipe`) });
    const { work, check } = await round(number);
    try {
      await work(trap, () => trap.arm(known));
    } catch (error) {
      if (trap.killedAfter === undefined || error instanceof assert.AssertionError) throw error;
    }
    await check(trap.killedAfter);
    if (trap.killedAfter === undefined) return [...known];
    known.add(trap.killedAfter);
  }
  throw new Error(`It did not come through in ${STEPS_LIMIT} rounds: ${[...known].join("\n")}`);
}
