import { join } from "node:path";
import { tempFolder } from "./temp_folder.ts";

/** A certificate authority that nobody knows, and a server's certificate of it. */
export interface PrivateAuthority extends AsyncDisposable {
  /** File with the authority's certificate. */
  readonly caFile: string;
  /** Folder of all files. */
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
}

/** `0.0.0.0` leads to this machine, too, and is not one of the addresses that proxies are never asked for. */
const NAMES = "DNS:localhost,DNS:platform.test,IP:127.0.0.1,IP:0.0.0.0";

/**
 * Makes an authority with the real `openssl`.
 * @param names those of the server, as `openssl` writes them; this machine unless given
 */
export async function privateAuthority(openssl: string, names = NAMES): Promise<PrivateAuthority> {
  const folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  const run = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command(openssl, { args, cwd: folder.path }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-subj", "/CN=A private authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"];
  await run("req", "-x509", ...newKey, ...authority);
  await run("req", ...newKey, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr");
  await Deno.writeTextFile(at("extensions"), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
  const signed = ["-in", "server.csr", "-out", "server.pem", "-days", "2", "-extfile", "extensions"];
  await run("x509", "-req", ...signed, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial");
  return {
    caFile: at("ca.pem"),
    folder: folder.path,
    cert: await Deno.readTextFile(at("server.pem")),
    key: await Deno.readTextFile(at("server.key")),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
