// A WebSocket server over TLS whose behaviour each test sets, and certificates for it. Shares no code with wire/.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { npm } from "./npm_packages.mjs";

const { WebSocketServer } = npm("ws");

const made = new Map(); // content of the files of certificate(), by its names

/** A CA, and a certificate that it signed for these names ("IP:127.0.0.1", "DNS:localhost"), as files in dir. A test file
 * makes each once. */
export function certificate(
  dir,
  { name = "good", names = ["IP:127.0.0.1", "DNS:localhost"] } = {}
) {
  const file = (suffix) => path.join(dir, `${name}-${suffix}`);
  const files = { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
  const id = [name, ...names].join(" ");
  if (made.has(id)) {
    for (const [which, text] of Object.entries(made.get(id))) fs.writeFileSync(files[which], text);
    return files;
  }
  const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-days",
    "30",
    "-subj",
    `/CN=${name} test CA`,
    "-keyout",
    file("ca.key"),
    "-out",
    files.ca
  );
  openssl(
    "req",
    ...key,
    "-subj",
    `/CN=${name} server`,
    "-keyout",
    files.key,
    "-out",
    file("csr.pem")
  );
  fs.writeFileSync(file("ext"), `subjectAltName=${names.join(",")}\n`);
  openssl(
    "x509",
    "-req",
    "-in",
    file("csr.pem"),
    "-CA",
    files.ca,
    "-CAkey",
    file("ca.key"),
    "-CAcreateserial",
    "-days",
    "30",
    "-extfile",
    file("ext"),
    "-out",
    files.cert
  );
  made.set(
    id,
    Object.fromEntries(
      Object.entries(files).map(([which, where]) => [which, fs.readFileSync(where)])
    )
  );
  return files;
}

/** A server. refuse(n, request): an HTTP status for upgrade n (from 1), or {code, headers}, or nothing to accept it;
 * opened(socket, n, request): a connection is open; message(socket, object, n): a request of the client, other than a ping; page(request, response): another
 * HTTP request. Pings get no answer. Without `message` requests are acknowledged as the exchange does. */
export async function scriptedServer(t, dir, { refuse, opened, message, page, ...options } = {}) {
  const files = options.certificate ?? certificate(dir);
  const server = https.createServer({
    cert: fs.readFileSync(files.cert),
    key: fs.readFileSync(files.key),
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 1 << 26,
    perMessageDeflate: options.perMessageDeflate ?? false,
  });
  const received = { upgrades: 0, requests: [], urls: [] };
  server.on("upgrade", (request, socket, head) => {
    const n = ++received.upgrades;
    received.urls.push(request.url);
    socket.on("error", () => {});
    const status = refuse?.(n, request);
    if (status !== undefined) {
      const { code, headers } = typeof status === "object" ? status : { code: status, headers: {} };
      const lines = Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("");
      socket.end(
        `HTTP/1.1 ${code} ${https.STATUS_CODES?.[code] ?? "No"}\r\nConnection: close\r\n${lines}Content-Length: 0\r\n\r\n`
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", () => {});
      ws.on("message", (data) => {
        const object = JSON.parse(data.toString());
        // A recorder pings every second while data comes. Without pongs a test knows how many frames there are.
        if (object.op === "ping") return;
        received.requests.push(object);
        if (message) message(ws, object, n);
        else acknowledge(ws, object);
      });
      opened?.(ws, n, request);
    });
  });
  if (page) server.on("request", page);
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `wss://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    ca: files.ca,
    files,
    received,
    sockets,
  };
}

/** The exchange's answer to a request, as in the captures. */
export const acknowledgement = (request, more = {}) =>
  JSON.stringify({
    success: true,
    ret_msg: request.op === "ping" ? "pong" : "",
    conn_id: "5ae2a1fb-0000-4000-8000-000000000001",
    request,
    ...more,
  });

export const acknowledge = (ws, request, more) => ws.send(acknowledgement(request, more));

/** A trade frame of BTCUSD, as in the captures; pad makes it larger. */
export function trade(id, pad = 0) {
  return JSON.stringify({
    topic: "trade.BTCUSD",
    data: [
      {
        trade_time_ms: 1618666000000 + id,
        timestamp: "2021-04-17T13:26:40.000Z",
        symbol: "BTCUSD",
        side: "Buy",
        size: 1,
        price: 60000.5,
        tick_direction: "ZeroPlusTick",
        trade_id: `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`,
        cross_seq: 5938950000 + id,
        ...(pad > 0 ? { padding: "x".repeat(pad) } : {}),
      },
    ],
  });
}

/** A TCP server that accepts connections and never sends a byte. */
export async function silent(t) {
  const held = new Set();
  const server = net.createServer((socket) => {
    held.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  return {
    url: `wss://127.0.0.1:${server.address().port}`,
    held,
    close: (done) => server.close(done),
  };
}
