// `tapedeck days`: the clean, degraded and missing time of a symbol's day. The frames are made up here, so the times are known;
// docs/archive.md ("Days") defines them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  chunksOf,
  eventually,
  flipIn,
  importLines,
  json,
  jsonList,
  manifestOf,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { AT_S, imported } from "../support/frames_by_second.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";
import { withoutPackages } from "../support/npm_packages.mjs";
import { query } from "../support/parquet_files.mjs";

const NOON = Date.parse("2026-08-09T12:00:00Z");
const MIDNIGHT = NOON + 12 * 3_600_000;
const S = 1e9;

const book = (symbol, u) => ({
  topic: `orderbook.50.${symbol}`,
  type: u === 1 ? "snapshot" : "delta",
  ts: NOON,
  cts: NOON,
  data: {
    s: symbol,
    b: [["10", String(u)]],
    a: u === 1 ? [["12", "1"]] : [],
    u: 100 + u,
    seq: 1000 + u,
  },
});
const trade = (symbol, i) => ({
  topic: `publicTrade.${symbol}`,
  type: "snapshot",
  ts: NOON,
  data: [
    {
      i: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
      T: NOON,
      p: "11",
      v: "1",
      S: "Buy",
      s: symbol,
      L: "PlusTick",
      BT: false,
      seq: 5000 + i,
    },
  ],
});

/** Import frames [ms, frame, other members] into an archive's feed v5-linear, as one capture. Without a frame a connection begins. */
const add = (t, archive, frames) =>
  importLines(
    t,
    frames.map(([ms, data, more]) => ({ recv_ns: `${ms}000000`, conn: 0, data, ...more })),
    { archive, family: "v5-linear" }
  );

const found = async (t, archive, more = [], options = { status: 1 }) =>
  (await json(t, ["days", archive, "--json", ...more], options)).days;
const topic = (day, name) => day.topics.find((row) => row.topic === name);

const unpacked = async (file) =>
  (file.endsWith(".gz") ? zlib.gunzipSync(fs.readFileSync(file)) : fs.readFileSync(file)).toString(
    "utf8"
  );

/** A book of one symbol, a frame each second from `from`, with u from `first`. */
const books = (symbol, from, count, first = 1) =>
  Array.from({ length: count }, (_, i) => [from + i * 1000, book(symbol, first + i)]);

test("a gap, a broken book and an undecodable frame have their times and reasons", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const broken = books("ETHUSDT", NOON, 10).filter((_, i) => i !== 4); // u 5 is lost: broken from the 4th second on
  broken.push([NOON + 10_000, book("ETHUSDT", 1)], [NOON + 11_000, book("ETHUSDT", 2)]);
  const odd = books("XRPUSDT", NOON, 12).map(([ms, frame], i) => [
    ms,
    i === 6 ? { ...frame, data: {} } : frame,
  ]);
  odd[8] = [NOON + 8_000, book("XRPUSDT", 1)];
  for (let i = 9; i < 12; i++) odd[i] = [NOON + i * 1000, book("XRPUSDT", i - 7)];
  const all = [...books("BTCUSDT", NOON, 12), ...broken, ...odd].sort((a, b) => a[0] - b[0]);
  await add(t, archive, all);
  const days = Object.fromEntries((await found(t, archive)).map((day) => [day.symbol, day]));
  const { BTCUSDT, ETHUSDT, XRPUSDT } = days;
  assert.deepEqual(
    [BTCUSDT.clean_percent, BTCUSDT.verified_percent, BTCUSDT.reasons, BTCUSDT.day],
    [100, 100, null, "2026-08-09"]
  );
  const round = (row) => [
    Math.round(row.degraded_ns / S),
    Math.round(row.missing_ns / S),
    row.reasons,
  ];
  assert.deepEqual(round(ETHUSDT), [7, 0, "sequence"]); // from the 3rd second to the snapshot of the 10th
  assert.deepEqual(round(XRPUSDT), [3, 0, "undecoded"]);
  assert.deepEqual(
    [topic(XRPUSDT, "orderbook.50").undecoded, topic(ETHUSDT, "orderbook.50").broken > 0],
    [1, true]
  );

  // Another capture a minute later: the time between both is missing in all topics.
  await add(t, archive, books("BTCUSDT", NOON + 71_000, 11));
  const [later] = await found(t, archive, ["--symbol", "BTCUSDT"]);
  assert.deepEqual(round(later), [0, 60, "restart"]);
  assert.equal(Math.round(later.clean_percent), Math.round(2100 / 81));
  assert.deepEqual([later.day_percent, later.proven_topics], [0.02, 1]); // 21 s of 86,400
  const { stdout } = await tapedeck(t, ["days", archive, "--symbol", "BTCUSDT"], { status: 1 });
  assert.match(stdout, /^2026-08-09 +BTCUSDT +25\.\d+ +0\.02 % +1 of 1 topic +- +1 m +restart /m);
  assert.match(stdout, /\n0 of 1 symbol-days are clean\n$/);
});

test("days are UTC days, and the topics determine what can be proven", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const frames = [
    ...books("BTCUSDT", MIDNIGHT - 5_000, 11),
    ...Array.from({ length: 11 }, (_, i) => [MIDNIGHT - 5_000 + i * 1000, trade("BTCUSDT", i)]),
  ];
  await add(
    t,
    archive,
    frames.sort((a, b) => a[0] - b[0])
  );
  const days = await found(t, archive, [], { status: 0 });
  assert.deepEqual(
    days.map((day) => [
      day.day,
      day.symbol,
      Math.round(day.asked_ns / S),
      Math.round(day.verified_percent),
      day.frames,
    ]),
    [
      ["2026-08-09", "BTCUSDT", 5, 50, 10],
      ["2026-08-10", "BTCUSDT", 5, 50, 12],
    ]
  );
  assert.deepEqual(
    days[0].topics.map((row) => [row.topic, row.proof, row.frames_per_s_max, row.timed]),
    [
      ["orderbook.50", "proven", 1, 5],
      ["publicTrade", "unverifiable", 1, 5],
    ]
  );
  assert.equal(Math.round(topic(days[0], "orderbook.50").max_ns / S), 12 * 3600 - 1);
  assert.deepEqual(
    (await found(t, archive, ["--from", "2026-08-10"], { status: 0 })).map((day) => day.day),
    ["2026-08-10"]
  );
});

test("the days between two imports of different years are one row", async (t) => {
  const archive = path.join(temporary(t), "tape"),
    apart = path.join(temporary(t), "tape");
  const before = NOON - 3 * 365 * 86_400_000;
  await add(t, archive, books("BTCUSDT", before, 12));
  await add(t, archive, books("BTCUSDT", NOON, 12));
  // Days without a frame are one row; the time between the sessions is not covered.
  const { stdout } = await tapedeck(t, ["days", archive], { status: 1 });
  assert.equal(stdout.split("\n").length, 7, stdout);
  assert.match(stdout, /^2023-08-11 to 2026-08-08 +BTCUSDT +0 +0 % .* restart +1 d$/m);
  const {
    feeds: [feed],
    day: [day],
  } = await json(t, ["info", archive, "--json"]);
  assert.ok(Math.abs(feed.covered_ns - 22 * S) < 2, `${feed.covered_ns}`);
  // The hours before the second import are not recorded, but no outage.
  assert.equal(day.half_hours, `${".".repeat(24)}x${".".repeat(23)}`);
  assert.match((await tapedeck(t, ["info", archive])).stdout, / covers [^]* 22 s /);
  // A topic that ends with the first import has nothing missing.
  await add(t, apart, books("BTCUSDT", before, 12));
  await add(t, apart, books("ETHUSDT", NOON, 12));
  assert.deepEqual(
    (await found(t, apart, [], { status: 0 })).map((row) => [
      row.day,
      row.symbol,
      row.missing_ns,
      row.reasons,
    ]),
    [
      ["2023-08-10", "BTCUSDT", 0, null],
      ["2026-08-09", "ETHUSDT", 0, null],
    ]
  );
});

test("latency percentiles, the busiest second and crossed books are exact", async (t) => {
  const archive = path.join(temporary(t), "tape");
  // Frame i is received 10 ms after the one before, and i ms after the exchange's time; 3 frames lie before it.
  const frames = Array.from({ length: 200 }, (_, i) => {
    const at = NOON + i * 10;
    const frame = { ...book("BTCUSDT", i + 1), ts: i < 197 ? at - i - 1 : at + 1 };
    if (i >= 100 && i < 105) frame.data = { ...frame.data, b: [["13", i === 104 ? "0" : "1"]] }; // above the ask of 12: noted, because no frame is missing
    return [at, frame];
  });
  await add(t, archive, frames);
  const [day] = await found(t, archive, [], { status: 0 });
  const { p50_ns: p50, p90_ns: p90, p99_ns: p99, ...of } = topic(day, "orderbook.50");
  assert.deepEqual(
    [of.frames, of.timed, of.ahead, of.max_ns, of.frames_per_s_max, of.crossed],
    [200, 197, 3, 197e6, 100, 4]
  );
  for (const [found, ms] of [
    [p50, 99],
    [p90, 178],
    [p99, 196],
  ])
    assert.ok(found >= ms * 1e6 && found <= (ms * 1e6 * 17) / 16, `${found} ${ms}`);
});

test("symbols with the same figures share a row of text", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const symbols = Array.from({ length: 40 }, (_, i) => `S${i}USDT`);
  await add(
    t,
    archive,
    books("", NOON, 4).flatMap(([ms], i) => symbols.map((symbol) => [ms, book(symbol, i + 1)]))
  );
  const { stdout } = await tapedeck(t, ["days", archive]);
  assert.match(stdout, /^2026-08-09 +40 symbols +100 +0 % +1 of 1 topic +- +- +- /m);
  assert.equal(stdout.split("\n").length, 5);
  assert.equal((await tapedeck(t, ["days", archive, "-v"])).stdout.split("\n").length, 44);
});

test("days that are asked for and were not recorded are counted, also if another topic has the last one", async (t) => {
  const archive = path.join(temporary(t), "tape");
  await add(t, archive, [...books("BTCUSDT", NOON, 4), [MIDNIGHT + 1000, trade("ETHUSDT", 1)]]);
  for (const [from, to, absent] of [
    ["2026-08-09", "2026-08-10", 0],
    ["2026-08-07", "2026-08-11", 3],
    ["2026-08-09T11:00:00Z", "2026-08-09T13:00:00Z", 0],
  ]) {
    const days = ["days", archive, "--from", from, "--to", to, "--symbol", "BTCUSDT"];
    const report = await json(t, [...days, "--json"], { status: null });
    assert.equal(report.days_absent, absent);
    const end = await tapedeck(t, days, { status: null });
    if (absent === 0) assert.doesNotMatch(end.stdout, /nothing was recorded/);
    else {
      assert.equal(end.code, 1);
      assert.match(end.stdout, /; nothing was recorded on 3 days that are asked for$/m);
    }
  }
});

test("frames that cannot be read are missing", async (t) => {
  const archive = path.join(temporary(t), "tape");
  await add(t, archive, books("BTCUSDT", NOON, 12));
  await add(t, archive, books("BTCUSDT", NOON + 71_000, 11));
  const file = path.join(archive, segments(archive).at(-1));
  flipIn(file, chunksOf(file).at(-1));
  const [day] = await found(t, archive, [], { status: 3 });
  assert.deepEqual(
    [day.reasons, Math.round(day.missing_ns / S), Math.round(day.degraded_ns / S)],
    ["restart, corrupt", 70, 0]
  );
  assert.equal((await tapedeck(t, ["days", archive, "--feed", "none"], { status: 4 })).stdout, "");
});

test("export --only-clean leaves out days that are not clean; --max-gap-loss refuses lost time", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const broken = books("ETHUSDT", MIDNIGHT - 5_000, 11).filter((_, i) => i !== 2);
  broken.splice(4, 0, [MIDNIGHT - 1_000, book("ETHUSDT", 1)]); // the book is correct again before midnight
  for (let i = 5; i < broken.length; i++)
    broken[i] = [MIDNIGHT + (i - 5) * 1000, book("ETHUSDT", i - 3)];
  await add(
    t,
    archive,
    [...books("BTCUSDT", MIDNIGHT - 5_000, 11), ...broken].sort((a, b) => a[0] - b[0])
  );
  const reasons = (await found(t, archive)).map((day) => [day.day, day.symbol, day.reasons]);
  assert.deepEqual(reasons, [
    ["2026-08-09", "BTCUSDT", null],
    ["2026-08-09", "ETHUSDT", "sequence"],
    ["2026-08-10", "BTCUSDT", null],
    ["2026-08-10", "ETHUSDT", null],
  ]);

  const exported = async (format, more, status = 0) => {
    const out = path.join(dir, `out-${format}-${more.length}`);
    await tapedeck(t, ["export", "-q", archive, "--format", format, "--out", out, ...more], {
      status,
    });
    return out;
  };
  const clean = manifestOf(
    await exported("tardis-csv", ["--only-clean", "--type", "incremental_book_L2"])
  );
  assert.deepEqual(
    [clean.request.only_clean, clean.days.map((day) => day.not_clean)],
    [true, [[{ feed: "v5-linear", symbol: "ETHUSDT", reasons: "sequence" }], []]]
  );
  assert.deepEqual(clean.files.map((file) => path.basename(file.name)).sort(), [
    "bybit_incremental_book_L2_2026-08-09_BTCUSDT.csv.gz",
    "bybit_incremental_book_L2_2026-08-10_BTCUSDT.csv.gz",
    "bybit_incremental_book_L2_2026-08-10_ETHUSDT.csv.gz",
  ]);
  assert.match(
    (
      await tapedeck(
        t,
        [
          "export",
          archive,
          "--format",
          "jsonl",
          "--out",
          path.join(dir, "y"),
          "--only-clean",
          "--symbol",
          "ETHUSDT",
          "--to",
          "2026-08-09",
        ],
        { status: 4 }
      )
    ).stderr,
    /no symbol has a clean day/
  );
  const lines = await exported("jsonl", ["--only-clean"]);
  const [first] = fs.readdirSync(lines).filter((name) => name.startsWith("messages_2026-08-09"));
  assert.ok(!(await unpacked(path.join(lines, first))).includes("ETHUSDT"));

  await exported("tardis-csv", [
    "--max-gap-loss",
    "0",
    "--symbol",
    "BTCUSDT",
    "--type",
    "incremental_book_L2",
  ]);
  await add(t, archive, books("BTCUSDT", MIDNIGHT + 66_000, 11)); // a minute is missing
  const { stderr } = await tapedeck(
    t,
    [
      "export",
      archive,
      "--format",
      "jsonl",
      "--out",
      path.join(dir, "none"),
      "--symbol",
      "BTCUSDT",
      "--max-gap-loss",
      "10",
    ],
    { status: 4 }
  );
  assert.match(
    stderr,
    /orderbook\.50 BTCUSDT of 2026-08-10: 1 m 1 s of [^:]* is missing or not trusted, more than --max-gap-loss allows/
  );
  assert.ok(!fs.existsSync(path.join(dir, "none")));
  await tapedeck(
    t,
    [
      "export",
      archive,
      "--format",
      "jsonl",
      "--out",
      path.join(dir, "some"),
      "--max-gap-loss",
      "90",
    ],
    { status: 1 }
  );
  await tapedeck(
    t,
    ["export", archive, "--format", "jsonl", "--out", path.join(dir, "x"), "--max-gap-loss", "101"],
    { status: 2 }
  );
});

test("export --only-clean keeps the gap of a connection, although a topic without a symbol is left out", async (t) => {
  const frame = (channel, data) => ({
    jsonrpc: "2.0",
    method: "subscription",
    params: { channel, data },
  });
  const state = frame("platform_state", { price_index: "btc_usd", locked: false });
  const trade = (trade_seq) =>
    frame("trades.BTC-PERPETUAL.raw", [
      {
        timestamp: AT_S * 1000,
        ...{ trade_seq, trade_id: String(trade_seq), instrument_name: "BTC-PERPETUAL" },
        ...{ price: 100, amount: 10, direction: "buy", tick_direction: 0 },
        ...{ index_price: 100, mark_price: 100 },
      },
    ]);
  const frames = [trade(1), ["B", state], trade(2), ["B"], ["B", state], trade(3)];
  const { archive, out } = await imported(t, "deribit", frames);
  const reasons = (await found(t, archive, [], { status: 1 })).map((day) => [
    day.symbol,
    day.reasons,
  ]);
  assert.deepEqual(reasons, [
    [null, "disconnect"],
    ["BTC-PERPETUAL", null],
  ]);
  const args = ["export", "-q", archive, "--format", "tardis-csv", "--type", "trades"];
  await tapedeck(t, [...args, "--only-clean", "--out", out], { status: 1 });
  const [day] = manifestOf(out).days;
  assert.deepEqual([day.totals.rows, day.verdict], [3, "incomplete"]);
});

test("a book that broke before midnight is a break at the beginning of the next day, in each format and part of the day", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const day = "2026-08-10",
    begin = BigInt(MIDNIGHT) * 1_000_000n;
  const trade = [
    MIDNIGHT + 5_500,
    JSON.stringify({
      topic: "publicTrade.ETHUSDT",
      type: "snapshot",
      ts: MIDNIGHT + 5_500,
      data: [
        {
          T: MIDNIGHT + 5_500,
          s: "ETHUSDT",
          S: "Buy",
          v: "1",
          p: "100",
          L: "PlusTick",
          i: "1",
          BT: false,
        },
      ],
    }),
  ];
  await add(
    t,
    archive,
    [
      ...books("BTCUSDT", MIDNIGHT - 5_000, 11),
      ...books("ETHUSDT", MIDNIGHT - 5_000, 11).filter((_, i) => i !== 2),
      trade,
    ].sort((a, b) => a[0] - b[0])
  );
  assert.deepEqual(
    (await found(t, archive))
      .filter((row) => row.day === day)
      .map((row) => [row.symbol, row.reasons, row.clean_percent < 100]),
    [
      ["BTCUSDT", null, false],
      ["ETHUSDT", "sequence", true],
    ]
  );

  const exported = async (name, args, status = 1) => {
    const out = path.join(dir, name);
    await tapedeck(t, ["export", "-q", archive, "--out", out, ...args], { status });
    return manifestOf(out);
  };
  const formats = ["tardis-csv", "parquet", "hftbacktest", "nautilus"].flatMap((format) => [
    "--format",
    format,
  ]);
  const one = ["--symbol", "ETHUSDT", ...formats];
  const breaksOf = (manifest, date) =>
    manifest.files
      .filter((file) => file.breaks !== undefined && file.date === date)
      .map((file) => [
        file.format,
        ...file.breaks.map(({ cause, from_ns, to_ns }) => `${cause} ${from_ns} ${to_ns}`),
      ]);
  for (const [name, args, from] of [
    ["day", ["--from", day, "--to", day], begin],
    ["part", ["--from", `${day}T00:00:02`], begin + 2_000_000_000n],
  ]) {
    const manifest = await exported(name, [...one, ...args]);
    const breaks = breaksOf(manifest, day);
    assert.ok(new Set(breaks.map(([format]) => format)).size >= 3, JSON.stringify(breaks));
    for (const [format, ...rest] of breaks)
      assert.deepEqual(rest, [`gap ${Number(from)} null`], format);
    assert.equal(manifest.days[0].verdict, "incomplete");
  }
  for (const [name, args] of [
    ["days", []],
    ["shard", ["--shard", "2/2"]],
  ]) {
    const { days } = await exported(name, [...one, ...args]);
    assert.deepEqual(
      days.map((row) => row.verdict),
      days.map(() => "incomplete"),
      name
    );
  }
  assert.equal(
    (await exported("sound", ["--symbol", "BTCUSDT", ...formats, "--from", day, "--to", day], 0))
      .days[0].verdict,
    "complete"
  );
  assert.equal(
    (
      await exported(
        "trades",
        [
          "--format",
          "tardis-csv",
          "--symbol",
          "ETHUSDT",
          "--topic",
          "publicTrade",
          "--from",
          day,
          "--to",
          day,
        ],
        0
      )
    ).days[0].verdict,
    "complete"
  );
  const refused = await tapedeck(
    t,
    [
      "export",
      archive,
      ...one,
      "--from",
      day,
      "--to",
      day,
      "--max-gap-loss",
      "0",
      "--out",
      path.join(dir, "no"),
    ],
    { status: 4 }
  );
  assert.match(
    refused.stderr,
    /orderbook\.50 ETHUSDT of 2026-08-10: \S+ s of \S+ s is missing or not trusted/
  );
  assert.match(
    (await tapedeck(t, ["replay", archive, "--from", day], { status: 1 })).stdout,
    /^Complete: no, 1 gap not covered, 1 topic not trusted at the beginning\.$/m
  );
});

test(
  "a book that broke before midnight and sends nothing after it is a break of the next day",
  { skip: withoutPackages },
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape"),
      out = path.join(dir, "set");
    const day = "2026-08-10",
      begin = MIDNIGHT * 1e6;
    const trades = ["ETHUSDT", "BTCUSDT"].map((s) => [
      MIDNIGHT + 5_500,
      JSON.stringify({
        topic: `publicTrade.${s}`,
        type: "snapshot",
        ts: MIDNIGHT + 5_500,
        data: [
          { T: MIDNIGHT + 5_500, s, S: "Buy", v: "1", p: "100", L: "PlusTick", i: "1", BT: false },
        ],
      }),
    ]);
    const before = ["ETHUSDT", "BTCUSDT"].flatMap((symbol) =>
      books(symbol, MIDNIGHT - 5_000, 4).filter((_, i) => symbol === "BTCUSDT" || i !== 2)
    );
    await add(
      t,
      archive,
      [...before, ...trades].sort((a, b) => a[0] - b[0])
    );
    const select = [
      "--from",
      day,
      "--to",
      day,
      "--out",
      out,
      "--format",
      "tardis-csv",
      "--format",
      "parquet",
    ];
    const { stderr } = await tapedeck(t, ["export", "-q", archive, ...select], { status: 1 });
    assert.match(stderr, /not complete/);
    const { days } = manifestOf(out);
    assert.deepEqual(
      [
        days[0].verdict,
        days[0].found_gaps.map(({ topic, symbol, reason, cause, from_ns, to_ns }) => [
          topic,
          symbol,
          reason,
          cause,
          from_ns,
          to_ns,
        ]),
      ],
      ["incomplete", [["orderbook.50", "ETHUSDT", "sequence", "gap", begin, null]]]
    );
    assert.deepEqual(
      await query(
        `SELECT topic, symbol, reason, CAST(epoch_ms(from_ns) AS VARCHAR) FROM read_parquet('${out}/parquet/*/type=gaps/*/*.parquet')`
      ),
      [
        ["orderbook.50", "ETHUSDT", "sequence", String(MIDNIGHT - 4000)], // found by import
        ["orderbook.50", "ETHUSDT", "sequence", String(MIDNIGHT)], // the book begins the day like that
      ]
    );
    assert.match(
      (await tapedeck(t, ["replay", archive, "--from", day], { status: 1 })).stdout,
      /^Complete: no, 1 gap not covered, 1 topic not trusted at the beginning;/m
    );
    assert.match(
      (await tapedeck(t, ["gaps", archive, "--from", day], { status: 1 })).stdout,
      /^2 topics silent: see 'tapedeck replay'$/m
    );
    assert.equal((await json(t, ["gaps", archive, "--json"], { status: 1 })).topics_silent, 0);
    await tapedeck(t, ["export", "-q", archive, ...select, "--force", "--symbol", "BTCUSDT"]);
    await tapedeck(t, ["export", "-q", archive, ...select, "--force", "--type", "trades"]);
  }
);

test(
  "after the clock stepped back, receive times count as late, also in a day that is being recorded",
  { skip: withoutMovedClock || withoutPackages },
  async (t) => {
    const dir = temporary(t);
    const exchange = await numberedExchange(t, { rate: 100 });
    const clock = new MovedClock(dir);
    const archive = path.join(dir, "tape");
    const recorder = new Recorder(
      t,
      archive,
      [...exchange.args(), "--commit-interval", "100ms"],
      clock.options
    );
    const more = () => recorder.durableAfter(recorder.durableLines + 5);
    await more();
    clock.set(-800);
    await recorder.prints(/stepped back by 0\.[1-9]/);
    const isLate = (day) => /late/.test(day.reasons ?? "");
    let live = [];
    while (!live.some(isLate)) {
      // on a busy machine frames from before the step become durable first
      await more();
      live = await found(t, archive, [], { status: null });
    }
    assert.ok(live.at(-1).recording);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const days = await found(t, archive);
    assert.ok(days.some(isLate), JSON.stringify(days));
    assert.ok(days.every((day) => !day.recording));
  }
);

test("a topic is asked for since its first grant, also if a later connection brings its first frame", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const begin = (ms) => [
    [ms, undefined, { url: "wss://stream.bybit.com/v5/public/linear" }],
    [
      ms + 1,
      { req_id: "r", op: "subscribe", args: ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"] },
      { dir: "out" },
    ],
    [ms + 2, { success: true, ret_msg: "", conn_id: "c", req_id: "r", op: "subscribe" }],
  ];
  await add(t, archive, [
    ...begin(NOON),
    ...books("BTCUSDT", NOON + 1000, 3),
    ...begin(NOON + 10_000), // nothing is received in between
    ...books("BTCUSDT", NOON + 11_000, 10),
    ...Array.from({ length: 10 }, (_, i) => [NOON + 11_500 + i * 1000, trade("BTCUSDT", i)]),
  ]);
  const [day] = await found(t, archive);
  const [ofBook, ofTrades] = ["orderbook.50", "publicTrade"].map((name) => topic(day, name));
  for (const member of ["asked_ns", "missing_ns"])
    assert.equal(ofTrades[member], ofBook[member], JSON.stringify(day)); // one answer granted both
  assert.ok(ofTrades.missing_ns > 6 * S, JSON.stringify(day));
});

/** Configurations in which ETHUSD has a connection of its own. */
const APART = {
  "a topic": (url) =>
    `  - {name: a, family: inverse, url: ${url}/realtime, topics: [trade.BTCUSD, trade.ETHUSD], max_topics_per_connection: 1}\n`,
  "a feed": (url) =>
    ["BTCUSD", "ETHUSD"]
      .map(
        (symbol) =>
          `  - {name: ${symbol}, family: inverse, url: ${url}/realtime, topics: [trade.${symbol}]}\n`
      )
      .join(""),
};

for (const [what, feeds] of Object.entries(APART))
  test(
    `${what} whose connection is lost for good is missing as long as it is asked for`,
    { skip: withoutPackages },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const config = path.join(dir, "feeds.yaml");
      const exchange = await numberedExchange(t, { rate: 100, symbols: ["BTCUSD", "ETHUSD"] });
      fs.writeFileSync(config, `commit_interval: 100ms\nfeeds:\n${feeds(exchange.url)}`);
      const rows = async (...times) => {
        const days = await found(t, archive, times, { status: null });
        const topic = (symbol) => days.find((day) => day.symbol === symbol)?.topics[0];
        return { lost: topic("ETHUSD"), other: topic("BTCUSD"), text: JSON.stringify(days) };
      };
      const isLost = async (recorder) => {
        const look = async () =>
          (await jsonList(t, ["gaps", archive, "--json"], { status: null })).length > 0;
        await eventually("a row of the lost connection", look, recorder);
        const more = () => recorder.durableAfter(recorder.durableLines + 5);
        await more();
        const from = new Date().toISOString();
        await more();
        assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
        return from;
      };

      let recorder = new Recorder(t, archive, ["-c", config]);
      await recorder.durableAfter(recorder.durableLines + 10);
      exchange.cutOff("trade.ETHUSD");
      for (const ws of exchange.sockets.clients)
        if (ws.granted?.has("trade.ETHUSD")) ws.terminate();
      const from = await isLost(recorder);
      const frames = await tapedeck(t, ["cat", archive, "--json"]);
      const last = (symbol) =>
        frames.stdout
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
          .filter((one) => one.symbol === symbol)
          .at(-1).recv_ns;
      const whole = await rows();
      assert.ok(whole.lost.missing_ns >= last("BTCUSD") - last("ETHUSD") - 1000, whole.text); // numbers have no single nanoseconds
      assert.equal(whole.other.missing_ns, 0, whole.text);

      const isMissing = async (...times) => {
        const part = await rows(...times);
        assert.ok(part.lost?.asked_ns > 0, part.text);
        assert.equal(part.lost.missing_ns, part.lost.asked_ns, part.text);
        assert.equal(part.other.missing_ns, 0, part.text);
      };
      await isMissing("--from", from);
      const replayed = await json(t, ["replay", archive, "--from", from, "--json"], {
        status: null,
      });
      assert.deepEqual([replayed.absent, replayed.verdict], [[], "incomplete"]); // it was subscribed
      const out = path.join(dir, "out");
      const args = ["--format", "jsonl", "--out", out, "--from", from, "--max-gap-loss", "1"];
      assert.equal((await tapedeck(t, ["export", archive, ...args], { status: null })).code, 4);

      recorder = new Recorder(t, archive, ["-c", config]); // the connection stays lost over recordings
      await isMissing("--from", await isLost(recorder));
      const later = new Date(Date.now() + 1000).toISOString(); // nothing was asked for
      await tapedeck(t, ["days", archive, "--from", later], { status: 4 });
    }
  );

test(
  "a topic that is refused after its connection was lost is missing until then",
  { skip: withoutPackages },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    const exchange = await numberedExchange(t, { rate: 100, symbols: ["BTCUSD", "ETHUSD"] });
    const args = [...exchange.args(), "--commit-interval", "100ms"];
    const recorder = new Recorder(t, archive, args);
    const more = () => recorder.durableAfter(recorder.durableLines + 5);
    await more();
    exchange.refuse("trade.ETHUSD");
    for (const ws of exchange.sockets.clients) ws.terminate();
    await recorder.prints(/connection 2\)/);
    await more();
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const days = await found(t, archive, [], { status: null });
    const missing_ns = (symbol) => days.find((day) => day.symbol === symbol).topics[0].missing_ns;
    assert.ok(missing_ns("BTCUSD") > 0, JSON.stringify(days));
    assert.equal(missing_ns("ETHUSD"), missing_ns("BTCUSD"), JSON.stringify(days)); // one answer granted both
  }
);
