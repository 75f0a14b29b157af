// Several archives of recorders of the same feeds, answered for as one. Expected: the intersection of the archives' own rows, the
// trades that a recorder without an outage has, and the answers about the archive that `merge` makes of them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import {
  FRAMES_MS,
  importLines,
  json,
  jsonLines,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { cephStore, withoutCeph } from "../support/ceph.mjs";
import { recordersOf, TOPICS } from "../support/lines.mjs";

/** Recorders of one exchange: east, west, and one that is never interrupted. */
async function recorders(t, { topics = {}, names = ["east", "west", "always"] } = {}) {
  const exchange = await recordersOf(t, { deadlineMs: 3_000_000 });
  const start = (name, family) => exchange.start(name, { family, topics: topics[name] });
  const running = await Promise.all(names.map((name) => start(name)));
  return { ...exchange, start, running };
}

const stop = async (recorder) =>
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
/** Some seconds: a row of a recorder that is killed earlier begins before its first frame, as no ping was answered since. */
const settled = (recorder) => recorder.durableAfter(recorder.durableLines + 25);

/** The intervals of rows that lose something, overlapping ones joined. */
function intervals(rows) {
  const joined = [];
  const lost = rows.filter(({ covered_by }) => covered_by === null);
  for (const { from_ns, to_ns } of lost.sort((a, b) => a.from_ns - b.from_ns)) {
    const last = joined.at(-1);
    if (last !== undefined && from_ns <= last[1] + 2048) last[1] = Math.max(last[1], to_ns);
    else joined.push([from_ns, to_ns]);
  }
  return joined;
}

/** What two lists of intervals have in common. */
const intersection = (a, b) =>
  a
    .flatMap(([from, to]) => b.map(([x, y]) => [Math.max(from, x), Math.min(to, y)]))
    .filter(([from, to]) => from < to)
    .sort(([a], [b]) => a - b);

/** JSON's numbers are rounded to 256 ns. */
function isClose(a, b, message) {
  assert.equal(a.length, b.length, `${message}: ${JSON.stringify([a, b])}`);
  a.forEach((row, i) =>
    row.forEach((ns, k) =>
      assert.ok(Math.abs(ns - b[i][k]) <= 2048, `${message}: ${ns} ${b[i][k]}`)
    )
  );
}

const trades = async (t, archive) =>
  (await jsonLines(t, ["cat", archive, "--dir", "in", "--topic", "publicTrade"])).flatMap(
    ({ recv_ns, data }) => {
      const { ts, data: trades } = JSON.parse(data);
      return trades.map(({ i }) => ({ sent_ns: ts * 1e6, recv_ns, id: i }));
    }
  );

describe("several archives", { concurrency: true }, () => {
  test("time is missing only if no archive has it, as in the merged archive", async (t) => {
    const { dir, archive, start, running } = await recorders(t);
    let [east, west] = running;
    const always = running[2];
    const pair = [archive("east"), archive("west")];
    // East is killed while west records; then west is stopped while east does.
    await settled(west);
    await east.kill("SIGKILL");
    await settled(west);
    // East's row has no end, and west has it until its last frame.
    const open = await json(t, ["gaps", ...pair, "--json"]);
    assert.deepEqual(
      open.gaps.map(({ reason, archive, covered_by }) => [reason, archive, covered_by]),
      [["crash", pair[0], pair[1]]]
    );
    east = await start("east");
    await settled(west);
    await stop(west);
    await settled(east);
    west = await start("west");
    await settled(west);

    const apart = await json(t, ["gaps", ...pair, "--json"]);
    assert.deepEqual(
      apart.gaps.map(({ reason, archive, covered_by }) => [reason, archive, covered_by]),
      [
        ["crash", pair[0], pair[1]],
        ["restart", pair[1], pair[0]],
      ]
    );
    assert.deepEqual([apart.covered, apart.lasts_ns, apart.open], [2, 0, 0]);
    for (const { archive, gaps, lasts_ns, missing_ns } of apart.archives) {
      const alone = await json(t, ["gaps", archive, "--json"], { status: 1 });
      assert.deepEqual([gaps, lasts_ns, missing_ns], [alone.gaps.length, alone.lasts_ns, 0]);
    }
    const days = await json(t, ["days", ...pair, "--json"]);
    assert.deepEqual(
      days.days.map(({ clean_percent, missing_ns, reasons }) => [
        clean_percent,
        missing_ns,
        reasons,
      ]),
      days.days.map(() => [100, 0, null])
    );
    assert.ok(days.archives.every(({ not_clean }) => not_clean > 0));

    // Both are down, from and to different moments.
    await stop(west);
    await settled(east);
    await east.kill("SIGKILL");
    await settled(always);
    west = await start("west");
    await settled(west);
    east = await start("east");
    await settled(east);
    for (const recorder of [east, west, always]) await stop(recorder);

    const own = [];
    for (const one of pair) own.push((await json(t, ["gaps", one, "--json"], { status: 1 })).gaps);
    const both = await json(t, ["gaps", ...pair, "--json"], { status: 1 });
    const missing = intervals(both.gaps);
    assert.equal(missing.length, 1);
    isClose(missing, intersection(...own.map(intervals)), "rows of both archives");
    for (const part of both.archives) assert.ok(Math.abs(part.missing_ns - both.lasts_ns) < 4096);

    const merged = path.join(dir, "merged");
    await tapedeck(t, ["merge", ...pair, "-o", merged]);
    const report = await json(t, ["gaps", merged, "--json"], { status: 1 });
    isClose(missing, intervals(report.gaps), "the merged archive");

    // Each trade that both lack is in the row, and the row has some.
    const had = new Set();
    for (const one of pair) for (const { id } of await trades(t, one)) had.add(id);
    const lacking = (await trades(t, archive("always"))).filter(({ id }) => !had.has(id));
    const range = { from: both.first_ns, to: both.last_ns };
    const within = lacking.filter(({ recv_ns }) => recv_ns > range.from && recv_ns < range.to);
    assert.ok(within.length > 0);
    // A row has the times of the other two recorders, which may be faster by the time that a trade took to this one.
    for (const { sent_ns, recv_ns } of within)
      assert.ok(
        missing.some(([from, to]) => recv_ns >= from && sent_ns <= to),
        `${sent_ns} ${recv_ns} ${missing}`
      );

    const lost = await json(t, ["days", ...pair, "--json"], { status: 1 });
    const lostMerged = await json(t, ["days", merged, "--json"], { status: 1 });
    for (const [i, day] of lost.days.entries()) {
      assert.match(day.reasons, /crash|restart/);
      assert.ok(Math.abs(day.missing_ns - both.lasts_ns) < 4096, JSON.stringify(day));
      assert.ok(Math.abs(day.missing_ns - lostMerged.days[i].missing_ns) < 4096);
    }
    const text = (await tapedeck(t, ["gaps", ...pair], { status: 1 })).stdout;
    assert.match(text, /east +\d{4}-.* crash, covered by .*west/);
    assert.match(text, /east: 2 gaps, .* in all, .* of it in no other archive in [\d,]+ frames/);
    assert.match(text, /\ntogether: \d gaps, \d of them covered by another line or archive, /);
  });

  test("an archive without one of the topics covers no gap of the connection", async (t) => {
    const { archive, start, running } = await recorders(t, {
      topics: { west: TOPICS.slice(0, 2) },
      names: ["east", "west"],
    });
    const [east, west] = running;
    await settled(east);
    await stop(east);
    await settled(west);
    const again = await start("east");
    await settled(again);
    await Promise.all([again, west].map(stop));
    const { gaps } = await json(t, ["gaps", archive("east"), archive("west"), "--json"], {
      status: 1,
    });
    assert.deepEqual(
      gaps.map(({ archive, covered_by }) => [path.basename(archive), covered_by]),
      [["east", null]]
    );
    // Of the topics that it has, it does.
    const some = ["gaps", archive("east"), archive("west"), "--topic", "publicTrade", "--json"];
    assert.equal((await json(t, some, { status: null })).gaps.length, 1);
  });

  test("what no two archives share is missing, with the time between them", async (t) => {
    const { archive, start, running } = await recorders(t, { names: ["east"] });
    await settled(running[0]);
    await stop(running[0]);
    const west = await start("west");
    await settled(west);
    await stop(west);
    const pair = [archive("east"), archive("west")];
    for (const one of pair) await tapedeck(t, ["gaps", one]);
    const { gaps, archives } = await json(t, ["gaps", ...pair, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ reason, cause, archive, from_ns, to_ns }) => [
        reason,
        cause,
        archive,
        from_ns,
        to_ns,
      ]),
      [["restart", "between two archives", null, archives[0].last_ns, archives[1].first_ns]].map(
        (row, i) => [...row.slice(0, 3), gaps[i].from_ns, gaps[i].to_ns]
      )
    );
    const days = await json(t, ["days", ...pair, "--json"], { status: 1 });
    for (const day of days.days)
      assert.ok(Math.abs(day.missing_ns - (gaps[0].to_ns - gaps[0].from_ns)) < 4096);
    const merged = archive("merged");
    await tapedeck(t, ["merge", ...pair, "-o", merged]);
    isClose(
      intervals(gaps),
      intervals((await json(t, ["gaps", merged, "--json"], { status: 1 })).gaps),
      "the merged archive"
    );
  });

  test("a copy in a store answers like the archive", { skip: withoutCeph }, async (t) => {
    const { dir, archive, start, running } = await recorders(t, { names: ["east", "west"] });
    const [east, west] = running;
    const store = await cephStore(t, dir);
    const environment = { env: { ...process.env, ...store.environment } };
    await settled(west);
    await stop(east);
    await settled(west);
    const again = await start("east");
    await settled(again);
    await Promise.all([again, west].map(stop));
    await store.makeBucket("fleet");
    const url = "s3://fleet/west";
    await tapedeck(t, ["push", archive("west"), url], environment);
    for (const verb of ["gaps", "days"]) {
      const local = await json(t, [verb, archive("east"), archive("west"), "--json"]);
      const remote = await json(t, [verb, archive("east"), url, "--json"], environment);
      assert.deepEqual(JSON.parse(JSON.stringify(local).replaceAll(archive("west"), url)), remote);
    }
    assert.match(
      (await tapedeck(t, ["gaps", archive("west"), url], { ...environment, status: 2 })).stderr,
      /have the same session/
    );
  });

  test("a part is covered only between all rows of the other archive", async (t) => {
    const dir = temporary(t);
    const at = (s) => BigInt(FRAMES_MS) * 1_000_000n + BigInt(s * 1000) * 1_000_000n;
    const frame = (i) => ({
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: FRAMES_MS + i * 1000,
      data: [
        {
          T: FRAMES_MS + i * 1000,
          s: "BTCUSDT",
          S: "Buy",
          v: "1",
          p: "2.5",
          L: "PlusTick",
          i: `t${i}`,
          BT: false,
          seq: i,
        },
      ],
    });
    const url = "wss://stream.bybit.com/v5/public/linear";
    /** Frames of these seconds; null: the client reconnects. */
    const imported = (name, conns) =>
      importLines(
        t,
        conns
          .flatMap(([conn, seconds]) => [
            { recv_ns: `${at(seconds[0] - 0.5)}`, conn, url },
            ...seconds.map((s) => ({ recv_ns: `${at(s)}`, conn, data: frame(s) })),
          ])
          .sort((a, b) => Number(BigInt(a.recv_ns) - BigInt(b.recv_ns))),
        { archive: path.join(dir, name), family: "v5-linear" }
      );
    const seconds = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const east = await imported("east", [
      [1, seconds(1, 10)],
      [1, seconds(20, 40)],
    ]);
    const west = await imported("west", [
      [1, seconds(1, 12)],
      [1, seconds(15, 40)],
    ]);
    const { gaps } = await json(t, ["gaps", east, west, "--json"], { status: 1 });
    const second = (ns) => Math.round((ns - FRAMES_MS * 1e6) / 1e8) / 10;
    assert.deepEqual(
      gaps.map(({ archive, from_ns, to_ns, covered_by }) => [
        path.basename(archive),
        second(from_ns),
        second(to_ns),
        covered_by === null ? null : path.basename(covered_by),
      ]),
      [
        ["east", 10, 12, "west"],
        ["east", 12, 15, null],
        ["west", 12, 15, null],
        ["east", 15, 20, "west"],
      ]
    );
  });

  test("archives that are no fleet are refused", async (t) => {
    const { dir, archive, start, running } = await recorders(t, { names: ["east", "west"] });
    const spot = await start("spot", "v5-spot");
    for (const recorder of [...running, spot]) await settled(recorder);
    for (const recorder of [...running, spot]) await stop(recorder);
    const refuses = async (args, words) => {
      for (const verb of ["gaps", "days"])
        assert.match((await tapedeck(t, [verb, ...args], { status: 2 })).stderr, words);
    };
    const [east, west] = ["east", "west"].map(archive);
    await refuses(
      [east, east],
      /have the same session \w+: they are one archive, or one is a copy/
    );
    fs.cpSync(east, archive("copy"), { recursive: true });
    await refuses([east, west, archive("copy")], /have the same session/);
    await refuses(
      [east, archive("spot")],
      /no other archive has a feed of .*east: .*east has v5-linear; .*spot has v5-spot/
    );
    const [first] = segments(west);
    await refuses([east, path.join(west, first)], /is a single file, or has a cut/);
    await refuses([east, west, "--catalog", path.join(dir, "none.sqlite")], /--catalog is of one/);
    await refuses([east, west, "--from", "+1s"], /a time after the first frame is of one archive/);
    // info and verify answer for each, with the greatest status.
    const verified = await jsonLines(t, ["verify", east, west, archive("spot"), "--json"]);
    assert.equal(verified.length, 3);
    fs.writeFileSync(path.join(west, first), "changed");
    const { stdout } = await tapedeck(t, ["verify", west, east], { status: 3 });
    assert.match(stdout, /west: DAMAGED[^]*east: sound/i);
    assert.equal((await jsonLines(t, ["info", east, west, "--json"], { status: 3 })).length, 2);
  });
});
