// A baseline as tests read it: by docs/regress.md and without our code.
import fs from "node:fs";

const TRAILER = 32;
const BLOCK_HEAD = 24;
const ROW = 24;

/** The index of a baseline, and where it is. */
export function readIndex(file) {
  const bytes = fs.readFileSync(file);
  const trailer = bytes.subarray(bytes.length - TRAILER);
  if (trailer.subarray(24).toString() !== "tdbline1" || bytes.subarray(0, 8).toString() !== "tdbline1") throw new Error("no baseline");
  const [at, size] = [trailer.readBigUInt64LE(0), trailer.readBigUInt64LE(8)].map(Number);
  return { bytes, at, index: JSON.parse(bytes.subarray(at, at + size).toString()) };
}

/** The streams of a baseline: {feed, topic, symbol, exchangeTopic, rows: [{bytes, decode, book}] as BigInts}. */
export function readBaseline(file) {
  const { bytes, index } = readIndex(file);
  const streams = index.streams.map(({ feed, topic, symbol, exchange_topic: exchangeTopic, frames, blocks }) => {
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
