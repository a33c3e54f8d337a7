/** The least that can answer `/health`: what a device is compared with. */
import { say } from "../tools/say.ts";

const BODY = '{"status":"healthy"}';
const HEADERS = { "content-type": "application/json" };

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
  return new Response(BODY, { headers: HEADERS });
});
say(JSON.stringify({ url: `http://127.0.0.1:${server.addr.port}` }));
