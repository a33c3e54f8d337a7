import assert from "node:assert/strict";
import { createLogger } from "../../../lib/log.ts";
import { KNOWN_SECRETS } from "../../../lib/redaction/known_secrets.ts";

Deno.test("createLogger() writes one JSON line an event, from its level on, without secrets of any kind", () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", write: (line) => void lines.push(line), now: () => 0 });
  using _held = KNOWN_SECRETS.hold("battery-staple-78");
  log.debug("quiet");
  log.warning("refused battery-staple-78", {
    password: "x",
    status: 401,
    error: 'upstream said {"given":"battery-staple-78"}',
    call: { url: "https://a.example/?sig=abc", Authorization: "Bearer x" },
  });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]?.endsWith("}\n"));
  const { level, message, properties } = JSON.parse(lines[0] ?? "");
  assert.deepEqual({ level, message, properties }, {
    level: "WARN",
    message: "refused ***",
    properties: {
      password: "***",
      status: 401,
      error: 'upstream said {"given":"***"}',
      call: { url: "https://a.example/?sig=***", Authorization: "***" },
    },
  });
});

Deno.test("createLogger() loses a line that nobody takes, and goes on", () => {
  const log = createLogger({
    level: "info",
    write: () => {
      throw new Deno.errors.BrokenPipe("gone");
    },
    now: () => 0,
  });
  log.error("lost");
});
