import { basename } from "node:path";
import { formatTransfer } from "../progress.ts";
import type { Shell } from "../shell.ts";
import type { Account } from "./origin_admin.ts";
import type { DemoReport } from "./report.ts";
import type { DemoSite } from "./site.ts";
import { loadAndCompare, type ResourceName, type Transfer, type TransferDeps, uploadFile } from "./transfer.ts";

const FOLDER = "models";
const NAME_LIMIT_CHARACTERS = 100;

/** Publishes the file through the device, shows where the parts lie, and loads it twice: from the CDN, then from the cache. */
export async function showResource(
  source: { readonly path: string; readonly sizeBytes: number },
  site: DemoSite,
  report: DemoReport,
  { io, output }: Shell,
): Promise<void> {
  const resource = { folder: FOLDER, name: resourceName(source.path) };
  const deps = { device: site.device, output, clock: io.clock };
  const uploader = await site.admin.createAccount("uploader@demo.example", "ResourceUploader");
  const operator = await site.admin.createAccount("operator@demo.example", "Operator");
  const uploaded = await signedIn(site, uploader, () => uploadFile(resource, source, deps));
  report.add({ step: "upload", ...uploaded });
  output.event(
    { event: "uploaded", ...resource, ...uploaded },
    `Encrypted, split, signed and published ${FOLDER}/${resource.name}: ${transferText(uploaded)}`,
  );
  report.place(await site.partPlaces(resource));
  await site.dropCache(FOLDER);
  await signedIn(site, operator, async () => {
    await showLoad(resource, uploaded, report, deps);
    await showLoad(resource, uploaded, report, deps);
  });
}

async function showLoad(
  resource: ResourceName,
  uploaded: Transfer,
  report: DemoReport,
  deps: TransferDeps,
): Promise<void> {
  const loaded = await loadAndCompare(resource, uploaded, deps);
  report.add({ step: `load (${loaded.source})`, ...loaded });
  deps.output.event(
    { event: "loaded", ...resource, ...loaded },
    `Loaded it again, big part from the ${loaded.source}: ${transferText(loaded)}, the SHA-256 is the same`,
  );
}

/** Lets `work` run while an account is signed in on the device. */
async function signedIn<T>({ device }: DemoSite, { email, password }: Account, work: () => Promise<T>): Promise<T> {
  await device.login(email, password);
  const result = await work();
  await device.logout();
  return result;
}

/** The file's name as a resource may be called. */
function resourceName(path: string): string {
  const name = basename(path).replaceAll(/[^A-Za-z0-9._-]/g, "-").replaceAll("..", "-").replace(/^[^A-Za-z0-9]+/, "");
  return name.slice(0, NAME_LIMIT_CHARACTERS) || "file";
}

function transferText({ sizeBytes, elapsedMs }: Transfer): string {
  return formatTransfer(sizeBytes, elapsedMs);
}
