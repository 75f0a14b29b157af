// Books of frames that name the frame before them, and carry a checksum of the book, as exchanges other than Bybit send them. The
// family is made up here; the checksums are computed here, of texts as docs/families.md describes them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  importLines,
  json,
  jsonLines,
  parseLines,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { recordUntil, simulator } from "../support/recorders.mjs";

const FAMILY = `family: chained
exchange: bybit
dialect: v5
sets:
  head:
    - ts exchange_ns time ms
    - data.seqId seq integer required
    - data.prevSeqId prev_seq integer required
    - data.checksum checksum integer required
  level:
    - 0 price decimal price required
    - 1 size decimal quantity required
topics:
  - topic: "books.{symbol}"
    message: book_change
    title: Books
    checksum: {levels: 2, order: alternating}
    sequence: envelope
    time: exchange_ns
    envelope: head
    fields: level
    entries:
      - data.b set any positional buy zero_deletes empty
      - data.a set any positional sell zero_deletes empty
    rules: [prev_links prev_seq error, checksum checksum error, anchored error]
`;

const NOON = Date.parse("2026-08-09T12:00:00Z");
/** CRC-32 as OKX prints it: signed. (zlib.crc32 came after Debian 12's Node.js.) */
const crc = (text) =>
  ~[...Buffer.from(text)].reduce(
    (sum, byte) =>
      Array.from({ length: 8 }).reduce(
        (rest) => (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0),
        sum ^ byte
      ),
    -1
  );

const frame = (at, type, seqId, prevSeqId, b, a, text) => ({
  topic: "books.A",
  type,
  ts: NOON + at * 1000,
  data: { b, a, seqId, prevSeqId, checksum: text === "" ? 0 : crc(text) },
});
const FRAMES = [
  frame(
    0,
    "snapshot",
    100,
    -1,
    [
      ["99.10", "1"],
      ["98", "2"],
    ],
    [["101", "1.50"]],
    "99.10:1:101:1.50:98:2"
  ),
  frame(1, "delta", 140, 100, [["98", "0"]], [["102", "3"]], "99.10:1:101:1.50:102:3"),
  frame(2, "delta", 140, 140, [], [], "99.10:1:101:1.50:102:3"), // nothing changed
  frame(3, "delta", 7, 140, [["97.0", "4"]], [], "99.10:1:101:1.50:97.0:4:102:3"), // after maintenance
  frame(4, "delta", 9, 7, [["99.10", "0"]], [], "97.0:4:101:1.50:102:3"),
];

async function replayed(t, frames, status) {
  const families = path.join(temporary(t), "chained.yaml");
  fs.writeFileSync(families, FAMILY);
  const archive = await importLines(
    t,
    frames.map((data, i) => ({ recv_ns: `${NOON + i * 1000}000000`, conn: 0, data })),
    { families, family: "chained" }
  );
  return { archive, report: await json(t, ["replay", "-a", archive, "--json"], { status }) };
}

test("every frame follows the one before, and has the checksum of its book", async (t) => {
  const { archive, report } = await replayed(t, FRAMES, 0);
  assert.deepEqual(
    [report.undecoded, report.continuity.violations, report.books[0].broken],
    [0, 0, false]
  );
  const lines = await jsonLines(t, ["replay", "--messages", archive]);
  assert.deepEqual(
    lines.map((line) => [line.seq, line.prev_seq, line.checksum]),
    FRAMES.map(({ data }) => [data.seqId, data.prevSeqId, data.checksum])
  );
  const { days } = await json(t, ["days", archive, "--json"]);
  assert.deepEqual(
    days[0].topics.map((topic) => topic.proof),
    ["proven"]
  );
});

test("a lost frame breaks the chain, by an unknown number of frames; then the book is not checked", async (t) => {
  const { archive, report } = await replayed(
    t,
    FRAMES.filter((_, i) => i !== 1),
    1
  );
  assert.deepEqual([report.continuity.by_rule, report.books[0].broken], [{ prev_links: 1 }, true]);
  assert.deepEqual(
    [report.continuity.first.rule, report.continuity.first.expected, report.continuity.first.found],
    ["prev_links", 100, 140]
  );
  const { stdout } = await tapedeck(t, ["replay", archive], { status: 1 });
  assert.match(stdout, /it follows 140, the frame before is 100/);
});

test("a wrong size shows by the checksum alone; a checksum of 0 is none", async (t) => {
  const wrong = structuredClone(FRAMES);
  wrong[1].data.a[0][1] = "4";
  const { report } = await replayed(t, wrong, 1);
  assert.deepEqual(report.continuity.by_rule, { checksum: 1 });
  for (const { data } of wrong) data.checksum = 0;
  assert.equal((await replayed(t, wrong, 0)).report.continuity.violations, 0);
});

test("the recipe of a checksum is listed", async (t) => {
  const family = path.join(temporary(t), "chained.yaml");
  fs.writeFileSync(family, FAMILY);
  const { topics } = await json(t, [
    "topics",
    "--families",
    family,
    "--family",
    "chained",
    "--json",
  ]);
  assert.deepEqual(
    topics.map((topic) => topic.checksum),
    [{ levels: 2, order: "alternating" }]
  );
});

/** Recorded frames without the index-th one, whose numbers show no loss: each names the one before it. */
const lost = (lines, index) => {
  let before = -1;
  return lines
    .filter((_, i) => i !== index)
    .map((line) => {
      const frame = JSON.parse(line.data);
      const [data] = frame.data;
      if (frame.action === "snapshot") before = data.seqId;
      else [data.prevSeqId, data.seqId, before] = [before, before + 1, before + 1];
      return { ...line, data: JSON.stringify(frame) };
    });
};

test("the simulator's frames have the checksum of their book, which shows a planted loss", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    ...["--families", "okx", "--symbols", "1", "--rate", "400", "--seed", "3"],
  ]);
  await recordUntil(
    t,
    archive,
    [
      ...["--family", "okx", `${server.url}/ws/v5/public`, "--ca-file", server.ca],
      ...["--topic", "books50-l2-tbt.BTC-USDT-SWAP"],
    ],
    (lines) => lines.length > 60
  );
  const { stdout } = await tapedeck(t, [
    ...["cat", "-a", archive, "--dir", "in", "--topic", "books50-l2-tbt"],
  ]);
  const lines = parseLines(stdout);
  const replayLines = async (kept, status) => {
    const again = await importLines(t, kept, { family: "okx" });
    return (await json(t, ["replay", "-a", again, "--json"], { status })).continuity;
  };
  assert.deepEqual((await replayLines(lines, 0)).by_rule, {});
  // A change of one of the best 25 levels of a side, which the checksum is of.
  const [, second] = lines;
  assert.ok(JSON.parse(second.data).data[0].checksum !== 0);
  const { by_rule, first } = await replayLines(lost(lines, 1), 1);
  assert.deepEqual([Object.keys(by_rule), first.topic], [["checksum"], "books50-l2-tbt"]);
});
