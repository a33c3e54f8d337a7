import { join } from "node:path";
import { DEVICE_KEY_FILE } from "../../lib/device/device_key.ts";
import { isTaken, requirePrivate } from "../../lib/system/files.ts";
import { type Examined, type Finding, ok } from "./finding.ts";

/** No key of this device can be read by others. @throws {ConfigurationError} naming the first that can, and what to do */
export async function checkSecretFiles({ settings }: Examined): Promise<Finding> {
  const { stateDir, jwtHs256SecretFile, publisherKeyFile } = settings;
  const paths = [join(stateDir, DEVICE_KEY_FILE.name), jwtHs256SecretFile, publisherKeyFile];
  let count = 0;
  for (const path of paths) {
    if (path === undefined || !await isTaken(path)) continue;
    await requirePrivate(path);
    count++;
  }
  return ok(count === 0 ? "there are none" : `${count}, for their owner only`);
}
