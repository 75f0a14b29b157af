// A selection is incomplete if the archive lacks a part of it: unrecorded time, or topics that were not subscribed. Expected:
// docs/replay.md ("What the selection lacks"). Captures are made up here; recordings are of an exchange that numbers its
// frames.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  filesBelow,
  importLines,
  json,
  jsonLines,
  jsonList,
  manifestsOf,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";

const NOON = Date.parse("2021-04-17T12:00:00Z");
const URL = "wss://stream.bybit.com/realtime";
const at = (s) => new Date(NOON + s * 1000).toISOString();
const ns = (s) => (NOON + s * 1000) * 1e6;

const line = (s, members) => ({
  recv_ns: String(BigInt(NOON + s * 1000) * 1000000n),
  conn: 0,
  url: URL,
  ...members,
});
function trade(s, symbol) {
  const ms = NOON + s * 1000;
  const entry = {
    trade_time_ms: ms,
    timestamp: new Date(ms).toISOString(),
    symbol,
    side: "Buy",
    size: 1,
    price: 100,
    tick_direction: "PlusTick",
    trade_id: `${symbol}-${ms}`,
    cross_seq: ms,
  };
  return line(s, { data: JSON.stringify({ topic: `trade.${symbol}`, data: [entry] }) });
}
const asking = (s, ...topics) =>
  line(s, { dir: "out", data: JSON.stringify({ op: "subscribe", args: topics }) });
const answering = (s, success, ...topics) =>
  line(s, {
    data: JSON.stringify({
      success,
      ret_msg: success ? "" : "error:topic",
      conn_id: "c",
      request: { op: "subscribe", args: topics },
    }),
  });
/** BTCUSD once a second, from and to inclusive. */
const busy = (from, to) =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, trade(from + i, "BTCUSD")]);

/** An archive of captures, each a list of [second, line]. */
async function archiveOf(t, ...captures) {
  const archive = path.join(temporary(t), "tape");
  for (const rows of captures)
    await importLines(
      t,
      rows.sort((a, b) => a[0] - b[0]).map(([, line]) => line),
      { archive, family: "inverse" }
    );
  return archive;
}

const between = (from, to) => ["--from", at(from), "--to", at(to)];
const DAY_NS = 86_400 * 1e9;

/** The report of a selection within a day. The manifest of an export of the same selection has its absent parts and its verdict, and
 * names what the rest of the day lacks where the selection has no bound. */
async function replay(t, archive, status, ...args) {
  const report = await json(t, ["replay", "-a", archive, "--json", ...args], { status });
  const out = path.join(temporary(t), "out");
  const options = ["--format", "jsonl", "--out", out];
  await tapedeck(t, ["export", "-q", "-a", archive, ...options, ...args], { status });
  const [{ absent, verdict }] = manifestsOf(out);
  const isOfDay = ({ from_ns, to_ns }) => from_ns % DAY_NS === 0 || to_ns % DAY_NS === 0;
  assert.deepEqual(
    absent.filter((row) => !isOfDay(row)),
    report.absent
  );
  for (const { why } of absent.filter(isOfDay))
    assert.ok(!args.includes(why === "before_first_frame" ? "--from" : "--to"), why);
  assert.equal(verdict, report.verdict);
  return report;
}
const names = (report) => report.absent.map((row) => [row.why, row.feed, row.topic, row.symbol]);
const ETH = ["not_subscribed", "inverse", "trade", "ETHUSD"];

describe("selections of imports", { concurrency: 2 }, () => {
  test("a topic that was granted and is silent is complete", async (t) => {
    const topics = ["trade.BTCUSD", "trade.ETHUSD"];
    const archive = await archiveOf(t, [
      [0, asking(0, ...topics)],
      [0.5, answering(0.5, true, ...topics)],
      [50, trade(50, "ETHUSD")],
      ...busy(1, 60),
    ]);
    assert.deepEqual(names(await replay(t, archive, 0, ...between(20, 30))), []);
    assert.deepEqual(names(await replay(t, archive, 0, "--from", at(55))), []);
    assert.deepEqual(names(await replay(t, archive, 1, ...between(55, 70))), [
      ["after_last_frame", "inverse", null, null],
    ]);
    assert.match(
      (await tapedeck(t, ["replay", "-a", archive, ...between(20, 30)])).stdout,
      /Complete: yes/
    );
  });

  test("a day is judged by its recorded time, and its manifest names the rest", async (t) => {
    const archive = await archiveOf(t, busy(1, 60));
    const midnight = Date.parse("2021-04-17") * 1e6;
    const rest = [
      ["before_first_frame", midnight, ns(1)],
      ["after_last_frame", ns(60), midnight + DAY_NS],
    ];
    for (const [args, parts, status, told = status === 0 ? "complete" : "incomplete"] of [
      [[], rest, 0],
      [["--from", "2021-04-17", "--to", "2021-04-17"], rest, 0],
      [["--from", "2021-04-16T12:00"], rest, 1, "complete"], // the day before was not recorded
      [["--from", at(30)], rest.slice(1), 0],
      [["--from", at(-60)], [["before_first_frame", ns(-60), ns(1)], rest[1]], 1],
      [["--to", at(90)], [rest[0], ["after_last_frame", ns(60), ns(90)]], 1],
    ]) {
      const out = path.join(temporary(t), "out");
      const options = ["--format", "jsonl", "--out", out];
      await tapedeck(t, ["export", "-q", "-a", archive, ...options, ...args], { status });
      const [{ absent, verdict }] = manifestsOf(out);
      const found = absent.map(({ why, from_ns, to_ns }) => [why, from_ns, to_ns]);
      assert.deepEqual(found, parts, args.join(" "));
      assert.equal(verdict, told, args.join(" "));
    }
  });

  test("a silent topic that had frames on the previous connection is complete", async (t) => {
    const archive = await archiveOf(t, [[5.5, trade(5.5, "ETHUSD")], ...busy(1, 60)]);
    assert.deepEqual(names(await replay(t, archive, 0, ...between(20, 30))), []);
  });

  test("a topic that was not requested, was refused, or was unsubscribed is reported as not subscribed", async (t) => {
    const later = [50, trade(50, "ETHUSD")];
    const cases = {
      "not requested": [],
      "not answered": [[2, asking(2, "trade.ETHUSD")]],
      refused: [
        [2, asking(2, "trade.ETHUSD")],
        [2.5, answering(2.5, false, "trade.ETHUSD")],
      ],
      left: [
        [5.5, trade(5.5, "ETHUSD")],
        [9, line(9, { dir: "out", data: '{"op":"unsubscribe","args":["trade.ETHUSD"]}' })],
      ],
      "requested too late": [
        [40, asking(40, "trade.ETHUSD")],
        [40.5, answering(40.5, true, "trade.ETHUSD")],
      ],
    };
    for (const [what, rows] of Object.entries(cases)) {
      const archive = await archiveOf(t, [later, ...rows, ...busy(1, 60)]);
      const report = await replay(t, archive, 1, ...between(20, 30));
      assert.deepEqual(names(report), [ETH], what);
      assert.deepEqual([report.absent[0].from_ns, report.absent[0].to_ns], [ns(20), ns(30)], what);
      if (what !== "refused") continue;
      const people = await tapedeck(t, ["replay", "-a", archive, ...between(20, 30)], {
        status: 1,
      });
      assert.match(
        people.stdout,
        /Complete: no\.[^]*inverse trade ETHUSD: no frame here, and nothing shows that it was subscribed/,
        what
      );
      // Topics that are not selected are not missing.
      await replay(t, archive, 0, "--symbol", "BTCUSD", ...between(20, 30));
    }
  });

  test("no file is opened for grants and connections that the catalog has", async (t) => {
    const archive = await archiveOf(t, [
      [3700, trade(3700, "ETHUSD")],
      ...busy(1, 60),
      ...busy(3700, 3710),
    ]);
    await importLines(
      t,
      Array.from({ length: 60 }, (_, i) => trade(i, "ETHUSD")),
      { archive, family: "inverse", feed: "other" }
    );
    const selected = ["--symbol", "ETHUSD", ...between(20, 30)];
    const report = await replay(t, archive, 1, ...selected);
    assert.deepEqual(names(report), [ETH]);
    const files = filesBelow(archive)
      .filter((file) => /inverse-.*\.mcap$/.test(file))
      .map((file) => path.join(archive, file));
    assert.equal(files.length, 2);
    for (const file of files) fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size));
    const again = await replay(t, archive, 1, ...selected);
    for (const of of ["frames", "absent", "complete", "gaps", "digest"])
      assert.deepEqual(again[of], report[of], of);
    assert.equal(report.frames, 10);
    fs.rmSync(path.join(archive, "catalog.sqlite"));
    await replay(t, archive, 3, ...selected);
  });

  test("a topic of another session only is reported as not subscribed in this one", async (t) => {
    const archive = await archiveOf(t, busy(1, 60), [
      [600, trade(600, "ETHUSD")],
      ...busy(601, 660),
    ]);
    assert.deepEqual(names(await replay(t, archive, 1, ...between(20, 30))), [ETH]);
    assert.deepEqual(names(await replay(t, archive, 0, ...between(620, 630))), []);
    // A new connection has requested nothing yet.
    const again = await archiveOf(t, [
      [5.5, trade(5.5, "ETHUSD")],
      ...busy(1, 20),
      [21, line(21, {})],
      ...busy(22, 60),
    ]);
    assert.deepEqual(names(await replay(t, again, 1, ...between(30, 40))), [ETH]);
  });

  test("time before the first frame and after the last is reported as not recorded", async (t) => {
    const archive = await archiveOf(t, busy(10, 40));
    await replay(t, archive, 0, ...between(10, 40));
    await replay(t, archive, 0, "--to", at(40));
    await replay(t, archive, 0, "--from", at(40));
    const before = await replay(t, archive, 1, ...between(5, 20));
    assert.deepEqual(before.absent, [
      {
        why: "before_first_frame",
        feed: "inverse",
        topic: null,
        symbol: null,
        from_ns: ns(5),
        to_ns: ns(10),
      },
    ]);
    // Another feed's whole time is listed, so its topics are not.
    await importLines(
      t,
      busy(100, 110).map(([, text]) => text),
      { archive, family: "inverse", feed: "other" }
    );
    assert.deepEqual(names(await replay(t, archive, 1, ...between(15, 20))), [
      ["before_first_frame", "other", null, null],
    ]);
    assert.deepEqual(
      names(await replay(t, archive, 0, "--feed", "inverse", ...between(15, 20))),
      []
    );
    const after = await replay(t, archive, 1, "--feed", "inverse", ...between(20, 50));
    assert.deepEqual(after.absent, [
      {
        why: "after_last_frame",
        feed: "inverse",
        topic: null,
        symbol: null,
        from_ns: ns(40),
        to_ns: ns(50),
      },
    ]);
    const people = await tapedeck(
      t,
      ["replay", "-a", archive, ...between(5, 50), "--feed", "inverse"],
      { status: 1 }
    );
    assert.match(
      people.stdout,
      /Complete: no\.[^]*inverse: nothing was recorded before 2021-04-17T12:00:10.0+Z\n *inverse: nothing was recorded after 2021-04-17T12:00:40.0+Z/
    );
  });

  test("a window without frames is an error with the recorded range", async (t) => {
    const archive = await archiveOf(t, busy(10, 40), busy(100, 140));
    const range = /feed inverse has frames from 2021-04-17T12:00:10.0+Z to 2021-04-17T12:02:20.0+Z/;
    for (const window of [between(0, 5), between(50, 60), between(200, 300)]) {
      const end = await tapedeck(t, ["replay", "-a", archive, ...window], { status: 4 });
      assert.match(
        end.stderr,
        /no frame in the archive matches the selection: nothing of it was recorded in that time\n/
      );
      assert.match(end.stderr, range);
      assert.equal(end.stdout, "");
    }
    const [set, window] = [path.join(temporary(t), "set"), between(50, 60)];
    assert.equal(
      (await tapedeck(t, ["replay", "-a", archive, "--json", ...window], { status: 4 })).stdout,
      ""
    );
    assert.match(
      (
        await tapedeck(t, ["export", "-a", archive, "--format", "jsonl", "--out", set, ...window], {
          status: 4,
        })
      ).stderr,
      range
    );
    assert.ok(!fs.existsSync(set));
    for (const typo of [
      ["--feed", "invers"],
      ["--topic", "trades"],
      ["--symbol", "BTCUSDT"],
    ]) {
      const end = await tapedeck(t, ["replay", "-a", archive, ...typo], { status: 4 });
      assert.match(end.stderr, /it has no such feed, topic or symbol\n.*tapedeck info/);
    }
    const file = path.join(
      archive,
      (await jsonList(t, ["ls", "-a", archive, "--json"]))[0].segment
    );
    await replay(t, file, 0, ...between(20, 30));
    assert.deepEqual(names(await replay(t, file, 1, ...between(20, 50))), [
      ["after_last_frame", "inverse", null, null],
    ]);
    await tapedeck(t, ["replay", "-a", file, ...between(50, 60)], { status: 4 });
  });
});

/** A recording that was stopped in order, and the receive times of its frames. */
async function record(t, archive, exchange) {
  const before = fs.existsSync(archive)
    ? (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length
    : 0;
  const recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"]);
  await recorder.durableAfter(6);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const all = await run(t, "tapedeck", ["cat", "-a", archive, "--dir", "in"]);
  return all.stdout
    .split("\n")
    .filter((text) => text !== "")
    .slice(before)
    .map((text) => BigInt(/"recv_ns":(\d+)/.exec(text)[1]));
}

test("in a recording a topic is missing from its refusal on", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const exchange = await numberedExchange(t, { symbols: ["BTCUSD", "ETHUSD"], rate: 200 });
  const first = await record(t, archive, exchange);
  exchange.refuse("trade.ETHUSD");
  const second = await record(t, archive, exchange);
  // The latest frame may have arrived after the stop.
  const inside = (times) => [
    "--from",
    String(times[Math.floor(times.length * 0.3)]),
    "--to",
    String(times[Math.floor(times.length * 0.6)]),
  ];
  await replay(t, archive, 0, ...inside(first));
  const report = await replay(t, archive, 1, ...inside(second));
  assert.deepEqual(names(report), [ETH]);
  await replay(t, archive, 0, "--symbol", "BTCUSD", ...inside(second));
  await tapedeck(t, ["replay", "-a", archive, "--symbol", "ETHUSD", ...inside(second)], {
    status: 4,
  });
});
