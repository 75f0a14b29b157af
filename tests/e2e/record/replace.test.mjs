// A recorder takes over from the one that runs: the session continues, and no frame is missing. Expected: as of two lines, the
// exchange's own account of sent frames, each of them once.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { eventually, json, jsonList, Program, tapedeck, tooLong } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { isServedWhole, isWhole, printed, recorded } from "../support/lines.mjs";
import { Recorder } from "../support/recorders.mjs";

const OPTIONS = { deadlineMs: 300_000 };
const replacing = (t, { archive, args }, more = []) =>
  new Recorder(t, archive, [...args, "--commit-interval", "100ms", "--replace", ...more], OPTIONS);
const gapsOf = (t, archive) => jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });

async function isComplete(t, archive) {
  await isWhole(t, archive);
  const report = await json(t, ["replay", archive, "--json"]);
  assert.equal(report.verdict, "complete", JSON.stringify(report.reasons ?? report));
  await tapedeck(t, ["verify", archive]);
  assert.deepEqual(
    (await json(t, ["days", archive, "--json"], { status: null })).days.map(
      (day) => day.missing_ns
    ),
    [0, 0]
  );
}

/** The running recorder is as it was, and records on. */
async function recordsOn(t, { archive, recorder }) {
  await recorder.durableAfter(recorder.durableLines + 5);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.deepEqual(await gapsOf(t, archive), []);
  await isComplete(t, archive);
}

describe("replace", { concurrency: true }, () => {
  for (const [lines, times, options] of [
    [1, 2, {}],
    [2, 2, {}],
    [1, 20, { skip: tooLong }],
  ])
    test(
      `a recorder is replaced by another one of the same archive: ${lines} lines, ${times} times`,
      options,
      async (t) => {
        const first = await recorded(t, { lines }),
          { archive } = first;
        let running = first.recorder;
        await running.durableAfter(10);
        const tail = new Program(
          t,
          "tapedeck",
          ["cat", "--follow", "-a", archive, "--topic", "orderbook.50.BTCUSDT"],
          OPTIONS
        );
        const seen = [];
        tail.waiting.push((line) => (seen.push(JSON.parse(JSON.parse(line).data)), false));
        for (let n = 0; n < times; n++) {
          const next = replacing(t, first);
          await next.durableAfter(10);
          assert.equal((await running.ended).code, 0, running.stderr);
          running = next;
        }
        await eventually(
          "all lines are connected",
          async () => {
            const status = await json(t, ["ctl", archive, "status", "--json"]);
            return status.frames > 100 && status.feeds[0].live_connections === lines;
          },
          running
        );
        assert.equal((await running.kill("SIGTERM")).code, 0, running.stderr);
        assert.deepEqual(await gapsOf(t, archive), []);
        await isComplete(t, archive);
        await isServedWhole(t, archive);
        const { sessions } = await json(t, ["info", archive, "--json"]);
        assert.deepEqual(
          sessions.map(({ session, state }) => [session, state]),
          Array(times + 1).fill([sessions[0].session, "stopped"])
        );
        // A reader of the tail sees one stream, too.
        await tail.kill("SIGTERM");
        assert.equal(seen.filter(({ type }) => type === "snapshot").length, 1);
        for (const [i, { data }] of seen.entries())
          if (i > 0) assert.equal(data.u, seen[i - 1].data.u + 1, `${i}`);
        // The next session has a gap of each line.
        const next = new Recorder(t, archive, first.args);
        await printed(next, ": subscribed to", lines);
        assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
        // The line that is back first covers a part of the other's.
        const lost = (await gapsOf(t, archive)).filter(({ covered_by }) => covered_by === null);
        assert.ok(
          lost.every(({ reason }) => reason === "restart"),
          JSON.stringify(lost)
        );
        assert.equal(new Set(lost.map(({ line }) => line)).size, lines, JSON.stringify(lost));
      }
    );

  test("without a recorder --replace records as usual", async (t) => {
    const { archive, recorder, args } = await recorded(t, { lines: 1 });
    await recorder.durableAfter(10);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const next = replacing(t, { archive, args });
    await next.durableAfter(10);
    assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
    assert.match(next.stderr, /no recorder is replaced: no recorder runs in /);
    assert.deepEqual(
      (await gapsOf(t, archive)).map(({ reason }) => reason),
      ["restart"]
    );
  });

  for (const [what, change, words] of [
    [
      "of another feed",
      (args) => [...args, "--feed", "other"],
      /feed 'v5-linear' of the running recorder is not configured/,
    ],
    [
      "that cannot connect",
      (args) =>
        args.map((arg) => (arg.startsWith("wss:") ? "wss://127.0.0.1:1/v5/public/linear" : arg)),
      /only 0 of 1 connections had their topics in time/,
    ],
  ])
    test(
      `a recorder is not replaced by one ${what}`,
      { skip: what.includes("cannot") && tooLong },
      async (t) => {
        const first = await recorded(t, { lines: 1 });
        const other = replacing(t, { ...first, args: change(first.args) });
        const { code } = await other.ended;
        assert.ok(code === 2 || code === 4, other.stderr);
        assert.match(other.stderr, words);
        await recordsOn(t, first);
      }
    );

  test("a recorder without a free line is not replaced", async (t) => {
    const first = await recorded(t, { lines: 1, more: ["--max-age", "0s"] });
    const other = replacing(t, first);
    assert.equal((await other.ended).code, 4, other.stderr);
    assert.match(other.stderr, /cannot be replaced now: no line is free: .* max_age is 0/);
    const another = replacing(t, await recorded(t, { lines: 1 }), ["--max-age", "0s"]);
    assert.equal((await another.ended).code, 2, another.stderr);
    assert.match(
      another.stderr,
      /feed 'v5-linear' has no line that is free to take over on: max_age is 0/
    );
    await recordsOn(t, first);
  });

  test("a recorder that is stopped before it has taken over leaves the other one as it is", async (t) => {
    const first = await recorded(t, { lines: 1 });
    const other = replacing(t, first);
    await printed(other, ": subscribed to", 1);
    assert.equal((await other.kill("SIGTERM")).code, 4, other.stderr);
    assert.match(other.stderr, /stopped before the running recorder was replaced/);
    await recordsOn(t, first);
  });

  test("a recorder that is killed while another one takes over loses nothing", async (t) => {
    const first = await recorded(t, { lines: 1 }),
      { archive, recorder } = first;
    await recorder.durableAfter(10);
    const next = replacing(t, first);
    await printed(next, ": subscribed to", 1);
    next.child.kill("SIGSTOP"); // however slow the other one is, it is killed first
    await recorder.durableAfter(recorder.durableLines + 15); // the new connection is older than the last answer to a ping
    await recorder.kill("SIGKILL");
    next.child.kill("SIGCONT");
    await next.durableAfter(10);
    assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
    const gaps = await gapsOf(t, archive);
    assert.deepEqual(
      gaps.map(({ reason, from_ns, to_ns }) => [reason, to_ns - from_ns]),
      [["crash", 0]],
      JSON.stringify(gaps)
    );
    await isComplete(t, archive);
  });

  test("a recorder that is killed when it has taken over, before its frames are durable, leaves a gap", async (t) => {
    const first = await recorded(t, { lines: 1 }),
      { archive, recorder, args } = first;
    await recorder.durableAfter(10);
    const next = replacing(t, first, ["--commit-interval", "60s"]);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    await next.kill("SIGKILL");
    const later = new Recorder(t, archive, args);
    await printed(later, ": subscribed to", 1);
    assert.equal((await later.kill("SIGTERM")).code, 0, later.stderr);
    const gaps = await gapsOf(t, archive);
    assert.equal(gaps.length, 1, JSON.stringify(gaps));
    assert.ok(
      ["restart", "crash"].includes(gaps[0].reason) && gaps[0].to_ns > gaps[0].from_ns,
      JSON.stringify(gaps)
    );
    await tapedeck(t, ["verify", archive]);
  });
});
