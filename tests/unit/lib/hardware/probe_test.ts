import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { armCoreName } from "../../../../lib/hardware/arm_cores.ts";
import { cpuName } from "../../../../lib/hardware/cpu.ts";
import { hardwareString } from "../../../../lib/hardware/fingerprint.ts";
import { memoryGib } from "../../../../lib/hardware/memory.ts";
import { probeHardware } from "../../../../lib/hardware/probe.ts";
import expected from "../../../fixtures/hardware/facts.json" with { type: "json" };

const TREES = fileURLToPath(new URL("../../../fixtures/hardware", import.meta.url));
const NOTHING = { cpu: "", gpu: "", memory: "", driveSerial: "" };

for (const [machine, facts] of Object.entries(expected)) {
  Deno.test(`probeHardware() reads the facts of a ${machine}`, async () => {
    assert.deepEqual(await probeHardware(`${TREES}/${machine}`), facts);
  });
}

Deno.test("hardwareString() has the form of the Resource API", () => {
  assert.equal(
    hardwareString(expected.jetson_orin),
    "CPU: Cortex-A78AE. GPU: NVIDIA Orin. Memory: 30. DriveSerial: S4EWNX0R123456",
  );
  assert.equal(hardwareString(NOTHING), "CPU: . GPU: . Memory: . DriveSerial: ");
});

Deno.test("probeHardware() finds nothing in an empty or missing folder, without failing", async () => {
  assert.deepEqual(await probeHardware(`${TREES}/nowhere`), NOTHING);
});

Deno.test("probeHardware() on this machine gives the same facts twice, each on one line", async () => {
  const facts = await probeHardware("/");
  assert.deepEqual(await probeHardware("/"), facts);
  for (const fact of Object.values(facts)) assert.match(fact, /^[^\n\r\0]{0,256}$/);
  assert.match(facts.memory, /^\d+$/);
});

Deno.test({
  name: "probeHardware() does not take a missing permission for a missing fact",
  permissions: { read: [TREES] },
  fn: () => assert.rejects(probeHardware("/"), Deno.errors.NotCapable),
});

/** Puts one file into an otherwise empty tree. */
async function probeWith(path: string, content: Uint8Array): Promise<string> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(`${root}/${path}`, content);
    return hardwareString(await probeHardware(root));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("probeHardware() gives bounded printable facts whatever a file holds", async () => {
  const paths = fc.constantFrom(
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/device-tree/compatible",
    "sys/block/sda/device/vpd_pg80",
    "sys/block/nvme0n1/device/serial",
    "sys/bus/pci/devices/0000:00:02.0/class",
  );
  await fc.assert(
    fc.asyncProperty(paths, fc.uint8Array({ maxLength: 2000 }), async (path, content) => {
      const hardware = await probeWith(path, content);
      // deno-lint-ignore no-control-regex -- they must not be there
      assert.doesNotMatch(hardware, /[\x00-\x1f\x7f-\x9f]/);
      assert.ok(hardware.length < 1200);
    }),
    { numRuns: 50 },
  );
});

Deno.test("probeHardware() reads the start of a file that does not end", async () => {
  const cpuinfo = new TextEncoder().encode("model name\t: Some CPU\n" + "x".repeat(1_000_000));
  assert.match(await probeWith("proc/cpuinfo", cpuinfo), /^CPU: Some CPU\. /);
});

Deno.test("memoryGib() rounds down as free -g does", () => {
  const cases: [number, string][] = [[0, "0"], [1024 ** 2 - 1, "0"], [1024 ** 2, "1"], [8 * 1024 ** 2 - 1, "7"]];
  for (const [kib, gib] of cases) assert.equal(memoryGib(`MemTotal:  ${kib} kB\nMemFree: 1 kB`), gib, `${kib} kB`);
  for (const wrong of ["", "MemTotal: kB", "MemTotal: -5 kB", "MemTotal: 12 MB", "MemTotal: 1e9 kB"]) {
    assert.equal(memoryGib(wrong), "", wrong);
  }
});

Deno.test("cpuName() of Arm: core name, else model name, else the numbers", () => {
  const arm = (part: string, more = "") => `processor\t: 0\n${more}CPU implementer\t: 0x41\nCPU part\t: ${part}\n`;
  assert.equal(cpuName(arm("0xd42")), "Cortex-A78AE");
  assert.equal(cpuName(arm("0xd42", "model name\t: ARMv8 Processor rev 1 (v8l)\n")), "Cortex-A78AE");
  assert.equal(cpuName(arm("0xfff", "model name\t: ARMv8 Processor rev 1 (v8l)\n")), "ARMv8 Processor rev 1 (v8l)");
  assert.equal(cpuName(arm("0xfff")), "0x41:0xfff");
  assert.equal(cpuName("CPU implementer\t: 0x4e\nCPU part\t: 0x004\n"), "Carmel");
});

Deno.test("cpuName() of several kinds of core is the first", () => {
  assert.equal(
    cpuName("CPU implementer : 0x41\nCPU part : 0xd05\n\nCPU implementer : 0x41\nCPU part : 0xd0b\n"),
    "Cortex-A55",
  );
});

Deno.test("armCoreName() knows the cores that devices of this fleet have", () => {
  const known = { "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72" };
  for (const [part, name] of Object.entries(known)) assert.equal(armCoreName("0x41", part), name);
  assert.equal(armCoreName("constructor", "name"), undefined);
});
