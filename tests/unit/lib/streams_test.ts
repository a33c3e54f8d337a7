import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../../lib/bytes.ts";
import { TooLargeError } from "../../../lib/errors.ts";
import {
  byteReader,
  type ByteStream,
  byteStream,
  collect,
  joinStreams,
  streamOf,
  untilAborted,
  watched,
} from "../../../lib/streams.ts";

const chunks = fc.array(fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)), { maxLength: 12 });

/** A stream that cannot be read into a buffer of the reader's. */
function plainStream(parts: readonly Bytes[]): ByteStream {
  return ReadableStream.from(parts.map((part) => part.slice()));
}

const KINDS: Readonly<Record<string, (parts: readonly Bytes[]) => ByteStream>> = {
  "a byte stream": (parts) => streamOf(...parts),
  "a plain stream": plainStream,
};

for (const [kind, open] of Object.entries(KINDS)) {
  Deno.test(`byteReader() of ${kind} reads exactly what is asked for, less only at the end, then nothing`, async () => {
    await fc.assert(fc.asyncProperty(chunks, fc.array(fc.integer({ min: 1, max: 50 })), async (parts, sizes) => {
      const whole = concat(...parts);
      const reader = byteReader(open(parts));
      let offset = 0;
      for (const size of [...sizes, whole.byteLength + 1, 1, 1]) {
        const piece = await reader.read(size);
        assert.deepEqual(piece, whole.slice(offset, offset + size));
        offset += piece.byteLength;
      }
    }));
  });

  Deno.test(`byteReader() of ${kind} does not wait for more than it must have`, async () => {
    const reader = byteReader(open([utf8("ab"), utf8("cd"), utf8("ef")]));
    assert.deepEqual(await reader.read(100, 3), utf8("abcd"));
    assert.deepEqual(await reader.read(1, 1), utf8("e"));
    assert.deepEqual(await reader.read(100, 50), utf8("f"));
    assert.deepEqual(await reader.read(100, 1), new Uint8Array(0));
  });

  Deno.test(`byteReader() of ${kind} gives a buffer of the caller's own`, async () => {
    const reader = byteReader(open([utf8("abcdef")]));
    const first = await reader.read(3);
    first.fill(0);
    assert.deepEqual(await reader.read(3), utf8("def"));
    await reader.cancel();
  });

  Deno.test(`byteReader() of ${kind} cancels its source`, async () => {
    const reader = byteReader(open([utf8("abcdef")]));
    await reader.read(1);
    await reader.cancel(new Error("enough"));
  });
}

Deno.test("byteReader() gives the buffer of a read at the end back, however large, and does not leave it to the garbage collector", async () => {
  const [sizeBytes, streams] = [8 * 1024 * 1024, 20];
  const before = Deno.memoryUsage().external;
  for (let count = 0; count < streams; count++) {
    assert.equal((await byteReader(streamOf()).read(sizeBytes)).byteLength, 0);
  }
  assert.ok(Deno.memoryUsage().external - before < 2 * sizeBytes);
});

Deno.test("byteReader() does not take a locked stream for a plain one", () => {
  const stream = streamOf(utf8("a"));
  stream.getReader();
  assert.throws(() => byteReader(stream), TypeError);
});

Deno.test("collect() gives the whole stream, up to its limit and not a byte more", async () => {
  assert.deepEqual(await collect(streamOf(utf8("ab"), utf8("c")), 3), utf8("abc"));
  let cancelled = false;
  const stream = byteStream(() => Promise.resolve(utf8("abcd")), () => void (cancelled = true));
  await assert.rejects(
    collect(stream, 3, "The answer"),
    (error) =>
      error instanceof TooLargeError && error.limitBytes === 3 && error.message === "The answer is larger than 3 bytes",
  );
  assert.ok(cancelled, "the source must be cancelled");
});

Deno.test("byteStream() leaves empty pieces out and makes one piece at a time", async () => {
  const pieces = [utf8("a"), new Uint8Array(0), utf8("b")];
  let made = 0;
  const stream = byteStream(() => {
    made++;
    return Promise.resolve(pieces.shift());
  });
  assert.equal(made, 0, "nothing is made before somebody reads");
  const reader = stream.getReader();
  assert.deepEqual((await reader.read()).value, utf8("a"));
  assert.equal(made, 1);
  assert.deepEqual((await reader.read()).value, utf8("b"));
  assert.equal((await reader.read()).done, true);
});

const CANCELS: Readonly<Record<string, () => Promise<void> | void>> = {
  "works": () => {},
  "throws": () => {
    throw new Error("cancel");
  },
  "rejects": () => Promise.reject(new Error("cancel")),
};

for (const [how, cancel] of Object.entries(CANCELS)) {
  Deno.test(`byteStream() fails with the error of its source when giving the source back ${how}`, async () => {
    let cancelled = 0;
    const stream = byteStream(() => Promise.reject(new Error("source")), () => {
      cancelled++;
      return cancel();
    });
    await assert.rejects(stream.getReader().read(), /^Error: source$/);
    assert.equal(cancelled, 1);
  });
}

Deno.test("byteStream() tells its source once, and why, when the reader gives up", async () => {
  const reasons: unknown[] = [];
  const stream = byteStream(() => Promise.resolve(utf8("a")), (reason) => void reasons.push(reason));
  const reader = stream.getReader();
  await reader.read();
  await reader.cancel("enough");
  assert.deepEqual(reasons, ["enough"]);
});

Deno.test("streamOf() leaves the bytes that it was given alone", async () => {
  const bytes = utf8("abc");
  await collect(streamOf(bytes), 3);
  assert.deepEqual(bytes, utf8("abc"));
});

Deno.test("joinStreams() gives the first part and then the stream, whatever the sizes", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array(), chunks, async (first, parts) => {
    const head = new Uint8Array(first);
    const joined = await collect(joinStreams(head, streamOf(...parts)), 10_000);
    assert.deepEqual(joined, concat(head, ...parts));
  }));
});

Deno.test("joinStreams() cancels the stream behind it", async () => {
  const reasons: unknown[] = [];
  const second = byteStream(() => Promise.resolve(utf8("b")), (reason) => void reasons.push(reason));
  await joinStreams(utf8("a"), second).cancel("enough");
  assert.deepEqual(reasons, ["enough"]);
});

Deno.test("untilAborted() gives a stream up that has nothing to give, and tells its source", async () => {
  for (const mode of ["byob", undefined] as const) {
    const stop = new AbortController();
    let told: unknown;
    const source: ByteStream = new ReadableStream({
      type: "bytes",
      pull: () => new Promise<void>(() => {}),
      cancel: (reason) => void (told = reason),
    });
    const stream = untilAborted(source, stop.signal);
    const reading = mode === "byob" ? byteReader(stream).read(10) : stream.getReader().read();
    const reason = new Error("asked to stop");
    stop.abort(reason);
    await assert.rejects(reading, reason);
    assert.equal(told, reason);
  }
});

Deno.test("untilAborted() gives every byte while nobody aborts, and none after", async () => {
  const bytes = await collect(untilAborted(streamOf(utf8("ab"), utf8("c")), new AbortController().signal), 10);
  assert.deepEqual(bytes, utf8("abc"));
  const aborted = untilAborted(streamOf(utf8("ab")), AbortSignal.abort(new Error("stop")));
  await assert.rejects(collect(aborted, 10), /stop/);
});

Deno.test("watched() shows each chunk before it leaves and the end before the reader hears of it", async () => {
  const seen: string[] = [];
  const watcher = {
    look: (chunk: Bytes) => void seen.push(new TextDecoder().decode(chunk)),
    end: () => void seen.push("end"),
  };
  assert.deepEqual(await collect(watched(streamOf(utf8("a"), utf8("b")), watcher), 2), utf8("ab"));
  assert.deepEqual(seen, ["a", "b", "end"]);
});

Deno.test("watched() fails the stream with the watcher's error, drops it and cancels the source", async () => {
  const seen: unknown[] = [];
  const source = byteStream(() => Promise.resolve(utf8("a")), () => void seen.push("cancelled"));
  const stream = watched(source, {
    look() {
      throw new Error("bad chunk");
    },
    drop: () => void seen.push("dropped"),
  });
  await assert.rejects(collect(stream, 10), /bad chunk/);
  assert.deepEqual(seen, ["dropped", "cancelled"]);
});

Deno.test("watched() fails the stream when the watcher refuses its end", async () => {
  const stream = watched(streamOf(utf8("a")), {
    look: () => {},
    end() {
      throw new Error("bad end");
    },
  });
  const reader = stream.getReader();
  await reader.read();
  await assert.rejects(reader.read(), /bad end/);
});
