// Frames with entries of several instruments: each entry is exported under its own, in all formats and bars. The frames are made
// up here, in the form of the exchanges' documentation.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { json, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { AT_S, imported } from "../support/frames_by_second.mjs";
import { query } from "../support/parquet_files.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";

const AT_MS = AT_S * 1000;

/** The rows of each symbol's CSV file of a type, without the exchange. */
function rowsOf(out, type) {
  const dir = path.join(out, "tardis-csv"),
    found = {};
  for (const name of fs
    .readdirSync(dir)
    .filter((n) => n.includes(`_${type}_`))
    .sort()) {
    const [head, ...rows] = zlib
      .gunzipSync(fs.readFileSync(path.join(dir, name)))
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.split(","));
    const symbol = name.replace(/^.*_\d{4}-\d\d-\d\d_|\.csv\.gz$/g, "");
    found[symbol] = rows.map((row) => Object.fromEntries(head.map((key, i) => [key, row[i]])));
    assert.ok(
      found[symbol].every((row) => row.symbol === symbol),
      name
    );
  }
  return found;
}

/** Ids of trades and counts of bars by symbol, in each format. */
async function check(t, { archive, out }, expected, status) {
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--format",
      "parquet",
      "--format",
      "sqlite",
      "--bars",
      "1m",
      "--keep-suspect",
      "--out",
      out,
    ],
    { status }
  );
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(rowsOf(out, "trades")).map(([symbol, rows]) => [
        symbol,
        rows.map(({ id }) => id),
      ])
    ),
    expected
  );
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(rowsOf(out, "bars")).map(([symbol, rows]) => [
        symbol,
        rows.reduce((sum, { count }) => sum + Number(count), 0),
      ])
    ),
    Object.fromEntries(Object.entries(expected).map(([symbol, ids]) => [symbol, ids.length]))
  );
  const parquet = await query(
    `SELECT symbol, trade_id FROM read_parquet('${out}/parquet/*/type=trades/*/*.parquet') ORDER BY ALL`
  );
  assert.deepEqual(
    parquet,
    Object.entries(expected)
      .sort()
      .flatMap(([symbol, ids]) => ids.map((id) => [symbol, id]))
  );
}

/** A selection by symbol has the trades of this symbol alone in Python, whatever else is in their frames; bars are of one topic. */
function checkLibrary(t, archive, symbol, expected, topic, ofTopic) {
  if (withoutLibrary) return;
  const script = `import json, sys, tapedeck
with tapedeck.open(sys.argv[1]) as tape:
    trades = tape.trades(symbol=sys.argv[2])
    print(json.dumps([[row["symbol"], row["trade_id"].decode()] for row in trades] if hasattr(trades, "dtype") else [[row.symbol, row.trade_id.decode()] for row in trades]))
    print(json.dumps(sum(bar.count for bar in tape.bars(sys.argv[2], "1m", topic=sys.argv[3]))))`;
  const env = { ...process.env, PYTHONPATH: installed(t) };
  const [rows, count] = execFileSync("python3", ["-B", "-c", script, archive, symbol, topic], {
    env,
  })
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows,
    expected.map((id) => [symbol, id])
  );
  assert.equal(count, ofTopic);
}

const frame = (channel, data) => ({
  jsonrpc: "2.0",
  method: "subscription",
  params: { channel, data },
});
const trade = (instrument_name, trade_seq, trade_id) => ({
  trade_seq,
  trade_id,
  timestamp: AT_MS,
  tick_direction: 0,
  price: 100.5,
  mark_price: 100,
  instrument_name,
  index_price: 100,
  direction: "buy",
  amount: 10,
});

test("Deribit: topics of a kind have the trades of their instruments", async (t) => {
  const tape = await imported(t, "deribit", [
    frame("trades.future.BTC.100ms", [
      trade("BTC-PERPETUAL", 1, "1"),
      trade("BTC-25DEC26", 7, "2"),
    ]),
    frame("trades.option.any.raw", [trade("BTC-25DEC26-50000-C", 3, "3")]),
    frame("trades.any.any.100ms", [trade("ETH-PERPETUAL", 8, "4")]),
    frame("trades.BTC-PERPETUAL.raw", [trade("BTC-PERPETUAL", 2, "5")]),
  ]);
  await check(
    t,
    tape,
    {
      "BTC-25DEC26": ["2"],
      "BTC-25DEC26-50000-C": ["3"],
      "BTC-PERPETUAL": ["5"], // its own topic has them
      "ETH-PERPETUAL": ["4"],
    },
    0
  );
  const one = path.join(temporary(t), "one");
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    tape.archive,
    "--symbol",
    "BTC-PERPETUAL",
    "--format",
    "tardis-csv",
    "--format",
    "parquet",
    "--out",
    one,
  ]);
  assert.deepEqual(
    Object.entries(rowsOf(one, "trades")).map(([symbol, rows]) => [
      symbol,
      rows.map(({ id }) => id),
    ]),
    [["BTC-PERPETUAL", ["5"]]]
  );
  checkLibrary(t, tape.archive, "BTC-PERPETUAL", ["1", "5"], "trades.future.*", 1);
});

test("Deribit: books of the best levels are topics of their own, and grouped prices are in no dataset", async (t) => {
  const level = {
    timestamp: AT_MS,
    instrument_name: "BTC-PERPETUAL",
    change_id: 5,
    bids: [[100, 1]],
    asks: [[101, 2]],
  };
  const grouped = {
    ...level,
    bids: [
      [95, 9],
      [90, 9],
    ],
    asks: [[105, 9]],
  };
  const { archive, out } = await imported(t, "deribit", [
    frame("book.BTC-PERPETUAL.none.20.100ms", level),
    frame("book.BTC-PERPETUAL.5.20.100ms", grouped),
    frame("book.BTC-PERPETUAL.5.1.100ms", grouped),
  ]);
  const { topics } = await json(t, ["info", "-a", archive, "--json"]);
  assert.deepEqual(topics.map(({ topic }) => topic).sort(), [
    "book.5.1.100ms",
    "book.5.20.100ms",
    "book.none.20.100ms",
  ]);
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--format",
      "parquet",
      "--type",
      "book_snapshot_5",
      "--out",
      out,
    ],
    { status: null }
  );
  const rows = rowsOf(out, "book_snapshot_5");
  assert.deepEqual(Object.keys(rows), ["BTC-PERPETUAL"]);
  assert.deepEqual(
    [
      rows["BTC-PERPETUAL"].length,
      rows["BTC-PERPETUAL"][0]["bids[0].price"],
      rows["BTC-PERPETUAL"][0]["asks[0].amount"],
    ],
    [1, "100", "2"]
  );
  // Not even when nothing else was recorded.
  const alone = await imported(t, "deribit", [
    frame("book.BTC-PERPETUAL.5.20.100ms", grouped),
    frame("book.BTC-PERPETUAL.5.1.100ms", grouped),
  ]);
  await tapedeck(
    t,
    [
      ...["export", "-q", "-a", alone.archive, "--format", "tardis-csv", "--format", "parquet"],
      ...["--format", "hftbacktest", "--bbo", "--bars", "1m", "--out", alone.out],
    ],
    { status: null }
  );
  const files = fs.existsSync(alone.out)
    ? fs
        .readdirSync(alone.out, { recursive: true })
        .filter((name) => /\.(gz|parquet|npz)$/.test(name))
    : [];
  assert.deepEqual(files, []);
  // They are decoded, and their books are followed.
  const report = await json(t, ["replay", alone.archive, "--json"], { status: null });
  assert.equal(report.decoded, 2, JSON.stringify(report));
  if (withoutLibrary) return;
  const script = `import sys, tapedeck
for archive in sys.argv[1:]:
    with tapedeck.open(archive) as tape:
        book = tape.book_at("BTC-PERPETUAL", "2026-09-21T15:00Z")
        print(book and book.topic)
        print(tape.book_at("BTC-PERPETUAL", "2026-09-21T15:00Z", topic="book.5.20.100ms").is_grouped)`;
  const env = { ...process.env, PYTHONPATH: installed(t) };
  assert.deepEqual(
    execFileSync("python3", ["-B", "-c", script, archive, alone.archive], { env })
      .toString()
      .trim()
      .split("\n"),
    ["book.none.20.100ms", "True", "None", "True"]
  );
});

test("Coinbase: a frame with trades of two products", async (t) => {
  const at = new Date(AT_MS).toISOString();
  const sold = (product_id, trade_id) => ({
    trade_id,
    product_id,
    price: "10.5",
    size: "1",
    side: "BUY",
    time: at,
  });
  const sent = (sequence_num, ...events) => ({
    channel: "market_trades",
    client_id: "",
    timestamp: at,
    sequence_num,
    events: events.map((trades) => ({ type: "update", trades })),
  });
  const tape = await imported(t, "coinbase-advanced", [
    sent(0, [sold("BTC-USD", "11"), sold("ETH-USD", "21")]),
    sent(1, [sold("BTC-USD", "12")], [sold("ETH-USD", "22")]),
    sent(2, [sold("ETH-USD", "23")]),
  ]);
  await check(t, tape, { "BTC-USD": ["11", "12"], "ETH-USD": ["21", "22", "23"] }, null);
  checkLibrary(t, tape.archive, "BTC-USD", ["11", "12"], "market_trades", 2);
  const one = path.join(temporary(t), "one");
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      tape.archive,
      "--symbol",
      "BTC-USD",
      "--type",
      "trades",
      "--format",
      "tardis-csv",
      "--format",
      "parquet",
      "--out",
      one,
    ],
    { status: null }
  );
  assert.deepEqual(
    Object.entries(rowsOf(one, "trades")).map(([symbol, rows]) => [
      symbol,
      rows.map(({ id }) => id),
    ]),
    [["BTC-USD", ["11", "12"]]]
  );
  // A selection by symbol lacks what another product's frames have of it, which the report shows.
  const { continuity } = await json(t, ["replay", "-a", tape.archive, "--json"], { status: null });
  assert.equal(continuity.by_rule.symbol_matches, 2);
});

test("Coinbase: no book is trusted after a frame with levels of two products, until its next snapshot", async (t) => {
  const at = new Date(AT_MS).toISOString();
  const levels = (type, product_id, price_level, new_quantity) => ({
    type,
    product_id,
    updates: [
      { side: "bid", event_time: at, price_level, new_quantity },
      { side: "offer", event_time: at, price_level: "200", new_quantity },
    ],
  });
  const sent = (sequence_num, ...events) => ({
    channel: "l2_data",
    client_id: "",
    timestamp: at,
    sequence_num,
    events,
  });
  const { archive, out } = await imported(t, "coinbase-advanced", [
    sent(0, levels("snapshot", "BTC-USD", "100", "1")),
    sent(1, levels("snapshot", "ETH-USD", "10", "1")),
    sent(2, levels("update", "ETH-USD", "11", "1")),
    sent(3, levels("update", "BTC-USD", "101", "1"), levels("update", "ETH-USD", "11", "0")),
    sent(4, levels("update", "ETH-USD", "9", "1")),
    sent(5, levels("update", "BTC-USD", "99", "1")),
  ]);
  const { gaps } = await json(t, ["gaps", "-a", archive, "--json"], { status: null });
  assert.deepEqual(
    gaps.map(({ reason, topic, symbol, cause }) => [reason, topic, symbol, cause]),
    [
      ["sequence", "level2", null, "symbol_matches"],
      ["sequence", "level2", "BTC-USD", "conn_dense"],
      ["sequence", "level2", "ETH-USD", "conn_dense"],
    ]
  );
  for (const symbol of ["BTC-USD", "ETH-USD"]) {
    const replayed = await json(t, ["replay", "-a", archive, "--symbol", symbol, "--json"], {
      status: null,
    });
    assert.equal(replayed.verdict, "incomplete", symbol);
    assert.deepEqual(
      replayed.books.map(({ broken }) => broken),
      [true],
      symbol
    );
  }
  const { days } = await json(t, ["days", "-a", archive, "--json"], { status: null });
  assert.ok(days.length === 2 && days.every((day) => day.clean_percent < 50), JSON.stringify(days));
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--symbol",
      "ETH-USD",
      "--format",
      "tardis-csv",
      "--type",
      "incremental_book_L2",
      "--out",
      path.join(path.dirname(out), "tardis-csv"),
    ],
    { status: 1 }
  );
  assert.deepEqual(
    rowsOf(path.dirname(out), "incremental_book_L2")["ETH-USD"].map(({ price }) => price),
    ["200", "10", "200", "11"]
  );
  if (withoutLibrary) return;
  const script = `import json, sys, tapedeck
with tapedeck.open(sys.argv[1]) as tape: print(json.dumps([book.suspect for book in tape.books(5, symbol="ETH-USD")]))`;
  const env = { ...process.env, PYTHONPATH: installed(t) };
  assert.deepEqual(JSON.parse(execFileSync("python3", ["-B", "-c", script, archive], { env })), [
    false,
    false,
    true,
  ]);
});
