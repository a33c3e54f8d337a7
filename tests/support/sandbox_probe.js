// Tries what the product never does, and prints what came of it. It is put in the place of the program in a launcher file.
const [{ folder, openPort, secretFile }] = Deno.args.slice(0, 1).map((text) => JSON.parse(text));

const ATTEMPTS = {
  "connect to another host": () => Deno.connect({ hostname: "127.0.0.1", port: openPort }),
  "fetch from another host": () => fetch(`http://127.0.0.1:${openPort}/`),
  "resolve a name": () => Deno.resolveDns("example.com", "A"),
  "listen on another port": () => Deno.listen({ hostname: "127.0.0.1", port: openPort + 1 }),
  "listen on all addresses": () => Deno.listen({ hostname: "0.0.0.0", port: 0 }),
  "listen for datagrams": () => Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: openPort + 1 }),
  "listen for datagrams on a path": () => Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/datagrams` }),
  "read another file": () => Deno.readTextFile(secretFile),
  "read /etc/passwd": () => Deno.readTextFile("/etc/passwd"),
  "read /proc/cpuinfo": () => Deno.readTextFile("/proc/cpuinfo"),
  "read /proc/self/environ": () => Deno.readTextFile("/proc/self/environ"),
  "list /sys/block": () => Array.fromAsync(Deno.readDir("/sys/block")),
  "read a link to /proc": () => Deno.readTextFile(`${folder}/proc`),
  "list the folder above": () => Array.fromAsync(Deno.readDir(`${folder}/..`)),
  "write another file": () => Deno.writeTextFile(`${secretFile}.new`, "x"),
  "write its own program": () => Deno.writeTextFile(new URL(import.meta.url), "x"),
  "make a link": () => Deno.symlink(secretFile, `${folder}/new-link`),
  "make a temporary file": () => Deno.makeTempFile(),
  "start /bin/true": () => new Deno.Command("/bin/true").output(),
  "start its own runtime": () => new Deno.Command(Deno.execPath(), { args: ["-A"] }).output(),
  "end another process": () => Deno.kill(Deno.ppid, "SIGUSR1"),
  "open a library": () => Deno.dlopen("libc.so.6", {}),
  "import from the network": () => import(`http://127.0.0.1:${openPort}/mod.js`),
  "import from a default host": () => import("https://jsr.io/@std/assert/1.0.0/mod.ts"),
  "import a package": () => import(["npm", "zod"].join(":")),
  "import another file": () => import(`file://${secretFile}.js`),
  "learn the host's name": () => Deno.hostname(),
  "learn the user": () => Deno.uid(),
  "ask for everything": () => askForAll(),
};

const RIGHTS = ["read", "write", "net", "env", "run", "sys", "ffi"];

async function askForAll() {
  const states = await Promise.all(RIGHTS.map(async (name) => (await Deno.permissions.request({ name })).state));
  if (states.every((state) => state === "denied" || state === "prompt")) throw new Deno.errors.NotCapable("denied");
}

// Imports fail with an error of their own, which names the right that is missing.
const REFUSED_IMPORT = /Requires (import|read) access|--no-npm is specified/;

async function attempt(action) {
  try {
    await action();
    return "allowed";
  } catch (error) {
    const isNotCapable = [error, error?.cause].some((cause) => cause instanceof Deno.errors.NotCapable);
    return isNotCapable || REFUSED_IMPORT.test(error.message) ? "denied" : `${error.name}: ${error.message}`;
  }
}

const results = {};
for (const [name, action] of Object.entries(ATTEMPTS)) results[name] = await attempt(action);
const variables = [
  "PATH",
  "HOME",
  "SECRET_TOKEN",
  "DENO_DIR",
  "NODE_OPTIONS",
  "LD_PRELOAD",
  "DENO_PERMISSION_BROKER_PATH",
];
const report = {
  results,
  architecture: Deno.build.arch,
  args: Deno.args.slice(1),
  variables: Object.fromEntries(variables.map((name) => [name, Deno.env.get(name) ?? null])),
  logLevel: Deno.env.get("LOG_LEVEL") ?? null,
  hardwareFile: JSON.parse(Deno.readTextFileSync(Deno.env.get("HARDWARE_FILE"))),
  gc: typeof globalThis.gc,
  evil: globalThis.evil ?? null,
};
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
