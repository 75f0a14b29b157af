// A type reads the topics that give its rows, and those that show losses of these. What others say is not of its dataset.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { filesBelow, importLines, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";

const BEGIN_MS = 1_795_630_280_000 - (1_795_630_280_000 % 60_000);
const SYMBOL = "BTCUSDT";

const frame = (at, data) => ({ recv_ns: `${BEGIN_MS + at + 5}000000`, conn: 0, data });
let trades = 0;
const trade = (at) =>
  frame(at, {
    topic: `publicTrade.${SYMBOL}`,
    type: "snapshot",
    ts: BEGIN_MS + at,
    data: [
      { T: BEGIN_MS + at, s: SYMBOL, S: "Buy", v: "1", p: "100", i: `t${++trades}`, seq: trades },
    ],
  });
const candle = (at, volume) => {
  const start = BEGIN_MS + at - (at % 60_000);
  const kline = {
    start,
    end: start + 59_999,
    interval: "1",
    open: "100",
    high: "100",
    low: "100",
    close: "100",
    volume: String(volume),
    turnover: String(100 * volume),
    confirm: false,
    timestamp: BEGIN_MS + at,
  };
  return frame(at, {
    topic: `kline.1.${SYMBOL}`,
    type: "snapshot",
    ts: BEGIN_MS + at,
    data: [kline],
  });
};
const book = (at, type, u) =>
  frame(at, {
    topic: `orderbook.50.${SYMBOL}`,
    type,
    ts: BEGIN_MS + at,
    data: { s: SYMBOL, b: [["99", String(u)]], a: [["101", "1"]], u, seq: 1000 + u },
    cts: BEGIN_MS + at,
  });

/** A book that lacks its update 3, and trades; with isLost the candles count a trade that is not there. */
const framesOf = (isLost) => [
  candle(1000, 5),
  trade(2000),
  book(3000, "snapshot", 1),
  book(3100, "delta", 2),
  book(3200, "delta", 4),
  trade(60_100),
  candle(60_200, 1),
  trade(60_300),
  candle(60_400, 2),
  trade(60_500),
  candle(60_600, isLost ? 3.5 : 3),
  trade(60_700),
  trade(60_800),
];

/** Export a type. Returns the status, the manifest, and the CSV files by name. */
async function dataset(t, archive, ...types) {
  const out = path.join(temporary(t), "out");
  const options = types.flatMap((type) => ["--type", type]);
  const { code } = await tapedeck(
    t,
    ["export", "-q", archive, "--format", "tardis-csv", ...options, "--out", out],
    { status: null }
  );
  const read = (name) => fs.readFileSync(path.join(out, name));
  const names = filesBelow(out);
  const manifest = JSON.parse(read(names.find((name) => name.startsWith("MANIFEST."))));
  const files = names.filter((name) => name.endsWith(".csv.gz"));
  return { code, manifest, files: Object.fromEntries(files.map((name) => [name, read(name)])) };
}

const archiveOf = (t, frames) => importLines(t, frames, { family: "v5-linear" });

test("a type reads the topics that it needs", async (t) => {
  const archive = await archiveOf(t, framesOf(false));
  const all = await dataset(t, archive, "trades", "incremental_book_L2");
  const ofTrades = await dataset(t, archive, "trades");
  const ofBooks = await dataset(t, archive, "incremental_book_L2");
  assert.equal(all.manifest.totals.frames, 13);
  assert.equal(ofTrades.manifest.totals.frames, 10, "trades and candles");
  assert.equal(ofBooks.manifest.totals.frames, 3);
  assert.deepEqual({ ...ofTrades.files, ...ofBooks.files }, all.files, "the same files");
  assert.deepEqual([all.code, ofTrades.code, ofBooks.code], [1, 0, 1], "a book lacks an update");
});

test("losses that another topic shows are found", async (t) => {
  const archive = await archiveOf(t, framesOf(true));
  const { code, manifest } = await dataset(t, archive, "trades");
  assert.equal(code, 1);
  assert.deepEqual(
    manifest.found_gaps.map((gap) => gap.topic),
    ["publicTrade"]
  );
});

test("a type without a topic is nothing to export", async (t) => {
  const books = framesOf(false).filter(({ data }) => data.topic.startsWith("orderbook"));
  const archive = await archiveOf(t, books);
  const out = path.join(temporary(t), "out");
  const options = ["--format", "tardis-csv", "--type", "trades", "--out", out];
  const { stderr } = await tapedeck(t, ["export", "-q", archive, ...options], { status: 4 });
  assert.match(stderr, /has nothing to export as tardis-csv/);
  assert.match(stderr, /topics for --type incremental_book_L2/);
});
