// Sends orders to the simulated exchange, and writes captures of them.
import { once } from "node:events";
import path from "node:path";
import { importLines } from "./harness.mjs";
import { npm } from "./npm_packages.mjs";

const { WebSocket } = npm("ws");

export const AUTH = JSON.stringify({
  op: "auth",
  args: ["aKeyOfTheTests", 9_999_999_999_999, "signature"],
});

/** An authenticated connection and its received messages: {ws, got: [text]}. */
export async function connected(t, url, { auth = true } = {}) {
  const ws = new WebSocket(url);
  const got = [];
  ws.on("message", (bytes) => got.push(bytes.toString()));
  t.after(() => ws.terminate());
  await once(ws, "open");
  if (auth) {
    ws.send(AUTH);
    await once(ws, "message");
  }
  return { ws, got };
}

/** The first message that fits, parsed: one that has arrived, or the next. */
export async function message({ ws, got }, fits) {
  for (let seen = 0; ; await once(ws, "message"))
    for (; seen < got.length; seen++) {
      const parsed = JSON.parse(got[seen]);
      if (fits(parsed)) return parsed;
    }
}

/** Send a request about an order; its answer, and the text that was sent. */
export async function ask(trade, reqId, op, order) {
  const text = JSON.stringify({
    reqId,
    header: { "X-BAPI-TIMESTAMP": String(Date.now()), "X-BAPI-RECV-WINDOW": "5000" },
    op,
    args: [order],
  });
  trade.ws.send(text);
  return { text, answer: await message(trade, (m) => m.reqId === reqId) };
}

/** Updates of a client's order on a private connection, until one has that status. */
export async function updates(from, orderId, status) {
  await message(
    from,
    (m) => m.topic === "order" && m.data[0].orderId === orderId && m.data[0].orderStatus === status
  );
  return from.got
    .map((text) => JSON.parse(text))
    .filter(({ data }) => data?.[0]?.orderId === orderId);
}

// ---- captures ----

const URLS = { trade: "wss://stream.bybit.com/v5/trade", own: "wss://stream.bybit.com/v5/private" };
const START = 1_795_000_000_000_000_000n;

/** An archive of lines {at (ms), dir, conn: a name of urls, data}. */
export async function imported(t, dir, lines, urls = URLS) {
  const rows = [...Object.keys(urls).map((conn) => ({ at: 0, conn })), ...lines].map(
    ({ at, dir: way, conn, data }) =>
      `{"recv_ns":${START + BigInt(Math.round(at * 1e6))},"conn":"${conn}","url":"${urls[conn]}"${data === undefined ? "" : `,"dir":"${way}","data":${JSON.stringify(data)}`}}`
  );
  return importLines(t, rows, { archive: path.join(dir, "tape") });
}

/** Lines of a request, of its answer, and of an update. */
export const request = (at, op, order, reqId = "") => ({
  at,
  conn: "trade",
  dir: "out",
  data: JSON.stringify({
    ...(reqId && { reqId }),
    header: { "X-BAPI-TIMESTAMP": "1" },
    op: `order.${op}`,
    args: [].concat(order),
  }),
});
export const answer = (at, op, data, reqId = "", retCode = 0) => ({
  at,
  conn: "trade",
  dir: "in",
  data: JSON.stringify({
    ...(reqId && { reqId }),
    retCode,
    retMsg: "",
    op: `order.${op}`,
    data,
    header: {},
    connId: "c",
  }),
});
export const update = (at, ...orders) => ({
  at,
  conn: "own",
  dir: "in",
  data: JSON.stringify({
    id: `u${at}`,
    topic: "order",
    creationTime: 1,
    data: orders.map((order) => ({ category: "linear", symbol: "BTCUSDT", ...order })),
  }),
});
