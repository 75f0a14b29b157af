// Copies of an archive that is being recorded (docs/archive.md, "Backup"). After `recover` each frame of a copy must be there
// once, verify must find it sound, and the ledger must have the missing frames. Expected: the numbers of the frames
// (numbered_exchange.mjs) in the archive itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { filesBelow, json, jsonLines, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange, recordedNumbers } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";

const COMMANDS = {
  cp: (from, to) => [
    "cp",
    ["-a", ...from, to],
    (end) => end.status === 0 || /No such file/.test(end.stderr),
  ],
  rsync: (from, to) => [
    "rsync",
    ["-a", ...from, to],
    (end) => end.status === 0 || end.status === 24,
  ],
};
const lacks = (command) =>
  spawnSync(command, ["--version"]).error === undefined ? false : `needs ${command}`;

/** Copy some of an archive's files, or all, over an older copy. A file that was renamed or removed meanwhile is no error: the
 * next copy has it. */
function copy(archive, to, names = fs.readdirSync(archive), how = "cp") {
  fs.mkdirSync(to, { recursive: true });
  for (const name of names) {
    const [command, args, isFine] = COMMANDS[how]([path.join(archive, name)], to + "/");
    const end = spawnSync(command, args, { encoding: "utf8" });
    assert.ok(isFine(end), `${command}: ${end.status} ${end.stderr}`);
  }
}

const numbersOf = async (t, archive) =>
  [...((await recordedNumbers(t, archive)).get("trade.BTCUSD") ?? new Map()).keys()].sort(
    (a, b) => a - b
  );
const isFinished = (name) => name.endsWith(".mcap");
const isOpen = (name) => name.endsWith(".mcap.open") && name.startsWith("capture");

/** The times of a segment's first and last frame. */
async function timesOf(t, archive, name) {
  const { segments } = await json(t, ["ls", archive, "--json"]);
  return segments.find(({ segment }) => segment === name);
}

/** Recover, then verify: both must succeed. */
async function mustRecover(t, archive) {
  const recovered = await json(t, ["recover", "-a", archive, "--json"]);
  assert.equal(recovered.lossy, false);
  const verified = await json(t, ["verify", "-a", archive, "--json"], { status: null });
  assert.equal(verified.verdict, "sound", JSON.stringify(verified.findings));
  return recovered;
}

const recorderOf = (t, exchange, archive) =>
  new Recorder(t, archive, [...exchange.args(), "--commit-interval", "20ms"]);

async function stop(recorder) {
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
}

for (const how of Object.keys(COMMANDS))
  test(
    `${how} while recording and again after it: each frame is there once, and recover puts the older file aside`,
    { skip: lacks(how) },
    async (t) => {
      const exchange = await numberedExchange(t, { rate: 200 });
      const dir = temporary(t);
      const [archive, backup] = [path.join(dir, "tape"), path.join(dir, "backup")];
      const recorder = recorderOf(t, exchange, archive);
      for (let i = 0; i < 3; i++) {
        await recorder.durableAfter(recorder.durableLines + 4);
        copy(archive, backup, undefined, how);
      }
      await stop(recorder);
      copy(archive, backup, undefined, how);
      const names = filesBelow(backup);
      const [open] = names.filter(isOpen);
      assert.ok(
        open !== undefined && names.includes(open.slice(0, -".open".length)),
        names.join("\n")
      );
      const right = await numbersOf(t, archive);
      assert.deepEqual(await numbersOf(t, backup), right);
      assert.equal(
        (await json(t, ["replay", "-a", backup, "--json"])).frames,
        (await json(t, ["replay", "-a", archive, "--json"])).frames
      );
      const bytes = fs.readFileSync(path.join(backup, open));
      const recovered = await mustRecover(t, backup);
      assert.equal(recovered.copies_put_away, 1);
      assert.equal(recovered.segments_recovered, 0);
      assert.equal(recovered.gaps_opened, 0);
      assert.deepEqual(filesBelow(backup).filter(isOpen), []);
      const torn = fs.readdirSync(path.join(backup, "torn"));
      assert.deepEqual(torn, [`${path.basename(open, ".open")}.0.copy`]);
      assert.deepEqual(fs.readFileSync(path.join(backup, "torn", torn[0])), bytes);
      assert.deepEqual(await numbersOf(t, backup), right);
      assert.equal((await json(t, ["recover", "-a", backup, "--json"])).copies_put_away, 0);
    }
  );

for (const how of Object.keys(COMMANDS))
  test(
    `${how} of the journal first, then the segments: recover enters the segments that the journal lacks`,
    { skip: lacks(how) },
    async (t) => {
      const exchange = await numberedExchange(t, { rate: 200 });
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      // rsync copies the same files as cp: its first and last copies suffice.
      for (const i of how === "cp" ? [0, 1, 2, 3] : [0, 3]) {
        const backup = path.join(dir, `backup-${i}`);
        const first = recorderOf(t, exchange, archive);
        await first.durableAfter(3);
        copy(archive, backup, ["journal.mcap.open"], how);
        await first.durableAfter(first.durableLines + 3);
        if (i % 2 === 1) {
          await stop(first); // the copied journal does not have the next session
          const second = recorderOf(t, exchange, archive);
          await second.durableAfter(3);
          if (i === 3) await stop(second);
          copy(
            archive,
            backup,
            ["capture", ...fs.readdirSync(archive).filter((name) => name.startsWith("catalog"))],
            how
          );
          if (i !== 3) await stop(second);
        } else {
          copy(archive, backup, ["capture"], how);
          await stop(first);
        }
        const copied = await numbersOf(t, backup);
        await mustRecover(t, backup);
        assert.deepEqual(await numbersOf(t, backup), copied);
        const right = await numbersOf(t, archive);
        assert.ok(copied.length > 0);
        assert.deepEqual(copied, right.slice(0, copied.length), `copy ${i}`);
        // The copy lacks only the time after its end, which is one open row.
        const rows = async (from) => jsonList(t, ["gaps", "-a", from, "--json"], { status: null });
        const open = (await rows(backup)).filter((row) => row.to_ns === null);
        const last = Math.max(...(await recordedNumbers(t, backup)).get("trade.BTCUSD").values());
        // It begins at the latest answered ping, up to 2 s before the last frame on a busy machine.
        for (const row of open)
          assert.ok(
            row.from_ns >= last - 2e9 && row.from_ns <= last + 1000,
            `copy ${i}: ${JSON.stringify(row)}, last frame at ${last}`
          );
        assert.equal(open.length, 1, `copy ${i}`);
      }
    }
  );

test("after a copy of the segments and then the journal, recover reports what the copy lacks; a second copy has it", async (t) => {
  const exchange = await numberedExchange(t, { rate: 200 });
  const dir = temporary(t);
  const [archive, backup] = [path.join(dir, "tape"), path.join(dir, "backup")];
  const first = recorderOf(t, exchange, archive);
  await first.durableAfter(3);
  copy(archive, backup, ["capture"]);
  await first.durableAfter(first.durableLines + 3);
  await stop(first);
  const second = recorderOf(t, exchange, archive);
  await second.durableAfter(3);
  await stop(second);
  copy(archive, backup, ["journal.mcap.open"]);
  const segments = filesBelow(archive).filter(isFinished).sort();
  const copied = filesBelow(backup).filter(isOpen);
  const recovered = await tapedeck(t, ["recover", "-a", backup], { status: 3 });
  for (const name of segments)
    assert.ok(recovered.stderr.includes(name), `${name}: ${recovered.stderr}`);
  assert.deepEqual(filesBelow(backup).filter(isOpen), copied);
  await tapedeck(t, ["verify", "-a", backup], { status: 3 });
  await tapedeck(t, ["replay", "-a", backup], { status: 3 });
  copy(archive, backup);
  await mustRecover(t, backup);
  assert.deepEqual(await numbersOf(t, backup), await numbersOf(t, archive));
});

/** Has the kernel stopped every thread of a process? */
function isStopped(pid) {
  return fs
    .readdirSync(`/proc/${pid}/task`)
    .every((id) => /\) T /.test(fs.readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8")));
}

// A snapshot of a file system has all files of one moment. While every thread of the recorder is stopped, a copy is the same.
// (The tests of power cuts cover a snapshot of the disk alone.)
test("a snapshot of the file system contains everything that was announced as durable", async (t) => {
  const exchange = await numberedExchange(t, { rate: 200 });
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const recorder = recorderOf(t, exchange, archive);
  for (let i = 0; i < 4; i++) {
    const backup = path.join(dir, `backup-${i}`);
    await recorder.durableAfter(recorder.durableLines + 3);
    recorder.child.kill("SIGSTOP");
    while (!isStopped(recorder.child.pid)) await new Promise((resolve) => setImmediate(resolve));
    const announced = [...recorder.durable.values()];
    copy(archive, backup);
    recorder.child.kill("SIGCONT");
    await mustRecover(t, backup);
    const frames = (await jsonLines(t, ["cat", "-a", backup])).map((row) => row.dir);
    for (const dir of ["in", "out"]) {
      const least = announced.reduce((sum, count) => sum + count[dir], 0);
      const kept = frames.filter((has) => has === dir).length;
      assert.ok(kept >= least, `copy ${i}: ${kept} of ${least} (${dir})`);
    }
    const copied = await numbersOf(t, backup);
    const first = copied[0];
    assert.deepEqual(
      copied,
      copied.map((_, n) => first + n),
      `copy ${i}`
    );
  }
  await stop(recorder);
});

/** The journal as it was after the first segment, beside the segments of the whole session. */
async function withOlderJournal(t) {
  const exchange = await numberedExchange(t, { rate: 200 });
  const dir = temporary(t);
  const [archive, backup] = [path.join(dir, "tape"), path.join(dir, "backup")];
  const recorder = recorderOf(t, exchange, archive);
  await recorder.durableAfter(4);
  copy(archive, backup, ["journal.mcap.open"]);
  for (let i = 0; i < 3; i++) {
    await tapedeck(t, ["ctl", archive, "rotate"]);
    await recorder.durableAfter(recorder.durableLines + 4);
  }
  await stop(recorder);
  copy(archive, backup, ["capture"]);
  const names = filesBelow(backup).filter(isFinished).sort();
  assert.equal(names.length, 4);
  return { archive, backup, names };
}

test("a journal of before the last session: the crash row is there before recover writes it", async (t) => {
  const exchange = await numberedExchange(t, { rate: 200 });
  const dir = temporary(t);
  const [archive, backup] = [path.join(dir, "tape"), path.join(dir, "backup")];
  for (const names of [["journal.mcap.open"], ["capture"]]) {
    const recorder = recorderOf(t, exchange, archive);
    await recorder.durableAfter(4);
    await stop(recorder);
    copy(archive, backup, names);
  }
  const rows = async () =>
    (await jsonList(t, ["gaps", backup, "--json"], { status: 1 })).map(
      ({ reason, from_ns, to_ns }) => ({ reason, from_ns, to_ns })
    );
  const before = await rows();
  assert.deepEqual(
    before.map(({ reason, to_ns }) => [reason, to_ns === null]),
    [
      ["restart", false],
      ["crash", true],
    ]
  );
  await mustRecover(t, backup);
  assert.deepEqual(await rows(), before);
});

test("segments that an older journal does not list, and that are missing: each verb reports their time", async (t) => {
  const { archive, backup, names } = await withOlderJournal(t);
  for (const name of names.slice(1, 3)) fs.rmSync(path.join(backup, name));
  const from = (await timesOf(t, archive, names[0])).last_ns;
  const to = (await timesOf(t, archive, names[3])).first_ns;
  const lists = async (...time) =>
    (await jsonList(t, ["gaps", backup, "--json", ...time], { status: 3 })).find(
      ({ cause }) => cause === "segment is missing"
    );
  for (const round of ["without a catalog", "with one", "recovered"]) {
    const gap = await lists();
    assert.ok(gap.from_ns <= from && gap.to_ns >= to, `${round}: ${JSON.stringify(gap)}`);
    const time = ["--to", String(to)]; // the crash row is later
    for (const verb of ["replay", "days", "info"])
      await tapedeck(t, [verb, backup, ...(verb === "info" ? [] : time)], { status: 3 });
    const out = path.join(temporary(t), "out");
    const args = ["--format", "jsonl", "--out", out];
    await tapedeck(t, ["export", backup, ...args, ...time], { status: 3 });
    await tapedeck(t, ["verify", backup], { status: 3 });
    const verb = round === "without a catalog" ? "reindex" : "recover";
    const { stderr } = await tapedeck(t, [verb, backup], { status: 3 });
    assert.match(stderr, /missing: \S+000003\.mcap: a later segment continues it/);
  }
  fs.rmSync(path.join(backup, "journal.mcap.open"));
  assert.ok((await lists()).from_ns <= from, "without a journal");
});
