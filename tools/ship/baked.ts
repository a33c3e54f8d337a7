import { Buffer } from "node:buffer";
import { z } from "zod";
import { utf8 } from "../../lib/bytes.ts";

/** What `deno compile` has written into a file. */
export type Baked = z.infer<typeof bakedSchema>;

const list = z.array(z.string()).nullable();
const bakedSchema = z.object({
  argv: z.array(z.string()),
  permissions: z.strictObject({
    allow_env: list,
    deny_env: list,
    ignore_env: list,
    allow_net: list,
    deny_net: list,
    allow_ffi: list,
    deny_ffi: list,
    allow_read: list,
    deny_read: list,
    ignore_read: list,
    allow_run: list,
    deny_run: list,
    allow_sys: list,
    deny_sys: list,
    allow_write: list,
    deny_write: list,
    allow_import: list,
    deny_import: list,
    prompt: z.boolean(),
  }),
  v8_flags: z.array(z.string()),
  env_vars_from_env_file: z.record(z.string(), z.string()),
  entrypoint_key: z.string(),
  unstable_config: z.looseObject({ features: z.array(z.string()) }),
});

/** Kinds of processor by the number in an ELF header. @see ELF-64 Object File Format, e_machine */
const MACHINES: ReadonlyMap<number, string> = new Map([[62, "x86_64"], [183, "aarch64"]]);
const ELF_MAGIC = "\x7fELF";
const MACHINE_OFFSET = 18;
/** Twice, before the size (8 bytes, little endian) of the JSON that follows. */
const MARK = utf8("d3n0l4ndd3n0l4nd");

/** The processor that a program is for. @throws {Error} when it is no ELF file */
export function elfMachine(file: Uint8Array): string {
  if (new TextDecoder("latin1").decode(file.subarray(0, 4)) !== ELF_MAGIC) throw new Error("This is no ELF file");
  const number = viewOf(file).getUint16(MACHINE_OFFSET, true);
  return MACHINES.get(number) ?? `machine ${number}`;
}

/** The rights and options that `deno compile` has baked into a program. @throws {Error} when it has baked none */
export function readBaked(file: Uint8Array<ArrayBuffer>): Baked {
  const at = Buffer.from(file.buffer, file.byteOffset, file.byteLength).lastIndexOf(MARK);
  if (at < 0) throw new Error("This file was not made by deno compile");
  const start = at + MARK.byteLength;
  const size = Number(viewOf(file).getBigUint64(start, true));
  const json = new TextDecoder().decode(file.subarray(start + 8, start + 8 + size));
  return bakedSchema.parse(JSON.parse(json));
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
