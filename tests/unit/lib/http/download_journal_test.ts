import assert from "node:assert/strict";
import fc from "fast-check";
import { formatEntry, formatHead, parseJournal } from "../../../../lib/http/download_journal.ts";

const head = fc.record({
  identity: fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
  sizeBytes: fc.nat(),
  segmentBytes: fc.integer({ min: 1 }),
}, { noNullPrototype: true }).filter(({ sizeBytes, segmentBytes }) => sizeBytes / segmentBytes < 1_000_000);
const entries = fc.uniqueArray(
  fc.record({ index: fc.nat(), crc32: fc.nat({ max: 2 ** 32 - 1 }) }, { noNullPrototype: true }),
  {
    selector: ({ index }) => index,
  },
);

Deno.test("parseJournal() reads what was written, and of a torn one all lines that are whole", () => {
  fc.assert(fc.property(head, entries, fc.nat({ max: 20 }), (head, entries, cut) => {
    const text = [formatHead(head), ...entries.map(formatEntry), ""].join("\n");
    assert.deepEqual(parseJournal(text), { head, entries });
    const torn = parseJournal(text.slice(0, text.length - cut));
    const lines = Math.ceil(cut / 18);
    if (lines <= entries.length) assert.deepEqual(torn?.entries, entries.slice(0, entries.length - lines));
    const goneOn = `${text.slice(0, -5)}\n${formatEntry({ index: 3, crc32: 4 })}\n`;
    const added = parseJournal(goneOn)?.entries.find(({ index }) => index === 3);
    if (entries.length > 0) assert.deepEqual(added, { index: 3, crc32: 4 });
  }));
});

Deno.test("parseJournal() takes nothing for a journal that is none", () => {
  const good = { identity: "x", sizeBytes: 1, segmentBytes: 1 };
  const wrong = [
    { v: 2, ...good },
    { v: 1, ...good, segmentBytes: 0 },
    { v: 1, ...good, sizeBytes: -1 },
    [],
    null,
    "x",
  ];
  for (const head of wrong) assert.equal(parseJournal(`${JSON.stringify(head)}\n`), undefined, JSON.stringify(head));
  fc.assert(fc.property(fc.string(), (text) => void parseJournal(text)));
});

Deno.test("parseJournal() takes no head for true that would need more memory than its lines", () => {
  const written = (sizeBytes: number) => `${formatHead({ identity: "x", sizeBytes, segmentBytes: 1024 * 1024 })}\n`;
  assert.equal(parseJournal(written(1024 ** 4))?.head.sizeBytes, 1024 ** 4);
  assert.equal(parseJournal(written(Number.MAX_SAFE_INTEGER)), undefined);
});
