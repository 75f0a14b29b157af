// Types of the Tardis CSV format that few captures have, over gaps and midnight. Expected rows follow docs/export.md: written
// here, or computed by tests/export/expected.py, which shares nothing with the programs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  captureLines,
  chunksOf,
  flipIn,
  importLines,
  tapedeck,
  temporary,
  withoutCapture,
  withoutRecorded,
} from "../support/harness.mjs";

const START_MS = 1_700_000_000_000; // 2023-11-14T22:13:20Z
const INVERSE = "inverse-2021-04-17.jsonl.gz";
const V5 = "v5-2026-08-09.jsonl.gz";

/** An archive of these frames, one a second; null begins another connection. */
async function recorded(t, family, frames) {
  const line = (f, i) => ({
    ts: START_MS + 1000 * (i + 1),
    ...(f === null ? { url: "wss://stream.bybit.com/x" } : { data: JSON.stringify(f) }),
  });
  return importLines(t, frames.map(line), { family });
}

/** {file: text} of an export of all types. */
async function exported(t, archive, ...more) {
  const out = path.join(temporary(t), "out");
  await tapedeck(
    t,
    ["export", "-q", "-a", archive, "--format", "tardis-csv", "--out", out, ...more],
    { status: null }
  );
  const names = fs
    .readdirSync(out)
    .filter((f) => f.endsWith(".csv.gz"))
    .sort();
  return Object.fromEntries(
    names.map((f) => [
      f.slice(0, -7),
      zlib.gunzipSync(fs.readFileSync(path.join(out, f))).toString("utf8"),
    ])
  );
}

/** Rows of a file: [[ms after the start of the exchange's time, s of the receive time, cells], …]. */
const rowsOf = (text) =>
  text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [, , at, local, ...cells] = line.split(",");
      return [
        Number(at) / 1000 - START_MS,
        Math.floor((Number(local) / 1000 - START_MS) / 1000),
        cells.join(","),
      ];
    });

test("the exchange's own best prices have a row for each frame, and are forgotten at the next connection", async (t) => {
  const frame = (n, type, b, a) => ({
    topic: "orderbook.1.BTCUSDT",
    ts: START_MS + n,
    type,
    data: { s: "BTCUSDT", b, a, u: 100 + n, seq: 100 + n },
  });
  const files = await exported(
    t,
    await recorded(t, "v5-spot", [
      frame(1, "snapshot", [["10.0", "1"]], [["11", "2.50"]]),
      frame(2, "snapshot", [["10.0", "1"]], [["11", "2.50"]]),
      null,
      frame(4, "snapshot", [["10.0", "3"]], []),
    ])
  );
  const rows = [
    [1, 1, "2.5,11,10,1"],
    [2, 2, "2.5,11,10,1"],
    [4, 4, ",,10,3"],
  ];
  assert.deepEqual(rowsOf(files["bybit-spot_book_ticker_2023-11-14_BTCUSDT"]), rows);
  // The deepest book has the same topic, and the second frame does not change it.
  assert.deepEqual(rowsOf(files["bybit-spot_quotes_2023-11-14_BTCUSDT"]), [rows[0], rows[2]]);
});

test("spot's bookTicker gives book_ticker rows", async (t) => {
  const frame = (n, bidQty) => ({
    topic: "bookTicker",
    params: { symbol: "BTCUSDT", binary: "false", symbolName: "BTCUSDT" },
    data: {
      symbol: "BTCUSDT",
      bidPrice: "10.50",
      bidQty,
      askPrice: "11",
      askQty: "2",
      time: START_MS + n,
    },
  });
  const files = await exported(
    t,
    await recorded(t, "spot-v2", [frame(1, "1"), frame(2, "1"), frame(3, "4")])
  );
  assert.equal(
    files["bybit-spot_book_ticker_2023-11-14_BTCUSDT"],
    [
      "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
      "bybit-spot,BTCUSDT,1700000000001000,1700000001000000,2,11,10.5,1",
      "bybit-spot,BTCUSDT,1700000000002000,1700000002000000,2,11,10.5,1",
      "bybit-spot,BTCUSDT,1700000000003000,1700000003000000,2,11,10.5,4\n",
    ].join("\n")
  );
});

test("tickers of contracts are merged until another connection begins", async (t) => {
  const frame = (n, type, values) => ({
    topic: "tickers.BTCUSDT",
    type,
    data: { symbol: "BTCUSDT", ...values },
    cs: 100 + n,
    ts: START_MS + n,
  });
  const files = await exported(
    t,
    await recorded(t, "v5-linear", [
      frame(1, "snapshot", {
        lastPrice: "5.0",
        markPrice: "6",
        indexPrice: "7",
        fundingRate: "0.0001",
        nextFundingTime: "1700006400000",
        openInterest: "3",
        bid1Price: "4",
      }),
      frame(2, "delta", { bid1Price: "4.5", lastPrice: "5.00" }),
      frame(3, "delta", { lastPrice: "5.5" }),
      null,
      frame(5, "snapshot", { lastPrice: "5.5", fundingRate: "", nextFundingTime: "0" }),
    ])
  );
  const name = "bybit_derivative_ticker_2023-11-14_BTCUSDT";
  assert.deepEqual(Object.keys(files), [name]);
  assert.equal(
    files[name].split("\n")[0],
    "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price"
  );
  assert.deepEqual(rowsOf(files[name]), [
    [1, 1, "1700006400000000,0.0001,,3,5,7,6"],
    [3, 3, "1700006400000000,0.0001,,3,5.5,7,6"],
    [5, 5, ",,,,5.5,,"],
  ]);
});

test("tickers of options have rows, also for a strike with a decimal point", async (t) => {
  const symbols = ["ETH-30JUN23-200-P", "XRP-30JUN23-0.5-P"];
  const frame = (symbol) => ({
    id: `tickers.${symbol}-1`,
    topic: `tickers.${symbol}`,
    ts: START_MS + 1,
    type: "snapshot",
    data: {
      symbol,
      bidPrice: "0.1",
      bidSize: "5",
      bidIv: "1.4744",
      askPrice: "0",
      askSize: "0",
      askIv: "0",
      lastPrice: "1",
      markPrice: "0.25",
      markPriceIv: "1.5991",
      underlyingPrice: "1886.16",
      openInterest: "231.5",
      delta: "-0.00052953",
      gamma: "0.00000128",
      vega: "0.01719155",
      theta: "-0.0159208",
      predictedDeliveryPrice: "0",
      change24h: "0",
    },
  });
  const files = await exported(
    t,
    await recorded(t, "v5-option", [...symbols, ...symbols].map(frame))
  );
  const nameOf = (symbol) => `bybit-options_options_chain_2023-11-14_${symbol}`;
  assert.deepEqual(Object.keys(files).sort(), symbols.map(nameOf));
  assert.equal(
    files[nameOf(symbols[0])].split("\n")[0],
    "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,theta,rho"
  );
  for (const [i, strike] of ["200", "0.5"].entries()) {
    const cells = `put,${strike},1688112000000000,231.5,1,0.1,5,1.4744,,,,0.25,1.5991,,1886.16,-0.00052953,0.00000128,0.01719155,-0.0159208,`;
    assert.deepEqual(rowsOf(files[nameOf(symbols[i])]), [
      [1, 1 + i, cells],
      [1, 3 + i, cells],
    ]);
  }
});

test("liquidations come from the one topic of a symbol that has all of them", async (t) => {
  const some = (n, symbol, side) => ({
    topic: `liquidation.${symbol}`,
    type: "snapshot",
    ts: START_MS + n,
    data: { updatedTime: START_MS + n - 1, symbol, side, size: "2", price: "0.50" },
  });
  const all = (n, symbol, ...sides) => ({
    topic: `allLiquidation.${symbol}`,
    type: "snapshot",
    ts: START_MS + n,
    data: sides.map((S, i) => ({ T: START_MS + n - 10 + i, s: symbol, S, v: "3", p: "0.5" })),
  });
  const files = await exported(
    t,
    await recorded(t, "v5-linear", [
      some(1, "ETHUSDT", "Buy"),
      some(2, "BTCUSDT", "Buy"),
      all(3, "BTCUSDT", "Buy", "Sell"),
    ])
  );
  assert.deepEqual(rowsOf(files["bybit_liquidations_2023-11-14_ETHUSDT"]), [[1, 1, ",sell,0.5,2"]]);
  assert.deepEqual(rowsOf(files["bybit_liquidations_2023-11-14_BTCUSDT"]), [
    [-7, 3, ",sell,0.5,3"],
    [-6, 3, ",buy,0.5,3"],
  ]);
});

test("--depth without a book of that depth is an error, whatever else was recorded", async (t) => {
  const frame = {
    topic: "allLiquidation.BTCUSDT",
    type: "snapshot",
    ts: START_MS,
    data: [{ T: START_MS, s: "BTCUSDT", S: "Buy", v: "3", p: "0.5" }],
  };
  const archive = await recorded(t, "v5-linear", [frame]);
  const end = await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--out",
      path.join(temporary(t), "out"),
      "--depth",
      "50",
    ],
    { status: 4 }
  );
  assert.match(end.stderr, /no book with 50 levels per side was recorded in the selection/);
});

/** Rows as [local time, cells]: the last row of each local time, without repetitions. */
function states(rows) {
  const last = rows.filter(([local], i) => rows[i + 1]?.[0] !== local);
  return last.filter(([, cells], i) => last[i - 1]?.[1] !== cells);
}

/** The best levels of a reader of incremental_book_L2 after the rows of each local time. */
function readBook(text, levels) {
  const rows = text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  let book = { ask: new Map(), bid: new Map() };
  return rows.flatMap(([, , , local, isSnapshot, side, price, amount], i) => {
    if (isSnapshot === "true" && rows[i - 1]?.[4] === "false")
      book = { ask: new Map(), bid: new Map() };
    amount === "0" ? book[side].delete(price) : book[side].set(price, amount);
    if (rows[i + 1]?.[3] === local) return [];
    const best = (name, order) => [...book[name]].sort((a, b) => order * (a[0] - b[0]));
    const [asks, bids] = [best("ask", 1), best("bid", -1)];
    return [
      [
        local,
        Array.from({ length: levels }, (_, n) => [
          ...(asks[n] ?? ["", ""]),
          ...(bids[n] ?? ["", ""]),
        ]).join(),
      ],
    ];
  });
}

test(
  "snapshots and quotes equal the books of a reader of incremental_book_L2, over a broken book and a bad frame",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    // BTCUSD loses 60 frames, and 240 frames later its first snapshot is sent again, with numbers that fit. A frame of
    // EOSUSD cannot be decoded.
    const lines = captureLines(INVERSE);
    const own = (symbol) =>
      lines
        .map((_, i) => i)
        .filter(
          (i) => /^\d/.test(lines[i]) && lines[i].includes(`"topic":"orderBookL2_25.${symbol}"`)
        );
    const [broken, bad] = [own("BTCUSD"), own("EOSUSD")[200]];
    const numbers = (line) => /"cross_seq":\d+,"timestamp_e6":\d+/.exec(line)[0];
    const again = lines[broken[400]];
    lines[broken[400]] = lines[broken[0]]
      .replace(/^[\d.]+/, /^[\d.]+/.exec(again)[0])
      .replace(numbers(lines[broken[0]]), numbers(again));
    lines[bad] = lines[bad].replace(/"price":"[^"]*"/, '"price":"x"');
    const lost = new Set([...broken.slice(100, 160), ...broken.slice(401)]);
    const archive = await importLines(
      t,
      lines.filter((_, i) => !lost.has(i)),
      { format: "cryptofeed", family: "inverse" }
    );
    const replayed = JSON.parse(
      (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: null })).stdout
    );
    assert.ok(replayed.continuity.violations > 0 && replayed.undecoded === 1);
    const files = await exported(t, archive);
    for (const symbol of ["BTCUSD", "EOSUSD"]) {
      const changes = files[`bybit_incremental_book_L2_2021-04-17_${symbol}`];
      for (const [type, levels] of [
        ["book_snapshot_25", 25],
        ["book_snapshot_5", 5],
        ["quotes", 1],
      ]) {
        const rows = files[`bybit_${type}_2021-04-17_${symbol}`]
          .trimEnd()
          .split("\n")
          .slice(1)
          .map((line) => line.split(","));
        const cells = ([askAmount, askPrice, ...bid]) => [askPrice, askAmount, ...bid];
        const got = rows.map(([, , , local, ...values]) => [
          local,
          (type === "quotes" ? cells(values) : values).join(),
        ]);
        assert.ok(got.length > 40);
        assert.deepEqual(states(got), states(readBook(changes, levels)), `${type} ${symbol}`);
      }
    }
  }
);

test(
  "a day without tickers begins at its checkpoint, whatever damage lies before it",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const lines = captureLines(INVERSE).filter((line) => line !== "");
    const first = Number(/^(\d+)\./.exec(lines.filter((line) => /^\d/.test(line))[600])[1]);
    const moved = lines.map((line) =>
      line.replace(
        /(^|<- |<-> )(\d+)(\.\d+)/,
        (_, a, s, rest) => `${a}${Number(s) + 1618704000 - first}${rest}`
      )
    );
    const archive = await importLines(t, moved, { format: "cryptofeed", family: "inverse" });
    const before = await exported(t, archive, "--from", "2021-04-18");
    assert.ok(Object.keys(before).length > 5);
    const day = path.join(archive, "capture/2021/04/17");
    const segment = path.join(
      day,
      fs.readdirSync(day).find((f) => f.endsWith(".mcap"))
    );
    for (const chunk of chunksOf(segment)) flipIn(segment, chunk);
    assert.deepEqual(await exported(t, archive, "--from", "2021-04-18"), before);
  }
);

test(
  "over midnight tickers continue and snapshots begin with the present book; the second day alone is the same",
  { skip: withoutRecorded(V5) },
  async (t) => {
    const lines = captureLines(V5).filter((line) => line !== "");
    const times = lines.map((line) => Number(/"ts":(\d+)/.exec(line)?.[1] ?? 0));
    const midnight = 1786320000; // 2026-08-10T00:00:00Z, in whole seconds as the times are moved
    const by = midnight - times[500];
    const file = path.join(temporary(t), "moved.jsonl");
    fs.writeFileSync(
      file,
      lines
        .map((line) => line.replace(/"ts":(\d+)/, (_, s) => `"ts":${Number(s) + by}`) + "\n")
        .join("")
    );
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
      file,
    ]);
    const should = temporary(t);
    execFileSync("python3", ["tests/export/expected.py", file, "v5-linear", should]);
    const names = fs
      .readdirSync(should)
      .filter((f) => f.endsWith(".csv"))
      .sort();
    const files = await exported(t, archive);
    assert.deepEqual(
      Object.keys(files),
      names.map((f) => f.slice(0, -4))
    );
    for (const name of names)
      assert.equal(
        files[name.slice(0, -4)],
        fs.readFileSync(path.join(should, name), "utf8"),
        name
      );
    const second = Object.entries(files).filter(([name]) => name.includes("2026-08-10"));
    assert.ok(second.length > 8 && second.length < names.length);
    assert.deepEqual(
      await exported(t, archive, "--from", "2026-08-10"),
      Object.fromEntries(second)
    );
  }
);
