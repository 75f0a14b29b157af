// All verbs report the same gaps, frames and bytes of an archive. Expected: the lines of cat and gaps, and the sizes of the
// files.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  filesBelow,
  importLines,
  json,
  jsonLines,
  jsonList,
  manifestOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import {
  feedArgs,
  randomNumbers,
  Recorder,
  recordAndKill,
  simulator,
} from "../support/recorders.mjs";

const isoOf = (ns) => {
  const text = String(ns).padStart(10, "0");
  return `${new Date(Number(text.slice(0, -9)) * 1000).toISOString().slice(0, 19)}.${text.slice(-9)}Z`;
};

/** Rows of a JSON text with exact times. */
const times = (text) =>
  [...text.matchAll(/"from_ns":(\d+),"to_ns":(\d+|null)/g)].map((m) => [m[1], m[2]].join(" "));

test("gaps and replay list the same gaps at every edge of a selection; reindex counts them", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const start = Date.parse("2021-04-17T00:00:00Z");
  for (const second of [0, 100, 200]) {
    const line = (i) =>
      `{"recv_ns":${start + (second + i) * 1000}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":{"topic":"trade.BTCUSD","data":[],"n":${second + i}}}`;
    await importLines(t, [0, 1, 2, 3, 4].map(line), { archive, family: "inverse" });
  }
  const all = times((await tapedeck(t, ["gaps", "-a", archive, "--json"], { status: 1 })).stdout);
  assert.equal(all.length, 2);
  const [, end] = all[0].split(" ");
  for (const [from, to] of [
    [BigInt(end), null],
    [BigInt(end) - 1n, null],
    [BigInt(end) + 1n, null],
    [BigInt(all[0].split(" ")[0]), BigInt(end)],
  ]) {
    const range = ["--from", isoOf(from), ...(to === null ? [] : ["--to", isoOf(to)])];
    const listed = times(
      (await tapedeck(t, ["gaps", "-a", archive, "--json", ...range], { status: 1 })).stdout
    );
    const played = times(
      (await tapedeck(t, ["replay", "-a", archive, "--json", ...range], { status: null })).stdout
    );
    assert.deepEqual(played, listed, range.join(" "));
    assert.equal(listed.length, from >= BigInt(end) || to !== null ? 1 : 2, range.join(" "));
  }
  assert.match((await tapedeck(t, ["reindex", "-a", archive])).stdout, /, 2 gaps\n$/);
});

test("every verb counts the same frames; the recorder reports the size of its files", async (t) => {
  const dir = temporary(t);
  const killed = path.join(dir, "killed");
  const stopped = path.join(dir, "stopped");
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "3",
    "--rate",
    "500",
    "--seed",
    "12",
  ]);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  await recordAndKill(t, killed, args, { random: randomNumbers(3), lines: 5 });
  const recorder = new Recorder(t, stopped, args);
  await recorder.durableAfter(8);
  const end = await recorder.kill("SIGTERM");
  assert.equal(end.code, 0, end.stderr);
  await sim.program.kill("SIGTERM");
  const frames = (await jsonLines(t, ["cat", "-a", killed])).length;
  const recovered = await json(t, ["recover", "-a", killed, "--json"]);
  const verified = await json(t, ["verify", "-a", killed, "--json"]);
  const info = await json(t, ["info", "-a", killed, "--json"]);
  assert.deepEqual([recovered.frames_kept, verified.frames, info.frames], [frames, frames, frames]);
  for (const threads of ["1", "2", "4"]) {
    // each frame is read once, by any of the threads
    const replayed = await json(t, ["replay", "-a", killed, "--json", "-j", threads], {
      status: null,
    });
    assert.ok(replayed.frames > 8);
    assert.equal(replayed.contents_read, replayed.frames - replayed.out, threads);
    assert.equal(replayed.frames, frames);
  }
  const { stderr } = await tapedeck(t, ["replay", "-a", killed, "-v"], { status: null });
  assert.match(stderr, /read [1-9]\d* chunks \([1-9]\d* bytes\) of [1-9]\d* segments/);
  const out = path.join(dir, "set");
  await tapedeck(t, ["export", "-a", stopped, "--format", "jsonl", "--out", out]);
  const lines = (await jsonLines(t, ["cat", "-a", stopped])).length;
  const listed = (await jsonList(t, ["ls", "-a", stopped, "--json"])).reduce(
    (sum, row) => sum + row.frames,
    0
  );
  const { totals } = manifestOf(out);
  assert.deepEqual([recorder.summary().frames, listed, totals.frames], [lines, lines, lines]);
  assert.equal(
    totals.frames,
    totals.decoded + totals.undecoded + totals.control + totals.out + totals.http
  );
  const size = filesBelow(stopped)
    .filter((f) => f.startsWith("capture"))
    .reduce((sum, f) => sum + fs.statSync(path.join(stopped, f)).size, 0);
  assert.equal(recorder.summary().file_bytes, size);
});
