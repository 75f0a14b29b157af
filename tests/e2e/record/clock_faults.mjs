// A wall clock that is wrong over restarts, for `make soak` (see recorder_faults.mjs), with an exchange that numbers its frames
// (numbered_exchange.mjs). Expected values: when the exchange made each frame, and what the recorders announced.
import assert from "node:assert/strict";
import path from "node:path";
import { json, jsonLines, jsonList, passed, tapedeck } from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange, recordedNumbers } from "../support/numbered_exchange.mjs";
import { MovedClock } from "../support/moved_clock.mjs";

const S = 1e9;
const DAY_MS = 24 * 3600_000;
/** One session: how far its clock is wrong (ms), whether it jumps for a moment in between, and how it ends. */
async function session(t, archive, exchange, clock, { wrong, jumps, signal }) {
  clock.set(wrong);
  const recorder = new Recorder(
    t,
    archive,
    [...exchange.args(), "--commit-interval", "100ms"],
    clock.options
  );
  await recorder.durableAfter(4);
  if (jumps !== 0) {
    clock.set(wrong + jumps);
    await recorder.prints(/stepped (forward|back)/);
    clock.set(wrong);
    await recorder.prints(/no receive time was changed/);
  }
  await recorder.durableAfter(recorder.durableLines + 4);
  const end = await recorder.kill(signal);
  assert.ok(end.code === 0 || end.signal === signal, end.stderr);
  recorder.wrong_ns = wrong * 1e6;
  return recorder;
}

/** Counts frames of all connections: {announced, kept, lost}; every announced frame must be in the archive. */
async function account(t, archive, recorders) {
  const have = new Map();
  for (const row of await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]))
    have.set(
      `${row.session}|${row.conn}`,
      Math.max(row.ordinal, have.get(`${row.session}|${row.conn}`) ?? 0)
    );
  const sum = { announced: 0, lost: 0, kept: [...have.values()].reduce((a, b) => a + b, 0) };
  for (const recorder of recorders)
    for (const [key, count] of recorder.durable) {
      const there = have.get(`${recorder.firstSession}|${key.split("|")[1]}`) ?? 0;
      sum.announced += count.in;
      sum.lost += Math.max(0, count.in - there);
    }
  return sum;
}

/** Sessions whose clocks are right, or days ahead, or jump: frames have the time of their session's clock, and frames made
 * between two sessions lie within a row. */
export async function restarts(t, dir, { rounds, random }) {
  const archive = path.join(dir, "tape");
  const exchange = await numberedExchange(t, { rate: 100 });
  const clock = new MovedClock(dir);
  const recorders = [];
  for (let round = 0; round < rounds; round++) {
    const wrong = round % 3 === 1 ? DAY_MS * (1 + Math.floor(random() * 30)) : 0;
    const jumps = round % 2 === 0 ? DAY_MS * (random() < 0.5 ? 30 : -30) : 0;
    recorders.push(
      await session(t, archive, exchange, clock, {
        wrong,
        jumps,
        signal: random() < 0.5 ? "SIGTERM" : "SIGKILL",
      })
    );
    if (random() < 0.3) await passed(1000); // time passes while no recorder runs
  }
  recorders.push(
    await session(t, archive, exchange, clock, { wrong: 0, jumps: 0, signal: "SIGTERM" })
  );
  assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
  const wrong_of = new Map(recorders.map((recorder) => [recorder.firstSession, recorder.wrong_ns]));
  const { made } = exchange.topics.get("trade.BTCUSD");
  const session_of = new Map(
    (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).map((row) => [
      /"trade_id":"[^"]*-(\d{12})"/.exec(row.data)?.[1],
      row.session,
    ])
  );
  const numbers = (await recordedNumbers(t, archive)).get("trade.BTCUSD");
  for (const [n, recv_ns] of numbers) {
    const off = recv_ns - made[n] - wrong_of.get(session_of.get(String(n).padStart(12, "0")));
    assert.ok(Math.abs(off) < S, `frame ${n} is wrong by ${off / S} s`);
  }
  const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
  for (const row of rows)
    assert.ok(row.to_ns === null || row.to_ns >= row.from_ns, JSON.stringify(row));
  let missing = 0;
  for (let n = Math.min(...numbers.keys()); n < Math.max(...numbers.keys()); n++) {
    if (numbers.has(n)) continue;
    missing++;
    assert.ok(
      rows.some(
        (row) => row.from_ns <= made[n] + S / 100 && (row.to_ns ?? Infinity) >= made[n] - S / 100
      ),
      `frame ${n}, made at ${made[n]}: ${JSON.stringify(rows)}`
    );
  }
  await tapedeck(t, ["replay", "-a", archive], { status: null });
  const sum = await account(t, archive, recorders);
  return {
    fault: "the clock wrong over restarts",
    tried: rounds,
    ...sum,
    note: `${missing} frames made between sessions, each within one of ${rows.length} rows`,
  };
}
