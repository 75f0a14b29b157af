// Imports and replays of the v5 captures have the known counts, findings and books.
// Expected values: counted from the captures by scripts that share no code with the programs (docs/wire.md 6.5).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  capture,
  captureLines,
  json,
  tapedeck,
  temporary,
  withoutCapture,
  withoutRecorded,
} from "../support/harness.mjs";

const DEEP = "v5-2026-08-09.jsonl.gz";
const BEST = "v5-linear-2025-06-13.jsonl.gz";

// symbol: snapshots, deltas, level entries, best bid and ask with sizes, u, seq, levels_sha1
const DEEP_BOOKS = {
  BTCUSDT: [
    1,
    160,
    3238,
    "65114.2",
    "7.571",
    "65114.3",
    "6.593",
    15077112,
    753844344208,
    "1ed1ac0b0920ce7dc3330026cd2e5a6ee22b54ca",
  ],
  ETHUSDT: [
    1,
    167,
    2412,
    "1922.54",
    "49.22",
    "1922.55",
    "41.17",
    14768627,
    430879485043,
    "69df7d8e38bd050eee0f769ae7707ef7818aab1b",
  ],
  SOLUSDT: [
    1,
    142,
    1109,
    "77.3",
    "681",
    "77.31",
    "801.6",
    13783465,
    272903644499,
    "ea28d0333b95ac74d98357092152e5b7f5231e58",
  ],
  DOGEUSDT: [
    1,
    148,
    1273,
    "0.07053",
    "229635",
    "0.07054",
    "14633",
    13178407,
    340051163124,
    "15103b6e62ce5a323a75ee2f16607b72f76cea20",
  ],
};
const BEST_BOOKS = {
  BANDUSDT: [
    45,
    0,
    90,
    "0.6132",
    "462.8",
    "0.6135",
    "11.4",
    24043037,
    209972851307,
    "e84b6f73bcbeaf4ba17122e3d35639edac8a0fc4",
  ],
  RADUSDT: [
    18,
    0,
    36,
    "0.6443",
    "81.9",
    "0.6445",
    "38.5",
    5510751,
    210977840520,
    "3475458f4e7fd0311c93de9eac07dadebc1ce3f6",
  ],
  SNTUSDT: [
    107,
    0,
    214,
    "0.02869",
    "5460",
    "0.02872",
    "15410",
    12509560,
    205781339044,
    "d830cb5b81a45002b4744b3a5f0be69708b991a9",
  ],
  AIOZUSDT: [
    28,
    0,
    56,
    "0.3531",
    "57",
    "0.3535",
    "98",
    9716685,
    93990207343,
    "09e449e8df6045dcfa8306956294410a031a3b2b",
  ],
};
// symbol: frames of tickers, frames and items of publicTrade and of kline.1
const OTHERS = {
  BTCUSDT: [80, 5, 5, 9, 10],
  ETHUSDT: [72, 4, 10, 5, 6],
  SOLUSDT: [88, 9, 12, 10, 11],
  DOGEUSDT: [53, 2, 2, 4, 5],
};

async function imported(t, file) {
  const archive = path.join(temporary(t), "tape");
  await tapedeck(t, ["import", "-a", archive, "--format", "cryptofeed", file]);
  return archive;
}

async function replayed(t, file, expect) {
  const archive = await imported(t, file);
  return json(t, ["replay", "-a", archive, "--speed", "max", "--json"], expect);
}

function checkBooks(report, topic, expected) {
  const row = (symbol) => report.topics.find((r) => r.topic === topic && r.symbol === symbol);
  assert.deepEqual(report.books.map((b) => b.symbol).sort(), Object.keys(expected).sort());
  for (const b of report.books) {
    const r = row(b.symbol);
    assert.deepEqual(
      [
        r.snapshots,
        r.deltas,
        r.items,
        b.best_bid,
        b.best_bid_size,
        b.best_ask,
        b.best_ask_size,
        b.u,
        b.seq,
        b.levels_sha1,
      ],
      expected[b.symbol],
      b.symbol
    );
    assert.equal(b.broken, false);
  }
}

function checkClean(report) {
  assert.equal(report.undecoded, 0);
  assert.equal(report.unknown_fields, 0);
  assert.equal(report.continuity.violations, 0);
  assert.equal(report.continuity.unchecked, 0);
  assert.deepEqual(report.continuity.warnings, {});
}

test(
  "the capture of 2026 replays with its four books of 200 levels, trades, tickers and candles",
  { skip: withoutRecorded(DEEP) },
  async (t) => {
    const report = await replayed(t, capture(DEEP));
    checkClean(report);
    assert.deepEqual(
      [report.frames - report.out - report.http, report.control, report.decoded, report.out],
      [979, 17, 962, 17]
    );
    checkBooks(report, "orderbook.200", DEEP_BOOKS);
    for (const b of report.books) assert.deepEqual([b.bids, b.asks], [200, 200], b.symbol);
    for (const [symbol, expected] of Object.entries(OTHERS)) {
      const row = (topic) => report.topics.find((r) => r.topic === topic && r.symbol === symbol);
      const [tickers, trades, candles] = [row("tickers"), row("publicTrade"), row("kline.1")];
      assert.deepEqual(
        [tickers.frames, trades.frames, trades.items, candles.frames, candles.items],
        expected,
        symbol
      );
    }
  }
);

test(
  "the capture of 2025 replays with the best prices of four books, in whole and repeated frames",
  { skip: withoutRecorded(BEST) },
  async (t) => {
    const report = await replayed(t, capture(BEST));
    checkClean(report);
    assert.deepEqual(
      [report.frames - report.out - report.http, report.control, report.decoded, report.out],
      [202, 4, 198, 4]
    );
    checkBooks(report, "orderbook.1", BEST_BOOKS);
    assert.deepEqual(report.continuity.statistics, { snapshot_repeat: 16 });
  }
);

test(
  "the text report lists the compared books, and its notes",
  { skip: withoutRecorded(DEEP) || withoutRecorded(BEST) },
  async (t) => {
    const deep = await imported(t, capture(DEEP));
    const { audits } = (await json(t, ["replay", "-a", deep, "--json"])).continuity;
    assert.ok(audits.trades.compared > 0 && audits.best.compared > 0, JSON.stringify(audits));
    const text = (await tapedeck(t, ["replay", "-a", deep])).stdout;
    assert.match(
      text,
      new RegExp(
        `  Candles equal the sum of their trades at ${audits.trades.compared} of ${audits.trades.compared} readings; ${audits.trades.skipped} could not`
      )
    );
    assert.match(
      text,
      new RegExp(
        `  Tickers have the book's best prices in ${audits.best.compared} of ${audits.best.compared} frames\\n`
      )
    );
    assert.doesNotMatch(text, /Warnings:|Notes|Book depths/);
    assert.match(
      (await tapedeck(t, ["replay", "-a", await imported(t, capture(BEST))])).stdout,
      /\nNotes \(not errors\): snapshot_repeat 16\n/
    );
  }
);

test(
  "u reveals a lost, repeated or swapped delta of a book",
  { skip: withoutCapture(DEEP) },
  async (t) => {
    const lines = captureLines(DEEP);
    const deltas = lines.flatMap((line, i) =>
      line.includes('orderbook.200.ETHUSDT\\",\\"type\\":\\"delta') ? [i] : []
    );
    assert.ok(deltas.length > 50);
    const [at, next] = [deltas[30], deltas[31]];
    const dir = temporary(t);
    const edits = {
      lost: (all) => all.filter((_, i) => i !== at),
      repeated: (all) => all.flatMap((line, i) => (i === at ? [line, line] : [line])),
      swapped: (all) => all.map((line, i) => (i === at ? all[next] : i === next ? all[at] : line)),
    };
    for (const [name, edit] of Object.entries(edits)) {
      const file = path.join(dir, `${name}.jsonl`);
      fs.writeFileSync(file, edit(lines).join("\n"));
      const report = await replayed(t, file, { status: 1 });
      assert.equal(report.continuity.first.rule, "seq_dense", name);
      assert.deepEqual(
        [report.continuity.first.topic, report.continuity.first.symbol],
        ["orderbook.200", "ETHUSDT"],
        name
      );
      const broken = report.books.filter((b) => b.broken).map((b) => b.symbol);
      assert.deepEqual(broken, ["ETHUSDT"], name);
    }
  }
);
