// Continuity rules of single topics in import, replay and export: the faults that they find, and the frames that are no faults.
// Frames are from tests/golden or made up here. Expected: docs/wire.md 3.3 and 6, docs/completeness.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import { importLines, json, manifestOf, tapedeck, temporary } from "../support/harness.mjs";

const NOON = Date.parse("2026-08-09T12:00:00Z");
const golden = (family, name) =>
  JSON.parse(fs.readFileSync(`tests/golden/${family}/${name}.json`, "utf8"));

/** An archive of these frames, one a second. */
const archiveOf = (t, family, frames) =>
  importLines(
    t,
    frames.map((data, i) => ({ recv_ns: `${NOON + i * 1000}000000`, conn: 0, data })),
    { family }
  );

async function replayed(t, family, frames, status) {
  return json(t, ["replay", "-a", await archiveOf(t, family, frames), "--json"], { status });
}

for (const family of ["linear", "copytrade", "usdc-perp"])
  test(`${family}: a trade frame that arrives twice is reported`, async (t) => {
    const first = golden(family, "trade");
    const id = family === "usdc-perp" ? "tradeId" : "trade_id";
    const next = structuredClone(first);
    for (const [i, trade] of next.data.entries()) trade[id] = `next-${i}`;
    const fine = await replayed(t, family, [first, next], 0);
    assert.equal(fine.continuity.violations, 0);
    const { continuity } = await replayed(t, family, [first, next, next], 1);
    assert.deepEqual([continuity.violations, continuity.by_rule], [1, { id_unique: 1 }]);
    assert.deepEqual(
      [continuity.first.rule, continuity.first.topic, continuity.first.ordinal],
      ["id_unique", "trade", 3]
    );
  });

// Rules that find a repeated frame, for private frames and frames without a number.
for (const [family, name, rule, strength] of [
  ["inverse", "execution", "id_unique", "error"],
  ["linear", "execution", "id_unique", "error"],
  ["copytrade", "copyTradeExecution", "id_unique", "error"],
  ["contract-v3", "user.execution.contractAccount", "id_unique", "error"],
  ["usdc-private", "perp.trade", "id_unique", "error"],
  ["spot-private", "ticketInfo", "id_unique", "error"],
  ["v5-private", "execution", "id_unique", "error"],
  ["v5-private", "execution.fast", "id_unique", "error"],
  ["inverse", "order", "frame_unique", "error"],
  ["linear", "stop_order", "frame_unique", "error"],
  ["copytrade", "copyTradeOrder", "frame_unique", "error"],
  ["contract-v3", "user.order.contractAccount", "frame_unique", "error"],
  ["usdc-private", "perp.order.change", "frame_unique", "error"],
  ["spot-private", "executionReport", "frame_unique", "error"],
  ["v5-private", "order", "frame_unique", "error"],
  ["usdc-private", "user.order", "frame_unique", "warning"], // documented to repeat
  ["usdc-option", "orderbook25", "frame_unique", "warning"],
  ["v5-spot", "tickers", "frame_unique", "warning"],
  ["v5-option", "tickers", "frame_unique", "warning"],
  ["v5-spread", "tickers", "frame_unique", "warning"],
])
  test(`${family} ${name}: a frame that arrives twice is ${strength === "error" ? "an" : "a"} ${strength}`, async (t) => {
    const frame = golden(family, name);
    const { continuity, undecoded } = await replayed(
      t,
      family,
      [frame, frame],
      strength === "error" ? 1 : 0
    );
    assert.equal(undecoded, 0);
    // The first of both is no fault: there is one finding.
    assert.deepEqual(strength === "error" ? continuity.by_rule : continuity.warnings, {
      [rule]: 1,
    });
  });

test("recenttrades: reordered trades are warnings", async (t) => {
  const trade = (id, crossSeq) => ({
    id,
    topic: "recenttrades.BTC",
    creationTime: NOON,
    data: {
      coin: "BTC",
      trades: [
        {
          symbol: "BTC-31DEC21-36000-P",
          tradeId: id,
          price: "371",
          size: "0.01",
          tradeTime: `${NOON + crossSeq}`,
          side: "Buy",
          crossSeq: `${crossSeq}`,
        },
      ],
    },
  });
  const { continuity } = await replayed(t, "usdc-option", [trade("a", 2), trade("b", 1)], 0);
  assert.deepEqual(continuity.warnings, { entry_seq_weak: 1, entry_time_weak: 1 });
});

const level = (side, price, size) => ({ price, symbol: "BTCUSDT", id: `${price}0000`, side, size });
const linearBook = (seq, type, data) => ({
  topic: "orderBookL2_25.BTCUSDT",
  type,
  data,
  cross_seq: `${seq}`,
  timestamp_e6: `${NOON * 1000 + seq}`,
});
const linearFrames = () => [
  linearBook(1, "snapshot", { order_book: [level("Buy", "10", 1), level("Sell", "12", 2)] }),
  linearBook(2, "delta", { delete: [], update: [level("Buy", "10", 3)], insert: [] }),
  linearBook(3, "delta", { delete: [], update: [level("Sell", "12", 4)], insert: [] }),
];

test("a book delta without any level breaks its book, and is not reported as an old frame", async (t) => {
  const frames = linearFrames();
  frames[1].data.update = [];
  const { continuity, books } = await replayed(t, "linear", frames, 1);
  assert.deepEqual(
    [continuity.by_rule, continuity.first.ordinal, books[0].broken],
    [{ delta_not_empty: 1 }, 2, true]
  );
});

for (const [how, harm] of [
  [
    "null",
    (frame) => {
      frame.data = null;
    },
  ],
  [
    "nothing",
    (frame) => {
      delete frame.data;
    },
  ],
  [
    "no update",
    (frame) => {
      delete frame.data.update;
    },
  ],
  [
    "an update of null",
    (frame) => {
      frame.data.update = null;
    },
  ],
  [
    "an empty object",
    (frame) => {
      frame.data = {};
    },
  ],
])
  test(`a book delta whose data is ${how} is not decoded, and breaks its book`, async (t) => {
    const frames = linearFrames();
    harm(frames[1]);
    const archive = await archiveOf(t, "linear", frames);
    const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
    assert.equal(report.undecoded, 1);
    assert.deepEqual(
      [report.first_undecoded.reason, report.first_undecoded.field, report.first_undecoded.topic],
      ["missing_field", "data.update", "orderBookL2_25"]
    );
    assert.deepEqual(
      report.books.map((book) => [book.symbol, book.broken]),
      [["BTCUSDT", true]]
    );
    const drift = await json(t, ["drift", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      drift.findings.map((found) => [
        found.topic,
        found.kind,
        found.path,
        found.detail,
        found.count,
      ]),
      [["orderBookL2_25", "not_decoded", "data.update", "missing_field", 1]]
    );
  });

const level1 = (u, bid) => ({
  topic: "orderbook.1.BTCUSDT",
  type: "snapshot",
  ts: NOON + u * 1000,
  data: { s: "BTCUSDT", b: [[String(bid), "1"]], a: [["60001", "2"]], u, seq: 100 + 2 * u },
  cts: NOON + u * 1000,
});

test("orderbook.1: a lost change is a violation, and the snapshot that reveals it repairs the book", async (t) => {
  const archive = await archiveOf(t, "v5-linear", [
    level1(7, 59_990),
    level1(8, 59_991),
    level1(11, 59_994),
    level1(12, 59_995),
  ]);
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual([report.continuity.violations, report.continuity.by_rule], [1, { seq_step: 1 }]);
  assert.deepEqual([report.books[0].best_bid, report.books[0].broken], ["59995", false]);
  const out = path.join(temporary(t), "out");
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--type",
      "incremental_book_L2",
      "--out",
      out,
    ],
    { status: 1 }
  );
  const manifest = manifestOf(out);
  const [file] = manifest.files;
  const rows = zlib
    .gunzipSync(fs.readFileSync(path.join(out, file.name)))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .slice(1);
  assert.deepEqual(
    rows
      .filter((row) => row.includes(",bid,") && !row.endsWith(",0"))
      .map((row) => row.split(",").at(-2)),
    ["59990", "59991", "59994", "59995"]
  );
  assert.deepEqual([file.left_out_frames, file.break_count], [0, 1]);
  assert.deepEqual(file.breaks, [
    {
      cause: "gap",
      rule: "seq_step",
      reason: "sequence",
      from_ns: (NOON + 1000) * 1e6,
      to_ns: (NOON + 2000) * 1e6,
    },
  ]);
  // After a number that falls, the book is an earlier one.
  const fell = await replayed(
    t,
    "v5-linear",
    [level1(7, 59_990), level1(9, 59_991), level1(8, 59_992)],
    1
  );
  assert.deepEqual([fell.continuity.by_rule, fell.books[0].broken], [{ seq_step: 2 }, true]);
});

test("orderbook.full: a restart of the service (u 1) is no fault, a lost frame is", async (t) => {
  const full = (u, at) => ({
    topic: "orderbook.full.BTCUSDT",
    type: "delta",
    ts: NOON + at * 1000,
    data: { s: "BTCUSDT", b: [["60000", String(u)]], a: [], u, seq: 100 + u },
    cts: NOON + at * 1000,
  });
  const restarted = await replayed(
    t,
    "v5-linear",
    [full(56, 0), full(57, 1), full(1, 2), full(2, 3)],
    1
  );
  assert.deepEqual(
    [
      restarted.continuity.violations,
      restarted.continuity.warnings,
      restarted.books_without_snapshot,
    ],
    [0, {}, 1]
  );
  const lost = await replayed(t, "v5-linear", [full(1, 0), full(2, 1), full(4, 2)], 1);
  assert.deepEqual(lost.continuity.by_rule, { seq_dense: 1 });
});

test("instrument_info.100ms: a number that does not rise is a warning", async (t) => {
  const first = golden("linear", "instrument_info.snapshot");
  const delta = (seq) => ({
    topic: first.topic,
    type: "delta",
    data: {
      update: [{ id: 1, symbol: "BTCUSDT", price_24h_pcnt_e6: "-21958", cross_seq: String(seq) }],
    },
    cross_seq: String(seq),
    timestamp_e6: first.timestamp_e6,
  });
  const seq = Number(first.cross_seq);
  const { continuity } = await replayed(t, "linear", [first, delta(seq + 5), delta(seq + 5)], 0);
  assert.deepEqual([continuity.violations, continuity.warnings], [0, { seq_strict: 1 }]);
});
