import { type Bytes, wipe } from "../bytes.ts";
import { BLOCK_BYTES, checkSize, decryptCbc } from "../crypto/cbc_v1.ts";
import { archiveKey, type CbcKey } from "../crypto/keys.ts";
import type { Libcrypto } from "../crypto/libcrypto.ts";
import type { ImageEngine } from "../docker/docker.ts";
import { ConflictError, DockerError, InterruptedError, messageOf, NotFoundError, TallyError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { KNOWN_SECRETS } from "../redaction/known_secrets.ts";
import { redact } from "../redaction/redact.ts";
import { type ByteStream, watched } from "../streams.ts";
import type { Clock } from "../system/clock.ts";
import { waitForReadLock } from "../system/file_lock.ts";
import { openWholeFile } from "../system/files.ts";
import { checkedArchive } from "./archive.ts";
import { IDLE, isRunning, transition, type UnlockEvent, type UnlockStatus } from "./machine.ts";
import { missingImages, quotedList } from "./references.ts";
import { whileMoving } from "./stall.ts";

/** An account that may unlock. */
export interface UnlockAccount {
  /** Fetches the key fragment; called once, and the bytes are ours: they are wiped. */
  keyFragment(signal: AbortSignal): Promise<Bytes>;
  /** Signs out; called in the end, whatever came before. */
  close?(): void;
  /** Opens an archive of format v2; `undefined` for one of v1, which the key fragment opens. */
  openArchive?(archive: { readonly sizeBytes: number }, signal: AbortSignal): Promise<ByteStream | undefined>;
}

/**
 * Signs an account in for one unlock.
 * @throws {NotSignedInError} wrong name or password; {NotAllowedError} the account may not unlock; {UnavailableError}
 */
export type UnlockSignIn = (
  credentials: { readonly email: string; readonly password: string },
  signal: AbortSignal,
) => Promise<UnlockAccount>;

/** What an unlock works with. */
export interface UnlockDeps {
  readonly engine: ImageEngine;
  /** The encrypted archive. */
  readonly imagesPath: string;
  /** `name:tag` of every image that must be there in the end. */
  readonly references: readonly string[];
  readonly signIn: UnlockSignIn;
  /** Decrypts the archive faster, where the settings name such a library. */
  readonly library?: Libcrypto | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

/** An unlock that may go on: who asked is allowed to, and there is something to do. */
interface Permit {
  readonly account: UnlockAccount;
  readonly archive: OpenArchive;
}

interface OpenArchive {
  readonly sizeBytes: number;
  readonly body: ByteStream;
}

/** The engine takes bytes, or says that it has loaded an image, at least this often. */
const STALL_LIMIT_MS = 10 * 60_000;
/** Another program's unlock is waited for so long. */
const TURN_LIMIT_MS = 3600_000;

/**
 * Opens the encrypted image archive and loads it into the Docker engine: one run at a time, also of several processes, as a
 * stream, nothing on disk. All failures end in the state `error` with one sentence, and leave no image tagged.
 */
export class Unlock {
  readonly #deps: UnlockDeps;
  #status: UnlockStatus = IDLE;
  #stop = new AbortController();
  #waiting: (() => void)[] = [];

  constructor(deps: UnlockDeps) {
    this.#deps = deps;
  }

  /** How far the last run is. */
  status(): UnlockStatus {
    return this.#status;
  }

  /**
   * Starts a run and returns when the account has been accepted; the rest goes on by itself. While a run is under way,
   * only its status is returned. When all images are there already, the state is `ready` at once.
   *
   * @param signal ends the run only until the account has been accepted
   * @throws {NotFoundError} there is no archive, and images are missing; what {@link UnlockSignIn} throws;
   * {DockerError} the engine does not answer
   */
  async start(
    credentials: { readonly email: string; readonly password: string },
    signal?: AbortSignal,
  ): Promise<UnlockStatus> {
    if (isRunning(this.#status)) return this.#status;
    const stop = this.#stop = new AbortController();
    this.#move({ kind: "started" });
    const password = KNOWN_SECRETS.hold(credentials.password); // until nothing of this run can be told any more
    const forget = () => password[Symbol.dispose]();
    try {
      const permit = await this.#admit(credentials, signal ? AbortSignal.any([stop.signal, signal]) : stop.signal);
      if (permit === undefined) forget();
      else this.#run(permit, stop.signal).catch((error) => this.#fail(error)).finally(forget);
    } catch (error) {
      const failure = this.#fail(error);
      forget();
      throw failure;
    }
    return this.#status;
  }

  /** The status when no run is under way any more. */
  async settled(): Promise<UnlockStatus> {
    if (isRunning(this.#status)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#status;
  }

  /** Ends a run that is under way, and waits until nothing of it is left. */
  async stop(): Promise<void> {
    this.#stop.abort(new InterruptedError("The unlock was interrupted"));
    await this.settled();
  }

  async #admit(
    credentials: { readonly email: string; readonly password: string },
    signal: AbortSignal,
  ): Promise<Permit | undefined> {
    const missing = await this.#missing(signal);
    if (missing.length === 0) return void this.#move({ kind: "images_present" });
    const archive = await this.#openArchive();
    try {
      const account = await this.#deps.signIn(credentials, signal);
      this.#move({ kind: "authenticated" });
      return { account, archive };
    } catch (error) {
      await archive.body.cancel();
      throw error;
    }
  }

  async #missing(signal: AbortSignal): Promise<readonly string[]> {
    return missingImages(this.#deps.references, await this.#deps.engine.list(signal));
  }

  async #openArchive(): Promise<OpenArchive> {
    try {
      return await openWholeFile(this.#deps.imagesPath);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      this.#move({ kind: "withdrawn" });
      throw new NotFoundError(`Cannot unlock: there is no archive at "${this.#deps.imagesPath}"`, { cause: error });
    }
  }

  async #run(permit: Permit, signal: AbortSignal): Promise<void> {
    const { account, archive: { body } } = permit;
    try {
      using _turn = await this.#turn(signal);
      const missing = await this.#missing(signal); // somebody else may have been first
      if (missing.length > 0) await this.#loadMissing(permit, missing, signal);
      this.#move({ kind: "images_present" });
    } finally {
      account.close?.();
      if (!body.locked) await body.cancel();
    }
  }

  /** The archive's lock: of several programs one unlocks, and the others wait. */
  async #turn(signal: AbortSignal): Promise<Disposable> {
    const { imagesPath, clock, log } = this.#deps;
    const limit = AbortSignal.timeout(TURN_LIMIT_MS);
    const onWait = () => log.info("unlock.waits", { reason: "another program unlocks this archive" });
    try {
      return await waitForReadLock(imagesPath, { clock, signal: AbortSignal.any([signal, limit]), onWait });
    } catch (error) {
      if (signal.aborted) throw error;
      if (limit.aborted) throw new ConflictError("Another program has been unlocking this archive for an hour");
      log.warning("unlock.not_locked", { reason: messageOf(error) });
      return { [Symbol.dispose]: () => {} };
    }
  }

  async #loadMissing(permit: Permit, missing: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#load(checkedArchive(await this.#opened(permit, signal), missing), signal);
    const lacking = await this.#missing(signal);
    if (lacking.length === 0) return;
    throw new DockerError(`The Docker engine loaded the archive, but lacks ${quotedList(lacking)}`);
  }

  /** The plaintext of the archive. */
  async #opened({ account, archive: { sizeBytes, body } }: Permit, signal: AbortSignal): Promise<ByteStream> {
    const plain = await account.openArchive?.({ sizeBytes }, signal);
    if (plain !== undefined) {
      await body.cancel(); // read by segments instead
      this.#move({ kind: "key_received", totalBytes: sizeBytes });
      return plain;
    }
    const key = await fragmentKey(account, this.#deps.library, signal);
    checkSize(sizeBytes);
    this.#move({ kind: "key_received", totalBytes: sizeBytes });
    return decryptCbc(body, key);
  }

  async #load(archive: ByteStream, signal: AbortSignal): Promise<void> {
    const { engine, log, clock } = this.#deps;
    const load = (loadSignal: AbortSignal, moved: () => void) => {
      const onMessage = (line: string) => {
        moved();
        log.debug("unlock.engine", { line });
      };
      return engine.load(this.#observed(archive, moved), { signal: loadSignal, onMessage });
    };
    const stalled = () => new DockerError("The Docker engine has made no progress for 10 minutes");
    await whileMoving(load, { clock, limitMs: STALL_LIMIT_MS, signal, stalled });
  }

  #observed(archive: ByteStream, moved: () => void): ByteStream {
    let doneBytes = BLOCK_BYTES; // the IV
    return watched(archive, {
      look: ({ byteLength }) => {
        moved();
        doneBytes += byteLength;
        this.#move({ kind: "progressed", doneBytes });
      },
      end: () => this.#move({ kind: "handed_over" }),
    });
  }

  #move(event: UnlockEvent): void {
    const before = this.#status.state;
    this.#status = transition(this.#status, event);
    if (this.#status.state !== before) this.#deps.log.info("unlock.state", { state: this.#status.state });
    if (isRunning(this.#status)) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Ends the run with an error, and returns it as callers may see it. */
  #fail(error: unknown): TallyError {
    const reason: unknown = this.#stop.signal.aborted ? this.#stop.signal.reason : error;
    const failure = reason instanceof TallyError
      ? reason
      : new TallyError("internal", `The unlock failed: ${messageOf(error)}`, { cause: error });
    const message = redact(failure.message);
    if (isRunning(this.#status)) this.#move({ kind: "failed", code: failure.code, message });
    this.#deps.log.error("unlock.failed", { code: failure.code, reason: message });
    return failure;
  }
}

async function fragmentKey(
  account: UnlockAccount,
  library: Libcrypto | undefined,
  signal: AbortSignal,
): Promise<CbcKey> {
  const fragment = await account.keyFragment(signal);
  using _known = KNOWN_SECRETS.hold(fragment);
  try {
    return await archiveKey(fragment, library);
  } finally {
    wipe(fragment);
  }
}
