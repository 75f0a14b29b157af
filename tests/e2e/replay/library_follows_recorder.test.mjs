// A user's program follows a recorder with libtapedeck (docs/library.md, "Following a recorder"), over a rotation, a stop, a kill
// and a restart. Expected values: `tapedeck cat`'s output of the archive afterwards.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import {
  eventually,
  filesBelow,
  jsonLines,
  Program,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { configFile, feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { installed, LIBRARY, withoutLibrary } from "../support/python_scripts.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";

const skip = withoutLibrary;
const hasValgrind = spawnSync("valgrind", ["--version"]).status === 0;
const FEEDS = ["inverse", "linear"];
const HOLD_NS = 2e9; // how long frames of several feeds wait for each other

// Prints a line for each frame and each session's end, until this many sessions have ended.
const FOLLOWER = `
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <tapedeck/archive.h>

int main(int argc, char **argv)
{
    tapedeck_error error;
    tapedeck_batch batch;
    tapedeck_stream of;
    int ends = argc > 2 ? atoi(argv[2]) : 0, result;
    const char *feeds[] = {argc > 3 ? argv[3] : "*", NULL};
    tapedeck_selection wanted = {.size = sizeof wanted, .feeds = feeds, .with = TAPEDECK_WITH_FOLLOW | TAPEDECK_WITH_BYTES, .threads = 2};
    tapedeck_archive *archive = tapedeck_archive_open(argv[1], &error);
    tapedeck_tape *tape = archive == NULL ? NULL : tapedeck_tape_open(archive, &wanted, &error);
    while (tape != NULL && ends > 0) {
        while ((result = tapedeck_tape_next(tape, &batch, &error)) == TAPEDECK_TAPE_BATCH)
            for (size_t i = 0; i < batch.frame_count; i++) {
                const tapedeck_frame_row *row = &batch.frames[i];
                tapedeck_tape_stream(tape, row->stream, &of);
                printf("%s %" PRIu64 " %" PRIu64 " %" PRIu32 "\\n", of.feed, row->recv_ns, row->ordinal, row->byte_count);
            }
        fflush(stdout);
        if (result != TAPEDECK_TAPE_END)
            break;
        result = tapedeck_tape_wait(tape, 600000, &error);
        if (result == TAPEDECK_WAIT_MORE)
            continue;
        printf("wait %d\\n", result);
        if (result != TAPEDECK_WAIT_ENDED && result != TAPEDECK_WAIT_CRASHED)
            break;
        ends--;
    }
    if (ends > 0)
        fprintf(stderr, "%s\\n", error.text);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(archive);
    return ends > 0;
}
`;

// The same for one feed.
const PYTHON = `
import math, sys, tapedeck
for frame in tapedeck.open(sys.argv[1]).frames(feed="linear", follow=math.inf):
    print(frame.feed, frame.recv_ns, frame.ordinal, len(frame.bytes), flush=True)
try:
    list(tapedeck.open(sys.argv[1]).frames(end="2100-01-01", follow=0))
except tapedeck.Error:
    sys.exit(0)
sys.exit("a tape with an end can be followed")
`;

function build(dir, name, source, ...compiler) {
  const program = path.join(dir, name);
  execFileSync(
    compiler[0],
    [
      ...compiler.slice(1),
      "-Wall",
      "-Wextra",
      "-Werror",
      "-Iembed/include",
      source,
      "-x",
      "none",
      LIBRARY,
      "-o",
      program,
    ],
    { stdio: "pipe" }
  );
  return program;
}

const env = { LD_LIBRARY_PATH: path.dirname(LIBRARY) };

/** Start followers of dir's tape. */
function followers(t, dir) {
  const source = path.join(dir, "follower.c");
  fs.writeFileSync(source, FOLLOWER);
  const program = build(dir, "follower", source, "cc", "-std=gnu17");
  return (args, options) =>
    new Program(t, program, [path.join(dir, "tape"), ...args], { env, ...options });
}

/** Wait for a condition that no program prints. */
const until = (program, isSo) => eventually(isSo, isSo, program);

const frames = (program) =>
  program.lines
    .filter((line) => !line.startsWith("wait"))
    .map((line) => line.split(" "))
    .map(([feed, ...numbers]) => [feed, ...numbers.map(Number)]);
const waits = (program) => program.lines.filter((line) => line.startsWith("wait"));

const printed = async (t, dir, ...more) =>
  (await jsonLines(t, ["cat", "-a", path.join(dir, "tape"), ...more])).map((row) => [
    row.feed,
    row.recv_ns,
    row.ordinal ?? 0,
    Buffer.byteLength(row.data),
  ]);

describe("a program that follows a recorder", { concurrency: 3 }, () => {
  test(
    "a reader gets every frame once, in the order of the tape, over a rotation and up to the stop",
    { skip: skip || withoutMovedClock },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      const sim = await simulator(t, dir, [
        "--families",
        FEEDS.join(),
        "--symbols",
        "2",
        "--rate",
        "200",
        "--seed",
        "5",
      ]);
      const clock = new MovedClock(dir);
      clock.hourAt(Date.now() + 5000);
      const recorder = new Recorder(
        t,
        archive,
        ["-c", configFile(dir, sim, FEEDS), "--commit-interval", "100ms"],
        clock.options
      );
      await recorder.durableAfter(2);
      const start = followers(t, dir);
      const all = start(["1"]);
      const one = start(["1", "linear"]);
      const examples = [
        ["cc", "-std=gnu17"],
        ["c++", "-std=c++20", "-x", "c++"],
      ].map((compiler, i) => build(dir, `example${i}`, "docs/examples/follow.c", ...compiler));
      const example = new Program(t, examples[0], [archive, "BTCUSD"], { env });
      const python = new Program(t, "/usr/bin/env", ["python3", "-c", PYTHON, archive], {
        env: { ...env, PYTHONPATH: installed(t), PYTHONDONTWRITEBYTECODE: "1" },
      });
      await until(recorder, () =>
        FEEDS.every((feed) =>
          filesBelow(archive).some((file) => new RegExp(`/${feed}-[^/]*-000002\\.mcap`).test(file))
        )
      );
      await recorder.durableAfter(recorder.durableLines + 4);
      await until(one, () => one.lines.length > 100); // while it records
      assert.equal(recorder.child.exitCode, null, recorder.stderr);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      for (const program of [all, one, example, python]) {
        const end = await program.ended;
        assert.deepEqual([end.code, end.stderr], [0, ""]);
      }
      assert.deepEqual([waits(all), waits(one)], [["wait 0"], ["wait 0"]]);
      assert.deepEqual(frames(one), await printed(t, dir, "--feed", "linear"));
      assert.deepEqual(frames(python), frames(one));
      const had = frames(all),
        tape = await printed(t, dir);
      for (const feed of FEEDS)
        assert.deepEqual(
          had.filter((row) => row[0] === feed),
          tape.filter((row) => row[0] === feed)
        );
      assert.equal(had.length, tape.length);
      // A disk that is slower than the hold is not the program's fault.
      if (recorder.summary().lag_ns_max < HOLD_NS) assert.deepEqual(had, tape);
      const trades = (
        await jsonLines(t, [
          "replay",
          archive,
          "--messages",
          "--topic",
          "trade",
          "--symbol",
          "BTCUSD",
          "--speed",
          "max",
        ])
      ).flatMap((row) => row.trades ?? []);
      assert.equal(example.lines.length, trades.length);
      assert.ok(trades.length > 10, `${trades.length} trades`);
      assert.equal(
        spawnSync(examples[1], [archive, "BTCUSD"], {
          encoding: "utf8",
          env: { ...process.env, ...env },
        }).stdout,
        example.stdout
      );
    }
  );

  test(
    "a reader gets the end of a killed session, and continues with the next one",
    { skip },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      const sim = await simulator(t, dir, [
        "--families",
        "inverse",
        "--symbols",
        "2",
        "--rate",
        "200",
        "--seed",
        "5",
      ]);
      const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
      const first = new Recorder(t, archive, args);
      await first.durableAfter(2);
      const start = followers(t, dir);
      const program = start(["2"]);
      const checked = hasValgrind
        ? start(["2"], { under: ["valgrind", "-q", "--leak-check=full", "--error-exitcode=9"] })
        : program;
      await program.line(() => true);
      await first.durableAfter(first.durableLines + 4);
      assert.equal((await first.kill("SIGKILL")).signal, "SIGKILL");
      for (const one of new Set([program, checked])) await until(one, () => waits(one).length > 0);
      const crashed = await printed(t, dir);
      assert.deepEqual(frames(program), crashed);
      const second = new Recorder(t, archive, args);
      await second.durableAfter(3);
      assert.equal((await second.kill("SIGTERM")).code, 0, second.stderr);
      for (const one of new Set([program, checked])) {
        const end = await one.ended;
        assert.deepEqual([end.code, end.stderr], [0, ""]);
        assert.deepEqual(waits(one), ["wait 3", "wait 0"]);
        assert.deepEqual(frames(one), await printed(t, dir));
      }
      assert.ok(frames(program).length > crashed.length && crashed.length > 10);
      await tapedeck(t, ["verify", "-a", archive]);
    }
  );
});
