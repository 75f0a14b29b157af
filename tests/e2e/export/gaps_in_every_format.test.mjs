// Holes in each format: a broken book, undecodable frames, a disconnect and a clock that steps back, in one recording of
// numbered frames: a frame's number is the size of its level, or the price of its trade. docs/export.md ("Where the data has
// holes") determines the frames that a reader must and must not get.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import {
  chunksOf,
  flipIn,
  importLines,
  json,
  manifestOf,
  parseLines,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { parquetRows } from "../support/parquet_files.mjs";
import { pythonWith, scripts } from "../support/python_scripts.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";

const { WebSocketServer } = npm("ws");
const DAY = "2026-08-09";
const NOON = Date.parse(`${DAY}T12:00:00Z`);
const PYTHON = pythonWith("numpy");
const python = scripts(PYTHON);
const FORMATS = ["tardis-csv", "hftbacktest", "parquet", "nautilus", "jsonl", "sqlite", "mcap"];
const [SNAPSHOT, LATE, NOT_TRUSTED] = [2, 4, 8];

const book = (n, type, u) =>
  JSON.stringify({
    topic: "orderbook.50.BTCUSDT",
    type,
    ts: NOON - 1000 + n,
    cts: NOON - 1000 + n,
    data: {
      s: "BTCUSDT",
      b: [["10", String(n)]],
      a: type === "snapshot" ? [["12", "1"]] : [],
      u,
      seq: 1000 + n,
    },
  });
const trade = (n) =>
  JSON.stringify({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: NOON - 1000 + n,
    data: [
      {
        i: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
        T: NOON - 1000 + n,
        p: String(n),
        v: "1",
        S: "Buy",
        s: "BTCUSDT",
        L: "PlusTick",
        BT: false,
        seq: 5000 + n,
      },
    ],
  });
const undecodable = (topic) =>
  JSON.stringify({ topic: `${topic}.BTCUSDT`, type: "delta", ts: NOON - 1000, data: {} });

/** Frames of each connection in lists; the clock steps back before the last list. */
const CONNECTIONS = [
  [
    [
      book(1, "snapshot", 101),
      book(2, "delta", 102),
      trade(3),
      book(4, "delta", 103),
      book(6, "delta", 105),
      trade(7),
      book(8, "delta", 106), // 104 is lost
      book(9, "snapshot", 107),
      book(10, "delta", 108),
      undecodable("orderbook.50"),
      book(12, "delta", 110),
      undecodable("publicTrade"),
      trade(14),
      book(15, "snapshot", 111),
      book(16, "delta", 112),
    ],
  ],
  [
    [book(21, "delta", 120), trade(22), book(23, "snapshot", 121), book(24, "delta", 122)],
    [book(25, "delta", 123), trade(26), book(27, "delta", 124)],
  ],
];
const TRUSTED = [1, 2, 4, 9, 10, 15, 16, 23, 24, 25, 27];
const SNAPSHOTS = [1, 9, 15, 23];
const DOUBTED = [6, 8, 12, 21];
const TRADES = [3, 7, 14, 22, 26];
const LATE_BOOKS = [25, 27];
/** The ledger: the disconnect begins at the last answered ping, before the last frames. */
const GAPS = ["disconnect", "sequence", "sequence"];
const BREAKS = ["gap sequence", "undecoded", "gap sequence"];

/** An exchange that sends each connection its part of `script`, step by step. */
async function exchange(t) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  t.after(() => server.close());
  const granted = [];
  let waiting;
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
      if (op !== "subscribe") return;
      granted.push(ws);
      waiting?.();
    });
  });
  const connection = async (i) => {
    while (granted.length <= i)
      await new Promise((resolve) => {
        waiting = resolve;
      });
    return granted[i];
  };
  return { url: `ws://127.0.0.1:${server.address().port}/v5/public/linear`, connection };
}

/** The recording. */
async function recorded(t) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const clock = new MovedClock(dir);
  clock.set(NOON - Date.now());
  const { url, connection } = await exchange(t);
  const topics = [
    "orderbook.50.BTCUSDT",
    "publicTrade.BTCUSDT",
    "tickers.BTCUSDT",
    "allLiquidation.BTCUSDT",
  ].flatMap((topic) => ["--topic", topic]);
  const recorder = new Recorder(
    t,
    archive,
    [url, "--family", "v5-linear", ...topics, "--commit-interval", "100ms", "--heal", "none"],
    clock.options
  );
  for (const [i, steps] of CONNECTIONS.entries()) {
    const ws = await connection(i);
    let sent = 1; // number of sent frames; the first is the answer
    for (const [k, frames] of steps.entries()) {
      if (k > 0) {
        clock.set(clock.ms - 800);
        await recorder.prints(/stepped back by 0\.[1-9]/);
      }
      for (const frame of frames) ws.send(frame);
      sent += frames.length;
      await recorder.durableLine((durable) => durable.conn === i + 1 && durable.in >= sent);
    }
    if (i + 1 < CONNECTIONS.length) ws.terminate();
  }
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return archive;
}

const filesOf = (dir) =>
  fs
    .readdirSync(dir, { recursive: true })
    .filter((name) => fs.statSync(path.join(dir, name)).isFile());
const csv = (dir, type) =>
  zlib
    .gunzipSync(fs.readFileSync(path.join(dir, `bybit_${type}_${DAY}_BTCUSDT.csv.gz`)))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
const events = async (dir, name) =>
  JSON.parse(await python("tests/export/hftbacktest.py", "print", path.join(dir, name)));

/** Messages of an MCAP file: [[topic, JSON], …]. */
async function mcapMessages(file) {
  const { McapStreamReader } = npm("@mcap/core");
  const reader = new McapStreamReader({
    decompressHandlers: await npm("@mcap/support").loadDecompressHandlers(),
  });
  reader.append(fs.readFileSync(file));
  const topics = new Map();
  const out = [];
  for (let record; (record = reader.nextRecord()) !== undefined;) {
    if (record.type === "Channel") topics.set(record.id, record.topic);
    if (record.type === "Message")
      out.push([topics.get(record.channelId), JSON.parse(Buffer.from(record.data).toString())]);
  }
  return out;
}

/** The rows of a database's table. */
const table = async (file, name) =>
  JSON.parse(await python("tests/export/sqlite_rows.py", file, name));

// hyparquet converts decimals to doubles that are not the nearest.
const numbers = (rows, size) => rows.map((row) => Math.round(Number(size(row))));

test(
  "every format omits or marks rows at a broken book, undecodable frames, a disconnect and a clock step",
  { skip: withoutMovedClock || (PYTHON === undefined && "needs numpy") },
  async (t) => {
    const archive = await recorded(t);
    const out = path.join(temporary(t), "out");
    await tapedeck(
      t,
      ["export", "-q", archive, ...FORMATS.flatMap((name) => ["--format", name]), "--out", out],
      { status: 1 }
    );
    const folder = Object.fromEntries(FORMATS.map((name) => [name, path.join(out, name)]));

    // Tardis CSV: no rows between a break and the next snapshot; all trades.
    const bids = csv(folder["tardis-csv"], "incremental_book_L2").filter((row) => row[5] === "bid");
    assert.deepEqual(
      numbers(bids, (row) => row[7]),
      TRUSTED
    );
    assert.deepEqual(
      numbers(
        bids.filter((row) => row[4] === "true"),
        (row) => row[7]
      ),
      SNAPSHOTS
    );
    for (const type of ["quotes", "book_snapshot_5", "book_snapshot_25"])
      assert.deepEqual(
        numbers(csv(folder["tardis-csv"], type), (row) => row[7]).filter(
          (n) => !TRUSTED.includes(n)
        ),
        [],
        type
      );
    assert.deepEqual(
      numbers(csv(folder["tardis-csv"], "trades"), (row) => row[6]),
      TRADES
    );

    // hftbacktest: one clear of both sides at each break, after the last trusted frame.
    const kinds = (await events(folder.hftbacktest, `BTCUSDT_${DAY.replaceAll("-", "")}.npz`))
      .map((row) => ({ ...row, kind: Number(row.ev) % 16, sides: (Number(row.ev) >> 28) & 3 }))
      .filter((row) => (Number(row.ev) & (1 << 30)) !== 0); // in the order of receipt
    const seen = kinds.flatMap((row) =>
      row.kind === 3 && row.sides === 0
        ? ["clear"]
        : (row.kind === 1 || row.kind === 4) && row.sides === 2
          ? [Number(row.qty)]
          : []
    );
    assert.deepEqual(seen, [1, 2, 4, "clear", 9, 10, "clear", 15, 16, "clear", 23, 24, 25, 27]);
    assert.deepEqual(
      numbers(
        kinds.filter((row) => row.kind === 2),
        (row) => row.px
      ),
      TRADES
    );

    // Parquet: as CSV, with flags; gaps are rows of a type of their own, as are other breaks of the book.
    const parquet = (type) => `exchange=bybit/type=${type}/date=${DAY}/BTCUSDT.parquet`;
    const deltas = (await parquetRows(path.join(folder.parquet, parquet("book_deltas")))).filter(
      (row) => row.side === "Buy"
    );
    assert.deepEqual(
      numbers(deltas, (row) => row.size),
      TRUSTED
    );
    assert.deepEqual(
      numbers(
        deltas.filter((row) => (Number(row.flags) & SNAPSHOT) !== 0),
        (row) => row.size
      ),
      SNAPSHOTS
    );
    assert.deepEqual(
      numbers(
        deltas.filter((row) => (Number(row.flags) & LATE) !== 0),
        (row) => row.size
      ),
      LATE_BOOKS
    );
    assert.deepEqual(
      deltas.filter((row) => row.suspect),
      []
    );
    const [gaps] = filesOf(folder.parquet).filter((name) =>
      name.includes("exchange=bybit/type=gaps")
    );
    assert.deepEqual(
      (await parquetRows(path.join(folder.parquet, gaps))).map((row) => row.reason),
      ["disconnect", "sequence", "undecoded", "sequence"]
    );

    // Nautilus: a lone CLEAR at each break.
    const [nautilus] = filesOf(folder.nautilus).filter((name) =>
      name.includes("order_book_deltas")
    );
    const rows = await parquetRows(path.join(folder.nautilus, nautilus));
    const shown = rows.flatMap((row) =>
      row.action === "CLEAR" && row.flags === 160
        ? ["clear"]
        : row.side === "BUY"
          ? [Math.round(row.size)]
          : []
    );
    assert.deepEqual(shown, seen);

    // JSON lines, SQLite and MCAP also have the frames that are not trusted, marked by a flag.
    const lines = parseLines(
      fs.readFileSync(path.join(folder.jsonl, `messages_${DAY}.jsonl`), "utf8")
    );
    const books = lines.filter((line) => line.type === "book_change");
    const sizeOf = (line) => line.levels.find((level) => level.side === "Buy").size;
    const flagged = (of, flag) => of.filter((row) => (Number(row.flags) & flag) !== 0);
    assert.deepEqual(
      numbers(books, sizeOf),
      [...TRUSTED, ...DOUBTED].sort((a, b) => a - b)
    );
    assert.deepEqual(numbers(flagged(books, NOT_TRUSTED), sizeOf), DOUBTED);
    assert.deepEqual(numbers(flagged(books, LATE), sizeOf), LATE_BOOKS);
    assert.deepEqual(
      lines
        .filter((line) => line.type === "raw")
        .map((line) => [line.topic, line.flags & NOT_TRUSTED]),
      [
        ["orderbook.50", NOT_TRUSTED],
        ["publicTrade", 0],
      ]
    );
    for (const [i, gap] of lines.entries())
      // times are doubles here, exact to 256 ns
      if (gap.type === "gap")
        assert.deepEqual(
          lines.filter(
            (line, k) =>
              line.type !== "gap" &&
              (k < i ? line.recv_ns > gap.from_ns + 256 : line.recv_ns < gap.from_ns - 256)
          ),
          []
        );
    assert.deepEqual(
      lines.filter((line) => line.type === "gap").map((line) => line.reason),
      GAPS
    );

    const database = path.join(folder.sqlite, `messages_${DAY}.sqlite`);
    const stored = (await table(database, "book_changes")).filter((row) => row.side === "Buy");
    assert.deepEqual(
      numbers(stored, (row) => row.size),
      numbers(books, sizeOf)
    );
    assert.deepEqual(
      numbers(
        stored.filter((row) => row.suspect),
        (row) => row.size
      ),
      DOUBTED
    );
    assert.deepEqual(
      numbers(flagged(stored, NOT_TRUSTED), (row) => row.size),
      DOUBTED
    );
    assert.deepEqual(
      numbers(flagged(stored, LATE), (row) => row.size),
      LATE_BOOKS
    );
    assert.deepEqual(
      (await table(database, "gaps")).map((row) => row.reason),
      GAPS
    );

    const messages = await mcapMessages(path.join(folder.mcap, `messages_${DAY}.mcap`));
    const changes = messages
      .filter(([topic]) => topic === "orderbook.50.BTCUSDT")
      .map(([, message]) => message);
    const bid = (message) => message.levels.find((level) => level.side === "Buy").size_text;
    assert.deepEqual(numbers(changes, bid), numbers(books, sizeOf));
    assert.deepEqual(
      numbers(
        changes.filter((message) => message.suspect),
        bid
      ),
      DOUBTED
    );
    assert.deepEqual(
      messages.filter(([topic]) => topic === "gaps").map(([, message]) => message.reason),
      GAPS
    );

    // The manifest counts and lists them.
    const [day] = manifestOf(out).days;
    assert.deepEqual(
      day.gaps.map((gap) => gap.reason),
      GAPS
    );
    const file = (format, type) =>
      day.files.find((row) => row.format === format && row.type === type);
    for (const [format, type] of [
      ["tardis-csv", "incremental_book_L2"],
      ["hftbacktest", "depth"],
      ["parquet", "book_deltas"],
      ["nautilus", "order_book_deltas"],
    ]) {
      const {
        breaks,
        break_count: count,
        undecoded_frames: undecoded,
        left_out_frames: left,
      } = file(format, type) ?? file(format, null) ?? {};
      assert.deepEqual(
        [
          format,
          count,
          breaks?.map(({ cause, reason }) => [cause, reason].join(" ").trim()),
          undecoded,
          left,
        ],
        [format, BREAKS.length, BREAKS, format === "hftbacktest" ? 2 : 1, DOUBTED.length]
      );
    }
    assert.equal(file("tardis-csv", "trades").undecoded_frames, 1);
    // A file with rows of several types lists them.
    const types = (format) => [
      ...new Set(
        day.files
          .filter((row) => row.format === format)
          .map((row) => [row.type, row.types].join(" "))
      ),
    ];
    assert.deepEqual(["hftbacktest", "sqlite", "mcap", "jsonl"].map(types), [
      [" depth,trades"],
      [" book_changes,trades,gaps"],
      [" book_changes,trades,gaps"],
      ["messages "],
    ]);
    assert.equal(day.verdict, "incomplete");

    const { days } = await json(t, ["days", archive, "--json"], { status: 1 });
    const topics = Object.fromEntries(days[0].topics.map((row) => [row.topic, row]));
    assert.deepEqual(
      days.map((row) => [row.day, row.symbol, row.reasons]),
      [[DAY, "BTCUSDT", "disconnect, sequence, undecoded, late, silent"]]
    );
    assert.deepEqual(
      [
        topics["orderbook.50"].proof,
        topics["orderbook.50"].undecoded,
        topics.publicTrade.proof,
        topics.publicTrade.undecoded,
      ],
      ["proven", 1, "unverifiable", 1]
    );
    assert.ok(topics["orderbook.50"].degraded_ns > 0 && topics["orderbook.50"].missing_ns > 0);
    // Topics that were granted and sent no frame: a ticker must begin with a snapshot, a liquidation need not happen.
    assert.deepEqual(
      [topics.tickers.frames, topics.tickers.missing_ns, topics.tickers.reasons],
      [0, topics.tickers.asked_ns, "disconnect, silent"]
    );
    assert.deepEqual(
      [
        topics.allLiquidation.frames,
        topics.allLiquidation.proof,
        topics.allLiquidation.clean_ns,
        topics.allLiquidation.unproven_ns > 0,
      ],
      [0, "unverifiable", 0, true]
    );
    for (const row of days[0].topics)
      assert.equal(
        row.clean_ns + row.degraded_ns + row.missing_ns + row.unproven_ns,
        row.asked_ns,
        row.topic
      );

    for (const [option, reason] of [
      [["--only-clean"], /no symbol has a clean day/],
      [["--max-gap-loss", "0"], /is missing or not trusted, more than --max-gap-loss allows/],
    ]) {
      const refused = await tapedeck(
        t,
        ["export", archive, "--format", "tardis-csv", "--out", path.join(out, "no"), ...option],
        { status: 4 }
      );
      assert.match(refused.stderr, reason);
      assert.ok(!fs.existsSync(path.join(out, "no")));
    }
  }
);

/** Import a capture of books [ms, frame text] into the archive; the time to the next capture is a gap. */
const add = (t, archive, frames) =>
  importLines(
    t,
    frames.map(([ms, data]) => ({ recv_ns: `${ms}000000`, conn: 0, data: JSON.parse(data) })),
    { archive, family: "v5-linear" }
  );

test(
  "a gap after a book's last frame of the day ends the book in every format",
  { skip: PYTHON === undefined && "needs numpy" },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    const other = (n, type, u) => book(n, type, u).replaceAll("BTCUSDT", "ETHUSDT");
    await add(t, archive, [
      [NOON, book(1, "snapshot", 101)],
      [NOON, other(1, "snapshot", 101)],
      [NOON + 1000, book(2, "delta", 102)],
      [NOON + 1000, other(2, "delta", 102)],
    ]);
    await add(t, archive, [[NOON + 61_000, other(3, "snapshot", 107)]]);
    const exported = async (...more) => {
      const out = path.join(temporary(t), "out");
      await tapedeck(
        t,
        [
          "export",
          "-q",
          archive,
          "--format",
          "hftbacktest",
          "--format",
          "nautilus",
          "--out",
          out,
          ...more,
        ],
        { status: null }
      );
      const name = (symbol) => `${symbol}_${DAY.replaceAll("-", "")}`;
      const ends = async (symbol) =>
        Number((await events(path.join(out, "hftbacktest"), `${name(symbol)}.npz`)).at(-1).ev) % 16;
      const [nautilus] = filesOf(path.join(out, "nautilus")).filter((file) =>
        file.includes("order_book_deltas/BTCUSDT")
      );
      return {
        hftbacktest: [await ends("BTCUSDT"), await ends("ETHUSDT")],
        endOfDay: ["BTCUSDT", "ETHUSDT"].filter((symbol) =>
          fs.existsSync(path.join(out, "hftbacktest", `${name(symbol)}_eod.npz`))
        ),
        nautilus: (await parquetRows(path.join(out, "nautilus", nautilus))).at(-1).action,
        breaks: manifestOf(out)
          .files.filter((file) => file.symbol === "BTCUSDT" && file.breaks !== undefined)
          .flatMap((file) =>
            file.breaks.map(({ cause, reason, to_ns: to }) => [cause, reason, to])
          ),
      };
    };
    const broken = await exported();
    assert.deepEqual(
      [broken.hftbacktest, broken.endOfDay, broken.nautilus],
      [[3, 4], ["ETHUSDT"], "CLEAR"]
    );
    assert.ok(broken.breaks.length > 0);
    for (const row of broken.breaks) assert.deepEqual(row, ["gap", "restart", null]);
    // The selection ends before the gap, so the book is right up to its end.
    const whole = await exported("--to", new Date(NOON + 500).toISOString());
    assert.deepEqual(
      [whole.hftbacktest, whole.endOfDay, whole.nautilus, whole.breaks],
      [[4, 4], ["BTCUSDT", "ETHUSDT"], "ADD", []]
    );
  }
);

test(
  "a book ends where stored frames after its last one cannot be read",
  { skip: PYTHON === undefined && "needs numpy" },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    const other = (n) =>
      book(n, n === 1 ? "snapshot" : "delta", n).replaceAll("BTCUSDT", "ETHUSDT");
    const later = Array.from({ length: 12_000 }, (_, i) => [NOON + 200 + i * 10, other(i + 1)]); // several chunks
    await add(t, archive, [
      [NOON, book(1, "snapshot", 1)],
      [NOON + 100, book(2, "delta", 2)],
      ...later,
    ]);
    const segment = path.join(archive, segments(archive).at(-1));
    const chunks = chunksOf(segment);
    assert.ok(chunks.length > 1);
    flipIn(segment, chunks.at(-1));
    const out = path.join(temporary(t), "out");
    await tapedeck(t, ["export", "-q", archive, "--format", "hftbacktest", "--out", out], {
      status: 3,
    });
    const names = ["BTCUSDT", "ETHUSDT"].map(
      (symbol) => `${symbol}_${DAY.replaceAll("-", "")}.npz`
    );
    assert.deepEqual(
      fs.readdirSync(out).filter((name) => name.endsWith(".npz")),
      names
    ); // none of the end of the day
    for (const name of names)
      assert.equal(Number((await events(out, name)).at(-1).ev) % 16, 3, name);
    assert.deepEqual(
      manifestOf(out).files.map((file) => file.breaks.map(({ cause, to_ns: to }) => [cause, to])),
      [[["damage", null]], [["damage", null]]]
    );
  }
);
