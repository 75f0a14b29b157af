// A proxy between a recorder and a simulated exchange, which drops, alters, delays and cuts what the exchange sends, and keeps all of it:
// an observer that subscribes as the recorder's first connection does, and just before it, is never cut.
import http from "node:http";
import { once } from "node:events";
import { npm } from "./npm_packages.mjs";
import { ORIGIN_MS } from "./numbered_exchange.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const OPTIONS = { perMessageDeflate: false, autoPong: true };

/** url: of the exchange, without TLS. hooks, each of which may be left out:
 *   frame(text, conn, n)    what a client gets instead of the n-th frame of its connection conn (each from 1); null: nothing
 *   delayMs(conn)           how much later a client of that connection gets its frames
 *   reply(path, body, n)    what it gets instead of the n-th HTTP reply, or a promise: {status, body}
 * The hooks may call cut(conn), silence(conn). */
export async function exchangeBetween(t, url, hooks = {}) {
  const seen = [],
    conns = [],
    observed = [];
  const now = () => `${BigInt(Math.round((ORIGIN_MS + performance.now()) * 1000)) * 1000n}`;
  let replies = 0,
    observer;
  // Subscribe the observer; it has been, once the exchange has answered a ping that was sent after it.
  const observe = async (path, text) => {
    if (observer === undefined) {
      observer = new WebSocket(url + path, OPTIONS);
      observer.on("message", (data) =>
        seen.push({ recv_ns: now(), dir: "in", conn: 1, data: String(data) })
      );
      observer.on("error", () => {});
      observer.opened = once(observer, "open");
    }
    if (observed.includes(text) || /unsubscribe|"cancel"/i.test(text)) return;
    observed.push(text);
    await observer.opened;
    observer.send(text);
    observer.ping();
    await once(observer, "pong");
  };
  const server = http.createServer(async (request, response) => {
    try {
      const reply = await fetch(url.replace("ws", "http") + request.url);
      const body = await reply.text();
      seen.push({
        recv_ns: now(),
        dir: "http",
        conn: 1,
        url: url.replace("ws", "http") + request.url,
        data: body,
      });
      const sent = (await hooks.reply?.(request.url, body, ++replies)) ?? {
        status: reply.status,
        body,
      };
      response.writeHead(sent.status, { "content-type": "application/json" }).end(sent.body);
    } catch {
      response.destroy();
    }
  });
  const sockets = new WebSocketServer({ server, ...OPTIONS, autoPong: false });
  sockets.on("connection", (client, request) => {
    const conn = conns.length + 1,
      target = new WebSocket(url + request.url, OPTIONS),
      waiting = [];
    const pair = { client, target, isSilent: false };
    conns.push(pair);
    client.on("ping", (data) => pair.isSilent || client.pong(data));
    let sent = Promise.resolve(); // in order
    client.on("message", (data) => {
      const text = String(data);
      if (conn === 1) sent = sent.then(() => observe(request.url, text)).catch(() => {});
      sent = sent.then(() => {
        if (pair.isSilent) return;
        if (target.readyState === WebSocket.OPEN) target.send(text);
        else waiting.push(text);
      });
    });
    target.on("open", () => waiting.forEach((text) => target.send(text)));
    let n = 0;
    target.on("message", (data) => {
      const text = hooks.frame ? hooks.frame(String(data), conn, ++n) : String(data);
      const send = () =>
        pair.isSilent || text === null || client.readyState !== WebSocket.OPEN || client.send(text);
      const delay = hooks.delayMs?.(conn) ?? 0;
      if (delay > 0) setTimeout(send, delay);
      else send();
    });
    const close = () => (client.close(), target.close());
    for (const end of [client, target]) end.on("close", close).on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => {
    observer?.terminate();
    for (const { client, target } of conns) (client.terminate(), target.terminate());
    server.close();
  };
  t?.after(stop);
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    /** What the observer received, as lines for `import --format jsonl`. */
    seen,
    /** The number of connections so far. */
    conns: () => conns.length,
    /** End a connection without a close frame. */
    cut: (conn) => (conns[conn - 1].client.terminate(), conns[conn - 1].target.terminate()),
    /** From now on a connection brings nothing, not even answers to pings. */
    silence: (conn) => (conns[conn - 1].isSilent = true),
    stop,
  };
}
