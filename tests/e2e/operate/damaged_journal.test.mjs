// A journal with a flipped bit, or a missing journal: no verb reports the archive as complete, recording continues, and the gap
// that the damage may hide stays in the ledger. Expected: docs/archive.md ("When the journal is damaged"), docs/design.md ("Exit status").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { json, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import {
  feedArgs,
  randomNumbers,
  Recorder,
  recordAndKill,
  simulator,
} from "../support/recorders.mjs";

const gapsOf = (t, archive, status) => jsonList(t, ["gaps", "-a", archive, "--json"], { status });
const isOfJournal = (gap) =>
  gap.reason === "corrupt" && gap.cause === "entries of the journal are lost";

/** Every reading verb, then those that write least. */
async function checkReaders(t, archive, status) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["verify", "-a", archive], { status });
  for (const verb of ["info", "ls", "cat"]) await tapedeck(t, [verb, "-a", archive], { status });
  const played = await tapedeck(t, ["replay", "-a", archive, "--speed", "max"], { status: null });
  const exported = await tapedeck(t, ["export", "-a", archive, "--format", "jsonl", "--out", out], {
    status: null,
  });
  // Gaps in the selection are 1; damage is more.
  if (status === 3) assert.deepEqual([played.code, exported.code], [3, 3]);
  else assert.ok(played.code < 2 && exported.code < 2, played.stderr + exported.stderr);
}

/** Two sessions, the second killed and recovered: only the journal has the gap. */
async function recorded(t) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "2",
    "--rate",
    "400",
    "--seed",
    "6",
  ]);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  const first = new Recorder(t, archive, args);
  await first.durableAfter(2);
  assert.equal((await first.kill("SIGTERM")).code, 0, first.stderr);
  await recordAndKill(t, archive, args, { random: randomNumbers(6) });
  await tapedeck(t, ["recover", "-a", archive]);
  const open = (await gapsOf(t, archive, 1)).find((gap) => gap.to_ns === null);
  assert.equal(open.reason, "crash");
  return { archive, args, open };
}

async function checkDamaged(t, { archive, args, open }) {
  await checkReaders(t, archive, 3);
  const before = (await gapsOf(t, archive, 3)).filter(isOfJournal);
  assert.ok(
    before.some((gap) => gap.from_ns <= open.from_ns && gap.to_ns === null),
    JSON.stringify(before)
  );
  // A recorder must still record.
  const recorder = new Recorder(t, archive, args);
  await recorder.durableAfter(2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.match(recorder.stderr, /journal/);
  await checkReaders(t, archive, 3);
  const after = (await gapsOf(t, archive, 3)).filter(isOfJournal);
  assert.deepEqual(
    after.map((gap) => gap.from_ns),
    before.map((gap) => gap.from_ns),
    "the gaps stay"
  );
  assert.ok(
    after.every((gap) => gap.to_ns !== null && gap.to_ns > open.from_ns),
    "and end with the next session"
  );
  assert.equal(
    (await json(t, ["recover", "-a", archive, "--json"], { status: 3 })).journal_damaged,
    true
  );
  await checkReaders(t, archive, 3);
  await tapedeck(t, ["recover", "-a", archive, "--accept-loss"]);
  await checkReaders(t, archive, 0);
  assert.deepEqual(
    (await gapsOf(t, archive, 1)).filter(isOfJournal),
    after,
    "an accepted loss is a gap"
  );
}

describe("a damaged journal", { concurrency: 2 }, () => {
  test("a flipped bit in the entry of an open gap is damage, and the gap stays", async (t) => {
    const tape = await recorded(t);
    const file = path.join(tape.archive, "journal.mcap.open");
    const bytes = fs.readFileSync(file);
    bytes[bytes.lastIndexOf("crash") + 1] ^= 0x04;
    fs.writeFileSync(file, bytes);
    await checkDamaged(t, tape);
  });

  test("a removed journal is damage, and the gap stays", async (t) => {
    const tape = await recorded(t);
    fs.rmSync(path.join(tape.archive, "journal.mcap.open"));
    await checkDamaged(t, tape);
  });
});
