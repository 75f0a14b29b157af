// Baselines and drift of an archive that a recorder writes at that moment: open segments are read as far as they are
// durable (docs/recording.md, "What is durable"), so later runs have more frames, never others and never fewer.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { tapedeck, temporary } from "./lib.mjs";
import { feedArgs, Recorder, simulator } from "./live.mjs";

const inboundOf = (recorder) => [...recorder.durable.values()].reduce((n, count) => n + count.in, 0);

test("an archive that is being recorded: what it had stays the same, what was added is new", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await simulator(t, dir, ["--families", "inverse", "--rate", "500", "--seed", "7"]);
  const recorder = new Recorder(t, archive, feedArgs(sim, "inverse"));
  const result = async (status, ...args) => {
    const end = await tapedeck(t, [...args, "--json"], { status });
    assert.equal(end.stderr, "", args.join(" "));
    return JSON.parse(end.stdout);
  };
  const save = (name, ...more) => result(0, "regress", "save", archive, "-o", path.join(dir, name), ...more);
  const check = (status, name) => result(status, "regress", "check", path.join(dir, name), archive);
  const findNoDrift = async (atLeast) => {
    const drift = await result(0, "drift", archive);
    assert.deepEqual([drift.findings, drift.damaged_chunks, drift.unreadable_segments], [[], 0, 0]);
    assert.ok(drift.frames >= atLeast, `${drift.frames} of ${atLeast}`);
  };
  await recorder.durableAfter(2);
  await findNoDrift(inboundOf(recorder));

  // The end of one selection is a frame that is durable already, that of the others is open.
  const first = (await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout.split("\n").filter((line) => line !== "");
  const half = Math.floor(first.length / 2);
  const [, to] = /"recv_ns":(\d+)/.exec(first[half]); // more digits than a number here has
  const fixed = await save("fixed.tdb", "--to", to);
  assert.equal(fixed.frames, half);
  const open = await save("open.tdb");
  const full = await save("full.tdb", "--full");
  assert.ok(full.frames >= open.frames && open.frames >= first.length, `${full.frames}, ${open.frames}, ${first.length}`);

  const compare = async (atLeast) => {
    const same = await check(0, "fixed.tdb");
    assert.deepEqual([same.verdict, same.totals.compared, same.totals.same, same.totals.new], ["same", half, half, 0]);
    let added = 0;
    for (const [name, { frames }] of [["open.tdb", open], ["full.tdb", full]]) {
      const report = await check(1, name);
      const { compared, same, different, missing } = report.totals;
      assert.deepEqual([report.verdict, compared, same, different, missing], ["different", frames, frames, 0, 0]);
      assert.ok(frames + report.totals.new >= atLeast, `${frames} and ${report.totals.new} of ${atLeast}`);
      added = report.totals.new;
    }
    return added;
  };
  while (inboundOf(recorder) <= full.frames) await recorder.durableLine();
  const durable = inboundOf(recorder);
  const added = await compare(durable);
  await findNoDrift(durable);

  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.ok((await compare(recorder.summary().in)) >= added);
  const [whole] = (await tapedeck(t, ["verify", archive])).stdout.split("\n");
  assert.match(whole, /sound/);
});
