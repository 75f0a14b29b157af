// `tapedeck diff`: archives of made-up frames, so that their differences are known.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import {
  chunksOf,
  flipIn,
  importLines,
  json,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";

const START_MS = 1_795_154_400_000;

/** An archive of these trades [symbol, id], one every 10 ms. */
async function archiveOf(t, dir, name, trades, startMs = START_MS) {
  const line = ([symbol, id], i) => {
    const data = JSON.stringify({
      topic: `trade.${symbol}`,
      data: [{ symbol, trade_id: `${id}` }],
    });
    return { recv_ns: `${startMs + i * 10}000000`, conn: 0, data };
  };
  return importLines(t, trades.map(line), { archive: path.join(dir, name), family: "inverse" });
}

const btc = (...ids) => ids.map((id) => ["BTCUSD", id]);
const diff = (t, a, b, status, ...more) => json(t, ["diff", a, b, ...more, "--json"], { status });
const stretch = ({ side, symbol, frames, from_ns, to_ns }) =>
  [side, symbol, frames, (from_ns / 1e6 - START_MS) / 10, (to_ns / 1e6 - START_MS) / 10].map((v) =>
    typeof v === "number" ? Math.round(v) : v
  );

test("the same frames at other times and in other segments have no difference", async (t) => {
  const dir = temporary(t);
  const trades = [...btc(1, 2, 2, 3), ["ETHUSD", 1], ...btc(4)];
  const a = await archiveOf(t, dir, "a", trades);
  const b = await archiveOf(t, dir, "b", trades, START_MS + 7_000_000);
  const found = await diff(t, a, b, 0);
  assert.deepEqual(
    [found.verdict, found.same, found.only_a, found.only_b, found.moved, found.stretches],
    ["same", 6, 0, 0, 0, []]
  );
  assert.deepEqual(
    found.streams.map((s) => [s.feed, s.topic, s.symbol, s.same]),
    [
      ["inverse", "trade", "BTCUSD", 5],
      ["inverse", "trade", "ETHUSD", 1],
    ]
  );
  assert.match((await tapedeck(t, ["diff", a, b])).stdout, /^the same: 6 frames in both\n$/);
});

test("frames that one side lacks are listed with their times, repeated ones counted, moved ones reported", async (t) => {
  const dir = temporary(t);
  const a = await archiveOf(t, dir, "a", [...btc(0, 1, 2, 3, 4, 5, 5, 5), ["ETHUSD", 1]]);
  const b = await archiveOf(t, dir, "b", [...btc(0, 3, 4, 5, 9, 8, 5), ["EOSUSD", 1]]);
  const found = await diff(t, a, b, 1);
  assert.deepEqual(
    [found.verdict, found.same, found.only_a, found.only_b, found.moved],
    ["different", 5, 4, 3, 0]
  );
  // 1 and 2 of a; 9 and 8 of b; the third 5 of a; the only ones of ETHUSD and EOSUSD
  assert.deepEqual(found.stretches.map(stretch), [
    ["a", "BTCUSD", 2, 1, 2],
    ["b", "BTCUSD", 2, 4, 5],
    ["a", "BTCUSD", 1, 7, 7],
    ["b", "EOSUSD", 1, 7, 7],
    ["a", "ETHUSD", 1, 8, 8],
  ]);
  const back = await diff(t, b, a, 1);
  assert.deepEqual([back.only_a, back.only_b], [3, 4]);
  assert.equal((await diff(t, a, b, 1, "--symbol", "BTCUSD")).only_b, 2);
  assert.match(
    (await tapedeck(t, ["diff", a, b], { status: 1 })).stdout,
    /DIFFERENT: 5 frames in both, 4 only in a, 3 only in b\n$/
  );

  const c = await archiveOf(t, dir, "c", btc(0, 2, 1, 3));
  const d = await archiveOf(t, dir, "d", btc(0, 1, 2, 3));
  const moved = await diff(t, c, d, 1);
  assert.deepEqual(
    [moved.verdict, moved.same, moved.only_a + moved.only_b, moved.moved],
    ["different", 4, 0, 1]
  );
  const e = await archiveOf(t, dir, "e", btc(1, 2, 3, 0)); // one frame is later: from either side one has moved
  assert.deepEqual([(await diff(t, d, e, 1)).moved, (await diff(t, e, d, 1)).moved], [1, 1]);
});

test("stretches beyond the listed ones are counted; a damaged archive is status 3, a missing one 4", async (t) => {
  const dir = temporary(t);
  const ids = Array.from({ length: 2400 }, (_, i) => i);
  const a = await archiveOf(t, dir, "a", btc(...ids));
  const b = await archiveOf(t, dir, "b", btc(...ids.filter((id) => id % 2 === 0)));
  const found = await diff(t, a, b, 1);
  assert.deepEqual(
    [found.only_a, found.stretches.length, found.stretches_left_out],
    [1200, 1000, 200]
  );
  await tapedeck(t, ["diff", a, path.join(dir, "none")], { status: 4 });
  await tapedeck(t, ["diff", a], { status: 2 });
  assert.match(
    (await tapedeck(t, ["diff", a, b, "--symbol", "NONE"], { status: 4 })).stderr,
    /NONE/
  );
  const file = path.join(b, segments(b)[0]);
  flipIn(file, chunksOf(file)[0]);
  assert.equal((await diff(t, a, b, 3)).damaged, true);
});
