// A flipped byte in one chunk of a segment that a crash left: every verb reads the other chunks, and reports the missing frames
// with status 3. Expected: the same segment before the byte was flipped.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  capture,
  chunksOf,
  filesBelow,
  flipIn,
  importLines,
  json,
  jsonList,
  manifestOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import {
  deleteCatalog,
  feedArgs,
  randomNumbers,
  recordAndKill,
  simulator,
} from "../support/recorders.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";

const segmentOf = (archive) =>
  path.join(
    archive,
    filesBelow(archive).find((f) => f.startsWith("capture"))
  );
/** Rows of `cat` with exact times: a number of JavaScript has 53 bits. */
async function framesOf(t, archive, status = 0) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive], { status });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => ({ ...JSON.parse(line), recv_ns: BigInt(/"recv_ns":(\d+)/.exec(line)[1]) }));
}

const frameKey = (row) => `${row.dir} ${row.topic} ${row.symbol} ${row.recv_ns}`;

/** Check each reader on an archive with one damaged chunk. */
async function checkReaders(t, archive, { rows, damaged, starts, lost }) {
  const kept = rows.filter((row) => !lost(row));
  const played = await json(t, ["replay", "-a", archive, "--json", "--speed", "max"], {
    status: 3,
  });
  assert.equal(played.frames, kept.length, "replay has all frames but those of the damaged chunk");
  assert.equal(played.damaged_chunks, 1);
  const seen = await framesOf(t, archive, 3);
  assert.deepEqual(
    new Set(seen.map(frameKey)),
    new Set(rows.filter((row) => !lost(row)).map(frameKey))
  );
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["export", "-a", archive, "--format", "jsonl", "--out", out], { status: 3 });
  assert.equal(manifestOf(out).totals.damaged_chunks, 1);
  const verdict = await json(t, ["verify", "-a", archive, "--json"], { status: 3 });
  const findings = verdict.findings.filter((f) => f.severity === "damaged").map((f) => f.offset);
  assert.ok(findings.includes(damaged.from), JSON.stringify(verdict.findings));
  assert.deepEqual(
    findings.filter((at) => starts.includes(at)),
    [damaged.from],
    "no other chunk is reported"
  );
  // Answers to subscriptions are in the first chunk only, so their absence is damage, not an empty selection.
  if (damaged.from === starts[0])
    await tapedeck(t, ["cat", "-a", archive, "--topic", "_control"], { status: 3 });
  const [first] = await jsonList(t, ["ls", "-a", archive, "--json"]);
  assert.ok(first.channels > 1, JSON.stringify(first));
}

test("a flipped byte in one chunk of a crashed segment hides no other chunk, before and after recover", async (t) => {
  const dir = temporary(t);
  const segments = () => filesBelow(tape).filter((f) => f.startsWith("capture"));
  let tape = path.join(dir, "tape");
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "3",
    "--rate",
    "500",
    "--seed",
    "11",
  ]);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  let recorder = await recordAndKill(t, tape, args, { random: randomNumbers(3), lines: 12 });
  if (segments().length > 1) {
    // an hour has ended: only the last segment is left by the crash
    tape = path.join(dir, "tape-of-one-hour");
    recorder = await recordAndKill(t, tape, args, { random: randomNumbers(3), lines: 12 });
  }
  assert.ok(recorder.durableLines >= 12);
  await sim.program.kill("SIGTERM");
  const rows = await framesOf(t, tape);
  const chunks = chunksOf(segmentOf(tape));
  const starts = chunks.map((chunk) => chunk.from);
  assert.ok(chunks.length >= 6, `${chunks.length} chunks`);
  for (const index of [0, 1, 3]) {
    const archive = path.join(dir, `flipped-${index}`);
    fs.cpSync(tape, archive, { recursive: true });
    const damaged = chunks[index];
    flipIn(segmentOf(archive), damaged);
    const lost = (row) => row.recv_ns >= damaged.firstNs && row.recv_ns <= damaged.lastNs;
    await checkReaders(t, archive, { rows, damaged, starts, lost });
    await tapedeck(t, ["recover", "-a", archive], { status: 3 });
    await checkReaders(t, archive, { rows, damaged, starts, lost });
    deleteCatalog(archive);
    await checkReaders(t, archive, { rows, damaged, starts, lost });
  }
});

// "Nothing was recorded" would be wrong.
test(
  "an archive without a readable chunk is damaged to every verb, not empty",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      out = (name) => ["--out", path.join(dir, name)];
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      "inverse",
      capture(INVERSE),
    ]);
    const file = segmentOf(archive);
    for (const chunk of chunksOf(file)) flipIn(file, chunk);
    for (const args of [
      ["days"],
      ["cut", ...out("cut.mcap")],
      ["regress", "save", ...out("baseline.tdb")],
      ["export", "--format", "jsonl", ...out("jsonl")],
      ["export", "--format", "tardis-csv", ...out("csv")],
    ]) {
      const { stderr } = await tapedeck(t, [...args, "-a", archive], { status: 3 });
      assert.match(
        stderr,
        /no readable frame matches the selection; \d+ chunks? cannot be read\n.*'tapedeck verify' lists what is damaged/,
        args[0]
      );
    }
    for (const verb of ["replay", "cat", "drift", "gaps", "verify"])
      await tapedeck(t, [verb, "-a", archive], { status: 3 });
    assert.deepEqual(fs.readdirSync(dir), ["tape"]);
  }
);

/** A trade of Bitstamp. */
const trade = (ms, id) => ({
  recv_ns: `${ms}000000`,
  url: "wss://ws.bitstamp.net",
  data: {
    event: "trade",
    channel: "live_trades_btcusd",
    data: {
      id,
      timestamp: `${Math.floor(ms / 1000)}`,
      microtimestamp: `${ms}000`,
      amount: 1,
      amount_str: "1",
      price: 100,
      price_str: "100.00",
      type: 0,
      buy_order_id: id,
      sell_order_id: id + 1,
    },
  },
});

// The frames of the chunk that cannot be read are the topic's last ones, and no frame follows them.
for (const [what, stepMs, count] of [
  ["many frames", 37, 2000],
  ["one frame", 60_000, 20],
])
  test(`days: a last chunk of ${what} that cannot be read is missing, also in a cut`, async (t) => {
    const dir = temporary(t),
      cut = path.join(dir, "cut.mcap"),
      start = Date.parse("2026-08-09T10:00:00Z");
    const rows = Array.from({ length: count }, (_, i) => trade(start + i * stepMs, i));
    const archive = await importLines(t, rows, { family: "bitstamp" });
    const last = chunksOf(segmentOf(archive)).at(-1);
    flipIn(segmentOf(archive), last);
    await tapedeck(t, ["cut", "-q", archive, "--out", cut], { status: 3 });
    for (const [of, status] of [
      [archive, 3],
      [cut, 1],
    ]) {
      const { clean, days } = await json(t, ["days", of, "--json"], { status });
      assert.deepEqual([clean, days[0].reasons], [0, "corrupt"]);
      assert.equal(days[0].topics[0].missing_ns, Number(last.lastNs - last.firstNs) + 1);
    }
  });
