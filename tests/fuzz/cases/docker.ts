import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../../lib/bytes.ts";
import { failure, parseNames } from "../../../lib/docker/docker_cli.ts";
import { parseLoadLine } from "../../../lib/docker/engine_api.ts";
import { jsonAnswer, reasonOf } from "../../../lib/docker/engine_connection.ts";
import { imageFacts } from "../../../lib/docker/image_facts.ts";
import { linesOf } from "../../../lib/docker/lines.ts";
import { refusal } from "../../../lib/docker/refusal.ts";
import { scratchArchive } from "../../../lib/docker/scratch_archive.ts";
import { parsePaxRecords, parseTarHeader, tarEnd, tarHeader, tarPadding } from "../../../lib/docker/tar.ts";
import { collect, streamOf } from "../../../lib/streams.ts";
import { checkedArchive } from "../../../lib/unlock/archive.ts";
import { ImageList } from "../../../lib/unlock/image_list.ts";
import { OciLayout } from "../../../lib/unlock/oci_layout.ts";
import { TarWalk } from "../../../lib/unlock/tar_walk.ts";
import { nearBytes, nearJson, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const NAME = "azaion/flights:1.0";
const LIMIT_BYTES = 1024 * 1024;
const refused = named("DockerError");
const damaged = named("IntegrityError");
const IMAGE = { Id: "sha256:ab", RepoTags: [NAME], Architecture: "arm64", Size: 123 };
const PROGRESS = { status: "Loading layer", id: "ab", progressDetail: { current: 1, total: 2 }, stream: "Loaded" };
const HEX = "cd".repeat(32);

/** Docker's answers, and the archives that are handed to it. */
export async function dockerCases(): Promise<ParserCase[]> {
  const archive = await collect(scratchArchive({ references: [NAME], architecture: "amd64" }), LIMIT_BYTES);
  const oci = await ociArchive();
  return [
    parserCase("parseLoadLine()", ["lib/docker/engine_api.ts", "lib/docker/engine_connection.ts"], nearJson(PROGRESS), {
      parse: parseLoadLine,
      refusal: refused,
      accepted: (said) => assert.equal(said, said.trim()),
    }),
    parserCase("imageFacts()", ["lib/docker/image_facts.ts"], nearJson(IMAGE), {
      parse: (text) => imageFacts(jsonOrUndefined(text)),
      refusal: refused,
      accepted: ({ tags }) => assert.ok(tags.every((tag) => typeof tag === "string")),
    }),
    asyncParserCase("jsonAnswer()", ["lib/docker/engine_connection.ts"], nearJsonBytes({ message: "no such image" }), {
      parse: async (bytes) =>
        reasonOf(await jsonAnswer({ status: 404, headers: new Headers(), body: streamOf(bytes) })),
      refusal: refused,
      accepted: (reason) => assert.equal(typeof reason, "string"),
    }),
    parserCase("parseNames()", ["lib/docker/docker_cli.ts"], nearText(`${NAME}\n<none>:<none>\nb:latest\n`), {
      parse: parseNames,
      accepted: (names) => assert.ok(names.every((name) => name !== "" && !name.includes("\n"))),
    }),
    parserCase(
      "failure() and refusal()",
      ["lib/docker/docker_cli.ts", "lib/docker/refusal.ts"],
      nearText(
        "Error response from daemon: open /var/lib/docker/docker-import-12/x: no\n",
        "Cannot connect to the Docker daemon",
      ),
      {
        parse: (text) => [failure(text), refusal(text)],
        accepted: (errors) => errors.forEach(({ message }) => assert.ok(!message.includes("\n"), "one line")),
      },
    ),
    asyncParserCase("linesOf()", ["lib/docker/lines.ts"], nearBytes(utf8('{"stream":"a"}\r\n\r\n{"stream":"ü"}\n')), {
      parse: (bytes) => Array.fromAsync(linesOf(streamOf(...halves(bytes)))),
      accepted: (lines) => assert.ok(lines.every((line) => line !== "" && line === line.trim())),
    }),
    parserCase("parseTarHeader()", ["lib/docker/tar.ts"], nearBytes(archive.slice(0, 512)).map(block), {
      parse: parseTarHeader,
      refusal: damaged,
      accepted: (header) => assert.ok(header === undefined || Number.isSafeInteger(header.sizeBytes)),
    }),
    parserCase("parsePaxRecords()", ["lib/docker/tar.ts"], nearBytes(utf8("15 path=a/b.txt\n17 size=1234567890\n")), {
      parse: parsePaxRecords,
      refusal: damaged,
      accepted: (records) => assert.ok([...records.keys()].every((name) => !name.includes("="))),
    }),
    parserCase(
      "TarWalk",
      ["lib/unlock/tar_walk.ts", "lib/unlock/image_list.ts"],
      nearBytes(archive, oci).map(resealed),
      {
        parse: (bytes) => {
          const images = new ImageList("amd64");
          const walk = new TarWalk(images);
          for (const half of halves(bytes)) walk.take(half);
          return images.read();
        },
        refusal: damaged,
        accepted: ({ references, addition }) => {
          assert.ok(references.every((reference) => typeof reference === "string"));
          assert.equal(addition.byteLength % 512, 0);
        },
      },
    ),
    asyncParserCase("checkedArchive()", ["lib/unlock/archive.ts"], nearBytes(archive, oci).map(resealed), {
      parse: (bytes) => collect(checkedArchive(streamOf(...halves(bytes)), [NAME]), LIMIT_BYTES),
      refusal: damaged,
      accepted: (passed, input) =>
        assert.ok(passed.byteLength >= input.byteLength, "all of it, and at most a list more"),
    }),
    parserCase(
      "OciLayout",
      ["lib/unlock/oci_layout.ts"],
      nearJsonBytes({
        manifests: [{
          digest: `sha256:${HEX}`,
          annotations: { "io.containerd.image.name": NAME },
          platform: { os: "linux", architecture: "amd64" },
        }],
      }),
      {
        parse: (bytes) => {
          const layout = new OciLayout("amd64");
          layout.take(`blobs/sha256/${HEX}`, bytes.slice());
          return layout.images(bytes);
        },
        refusal: damaged,
      },
    ),
  ];
}

/** In two pieces, so that borders fall anywhere. */
function halves(bytes: Bytes): Bytes[] {
  const middle = Math.floor(bytes.byteLength / 3);
  return [bytes.slice(0, middle), bytes.slice(middle)];
}

function block(bytes: Bytes): Bytes {
  return concat(bytes, new Uint8Array(512)).subarray(0, 512);
}

/** With right checksums in the headers where they were once, so that what is behind them is looked at. */
function resealed(archive: Bytes): Bytes {
  const bytes = archive.slice();
  for (let at = 0; at + 512 <= bytes.byteLength; at += 512) {
    const header = bytes.subarray(at, at + 512);
    if (header[257] !== 0x75 || header[258] !== 0x73) continue; // "ustar"
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.set(utf8(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  }
  return bytes;
}

async function ociArchive(): Promise<Bytes> {
  const descriptor = { mediaType: "x", digest: `sha256:${HEX}`, size: 1 };
  const manifest = utf8(JSON.stringify({ schemaVersion: 2, config: descriptor, layers: [descriptor] }));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", manifest)).toHex();
  const index = utf8(JSON.stringify({
    manifests: [{ digest: `sha256:${digest}`, size: 1, annotations: { "io.containerd.image.name": NAME } }],
  }));
  return concat(
    ...entry("oci-layout", utf8('{"imageLayoutVersion":"1.0.0"}')),
    ...entry("index.json", index),
    ...entry(`blobs/sha256/${digest}`, manifest),
    tarEnd(),
  );
}

function entry(name: string, content: Bytes): Bytes[] {
  return [tarHeader(name, content.byteLength), content, tarPadding(content.byteLength)];
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
