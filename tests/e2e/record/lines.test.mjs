// Two lines: one subscription over two connections, of which readers make one stream. Expected: the exchange's own account of sent
// frames, each of them once; the cuts that the test makes.
import assert from "node:assert/strict";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  eventually,
  json,
  jsonLines,
  jsonList,
  passed,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { isServedWhole, isWhole, printed, recorded, SYMBOLS } from "../support/lines.mjs";
import { PATHS, randomNumbers, Recorder, sentFrames } from "../support/recorders.mjs";

/** Cut the connections, each as often as the other, in random order and at random times, once both are live. */
async function cutLines(t, cuts, [leastMs, mostMs]) {
  const { archive, between, recorder } = await recorded(t),
    random = randomNumbers(cuts),
    cutAt = [],
    left = [cuts / 2, cuts / 2],
    begun = [0, 1];
  for (let n = 0; n < cuts; n++) {
    // Until both connections are live, and have brought the same frames.
    await printed(recorder, ": subscribed to", 2 + n);
    await recorder.durableAfter(recorder.durableLines + 6);
    await passed(leastMs + random() * (mostMs - leastMs));
    const line = random() * (left[0] + left[1]) < left[0] ? 0 : 1;
    left[line]--;
    cutAt.push(Date.now() * 1e6);
    between.cut(begun.indexOf(line));
    begun.push(...begun.splice(begun.indexOf(line), 1)); // its successor begins last
  }
  await printed(recorder, ": subscribed to", 2 + cuts);
  await recorder.durableAfter(recorder.durableLines + 10);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"]);
  assert.equal(gaps.length, cuts);
  assert.deepEqual(
    [0, 1].map((line) => gaps.filter((gap) => gap.line === line).length),
    [cuts / 2, cuts / 2]
  );
  // A connection is known to be complete until its last answered ping, one a second, or its beginning; how long ago that is depends
  // on the machine.
  const [grants, connects] = [
    await eventsOf(t, archive, "grant"),
    await eventsOf(t, archive, "connect"),
  ];
  const granted = (line, conn) =>
    Math.max(
      ...grants
        .filter((grant) => grant.line === line && grant.conn === conn)
        .map((grant) => grant.from_ns)
    );
  const begun_ns = (line, conn) =>
    connects.find((event) => event.line === line && event.conn === conn).at_ns;
  const early = [],
    late = [];
  for (const [n, gap] of gaps.sort((a, b) => a.from_ns - b.from_ns).entries()) {
    early.push((cutAt[n] - gap.from_ns) / 1e9);
    late.push((gap.to_ns - between.openedAt[2 + n]) / 1e9);
    assert.ok(gap.from_ns >= begun_ns(gap.line, gap.conn), `${n}`);
    assert.equal(gap.to_ns, granted(gap.line, gap.conn + 1), `${n}`);
  }
  t.diagnostic(
    `rows begin ${Math.max(...early).toFixed(2)} s before the cut at most, ${early.filter((s) => s > 1).length} of them over 1 s, and end ${Math.max(...late).toFixed(2)} s after the next connection`
  );
  assert.ok(
    [...early, ...late].every((s) => s > -0.1),
    JSON.stringify([early, late])
  );
  await isWhole(t, archive);
  await isServedWhole(t, archive);
  assert.deepEqual(
    gaps.filter((gap) => gap.covered_by === null),
    []
  );
  const report = await json(t, ["replay", archive, "--json"]);
  assert.equal(report.verdict, "complete", JSON.stringify(report.reasons ?? report));
  await tapedeck(t, ["verify", archive]);
}

describe("two lines", { concurrency: true }, () => {
  test("everything is recorded twice and read once", async (t) => {
    const { archive, recorder, args } = await recorded(t);
    await recorder.durableAfter(80);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const [first, second] = (await eventsOf(t, archive, "disconnect")).map((row) => row.in);
    assert.ok(first > 100 && second > 100, `${first} ${second}`);
    const report = await json(t, ["replay", archive, "--json"]);
    assert.equal(report.verdict, "complete", JSON.stringify(report));
    // Nearly every frame came twice, and once first.
    assert.ok(
      report.line_copies > 0.8 * report.decoded && report.line_copies <= report.decoded,
      `${report.line_copies}`
    );
    assert.equal(
      report.lines.reduce((sum, { first }) => sum + first, 0),
      report.decoded
    );
    assert.match(
      (await tapedeck(t, ["replay", archive])).stdout,
      /frames came over another line, too, and are read once:\n  line 0 brought [\d,]+ frames? first/
    );
    await isWhole(t, archive);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    // On a loaded machine frames may be late, but nothing is missing.
    assert.deepEqual(
      (await json(t, ["days", archive, "--json"], { status: null })).days.map(
        (day) => day.missing_ns
      ),
      [0, 0]
    );
    await tapedeck(t, ["verify", archive]);
    // Time that both lines received is received once.
    const check = await json(t, ["record", "--check", "-a", archive, ...args, "--json"]),
      info = await json(t, ["info", archive, "--json"]);
    assert.equal(check.connections, 2);
    const day = (info.bytes * 86_400e9) / (info.last_ns - info.first_ns);
    assert.ok(
      Math.abs(info.feeds[0].day_bytes / day - 1) < 0.01,
      `${info.feeds[0].day_bytes} ${day}`
    );
    // A cut has both lines, and reads the same.
    const cut = path.join(temporary(t), "cut.mcap");
    await tapedeck(t, ["cut", archive, "--out", cut]);
    assert.deepEqual((await json(t, ["replay", cut, "--json"])).digest, report.digest);
  });

  for (const [lines, times, options] of [
    [1, 4, {}],
    [2, 4, {}],
    [1, 24, { skip: tooLong }],
    [2, 24, { skip: tooLong }],
  ])
    test(
      `connections are replaced at their greatest age by others that have taken over: ${lines} lines, ${times} times`,
      options,
      async (t) => {
        // A connection has had its topics for 3 s when it has taken over. With two lines one is replaced every 4 s.
        const { archive, recorder, args } = await recorded(t, {
          lines,
          more: ["--max-age", lines === 1 ? "5s" : "8s"],
        });
        await printed(recorder, "at its greatest age", times);
        assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
        const ends = (await eventsOf(t, archive, "disconnect")).filter(
          ({ cause }) => cause === "replaced"
        );
        assert.equal(ends.length, times);
        for (const [i, end] of ends.entries())
          if (i > 0) {
            assert.notEqual(end.line, ends[i - 1].line);
            assert.ok(end.at_ns - ends[i - 1].at_ns > 1e9, `${end.at_ns - ends[i - 1].at_ns}`);
          }
        await isWhole(t, archive);
        await isServedWhole(t, archive);
        assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
        assert.deepEqual(
          (await json(t, ["days", archive, "--json"], { status: null })).days.map(
            (day) => day.missing_ns
          ),
          [0, 0]
        );
        const report = await json(t, ["replay", archive, "--json"]);
        assert.equal(report.verdict, "complete", JSON.stringify(report));
        // The next session begins a gap for each connection that was recording at the end, and none for those that were replaced: one
        // for each line, and one more if another connection was about to take over.
        const next = new Recorder(t, archive, args);
        await printed(next, ": subscribed to", lines);
        assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
        const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
        // A line that is back before the other one covers a part of the other's gap.
        const lost = gaps.filter(({ covered_by }) => covered_by === null);
        const slots = new Set(lost.map(({ line }) => line)).size;
        assert.ok(slots === lines || slots === lines + 1, JSON.stringify(gaps));
        assert.ok(
          gaps.every(({ reason }) => reason === "restart"),
          JSON.stringify(gaps)
        );
        await tapedeck(t, ["verify", archive]);
        // So does a recorder that was killed, some time after a connection was replaced.
        const killed = new Recorder(t, archive, [...args, "--commit-interval", "100ms"]);
        await printed(killed, "at its greatest age", lines);
        await killed.durableAfter(killed.durableLines + 6);
        await killed.kill("SIGKILL");
        await tapedeck(t, ["recover", archive]);
        const crashes = (
          await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null })
        ).filter(({ reason }) => reason === "crash");
        // One more if another connection was about to take over.
        assert.ok(
          crashes.length === lines || crashes.length === lines + 1,
          JSON.stringify(crashes)
        );
      }
    );

  test("a line that is down at the end: its gap is covered until then", async (t) => {
    const { archive, between, recorder, args } = await recorded(t);
    await recorder.durableAfter(recorder.durableLines + 6);
    between.refuse(true);
    between.cut(1);
    await recorder.prints(/cannot connect/);
    await recorder.durableAfter(recorder.durableLines + 10);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    between.refuse(false);
    const next = new Recorder(t, archive, args);
    await printed(next, ": subscribed to", 2);
    assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    const [covered] = gaps.sort((a, b) => a.from_ns - b.from_ns),
      rest = gaps.filter(({ covered_by }) => covered_by === null);
    assert.match(covered.covered_by, /^line [01]$/);
    assert.ok(rest.length >= 2 && rest.every(({ to_ns }) => to_ns !== null), JSON.stringify(gaps));
    // Only the time between the sessions is missing.
    const first = Math.min(...rest.map(({ from_ns }) => from_ns)),
      last = Math.max(...rest.map(({ to_ns }) => to_ns));
    // The other line proves what it has by answers to its pings.
    const line = Number(covered.covered_by.slice("line ".length));
    const controls = (await jsonLines(t, ["cat", "-a", archive, "--topic", "_control"])).filter(
      (row) => row.line === line && row.recv_ns < covered.to_ns
    );
    const sent = controls
      .filter(({ dir, data }) => dir === "out" && JSON.parse(data).op === "ping")
      .map(({ recv_ns }) => recv_ns);
    const answered = controls.filter(
      ({ dir, data }) => dir === "in" && JSON.parse(data).ret_msg === "pong"
    ).length;
    assert.ok(
      answered > 0 && first >= sent[answered - 1] - 1e5,
      JSON.stringify([gaps, sent, answered])
    );
    for (const day of (await json(t, ["days", archive, "--json"], { status: null })).days)
      assert.ok(day.missing_ns <= last - first + 1024, `${day.missing_ns} ${last - first}`);
  });

  test("a line that ends before a slower one has brought a frame of it is read once", async (t) => {
    const { archive, between, recorder, truth } = await recorded(t, {
      rate: 200,
      delayMs: (n) => (n === 2 ? 1000 : 0),
    });
    await recorder.durableAfter(recorder.durableLines + 6);
    between.cut(0);
    // The third connection has its subscriptions: frames follow the answers, all of it under way, when the other line ends.
    const sent = () =>
      [...(sentFrames(truth).get(PATHS["v5-linear"])?.values() ?? [])][2]?.size ?? 0;
    await eventually("the third connection has its topics", () => sent() > 20);
    between.cut(0); // the other line
    await printed(recorder, ": subscribed to", 4);
    await recorder.durableAfter(recorder.durableLines + 20);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    // The first line's row is covered in part; what no line is proven to have is a row of both.
    const lost = rows.filter(({ covered_by }) => covered_by === null);
    const isLost = (from_ns, to_ns) =>
      lost.some((row) => row.from_ns <= to_ns && row.to_ns >= from_ns);
    for (const symbol of SYMBOLS) {
      const rowsOf = async (topic) =>
        (
          await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", `${topic}.${symbol}`])
        ).map(({ recv_ns, data }) => ({ recv_ns, data: JSON.parse(data).data }));
      const ids = (await rowsOf("publicTrade")).flatMap(({ data }) => data.map(({ i }) => i));
      assert.equal(new Set(ids).size, ids.length, symbol);
      // On a busy machine the other line may lack frames of before the third connection: a row has that time.
      const frames = await rowsOf("orderbook.50");
      for (let i = 1; i < frames.length; i++) {
        const [before, next] = frames.slice(i - 1, i + 1);
        assert.ok(
          next.data.u === before.data.u + 1 ||
            (next.data.u > before.data.u && isLost(before.recv_ns, next.recv_ns)),
          `${symbol}: ${before.data.u}, ${next.data.u}: ${JSON.stringify(rows)}`
        );
      }
    }
    assert.ok(rows.length > lost.length, JSON.stringify(rows));
    assert.ok(
      lost.every(({ from_ns, to_ns }) => to_ns - from_ns < 3e9),
      JSON.stringify(rows)
    );
    // Books are doubted only where a row is, until the next frame. The snapshot of a quiet topic may be returned late, when it is
    // certain that its frame is no copy.
    const doubted_ns =
      lost.length === 0 ? 0 : Math.max(...lost.map(({ from_ns, to_ns }) => to_ns - from_ns)) + 1e9;
    for (const { degraded_ns, reasons } of (
      await json(t, ["days", archive, "--json"], { status: null })
    ).days)
      assert.ok(
        degraded_ns === 0 ||
          /late/.test(reasons) ||
          (/disconnect/.test(reasons) && degraded_ns <= doubted_ns),
        `${degraded_ns} ${reasons}: ${JSON.stringify(lost)}`
      );
    // A frame's line, shard, connection and number name it.
    const names = (await jsonLines(t, ["cat", "-a", archive]))
      .filter(({ dir }) => dir === "in")
      .map(({ line, shard, conn, ordinal }) => `${line}/${shard}/${conn} ${ordinal}`);
    assert.equal(new Set(names).size, names.length);
    await tapedeck(t, ["verify", archive]);
  });

  test("a feed has one or two lines", async (t) => {
    const dir = temporary(t);
    for (const [lines, words] of [
      ["0", /--lines: '0' is not in the range 1 to 2/],
      ["3", /--lines: '3' is not in the range 1 to 2/],
      ["two", /--lines: 'two' is not a whole number/],
    ]) {
      const { stderr } = await tapedeck(
        t,
        [
          "record",
          "-a",
          path.join(dir, "tape"),
          "--family",
          "v5-linear",
          "--topic",
          "tickers.BTCUSDT",
          "--lines",
          lines,
        ],
        { status: 2 }
      );
      assert.match(stderr, words);
    }
  });

  // For a long run: TAPEDECK_CUTS=200. With these pauses a connection lives long enough to be restored at once.
  for (const [cuts, pausesMs, options] of [
    [8, [0, 0], {}],
    [Number(process.env.TAPEDECK_CUTS ?? 30), [1000, 8000], { skip: tooLong }],
  ])
    test(
      `a connection that is cut loses nothing, needs no new snapshot, and its gap is covered: ${cuts} cuts`,
      options,
      (t) => cutLines(t, cuts, pausesMs)
    );
});
