// A recorder that removes what is old, and notes that keep what prune would remove. Expected: docs/archive.md ("Retention").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { importLines, json, segments, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const HOURS_AGO = [9, 6, 0.1]; // ages count from the newest frame: of these, or of the recorder

/** An archive with three segments of a feed, hours old, and a recorder's arguments. */
async function recorded(t) {
  const dir = temporary(t);
  const server = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "1",
    "--rate",
    "100",
  ]);
  const line = (hours, n) =>
    `{"recv_ns":${Math.floor(Date.now() - hours * 3_600_000) + n}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":{"topic":"trade.BTCUSD","data":[]}}`;
  const archive = await importLines(
    t,
    HOURS_AGO.flatMap((hours) => [0, 1, 2].map((n) => line(hours, n))),
    { family: "inverse" }
  );
  assert.equal(segments(archive).length, 3);
  return {
    archive,
    args: [...feedArgs(server, "inverse", ["trade.*"]), "--commit-interval", "100ms"],
    before: segments(archive),
  };
}

/** Record once more, until something was removed; the segments that are left of the earlier ones. */
async function leftAfter(t, { archive, args, before }, more, words = /removed as configured: /) {
  const recorder = new Recorder(t, archive, [...args, ...more]);
  await recorder.prints(words);
  await recorder.durableAfter(5);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await tapedeck(t, ["verify", archive]);
  const left = segments(archive);
  return before.map((file) => left.includes(file));
}

describe("retention", { concurrency: true }, () => {
  test("--retain removes what is older", async (t) => {
    const run = await recorded(t);
    assert.deepEqual(await leftAfter(t, run, ["--retain", "5h"]), [false, false, true]);
    const { pruned } = await json(t, ["info", run.archive, "--json"]);
    assert.equal(pruned[0].segments, 2);
  });

  test("--retain-bytes removes the oldest", async (t) => {
    const run = await recorded(t);
    const [, second, third] = run.before.map(
      (file) => fs.statSync(path.join(run.archive, file)).size
    );
    // The recorder's own segment counts, too: it may take the place of further ones.
    const left = await leftAfter(t, run, ["--retain-bytes", String(second + third)]);
    assert.ok(!left[0] && (left[2] || !left[1]), JSON.stringify(left));
  });

  test("--retain-free removes the oldest until so much is free", async (t) => {
    const run = await recorded(t);
    const { bavail, bsize } = fs.statfsSync(run.archive);
    assert.deepEqual(await leftAfter(t, run, ["--retain-free", String(bavail * bsize + 2 ** 34)]), [
      false,
      false,
      false,
    ]);
  });

  test("what a note keeps is not removed", async (t) => {
    const run = await recorded(t),
      { archive } = run;
    const { segments: rows } = await json(t, ["ls", archive, "--json"]);
    const at = rows.map(({ first_ns, last_ns }) =>
      String(Math.floor((first_ns + last_ns) / 2 / 1e6))
    );
    const note = await json(t, [
      "note",
      "add",
      archive,
      "a bug",
      "--keep",
      "--from",
      at[0],
      "--json",
    ]);
    assert.equal(note.keep, true);
    await tapedeck(t, ["note", "add", archive, "only a note", "--from", at[1]]);
    await tapedeck(
      t,
      ["note", "add", archive, "of another feed", "--keep", "--from", at[1], "--feed", "other"],
      { status: null }
    );
    assert.match(
      (await tapedeck(t, ["note", "ls", archive])).stdout,
      /a bug \(kept\)\n.*only a note\n/
    );
    const dry = await json(t, ["prune", archive, "--keep-bytes", "0", "--dry-run", "--json"]);
    assert.deepEqual([dry.segments_pruned, dry.segments_noted], [2, 1]);
    assert.match(
      (await tapedeck(t, ["prune", archive, "--keep-bytes", "0", "--dry-run"])).stdout,
      /not removed, because notes keep them: 1\n/
    );
    assert.deepEqual(await leftAfter(t, run, ["--retain", "5h"]), [true, false, true]);
    assert.equal(
      (await json(t, ["prune", archive, "--before", "now", "--kept", "--dry-run", "--json"]))
        .segments_noted,
      0
    );
    await tapedeck(t, ["prune", archive, "--before", at[1], "--kept"]);
    assert.ok(!segments(archive).includes(run.before[0]));
    await tapedeck(t, ["verify", archive]);
  });

  test("prune --free", async (t) => {
    const { archive } = await recorded(t);
    const { bavail, bsize } = fs.statfsSync(archive);
    const dry = async (free) =>
      (
        await json(t, ["prune", archive, "--free", String(free), "--dry-run", "--json"])
      ).segments.map(({ why }) => why);
    assert.deepEqual(await dry(1), []);
    assert.deepEqual(await dry(bavail * bsize + 2 ** 34), ["space", "space", "space"]);
  });

  test("--retain-free that is less than --min-free", async (t) => {
    const dir = temporary(t);
    const { stderr } = await tapedeck(
      t,
      [
        "record",
        "-a",
        path.join(dir, "tape"),
        "--family",
        "inverse",
        "--topic",
        "trade.*",
        "--min-free",
        "2GiB",
        "--retain-free",
        "1GiB",
      ],
      { status: 2 }
    );
    assert.match(stderr, /retain_free.* must be more than min_free/);
  });
});
