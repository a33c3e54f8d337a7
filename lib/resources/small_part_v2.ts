import type { SmallPartAnswer, SmallPartRequest } from "../api/v2_api.ts";
import type { Bytes } from "../bytes.ts";
import { ownArchitecture } from "../device/architecture.ts";
import type { Enrolment, Standing } from "../device/enrolment.ts";
import type { Floors } from "../device/floors.ts";
import { NotAllowedError, UpstreamError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type TrustStore, trustStore } from "../split/manifest_signature.ts";
import { type OpenedSmallPart, openSmallPart } from "../split/open_small_part.ts";
import { parseSmallPart, SMALL_PART_MEDIA_TYPE } from "../split/small_part_v2.ts";

/** Which version is wanted. Both names have passed `parseName`. */
export interface VersionRequest {
  readonly folder: string;
  readonly name: string;
  /** The one that the origin chooses, unless it is named. */
  readonly version?: string | undefined;
  /** An administrator asks for a version that is older than the one that was used; it is logged. */
  readonly allowDowngrade?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What opening small parts needs. */
export interface SmallPartV2Deps {
  readonly ask: (request: SmallPartRequest, signal?: AbortSignal) => Promise<SmallPartAnswer | "unchanged">;
  readonly enrolment: Enrolment;
  readonly floors: Floors;
  /** Id of who is signed in. @throws {NotSignedInError} */
  readonly userId: () => string;
  readonly log: Logger;
}

/** A small part that came from the API. */
export interface OpenedVersion extends OpenedSmallPart {
  /** The highest `seq` of the resource that this device had used by then; 0 when it had used none. */
  readonly floor: number;
}

/** Gets a version's small part from the API and opens it on this device. */
export type OpenVersion = (request: VersionRequest) => Promise<OpenedVersion>;

/** A small part that came before, which the API need not send again while its grant holds. */
interface Known {
  readonly bytes: Bytes;
  readonly etag: string;
  readonly untilSeconds: number;
}

/** What is about to expire is fetched anew. */
const SPARE_SECONDS = 60;
const KNOWN_LIMIT = 256;

/**
 * Checks as the format says, and stops at the first that fails: {@link IntegrityError} names the step. From then on the device takes
 * nothing older. Fails with {@link NotFoundError}, {@link NotAllowedError} (the device waits or was revoked) and the errors of the API as well.
 */
export function versionOpener(deps: SmallPartV2Deps): OpenVersion {
  const known = new Map<string, Known>();
  return async (request) => {
    const { enrolment, floors, userId } = deps;
    const { folder, name, version, signal } = request;
    const nowSeconds = await floors.now() / 1000;
    const place = [userId(), folder, name, version ?? ""].join("\0");
    const before = usable(known.get(place), nowSeconds);
    const standing = await enrolment.current(signal);
    const device = await enrolment.key();
    const asked = { folder, name, version, kid: device.kid, etag: before?.etag };
    const answer = await askEnrolled(deps, asked, signal);
    const bytes = answer === "unchanged" ? before?.bytes : bytesOf(answer);
    if (bytes === undefined) throw strange("without a small part");
    const part = parseSmallPart(bytes);
    const floor = await floors.seq(request) ?? 0;
    const opened = await openSmallPart(part, {
      trust: await trustOf(standing),
      nowSeconds,
      seqFloor: request.allowDowngrade ? 0 : floor,
      wanted: { folder, name, ...(version === undefined ? {} : { version }) },
      architecture: ownArchitecture(),
      device,
      user: userId(),
    });
    await keepFloor(deps, request, opened, floor);
    if (answer !== "unchanged" && answer.etag !== undefined) {
      remember(known, place, { bytes, etag: answer.etag, untilSeconds: part.grant.exp });
    }
    return { ...opened, floor };
  };
}

/** The publishers that were pinned, ready to verify with. */
export function trustOf({ publishers }: Standing): Promise<TrustStore> {
  return trustStore(publishers.map(({ publicX }) => ({ kty: "OKP", crv: "Ed25519", x: publicX })));
}

function usable(known: Known | undefined, nowSeconds: number): Known | undefined {
  return known !== undefined && nowSeconds + SPARE_SECONDS < known.untilSeconds ? known : undefined;
}

/** An origin may have forgotten the device, as after a restore: it is asked once how the device stands. */
async function askEnrolled(
  { ask, enrolment }: SmallPartV2Deps,
  request: SmallPartRequest,
  signal: AbortSignal | undefined,
): Promise<SmallPartAnswer | "unchanged"> {
  try {
    return await ask(request, signal);
  } catch (error) {
    if (!(error instanceof NotAllowedError)) throw error;
    const { state } = await enrolment.enroll({ signal });
    if (state !== "approved") throw error;
    return await ask(request, signal);
  }
}

/** The media type alone tells the format. */
function bytesOf({ bytes, mediaType }: SmallPartAnswer): Bytes {
  if (mediaType === SMALL_PART_MEDIA_TYPE) return bytes;
  throw strange(`with the type "${mediaType}" when asked for a small part`);
}

async function keepFloor(
  { floors, log, userId }: SmallPartV2Deps,
  { folder, name, allowDowngrade }: VersionRequest,
  { manifest: { seq, version } }: OpenedSmallPart,
  floor: number,
): Promise<void> {
  if (!allowDowngrade || seq >= floor) return await floors.raise({ folder, name, seq });
  log.warning("downgrade_allowed", { folder, name, version, seq, floor, user: userId() });
}

function remember(known: Map<string, Known>, place: string, part: Known): void {
  known.delete(place);
  known.set(place, part);
  const [oldest] = known.keys();
  if (known.size > KNOWN_LIMIT && oldest !== undefined) known.delete(oldest);
}

function strange(how: string): UpstreamError {
  return new UpstreamError("API", `The API answers ${how}`);
}
