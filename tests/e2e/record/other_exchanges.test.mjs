// Recordings of other exchanges than Bybit, which are documents only: each is imported and decoded without an unknown member, its
// books are as this file makes them of the same frames, and it is cut, served and exported as it was received.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import {
  capture,
  compareTruth,
  eventually,
  importLines,
  json,
  listening,
  parseLines,
  tapedeck,
  temporary,
  withoutRecorded,
} from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { sha1 } from "../support/level_book.mjs";

const { WebSocket } = npm("ws");
const OKX = "other/okx.jsonl.zst",
  DERIBIT = "other/deribit.jsonl.zst",
  BINANCE = "other/binance-futures.jsonl.zst",
  KRAKEN = "other/kraken.jsonl.zst",
  COINBASE = "other/coinbase.jsonl.zst";

const frames = async (t, archive, ...more) =>
  parseLines((await tapedeck(t, ["cat", "-a", archive, "--dir", "in", ...more])).stdout)
    .filter((row) => row.opcode === undefined)
    .map((row) => ({ ...row, json: JSON.parse(row.data) }));

/** Books of OKX by its documentation: a snapshot replaces the book; size 0 deletes a level. */
function okxBooks(received) {
  const books = {};
  for (const {
    json: { arg, action, data },
  } of received) {
    if (arg?.channel !== "books" || data === undefined) continue;
    if (action === "snapshot") books[arg.instId] = { Buy: new Map(), Sell: new Map() };
    for (const [side, levels] of [
      ["Buy", data[0].bids],
      ["Sell", data[0].asks],
    ])
      for (const [price, size] of levels)
        Number(size) === 0
          ? books[arg.instId][side].delete(Number(price))
          : books[arg.instId][side].set(Number(price), Number(size));
  }
  return books;
}

/** Books of Deribit: each level is [action, price, amount]. */
function deribitBooks(received) {
  const books = {};
  for (const {
    json: { params },
  } of received) {
    if (!params?.channel?.startsWith("book.")) continue;
    const { type, instrument_name, bids, asks } = params.data;
    if (type === "snapshot") books[instrument_name] = { Buy: new Map(), Sell: new Map() };
    for (const [side, levels] of [
      ["Buy", bids],
      ["Sell", asks],
    ])
      for (const [action, price, amount] of levels)
        action === "delete"
          ? books[instrument_name][side].delete(price)
          : books[instrument_name][side].set(price, amount);
  }
  return books;
}

/** Books of Binance: the reply to an HTTP request is the snapshot; events of which it has the last id are ignored. Levels beyond the
 * edge of a side that has as many as were asked for are unknown. */
function binanceBooks(received) {
  const books = {},
    updates = {},
    last = {},
    edges = {};
  const apply = (book, levels) => {
    for (const [side, changes] of [
      ["Buy", levels.b],
      ["Sell", levels.a],
    ])
      for (const [price, size] of changes)
        Number(size) === 0
          ? book[side].delete(Number(price))
          : book[side].set(Number(price), Number(size));
  };
  for (const { symbol, topic, json } of received) {
    if (topic !== "depth@100ms") continue;
    if (json.lastUpdateId === undefined) {
      (updates[symbol] ??= []).push(json.data);
      if (books[symbol] === undefined || json.data.u <= last[symbol]) continue;
      assert.ok(
        json.data.pu === last[symbol] ||
          json.data.U <= last[symbol] + 1 ||
          json.data.pu < last[symbol],
        symbol
      );
      apply(books[symbol], json.data);
      last[symbol] = json.data.u;
      continue;
    }
    const edge = (levels, none) =>
      [5, 10, 20, 50, 100, 500, 1000].includes(levels.length) ? Number(levels.at(-1)[0]) : none;
    edges[symbol] = { Buy: edge(json.bids, 0), Sell: edge(json.asks, Infinity) };
    books[symbol] = { Buy: new Map(), Sell: new Map() };
    apply(books[symbol], { b: json.bids, a: json.asks });
    last[symbol] = json.lastUpdateId;
    for (const update of updates[symbol].filter(({ u }) => u > json.lastUpdateId))
      (apply(books[symbol], update), (last[symbol] = update.u));
  }
  for (const [symbol, { Buy, Sell }] of Object.entries(books)) {
    for (const price of [...Buy.keys()]) if (price < edges[symbol].Buy) Buy.delete(price);
    for (const price of [...Sell.keys()]) if (price > edges[symbol].Sell) Sell.delete(price);
  }
  return books;
}

/** Books of Kraken: frames are lists; clients keep the best 1000 levels of each side. */
function krakenBooks(received) {
  const books = {};
  const shortest = (text) => text.replace(/\.?0+$/, ""); // a number of JavaScript would be written as 1e-8
  for (const { json } of received) {
    if (!Array.isArray(json) || json.at(-2) !== "book-1000") continue;
    for (const part of json.slice(1, -2)) {
      if (part.as !== undefined) books[json.at(-1)] = { Buy: new Map(), Sell: new Map() };
      const book = books[json.at(-1)];
      for (const [side, levels] of [
        ["Buy", part.bs ?? part.b ?? []],
        ["Sell", part.as ?? part.a ?? []],
      ])
        for (const [price, size] of levels)
          Number(size) === 0
            ? book[side].delete(shortest(price))
            : book[side].set(shortest(price), shortest(size));
    }
    for (const [side, order] of [
      ["Buy", -1],
      ["Sell", 1],
    ]) {
      const book = books[json.at(-1)];
      for (const price of [...book[side].keys()].sort((a, b) => order * (a - b)).slice(1000))
        book[side].delete(price);
    }
  }
  return books;
}

/** Books of Coinbase: a snapshot replaces the book; quantity 0 deletes a level. */
function coinbaseBooks(received) {
  const books = {};
  for (const {
    json: { channel, events },
  } of received) {
    if (channel !== "l2_data") continue;
    for (const { type, product_id, updates } of events) {
      if (type === "snapshot") books[product_id] = { Buy: new Map(), Sell: new Map() };
      for (const { side, price_level, new_quantity } of updates) {
        const levels = books[product_id][side === "bid" ? "Buy" : "Sell"];
        Number(new_quantity) === 0
          ? levels.delete(price_level)
          : levels.set(price_level, new_quantity);
      }
    }
  }
  return books;
}

const ALL = [
  ["OKX", "okx", OKX, 392, okxBooks],
  ["Deribit", "deribit", DERIBIT, 135, deribitBooks],
  ["Binance", "binance-usdm", BINANCE, 1539, binanceBooks],
  ["Kraken", "kraken-v1", KRAKEN, 4305, krakenBooks],
  ["Coinbase", "coinbase-advanced", COINBASE, 1000, coinbaseBooks],
];
for (const [name, family, file, decoded, model] of ALL)
  test(
    `${name}: a recording is decoded, and its books are as a model makes them`,
    { skip: withoutRecorded(file) },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      await tapedeck(t, ["import", "-q", "-a", archive, "--family", family, capture(file)]);
      const report = await json(t, ["replay", "-a", archive, "--json"]);
      assert.deepEqual(
        [report.decoded, report.undecoded, report.unknown_fields, report.continuity.violations],
        [decoded, 0, 0, 0]
      );
      assert.deepEqual((await json(t, ["drift", "-a", archive, "--json"])).findings, []);
      const books = model(await frames(t, archive));
      // A best bid and ask is a book of its own, of one level a side.
      const best = report.books.filter(({ topic }) => topic === "bookTicker");
      for (const { bids, asks, broken } of best)
        assert.deepEqual([bids, asks, broken], [1, 1, false]);
      const deep = report.books.filter((book) => !best.includes(book));
      assert.deepEqual(
        deep.map(({ symbol, broken }) => [symbol, broken]),
        Object.keys(books)
          .sort()
          .map((symbol) => [symbol, false])
      );
      for (const { symbol, bids, asks, levels_sha1 } of deep) {
        assert.deepEqual([books[symbol].Buy.size, books[symbol].Sell.size], [bids, asks], symbol);
        assert.equal(sha1(books[symbol]), levels_sha1, symbol);
      }
    }
  );

/** What frames of 2021 and 2022 prove; OKX's books had no numbers then. */
const PROOFS = {
  okx: { books: "warned", tickers: "unverifiable", trades: "unverifiable" },
  deribit: { "book.raw": "proven", "ticker.raw": "unverifiable", "trades.raw": "unverifiable" },
  "binance-usdm": {
    aggTrade: "proven",
    bookTicker: "unverifiable",
    "depth@100ms": "proven",
    kline_1m: "unverifiable",
  },
  "kraken-v1": { "book-1000": "warned", ticker: "unverifiable", trade: "unverifiable" },
  "coinbase-advanced": {
    candles: "proven",
    level2: "proven",
    market_trades: "proven",
    ticker: "proven",
  },
};
for (const [name, family, file] of ALL)
  test(
    `${name}: each topic proves as much as its frames do`,
    { skip: withoutRecorded(file) },
    async (t) => {
      const archive = path.join(temporary(t), "tape");
      await tapedeck(t, ["import", "-q", "-a", archive, "--family", family, capture(file)]);
      const { days } = await json(t, ["days", "-a", archive, "--json"], { status: null });
      assert.deepEqual(
        Object.fromEntries(
          days.flatMap((day) => day.topics.map(({ topic, proof }) => [topic, proof]))
        ),
        PROOFS[family]
      );
    }
  );

const FORMATS = ["tardis-csv", "jsonl", "hftbacktest", "parquet", "nautilus", "sqlite", "mcap"];

/** Books at the end of Tardis' files of incremental books, by symbol. */
function booksOfCsv(dir) {
  const books = {};
  for (const name of fs.readdirSync(dir).filter((one) => one.includes("_incremental_book_L2_"))) {
    let wasSnapshot = false;
    for (const line of zlib
      .gunzipSync(fs.readFileSync(path.join(dir, name)))
      .toString()
      .trimEnd()
      .split("\n")
      .slice(1)) {
      const [, symbol, , , isSnapshot, side, price, amount] = line.split(",");
      if (isSnapshot === "true" && !wasSnapshot)
        books[symbol] = { Buy: new Map(), Sell: new Map() };
      wasSnapshot = isSnapshot === "true";
      const levels = books[symbol][side === "bid" ? "Buy" : "Sell"];
      Number(amount) === 0 ? levels.delete(price) : levels.set(price, amount);
    }
  }
  return books;
}

for (const [name, family, file, , model] of ALL)
  test(
    `${name}: a recording is exported in every format, and the books of its CSV files are the model's`,
    { skip: withoutRecorded(file) },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape"),
        at = (format) => path.join(dir, format);
      await tapedeck(t, ["import", "-q", "-a", archive, "--family", family, capture(file)]);
      for (const format of FORMATS) {
        await tapedeck(t, ["export", "-q", "-a", archive, "--format", format, "--out", at(format)]);
        assert.ok(fs.readdirSync(at(format)).length > 1, format); // one is the manifest
      }
      // A book that was empty throughout has no rows.
      const books = Object.fromEntries(
        Object.entries(model(await frames(t, archive))).filter(
          ([, { Buy, Sell }]) => Buy.size + Sell.size > 0
        )
      );
      const found = booksOfCsv(at("tardis-csv"));
      assert.deepEqual(Object.keys(found).sort(), Object.keys(books).sort());
      for (const symbol of Object.keys(books))
        assert.equal(sha1(found[symbol]), sha1(books[symbol]), symbol);
      const ids = fs.readdirSync(path.join(at("nautilus"), "data", "order_book_deltas"));
      const kind = family === "binance-usdm" ? "-PERP" : "";
      const exchange = family.split("-")[0].toUpperCase();
      assert.deepEqual(
        ids.sort(),
        Object.keys(books)
          .map((symbol) => `${symbol.replace("/", "%2F")}${kind}.${exchange}`)
          .sort()
      );
    }
  );

/** An archive of a recording without one of its frames. */
async function withoutFrame(t, family, file, isGone, at = 20) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, "--family", family, capture(file)]);
  const all = await frames(t, archive);
  const gone = all.filter(isGone)[at];
  const left = all.filter((frame) => frame !== gone).map(({ json, ...row }) => row);
  return importLines(t, left, { archive: path.join(dir, "lost"), family });
}

test(
  "Deribit: a frame that was taken out of the recording is found by the number of the frame before",
  { skip: withoutRecorded(DERIBIT) },
  async (t) => {
    const lost = await withoutFrame(
      t,
      "deribit",
      DERIBIT,
      ({ json }) => json.params?.channel === "book.BTC-24SEP21-8000-P.raw"
    );
    const { continuity } = await json(t, ["replay", "-a", lost, "--json"], { status: 1 });
    assert.deepEqual(continuity.by_rule, { prev_links: 1 });
    assert.deepEqual(
      [continuity.first.topic, continuity.first.symbol],
      ["book.raw", "BTC-24SEP21-8000-P"]
    );
  }
);

test(
  "Binance: a lost update of a book is found by the id of the one before, a lost trade by its number",
  { skip: withoutRecorded(BINANCE) },
  async (t) => {
    for (const [topic, by_rule, at] of [
      ["depth@100ms", { prev_links: 1 }, 30],
      ["aggTrade", { id_dense: 1 }, 20],
    ]) {
      const lost = await withoutFrame(
        t,
        "binance-usdm",
        BINANCE,
        (row) => row.topic === topic && row.symbol === "SUSHIUSDT",
        at
      );
      const { continuity } = await json(t, ["replay", "-a", lost, "--json"], { status: 1 });
      assert.deepEqual(continuity.by_rule, by_rule);
      assert.deepEqual([continuity.first.topic, continuity.first.symbol], [topic, "SUSHIUSDT"]);
    }
  }
);

test(
  "Binance: a served recording has the snapshots that a client asks for, and its books become the recording's",
  { skip: withoutRecorded(BINANCE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--family",
      "binance-usdm",
      capture(BINANCE),
    ]);
    const { books } = await json(t, ["replay", "-a", archive, "--json"]);
    const server = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--once", "--speed", "5"],
      dir
    );
    const client = new WebSocket(`${server.url}/stream`),
      base = server.url.replace("ws:", "http:");
    const received = [],
      of = (symbol) => received.filter((row) => row.symbol === symbol);
    let isAnswered = false;
    client.on("message", (data) => {
      const json = JSON.parse(String(data));
      if (json.stream !== undefined)
        return received.push({ topic: "depth@100ms", symbol: json.data.s, json });
      assert.deepEqual(json, { result: null, id: 1 });
      return (isAnswered = true);
    });
    const post = (command) => fetch(`${base}/control/${command}`, { method: "POST" });
    const closed = once(client, "close");
    await once(client, "open");
    await post("pause");
    client.send(
      JSON.stringify({
        method: "SUBSCRIBE",
        params: ["sushiusdt@depth@100ms", "ctkusdt@depth@100ms"],
        id: 1,
      })
    );
    await eventually(
      "the tape plays",
      async () =>
        isAnswered && (await (await fetch(`${base}/control/status`)).json()).tapes.length > 0,
      server.program
    );
    // A client asks when it has the first updates, which is before the recorder had its snapshots.
    for (let asked = 0; asked < 2;) {
      const before = received.length;
      await post("step");
      await eventually("the next update", () => received.length > before, server.program);
      const { symbol } = received.at(-1);
      if (of(symbol).length !== 5) continue;
      const reply = await (await fetch(`${base}/fapi/v1/depth?symbol=${symbol}&limit=1000`)).json();
      received.push({ topic: "depth@100ms", symbol, json: reply });
      asked++;
    }
    await post("resume");
    await closed;
    const made = binanceBooks(received);
    for (const symbol of ["SUSHIUSDT", "CTKUSDT"])
      assert.equal(
        sha1(made[symbol]),
        books.find((book) => book.symbol === symbol && book.topic === "depth@100ms").levels_sha1,
        symbol
      );
  }
);

test(
  "OKX: a frame that was taken out of the recording is found by the books' checksum",
  { skip: withoutRecorded(OKX) },
  async (t) => {
    const lost = await withoutFrame(
      t,
      "okx",
      OKX,
      ({ json }) => json.arg?.instId === "BTC-USDT" && json.action === "update"
    );
    const { continuity } = await json(t, ["replay", "-a", lost, "--json"], { status: 1 });
    assert.deepEqual(continuity.by_rule, { checksum: 1 });
    assert.deepEqual(
      [continuity.first.topic, continuity.first.symbol, continuity.first.rule],
      ["books", "BTC-USDT", "checksum"]
    );
  }
);

// They share a path with another family, so they are not in the session of all families.
test(
  "Coinbase: a lost frame of any kind is a gap of the connection, and its books are not trusted after it",
  { skip: withoutRecorded(COINBASE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--family",
      "coinbase-advanced",
      capture(COINBASE),
    ]);
    const all = parseLines((await tapedeck(t, ["cat", "-a", archive])).stdout);
    const number = (row) => (row.dir === "in" ? JSON.parse(row.data).sequence_num : undefined);
    for (const [kind, isGone] of [
      [
        "an update of a book",
        (row) => row.topic === "level2" && row.symbol === "BTC-USD" && number(row) > 400,
      ],
      ["a trade", (row) => row.topic === "market_trades" && number(row) > 400],
      [
        "a heartbeat",
        (row) =>
          row.dir === "in" && row.data.startsWith('{"channel":"heartbeats"') && number(row) > 400,
      ],
    ]) {
      const lost = path.join(dir, kind),
        gone = all.find(isGone);
      // Ordinals that have a hole would say that the frame was received.
      const left = all.filter((row) => row !== gone).map(({ ordinal, ...row }) => row);
      await importLines(t, left, { archive: lost, family: "coinbase-advanced" });
      const { gaps } = await json(t, ["gaps", "-a", lost, "--json"], { status: null });
      assert.deepEqual(
        gaps.map(({ reason, topic, cause, frames_lost, origin }) => [
          reason,
          topic,
          cause,
          frames_lost,
          origin,
        ]),
        [
          ["sequence", null, "conn_dense", 1, "exchange"],
          ["sequence", "level2", "conn_dense", null, "exchange"],
          ["sequence", "level2", "conn_dense", null, "exchange"],
        ],
        kind
      );
      assert.ok(
        BigInt(gaps[0].from_ns) < BigInt(gone.recv_ns) &&
          BigInt(gaps[0].to_ns) > BigInt(gone.recv_ns),
        kind
      );
      const report = await json(t, ["replay", "-a", lost, "--json"], { status: 1 });
      assert.equal(report.continuity.violations, 0); // no frame of a topic breaks a rule
      const merged = path.join(dir, `${kind}, merged`);
      await tapedeck(t, ["merge", "-q", archive, lost, "--out", merged]);
      const both = (await json(t, ["gaps", "-a", merged, "--json"], { status: null })).gaps;
      // Rows of the books last until the end, which rounded times put after the other archive's.
      assert.deepEqual(
        both
          .filter(({ topic }) => topic === null)
          .map(({ reason, covered_by }) => [reason, covered_by]),
        [["sequence", "line 0"]],
        kind
      );
      const days = await json(t, ["days", "-a", lost, "--json"], { status: null });
      const doubtful = days.days
        .flatMap(({ topics }) => topics)
        .filter(({ topic, degraded_ns }) => topic === "level2" && Number(degraded_ns) > 0);
      assert.equal(doubtful.length, 2, JSON.stringify(days));
    }
  }
);

test(
  "Coinbase: a served recording is numbered for each client, which lists what it has",
  { skip: withoutRecorded(COINBASE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--family",
      "coinbase-advanced",
      capture(COINBASE),
    ]);
    const server = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--once", "--speed", "max"],
      dir
    );
    const client = new WebSocket(server.url);
    const got = [];
    client.on("message", (data) => got.push(String(data)));
    await once(client, "open");
    const ask = (type, channel, ...product_ids) =>
      client.send(JSON.stringify({ type, product_ids, channel }));
    ask("subscribe", "level2", "ETH-USD");
    ask("subscribe", "heartbeats");
    ask("subscribe", "level2", "NO-NO");
    ask("subscribe", "market_trades", "ETH-USD");
    await once(client, "close");
    const all = got.map((text) => JSON.parse(text));
    const numbered = all.filter(({ type }) => type !== "error");
    assert.equal(numbered.length, all.length - 1);
    assert.deepEqual(
      numbered.map(({ sequence_num }) => sequence_num),
      numbered.map((_, i) => i)
    );
    assert.deepEqual(
      all
        .filter(({ channel }) => channel === "subscriptions")
        .map(({ events }) => events[0].subscriptions),
      [{ level2: ["ETH-USD"] }, { level2: ["ETH-USD"], market_trades: ["ETH-USD"] }]
    );
    assert.equal(all.filter(({ channel }) => channel === "heartbeats").length, 1);
    const plain = (text) => text.replace(/"sequence_num":\d+/, "");
    const sent = (await frames(t, archive, "--topic", "level2", "--symbol", "ETH-USD")).map(
      ({ data }) => plain(data)
    );
    assert.deepEqual(got.filter((text) => text.includes('"l2_data"')).map(plain), sent);
  }
);

test(
  "Coinbase: a client that joins a book late gets a snapshot in the exchange's form, and ends with the recording's book",
  { skip: withoutRecorded(COINBASE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--family",
      "coinbase-advanced",
      capture(COINBASE),
    ]);
    const { books } = await json(t, ["replay", "-a", archive, "--json"]);
    const server = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--once", "--speed", "4"],
      dir
    );
    const client = new WebSocket(server.url);
    const received = [];
    client.on("message", (data) => {
      if (received.push({ json: JSON.parse(String(data)) }) === 60)
        client.send(
          JSON.stringify({ type: "subscribe", product_ids: ["ETH-USD"], channel: "level2" })
        );
    });
    await once(client, "open");
    client.send(
      JSON.stringify({ type: "subscribe", product_ids: ["BTC-USD", "ETH-USD"], channel: "ticker" })
    );
    await once(client, "close");
    const [
      {
        json: {
          events: [{ type, updates }],
        },
      },
    ] = received.filter(({ json: { channel } }) => channel === "l2_data");
    const sides = updates.map(({ side }) => side),
      prices = updates
        .filter(({ side }) => side === "bid")
        .map(({ price_level }) => Number(price_level));
    assert.deepEqual(
      [type, [...new Set(sides)], sides.lastIndexOf("bid") < sides.indexOf("offer")],
      ["snapshot", ["bid", "offer"], true]
    );
    assert.ok(prices.every((price, i) => i === 0 || price < prices[i - 1]));
    assert.equal(
      sha1(coinbaseBooks(received)["ETH-USD"]),
      books.find(({ symbol }) => symbol === "ETH-USD").levels_sha1
    ); // texts are as the exchange's
  }
);

test("Coinbase: a frame that the simulator loses is a gap, and the books are asked for again", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    "coinbase-advanced",
    "--symbols",
    "2",
    "--rate",
    "100",
    "--seed",
    "7",
    "--time-scale",
    "60",
    "--fault",
    "drop@150",
  ]);
  const asked = ["level2", "market_trades", "ticker", "candles", "ticker_batch"].flatMap(
    (topic) => ["--topic", `${topic}.BTC-USD`, "--topic", `${topic}.ETH-USD`]
  );
  const recorder = new Recorder(t, archive, [
    `${server.url}/`,
    "--ca-file",
    server.ca,
    "--family",
    "coinbase-advanced",
    ...asked,
  ]);
  await recorder.prints(/subscribed to 10 of 10/);
  for (const symbol of ["BTC-USD", "ETH-USD"])
    await recorder.prints(new RegExp(`level2\\.${symbol}: whole again`));
  const whole = recorder.durable.get("coinbase-advanced|1|0|0")?.in ?? 0;
  await recorder.durableLine((durable) => durable.in > whole + 100);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.equal((await server.program.kill("SIGTERM")).code, 0);
  const truth = await compareTruth(t, archive, server.truth);
  assert.ok(
    truth.equal &&
      truth.matched > 100 &&
      truth.marks > 0 &&
      truth.marks === truth.marks_equal &&
      truth.trades.compared > 20 &&
      truth.candles.compared > 5,
    JSON.stringify(truth)
  );
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(
    [
      report.undecoded,
      report.unknown_fields,
      report.continuity.violations,
      report.books.map(({ broken }) => broken),
    ],
    [0, 0, 0, [false, false]]
  );
  const { gaps } = await json(t, ["gaps", "-a", archive, "--json"], { status: null });
  assert.deepEqual(
    gaps.map(({ topic, symbol, frames_lost }) => `${topic} ${symbol} ${frames_lost}`).sort(),
    ["level2 BTC-USD null", "level2 ETH-USD null", "null null 1"]
  );
  assert.ok(
    gaps.every(
      ({ reason, cause, to_ns }) =>
        reason === "sequence" && cause === "conn_dense" && to_ns !== null
    )
  );
});

for (const [family, url, symbol, topics] of [
  ["binance-spot", "/stream", "BTCUSDT", ["depth@100ms", "aggTrade", "bookTicker", "kline_1m"]],
  ["bitstamp", "/", "btcusd", ["diff_order_book", "live_trades"]],
  ["kraken-v2", "/v2", "BTC/USD", ["book-10", "trade", "ticker-trades", "ohlc.1"]],
])
  test(`${family}: what the simulator sends is recorded, decoded and followed`, async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const server = await simulator(t, dir, [
      "--families",
      family,
      "--symbols",
      "2",
      "--rate",
      "100",
      "--seed",
      "7",
    ]);
    const asked = topics.flatMap((topic) => ["--topic", `${topic}.${symbol}`]);
    const recorder = new Recorder(t, archive, [
      server.url + url,
      "--ca-file",
      server.ca,
      "--family",
      family,
      ...asked,
    ]);
    await recorder.prints(new RegExp(`subscribed to ${topics.length} of ${topics.length}`));
    await recorder.durableLine((durable) => durable.in > 350); // the snapshot is requested after 2 s, or 200 frames
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.equal((await server.program.kill("SIGTERM")).code, 0);
    const truth = await compareTruth(t, archive, server.truth);
    assert.ok(
      truth.equal &&
        truth.matched > 100 &&
        truth.marks === truth.marks_equal &&
        truth.trades.compared > 20,
      JSON.stringify(truth)
    );
    const report = await json(t, ["replay", "-a", archive, "--json"]);
    assert.deepEqual(
      [
        report.undecoded,
        report.unknown_fields,
        report.continuity.violations,
        report.books[0].broken,
      ],
      [0, 0, 0, false]
    );
  });

test("Kraken v2: frames of a book are of the depth that their connection asked for, and have its checksum", async (t) => {
  const dir = temporary(t);
  const golden = (name) => fs.readFileSync(`tests/golden/kraken-v2/${name}.json`, "utf8").trim();
  const ask = (depth) =>
    JSON.stringify({
      method: "subscribe",
      params: { channel: "book", symbol: ["ALGO/USD"], ...(depth ? { depth } : {}) },
    });
  const snapshot = ["in", golden("book-10.snapshot")];
  const update = golden("book-10.delta");
  /** What replay finds of these frames. */
  const report = async (name, frames, status) => {
    const line = ([way, data], i) =>
      `{"recv_ns":${1727923610000000000n + BigInt(i)},"dir":"${way}","data":${JSON.stringify(data)}}`;
    const archive = await importLines(t, frames.map(line), {
      archive: path.join(dir, name),
      family: "kraken-v2",
    });
    const { topics, undecoded, continuity } = await json(t, ["replay", "-a", archive, "--json"], {
      status,
    });
    const names = topics.map(({ topic }) => topic).filter((topic) => topic !== "_control");
    return [names, undecoded, continuity.by_rule];
  };
  const whole = [snapshot, ["in", update]];
  assert.deepEqual(await report("asked", [["out", ask(10)], ...whole]), [["book-10"], 0, {}]);
  assert.deepEqual(await report("default", [["out", ask()], ...whole]), [["book-10"], 0, {}]);
  assert.deepEqual(await report("deep", [["out", ask(100)], ...whole]), [["book-100"], 0, {}]);
  assert.deepEqual(
    await report(
      "altered",
      [["out", ask(10)], snapshot, ["in", update.replace("6597", "6598")]],
      1
    ),
    [["book-10"], 0, { checksum: 1 }]
  );
  // The depth of these is not known.
  assert.deepEqual(await report("unasked", whole, 1), [["_unknown"], 2, {}]);
  assert.deepEqual(await report("twice", [["out", ask(10)], ["out", ask(100)], ...whole], 1), [
    ["_unknown"],
    2,
    {},
  ]);
});

test("Kraken v2: two depths of a book in one feed are refused", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const topics = ["book-10", "book-100"].flatMap((name) => ["--topic", `${name}.BTC/USD`]);
  const { stderr } = await tapedeck(
    t,
    ["record", "-a", archive, "--family", "kraken-v2", ...topics],
    { status: 2 }
  );
  assert.match(stderr, /'book-10.BTC\/USD' and 'book-100.BTC\/USD': .* do not tell them apart/);
});

test(
  "Kraken: a lost update of a book is found by the checksum of the next ones",
  { skip: withoutRecorded(KRAKEN) },
  async (t) => {
    const lost = await withoutFrame(
      t,
      "kraken-v1",
      KRAKEN,
      ({ topic, symbol }) => topic === "book-1000" && symbol === "XMR/USD"
    );
    const { continuity } = await json(t, ["replay", "-a", lost, "--json"], { status: 1 });
    assert.deepEqual(Object.keys(continuity.by_rule), ["checksum"]);
    assert.deepEqual([continuity.first.topic, continuity.first.symbol], ["book-1000", "XMR/USD"]);
  }
);

test(
  "Kraken: a served recording answers requests of lists of pairs, and sends what was recorded",
  { skip: withoutRecorded(KRAKEN) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, "--family", "kraken-v1", capture(KRAKEN)]);
    const server = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--once", "--speed", "max"],
      dir
    );
    const client = new WebSocket(server.url);
    const got = [];
    client.on("message", (data) => got.push(String(data)));
    await once(client, "open");
    client.send('{"event":"ping","reqid":5}');
    client.send(
      '{"event":"subscribe","pair":["GRT/ETH","NO/NO"],"subscription":{"name":"book","depth":1000},"reqid":6}'
    );
    await once(client, "close");
    assert.deepEqual(JSON.parse(got[0]), { event: "pong", reqid: 5 });
    const answers = got
      .map((text) => JSON.parse(text))
      .filter(({ event }) => event === "subscriptionStatus");
    assert.deepEqual(
      answers.map(({ pair, status, channelName, reqid, subscription }) => [
        pair,
        status,
        channelName,
        reqid,
        subscription.depth,
      ]),
      [
        ["GRT/ETH", "subscribed", "book-1000", 6, 1000],
        ["NO/NO", "error", undefined, 6, 1000],
      ]
    );
    const data = got.filter((text) => text.startsWith("["));
    assert.deepEqual(
      data,
      (await frames(t, archive, "--topic", "book-1000", "--symbol", "GRT/ETH")).map(
        (frame) => frame.data
      )
    );
    assert.equal(answers[0].channelID, JSON.parse(data[0])[0]); // clients find a frame's topic by it
  }
);

test(
  "OKX: a selection is cut, served to a client, and exported",
  { skip: withoutRecorded(OKX) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      file = path.join(dir, "part.mcap");
    await tapedeck(t, ["import", "-q", "-a", archive, "--family", "okx", capture(OKX)]);
    await tapedeck(t, ["cut", "-q", "-a", archive, "--symbol", "BTC-USDT", "--out", file]);
    assert.equal((await json(t, ["replay", file, "--json"])).continuity.violations, 0);
    const sent = (await frames(t, archive, "--symbol", "BTC-USDT")).map((frame) => frame.data);

    const server = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--once", "--speed", "max"],
      dir
    );
    const client = new WebSocket(`${server.url}/ws/v5/public`);
    const got = [];
    client.on("message", (data) => got.push(String(data)));
    await once(client, "open");
    client.send("ping");
    client.send(
      JSON.stringify({
        id: "1",
        op: "subscribe",
        args: ["books", "trades", "tickers"]
          .map((channel) => ({ channel, instId: "BTC-USDT" }))
          .concat({ channel: "books", instId: "NO" }),
      })
    );
    await once(client, "close");
    assert.deepEqual(
      got.slice(0, 2).map((text) => (text === "pong" ? text : JSON.parse(text).event)),
      ["pong", "subscribe"]
    );
    const answers = got.filter((text) => text.startsWith('{"id"')).map((text) => JSON.parse(text));
    assert.deepEqual(
      answers.map(({ event, arg, code }) => [event, arg?.channel ?? code]),
      [
        ["subscribe", "books"],
        ["subscribe", "trades"],
        ["subscribe", "tickers"],
        ["error", "60018"],
      ]
    );
    assert.deepEqual(
      got.filter((text) => text.includes('"data":')),
      sent
    );

    const out = path.join(dir, "lines");
    await tapedeck(t, ["export", "-q", "-a", archive, "--format", "jsonl", "--out", out]);
    const lines = parseLines(
      fs.readFileSync(
        path.join(
          out,
          fs.readdirSync(out).find((name) => name.endsWith(".jsonl"))
        ),
        "utf8"
      )
    );
    assert.equal(lines.filter((line) => line.type === "book_change").length, 290);
  }
);
