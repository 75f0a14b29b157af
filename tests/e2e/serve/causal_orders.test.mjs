// `serve --causal`: what a request about an order caused follows the client's own request, however late that is. A made-up
// exchange answers each order and updates it, one or the other first; the bot under test has a bug that this race shows.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { eventually, listening, passed, run, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { answer, ask, connected, imported, request, update } from "../support/order_entry.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
const PUBLIC = "/v5/public/linear",
  OWN = "/v5/private",
  TRADE = "/v5/trade";
/** ms from each order's request to its answer and to its update. */
const RACES = [
  [20, 140],
  [140, 20],
  [20, 140],
  [20, 140],
  [140, 20],
  [140, 20],
  [20, 140],
];

/** One trade for each order, which the bot answers with an order; the next one once the bot has heard of that order. */
async function exchange(t) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const of = {};
  let orders = 0,
    trades = 0;
  const send = (at, frame) => of[at]?.send(JSON.stringify(frame));
  const trade = () =>
    send(PUBLIC, {
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: Date.now(),
      data: [
        { T: Date.now(), s: "BTCUSDT", S: "Buy", v: "1", p: "100.5", i: `${++trades}`, BT: false },
      ],
    });
  const updates = (id, link, orderStatus) => {
    const creationTime = Date.now();
    const entry = { category: "linear", symbol: "BTCUSDT", orderId: id, orderLinkId: link };
    send(OWN, { id: "u", topic: "order", creationTime, data: [{ ...entry, orderStatus }] });
    send(OWN, {
      id: "p",
      topic: "position",
      creationTime,
      data: [{ category: "linear", symbol: "BTCUSDT", side: "Buy", size: `${orders}` }],
    });
  };
  sockets.on("connection", (ws, { url }) => {
    of[url] = ws;
    ws.on("message", async (bytes) => {
      const { op, req_id = "", reqId, args } = JSON.parse(bytes);
      if (!op.startsWith("order.")) {
        ws.send(JSON.stringify({ success: true, ret_msg: "", op, req_id, conn_id: "c" }));
        return;
      }
      const [{ orderLinkId, orderId }] = args;
      const id = orderId ?? `id-${orderLinkId}`;
      const [answerMs, updateMs] = op === "order.create" ? RACES[orders++] : [20, 60];
      const update = passed(updateMs).then(() =>
        updates(id, orderLinkId ?? "", op === "order.create" ? "New" : "Cancelled")
      );
      await passed(answerMs);
      ws.send(
        JSON.stringify({
          reqId,
          retCode: 0,
          retMsg: "OK",
          op,
          data: { orderId: id, orderLinkId: orderLinkId ?? "" },
          header: { Timenow: `${Date.now()}` },
          connId: "c",
        })
      );
      await update;
      if (op === "order.create") setTimeout(trade, orders < RACES.length ? 250 : 10); // after a cancel
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${server.address().port}`, trade };
}

/** The bot: an order for each trade, reactionMs later. Its bug: an update of an order of which it does not know the id yet
 * counts as another's order, which it cancels. Returns what it saw of each order, and its requests. */
async function bot(t, url, { reactionMs, orders = RACES.length }) {
  const seen = {},
    sent = [],
    known = new Set(),
    frames = [],
    all = [];
  const open = async (at, ...requests) => {
    const ws = new WebSocket(url + at, { perMessageDeflate: false });
    all.push(ws);
    t.after(() => ws.terminate());
    ws.on("message", (bytes) => {
      const frame = JSON.parse(bytes);
      frames.push({ at, ...frame });
      if (at === PUBLIC && frame.data) onTrade(frame.data[0]);
      if (at === TRADE && frame.reqId) onAnswer(frame);
      if (at === OWN && frame.topic === "order") onUpdate(frame.data[0]);
    });
    await once(ws, "open");
    for (const request of requests) {
      ws.send(JSON.stringify(request));
      await once(ws, "message");
    }
    return ws;
  };
  const ask = (op, order, key) => {
    const reqId = `${sent.length}`;
    sent.push([op, key]);
    (seen[key] ??= []).push(`asked ${op}`);
    trade.send(JSON.stringify({ reqId, header: { "X-BAPI-TIMESTAMP": "1" }, op, args: [order] }));
  };
  const onTrade = ({ i }) =>
    setTimeout(() => {
      if (Number(i) <= orders)
        ask(
          "order.create",
          { category: "linear", symbol: "BTCUSDT", orderLinkId: `o${i}` },
          `id-o${i}`
        );
    }, reactionMs);
  const onAnswer = ({ op, reqId, data: { orderId } }) => {
    assert.equal(sent[Number(reqId)][0], op);
    known.add(orderId);
    (seen[orderId] ??= []).push(`answered ${op}`);
  };
  const onUpdate = ({ orderId, orderStatus }) => {
    (seen[orderId] ??= []).push(orderStatus);
    if (!known.has(orderId) && orderStatus === "New")
      ask("order.cancel", { category: "linear", symbol: "BTCUSDT", orderId }, orderId);
  };
  const auth = { op: "auth", args: ["aKeyOfTheTests", 9_999_999_999_999, "signature"] };
  const trade = await open(TRADE, auth);
  await open(OWN, auth, { op: "subscribe", args: ["order", "position"] });
  await open(PUBLIC, { op: "subscribe", args: ["publicTrade.BTCUSDT"] });
  return { seen, sent, frames, ask, leave: () => all.forEach((ws) => ws.close()) };
}

const isOver = ({ seen }, orders = RACES.length) =>
  Object.keys(seen).length === orders &&
  Object.values(seen).every(
    (events) =>
      events.some((event) => event.startsWith("answered")) &&
      events.includes(events.includes("asked order.cancel") ? "Cancelled" : "New")
  );

const positions = ({ frames }) => frames.filter(({ topic }) => topic === "position").length;

/** The session as the bot lived it, recorded by tap. Recorded once. */
let cached;
const recorded = (t) => (cached ??= record(t));
async function record(t) {
  const dir = folder;
  const archive = path.join(dir, "tape");
  const upstream = await exchange(t);
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", upstream.url, "--family", "v5-linear", "--plain"],
    dir
  );
  const live = await bot(t, tap.url, { reactionMs: 5 });
  upstream.trade();
  await eventually("seven orders", () => isOver(live), tap.program);
  await eventually("a position of each request", () => positions(live) === live.sent.length);
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
  return { archive, live };
}

test("a bot's race comes again as it was, however late the bot is", async (t) => {
  const dir = temporary(t);
  const { archive, live } = await recorded(t);
  assert.equal(live.sent.filter(([op]) => op === "order.create").length, 7);
  assert.equal(live.sent.filter(([op]) => op === "order.cancel").length, 3, "the race was lost");

  for (const reactionMs of [1, 170]) {
    const server = await listening(
      t,
      ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
      dir
    );
    const again = await bot(t, server.url, { reactionMs });
    await eventually("seven orders", () => isOver(again), server.program);
    assert.deepEqual(again.seen, live.seen, `${reactionMs} ms`);
    await eventually("positions", () => positions(again) === positions(live), server.program);
    const { stdout } = await server.program.kill("SIGTERM");
    const counts = JSON.parse(stdout);
    assert.deepEqual([counts.unsent, counts.unrecorded], [0, 0]);
    assert.equal(counts.caused, 2 * 10 + 10); // answer, update, position of ten requests
  }
});

test("without it, updates come before a late bot's orders", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const server = await listening(
    t,
    ["serve", archive, "--shared-clock", "--settle", "1s", "--plain"],
    dir
  );
  const again = await bot(t, server.url, { reactionMs: 170 });
  await eventually("seven orders", () => Object.keys(again.seen).length === 7, server.program);
  assert.equal(again.seen["id-o2"][0], "New", "an update of an order that was not placed yet");
});

test("requests that nobody sends, and requests beyond the recorded ones, are counted and named", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const server = await listening(
    t,
    ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const mended = await bot(t, server.url, { reactionMs: 5, orders: 6 });
  await eventually("six orders", () => isOver(mended, 6), server.program);
  mended.leave();
  await eventually(
    "the end",
    () => server.program.stderr.includes("no client sent"),
    server.program
  );
  assert.match(
    server.program.stderr,
    /no client sent 1 request that the recording has \(the first: order\.create of 20\d\d-.*\): 3 frames not sent/
  );
  const counts = JSON.parse((await server.program.kill("SIGTERM")).stdout);
  assert.equal(counts.unsent, 3);

  const other = await listening(
    t,
    ["serve", archive, "--causal", "--hold", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const eager = await bot(t, other.url, { reactionMs: 5 });
  await eventually("seven orders", () => isOver(eager), other.program);
  eager.ask("order.create", { category: "linear", symbol: "BTCUSDT", orderLinkId: "more" }, "more");
  await eventually("a warning", () => other.program.stderr.includes("no further"), other.program);
  assert.match(
    other.program.stderr,
    /order\.create: the recording has no further such request, so this one gets no answer/
  );
  assert.equal(JSON.parse((await other.program.kill("SIGTERM")).stdout).unrecorded, 1);
});

/** A frame of /v5/private that names no order. */
const wallet = (at, coin) => ({
  at,
  conn: "own",
  dir: "in",
  data: JSON.stringify({
    id: `w${at}`,
    topic: "wallet",
    creationTime: 1,
    data: [{ accountType: "UNIFIED", coin: [{ coin }] }],
  }),
});
/** What a frame is about: "X New", "wallet BTC", "answer r1". */
const nameOf = ({ topic, data, reqId }) =>
  topic === "order"
    ? data.map(({ orderId, orderStatus }) => `${orderId} ${orderStatus}`).join(", ")
    : topic === "wallet"
      ? `wallet ${data[0].coin[0].coin}`
      : `answer ${reqId}`;

test("which request an update follows", async (t) => {
  const dir = temporary(t);
  const archive = await imported(t, dir, [
    update(0, { orderId: "Z", orderStatus: "New" }), // another program's order
    request(100, "create", { symbol: "BTCUSDT", price: "1" }, "r1"),
    update(101, { orderId: "A", orderStatus: "New" }), // only the answer tells whose it is
    wallet(105, "A"),
    answer(110, "create", { orderId: "A", orderLinkId: "" }, "r1"),
    request(120, "create", { symbol: "BTCUSDT", orderLinkId: "b" }, "r2"),
    request(121, "create", { symbol: "BTCUSDT", orderLinkId: "c" }, "r3"),
    answer(130, "create", { orderId: "C", orderLinkId: "c" }, "r3"), // out of order
    answer(131, "create", { orderId: "B", orderLinkId: "b" }, "r2"),
    update(
      132,
      { orderId: "B", orderLinkId: "b", orderStatus: "New" },
      { orderId: "C", orderLinkId: "c", orderStatus: "New" }
    ), // of both: the later one
    request(140, "amend", { symbol: "BTCUSDT", orderId: "A", price: "2" }, "r4"),
    request(141, "cancel", { symbol: "BTCUSDT", orderLinkId: "b" }, "r5"),
    update(150, { orderId: "A", orderStatus: "PartiallyFilled" }),
    answer(151, "amend", { orderId: "A", orderLinkId: "" }, "r4"),
    update(152, { orderId: "B", orderStatus: "Cancelled" }),
    answer(153, "cancel", { orderId: "B", orderLinkId: "b" }, "r5"),
    update(160, { orderId: "Z", orderStatus: "Filled" }),
    wallet(170, "Z"), // after another program's order
    update(180, { orderId: "A", orderStatus: "Filled" }),
    wallet(300, "late"), // too late to be of that update
    update(800, { orderId: "Z", orderStatus: "End" }),
  ]);
  const server = await listening(
    t,
    ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const trade = await connected(t, `${server.url}/v5/trade`);
  const own = await connected(t, `${server.url}/v5/private`);
  own.ws.send(JSON.stringify({ op: "subscribe", args: ["order", "wallet"] }));
  const got = [];
  for (const ws of [own.ws, trade.ws])
    ws.on("message", (bytes) => {
      const frame = JSON.parse(bytes);
      if (frame.topic !== undefined || frame.reqId !== undefined) got.push(nameOf(frame));
    });
  const expect = async (...names) => {
    await eventually(`${names}`, () => got.length >= names.length, server.program);
    assert.deepEqual(got.splice(0).sort(), names.sort());
  };
  await expect("Z New", "Z Filled", "wallet Z", "wallet late", "Z End"); // without any request
  const linear = { category: "linear", symbol: "BTCUSDT" };
  await ask(trade, "1", "order.create", linear);
  await expect("A New", "wallet A", "answer 1");
  await ask(trade, "2", "order.create", linear);
  await expect("answer 2");
  await ask(trade, "3", "order.create", linear);
  await expect("answer 3", "B New, C New");
  await ask(trade, "4", "order.cancel", linear);
  await expect("answer 4", "B Cancelled");
  await ask(trade, "5", "order.amend", linear);
  await expect("answer 5", "A PartiallyFilled", "A Filled");
  const counts = JSON.parse((await server.program.kill("SIGTERM")).stdout);
  assert.deepEqual([counts.caused, counts.unsent, counts.unrecorded], [11, 0, 0]);
});

test("a selection without orders, and options without a clock, are refused", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const refused = async (status, words, ...more) => {
    const { stderr } = await run(t, "tapedeck", ["serve", archive, "--causal", ...more], {
      status,
    });
    assert.match(stderr, words);
  };
  await refused(4, /--causal: the selection has no request about orders/, "--feed", "v5-linear");
  await refused(2, /--causal needs a clock/, "--speed", "max");
  await refused(2, /--causal needs a clock/, "--slow-client", "wait");
  await refused(2, /--causal excludes --loop and --fault/, "--loop");
  await refused(2, /--causal excludes --loop and --fault/, "--fault", "drop:p=0.1");
});
