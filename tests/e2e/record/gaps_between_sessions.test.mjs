// The time between two sessions of a feed is a row of the ledger, for imports and recordings in any order. Expected:
// docs/archive.md ("Gaps"), FORMAT.md ("The ledger of gaps"). Captures are made up here, so the true gaps are known
// without the programs.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  catalogRows,
  eventually,
  json,
  jsonLines,
  jsonList,
  manifestOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { deleteCatalog, Recorder } from "../support/recorders.mjs";
import { compare, numberedExchange, recordedNumbers } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";

const DAY_MS = 86_400_000;
const NOON = Date.parse("2021-04-17T12:00:00Z");

/** A capture of trades, one a second, the first at ms. */
function capture(dir, name, ms, count) {
  const file = path.join(dir, `${name}.jsonl`);
  const line = (i) => {
    const at = ms + i * 1000;
    const trade = {
      trade_time_ms: at,
      timestamp: new Date(at).toISOString(),
      symbol: "BTCUSD",
      side: "Buy",
      size: i + 1,
      price: 100 + i,
      tick_direction: "PlusTick",
      trade_id: `${name}-${i}`,
      cross_seq: at,
    };
    return `{"recv_ns":${at}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":${JSON.stringify({ topic: "trade.BTCUSD", data: [trade] })}}\n`;
  };
  fs.writeFileSync(file, Array.from({ length: count }, (_, i) => line(i)).join(""));
  return { file, from_ns: ms * 1e6, to_ns: (ms + (count - 1) * 1000) * 1e6 };
}

const importing = (t, archive, { file }) =>
  tapedeck(t, ["import", "-a", archive, "--format", "jsonl", "--family", "inverse", file]);
const gaps = (t, archive) => jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
const times = (rows) => rows.map((row) => [row.from_ns, row.to_ns]);

/** Every other verb that shows rows must show these. */
async function otherVerbs(t, archive, rows, round) {
  assert.deepEqual(
    (await json(t, ["replay", "-a", archive, "--json"], { status: rows.length > 0 ? 1 : 0 })).gaps,
    rows,
    round
  );
  assert.deepEqual(
    (await json(t, ["verify", "-a", archive, "--json"], { status: null })).gaps,
    rows,
    round
  );
  assert.equal((await json(t, ["info", "-a", archive, "--json"])).gaps, rows.length, round);
  const out = path.join(temporary(t), "set");
  await tapedeck(t, ["export", "-a", archive, "--format", "jsonl", "--out", out], {
    status: rows.length > 0 ? 1 : 0,
  });
  assert.deepEqual(manifestOf(out).gaps, rows, round);
}

/** `gaps` shows these rows, with the catalog and without; with allVerbs every verb that shows rows does. */
async function everywhere(t, archive, expected, { allVerbs = false } = {}) {
  for (const round of ["as it is", "without a catalog", "reindexed"]) {
    const rows = await gaps(t, archive);
    assert.deepEqual(times(rows), expected, round);
    for (const row of rows)
      assert.deepEqual(
        [
          row.reason,
          row.feed,
          row.line,
          row.shard,
          row.conn,
          row.topic,
          row.symbol,
          row.frames_lost,
        ],
        ["restart", "inverse", 0, 0, null, null, null, null],
        round
      );
    if (allVerbs) await otherVerbs(t, archive, rows, round);
    if (round === "as it is") deleteCatalog(archive);
    else if (round === "without a catalog") await tapedeck(t, ["reindex", "-a", archive]);
  }
  const before = catalogRows(archive);
  deleteCatalog(archive);
  await tapedeck(t, ["reindex", "-a", archive]);
  assert.equal(catalogRows(archive), before);
}

for (const order of [
  [0, 1],
  [1, 0],
])
  test(`two imports 422 days apart leave a row, ${order[0] < order[1] ? "the older one first" : "the newer one first"}`, async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const parts = [capture(dir, "a", NOON, 20), capture(dir, "b", NOON + 422 * DAY_MS, 20)];
    for (const i of order) await importing(t, archive, parts[i]);
    const people = await tapedeck(t, ["replay", "-a", archive], { status: 1 });
    assert.match(people.stdout, /Complete: no/);
    await everywhere(t, archive, [[parts[0].to_ns, parts[1].from_ns]], {
      allVerbs: order[0] < order[1],
    });
    // A selection within one session is complete.
    await tapedeck(t, [
      "replay",
      "-a",
      archive,
      "--from",
      "2021-04-17T12:00:05Z",
      "--to",
      "2021-04-17T12:00:10Z",
    ]);
  });

test("three imports leave the same rows in any order", async (t) => {
  const dir = temporary(t);
  const parts = [
    capture(dir, "a", NOON, 10),
    capture(dir, "b", NOON + DAY_MS, 10),
    capture(dir, "c", NOON + 3 * DAY_MS, 10),
  ];
  const expected = [
    [parts[0].to_ns, parts[1].from_ns],
    [parts[1].to_ns, parts[2].from_ns],
  ];
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [2, 1, 0],
  ]) {
    const archive = path.join(dir, `tape-${order.join("")}`);
    await importing(t, archive, parts[order[0]]);
    await importing(t, archive, parts[order[1]]);
    const [low, high] = [order[0], order[1]].sort();
    assert.deepEqual(
      times(await gaps(t, archive)),
      [[parts[low].to_ns, parts[high].from_ns]],
      order.join()
    );
    await importing(t, archive, parts[order[2]]); // a session in the middle splits the row
    assert.deepEqual(times(await gaps(t, archive)), expected, order.join());
  }
  await everywhere(t, path.join(dir, "tape-021"), expected);
});

test("sessions that overlap leave rows only for the time that none of them covers", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const whole = capture(dir, "whole", NOON, 60);
  const parts = [
    whole,
    capture(dir, "inside", NOON + 10_000, 10),
    capture(dir, "across", NOON + 50_500, 30),
    capture(dir, "touches", NOON + 79_500, 10),
  ];
  for (const part of parts) await importing(t, archive, part);
  assert.deepEqual(await gaps(t, archive), []);
  await tapedeck(t, ["replay", "-a", archive], { status: null }); // 1: rules find the repeated trades
  await importing(t, archive, capture(dir, "later", NOON + 100_000, 5));
  assert.deepEqual(times(await gaps(t, archive)), [[parts[3].to_ns, (NOON + 100_000) * 1e6]]);
});

test("a session that is silent for an hour does not cover that hour", async (t) => {
  const dir = temporary(t);
  const joined = path.join(dir, "joined.jsonl");
  const parts = [
    capture(dir, "a", NOON, 10),
    capture(dir, "b", NOON + 90 * 60_000, 10),
    capture(dir, "c", NOON + 422 * DAY_MS, 10),
  ];
  fs.writeFileSync(joined, parts.map(({ file }) => fs.readFileSync(file, "utf8")).join(""));
  const archive = path.join(dir, "tape");
  await importing(t, archive, { file: joined });
  const [gap, ...more] = await gaps(t, archive);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [gap.reason, gap.cause, gap.from_ns, gap.to_ns],
    ["restart", "nothing for an hour", parts[1].to_ns, parts[2].from_ns]
  );
  await everywhere(t, archive, [[gap.from_ns, gap.to_ns]]);
  // Another session within the silence splits the row, as usual.
  const inside = capture(dir, "inside", NOON + DAY_MS, 10);
  await importing(t, archive, inside);
  assert.deepEqual(times(await gaps(t, archive)), [
    [parts[1].to_ns, inside.from_ns],
    [inside.to_ns, parts[2].from_ns],
  ]);
});

test("pruned ranges are not gaps", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const days = [0, 1, 2, 3].map((i) => capture(dir, `d${i}`, NOON + i * DAY_MS, 10));
  for (const i of [3, 1, 0, 2]) await importing(t, archive, days[i]);
  assert.equal((await gaps(t, archive)).length, 3);
  await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-19"]);
  assert.deepEqual(times(await gaps(t, archive)), [[days[2].to_ns, days[3].from_ns]]);
  await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-20"]);
  assert.deepEqual(await gaps(t, archive), []);
  await importing(t, archive, capture(dir, "late", NOON + 5 * DAY_MS, 10));
  assert.deepEqual(times(await gaps(t, archive)), [[days[3].to_ns, (NOON + 5 * DAY_MS) * 1e6]]);
});

/** A recording of numbered frames that was stopped in order: its first and last received frame. */
async function record(t, archive, exchange) {
  const before = new Set(
    (await jsonList(t, ["ls", "-a", archive, "--json"], { status: null })).map((row) => row.segment)
  );
  const recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"]);
  await recorder.durableAfter(4);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const [made] = (await jsonList(t, ["ls", "-a", archive, "--json"])).filter(
    (row) => !before.has(row.segment)
  );
  const session = /-([0-9a-f]{8})-\d+\.mcap$/.exec(made.segment)[1];
  const frames = (
    await jsonLines(t, ["cat", "-a", archive, "--feed", "inverse", "--dir", "in"])
  ).filter((row) => row.session === session);
  return { from_ns: frames[0].recv_ns, to_ns: frames.at(-1).recv_ns };
}

test("imports before, between and beside recordings leave the same rows in any order", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const exchange = await numberedExchange(t, { symbols: ["BTCUSD"], rate: 200 });
  const first = await record(t, archive, exchange);
  // This capture is older than the recording, and imported after it.
  const old = capture(dir, "old", NOON, 20);
  await importing(t, archive, old);
  assert.deepEqual(times(await gaps(t, archive)), [[old.to_ns, first.from_ns]]);
  const second = await record(t, archive, exchange);
  const check = async (rows) => {
    const all = await gaps(t, archive);
    const covered = (ns) =>
      all.some((row) => row.topic === null && row.from_ns <= ns && row.to_ns >= ns);
    for (const [from_ns, to_ns] of rows) {
      for (let i = 0; i <= 10; i++)
        assert.ok(
          covered(from_ns + ((to_ns - from_ns) * i) / 10),
          JSON.stringify([from_ns, to_ns, all])
        );
      // A recording's row begins with its latest answered ping, or at the end of the row before.
      assert.ok(
        all.some((row) => row.from_ns <= from_ns && row.from_ns > from_ns - 2e9),
        `begins with the last frame: ${JSON.stringify([from_ns, all])}`
      );
    }
    return all;
  };
  await check([
    [old.to_ns, first.from_ns],
    [first.to_ns, second.from_ns],
  ]);
  const found = await compare(t, exchange, archive);
  assert.equal(found.uncovered, 0, JSON.stringify(found.worst));
  // A session in the middle of the long gap, which becomes two rows.
  const middle = capture(dir, "middle", NOON + 400 * DAY_MS, 20);
  await importing(t, archive, middle);
  const split = await check([
    [old.to_ns, middle.from_ns],
    [middle.to_ns, first.from_ns],
    [first.to_ns, second.from_ns],
  ]);
  assert.ok(
    !split.some((row) => row.from_ns < middle.from_ns && row.to_ns > middle.to_ns),
    "one row still spans the import"
  );
  // A session that overlaps the first recording: earlier rows stay as they are, and no time is
  // covered twice.
  const beside = capture(dir, "beside", Math.ceil(first.from_ns / 1e6) + 20 - 5_000, 6);
  await importing(t, archive, beside);
  const rows = await check([
    [old.to_ns, middle.from_ns],
    [middle.to_ns, beside.from_ns],
    [first.to_ns, second.from_ns],
  ]);
  assert.ok(
    !rows.some((row) => row.from_ns < first.from_ns && row.to_ns > beside.from_ns),
    JSON.stringify(rows)
  );
  await json(t, ["verify", "-a", archive, "--json"]);
});

/** Frames of one symbol that the exchange made between two of its times, as another tool captured them. */
function captureOf(dir, exchange, symbol, from_ns, to_ns) {
  const file = path.join(dir, `${symbol}-${from_ns}.jsonl`);
  const line = (at, n) => {
    const data = {
      topic: `trade.${symbol}`,
      data: [
        {
          trade_time_ms: 1618666000000 + n,
          timestamp: "2021-04-17T13:26:40.000Z",
          symbol,
          side: "Buy",
          size: 1,
          price: 60000.5,
          tick_direction: "ZeroPlusTick",
          trade_id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
          cross_seq: 5938950000 + n,
        },
      ],
    };
    return `{"recv_ns":${BigInt(Math.round(at))},"conn":0,"url":"${exchange.url}/realtime","data":${JSON.stringify(data)}}\n`;
  };
  const { made } = exchange.topics.get(`trade.${symbol}`);
  const lines = made.flatMap((at, n) => (at > from_ns && at <= to_ns ? [line(at, n)] : []));
  assert.ok(lines.length > 10, "the exchange made frames meanwhile");
  fs.writeFileSync(file, lines.join(""));
  return { file };
}

const BOTH = { symbols: ["BTCUSD", "ETHUSD"], rate: 200 };
const LATER = Infinity;
const lastMade = (exchange, symbol) => exchange.topics.get(`trade.${symbol}`).made.at(-1);

async function moreFrames(exchange, symbol, count) {
  const { made } = exchange.topics.get(`trade.${symbol}`);
  const end = made.length + count;
  await eventually(`${count} more frames of ${symbol}`, () => made.length >= end);
}

async function noneUncovered(t, exchange, archive) {
  const found = await compare(t, exchange, archive);
  assert.ok(found.missing > 0);
  assert.equal(
    found.uncovered,
    0,
    JSON.stringify({ ...found, holes: found.holes.length }, null, 1)
  );
}

/** A capture of XRPUSD, ten trades in 0.9 s from ms on. */
function otherCapture(dir, ms) {
  const line = (at) => {
    const trade = {
      trade_time_ms: at,
      timestamp: new Date(at).toISOString(),
      symbol: "XRPUSD",
      side: "Buy",
      size: 1,
      price: 100,
      tick_direction: "PlusTick",
      trade_id: `x-${at}`,
      cross_seq: at,
    };
    return `{"recv_ns":${at}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":${JSON.stringify({ topic: "trade.XRPUSD", data: [trade] })}}\n`;
  };
  const file = path.join(dir, "xrp.jsonl");
  fs.writeFileSync(file, Array.from({ length: 10 }, (_, i) => line(ms + i * 100)).join(""));
  return { file };
}

// These tests mostly wait for frames.
describe("imports between recordings", { concurrency: 5 }, () => {
  for (const [how, signal] of [
    ["stopped", "SIGTERM"],
    ["killed", "SIGKILL"],
  ])
    test(`an import between two recordings does not cover topics that it lacks: ${how}`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const exchange = await numberedExchange(t, BOTH);
      let recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"]);
      await recorder.durableAfter(5);
      await recorder.kill(signal);
      const ended = lastMade(exchange, "BTCUSD");
      await moreFrames(exchange, "BTCUSD", 200);
      await importing(t, archive, captureOf(dir, exchange, "BTCUSD", ended, LATER));
      recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"]);
      await recorder.durableAfter(5);
      await recorder.kill("SIGTERM");
      await noneUncovered(t, exchange, archive);
    });

  test("an import does not end the gap of a connection that was down when a recording ended", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const exchange = await numberedExchange(t, BOTH);
    const args = [
      ...exchange.args(),
      "--commit-interval",
      "100ms",
      "--max-topics-per-connection",
      "1",
    ];
    const open = async () => (await gaps(t, archive)).filter((row) => row.to_ns === null);
    let recorder = new Recorder(t, archive, args);
    await recorder.durableOn(["inverse|0", "inverse|1"]);
    await recorder.durableAfter(10);
    await recorder.kill("SIGTERM");
    const ended = lastMade(exchange, "ETHUSD");
    exchange.cutOff("trade.ETHUSD");
    recorder = new Recorder(t, archive, args);
    await moreFrames(exchange, "ETHUSD", 100);
    const until = lastMade(exchange, "ETHUSD");
    await recorder.durableAfter(8);
    await recorder.kill("SIGTERM");
    const [row, ...more] = await open();
    assert.deepEqual([row.shard, more], [1, []]);
    await importing(t, archive, captureOf(dir, exchange, "ETHUSD", ended, until));
    assert.deepEqual(await open(), [row]);
    exchange.allow("trade.ETHUSD");
    recorder = new Recorder(t, archive, args);
    while ((await open()).length > 0) await recorder.durableLine();
    await recorder.durableAfter(recorder.durableLines + 10);
    await recorder.kill("SIGTERM");
    await noneUncovered(t, exchange, archive);
  });

  for (const signal of ["SIGTERM", "SIGKILL"])
    test(`a capture of another topic over a recorder's end (${signal}) does not cover the recorded topics`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const exchange = await numberedExchange(t, { symbols: ["BTCUSD"], rate: 100 });
      const record = async (end) => {
        const recorder = new Recorder(t, archive, [
          ...exchange.args(),
          "--commit-interval",
          "100ms",
        ]);
        await recorder.durableAfter(8);
        await recorder.kill(end);
      };
      await record(signal);
      await tapedeck(t, ["recover", "-a", archive]);
      const last = Math.max(...(await recordedNumbers(t, archive)).get("trade.BTCUSD").values());
      await importing(t, archive, otherCapture(dir, Math.round(last / 1e6) - 300));
      // The capture continues for 0.6 s after the recorder's last frame: the next recording begins later.
      const { made } = exchange.topics.get("trade.BTCUSD");
      await eventually(
        "a frame is made after the capture's end",
        () => made.at(-1) >= last + 1.2e9
      );
      await record("SIGTERM");
      const found = await compare(t, exchange, archive);
      assert.ok(found.missing > 80, JSON.stringify(found));
      assert.equal(found.uncovered, 0, JSON.stringify(found, null, 1));
      const iso = (ns) => new Date(ns / 1e6).toISOString();
      await tapedeck(
        t,
        [
          "replay",
          "-a",
          archive,
          "--topic",
          "trade.BTCUSD",
          "--from",
          iso(last - 3e8),
          "--to",
          iso(last + 5e8),
        ],
        { status: 1 }
      );
    });
});
