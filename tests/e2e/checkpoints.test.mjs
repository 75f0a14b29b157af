// Checkpoints of a recording: a reader that begins at one sees what a reader of the frames before sees, and reads less. A copy
// whose checkpoints are damaged is read as if it had none.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { json, run, segments, tapedeck, temporary } from "./lib.mjs";
import { feedArgs, Recorder, simulator } from "./live.mjs";

const FRAMES = 40_000; // fewer than the live check's ring takes: it skips none on a loaded machine
const CHECKPOINT = 0x81;
const MAGIC_BYTES = 8;

/** The checkpoints of a segment: where the record lies, and the moment. */
function checkpointsOf(file) {
  const bytes = fs.readFileSync(file);
  const found = [];
  for (let at = MAGIC_BYTES; at + 9 <= bytes.length; ) {
    const end = at + 9 + Number(bytes.readBigUInt64LE(at + 1));
    if (bytes[at] === CHECKPOINT) found.push({ from: at, to: end, atNs: bytes.readBigUInt64LE(at + 9) });
    at = end;
  }
  return found;
}

function damage(file) {
  const bytes = fs.readFileSync(file);
  for (const { to } of checkpointsOf(file)) bytes[to - 1] ^= 1;
  fs.writeFileSync(file, bytes);
}

const CHUNKS = /read (\d+) chunks \((\d+) bytes\)/;

/** What replay finds from a moment on, and the bytes of the chunks that it read. */
async function replayFrom(t, archive, ns) {
  const { stdout, stderr } = await run(t, "tapedeck-replay", ["replay", archive, "--from", String(ns), "-v", "--json", "-j", "1"], { status: null }); // 1: the recording has an end

  const { digest, frames, books, continuity } = JSON.parse(stdout);
  assert.ok(frames > 0 && continuity.ok);
  return { found: { digest, frames, books }, bytes: Number(CHUNKS.exec(stderr)[2]) };
}

test("a recording is read from a checkpoint on as it is read as a whole, and without it if that is damaged", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "archive"), copy = path.join(dir, "copy");
  const server = await simulator(t, dir, ["--families", "inverse", "--symbols", "3", "--rate", "10000", "--seed", "3"]);
  const recorder = new Recorder(t, archive, [...feedArgs(server, "inverse"), "--max-frames", String(FRAMES)]);
  const { recorded } = JSON.parse((await recorder.ended).stdout.trim().split("\n").at(-1));
  assert.deepEqual([recorded.unchecked, recorded.states_left_out], [0, 0]);

  const file = path.join(archive, segments(archive).at(-1));
  const checkpoints = checkpointsOf(file);
  assert.ok(checkpoints.length > 0, "a recording of some MiB has checkpoints");
  assert.ok(checkpoints.reduce((sum, { from, to }) => sum + to - from, 0) < 0.05 * fs.statSync(file).size);
  assert.equal((await json(t, ["verify", archive, "--json"])).verdict, "sound");

  fs.cpSync(archive, copy, { recursive: true });
  for (const each of segments(copy)) damage(path.join(copy, each));
  for (const { atNs } of checkpoints) {
    const from = await replayFrom(t, archive, atNs + 1_000_000n);
    const whole = await replayFrom(t, copy, atNs + 1_000_000n);
    assert.deepEqual(from.found, whole.found);
    assert.ok(from.bytes < whole.bytes, `${from.bytes} bytes read, ${whole.bytes} without checkpoints`);
  }
  const { stdout } = await tapedeck(t, ["verify", copy, "-v"], { status: 3 });
  assert.match(stdout, /: checkpoint: /);
});
