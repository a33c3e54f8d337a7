import { openStore } from "../../lib/cdn/open.ts";
import { CdnRefusalError, NoBucketError } from "../../lib/cdn/status_error.ts";
import { type CdnSettings, parseCdnFile, readCdnFile } from "../../lib/config/cdn_file.ts";
import { ConfigurationError, NotFoundError } from "../../lib/errors.ts";
import { isTaken } from "../../lib/system/files.ts";
import { type Examined, type Finding, ok, warning } from "./finding.ts";

const DEFAULT_BUCKET = "models";
/** Nobody publishes a resource of this name. */
const PROBE = "tally-doctor-probe";
/** What S3 says to who may read objects but not list them, of an object that is not there. */
const UNLISTED = "AccessDenied";

/** The CDN of `CDN_CONFIG`: its settings, whether it answers, takes the credentials and has the bucket. @throws {TallyError} */
export async function checkCdn({ settings, clock }: Examined, signal: AbortSignal): Promise<Finding> {
  const { cdnConfig, imagesResource } = settings;
  if (cdnConfig === undefined) return ok("its settings come from the API after sign-in");
  const cdn = await parseCdnFile(await readCdnFile(cdnConfig));
  if (cdn.kind === "directory") return await checkFolder(cdn.path);
  const bucket = imagesResource?.folder ?? DEFAULT_BUCKET;
  const where = `${addressOf(cdn)}, with the settings of "${cdnConfig}"`;
  const store = await openStore(cdn, { clock });
  try {
    const { body } = await store.get(bucket, PROBE, { signal });
    await body.cancel();
  } catch (error) {
    return refused(error, bucket, where);
  }
  return ok(`${where}, has the bucket "${bucket}"`);
}

/** That there is no such object is what a right answer says. */
function refused(error: unknown, bucket: string, where: string): Finding {
  if (error instanceof NoBucketError) {
    return warning(
      `${where}, has no bucket "${bucket}"`,
      "A folder of resources is a bucket: make it, or publish there first.",
    );
  }
  if (error instanceof NotFoundError) return ok(`${where}, takes the credentials`);
  if (!(error instanceof CdnRefusalError)) throw error;
  if (error.word === UNLISTED) return ok(`${where}, takes the credentials, which may not list "${bucket}"`);
  throw new ConfigurationError([`${where}: it refuses the credentials${error.word === "" ? "" : ` (${error.word})`}`]);
}

async function checkFolder(path: string): Promise<Finding> {
  if (await isTaken(path)) return ok(`the folder "${path}"`);
  return warning(`There is no folder "${path}"`, "Put the stick in, or mount the share.");
}

function addressOf(cdn: Exclude<CdnSettings, { kind: "directory" }>): string {
  return (cdn.kind === "s3" ? cdn.endpoint : cdn.baseUrl).origin;
}
