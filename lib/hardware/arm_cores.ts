/**
 * Names of Arm cores by implementer and part number of the main ID register (MIDR_EL1), as `lscpu` prints them. A core
 * that is added here changes the fingerprint of the devices that have it.
 *
 * @see Linux, arch/arm64/include/asm/cputype.h; util-linux, lscpu
 */
const CORES: ReadonlyMap<string, string> = new Map([
  // Arm
  ["0x41:0xc05", "Cortex-A5"],
  ["0x41:0xc07", "Cortex-A7"],
  ["0x41:0xc08", "Cortex-A8"],
  ["0x41:0xc09", "Cortex-A9"],
  ["0x41:0xc0e", "Cortex-A17"],
  ["0x41:0xc0f", "Cortex-A15"],
  ["0x41:0xd01", "Cortex-A32"],
  ["0x41:0xd02", "Cortex-A34"],
  ["0x41:0xd03", "Cortex-A53"],
  ["0x41:0xd04", "Cortex-A35"],
  ["0x41:0xd05", "Cortex-A55"],
  ["0x41:0xd06", "Cortex-A65"],
  ["0x41:0xd07", "Cortex-A57"],
  ["0x41:0xd08", "Cortex-A72"],
  ["0x41:0xd09", "Cortex-A73"],
  ["0x41:0xd0a", "Cortex-A75"],
  ["0x41:0xd0b", "Cortex-A76"],
  ["0x41:0xd0c", "Neoverse-N1"],
  ["0x41:0xd0d", "Cortex-A77"],
  ["0x41:0xd0e", "Cortex-A76AE"],
  ["0x41:0xd40", "Neoverse-V1"],
  ["0x41:0xd41", "Cortex-A78"],
  ["0x41:0xd42", "Cortex-A78AE"],
  ["0x41:0xd43", "Cortex-A65AE"],
  ["0x41:0xd44", "Cortex-X1"],
  ["0x41:0xd46", "Cortex-A510"],
  ["0x41:0xd47", "Cortex-A710"],
  ["0x41:0xd48", "Cortex-X2"],
  ["0x41:0xd49", "Neoverse-N2"],
  ["0x41:0xd4a", "Neoverse-E1"],
  ["0x41:0xd4b", "Cortex-A78C"],
  ["0x41:0xd4c", "Cortex-X1C"],
  ["0x41:0xd4d", "Cortex-A715"],
  ["0x41:0xd4e", "Cortex-X3"],
  ["0x41:0xd4f", "Neoverse-V2"],
  ["0x41:0xd80", "Cortex-A520"],
  ["0x41:0xd81", "Cortex-A720"],
  ["0x41:0xd82", "Cortex-X4"],
  ["0x41:0xd83", "Neoverse-V3AE"],
  ["0x41:0xd84", "Neoverse-V3"],
  ["0x41:0xd8e", "Neoverse-N3"],
  // Broadcom
  ["0x42:0x100", "Brahma-B53"],
  ["0x42:0x516", "ThunderX2"],
  // Cavium
  ["0x43:0x0a1", "ThunderX-88XX"],
  ["0x43:0x0af", "ThunderX2-99xx"],
  // HiSilicon
  ["0x48:0xd01", "Kunpeng-920"],
  // NVIDIA
  ["0x4e:0x000", "Denver"],
  ["0x4e:0x003", "Denver 2"],
  ["0x4e:0x004", "Carmel"],
  // Qualcomm
  ["0x51:0x800", "Falkor-V1/Kryo"],
  ["0x51:0x801", "Kryo-V2"],
  ["0x51:0x802", "Kryo-3XX-Gold"],
  ["0x51:0x803", "Kryo-3XX-Silver"],
  ["0x51:0x804", "Kryo-4XX-Gold"],
  ["0x51:0x805", "Kryo-4XX-Silver"],
  // Apple
  ["0x61:0x022", "Icestorm-M1"],
  ["0x61:0x023", "Firestorm-M1"],
  ["0x61:0x032", "Blizzard-M2"],
  ["0x61:0x033", "Avalanche-M2"],
  // Ampere
  ["0xc0:0xac3", "Ampere-1"],
  ["0xc0:0xac4", "Ampere-1a"],
]);

/** The core's name, by both numbers as `/proc/cpuinfo` writes them (`0x41`, `0xd42`); `undefined` for one that is not known. */
export function armCoreName(implementer: string, part: string): string | undefined {
  return CORES.get(`${implementer}:${part}`.toLowerCase());
}
