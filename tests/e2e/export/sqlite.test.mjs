// tests/export/same_rows.py compares an export's databases with the JSON lines of the same run, row by row.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  capture,
  importLines,
  manifestOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { scripts } from "../support/python_scripts.mjs";

const python = scripts("python3");

/** {table: rows} after the comparison. */
async function compared(out, date) {
  const text = await python(
    "tests/export/same_rows.py",
    path.join(out, `sqlite/messages_${date}.sqlite`),
    path.join(out, `jsonl/messages_${date}.jsonl`)
  );
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([table, rows]) => [table, Number(rows)])
  );
}

const exporting = (archive, out, ...more) => [
  "export",
  "-q",
  "-a",
  archive,
  "--format",
  "sqlite",
  "--format",
  "jsonl",
  "--out",
  out,
  ...more,
];

for (const [name, family, date, types, threads = false] of [
  ["inverse-2021-04-17.jsonl.gz", "inverse", "2021-04-17", ["book_changes", "trades"]],
  ["linear-2021-04-17.jsonl.gz", "linear", "2021-04-17", ["book_changes", "trades"]],
  [
    "v5-2026-08-09.jsonl.gz",
    "v5-linear",
    "2026-08-09",
    ["book_changes", "klines", "tickers", "trades"],
    true,
  ],
]) {
  test(
    `${name}: tables have the rows of JSON lines${threads ? ", with any -j" : ""}`,
    { skip: withoutCapture(name) },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--format",
        "cryptofeed",
        "--family",
        family,
        capture(name),
      ]);
      const outs = (threads ? ["1", "4"] : ["4"]).map((j) => path.join(dir, j));
      for (const out of outs) await tapedeck(t, exporting(archive, out, "-j", path.basename(out)));
      const tables = await compared(outs[0], date);
      for (const type of types) assert.ok(tables[type] > 0, type);
      const file = `sqlite/messages_${date}.sqlite`;
      for (const other of outs.slice(1))
        assert.ok(
          fs.readFileSync(path.join(outs[0], file)).equals(fs.readFileSync(path.join(other, file)))
        );
      const listed = manifestOf(outs[0]).files.find((f) => f.name === file);
      assert.equal(
        listed.rows,
        Object.values(tables).reduce((a, b) => a + b, 0)
      );
      assert.deepEqual(
        [listed.type, [...listed.types].sort()],
        [
          null,
          Object.keys(tables)
            .filter((table) => tables[table] > 0)
            .sort(),
        ]
      );
    }
  );
}

test("tables mark gaps, untrusted books and undecodable frames", async (t) => {
  const dir = temporary(t);
  const MS = 1_618_660_800_000;
  const book = (kind, side, price, size, seq) =>
    JSON.stringify({
      topic: "orderbook.50.BTCUSDT",
      type: kind,
      ts: MS,
      data: { s: "BTCUSDT", b: [], a: [], [side]: [[price, size]], u: seq, seq },
    });
  const lines = [
    { t: "header", format: 2, exchange: "TEST" },
    { t: "connect", conn: "W", ts: MS / 1000, addr: "wss://stream.bybit.com/v5/public/linear" },
    { t: "recv", conn: "W", ts: MS / 1000 + 1, data: book("snapshot", "b", "7.50", "1", 1) },
    { t: "recv", conn: "W", ts: MS / 1000 + 2, data: '{"topic":"publicTrade.BTCUSDT","data":"?"}' },
    { t: "connect", conn: "W", ts: MS / 1000 + 3, addr: "wss://stream.bybit.com/v5/public/linear" },
    { t: "recv", conn: "W", ts: MS / 1000 + 4, data: book("delta", "a", "8", "2", 5) },
    { t: "recv", conn: "W", ts: MS / 1000 + 5, data: book("snapshot", "a", "8", "2", 6) },
  ];
  const archive = await importLines(t, lines, { format: "cryptofeed", family: "v5-linear" });
  const out = path.join(dir, "out");
  await tapedeck(t, exporting(archive, out), { status: 1 });
  assert.deepEqual(await compared(out, "2021-04-17"), { book_changes: 3, gaps: 2 });
  const rows = JSON.parse(
    await python(
      "tests/export/sqlite_rows.py",
      path.join(out, "sqlite/messages_2021-04-17.sqlite"),
      "book_changes"
    )
  );
  assert.deepEqual(
    rows.map((row) => [row.suspect, row.flags, row.price, row.price_real]),
    [
      [0, 3, "7.5", 7.5],
      [1, 9, "8", 8],
      [0, 3, "8", 8],
    ]
  );
});

test("a member that a family's trades lack is NULL after a trade that has it", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "out");
  const AT_S = 1_790_000_000,
    MS = AT_S * 1000;
  const bybit = (i) => ({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: MS,
    data: [
      { T: MS, s: "BTCUSDT", S: "Buy", v: "1", p: "10.5", L: "PlusTick", i: `t${i}`, BT: false },
    ],
  });
  const of = { e: "aggTrade", E: MS, s: "BTCUSDT", p: "10.50", q: "2", T: MS, m: true };
  const binance = (i) => ({
    stream: "btcusdt@aggTrade",
    data: { ...of, a: 900 + i, f: 1000 + i, l: 1000 + i },
  });
  // The feeds' trades alternate.
  for (const [k, [family, frame]] of [
    ["v5-linear", bybit],
    ["binance-usdm", binance],
  ].entries()) {
    const at = (i) => AT_S + 1 + 2 * i + k;
    const lines = [
      { t: "header", format: 2, exchange: "TEST" },
      { t: "connect", conn: "A", ts: AT_S, addr: "wss://a.example/" },
      ...[0, 1, 2].map((i) => ({
        t: "recv",
        conn: "A",
        ts: at(i),
        data: JSON.stringify(frame(i)),
      })),
    ];
    await importLines(t, lines, { archive, format: "cryptofeed", family });
  }
  await tapedeck(t, exporting(archive, out));
  const rows = JSON.parse(
    await python(
      "tests/export/sqlite_rows.py",
      path.join(out, "sqlite/messages_2026-09-21.sqlite"),
      "trades"
    )
  );
  assert.deepEqual(
    rows.map((row) => [row.feed, row.tick_direction, row.is_block_trade, row.first_trade_id]),
    [0, 1, 2].flatMap((i) => [
      ["v5-linear", "PlusTick", 0, null],
      ["binance-usdm", null, null, `${1000 + i}`],
    ])
  );
  assert.deepEqual(await compared(out, "2026-09-21"), { trades: 6 });
});

test("two feeds of one symbol have rows of their own", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "out");
  const AT_S = 1_790_000_000;
  // Both feeds receive the same trades, one second apart.
  for (const [k, feed] of ["a", "b"].entries()) {
    const trade = (i) => ({
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: AT_S * 1000,
      data: [
        { T: AT_S * 1000, s: "BTCUSDT", S: "Buy", v: "1", p: "10.5", i: `t${i}`, BT: false },
        { T: AT_S * 1000, s: "BTCUSDT", S: "Sell", v: "2", p: "10.6", i: `u${i}`, BT: false },
      ],
    });
    const lines = [
      { t: "header", format: 2, exchange: "TEST" },
      { t: "connect", conn: "A", ts: AT_S, addr: "wss://a.example/" },
      ...[0, 1].map((i) => ({
        t: "recv",
        conn: "A",
        ts: AT_S + 1 + 2 * i + k,
        data: JSON.stringify(trade(i)),
      })),
    ];
    await importLines(t, lines, { archive, format: "cryptofeed", family: "v5-linear", feed });
  }
  await tapedeck(t, exporting(archive, out));
  assert.deepEqual(await compared(out, "2026-09-21"), { trades: 8 });
});
