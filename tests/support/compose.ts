import { parse } from "yaml";
import { z } from "zod";

const words = z.array(z.string());
const serviceSchema = z.strictObject({
  image: z.string(),
  entrypoint: words.optional(),
  command: words.optional(),
  network_mode: z.enum(["host", "none"]),
  restart: z.string().optional(),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal("ALL")]),
  security_opt: words,
  tmpfs: words,
  pids_limit: z.number(),
  mem_limit: z.string(),
  healthcheck: z.union([z.strictObject({ interval: z.string() }), z.strictObject({ disable: z.literal(true) })]),
  group_add: words.optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.string() })).optional(),
  volumes: words,
});
const fileSchema = z.object({ services: z.record(z.string(), serviceSchema) });

/** A service of a Compose file, of which every key is known. */
export type ComposeService = z.infer<typeof serviceSchema>;

/** Where a test differs from the example. */
export interface ComposeChanges {
  readonly image: string;
  /** Sources of bind mounts, by those of the file. */
  readonly sources?: Readonly<Record<string, string>>;
  /** What variables of the file stand for. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Services of the example in `packaging/`, by name. */
export async function composeServices(): Promise<Readonly<Record<string, ComposeService>>> {
  const text = await Deno.readTextFile(new URL("../../packaging/compose.yaml", import.meta.url));
  return fileSchema.parse(parse(text, { merge: true })).services;
}

/** The same service as arguments of `docker run`, up to and with its command. */
export function runArguments(
  service: ComposeService,
  { image, sources = {}, variables = {} }: ComposeChanges,
): string[] {
  const filled = (text: string) => text.replace(/\$\{(\w+)[^}]*\}/g, (_, name) => variables[name] ?? "");
  const [program, ...before] = service.entrypoint ?? [];
  const volumes = service.volumes.map((volume) => volume.replace(/^[^:]+/, (source) => sources[source] ?? source));
  return [
    ...[`--network=${service.network_mode}`, "--read-only", "--cap-drop=ALL", `--pids-limit=${service.pids_limit}`],
    ...[`--memory=${service.mem_limit}`, healthFlag(service), ...(program ? [`--entrypoint=${program}`] : [])],
    ...service.security_opt.map((option) => `--security-opt=${option}`),
    ...service.tmpfs.map((path) => `--tmpfs=${path}`),
    ...(service.group_add ?? []).map((group) => `--group-add=${filled(group)}`),
    ...volumes.map((volume) => `--volume=${volume}`),
    image,
    ...before,
    ...service.command ?? [],
  ];
}

function healthFlag({ healthcheck }: ComposeService): string {
  return "interval" in healthcheck ? `--health-interval=${healthcheck.interval}` : "--no-healthcheck";
}
