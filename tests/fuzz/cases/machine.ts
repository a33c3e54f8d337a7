import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, utf8 } from "../../../lib/bytes.ts";
import { auditLine, EMPTY_HEAD, parseAuditLine } from "../../../lib/audit/audit_line.ts";
import { DEVICE_KEY_FILE } from "../../../lib/device/device_key.ts";
import { TRUST_FILE } from "../../../lib/device/enrolment.ts";
import { FLOORS_FILE } from "../../../lib/device/floors.ts";
import { parseState } from "../../../lib/device/state_folder.ts";
import { hardwareJson } from "../../../lib/hardware/collect.ts";
import { cpuName, firstFields } from "../../../lib/hardware/cpu.ts";
import { parseFacts } from "../../../lib/hardware/facts_file.ts";
import { memoryGib } from "../../../lib/hardware/memory.ts";
import { printable } from "../../../lib/hardware/system_tree.ts";
import { mayConnect } from "../../../lib/http/address_guard.ts";
import { digestOf, readHeader, verifySums } from "../../../lib/updates/release.ts";
import { makePublisher, shippedFile } from "../../support/signed_release.ts";
import { nearBytes, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase, readsBack } from "../parser_case.ts";

const wrong = named("ConfigurationError");
const CPUINFO = "processor\t: 0\nmodel name\t: ARMv8\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n\nprocessor\t: 1\n";
const MEMINFO = "MemTotal:       32149032 kB\nMemFree: 1 kB\n";
const FACTS = { cpu: "Cortex-A78AE", gpu: "NVIDIA Orin", memory: "30", driveSerial: "S1" };
const PROGRAM = "tally-device-aarch64";
const BASE64 = "A".repeat(43);
const SLOTS = ["cpu", "gpu", "memory", "driveSerial"].map((without) => ({ without, salt: BASE64, wrapped: BASE64 }));
const FLOORS = { v: 1, clockMs: 1_800_000_000_000, seq: { "https://api.example.com models/a": 7 } };
const PUBLISHER = { kid: BASE64, name: "vendor", publicX: BASE64 };
const TRUST = {
  v: 1,
  apis: { "https://api.example.com": { kid: BASE64, state: "approved", publishers: [PUBLISHER] } },
};

/** Hardware facts, the device's own state, audit lines, updates, addresses. */
export async function machineCases(): Promise<ParserCase[]> {
  const event = { action: "load", who: "ada@example.com", from: "127.0.0.1", result: "ok", resource: "models/ü" };
  const { text: line } = auditLine(EMPTY_HEAD, event, 1_800_000_000_000);
  const { publicKeyPem, sign } = await makePublisher();
  const { sums, signature } = await sign(PROGRAM, shippedFile(PROGRAM, "1.0.0"));
  return [
    parserCase(
      "cpuName() and memoryGib()",
      ["lib/hardware/cpu.ts", "lib/hardware/memory.ts"],
      nearText(CPUINFO, MEMINFO),
      {
        parse: (text) => [cpuName(text), memoryGib(text), firstFields(text).get("MemTotal") ?? ""],
        accepted: ([, memory]) => assert.match(memory ?? "", /^\d*$/),
      },
    ),
    parserCase(
      "printable()",
      ["lib/hardware/system_tree.ts"],
      nearBytes(utf8("raspberrypi,5-model-b\0brcm,bcm2712\0")),
      {
        parse: printable,
        // deno-lint-ignore no-control-regex -- they are what must not be there
        accepted: (text) => assert.ok(!/[\x00-\x08\x7f]/.test(text)),
      },
    ),
    parserCase("parseFacts()", ["lib/hardware/facts_file.ts"], nearJsonBytes(FACTS), {
      parse: (bytes) => parseFacts("f", bytes),
      refusal: wrong,
      accepted: readsBack((bytes: Bytes) => parseFacts("f", bytes), (facts) => utf8(hardwareJson(facts))),
    }),
    parserCase(
      "the floors of a device",
      ["lib/device/floors.ts", "lib/device/state_folder.ts"],
      nearJsonBytes(FLOORS),
      {
        parse: (bytes) => parseState("floors.json", bytes, FLOORS_FILE),
        refusal: wrong,
        accepted: ({ seq, clockMs }) => {
          assert.ok(clockMs >= 0 && Number.isFinite(clockMs));
          assert.ok(Object.values(seq).every((floor) => Number.isSafeInteger(floor) && floor >= 0));
        },
      },
    ),
    parserCase("the enrolment of a device", ["lib/device/enrolment.ts"], nearJsonBytes(TRUST), {
      parse: (bytes) => parseState("trust.json", bytes, TRUST_FILE),
      refusal: wrong,
      accepted: ({ apis }) => {
        for (const { publishers } of Object.values(apis)) {
          for (const { publicX } of publishers) assert.match(publicX, /^[A-Za-z0-9_-]{43}$/);
        }
      },
    }),
    parserCase(
      "the key file of a device",
      ["lib/device/device_key.ts", "lib/device/fact_wrap.ts"],
      nearJsonBytes({ v: 1, publicX: BASE64, wrapped: { iterations: 600_000, slots: SLOTS, sealed: BASE64 } }),
      {
        parse: (bytes) => parseState("device_key.json", bytes, DEVICE_KEY_FILE),
        refusal: wrong,
        accepted: ({ publicX, wrapped: { slots } }) => {
          assert.equal(slots.length, 4);
          assert.match(publicX, /^[A-Za-z0-9_-]{43}$/);
        },
      },
    ),
    parserCase("parseAuditLine()", ["lib/audit/audit_line.ts"], nearText(line), {
      parse: parseAuditLine,
      accepted: (value, input) => assert.ok(value === undefined || input === line, "nothing but what was written"),
    }),
    parserCase("digestOf()", ["lib/updates/release.ts"], nearBytes(sums), {
      parse: (bytes) => digestOf(bytes, PROGRAM),
      refusal: named("IntegrityError"),
      accepted: (digest) => assert.match(digest, /^[0-9a-f]{64}$/),
    }),
    asyncParserCase("verifySums()", ["lib/updates/release.ts"], fc.tuple(nearBytes(sums), nearBytes(signature)), {
      parse: async ([bytes, mark]) => void await verifySums(bytes, mark, publicKeyPem),
      refusal: named("IntegrityError"),
      accepted: (_value, [bytes]) => assert.deepEqual(bytes, sums),
    }),
    asyncParserCase("verifySums() with any key", ["lib/updates/release.ts"], nearText(publicKeyPem), {
      parse: (pem) => verifySums(sums, signature, pem),
      refusal: named("IntegrityError", "ConfigurationError"),
    }),
    parserCase("readHeader()", ["lib/updates/release.ts"], nearBytes(shippedFile(PROGRAM, "1.10.0").slice(0, 256)), {
      parse: readHeader,
      accepted: (found) => assert.ok(found === undefined || /^\d+\.\d+\.\d+$/.test(found.version)),
    }),
    parserCase(
      "mayConnect()",
      ["lib/http/address_guard.ts"],
      nearText(
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1%eth0",
        "10.0.0.1",
        "[::1]",
        "2002:7f00:1::",
        "8.8.8.8",
      ),
      {
        parse: (address) => ["public", "private", "loopback"].map((reach) => mayConnect(address, reach as "public")),
        accepted: ([isPublic, isPrivate, isLoopback], address) => {
          assert.ok(!isPublic || isPrivate, "what is allowed more narrowly is allowed more widely");
          assert.ok(!isPrivate || isLoopback);
          if (/^(0*:)*:?(ffff:)?169\.254\./i.test(address)) assert.ok(!isLoopback, "link-local never");
        },
      },
    ),
  ];
}
