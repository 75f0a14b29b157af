// npm's ws, as a client of `serve` and as the exchange of `record`. Expected values: the capture file, and the messages that ws
// sent.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import {
  capture,
  inboundFrames,
  listening,
  run,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const INVERSE = "inverse-2021-04-17.jsonl.gz";

/** Serve the inverse capture; the client options trust its certificate. */
async function serving(t, ...options) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-a", archive, capture(INVERSE)]);
  const serve = await listening(t, ["serve", "-a", archive, "--speed", "max", ...options], dir);
  return { ...serve, dir, trust: { ca: fs.readFileSync(serve.ca) } };
}

/** Connect, send the requests, collect messages until the server closes. */
async function gather(url, options, requests) {
  const client = new WebSocket(url, options);
  const messages = [];
  client.on("message", (data, isBinary) => messages.push({ text: data.toString(), isBinary }));
  await once(client, "open");
  for (const request of requests) client.send(request);
  const [code] = await once(client, "close");
  return { client, code, messages };
}

test(
  "an unmodified client gets the capture's data frames, byte for byte",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const { url, trust, program } = await serving(t, "--once");
    const subscribe = '{"op":"subscribe","args":["trade.*","orderBookL2_25.BTCUSD|EOSUSD"]}';
    const { client, code, messages } = await gather(`${url}/realtime`, trust, [
      '{"op":"ping"}',
      subscribe,
    ]);
    assert.equal(code, 1000);
    assert.equal(client.extensions, "permessage-deflate");
    assert.ok(messages.every((m) => !m.isBinary));
    const answers = messages.slice(0, 2).map((m) => JSON.parse(m.text));
    assert.deepEqual(
      answers.map((a) => [a.success, a.ret_msg, a.request.op]),
      [
        [true, "pong", "ping"],
        [true, "", "subscribe"],
      ]
    );
    assert.deepEqual(answers[1].request, JSON.parse(subscribe));
    const expected = inboundFrames(INVERSE)
      .map((f) => f.text)
      .filter((text) => "topic" in JSON.parse(text));
    assert.equal(expected.length, 1094);
    assert.deepEqual(
      messages.slice(2).map((m) => m.text),
      expected
    );
    assert.equal((await program.ended).code, 0);
  }
);

test(
  "a client that does not trust the certificate refuses it; an unknown path gives 404",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const { url, trust } = await serving(t);
    const [error] = await once(new WebSocket(`${url}/realtime`), "error");
    assert.match(error.message, /self-signed|self signed/);
    const lost = new WebSocket(`${url}/v5/public/linear`, trust);
    const [, response] = await once(lost, "unexpected-response");
    assert.equal(response.statusCode, 404);
    lost.on("error", () => {}); // terminate() before the upgrade is an error
    lost.terminate();
    const pinger = new WebSocket(`${url}/realtime`, trust);
    await once(pinger, "open");
    pinger.ping("are you there");
    const [payload] = await once(pinger, "pong");
    assert.equal(payload.toString(), "are you there");
    pinger.close(1000);
    assert.deepEqual((await once(pinger, "close"))[0], 1000);
  }
);

/** An exchange that uses ws: play(socket) runs once a client has subscribed. */
async function exchange(t, play) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on("connection", (socket) => {
    socket.once("message", (data) => {
      const request = JSON.parse(data.toString());
      socket.send(JSON.stringify({ success: true, ret_msg: "", conn_id: "c", request }));
      play(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    sockets.clients.forEach((c) => c.terminate());
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}/realtime`;
}

test("frames of ws are recorded unchanged: fragmented ones, large ones, and between pings", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const frame = (n, padding = "") =>
    `{"topic":"trade.BTCUSD","data":[{"trade_time_ms":${1618677786000 + n},"timestamp":"2021-04-17T16:43:06.000Z",` +
    `"symbol":"BTCUSD","side":"Buy","size":${n + 1},"price":60500.5,"tick_direction":"PlusTick",` +
    `"trade_id":"${n}${padding}","cross_seq":${1000 + n}}]}`;
  const frames = [...Array(50).keys()].map((n) => frame(n));
  frames.push(frame(50, "x".repeat(200_000)), frame(51, "y".repeat(15 << 20)), frame(52));
  let pongs = 0;
  const url = await exchange(t, (socket) => {
    socket.on("pong", () => {
      pongs++;
      socket.close(1001, "maintenance");
    });
    frames.forEach((text, n) => {
      const half = text.length >> 1;
      if (n % 3 !== 1) return socket.send(text);
      socket.send(text.slice(0, half), { fin: false });
      if (n === 1) socket.ping("between fragments");
      socket.send(text.slice(half), { fin: true });
    });
  });
  await run(t, "tapedeck", [
    "record",
    "-a",
    archive,
    url,
    "--family",
    "inverse",
    "--topic",
    "trade",
    "--symbol",
    "BTCUSD",
    "--until-close",
  ]);
  assert.equal(pongs, 1);
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--raw", "--topic", "trade"]);
  const got = stdout.split("\n").slice(0, -1);
  assert.equal(got.length, frames.length);
  for (const [n, text] of frames.entries()) assert.ok(got[n] === text, `frame ${n}`);
});
