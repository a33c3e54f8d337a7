import type { HardwareFacts } from "../../lib/hardware/probe.ts";

/** The facts of one machine. */
export const FACTS: HardwareFacts = { cpu: "Cortex-A78AE", gpu: "NVIDIA Orin", memory: "30", driveSerial: "S4EVNX0R" };
