// The keep-alives of every dialect, between a recorder and a simulated exchange of each family. Expected: docs/recording.md
// ("Pings"), docs/archive.md ("Gaps"): a lost connection's gap begins when its last answered ping was sent, keep-alives are no
// data, and a second line covers the gap of the first. The texts of pings and pongs are from the exchanges' documentation.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { describe } from "node:test";
import { isDeepStrictEqual } from "node:util";
import {
  eventsOf,
  eventually,
  inTime,
  jsonLines,
  jsonList,
  listening,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { PATHS, Recorder } from "../support/recorders.mjs";

const { WebSocket, WebSocketServer } = npm("ws");

/** What clients of a family of each dialect send to learn whether the exchange is there, and its answer. */
const OP = [/"op":"ping"/, /"ret_msg":"pong"/];
const KEEPALIVES = {
  inverse: OP,
  "contract-v3": OP,
  "v5-linear": OP,
  "v5-spot": OP,
  "v5-option": [/"op":"ping"/, /"op":"pong"/],
  "v5-private": [/"op":"ping"/, /"op":"pong"/],
  "spot-v3": [/"op":"ping"/, /"op":"pong"/],
  "usdc-option": [/"op":"ping"/, /"op":"pong"/],
  "spot-v1": [/"ping":/, /"pong":/],
  "spot-v2": [/"ping":/, /"pong":/],
  "spot-private": [/"ping":/, /"pong":/],
  okx: [/^ping$/, /^pong$/],
  deribit: [/"method":"public\/test"/, /"id":"ping","result"/],
  "binance-usdm": [/LIST_SUBSCRIPTIONS/, /"result":\[\],"id":0/],
  "binance-spot": [/LIST_SUBSCRIPTIONS/, /"result":\[\],"id":0/],
  "kraken-v1": [/"event":"ping"/, /"event":"pong"/],
  "kraken-v2": [/"method":"ping"/, /"method":"pong"/],
  "coinbase-advanced": [/"channel":"heartbeats"/, /"channel":"heartbeats"/],
  bitstamp: [/bts:heartbeat/, /bts:heartbeat/],
};
/** One family of each exchange; the others take long. */
const QUICK = [
  "v5-linear",
  "okx",
  "deribit",
  "binance-usdm",
  "kraken-v1",
  "coinbase-advanced",
  "bitstamp",
];
const TRADES = {
  inverse: "trade",
  "spot-v1": "trade",
  "spot-v2": "trade",
  "spot-v3": "trade",
  okx: "trades",
  deribit: "trades.raw",
  "binance-usdm": "aggTrade",
  "binance-spot": "aggTrade",
  "kraken-v1": "trade",
  "kraken-v2": "trade",
  "coinbase-advanced": "market_trades",
  bitstamp: "live_trades",
  "usdc-option": "orderbook25",
  "v5-option": "orderbook.25",
};
const SYMBOLS = {
  inverse: "BTCUSD",
  "usdc-option": "BTC-25DEC26-60000-C",
  "v5-option": "BTC-25DEC26-60000-C",
  okx: "BTC-USDT-SWAP",
  deribit: "BTC-PERPETUAL",
  "kraken-v1": "XBT/USD",
  "kraken-v2": "BTC/USD",
  "coinbase-advanced": "BTC-USD",
  bitstamp: "btcusd",
};
const OTHER_PATHS = { "binance-spot": "/stream", bitstamp: "/", "coinbase-advanced": "/" };
const PRIVATE = { "v5-private": ["--topic", "order"], "spot-private": [] };

/** A proxy of a simulated exchange that counts what it passes on, and withholds data while it is `silent`. */
async function proxyOf(t, server, [ping, pong]) {
  const conns = [];
  const changes = new Set();
  const proxy = { conns, silent: false };
  const changed = () => changes.forEach((check) => check());
  // Coinbase numbers all frames of a connection.
  const pass = (conn, data, binary) =>
    conn.client.send(
      binary
        ? data
        : data.toString().replace(/"sequence_num":\d+/, () => `"sequence_num":${conn.number++}`),
      { binary }
    );
  const listener = http.createServer((request, response) =>
    http.get(server.url.replace("ws:", "http:") + request.url, (from) =>
      from.pipe(response.writeHead(from.statusCode))
    )
  );
  new WebSocketServer({ server: listener }).on("connection", (client, request) => {
    const conn = { client, number: 0, pings: 0, pongs: 0, frames: 0 };
    const exchange = new WebSocket(server.url + request.url);
    const waiting = [];
    conns.push(conn);
    client.on("message", (data) => {
      conn.pings += ping.test(data.toString());
      changed();
      exchange.readyState === WebSocket.OPEN
        ? exchange.send(data, { binary: false })
        : waiting.push(data);
    });
    exchange.on("open", () => waiting.forEach((data) => exchange.send(data, { binary: false })));
    exchange.on("message", (data, binary) => {
      const isPong = !binary && pong.test(data.toString());
      if (proxy.silent && !isPong) return;
      if (isPong) conn.pong = data;
      conn.pongs += isPong;
      conn.frames += !isPong;
      pass(conn, data, binary);
      changed();
    });
    client.on("error", () => {}).on("close", () => exchange.terminate());
    exchange.on("error", () => {}).on("close", () => client.terminate());
    changed();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => (conns.forEach(({ client }) => client.terminate()), listener.close()));
  proxy.url = `ws://127.0.0.1:${listener.address().port}`;
  const shown = () =>
    `${conns.map(({ pongs, frames }) => `${pongs} pongs, ${frames} other frames`).join("; ")}\n${proxy.recorder.stderr}`;
  proxy.until = (test) =>
    inTime(
      new Promise((resolve) => {
        const check = () => test() && (changes.delete(check), resolve());
        changes.add(check);
        check();
      }),
      shown
    );
  /** Until connection n (from 0) has had so many answered pings, and data after them. */
  proxy.alive = async (n, pongs) => {
    await proxy.until(() => conns[n]?.pongs >= pongs);
    const { frames } = conns[n];
    await proxy.until(() => conns[n].frames > frames);
  };
  /** Until connection n has sent another ping, and has its answer, and data after it. */
  proxy.proven = async (n) => {
    const conn = conns[n],
      { pings } = conn;
    await proxy.until(() => conn.pings > pings);
    const answered = Math.max(conn.pings, conn.pongs + 1);
    await proxy.until(() => conn.pongs >= answered);
    const { frames } = conn;
    await proxy.until(() => conn.frames > frames);
  };
  /** As alive(), for the latest connection; returns its n. A machine that does not run for stale_after makes one more connection. */
  proxy.latestAlive = async (pongs) => {
    let n, frames;
    await proxy.until(() => {
      if (!(conns.at(-1)?.pongs >= pongs)) return false;
      if (n !== conns.length - 1) frames = conns[(n = conns.length - 1)].frames;
      return conns[n].frames > frames;
    });
    return n;
  };
  /** Send more answers than there were pings, as an exchange may that sends them by itself. */
  proxy.pongs = (n) => {
    const timer = setInterval(() => pass(conns[n], conns[n].pong, false), 100);
    conns[n].client.on("close", () => clearInterval(timer));
  };
  return proxy;
}

/** When each ping of a connection was sent, and how many of them were answered, by the archive. */
async function pingsOf(t, archive, [ping, pong], conn) {
  const rows = (await jsonLines(t, ["cat", "-a", archive])).filter(
    (row) => row.conn === conn.conn && row.line === conn.line
  );
  const sent = rows
    .filter((row) => row.dir === "out" && ping.test(row.data))
    .map((row) => row.recv_ns);
  return { sent, answered: rows.filter((row) => row.dir === "in" && pong.test(row.data)).length };
}

/** Check that a gap of --stale-after 2s follows 2 s without data. */
async function checkStale(t, archive, [, pong], gap) {
  assert.equal(gap.reason, "stale", JSON.stringify(gap));
  const { at_ns } = (await eventsOf(t, archive, "disconnect")).find(
    ({ conn }) => conn === gap.conn
  );
  const rows = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter(
    (row) => row.conn === gap.conn && !pong.test(row.data)
  );
  assert.ok(
    rows.length === 0 || at_ns - rows.at(-1).recv_ns >= 2e9,
    JSON.stringify([gap, at_ns, rows.at(-1)])
  );
}

const gapsOf = (t, archive) => jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });

async function start(t, name, more) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await listening(
    t,
    ["sim", "--families", name, "--symbols", "1", "--rate", "50", "--plain"],
    dir
  );
  const proxy = await proxyOf(t, server, KEEPALIVES[name]);
  const topics = PRIVATE[name] ?? [
    "--topic",
    TRADES[name] ?? "publicTrade",
    "--symbol",
    SYMBOLS[name] ?? "BTCUSDT",
  ];
  const keys = name in PRIVATE ? ["--api-key-env", "A_KEY", "--api-secret-env", "A_SECRET"] : [];
  const url =
    proxy.url + (OTHER_PATHS[name] ?? (name === "v5-private" ? "/v5/private" : PATHS[name]));
  const recorder = new Recorder(
    t,
    archive,
    [url, "--family", name, ...topics, ...keys, "--commit-interval", "50ms", ...more],
    { env: { A_KEY: "a key 0001", A_SECRET: "a secret of the test" } }
  );
  proxy.recorder = recorder;
  return { archive, proxy, recorder };
}

describe("every family", { concurrency: 4 }, () => {
  for (const name of Object.keys(KEEPALIVES)) {
    const skip = QUICK.includes(name) ? false : tooLong;
    const isPrivate = name in PRIVATE; // its pongs count as data, because it may get none for hours
    test(`${name}: pongs prove what came before them, and are no data`, { skip }, async (t) => {
      const { archive, proxy, recorder } = await start(t, name, ["--stale-after", "2s"]);
      const cut = await recorder.until(proxy.latestAlive(3));
      proxy.conns[cut].client.terminate();
      await recorder.until(proxy.until(() => proxy.conns.length > cut + 1));
      const silent = await recorder.until(proxy.latestAlive(2));
      if (!isPrivate) {
        proxy.silent = true;
        proxy.pongs(silent);
        await recorder.until(proxy.until(() => proxy.conns.length > silent + 1));
        proxy.silent = false;
        await recorder.until(proxy.latestAlive(1));
      }
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const gaps = await gapsOf(t, archive),
        wanted = [["disconnect", cut + 1], ...(isPrivate ? [] : [["stale", silent + 1]])];
      const others = gaps.filter(
        ({ reason, conn }) => !wanted.some((one) => isDeepStrictEqual(one, [reason, conn]))
      );
      assert.deepEqual(
        gaps.filter((gap) => !others.includes(gap)).map(({ reason, conn }) => [reason, conn]),
        wanted,
        recorder.stderr
      );
      for (const gap of others) await checkStale(t, archive, KEEPALIVES[name], gap);
      const gap = gaps.find(({ reason }) => reason === "disconnect");
      const { sent, answered } = await pingsOf(t, archive, KEEPALIVES[name], gap);
      // A ping is as old as the request to send it, which is recorded when it is sent: a moment later.
      assert.ok(
        answered >= 3 && gap.from_ns > sent[Math.min(answered, sent.length) - 2],
        `${gap.from_ns} is before the last answered of ${sent}`
      );
    });
    test(`${name}: a gap of one of two lines is covered`, { skip }, async (t) => {
      const { archive, proxy, recorder } = await start(t, name, ["--lines", "2"]);
      await recorder.until(Promise.all([proxy.alive(0, 2), proxy.alive(1, 2)]));
      await recorder.until(proxy.proven(0)); // the row begins after the other line's grants
      proxy.conns[0].client.terminate();
      await recorder.until(proxy.until(() => proxy.conns.length === 3));
      await recorder.until(proxy.alive(2, 2)); // the row has ended; the other line proves what it has after that
      // The other line proves what it has when it answers a ping that is sent after that.
      await eventually(
        "the row is covered",
        async () => (await gapsOf(t, archive)).some((gap) => gap.covered_by !== null),
        recorder
      );
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const gaps = await gapsOf(t, archive);
      assert.equal(gaps.length, 1, JSON.stringify(gaps));
      assert.equal(gaps[0].covered_by, `line ${1 - gaps[0].line}`, JSON.stringify(gaps));
      assert.equal((await eventsOf(t, archive, "disconnect")).length, 3);
    });
  }
});
