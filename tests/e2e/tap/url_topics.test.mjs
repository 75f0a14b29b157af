// Binance's clients subscribe by their URL, or get frames without the object that names their topic: sim, tap and serve have each
// form, and readers see the same frames. Expected values: what the clients got, the truth file of the simulated exchange, and the
// exchange's documentation of both forms.
import assert from "node:assert/strict";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import {
  compareTruth,
  eventsOf,
  eventually,
  json,
  jsonLines,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder, feedArgs, simulator } from "../support/recorders.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const TRADES = "btcusdt@aggTrade",
  BOOK = "btcusdt@depth@100ms",
  CANDLES = "btcusdt@kline_1m",
  BEST = "ethusdt@bookTicker";
const KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";

/** Connect, send a request, and collect messages until there are enough. */
async function client(server, target, { request, enough = () => false } = {}) {
  const socket = new WebSocket(server.url + target, { ca: fs.readFileSync(server.ca) });
  const messages = [];
  socket.on("error", () => {});
  socket.on("message", (data) => messages.push(String(data)));
  await new Promise((resolve) => socket.on("open", resolve));
  if (request !== undefined) socket.send(JSON.stringify(request));
  await eventually(`enough of ${target}`, () => enough(messages));
  socket.terminate();
  return messages;
}

/** The data of a frame, named or not; numbers are longer than JavaScript's. */
const dataOf = (frame) => frame.replace(/^\{"stream":"[^"]*","data":(.*)\}$/, "$1");
const subscribe = (...params) => ({ method: "SUBSCRIBE", params, id: 1 });
const binance = (t, dir) =>
  simulator(t, dir, ["--families", "binance-spot", "--symbols", "2", "--rate", "200"]);
/** 1 if a connection got some frames of each kind of event. */
const has = (counts) => (messages) =>
  Object.entries(counts).every(
    ([event, count]) => messages.filter((m) => m.includes(`"e":"${event}"`)).length >= count
  );
/** The frames of each connection, by its first one. A connection may begin in another slot while the last one ends. */
const connsOf = (rows) => {
  const conns = new Map();
  for (const row of rows) {
    const name = `${row.feed} ${row.shard} ${row.conn}`;
    conns.set(name, [...(conns.get(name) ?? []), row]);
  }
  return [...conns.values()];
};
const inbound = async (t, archive) => jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);

/** Record the connections of clients through tap. */
async function tapped(t, dir, server, clients, family = "binance-spot") {
  const archive = path.join(dir, "tape");
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", server.url, "--family", family, "--ca-file", server.ca],
    dir
  );
  const received = [];
  for (const [target, options] of clients) received.push(await client(tap, target, options));
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
  return { archive, received, tap };
}

test("topics of a URL, and frames without their object, through tap and to serve", async (t) => {
  const dir = temporary(t);
  const server = await binance(t, dir);
  const both = { aggTrade: 3, depthUpdate: 20 };
  const { archive, received } = await tapped(t, dir, server, [
    [`/ws/${TRADES}/${encodeURIComponent(BOOK)}`, { enough: has(both) }],
    [`/stream?streams=${TRADES}/${BOOK}`, { enough: has(both) }],
    ["/ws", { request: subscribe(BOOK, CANDLES), enough: has({ depthUpdate: 5, kline: 1 }) }],
    [`/ws/${BEST}`, { enough: (messages) => messages.length > 5 }],
  ]);
  const [bare, wrapped, asked, best] = received;
  assert.ok(bare.every((m) => m.startsWith('{"e":')));
  assert.ok(wrapped.every((m) => m.startsWith('{"stream":"btcusdt@')));
  assert.equal(asked[0], '{"result":null,"id":1}');
  assert.ok(asked.slice(1).every((m) => m.startsWith('{"e":')));
  assert.ok(best.every((m) => m.startsWith('{"u":')));

  const kept = await inbound(t, archive);
  const conns = connsOf(kept);
  // The last frames may be on their way when a client leaves.
  received.forEach((messages, i) =>
    assert.deepEqual(conns[i].map((row) => row.data).slice(0, messages.length), messages)
  );
  const topics = (rows) => [...new Set(rows.map((row) => row.topic))].sort();
  assert.deepEqual(conns.map(topics), [
    ["aggTrade", "depth@100ms"],
    ["aggTrade", "depth@100ms"],
    ["_control", "depth@100ms", "kline_1m"],
    ["bookTicker"],
  ]);
  const replay = await json(t, ["replay", "-a", archive, "--json"], { status: null });
  assert.equal(replay.undecoded, 0, JSON.stringify(replay.first_undecoded));
  assert.equal(replay.unknown_fields, 0);
  const truth = await compareTruth(t, archive, server.truth);
  assert.equal(truth.mismatches ?? 0, 0, JSON.stringify(truth));

  // Each form is served from either one.
  const played = await listening(t, ["serve", "-a", archive, "--hold"], dir);
  const count = kept.filter((row) => row.topic === "depth@100ms").length;
  const whole = { enough: has({ depthUpdate: count }) };
  const [plain, named] = [
    await client(played, `/ws/${BOOK}`, whole),
    await client(played, `/stream?streams=${BOOK}`, whole),
  ];
  const expected = kept.filter((row) => row.topic === "depth@100ms").map((row) => dataOf(row.data));
  assert.deepEqual(plain, expected);
  assert.deepEqual(
    named,
    expected.map((data) => `{"stream":"${BOOK}","data":${data}}`)
  );
});

test("a recording of named frames is served without their object; a key in a URL is not recorded", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "recorded");
  const server = await binance(t, dir);
  const recorder = new Recorder(t, archive, [
    ...[server.url + "/stream", "--family", "binance-spot", "--ca-file", server.ca],
    ...["--topic", "aggTrade.BTCUSDT", "--topic", "bookTicker.ETHUSDT", "--max-frames", "60"],
  ]);
  assert.equal((await recorder.ended).code, 0, recorder.stderr);
  const recorded = (await inbound(t, archive)).filter((row) => row.topic === "aggTrade");
  assert.ok(recorded.every((row) => row.data.startsWith('{"stream":')));
  const played = await listening(t, ["serve", "-a", archive, "--hold"], dir);
  const messages = await client(played, `/ws/${TRADES}`, {
    enough: (got) => got.length >= recorded.length,
  });
  assert.deepEqual(
    messages,
    recorded.map((row) => dataOf(row.data))
  );

  const { archive: tape, tap } = await tapped(t, dir, server, [
    [`/ws/${TRADES}/${KEY}/xyzusdt@trade`, { enough: has({ aggTrade: 1 }) }],
  ]);
  const [opened] = await eventsOf(t, tape, "connect");
  assert.ok(opened.url.endsWith(`/ws/${TRADES}/${"*".repeat(KEY.length)}/xyzusdt@trade`));
  assert.ok(!tap.program.stderr.includes(KEY));
  // What was asked for by the URL, and never came, is known.
  const info = (await tapedeck(t, ["replay", "-q", "-a", tape], { status: null })).stdout;
  assert.match(info, /binance-spot trade XYZUSDT: granted, and silent/);
});

/** A client that keeps a book as Binance's documents tell: frames, then a snapshot over HTTP, whose next frame continues it.
 * Returns the snapshot and the update ids of the frames, once there are enough after it. isPlayed: of a tape of serve. */
async function bookClient(server, target, { http, first, more = 20, isPlayed = false }) {
  const socket = new WebSocket(server.url + target);
  const frames = [];
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const { U, u } = JSON.parse(data);
    if (u !== undefined) frames.push([U, u]);
  });
  await new Promise((resolve) => socket.on("open", resolve));
  socket.send(JSON.stringify(subscribe("btcusdt@depth@100ms")));
  await eventually("first frames", () => frames.length >= first);
  const base = server.url.replace("ws:", "http:");
  const control = (what) => isPlayed && fetch(`${base}/control/${what}`, { method: "POST" });
  await control("pause"); // a tape would end while a busy machine asks
  const reply = await fetch(base + http);
  const snapshot = await reply.json();
  await control("resume");
  await eventually("a frame after the snapshot", () =>
    frames.some(([, u]) => u > snapshot.lastUpdateId + more)
  );
  socket.terminate();
  return { snapshot, frames };
}

for (const { family, http } of [
  { family: "binance-spot", http: "/api/v3/depth?symbol=BTCUSDT&limit=1000" },
  { family: "binance-usdm", http: "/fapi/v1/depth?symbol=BTCUSDT&limit=1000" },
])
  test(`a client's own snapshot over HTTP makes its book of ${family}, at a path of any name`, async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await listening(
      t,
      ["sim", "--plain", "--families", family, "--symbols", "2", "--rate", "200"],
      dir
    );
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", sim.url, "--family", family, "--plain"],
      dir
    );
    const live = await bookClient(tap, "/ws/0", { http, first: 3, more: 300 });
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    assert.ok(!tap.program.stderr.includes("in no family"), tap.program.stderr);
    const replay = await json(t, ["replay", archive, "--json"]); // status 0: it is complete
    assert.deepEqual(
      replay.books.map((book) => [book.topic, book.symbol, book.broken]),
      [["depth@100ms", "BTCUSDT", false]]
    );
    // From after the snapshot the server answers with the state of that moment, though the frames have no object around them.
    const later = (await inbound(t, archive)).find(
      ({ topic, data }) =>
        topic === "depth@100ms" && JSON.parse(data).u > live.snapshot.lastUpdateId + 100
    );
    const window = ["--from", String(later.recv_ns)];
    const played = await listening(t, ["serve", archive, ...window, "--plain"], dir);
    const again = await bookClient(played, "/ws/0", { http, first: 3, isPlayed: true });
    assert.ok(again.snapshot.lastUpdateId > live.snapshot.lastUpdateId);
    const next = again.frames.find(([, u]) => u > again.snapshot.lastUpdateId);
    assert.equal(next[0], again.snapshot.lastUpdateId + 1, "the next frame continues the snapshot");
    // So does a made snapshot of a cut, before its first frame.
    const cut = path.join(dir, "cut.mcap");
    const report = await json(t, [
      ...["cut", archive, "-o", cut, ...window, "--snapshots", "made", "--json"],
    ]);
    assert.deepEqual([report.made_frames, report.state_frames], [1, 1]);
    const [made, first] = (await inbound(t, cut))
      .filter((row) => row.topic === "depth@100ms")
      .map((row) => ({ ...JSON.parse(row.data), isMade: row.made }));
    assert.deepEqual([made.isMade, Object.keys(made)[0]], [true, "lastUpdateId"]);
    assert.equal(first.U, made.lastUpdateId + 1);
    const books = async (of, ...more) =>
      (await json(t, ["replay", of, ...more, "--json"], { status: null })).books;
    assert.deepEqual(await books(cut), await books(archive, ...window));
  });

test("events of an account, by a listen key or after a login, are decoded, and have no secret", async (t) => {
  const dir = temporary(t);
  const golden = (family, name) =>
    dataOf(fs.readFileSync(`tests/golden/${family}/${name}.json`, "utf8").trim());
  const futures = ["ORDER_TRADE_UPDATE.trade", "TRADE_LITE", "ACCOUNT_UPDATE"].map((name) =>
    golden("binance-usdm-private", name)
  );
  const expired = `{"e":"listenKeyExpired","E":1736996475556,"listenKey":"${KEY}"}`;
  const spot = ["executionReport", "outboundAccountPosition", "balanceUpdate"].map((name) =>
    golden("binance-spot-private", name)
  );
  const server = await scriptedServer(t, dir, {
    opened: (ws, n, request) => {
      if (request.url.startsWith("/private/ws"))
        for (const frame of [...futures, expired]) ws.send(frame);
    },
    message: (ws, { id }) => {
      ws.send(JSON.stringify({ id, status: 200, result: { subscriptionId: 0 }, rateLimits: [] }));
      for (const frame of spot) ws.send(frame);
    },
  });
  const events = "events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/MARGIN_CALL";
  const login = {
    id: "5",
    method: "userDataStream.subscribe.signature",
    params: { apiKey: `api${KEY}`, timestamp: 1764000000000, signature: `sig${KEY}` },
  };
  const { archive, received, tap } = await tapped(t, dir, server, [
    [`/private/ws?listenKey=${KEY}&${events}`, { enough: (got) => got.length === 4 }],
    ["/ws-api/v3", { request: login, enough: (got) => got.length === 4 }],
  ]);
  assert.deepEqual(received[0], [...futures, expired]);
  assert.deepEqual(received[1].slice(1), spot);
  assert.deepEqual(server.received.requests, [login]);
  const kept = await inbound(t, archive);
  assert.deepEqual(
    kept.map((row) => `${row.feed} ${row.topic}`).sort(),
    [
      ...["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE", "listenKeyExpired"].map(
        (topic) => `binance-usdm-private ${topic}`
      ),
      ...["_control", "balanceUpdate", "executionReport", "outboundAccountPosition"].map(
        (topic) => `binance-spot-private ${topic}`
      ),
    ].sort()
  );
  const replay = await json(t, ["replay", "-a", archive, "--json"], { status: null });
  assert.equal(replay.undecoded, 0, JSON.stringify(replay.first_undecoded));
  assert.equal(replay.unknown_fields, 0);
  // serve sends all events, or those of the URL, and answers the subscription as recorded.
  const served = await listening(t, ["serve", "-a", archive, "--hold"], dir);
  const enough = (count) => ({ enough: (got) => got.length === count });
  assert.equal((await client(served, "/private/ws?listenKey=any", enough(4))).length, 4);
  const one = await client(served, "/private/ws?listenKey=any&events=TRADE_LITE", enough(1));
  assert.deepEqual(one, [futures[1]]);
  const again = await client(served, "/ws-api/v3", { request: login, ...enough(4) });
  assert.deepEqual(again.slice(1), spot);
  assert.deepEqual(JSON.parse(again[0]), { id: "5", status: 200, result: { subscriptionId: 0 } });
  const text = [tap.program.stderr];
  for (const args of [
    ["cat", "-a", archive],
    ["info", "-a", archive, "--json"],
  ])
    text.push((await tapedeck(t, args, { status: null })).stdout);
  for (const event of await eventsOf(t, archive, "connect")) text.push(JSON.stringify(event));
  assert.ok(!text.join("").includes(KEY));
  assert.ok(
    text.join("").includes(`"listenKey":"${"*".repeat(KEY.length)}"`.replaceAll('"', '\\"'))
  );
});

test("events of the futures account at /private/stream, whose frames have the listen key, are decoded and served", async (t) => {
  const dir = temporary(t);
  const events = ["ORDER_TRADE_UPDATE.trade", "TRADE_LITE", "ACCOUNT_UPDATE"].map((name) =>
    dataOf(fs.readFileSync(`tests/golden/binance-usdm-private/${name}.json`, "utf8").trim())
  );
  const named = (key) => events.map((event) => `{"stream":"${key}","data":${event}}`);
  const server = await scriptedServer(t, dir, {
    opened: (ws) => named(KEY).forEach((frame) => ws.send(frame)),
  });
  const three = { enough: (got) => got.length === 3 };
  const { archive, received, tap } = await tapped(
    t,
    dir,
    server,
    [[`/private/stream?listenKey=${KEY}`, three]],
    "binance-usdm-private"
  );
  assert.deepEqual(received, [named(KEY)]);
  const kept = await inbound(t, archive);
  const topics = ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"];
  assert.deepEqual(
    kept.map((row) => `${row.feed} ${row.topic}`),
    topics.map((topic) => `binance-usdm-private ${topic}`)
  );
  assert.deepEqual(
    kept.map((row) => row.data),
    named("*".repeat(KEY.length))
  );
  const replay = await json(t, ["replay", "-a", archive, "--json"], { status: null });
  assert.equal(replay.undecoded, 0, JSON.stringify(replay.first_undecoded));
  assert.equal(replay.unknown_fields, 0);
  assert.ok(!tap.program.stderr.includes("in no family"), tap.program.stderr);
  const { stdout } = await tapedeck(t, ["replay", "-a", archive, "--messages"], { status: null });
  assert.ok(stdout.includes('"type":"order"'), stdout);

  // A client asks serve for its key over HTTP, as it asks the exchange, and gets its events at each address.
  const served = await listening(t, ["serve", "-a", archive, "--hold"], dir);
  const http = served.url.replace("wss:", "https:");
  const ca = fs.readFileSync(served.ca);
  const ask = (method, target) =>
    new Promise((resolve, reject) => {
      const sent = https.request(http + target, { method, ca }, (reply) => {
        let body = "";
        reply.on("data", (part) => (body += part));
        reply.on("end", () => resolve([reply.statusCode, body.trim()]));
      });
      sent.on("error", reject);
      sent.end();
    });
  const [status, body] = await ask("POST", "/fapi/v1/listenKey");
  const { listenKey } = JSON.parse(body);
  assert.equal(status, 200);
  assert.match(listenKey, /^\w{64}$/);
  assert.deepEqual(await ask("PUT", "/fapi/v1/listenKey"), [200, body]);
  assert.deepEqual(await ask("DELETE", "/fapi/v1/listenKey"), [200, "{}"]);
  assert.equal((await ask("POST", "/fapi/v1/order"))[0], 405);
  assert.equal((await ask("PUT", "/control/pause"))[0], 405);
  assert.deepEqual(
    await client(served, `/private/stream?listenKey=${listenKey}`, three),
    named("*".repeat(KEY.length))
  );
  assert.deepEqual(await client(served, `/private/ws/${listenKey}`, three), events);
  assert.deepEqual(
    await client(served, `/private/stream?listenKey=${listenKey}&events=TRADE_LITE`, {
      enough: (got) => got.length === 1,
    }),
    [named("*".repeat(KEY.length))[1]]
  );
});

/** Accounts whose requests have a token: the request, the answer, and frames of the tests of the decoder. */
const TOKEN = "G38a1tGFzqGiUCmnegBcm8d4nfP3tytiNQz6tkCBYXY";
const JWT = `eyJhbGciOiJFUzI1NiIsImtpZCI6Im9yZyJ9.${TOKEN}${TOKEN}.${TOKEN}${TOKEN}`;
const ACCOUNTS = [
  {
    family: "kraken-v2-private",
    target: "/v2",
    secret: TOKEN,
    request: { method: "subscribe", params: { channel: "executions", token: TOKEN }, req_id: 1 },
    answer:
      '{"method":"subscribe","req_id":1,"result":{"channel":"executions","maxratecount":125,"snap_orders":true,' +
      '"snap_trades":true,"snapshot":true},"success":true,"time_in":"2026-04-11T16:48:26Z","time_out":"2026-04-11T16:48:26Z"}',
    frames: ["executions.trades", "executions.trade", "balances.snapshot", "balances"],
    topics: ["balances", "executions"],
  },
  {
    family: "kraken-v1-private",
    target: "/",
    secret: TOKEN,
    request: { event: "subscribe", subscription: { name: "openOrders", token: TOKEN } },
    answer:
      '{"channelName":"openOrders","event":"subscriptionStatus","status":"subscribed",' +
      '"subscription":{"maxratecount":125,"name":"openOrders"}}',
    frames: [
      "openOrders.empty",
      "openOrders",
      "openOrders.status",
      "ownTrades.snapshot",
      "ownTrades",
    ],
    topics: ["openOrders", "ownTrades"],
  },
  {
    family: "coinbase-advanced",
    target: "/",
    secret: JWT,
    request: { type: "subscribe", channel: "user", jwt: JWT },
    answer:
      '{"channel":"subscriptions","client_id":"","timestamp":"2024-10-04T07:31:01.754118917Z","sequence_num":0,' +
      '"events":[{"subscriptions":{"user":["3e625b74-1c4e-5967-ad38-4d26f30d4439"]}}]}',
    frames: ["user.snapshot", "user", "futures_balance_summary"],
    topics: ["futures_balance_summary", "user"],
  },
  {
    family: "bitstamp",
    target: "/",
    secret: TOKEN,
    request: {
      event: "bts:subscribe",
      data: { channel: "private-my_orders_btcusd-314159", auth: TOKEN },
    },
    answer:
      '{"event":"bts:subscription_succeeded","channel":"private-my_orders_btcusd-314159","data":{}}',
    frames: ["private-my_orders", "private-my_orders.stop", "private-my_trades"],
    topics: ["private-my_orders", "private-my_trades"],
  },
];

for (const { family, target, secret, request, answer, frames, topics } of ACCOUNTS)
  test(`orders and balances of ${family} are decoded, and the token of the request is hidden`, async (t) => {
    const dir = temporary(t);
    const sent = frames.map((name, i) =>
      fs
        .readFileSync(`tests/golden/${family}/${name}.json`, "utf8")
        .trim()
        .replace(/"sequence_num":[0-9]+/, `"sequence_num":${i + 1}`)
    );
    const server = await scriptedServer(t, dir, {
      message: (ws) => {
        for (const frame of [answer, ...sent]) ws.send(frame);
      },
    });
    const enough = (got) => got.length === sent.length + 1;
    const { archive, received, tap } = await tapped(
      t,
      dir,
      server,
      [[target, { request, enough }]],
      family
    );
    assert.deepEqual(received[0], [answer, ...sent]);
    assert.deepEqual(server.received.requests, [request]); // unchanged
    const kept = await inbound(t, archive);
    assert.deepEqual([...new Set(kept.map((row) => `${row.feed} ${row.topic}`))].sort(), [
      `${family} _control`,
      ...topics.map((topic) => `${family} ${topic}`),
    ]);
    const replay = await json(t, ["replay", "-a", archive, "--json"], { status: null });
    assert.equal(replay.undecoded, 0, JSON.stringify(replay.first_undecoded));
    assert.equal(replay.unknown_fields, 0);
    const text = [tap.program.stderr];
    for (const args of [
      ["cat", "-a", archive],
      ["info", "-a", archive, "--json"],
    ])
      text.push((await tapedeck(t, args, { status: null })).stdout);
    for (const part of secret.split(".")) assert.ok(!text.join("").includes(part));
    assert.ok(text.join("").includes("*".repeat(secret.length)));
  });

test("lists of all symbols and partial books at /ws have the only topic of their connection", async (t) => {
  const dir = temporary(t);
  const golden = (family, name) =>
    dataOf(fs.readFileSync(`tests/golden/${family}/${name}.json`, "utf8").trim());
  const CASES = [
    ["/market/ws/!markPrice@arr@1s", "binance-usdm", "!markPrice@arr@1s", "all.markPrice-1s"],
    ["/market/ws/!ticker@arr", "binance-usdm", "!ticker@arr", "all.ticker"],
    ["/public/ws/btcusdt@depth5@100ms", "binance-usdm", "depth5@100ms", "depth5-100ms"],
  ];
  const server = await scriptedServer(t, dir, {
    opened: (ws, n, { url }) => {
      const [, family, , name] = CASES.find(([target]) => url === target) ?? CASES[0];
      ws.send(golden(family, name));
    },
  });
  const { archive, received } = await tapped(t, dir, server, [
    ...CASES.map(([target]) => [target, { enough: (got) => got.length === 1 }]),
    // Of two topics the frame could be either.
    ["/market/ws/!markPrice@arr/!ticker@arr", { enough: (got) => got.length === 1 }],
  ]);
  const kept = await inbound(t, archive);
  assert.deepEqual(
    connsOf(kept).map((rows) => rows.map(({ topic }) => topic)),
    [...CASES.map(([, , topic]) => [topic]), ["_unknown"]]
  );
  assert.deepEqual(
    kept.map(({ data }) => data),
    received.map(([message]) => message)
  );
  const replay = await json(t, ["replay", "-a", archive, "--json"], { status: null });
  assert.deepEqual([replay.undecoded, replay.first_undecoded.topic], [1, "_unknown"]);
  assert.equal(replay.unknown_fields, 0);

  const played = await listening(t, ["serve", "-a", archive, "--hold"], dir);
  const [target, , topic] = CASES[0];
  // A frame of an unknown topic may belong to any, so each client gets it, as it was recorded.
  const two = { enough: (got) => got.length >= 2 };
  const [[data], unknown] = [received[0], received.at(-1)];
  assert.deepEqual(await client(played, target, two), [data, ...unknown]);
  assert.deepEqual(await client(played, `/market/stream?streams=${topic}`, two), [
    `{"stream":"${topic}","data":${data}}`,
    ...unknown,
  ]);
});
