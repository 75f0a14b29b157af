// kill -9 of the recorder, two programs on one archive, a deleted catalog (P1, P4, P5). Expected values: what the recorder
// announced as durable, against the simulated exchange's truth file.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  catalogRows,
  filesBelow,
  json,
  jsonLines,
  jsonList,
  run,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import {
  checkAnnounced,
  checkCrashGaps,
  deleteCatalog,
  feedArgs,
  randomNumbers,
  Recorder,
  recordAndKill,
  simulator,
} from "../support/recorders.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { readMcap, test } from "../support/npm_packages.mjs";

const KILLS = 4;

async function fourKills(t, { between = () => {} }) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const seed = Date.now() % 1e9;
  const random = randomNumbers(seed);
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "3",
    "--rate",
    "1000",
    "--seed",
    "4",
  ]);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  const recorders = [];
  for (let i = 0; i < KILLS; i++) {
    recorders.push(await recordAndKill(t, archive, args, { random }));
    between(archive);
  }
  const last = new Recorder(t, archive, args);
  recorders.push(last);
  await last.durableAfter(3);
  assert.equal((await last.kill("SIGTERM")).code, 0, last.stderr);
  between(archive);
  await sim.program.kill("SIGTERM");
  await tapedeck(t, ["recover", "-a", archive]);
  await tapedeck(t, ["verify", "-a", archive], { status: null });
  const { announced, kept } = await checkAnnounced(t, archive, "inverse", sim.truth, recorders);
  assert.ok(
    announced > 500 && kept >= announced,
    `seed ${seed}: ${announced} announced, ${kept} kept`
  );
  assert.equal(await checkCrashGaps(t, archive, "inverse"), KILLS, `seed ${seed}`);
  return archive;
}

describe("crashes", { concurrency: 2 }, () => {
  test("after kill -9, four times, every announced frame is there, and each kill is one gap", async (t) => {
    const archive = await fourKills(t, {});
    await tapedeck(t, ["verify", "-a", archive]);
    // P5: the catalog equals the segments and the journal.
    const before = catalogRows(archive);
    deleteCatalog(archive);
    await tapedeck(t, ["reindex", "-a", archive]);
    assert.equal(catalogRows(archive), before);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test(
    "after kill -9, four times, with the catalog deleted each time, every announced frame is there, and each kill is one gap",
    { skip: tooLong },
    async (t) => {
      const archive = await fourKills(t, { between: deleteCatalog });
      await tapedeck(t, ["reindex", "-a", archive]);
      await tapedeck(t, ["verify", "-a", archive]);
    }
  );

  test("after a kill verify ends with 1, recover cuts the tail, verify ends with 0", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "3",
      "--rate",
      "1000",
      "--seed",
      "9",
    ]);
    const recorder = await recordAndKill(
      t,
      archive,
      [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"],
      { random: randomNumbers(5) }
    );
    await sim.program.kill("SIGTERM");
    assert.equal(
      filesBelow(archive).filter((f) => f.endsWith(".mcap.open") && f.startsWith("capture")).length,
      1
    );
    await tapedeck(t, ["verify", "-a", archive], { status: 1 });
    const report = await json(t, ["recover", "-a", archive, "--json"]);
    assert.equal(report.segments_recovered, 1, JSON.stringify(report));
    assert.deepEqual(
      filesBelow(archive).filter((f) => f.endsWith(".mcap.open") && f.startsWith("capture")),
      []
    );
    await tapedeck(t, ["verify", "-a", archive]);
    await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
    // P7: @mcap/core reads the recovered segment, by its index and without, like tapedeck.
    const segments = filesBelow(archive).filter(
      (f) => f.startsWith("capture") && f.endsWith(".mcap")
    ); // two if an hour began
    const ours = (await jsonLines(t, ["cat", "-a", archive])).map(
      (row) => `${row.ordinal} ${row.recv_ns} ${Buffer.from(row.data).toString("hex")}`
    );
    for (const how of ["stream", "indexed"]) {
      const read = await Promise.all(
        segments.map((file) => readMcap(t, how, path.join(archive, file)))
      );
      const theirs = read
        .flat()
        .map((line) => line.split(" "))
        .filter((row) => row.length === 5 && !row[0].endsWith("/_events"));
      assert.deepEqual(
        theirs
          .map(([, sequence, logTime, , hex]) => `${sequence} ${Number(logTime)} ${hex}`)
          .sort(),
        ours.sort(),
        how
      );
    }
    // No session follows: the gap stays open.
    const [gap, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual([gap.reason, gap.to_ns, more.length], ["crash", null, 0]);
  });

  /** Reason of each gap, and whether it has ended. */
  const reasons = async (t, archive) =>
    (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null })).map((gap) => [
      gap.reason,
      gap.to_ns !== null,
    ]);

  test("a kill while a feed is down adds no second gap to the open one", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const exchange = await numberedExchange(t);
    const args = [...exchange.args(), "--commit-interval", "100ms"];
    const recorder = new Recorder(t, archive, args);
    await recorder.durableAfter(2);
    await exchange.down();
    while ((await reasons(t, archive)).length === 0); // until the event is durable
    await recorder.kill("SIGKILL");
    assert.deepEqual(await reasons(t, archive), [["disconnect", false]]);
    await tapedeck(t, ["recover", "-a", archive]);
    assert.deepEqual(await reasons(t, archive), [["disconnect", false]]);
    await exchange.up();
    const next = new Recorder(t, archive, args);
    await next.durableLine((line) => line.in > 10);
    assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
    assert.deepEqual(await reasons(t, archive), [["disconnect", true]]);
  });

  for (const recovers of [true, false])
    test(`each kill is one gap, for a feed that was up and for a feed without topics yet (${recovers ? "recovered at once" : "found by the next session"})`, async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numberedExchange(t);
      const kill = async (test, expected) => {
        const recorder = new Recorder(t, archive, [
          ...exchange.args(),
          "--commit-interval",
          "100ms",
        ]);
        await recorder.durableLine(test);
        await recorder.kill("SIGKILL");
        assert.deepEqual(await reasons(t, archive), expected);
        if (recovers) await tapedeck(t, ["recover", "-a", archive]);
        assert.deepEqual(await reasons(t, archive), expected);
      };
      await kill((line) => line.in > 10, [["crash", false]]);
      exchange.refuse("trade.BTCUSD");
      await kill((line) => line.in > 0, [["crash", false]]);
      exchange.allow("trade.BTCUSD");
      await kill(
        (line) => line.in > 10,
        [
          ["crash", true],
          ["crash", false],
        ]
      );
    });
});

describe("one archive, several programs", { concurrency: 2 }, () => {
  test("a second recorder ends with 4 and names the first", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "400",
    ]);
    const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
    const started = Date.now();
    const first = new Recorder(t, archive, args);
    await first.durableAfter(1);
    const capture = path.join(dir, "capture.txt");
    fs.writeFileSync(capture, '1618666000.5: {"topic":"trade.BTCUSD","data":[]}\n');
    const appenders = [
      ["tapedeck-record", ["record", "-a", archive, ...args]],
      [
        "tapedeck",
        ["import", "-a", archive, "--format", "cryptofeed", "--family", "inverse", capture],
      ],
    ];
    for (const second of appenders) {
      const end = await run(t, ...second, { status: 4 });
      assert.match(end.stderr, new RegExp(`\\b${first.child.pid}\\b`));
      assert.match(end.stderr, /\brecord\b/);
      const since = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/.exec(end.stderr);
      assert.ok(since, end.stderr);
      const at = Date.parse(`${since[0].replace(" ", "T")}Z`);
      assert.ok(Math.abs(at - started) < 60_000, `${since[0]} is when the first began`);
    }
    // The first continues; verbs that change archives do not touch its open segment.
    await first.durableLine();
    await tapedeck(t, ["recover", "-a", archive]);
    await tapedeck(t, ["reindex", "-a", archive]);
    await first.durableLine();
    assert.equal((await first.kill("SIGTERM")).code, 0, first.stderr);
    await sim.program.kill("SIGTERM");
    await tapedeck(t, ["verify", "-a", archive]);
    await checkAnnounced(t, archive, "inverse", sim.truth, [first]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("digests of a live recording do not depend on threads or speed, nor on the catalog", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "3",
      "--rate",
      "2000",
    ]);
    await run(t, "tapedeck-record", [
      "record",
      "-a",
      archive,
      ...feedArgs(sim, "inverse"),
      "--max-frames",
      "1500",
      "--commit-interval",
      "100ms",
    ]);
    await sim.program.kill("SIGTERM");
    const digests = [];
    for (const args of [
      ["-j", "1"],
      ["-j", "4"],
      ["--speed", "4", "-j", "2"],
    ])
      digests.push((await json(t, ["replay", "-a", archive, ...args, "--json"])).digest);
    for (const digest of digests) assert.deepEqual(digest, digests[0]);
    deleteCatalog(archive);
    assert.deepEqual((await json(t, ["replay", "-a", archive, "--json"])).digest, digests[0]);
  });

  test("a clean stop and a new start leave a restart gap", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "400",
    ]);
    for (let i = 0; i < 2; i++) {
      const recorder = new Recorder(t, archive, [
        ...feedArgs(sim, "inverse"),
        "--commit-interval",
        "100ms",
      ]);
      await recorder.durableAfter(2);
      assert.equal((await recorder.kill("SIGINT")).code, 0, recorder.stderr);
    }
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.equal(gaps.length, 1, JSON.stringify(gaps));
    assert.equal(gaps[0].reason, "restart");
    assert.ok(gaps[0].to_ns > gaps[0].from_ns);
  });
});
