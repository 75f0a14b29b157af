// Books over HTTP snapshots that show a limited number of levels: what they did not show is unknown, whoever asks. The frames are made
// here, as Binance sends them; expected prices are written by hand.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  importLines,
  json,
  manifestOf,
  manifestsOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";

const NOON = 1786276800000;
const levels = (first, count, step) =>
  Array.from({ length: count }, (_, i) => [(first + i * step).toFixed(2), "1"]);

/** A delta of Binance USD-M with number u, and the reply to a request for the book after delta u. */
const delta = (u, b, a) => [
  u,
  {
    url: "wss://fstream.binance.com/stream",
    data: {
      stream: "btcusdt@depth@100ms",
      data: { e: "depthUpdate", E: NOON + u, T: NOON + u, s: "BTCUSDT", U: u, u, pu: u - 1, b, a },
    },
  },
];
const reply = (at, u, bids, asks) => [
  at,
  {
    dir: "http",
    url: "https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
    data: { lastUpdateId: u, E: NOON + at, T: NOON + at, bids, asks },
  },
];

const imported = (t, frames) =>
  importLines(
    t,
    frames.map(([at, line]) => ({ recv_ns: (NOON + at) * 1e6, ...line })),
    { family: "binance-usdm" }
  );

/** The rows of an export's only file of a type, without the header. */
async function exported(t, archive, type) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--format",
    "tardis-csv",
    "--type",
    type,
    "--out",
    out,
  ]);
  return zlib
    .gunzipSync(fs.readFileSync(path.join(out, manifestOf(out).files[0].name)))
    .toString()
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
}

/** Ten bids from 99 down to 90 and two asks are shown; a far bid is named; the market falls below 90; another snapshot comes. */
const LEAVES = [
  delta(1, [], []),
  reply(2, 1, levels(99, 10, -1), [
    ["101.00", "1"],
    ["102.00", "1"],
  ]),
  delta(3, [["80.00", "7"]], []).map((part, i) =>
    i === 0 ? part : { ...part, data: { ...part.data, data: { ...part.data.data, U: 2, pu: 1 } } }
  ),
  delta(
    4,
    levels(99, 10, -1).map(([price]) => [price, "0"]),
    [["88.50", "3"]]
  ),
];
const RETURNS = [
  ...LEAVES,
  reply(5, 4, levels(88, 10, -1), [
    ["88.50", "3"],
    ["101.00", "1"],
    ["102.00", "1"],
  ]),
  delta(5, [["88.00", "2"]], []),
];

test("a snapshot that comes later than 10 s after the first delta is a gap, for a capture, too", async (t) => {
  for (const [late_ms, gaps] of [
    [9_990, 0],
    [10_010, 1],
  ]) {
    const archive = await imported(t, [
      delta(1, [["99.00", "1"]], []),
      delta(2, [["99.00", "2"]], []),
      reply(late_ms, 2, levels(99, 10, -1), [["101.00", "1"]]),
      [late_ms + 1, delta(3, [["99.00", "3"]], [])[1]],
    ]);
    const report = await json(t, ["replay", "-a", archive, "--json"], { status: gaps });
    assert.deepEqual(
      [report.gaps.length, report.verdict],
      [gaps, gaps === 0 ? "complete" : "incomplete"]
    );
    if (gaps === 0) continue;
    const [row] = report.gaps;
    assert.deepEqual(
      [row.reason, row.cause, row.topic, row.symbol, row.from_ns, row.to_ns],
      ["sequence", "anchored", "depth@100ms", "BTCUSDT", (NOON + 1) * 1e6, (NOON + late_ms) * 1e6]
    );
  }
});

test("the market leaves the levels that a snapshot shows: its best price is unknown to all", async (t) => {
  const archive = await imported(t, LEAVES);
  const {
    books: [book],
    verdict,
  } = await json(t, ["replay", archive, "--json"]);
  assert.deepEqual(
    [verdict, book.broken, book.bids, book.best_bid, book.best_ask],
    ["complete", false, 0, null, "88.5"]
  );
  assert.match((await tapedeck(t, ["replay", archive])).stdout, /sound +unknown +88\.5 x 3/);
  await tapedeck(t, ["when", archive, "bid<90"], { status: 1 });
  assert.deepEqual(
    (await exported(t, archive, "quotes")).map((row) => row.slice(4)),
    [
      ["1", "101", "99", "1"],
      ["3", "88.5", "", ""],
    ]
  );
  assert.deepEqual(
    (await exported(t, archive, "book_snapshot_5")).at(-1).filter((_, i) => i > 3 && i % 4 > 1),
    ["", "", "", "", "", "", "", "", "", ""]
  );
  assert.ok(
    (await exported(t, archive, "incremental_book_L2")).every(
      ([, , , , , side, price]) => side === "ask" || Number(price) >= 90
    )
  );
  if (withoutLibrary) return;
  const script = `import sys, tapedeck\nfor book in tapedeck.open(sys.argv[1]).books(5): last = book\nprint(len(last.bids), len(last.asks))`;
  const out = spawnSync("python3", ["-c", script, archive], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: installed(t) },
  });
  assert.equal(out.status, 0, out.stderr);
  assert.equal(out.stdout, "0 3\n");
});

test("another snapshot makes the best price known again; its rows begin with all of it", async (t) => {
  const archive = await imported(t, RETURNS);
  const {
    books: [book],
    continuity,
  } = await json(t, ["replay", archive, "--json"]);
  assert.deepEqual(
    [book.broken, book.bids, book.best_bid, book.best_bid_size, continuity.statistics],
    [false, 10, "88", "2", {}]
  );
  assert.deepEqual(
    (await exported(t, archive, "quotes")).map((row) => row.slice(6)),
    [
      ["99", "1"],
      ["", ""],
      ["88", "1"],
      ["88", "2"],
    ]
  );
});

test("a made snapshot shows no more, and its readers know no more", async (t) => {
  const falls = [
    ...LEAVES.slice(0, 3),
    delta(4, [["99.00", "0"]], []),
    delta(5, [], [["88.50", "3"]]),
    delta(6, [["85.00", "1"], ...levels(98, 9, -1).map(([price]) => [price, "0"])], []),
  ];
  for (const [frames, made] of [
    [falls, true],
    [[...LEAVES, delta(5, [], [["88.50", "4"]])], false],
  ]) {
    const archive = await imported(t, frames),
      cut = path.join(temporary(t), "cut.mcap");
    const { stdout } = await tapedeck(t, [
      "cut",
      archive,
      "--out",
      cut,
      "--from",
      String((NOON + 4.5) * 1e6),
      "--snapshots",
      "made",
    ]);
    assert.equal(/1 snapshot made/.test(stdout), made, stdout);
    const {
      books: [book],
    } = await json(t, ["replay", cut, "--json"]);
    assert.deepEqual([book.broken, book.best_bid, book.best_ask], [false, null, "88.5"]);
  }
});

test("a book that no snapshot fits is not complete, as days say", async (t) => {
  const archive = await imported(
    t,
    LEAVES.filter(([, line]) => line.dir === undefined)
  );
  const { verdict, books_without_snapshot } = await json(t, ["replay", archive, "--json"], {
    status: 1,
  });
  assert.deepEqual([verdict, books_without_snapshot], ["incomplete", 1]);
  const {
    days: [day],
  } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.equal(day.reasons, "no_snapshot");
});

test("bars, which are read from earlier on, do not make a book complete that lost its connection before", async (t) => {
  const url = "wss://fstream.binance.com/stream",
    trade = (a) => [
      a + 0.5,
      { data: { stream: "btcusdt@aggTrade", data: { ...TRADE, E: NOON + a, T: NOON + a, a } } },
    ],
    TRADE = { e: "aggTrade", s: "BTCUSDT", p: "100.00", q: "1", f: 1, l: 1, m: true };
  const of = (u) => [delta(u, [["99.00", "1"]], []), trade(u)];
  const archive = await imported(t, [
    [1, { url }],
    ...of(2),
    reply(2.8, 2, levels(99, 10, -1), levels(101, 10, 1)),
    ...of(3),
    ...of(4),
    [900, { url }],
    ...[1000, 1001, 1002].flatMap(of),
  ]);
  const { gaps } = await json(t, ["gaps", archive, "--json"], { status: 1 });
  assert.equal(gaps[0].to_ns, (NOON + 1000) * 1e6);
  for (const bars of [[], ["--bars", "1s"]]) {
    const out = path.join(temporary(t), "out"),
      args = ["--from", `${gaps[0].to_ns}`, "--format", "parquet", "--out", out];
    const { code } = await tapedeck(t, ["export", "-q", archive, ...args, ...bars], {
      status: null,
    });
    assert.deepEqual([code, manifestsOf(out)[0].verdict], [1, "incomplete"], bars.join(" "));
  }
});

test("a crossed book is noted where links prove the deltas; one that stays crossed began wrong", async (t) => {
  const whole = [delta(1, [], []), reply(2, 1, [["99.00", "1"]], [["101.00", "1"]])];
  const crossed = (count) => [
    ...whole,
    ...Array.from({ length: count }, (_, i) =>
      delta(2 + i, [[i === 0 ? "101.50" : "50.00", `${i + 1}`]], [])
    ),
    delta(2 + count, [["101.50", "0"]], []),
  ];
  const at = (frames) =>
    frames.map(([time, line]) => [line.dir === undefined ? time + 1 : time, line]);
  const moment = await json(t, ["replay", await imported(t, at(crossed(2))), "--json"]);
  assert.deepEqual(
    [moment.verdict, moment.books[0].broken, moment.continuity.statistics],
    ["complete", false, { not_crossed: 2 }]
  );
  const archive = await imported(t, at(crossed(6)));
  const lasting = await json(t, ["replay", archive, "--json"], { status: 1 });
  assert.deepEqual(
    [lasting.books[0].broken, lasting.continuity.by_rule],
    [true, { not_crossed: 1 }]
  );
  const { stdout } = await tapedeck(t, ["replay", archive], { status: 1 });
  assert.match(stdout, /not_crossed: afterwards the best bid is not below the best ask$/m);
});
