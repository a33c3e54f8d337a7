import { join } from "node:path";

/** Folder of the objects' files, whose names the database knows. */
export function objectsFolder(dataDir: string): string {
  return join(dataDir, "objects");
}

/** Folder of the resources, one folder below it for each of theirs. */
export function resourcesFolder(dataDir: string): string {
  return join(dataDir, "resources");
}

/** Folder of the trail of who did what. */
export function auditFolder(dataDir: string): string {
  return join(dataDir, "audit");
}

/** Folder of the second names that a backup gives to what it reads; there only while one is made. */
export function captureFolder(dataDir: string): string {
  return join(dataDir, "backup.partial");
}
