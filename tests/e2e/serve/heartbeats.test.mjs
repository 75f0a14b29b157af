// Heartbeats of serve: at the client's interval or the exchange's, by the clock, so also after the end of a tape (--hold). Recorded
// ones that no client asked for are in notices.test.mjs. Families are copies whose documents have shorter intervals.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { eventually, importLines, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const AT_MS = 1_790_000_000_000;
const ANSWERED_S = 5; // the interval where the client answers: a busy machine has as long for it

const EXCHANGES = {
  deribit: {
    family: "deribit",
    edit: [/least_s: 10/, "least_s: 1"],
    url: "/ws/api/v2",
    ask: {
      jsonrpc: "2.0",
      id: 1,
      method: "public/subscribe",
      params: { channels: ["quote.BTC-PERPETUAL"] },
    },
    data: {
      jsonrpc: "2.0",
      method: "subscription",
      params: {
        channel: "quote.BTC-PERPETUAL",
        data: {
          timestamp: AT_MS,
          instrument_name: "BTC-PERPETUAL",
          best_bid_price: 100.5,
          best_bid_amount: 10,
          best_ask_price: 101,
          best_ask_amount: 20,
        },
      },
    },
  },
  binance: {
    family: "binance-spot",
    edit: [/every_s: 20/, "every_s: 1"],
    url: "/stream?streams=btcusdt@bookTicker",
    data: {
      stream: "btcusdt@bookTicker",
      data: { u: 1, s: "BTCUSDT", b: "100.5", B: "1", a: "101", A: "2" },
    },
  },
  kraken: {
    family: "kraken-v1",
    edit: [],
    url: "/",
    ask: { event: "subscribe", pair: ["XBT/USD"], subscription: { name: "trade" } },
    data: [337, [["100.5", "0.1", "1790000000.000001", "b", "l", ""]], "trade", "XBT/USD"],
  },
  "kraken-v2": {
    family: "kraken-v2",
    edit: [],
    url: "/v2",
    ask: { method: "subscribe", params: { channel: "trade", symbol: ["BTC/USD"] } },
    data: {
      channel: "trade",
      type: "update",
      data: [
        {
          symbol: "BTC/USD",
          side: "buy",
          price: 100.5,
          qty: 0.1,
          ord_type: "limit",
          trade_id: 1,
          timestamp: "2026-09-21T14:13:20.000000Z",
        },
      ],
    },
  },
  coinbase: {
    family: "coinbase-advanced",
    edit: [],
    url: "/",
    ask: { type: "subscribe", product_ids: ["BTC-USD"], channel: "market_trades" },
    data: {
      channel: "market_trades",
      client_id: "",
      timestamp: "2026-09-21T14:13:20Z",
      sequence_num: 1,
      events: [
        {
          type: "update",
          trades: [
            {
              trade_id: "1",
              product_id: "BTC-USD",
              price: "100.5",
              size: "0.1",
              side: "BUY",
              time: "2026-09-21T14:13:20Z",
            },
          ],
        },
      ],
    },
  },
};

/** A client of serve, whose tape has one data frame. */
async function served(t, name, more = ["--hold"]) {
  const { family, edit, url, ask, data } = EXCHANGES[name];
  const dir = temporary(t),
    documents = path.join(dir, "documents");
  fs.mkdirSync(documents);
  for (const kind of [`${family}.yaml`, `${name}.exchange.yaml`]) {
    const text = fs.readFileSync(`schema/${name.replace("-v2", "")}/${kind}`, "utf8");
    fs.writeFileSync(
      path.join(documents, kind.replace(/^[^.]+/, "copy")),
      (edit.length > 0 ? text.replace(...edit) : text)
        .replace(/^(family|exchange): .*$/gm, "$1: copy")
        .replace(/^families:\n(  - .*\n)+/m, "families:\n  - copy\n")
    );
  }
  const archive = await importLines(t, [{ ts: AT_MS, data: JSON.stringify(data) }], {
    families: documents,
    family: "copy",
  });
  const server = await listening(t, ["serve", archive, "--plain", ...more], dir);
  const ws = new WebSocket(server.url + url, { perMessageDeflate: false }),
    got = [];
  t.after(() => ws.terminate());
  ws.on("message", (bytes) => got.push(JSON.parse(bytes)));
  await once(ws, "open");
  const send = (request) => ws.send(JSON.stringify(request));
  if (ask !== undefined) send(ask);
  const isData = (frame) => JSON.stringify(frame).includes("100.5");
  return { ws, got, send, tapeEnded: () => eventually("its tape", () => got.some(isData)) };
}

test("Deribit: set_heartbeat is granted; test_request comes each interval, and unanswered the end", async (t) => {
  const { ws, got, send, tapeEnded } = await served(t, "deribit");
  const tests = () => got.filter(({ params }) => params?.type === "test_request").length;
  send({ jsonrpc: "2.0", id: 7, method: "public/set_heartbeat", params: { interval: ANSWERED_S } });
  await eventually("a grant", () => got.some(({ id, result }) => id === 7 && result === "ok"));
  await tapeEnded();
  await eventually("a test_request", () => tests() === 1);
  send({ jsonrpc: "2.0", id: 8, method: "public/test", params: {} });
  await eventually("its answer", () => got.some(({ id, result }) => id === 8 && result.version));
  const [code] = await once(ws, "close");
  assert.deepEqual([code, tests()], [4000, 2]);
});

test("Deribit: with --slow-client wait a client that does not answer is not closed", async (t) => {
  const { ws, got, send } = await served(t, "deribit", ["--hold", "--slow-client", "wait"]);
  send({ jsonrpc: "2.0", id: 7, method: "public/set_heartbeat", params: { interval: 1 } });
  await eventually("a test_request", () => got.some(({ method }) => method === "heartbeat"));
  await assert.rejects(once(ws, "close", { signal: AbortSignal.timeout(2500) }));
});

test("Binance: pings of the protocol come by themselves", async (t) => {
  const { ws, tapeEnded } = await served(t, "binance");
  const pings = [];
  ws.on("ping", () => pings.push(1));
  await tapeEnded();
  const before = pings.length;
  await eventually("two pings", () => pings.length >= before + 2);
});

for (const [name, heartbeat] of [
  ["kraken", { event: "heartbeat" }],
  ["kraken-v2", { channel: "heartbeat" }],
])
  test(`${name}: a client with a topic gets heartbeats while nothing else comes`, async (t) => {
    const { got, tapeEnded } = await served(t, name);
    await tapeEnded();
    const text = JSON.stringify(heartbeat);
    const count = () => got.filter((frame) => JSON.stringify(frame) === text).length;
    await eventually("two heartbeats", () => count() >= 2);
  });

test("Coinbase: a subscription to heartbeats brings one a second, with the client's own numbers", async (t) => {
  const { got, send, tapeEnded } = await served(t, "coinbase");
  send({ type: "subscribe", channel: "heartbeats" });
  await tapeEnded();
  const beats = () => got.filter(({ channel }) => channel === "heartbeats");
  await eventually("three heartbeats", () => beats().length >= 3);
  assert.deepEqual(
    beats().map(({ events }) => events[0].heartbeat_counter),
    [...beats().keys()]
  );
  send({ type: "unsubscribe", channel: "heartbeats" });
  const isList = ({ channel }) => channel === "subscriptions";
  await eventually("an answer", () => got.filter(isList).length === 2);
  assert.deepEqual(
    got.map(({ sequence_num }) => sequence_num),
    [...got.keys()]
  );
});
