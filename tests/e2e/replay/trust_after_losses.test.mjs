// All programs agree on which frames, books, bars and days of a recording can be trusted, after every kind of loss, made at
// random. The exchange is made up here, so the truth is known. This file derives the effects of a loss from the frames alone, by
// the rules of docs/completeness.md.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import {
  chunksOf,
  flipIn,
  importLines,
  json,
  jsonLines,
  jsonList,
  parseLines,
  segments,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { parquetRows } from "../support/parquet_files.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";

const DAY = "2026-08-09";
const NOON = Date.parse(`${DAY}T12:00:00Z`);
const SYMBOLS = ["BTCUSDT", "ETHUSDT"];
const NOT_TRUSTED = 8;
const LATENCY_MS = 5;
const BAR_MS = 1000;

/** Random numbers in [0, 1), the same each time. */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A market: books whose levels change, and trades. Every frame that it makes is in `made`. */
class Market {
  constructor(random) {
    this.random = random;
    this.ms = NOON;
    this.books = new Map(
      SYMBOLS.map((symbol) => [
        symbol,
        {
          bids: new Map([
            [99, 1],
            [98, 2],
          ]),
          asks: new Map([
            [101, 1],
            [102, 2],
          ]),
          u: 1000,
          seq: 5000,
        },
      ])
    );
    this.trades = 0;
    this.made = [];
  }

  between(low, high) {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** No two frames have the same time. */
  add(frame) {
    const made = { ms: this.ms, ...frame };
    this.made.push(made);
    return made;
  }

  bookFrame(symbol, type, bids, asks) {
    this.ms++;
    const book = this.books.get(symbol);
    book.u += 1;
    book.seq += this.between(1, 9);
    const text = (levels) => levels.map(([price, size]) => [String(price), String(size)]);
    return this.add({
      symbol,
      topic: "orderbook.50",
      isSnapshot: type === "snapshot",
      u: book.u,
      best: [Math.max(...book.bids.keys()), Math.min(...book.asks.keys())],
      data: {
        topic: `orderbook.50.${symbol}`,
        type,
        ts: this.ms,
        cts: this.ms,
        data: { s: symbol, b: text(bids), a: text(asks), u: book.u, seq: book.seq },
      },
    });
  }

  snapshot(symbol) {
    const { bids, asks } = this.books.get(symbol);
    return this.bookFrame(
      symbol,
      "snapshot",
      [...bids].sort((a, b) => b[0] - a[0]),
      [...asks].sort((a, b) => a[0] - b[0])
    );
  }

  delta(symbol) {
    const book = this.books.get(symbol);
    const isBid = this.random() < 0.5;
    const side = isBid ? book.bids : book.asks;
    const price = isBid ? this.between(80, 99) : this.between(101, 120);
    const size =
      side.has(price) && side.size > 2 && this.random() < 0.4
        ? 0
        : (side.get(price) ?? 0) + this.between(1, 1000); // an update must change the size
    if (size === 0) side.delete(price);
    else side.set(price, size);
    return this.bookFrame(
      symbol,
      "delta",
      isBid ? [[price, size]] : [],
      isBid ? [] : [[price, size]]
    );
  }

  trade(symbol) {
    const n = ++this.trades;
    const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    return this.add({
      symbol,
      topic: "publicTrade",
      n,
      data: {
        topic: `publicTrade.${symbol}`,
        type: "snapshot",
        ts: this.ms,
        data: [
          {
            i: id,
            T: this.ms,
            p: "100",
            v: "1",
            S: "Buy",
            s: symbol,
            L: "PlusTick",
            BT: false,
            seq: n,
          },
        ],
      },
    });
  }

  next() {
    this.ms += this.between(5, 60);
    const symbol = SYMBOLS[this.between(0, SYMBOLS.length - 1)];
    const kind = this.random();
    return kind < 0.65
      ? this.delta(symbol)
      : kind < 0.95
        ? this.trade(symbol)
        : this.snapshot(symbol);
  }
}

/** A recorder's frames of a market, with losses: captures, one for each session, each a list of {frame, conn}. A `lost` frame
 * is in no line, a `spoilt` one is undecodable, `twice` arrives again. In an overload, which is a row of the ledger, any frame
 * may be lost. */
function record(random, market, steps) {
  const captures = [[]];
  let conn = 0;
  const put = (frame, more = {}) => captures.at(-1).push({ frame, conn, ...more });
  const hole = () => {
    for (let i = market.between(1, 40); i > 0; i--) market.next();
    conn++;
  };
  const begin = () => {
    for (let i = random() < 0.3 ? market.between(1, 4) : 0; i > 0; i--)
      put(market.delta(SYMBOLS[market.between(0, 1)]));
    for (const symbol of SYMBOLS) put(market.snapshot(symbol));
  };
  begin();
  for (let i = 0; i < steps; i++) {
    const fault = random();
    if (fault < 0.01) {
      hole();
      begin();
    } else if (fault < 0.013) {
      hole();
      captures.push([]);
      begin();
    } else if (fault < 0.016) {
      const from = recvMs(market.made.at(-1));
      for (let k = market.between(5, 25); k > 0; k--)
        put(market.next(), { isLost: random() < 0.4, overload: from });
      put({ ms: market.ms, topic: "overload" }, { overload: from });
    } else {
      const frame = market.next();
      const isBook = frame.topic === "orderbook.50";
      put(
        frame,
        isBook && fault < 0.026
          ? { isLost: true }
          : isBook && fault < 0.033
            ? { isSpoilt: true }
            : {}
      );
      if (isBook && fault > 0.995) put(frame, { isTwice: true });
    }
  }
  return captures;
}

const recvMs = (frame) => frame.ms + LATENCY_MS;
const spoilt = (frame) => ({
  topic: frame.data.topic,
  type: frame.data.type,
  ts: frame.data.ts,
  data: {},
});

const gapEvent = (fromMs, toMs, conn) => ({
  event: "gap",
  reason: "overload",
  feed: "v5-linear",
  line: 0,
  shard: 0,
  conn,
  from_ns: `@${fromMs}000000`,
  to_ns: `@${toMs}000000`,
  frames_lost: 1,
  cause: "frames were dropped",
});

/** The archive of some captures, whose lines are numbered in order. */
async function imported(t, dir, captures) {
  const archive = path.join(dir, "tape");
  for (const capture of captures) {
    const place = (frame, conn) => ({
      recv_ns: `${recvMs(frame)}000000`,
      feed: "v5-linear",
      family: "v5-linear",
      shard: 0,
      session: "00000001",
      conn: conn + 1,
    });
    const lines = capture
      .filter(({ isLost }) => !isLost)
      .map(({ frame, conn, isSpoilt, overload }) =>
        frame.topic === "overload"
          ? {
              ...place(frame, conn),
              dir: "event",
              data: gapEvent(overload, recvMs(frame), conn + 1),
            }
          : { ...place(frame, conn), data: isSpoilt ? spoilt(frame) : frame.data }
      )
      .map((line) => JSON.stringify(line).replace(/"@(\d+)"/g, "$1"));
    await importLines(t, lines, { archive, family: "v5-linear", status: null });
  }
  return archive;
}

/** The frames of the captures in order, with the expected judgement: `isThere` if the archive can read it, and for books
 * `isRight`, for a reader who has only these frames. */
function judged(captures, readable, damage) {
  const all = captures.flatMap((capture) => capture);
  const overloads = all
    .filter(({ frame }) => frame.topic === "overload")
    .map(({ frame, overload }) => [overload, recvMs(frame)]);
  const rows = all.filter(({ frame }) => frame.topic !== "overload");
  const streams = new Map();
  for (const row of rows.filter(({ isLost }) => !isLost)) {
    const { frame, conn } = row;
    row.isThere = readable(row);
    if (!row.isThere || frame.topic !== "orderbook.50") continue;
    const before = streams.get(frame.symbol) ?? { isRight: false, conn: -1, u: 0, ms: 0 };
    const at = recvMs(frame);
    const isDamaged =
      damage.some(([from, to]) => from <= at && before.ms <= to) ||
      overloads.some(([from]) => from < at && before.ms <= from);
    const isIn =
      damage.some(([from, to]) => from <= at && at <= to) ||
      overloads.some(([from, to]) => from < at && at < to);
    const goesOn = before.isRight && before.conn === conn && frame.u === before.u + 1 && !isDamaged;
    row.isRight = !row.isSpoilt && !isIn && (frame.isSnapshot || goesOn);
    streams.set(frame.symbol, { isRight: row.isRight, conn, u: frame.u, ms: at });
  }
  return rows.filter(({ isThere }) => isThere);
}

const msOf = (ns) => Math.round(Number(ns) / 1e6);

/** Check that two lists of texts are equal; a failure shows the first difference, and the text before it. */
function same(found, expected) {
  const at = expected.findIndex((text, i) => found[i] !== text);
  if (at >= 0)
    assert.deepEqual(
      found.slice(Math.max(0, at - 1), at + 2),
      expected.slice(Math.max(0, at - 1), at + 2),
      `row ${at}`
    );
  assert.equal(found.length, expected.length);
}
const filesBelow = (dir) =>
  fs
    .readdirSync(dir, { recursive: true })
    .map((name) => path.join(dir, name))
    .filter((name) => fs.statSync(name).isFile());

/** The programs' results as plain tables. */
async function answers(t, dir, archive) {
  const out = fs.mkdtempSync(path.join(dir, "out-"));
  await tapedeck(
    t,
    [
      "export",
      "-q",
      archive,
      "--format",
      "jsonl",
      "--format",
      "parquet",
      "--bars",
      `${BAR_MS / 1000}s`,
      "--every",
      "1changes",
      "--levels",
      "1",
      "--out",
      out,
    ],
    { status: null }
  );
  const files = filesBelow(out);
  const of = async (type) =>
    (
      await Promise.all(
        files
          .filter((file) => file.includes(`type=${type}/`) && file.endsWith(".parquet"))
          .map(async (file) =>
            (await parquetRows(file)).map((row) => ({
              ...row,
              symbol: row.symbol ?? path.basename(file, ".parquet"),
            }))
          )
      )
    ).flat();
  const lines = files
    .filter((file) => file.endsWith(".jsonl"))
    .sort()
    .flatMap((file) => parseLines(fs.readFileSync(file, "utf8")));
  return {
    lines,
    books: await of("book_snapshots"),
    deltas: await of("book_deltas"),
    bars: await of("bars"),
    gaps: await jsonList(t, ["gaps", archive, "--json"], { status: null }),
    days: (await json(t, ["days", archive, "--json"], { status: null })).days,
    replay: await json(t, ["replay", archive, "--json"], { status: null }),
  };
}

/** The results of the package for Python. */
function pythonAnswers(t, archive, symbols) {
  const script = `
import json, sys, tapedeck
with tapedeck.open(sys.argv[1], strict=False) as archive:
    frames = [[f.recv_ns // 1000000, f.symbol, bool(f.suspect)] for f in archive.frames(topic="orderbook.50")]
    bars = [[b.time_ns // 1000000, symbol, b.count] for symbol in sys.argv[2:] for b in archive.bars(symbol, "1s") if not b.suspect]
print(json.dumps([frames, bars]))`;
  const out = execFileSync("python3", ["-B", "-c", script, archive, ...symbols], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: installed(t) },
  });
  return JSON.parse(out);
}

const isBook = (line) => line.type !== "gap" && line.topic === "orderbook.50";
const plain = (value) => JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v));

async function check(t, seed, hasDamage) {
  const dir = temporary(t);
  const random = randomOf(seed);
  const market = new Market(random);
  const captures = record(random, market, hasDamage ? 6000 : 1500);
  const archive = await imported(t, dir, captures);
  const damage = [];
  if (hasDamage) {
    const file = path.join(archive, segments(archive)[0]);
    const chunks = chunksOf(file);
    const hurt = chunks[Math.floor(chunks.length / 2)];
    flipIn(file, hurt);
    damage.push([Number(hurt.firstNs / 1_000_000n), Number(hurt.lastNs / 1_000_000n)]);
  }
  const there = new Map();
  for (const row of await jsonLines(t, ["cat", archive, "--dir", "in"], { status: null })) {
    const { data } = row.data === undefined ? {} : { data: JSON.parse(row.data) };
    const key = `${msOf(row.recv_ns)} ${data.topic} ${data.data.u ?? data.data[0]?.seq ?? "-"}`;
    there.set(key, (there.get(key) ?? 0) + 1);
  }
  const rows = judged(
    captures,
    ({ frame, isSpoilt }) =>
      there.has(`${recvMs(frame)} ${frame.data.topic} ${isSpoilt ? "-" : (frame.u ?? frame.n)}`),
    damage
  );
  const books = rows.filter(({ frame }) => frame.topic === "orderbook.50");
  const results = await answers(t, dir, archive);

  // Each format has exactly the rows that follow from the readable frames.
  same(
    results.lines
      .filter(isBook)
      .map((line) => `${msOf(line.recv_ns)} ${line.symbol} ${(line.flags & NOT_TRUSTED) === 0}`),
    books.map(({ frame, isRight }) => `${recvMs(frame)} ${frame.symbol} ${isRight}`)
  );
  if (!withoutLibrary) {
    const [frames, bars] = pythonAnswers(t, archive, SYMBOLS);
    same(
      frames.map(([ms, symbol, isSuspect]) => `${ms} ${symbol} ${!isSuspect}`),
      books.map(({ frame, isRight }) => `${recvMs(frame)} ${frame.symbol} ${isRight}`)
    );
    const goodBars = results.bars
      .filter((bar) => !bar.suspect)
      .map((bar) => `${Number(bar.start) / 1e6} ${bar.symbol} ${bar.count}`)
      .sort();
    same(bars.map(([ms, symbol, count]) => `${ms} ${symbol} ${count}`).sort(), goodBars);
  }
  const right = books.filter(({ isRight }) => isRight);
  assert.ok(right.length > books.length / 3 && right.length < books.length);
  assert.deepEqual(
    results.deltas.filter((row) => row.suspect),
    []
  );

  // A book that is reported as right equals the exchange's.
  const truth = new Map(
    market.made
      .filter(({ topic }) => topic === "orderbook.50")
      .map((frame) => [`${frame.symbol} ${frame.u}`, frame])
  );
  for (const line of results.lines.filter(isBook).filter((row) => (row.flags & NOT_TRUSTED) === 0))
    assert.ok(truth.has(`${line.symbol} ${line.u}`));
  for (const row of results.books) assert.equal(row.suspect, false);

  // A good bar has all trades.
  let good = 0;
  for (const bar of results.bars) {
    const from = Number(bar.start) / 1e6;
    const made = market.made.filter(
      ({ topic, symbol, ms }) =>
        topic === "publicTrade" && symbol === bar.symbol && ms >= from && ms < from + BAR_MS
    ).length;
    if (!bar.suspect) assert.equal(Number(bar.count), made, plain(bar));
    good += !bar.suspect;
  }
  assert.ok(good > 0 && good < results.bars.length);

  // A day is clean exactly if none of its rows is in doubt, and no gap meets it.
  for (const day of results.days) {
    const isDoubted = books.some(({ frame, isRight }) => frame.symbol === day.symbol && !isRight);
    assert.equal(day.clean_percent === 100, !isDoubted && results.gaps.length === 0, plain(day));
  }
  // The report's books, at the end.
  for (const symbol of SYMBOLS) {
    const last = books.findLast(({ frame }) => frame.symbol === symbol);
    assert.equal(results.replay.books.find((book) => book.symbol === symbol).broken, !last.isRight);
  }

  // The same without events; gaps inside an unreadable chunk are one row for the chunk.
  fs.rmSync(path.join(archive, "catalog.sqlite"), { force: true });
  await tapedeck(t, ["reindex", "-q", archive], { status: null });
  const again = await answers(t, dir, archive);
  const kept = (name, of) =>
    of[name]
      .filter(
        (row) =>
          (row.type !== "gap" && row.reason === undefined) ||
          !damage.some(([from, to]) => msOf(row.from_ns) < to && msOf(row.to_ns) > from)
      )
      .map(plain);
  for (const name of ["lines", "books", "deltas", "bars", "gaps"])
    same(kept(name, again), kept(name, results));
  const times = ({
    day,
    symbol,
    clean_percent: clean,
    degraded_ns: degraded,
    missing_ns: missing,
  }) => plain([day, symbol, clean, degraded, missing]);
  same(again.days.map(times), results.days.map(times));
  return {
    books: books.length,
    right: right.length,
    bars: results.bars.length,
    good,
    gaps: results.gaps.length,
  };
}

for (const seed of tooLong ? [1, 2] : [1, 2, 3, 4])
  test(
    `all programs agree on frames, books, bars and days of a recording with losses: seed ${seed}`,
    {},
    async (t) => {
      t.diagnostic(plain(await check(t, seed, false)));
    }
  );

for (const seed of tooLong ? [5] : [5, 6, 7, 8])
  test(
    `all programs agree on a recording with losses and an unreadable chunk: seed ${seed}`,
    {},
    async (t) => {
      t.diagnostic(plain(await check(t, seed, true)));
    }
  );

/** An exchange with one symbol's book: it sends the frames that the test gives it, and answers pings. */
async function exchange(t) {
  const server = new (npm("ws").WebSocketServer)({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  t.after(() => server.close());
  const requests = new EventEmitter();
  server.on("connection", (ws) => {
    ws.on("error", () => {});
    ws.on("message", (data) => {
      const { op, req_id: id } = JSON.parse(data.toString());
      ws.send(
        JSON.stringify({
          success: true,
          ret_msg: op === "ping" ? "pong" : "",
          conn_id: "c",
          req_id: id,
          op,
        })
      );
      requests.emit(op, ws);
    });
  });
  return { url: `ws://127.0.0.1:${server.address().port}/v5/public/linear`, requests };
}

test(
  "a connection's frames are right up to its last one, although its gap begins at the last proof",
  {},
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const market = new Market(randomOf(7));
    const { url, requests } = await exchange(t);
    const recorder = new Recorder(t, archive, [
      url,
      "--family",
      "v5-linear",
      "--topic",
      "orderbook.50.BTCUSDT",
      "--commit-interval",
      "100ms",
    ]);
    let sent = 0;
    const send = (ws, frame) => {
      ws.send(JSON.stringify(frame.data));
      sent++;
    };
    const [first] = await once(requests, "subscribe");
    send(first, market.snapshot("BTCUSDT"));
    // Pings are sent while data arrives; frames after the last answered ping lie within the row.
    for (let pings = 0; pings < 2; pings++) {
      send(first, market.delta("BTCUSDT"));
      await once(requests, "ping");
    }
    for (let i = 0; i < 20; i++) send(first, market.delta("BTCUSDT"));
    const whole = sent;
    await recorder.durableLine((durable) => durable.conn === 1 && durable.in >= whole + 3); // with the answers
    first.terminate();
    const [second] = await once(requests, "subscribe");
    send(second, market.delta("BTCUSDT"));
    send(second, market.snapshot("BTCUSDT"));
    await recorder.durableLine((durable) => durable.conn === 2 && durable.in >= 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);

    const [gap] = await jsonList(t, ["gaps", archive, "--json"], { status: null });
    const results = await answers(t, dir, archive);
    const frames = results.lines.filter(isBook);
    assert.equal(gap.reason, "disconnect");
    assert.ok(frames.filter((line) => line.conn === 1 && line.recv_ns > gap.from_ns).length >= 20);
    assert.deepEqual(
      frames.map((line) => (line.flags & NOT_TRUSTED) === 0),
      frames.map((_, i) => i !== whole)
    );
    if (!withoutLibrary)
      assert.deepEqual(
        pythonAnswers(t, archive, [])[0].map(([, , isSuspect]) => isSuspect),
        frames.map((_, i) => i === whole)
      );
  }
);
