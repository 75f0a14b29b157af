// Reads a baseline by docs/regress.md, without tapedeck's code.
import fs from "node:fs";

const TRAILER = 32;
const BLOCK_HEAD = 24;
const ROW = 24;

/** The index of a baseline, and its offset. */
export function readIndex(file) {
  const bytes = fs.readFileSync(file);
  const trailer = bytes.subarray(bytes.length - TRAILER);
  if (
    trailer.subarray(24).toString() !== "tdbline1" ||
    bytes.subarray(0, 8).toString() !== "tdbline1"
  )
    throw new Error("no baseline");
  const [at, size] = [trailer.readBigUInt64LE(0), trailer.readBigUInt64LE(8)].map(Number);
  let next = at;
  const take = (count) => bytes.subarray(next, (next += count));
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => take(8).readBigUInt64LE();
  const flag = () => take(1)[0] === 1;
  const text = () => take(u32()).toString();
  const list = (element) => Array.from({ length: u32() }, element);
  const index = {
    canonical: u32(),
    damaged: flag(),
    version: text(),
    decoder: text(),
    archive: text(),
    feeds: list(text),
    topics: list(text),
    symbols: list(text),
  };
  [index.hasFrom, index.from, index.hasTo, index.to] = [flag(), u64(), flag(), u64()];
  index.streams = list(() => ({
    feed: text(),
    topic: text(),
    symbol: text(),
    exchangeTopic: text(),
    frames: Number(u64()),
    blocks: list(() => Number(u64())),
  }));
  if (next !== at + size) throw new Error("the index has another size");
  return { bytes, at, size, index };
}

/** The streams of a baseline: {feed, topic, symbol, exchangeTopic, rows: [{bytes, decode, book}] as BigInts}. */
export function readBaseline(file) {
  const { bytes, index } = readIndex(file);
  const streams = index.streams.map(({ feed, topic, symbol, exchangeTopic, frames, blocks }) => {
    const rows = Array.from({ length: frames }, (_, i) => {
      const at = blocks[Math.floor(i / 1024)] + BLOCK_HEAD + ROW * (i % 1024);
      const [hash, decode, book] = [0, 8, 16].map((k) => bytes.readBigUInt64LE(at + k));
      return { bytes: hash, decode, book };
    });
    return { feed, topic, symbol, exchangeTopic, rows };
  });
  const key = (s) => [s.feed, s.topic, s.symbol, s.exchangeTopic];
  return streams.sort((a, b) => {
    const k = key(a).findIndex((part, i) => part !== key(b)[i]);
    return k < 0 ? 0 : key(a)[k] < key(b)[k] ? -1 : 1;
  });
}
