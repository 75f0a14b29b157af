// The values of decoded messages, and their form, which is the same in decode, replay --messages and export. Frames are real
// ones, or made up in the documented forms (docs/wire.md).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  importFrames,
  importLines,
  jsonLines,
  parseLines,
  tapedeck,
  temporary,
} from "../support/harness.mjs";

// One message for each frame.
async function decoded(t, family, frames, options) {
  const stdin = frames
    .map((frame) => (typeof frame === "string" ? frame : JSON.stringify(frame)) + "\n")
    .join("");
  return jsonLines(t, ["decode", "--family", family], { stdin, ...options });
}

// A delta of XLMUSDT, whose prices have five decimals: a real frame of 2022, and the same without the plain price.
const XLM =
  '{"topic":"instrument_info.100ms.XLMUSDT","type":"delta","data":{"update":[{"id":21,"symbol":"XLMUSDT",' +
  '"last_price_e4":"28765","last_price":"0.28765","cross_seq":"9611371383"}]},"cross_seq":"9611371386","timestamp_e6":"1642063132602687"}';
const XLM_SCALED = XLM.replace('"last_price":"0.28765",', "");
const XLM_REPEATED = XLM.replace("0.28765", "28765");

test("a plain price is used; a scaled price alone is marked, because symbols differ in its scale", async (t) => {
  const usdc = XLM.replace("last_price_e4", "lastPriceE4")
    .replace("last_price", "lastPrice")
    .replaceAll("cross_seq", "crossSeq");
  for (const [family, plain] of [
    ["linear", XLM],
    ["inverse", XLM],
    ["copytrade", XLM],
    ["usdc-perp", usdc],
  ]) {
    const [message] = await decoded(t, family, [plain]);
    assert.equal(message.items[0].last_price, "0.28765", family);
    assert.equal(message.items[0].assumed_scale, undefined, family);
  }
  const [alone, repeated] = await decoded(t, "linear", [XLM_SCALED, XLM_REPEATED]);
  for (const message of [alone, repeated]) {
    assert.equal(message.items[0].last_price, "2.8765");
    assert.deepEqual(message.items[0].assumed_scale, ["last_price"]);
  }
});

test("the plain value of other scaled pairs is used, unless it repeats the integer", async (t) => {
  const frame = (fields) => XLM.replace('"last_price_e4":"28765","last_price":"0.28765"', fields);
  const [plain, repeated, alone] = await decoded(t, "linear", [
    frame('"open_interest_e8":"2725210700000","open_interest":"27252.107"'),
    frame('"open_interest_e8":"2725210700000","open_interest":2725210700000'),
    frame('"open_interest_e8":"2725210700000"'),
  ]);
  for (const message of [plain, repeated, alone]) {
    assert.equal(message.items[0].open_interest, "27252.107");
    assert.equal(message.items[0].assumed_scale, undefined); // every symbol has this scale
  }
});

test("decoders read every field of the documents and of real frames", async (t) => {
  const [fund] = await decoded(t, "copytrade", [
    {
      topic: "insurance.BTC",
      data: [{ currency: "BTC", timestamp: "2020-01-11T20:00:00Z", wallet_balance: 98786916569 }],
    },
  ]);
  assert.deepEqual(fund.items, [
    { coin: "BTC", exchange_ns: 1578772800000000000, wallet_balance: "987.86916569" },
  ]);
  const [old] = await decoded(t, "inverse", [
    {
      topic: "insurance.XRP",
      data: [{ currency: "XRP", timestamp: "2018-10-24T12:00:00.000Z", walletBalance: 100 }],
    },
  ]);
  assert.equal(old.items[0].wallet_balance, "0.000001");

  const quotes = {
    bidPrice: "1",
    bidSize: "2",
    bidIv: "0.3",
    askPrice: "4",
    askSize: "5",
    askIv: "0.6",
    markPriceIv: "0.7",
    totalVolume: "8",
    predictedDeliveryPrice: "9",
    delta: "0.1",
    gamma: "0.2",
    vega: "0.3",
    theta: "-0.4",
  };
  const read = {
    bid1_price: "1",
    bid1_size: "2",
    bid1_iv: "0.3",
    ask1_price: "4",
    ask1_size: "5",
    ask1_iv: "0.6",
    mark_iv: "0.7",
    total_volume: "8",
    predicted_delivery_price: "9",
    delta: "0.1",
    gamma: "0.2",
    vega: "0.3",
    theta: "-0.4",
  };
  const symbol = "BTC-30DEC22-20000-C";
  const [option] = await decoded(t, "contract-v3", [
    {
      topic: `tickers.${symbol}`,
      type: "snapshot",
      ts: 1671206400000,
      data: { symbol, ...quotes, underlyingPrice: "16800", totalTurnover: "77", change24h: "0.01" },
    },
  ]);
  assert.equal(option.unknown_fields, undefined);
  assert.deepEqual(
    {
      ...option.items[0],
      ...read,
      underlying_price: "16800",
      total_turnover: "77",
      price_24h_pcnt: "0.01",
    },
    option.items[0]
  );
  const [ticker, trade] = await decoded(t, "usdc-perp", [
    {
      topic: "instrument_info.100ms.BTCPERP",
      type: "snapshot",
      data: {
        symbol: "BTCPERP",
        ...quotes,
        underlying: "16800",
        openInterest: "1",
        price24Pcnt: "0.01",
        volume24h: "3",
        turnover24h: "4",
      },
      crossSeq: "1",
      timestampE6: "1655804220916799",
    },
    {
      topic: "trade.BTCPERP",
      data: [{ tradeTime: "1655804220916", symbol: "BTCPERP", side: "Buy", size: "1", price: "2" }],
    },
  ]);
  assert.equal(ticker.unknown_fields, undefined);
  assert.deepEqual(
    {
      ...ticker.items[0],
      ...read,
      underlying_price: "16800",
      open_interest: "1",
      price_24h_pcnt: "0.01",
    },
    ticker.items[0]
  );
  assert.equal(trade.unknown_fields, undefined);
  assert.equal(trade.exchange_ns, 1655804220916000000);
});

test("a ticker's time that is unreadable, or has more than 63 bits, is omitted and counted", async (t) => {
  const frame = (time) => ({
    topic: "tickers.BTCUSDT",
    type: "delta",
    cs: 24966636011,
    ts: 1680673820100,
    data: { symbol: "BTCUSDT", lastPrice: "28000.5", nextFundingTime: time },
  });
  const [bad, late, last] = await decoded(t, "v5-linear", [
    frame("soon"),
    frame("2300-01-01T00:00:00Z"),
    frame("2262-04-11T23:47:16Z"),
  ]);
  for (const message of [bad, late]) {
    assert.deepEqual(message.items, [
      { action: "update", symbol: "BTCUSDT", last_price: "28000.5" },
    ]);
    assert.equal(message.unknown_fields, 1);
  }
  assert.equal(last.unknown_fields, undefined);
  // This does not apply to the time that orders the topic's frames.
  const [refused] = await decoded(t, "v5-linear", [{ ...frame("1680673820100"), ts: "soon" }], {
    status: 1,
  });
  assert.equal(refused.error.reason, "bad_time");
});

test("answers are recognized, also if letters are written as escapes", async (t) => {
  const escaped = (text) =>
    "\\u" + text.charCodeAt(0).toString(16).padStart(4, "0") + text.slice(1);
  const answers = (word) => [
    `{"success":true,"ret_msg":"${word("pong")}","conn_id":"1","op":"ping"}`,
    `{"${word("op")}":"${word("pong")}","args":["1"]}`,
    `{"success":true,"conn_id":"1","type":"${word("COMMAND_RESP")}","data":{}}`,
    `{"type":"${word("AUTH_RESP")}","success":true}`,
    `{"success":true,"ret_msg":"","conn_id":"1","request":{"${word("op")}":"${word("auth")}","args":[]}}`,
    `{"auth":"${word("success")}"}`,
    `{"topic":"trade.BTCUSD","type":"${word("COMMAND_RESP")}","data":[{}]}`,
    `{"topic":"trade.BTCUSD","data":[{}],"${word("op")}":"pong"}`,
  ];
  const kinds = async (word) =>
    (await decoded(t, "inverse", answers(word))).map((m) => [m.type, m.control, m.success]);
  assert.deepEqual(await kinds(escaped), await kinds((text) => text));
});

// A message's members that tell its place on the tape.
const PLACE = ["feed", "line", "shard", "conn", "ordinal", "recv_ns", "frame", "flags"];
const withoutPlace = (object) =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !PLACE.includes(key)));

const FRAMES = {
  "v5-option": [
    {
      id: "publicTrade.BTC-3564262798-1690720953113",
      topic: "publicTrade.BTC",
      ts: 1690720953113,
      type: "snapshot",
      data: [
        {
          p: "985",
          v: "0.01",
          i: "0404c393-8419-5bac-95c3-5fea28404754",
          T: 1690720953111,
          BT: false,
          s: "BTC-28JUL23-29500-C",
          S: "Sell",
          mP: "986.1",
          iP: "29200.5",
          mIv: "0.54",
          iv: "0.55",
        },
      ],
    },
  ],
  "v5-linear": [
    {
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: 1690720953115,
      data: [
        {
          T: 1690720953111,
          s: "BTCUSDT",
          S: "Buy",
          v: "0.001",
          p: "16578.50",
          L: "PlusTick",
          i: "20f43950-d8dd-5b31-9112-a178eb6023af",
          BT: false,
          seq: 1783284617,
        },
      ],
    },
    {
      topic: "orderbook.50.BTCUSDT",
      type: "snapshot",
      ts: 1690720953116,
      data: {
        s: "BTCUSDT",
        b: [["16578.5", "1"]],
        a: [["16579", "2"]],
        u: 18521288,
        seq: 7961638724,
      },
      cts: 1690720953110,
    },
  ],
  inverse: [
    {
      topic: "orderBookL2_25.BTCUSD",
      type: "snapshot",
      data: [{ price: "2999.00", symbol: "BTCUSD", id: 29990000, side: "Buy", size: 9 }],
      cross_seq: 11518,
      timestamp_e6: 1555647164875373,
    },
    XLM_SCALED.replaceAll("XLMUSDT", "XLMUSD"),
    { topic: "no.such", data: [] },
    { topic: "trade.BTCUSD", data: [{ symbol: "BTCUSD", side: "Buy", size: 1, price: "x1" }] },
  ],
};

for (const [family, frames] of Object.entries(FRAMES)) {
  test(`${family}: a message has the same form in decode, replay and exports, and from lines of cat`, async (t) => {
    const messages = await decoded(t, family, frames, { status: family === "inverse" ? 1 : 0 });
    const dir = temporary(t);
    const texts = frames.map((frame) =>
      typeof frame === "string" ? frame : JSON.stringify(frame)
    );
    const archive = await importLines(
      t,
      texts.map((data, i) => ({ ts: 1700000000000 + i, data })),
      { family }
    );

    const replayed = parseLines(
      (await tapedeck(t, ["replay", "-a", archive, "--messages"], { status: null })).stdout
    );
    assert.deepEqual(replayed.map(withoutPlace), messages);
    await tapedeck(
      t,
      ["export", "-a", archive, "--format", "jsonl", "--out", path.join(dir, "out")],
      { status: null }
    );
    const exported = fs
      .readdirSync(path.join(dir, "out"))
      .filter((name) => name.endsWith(".jsonl"))
      .sort();
    const objects = exported.flatMap((name) =>
      parseLines(fs.readFileSync(path.join(dir, "out", name), "utf8"))
    );
    assert.deepEqual(objects.map(withoutPlace), messages);
    const frameLines = (await tapedeck(t, ["cat", "-a", archive])).stdout;
    assert.deepEqual(
      parseLines(
        (await tapedeck(t, ["decode", "--family", family], { stdin: frameLines, status: null }))
          .stdout
      ),
      messages
    );

    // Members for the place on the tape have the same names as well.
    const place = ({ feed, conn, ordinal, recv_ns }) => [feed, conn, ordinal, recv_ns];
    const cat = parseLines(frameLines);
    assert.ok(place(cat[0]).every((value) => value !== undefined));
    assert.deepEqual(replayed.map(place), cat.map(place));
    assert.deepEqual(objects.map(place), cat.map(place));
    assert.deepEqual(
      cat.map((frame) => frame.exchange_ns),
      messages.map((message) => message.exchange_ns ?? null)
    );
  });
}

test("cat and replay --messages find entries by price and size, as numbers", async (t) => {
  const trade = (i, p, v) => ({
    T: 1795154400000 + i,
    s: "BTCUSDT",
    S: "Buy",
    v,
    p,
    L: "PlusTick",
    i: `t${i}`,
    BT: false,
  });
  const trades = (...data) => ({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: 1795154400000,
    data,
  });
  const book = (type, u, b, a) => ({
    topic: "orderbook.50.BTCUSDT",
    type,
    ts: 1795154400000,
    data: { s: "BTCUSDT", b, a, u, seq: u },
    cts: 1795154400000,
  });
  const frames = [
    trades(trade(1, "60623.50", "12")), // ordinal 1
    trades(trade(2, "60623.5", "0.500"), trade(3, "60700", "20")),
    book("snapshot", 1, [["60623.5", "3"]], [["60700.0", "10"]]),
    book("delta", 2, [["60623.50", "0"]], []),
    trades(trade(4, "60623.51", "12")),
    { success: true, ret_msg: "", op: "pong" },
  ];
  const dir = temporary(t);
  const archive = await importFrames(t, dir, {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames: frames.map((frame) => JSON.stringify(frame)),
  });
  for (const [options, ordinals] of [
    [
      ["--price", "60623.5"],
      [1, 2, 3, 4],
    ],
    [
      ["--price", "60623.50"],
      [1, 2, 3, 4],
    ],
    [
      ["--price", "60623.51.."],
      [2, 3, 5],
    ],
    [["--price", "..60623.5", "--size", "0.5"], [2]],
    [["--price", "60623.5", "--size", "10.."], [1]], // in frame 2 another trade has that size, in frame 3 another level
    [["--size", "0"], [4]],
    [
      ["--size", "10..12.0"],
      [1, 3, 5],
    ],
    [["--price", "1..2"], []],
    [[], [1, 2, 3, 4, 5, 6]],
  ])
    for (const verb of [["cat"], ["cat", "-j1"], ["replay", "--messages"]]) {
      const { stdout } = await tapedeck(t, [...verb, "-a", archive, ...options], { status: null });
      assert.deepEqual(
        parseLines(stdout).map((row) => row.ordinal),
        ordinals,
        [...verb, ...options].join(" ")
      );
    }
  const { stderr } = await tapedeck(t, ["replay", "-a", archive, "--price", "1"], { status: 2 });
  assert.match(stderr, /--price and --size need --messages/);
  for (const verb of ["cat", "replay"])
    assert.match(
      (await tapedeck(t, [verb, "-a", archive, "--size", "10-12"], { status: 2 })).stderr,
      /--size: '10-12' is not a number or a range such as 9\.5\.\.10, 10\.\. or \.\.10/
    );
});

test("cat --text finds frames whose bytes contain a text", async (t) => {
  const archive = await importFrames(t, temporary(t), {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames: [
      '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1795154400000,"data":[{"T":1795154400001,"s":"BTCUSDT","S":"Buy","v":"12","p":"60623.50","L":"PlusTick","i":"4f3a-Ä1","BT":false}]}',
      '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1795154400000,"data":[{"T":1795154400002,"s":"BTCUSDT","S":"Sell","v":"1","p":"60700","L":"PlusTick","i":"4F3A-2","BT":false}]}',
      "not JSON: 4f3a-3",
      '{"op":"pong"}',
    ],
  });
  for (const [options, ordinals] of [
    [
      ["--text", "4f3a-"],
      [1, 3],
    ],
    [["--text", "4f3a-Ä1"], [1]],
    [["--text", "4F3A"], [2]],
    [["--text", "60623.5"], [1]], // a text, not a number
    [["--text", "60623.500"], []],
    [
      ["--text", '"S":"'],
      [1, 2],
    ],
    [["--text", '"S":"', "-n", "1"], [1]],
    [["--text", '"S":"', "--price", "60700"], [2]],
    [["--text", "4f3a", "--dir", "out"], []],
    [["--text", '{"op":"pong"}'], [4]],
    [["--text", '{"op":"pong"}x'], []],
    [["--text", "4f3a-", "--to", "2026-11-20T06:00:00.015Z"], [1]],
  ]) {
    const found = await jsonLines(t, ["cat", "-a", archive, ...options]);
    assert.deepEqual(
      found.map((row) => row.ordinal),
      ordinals,
      options.join(" ")
    );
  }
  assert.match(
    (await tapedeck(t, ["cat", "-a", archive, "--raw", "--text", "4f3a-3"])).stdout,
    /^not JSON: 4f3a-3\n$/
  );
  assert.match(
    (await tapedeck(t, ["cat", "-a", archive, "--text", ""], { status: 2 })).stderr,
    /--text: the value is empty/
  );
});
