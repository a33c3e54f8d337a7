import { runProgram } from "./run_program.ts";
import { type TempFolder, tempFolder } from "./temp_folder.ts";

/** A file system of its own, in memory, that can be full or read-only. Needs root. */
export interface SmallDisk extends TempFolder {
  /** Makes it read-only, or writable again. */
  setReadOnly(isReadOnly: boolean): Promise<void>;
}

/** What a file system has at most. */
export interface DiskLimits {
  readonly sizeKib?: number;
  /** Files and folders, itself among them. */
  readonly inodes?: number;
}

/** Mounts a file system with such limits; disposing it unmounts it. */
export async function smallDisk({ sizeKib, inodes }: DiskLimits): Promise<SmallDisk> {
  const folder = await tempFolder();
  const limits = [
    ...(sizeKib === undefined ? [] : [`size=${sizeKib}k`]),
    ...(inodes === undefined ? [] : [`nr_inodes=${inodes}`]),
  ];
  await runProgram("mount", ["-t", "tmpfs", "-o", limits.join(","), "tmpfs", folder.path]);
  return {
    path: folder.path,
    setReadOnly: (isReadOnly) => runProgram("mount", ["-o", `remount,${isReadOnly ? "ro" : "rw"}`, folder.path]),
    async [Symbol.asyncDispose]() {
      await runProgram("umount", ["--lazy", folder.path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
