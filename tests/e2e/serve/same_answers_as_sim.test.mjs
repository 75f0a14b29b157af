// A client cannot tell serve from sim: the same requests, right or wrong, get the same answers. The texts of refusals are those
// of docs/wire.md 1.3, 1.5 and 5.3.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import {
  FRAMES_MS as MS,
  importFrames,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import path from "node:path";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");

const ask = (op, ...args) => JSON.stringify({ req_id: "r", op, args });
const id = (op, ...args) => JSON.stringify({ id: "r", op, args });
const v5Frame = (symbol) =>
  JSON.stringify({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: MS,
    data: [{ i: "1", T: MS, p: "1", v: "1", S: "Buy", s: symbol, BT: false }],
  });
const spot = (event, topic, symbol, params = { binary: false }) =>
  JSON.stringify({ topic, event, symbol, params });
const spot2 = (event, topic, symbol) =>
  JSON.stringify({ topic, event, params: { symbol, binary: false } });
const BROKEN = ['{"op":"subscribe","args":[', "nonsense", "[1]", '{"op":"dance"}', "{}"];
const b = (symbol) => [
  ...BROKEN,
  ask("subscribe"),
  ask("unsubscribe"),
  ask("subscribe", ...Array.from({ length: 11 }, (_, i) => `orderbook.${i}.${symbol}`)),
  ask("subscribe", "nosuch.topic"),
  ask("subscribe", `publicTrade.${symbol}`, "nosuch.topic"),
  ask("unsubscribe", "nosuch.topic"),
  ask("subscribe", "publicTrade.NOSUCH"),
  ask("unsubscribe", "publicTrade.NOSUCH"),
  ask("unsubscribe", `publicTrade.${symbol}`),
  ask("subscribe", `publicTrade.${symbol}`),
  ask("subscribe", `publicTrade.${symbol}`),
  ask("unsubscribe", `publicTrade.${symbol}`),
  ask("ping"),
];

const FAMILIES = {
  "v5-linear": {
    host: "/v5/public/linear",
    frames: [v5Frame("BTCUSDT")],
    requests: [ask("subscribe", "orderbook.500.BTCUSDT"), ...b("BTCUSDT")],
    words: ["Invalid symbol :[publicTrade.NOSUCH]"],
  },
  "v5-spot": {
    host: "/v5/public/spot",
    frames: [v5Frame("BTCUSDT")],
    requests: b("BTCUSDT"),
    words: ["Invalid symbol :[publicTrade.NOSUCH]", "args size >10"],
  },
  "contract-v3": {
    host: "/contract/usdt/public/v3",
    frames: [v5Frame("BTCUSDT")],
    requests: b("BTCUSDT"),
    words: ["error:handler not found,topic:publicTrade.NOSUCH"],
  },
  inverse: {
    host: "/realtime",
    frames: [
      JSON.stringify({
        topic: "trade.BTCUSD",
        data: [
          {
            trade_time_ms: MS,
            timestamp: "2026-11-20T00:00:00.000Z",
            symbol: "BTCUSD",
            side: "Buy",
            size: 1,
            price: 1,
            tick_direction: "PlusTick",
            trade_id: "x",
            cross_seq: 5,
          },
        ],
      }),
    ],
    requests: [
      ...BROKEN,
      ask("subscribe"),
      ask("subscribe", "nosuch.topic"),
      ask("unsubscribe", "nosuch.topic"),
      ask("subscribe", "trade.NOSUCH"),
      ask("subscribe", "trade.NOSUCH|BTCUSD"),
      ask("unsubscribe", "trade.BTCUSD"),
      ask("subscribe", "trade.*"),
      ask("subscribe", "trade.*"),
      ask("ping"),
    ],
    words: ["error:handler not found,topic:trade.NOSUCH"],
  },
  "usdc-option": {
    host: "/trade/option/usdc/public/v1",
    frames: [JSON.stringify({ id: "x", topic: "recenttrades.BTC", creationTime: MS, data: [] })],
    requests: [
      ...BROKEN,
      id("subscribe"),
      id("subscribe", "nosuch.topic", "recenttrades.BTC"),
      id("unsubscribe", "nosuch.topic"),
      id("subscribe", "instrument_info.NOSUCH-1JAN27-5-C"),
      id("subscribe", "recenttrades.BTC"),
      id("unSubAll"),
      id("ping", "5"),
    ],
  },
  "spot-v1": {
    host: "/spot/quote/ws/v1",
    frames: [
      JSON.stringify({
        symbol: "BTCUSDT",
        symbolName: "BTCUSDT",
        topic: "trade",
        params: { binary: "false" },
        data: [{ v: "1", t: MS, p: "1", q: "1", m: true }],
        f: false,
        sendTime: MS,
      }),
    ],
    requests: [
      ...BROKEN,
      spot("sub", "nosuch", "BTCUSDT"),
      spot("sub", "trade", "NOSUCH"),
      spot("cancel", "trade", "NOSUCH"),
      spot("cancel", "trade", "BTCUSDT"),
      spot("sub", "trade", "BTCUSDT"),
      spot("jump", "trade", "BTCUSDT"),
      spot("sub", "kline_7m", "BTCUSDT"),
      '{"ping":5}',
      '{"op":"ping"}',
    ],
    words: ["Invalid Symbols!"],
  },
  "spot-v2": {
    host: "/spot/quote/ws/v2",
    frames: [
      JSON.stringify({
        topic: "trade",
        params: { symbol: "BTCUSDT", binary: "false", symbolName: "BTCUSDT" },
        data: { v: "1", t: MS, p: "1", q: "1", m: true },
      }),
    ],
    requests: [
      ...BROKEN,
      spot2("sub", "nosuch", "BTCUSDT"),
      spot2("sub", "trade", "NOSUCH"),
      spot2("cancel", "trade", "NOSUCH"),
      spot2("sub", "trade", "BTCUSDT"),
      '{"op":"ping"}',
    ],
  },
};

/** An answer without the parts that differ between connections. */
function plain({ conn_id, usIn, usOut, usDiff, ...rest }) {
  if (rest.pong !== undefined) rest.pong = 0;
  if (rest.op === "pong") rest.args = [];
  return rest;
}

const isPong = (m) => m.pong !== undefined || m.op === "pong" || m.ret_msg === "pong";

/** The answers to requests that are sent at once; the last one is a ping. */
async function answers(t, url, requests) {
  const ws = new WebSocket(url);
  t.after(() => ws.terminate());
  assert.ok(
    requests.at(-1).includes("ping"),
    "the last request is a ping: its answer ends the others"
  );
  const pings = requests.filter((request) => request.includes("ping")).length;
  const got = [];
  const over = new Promise((resolve) => {
    ws.on("message", (bytes) => {
      const m = JSON.parse(bytes);
      const isData = Array.isArray(m) || (m.topic !== undefined && m.event === undefined);
      if (!isData) got.push(plain(m));
      if (got.filter(isPong).length === pings) resolve();
    });
    ws.on("close", (code) => resolve(got.push({ closed: code })));
  });
  await once(ws, "open");
  for (const request of requests) ws.send(request);
  await over;
  return got;
}

describe("sim and serve give the same answers", { concurrency: 2 }, () => {
  for (const [family, one] of Object.entries(FAMILIES))
    test(family, async (t) => {
      const dir = temporary(t);
      const archive = await importFrames(t, dir, { family, ...one });
      const sim = await listening(
        t,
        ["sim", "--plain", "--families", family, "--symbols", "1", "--rate", "1"],
        dir
      );
      const serve = await listening(t, ["serve", "-a", archive, "--plain", "--hold"], dir);
      const [ours, theirs] = [
        await answers(t, sim.url + one.host, one.requests),
        await answers(t, serve.url + one.host, one.requests),
      ];
      assert.deepEqual(ours, theirs);
      for (const words of one.words ?? [])
        assert.ok(JSON.stringify(ours).includes(words), `${words} in ${JSON.stringify(ours)}`);
    });
});

// ---- spot's private stream ----

const EXECUTION = JSON.stringify([
  { e: "executionReport", E: `${MS}`, s: "BTCUSDT", c: "1", S: "BUY", o: "LIMIT", q: "1", p: "2" },
]);

for (const name of ["sim", "serve"])
  test(`${name}: credentials in the URL of spot's private stream authenticate, and pings are answered`, async (t) => {
    const dir = temporary(t);
    const archive = await importFrames(t, dir, {
      family: "spot-private",
      host: "/spot/ws",
      frames: [EXECUTION],
    });
    const { url } = await listening(
      t,
      [
        ...(name === "sim"
          ? ["sim", "--families", "spot-private", "--rate", "500"]
          : ["serve", "-a", archive, "--hold"]),
        "--plain",
      ],
      dir
    );
    const ws = new WebSocket(`${url}/spot/ws?api_key=k&expires=9999999999999&signature=s`);
    t.after(() => ws.terminate());
    const kinds = new Set();
    const all = new Promise((resolve) => {
      ws.on("message", (bytes) => {
        const m = JSON.parse(bytes);
        kinds.add(isPong(m) ? "pong" : Array.isArray(m) ? "data" : "other");
        if (kinds.has("pong") && kinds.has("data")) resolve();
      });
    });
    await once(ws, "open");
    ws.send('{"op":"ping"}');
    await all;
    assert.ok(!kinds.has("other"));
  });

test("the recorder understands every subscription that sim grants", async (t) => {
  const dir = temporary(t);
  const { url } = await listening(
    t,
    ["sim", "--plain", "--families", "v5-linear", "--symbols", "1", "--max-frames", "50"],
    dir
  );
  const archive = path.join(dir, "tape");
  const record = (...args) =>
    tapedeck(
      t,
      [
        "record",
        "-a",
        archive,
        `${url}/v5/public/linear`,
        "--family",
        "v5-linear",
        "--until-close",
        ...args,
      ],
      { status: null }
    );
  const end = await record(
    "--topic",
    "orderbook.500",
    "--topic",
    "publicTrade",
    "--symbol",
    "BTCUSDT",
    "--symbol",
    "NOSUCH"
  );
  assert.doesNotMatch(end.stderr, /not known/);
  assert.match(end.stderr, /orderbook\.500\.NOSUCH/);
});
