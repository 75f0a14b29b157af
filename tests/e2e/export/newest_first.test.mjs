// Exports of frames that list the newest trade first, as Coinbase's do: rows of every format, bars and the library are in the order
// of the ids; messages and frames stay as they were received.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { importLines, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { query } from "../support/parquet_files.mjs";
import { installed, pythonWith, scripts, withoutLibrary } from "../support/python_scripts.mjs";

const python = scripts(pythonWith("numpy"));
const START_MS = 1_767_160_812_000;

/** A frame with these trades, each [id, price, ms]. */
function frame(i, type, trades) {
  const time = (ms) => new Date(START_MS + ms).toISOString();
  const event = {
    type,
    trades: trades.map(([id, price, ms]) => ({
      product_id: "BTC-USD",
      trade_id: String(id),
      price,
      size: "2",
      time: time(ms),
      side: "SELL",
    })),
  };
  const data = {
    channel: "market_trades",
    client_id: "",
    timestamp: time(100 * i),
    sequence_num: i,
    events: [event],
  };
  return `{"recv_ns":${START_MS + 100 * i + 50}000000,"data":${JSON.stringify(data)}}`;
}

/** After the reconnection, whose snapshot repeats trades, a frame has trades of two times, two of them at the same time. */
const archived = (t) =>
  importLines(
    t,
    [
      frame(0, "snapshot", [
        [101, "12", -20],
        [100, "11", -30],
        [99, "10", -40],
      ]),
      frame(1, "update", [
        [104, "15", 20],
        [103, "14", 20],
        [102, "13", 10],
      ]),
      frame(2, "snapshot", [
        [106, "17", 120],
        [105, "16", 110],
        [104, "15", 20],
      ]),
      frame(3, "update", [[107, "18", 210]]),
    ],
    { family: "coinbase-advanced" }
  );

const IDS = [99, 100, 101, 102, 103, 104, 105, 106, 107];
const csvRows = (out, type) => {
  const name = fs.readdirSync(out).find((of) => of.includes(`_${type}_`));
  return zlib
    .gunzipSync(fs.readFileSync(path.join(out, name)))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
};

test("rows of every format are in the order of ids", async (t) => {
  const archive = await archived(t);
  const dir = temporary(t);
  const out = async (format, ...more) => {
    const to = path.join(dir, format);
    await tapedeck(t, ["export", "-q", archive, "--format", format, "--out", to, ...more], {
      status: null,
    });
    return to;
  };
  const csv = await out(
    "tardis-csv",
    "--type",
    "trades",
    "--type",
    "bars",
    "--bars",
    "1s",
    "--keep-suspect"
  );
  assert.deepEqual(
    csvRows(csv, "trades").map((row) => Number(row[4])),
    IDS
  );
  assert.deepEqual(
    csvRows(csv, "bars").map((row) => [...row.slice(5, 9), row[11]]),
    [
      ["10", "12", "10", "12", "3"],
      ["13", "18", "13", "18", "6"],
    ]
  );
  const parquet = await out("parquet", "--type", "trades");
  assert.deepEqual(
    (await query(`SELECT trade_id FROM read_parquet('${parquet}/**/*.parquet')`))
      .flat()
      .map(Number),
    IDS
  );
  const nautilus = await out("nautilus", "--type", "trades");
  assert.deepEqual(
    (await query(`SELECT trade_id FROM read_parquet('${nautilus}/**/*.parquet')`))
      .flat()
      .map(Number),
    IDS
  );
  const hft = await out("hftbacktest", "--type", "trades");
  const [name] = fs.readdirSync(hft).filter((of) => of.endsWith(".npz") && !of.includes("_eod"));
  const events = JSON.parse(
    await python("tests/export/hftbacktest.py", "print", path.join(hft, name))
  );
  const prices = events.filter(({ ev }) => (BigInt(ev) >> 30n) & 1n).map(({ px }) => Number(px)); // in the order of the local side
  assert.deepEqual(
    prices,
    IDS.map((id) => id - 89)
  );
  const sqlite = await out("sqlite");
  const [database] = fs.readdirSync(sqlite).filter((of) => of.endsWith(".sqlite"));
  const rows = JSON.parse(
    await python("tests/export/sqlite_rows.py", path.join(sqlite, database), "trades")
  );
  assert.deepEqual(
    rows.map((row) => Number(row.trade_id)),
    [99, 100, 101, 102, 103, 104, 104, 105, 106, 107]
  ); // each recorded entry
  const jsonl = await out("jsonl");
  const [lines] = fs.readdirSync(jsonl).filter((of) => of.endsWith(".jsonl"));
  const messages = fs
    .readFileSync(path.join(jsonl, lines), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    messages
      .filter((m) => m.entries ?? m.trades)
      .flatMap((m) => (m.entries ?? m.trades).map((of) => Number(of.trade_id)))
      .slice(0, 6),
    [101, 100, 99, 104, 103, 102]
  );
});

test(
  "the library's trades and bars are in the order of ids; messages are as received",
  { skip: withoutLibrary },
  async (t) => {
    const archive = await archived(t);
    const script = `
import json, sys, tapedeck
id_of = lambda trade: trade["trade_id"] if hasattr(trade, "dtype") else trade.trade_id # with numpy, or without
with tapedeck.open(sys.argv[1]) as archive:
    ids = [int(id_of(trade)) for trades, _, _ in archive.batches() for trade in trades]
    bars = [[str(v) for v in (b.open, b.high, b.low, b.close, b.count)] for b in archive.bars("BTC-USD", "1s")]
    texts = [m.text.decode() for m in archive.messages()]
print(json.dumps([ids, bars, texts]))`;
    const env = { ...process.env, PYTHONPATH: installed(t) };
    const [ids, bars, texts] = JSON.parse(
      execFileSync("python3", ["-B", "-c", script, archive], { encoding: "utf8", env })
    );
    assert.deepEqual(ids, [99, 100, 101, 102, 103, 104, 104, 105, 106, 107]);
    assert.deepEqual(bars, [
      ["10", "12", "10", "12", "3"],
      ["13", "18", "13", "18", "6"],
    ]); // the repeated trade counts once
    assert.ok(texts[0].indexOf('"101"') < texts[0].indexOf('"99"'));
  }
);
