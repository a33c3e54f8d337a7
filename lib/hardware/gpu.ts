import type { SystemTree } from "./system_tree.ts";

const PCI_DEVICES = "sys/bus/pci/devices";
/** PCI classes 03.00 (VGA) and 03.02 (3D controller), without the programming interface. */
const DISPLAY_CLASS = /^0x030[02]/;
/** Where the device tree is; the first is a link to the second on a live machine, which a bind mount may not hold. */
const COMPATIBLE_FILES = ["proc/device-tree/compatible", "sys/firmware/devicetree/base/compatible"];

/** GPUs that are part of a chip, by the chip's `compatible` word in the device tree. */
const CHIP_GPUS: ReadonlyMap<string, string> = new Map([
  ["nvidia,tegra210", "NVIDIA Tegra X1"],
  ["nvidia,tegra186", "NVIDIA Tegra X2"],
  ["nvidia,tegra194", "NVIDIA Xavier"],
  ["nvidia,tegra234", "NVIDIA Orin"],
  ["nvidia,tegra264", "NVIDIA Thor"],
  ["brcm,bcm2835", "VideoCore IV"],
  ["brcm,bcm2836", "VideoCore IV"],
  ["brcm,bcm2837", "VideoCore IV"],
  ["brcm,bcm2711", "VideoCore VI"],
  ["brcm,bcm2712", "VideoCore VII"],
]);

/**
 * The GPU: that of the chip where the device tree names a known one, else the PCI display controllers as
 * `vendor:device` in the order of their addresses, with `, ` between; empty when there is none.
 */
export async function probeGpu(tree: SystemTree): Promise<string> {
  return await chipGpu(tree) ?? await pciGpus(tree);
}

async function chipGpu(tree: SystemTree): Promise<string | undefined> {
  for (const file of COMPATIBLE_FILES) {
    const known = (await tree.words(file)).map((word) => CHIP_GPUS.get(word)).find((name) => name !== undefined);
    if (known !== undefined) return known;
  }
}

async function pciGpus(tree: SystemTree): Promise<string> {
  const gpus: string[] = [];
  for (const address of await tree.names(PCI_DEVICES)) {
    const folder = `${PCI_DEVICES}/${address}`;
    if (!DISPLAY_CLASS.test(await tree.text(`${folder}/class`))) continue;
    gpus.push(`${hexId(await tree.text(`${folder}/vendor`))}:${hexId(await tree.text(`${folder}/device`))}`);
  }
  return gpus.join(", ");
}

function hexId(text: string): string {
  return /^0x([0-9a-f]{4})$/i.exec(text)?.[1]?.toLowerCase() ?? "";
}
