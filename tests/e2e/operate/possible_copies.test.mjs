// Frames of two lines that may be the same frame: every verb counts them, and none calls them complete. Each line has frames with
// equal texts, so nothing tells which of the later line's first frames the earlier one had brought.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import {
  FRAMES_MS,
  importLines,
  json,
  jsonLines,
  manifestsOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { installed, pythonWith, withoutLibrary } from "../support/python_scripts.mjs";

const STEP_MS = 500,
  FAMILY = "coinbase-advanced";
const FIRST = [0, 12],
  SECOND = [5, 60]; // the lines' frames, by the exchange's number; the first one ends

/** Equal frames but for the number and the time that each connection writes. */
function frameAt(number, i) {
  const at = FRAMES_MS + i * STEP_MS,
    ticker = {
      type: "ticker",
      product_id: "ETH-USD",
      price: "1919.41",
      best_bid: "1919.40",
      best_ask: "1919.49",
    };
  const frame = {
    channel: "ticker",
    timestamp: new Date(at).toISOString(),
    sequence_num: number,
    events: [{ type: "update", tickers: [ticker] }],
  };
  return { recv_ns: `${at}000000`, data: JSON.stringify(frame) };
}

/** An archive of two lines. */
async function merged(t, dir, second = SECOND) {
  for (const [name, [from, to]] of [
    ["first", FIRST],
    ["second", second],
  ])
    await importLines(
      t,
      Array.from({ length: to - from }, (_, i) => frameAt(i, from + i)),
      { archive: path.join(dir, name), family: FAMILY }
    );
  const both = path.join(dir, "both");
  const report = await json(t, [
    "merge",
    path.join(dir, "first"),
    path.join(dir, "second"),
    "--out",
    both,
    "--json",
  ]);
  return { both, report };
}

test("possible copies are counted alike, and nothing with them is complete", async (t) => {
  const dir = temporary(t),
    { both, report } = await merged(t, dir);
  const copies = (await jsonLines(t, ["cat", both])).filter((frame) => frame.possible_copy);
  assert.ok(copies.length > 0 && copies.length >= FIRST[1] - SECOND[0], `${copies.length}`);
  assert.equal(report.line_possible_copies, copies.length);

  const replay = await json(t, ["replay", both, "--json"], { status: 1 });
  assert.deepEqual(
    [replay.verdict, replay.line_possible_copies, replay.continuity.violations],
    ["incomplete", copies.length, 0]
  );
  const { stdout } = await tapedeck(t, ["replay", both], { status: 1 });
  assert.match(
    stdout,
    new RegExp(`\\nComplete: no, ${copies.length} frames possibly there twice\\.\\n$`)
  );

  // A selection before or after them has none.
  const times = copies.map(({ recv_ns }) => Math.round(recv_ns / 1e6)),
    at = (ms) => new Date(ms).toISOString();
  for (const part of [
    ["--to", at(times[0] - STEP_MS)],
    ["--from", at(times.at(-1) + STEP_MS / 2)],
  ]) {
    const without = await json(t, ["replay", both, "--json", ...part]);
    assert.deepEqual([without.verdict, without.line_possible_copies], ["complete", 0], part[0]);
  }

  const days = await json(t, ["days", both, "--json"], { status: 1 });
  assert.deepEqual(
    days.days.map(({ degraded_ns, missing_ns }) => [degraded_ns > 0, missing_ns]),
    [[true, 0]]
  );
  const formats = ["jsonl", "parquet", "sqlite", "mcap"].flatMap((name) => ["--format", name]),
    out = path.join(dir, "out");
  const exported = await json(t, ["export", "-q", "--json", "-a", both, ...formats, "--out", out], {
    status: 1,
  });
  assert.equal(exported.verdict, "incomplete");
  const [manifest] = manifestsOf(out);
  assert.equal(manifest.verdict, "incomplete");
  assert.deepEqual(
    manifest.files.map((file) => [file.format, file.possible_copies]),
    ["jsonl", "mcap", "parquet", "parquet", "sqlite"].map((format) => [format, copies.length])
  );
  const clean = await tapedeck(
    t,
    ["export", "-a", both, "--only-clean", "--format", "jsonl", "--out", path.join(dir, "clean")],
    { status: 4 }
  );
  assert.match(clean.stderr, /no symbol has a clean day/);
});

test("Python shows the possible copies that `cat` does", { skip: withoutLibrary }, async (t) => {
  const dir = temporary(t),
    { both } = await merged(t, dir);
  const expected = (await jsonLines(t, ["cat", both]))
    .filter((frame) => frame.possible_copy)
    .map(({ line, ordinal }) => [line, ordinal]);
  const script =
    "import json, sys, tapedeck\nprint(json.dumps([[f.line, f.ordinal] for f in tapedeck.Archive(sys.argv[1]).frames() if f.possible_copy]))";
  const env = { ...process.env, PYTHONPATH: installed(t), PYTHONDONTWRITEBYTECODE: "1" };
  assert.ok(expected.length > 0);
  assert.deepEqual(
    JSON.parse(execFileSync(pythonWith("ctypes"), ["-c", script, both], { env, encoding: "utf8" })),
    expected
  );
});

test("what a line has after the other one's last frame is read, even if the tape ends soon", async (t) => {
  for (const to of [14, 17, 20, 24]) {
    // the first line ends with frame 11, and no event tells so
    const { both, report } = await merged(t, temporary(t), [5, to]);
    const frames = await jsonLines(t, ["cat", both]);
    assert.equal(
      frames.length,
      report.line_possible_copies === 0 ? to : FIRST[1] + to - 5,
      `until ${to}`
    );
    const replay = await json(t, ["replay", both, "--json"], { status: 1 });
    assert.deepEqual([replay.verdict, replay.frames], ["incomplete", frames.length], `until ${to}`);
  }
});

test("what waited for another line is read before a later session", async (t) => {
  const { both } = await merged(t, temporary(t), [5, 20]);
  const before = (await jsonLines(t, ["cat", both])).length;
  const later = Array.from({ length: 10 }, (_, i) => frameAt(i, 7200 + i));
  await importLines(t, later, { archive: both, family: FAMILY });
  const times = (await jsonLines(t, ["cat", both])).map(({ recv_ns }) => BigInt(recv_ns));
  assert.equal(times.length, before + later.length);
  assert.ok(times.every((time, i) => i === 0 || time >= times[i - 1]));
  assert.equal(
    times.filter((time) => time < BigInt(FRAMES_MS + 20 * STEP_MS) * 1_000_000n).length,
    before
  );
});
