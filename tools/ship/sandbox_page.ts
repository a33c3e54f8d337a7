import { FIXED_FLAGS, RUNTIME_VARIABLES } from "./flags.ts";
import { type Grant, GRANTS } from "./grants.ts";
import { type Form, type Program, PROGRAMS } from "./programs.ts";

const HEAD = `# The sandbox

Generated from \`tools/ship/flags.ts\` and \`tools/ship/grants.ts\` by \`deno task docs\`; do not edit.

What is shipped is one executable file, made for one site. Deno refuses everything that its flags do not name: other hosts, files, variables and programs,
libraries, code from the network. The flags are fixed when the file is made; the same table makes both forms of the file, the container image and the tests.

## Making a file

\`\`\`sh
./compile.sh --target aarch64 --program device --api api.example.com:443 --cdn cdn.example.com:443
./compile.sh --target x86_64 --program origin --site site.yaml --sign key.pem
\`\`\`

A device needs \`--api\`; a command line reaches the API that it is given; an origin connects to nobody. \`dist/\` then holds \`tally-device-aarch64\`, \`tally.cdx.json\` (what is in it, CycloneDX 1.6), \`SHA256SUMS\`, and with \`--sign\` \`SHA256SUMS.sig\`. Two builds of one
commit are the same to the last byte. A site file names all that the program may reach:

\`\`\`yaml
settings:                     # any of configuration.md, HTTPS_PROXY and its kin: the program's defaults, and what its rights are made from
  RESOURCE_API_URL: https://api.example.com
  MODEL_CACHE_DIR: /var/lib/tallystick/models
cdn:                          # hosts with their ports, and folders
  - cdn.example.com:443
  - "*.s3.example.com:443"
  - /media/usb
platform:                     # where a platform of AIGNOSTICS_API_ROOT keeps its files, for the command line
  - storage.googleapis.com:443
browser: /usr/bin/xdg-open    # if the command line is to open one for a sign-in at the platform
settingsFile: /etc/tallystick.yaml   # if --config is to be used
origin:
  dataDir: /var/lib/tallystick-origin
  masterKeyFile: /etc/tallystick/master.key # if --master-key-file is to be used
  host: 127.0.0.1
  port: 8090
  dockerHost: unix:///var/run/docker.sock   # if it has applications that are container images
  remoteInputs: false                       # true, if inputs of runs may lie on other servers
\`\`\`

The environment can change a setting, but not a right: with another \`RESOURCE_API_URL\` the program starts and is refused the connection.

The signature is Ed25519 over \`SHA256SUMS\`:

\`\`\`sh
openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out public.pem   # once
openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig && sha256sum -c SHA256SUMS
\`\`\`

## The two forms

- **launcher** (the default): a shell script, and behind it a compressed archive of the pinned Deno, the bundled program and a collector of hardware facts.
  It needs \`sh\`, \`tar\`, \`gzip\` and coreutils; no compiler and no network made it. The first start unpacks into a folder of its own (mode 0700) below
  \`$CACHE_DIRECTORY\` (systemd), \`$XDG_CACHE_HOME/tallystick\`, \`~/.cache/tallystick\` or \`/var/cache/tallystick\`, whole or not at all, and checks the SHA-256 of everything; later
  starts check those of the scripts. A folder that others may write to is refused (exit code 126). It keeps the two versions that were started last.
- **compiled** (\`--form compiled\`, or when \`DENORT_BIN\` is set): \`deno compile\`, which needs Deno's own runtime stub: from \`DENORT_BIN\`, from
  \`$DENO_DIR/dl/release/v2.9.5/denort-<target>.zip\`, or from the network. It has no launcher: somebody else writes the hardware facts
  (\`tally hardware --collect --out /run/tallystick/hardware.json\`) and fixes its environment, as a systemd unit does. \`tally self-update\` does not take it: it does not say its version.

What is proven of each, by tests: the launcher form does all its work on x86_64, and on ARM64 under an emulator, Docker engine included; what is not granted is refused there; two builds
are the same. Of the compiled form the tests read the rights, variables and flags that are baked into the ARM64 file, and compare them with the table; two builds are the same. Whether such a
file *runs* is not tested, because Deno's runtime stub cannot be had where the tests run: try it before you ship it. The launcher form is the one that is shipped.

## Arguments and environment

Arguments reach the program only: \`-A\` is an unknown flag of \`tally\`. The launcher starts Deno with an **empty environment** but for the settings and the variables that are named below, so
that \`DENO_PERMISSION_BROKER_PATH\`, \`NODE_OPTIONS\`, \`DENO_V8_FLAGS\`, \`DENO_INTERNAL_CHILD_ENTRYPOINT\`, \`DENO_CERT\`, \`LD_PRELOAD\` and their kin have no effect; a \`deno.json\` or
\`.env\` in the working folder has none either. The compiled form ignores all of these but \`DENO_INTERNAL_CHILD_ENTRYPOINT\`, \`LD_*\` and additional trust roots (\`DENO_CERT\`,
\`DENO_TLS_CA_STORE\`, \`NODE_EXTRA_CA_CERTS\`): start it with a fixed environment, and with the variables below.

## Flags of every program

| flag | form | reason |
|---|---|---|
`;

const TAIL = `
Not granted to anybody: \`--allow-sys\` beyond \`statfs\` and \`uid\`, \`--allow-ffi\` beyond the one library that a site chooses, \`--allow-import\`, \`--allow-all\`.

## Hardware facts

Deno shows \`/proc\` and \`/sys\` only to a program that may do everything, so the facts come from outside of the sandbox, and are the same on every way:

- the launcher collects them before it closes the sandbox: 7 KB of code, with every right, but without an argument or variable of the caller;
- \`tally hardware --collect --out FILE\`, run by somebody who may, and \`HARDWARE_FILE\`;
- bind mounts of \`/proc\` and \`/sys\` elsewhere (\`BindReadOnlyPaths=\`, \`docker run --volume\`), and \`HARDWARE_ROOT\`.

## What it does not do

- It does not hold against who may start other programs as the same user, or write to the folder that was unpacked.
- A link inside a folder that is granted leads out of it: Deno follows it. The program looks before it opens, and follows none in its cache.
- Host names are granted, not addresses: who answers for the name of the API is a matter of TLS.
- Who may use the Docker engine's socket rules the machine.
`;

const VARIABLE_HEAD = "\n## Variables of every program\n\n| variable | reason |\n|---|---|\n";
const RIGHT_HEAD = "\n## Rights\n\n| flag | what | programs | reason |\n|---|---|---|---|\n";

/** The whole of `docs/sandbox.md`. */
export function sandboxPage(): string {
  const flags = FIXED_FLAGS.map(({ flag, forms, reason }) => `| \`${flag}\` | ${formText(forms)} | ${reason} |\n`);
  const variables = RUNTIME_VARIABLES.map(({ name, value, reason }) => `| \`${name}=${value}\` | ${reason} |\n`);
  return HEAD + flags.join("") + VARIABLE_HEAD + variables.join("") + RIGHT_HEAD + GRANTS.map(grantRow).join("") + TAIL;
}

function grantRow({ right, programs, what, reason }: Grant): string {
  return `| \`--allow-${right}\` | ${what} | ${programText(programs)} | ${reason} |\n`;
}

function formText(forms: readonly Form[]): string {
  return forms.length === 1 ? forms.join() : "both";
}

function programText(programs: readonly Program[]): string {
  return programs.length === PROGRAMS.length ? "all" : programs.join(", ");
}
