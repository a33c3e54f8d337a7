/** This machine's architecture, as Go and Docker call it. */
export function ownArchitecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : "amd64";
}
