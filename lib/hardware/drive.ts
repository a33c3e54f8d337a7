import { printable, type SystemTree } from "./system_tree.ts";

/** One kind of drive, and where its driver tells the serial. */
interface DriveKind {
  readonly name: RegExp;
  readonly serial: (tree: SystemTree, folder: string) => Promise<string>;
}

/** In the order in which a machine is known by them. Loop, RAM, device mapper, RAID and network devices match none. */
const KINDS: readonly DriveKind[] = [
  { name: /^nvme\d+n\d+$/, serial: (tree, folder) => tree.text(`${folder}/device/serial`) },
  { name: /^mmcblk\d+$/, serial: mmcSerial("MMC") }, // soldered on
  { name: /^sd[a-z]+$/, serial: scsiSerial },
  { name: /^vd[a-z]+$/, serial: (tree, folder) => tree.text(`${folder}/serial`) },
  { name: /^mmcblk\d+$/, serial: mmcSerial("SD") }, // a card, which can be changed
];

/** SCSI vital product data, page 80h: 4 bytes of header, then the serial. @see SPC-4, 7.8.15 */
const VPD_HEADER_BYTES = 4;

/**
 * Serial of the machine's own drive. NVMe goes before eMMC, SATA, virtio and SD card; of several drives of one kind the
 * smallest serial counts, because their numbers (`nvme0`, `nvme1`) may swap at the next start. What comes and goes
 * (removable media, USB) never counts. Empty when no drive tells one.
 */
export async function probeDriveSerial(tree: SystemTree): Promise<string> {
  const drives = await fixedDrives(tree);
  for (const kind of KINDS) {
    const folders = drives.filter((name) => kind.name.test(name)).map((name) => `sys/block/${name}`);
    const serials = await Promise.all(folders.map((folder) => kind.serial(tree, folder)));
    const first = serials.filter((serial) => serial !== "").sort()[0];
    if (first !== undefined) return first;
  }
  return "";
}

async function fixedDrives(tree: SystemTree): Promise<string[]> {
  const fixed: string[] = [];
  for (const name of await tree.names("sys/block")) {
    const removable = await tree.text(`sys/block/${name}/removable`) === "1";
    const onUsb = /\/usb\d+\//.test(await tree.linkTarget(`sys/block/${name}`));
    if (!removable && !onUsb) fixed.push(name);
  }
  return fixed;
}

function mmcSerial(type: "MMC" | "SD"): DriveKind["serial"] {
  return async (tree, folder) => {
    if (await tree.text(`${folder}/device/type`) !== type) return "";
    return await tree.text(`${folder}/device/serial`) || await tree.text(`${folder}/device/cid`);
  };
}

async function scsiSerial(tree: SystemTree, folder: string): Promise<string> {
  const page = await tree.bytes(`${folder}/device/vpd_pg80`);
  return printable(page.subarray(VPD_HEADER_BYTES)) || await tree.text(`${folder}/device/wwid`);
}
