// `when` and `replay --break` find the frames that meet a condition. The tape's books, findings and gap are computed by hand. Expected: replay/condition.h, docs/replay.md ("Conditions").
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { json, tapedeck, temporary } from "../support/harness.mjs";
import { bookTape } from "../support/book_tape.mjs";
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
  "time>=2026-11-20T06:00:00.055Z": 6,
  "time>2026-11-20T06:00:00.060Z": 7,
  "rule=crossed": 9,
  "rule=not_crossed topic=orderbook.50": 9,
  "rule=*": 9,
  "rule=seq_*": null,
  "undecoded": 10,
  "gap": 11,
};

describe("conditions", { concurrency: 2 }, () => {
  test("when finds the first frame that meets a condition, or reports that no frame does", async (t) => {
    const archive = await bookTape(t);
    for (const [condition, number] of Object.entries(FOUND)) {
      const { found } = await json(t, ["when", "-a", archive, condition, "--json"], { status: number === null ? 1 : 0 });
      assert.equal(found === null ? null : found.ordinal + (found.conn - 1) * 10, number, condition);
    }
    const crossed = await json(t, ["when", "-a", archive, "rule=crossed", "--json"]);
    assert.equal(crossed.found.rule, "not_crossed");
    assert.equal(crossed.found.condition, "rule=crossed");
    assert.deepEqual([crossed.found.book.best_bid, crossed.found.book.best_ask, crossed.found.book.broken], ["102.5", "102", true]);
    // All levels, the best first.
    const { bids, asks, best_bid, best_bid_size, best_ask, best_ask_size } = crossed.found.book;
    assert.deepEqual([bids[0], asks[0]], [{ price: best_bid, size: best_bid_size }, { price: best_ask, size: best_ask_size }]);
    const prices = (levels) => levels.map(({ price }) => Number(price));
    assert.deepEqual(prices(bids), [...prices(bids)].sort((a, b) => b - a));
    assert.deepEqual(prices(asks), [...prices(asks)].sort((a, b) => a - b));
    const { stdout } = await tapedeck(t, ["when", "-a", archive, "spread>1"]);
    assert.match(stdout, /^2026-11-20T06:00:00\.050000000Z {2}v5-linear orderbook\.50 BTCUSDT, frame 5 of connection 1\n {2}book: bid 100 x 2, ask 102 x 5\n$/);
    assert.equal((await tapedeck(t, ["when", "-a", archive, "spread>9"], { status: 1 })).stdout, "no frame of the selection meets the condition\n");
    assert.equal((await tapedeck(t, ["when", archive, "spread>1"])).stdout, stdout);
    assert.match((await tapedeck(t, ["when", archive, "spread>1", "-a", archive], { status: 2 })).stderr, /the archive is given twice/);
    assert.match((await tapedeck(t, ["when", archive, "spread>1", "gap"], { status: 2 })).stderr, /unexpected argument 'gap'/);
  });

  test("when looks only at the selection", async (t) => {
    const archive = await bookTape(t);
    const from = await json(t, ["when", "-a", archive, "topic=publicTrade", "--from", "2026-11-20T06:00:00.045Z", "--json"]);
    assert.equal(from.found.ordinal, 6);
    assert.match((await tapedeck(t, ["when", "-a", archive, "gap", "--symbol", "NONE"], { status: 4 })).stderr, /NONE/);
  });

  test("on a terminal a break pauses a replay each time the condition becomes true, also after a step back", { skip: withoutTmux }, async (t) => {
    const archive = await bookTape(t);
    const terminal = new Tmux(t, ["replay", archive, "--start-paused", "--break", "spread>1", "--break", "topic=publicTrade"], { columns: 100 });
    const expected = [
      ["", "frame 0  paused", null], [" ", "frame 3  paused", "topic=publicTrade"], [",", "frame 2  paused", null], [".", "frame 3  paused", "topic=publicTrade"],
      [" ", "frame 5  paused", "spread>1"], [",", "frame 4  paused", null], ["f", "frame 11  end of the tape", null], [",", "frame 10  paused", "topic=publicTrade"],
    ];
    for (const [key, position, condition] of expected) {
      if (key !== "") terminal.keys(key);
      terminal.shows(new RegExp(`${position}  speed max${condition === null ? "$" : `  met: ${condition}$`}`, "m"));
    }
    terminal.keys("q");
    terminal.shows(/^status 1$/m);
  });

  test("without a terminal a break ends the replay after that frame", async (t) => {
    const archive = await bookTape(t);
    const end = await tapedeck(t, ["replay", archive, "--break", "rule=crossed", "--json"], { status: 1 });
    const report = JSON.parse(end.stdout);
    assert.deepEqual([report.frames, report.stopped], [9, true]);
    assert.match(end.stderr, /'rule=crossed' at frame 9 of connection 1 of v5-linear, orderbook\.50 BTCUSDT/);
  });

  test("invalid conditions are refused", async (t) => {
    const cases = {
      "": /expected topic/, "spraed>1": /'spraed'/, "spread~1": /expected topic/, "spread>": /spread: expected a value/, "symbol=[a": /'\[a' is not a glob/,
      "topic>trade": /topic: expected =/, "price=<5": /price: expected =, !=, <, <=, > or >=/, "rule=crosed": /no such rule/,
      "time>yesteryear": /yesteryear/, "time>=+3s": /absolute/, "gap symbol=X": /gap: no other terms/,
      "seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1": /more than 8 terms/,
    };
    for (const [condition, message] of Object.entries(cases)) {
      assert.match((await tapedeck(t, ["when", "-a", temporary(t), condition], { status: 2 })).stderr, message, condition);
      assert.match((await tapedeck(t, ["replay", "--break", condition, temporary(t)], { status: 2 })).stderr, /--break/);
    }
  });
});
