// Plays cases.mjs against one end: as a client of a server, or as the server of a client.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { once } from "node:events";
import { wrapped } from "../e2e/support/harness.mjs";
import { outcomeAt } from "./cases.mjs";
import {
  accept,
  agreement,
  CLOSE,
  fieldsOf,
  frameBytes,
  parameters,
  Peer,
  PING,
  PONG,
} from "./peer.mjs";

/** A program of this folder. */
export const program = (name) => wrapped(path.join("../conformance", name));
export const HOWS = ["plain", "tls"];

/** What is compared of a message; echo_client.c computes the same. */
export const summaryOf = (opcode, payload) =>
  `${opcode} ${payload.length} ${createHmac("sha256", "conformance").update(payload).digest("hex")}`;
export const expect = ([opcode, payload]) => summaryOf(opcode, payload);

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const CASE_MS = 60_000; // a busy machine plays 150 at once, with a TLS handshake each

const closeFrame = (code) => ({
  opcode: CLOSE,
  payload: code === undefined ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 0xff]),
});

async function write(peer, row) {
  const frames = row.send.flatMap((step) => (typeof step === "function" ? step(peer) : [step]));
  const made = frames.map((frame) => frameBytes(frame, peer.masks));
  if (row.pieces === "frames") for (const bytes of made) await peer.write(bytes);
  else await peer.write(Buffer.concat(made), row.pieces);
}

/** Read until a close frame or the end; check is called after each event. */
async function read(peer, seen, check) {
  for (let event; (event = await peer.event()) !== undefined; check()) {
    if (event.opcode === PONG) seen.pongs.push(event.payload);
    else if (event.opcode === CLOSE) return (seen.close = event);
    else if (event.opcode !== PING) seen.messages.push(event);
  }
  return undefined;
}

/** Pongs answer some pings, in their order; of those that it had to answer, the last. */
function checkPongs(pongs, pings, isLastDue) {
  let at = 0;
  for (const pong of pongs) {
    at = pings.findIndex((ping, i) => i >= at && ping.equals(pong)) + 1;
    assert.ok(at > 0, `a pong that answers no ping: ${pong.toString("latin1")}`);
  }
  if (isLastDue && pings.length > 0)
    assert.ok(pongs.at(-1)?.equals(pings.at(-1)), "no pong for the last ping");
}

/** What came back is what the case allows. */
function check(row, seen, end) {
  assert.ok(seen.close, "the connection ended without a close frame");
  const codes = row.fails ?? row.closes ?? [1000];
  assert.ok(codes.includes(seen.close.code), `closed with ${seen.close.code}, not with ${codes}`);
  checkPongs(seen.pongs, row.pings, !row.fails && !row.closes);
  if (end.expect) assert.deepEqual(seen.messages.map(end.got), row.messages.map(end.expect));
}

/** Play a case. end: {bytesMax: of its messages; expect(message of the case), got(message from it): comparable, or absent: it
 *  does not echo}. */
export async function play(peer, wanted, end) {
  const row = outcomeAt(wanted, end.bytesMax);
  const seen = { messages: [], pongs: [], close: undefined };
  let isDone = () => {};
  const done = new Promise((resolve) => (isDone = resolve));
  const check = () =>
    (!end.expect || seen.messages.length >= row.messages.length) &&
    (row.pings.length === 0 || seen.pongs.some((pong) => pong.equals(row.pings.at(-1)))) &&
    isDone();
  const timer = setTimeout(() => peer.socket.destroy(), CASE_MS);
  const reading = read(peer, seen, check).finally(isDone);
  reading.catch(() => {});
  check();
  await write(peer, row);
  if (!row.fails && !row.closes) {
    await done;
    await peer.write(frameBytes(closeFrame(1000), peer.masks));
  }
  await reading;
  if (row.fails) await peer.write(frameBytes(closeFrame(seen.close?.code), peer.masks));
  if (!peer.masks) peer.socket.end(); // the server ends the connection (RFC 6455, 7.1.1)
  while (!peer.isEnded) await peer.more();
  clearTimeout(timer);
  peer.socket.destroy();
  check(row, seen, end);
}

/** Run fn for each of the items, so many at once; the names and messages of those that failed. */
export async function each(items, concurrency, fn) {
  const failures = [],
    queue = [...items];
  const worker = async () => {
    for (let item; (item = queue.shift()) !== undefined;)
      await fn(item).catch((error) => failures.push(`${item.name}: ${error.message}`));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return failures;
}

// ---- as a client ----

/** Open a raw connection to a URL; ca: the file to trust. */
export async function connect(url, ca) {
  const { protocol, hostname, port } = new URL(url);
  const socket =
    protocol === "wss:"
      ? tls.connect({ host: hostname, port, ca: fs.readFileSync(ca) })
      : net.connect(Number(port), hostname);
  await once(socket, protocol === "wss:" ? "secureConnect" : "connect");
  return new Peer(socket, "client");
}

/** Connect and upgrade. */
export async function join(url, ca, deflate) {
  const { host, pathname, search } = new URL(url);
  const peer = await connect(url, ca);
  const lines = [
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${KEY}`,
  ];
  if (deflate !== undefined) lines.push(`Sec-WebSocket-Extensions: ${deflate}`);
  await peer.write(Buffer.from(lines.join("\r\n") + "\r\n\r\n"));
  const head = await peer.head();
  assert.match(head ?? "", /^HTTP\/1\.1 101 /);
  const fields = fieldsOf(head);
  assert.equal(fields["sec-websocket-accept"], accept(KEY));
  if (deflate === undefined) assert.equal(fields["sec-websocket-extensions"], undefined);
  else agree(peer, deflate, fields["sec-websocket-extensions"]);
  return peer;
}

/** RFC 7692, 7.1: the answer grants what the offer asks for, and asks for nothing that it does not allow. */
function agree(peer, offered, answered) {
  const offer = parameters(offered),
    answer = parameters(answered ?? "");
  assert.ok(answer, `answered with ${answered}`);
  if (offer.server_no_context_takeover) assert.equal(answer.server_no_context_takeover, true);
  if (offer.server_max_window_bits)
    assert.ok(
      Number(answer.server_max_window_bits ?? 15) <= Number(offer.server_max_window_bits),
      answered
    );
  if (!offer.client_max_window_bits) assert.equal(answer.client_max_window_bits, undefined);
  peer.agree(agreement(answer));
}

// ---- as a server ----

/** A raw server; serve(peer, request) is called with each upgrade, which it has to answer. files: PEM files, for TLS. */
export async function listen(t, serve, files) {
  const sockets = new Set();
  const onSocket = async (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const peer = new Peer(socket, "server");
    const head = await peer.head();
    if (head !== undefined) await serve(peer, { path: head.split(" ")[1], fields: fieldsOf(head) });
  };
  const options = { allowHalfOpen: true };
  const server = files
    ? tls.createServer(
        { ...options, cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) },
        onSocket
      )
    : net.createServer(options, onSocket);
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return `${files ? "wss" : "ws"}://127.0.0.1:${server.address().port}`;
}

/** Accept an upgrade, with these parameters of permessage-deflate or without. */
export async function upgrade(peer, { fields }, deflate) {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept(fields["sec-websocket-key"])}`,
  ];
  if (deflate !== undefined) {
    const answer = deflate.replace(/client_max_window_bits(?!=)/, "$&=15"); // only an offer may leave the number out
    lines.push(`Sec-WebSocket-Extensions: ${answer}`);
    peer.agree(agreement(parameters(answer)));
  }
  await peer.write(Buffer.from(lines.join("\r\n") + "\r\n\r\n"));
}
