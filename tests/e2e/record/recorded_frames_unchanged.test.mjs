// A served tape and a simulated exchange, recorded over TLS and replayed, give the frames that were sent. Expected values:
// the source archive's digests; the simulator's truth file, which its matching engine writes without code of decoders or
// books; xxh64.mjs, written from the hash's specification.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import {
  capture,
  compareTruth,
  eventually,
  json,
  jsonList,
  listening,
  Program,
  tapedeck,
  temporary,
  tooLong,
  withoutCapture,
} from "../support/harness.mjs";
import {
  compareWithTruth,
  configFile,
  feedArgs,
  PATHS,
  Recorder,
  sentFrames,
  simulator,
} from "../support/recorders.mjs";
import { xxh64 } from "../support/xxh64.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";

/** Wait until a program handles signals: before that they end it at once. */
async function untilStoppable(program) {
  const isBlocked = () => {
    const mask = /^SigBlk:\s*([0-9a-f]+)/m.exec(
      fs.readFileSync(`/proc/${program.child.pid}/status`, "utf8")
    );
    return (BigInt(`0x${mask[1]}`) >> 14n) & 1n; // SIGTERM is 15
  };
  await eventually("the program handles signals", isBlocked, program);
}

async function orderOf(t, archive, topic, symbol) {
  return (
    await tapedeck(t, [
      "cat",
      "-a",
      archive,
      "--raw",
      "--dir",
      "in",
      "--symbol",
      symbol,
      "--topic",
      topic,
    ])
  ).stdout;
}

async function serveAndRecord(t, speed) {
  const dir = temporary(t);
  const source = path.join(dir, "source");
  const copy = path.join(dir, "copy");
  await tapedeck(t, ["import", "-a", source, "--format", "cryptofeed", capture(INVERSE)]);
  const server = await listening(
    t,
    ["serve", "-a", source, "--feed", "inverse", "--speed", speed, "--once"],
    dir
  );
  await tapedeck(t, [
    "record",
    "-a",
    copy,
    `${server.url}/realtime`,
    "--family",
    "inverse",
    "--ca-file",
    server.ca,
    "--topic",
    "trade",
    "--topic",
    "orderBookL2_25",
    "--symbol",
    "BTCUSD",
    "--symbol",
    "EOSUSD",
    "--until-close",
  ]);
  assert.equal((await server.program.ended).code, 0, server.program.stderr);
  const was = await json(t, ["replay", "-a", source, "--speed", "max", "--json"]);
  const is = await json(t, ["replay", "-a", copy, "--speed", "max", "--json"]);
  for (const key of ["payload", "messages", "books"])
    assert.equal(is.digest[key], was.digest[key], key);
  assert.equal(is.continuity.violations, 0);
  assert.equal(is.decoded, was.decoded);
  assert.equal(is.undecoded, 0);
  assert.deepEqual(await jsonList(t, ["gaps", "-a", copy, "--json"]), []);
  for (const topic of ["trade", "orderBookL2_25"])
    for (const symbol of ["BTCUSD", "EOSUSD"]) {
      const served = await orderOf(t, copy, topic, symbol);
      assert.ok(served.length > 1000);
      assert.equal(served, await orderOf(t, source, topic, symbol), `${topic} ${symbol}`);
    }
  await tapedeck(t, ["verify", "-a", copy]);
}

const FAMILIES = ["inverse", "linear"];
const COUNT = 1000; // data frames of each family
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
let cached;
/** A recording of two families until the exchange closes. Made once. */
const session = (t) => (cached ??= recordSession(t));
async function recordSession(t) {
  const archive = path.join(folder, "tape");
  const sim = await simulator(t, folder, [
    "--families",
    FAMILIES.join(),
    "--symbols",
    "3",
    "--rate",
    "1000",
    "--seed",
    "7",
    "--max-frames",
    `${COUNT}`,
  ]);
  const { stderr } = await tapedeck(t, [
    "record",
    "-a",
    archive,
    "-c",
    configFile(folder, sim, FAMILIES),
    "--until-close",
  ]);
  assert.equal((await sim.program.ended).code, 0, sim.program.stderr);
  return { archive, truth: sim.truth, stderr };
}

// Speed 1 takes as long as the capture, half a minute: beside the others.
describe("recordings of servers", { concurrency: 3 }, () => {
  for (const speed of ["1", "10", "max"])
    test(
      `a tape served at speed ${speed} is recorded and replayed unchanged`,
      { skip: (speed !== "max" && tooLong) || withoutCapture(INVERSE) },
      (t) => serveAndRecord(t, speed)
    );

  test("the tests' own hash gives the specification's values", () => {
    // xxhash_spec.md has no examples; the reference program made these (xxhsum -H1 of the empty text and of "abc").
    assert.equal(xxh64(Buffer.from("")), "ef46db3751d8e999");
    assert.equal(xxh64(Buffer.from("abc")), "44bc2cf5ad770999");
  });

  test("every frame that a simulated exchange of two families sent is recorded", async (t) => {
    const { archive, truth, stderr } = await session(t);
    const report = await json(t, ["replay", "-a", archive, "--speed", "max", "--json"]);
    assert.equal(report.stopped, false);
    assert.equal(report.continuity.violations, 0, JSON.stringify(report.continuity));
    assert.equal(report.undecoded, 0);
    assert.deepEqual(report.gaps, []);
    const feeds = new Set(
      report.topics.filter((row) => row.frames > 0).map((row) => `${row.feed} ${row.topic}`)
    );
    for (const feed of FAMILIES)
      for (const topic of [
        "trade",
        "orderBookL2_25",
        "orderBook_200.100ms",
        "instrument_info.100ms",
      ])
        assert.ok(feeds.has(`${feed} ${topic}`), `${feed} ${topic}`);
    let closed = 0;
    for (const feed of FAMILIES) {
      const [conn, ...more] = await compareWithTruth(t, archive, feed, truth);
      assert.deepEqual(more, []);
      const sent = [...sentFrames(truth).get(PATHS[feed]).values()][0].size;
      assert.ok(conn.data > 100, `${feed}: ${conn.data} of ${sent}`);
      // The recorder ends once the exchange closes a connection: frames still under way on the others may be missing.
      if (!new RegExp(` ${feed}: \\S+ closed the connection`).test(stderr)) continue;
      assert.ok(conn.data === sent && sent > 0.95 * COUNT, `${feed}: ${conn.data} of ${sent}`);
      closed++;
    }
    assert.ok(closed > 0, stderr);
    const found = await compareTruth(t, archive, truth);
    assert.equal(found.equal, true, JSON.stringify(found));
    assert.ok(found.matched > COUNT && found.marks > 5, JSON.stringify(found));
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("a replay that a signal stops reports that it is incomplete", async (t) => {
    const { archive } = await session(t);
    const slow = ["replay", "-a", archive, "--speed", "0.001"];
    const messagesReplay = new Program(t, "tapedeck", [...slow, "--messages"]);
    await messagesReplay.line(() => true);
    assert.equal((await messagesReplay.kill("SIGINT")).code, 1);
    const jsonReplay = new Program(t, "tapedeck", [...slow, "--json"]);
    await untilStoppable(jsonReplay);
    const end = await jsonReplay.kill("SIGTERM");
    assert.equal(end.code, 1, end.stderr);
    assert.equal(JSON.parse(end.stdout).stopped, true);
    assert.equal(JSON.parse(end.stdout).continuity.ok, true);
    const textReplay = new Program(t, "tapedeck", slow);
    await untilStoppable(textReplay);
    assert.match(
      (await textReplay.kill("SIGINT")).stdout,
      /then stopped before the end of the tape[^]*Complete: no\.[^]*the rest was not read/
    );
  });

  test("cat --follow prints what a recorder is writing, and ends by a signal", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "400",
      "--seed",
      "5",
    ]);
    const recorder = new Recorder(t, archive, [
      ...feedArgs(sim, "inverse"),
      "--commit-interval",
      "100ms",
    ]);
    await recorder.durableAfter(1);
    const follower = new Program(t, "tapedeck", ["cat", "-a", archive, "--follow", "--dir", "in"]);
    const before = await follower.line(() => true);
    assert.equal(JSON.parse(before).ordinal, 1);
    // A frame that is recorded long after the follower started is printed while both run.
    const seen = await follower.line((line) => JSON.parse(line).ordinal >= 250);
    assert.equal(JSON.parse(seen).ordinal, 250);
    assert.equal(recorder.child.exitCode, null);
    await recorder.durableLine((durable) => durable.in >= 500);
    await follower.line((line) => JSON.parse(line).ordinal >= 500);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const end = await follower.kill("SIGTERM");
    assert.equal(end.code, 0, end.stderr);
    const ordinals = follower.lines.map((line) => JSON.parse(line).ordinal);
    assert.deepEqual(
      ordinals,
      ordinals.map((_, i) => i + 1)
    );
  });
});

describe("faults of the exchange", { concurrency: 2 }, () => {
  async function withFault(t, faults, args = []) {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "1000",
      "--seed",
      "3",
      ...faults.flatMap((f) => ["--fault", f]),
    ]);
    const recorder = new Recorder(t, archive, [
      ...feedArgs(sim, "inverse"),
      "--max-frames",
      "1200",
      ...args,
    ]);
    const end = await recorder.ended;
    assert.equal(end.code, 0, end.stderr);
    await sim.program.kill("SIGTERM");
    const report = await json(t, ["replay", "-a", archive, "--json"], { status: null });
    report.truth = await compareTruth(t, archive, sim.truth, { status: null });
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    return { archive, sim, recorder, report, gaps };
  }

  for (const [fault, cause] of [
    ["disconnect@400", "closed_by_peer"],
    ["cut@400", ""],
  ])
    test(`${fault}: the recorder reconnects, subscribes again, and writes one closed gap`, async (t) => {
      const { archive, gaps, recorder, sim, report } = await withFault(t, [fault]);
      assert.equal(gaps.length, 1, JSON.stringify(gaps));
      assert.equal(gaps[0].reason, "disconnect");
      assert.ok(gaps[0].cause.includes(cause), gaps[0].cause);
      assert.ok(gaps[0].to_ns > gaps[0].from_ns);
      assert.equal(gaps[0].topic, null);
      assert.match(recorder.stderr, /connection 2/);
      const conns = await compareWithTruth(t, archive, "inverse", sim.truth);
      assert.deepEqual(
        conns.map((row) => row.conn),
        [1, 2]
      );
      // A cut also discards frames that had arrived and were not read yet: more of them if the recorder is slow.
      assert.ok(conns[0].data >= (fault.startsWith("cut") ? 1 : 400));
      assert.equal(report.continuity.violations, 0, JSON.stringify(report.continuity));
      // Replay's text report: incomplete, and where.
      assert.equal(report.gaps.length, 1);
      await tapedeck(t, ["replay", "-a", archive], { status: 1 });
      await tapedeck(t, ["verify", "-a", archive]);
      assert.equal(report.truth.equal, true, JSON.stringify(report.truth));
    });

  test("a frame that the exchange never sent breaks a book, and makes a gap", async (t) => {
    const { report, gaps } = await withFault(
      t,
      Array.from({ length: 40 }, (_, i) => `drop@${400 + i}`)
    );
    assert.ok(report.continuity.violations > 0, JSON.stringify(report.continuity));
    assert.match(report.continuity.first.topic, /^orderBook/);
    // The exchange's own book has the change.
    assert.equal(report.truth.equal, false);
    assert.equal(report.truth.missing, 0);
    assert.ok(report.truth.marks_equal < report.truth.marks, JSON.stringify(report.truth));
    assert.ok(
      gaps.some(
        (row) => row.reason === "sequence" && row.symbol === report.continuity.first.symbol
      ),
      JSON.stringify(gaps)
    );
  });
});
