import { type TempFolder, tempFolder } from "./temp_folder.ts";

/** A file system of its own, in memory, that can be full or read-only. Needs root. */
export interface SmallDisk extends TempFolder {
  /** Makes it read-only, or writable again. */
  setReadOnly(isReadOnly: boolean): Promise<void>;
}

/** Mounts a file system of that size; disposing it unmounts it. */
export async function smallDisk(sizeKib: number): Promise<SmallDisk> {
  const folder = await tempFolder();
  await command("mount", "-t", "tmpfs", "-o", `size=${sizeKib}k`, "tmpfs", folder.path);
  return {
    path: folder.path,
    setReadOnly: (isReadOnly) => command("mount", "-o", `remount,${isReadOnly ? "ro" : "rw"}`, folder.path),
    async [Symbol.asyncDispose]() {
      await command("umount", "--lazy", folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function command(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
