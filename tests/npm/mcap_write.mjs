// node mcap_write.mjs DIR: files as @mcap/core writes them, for our readers. Each has 200 messages:
// message i on channel "a" (even, json) or "b" (odd, text), sequence i, log time 1,000,000 + 1,000 i,
// publish time one less, data "message i" and i % 50 dots; an attachment and a metadata record.
//   zstd.mcap lz4.mcap stored.mcap noindex.mcap (no message indexes) nosummary.mcap unchunked.mcap
//   padded.mcap (nosummary.mcap with later fields at the end of its attachment, as the specification allows)
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { promises as fs } from "node:fs";
import path from "node:path";

const root = process.env.TAPEDECK_NPM ?? "build/npm";
const require = createRequire(path.resolve(root, "package.json"));
const { McapWriter } = require("@mcap/core");
const { FileHandleWritable } = require("@mcap/nodejs");
const zstd = require("@foxglove/wasm-zstd");

await zstd.isLoaded;
const dir = process.argv[2];
const compressChunk = (data) => ({
  compression: "zstd",
  compressedData: zstd.compress(data),
});
const FILES = {
  "zstd.mcap": { chunkSize: 1000, compressChunk },
  // The lz4 program writes the frame format that MCAP names; @mcap/core has no compressor.
  "lz4.mcap": {
    chunkSize: 1000,
    compressChunk: (data) => ({ compression: "lz4", compressedData: execFileSync("lz4", ["-q", "-z", "-c"], { input: data }) }),
  },
  "stored.mcap": { chunkSize: 1000 },
  "noindex.mcap": { chunkSize: 1000, compressChunk, useMessageIndex: false },
  "nosummary.mcap": {
    chunkSize: 1000,
    useStatistics: false,
    useSummaryOffsets: false,
    repeatChannels: false,
    repeatSchemas: false,
    useChunkIndex: false,
    useAttachmentIndex: false,
    useMetadataIndex: false,
  },
  "unchunked.mcap": { useChunks: false },
};

async function write(name, options) {
  const handle = await fs.open(path.join(dir, name), "w");
  const writer = new McapWriter({ writable: new FileHandleWritable(handle), ...options });
  await writer.start({ profile: "", library: "mcap_write" });
  const schemaId = await writer.registerSchema({
    name: "S",
    encoding: "jsonschema",
    data: Buffer.from('{"type":"object"}'),
  });
  const a = await writer.registerChannel({
    schemaId,
    topic: "a",
    messageEncoding: "json",
    metadata: new Map([["note", "hello"]]),
  });
  const b = await writer.registerChannel({
    schemaId: 0,
    topic: "b",
    messageEncoding: "text",
    metadata: new Map(),
  });
  for (let i = 0; i < 200; i++) {
    const logTime = 1000000n + 1000n * BigInt(i);
    await writer.addMessage({
      channelId: i % 2 === 0 ? a : b,
      sequence: i,
      logTime,
      publishTime: logTime - 1n,
      data: Buffer.from(`message ${i}${".".repeat(i % 50)}`),
    });
  }
  await writer.addAttachment({
    name: "a.txt",
    mediaType: "text/plain",
    logTime: 1n,
    createTime: 2n,
    data: Buffer.from("attached"),
  });
  await writer.addMetadata({ name: "m", metadata: new Map([["k", "v"]]) });
  await writer.end();
  await handle.close();
}

const ATTACHMENT = 0x09;
const DATA_END = 0x0f;
const PADDING = Buffer.from([1, 2, 3, 4, 5]);

/** Append bytes to the content of each attachment. The data section has no CRC then: 0. */
async function pad(from, to) {
  const bytes = await fs.readFile(path.join(dir, from));
  const parts = [bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length - 8; ) {
    const end = at + 9 + Number(bytes.readBigUInt64LE(at + 1));
    const record = Buffer.from(bytes.subarray(at, end));
    if (record[0] === DATA_END) record.writeUInt32LE(0, 9);
    if (record[0] === ATTACHMENT) record.writeBigUInt64LE(BigInt(record.length - 9 + PADDING.length), 1);
    parts.push(record);
    if (record[0] === ATTACHMENT) parts.push(PADDING);
    at = end;
  }
  parts.push(bytes.subarray(bytes.length - 8));
  await fs.writeFile(path.join(dir, to), Buffer.concat(parts));
}

for (const [name, options] of Object.entries(FILES)) await write(name, options);
await pad("nosummary.mcap", "padded.mcap");
