/**
 * Reads an object with the S3 store in a process of its own, whose rights the test decides. Arguments: endpoint, access key,
 * secret, key of the object. Prints its size, or `none`, or the name of the error.
 */
import { openStore } from "../../lib/cdn/open.ts";
import { Secret } from "../../lib/config/secret.ts";
import { systemClock } from "../../lib/system/clock.ts";

const [endpoint = "", id = "", secret = "", key = ""] = Deno.args;
const downloader = { id: new Secret(id), secret: new Secret(secret) };
const settings = { kind: "s3", endpoint: new URL(endpoint), region: "us-east-1", downloader } as const;

/** What the process prints. */
async function report(): Promise<string> {
  try {
    const store = await openStore(settings, { clock: systemClock });
    if (await store.head("models", key) === undefined) return "none";
    const { body } = await store.get("models", key);
    let sizeBytes = 0;
    for await (const chunk of body) sizeBytes += chunk.byteLength;
    return String(sizeBytes);
  } catch (error) {
    return error instanceof Error ? error.name : "not an error";
  }
}

// deno-lint-ignore no-console
console.log(await report());
