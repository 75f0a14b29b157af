// WebSocket control frames in events: pings and pongs are heartbeat events with their payload; disconnect events have the
// close frame as it was sent (RFC 6455, 5.5 and 7.4; docs/recording.md).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { eventsOf, jsonLines, temporary } from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TRADES = ["trade.BTCUSD"];
const heartbeat = (event) =>
  `${event.dir} ${event.what} ${event.payload ?? event.payload_hex ?? ""}`;

/** Record a server that sends after the subscription, until this many frames are durable. Returns the archive. */
async function recordFrom(t, send, frames) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await scriptedServer(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op === "subscribe") send(ws);
    },
  });
  const recorder = new Recorder(t, archive, feedArgs(server, "inverse", TRADES));
  await recorder.durableLine((line) => line.in >= frames);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return { archive, recorder };
}

test("only a server's pings and their pongs are recorded as heartbeat events", async (t) => {
  const PINGS = 8;
  const payloads = [];
  const { archive } = await recordFrom(
    t,
    (ws) => {
      // Data and replies, before the first ping and between two, are no heartbeats.
      for (let i = 0; i < 200; i++) ws.send(trade(i, i % 50 === 0 ? 100_000 : 0));
      ws.on("pong", (data) => {
        payloads.push(data.toString());
        for (let i = 0; i < 20; i++) ws.send(trade(1000 * payloads.length + i));
        if (payloads.length < PINGS) ws.ping(`n${payloads.length}`);
        else ws.send(trade(999_999));
      });
      ws.ping("n0");
    },
    202 + 20 * PINGS
  );
  const sent = Array.from({ length: PINGS }, (_, i) => `n${i}`);
  assert.deepEqual(payloads, sent);
  const events = await eventsOf(t, archive, "heartbeat");
  const expected = sent.flatMap((payload) => [`in ping ${payload}`, `out pong ${payload}`]);
  // Beyond ten in a second they are counted.
  const own = events.filter((event) => event.frames === undefined);
  assert.deepEqual(
    own.map(heartbeat).filter((text) => !expected.includes(text)),
    []
  );
  assert.equal(
    events.reduce((sum, event) => sum + (event.frames ?? 1), 0),
    2 * PINGS
  );
  assert.deepEqual(own.map(heartbeat).slice(0, 10), expected.slice(0, 10));
  assert.ok(events.every((event) => event.conn === 1));
});

test("payloads are recorded as text if printable, else in hex, also payloads of pongs without a ping", async (t) => {
  const { archive } = await recordFrom(
    t,
    (ws) => {
      ws.ping("é".repeat(62) + "x"); // 125 bytes
      ws.once("pong", () => {
        ws.ping(Buffer.from([0, 255, 10]));
        ws.once("pong", () => {
          ws.ping();
          ws.once("pong", () => ws.pong("alone", undefined, () => ws.send(trade(1))));
        });
      });
    },
    2
  );
  const long = "é".repeat(62) + "x";
  const events = await eventsOf(t, archive, "heartbeat");
  assert.deepEqual(events.map(heartbeat), [
    `in ping ${long}`,
    `out pong ${long}`,
    "in ping 00ff0a",
    "out pong 00ff0a",
    "in ping ",
    "out pong ",
    "in pong alone",
  ]);
  assert.deepEqual(
    events.map((event) => event.payload_hex).filter((hex) => hex !== undefined),
    ["00ff0a", "00ff0a"]
  );
});

test("a flood of pings is counted in few events, and the frames around it are recorded", async (t) => {
  const PINGS = 5000;
  let pongs = 0;
  const { archive, recorder } = await recordFrom(
    t,
    (ws) => {
      ws.on("pong", () => pongs++);
      for (let i = 0; i < PINGS; i++) {
        ws.ping(`${i}`);
        if (i % 50 === 0) ws.send(trade(i));
      }
    },
    1 + PINGS / 50
  );
  const events = await eventsOf(t, archive, "heartbeat");
  const count = (dir) =>
    events
      .filter((event) => event.dir === dir)
      .reduce((sum, event) => sum + (event.frames ?? 1), 0);
  assert.equal(count("in"), PINGS);
  assert.ok(count("out") >= pongs && count("out") <= PINGS, `${count("out")} ${pongs}`);
  const seconds = 1 + Math.ceil((events.at(-1).at_ns - events[0].at_ns) / 1e9);
  assert.ok(events.length <= 13 * (seconds + 1), `${events.length} events in ${seconds} s`);
  assert.match(recorder.stderr, /more than 10 WebSocket pings and pongs in a second/);
});

test("a secret in a ping or a close reason is hidden", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await scriptedServer(t, dir, {
    message: (ws, request, n) => {
      acknowledge(ws, request);
      ws.ping(Buffer.from("\u0000token sesame-open-now"));
      ws.send(trade(n), () => n === 1 && ws.close(4001, "sesame-open-now has expired"));
    },
  });
  const [url, ...args] = feedArgs(server, "inverse", TRADES);
  const recorder = new Recorder(t, archive, [`${url}?token=sesame-open-now`, ...args]);
  await recorder.durableLine((line) => line.conn === 2 && line.in >= 2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const [ended] = await eventsOf(t, archive, "disconnect");
  assert.equal(ended.reason, "*************** has expired");
  const [ping] = await eventsOf(t, archive, "heartbeat");
  assert.equal(Buffer.from(ping.payload_hex, "hex").toString(), "\u0000token ***************");
  assert.doesNotMatch(recorder.stderr, /sesame/);
});

test("disconnect events have code and reason as the peer sent them, and who closed first", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const codes = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999,
  ];
  const closes = new Map(
    codes.flatMap((code) => [
      [`c${code}`, [code]],
      [`r${code}`, [code, `because of ${code}: é`]],
    ])
  );
  closes.set("absent", []);
  closes.set("control", [4000, "a\u0000b"]);
  const server = await scriptedServer(t, dir, {
    message: (ws, request, n) => {
      const url = server.received.urls[n - 1];
      const is_again = server.received.urls.indexOf(url) < n - 1;
      acknowledge(ws, request);
      ws.send(trade(n));
      if (!is_again) ws.close(...closes.get(url.split("?")[1]));
    },
  });
  const config = path.join(dir, "feeds.yaml");
  const feed = (name) =>
    `  - name: ${name}\n    family: inverse\n    url: ${server.url}/realtime?${name}\n    ca_file: ${server.ca}\n    topics: [${TRADES}]\n`;
  fs.writeFileSync(config, "feeds:\n" + [...closes.keys()].map(feed).join(""));
  const recorder = new Recorder(t, archive, ["-c", config]);
  const open = new Set(closes.keys());
  await recorder.durableLine((line) => {
    if (line.conn === 2 && line.in >= 2) open.delete(line.feed);
    return open.size === 0;
  });
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const rows = (await jsonLines(t, ["cat", "-a", archive, "--events", "--topic", "_events"])).map(
    (row) => ({ feed: row.feed, ...JSON.parse(row.data) })
  );
  for (const [name, [code, reason]] of closes) {
    const [first, last] = rows.filter((row) => row.feed === name && row.event === "disconnect");
    const hex = reason?.includes("\u0000") ? Buffer.from(reason).toString("hex") : undefined;
    const text = hex === undefined ? reason : undefined;
    assert.deepEqual(
      [first.code, first.reason, first.reason_hex, first.sent_code, first.by],
      [code, text, hex, code, "peer"],
      name
    );
    assert.deepEqual(
      [last.code, last.sent_code, last.by, last.cause],
      [1000, 1000, "us", "closed_by_us"],
      name
    );
  }
});
