// The lag from receipt to durability is reported while it grows and afterwards. The test sets how long each sync of the
// recorder takes (tests/wrapped/recorder_slow_disk.c). Expected values: docs/design.md (P1, "Overload") and those times.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import {
  eventsOf,
  eventually,
  json,
  jsonLines,
  jsonList,
  tapedeck,
  temporary,
  tooLong,
  wrapped,
} from "../support/harness.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const SLOW_DISK = wrapped("recorder_slow_disk");
const skip = fs.existsSync(SLOW_DISK)
  ? false
  : "needs the recorder whose disk can be slow (make tests-build)";
const HANGS_NS = 3_600_000_000_000; // until the test sets less
const COMMIT_NS = 1_000_000_000; // commit_interval

/** Set the least time of each sync, in ns. The disk itself may take longer on a busy machine. */
function slowDisk(dir) {
  const file = path.join(dir, "sync");
  const set = (ns) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(ns));
    const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT);
    fs.writeSync(fd, bytes, 0, 8, 0);
    fs.closeSync(fd);
  };
  set(0);
  return { set, options: { program: SLOW_DISK, env: { TAPEDECK_TEST_SYNC: file } } };
}

/** A server with a trade every 10 ms. */
async function steady(t, dir) {
  return scriptedServer(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op !== "subscribe") return;
      let n = 0;
      const timer = setInterval(() => ws.send(trade(++n)), 10);
      ws.on("close", () => clearInterval(timer));
    },
  });
}

const durableLines = (recorder) =>
  recorder.lines.map((line) => JSON.parse(line).durable).filter((durable) => durable !== undefined);

/** The archive's periods of lag: one event at the beginning of each and one at its end, in turn. */
async function stretches(t, archive) {
  const found = await eventsOf(t, archive, "overload");
  assert.ok(
    found.every(
      (event, i) => event.what === "durability" && event.state === (i % 2 === 0 ? "begins" : "ends")
    ),
    JSON.stringify(found)
  );
  assert.equal(found.length % 2, 0);
  return found
    .filter((_, i) => i % 2 === 0)
    .map((begins, i) => ({ begins, ends: found[2 * i + 1] }));
}

// These tests mostly wait for the disk.
describe("durability lag", { concurrency: 3 }, () => {
  test(
    "a disk that hangs delays durable lines, and the recorder reports it: a warning, two events with the worst lag, totals",
    { skip },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const disk = slowDisk(dir);
      const server = await steady(t, dir);
      const recorder = new Recorder(
        t,
        archive,
        feedArgs(server, "inverse", ["trade.BTCUSD"]),
        disk.options
      );
      await recorder.durableLine((durable) => durable.in > 50);
      // On a loaded machine earlier chunks may be late, too; one with events only has no durable line. The hang outlasts them.
      const status = () => json(t, ["ctl", archive, "status", "--json"]);
      const earlier = (await status()).lag_ns_max;
      disk.set(HANGS_NS);
      // The warning is logged while the sync hangs: it would hang for an hour.
      const [, after] = await recorder.prints(
        /warning tapedeck record: frames are not durable after (\d+\.\d+) s; commit_interval is 1\.000 s/
      );
      assert.ok(Number(after) >= 1, after); // to the millisecond
      await eventually(
        "the largest lag is of the hang",
        async () => (await status()).lag_ns > 2 * earlier + 2 * COMMIT_NS,
        recorder
      );
      const isDurable = recorder.durableLine(
        (durable) => durable.lag_ns > 2 * earlier + 2 * COMMIT_NS
      );
      disk.set(0);
      await isDurable;
      await recorder.prints(
        /frames are durable in time again; they became so up to \d+\.\d+ s after receipt/
      );
      const end = await recorder.kill("SIGTERM");
      assert.equal(end.code, 0, end.stderr);

      const lags = durableLines(recorder).map((durable) => durable.lag_ns);
      const summary = recorder.summary();
      assert.ok(lags.every((ns) => Number.isInteger(ns) && ns > 0));
      assert.equal(Math.max(...lags), summary.lag_ns_max);
      assert.ok(summary.lag_ns_max > COMMIT_NS);
      assert.ok(summary.lag_ns_mean > 0 && summary.lag_ns_mean < summary.lag_ns_max);
      const lateLines = lags.filter((ns) => ns > COMMIT_NS).length,
        withoutLine = summary.chunks - lags.length;
      assert.ok(
        summary.late_chunks >= lateLines && summary.late_chunks <= lateLines + withoutLine,
        `${summary.late_chunks} ${lateLines} ${withoutLine}`
      );
      assert.equal(summary.dropped, 0);

      // One period, unless the disk itself was slow, too, before or after it.
      const found = await stretches(t, archive);
      assert.ok(found.length > 0);
      const { begins, ends } = found.reduce((worst, next) =>
        next.ends.lag_ns > worst.ends.lag_ns ? next : worst
      );
      assert.ok(begins.lag_ns > COMMIT_NS);
      assert.equal(ends.from_ns, begins.from_ns);
      assert.ok(ends.lag_ns >= begins.lag_ns && ends.lag_ns === summary.lag_ns_max);
      // Frames received from from_ns to to_ns were late; all of them are there, with their own times.
      const late = (await jsonLines(t, ["cat", "-a", archive])).filter(
        (row) => row.dir !== "event" && row.recv_ns >= begins.from_ns && row.recv_ns <= ends.to_ns
      );
      assert.ok(ends.frames > 0 && late.length >= ends.frames, `${late.length} ${ends.frames}`);
      assert.ok(ends.to_ns < ends.at_ns && begins.from_ns < begins.at_ns);
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
      await tapedeck(t, ["verify", "-a", archive]);
    }
  );

  test(
    "a recorder that is stopped while its disk is slow writes the closing event with the lag",
    { skip: tooLong || skip },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const disk = slowDisk(dir);
      const server = await steady(t, dir);
      const recorder = new Recorder(
        t,
        archive,
        feedArgs(server, "inverse", ["trade.BTCUSD"]),
        disk.options
      );
      await recorder.durableLine((durable) => durable.in > 50);
      disk.set(1_500_000_000);
      await recorder.prints(/warning tapedeck record: frames are not durable/);
      const end = await recorder.kill("SIGTERM");
      assert.equal(end.code, 0, end.stderr);
      assert.ok((await stretches(t, archive)).length > 0);
      assert.ok(recorder.summary().lag_ns_max >= 1_500_000_000);
      await tapedeck(t, ["verify", "-a", archive]);
    }
  );

  test(
    "a connection that opens while the recorder reads no socket is not read either",
    { skip },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const disk = slowDisk(dir);
      const PAD = 64 << 10,
        FRAMES = 640; // 40 MiB, over what the ring keeps free
      const FIRST = 1100; // fills the ring, and the sockets
      const frame = Buffer.from(trade(1, PAD));
      let isFull = false,
        written = 0;
      const late = new EventEmitter();
      const server = await scriptedServer(t, dir, {
        refuse: (n, request) => (request.url === "/late" && !isFull ? 503 : undefined),
        message: (ws, request, n) => {
          const isLate = isFull;
          acknowledge(ws, request);
          if (!isLate) disk.set(HANGS_NS);
          for (let id = 1; id <= (isLate ? FRAMES : FIRST); id++)
            ws.send(frame, { binary: false }, () => {
              written += isLate;
            });
          if (isLate) late.emit("begun");
        },
      });
      const feed = (name) =>
        `  - {name: ${name}, family: inverse, url: "${server.url}/${name}", ca_file: ${server.ca}, topics: [trade.BTCUSD]}\n`;
      const file = path.join(dir, "feeds.yaml");
      fs.writeFileSync(
        file,
        `ring: 33MiB\noverload_max: 10m\nfeeds:\n${feed("first")}${feed("late")}`
      );
      const recorder = new Recorder(t, archive, ["-c", file], disk.options);
      await recorder.prints(/overload: the disk cannot keep up/);
      isFull = true;
      await recorder.until(once(late, "begun"));
      // Its network thread answers meanwhile: it would have read everything.
      for (let n = 0; n < 10; n++) await recorder.until(tapedeck(t, ["ctl", archive, "status"]));
      assert.ok(written < FRAMES, `${written} frames were read`);
      disk.set(0);
      await recorder.durableLine((durable) => durable.feed === "late" && durable.in > FRAMES);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      assert.doesNotMatch(recorder.stderr, /discarded/);
      assert.equal(recorder.summary().dropped, 0);
    }
  );
});
