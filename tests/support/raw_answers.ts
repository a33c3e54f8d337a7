import { utf8 } from "../../lib/bytes.ts";
import type { Saying } from "./hostile_front.ts";

const MIB = 1024 * 1024;

/** Says an answer with these headers, and the length that its body has. */
export function rawAnswer(
  status: string,
  headers: readonly string[] = [],
  body: string | Uint8Array<ArrayBuffer> = "",
): (saying: Saying) => Promise<void> {
  const bytes = typeof body === "string" ? utf8(body) : body;
  const head = [`HTTP/1.1 ${status}`, ...headers, `content-length: ${bytes.byteLength}`, "connection: close", "", ""];
  return async ({ send }) => {
    await send(utf8(head.join("\r\n")));
    await send(bytes);
  };
}

/** Sends a body without end, until the caller has left: 256 MiB, if it never does. */
export async function endlessAnswer({ send, signal }: Saying): Promise<void> {
  await send(utf8("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n"));
  for (let sent = 0; sent < 256 && !signal.aborted; sent++) await send(new Uint8Array(MIB));
}

/** Says a hundred thousand times that the caller may go on, and nothing else. */
export async function continueStorm({ send, signal }: Saying): Promise<void> {
  const thousand = utf8("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000));
  for (let sent = 0; sent < 100 && !signal.aborted; sent++) await send(thousand);
}
