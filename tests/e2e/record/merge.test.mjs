// Archives of two machines become one. Expected: the simulated exchange's own account of sent frames, each of them once.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  BIN,
  FRAMES_MS,
  Program,
  importLines,
  json,
  jsonLines,
  jsonList,
  listening,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { isServedWhole, isWhole, printed, recordersOf, TOPICS } from "../support/lines.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";

npm("ws"); // isServedWhole's

/** Two recorders of one exchange. */
async function recorders(t, { more = [[], []], topics = [TOPICS, TOPICS] } = {}) {
  const exchange = await recordersOf(t);
  const names = ["east", "west"];
  const each = typeof more === "function" ? more(exchange.server) : more;
  const start = (i) => exchange.start(names[i], { topics: topics[i], more: each[i] });
  const running = await Promise.all([start(0), start(1)]);
  const archives = names.map(exchange.archive);
  return { ...exchange, archives, start, running, both: exchange.archive("both") };
}

const stop = async (recorder) =>
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
const settled = (recorder) => recorder.durableAfter(recorder.durableLines + 15);

describe("merge", { concurrency: true }, () => {
  test("what one machine lost is there if the other one has it", async (t) => {
    const { archives, start, running, both } = await recorders(t, {
      more: [[], ["--max-age", "5s"]],
    });
    let [east, west] = running;
    // East is killed, and then stopped for a while, while west records; then the reverse. West's connections are replaced, too.
    await settled(west);
    await east.kill("SIGKILL");
    await settled(west);
    east = await start(0);
    await settled(west);
    await stop(east);
    await settled(west);
    east = await start(0);
    await printed(west, "at its greatest age", 1);
    await settled(east);
    await stop(west);
    await settled(east);
    west = await start(1);
    await settled(west);
    await Promise.all([stop(east), stop(west)]);

    const merged = await json(t, ["merge", ...archives, "--out", both, "--json"]);
    const gaps = await jsonList(t, ["gaps", both, "--json"]);
    // West may have been stopped while one connection took over from another: then both have a row.
    const rows = new Set(
      gaps.map(({ reason, line, covered_by }) =>
        [reason, line < 3 ? "east" : "west", covered_by].join(" ")
      )
    );
    assert.deepEqual(
      [...rows].sort(),
      ["crash east line 3", "restart east line 3", "restart west line 0"],
      JSON.stringify(gaps)
    );
    assert.deepEqual(
      [merged.gaps, merged.gaps_covered, merged.feeds],
      [gaps.length, gaps.length, 1]
    );
    await isWhole(t, both);
    await isServedWhole(t, both);
    const report = await json(t, ["replay", both, "--json"]);
    assert.equal(report.verdict, "complete", JSON.stringify(report.reasons ?? report));
    assert.equal(report.line_copies, merged.line_copies);
    assert.deepEqual(report.lines, merged.lines);
    assert.ok(merged.line_copies > 300 && merged.lines.length >= 2, JSON.stringify(merged));
    await tapedeck(t, ["verify", both]);
    assert.deepEqual(
      (await json(t, ["days", both, "--json"], { status: null })).days.map((day) => day.missing_ns),
      [0, 0]
    );
    for (const [i, archive] of archives.entries())
      assert.equal(merged.sources[i].frames, (await json(t, ["info", archive, "--json"])).frames);
    assert.equal((await json(t, ["info", both, "--json"])).frames, merged.frames);
    const text = (await tapedeck(t, ["replay", both])).stdout;
    assert.match(text, /line \d brought [\d,]+ frames? first, .* before the other one on average/);
  });

  test("a gap is not covered if the other machine lacks a topic", async (t) => {
    const { archives, start, running, both } = await recorders(t, {
      topics: [TOPICS, TOPICS.slice(0, 2)],
    });
    for (const recorder of running) await settled(recorder);
    await stop(running[0]);
    await settled(running[1]);
    const again = await start(0);
    await settled(again);
    await stop(running[1]);
    const late = await start(1);
    await settled(late);
    await Promise.all([stop(again), stop(late)]);
    await tapedeck(t, ["merge", ...archives, "-o", both]);
    const gaps = await jsonList(t, ["gaps", both, "--json"], { status: 1 });
    assert.deepEqual(gaps.map(({ line, covered_by }) => [line, covered_by]).sort(), [
      [0, null],
      [3, "line 0"],
    ]);
  });

  test("time after a crash is covered until the other machine's last frame, by all its topics", async (t) => {
    for (const [names, covered] of [
      [TOPICS, "line 3"],
      [TOPICS.slice(0, 2), null],
    ]) {
      const { archives, running, both } = await recorders(t, { topics: [TOPICS, names] });
      const [east, west] = running;
      for (const recorder of running) await settled(recorder);
      await east.kill("SIGKILL");
      await settled(west);
      await stop(west);
      await tapedeck(t, ["recover", archives[0]]);
      await tapedeck(t, ["merge", ...archives, "-o", both]);
      const status = covered === null ? 1 : 0;
      const [row, ...more] = await jsonList(t, ["gaps", both, "--json"], { status });
      const [apart] = await jsonList(t, ["gaps", ...archives, "--json"], { status });
      assert.deepEqual(
        [more.length, row.reason, row.line, row.covered_by, row.to_ns],
        [0, "crash", 0, covered, apart.to_ns]
      );
      assert.equal(row.to_ns === null, covered === null);
      const { verdict } = await json(t, ["replay", both, "--json"], { status });
      assert.equal(verdict, covered === null ? "incomplete" : "complete");
    }
  });

  test("what both machines lost stays a gap, and what only one has is kept", async (t) => {
    const { archives, start, running, both, server } = await recorders(t);
    const only = new Recorder(t, archives[0] + "-spot", [
      ...feedArgs(server, "v5-spot", ["publicTrade"]),
      "--symbol",
      "BTCUSDT",
      "--commit-interval",
      "100ms",
    ]);
    await only.durableAfter(5);
    await stop(only);
    for (const recorder of running) await settled(recorder);
    await Promise.all(running.map(stop));
    const again = await Promise.all([start(0), start(1)]);
    for (const recorder of again) await settled(recorder);
    await Promise.all(again.map(stop));
    await tapedeck(t, ["merge", ...archives, "-o", both]);
    const gaps = await jsonList(t, ["gaps", both, "--json"], { status: 1 });
    // Neither was stopped and started at the very moment of the other: a part of a row is covered, and what neither has is equal.
    const lost = gaps
      .filter(({ covered_by }) => covered_by === null)
      .sort((a, b) => a.line - b.line);
    assert.deepEqual(
      lost.map(({ reason, line }) => [reason, line]),
      [
        ["restart", 0],
        ["restart", 3],
      ]
    );
    assert.ok(
      Math.abs(lost[0].from_ns - lost[1].from_ns) <= 1024 &&
        Math.abs(lost[0].to_ns - lost[1].to_ns) <= 1024,
      JSON.stringify(gaps)
    );
    assert.equal((await json(t, ["replay", both, "--json"], { status: 1 })).verdict, "incomplete");
    await tapedeck(t, ["verify", both]);
    // Archives of different feeds: each feed is as it was.
    const other = both + "-other";
    const { stdout } = await tapedeck(t, [
      "merge",
      archives[0],
      archives[0] + "-spot",
      "-o",
      other,
    ]);
    assert.match(stdout, /: [\d,]+ frames of 2 feeds\n/);
    for (const [archive, feed] of [
      [archives[0], "v5-linear"],
      [archives[0] + "-spot", "v5-spot"],
    ]) {
      const digest = async (of) =>
        (await json(t, ["replay", of, "--feed", feed, "--json"], { status: null })).digest.payload;
      assert.equal(await digest(other), await digest(archive), feed);
    }
  });

  test("no row is empty, also if the archives' rows share a single nanosecond", async (t) => {
    const dir = temporary(t),
      S = 1_000_000_000n,
      at = (s, ns = 0) => BigInt(FRAMES_MS) * 1_000_000n + BigInt(s) * S + BigInt(ns);
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
    const seconds = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
    /** Received frames; null: the client reconnects. */
    const imported = (name, frames) => {
      const url = "wss://stream.bybit.com/v5/public/linear";
      const lines = [[at(0), null], ...frames].map(([recv_ns, i]) => ({
        recv_ns: `${recv_ns}`,
        conn: 1,
        ...(i === null ? { url } : { data: frame(i) }),
      }));
      return importLines(t, lines, { archive: path.join(dir, name), family: "v5-linear" });
    };
    for (const shared of [1, 2, 3]) {
      const east = await imported(`east${shared}`, [
        ...seconds(1, 11).map((i) => [at(i), i]),
        [at(20), null],
        ...seconds(21, 31).map((i) => [at(i), i]),
      ]);
      const west = await imported(`west${shared}`, [
        ...seconds(1, 9).map((i) => [at(i, 5), i]),
        [at(9), null],
        [at(10, shared), 10],
        ...seconds(11, 31).map((i) => [at(i, 5), i]),
      ]);
      const both = path.join(dir, `both${shared}`);
      await tapedeck(t, ["merge", east, west, "-o", both]);
      const rows = (await tapedeck(t, ["gaps", both, "--json"], { status: 1 })).stdout
        .match(/"from_ns":\d+,"to_ns":\d+/g)
        .map((row) => row.match(/\d+/g).map(BigInt));
      assert.equal(rows.length, 4);
      assert.deepEqual(
        rows.filter(([from, to]) => to <= from),
        [],
        `${shared} ns`
      );
    }
  });

  test("a missing segment is reported, and is not called whole", async (t) => {
    const { archives, start, running, both } = await recorders(t);
    for (const recorder of running) await settled(recorder);
    await Promise.all(running.map(stop));
    const again = await start(0);
    await settled(again);
    await stop(again);
    const [lost] = segments(archives[0]);
    fs.unlinkSync(path.join(archives[0], lost));
    const merged = await json(t, ["merge", ...archives, "-o", both, "--json"], { status: 3 });
    assert.deepEqual(
      merged.sources.map(({ unreadable_segments }) => unreadable_segments),
      [1, 0]
    );
    assert.notEqual((await json(t, ["replay", both, "--json"], { status: 1 })).verdict, "complete");
  });

  test("replies over HTTP of both machines are kept, and serve answers with one", async (t) => {
    const name = "/v5/market/instruments-info?category=linear";
    const { archives, running, both, dir } = await recorders(t, {
      more: (server) =>
        ["east", "west"].map(() => [
          "--http",
          `instruments=${server.url.replace("wss:", "https:")}${name}`,
        ]),
    });
    for (const recorder of running) await settled(recorder);
    await Promise.all(running.map(stop));
    const replies = async (archive) => jsonLines(t, ["cat", archive, "--dir", "http"]);
    const sources = await Promise.all(archives.map(replies));
    assert.deepEqual(
      sources.map((list) => list.length),
      [1, 1]
    );
    await tapedeck(t, ["merge", ...archives, "-o", both]);
    const kept = await replies(both);
    const texts = (list) => list.map(({ data }) => data).sort();
    assert.deepEqual(texts(kept), texts(sources.flat()));
    const { url } = await listening(t, ["serve", both, "--plain", "--hold"], dir);
    const reply = await fetch(url.replace("ws:", "http:") + name);
    assert.ok(texts(kept).includes(await reply.text()));
  });

  test("what cannot be merged is refused, and nothing is written", async (t) => {
    const { archives, running, both, dir } = await recorders(t);
    for (const recorder of running) await settled(recorder);
    const refuses = async (args, status, words) => {
      assert.match((await tapedeck(t, ["merge", ...args], { status })).stderr, words);
      assert.ok(!fs.existsSync(both));
    };
    await refuses(archives, 2, /the new archive is not given: --out ARCHIVE/);
    await refuses([archives[0], "-o", both], 2, /ARCHIVE/);
    await refuses([...archives, "-o", both], 4, /east is being written: stop its recorder first/);
    await running[0].kill("SIGKILL");
    await stop(running[1]);
    await refuses(
      [...archives, "-o", both],
      2,
      /east has segments that a crash left open.*\n.*tapedeck recover/
    );
    await tapedeck(t, ["recover", archives[0]]);
    await refuses(
      [archives[0], path.join(dir, "none"), "-o", both],
      4,
      /none': No such file or directory/
    );
    assert.match(
      (await tapedeck(t, ["merge", ...archives, "-o", archives[1]], { status: null })).stderr,
      /west is an archive already: give a new folder/
    );
    const cut = path.join(dir, "cut");
    await tapedeck(t, ["cut", archives[1], "-o", cut]);
    for (const pair of [
      [archives[1], cut],
      [cut, archives[0]],
    ])
      await refuses([...pair, "-o", both], 2, /cut is a cut.*\n.*merge the archives/);
    await tapedeck(t, ["merge", ...archives, "-o", both]);
    assert.match(
      (await tapedeck(t, ["merge", both, archives[1], "-o", `${both}2`], { status: 2 })).stderr,
      /has line 3: only archives of recorders can be merged/
    );
  });

  test("merge.sh merges while both record; a run that is killed or fails changes nothing", async (t) => {
    const unit = fs.readFileSync("docs/examples/fleet/tapedeck-merge.service", "utf8");
    assert.match(unit, /^ExecStart=\/usr\/local\/bin\/tapedeck-merge \S+ \S+ \S+$/m);
    const { dir, archives, start, running, both } = await recorders(t);
    /** Run the script; killAt: instead of this command and all after it. */
    const run = (sources = archives, killAt = "none") => {
      const programs = fs.mkdtempSync(path.join(dir, "programs-"));
      for (const name of ["tapedeck", "mv", "rm"])
        fs.writeFileSync(
          path.join(programs, name),
          `#!/bin/sh\ncase "${name} $*" in "${killAt}"*) kill -9 0 ;; esac\nPATH=${path.resolve(BIN)}:${process.env.PATH} exec ${name} "$@"\n`,
          { mode: 0o755 }
        );
      const program = new Program(
        t,
        "/usr/bin/setsid",
        ["--wait", path.resolve("docs/examples/fleet/merge.sh"), ...sources, both],
        { env: { PATH: `${programs}:${process.env.PATH}` } }
      );
      return program.ended;
    };
    const frames = async () => (await json(t, ["info", both, "--json"])).frames;
    for (const recorder of running) await settled(recorder);
    assert.equal((await run()).code, 0);
    const gaps = await jsonList(t, ["gaps", both, "--json"], { status: null });
    assert.deepEqual([...new Set(gaps.map(({ reason }) => reason))], ["crash"]);
    assert.notEqual((await json(t, ["replay", both, "--json"], { status: 1 })).verdict, "complete");
    await isWhole(t, both);

    // East ends without a stop, and is down from then on.
    await running[0].kill("SIGKILL");
    await settled(running[1]);
    const before = [fs.readlinkSync(both), await frames()];
    const unchanged = async () => assert.deepEqual([fs.readlinkSync(both), await frames()], before);
    const steps = ["tapedeck recover", "tapedeck merge", "tapedeck pack", "tapedeck verify"];
    for (const step of [...steps, "mv -T", `mv -T ${both}.new/link`]) {
      assert.equal((await run(archives, step)).signal, "SIGKILL", step);
      await unchanged();
    }
    assert.notEqual((await run([archives[0], path.join(dir, "unreachable")])).code, 0);
    await unchanged();
    assert.equal((await run()).code, 0);
    assert.ok((await frames()) > before[1]);
    await isWhole(t, both);
    const [down] = (await jsonList(t, ["gaps", both, "--json"], { status: null })).filter(
      ({ line }) => line === 0
    );
    assert.deepEqual([down.reason, down.covered_by], ["crash", "line 3"]);

    // A kill after the link was replaced.
    assert.equal((await run(archives, `rm -rf ${both}.2`)).signal, "SIGKILL");
    const again = await start(0);
    await settled(again);
    await Promise.all([stop(again), stop(running[1])]);
    assert.equal((await run()).code, 0);
    await isWhole(t, both);
    await isServedWhole(t, both);
    assert.equal((await json(t, ["replay", both, "--json"])).verdict, "complete");
    await tapedeck(t, ["verify", both]);
    const left = fs.readdirSync(dir).filter((name) => name.startsWith("both."));
    assert.equal(left.length, 3, left.join(" ")); // the newest, the one before it, and the lock
    // A segment that is missing: nothing is replaced.
    const link = fs.readlinkSync(both);
    fs.unlinkSync(path.join(archives[1], segments(archives[1])[0]));
    assert.equal((await run()).code, 3);
    assert.equal(fs.readlinkSync(both), link);
  });
});
