// A client that subscribes to a book after its tape has started gets a snapshot, in the form of each dialect whose books have
// deltas. The frames are made up here, and the client has its own code for books, so their levels are known without
// tapedeck.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import {
  eventually,
  FRAMES_MS as MS,
  importFrames,
  inTime,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const COUNT = 40; // deltas of each symbol

// ---- the form of frames in each dialect: level i of a side, and the frame around it ----

const price = (side, i) => (side === "Buy" ? 100 - i : 101 + i);
/** Levels of the snapshot: three a side. */
const START = ["Buy", "Sell"].flatMap((side) =>
  [0, 1, 2].map((i) => ({ side, price: price(side, i), size: i + 1, action: "insert" }))
);
/** The k-th delta: a new level on one side, another size, and now and then a deleted level. */
const changes = (k) => {
  const side = k % 2 ? "Sell" : "Buy";
  const made = [
    { side, price: price(side, 3 + k), size: 10 + k, action: "insert" },
    { side, price: price(side, 0), size: 100 + k, action: "update" },
  ];
  if (k >= 4 && k % 4 < 2)
    made.push({ side, price: price(side, 3 + k - 4), size: 0, action: "delete" });
  return made;
};
const v3Side = (levels, side) =>
  levels
    .filter((l) => l.side === side)
    .sort((a, b) => (side === "Buy" ? b.price - a.price : a.price - b.price))
    .map((l) => [l.price.toFixed(2), `${l.size}`]);
const rising = (levels) =>
  [...levels].sort((a, b) => a.side.localeCompare(b.side) || a.price - b.price);
const v3 = (type, symbol, u, levels) =>
  JSON.stringify({
    topic: `orderbook.50.${symbol}`,
    type,
    ts: MS + u,
    data: { s: symbol, b: v3Side(levels, "Buy"), a: v3Side(levels, "Sell"), u, seq: 1000 + u },
    cts: MS + u - 1,
  });
const opLevel = (symbol) => (l) => ({
  price: l.price.toFixed(2),
  symbol,
  id: `${l.price * 100000}`,
  side: l.side,
  ...(l.action === "delete" ? {} : { size: l.size }),
});
const op = (wrap) => (type, symbol, u, levels) => {
  const of = (action) => levels.filter((l) => l.action === action).map(opLevel(symbol));
  const data =
    type === "snapshot"
      ? wrap(rising(levels).map(opLevel(symbol)))
      : { delete: of("delete"), update: of("update"), insert: of("insert"), transactTimeE6: 0 };
  return JSON.stringify({
    topic: `orderBookL2_25.${symbol}`,
    type,
    data,
    cross_seq: `${u}`,
    timestamp_e6: `${MS + u}000`,
  });
};
const usdc = (type, symbol, u, levels) => {
  const of = (action) =>
    levels
      .filter((l) => l.action === action)
      .map((l) => ({ price: `${l.price}`, size: `${l.size}`, side: l.side }));
  const data =
    type === "snapshot"
      ? { version: u, dataType: "NEW", orderBook: of("insert") }
      : {
          version: u,
          dataType: "CHANGE",
          delete: of("delete"),
          update: of("update"),
          insert: of("insert"),
        };
  return JSON.stringify({
    id: `x-${u}`,
    topic: `delta.orderbook100.${symbol}`,
    creationTime: MS + u,
    data,
  });
};
const spot = (type, symbol, u, levels) =>
  JSON.stringify({
    symbol,
    symbolName: symbol,
    topic: "diffDepth",
    params: { realtimeInterval: "24h", binary: "false" },
    data: [
      {
        e: 301,
        s: symbol,
        t: MS + u,
        v: `${u}_1`,
        b: v3Side(levels, "Buy"),
        a: v3Side(levels, "Sell"),
        o: 0,
      },
    ],
    f: type === "snapshot",
    sendTime: MS + u,
  });

const v3Read = (m) => ({
  symbol: m.data.s,
  whole: m.type === "snapshot",
  number: m.data.u,
  levels: [
    ["Buy", m.data.b],
    ["Sell", m.data.a],
  ].flatMap(([side, list]) => list.map(([p, s]) => ({ side, price: +p, size: +s }))),
});
/** With retail orders: half of each level. */
const retail = (...args) => {
  const m = JSON.parse(v3(...args));
  for (const list of [m.data.b, m.data.a]) for (const l of list) l.push(l[1]);
  return JSON.stringify({ ...m, topic: m.topic.replace(".50.", ".rpi.") });
};
const retailRead = (m) => {
  for (const l of [...m.data.b, ...m.data.a]) assert.equal(+l[1], +l[2]);
  return v3Read(m);
};
const opRead = (m) => {
  const list =
    m.type === "snapshot"
      ? (m.data.order_book ?? m.data)
      : [...m.data.delete.map((l) => ({ ...l, size: 0 })), ...m.data.update, ...m.data.insert];
  for (const l of list) assert.equal(+l.id, Math.round(+l.price * 100000)); // a level's id follows from its price
  return {
    symbol: m.topic.split(".")[1],
    whole: m.type === "snapshot",
    number: +m.cross_seq,
    levels: list.map((l) => ({ side: l.side, price: +l.price, size: +l.size })),
  };
};
const usdcRead = (m) => {
  const list = m.data.orderBook ?? [
    ...m.data.delete.map((l) => ({ ...l, size: 0 })),
    ...m.data.update,
    ...m.data.insert,
  ];
  return {
    symbol: m.topic.split(".")[2],
    whole: m.data.dataType === "NEW",
    number: +m.data.version,
    levels: list.map((l) => ({ side: l.side, price: +l.price, size: +l.size })),
  };
};
const spotRead = (m) => ({
  ...v3Read({ data: { s: m.symbol, b: m.data[0].b, a: m.data[0].a } }),
  whole: m.f,
  number: +m.data[0].v.split("_")[0],
});

/** Tickers: each delta changes a member; a level is a member's index and value. */
const tickers = (members, changed) => {
  const level = (i, size) => ({ side: "", price: i, size });
  const valueOf = (levels) =>
    Object.fromEntries(levels.map((l) => [members[l.price], `${l.size}`]));
  return {
    start: members.map((_, i) => level(i, i + 1)),
    changes: (k) => [level(k % changed, 100 + k)],
    of: (symbol, levels) => ({ symbol, ...valueOf(levels) }),
    levels: (data) => members.flatMap((name, i) => (name in data ? [level(i, +data[name])] : [])),
  };
};
const v3Tickers = tickers(["lastPrice", "markPrice", "indexPrice", "fundingRate"], 3);
const opTickers = tickers(["last_price", "mark_price", "index_price", "open_value_e8"], 3);
const v3Ticker = (type, symbol, u, levels) =>
  JSON.stringify({
    topic: `tickers.${symbol}`,
    type,
    data: v3Tickers.of(symbol, levels),
    cs: u,
    ts: MS + u,
  });
const opTicker = (type, symbol, u, levels) => {
  const data = opTickers.of(symbol, levels);
  return JSON.stringify({
    topic: `instrument_info.100ms.${symbol}`,
    type,
    data: type === "snapshot" ? data : { delete: [], update: [data], insert: [] },
    cross_seq: u,
    timestamp_e6: (MS + u) * 1000,
  });
};
const v3TickerRead = (m) => ({
  symbol: m.data.symbol,
  whole: m.type === "snapshot",
  number: m.cs,
  levels: v3Tickers.levels(m.data),
});
const opTickerRead = (m) => ({
  symbol: m.topic.split(".")[2],
  whole: m.type === "snapshot",
  number: m.cross_seq,
  levels: opTickers.levels(m.data.update?.[0] ?? m.data),
});

/** Frames without a number: the times of their levels have it here. */
const kraken = (type, symbol, u, levels) => {
  const [bids, asks] = ["Buy", "Sell"].map((side) =>
    levels
      .filter((l) => l.side === side)
      .map((l) => [l.price.toFixed(5), l.size.toFixed(8), `${1_618_678_000 + u}.000000`])
  );
  const data =
    type === "snapshot"
      ? { as: asks, bs: [...bids].reverse() }
      : Object.fromEntries(
          Object.entries({ a: asks, b: bids }).filter(([, list]) => list.length > 0)
        );
  return JSON.stringify([336, data, "book-1000", symbol]);
};
const krakenRead = ([, { as, bs, a = as, b = bs }, , symbol]) => ({
  symbol,
  whole: as !== undefined,
  number: Math.max(...[...(a ?? []), ...(b ?? [])].map(([, , time]) => +time)) - 1_618_678_000,
  levels: [
    ["Buy", b ?? []],
    ["Sell", a ?? []],
  ].flatMap(([side, list]) => list.map(([p, s]) => ({ side, price: +p, size: +s }))),
});

const opAsk = (topic) => (word, symbol) => ({ op: `${word}scribe`, args: [`${topic}.${symbol}`] });
const SHAPES = [
  {
    family: "v5-linear",
    host: "/v5/public/linear",
    symbols: ["AUSDT", "BUSDT"],
    frame: v3,
    read: v3Read,
    ask: opAsk("orderbook.50"),
  },
  {
    family: "v5-linear",
    title: "retail orders of v5-linear",
    host: "/v5/public/linear",
    symbols: ["AUSDT", "BUSDT"],
    frame: retail,
    read: retailRead,
    ask: opAsk("orderbook.rpi"),
  },
  {
    family: "inverse",
    host: "/realtime",
    symbols: ["AUSD", "BUSD"],
    frame: op((list) => list),
    read: opRead,
    ask: opAsk("orderBookL2_25"),
  },
  {
    family: "linear",
    host: "/realtime_public",
    symbols: ["AUSDT", "BUSDT"],
    frame: op((list) => ({ order_book: list })),
    read: opRead,
    ask: opAsk("orderBookL2_25"),
  },
  {
    family: "usdc-option",
    host: "/trade/option/usdc/public/v1",
    symbols: ["A-1JAN27-5-C", "B-1JAN27-5-C"],
    frame: usdc,
    read: usdcRead,
    ask: opAsk("delta.orderbook100"),
  },
  {
    family: "spot-v1",
    host: "/spot/quote/ws/v1",
    symbols: ["AUSDT", "BUSDT"],
    frame: spot,
    read: spotRead,
    ask: (word, symbol) => ({
      topic: "diffDepth",
      event: word === "sub" ? "sub" : "cancel",
      symbol,
      params: { binary: false },
    }),
  },
  {
    family: "kraken-v1",
    host: "/",
    symbols: ["A/USD", "B/USD"],
    frame: kraken,
    read: krakenRead,
    ask: (word, symbol) => ({
      event: `${word}scribe`,
      pair: [symbol],
      subscription: { name: "book", depth: 1000 },
    }),
  },
  {
    ...v3Tickers,
    family: "v5-linear",
    title: "tickers of v5-linear",
    host: "/v5/public/linear",
    symbols: ["AUSDT", "BUSDT"],
    frame: v3Ticker,
    read: v3TickerRead,
    ask: opAsk("tickers"),
  },
  {
    ...opTickers,
    family: "inverse",
    title: "tickers of inverse",
    host: "/realtime",
    symbols: ["AUSD", "BUSD"],
    frame: opTicker,
    read: opTickerRead,
    ask: opAsk("instrument_info.100ms"),
  },
];

/** Frames of a tape: the snapshots, then deltas of both symbols by turns. */
function tapeOf({ frame, symbols, start = START, changes: next = changes }) {
  const frames = symbols.map((symbol) => frame("snapshot", symbol, 1, start));
  for (let k = 0; k < COUNT; k++)
    for (const symbol of symbols) frames.push(frame("delta", symbol, 2 + k, next(k)));
  return frames;
}

/** The book after the snapshot and the first deltas. */
function bookAfter(deltas, { start = START, changes: next = changes } = {}) {
  const book = new Map();
  for (const list of [start, ...Array.from({ length: deltas }, (_, k) => next(k))])
    for (const l of list)
      l.size === 0 ? book.delete(`${l.side} ${l.price}`) : book.set(`${l.side} ${l.price}`, l.size);
  return book;
}

/** A client that keeps books, and fails at a delta without the frame before it. */
class Client {
  constructor(t, url, shape) {
    this.shape = shape;
    this.books = new Map();
    this.waiting = [];
    this.ws = new WebSocket(url, { perMessageDeflate: false });
    t.after(() => this.ws.terminate());
    this.failed = new Promise((_, reject) => (this.fail = reject));
    this.failed.catch(() => {});
    this.ws.on("error", this.fail);
    this.ws.on("message", (bytes) => {
      try {
        this.take(JSON.parse(bytes));
      } catch (error) {
        this.fail(error);
      }
    });
  }
  take(m) {
    const isData =
      Array.isArray(m) ||
      (m.data !== undefined &&
        m.topic !== undefined &&
        m.event === undefined &&
        m.success === undefined);
    if (!isData) return;
    const { symbol, whole, number, levels } = this.shape.read(m);
    const before = this.books.get(symbol);
    if (!whole)
      assert.equal(
        number,
        (before?.number ?? "no snapshot") + 1,
        `a delta of ${symbol} fits what came before`
      );
    const book = whole ? new Map() : before.levels;
    for (const l of levels)
      l.size === 0 ? book.delete(`${l.side} ${l.price}`) : book.set(`${l.side} ${l.price}`, l.size);
    this.books.set(symbol, { levels: book, number, snapshots: (before?.snapshots ?? 0) + whole });
    this.waiting = this.waiting.filter((check) => !check());
  }
  ask(word, symbol) {
    this.ws.send(JSON.stringify(this.shape.ask(word, symbol)));
  }
  async until(condition) {
    if (condition()) return;
    const come = new Promise((resolve) =>
      this.waiting.push(() => condition() && (resolve(), true))
    );
    await inTime(
      Promise.race([come, this.failed]),
      () =>
        `${condition} of ${JSON.stringify([...this.books].map(([symbol, { number, snapshots }]) => [symbol, number, snapshots]))}`
    );
  }
  hasReached(symbol, number) {
    return this.until(() => this.books.get(symbol)?.number >= number);
  }
}

const serveHeld = async (t, shape, ...options) => {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, { ...shape, frames: tapeOf(shape) });
  return {
    archive,
    ...(await listening(t, ["serve", "-a", archive, "--plain", "--hold", ...options], dir)),
  };
};

/** A client of the first symbol on a tape that is stopped when this frame of it was sent: {first: the client, post: a control}. */
async function stoppedAt(t, url, shape, number) {
  const post = (action) =>
    fetch(`${url.replace(/^ws/, "http")}/control/${action}`, { method: "POST" });
  await post("pause");
  const first = new Client(t, `${url}${shape.host}`, shape);
  await once(first.ws, "open");
  first.ask("sub", shape.symbols[0]);
  const reached = () => first.books.get(shape.symbols[0])?.number ?? 0;
  await eventually("the tape has begun", async () => {
    await post("step");
    return reached() > 0;
  });
  for (let at; (at = reached()) < number; await first.hasReached(shape.symbols[0], at + 1))
    await post("step");
  return { first, post };
}

describe("a book that is subscribed late", { concurrency: 5 }, () => {
  for (const shape of SHAPES)
    test(`${shape.title ?? shape.family}: a late subscriber gets a snapshot of that moment, and another one when it subscribes again`, async (t) => {
      const [first, second] = shape.symbols;
      const { program, url } = await serveHeld(t, shape);
      const client = new Client(t, `${url}${shape.host}`, shape);
      await once(client.ws, "open");
      client.ask("sub", first);
      await client.hasReached(first, 6);
      client.ask("sub", second);
      await client.hasReached(second, 12);
      client.ask("unsub", first);
      client.ask("sub", first);
      await client.until(() => client.books.get(first).snapshots === 2);
      for (const symbol of shape.symbols) await client.hasReached(symbol, COUNT + 1);
      for (const symbol of shape.symbols)
        assert.deepEqual(
          new Map([...client.books.get(symbol).levels].sort()),
          new Map([...bookAfter(COUNT, shape)].sort()),
          symbol
        );
      // The tape has ended and the connection is kept open: a ping is answered, and a new
      // subscription gets a whole book.
      client.ask("unsub", second);
      client.ask("sub", second);
      await client.until(() => client.books.get(second).snapshots === 2);
      assert.equal(client.ws.readyState, WebSocket.OPEN);
      assert.match(program.stderr, /made/);
      const end = await program.kill("SIGTERM");
      assert.equal(end.code, 0, end.stderr);
    });

  test("on a tape that begins inside a recording a book's first frame is a snapshot", async (t) => {
    const shape = SHAPES[0];
    const from = new Date(MS + 300).toISOString(); // after some 14 deltas of each symbol
    const { url } = await serveHeld(t, shape, "--from", from);
    const client = new Client(t, `${url}${shape.host}`, shape);
    await once(client.ws, "open");
    for (const symbol of shape.symbols) client.ask("sub", symbol);
    for (const symbol of shape.symbols) await client.hasReached(symbol, COUNT + 1);
    for (const symbol of shape.symbols) {
      assert.equal(client.books.get(symbol).snapshots, 1);
      assert.deepEqual(
        new Map([...client.books.get(symbol).levels].sort()),
        new Map([...bookAfter(COUNT)].sort()),
        symbol
      );
    }
  });

  test("a book that is subscribed first after the tape's end is sent whole", async (t) => {
    const shape = SHAPES[0],
      [first, second] = shape.symbols;
    const { url } = await serveHeld(t, shape, "--speed", "max");
    const client = new Client(t, `${url}${shape.host}`, shape);
    await once(client.ws, "open");
    client.ask("sub", first);
    await client.hasReached(first, COUNT + 1);
    client.ask("sub", second);
    await client.hasReached(second, COUNT + 1);
    assert.equal(client.books.get(second).snapshots, 1);
    assert.deepEqual(
      new Map([...client.books.get(second).levels].sort()),
      new Map([...bookAfter(COUNT)].sort())
    );
  });

  test("--shared-clock: a second client joins at the position of the first, and a tape without clients plays on", async (t) => {
    const shape = SHAPES[0];
    const { program, url } = await serveHeld(t, shape, "--shared-clock");
    const { first, post } = await stoppedAt(t, url, shape, 6);
    const second = new Client(t, `${url}${shape.host}`, shape);
    await once(second.ws, "open");
    for (const symbol of shape.symbols) second.ask("sub", symbol);
    await second.until(() => shape.symbols.every((symbol) => second.books.has(symbol)));
    for (const [i, symbol] of shape.symbols.entries()) {
      // The tape has the first symbol's frame before the other's.
      assert.ok(second.books.get(symbol).number >= 6 - i, `${symbol} begins where the tape is`);
      assert.equal(second.books.get(symbol).snapshots, 1);
    }
    first.ws.terminate();
    await post("resume");
    for (const symbol of shape.symbols) await second.hasReached(symbol, COUNT + 1);
    for (const symbol of shape.symbols)
      assert.deepEqual(
        new Map([...second.books.get(symbol).levels].sort()),
        new Map([...bookAfter(COUNT)].sort()),
        symbol
      );
    const end = await program.kill("SIGTERM");
    assert.match(end.stderr, /2 clients.* 2 snapshots made/);
  });

  test("--shared-clock: many late clients are one line of log, and a count at the end", async (t) => {
    const shape = SHAPES[0];
    const { program, url } = await serveHeld(t, shape, "--shared-clock", "--json");
    await stoppedAt(t, url, shape, 6);
    const later = Array.from({ length: 12 }, () => new Client(t, `${url}${shape.host}`, shape));
    for (const client of later) {
      await once(client.ws, "open");
      client.ask("sub", shape.symbols[1]);
    }
    for (const client of later) await client.until(() => client.books.has(shape.symbols[1]));
    const end = await program.kill("SIGTERM");
    assert.equal(end.code, 0, end.stderr);
    assert.equal(
      end.stderr.match(/joined the shared tape after its start since this was last logged/g).length,
      1,
      end.stderr
    );
    assert.equal(
      end.stderr.match(/ made \d+ snapshots? for \d+ clients? since/g).length,
      1,
      end.stderr
    );
    assert.match(end.stderr, /: 12 clients joined the shared tape after its start\n/);
    assert.match(end.stderr, /13 clients.* 12 snapshots made/);
    const { clients, late: joined, snapshots, tapes, failed } = JSON.parse(end.stdout);
    assert.deepEqual(
      { clients, joined, snapshots, tapes, failed },
      { clients: 13, joined: 12, snapshots: 12, tapes: 1, failed: 0 }
    );
  });

  test("made snapshots are logged and counted; recorded ones at the start are sent as they are", async (t) => {
    const shape = SHAPES[0];
    const { program, url } = await serveHeld(t, shape);
    const client = new Client(t, `${url}${shape.host}`, shape);
    await once(client.ws, "open");
    client.ask("sub", shape.symbols[0]);
    await client.hasReached(shape.symbols[0], COUNT + 1);
    const end = await program.kill("SIGTERM");
    assert.match(end.stderr, /0 snapshots made/);
  });
});

test("a made snapshot follows no frame: OKX's prevSeqId is -1, as in a recorded one", async (t) => {
  const dir = temporary(t);
  const frame = (action, seqId, prevSeqId, ms) =>
    JSON.stringify({
      arg: { channel: "books", instId: "BTC-USDT" },
      action,
      data: [
        {
          asks: [["101", `${seqId}`, "0", "1"]],
          bids: [["100", "1", "0", "1"]],
          ts: `${MS + ms}`,
          checksum: 0,
          seqId,
          prevSeqId,
        },
      ],
    });
  const archive = await importFrames(t, dir, {
    family: "okx",
    host: "/ws/v5/public",
    frames: [
      frame("snapshot", 5, -1, 0),
      ...Array.from({ length: 9 }, (_, i) => frame("update", i + 6, i + 5, i + 1)),
    ],
    stepMs: 1000,
  });
  const server = await listening(t, ["serve", archive, "--plain", "--from", "+4s"], dir);
  const ws = new WebSocket(`${server.url}/ws/v5/public`);
  t.after(() => ws.terminate());
  await once(ws, "open");
  const args = [{ channel: "books", instId: "BTC-USDT" }];
  ws.send(JSON.stringify({ op: "subscribe", args }));
  const got = [];
  ws.on("message", (bytes) => {
    const { action, data } = JSON.parse(bytes);
    if (data) got.push([action, data[0].seqId, data[0].prevSeqId]);
  });
  await eventually("two frames", () => got.length >= 2, server.program);
  assert.deepEqual(got.slice(0, 2), [
    ["snapshot", 8, -1],
    ["update", 9, 8],
  ]);
});

test("serve names the books beyond the 4,096 that it follows, and counts their frames", async (t) => {
  const dir = temporary(t);
  const symbols = Array.from({ length: 4098 }, (_, i) => `S${i}USDT`);
  const frames = [1, 2].flatMap((u) =>
    symbols.map((symbol) => v3(u === 1 ? "snapshot" : "delta", symbol, u, START))
  );
  const archive = await importFrames(t, dir, { ...SHAPES[0], frames });
  const { program, url } = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--once", "--shared-clock", "--speed", "max"],
    dir
  );
  const client = new WebSocket(`${url}/v5/public/linear`);
  client.on("open", () =>
    client.send(JSON.stringify({ op: "subscribe", args: ["orderbook.50.S4097USDT"] }))
  );
  await once(client, "close");
  const end = await program.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.match(end.stderr, /orderbook\.50\.S4096USDT: a tape has more than 4096 books and tickers/);
  assert.doesNotMatch(end.stderr, /S4097USDT: a tape/);
  assert.match(end.stderr, /4 frames of books that were not followed/);
});

test("--hold and --once exclude each other", async (t) => {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, { ...SHAPES[0], frames: tapeOf(SHAPES[0]) });
  const end = await tapedeck(t, ["serve", "-a", archive, "--hold", "--once"], { status: 2 });
  assert.match(end.stderr, /--hold, --loop and --once/);
});
