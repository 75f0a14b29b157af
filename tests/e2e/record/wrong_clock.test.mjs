// A wrong wall clock: its effect on the times of frames, on the ledger, and on later sessions. The exchange numbers its frames
// and knows when it made each (numbered_exchange.mjs). Expected: docs/recording.md ("Times"), and docs/import.md ("Times") for
// imports.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  importLines,
  json,
  jsonLines,
  jsonList,
  passed,
  Program,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import {
  compare,
  EXCESS_MS_MAX,
  numberedExchange,
  recordedNumbers,
} from "../support/numbered_exchange.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";
import { test } from "../support/npm_packages.mjs";

const DAY_MS = 24 * 3600_000;
const DAY_NS = DAY_MS * 1e6;
const S = 1e9;
// A busy machine reads a frame seconds late; a wrong clock differs by days.
const LATE_NS = 20 * S;

/** A recorder of an exchange, whose wall clock the test moves. */
async function recorderWithMovedClock(t) {
  const dir = temporary(t);
  const exchange = await numberedExchange(t, { rate: 100 });
  const clock = new MovedClock(dir);
  const archive = path.join(dir, "tape");
  const record = () =>
    new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"], clock.options);
  return { dir, exchange, clock, archive, record };
}

/** Wait until this many more chunks are durable. */
const more = (recorder, chunks = 5) => recorder.durableAfter(recorder.durableLines + chunks);

async function stop(recorder) {
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
}

/** The largest difference, in s, between a frame's receive time and the time when it was made. */
async function worstTime(t, archive, exchange) {
  let worst = 0;
  for (const [topic, numbers] of await recordedNumbers(t, archive))
    for (const [n, recv_ns] of numbers)
      worst = Math.max(worst, Math.abs(recv_ns - exchange.topics.get(topic).made[n]));
  return worst / S;
}

/** Frames are in the order of their numbers, and the archive is sound. */
async function checkOrder(t, archive) {
  const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
  const numbers = rows
    .map((row) => /"trade_id":"00000000-0000-4000-8000-(\d{12})"/.exec(row.data)?.[1])
    .filter((n) => n !== undefined);
  assert.deepEqual(numbers, [...numbers].sort(), "replay has the order of receipt");
  assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
}

describe("a wall clock that is wrong", { concurrency: 2, skip: withoutMovedClock }, () => {
  test("a clock 30 days ahead for a while, then right, then a restart: every frame has its true time", async (t) => {
    const { exchange, clock, archive, record } = await recorderWithMovedClock(t);
    const first = record();
    await more(first);
    clock.set(30 * DAY_MS);
    await first.prints(/wall clock stepped forward/);
    const { in: before } = first.durable.get("inverse|1|0|0");
    await first.durableLine((durable) => durable.in >= before + 200); // 2 s of frames: after 10 s the step is adopted
    clock.set(0);
    await first.prints(/no receive time was changed/);
    await more(first);
    await stop(first);
    const second = record();
    await more(second);
    await stop(second);
    const worst = await worstTime(t, archive, exchange);
    assert.ok(worst < LATE_NS / S, `a receive time is wrong by ${worst} s`);
    await checkOrder(t, archive);
    const ledger = await compare(t, exchange, archive);
    assert.deepEqual(
      [ledger.uncovered, ledger.excess_ms <= EXCESS_MS_MAX],
      [0, true],
      JSON.stringify(ledger, null, 1)
    );
    assert.deepEqual(
      ledger.rows.map((row) => row.reason),
      ["restart"]
    );
    // On a loaded machine the recorder may also note that it did not run.
    const [seen, back, ...others] = (await eventsOf(t, archive, "clock")).filter(
      (event) => event.state !== "paused"
    );
    assert.deepEqual([seen.state, back.state, others], ["seen", "withdrawn", []]);
    assert.ok(
      Math.abs(seen.step_ns - 30 * DAY_NS) < LATE_NS &&
        Math.abs(seen.wall_ns - seen.at_ns - 30 * DAY_NS) < LATE_NS,
      JSON.stringify(seen)
    );
    assert.match(first.stderr, /wall clock stepped forward by (2592000|2591999)\.\d+ s/); // 2591999: on a busy machine up to 1 s passes before the clock is read
    assert.doesNotMatch(second.stderr, /clock/);
  });

  test("an archive that ends in the future does not change the times of the next session", async (t) => {
    const { exchange, clock, archive, record } = await recorderWithMovedClock(t);
    clock.set(30 * DAY_MS);
    const poisoned = record();
    await more(poisoned);
    await stop(poisoned);
    const ahead = await recordedNumbers(t, archive);
    clock.set(0);
    const right = record();
    await more(right);
    await right.kill("SIGKILL");
    const again = record(); // recovers the session before
    await more(again);
    await stop(again);
    assert.match(
      right.stderr,
      /warning tapedeck record: .*the archive ends at .*, 30 d.* after the wall clock/
    );
    assert.match(again.stderr, /warning tapedeck record: .*the archive ends at /);
    const numbers = (await recordedNumbers(t, archive)).get("trade.BTCUSD");
    const made = exchange.topics.get("trade.BTCUSD").made;
    for (const [n, recv_ns] of numbers) {
      const early = ahead.get("trade.BTCUSD").has(n) ? 30 * DAY_NS : 0;
      assert.ok(
        Math.abs(recv_ns - early - made[n]) < LATE_NS,
        `frame ${n} is wrong by ${(recv_ns - early - made[n]) / S} s`
      );
    }
    // The time between the sessions with right times is a row, and no row reaches into the future.
    const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    for (const row of rows)
      assert.ok(row.to_ns !== null && row.to_ns >= row.from_ns, JSON.stringify(row));
    const now_ns = Date.now() * 1e6;
    assert.ok(
      rows.some((row) => row.reason === "crash" && row.from_ns < now_ns && row.to_ns < now_ns),
      JSON.stringify(rows)
    );
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
    // A follower gets the frames that are written now, although others have times in the future.
    const last = record();
    const follower = new Program(t, "tapedeck", [
      "cat",
      "-a",
      archive,
      "--follow",
      "--from",
      "now",
    ]);
    await last.until(follower.line((line) => JSON.parse(line).recv_ns < now_ns + DAY_NS));
    follower.kill("SIGTERM");
    await stop(last);
  });

  test(
    "the recorder adopts a step that lasts, and begins a new session when the clock then steps back",
    { skip: tooLong },
    async (t) => {
      const { exchange, clock, archive, record } = await recorderWithMovedClock(t);
      const recorder = record();
      await more(recorder);
      clock.set(DAY_MS);
      await recorder.prints(/the wall clock's step by 86400\.\d+ s is adopted/);
      await more(recorder);
      clock.set(0);
      await recorder.prints(/a new session begins/);
      await recorder.line((line) => JSON.parse(line).recorded !== undefined);
      await more(recorder);
      await stop(recorder);
      assert.equal(
        new Set((await jsonLines(t, ["cat", "-a", archive])).map((row) => row.session)).size,
        2
      );
      const states = (await eventsOf(t, archive, "clock")).map((event) => event.state);
      for (const state of ["seen", "adopted", "new_session"])
        assert.ok(states.includes(state), `${state}: ${states}`);
      // Frames before the recorder adopted the step, and after the new session began, have true times.
      const wrong = new Set();
      for (const [n, recv_ns] of (await recordedNumbers(t, archive)).get("trade.BTCUSD")) {
        const off = recv_ns - exchange.topics.get("trade.BTCUSD").made[n];
        if (Math.abs(off) > LATE_NS) wrong.add(Math.round(off / DAY_NS));
      }
      assert.deepEqual([...wrong], [1]);
      // Frames made between the two sessions lie within a row, although the first one ended a day ahead.
      const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
      const numbers = (await recordedNumbers(t, archive)).get("trade.BTCUSD");
      const { made } = exchange.topics.get("trade.BTCUSD");
      const missing = [];
      for (let n = Math.min(...numbers.keys()); n < Math.max(...numbers.keys()); n++)
        if (!numbers.has(n)) missing.push(made[n]);
      for (const ns of missing)
        assert.ok(
          rows.some((row) => row.from_ns <= ns && row.to_ns >= ns - S / 500),
          `${ns}: ${JSON.stringify(rows)}`
        );
      assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
      const ledger = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
      for (const row of ledger)
        assert.ok(row.to_ns !== null && row.to_ns >= row.from_ns, JSON.stringify(row));
    }
  );

  test("a recorder that was stopped for 3 s records the beginning and end of that time", async (t) => {
    const { clock, archive, record } = await recorderWithMovedClock(t);
    const recorder = record();
    await more(recorder);
    const from_ns = Date.now() * 1e6;
    recorder.child.kill("SIGSTOP");
    await passed(3000); // as long as it does not run
    const to_ns = Date.now() * 1e6;
    recorder.child.kill("SIGCONT");
    await recorder.prints(/did not run/);
    await more(recorder);
    await stop(recorder);
    assert.equal(clock.ms, 0);
    // On a loaded machine there may be others.
    const late = (await eventsOf(t, archive, "clock")).filter(
      (event) => event.state === "paused" && event.from_ns < to_ns && event.to_ns > from_ns + S / 2
    );
    assert.equal(late.length, 1, JSON.stringify(late));
    assert.ok(
      late[0].from_ns < from_ns + S / 2 && late[0].to_ns > to_ns - S / 2,
      JSON.stringify([from_ns, to_ns, late])
    );
  });
});

describe("times of imports", { concurrency: 2 }, () => {
  const trade = (n) =>
    `{"topic":"trade.BTCUSD","data":[{"trade_time_ms":1618677786587,"timestamp":"2021-04-17T16:43:06.000Z","symbol":"BTCUSD","side":"Buy","size":${n},"price":60622,"tick_direction":"PlusTick","trade_id":"1d28db3f-725d-5f15-9d9a-dd680bbb${String(n).padStart(4, "0")}","cross_seq":${5938955470 + n}}]}`;
  const wrapper = (recv_ns, n) => `{"recv_ns":${recv_ns},"data":${trade(n)}}`;
  const seconds = (text) => BigInt(Date.parse(text)) * 1_000_000n;

  test("lines with times outside 1990 to 2100 are malformed, and affect no other line", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const good = [
      seconds("1990-01-01T00:00:00Z"),
      seconds("2021-04-17T16:43:06Z"),
      seconds("2021-04-17T16:43:07Z"),
      seconds("2099-12-31T23:59:59Z"),
    ];
    const bad = [
      1n,
      seconds("1989-12-31T23:59:59Z"),
      seconds("2100-01-01T00:00:00Z"),
      seconds("2100-01-02T00:00:00Z"),
      (1n << 63n) - 1n,
      1n << 63n,
      (1n << 64n) - 1n,
    ];
    const lines = [...good, ...bad].map((ns, i) => wrapper(ns, i + 1));
    const jsonl = path.join(dir, "a.jsonl");
    fs.writeFileSync(jsonl, lines.join("\n") + "\n");
    const report = await json(
      t,
      ["import", "-a", archive, "--format", "jsonl", "--family", "inverse", "--json", jsonl],
      { status: 1 }
    );
    assert.deepEqual(
      [report.files[0].feeds[0].frames, report.files[0].malformed],
      [good.length, bad.length]
    );
    assert.deepEqual(
      report.files[0].malformed_lines.map((line) => line.line),
      bad.map((_, i) => good.length + i + 1)
    );
    for (const line of report.files[0].malformed_lines.slice(0, -2))
      assert.match(line.reason, /1990.*2100/);
    const cryptofeed = path.join(dir, "b.txt");
    fs.writeFileSync(
      cryptofeed,
      `9223372036.854775807: ${trade(20)}\n1618677790.5: ${trade(21)}\n4102444801.0: ${trade(22)}\n`
    );
    const second = await json(
      t,
      ["import", "-a", archive, "--family", "inverse", "--json", cryptofeed],
      { status: 1 }
    );
    assert.deepEqual([second.files[0].feeds[0].frames, second.files[0].malformed], [1, 2]);
    const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
    assert.equal(rows.length, good.length + 1);
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
  });

  test("any value of the exchange's own time is accepted: every verb reads the frames after it", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const own = [
      "0",
      "1",
      "9223372036854",
      "9223372036855",
      "18446744073709",
      "18446744073710",
      "9223372036854775807",
      "9223372036854775808",
      "18446744073709551615",
    ];
    const file = path.join(dir, "own.jsonl");
    const at = seconds("2021-04-17T16:43:06Z");
    fs.writeFileSync(
      file,
      own.map((ms, i) => wrapper(at + BigInt(i), i + 1).replace("1618677786587", ms)).join("\n") +
        "\n"
    );
    const report = await json(t, [
      "import",
      "-a",
      archive,
      "--format",
      "jsonl",
      "--family",
      "inverse",
      "--json",
      file,
    ]);
    assert.equal(report.files[0].feeds[0].frames, own.length);
    assert.equal((await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length, own.length);
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
    const { frames } = JSON.parse(
      (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: 1 })).stdout
    );
    assert.equal(frames, own.length);
    for (const format of ["jsonl", "tardis-csv"]) {
      const end = await tapedeck(
        t,
        ["export", "-a", archive, "--format", format, "--out", path.join(dir, format)],
        { status: null }
      );
      assert.ok([0, 1].includes(end.code), `${format}: ${end.code} ${end.stderr}`);
    }
    assert.equal((await json(t, ["info", "-a", archive, "--json"])).frames, own.length);
  });

  test(
    "a frame of 2099 does not change the times of a recorder of the same feed",
    { skip: withoutMovedClock },
    async (t) => {
      const { dir, exchange, archive, record } = await recorderWithMovedClock(t);
      await importLines(t, [wrapper(seconds("2099-06-01T00:00:00Z"), 1)], {
        archive,
        family: "inverse",
      });
      const recorder = record();
      await more(recorder);
      await stop(recorder);
      const made = exchange.topics.get("trade.BTCUSD").made;
      const recorded = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter((row) =>
        row.data.includes("0000-4000-8000")
      );
      assert.ok(recorded.length > 10);
      for (const row of recorded) {
        const n = Number(/8000-(\d{12})"/.exec(row.data)[1]);
        assert.ok(
          Math.abs(row.recv_ns - made[n]) < LATE_NS,
          `frame ${n} has ${row.recv_ns}, made at ${made[n]}`
        );
      }
      assert.match(recorder.stderr, /the archive ends at 2099-06-01/);
    }
  );
});
