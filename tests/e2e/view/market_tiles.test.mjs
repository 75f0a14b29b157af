// The market's tiles equal the books: every cell of many tiles, at random times and zooms, is compared with books that are kept
// here from the recorded frames; and these books with the ones of `when`. Expected: view/market_tile.h, docs/wire.md (v5 books).
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { capture, listening, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";

/** A verb's documents; times in ns are texts, because doubles would round them. */
const documents = async (t, args) =>
  (await tapedeck(t, args, { status: null })).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line.replace(/"(\w+_ns)":(\d+)/g, '"$1":"$2"')));

const COLUMNS = 256,
  KNOWN = 1,
  UNKNOWN = 2,
  UNTRUSTED = 4,
  MISSING = 8;
const DOUBLES = [
  "bid",
  "ask",
  "spread",
  "imbalance",
  "open",
  "high",
  "low",
  "close",
  "buy",
  "sell",
];

/** Read the page's form of a tile. */
function readTile(bytes) {
  const end = bytes.indexOf(10),
    head = JSON.parse(bytes.subarray(0, end));
  let at = end + 1;
  const take = (count, size, read) =>
    Array.from({ length: count }, () => read.call(bytes, (at += size) - size));
  const f64 = (count) => take(count, 8, bytes.readDoubleLE),
    u32 = (count) => take(count, 4, bytes.readUInt32LE),
    u8 = (count) => take(count, 1, bytes.readUInt8);
  const tile = {
    head,
    ...Object.fromEntries(DOUBLES.map((name) => [name, f64(COLUMNS)])),
    size: f64(head.runs),
    cells: { buy: f64(head.trade_cells), sell: f64(head.trade_cells) },
  };
  Object.assign(tile, {
    frames: u32(COLUMNS),
    trades: u32(COLUMNS),
    row: take(head.runs, 4, bytes.readInt32LE),
  });
  Object.assign(tile.cells, {
    row: take(head.trade_cells, 4, bytes.readInt32LE),
    count: u32(head.trade_cells),
  });
  const latencies = u32(head.latency_cells);
  Object.assign(tile, { state: u8(COLUMNS), first: u8(head.runs), last: u8(head.runs) });
  tile.cells.column = u8(head.trade_cells);
  tile.latencies = {
    count: latencies,
    column: u8(head.latency_cells),
    bucket: u8(head.latency_cells),
  };
  assert.equal(at, bytes.length);
  return tile;
}

const decimal = (text) => {
  const [whole, part = ""] = text.split(".");
  return { mantissa: BigInt(whole + part), scale: part.length };
};
/** The row of a price: floor(price / bin), exactly. */
function rowOf(price, bin) {
  const a = decimal(price),
    b = decimal(bin),
    scale = Math.max(a.scale, b.scale);
  return Number(
    (a.mantissa * 10n ** BigInt(scale - a.scale)) / (b.mantissa * 10n ** BigInt(scale - b.scale))
  );
}

/** The states of a v5 book in the order of time: {from, to, levels}, from frames as `cat --json` prints them. A state ends with
 * the next frame of the connection, with the gap that ended the connection or begins in the state (frames were lost then), or with
 * the feed's last frame. */
function statesOf(frames, gaps, lastNs) {
  const states = [];
  // The first gap of a reason that begins in a time, or the end of the time.
  const lost = (reason, from, to) =>
    gaps
      .filter((gap) => gap.reason === reason)
      .map((gap) => BigInt(gap.from_ns))
      .reduce((end, at) => (at >= from && at < end ? at : end), to);
  let levels = { b: new Map(), a: new Map() };
  frames.forEach((frame, i) => {
    const { type, data } = JSON.parse(frame.data);
    levels =
      type === "snapshot"
        ? { b: new Map(), a: new Map() }
        : { b: new Map(levels.b), a: new Map(levels.a) };
    for (const side of ["b", "a"])
      for (const [price, size] of data[side]) {
        if (Number(size) === 0) levels[side].delete(price);
        else levels[side].set(price, Number(size));
      }
    const from = BigInt(frame.recv_ns),
      next = frames[i + 1],
      isLast = next && next.conn !== frame.conn;
    let to = next ? BigInt(next.recv_ns) : lastNs + 1n;
    if (isLast) to = to > lost("disconnect", from, to) ? lost("disconnect", from, to) : from;
    to = lost("sequence", from, to);
    states.push({ from, to, levels });
  });
  return states;
}

/** All cells of a tile, from states: a map of "column row" to the largest size. */
function cellsOf(states, k, i, bin) {
  const cells = new Map(),
    begin = (i * 256n) << k,
    end = ((i + 1n) * 256n) << k;
  for (const { from, to, levels } of states) {
    const first = from > begin ? from : begin,
      last = (to < end ? to : end) - 1n;
    if (last < first) continue;
    for (const side of ["b", "a"])
      for (const [price, size] of levels[side])
        for (
          let column = Number((first - begin) >> k), row = rowOf(price, bin);
          column <= Number((last - begin) >> k);
          column++
        ) {
          const key = `${column} ${row}`;
          if (size > (cells.get(key) ?? 0)) cells.set(key, size);
        }
  }
  return cells;
}

const SEED = 20261126;
function* randoms(seed) {
  for (let x = seed; ;) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x / 2 ** 32;
  }
}

const FINEST = 17;

/** Compare tiles of a book, and its states with `when`: one with each gap's last ns, and random ones. Returns the number of cells
 * compared, and of columns by state. */
async function compare(t, archive, { feed, symbol, book, tiles }) {
  const random = randoms(SEED),
    next = (below) => Math.floor(random.next().value * below);
  const only = ["--feed", feed, "--topic", book, "--symbol", symbol];
  const frames = await documents(t, ["cat", "-a", archive, ...only, "--dir", "in", "--json"]);
  const all = await documents(t, ["cat", "-a", archive, "--feed", feed, "--dir", "in", "--json"]);
  const [{ gaps }] = await documents(t, ["gaps", "-a", archive, "--json"]);
  const states = statesOf(
    frames,
    gaps,
    BigInt(all.filter(({ topic }) => topic !== "_control").at(-1).recv_ns)
  );
  const { url } = await listening(t, ["view", "-a", archive], temporary(t));
  const ask = async (k, i, bin) => {
    const answer = await fetch(
      `${url}api/market?${new URLSearchParams({ feed, symbol, book, k, i, bin })}`
    );
    assert.equal(answer.status, 200);
    return readTile(Buffer.from(await answer.arrayBuffer()));
  };
  const counts = { cells: 0, levels: 0, states: {} };
  const gapEnds = gaps.map((gap) => BigInt(gap.to_ns) - 1n);
  for (let n = 0; n < gapEnds.length + tiles; n++) {
    const k = BigInt(n < gapEnds.length ? FINEST : FINEST + next(26)),
      bin = ["0.1", "0.5", "2", "25"][next(4)];
    const at = gapEnds[n] ?? states[next(states.length)].from,
      i = at / (256n << k);
    const expected = cellsOf(states, k, i, bin);
    // The second answer comes from the folder of tiles.
    for (const tile of n % 5 === 0
      ? [await ask(k, i, bin), await ask(k, i, bin)]
      : [await ask(k, i, bin)]) {
      const found = new Map();
      tile.row.forEach((row, run) => {
        for (let column = tile.first[run]; column <= tile.last[run]; column++) {
          const key = `${column} ${tile.head.base + row}`;
          assert.ok(!found.has(key), `two runs in the cell ${key}`);
          found.set(key, tile.size[run]);
          assert.ok(
            tile.state[column] & KNOWN,
            `depth in column ${column}, in which no book was known`
          );
        }
      });
      const wrong = [...new Set([...expected.keys(), ...found.keys()])].filter(
        (key) => expected.get(key) !== found.get(key)
      );
      assert.deepEqual(
        wrong
          .slice(0, 3)
          .map((key) => ({
            at: String((i * 256n + BigInt(key.split(" ")[0])) << k),
            k,
            i,
            bin,
            key,
            expected: expected.get(key),
            found: found.get(key),
          })),
        []
      );
      counts.cells += expected.size;
      for (const state of tile.state)
        counts.states[state & ~MISSING] = (counts.states[state & ~MISSING] ?? 0) + 1;
    }
  }
  // Trades: the sums of a tile with all of them, and the prices of its candles.
  const trades = (
    await documents(t, [
      "cat",
      "-a",
      archive,
      "--feed",
      feed,
      "--topic",
      "publicTrade",
      "--symbol",
      symbol,
      "--dir",
      "in",
      "--json",
    ])
  ).flatMap(({ data }) => JSON.parse(data).data);
  const begin = states[0].from / (256n << 42n),
    tile = await ask(42n, begin, "1"),
    sum = (list) => list.reduce((a, b) => a + b, 0);
  assert.equal(states.at(-1).from / (256n << 42n), begin);
  const amounts = ["Buy", "Sell"].map((side) =>
    sum(trades.filter(({ S }) => S === side).map(({ v }) => Number(v)))
  );
  assert.deepEqual([sum(tile.trades), sum(tile.cells.count)], [trades.length, trades.length]);
  for (const [found, expected] of [
    [tile.buy, amounts[0]],
    [tile.cells.buy, amounts[0]],
    [tile.sell, amounts[1]],
    [tile.cells.sell, amounts[1]],
  ])
    assert.ok(Math.abs(sum(found) - expected) < 1e-6 * expected);
  const prices = trades.map(({ p }) => Number(p)),
    candles = tile.open.map((_, i) => i).filter((i) => tile.trades[i] > 0);
  assert.deepEqual([tile.open[candles[0]], tile.close[candles.at(-1)]], [prices[0], prices.at(-1)]);
  assert.deepEqual(
    [Math.max(...candles.map((i) => tile.high[i])), Math.min(...candles.map((i) => tile.low[i]))],
    [Math.max(...prices), Math.min(...prices)]
  );
  for (let n = 0; n < 12; n++) {
    const { from, levels } = states[next(states.length)];
    const [{ found }] = await documents(t, [
      "when",
      "-a",
      archive,
      `time>=${from}`,
      ...only,
      "--from",
      String(from),
      "--json",
    ]);
    if (BigInt(found.recv_ns) !== from) continue;
    for (const [side, list] of [
      ["b", found.book.bids],
      ["a", found.book.asks],
    ])
      assert.deepEqual(
        new Map(list.map(({ price, size }) => [Number(price), Number(size)])),
        new Map(
          [...levels[side]]
            .map(([price, size]) => [Number(price), size])
            .sort(([x], [y]) => (side === "b" ? y - x : x - y))
        )
      );
    counts.levels += levels.b.size + levels.a.size;
  }
  return counts;
}

describe("market tiles", () => {
  test(
    "a capture's tiles equal its books",
    { skip: withoutCapture("v5-2026-08-09.jsonl.gz") },
    async (t) => {
      const archive = path.join(temporary(t), "tape");
      await tapedeck(t, ["import", "-q", "-a", archive, capture("v5-2026-08-09.jsonl.gz")]);
      const counts = await compare(t, archive, {
        feed: "v5-linear",
        symbol: "BTCUSDT",
        book: "orderbook.200",
        tiles: 24,
      });
      t.diagnostic(
        `${counts.cells} cells equal, ${counts.levels} levels equal to when's; columns by state: ${JSON.stringify(counts.states)}`
      );
      assert.ok(counts.cells > 1000 && counts.levels > 1000);
    }
  );

  test("a recording with lost frames and a lost connection: tiles equal its books, and are empty in the gap", async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const server = await listening(
      t,
      [
        "sim",
        "--families",
        "v5-linear",
        "--symbols",
        "1",
        "--rate",
        "300",
        "--fault",
        "drop@303",
        "--fault",
        "drop@304",
        "--fault",
        "drop@305",
        "--fault",
        "disconnect@700",
      ],
      dir
    );
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "v5-linear", ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]),
      "--commit-interval",
      "100ms",
    ]);
    await recorder.durableAfter(45);
    await recorder.kill("SIGTERM");
    const counts = await compare(t, archive, {
      feed: "v5-linear",
      symbol: "BTCUSDT",
      book: "orderbook.50",
      tiles: 24,
    });
    t.diagnostic(
      `${counts.cells} cells equal, ${counts.levels} levels equal to when's; columns by state: ${JSON.stringify(counts.states)}`
    );
    assert.ok(counts.cells > 1000 && counts.states[UNKNOWN] > 0 && counts.states[KNOWN] > 0);
    // Between the delta that shows the loss and the next snapshot: less than a column, where the simulator is fast.
    assert.ok(Object.keys(counts.states).some((state) => state & UNTRUSTED));
  });
});
