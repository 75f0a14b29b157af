// What sends orders to the simulated exchange, for tests.
import { once } from "node:events";
import { npm } from "./npm.mjs";

const { WebSocket } = npm("ws");

/** A connection that is authenticated, and what it got: {ws, got: [text]}. */
export async function connected(t, url, { auth = true } = {}) {
  const ws = new WebSocket(url);
  const got = [];
  ws.on("message", (bytes) => got.push(bytes.toString()));
  t.after(() => ws.terminate());
  await once(ws, "open");
  if (auth) {
    ws.send(JSON.stringify({ op: "auth", args: ["aKeyOfTheTests", 9_999_999_999_999, "signature"] }));
    await once(ws, "message");
  }
  return { ws, got };
}

/** The first message that fits, parsed: one that came already, or the next. */
export async function message({ ws, got }, fits) {
  for (let seen = 0; ; await once(ws, "message"))
    for (; seen < got.length; seen++) {
      const parsed = JSON.parse(got[seen]);
      if (fits(parsed)) return parsed;
    }
}

/** Send a request about an order; its answer, and the text that was sent. */
export async function ask(trade, reqId, op, order) {
  const text = JSON.stringify({ reqId, header: { "X-BAPI-TIMESTAMP": String(Date.now()), "X-BAPI-RECV-WINDOW": "5000" }, op, args: [order] });
  trade.ws.send(text);
  return { text, answer: await message(trade, (m) => m.reqId === reqId) };
}

/** Updates of a client's order on a private connection, until one has that status. */
export async function updates(from, orderId, status) {
  await message(from, (m) => m.topic === "order" && m.data[0].orderId === orderId && m.data[0].orderStatus === status);
  return from.got.map((text) => JSON.parse(text)).filter(({ data }) => data?.[0]?.orderId === orderId);
}
