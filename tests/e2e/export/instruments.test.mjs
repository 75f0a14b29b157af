// Exports of type instruments: rows of a capture equal those that this file computes from its replies; also of a recording.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";
import {
  capture,
  jsonLines,
  listening,
  Program,
  tapedeck,
  temporary,
  withoutRecorded,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";
import { parquetRows, query } from "../support/parquet_files.mjs";

const PATHS = {
  "v5-linear": "/v5/public/linear",
  "v5-inverse": "/v5/public/inverse",
  inverse: "/realtime",
};
const V5 = "v5-2026-08-09.jsonl.gz";

/** [category, receive time in s, entry] of each entry in a capture's replies. */
function listed(name) {
  const lines = zlib
    .gunzipSync(fs.readFileSync(capture(name)))
    .toString()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return lines
    .filter((line) => line.t === "http")
    .flatMap((line) => {
      const { category, list } = JSON.parse(line.data).result;
      return list.map((entry) => [category, line.ts, entry]);
    });
}

const number = (text) => (text === undefined || text === "" ? null : Number(text));
const timeOrNull = (ms) => (Number(ms ?? 0) === 0 ? null : Number(ms));

function expected([category, ts, e]) {
  const [lot, price, isSpot] = [e.lotSizeFilter, e.priceFilter, category === "spot"];
  return {
    category,
    symbol: e.symbol,
    symbol_id: e.symbolId,
    contract_type: e.contractType ?? null,
    symbol_type: e.symbolType || null,
    status: e.status,
    base: e.baseCoin,
    quote: e.quoteCoin,
    settle: e.settleCoin ?? null,
    tick: number(price.tickSize),
    min_price: number(price.minPrice),
    max_price: number(price.maxPrice),
    qty_step: number(isSpot ? lot.basePrecision : lot.qtyStep),
    min_qty: isSpot ? null : number(lot.minOrderQty),
    max_qty: number(isSpot ? lot.maxLimitOrderQty : lot.maxOrderQty),
    max_market_qty: number(isSpot ? lot.maxMarketOrderQty : lot.maxMktOrderQty),
    min_notional: number(isSpot ? lot.minOrderAmt : lot.minNotionalValue),
    contract_size: 1,
    launch: timeOrNull(e.launchTime),
    delivery: timeOrNull(e.deliveryTime),
    funding_min: e.fundingInterval ?? null,
    funding_cap: number(e.upperFundingRate),
    funding_floor: number(e.lowerFundingRate),
    phases: e.preListingInfo ? JSON.stringify(e.preListingInfo.phases) : null,
    share_multiplier: number(e.xstockMultiplier),
    raw: JSON.stringify(e),
    valid_from: Math.floor(ts * 1e6),
    valid_to: null,
    seen_before: null,
    feed: "v5-linear",
    request: "http.instruments-info",
  };
}

const plain = (value) => (value === null || typeof value === "string" ? value : Number(value));

async function exported(t, archive, ...more) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--out",
    out,
    "--type",
    "instruments",
    ...more,
  ]);
  return out;
}

test(
  "every column of a capture's 800 contracts and 557 pairs equals the replies",
  { skip: withoutRecorded(V5) },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      "v5-linear",
      capture(V5),
    ]);
    const out = await exported(
      t,
      archive,
      "--format",
      "parquet",
      "--format",
      "sqlite",
      "--format",
      "mcap"
    );
    const want = listed(V5).map(expected);
    assert.deepEqual(
      [want.length, want.filter((row) => row.category === "linear").length],
      [1357, 800]
    );
    const columns = Object.keys(want[0]);
    const times = { launch: 1000, delivery: 1000, valid_from: 1, valid_to: 1, seen_before: 1 };
    const select = columns.map((name) =>
      name in times
        ? `epoch_us(${name}) // ${times[name]}`
        : want.some((row) => typeof row[name] === "number") &&
            name !== "symbol_id" &&
            name !== "funding_min"
          ? `${name}::VARCHAR`
          : name
    );
    const found = await query(
      `SELECT ${select.join(", ")} FROM '${path.join(out, "parquet", "exchange=bybit", "type=instruments", "date=2026-08-09", "part-0.parquet")}'`
    );
    assert.equal(found.length, want.length);
    for (const [k, row] of found.entries())
      assert.deepEqual(
        Object.fromEntries(
          row.map((value, i) => [
            columns[i],
            typeof want[k][columns[i]] === "number" ? Number(value) : plain(value),
          ])
        ),
        want[k]
      );
    const script =
      "import sqlite3, json, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(\"SELECT tick, raw FROM instruments WHERE symbol = 'BTCUSDT' ORDER BY category\").fetchall()))";
    const rows = JSON.parse(
      execFileSync(
        "python3",
        ["-c", script, path.join(out, "sqlite", "messages_2026-08-09.sqlite")],
        { encoding: "utf8" }
      )
    );
    assert.deepEqual(
      rows.map(([tick, raw]) => [tick, JSON.parse(raw).priceFilter.tickSize]),
      [
        ["0.1", "0.10"],
        ["0.1", "0.1"],
      ]
    );
    const dataset = await exported(t, archive, "--format", "parquet", "--type", "trades");
    const [join] = /SELECT t\.\*[^`]+/.exec(fs.readFileSync("docs/export.md", "utf8"));
    assert.deepEqual(
      await query(
        `SELECT symbol, count(*)::INT, min(tick)::VARCHAR::DOUBLE, max(qty_step)::VARCHAR::DOUBLE FROM (${join.replaceAll("DATASET", dataset)}) GROUP BY 1 ORDER BY 1`
      ),
      [
        ["BTCUSDT", 5, 0.1, 0.001],
        ["DOGEUSDT", 2, 0.00001, 1],
        ["ETHUSDT", 10, 0.01, 0.01],
        ["SOLUSDT", 12, 0.01, 0.1],
      ]
    );
    const one = await exported(t, archive, "--format", "parquet", "--symbol", "ETHUSDT");
    assert.deepEqual(
      await query(`SELECT category, symbol FROM '${one}/**/*.parquet' ORDER BY category`),
      [
        ["linear", "ETHUSDT"],
        ["spot", "ETHUSDT"],
      ]
    );
    const none = await tapedeck(
      t,
      [
        "export",
        "-a",
        archive,
        "--out",
        path.join(temporary(t), "out"),
        "--format",
        "parquet",
        "--symbol",
        "NOPE",
      ],
      { status: 4 }
    );
    assert.match(none.stderr, /nothing to export as parquet/);
  }
);

test("instruments of two feeds with the same requests are the same with any number of threads", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear,v5-inverse,inverse", "--symbols", "3", "--rate", "200"],
    dir
  );
  let replies = [];
  const lists = {
    "v5-linear": "/v5/market/instruments-info?category=linear",
    "v5-inverse": "/v5/market/instruments-info?category=linear",
    inverse: "/v2/public/symbols",
  };
  for (const [family, topic] of [
    ["v5-linear", "publicTrade.BTCUSDT"],
    ["v5-inverse", "publicTrade.BTCUSD"],
    ["inverse", "trade.BTCUSD"],
  ]) {
    const recorder = new Recorder(t, archive, [
      sim.url + PATHS[family],
      "--family",
      family,
      "--ca-file",
      sim.ca,
      "--topic",
      topic,
      "--http",
      `list=${sim.url.replace("wss", "https")}${lists[family]}`,
      "--commit-interval",
      "100ms",
    ]);
    const count = replies.length;
    for (
      ;
      replies.length === count;
      replies = await jsonLines(t, ["cat", "-a", archive, "--dir", "http"])
    )
      await recorder.until(recorder.durableLine());
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  }
  const [a, b] = [
    await exported(t, archive, "--format", "parquet", "-j", "1"),
    await exported(t, archive, "--format", "parquet", "-j", "4"),
  ];
  const read = (out) =>
    query(
      `SELECT feed, request, category, symbol, tick::VARCHAR FROM read_parquet('${out}/**/*.parquet', hive_partitioning = false) ORDER BY ALL`
    );
  const want = replies
    .flatMap((reply) => {
      const { result } = JSON.parse(reply.data);
      return (result.list ?? result).map((e) => [
        reply.feed,
        reply.topic,
        result.category ?? (e.quote_currency === "USD" ? "inverse" : "linear"),
        e.symbol ?? e.name,
      ]);
    })
    .sort();
  assert.deepEqual(
    (await read(a)).map((row) => row.slice(0, 4)),
    want
  );
  assert.deepEqual(await read(b), await read(a));
});

test("a recording's instruments have rows for changes, and for instruments that a complete list lacks", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const entry = (symbol, tickSize) => ({
    symbol,
    priceFilter: { tickSize },
    lotSizeFilter: { qtyStep: "1" },
  });
  const lists = [[entry("A", "0.1"), entry("B", "1")], [entry("A", "0.5")]];
  let count = 0;
  let onThirdRequest;
  const asked = new Promise((resolve) => (onThirdRequest = resolve)); // the first two replies are recorded by then
  const server = http.createServer((_, response) => {
    if (count === 2) onThirdRequest();
    response.end(
      JSON.stringify({
        result: { category: "linear", list: lists[Math.min(count++, 1)], nextPageCursor: "" },
      })
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear", "--symbols", "1", "--rate", "100"],
    dir
  );
  const recorder = new Program(t, "tapedeck", [
    "record",
    "-a",
    archive,
    sim.url + PATHS["v5-linear"],
    "--family",
    "v5-linear",
    "--ca-file",
    sim.ca,
    "--topic",
    "publicTrade.BTCUSDT",
    "--http",
    `list@1s=http://127.0.0.1:${server.address().port}/v5/market/instruments-info?category=linear`,
    "--commit-interval",
    "100ms",
  ]);
  await recorder.until(asked);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const times = (await jsonLines(t, ["cat", "-a", archive, "--dir", "http"])).map(
    (row) => row.recv_ns
  );
  assert.ok(times.length >= 2, `${times.length} replies`);
  const out = await exported(t, archive, "--format", "parquet");
  const [file] = fs
    .readdirSync(out, { recursive: true })
    .filter((name) => name.endsWith(".parquet"));
  const found = await parquetRows(path.join(out, file));
  const cells = found.map((row) =>
    ["symbol", "tick", "valid_from", "valid_to", "seen_before"].map((name) => row[name] ?? null)
  );
  assert.deepEqual(
    cells
      .map((row) => row.map((value) => (typeof value === "bigint" ? Number(value) : value)))
      .sort(),
    [
      ["A", 0.1, times[0], times[1], null],
      ["A", 0.5, times[1], null, times[0]],
      ["B", 1, times[0], times[1], null],
    ]
  );
});

/** Lists of other exchanges, as they were recorded: where, [a pattern, how many of how many it chooses, a topic], a row, and
 * the instruments that Nautilus's classes have, by exchange and class. */
const OTHERS = [
  [
    "okx",
    "okx",
    "2022-05-13",
    ["UNI-*", "5 of 783", "trades", "/ws/v5/public"],
    ["BTC-USD-SWAP", "inverse", "live", "BTC", "USD", "0.1", "1", "1"],
    { OKX: { crypto_future: 104, crypto_option: 696, crypto_perpetual: 166, currency_pair: 513 } },
  ],
  [
    "coinbase",
    "coinbase-advanced",
    "2026-08-09",
    ["BTC-*", "6 of 920", "ticker", "/"],
    ["BTC-USD", "spot", "online", "BTC", "USD", "0.01", "0.00000001", "0.00000001"],
    { COINBASE: { currency_pair: 920 } },
  ],
  [
    "deribit",
    "deribit",
    "2021-07-22",
    null,
    ["BTC-PERPETUAL", "inverse", null, "BTC", "USD", "0.5", "10", "10"],
    { DERIBIT: { crypto_future: 18, crypto_option: 980, crypto_perpetual: 19 } },
  ],
  [
    "binance-futures",
    "binance-usdm",
    "2021-07-22",
    ["*", "121 of 122", "aggTrade", "/stream"],
    ["BTCUSDT", "linear", "TRADING", "BTC", "USDT", "0.01", "0.001", "0.001"],
    { BINANCE: { crypto_future: 2, crypto_perpetual: 120 } },
  ],
  ["kraken", "kraken-v1", null, ["*/USD", "59 of 293", "trade", "/"], null],
];
for (const [name, family, date, record, row, nautilus] of OTHERS)
  test(
    `the instruments of ${family} are exported and chosen by patterns`,
    { skip: withoutRecorded(`other/${name}.jsonl.zst`) },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--family",
        family,
        capture(`other/${name}.jsonl.zst`),
      ]);
      if (row !== null) {
        const out = await exported(t, archive, "--format", "parquet");
        const values = [
          "symbol",
          "category",
          "status",
          "base",
          "quote",
          ...["tick", "qty_step", "min_qty"].map((column) => `${column}::VARCHAR`),
        ];
        const [found] = await query(
          `SELECT ${values.join(", ")} FROM '${out}/exchange=${family.split("-")[0]}/type=instruments/date=${date}/part-0.parquet' WHERE symbol = '${row[0]}'`
        );
        assert.deepEqual(
          found.map((value, i) => (i < 5 || value === null ? value : Number(value))),
          row.map((value, i) => (i < 5 || value === null ? value : Number(value)))
        );
        const catalog = path.join(await exported(t, archive, "--format", "nautilus"), "data"),
          counts = {};
        for (const [folder, id] of fs
          .readdirSync(catalog, { recursive: true })
          .map((at) => at.split(path.sep))
          .filter((parts) => parts.length === 2)) {
          const exchange = id.slice(id.lastIndexOf(".") + 1);
          counts[exchange] = {
            ...counts[exchange],
            [folder]: (counts[exchange]?.[folder] ?? 0) + 1,
          };
        }
        assert.deepEqual(counts, nautilus);
        const whole = path.join(dir, "whole"); // with its data: an instrument for each
        await tapedeck(t, ["export", "-q", "-a", archive, "--format", "nautilus", "--out", whole], {
          status: null,
        });
        const ids = (folder) =>
          fs.existsSync(path.join(whole, "data", folder))
            ? fs.readdirSync(path.join(whole, "data", folder))
            : [];
        const known = Object.keys(Object.values(nautilus)[0]).flatMap(ids);
        assert.ok(known.length > 0);
        assert.deepEqual(
          ids("order_book_deltas").filter((id) => !known.includes(id)),
          []
        );
      }
      if (record === null) return;
      const [pattern, chosen, topic, where] = record;
      const served = await listening(t, ["serve", "-a", archive, "--speed", "max"], dir);
      const recorder = new Recorder(t, path.join(dir, "again"), [
        `${served.url}${where}`,
        "--family",
        family,
        "--ca-file",
        served.ca,
        "--topic",
        topic,
        "--symbol",
        pattern,
      ]);
      await recorder.prints(/subscribed to/);
      assert.match(recorder.stderr, new RegExp(`${chosen} listed instruments are chosen`));
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    }
  );
