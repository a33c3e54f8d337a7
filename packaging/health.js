/** Whether the service answers: exit code 0 or 1, for the health check of the image. The first argument is the URL. */
const LIMIT_MS = 5_000;

const answer = await fetch(Deno.args[0], { signal: AbortSignal.timeout(LIMIT_MS) }).catch(() => undefined);
Deno.exit(answer?.ok ? 0 : 1);
