// Archives that are made to take much CPU time or to mislead: no verb decompresses a chunk that no recorder would write, and
// every verb reports damage.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  archiveVerbs,
  BIN,
  capture,
  Program,
  run,
  segments,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const CHUNK = 0x06,
  CHANNEL = 0x04,
  MESSAGE = 0x05,
  MAGIC_BYTES = 8,
  PREFIX_BYTES = 9;
const MESSAGE_BYTES = 38 << 20; // a frame has at most 16 MiB, a chunk 40

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const record = (opcode, content) =>
  Buffer.concat([Buffer.from([opcode]), u64(content.length), content]);
const text = (value) => Buffer.concat([u32(value.length), Buffer.from(value)]);

/** As gzip stores it: Node's zlib has crc32 only since version 22. */
function crc32(bytes) {
  const packed = zlib.gzipSync(bytes, { level: 1 });
  return packed.readUInt32LE(packed.length - 8);
}

function chunk(records, ns) {
  const packed = execFileSync("zstd", ["-1", "-c", "-q", "--no-check"], {
    input: records,
    maxBuffer: 64 << 20,
  });
  return record(
    CHUNK,
    Buffer.concat([
      u64(ns),
      u64(ns),
      u64(records.length),
      u32(crc32(records)),
      text("zstd"),
      u64(packed.length),
      packed,
    ])
  );
}

/** An archive with one segment of these chunks; ns: the time of its first message. */
async function archiveOf(t, chunksAt) {
  const archive = path.join(temporary(t), "tape");
  await tapedeck(t, [
    "import",
    "-q",
    "-a",
    archive,
    "--format",
    "cryptofeed",
    "--family",
    "inverse",
    capture(INVERSE),
  ]);
  const file = path.join(archive, segments(archive)[0]),
    bytes = fs.readFileSync(file);
  let at = MAGIC_BYTES;
  while (bytes[at] !== CHUNK) at += PREFIX_BYTES + Number(bytes.readBigUInt64LE(at + 1));
  const ns = bytes.readBigUInt64LE(at + PREFIX_BYTES);
  fs.writeFileSync(file, Buffer.concat([bytes.subarray(0, at), ...chunksAt(ns)]));
  fs.rmSync(path.join(archive, "catalog.sqlite"));
  return archive;
}

test(
  "no verb decompresses sixty chunks with one message above the limit each",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await archiveOf(t, (ns) => {
      const message = record(
        MESSAGE,
        Buffer.concat([Buffer.from([1, 0]), u32(1), u64(ns), u64(ns), Buffer.alloc(MESSAGE_BYTES)])
      );
      return Array(60).fill(chunk(message, ns));
    });
    for (const [words, more] of await archiveVerbs(t)) {
      if (["recover", "reindex", "prune", "note"].includes(words[0])) continue; // they do not read frames
      // Sixty decompressions take more than this second of CPU, which does not depend on load.
      const began = performance.now();
      const { code, stdout, stderr } = await new Program(
        t,
        path.resolve(BIN, "tapedeck"),
        [...words, archive, ...more],
        { under: ["bash", "-c", 'ulimit -t 1; exec "$@"', "-"] }
      ).ended;
      assert.equal(code, 3, `${words}: ${stdout.slice(-500)}${stderr}`);
      t.diagnostic(`${words.join(" ")}: ${((performance.now() - began) / 1000).toFixed(2)} s`);
    }
    assert.match(
      (await run(t, "tapedeck", ["verify", archive, "-v"], { status: 3 })).stdout,
      /chunk-crc: a record of \d+ bytes: limit 16777238/
    );
  }
);

test(
  "a chunk of an absurd size is damage, and so is a channel that is defined twice differently",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const channel = (topic) =>
      record(
        CHANNEL,
        Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(2), text(topic), text("json"), u32(0)])
      );
    const absurd = await archiveOf(t, (ns) => {
      const made = chunk(channel("inverse/trade"), ns);
      made.writeBigUInt64LE(1n << 60n, PREFIX_BYTES + 16);
      return [made];
    });
    for (const verb of ["verify", "replay", "info", "days"])
      await run(t, "tapedeck", [verb, absurd], { status: 3 });
    const twice = await archiveOf(t, (ns) => [
      chunk(Buffer.concat([channel("inverse/trade"), channel("inverse/other")]), ns),
    ]);
    assert.match(
      (await run(t, "tapedeck", ["verify", twice, "-v"], { status: 3 })).stdout,
      /channel 1 is defined again, differently/
    );
  }
);

test("every verb reports once that a folder is not an archive", async (t) => {
  for (const [verb, ...args] of [
    ["cat"],
    ["replay"],
    ["gaps"],
    ["days"],
    ["info"],
    ["verify"],
    ["export", "--format", "parquet", "--out", path.join(temporary(t), "out")],
  ])
    for (const file of ["README.md", temporary(t)]) {
      const { stdout, stderr } = await tapedeck(t, [verb, file, ...args], { status: 2 });
      assert.equal(stdout, "");
      assert.equal(stderr.split("not a tapedeck archive").length, 2, stderr);
      assert.equal(stderr.trimEnd().split("\n").length, 2, stderr);
    }
});
