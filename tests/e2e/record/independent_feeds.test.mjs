// A feed's fault does not affect other feeds or end the recorder: feeds that flap, exchanges that refuse for a while, names
// without an answer, terminals that hang up, more symbols than fit. Expected values: docs/recording.md, and the frames that
// the servers of this file sent.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  BIN,
  eventsOf,
  eventually,
  jsonLines,
  jsonList,
  listening,
  Program,
  run,
  tapedeck,
  temporary,
  tooLong,
  wrapped,
} from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const HUNG_NAMES = wrapped("recorder_hung_names");
const TRADE = ["trade.BTCUSD"];
const SANITIZED = /asan|tsan/.test(BIN); // then the sanitizer uses most of the memory

/** A configuration file with a feed for each [name, URL path] of one server. */
function feedsFile(dir, server, feeds) {
  const file = path.join(dir, "feeds.yaml");
  const feed = ([name, url]) =>
    `  - name: ${name}\n    family: inverse\n    url: ${server.url}${url}\n    ca_file: ${server.ca}\n    topics: [trade.BTCUSD]\n`;
  fs.writeFileSync(file, `commit_interval: 50ms\nfeeds:\n${feeds.map(feed).join("")}`);
  return file;
}

describe("feeds of one host", { concurrency: 2 }, () => {
  test(
    "a feed that the exchange accepts and closes again and again does not delay another feed",
    { skip: tooLong },
    async (t) => {
      const dir = temporary(t);
      const steady = [];
      let flaps = 0;
      const server = await scriptedServer(t, dir, {
        opened: (ws, _n, request) => {
          ws.flaps = request.url === "/flap";
          if (ws.flaps) flaps++;
          else steady.push(ws);
        },
        message: (ws, request) => {
          acknowledge(ws, request);
          if (ws.flaps) ws.close(1001);
          else ws.send(trade(steady.length));
        },
      });
      const recorder = new Recorder(t, path.join(dir, "tape"), [
        "-c",
        feedsFile(dir, server, [
          ["flap", "/flap"],
          ["steady", "/steady"],
        ]),
      ]);
      await eventually(
        "the steady feed has connected, and the other one several times",
        () => steady.length > 0 && flaps > 3,
        recorder
      );
      const before = flaps;
      steady[0].terminate();
      await eventually("the steady feed has connected again", () => steady.length > 1, recorder);
      // The flapping feed waits longer each time; the other one waits as after one loss. So the first has few turns meanwhile.
      console.log(
        `the flapping feed connected ${before} times, and ${flaps - before} times while the other one was out`
      );
      assert.ok(
        flaps - before <= 3,
        `the flapping feed connected ${flaps - before} times while the steady one was out`
      );
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    }
  );
});

describe("names without an answer", { concurrency: 1 }, () => {
  test(
    "hosts whose look-ups never return take a few threads, and delay no other host",
    { skip: tooLong || (!fs.existsSync(HUNG_NAMES) && `needs ${HUNG_NAMES}`) },
    async (t) => {
      const dir = temporary(t);
      const HUNG = 12;
      let waiting = [];
      const server = await scriptedServer(t, dir, {
        message: (ws, request) => {
          acknowledge(ws, request);
          ws.send(trade(1));
          waiting = waiting.filter((check) => !check());
        },
      });
      const feed = (name, url) =>
        `  - {name: ${name}, family: inverse, url: "${url}", ca_file: ${server.ca}, topics: [trade.BTCUSD], connect_timeout: 300ms}\n`;
      const file = path.join(dir, "feeds.yaml");
      fs.writeFileSync(
        file,
        "commit_interval: 50ms\nfeeds:\n" +
          Array.from({ length: HUNG }, (_, i) =>
            feed(`hung${i}`, `wss://host${i}.hangs/realtime`)
          ).join("") +
          feed("good", server.url.replace("127.0.0.1", "localhost") + "/realtime")
      );
      const recorder = new Recorder(t, path.join(dir, "tape"), ["-c", file], {
        program: HUNG_NAMES,
      });
      const threads = () =>
        Number(
          /^Threads:\s*(\d+)/m.exec(
            fs.readFileSync(`/proc/${recorder.child.pid}/status`, "utf8")
          )[1]
        );
      await recorder.until(
        recorder.durableLine((durable) => durable.feed === "good" && durable.in >= 2)
      );
      // Every host that hangs has been given up and tried again, some of them often.
      const attempts = () =>
        recorder.stderr.match(/cannot connect to wss:..host\d+.hangs/g)?.length ?? 0;
      await eventually(
        "60 attempts, and a warning",
        () => attempts() >= 60 && /takes more than 5 s/.test(recorder.stderr),
        recorder
      );
      const most = threads();
      console.log(`${most} threads; ${attempts()} attempts`);
      assert.ok(most <= 16 + 8, `${most} threads`);
      assert.match(recorder.stderr, /looking up 'host0.hangs' takes more than 5 s/);
      assert.equal(
        recorder.stderr.match(/looking up 'host0.hangs' takes more than 5 s/g).length,
        1
      );
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    }
  );
});

describe("a recorder's start", { concurrency: 1 }, () => {
  test("connecting does not wait until an outdated catalog is up to date", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "4",
      "--rate",
      "4000",
      "--seed",
      "5",
    ]);
    const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
    await tapedeck(t, ["record", "-a", archive, ...args, "--max-frames", "10"]);
    fs.copyFileSync(path.join(archive, "catalog.sqlite"), path.join(dir, "old.sqlite"));
    await tapedeck(t, ["record", "-a", archive, ...args, "--max-frames", "5000"]);
    // As after a restore: the catalog has the first session only.
    fs.copyFileSync(path.join(dir, "old.sqlite"), path.join(archive, "catalog.sqlite"));
    const recorder = new Recorder(t, archive, args);
    await recorder.prints(/connected to/);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    await tapedeck(t, ["verify", "-a", archive]);
  });
});

describe("temporary refusals", { concurrency: 4 }, () => {
  // Tests one status that is tried again after 1 s, and one after 5 s;
  // tests/recorder/test_backoff.c has them all.
  for (const status of [408, 429])
    test(`a recorder retries an upgrade that is refused with ${status} at its start`, async (t) => {
      const dir = temporary(t);
      const server = await scriptedServer(t, dir, {
        refuse: (n) => (n === 1 ? status : undefined),
        opened: (ws) => ws.send(trade(1)),
      });
      const end = await run(
        t,
        "tapedeck-record",
        [
          "record",
          "-a",
          path.join(dir, "tape"),
          ...feedArgs(server, "inverse", TRADE),
          "--max-frames",
          "2",
        ],
        { status: null }
      );
      assert.equal(end.code, 0, end.stderr);
      assert.match(end.stderr, new RegExp(`${status}`));
      assert.equal(server.received.upgrades, 2);
    });

  test("a recorder waits as long as Retry-After demands", async (t) => {
    const dir = temporary(t);
    const at = [];
    const RETRY_S = 3; // more than the 1 s for which a recorder waits after 503
    const server = await scriptedServer(t, dir, {
      refuse: (n) => {
        at.push(Date.now());
        return n === 1 ? { code: 503, headers: { "Retry-After": RETRY_S } } : undefined;
      },
      opened: (ws) => ws.send(trade(1)),
    });
    const end = await run(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        path.join(dir, "tape"),
        ...feedArgs(server, "inverse", TRADE),
        "--max-frames",
        "2",
      ],
      { status: null }
    );
    assert.equal(end.code, 0, end.stderr);
    assert.ok(at[1] - at[0] >= RETRY_S * 1000 - 100, `tried again after ${at[1] - at[0]} ms`);
  });
});

describe("a terminal that hangs up", { concurrency: 4 }, () => {
  const untilLine = async (program) => program.line(() => true);

  test("record, serve, sim and cat --follow stop cleanly at SIGHUP", async (t) => {
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
      "5",
    ]);
    const recorder = new Recorder(t, archive, [
      ...feedArgs(sim, "inverse"),
      "--commit-interval",
      "100ms",
    ]);
    await recorder.durableAfter(2);
    const follower = new Program(t, "tapedeck", ["cat", "-a", archive, "--follow"]);
    await untilLine(follower);
    const ends = {
      follower: await follower.kill("SIGHUP"),
      recorder: await recorder.kill("SIGHUP"),
      sim: await sim.program.kill("SIGHUP"),
    };
    const server = await listening(t, ["serve", "-a", archive], dir);
    ends.server = await server.program.kill("SIGHUP");
    for (const [name, end] of Object.entries(ends))
      assert.deepEqual([name, end.code, end.signal], [name, 0, null], end.stderr);
    assert.ok(recorder.summary().frames > 0);
    await tapedeck(t, ["verify", "-a", archive]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("under nohup a recorder ignores SIGHUP and continues", async (t) => {
    const dir = temporary(t);
    let socket;
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        ws.send(trade(1));
        socket = ws;
      },
    });
    const recorder = new Recorder(
      t,
      path.join(dir, "tape"),
      [...feedArgs(server, "inverse", TRADE), "--commit-interval", "50ms"],
      { under: ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"] }
    );
    await recorder.durableLine((durable) => durable.in >= 2);
    recorder.child.kill("SIGHUP");
    const more = recorder.durableLine((durable) => durable.in >= 3);
    socket.send(trade(2));
    await recorder.until(more);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  });
});

describe("servers with more symbols than fit", { concurrency: 1 }, () => {
  const SYMBOLS = tooLong ? 20_000 : 100_000; // more than a segment has topics
  const TOPICS_MAX = 12_288; // docs/design.md: topics of a segment

  /** A trade of one of many symbols. */
  const tradeOf = (n) =>
    JSON.stringify({
      topic: `trade.S${n}USD`,
      data: [
        {
          trade_time_ms: 1618666000000 + n,
          timestamp: "2021-04-17T13:26:40.000Z",
          symbol: `S${n}USD`,
          side: "Buy",
          size: 1,
          price: 5,
          tick_direction: "ZeroPlusTick",
          trade_id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
          cross_seq: n + 1,
        },
      ],
    });

  /** A program's peak memory in bytes. */
  const peakBytes = (program) =>
    Number(
      /^VmHWM:\s*(\d+) kB/m.exec(fs.readFileSync(`/proc/${program.child.pid}/status`, "utf8"))[1]
    ) * 1024;

  test(`${SYMBOLS} symbols: every frame is recorded, those beyond the channels as _unknown, and replay finds their topics`, async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        if (request.op !== "subscribe") return;
        for (let n = 0; n < SYMBOLS; n++) ws.send(tradeOf(n));
      },
    });
    const recorder = new Recorder(t, archive, feedArgs(server, "inverse", ["trade.*"]));
    await recorder.until(recorder.durableLine((durable) => durable.in >= SYMBOLS + 1));
    const peak = peakBytes(recorder);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const summary = recorder.summary();
    console.log(
      `peak ${Math.round(peak / 1e6)} MB, ${summary.overflow} frames without a channel of their own`
    );
    assert.equal(summary.in, SYMBOLS + 1);
    assert.equal(
      recorder.stderr.match(/topics and symbols in one segment/g)?.length,
      1,
      recorder.stderr
    );
    await tapedeck(t, ["verify", "-a", archive]);
    // Each frame once, in order, byte for byte.
    const rows = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter(
      (row) => row.topic !== "_control"
    );
    assert.equal(rows.length, SYMBOLS);
    assert.ok(rows.every((row, n) => row.data === tradeOf(n)));
    // No segment has more topics than it may.
    const segments = (await eventsOf(t, archive, "segment")).length;
    assert.ok(
      SYMBOLS - summary.overflow <= segments * TOPICS_MAX &&
        SYMBOLS - summary.overflow >= TOPICS_MAX,
      `${summary.overflow} of ${SYMBOLS}`
    );
    const report = JSON.parse(
      (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: null })).stdout
    );
    assert.deepEqual(
      [report.frames - report.out, report.decoded, report.undecoded],
      [SYMBOLS + 1, SYMBOLS, 0]
    );
    assert.equal(report.topics.filter((row) => row.topic === "trade").length, SYMBOLS);
    if (!SANITIZED) assert.ok(peak < 400e6, `${peak} bytes`);
  });

  test(
    "thousands of books at their maximum size: the live check skips and counts some, and every frame is recorded",
    { skip: tooLong },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const BOOKS = 1500;
      const LEVELS = 16_000;
      const levels = (side, from) =>
        Array.from(
          { length: LEVELS / 2 },
          (_, i) =>
            `{"price":"${from + i}.5","symbol":"X","id":${(from + i) * 10000 + 5000},"side":"${side}","size":${i + 1}}`
        ).join(",");
      const all = `${levels("Buy", 1000)},${levels("Sell", 20000)}`;
      let sent = 0;
      const server = await scriptedServer(t, dir, {
        message: async (ws, request) => {
          acknowledge(ws, request);
          if (request.op !== "subscribe") return;
          for (; sent < BOOKS; sent++) {
            ws.send(
              `{"topic":"orderBook_200.100ms.S${sent}","type":"snapshot","data":[${all}],"cross_seq":${sent + 1},"timestamp_e6":1618666000000000}`
            );
            while (ws.bufferedAmount > 1 << 24) await once(ws._socket, "drain");
          }
        },
      });
      const recorder = new Recorder(
        t,
        archive,
        feedArgs(server, "inverse", ["orderBook_200.100ms.*"]),
        { deadlineMs: 600_000 }
      ); // sanitizers are slow
      await recorder.until(recorder.durableLine((durable) => durable.in >= BOOKS + 1));
      const peak = peakBytes(recorder);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const summary = recorder.summary();
      console.log(
        `peak ${Math.round(peak / 1e6)} MB, ${summary.unchecked_books} of ${BOOKS} books unchecked`
      );
      assert.ok(summary.frames >= BOOKS + 1 && summary.dropped === 0, JSON.stringify(summary)); // a pong may be among them
      // On a slow machine the live check is late: it skips and counts frames before its memory is used up.
      if (summary.unchecked_books > 0 || summary.unchecked < BOOKS / 2) {
        assert.ok(
          summary.unchecked_books > 0 && summary.unchecked_books < BOOKS,
          JSON.stringify(summary)
        );
        assert.match(recorder.stderr, /the live check has no memory left/);
        const events = await eventsOf(t, archive);
        assert.ok(
          events.some((event) => event.event === "limit" && event.what === "books"),
          "no event"
        );
      }
      await tapedeck(t, ["verify", "-a", archive]);
      if (!SANITIZED) assert.ok(peak < 400e6, `${peak} bytes`);
    }
  );
});
