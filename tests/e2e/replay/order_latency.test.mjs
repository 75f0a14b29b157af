// `tapedeck latency` joins requests about orders with their answers and updates. Expected: the times that a client notes in its
// own session, and captures with each case made up here.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  json,
  jsonLines,
  listening,
  parseLines,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import * as npm from "../support/npm_packages.mjs";
import {
  answer,
  ask,
  connected,
  imported,
  message,
  request,
  update,
  updates,
} from "../support/order_entry.mjs";
import { xxh64 } from "../support/xxh64.mjs";

const ms = (row) =>
  [row.answer_ns, row.update_ns].map((ns) =>
    ns === null ? null : Math.round((ns - row.sent_ns) / 1e6)
  );

/** Request id or link, answer, update (ms after the request) and status of each order. */
const joined = ({ orders }) =>
  Object.fromEntries(
    orders.map((row) => [row.request_id ?? row.order_link_id, [...ms(row), row.order_status]])
  );

test("each request is joined with its answer and its update", async (t) => {
  const archive = await imported(t, temporary(t), [
    request(10, "create", { symbol: "BTCUSDT", orderLinkId: "a", price: "1" }, "r1"),
    request(11, "create", { symbol: "BTCUSDT", price: "1" }, "r2"), // the answer tells its order
    request(12, "create", { symbol: "ETHUSDT", orderLinkId: "x" }, "r3"),
    update(14, { orderId: "B", orderStatus: "New" }), // before the answer that names the order
    update(15, { orderId: "A", orderLinkId: "a", orderStatus: "New", price: "1", qty: "5" }),
    answer(16, "create", { orderId: "B", orderLinkId: "" }, "r2"), // out of order
    answer(17, "create", { orderId: "A", orderLinkId: "a" }, "r1"),
    answer(18, "create", {}, "r3", 110007),
    request(20, "amend", { symbol: "BTCUSDT", orderId: "A", price: "2.0", qty: "5" }, "r4"),
    answer(21, "amend", { orderId: "A", orderLinkId: "a" }, "r4"),
    update(22, {
      orderId: "A",
      orderLinkId: "a",
      orderStatus: "PartiallyFilled",
      price: "1",
      qty: "5",
    }), // a fill, before
    update(25, {
      orderId: "A",
      orderLinkId: "a",
      orderStatus: "PartiallyFilled",
      price: "2",
      qty: "5",
    }),
    request(30, "cancel", { symbol: "BTCUSDT", orderLinkId: "a" }, "r5"),
    answer(31, "cancel", { orderId: "A", orderLinkId: "a" }, "r5"),
    update(
      32,
      { orderId: "Z", orderStatus: "Cancelled" },
      { orderId: "A", orderLinkId: "a", orderStatus: "PartiallyFilled" }
    ),
    update(34, { orderId: "A", orderLinkId: "a", orderStatus: "Cancelled" }),
    request(40, "create", { symbol: "BTCUSDT", orderLinkId: "none" }), // without ids: by order
    request(41, "create", { symbol: "BTCUSDT", orderLinkId: "late" }),
    answer(43, "create", { orderId: "N", orderLinkId: "none" }),
    answer(50, "create", { orderId: "Q" }, "unknown"),
    request(
      60,
      "create-batch",
      {
        category: "linear",
        request: [
          { symbol: "BTCUSDT", orderLinkId: "b1" },
          { symbol: "BTCUSDT", orderLinkId: "b2" },
        ],
      },
      "r6"
    ),
    answer(62, "create-batch", { list: [{ orderId: "B1" }, { orderId: "B2" }] }, "r6"),
    update(63, { orderId: "B2", orderStatus: "New" }, { orderId: "B1", orderStatus: "New" }),
  ]);
  const found = await json(t, ["latency", archive, "--json"]);
  const rows = found.orders.filter((row) => row.op !== "order.create-batch");
  assert.deepEqual(joined({ orders: rows }), {
    r1: [7, 5, "New"],
    r2: [5, 3, "New"],
    r3: [6, null, null],
    r4: [1, 5, "PartiallyFilled"],
    r5: [1, 4, "Cancelled"],
    none: [3, null, null],
    late: [null, null, null],
  });
  assert.deepEqual(
    found.orders
      .filter((row) => row.op === "order.create-batch")
      .map((row) => [row.order_link_id, row.order_id, ...ms(row)]),
    [
      ["b1", "B1", 2, 3],
      ["b2", "B2", 2, 3],
    ].reverse()
  );
  assert.deepEqual(found.orders.find((row) => row.request_id === "r3").code, 110007);
  const { requests, refused, unanswered, without_update, unasked } = found;
  assert.deepEqual(
    { requests, refused, unanswered, without_update, unasked },
    { requests: 9, refused: 1, unanswered: 1, without_update: 1, unasked: 1 }
  );
  const span = (op, from, to) =>
    found.spans.find((row) => row.op === op && row.from === from && row.to === to);
  assert.deepEqual(span("order.cancel", "request", "update"), {
    op: "order.cancel",
    from: "request",
    to: "update",
    count: 1,
    p50_ns: 4e6,
    p90_ns: 4e6,
    p99_ns: 4e6,
    max_ns: 4e6,
  });
  assert.deepEqual(span("order.create", "request", "answer").count, 4);
  const { stdout } = await tapedeck(t, ["latency", archive]);
  assert.match(stdout, /^order\.cancel +request +answer +1 +1 ms/m);
  assert.match(
    stdout,
    /\n9 requests, 1 refused, 1 without an answer, 1 without an update; 1 answer to no request\n$/
  );
  const none = await tapedeck(t, ["latency", archive, "--feed", "v5-private"]);
  assert.equal(none.stdout, "no requests about orders\n");
});

test("the oldest of too many waiting requests count as unanswered", async (t) => {
  const most = 4096,
    more = 10;
  const lines = Array.from({ length: most + more }, (_, i) =>
    request(i / 100, "create", { symbol: "BTCUSDT", orderLinkId: `l${i}` }, `r${i}`)
  );
  lines.push(
    answer(1000, "create", { orderId: "O" }, "r0"),
    answer(1001, "create", { orderId: "P" }, `r${more}`)
  );
  const { requests, unanswered, unasked } = await json(t, [
    "latency",
    await imported(t, temporary(t), lines),
    "--json",
  ]);
  assert.deepEqual(
    { requests, unanswered, unasked },
    { requests: most + more, unanswered: most + more - 1, unasked: 1 }
  );
});

/** Place, amend and cancel 20 orders, every second one without an id of the client's, and place one that is refused. */
async function tradeAll(trade, own, name = "l") {
  const order = {
    category: "linear",
    symbol: "BTCUSDT",
    side: "Buy",
    orderType: "Limit",
    qty: "0.01",
    price: "50000",
  };
  for (let i = 0; i < 20; i++) {
    const of = {
      category: "linear",
      symbol: "BTCUSDT",
      ...(i % 2 ? { orderLinkId: `${name}${i}` } : {}),
    };
    const {
      answer: { data },
    } = await ask(trade, `c${i}`, "order.create", { ...order, ...of });
    await ask(trade, `a${i}`, "order.amend", { ...of, orderId: data.orderId, qty: "0.02" });
    await ask(trade, `d${i}`, "order.cancel", { ...of, orderId: data.orderId });
    await updates(own, data.orderId, "Cancelled");
  }
  await ask(trade, "refused", "order.create", { ...order, qty: "200" });
}

function checkAll({ orders, requests, refused, unanswered, without_update, unasked }, clients = 1) {
  assert.deepEqual(
    { requests, refused, unanswered, without_update, unasked },
    { requests: 61 * clients, refused: clients, unanswered: 0, without_update: 0, unasked: 0 }
  );
  for (const row of orders.filter(({ code }) => code === 0)) {
    assert.ok(row.sent_ns <= row.answer_ns && row.sent_ns <= row.update_ns, JSON.stringify(row));
    assert.equal(row.order_status, row.op === "order.cancel" ? "Cancelled" : "New");
  }
}

npm.test("every order of a session with the simulated exchange is joined", async (t) => {
  const dir = temporary(t);
  const sim = await listening(
    t,
    ["sim", "--plain", "--families", "v5-trade", "--rate", "500"],
    dir
  );
  const lines = [],
    begin = performance.now();
  const log = (conn, direction, data) =>
    lines.push({ at: performance.now() - begin, conn, dir: direction, data });
  const open = async (conn, at) => {
    const made = await connected(t, sim.url + at);
    made.ws.on("message", (bytes) => log(conn, "in", bytes.toString()));
    const send = made.ws.send.bind(made.ws);
    made.ws.send = (text) => (log(conn, "out", text), send(text));
    return made;
  };
  const [trade, own] = [await open("trade", "/v5/trade"), await open("own", "/v5/private")];
  own.ws.send(JSON.stringify({ op: "subscribe", args: ["order"] }));
  await message(own, (m) => m.op === "subscribe");
  await tradeAll(trade, own);
  checkAll(await json(t, ["latency", await imported(t, dir, lines), "--json"]));
});

npm.test(
  "every order of two clients behind tap is joined, and their frames equal the truth file's",
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      truth = path.join(dir, "truth.jsonl");
    const sim = await listening(
      t,
      ["sim", "--plain", "--families", "v5-trade", "--rate", "500", "--truth", truth],
      dir
    );
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", sim.url, "--plain"],
      fs.mkdtempSync(path.join(dir, "tap-"))
    );
    const own = await connected(t, `${tap.url}/v5/private`);
    const trades = [
      await connected(t, `${tap.url}/v5/trade`),
      await connected(t, `${tap.url}/v5/trade`),
    ];
    own.ws.send(JSON.stringify({ op: "subscribe", args: ["order"] }));
    await message(own, (m) => m.op === "subscribe");
    await Promise.all(trades.map((trade, i) => tradeAll(trade, own, `l${i}-`))); // with the same reqIds
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    checkAll(await json(t, ["latency", archive, "--json"]), 2);
    const known = parseLines(fs.readFileSync(truth, "utf8")).filter(
      ({ path: of }) => of === "/v5/trade"
    );
    for (const [kind, direction] of [
      ["request", "out"],
      ["frame", "in"],
    ]) {
      const recorded = (
        await jsonLines(t, ["cat", archive, "--topic", "order.*", "--dir", direction])
      ).filter(({ topic }) => /^order\.(create|amend|cancel)$/.test(topic));
      assert.deepEqual(
        recorded.map(({ data }) => xxh64(Buffer.from(data))).sort(),
        known
          .filter((row) => row.t === kind)
          .map((row) => row.xxh64)
          .sort()
      );
    }
  }
);
