// Topics that have the same events of a symbol, of which a dataset takes one, and topics whose values a dataset joins. The frames
// are made up here, in the form of the exchanges' documentation.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { manifestOf, run, tapedeck } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { AT_S, imported } from "../support/frames_by_second.mjs";
import { query } from "../support/parquet_files.mjs";

/** Exports a type as CSV: the rows of each symbol, of these columns, and the topics that the manifest names, also those left out. */
async function exported(t, { archive, out }, type, columns, status = 0) {
  await tapedeck(
    t,
    ["export", "-q", "-a", archive, "--format", "tardis-csv", "--type", type, "--out", out],
    { status }
  );
  const rows = {},
    topics = {};
  const { files, left_out_topics } = manifestOf(out);
  const leftOut = left_out_topics.map((row) => [row.feed, row.topic, row.symbol, row.supplied_by]);
  for (const file of files) {
    const [head, ...lines] = zlib
      .gunzipSync(fs.readFileSync(path.join(out, file.name)))
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.split(","));
    rows[file.symbol] = lines.map((line) => columns.map((c) => line[head.indexOf(c)]).join(","));
    topics[file.symbol] = file.topic;
  }
  return { rows, topics, leftOut };
}

const binance = (stream, data) => ({ stream, data });
const aggTrade = (i) =>
  binance("btcusdt@aggTrade", {
    e: "aggTrade",
    E: AT_S * 1000 + i,
    s: "BTCUSDT",
    a: i,
    p: "5",
    q: "2",
    f: 10 * i,
    l: 10 * i + 1,
    T: AT_S * 1000 + i,
    m: false,
    M: true,
  });
const trade = (i) =>
  binance("btcusdt@trade", {
    e: "trade",
    E: AT_S * 1000 + i,
    s: "BTCUSDT",
    t: i,
    p: "5",
    q: "1",
    T: AT_S * 1000 + i,
    m: false,
    M: true,
  });

test("trades of a symbol that are also in another topic are exported once", async (t) => {
  const made = await imported(
    t,
    "binance-spot",
    [
      ["A", trade(10)],
      ["A", trade(11)],
      ["A", aggTrade(1)],
      ["A", trade(12)],
    ],
    "stream.binance.com:9443/stream"
  );
  assert.deepEqual(await exported(t, made, "trades", ["id", "amount"]), {
    rows: { BTCUSDT: ["10,1", "11,1", "12,1"] },
    topics: { BTCUSDT: "trade" },
    leftOut: [["binance-spot", "aggTrade", "BTCUSDT", "trade"]],
  });
  // 1 m of trades 10 to 12: count and volume; the aggregated trade has 2.
  const bars = made.out + "-bars";
  await tapedeck(t, [
    ...["export", "-q", "-a", made.archive, "--format", "parquet", "--bars", "1m"],
    ...["--keep-suspect", "--out", bars],
  ]);
  const [[count, volume]] = await query(
    `SELECT "count", volume FROM read_parquet('${bars}/*/type=bars*/*/*.parquet')`
  );
  assert.deepEqual([Number(count), Number(volume)], [3, 3]);
});

test("a topic without a frame on the day is not left out of it", async (t) => {
  const made = await imported(
    t,
    "binance-spot",
    [
      ["A", aggTrade(1)],
      ["A", trade(10)],
      ["A", trade(11)],
    ],
    "stream.binance.com:9443/stream"
  );
  const from = `${(AT_S + 2) * 1e9}`;
  await tapedeck(t, [
    ...["export", "-q", "-a", made.archive, "--format", "parquet", "--from", from],
    ...["--bars", "1m", "--keep-suspect", "--out", made.out],
  ]);
  assert.deepEqual(manifestOf(made.out).left_out_topics, []);
});

test("a topic of several symbols does not repeat what a symbol's own topic has", async (t) => {
  const entry = (symbol, seq, direction) => ({
    trade_seq: seq,
    trade_id: `${seq}`,
    timestamp: AT_S * 1000 + seq,
    price: 5,
    instrument_name: symbol,
    direction,
    amount: 1,
  });
  const frame = (channel, ...data) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: { channel, data },
  });
  const made = await imported(
    t,
    "deribit",
    [
      ["A", frame("trades.BTC-PERPETUAL.raw", entry("BTC-PERPETUAL", 1, "buy"))],
      [
        "A",
        frame(
          "trades.future.BTC.raw",
          entry("BTC-PERPETUAL", 1, "buy"),
          entry("BTC-25DEC26", 2, "sell")
        ),
      ],
      ["A", frame("trades.BTC-PERPETUAL.raw", entry("BTC-PERPETUAL", 3, "sell"))],
      ["A", frame("trades.future.BTC.raw", entry("BTC-PERPETUAL", 3, "sell"))],
    ],
    "www.deribit.com/ws/api/v2"
  );
  const { rows, leftOut } = await exported(t, made, "trades", ["id", "side"]);
  assert.deepEqual(rows, { "BTC-PERPETUAL": ["1,buy", "3,sell"], "BTC-25DEC26": ["2,sell"] });
  assert.deepEqual(leftOut, [["deribit", "trades.future.BTC.raw", "BTC-PERPETUAL", "trades.raw"]]);
});

test("two topics of several symbols with the trades of one are refused", async (t) => {
  const frame = (channel) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: {
      channel,
      data: [
        {
          trade_seq: 1,
          trade_id: "1",
          timestamp: AT_S * 1000,
          price: 5,
          instrument_name: "BTC-PERPETUAL",
          direction: "buy",
          amount: 1,
        },
      ],
    },
  });
  const { archive, out } = await imported(
    t,
    "deribit",
    [
      ["A", frame("trades.future.BTC.raw")],
      ["A", frame("trades.any.any.raw")],
    ],
    "www.deribit.com/ws/api/v2"
  );
  const args = ["export", "-q", "-a", archive, "--format", "tardis-csv", "--type", "trades"];
  const refused = await run(t, "tapedeck", [...args, "--out", out], { status: 2 });
  assert.match(
    refused.stderr,
    /topics 'trades.any.any.raw' and 'trades.future.BTC.raw' would share the trades file of BTC-PERPETUAL/
  );
  assert.match(refused.stderr, /choose by --feed, --symbol, --topic or time/);
  await tapedeck(t, [...args, "--topic", "trades.future.*", "--out", out]);
});

test("liquidations of a symbol are not repeated from the topic of all symbols", async (t) => {
  const order = (stream, s, q) =>
    binance(stream, {
      e: "forceOrder",
      E: AT_S * 1000,
      o: {
        s,
        S: "SELL",
        o: "LIMIT",
        f: "IOC",
        q,
        p: "5",
        ap: "5",
        X: "FILLED",
        l: q,
        z: q,
        T: AT_S * 1000,
      },
    });
  const made = await imported(
    t,
    "binance-usdm",
    [
      ["A", order("!forceOrder@arr", "BTCUSDT", "1")],
      ["A", order("btcusdt@forceOrder", "BTCUSDT", "1")],
      ["A", order("!forceOrder@arr", "ETHUSDT", "2")],
    ],
    "fstream.binance.com/market/stream"
  );
  const { rows, leftOut } = await exported(t, made, "liquidations", ["side", "amount"]);
  assert.deepEqual(rows, { BTCUSDT: ["sell,1"], ETHUSDT: ["sell,2"] });
  assert.deepEqual(leftOut, [["binance-usdm", "!forceOrder@arr", "BTCUSDT", "forceOrder"]]);
});

test("Deribit's liquidations are trades of the one topic of a symbol that supplies its trades", async (t) => {
  const frame = (channel, ...data) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: { channel, data },
  });
  const entry = (instrument_name, id, liquidation) => ({
    trade_seq: id,
    trade_id: String(id),
    timestamp: AT_S * 1000,
    price: 60000.5,
    instrument_name,
    direction: "buy",
    amount: 1,
    ...(liquidation && { liquidation }),
  });
  const made = await imported(
    t,
    "deribit",
    ["raw", "100ms"]
      .map((kind) => [
        "A",
        frame(
          `trades.BTC-PERPETUAL.${kind}`,
          entry("BTC-PERPETUAL", 1, "T"),
          entry("BTC-PERPETUAL", 2),
          entry("BTC-PERPETUAL", 3, "M")
        ),
      ])
      .concat([
        [
          "A",
          frame(
            "trades.future.BTC.raw",
            entry("BTC-PERPETUAL", 1, "T"),
            entry("BTC-25DEC26", 5, "MT")
          ),
        ],
      ]),
    "www.deribit.com/ws/api/v2"
  );
  const { rows, leftOut } = await exported(t, made, "liquidations", ["id", "side"]);
  assert.deepEqual(rows, { "BTC-PERPETUAL": ["1,buy", "3,sell"], "BTC-25DEC26": ["5,sell"] });
  assert.deepEqual(leftOut.map((row) => row[1]).sort(), ["trades.100ms", "trades.future.BTC.raw"]);
  const flagged = made.out + "-flagged";
  await tapedeck(t, [
    ...["export", "-q", "-a", made.archive, "--format", "parquet", "--type", "liquidations"],
    ...["--out", flagged],
  ]);
  // One row is the last of its frame.
  const ends = await query(
    `SELECT trade_id, flags & 1 FROM read_parquet('${flagged}/*/type=*/*/*.parquet') ORDER BY trade_id`
  );
  assert.deepEqual(
    ends.map(([id, isLast]) => [id, Number(isLast)]),
    [
      ["1", 0],
      ["3", 1],
      ["5", 1],
    ]
  );
});

test("best prices are of one topic, and of the one that sends them", async (t) => {
  const frame = (channel, data) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: {
      channel,
      data: { timestamp: AT_S * 1000, instrument_name: "BTC-PERPETUAL", ...data },
    },
  });
  const made = await imported(
    t,
    "deribit",
    [
      [
        "A",
        frame("book.BTC-PERPETUAL.none.1.100ms", { change_id: 1, bids: [[4, 2]], asks: [[6, 2]] }),
      ],
      [
        "A",
        frame("quote.BTC-PERPETUAL", {
          best_bid_price: 5,
          best_bid_amount: 1,
          best_ask_price: 6,
          best_ask_amount: 1,
        }),
      ],
    ],
    "www.deribit.com/ws/api/v2"
  );
  assert.deepEqual(await exported(t, made, "book_ticker", ["bid_price", "ask_amount"]), {
    rows: { "BTC-PERPETUAL": ["5,1"] },
    topics: { "BTC-PERPETUAL": "quote" },
    leftOut: [["deribit", "book.none.1.100ms", "BTC-PERPETUAL", "quote"]],
  });
});

test("best prices of tickers: a row has its own frame's only", async (t) => {
  const ticker = (number, best) => ({
    channel: "ticker",
    timestamp: new Date(AT_S * 1000 + number).toISOString(),
    sequence_num: number,
    events: [
      { type: "update", tickers: [{ type: "ticker", product_id: "BTC-USD", price: "5", ...best }] },
    ],
  });
  const sides = (bid, ask) => ({
    ...(bid && { best_bid: bid, best_bid_quantity: "1" }),
    ...(ask && { best_ask: ask, best_ask_quantity: "2" }),
  });
  const made = await imported(
    t,
    "coinbase-advanced",
    [
      ["A", ticker(0, sides("4", "6"))],
      ["A", ticker(1, sides("5", "6"))],
      ["A", ticker(2, sides("", "7"))],
      ["A", ticker(4, sides("6", "8"))],
    ],
    "advanced-trade-ws.coinbase.com"
  );
  const columns = ["bid_price", "bid_amount", "ask_price", "ask_amount"];
  const { rows, topics } = await exported(t, made, "book_ticker", columns, 1);
  assert.deepEqual(topics, { "BTC-USD": "ticker" });
  assert.deepEqual(rows["BTC-USD"], ["4,1,6,2", "5,1,6,2", ",,7,2", "6,1,8,2"]);
});

test("a contract's ticker is joined from its topics, each with its own losses", async (t) => {
  const mark = (p, i) =>
    binance("btcusdt@markPrice@1s", {
      e: "markPriceUpdate",
      E: AT_S * 1000 + i,
      s: "BTCUSDT",
      p,
      i: "8",
      r: "0.1",
      T: 1_790_006_400_000,
    });
  const last = (c, i) =>
    binance("btcusdt@miniTicker", { e: "24hrMiniTicker", E: AT_S * 1000 + i, s: "BTCUSDT", c });
  const made = await imported(
    t,
    "binance-usdm",
    [
      ["A", mark("5", 1)],
      ["B", last("6", 2)],
      ["A", mark("5", 3)],
      ["B"],
      ["A", mark("7", 5)],
      ["B", last("6", 6)],
      ["A"],
      ["B", last("9", 8)],
      ["A", mark("7", 9)],
    ],
    "fstream.binance.com/market/stream"
  );
  const columns = ["funding_timestamp", "funding_rate", "last_price", "index_price", "mark_price"];
  assert.deepEqual((await exported(t, made, "derivative_ticker", columns, 1)).rows, {
    BTCUSDT: [
      "1790006400000000,0.1,,8,5",
      "1790006400000000,0.1,6,8,5",
      "1790006400000000,0.1,,8,7",
      ",,6,,", // A's last proof that it was alive is the frame before
      ",,9,,",
      "1790006400000000,0.1,9,8,7",
    ],
  });
});

test("a Deribit family has tickers of contracts and a chain of options", async (t) => {
  const ticker = (symbol, values) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: {
      channel: `ticker.${symbol}.100ms`,
      data: { timestamp: AT_S * 1000, instrument_name: symbol, ...values },
    },
  });
  const made = await imported(
    t,
    "deribit",
    [
      ["A", ticker("BTC-PERPETUAL", { open_interest: 3, mark_price: 5.5, current_funding: 0.1 })],
      [
        "A",
        ticker("BTC-25DEC26-60000-P", {
          mark_iv: 61.5,
          underlying_index: "BTC-25DEC26",
          greeks: { delta: -0.5, rho: 2 },
        }),
      ],
    ],
    "www.deribit.com/ws/api/v2"
  );
  assert.deepEqual(
    (await exported(t, made, "derivative_ticker", ["funding_rate", "open_interest", "mark_price"]))
      .rows,
    { "BTC-PERPETUAL": ["0.1,3,5.5"] }
  );
  const options = { archive: made.archive, out: made.out + "-options" };
  const columns = ["type", "strike_price", "mark_iv", "underlying_index", "delta", "rho"];
  assert.deepEqual((await exported(t, options, "options_chain", columns)).rows, {
    "BTC-25DEC26-60000-P": ["put,60000,61.5,BTC-25DEC26,-0.5,2"],
  });
});

test("OKX's chain of options has what Tardis's own mapping has of the same frames", async (t) => {
  const summary = (right, values) => ({
    instType: "OPTION",
    instId: `BTC-USD-231229-40000-${right}`,
    uly: "BTC-USD",
    ...{ gamma: "4.31", vega: "0.0010549466", theta: "-0.0008715828", lever: "12", realVol: "" },
    ...{ bidVol: "0", askVol: "0.4895109741", deltaBS: "-0.62", gammaBS: "0.00007", volLv: "0.4" },
    ...{ thetaBS: "-25.38", vegaBS: "39.79", ts: `${AT_S}085`, fwdPx: "38026.372899316" },
    ...values,
  });
  const frame = {
    arg: { channel: "opt-summary", instFamily: "BTC-USD" },
    data: [
      summary("P", { delta: "-0.7094655246", markVol: "0.4686517873" }),
      summary("C", { delta: "0.29", markVol: "0" }),
    ],
  };
  const ticker = {
    arg: { channel: "tickers", instId: "BTC-USD-231229-40000-P" },
    data: [{ instType: "OPTION", instId: "BTC-USD-231229-40000-P", last: "0.1", ts: `${AT_S}085` }],
  };
  const made = await imported(
    t,
    "okx",
    [
      ["A", ticker],
      ["A", frame],
    ],
    "ws.okx.com:8443/ws/v5/public"
  );
  const columns = ["type", "strike_price", "expiration", "bid_iv", "ask_iv", "mark_iv"].concat(
    ["underlying_index", "delta", "gamma", "vega", "theta"],
    ["rho", "timestamp", "last_price", "underlying_price"]
  );
  const { rows } = await exported(t, made, "options_chain", columns);
  const mapper = npm("tardis-dev").normalizeOptionsSummary("okex-options", new Date());
  for (const row of mapper.map(frame, new Date())) {
    const known = [row.optionType, row.strikePrice, row.expirationDate.getTime() * 1000].concat(
      [row.bestBidIV, row.bestAskIV, row.markIV, row.underlyingIndex],
      [row.delta, row.gamma, row.vega, row.theta, row.rho, row.timestamp.getTime() * 1000]
    );
    // No price is in the topic, but the forward price of the underlying.
    const expected = [...known, "", "38026.372899316"].map((value) => `${value ?? ""}`);
    assert.deepEqual(rows[row.symbol], [expected.join(",")]);
  }
  assert.equal(Object.keys(rows).length, 2);
});
