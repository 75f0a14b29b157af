// Frames that a feed must not send, and connections that end: they are recorded, counted and reported, and never end the
// recorder. Expected values: docs/design.md (P2, P4, "Recorder", "Report"), limits.h (16 MiB a frame), the frames that this
// file sends.
import assert from "node:assert/strict";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  json,
  jsonLines,
  jsonList,
  parseLines,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TRADE = ["trade.BTCUSD"];
const FRAME_BYTES_MAX = 16 << 20;

/** Serve these frames after the acknowledgement, then close. Record until the close. */
async function recorded(t, frames, { args = [], topics = TRADE, status = 0 } = {}) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await scriptedServer(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op !== "subscribe") return;
      for (const frame of frames) ws.send(frame);
      ws.close(1000);
    },
  });
  const end = await run(
    t,
    "tapedeck-record",
    [
      "record",
      "-a",
      archive,
      ...feedArgs(server, "inverse", topics),
      "--until-close",
      "--json",
      ...args,
    ],
    { status }
  );
  return { archive, server, end };
}

const inbound = async (t, archive) =>
  (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter(
    (row) => !row.data.startsWith('{"success"')
  );

// These tests mostly wait: a refused topic is requested again after 5 s.
describe("feed", { concurrency: true }, () => {
  describe("frames", { concurrency: 3 }, () => {
    test("malformed frames are recorded unchanged, and replay reports each with topic, offset and reason", async (t) => {
      const frames = [
        trade(1),
        '{"topic":"trade.BTCUSD","data":[{"price":', // ends in the middle
        '{"topic":"trade.BTCUSD","data":[{"trade_time_ms":"soon","symbol":"BTCUSD"}]}', // no such type
        "no JSON at all",
        '{"topic":"trade.BTCUSD"', // a topic, and then nothing
        "[1,2,3]",
        "{}",
        trade(2),
      ];
      const { archive } = await recorded(t, frames);
      assert.deepEqual(
        (await inbound(t, archive)).map((row) => row.data),
        frames
      );
      const report = JSON.parse(
        (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: 1 })).stdout
      );
      assert.equal(report.frames - report.out, frames.length + 1);
      assert.equal(report.control, 1);
      assert.equal(report.decoded, 2);
      assert.equal(report.undecoded, 6);
      const rows = parseLines(
        (await tapedeck(t, ["replay", "-a", archive, "--messages"], { status: 1 })).stdout
      );
      const raw = rows.filter((row) => row.error);
      assert.ok(raw.length >= 5, JSON.stringify(rows));
      for (const row of raw) {
        assert.ok(
          typeof row.error.reason === "string" && row.error.reason.length > 3,
          JSON.stringify(row)
        );
        assert.ok(Number.isInteger(row.error.offset), JSON.stringify(row));
      }
      assert.ok(
        raw.some((row) => row.error.topic === "trade.BTCUSD" && row.error.offset > 30),
        JSON.stringify(raw)
      );
      assert.deepEqual(
        raw.map((row) => row.error.reason),
        ["not_json", "bad_time", "not_json", "not_json", "no_topic", "no_topic"]
      );
      const people = await tapedeck(t, ["replay", "-a", archive], { status: 1 });
      assert.match(people.stdout + people.stderr, /6 frames could not be decoded/);
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("frames of an unknown topic are recorded, counted as unknown, and selected by topic", async (t) => {
      const frames = [
        trade(1),
        '{"topic":"moon.BTCUSD","data":{"symbol":"BTCUSD"}}',
        '{"topic":"weather.BTCUSD","data":[]}',
      ];
      const { archive, end } = await recorded(t, frames, {
        topics: ["trade.BTCUSD", "weather.BTCUSD"],
        args: ["--allow-unknown-topic"],
      });
      const { recorded: summary } = JSON.parse(end.stdout.trim().split("\n").at(-1));
      assert.equal(summary.in, 4);
      assert.equal(summary.unknown, 2);
      assert.deepEqual(
        (await inbound(t, archive)).map((row) => row.data),
        frames
      );
      const unknown = await jsonLines(t, [
        "cat",
        "-a",
        archive,
        "--dir",
        "in",
        "--topic",
        "_unknown",
      ]);
      assert.deepEqual(
        unknown.map((row) => row.data),
        frames.slice(1)
      );
      const report = JSON.parse(
        (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: 1 })).stdout
      );
      assert.equal(report.undecoded, 2);
    });

    test("a frame with NUL, a binary one with invalid UTF-8, and an empty one come back byte for byte", async (t) => {
      const frames = [
        Buffer.from([0, 255, 254, 10, 13, 0]),
        Buffer.from('{"topic":"trade.BTCUSD\u0000"}'),
        Buffer.from(trade(1)),
      ];
      const { archive } = await recorded(t, frames);
      const { stdout } = await new Promise((resolve) => {
        // Bytes, not text: read directly from the program's output.
        import("node:child_process").then(({ execFile }) =>
          execFile(
            path.join(process.env.TAPEDECK_BIN, "tapedeck"),
            ["cat", "-a", archive, "--raw", "--dir", "in"],
            { encoding: "buffer" },
            (_error, out) => resolve({ stdout: out })
          )
        );
      });
      for (const frame of frames)
        assert.ok(
          stdout.indexOf(Buffer.concat([frame, Buffer.from("\n")])) >= 0,
          frame.toString("hex")
        );
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("a frame of 16 MiB is recorded whole", async (t) => {
      const bare = trade(1, 1).length;
      const large = trade(1, FRAME_BYTES_MAX - bare + 1);
      assert.equal(large.length, FRAME_BYTES_MAX);
      const { archive } = await recorded(t, [large, trade(2)]);
      const { stdout } = await tapedeck(t, [
        "cat",
        "-a",
        archive,
        "--raw",
        "--dir",
        "in",
        "--topic",
        "trade",
      ]);
      assert.equal(stdout.split("\n")[0].length, FRAME_BYTES_MAX);
      assert.ok(stdout.startsWith(large));
      const report = await json(t, ["replay", "-a", archive, "--json"]);
      assert.equal(report.decoded, 2);
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("a frame of 16 MiB and a byte ends the connection, not the recorder, and the gap has the reason", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const bare = trade(1, 1).length;
      const server = await scriptedServer(t, dir, {
        message: (ws, request, n) => {
          acknowledge(ws, request);
          ws.send(trade(n));
          if (n === 1) ws.send(trade(9, FRAME_BYTES_MAX - bare + 2));
        },
      });
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "inverse", TRADE),
        "--max-frames",
        "4",
      ]);
      assert.equal((await recorder.ended).code, 0, recorder.stderr);
      assert.match(recorder.stderr, /16|too large|over/);
      assert.equal(server.received.upgrades, 2);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      assert.equal(gaps.length, 1);
      assert.equal(gaps[0].cause, "too_large");
      assert.ok(gaps[0].to_ns > gaps[0].from_ns);
    });
  });

  describe("the connection", { concurrency: 3 }, () => {
    test("after a close the recorder reconnects and subscribes; the gap is closed, the events have code and reason", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const server = await scriptedServer(t, dir, {
        message: (ws, request, n) => {
          acknowledge(ws, request);
          ws.send(trade(n));
          if (n === 1) ws.close(1001, "maintenance");
        },
      });
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "inverse", TRADE),
        "--max-frames",
        "4",
      ]);
      assert.equal((await recorder.ended).code, 0, recorder.stderr);
      assert.deepEqual(
        server.received.requests.map((r) => r.op),
        ["subscribe", "subscribe"]
      );
      assert.deepEqual(server.received.requests[1].args, ["trade.BTCUSD"]);
      const [gap, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      assert.deepEqual(more, []);
      assert.deepEqual([gap.reason, gap.cause, gap.conn], ["disconnect", "closed_by_peer", 1]);
      const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
      const last = rows.filter((row) => row.conn === 1).at(-1).recv_ns;
      const first = rows.find((row) => row.conn === 2).recv_ns;
      assert.ok(gap.from_ns <= last && gap.to_ns >= first, JSON.stringify([gap, last, first]));
      const [ended] = await eventsOf(t, archive, "disconnect");
      assert.deepEqual([ended.code, ended.reason, ended.by], [1001, "maintenance", "peer"]);
      assert.deepEqual(
        (await eventsOf(t, archive, "connect")).map((event) => event.conn),
        [1, 2]
      );
      await tapedeck(t, ["replay", "-a", archive], { status: 1 });
    });

    test("a socket that ends without a close frame is a disconnect too", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const server = await scriptedServer(t, dir, {
        message: (ws, request, n) => {
          acknowledge(ws, request);
          ws.send(trade(n), () => n === 1 && ws.terminate());
        },
      });
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "inverse", TRADE),
        "--max-frames",
        "4",
      ]);
      assert.equal((await recorder.ended).code, 0, recorder.stderr);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      assert.deepEqual(
        gaps.map((gap) => gap.reason),
        ["disconnect"]
      );
      assert.ok(gaps[0].to_ns > 0);
    });

    test("a request refused because of one topic is split until that topic is alone; the others are recorded", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const topics = ["trade.A", "trade.B", "trade.NOSUCH", "trade.BTCUSD", "trade.C"];
      const server = await scriptedServer(t, dir, {
        message: (ws, request) => {
          const bad = request.args.find((topic) => topic === "trade.NOSUCH");
          if (bad)
            return acknowledge(ws, request, {
              success: false,
              ret_msg: `error:handler not found,topic:${bad}`,
            });
          acknowledge(ws, request);
          if (request.args.includes("trade.BTCUSD")) ws.send(trade(1));
        },
      });
      const recorder = new Recorder(t, archive, feedArgs(server, "inverse", topics));
      await recorder.prints(/subscribed to 4 of 5 topics/);
      assert.match(
        recorder.stderr,
        /warning tapedeck record: inverse: the exchange refused to subscribe trade\.NOSUCH: .*handler not found,topic:trade\.NOSUCH/
      );
      // It is requested again, alone, after some seconds.
      await recorder.prints(
        /refused to subscribe trade\.NOSUCH[^]*refused to subscribe trade\.NOSUCH/
      );
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const granted = (await eventsOf(t, archive, "grant")).map((event) => event.topic);
      assert.deepEqual(granted.sort(), topics.filter((topic) => topic !== "trade.NOSUCH").sort());
      const refused = (await eventsOf(t, archive, "grant_end")).map((event) => event.topic);
      assert.deepEqual(
        new Set(refused.filter((topic) => !granted.includes(topic))),
        new Set(["trade.NOSUCH"])
      );
      assert.deepEqual(server.received.requests.at(-1).args, ["trade.NOSUCH"]);
      assert.equal((await inbound(t, archive)).filter((row) => row.topic === "trade").length, 1);
    });

    test("--strict: a refused topic ends the recorder with 4, and every frame is kept", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const server = await scriptedServer(t, dir, {
        opened: (ws) => ws.send(trade(1)),
        message: (ws, request) =>
          acknowledge(ws, request, { success: false, ret_msg: "error:handler not found" }),
      });
      const end = await run(
        t,
        "tapedeck-record",
        ["record", "-a", archive, ...feedArgs(server, "inverse", TRADE), "--strict"],
        { status: 4 }
      );
      assert.match(
        end.stderr,
        /^tapedeck record: the exchange refused to subscribe trade\.BTCUSD: .*handler not found/m
      );
      assert.equal((await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length, 2);
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("--until-close ends with 0 at the first close, and writes no gap", async (t) => {
      const { archive, end } = await recorded(t, [trade(1), trade(2)]);
      assert.equal(JSON.parse(end.stdout.trim().split("\n").at(-1)).recorded.in, 3);
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    });

    test("frames are announced as durable within the commit interval, and never before they are in the file", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      let send;
      const server = await scriptedServer(t, dir, {
        message: (ws, request) => {
          acknowledge(ws, request);
          send = (id) => ws.send(trade(id));
        },
      });
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "inverse", TRADE),
        "--commit-interval",
        "100ms",
      ]);
      await recorder.durableLine((durable) => durable.in >= 1);
      for (let id = 1; id <= 5; id++) {
        const announced = recorder.durableLine((durable) => durable.in >= id + 1);
        send(id);
        await announced;
        // A reader finds it now, while the recorder is running.
        const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", "trade"]);
        assert.ok(rows.length >= id, `${rows.length} of ${id}`);
      }
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    });
  });
});
