// Recording must not depend on the program's output: readers that stop reading, readers that exit, descriptors that were
// closed before it started. Expected values: docs/design.md ("Output", P1) and the frames that the test's server sent.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { scriptedServer, acknowledge, trade } from "../support/scripted_server.mjs";
import {
  BIN,
  eventually,
  filesBelow,
  json,
  jsonLines,
  jsonList,
  listening,
  parseLines,
  Program,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { feedArgs, stuffedPipe } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TOPIC = ["trade.BTCUSD"];

/** A server that sends this many frames to each subscriber, some at a time; pad makes them larger. */
async function pouring(t, dir, frames, pad = 0) {
  return scriptedServer(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op !== "subscribe") return;
      let n = 0;
      const timer = setInterval(() => {
        for (let i = 0; i < 200 && n < frames; i++) ws.send(trade(++n, pad));
        if (n === frames) clearInterval(timer);
      }, 20);
      ws.on("close", () => clearInterval(timer));
    },
  });
}

const trades = async (t, archive) =>
  (await jsonLines(t, ["cat", "-a", archive, "--topic", "trade", "--dir", "in"], { status: null }))
    .length;

/** Wait until this many trades are durable, while the program runs. */
async function recorded(t, recorder, archive, frames) {
  const count = async () => (fs.existsSync(archive) ? trades(t, archive) : 0);
  await eventually(`${frames} frames are durable`, async () => (await count()) >= frames, recorder);
  assert.equal(await count(), frames);
}

describe("pipes", { concurrency: 2 }, () => {
  test(
    "a reader of record --json that stops reading delays no frame, and gets every total when it resumes",
    { skip: tooLong },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const pipe = stuffedPipe(t, dir, "pipe");
      const frames = 20_000;
      // 84 MB: more than the ring has.
      const server = await pouring(t, dir, frames, 4000);
      const recorder = new Program(
        t,
        "tapedeck-record",
        [
          "record",
          "-a",
          archive,
          "--json",
          ...feedArgs(server, "inverse", TOPIC),
          "--commit-interval",
          "50ms",
        ],
        { out: pipe.end }
      );
      await recorded(t, recorder, archive, frames);
      assert.doesNotMatch(recorder.stderr, /overload/);
      const before = parseLines(pipe.drain()).length;
      recorder.child.kill("SIGTERM");
      assert.equal((await recorder.ended).code, 0, recorder.stderr);
      const rows = parseLines(pipe.drain());
      assert.ok(rows.length > before, "lines that waited come");
      const last = rows.filter((row) => row.durable !== undefined).at(-1).durable;
      const summary = rows.at(-1).recorded;
      assert.equal(last.in, summary.in);
      assert.ok(last.in > frames);
      assert.equal(summary.dropped, 0);
      assert.equal(rows.filter((row) => row.output !== undefined).length, 0, "none was lost");
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
      await tapedeck(t, ["verify", "-a", archive]);
    }
  );

  test("a full standard error delays no frame", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const pipe = stuffedPipe(t, dir, "pipe");
    const frames = 2000;
    const server = await pouring(t, dir, frames);
    const recorder = new Program(
      t,
      "tapedeck-record",
      [
        "record",
        "-v",
        "-a",
        archive,
        ...feedArgs(server, "inverse", TOPIC),
        "--commit-interval",
        "50ms",
      ],
      { err: pipe.end }
    );
    await recorded(t, recorder, archive, frames);
    pipe.drain();
    recorder.child.kill("SIGTERM");
    assert.equal((await recorder.ended).code, 0);
    const log = pipe.drain();
    assert.match(log, /tapedeck record: .*subscribed to/);
    assert.match(log, /recorded 2,?\d+ frames/);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("with a full pipe and no reader the recorder still ends: it counts the lines that it could not print, and exits with 4", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const pipe = stuffedPipe(t, dir, "pipe");
    const frames = 500;
    const server = await pouring(t, dir, frames);
    const recorder = new Program(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        archive,
        "--json",
        ...feedArgs(server, "inverse", TOPIC),
        "--commit-interval",
        "50ms",
      ],
      { out: pipe.end }
    );
    await recorded(t, recorder, archive, frames);
    const asked = Date.now();
    recorder.child.kill("SIGTERM");
    const end = await recorder.ended;
    assert.ok(Date.now() - asked < 30_000, `${Date.now() - asked} ms`);
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /cannot write output: .* \d+ lines? (was|were) not written/);
    assert.equal(await trades(t, archive), frames);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("a reader that exits does not end the recording: the recorder warns, and exits with 4 at its end", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const frames = 500;
    const server = await pouring(t, dir, frames);
    const pipe = stuffedPipe(t, dir, "pipe");
    pipe.close();
    const recorder = new Program(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        archive,
        "--json",
        ...feedArgs(server, "inverse", TOPIC),
        "--commit-interval",
        "50ms",
      ],
      { out: pipe.end }
    );
    await recorder.prints(/ warning tapedeck record: .*Broken pipe; recording continues/);
    await recorded(t, recorder, archive, frames);
    const end = await recorder.kill("SIGTERM");
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /cannot write output: Broken pipe/);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("sim and serve do not wait for a reader of their standard error", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const talk = stuffedPipe(t, dir, "talk");
    const sim = await listening(
      t,
      ["sim", "-v", "--families", "inverse", "--symbols", "1", "--rate", "500"],
      dir,
      { err: talk.end }
    );
    const record = (to, server) =>
      new Program(t, "tapedeck-record", [
        "record",
        "-a",
        to,
        ...feedArgs(server, "inverse", ["trade.*"]),
        "--max-frames",
        "200",
      ]).ended;
    const end = await record(archive, sim);
    assert.equal(end.code, 0, end.stderr);
    const more = stuffedPipe(t, dir, "more");
    const serve = await listening(t, ["serve", "-v", "-a", archive, "--speed", "max"], dir, {
      err: more.end,
    });
    const again = await record(path.join(dir, "again"), serve);
    assert.equal(again.code, 0, again.stderr);
    for (const program of [sim.program, serve.program])
      assert.equal((await program.kill("SIGTERM")).code, 0);
  });
});

describe("descriptors that were closed", { concurrency: 2 }, () => {
  /** Start a program with these of its three descriptors closed. */
  const without = (t, closed, name, args) =>
    new Program(t, "/bin/sh", [
      "-c",
      `exec "$@" ${closed.map((fd) => `${fd}${fd === 0 ? "<" : ">"}&-`).join(" ")}`,
      "sh",
      path.join(path.resolve(BIN), name),
      ...args,
    ]);

  for (let set = 1; set < 8; set++) {
    const closed = [0, 1, 2].filter((fd) => set & (1 << fd));
    test(`record --json without ${closed.join(", ")} writes no output into other files`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const frames = 300;
      const server = await pouring(t, dir, frames);
      const recorder = without(t, closed, "tapedeck", [
        "record",
        "--json",
        "-a",
        archive,
        ...feedArgs(server, "inverse", TOPIC),
        "--commit-interval",
        "50ms",
      ]);
      await recorded(t, recorder, archive, frames);
      assert.match(fs.readFileSync(path.join(archive, "lock"), "utf8"), /^[^\n{]+\n$/);
      const end = await recorder.kill("SIGTERM");
      assert.equal(end.code, closed.includes(1) ? 4 : 0, end.stderr);
      if (closed.includes(1) && !closed.includes(2))
        assert.match(end.stderr, /cannot write output: Bad file descriptor/);
      for (const file of filesBelow(archive))
        assert.doesNotMatch(
          fs.readFileSync(path.join(archive, file), "latin1"),
          /"durable"|tapedeck-record:/,
          file
        );
      await tapedeck(t, ["verify", "-a", archive]);
      assert.equal(await trades(t, archive), frames);
    });
  }

  test("a verb that cannot print its result reports that, and ends with 4", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await pouring(t, dir, 10);
    await new Program(t, "tapedeck", [
      "record",
      "-a",
      archive,
      ...feedArgs(server, "inverse", TOPIC),
      "--max-frames",
      "5",
    ]).ended;
    for (const [name, args] of [
      ["tapedeck", ["info", "-a", archive]],
      ["tapedeck", ["ls", "-a", archive, "--json"]],
      ["tapedeck", ["cat", "-a", archive]],
      ["tapedeck", ["replay", "-a", archive]],
      ["tapedeck", ["verify", "-a", archive]],
      ["tapedeck", ["topics"]],
      ["tapedeck", ["--help"]],
      ["tapedeck", ["--version"]],
      ["tapedeck", ["cat", "--help"]],
      ["tapedeck-sim", ["sim", "--list"]],
    ]) {
      const end = await without(t, [1], name, args).ended;
      assert.equal(end.code, 4, `${name} ${args[0]}: ${end.stderr}`);
      assert.match(end.stderr, /cannot write output: Bad file descriptor/, args[0]);
    }
    // A closed standard input is an error, not an empty input.
    const end = await without(t, [0], "tapedeck", ["decode", "--family", "inverse"]).ended;
    assert.equal(end.code, 4, end.stderr);
    assert.equal((await json(t, ["info", "-a", archive, "--json"])).frames > 0, true);
  });
});
