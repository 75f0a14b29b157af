// What an exchange sends of its own accord comes from serve in its place, as recorded, heartbeats too; answers to requests do not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { importLines, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const AT_MS = 1_790_000_000_000;

const okxTrade = (tradeId) =>
  JSON.stringify({
    arg: { channel: "trades", instId: "BTC-USDT" },
    data: [
      {
        instId: "BTC-USDT",
        tradeId,
        px: "100.5",
        sz: "0.1",
        side: "buy",
        ts: String(AT_MS),
        count: "1",
      },
    ],
  });
const krakenTrade = (price) =>
  JSON.stringify([337, [[price, "0.1", "1790000000.000001", "b", "l", ""]], "trade", "XBT/USD"]);
const EXCHANGES = [
  {
    family: "okx",
    url: "/ws/v5/public",
    ask: { op: "subscribe", args: [{ channel: "trades", instId: "BTC-USDT" }] },
    isAck: (m) => m.event === "subscribe",
    data: [okxTrade("1"), okxTrade("2")],
    notice:
      '{"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"a1"}',
    others: [
      '{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a1"}',
      "pong",
      '{"event":"channel-conn-count","channel":"trades","connCount":"2","connId":"a1"}',
    ],
  },
  {
    family: "kraken-v1",
    url: "/",
    ask: { event: "subscribe", pair: ["XBT/USD"], subscription: { name: "trade" } },
    isAck: (m) => m.event === "subscriptionStatus",
    data: [krakenTrade("100.50000"), krakenTrade("100.60000")],
    notice: '{"connectionID":1,"event":"systemStatus","status":"maintenance","version":"1.9.0"}',
    others: ['{"event":"pong","reqid":42}'],
  },
  {
    family: "kraken-v1",
    what: "a heartbeat",
    url: "/",
    ask: { event: "subscribe", pair: ["XBT/USD"], subscription: { name: "trade" } },
    isAck: (m) => m.event === "subscriptionStatus",
    data: [krakenTrade("100.50000"), krakenTrade("100.60000")],
    notice: '{"event":"heartbeat"}',
    others: ['{"event":"pong","reqid":42}'],
  },
];

for (const { family, what = "a notice", url, ask, isAck, data, notice, others } of EXCHANGES)
  test(`${family}: ${what} is sent once, between the frames around it`, async (t) => {
    const frames = [...others, data[0], notice, ...others, data[1]];
    const archive = await importLines(
      t,
      frames.map((frame, i) => ({ ts: AT_MS + 10 * i, data: frame })),
      { family }
    );
    const server = await listening(
      t,
      ["serve", archive, "--plain", "--speed", "max"],
      temporary(t)
    );
    const ws = new WebSocket(server.url + url, { perMessageDeflate: false }),
      got = [];
    t.after(() => ws.terminate());
    ws.on("message", (bytes) => got.push(String(bytes)));
    ws.on("open", () => ws.send(JSON.stringify(ask)));
    await once(ws, "close");
    assert.ok(isAck(JSON.parse(got[0])), got[0]);
    assert.deepEqual(got.slice(1), [data[0], notice, data[1]]);
  });
