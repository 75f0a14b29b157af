// The exchange drops frames although the connection is open. With `audit: true` the recorder also subscribes to topics that
// reveal such losses, writes them to the ledger while it records, and replay finds the same ones. Expected values: the truth
// file of the simulated exchange, which names each dropped frame and the two frames around it.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { jsonLines, jsonList, parseLines, tapedeck, temporary } from "../support/harness.mjs";
import { PATHS, Recorder, simulator } from "../support/recorders.mjs";

const SYMBOL = { inverse: "BTCUSD", "v5-linear": "BTCUSDT", "v5-inverse": "BTCUSD" };

/** Record a feed of one symbol with audit: true; the exchange drops its n-th frame for each n of drops. Returns the dropped
 * frames {topic, before, after: receive times of the frames around it}, the ledger, and replay's report. */
async function recordDropped(t, family, topics, drops) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    family,
    "--symbols",
    "1",
    "--rate",
    "200",
    "--seed",
    "7",
    "--time-scale",
    "20",
    "--max-frames",
    "750",
    ...drops.flatMap((n) => ["--fault", `drop@${n}`]),
  ]);
  const config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(
    config,
    [
      "feeds:",
      `  - family: ${family}`,
      `    url: ${server.url}${PATHS[family]}`,
      `    ca_file: ${server.ca}`,
      `    topics: [${topics}]`,
      `    symbols: [${SYMBOL[family]}]`,
      "    audit: true",
      "",
    ].join("\n")
  );
  const recorder = new Recorder(t, archive, ["-c", config, "--until-close"]);
  assert.equal((await recorder.ended).code, 0, recorder.stderr);
  const came = new Map();
  for (const row of await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]))
    came.set(row.ordinal, row.recv_ns);
  const lines = parseLines(fs.readFileSync(server.truth, "utf8"));
  const dropped = lines.flatMap((fault, i) => {
    if (fault.t !== "fault") return [];
    const frames = (part) =>
      part.filter((line) => line.t === "frame").map((line) => came.get(line.n));
    const ordinal = lines.slice(0, i).findLast((line) => line.t === "frame").n; // receive times of frames that are read together differ by 1 ns
    return [
      {
        topic: fault.topic,
        symbol: fault.symbol,
        ordinal,
        before: frames(lines.slice(0, i)).at(-1),
        after: frames(lines.slice(i))[0],
      },
    ];
  });
  assert.equal(
    dropped.length,
    drops.length,
    JSON.stringify(lines.filter((line) => line.t === "fault"))
  );
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
  const replay = await tapedeck(t, ["replay", "-a", archive, "--json"], { status: null });
  return {
    archive,
    recorder,
    dropped,
    gaps,
    came: [...came.values()],
    report: JSON.parse(replay.stdout),
    status: replay.code,
  };
}

const contains = (gap, { before, after }) =>
  gap.from_ns <= after && (gap.to_ns === null || gap.to_ns >= before);

describe("a frame that was never sent", { concurrency: 6 }, () => {
  // Families whose candles prove trades (docs/completeness.md), by volume or by turnover.
  for (const family of ["v5-linear", "v5-inverse"])
    test(`${family}: a candle reveals a dropped trade`, async (t) => {
      const trades = "publicTrade";
      // Nearly all frames are trades; one in seven is a candle.
      let seen;
      for (let n = 350; seen?.dropped[0].topic !== trades; n++) {
        assert.ok(n < 355, "not one of the frames was trades");
        seen = await recordDropped(t, family, [trades], [n]);
      }
      const {
        dropped: [lost],
        gaps,
        report,
        status,
        recorder,
        came,
      } = seen;
      assert.equal(gaps.length, 1, JSON.stringify(gaps));
      const [gap] = gaps;
      assert.deepEqual(
        [gap.reason, gap.feed, gap.topic, gap.symbol, gap.frames_lost],
        ["aggregate", family, trades, lost.symbol, null]
      );
      assert.ok(contains(gap, lost) && gap.to_ns !== null, JSON.stringify([gap, lost]));
      // A loss is located between two candles that are adjacent, or nearly so: about a twentieth of
      // the frames.
      const within = came.filter((ns) => ns >= gap.from_ns && ns <= gap.to_ns).length;
      assert.ok(within < came.length / 5, `${within} of ${came.length}: ${JSON.stringify(gap)}`);
      assert.match(
        recorder.stderr,
        /trades are missing \(the candle grew by [\d.]+, the trades that came add [\d.]+\)/
      );
      assert.equal(status, 1);
      assert.deepEqual(report.gaps, gaps);
      assert.deepEqual(report.continuity.by_rule, { trades_complete: 1 });
      // Found at a candle, or at the next trade that proves the loss: either may arrive first.
      assert.ok(
        [trades, "kline.1"].includes(report.continuity.first.topic),
        JSON.stringify(report.continuity.first)
      );
      assert.ok(
        report.continuity.first.recv_ns >= lost.after,
        JSON.stringify([report.continuity.first, lost])
      );
    });

  test("v5-linear: a book's own numbers reveal a dropped delta", async (t) => {
    const {
      archive,
      recorder,
      dropped: [lost],
      gaps,
      report,
      status,
    } = await recordDropped(t, "v5-linear", ["orderbook.50"], [350]);
    assert.match(lost.topic, /^orderbook\.(50|200)$/);
    assert.equal(gaps.length, 1, JSON.stringify(gaps));
    const [gap] = gaps;
    assert.deepEqual(
      [gap.reason, gap.topic, gap.symbol, gap.cause],
      ["sequence", lost.topic, lost.symbol, "seq_dense"]
    );
    assert.equal(gap.frames_lost, 1, JSON.stringify(gap));
    const { first } = report.continuity;
    assert.equal(first.found, first.expected + 1);
    const compared = `expected ${first.expected}, found ${first.found}: 1 lost`;
    assert.equal(gap.detail, `seq_dense: ${compared}`);
    assert.match(recorder.stderr, new RegExp(`: broken \\(seq_dense: ${compared}\\)`));
    assert.match(
      (await tapedeck(t, ["replay", "-a", archive], { status: 1 })).stdout,
      new RegExp(`\n    detail   ${compared}\n`)
    );
    assert.match(
      (await tapedeck(t, ["gaps", "-a", archive], { status: 1 })).stdout,
      new RegExp(` 1  seq_dense: ${compared}\n`)
    );
    assert.ok(contains(gap, lost), JSON.stringify([gap, lost]));
    const frames = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", lost.topic]);
    assert.equal(
      gap.from_ns,
      frames.filter((row) => row.ordinal <= lost.ordinal).at(-1).recv_ns,
      "from the last frame that fits"
    );
    assert.equal(status, 1);
    assert.deepEqual(report.gaps, gaps);
    assert.deepEqual(report.continuity.by_rule, { seq_dense: 1 });
    assert.equal(
      report.continuity.first.recv_ns,
      frames.find((row) => row.recv_ns >= lost.after).recv_ns
    );
  });

  test("inverse: a book of another depth reveals a dropped delta, and both topics have the gap", async (t) => {
    const drops = [175, 275, 375, 475, 575];
    const { archive, dropped, gaps, report, status } = await recordDropped(
      t,
      "inverse",
      ["orderBookL2_25"],
      drops
    );
    for (const { topic } of dropped) assert.match(topic, /^orderBook(L2_25|_200\.100ms)$/);
    // Only an update of a level in both depths is found; tests/replay/play/test_audit_sim.c measures how many are.
    assert.ok(gaps.length >= 2, JSON.stringify(gaps));
    for (const gap of gaps) {
      assert.equal(gap.reason, "sequence");
      // A book's own rules find a loss at once, or later when a delta does not fit; the other depth finds it at its next state.
      const fits = (lost) =>
        contains(gap, lost) || (gap.cause !== "books_agree" && gap.from_ns >= lost.before);
      assert.ok(dropped.some(fits), JSON.stringify([gap, dropped]));
    }
    const byTopic = (topic) =>
      gaps.filter((gap) => gap.topic === topic && gap.cause === "books_agree");
    const spans = (rows) => rows.map(({ from_ns, to_ns }) => [from_ns, to_ns]);
    assert.ok(byTopic("orderBookL2_25").length > 0);
    assert.deepEqual(spans(byTopic("orderBookL2_25")), spans(byTopic("orderBook_200.100ms")));
    assert.equal(status, 1);
    assert.deepEqual(report.gaps, gaps);
    assert.ok(report.continuity.by_rule.books_agree >= 1, JSON.stringify(report.continuity));
    for (const topic of ["orderBookL2_25", "orderBook_200.100ms"])
      await tapedeck(t, ["replay", "-a", archive, "--topic", topic], { status: 1 });
  });

  for (const [family, topics] of [
    ["inverse", ["orderBookL2_25", "trade"]],
    ["v5-linear", ["orderbook.50", "publicTrade"]],
  ])
    test(`${family}: no loss is reported if nothing was dropped`, async (t) => {
      const { archive, gaps, report, status } = await recordDropped(t, family, topics, []);
      assert.deepEqual(gaps, []);
      assert.equal(status, 0, JSON.stringify(report.continuity));
      assert.ok(
        report.continuity.audits.books.compared > 10 &&
          report.continuity.audits.trades.compared > 10,
        JSON.stringify(report.continuity.audits)
      );
      const { stdout } = await tapedeck(t, ["replay", "-a", archive]);
      assert.match(
        stdout,
        /\nCross-checks between topics:\n  Candles equal the sum of their trades at \d+ of \d+ readings/
      );
      assert.match(stdout, /\n  Book depths agree at (\d+) of \1 sequence numbers/);
    });
});
