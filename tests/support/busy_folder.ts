import { eventually } from "./eventually.ts";

/** Removes a folder under a program that may be writing to it behind its callers: what comes meanwhile goes as well. */
export async function removeBusyFolder(path: string): Promise<void> {
  await eventually(`"${path}" is gone`, async () => {
    try {
      await Deno.remove(path, { recursive: true });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      if (error instanceof Error && error.message.includes("Directory not empty")) return false;
      throw error;
    }
  });
}
