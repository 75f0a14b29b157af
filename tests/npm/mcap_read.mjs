// node mcap_read.mjs stream|indexed|both FILE...: every message as @mcap/core sees it, one line each:
//   topic SP sequence SP logTime SP publishTime SP hex(data)
// then lines "attachment NAME", "metadata NAME", "made TOPIC" (a channel of made snapshots) and "channels N". NODE_PATH is not used by ES modules, so
// packages are taken from build/npm by a require of their own. "both" is each file by either reader.
import { createRequire } from "node:module";
import { promises as fs } from "node:fs";
import path from "node:path";

const root = process.env.TAPEDECK_NPM ?? "build/npm";
const require = createRequire(path.resolve(root, "package.json"));
const { McapStreamReader, McapIndexedReader } = require("@mcap/core");
const { loadDecompressHandlers } = require("@mcap/support");
const { FileHandleReadable } = require("@mcap/nodejs");

const [how, ...files] = process.argv.slice(2);
const decompressHandlers = await loadDecompressHandlers();
const lines = [];
const channels = new Map();

function add(message) {
  const topic = channels.get(message.channelId).topic;
  const data = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength);
  lines.push(
    `${topic} ${message.sequence} ${message.logTime} ${message.publishTime} ${data.toString("hex")}`
  );
}

async function readStream(file) {
  const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
  const names = [];
  reader.append(await fs.readFile(file));
  for (let record; (record = reader.nextRecord()) !== undefined;) {
    if (record.type === "Channel") channels.set(record.id, record);
    if (record.type === "Message") add(record);
    if (record.type === "Attachment") names.push(`attachment ${record.name}`);
    if (record.type === "Metadata") names.push(`metadata ${record.name}`);
  }
  if (!reader.done()) throw new Error("the file is not complete");
  lines.push(...names);
}

async function readIndexed(file) {
  const handle = await fs.open(file, "r");
  const reader = await McapIndexedReader.Initialize({
    readable: new FileHandleReadable(handle),
    decompressHandlers,
  });
  for (const [id, channel] of reader.channelsById) channels.set(id, channel);
  for await (const message of reader.readMessages({ validateCrcs: true })) add(message);
  for await (const attachment of reader.readAttachments())
    lines.push(`attachment ${attachment.name}`);
  for await (const metadata of reader.readMetadata()) lines.push(`metadata ${metadata.name}`);
  await handle.close();
}

const readers = [
  ...(how !== "indexed" ? [readStream] : []),
  ...(how !== "stream" ? [readIndexed] : []),
];
for (const file of files)
  for (const read of readers) {
    channels.clear();
    await read(file);
    for (const { topic, metadata } of channels.values())
      if (metadata.get("made") === "1") lines.push(`made ${topic}`);
    lines.push(`channels ${channels.size}`);
  }
process.stdout.write(lines.join("\n") + "\n");
