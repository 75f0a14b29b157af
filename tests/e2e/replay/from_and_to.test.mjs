// The frames that --from and --to select. Expected values: docs/design.md ("TIME and DURATION") and the frames themselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { importLines, jsonLines, tapedeck } from "../support/harness.mjs";

const SECOND = 1_000_000_000;
const FIRST_S = 1618675200; // 2021-04-17T16:00:00Z

/** An archive with a trade each second, for a minute. */
async function minute(t) {
  const lines = Array.from(
    { length: 60 },
    (_, n) =>
      `${FIRST_S + n}.0: ${JSON.stringify({
        topic: "trade.BTCUSD",
        data: [
          {
            trade_time_ms: (FIRST_S + n) * 1000,
            timestamp: "2021-04-17T16:00:00.000Z",
            symbol: "BTCUSD",
            side: "Buy",
            size: 1,
            price: 60000.5,
            tick_direction: "PlusTick",
            trade_id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
            cross_seq: 1000 + n,
          },
        ],
      })}`
  );
  const archive = await importLines(t, lines, { format: "cryptofeed", family: "inverse" });
  return {
    archive,
    selected: async (...range) =>
      (await jsonLines(t, ["cat", "-a", archive, ...range]))
        .filter((row) => row.dir !== "event")
        .map((row) => Math.round((row.recv_ns - FIRST_S * SECOND) / SECOND)),
  };
}

const seconds = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);

test("--to +X counts from --from, or without --from from the first frame", async (t) => {
  const { selected } = await minute(t);
  assert.deepEqual(
    await selected("--from", "2021-04-17T16:00:20Z", "--to", "+10s"),
    seconds(20, 30)
  );
  assert.deepEqual(await selected("--from", "+20s", "--to", "+10s"), seconds(20, 30));
  assert.deepEqual(await selected("--to", "+10s"), seconds(0, 10));
  assert.deepEqual(await selected("--from", "+50s"), seconds(50, 60));
  assert.deepEqual(
    await selected("--from", "+50s", "--to", "2021-04-17T16:00:55Z"),
    seconds(50, 55)
  );
});

test("--from and --to accept times as tables print them: a space for the T, UTC without a zone", async (t) => {
  const { selected } = await minute(t);
  assert.deepEqual(
    await selected("--from", "2021-04-17 16:00:20.000", "--to", "2021-04-17T16:00:30"),
    seconds(20, 30)
  );
  assert.deepEqual(await selected("--from", "2021-04-18 00:00:20+08:00", "--to", "+1s"), [20]);
});

test("an empty or reversed range is refused with a hint", async (t) => {
  const { archive } = await minute(t);
  for (const range of [
    ["--from", "2021-04-17T16:00:30Z", "--to", "2021-04-17T16:00:20Z"],
    ["--from", "2021-04-17", "--to", "+0s"],
    ["--from", "5", "--to", "5"],
  ]) {
    for (const verb of [
      ["replay"],
      ["cat"],
      ["gaps"],
      ["ls"],
      ["export", "--format", "jsonl", "--out", `${archive}.out`],
      ["serve"],
    ]) {
      const end = await tapedeck(t, [...verb, "-a", archive, ...range], { status: 2 });
      assert.match(
        end.stderr,
        /the selected time is empty: it does not begin before its end/,
        verb[0]
      );
      assert.match(
        end.stderr,
        /hint: '--to \+10m' is ten minutes after --from; 'tapedeck info' shows/,
        verb[0]
      );
    }
  }
  const end = await tapedeck(
    t,
    ["replay", "-a", archive, "--from", "+50s", "--to", "2021-04-17T16:00:10Z"],
    { status: null }
  );
  assert.notEqual(end.code, 0);
});
