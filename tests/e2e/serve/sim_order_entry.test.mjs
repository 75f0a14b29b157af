// Order entry of the simulated exchange (/v5/trade): requests, answers, refusals, and the updates on /v5/private; also with
// bybit-api and ccxt, unchanged.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import crypto, { webcrypto } from "node:crypto";
import { listening, parseLines, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { ask, connected, message, updates } from "../support/order_entry.mjs";
import { xxh64 } from "../support/xxh64.mjs";

globalThis.crypto ??= webcrypto; // Node.js 18 has no such global; bybit-api signs with it
const { WebsocketClient, WS_KEY_MAP } = npm("bybit-api");
const SILENT = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
const LIMIT = {
  category: "linear",
  symbol: "BTCUSDT",
  side: "Buy",
  orderType: "Limit",
  qty: "0.010",
};

const simulator = (t, dir, ...more) =>
  listening(t, ["sim", "--plain", "--families", "v5-trade", "--rate", "500", ...more], dir);

async function subscribed(t, sim, topics = ["order", "execution", "position", "wallet"]) {
  const own = await connected(t, `${sim.url}/v5/private`);
  own.ws.send(JSON.stringify({ op: "subscribe", args: topics }));
  await message(own, (m) => m.op === "subscribe");
  return own;
}

test("orders are answered, filled, amended and cancelled, and the truth file has requests and answers", async (t) => {
  const dir = temporary(t),
    truth = path.join(dir, "truth.jsonl");
  const sim = await simulator(t, dir, "--truth", truth);
  const [own, trade] = [await subscribed(t, sim), await connected(t, `${sim.url}/v5/trade`)];
  const sent = [];
  const isPosition = ({ topic, data }) =>
    topic === "position" && data[0].category === "linear" && data[0].symbol === "BTCUSDT";
  const asked = async (...args) => {
    const { text, answer } = await ask(trade, String(sent.length), ...args);
    sent.push(text);
    assert.equal(answer.retCode, 0, answer.retMsg);
    assert.match(answer.header.Timenow, /^\d{13}$/);
    return answer.data;
  };

  const atMarket = (orderLinkId) =>
    asked("order.create", { ...LIMIT, orderType: "Market", orderLinkId });
  // The seeded trader may have had a position before: the first order shows it.
  const earlier = await atMarket("earlier");
  await updates(own, earlier.orderId, "Filled");
  await message(own, (m) => isPosition(m));
  const market = await atMarket("market");
  assert.equal(market.orderLinkId, "market");
  const bought = await updates(own, market.orderId, "Filled");
  const fills = bought.filter(({ topic }) => topic === "execution").map(({ data }) => data[0]);
  assert.equal(
    fills.reduce((sum, { execQty }) => sum + Number(execQty), 0),
    0.01
  );
  const first = own.got.findIndex((text) => JSON.parse(text).data?.[0]?.orderId === market.orderId);
  const sizes = (texts) =>
    texts
      .map((text) => JSON.parse(text))
      .filter(isPosition)
      .map(({ data: [{ side, size }] }) => (side === "Sell" ? -1 : 1) * Number(size));
  while (sizes(own.got.slice(first)).length === 0) await once(own.ws, "message");
  assert.equal(
    (sizes(own.got.slice(first))[0] - sizes(own.got.slice(0, first)).at(-1)).toFixed(8),
    "0.01000000"
  );

  const far = await asked("order.create", { ...LIMIT, price: "50000.0", orderLinkId: "far" });
  await asked("order.amend", {
    category: "linear",
    symbol: "BTCUSDT",
    orderLinkId: "far",
    price: "50000.5",
    qty: "0.02",
  });
  await asked("order.cancel", { category: "linear", symbol: "BTCUSDT", orderId: far.orderId });
  const states = (await updates(own, far.orderId, "Cancelled")).map(({ data: [order] }) => [
    order.orderStatus,
    order.price,
    order.qty,
  ]);
  assert.deepEqual(states, [
    ["New", "50000", "0.01"],
    ["New", "50000.5", "0.02"],
    ["Cancelled", "50000.5", "0.02"],
  ]);

  const post = await asked("order.create", { ...LIMIT, price: "90000", timeInForce: "PostOnly" });
  const refused = (await updates(own, post.orderId, "Cancelled")).at(-1).data[0];
  assert.deepEqual(
    [refused.rejectReason, refused.cumExecQty],
    ["EC_PostOnlyWillTakeLiquidity", "0"]
  );

  const best = Number(fills[0].execPrice);
  // An order below the market waits until the market trades there. The market may be there already: then the next one is lower.
  let price = best,
    waited;
  do {
    price -= 0.5;
    const near = await asked("order.create", { ...LIMIT, price: String(price) });
    waited = await updates(own, near.orderId, "Filled");
    assert.ok(
      waited.some(
        ({ topic, data: [entry] }) => topic === "execution" && Number(entry.execPrice) <= price
      )
    );
  } while (waited[0].data[0].orderStatus !== "New");

  const rows = parseLines(fs.readFileSync(truth, "utf8")).filter((row) => row.path === "/v5/trade");
  assert.deepEqual(
    rows.filter((row) => row.t === "request").map((row) => row.xxh64),
    sent.map((text) => xxh64(Buffer.from(text)))
  );
  const answers = trade.got.filter((text) => text.includes('"order.'));
  assert.deepEqual(
    rows.filter((row) => row.t === "frame").map((row) => row.xxh64),
    answers.map((text) => xxh64(Buffer.from(text)))
  );
  assert.deepEqual(
    rows.filter((row) => row.t === "request").map((row) => row.n),
    sent.map((_, i) => i + 2)
  ); // after auth
});

test("impossible requests are refused with the exchange's codes", async (t) => {
  const sim = await simulator(t, temporary(t));
  const spot = { ...LIMIT, category: "spot", orderType: "Market" };
  const stranger = await connected(t, `${sim.url}/v5/trade`, { auth: false });
  assert.equal((await ask(stranger, "1", "order.create", LIMIT)).answer.retCode, 10007);
  const trade = await connected(t, `${sim.url}/v5/trade`);
  await ask(trade, "first", "order.create", { ...LIMIT, price: "50000", orderLinkId: "twice" });
  const cases = [
    [
      "order.create",
      { ...LIMIT, price: "60000", qty: "240" },
      110007,
      "ab not enough for new order",
    ],
    [
      "order.create",
      { ...spot, side: "Sell", symbol: "ETHUSDT", qty: "100" },
      170131,
      "Insufficient balance.",
    ],
    [
      "order.create",
      { ...LIMIT, symbol: "NOSUCH", price: "1" },
      10001,
      "params error: symbol invalid",
    ],
    [
      "order.create",
      { ...LIMIT, symbol: "BTCUSDT_BTC/USDT", price: "1" },
      10001,
      "params error: symbol invalid",
    ],
    ["order.create", { ...spot, symbol: "NOSUCH" }, 170121, "Invalid symbol."],
    ["order.create", { ...LIMIT, category: "none" }, 10404, "category is not correct/supported"],
    [
      "order.create",
      { ...LIMIT, price: "50000", orderLinkId: "twice" },
      110072,
      "OrderLinkedID is duplicate",
    ],
    ["order.create", { ...LIMIT, price: "50000", orderLinkId: 'a"b' }, 10001, "params error"],
    ["order.create", { ...LIMIT, price: "50000", timeInForce: "FOK" }, 10001, "params error"],
    ["order.create", { ...LIMIT, price: "50000.01" }, 10001, "price invalid"],
    ["order.create", { ...LIMIT, price: "1e30" }, 10001, "params error"],
    ["order.create", { ...LIMIT, price: "50000", qty: "0.0001" }, 10001, "Qty invalid"],
    [
      "order.create",
      { ...LIMIT, price: "50000", qty: "99999999999999999999" },
      10001,
      "Qty invalid",
    ],
    ["order.create", [], 10001, "params error"],
    [
      "order.amend",
      { ...LIMIT, orderLinkId: "none", price: "2" },
      110001,
      "order not exists or too late to cancel",
    ],
    [
      "order.cancel",
      { category: "spot", symbol: "BTCUSDT", orderId: "1" },
      170213,
      "Order does not exist.",
    ],
    ["order.create-batch", {}, 10404, "op type is not found"],
  ];
  for (const [i, [op, order, code, text]] of cases.entries()) {
    const { answer } = await ask(trade, `r${i}`, op, order);
    assert.deepEqual(
      [answer.op, answer.retCode, answer.retMsg, answer.data],
      [op, code, text, {}],
      JSON.stringify(order)
    );
  }
  trade.ws.send(JSON.stringify({ reqId: "x".repeat(100), op: "order.create", args: [LIMIT] }));
  assert.equal(
    (await message(trade, (m) => m.retCode === 10001 && m.reqId === undefined)).op,
    "order.create"
  );
  trade.ws.send(JSON.stringify({ op: "order" }));
  assert.equal((await message(trade, (m) => m.op === "order")).retCode, 10404);
});

test("with --secret signatures and times of requests are checked", async (t) => {
  const sim = await simulator(t, temporary(t), "--secret", "the right secret");
  const right = new WebsocketClient(
    {
      wsUrl: `${sim.url}/v5/trade`,
      key: "aKeyOfTheTests",
      secret: "the right secret",
      pongTimeout: 60_000,
      recvWindow: 60_000,
    },
    SILENT
  );
  t.after(() => right.closeAll(true));
  const { retCode } = await right.sendWSAPIRequest(WS_KEY_MAP.v5PrivateTrade, "order.create", {
    ...LIMIT,
    price: "50000",
  });
  assert.equal(retCode, 0);
  right.setTimeOffsetMs(-3_600_000);
  await assert.rejects(
    right.sendWSAPIRequest(WS_KEY_MAP.v5PrivateTrade, "order.create", { ...LIMIT, price: "50000" }),
    { retCode: 10002 }
  );
  const wrong = await connected(t, `${sim.url}/v5/trade`); // with any signature
  assert.equal((await message(wrong, (m) => m.op === "auth")).retCode, 10004);
  assert.equal((await ask(wrong, "1", "order.create", LIMIT)).answer.retCode, 10007);
});

test("bybit-api places, amends and cancels orders", async (t) => {
  const sim = await simulator(t, temporary(t));
  const own = await subscribed(t, sim);
  const client = new WebsocketClient(
    {
      wsUrl: `${sim.url}/v5/trade`,
      key: "aKeyOfTheTests",
      secret: "any",
      pingInterval: 200,
      pongTimeout: 60_000,
    },
    SILENT
  );
  t.after(() => client.closeAll(true));
  const asked = (op, order) => client.sendWSAPIRequest(WS_KEY_MAP.v5PrivateTrade, op, order);
  const { data } = await asked("order.create", {
    ...LIMIT,
    price: "50000",
    orderLinkId: "of-a-client",
  });
  await asked("order.amend", {
    category: "linear",
    symbol: "BTCUSDT",
    orderId: data.orderId,
    qty: "0.02",
  });
  await asked("order.cancel", {
    category: "linear",
    symbol: "BTCUSDT",
    orderLinkId: "of-a-client",
  });
  assert.equal((await updates(own, data.orderId, "Cancelled")).at(-1).data[0].qty, "0.02");
  await assert.rejects(
    asked("order.cancel", { category: "linear", symbol: "BTCUSDT", orderLinkId: "of-a-client" }),
    { retCode: 110001 }
  );
});

// Another exchange: numbers are numbers, there are no categories, spot's refusals have no codes, and answers differ by their outcome.
const QUAY = {
  "quay.exchange.yaml": `exchange: quay
connects: 300 per 60 s
kinds: {snapshot: [s], delta: [d]}
frames: {topic: cmd, data: order, op: cmd, begins: '{"cmd":"'}
control: {rules: [ok * ack]}
dialects:
  quay:
    ping_s: 20
    covers: all
    signed: quay{expires}
    ask:
      auth: '{"cmd":"login","with":[$key,$expires,$signature]}'
      ping: '{"cmd":"ping"}'
    requests: [cmd login auth, cmd ping ping, cmd order/* order]
    ids: ["no"]
    lists: [with]
    replies:
      order granted: '{"no":$id_raw,"ok":true,"order":$order_id,"mine":$order_link_id}'
      any granted: '{"no":$id_raw,"ok":true}'
      any: '{"no":$id_raw,"ok":false,"why":$reason}'
    refusals: {no_order: gone, no_order spot: no such coins, link_in_use: twice, late: too late, other: wrong}
`,
  "quay-orders.yaml": `family: quay-orders
exchange: quay
dialect: quay
op_is_topic: true
addresses: [main private wss://quay.example/orders]
sets:
  head: [sent send_ns time ms]
  order: [pair symbol text, id order_id text, mine order_link_id text, way side side, kind order_type text, amount size decimal quantity, limit price decimal price]
topics:
${["new", "move", "end"]
  .map(
    (
      name
    ) => `  - {topic: order/${name}, message: order_entry, title: orders, topic_key: cmd, envelope: head, fields: order, entries: [order none any optional]}
`
  )
  .join("")}
simulator:
  orders: {of: v5-private, place: order/new, change: order/move, cancel: order/end}
`,
};

test("another exchange's orders are in its documents alone", async (t) => {
  const dir = temporary(t);
  for (const [name, text] of Object.entries(QUAY)) fs.writeFileSync(path.join(dir, name), text);
  const sim = await listening(
    t,
    ["sim", "--plain", "--families", `${dir}/`, "--rate", "500", "--secret", "quay's"],
    dir
  );
  const trade = await connected(t, `${sim.url}/orders`, { auth: false });
  const asked = async (no, request) => {
    trade.ws.send(JSON.stringify({ no, ...request }));
    return message(trade, (m) => m.no === no);
  };
  const order = {
      pair: "BTCUSDT",
      way: "BUY",
      kind: "limit",
      amount: 0.01,
      limit: 50000,
      mine: "a",
    },
    sent = Date.now();
  const until = sent + 60_000,
    signature = crypto.createHmac("sha256", "quay's").update(`quay${until}`).digest("hex");
  assert.deepEqual(await asked(1, { cmd: "order/new", sent, order }), {
    no: 1,
    ok: false,
    why: "wrong",
  });
  assert.deepEqual(await asked(2, { cmd: "login", with: ["aKeyOfTheTests", until, signature] }), {
    no: 2,
    ok: true,
  });
  const { order: id, ...placed } = await asked(3, { cmd: "order/new", sent, order });
  assert.deepEqual(placed, { no: 3, ok: true, mine: "a" });
  assert.deepEqual(await asked(4, { cmd: "order/new", sent, order }), {
    no: 4,
    ok: false,
    why: "twice",
  });
  assert.deepEqual(
    await asked(5, {
      cmd: "order/move",
      sent,
      order: { pair: "BTCUSDT", mine: "a", limit: 50000.5 },
    }),
    { no: 5, ok: true, order: id, mine: "a" }
  );
  assert.deepEqual(
    await asked(6, { cmd: "order/end", sent: sent - 60_000, order: { pair: "BTCUSDT", id } }),
    { no: 6, ok: false, why: "too late" }
  );
  assert.deepEqual(await asked(7, { cmd: "order/end", sent, order: { pair: "BTCUSDT", id } }), {
    no: 7,
    ok: true,
    order: id,
    mine: "a",
  });
  assert.deepEqual(
    await asked(8, { cmd: "order/end", sent, order: { pair: "BTCUSDT", id: "none" } }),
    { no: 8, ok: false, why: "gone" }
  );
  for (const wrong of [
    { ...order, pair: "NONE" },
    { ...order, amount: "many" },
    { ...order, way: "up" },
    [order, order],
    [],
    "order",
  ])
    assert.deepEqual(
      await asked(9, { cmd: "order/new", sent, order: wrong }),
      { no: 9, ok: false, why: "wrong" },
      JSON.stringify(wrong)
    );
});

/** tests/e2e/serve/exchange_clients.test.mjs installs it. */
const LARGE = path.resolve("build/npm-large");
const withoutCcxt = fs.existsSync(path.join(LARGE, "node_modules/ccxt-4"))
  ? false
  : "needs ccxt, which make soak installs";

test("ccxt places and cancels orders, and gets their updates", { skip: withoutCcxt }, async (t) => {
  const sim = await simulator(t, temporary(t));
  const { pro } = createRequire(path.join(LARGE, "package.json"))("ccxt-4");
  const exchange = new pro.bybit({
    apiKey: "aKeyOfTheTests",
    secret: "any",
    options: { enableUnifiedAccount: true },
  });
  t.after(() => exchange.close());
  await exchange.loadHttpProxyAgent(); // for ws://
  exchange.urls.api.ws.private = {
    spot: { unified: `${sim.url}/v5/private` },
    contract: `${sim.url}/v5/private`,
    usdc: `${sim.url}/v5/private`,
    trade: `${sim.url}/v5/trade`,
  };
  const market = {
    id: "BTCUSDT",
    symbol: "BTC/USDT:USDT",
    base: "BTC",
    quote: "USDT",
    settle: "USDT",
    baseId: "BTC",
    quoteId: "USDT",
    settleId: "USDT",
    type: "swap",
    swap: true,
    contract: true,
    linear: true,
    inverse: false,
    spot: false,
    option: false,
    contractSize: 1,
    active: true,
    precision: { amount: 0.001, price: 0.5 },
    limits: {},
    info: {},
  };
  exchange.setMarkets({ "BTC/USDT:USDT": market });
  const placed = await exchange.createOrderWs("BTC/USDT:USDT", "limit", "buy", 0.01, 50000);
  assert.match(placed.id, /^[0-9a-f-]{36}$/);
  await exchange.cancelOrderWs(placed.id, "BTC/USDT:USDT");
  await assert.rejects(exchange.cancelOrderWs(placed.id, "BTC/USDT:USDT"), /order not exists/);
});
