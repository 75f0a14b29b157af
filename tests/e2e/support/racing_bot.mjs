// A bot that trades at a made-up exchange, which answers each order and updates it, one or the other first; the bot has a bug that
// this race shows. As a program it runs at a recording of it:
//
//   node racing_bot.mjs ARCHIVE
//
// serves it (`serve --causal`), and ends with status 1 if the bug showed: the bot cancelled an order. 0: all connections ended
// without that; 125: they did not.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, listening, passed } from "./harness.mjs";
import { npm } from "./npm_packages.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const PUBLIC = "/v5/public/linear",
  OWN = "/v5/private",
  TRADE = "/v5/trade";
/** What comes first of each order: its answer or its update. */
const RACES = ["answer", "update", "answer", "answer", "update", "update", "answer"];
/** From one frame about an order to the next one, on another connection: a server or client that does not run for as long may send
 * or read both at once, in the order of its sockets. */
const APART_MS = 500;
/** Before a frame on the connection of the one before it. */
const SOON_MS = 20;

/** One trade for each order, which the bot answers with an order; the next one once the bot has heard of that order. The bot is
 * `exchange.bot`: a frame about an order is sent after the bot has the frame before, so that all that is between them keeps
 * their order, however slow it is. */
export async function exchange(t) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const of = {},
    made = {};
  let orders = 0,
    trades = 0,
    last = Promise.resolve();
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
      const answer = {
        heard: `answered ${op}`,
        send: () =>
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
          ),
      };
      const heard = op === "order.create" ? "New" : "Cancelled";
      const update = { heard, send: () => updates(id, orderLinkId ?? "", heard) };
      const isRace = op === "order.create" && RACES[orders++] === "update";
      for (const [i, frame] of (isRace ? [update, answer] : [answer, update]).entries())
        last = last.then(async () => {
          await passed(i === 0 ? SOON_MS : APART_MS);
          frame.send();
          await eventually(`the bot has heard: ${frame.heard}`, () =>
            made.bot.seen[id].includes(frame.heard)
          );
        });
      if (op !== "order.create") return;
      await last;
      await eventually(`the bot's ${orders} orders`, () => isOver(made.bot, orders)); // after a cancel
      await passed(SOON_MS);
      trade();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.close();
  });
  return Object.assign(made, { url: `ws://127.0.0.1:${server.address().port}`, trade });
}

/** The bot: an order for each trade, reactionMs later. Its bug: an update of an order of which it does not know the id yet
 * counts as another's order, which it cancels. Returns what it saw of each order, and its requests. */
export async function bot(t, url, { reactionMs, orders = RACES.length }) {
  const seen = {},
    sent = [],
    known = new Set(),
    frames = [],
    all = [];
  const open = async (at) => {
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
  const requests = new Map([
    [TRADE, [auth]],
    [OWN, [auth, { op: "subscribe", args: ["order", "position"] }]],
    [PUBLIC, [{ op: "subscribe", args: ["publicTrade.BTCUSDT"] }]],
  ]);
  const sockets = await Promise.all([...requests.keys()].map(open));
  const [trade] = sockets;
  // All at once, so that a tape, which begins some time after the last request, does not begin before it.
  for (const [i, asked] of [...requests.values()].entries())
    for (const request of asked) sockets[i].send(JSON.stringify(request));
  await eventually("an answer to each request", () =>
    [...requests].every(
      ([at, { length }]) => frames.filter((frame) => frame.at === at).length >= length
    )
  );
  const ended = Promise.all(all.map((ws) => ws.readyState === ws.CLOSED || once(ws, "close")));
  return { seen, sent, frames, ask, ended, leave: () => all.forEach((ws) => ws.close()) };
}

export const isOver = ({ seen }, orders = RACES.length) =>
  Object.keys(seen).length === orders &&
  Object.values(seen).every(
    (events) =>
      events.some((event) => event.startsWith("answered")) &&
      events.includes(events.includes("asked order.cancel") ? "Cancelled" : "New")
  );

export const positions = ({ frames }) => frames.filter(({ topic }) => topic === "position").length;

async function main(archive) {
  const cleanups = [];
  const t = { after: (clean) => cleanups.push(clean) };
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
  let status = 125;
  try {
    const serve = ["serve", archive, "--causal", "--settle", "300ms", "--plain"];
    const { url } = await listening(t, serve, dir);
    const run = bot(t, url, { reactionMs: 5 }).then(async (made) => {
      const isCancelled = () => made.sent.some(([op]) => op === "order.cancel");
      for (let isOver = false; !isOver && !isCancelled();)
        isOver = await Promise.race([made.ended, passed(20)]);
      status = isCancelled() ? 1 : 0;
    });
    await Promise.race([run, passed(10_000)]);
  } catch (error) {
    console.error(error.message);
  }
  for (const clean of cleanups.reverse()) await clean();
  fs.rmSync(dir, { recursive: true });
  process.exit(status);
}
if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]);
