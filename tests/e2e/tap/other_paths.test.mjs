// `tap` relays and records connections at paths that no family has, or that several have. Expected values: the bytes that both
// ends send here, and the rules of docs/tap.md, "Other exchanges".
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import fs from "node:fs";
import {
  eventsOf,
  eventually,
  json,
  jsonLines,
  listening,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";
const ORDERS = (n) =>
  `{"arg":{"channel":"orders","instType":"ANY","uid":"1"},"data":[{"n":${n}, "px":"1.50"}]}`;

const TRADE =
  '{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"1","px":"2","sz":"3","side":"buy","ts":"1700000000000"}]}';

/** An exchange that sends these frames once it has a request, and answers HTTP requests. */
async function exchange(t, frames) {
  const server = http.createServer((request, response) =>
    response.end(`{"path":"${request.url}"}`)
  );
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const received = [];
  let open = 0;
  sockets.on("connection", (ws, { url }) => {
    open++;
    ws.on("close", () => open--);
    ws.on("error", () => {});
    ws.on("message", (data, isBinary) => {
      received.push([url, isBinary, data.toString("latin1")]);
      for (const frame of frames) ws.send(frame);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  const left = () => eventually("no connection is open", () => open === 0);
  return { url: `ws://127.0.0.1:${server.address().port}`, received, left };
}

async function startTap(t, dir, upstream, more = []) {
  const archive = path.join(dir, "tape");
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", upstream, "--plain", "--json", ...more],
    dir
  );
  const stop = async () => {
    const { code, stdout, stderr } = await tap.program.kill("SIGTERM");
    assert.equal(code, 0, stderr);
    return { counts: JSON.parse(stdout), log: stderr };
  };
  return { ...tap, archive, stop };
}

/** Connect, send a text, and read as many messages as come back. server: the exchange behind tap, which is to see the end, too. */
async function visit(t, url, request, count, server) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const messages = [];
  socket.on("message", (data, isBinary) => messages.push([isBinary, data.toString("latin1")]));
  t.after(() => socket.terminate());
  await once(socket, "open");
  socket.send(request);
  await eventually(`messages of ${url}`, () => messages.length >= count);
  socket.close(1000);
  await once(socket, "close");
  await server?.left(); // tap frees the connection's slot when both ends have closed
  return messages;
}

const warnings = (log) =>
  log.split("\n").filter((line) => /is in no family|several families|further paths/.test(line));
const feedsOf = async (t, archive) =>
  (await json(t, ["info", archive, "--json"])).feeds.map(({ feed }) => feed).sort();

test("paths that no family has are recorded byte for byte, by the topics of --raw-topic or without any", async (t) => {
  const frames = [ORDERS(1), "no JSON \u00e9", Buffer.from([0, 1, 2, 255]), ORDERS(2)];
  for (const [places, topic] of [
    [[], "_unknown"],
    [["--raw-topic", "/arg/channel", "--raw-topic", "/arg/uid"], "orders.1"],
  ]) {
    const dir = temporary(t);
    const server = await exchange(t, frames);
    const tap = await startTap(t, dir, server.url, places);
    const request = '{ "op":"subscribe","args":[{"channel":"orders"}]}';
    const got = [];
    for (const target of ["/ws/v6/private", "/ws/v6/private?brokerId=9", "/ws/v6/business"])
      got.push(await visit(t, tap.url + target, request, 4, server));
    assert.deepEqual(
      server.received.map(([url, , data]) => [url, data]),
      [
        ["/ws/v6/private", request],
        ["/ws/v6/private?brokerId=9", request],
        ["/ws/v6/business", request],
      ]
    );
    assert.deepEqual(
      got,
      [0, 1, 2].map(() =>
        frames.map((frame) => [typeof frame !== "string", Buffer.from(frame).toString("latin1")])
      )
    );
    const { counts, log } = await tap.stop();
    assert.equal(counts.connections, 3);
    assert.equal(counts.raw_connections, 3);

    const feeds = ["raw-127.0.0.1-ws-v6-business", "raw-127.0.0.1-ws-v6-private"];
    assert.deepEqual(await feedsOf(t, tap.archive), feeds);
    const warned = warnings(log);
    assert.equal(warned.length, 2, log);
    assert.match(
      warned[0],
      /\/ws\/v6\/private is in no family.*raw-127\.0\.0\.1-ws-v6-private.*docs\/families\.md.*--families/
    );
    assert.match(log, /3 connections at paths that no family has/);

    const rows = await jsonLines(t, ["cat", "-a", tap.archive, "--feed", feeds[1]]);
    const inbound = rows.filter((row) => row.dir === "in");
    assert.deepEqual(
      inbound.map((row) => row.conn),
      [1, 1, 1, 1, 2, 2, 2, 2]
    );
    assert.deepEqual(
      inbound.slice(0, 4).map((row) => row.topic),
      [topic, "_unknown", "_unknown", topic]
    );
    assert.deepEqual(
      inbound.filter((_, i) => i % 4 !== 2).map((row) => row.data),
      [0, 1].flatMap(() => [frames[0], frames[1], frames[3]])
    );
    assert.deepEqual(
      rows.filter((row) => row.dir === "out").map((row) => row.data),
      [request, request]
    );
    assert.deepEqual(
      (await eventsOf(t, tap.archive, "connect")).map(({ url }) => url.replace(/^ws:..[^/]*/, "")),
      ["/ws/v6/private", "/ws/v6/private?brokerId=9", "/ws/v6/business"]
    );
    // What is not decoded is not called complete.
    assert.equal((await tapedeck(t, ["verify", tap.archive])).code, 0);
    assert.match(
      (await tapedeck(t, ["info", tap.archive])).stdout,
      /2 feeds that no document describes/
    );
    const report = await json(t, ["replay", "-a", tap.archive, "--json"], { status: 1 });
    assert.deepEqual([report.decoded, report.undecoded], [0, 12]);
    const text = await tapedeck(t, ["replay", "-q", tap.archive], { status: 1 });
    assert.match(text.stdout, /Complete: no/);
    const days = await json(t, ["days", tap.archive, "--json"], { status: null });
    assert.ok(
      days.days.every((day) => !(day.clean_percent > 0)),
      JSON.stringify(days)
    );
    const gaps = await tapedeck(t, ["gaps", tap.archive], { status: null });
    assert.match(gaps.stdout, /disconnect/);
    const file = path.join(dir, "part.mcap");
    await tapedeck(t, ["cut", "-q", "-a", tap.archive, "--feed", feeds[1], "--out", file]);
    assert.deepEqual(
      (await jsonLines(t, ["cat", file, "--dir", "in"])).map(({ topic, data }) => [topic, data]),
      inbound.map(({ topic, data }) => [topic, data])
    );
    const served = await listening(
      t,
      ["serve", tap.archive, "--plain", "--hold", "--speed", "max"],
      dir
    );
    assert.deepEqual(await visit(t, `${served.url}/ws/v6/private`, request, 8), [
      ...got[0],
      ...got[1],
    ]);
  }
});

test("a path of several families is that of none of them, unless --family chooses one", async (t) => {
  const ask = '{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"trade"}}';
  const frame =
    '[0,[["5541.20000","0.15850568","1534614057.321597","s","l",""]],"trade","XBT/USD"]';
  for (const [more, feed] of [
    [[], "raw-127.0.0.1"],
    [["--family", "kraken-v1"], "kraken-v1"],
    [["--family", "bitstamp"], "bitstamp"],
  ]) {
    const dir = temporary(t);
    const server = await exchange(t, [frame]);
    const tap = await startTap(t, dir, server.url, more);
    await visit(t, `${tap.url}/`, ask, 1, server);
    await visit(t, `${tap.url}/`, ask, 1, server);
    const { counts, log } = await tap.stop();
    assert.deepEqual(await feedsOf(t, tap.archive), [feed]);
    assert.equal(counts.raw_connections, feed.startsWith("raw-") ? 2 : 0);
    assert.equal(warnings(log).length, feed.startsWith("raw-") ? 1 : 0, log);
    if (feed.startsWith("raw-"))
      assert.match(log, /\/ is a path of several families \(.*kraken-v1.*\).*--family chooses one/);
  }
  for (const [given, said] of [
    [["kraken-v1", "bitstamp"], /same path \//],
    [["kraken"], /no family 'kraken'/],
  ]) {
    const { stderr } = await run(
      t,
      "tapedeck",
      [
        "tap",
        "-a",
        path.join(temporary(t), "tape"),
        "--upstream",
        "ws://127.0.0.1:1",
        ...given.flatMap((name) => ["--family", name]),
      ],
      { status: 2 }
    );
    assert.match(stderr, said);
  }
});

test("what another exchange has below Binance's /ws is not Binance's, and keys are in no name", async (t) => {
  const dir = temporary(t);
  const server = await exchange(t, ["{}"]);
  const tap = await startTap(t, dir, server.url);
  const targets = [
    "/ws/v5/elsewhere",
    `/private/stream/${KEY}`,
    `/private/stream/${KEY}?x=1`,
    "/ws/v5/public",
  ];
  for (const target of targets) await visit(t, tap.url + target, "{}", 1);
  const { log } = await tap.stop();
  assert.deepEqual(await feedsOf(t, tap.archive), [
    "okx",
    "raw-127.0.0.1-private-stream",
    "raw-127.0.0.1-ws-v5-elsewhere",
  ]);
  assert.ok(!log.includes(KEY));
  assert.equal(warnings(log).length, 2, log);
  const urls = (await eventsOf(t, tap.archive, "connect")).map(({ url }) => url);
  assert.ok(urls.every((url) => !url.includes(KEY)));
  assert.ok(urls[1].endsWith(`/private/stream/${"*".repeat(KEY.length)}`));
});

test("after sixteen paths, further ones share a feed", async (t) => {
  const dir = temporary(t);
  const server = await exchange(t, ["{}"]);
  const tap = await startTap(t, dir, server.url);
  const targets = Array.from({ length: 20 }, (_, i) => `/path/${i}`);
  for (const target of [...targets, "/path/3", "/path/19"])
    await visit(t, tap.url + target, "{}", 1);
  const { counts, log } = await tap.stop();
  assert.equal(counts.raw_connections, 22);
  assert.equal(warnings(log).length, 17, log);
  assert.match(log, /further paths .* recorded as raw-127\.0\.0\.1-others/);
  const feeds = await feedsOf(t, tap.archive);
  assert.equal(feeds.length, 17);
  const others = await jsonLines(t, [
    "cat",
    "-a",
    tap.archive,
    "--feed",
    "raw-127.0.0.1-others",
    "--events",
  ]);
  const urls = others
    .filter((row) => row.dir === "event")
    .map((row) => JSON.parse(row.data))
    .filter(({ event }) => event === "connect");
  assert.deepEqual(
    urls.map(({ url }) => url.replace(/.*(?=\/path)/, "")),
    ["/path/16", "/path/17", "/path/18", "/path/19", "/path/19"]
  );
});

test("a document describes what was recorded raw, and its path from the next start on", async (t) => {
  const dir = temporary(t);
  const server = await exchange(t, [TRADE]);
  const first = await startTap(t, dir, server.url);
  await visit(t, `${first.url}/ws/v6/private`, "{}", 1);
  await first.stop();
  const file = path.join(dir, "mine.yaml");
  fs.writeFileSync(
    file,
    `
family: raw-127.0.0.1-ws-v6-private
exchange: okx
dialect: public
addresses: [main private wss://127.0.0.1/ws/v6/private]
sets:
  trade: [instId symbol text required, ts exchange_ns time ms, tradeId trade_id text required, px price decimal price required, sz size decimal quantity required, side side lower_side required]
topics:
  - topic: "trades.{symbol}"
    message: trade
    title: Trades
    topic_key: arg.channel
    symbol: arg.instId
    time: exchange_ns
    fields: trade
    entries: [data none any]
`
  );
  const topics = async (...more) =>
    (await jsonLines(t, ["cat", "-a", first.archive, "--dir", "in", ...more])).map(
      ({ topic }) => topic
    );
  assert.deepEqual(await topics(), ["_unknown"]);
  assert.deepEqual(await topics("--families", file), ["trades"]);
  const second = await startTap(t, dir, server.url, ["--families", file]);
  await visit(t, `${second.url}/ws/v6/private`, "{}", 1);
  const { log, counts } = await second.stop();
  assert.equal(warnings(log).length, 0, log);
  assert.equal(counts.raw_connections, 0);
  assert.deepEqual(await topics("--families", file), ["trades", "trades"]);
  const report = await json(t, ["replay", first.archive, "--families", file, "--json"], {
    status: null,
  });
  assert.deepEqual([report.decoded, report.undecoded], [2, 0]);
});

test("serve logs a path at which it has feeds of two exchanges", async (t) => {
  const dir = temporary(t);
  const server = await exchange(t, ["{}"]);
  let archive;
  for (const family of ["kraken-v1", "bitstamp"]) {
    const tap = await startTap(t, dir, server.url, ["--family", family]);
    await visit(t, `${tap.url}/`, "{}", 1);
    await tap.stop();
    archive = tap.archive;
  }
  for (const [more, expected] of [
    [[], true],
    [["--feed", "kraken-v1"], false],
  ]) {
    const served = await listening(t, ["serve", archive, "--plain", "--hold", ...more], dir);
    const { stderr } = await served.program.kill("SIGTERM");
    assert.equal(
      /feeds kraken-v1 and bitstamp are both at \/: a client's first request tells/.test(stderr),
      expected,
      stderr
    );
  }
});
