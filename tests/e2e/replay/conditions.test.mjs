// `when` and `replay --break` find the frames that meet a condition. The tape's books, findings and gap are computed by hand. Expected: replay/condition.h, docs/replay.md ("Conditions").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import {
  chunksOf,
  flipIn,
  importLines,
  json,
  jsonLines,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { at, book, bookTape, snapshot, trade } from "../support/book_tape.mjs";
import { Tmux, withoutTmux } from "../support/tmux.mjs";

// condition -> number of the first frame of bookTape that meets it; null: no frame
const FOUND = {
  "symbol=BTCUSDT": 1,
  "topic=publicTrade": 3,
  "topic=publicTrade.B*": 3,
  "topic=publicTrade size>=2": 6,
  "price=100 size=3": 2,
  "price>=103": null,
  "price<100 size>0": 1,
  "price>102": 9,
  "topic=publicTrade size!=1": 6,
  "topic=publicTrade size<2 price>100": null,
  "price>=100 price<=100.5 size>=2 topic=publicTrade": 6,
  "spread>1": 5,
  "spread >= 2.5": 7,
  "spread!=1": 5,
  "bid<99.5": 7,
  "ask = 102": 5,
  "seq=12": 5,
  "seq>12 symbol=ETHUSDT": null,
  "seq>=16": 9,
  "u=4": 5,
  "u>4": 7,
  "u>0 topic=publicTrade": null,
  "time>=2026-11-20T06:00:00.055Z": 6,
  "time>2026-11-20T06:00:00.060Z": 7,
  "rule=crossed": 9,
  "rule=not_crossed topic=orderbook.50": 9,
  "rule=*": 9,
  "rule=seq_*": 9,
  undecoded: 10,
  gap: 9,
};

// condition -> numbers of all frames of bookTape that meet it
const FOUND_ALL = {
  "topic=*": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  "topic=publicTrade": [3, 6, 10],
  "bid>=100": [1, 11],
  "price=100 size>=1": [1, 2, 3, 4, 6, 11],
  "rule=*": [9],
};

const numberOf = ({ found }) => found.ordinal + (found.conn - 1) * 10;

describe("conditions", { concurrency: 2 }, () => {
  test("when finds the first frame that meets a condition, or reports that no frame does", async (t) => {
    const archive = await bookTape(t);
    for (const [condition, number] of Object.entries(FOUND)) {
      const { found } = await json(t, ["when", "-a", archive, condition, "--json"], {
        status: number === null ? 1 : 0,
      });
      assert.equal(found === null ? null : numberOf({ found }), number, condition);
    }
    const crossed = await json(t, ["when", "-a", archive, "rule=crossed", "--json"]);
    assert.equal(crossed.found.rule, "seq_dense");
    assert.equal(crossed.found.condition, "rule=crossed");
    assert.deepEqual(
      [crossed.found.book.best_bid, crossed.found.book.best_ask, crossed.found.book.broken],
      ["102.5", "102", true]
    );
    // All levels, the best first.
    const { bids, asks, best_bid, best_bid_size, best_ask, best_ask_size } = crossed.found.book;
    assert.deepEqual(
      [bids[0], asks[0]],
      [
        { price: best_bid, size: best_bid_size },
        { price: best_ask, size: best_ask_size },
      ]
    );
    const prices = (levels) => levels.map(({ price }) => Number(price));
    assert.deepEqual(
      prices(bids),
      [...prices(bids)].sort((a, b) => b - a)
    );
    assert.deepEqual(
      prices(asks),
      [...prices(asks)].sort((a, b) => a - b)
    );
    const { stdout } = await tapedeck(t, ["when", "-a", archive, "spread>1"]);
    assert.match(
      stdout,
      /^2026-11-20T06:00:00\.050000000Z {2}v5-linear orderbook\.50 BTCUSDT, frame 5 of connection 1\n {2}book: bid 100 x 2, ask 102 x 5\n$/
    );
    assert.equal(
      (await tapedeck(t, ["when", "-a", archive, "spread>9"], { status: 1 })).stdout,
      "no frame of the selection meets the condition\n"
    );
    assert.equal((await tapedeck(t, ["when", archive, "spread>1"])).stdout, stdout);
    assert.deepEqual([crossed.found.entry, crossed.found.gap], [null, null]);
    assert.match(
      (await tapedeck(t, ["when", archive, "spread>1", "-a", archive], { status: 2 })).stderr,
      /the archive is given twice/
    );
    assert.match(
      (await tapedeck(t, ["when", archive, "spread>1", "gap"], { status: 2 })).stderr,
      /unexpected argument 'gap'/
    );
  });

  test("what met a condition is shown: the entry, or the gap and its feed", async (t) => {
    const archive = await bookTape(t);
    const found = async (condition) =>
      (await json(t, ["when", "-a", archive, condition, "--json"])).found;
    assert.deepEqual((await found("price=100 size=3")).entry, { price: "100", size: "3" });
    assert.deepEqual((await found("topic=publicTrade size>=2")).entry, { price: "100", size: "2" });
    const { gap, entry } = await found("gap");
    const [row] = (await json(t, ["gaps", archive, "--json"], { status: null })).gaps;
    assert.deepEqual([gap, entry], [row, null]);
    const text = async (condition) =>
      (await tapedeck(t, ["when", "-a", archive, condition])).stdout;
    assert.match(
      await text("price=100 size=3"),
      /^2026.*, frame 2 of connection 1\n {2}entry: price 100, size 3\n {2}book: bid /
    );
    assert.match(
      await text("gap"),
      /^2026.* v5-linear .*\n {2}gap: sequence of v5-linear, from 2026-11-20T06:00:00\.\d+Z\n {2}book: /
    );
    const { stderr } = await tapedeck(t, ["replay", archive, "--break", "price=100 size=3"], {
      status: null,
    });
    assert.match(stderr, /'price=100 size=3' \(price 100, size 3\) at frame 2 of connection 1/);
  });

  test("a trade or an order that meets a condition is shown with the book of its symbol", async (t) => {
    const connect = (conn, i, path) => ({
      ...{ t: "connect", conn, ts: at(i), addr: `wss://stream.bybit.com/v5/${path}` },
    });
    const frame = (conn, i, data) => ({ t: "recv", conn, ts: at(i), data: JSON.stringify(data) });
    const header = { t: "header", format: 2, exchange: "TEST" };
    const other = (topic, text) => JSON.parse(JSON.stringify(text).replace("orderbook.50", topic));
    const archive = await importLines(
      t,
      [
        header,
        connect("T", 0, "public/linear"),
        connect("B", 0.1, "public/linear"),
        frame("T", 1, trade(1, "1")),
        frame("B", 2, snapshot(2)),
        // A shallower book, with another best bid, is not chosen.
        frame("B", 3, other("orderbook.1", book(3, "snapshot", 1, [["90", "1"]], [["101", "1"]]))),
        frame("B", 4, book(4, "delta", 2, [["100", "3"]], [])),
        frame("T", 5, trade(5, "2")),
        frame("B", 6, other("orderbook.1", snapshot(6))),
        // The connection of the books ends; that of the trades stays.
        frame("T", 300, trade(300, "3")),
        connect("B", 400, "public/linear"),
        frame("B", 401, snapshot(401)),
        frame("T", 402, trade(402, "4")),
        // One delta is missing.
        frame("B", 403, book(403, "delta", 3, [["100", "4"]], [])),
        frame("T", 404, trade(404, "5")),
      ],
      { format: "cryptofeed", family: "v5-linear" }
    );
    const order = JSON.parse(fs.readFileSync("tests/golden/v5-private/order.json", "utf8"));
    order.data = [
      { ...order.data[0], symbol: "ETHUSDT", qty: "1" },
      { ...order.data[0], symbol: "BTCUSDT", qty: "7" },
    ];
    await importLines(
      t,
      [header, connect("P", 0, "private"), frame("P", 5.5, order), frame("P", 500, order)],
      { archive, format: "cryptofeed", family: "v5-private" }
    );
    const met = async (condition, ...args) =>
      (await json(t, ["when", archive, condition, ...args, "--json"])).found.symbol_book;
    const sized = (size) => `topic=publicTrade size=${size}`;
    const { bids, asks, not_shown, topic, feed, symbol, ...best } = await met(sized(2));
    assert.deepEqual([feed, topic, symbol], ["v5-linear", "orderbook.50", "BTCUSDT"]);
    assert.deepEqual([not_shown, bids[0].size, bids.length, asks.length], [null, "3", 2, 2]);
    assert.deepEqual(best, {
      ...{ best_bid: "100", best_bid_size: "3", best_ask: "101", best_ask_size: "1" },
    });
    // An order names its symbol in the entry, and its book is in another feed.
    const ofOrder = await met("topic=order size=7");
    assert.deepEqual([ofOrder.feed, ofOrder.symbol, ofOrder.best_bid_size], [feed, symbol, "3"]);
    const hidden = async (condition, ...args) => {
      const found = await met(condition, ...args);
      assert.equal(found.best_bid, undefined, condition);
      return found.not_shown;
    };
    assert.equal(
      await hidden(sized(1)),
      "the recording has no frame of a book of BTCUSDT up to here"
    );
    assert.equal(
      await hidden(sized(2), "--topic", "publicTrade"),
      "the selection has no frame of a book of BTCUSDT up to here"
    );
    assert.match(
      await hidden("topic=order size=1"),
      /^the recording has no frame of a book of ETHUSDT/
    );
    assert.match(
      await hidden(sized(3)),
      /^orderbook\.50 of BTCUSDT cannot be trusted since 2026-11-20T06:00:00\.0\d+Z: disconnect$/
    );
    // The missing delta may have been sent before trade 4.
    for (const size of [4, 5])
      assert.match(
        await hidden(sized(size)),
        /^orderbook\.50 of BTCUSDT cannot be trusted since 2026-11-20T06:00:04\.010Z: sequence$/
      );
    // Text, replay --break, and the book of a frame that has its own.
    const { stdout } = await tapedeck(t, ["when", archive, sized(2)]);
    assert.match(stdout, /\n {2}orderbook\.50: bid 100 x 3, ask 101 x 1\n$/);
    const stderrOf = async (condition) =>
      (await tapedeck(t, ["replay", archive, "--break", condition], { status: null })).stderr;
    assert.match(await stderrOf(sized(2)), /: orderbook\.50 there: bid 100, ask 101\n/);
    assert.match(await stderrOf(sized(3)), /: no book: orderbook\.50 of BTCUSDT cannot be trusted/);
    assert.equal(await met("topic=orderbook.50"), null);
  });

  test("when --max-frames finds up to N frames, in order, as the same search one by one, and without levels", async (t) => {
    const archive = await bookTape(t);
    for (const [condition, numbers] of Object.entries(FOUND_ALL)) {
      const all = await jsonLines(t, [
        "when",
        "-a",
        archive,
        condition,
        "--max-frames",
        "1000",
        "--json",
      ]);
      assert.deepEqual(all.map(numberOf), numbers, condition);
      const some = await jsonLines(t, ["when", "-a", archive, condition, "-n", "2", "--json"]);
      assert.deepEqual(some, all.slice(0, 2), condition);
    }
    const one = (condition, ...args) => tapedeck(t, ["when", "-a", archive, condition, ...args]);
    assert.equal(
      (await one("topic=*", "--json", "-n", "1")).stdout,
      (await one("topic=*", "--json")).stdout
    );
    const { found } = JSON.parse((await one("topic=*", "--json")).stdout);
    const [first] = await jsonLines(t, ["when", "-a", archive, "topic=*", "-n", "2", "--json"]);
    for (const name of ["bids", "asks", "before", "changes"]) delete found.book[name];
    assert.deepEqual(first, { found });
    // As text, the same two lines for each frame.
    const [third, sixth] = await Promise.all(
      [".03", ".06"].map((from) =>
        one("topic=publicTrade", "--from", `2026-11-20T06:00:00${from}Z`)
      )
    );
    assert.equal((await one("topic=publicTrade", "-n", "2")).stdout, third.stdout + sixth.stdout);
    assert.equal(
      (await tapedeck(t, ["when", archive, "spread>9", "-n", "9", "--json"], { status: 1 })).stdout,
      '{"found":null}\n'
    );
    assert.match(
      (await tapedeck(t, ["when", archive, "gap", "-n", "0"], { status: 2 })).stderr,
      /--max-frames: '0' is below 1/
    );
  });

  test("the found frame has the levels that it changed, and the best prices before it", async (t) => {
    const archive = await bookTape(t);
    const best = (bid, bidSize, ask, askSize) => ({
      best_bid: bid,
      best_bid_size: bidSize,
      best_ask: ask,
      best_ask_size: askSize,
    });
    const changed = (side, price, before, after) => ({ side, price, before, after });
    const expected = {
      1: [
        null,
        changed("bid", "100", null, "1"),
        changed("bid", "99", null, "2"),
        changed("ask", "101", null, "1"),
        changed("ask", "102", null, "5"),
      ],
      2: [best("100", "1", "101", "1"), changed("bid", "100", "1", "3")],
      5: [best("100", "2", "101", "1"), changed("ask", "101", "1", null)],
      7: [best("100", "2", "102", "5"), changed("bid", "100", "2", null)],
      8: [best("99", "2", "102", "5"), changed("bid", "98.5", null, "7")],
      9: [best("99", "2", "102", "5"), changed("bid", "102.5", null, "1")],
    };
    expected[11] = expected[1]; // the first frame of its connection
    for (const [number, [before, ...changes]] of Object.entries(expected)) {
      // The same from the beginning of the tape, and from the frame on.
      const at = number === "11" ? "03.01" : `00.0${number}`;
      for (const search of [
        [`topic=orderbook.50 time>=2026-11-20T06:00:${at}Z`],
        ["topic=orderbook.50", "--from", `2026-11-20T06:00:${at}Z`],
      ]) {
        const { found } = await json(t, ["when", archive, ...search, "--json"]);
        assert.equal(numberOf({ found }), Number(number));
        assert.deepEqual(
          [found.book.before, found.book.changes],
          [before, changes],
          `frame ${number}`
        );
      }
    }
    assert.equal(
      (await json(t, ["when", archive, "topic=publicTrade", "--json"])).found.book,
      null
    );
  });

  test("when reports damage if it found fewer frames than it was to find", async (t) => {
    const archive = await bookTape(t);
    const data = { topic: "publicTrade.BTCUSDT", type: "snapshot" };
    await importLines(t, [{ recv_ns: 1795154500000000000, data }], {
      archive,
      family: "v5-linear",
    });
    const later = path.join(archive, segments(archive).at(-1));
    flipIn(later, chunksOf(later)[0]);
    for (const [limit, status] of [
      [11, 0],
      [12, 3],
    ])
      assert.equal(
        (
          await jsonLines(t, ["when", archive, "topic=*", "-n", String(limit), "--json"], {
            status,
          })
        ).length,
        11
      );
  });

  test("rule=* finds a frame by which topics differ, with that rule", async (t) => {
    // The third reading of the second candle is half a unit more than the trades that came.
    const minute = 60_000,
      begin = 1_795_154_400_000;
    const trade = (at, v) => [
      at,
      {
        topic: "publicTrade.BTCUSDT",
        type: "snapshot",
        ts: begin + at,
        data: [
          {
            T: begin + at,
            s: "BTCUSDT",
            S: "Buy",
            v,
            p: "100",
            L: "PlusTick",
            i: `id-${at}`,
            BT: false,
          },
        ],
      },
    ];
    const candle = (at, volume) => {
      const start = begin + at - (at % minute);
      return [
        at,
        {
          topic: "kline.1.BTCUSDT",
          type: "snapshot",
          ts: begin + at,
          data: [
            {
              start,
              end: start + minute - 1,
              interval: "1",
              open: "100",
              close: "100",
              high: "100",
              low: "100",
              volume,
              turnover: String(100 * volume),
              confirm: false,
              timestamp: begin + at,
            },
          ],
        },
      ];
    };
    const frames = [
      candle(1000, "5"),
      trade(2000, "1"),
      trade(60_100, "1"),
      candle(60_200, "1"),
      trade(60_300, "2"),
      candle(60_400, "3"),
      trade(60_500, "1"),
      candle(60_600, "4.5"),
      trade(60_700, "1"),
      trade(60_800, "1"),
    ];
    const archive = await importLines(
      t,
      frames.map(([at, data]) => ({ recv_ns: `${begin + at + 5}000000`, data })),
      { family: "v5-linear" }
    );
    const found = await jsonLines(t, ["when", archive, "rule=*", "-n", "9", "--json"]);
    assert.deepEqual(
      found.map((each) => [numberOf(each), each.found.topic, each.found.rule]),
      [[9, "publicTrade", "trades_complete"]]
    );
    assert.deepEqual(
      await jsonLines(t, ["when", archive, "rule=trades_complete", "-n", "9", "--json"]),
      [{ found: { ...found[0].found, condition: "rule=trades_complete" } }]
    );
  });

  test("a missing trade is found although another topic is subscribed, unless it is the trades that are unsubscribed", async (t) => {
    const begin = 1_795_154_400_000;
    const frame = (at, topic, data) => [
      at,
      "in",
      { topic: `${topic}.BTCUSDT`, type: "snapshot", ts: begin + at, data: [data] },
    ];
    const trade = (at) =>
      frame(at, "publicTrade", {
        T: begin + at,
        s: "BTCUSDT",
        S: "Buy",
        v: "1",
        p: "100",
        L: "PlusTick",
        i: `id-${at}`,
        BT: false,
      });
    const candle = (at, volume) => {
      const start = begin + at - (at % 60_000);
      return frame(at, "kline.1", {
        start,
        end: start + 59_999,
        interval: "1",
        open: "100",
        close: "100",
        high: "100",
        low: "100",
        volume,
        turnover: String(100 * volume),
        confirm: false,
        timestamp: begin + at,
      });
    };
    const ask = (at, op, ...args) => [
      [at, "out", { op, req_id: `${at}`, args }],
      [at + 1, "in", { success: true, ret_msg: "", conn_id: "c", req_id: `${at}`, op }],
    ];
    for (const [op, topic, expected] of [
      ["subscribe", "tickers.BTCUSDT", 1],
      ["subscribe", "publicTrade.ETHUSDT", 1],
      ["unsubscribe", "kline.5.BTCUSDT", 1],
      ["unsubscribe", "publicTrade.BTCUSDT", 0],
      ["unsubscribe", "publicTrade.ETHUSDT", 1],
    ]) {
      const frames = [
        ...ask(
          0,
          "subscribe",
          "publicTrade.BTCUSDT",
          "kline.1.BTCUSDT",
          "publicTrade.ETHUSDT",
          "kline.5.BTCUSDT"
        ),
        candle(1000, "5"),
        trade(2000),
        trade(60_100),
        candle(60_200, "1"),
        ...ask(60_300, op, topic),
        candle(62_000, "4"),
        trade(68_000),
        candle(69_000, "5"),
      ];
      const archive = await importLines(
        t,
        frames.map(([at, dir, data]) => ({ recv_ns: `${begin + at}000000`, conn: 0, dir, data })),
        { family: "v5-linear" }
      );
      const { continuity } = await json(t, ["replay", archive, "--json"], { status: 1 }); // two topics are silent
      assert.deepEqual(
        continuity.by_rule,
        expected ? { trades_complete: 1 } : {},
        `${op} ${topic}`
      );
    }
  });

  test("when looks only at the selection", async (t) => {
    const archive = await bookTape(t);
    const from = await json(t, [
      "when",
      "-a",
      archive,
      "topic=publicTrade",
      "--from",
      "2026-11-20T06:00:00.045Z",
      "--json",
    ]);
    assert.equal(from.found.ordinal, 6);
    assert.match(
      (await tapedeck(t, ["when", "-a", archive, "gap", "--symbol", "NONE"], { status: 4 })).stderr,
      /NONE/
    );
  });

  test(
    "on a terminal a break pauses a replay each time the condition becomes true, also after a step back",
    { skip: withoutTmux },
    async (t) => {
      const archive = await bookTape(t);
      const terminal = new Tmux(
        t,
        [
          "replay",
          archive,
          "--start-paused",
          "--break",
          "spread>1",
          "--break",
          "topic=publicTrade",
        ],
        { columns: 100 }
      );
      const expected = [
        ["", "frame 0  paused", null],
        [" ", "frame 3  paused", "topic=publicTrade"],
        [",", "frame 2  paused", null],
        [".", "frame 3  paused", "topic=publicTrade"],
        [" ", "frame 5  paused", "spread>1"],
        [",", "frame 4  paused", null],
        ["f", "frame 11  end of the tape", null],
        [",", "frame 10  paused", "topic=publicTrade"],
      ];
      for (const [key, position, condition] of expected) {
        if (key !== "") terminal.keys(key);
        terminal.shows(
          new RegExp(
            `${position}  speed max${condition === null ? "$" : `  met: ${condition}$`}`,
            "m"
          )
        );
      }
      terminal.keys("q");
      terminal.shows(/^status 1$/m);
    }
  );

  test("without a terminal a break ends the replay after that frame", async (t) => {
    const archive = await bookTape(t);
    const end = await tapedeck(t, ["replay", archive, "--break", "rule=crossed", "--json"], {
      status: 1,
    });
    const report = JSON.parse(end.stdout);
    assert.deepEqual([report.frames, report.stopped], [9, true]);
    assert.match(
      end.stderr,
      /'rule=crossed' at frame 9 of connection 1 of v5-linear, orderbook\.50 BTCUSDT/
    );
  });

  test("invalid conditions are refused", async (t) => {
    const cases = {
      "": /expected topic/,
      "spraed>1": /'spraed'/,
      "spread~1": /expected topic/,
      "spread>": /spread: expected a value/,
      "symbol=[a": /'\[a' is not a glob/,
      "topic>trade": /topic: expected =/,
      "price=<5": /price: expected =, !=, <, <=, > or >=/,
      "rule=crosed": /no such rule/,
      "time>yesteryear": /yesteryear/,
      "time>=+3s": /absolute/,
      "gap symbol=X": /gap: no other terms/,
      "seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1": /more than 8 terms/,
    };
    for (const [condition, message] of Object.entries(cases)) {
      assert.match(
        (await tapedeck(t, ["when", "-a", temporary(t), condition], { status: 2 })).stderr,
        message,
        condition
      );
      assert.match(
        (await tapedeck(t, ["replay", "--break", condition, temporary(t)], { status: 2 })).stderr,
        /--break/
      );
    }
  });
});
