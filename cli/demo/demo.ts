import { OPTIONS } from "../../lib/config/options.ts";
import { type EngineSettings, openEngine } from "../../lib/docker/open_engine.ts";
import { NotFoundError } from "../../lib/errors.ts";
import { temporaryFolder } from "../../lib/system/files.ts";
import type { Shell } from "../shell.ts";
import { DemoReport } from "./report.ts";
import { showResource } from "./resource_part.ts";
import { DemoSite } from "./site.ts";
import { thisProgram } from "./this_program.ts";
import { UnlockPart } from "./unlock_part.ts";

/** What the demo is run on. */
export interface DemoOptions {
  /** File that goes the whole way. */
  readonly path: string;
  readonly docker: EngineSettings;
  /** Leave the folder with the state of origin and device. */
  readonly keep: boolean;
}

const TAG_BYTES = 4;

/**
 * Shows the main job on a real file: publish, split, load, unlock. Origin and device run as processes of their own, and
 * only their public calls are used. Whatever happens, nothing stays: no process, no folder (unless kept), no image.
 * @throws {IntegrityError} when what comes back is not what went in; and whatever fails on the way
 */
export async function runDemo({ path, docker, keep }: DemoOptions, shell: Shell): Promise<void> {
  const { io, output, signal } = shell;
  const source = { path, sizeBytes: await fileSize(path) };
  await using cleanup = new AsyncDisposableStack(); // in reverse: processes, images, folder
  const folder = await temporaryFolder("tally-demo-");
  if (!keep) cleanup.use(folder);
  output.event({ event: "started", file: path, folder: folder.path }, `Everything happens in ${folder.path}`);

  const imageTag = `tally-demo-${crypto.getRandomValues(new Uint8Array(TAG_BYTES)).toHex()}`;
  const images = { references: imageReferences(imageTag), engine: openEngine(docker) };
  const unlockPart = cleanup.use(new UnlockPart(images, shell));
  const program = thisProgram(io.environment);
  const site = await DemoSite.start({ path: folder.path, imageTag, docker }, { program, clock: io.clock, signal });
  cleanup.use(site);
  output.event({ event: "origin", url: site.originUrl.href }, `Origin listens on ${site.originUrl.href}`);
  output.event({ event: "device", url: site.deviceUrl.href }, `Device listens on ${site.deviceUrl.href}`);

  const report = new DemoReport(output);
  await showResource(source, site, report, shell);
  await unlockPart.show(site, report);
  report.finish(keep ? folder.path : undefined);
}

async function fileSize(path: string): Promise<number> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isFile) return info.size;
  const why = info === undefined ? "there is no such file" : "it is not a file";
  throw new NotFoundError(`Cannot show anything on "${path}": ${why}`);
}

function imageReferences(tag: string): string[] {
  const names = OPTIONS.images.parse(OPTIONS.images.fallback(() => undefined) ?? "");
  return names.map((name) => `${name}:${tag}`);
}
