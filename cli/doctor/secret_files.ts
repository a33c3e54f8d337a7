import { join } from "node:path";
import { isTaken, requirePrivate } from "../../lib/system/files.ts";
import { type Examined, type Finding, ok } from "./finding.ts";

/** No key of this device can be read by others. @throws {ConfigurationError} naming the first that can, and what to do */
export async function checkSecretFiles({ settings }: Examined): Promise<Finding> {
  const { stateDir, jwtHs256SecretFile, publisherKeyFile } = settings;
  const paths = [join(stateDir, "device_key.json"), jwtHs256SecretFile, publisherKeyFile];
  let count = 0;
  for (const path of paths) {
    if (path === undefined || !await isTaken(path)) continue;
    await requirePrivate(path);
    count++;
  }
  return ok(count === 0 ? "there are none" : `${count}, for their owner only`);
}
