// `tapedeck drift --rules` on archives whose frames follow a known rule: how many losses of a frame it notices, and what does not fit.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  capture,
  importLines,
  json,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const FRAMES = 103;
const JUDGED = 16; // frames after a left-out one

const family = (rules, topics = "") => `family: mine
exchange: bybit
dialect: v5
sets:
  level:
    - p price decimal price required
    - q size decimal quantity required
    - side side side required
  head:
    - n seq integer required
topics:
  - topic: "book.{symbol}"
    message: book_change
    title: Books
    sequence: envelope
    envelope: head
    fields: level
    entries: [rows set any]
    rules: [${rules}]
${topics}`;
const frame = (n, more = {}) => ({
  topic: "book.X",
  n,
  rows: [{ p: "1", q: String(n), side: "Buy" }],
  ...more,
});

/** The report on these frames of one connection. */
async function checked(t, document, frames, status) {
  const dir = temporary(t);
  const at = (name) => path.join(dir, name);
  fs.writeFileSync(at("mine.yaml"), document);
  const archive = await importLines(t, frames, { families: at("mine.yaml"), family: "mine" });
  return json(t, ["drift", "--rules", archive, "--json"], { status });
}

const whole = Array.from({ length: FRAMES }, (_, i) => frame(i + 1));

test("a rule that links frames notices each loss with the next frame", async (t) => {
  const { topics, absent, frames } = await checked(t, family("seq_dense seq error"), whole, 0);
  const noticed = Math.floor((FRAMES - 1) / 2); // one frame is left out, and the next one judged
  assert.deepEqual(topics, [
    {
      feed: "mine",
      topic: "book",
      pattern: "book.{symbol}",
      frames: FRAMES,
      undecoded: 0,
      unknown_fields: 0,
      broken: 0,
      broken_by: [],
      left_out: noticed,
      noticed,
      noticed_by: [{ rule: "seq_dense", count: noticed }],
      pause_ns: topics[0].pause_ns,
      noted_by: [],
      checksums: 0,
      checksums_zero: 0,
    },
  ]);
  assert.deepEqual([absent, frames], [[], FRAMES]);
});

test("a rule that frames obey without their predecessor notices none", async (t) => {
  const { topics } = await checked(t, family("seq_strict seq error"), whole, 0);
  assert.deepEqual(
    [topics[0].left_out, topics[0].noticed, topics[0].noticed_by],
    [Math.floor((FRAMES - 1) / (1 + JUDGED)), 0, []]
  );
});

test("what does not fit is counted; topics without a frame are listed", async (t) => {
  const other = `  - topic: "other.{symbol}"\n    message: book_change\n    title: Others\n    fields: level\n    entries: [rows set any]\n`;
  const frames = [
    ...whole.slice(0, 40),
    ...whole.slice(41, 60),
    { topic: "book.X", n: "sixty", rows: [] },
    frame(62, { more: 1 }),
    { topic: "strange.X" },
  ];
  const { topics, absent, not_covered } = await checked(
    t,
    family("seq_dense seq error", other),
    frames,
    1
  );
  const [strange, book] = topics;
  assert.deepEqual([book.frames, book.undecoded, book.unknown_fields, book.broken], [61, 1, 1, 1]); // 41 is missing; the frame after an undecoded one has no predecessor
  assert.deepEqual(book.broken_by, [{ rule: "seq_dense", count: 1 }]);
  assert.equal(book.noticed, book.left_out); // trials that meet these frames do not count
  assert.deepEqual(
    [strange.topic, strange.pattern, strange.frames, strange.undecoded, strange.left_out],
    ["_unknown", null, 1, 1, 0]
  );
  assert.deepEqual(absent, [{ family: "mine", pattern: "other.{symbol}" }]);
  assert.equal(not_covered, 3);
});

test("claims without a rule of strength error are counted: pauses, deletes of unknown levels, checksums of 0", async (t) => {
  const document = family("seq_dense seq error, delete_exists statistic, checksum checksum error")
    .replace(
      "    - n seq integer required\n",
      "    - n seq integer required\n    - sum checksum integer\n"
    )
    .replace(
      "entries: [rows set any]",
      "entries: [rows set any zero_deletes]\n    checksum: {levels: 1, order: alternating}"
    );
  const lines = whole
    .slice(0, 9)
    .map((one, i) => ({
      ...one,
      sum: i < 4 ? 0 : undefined,
      rows: [{ p: String(i + 1), q: i % 3 === 2 ? "0" : "1", side: "Buy" }],
    }));
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  fs.writeFileSync(at("mine.yaml"), document);
  const recv = (i) =>
    1_795_000_000_000_000_000n + BigInt(i) * 1_000_000n + (i > 5 ? 2_000_000_000n : 0n);
  const archive = await importLines(
    t,
    lines.map((one, i) => ({ recv_ns: `${recv(i)}`, dir: "in", data: JSON.stringify(one) })),
    { families: at("mine.yaml"), family: "mine" }
  );
  const [book] = (await json(t, ["drift", "--rules", archive, "--json"])).topics;
  assert.deepEqual(
    [book.frames, book.pause_ns, book.checksums, book.checksums_zero, book.noted_by],
    [9, 2_001_000_000, 4, 4, [{ rule: "delete_exists", count: 3 }]]
  );
  assert.match(
    (await tapedeck(t, ["drift", "--rules", archive])).stdout,
    /delete_exists 3; 4 of 4 checksums are 0$/m
  );
});

test(
  "captures: Binance's links notice each loss, with any number of threads",
  { skip: withoutCapture("other/binance-futures.jsonl.zst") },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--family",
      "binance-usdm",
      capture("other/binance-futures.jsonl.zst"),
    ]);
    const one = await json(t, ["drift", "--rules", archive, "--json", "-j", "1"]);
    assert.deepEqual(await json(t, ["drift", "--rules", archive, "--json", "-j", "4"]), one);
    const of = (name) => one.topics.find(({ topic }) => topic === name);
    for (const name of ["depth@100ms", "aggTrade"]) {
      assert.ok(of(name).left_out > 40, name);
      assert.equal(of(name).noticed, of(name).left_out, name);
    }
    assert.equal(of("bookTicker").noticed, 0);
  }
);
