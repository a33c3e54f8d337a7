import { join } from "node:path";
import { thisProgram } from "../cli/demo/this_program.ts";
import type { SuiteName } from "../lib/crypto/suites.ts";
import { processEnvironment } from "../lib/system/environment.ts";
import { ensureTink } from "../tools/peers/tink.ts";
import { runScript, type Sample, sideBySide, summary } from "./measure.ts";
import { writeRandomFile } from "./random_file.ts";
import { printTable, sampleColumns, sampleRow } from "./report.ts";
import type { Bench, BenchPeers } from "./run.ts";

const COLUMNS = sampleColumns("age");
const STOCK_TINK = join(import.meta.dirname ?? "", "../tools/peers/stock_tink.py");
const SEAL = '"${TALLY[@]}" seal "$PLAIN" --version 1 --publisher-key "$KEYS/release.key" --to "$KEYS/device.key.pub"';
const OPEN = '"${TALLY[@]}" open --device-key "$KEYS/device.key" --publisher-key "$KEYS/release.key.pub"';

/** Sealing and opening a file with both suites, beside age and Tink for Python with the same content. All read and write files. */
export async function benchSeal({ folder, sizeBytes, rounds, peers }: Bench): Promise<void> {
  const variables = await prepare(folder, sizeBytes, peers);
  const sealed = await sideBySide(rounds, {
    copy: () => anew('cp "$PLAIN" "$OUT"; sync -d "$OUT"', '"$OUT"', variables),
    age: () => anew('"$AGE" -r "$RECIPIENT" -o "$BOX/age" "$PLAIN"', '"$BOX/age"', variables),
    tink: () => anew('"$PYTHON" "$STOCK_TINK" encrypt "$CEK" 00 "$PLAIN" "$BOX/tink"', '"$BOX/tink"', variables),
    ...sealers(variables),
  });
  const opened = await sideBySide(rounds, {
    age: () => checked('"$AGE" -d -i "$KEYS/identity" -o "$OUT" "$BOX/age"', variables),
    tink: () => checked('"$PYTHON" "$STOCK_TINK" decrypt "$CEK" 00 "$BOX/tink" "$OUT"', variables),
    "C20P-AGE": () => checked(openScript("C20P-AGE"), variables),
    "A256GCM-HKDF-1M": () => checked(openScript("A256GCM-HKDF-1M"), variables),
  });
  const row = (what: string, samples: readonly Sample[], reference: readonly Sample[]) =>
    sampleRow(what, summary(samples), summary(reference), sizeBytes);
  printTable("seal, file to file", COLUMNS, [
    row("cp and sync", sealed.copy, sealed.age),
    row("age", sealed.age, sealed.age),
    row("Tink for Python", sealed.tink, sealed.age),
    { ...row("tally seal, C20P-AGE", sealed["C20P-AGE"], sealed.age), budget: "≤ 128 MiB" },
    { ...row("tally seal, A256GCM-HKDF-1M", sealed["A256GCM-HKDF-1M"], sealed.age), budget: "≤ 128 MiB" },
  ]);
  printTable("open, file to file", COLUMNS, [
    row("age -d", opened.age, opened.age),
    row("Tink for Python", opened.tink, opened.age),
    { ...row("tally open, C20P-AGE", opened["C20P-AGE"], opened.age), budget: "≤ 128 MiB" },
    { ...row("tally open, A256GCM-HKDF-1M", opened["A256GCM-HKDF-1M"], opened.age), budget: "≤ 128 MiB" },
  ]);
}

function sealers(variables: Record<string, string>): Record<SuiteName, () => Promise<Sample>> {
  return {
    "C20P-AGE": () => anew(sealScript("C20P-AGE"), '"$BOX/C20P-AGE"', variables),
    "A256GCM-HKDF-1M": () => anew(sealScript("A256GCM-HKDF-1M"), '"$BOX/A256GCM-HKDF-1M"', variables),
  };
}

function sealScript(suite: SuiteName): string {
  return withTally(`${SEAL} --out "$BOX/${suite}" --suite ${suite}`);
}

function openScript(suite: SuiteName): string {
  const files = `--small "$BOX/${suite}"/models/*.small --big "$BOX/${suite}"/models/*.big`;
  return withTally(`${OPEN} ${files} --out "$OUT"`);
}

/** The words of our own command line come as lines of one variable. */
function withTally(script: string): string {
  return `mapfile -t TALLY <<< "$TALLY_WORDS"; ${script} 2> /dev/null`;
}

/** Runs a script after what an earlier run of it has made is gone. */
async function anew(script: string, made: string, variables: Record<string, string>): Promise<Sample> {
  await runScript(`rm -rf ${made}`, variables);
  return await runScript(script, variables);
}

/** What comes out must be what went in. */
async function checked(script: string, variables: Record<string, string>): Promise<Sample> {
  const sample = await anew(script, '"$OUT"', variables);
  await runScript('cmp "$OUT" "$PLAIN"', variables);
  return sample;
}

async function prepare(folder: string, sizeBytes: number, peers: BenchPeers): Promise<Record<string, string>> {
  const { program, args, env } = thisProgram(processEnvironment);
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const variables = {
    ...env,
    ...{ PLAIN: join(folder, "plain"), OUT: join(folder, "out"), BOX: join(folder, "box"), KEYS: folder, STOCK_TINK },
    TALLY_WORDS: [program, ...args].join("\n"),
    AGE: peers.age,
    PYTHON: pathOf(await ensureTink()),
    RECIPIENT: await identityToRecipient(identity),
    CEK: "ab".repeat(32),
  };
  await writeRandomFile(variables.PLAIN, sizeBytes);
  await Deno.mkdir(variables.BOX);
  await Deno.writeTextFile(join(folder, "identity"), `${identity}\n`, { mode: 0o600 });
  for (const [kind, name] of [["device", "device.key"], ["publisher", "release.key"]]) {
    await runScript(withTally(`"\${TALLY[@]}" keys new --${kind} --out "$KEYS/${name}"`), variables);
  }
  return variables;
}

function pathOf(peer: { readonly path: string } | { readonly missing: string }): string {
  if ("missing" in peer) throw new Error(`A program that this benchmark needs is missing: ${peer.missing}`);
  return peer.path;
}
