// serve repeats a recorded session: its disconnects with their codes, and its refused subscriptions; also on a tape in a loop.
// The session is a recording of the simulated exchange, so the archive has what a client must get.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe } from "node:test";
import { inTime, json, jsonList, listening, rawFrames, temporary } from "../support/harness.mjs";
import { Recorder, recordUntil } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";

const { WebSocket } = npm("ws");
const PATH = "/v5/public/linear";
const TOPICS = [
  "orderbook.50.BTCUSDT",
  "orderbook.50.ETHUSDT",
  "publicTrade.BTCUSDT",
  "publicTrade.ETHUSDT",
];
const ASK = JSON.stringify({ op: "subscribe", args: TOPICS });
const recordArgs = (archive, server) => [
  "record",
  "-a",
  archive,
  `${server.url}${PATH}`,
  "--family",
  "v5-linear",
  "--ca-file",
  server.ca,
  ...TOPICS.flatMap((topic) => ["--topic", topic]),
];
const isData = (text) => text.startsWith('{"topic"');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
let cached;
/** How the exchange ends each of its connections, after so many frames. The last one stays. */
const ENDS = [
  [100, (ws) => ws.close(1001)],
  [350, (ws) => ws._socket.end()],
  [350, (ws) => ws.close(1001)],
  [50, () => {}],
];

/** The k-th frame of a connection: two snapshots, then deltas and trades by turns. */
function frameOf(conn, k) {
  const [symbol, u] = [["BTCUSDT", "ETHUSDT"][k % 2], (k >> 2) + 1],
    ts = Date.now();
  const trade = {
    T: ts,
    s: symbol,
    S: "Buy",
    v: "1",
    p: "100.5",
    i: `${conn}-${k}`,
    BT: false,
    seq: 1000 * conn + k,
  };
  if (k % 4 >= 2) return { topic: `publicTrade.${symbol}`, type: "snapshot", ts, data: [trade] };
  const data = {
    s: symbol,
    b: [["100", `${conn + k}`]],
    a: [["101", `${1 + k}`]],
    u,
    seq: 1000 * conn + k,
  };
  return { topic: `orderbook.50.${symbol}`, type: k < 2 ? "snapshot" : "delta", ts, cts: ts, data };
}

/** A session in which the exchange closes twice with 1001 and cuts once, each time after what it sent is read. Recorded once. */
const session = (t) => (cached ??= recordSession(t));
async function recordSession(t) {
  const archive = path.join(folder, "tape");
  const server = await scriptedServer(t, folder, {
    message: (ws, { op, req_id }, n) => {
      if (op !== "subscribe") return;
      ws.send(JSON.stringify({ success: true, ret_msg: "", conn_id: `${n}`, req_id, op }));
      const [count, end] = ENDS[n - 1];
      for (let k = 0; k < count; k++) ws.send(JSON.stringify(frameOf(n, k)));
      end(ws);
    },
  });
  const recorder = new Recorder(t, archive, [
    ...recordArgs(archive, server).slice(3),
    "--commit-interval",
    "100ms",
  ]);
  await recorder.durableLine(
    (durable) => durable.conn === ENDS.length && durable.in > ENDS.at(-1)[0]
  );
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return archive;
}

/** A client that reconnects until the server refuses it, or this many frames have arrived. Returns frames and close codes. */
async function follow(t, url, count) {
  const frames = [],
    codes = [];
  while (frames.length < count) {
    const ws = new WebSocket(`${url}${PATH}`, { perMessageDeflate: false });
    t.after(() => ws.terminate());
    ws.on("open", () => ws.send(ASK));
    const over = new Promise((resolve) =>
      ws.on("message", (bytes) => {
        // A tape in a loop does not end.
        if (frames.length < count && isData(String(bytes)) && frames.push(String(bytes)) === count)
          resolve();
      })
    );
    const closed = once(ws, "close");
    await inTime(
      Promise.race([over, closed]),
      () => `${frames.length} of ${count} frames, ${codes}`
    );
    if (frames.length < count) codes.push((await closed)[0]);
  }
  return { frames, codes };
}

describe("a recorded session is repeated", { concurrency: 3 }, () => {
  test("a recording of serve has the same three disconnects, the same frames, and the same ledger but for times and connections", async (t) => {
    const dir = temporary(t);
    const archive = await session(t),
      copy = path.join(dir, "copy");
    const server = await listening(t, ["serve", "-a", archive, "--speed", "max", "--hold"], dir);
    const recorder = new Recorder(t, copy, [
      ...recordArgs(copy, server).slice(3),
      "--commit-interval",
      "100ms",
    ]);
    const isWhole = recorder.durableLine(
      (durable) => durable.conn === ENDS.length && durable.in > ENDS.at(-1)[0]
    );
    await Promise.all([server.program.prints(/a client's tape has ended/), isWhole]);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.match((await server.program.kill("SIGTERM")).stderr, /3 disconnects as recorded/);
    const [was, is] = [
      await json(t, ["replay", "-a", archive, "--json"], { status: 1 }),
      await json(t, ["replay", "-a", copy, "--json"], { status: 1 }),
    ];
    for (const key of ["payload", "messages", "books"])
      assert.equal(is.digest[key], was.digest[key], key);
    const ledger = async (of) =>
      (await jsonList(t, ["gaps", "-a", of, "--json"], { status: 1 })).map(
        ({ feed, line, shard, topic, symbol, reason, cause }) => ({
          feed,
          line,
          shard,
          topic,
          symbol,
          reason,
          cause,
        })
      );
    const expected = await ledger(archive);
    assert.equal(expected.length, 3);
    assert.deepEqual(await ledger(copy), expected);
  });

  test("a client gets each frame once over its connections, which end with the recorded codes", async (t) => {
    const dir = temporary(t);
    const archive = await session(t);
    const frames = (await rawFrames(t, archive)).filter(isData);
    const { program, url } = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--speed", "4", "--once"],
      dir
    );
    const got = await follow(t, url, frames.length);
    assert.deepEqual(got.codes, [1001, 1006, 1001]);
    assert.deepEqual(got.frames, frames);
    assert.equal((await program.ended).code, 0);
  });

  test("--disconnects skip keeps one connection open", async (t) => {
    const dir = temporary(t);
    const archive = await session(t);
    const frames = (await rawFrames(t, archive)).filter(isData);
    const { url } = await listening(
      t,
      ["serve", "-a", archive, "--plain", "--speed", "max", "--disconnects", "skip"],
      dir
    );
    assert.deepEqual(await follow(t, url, frames.length), { frames, codes: [] });
  });

  test("with --shared-clock the tape does not wait for clients; with --loop it starts again, with snapshots", async (t) => {
    const dir = temporary(t);
    const archive = await session(t);
    const frames = (await rawFrames(t, archive)).filter(isData);
    const { program, url } = await listening(
      t,
      [
        "serve",
        "-a",
        archive,
        "--plain",
        "--speed",
        "20",
        "--shared-clock",
        "--loop",
        "--disconnects",
        "skip",
      ],
      dir
    );
    const got = await follow(t, url, 2 * frames.length);
    assert.deepEqual(got, { frames: [...frames, ...frames], codes: [] });
    const later = await follow(t, url, 10); // joins somewhere
    assert.equal(later.codes.length, 0);
    assert.equal((await program.kill("SIGTERM")).code, 0);
  });
});

test("a client that reconnects with other topics gets books of the next connection, not of the one that ended", async (t) => {
  const dir = temporary(t);
  const archive = await session(t);
  const isSnapshot = (text) => text.startsWith('{"topic":"orderbook.50.BTCUSDT","type":"snapshot"');
  const snapshots = (await rawFrames(t, archive)).filter(isSnapshot);
  const { program, url } = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--speed", "4"],
    dir
  );
  const ask = (topic) => {
    const ws = new WebSocket(`${url}${PATH}`, { perMessageDeflate: false });
    t.after(() => ws.terminate());
    ws.on("open", () => ws.send(JSON.stringify({ op: "subscribe", args: [topic] })));
    return ws;
  };
  assert.equal((await once(ask("publicTrade.BTCUSDT"), "close"))[0], 1001);
  const ws = ask("orderbook.50.BTCUSDT");
  const first = await inTime(
    new Promise((resolve) =>
      ws.on("message", (bytes) => isData(String(bytes)) && resolve(String(bytes)))
    ),
    () => "a frame of the book"
  );
  assert.equal(first, snapshots[1]);
  assert.match((await program.kill("SIGTERM")).stderr, /0 snapshots made/);
});

test("a client that does not reconnect after a recorded disconnect leaves its tape, and the server stops at once", async (t) => {
  const dir = temporary(t);
  const archive = await session(t);
  const { program, url } = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--speed", "max"],
    dir
  );
  const ws = new WebSocket(`${url}${PATH}`, { perMessageDeflate: false });
  ws.on("open", () => ws.send(ASK));
  assert.equal((await once(ws, "close"))[0], 1001);
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("serve refuses the topics that the exchange refused, with its text", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const exchange = await numberedExchange(t, { symbols: ["BTCUSD", "ETHUSD"], rate: 200 });
  exchange.refuse("instrument_info.100ms.BTCUSD"); // of a symbol on the tape: serve would grant it
  const args = [...exchange.args(), "--topic", "instrument_info.100ms.BTCUSD"];
  await recordUntil(t, archive, args, (rows) =>
    ["BTCUSD", "ETHUSD"].every((name) => rows.some(({ symbol }) => symbol === name))
  );
  const { url } = await listening(t, ["serve", "-a", archive, "--plain"], dir);
  const ws = new WebSocket(`${url}/realtime`);
  t.after(() => ws.terminate());
  await once(ws, "open");
  const answers = [];
  for (const topic of [
    "instrument_info.100ms.BTCUSD",
    "instrument_info.100ms.ETHUSD",
    "trade.BTCUSD",
  ]) {
    ws.send(JSON.stringify({ op: "subscribe", args: [topic] }));
    const { success, ret_msg: words } = JSON.parse((await once(ws, "message"))[0]);
    answers.push([success, words]);
  }
  assert.deepEqual(answers, [
    [false, "error:topic:instrument_info.100ms.BTCUSD"],
    [true, ""],
    [true, ""],
  ]);
});
