import assert from "node:assert/strict";
import { join } from "node:path";
import { type Clock, systemClock } from "../../lib/system/clock.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { says, strangeEngine, thenHangs } from "../support/strange_engine.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { startUnlockService, UnlockSite } from "../support/unlock_site.ts";

const MIB = 1024 * 1024;

/** A program in place of `docker`: it has no images, and to a load it does what is said here. */
interface StandIn extends AsyncDisposable {
  readonly flags: Readonly<Record<string, string>>;
  /** Gives it something else to do at the next load. */
  become(load: string): Promise<void>;
  /** Process id of the last load. */
  loadId(): Promise<number>;
}

async function standIn(load: string): Promise<StandIn> {
  const folder = await tempFolder();
  const [program, idFile] = [join(folder.path, "docker"), join(folder.path, "id")];
  const become = async (text: string) => {
    const script = `#!/bin/sh\n[ "$1" = load ] || exit 0\necho $$ > ${idFile}\n${text}\n`;
    await Deno.writeTextFile(program, script, { mode: 0o755 });
  };
  await become(load);
  return {
    flags: { "docker-via": "cli", "docker-program": program },
    become,
    loadId: async () => Number(await Deno.readTextFile(idFile)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Nothing is left of a process, not even an entry that nobody has looked at. */
async function isGone(id: number): Promise<boolean> {
  return await Deno.stat(`/proc/${id}`).then(() => false, () => true);
}

/** A clock on which a wait of ten minutes takes less than a second. */
function fastClock(): Clock {
  let aheadMs = 0;
  return {
    now: () => systemClock.now() + aheadMs,
    async sleep(delayMs, signal) {
      await systemClock.sleep(delayMs / 1000, signal);
      aheadMs += delayMs;
    },
  };
}

const HANGS = "exec sleep 600";
const HANGS_DEAF = "trap '' TERM INT HUP\nexec sleep 600";
const SILENT = "The Docker engine has made no progress for 10 minutes";

async function failsSilently(site: UnlockSite): Promise<void> {
  await site.ask();
  const { state, code, error } = await site.settled();
  assert.deepEqual({ state, code, error }, { state: "error", code: "docker", error: SILENT });
}

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "docker load hangs",
  outcome: "state error after 10 minutes without progress",
}, async () => {
  await using engine = await strangeEngine();
  engine.load = thenHangs(says(""));
  await using site = await UnlockSite.start({ ...engine, payloadBytes: 4 * MIB, clock: fastClock() });
  await failsSilently(site);
});

faultTest({
  area: "docker",
  operation: "unlock",
  fault: "docker load hangs, and the service is asked to stop",
  outcome: "ends with 0 within its limit",
}, async () => {
  await using engine = await strangeEngine();
  const asked = Promise.withResolvers<void>();
  engine.load = thenHangs(() => Promise.resolve(asked.resolve()));
  await using site = await UnlockSite.start({ ...engine, payloadBytes: 4 * MIB });
  await using service = await startUnlockService(site);
  await service.unlock();
  await asked.promise;
  const { exitCode, stderr } = await service.stop();
  assert.equal(exitCode, 0, stderr);
});

faultTest({
  area: "docker",
  operation: "unlock by the docker program",
  fault: "the program hangs, deaf to signals, in a load",
  outcome: "state error after 10 minutes without progress; the program is killed, and nothing is left of it",
}, async () => {
  await using program = await standIn(HANGS_DEAF);
  await using site = await UnlockSite.start({
    ...{ dockerHost: "unix:///nowhere/docker.sock", flags: program.flags },
    ...{ payloadBytes: 4 * MIB, clock: fastClock() },
  });
  await failsSilently(site);
  assert.ok(await isGone(await program.loadId()));
});

faultTest({
  area: "docker",
  operation: "unlock by the docker program",
  fault: "the program hangs in a load, and the service is asked to stop",
  outcome: "ends with 0 within its limit; the program is killed",
}, async () => {
  await using program = await standIn(HANGS);
  await using site = await UnlockSite.start({
    ...{ dockerHost: "unix:///nowhere/docker.sock", payloadBytes: 4 * MIB },
  });
  await using service = await startUnlockService(site, program.flags);
  await service.unlock();
  await eventually("the program runs", () => program.loadId().then((id) => id > 0, () => false));
  const { exitCode, stderr } = await service.stop();
  assert.equal(exitCode, 0, stderr);
  const id = await program.loadId();
  await eventually("nothing is left of it", () => isGone(id));
});

faultTest({
  area: "docker",
  operation: "unlock by the docker program",
  fault: "the program dies in the middle of a load, ends early with 0, or fails with a reason",
  outcome: "state error with one sentence; nothing is left of the program",
}, async (t) => {
  const ends: Readonly<Record<string, RegExp>> = {
    "head -c 1000000 > /dev/null\nkill -9 $$": /^The Docker engine refused: no reason given$/,
    "exit 0": /^The Docker engine refused: no reason given$/,
    "head -c 1000000 > /dev/null\necho 'Error response from daemon: no space' >&2\nexit 1":
      /^The Docker engine refused: no space$/,
    "cat > /dev/null": /^The Docker engine loaded the archive, but lacks "azaion\/annotations:1\.4\.2" and /,
  };
  await using program = await standIn("exit 1");
  const dockerHost = "unix:///nowhere/docker.sock";
  await using site = await UnlockSite.start({ dockerHost, flags: program.flags, payloadBytes: 4 * MIB });
  for (const [load, sentence] of Object.entries(ends)) {
    await program.become(load);
    await t.step(load, async () => {
      await site.ask();
      const { state, code, error } = await site.settled();
      assert.deepEqual({ state, code }, { state: "error", code: "docker" });
      assert.match(error ?? "", sentence);
      assert.ok(await isGone(await program.loadId()));
    });
  }
});
