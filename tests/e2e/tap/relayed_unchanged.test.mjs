// `tap` relays everything that one end of a connection sends to the other end, unchanged and in order, and records it.
// Expected values: the bytes that both ends send here, and the truth file of the simulated exchange.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";
import { webcrypto } from "node:crypto";
import { describe } from "node:test";
import { gzipSync } from "node:zlib";
import {
  compareTruth,
  eventsOf,
  eventually,
  filesBelow,
  inTime,
  json,
  jsonLines,
  jsonList,
  listening,
  parseLines,
  Program,
  rawFrames,
  run,
  segments,
  tapedeck,
  temporary,
  wrapped,
} from "../support/harness.mjs";
import { withoutMount, feedArgs, simulator, smallDisk } from "../support/recorders.mjs";
import { npm, test, withoutPackages } from "../support/npm_packages.mjs";
import { xxh64 } from "../support/xxh64.mjs";

globalThis.crypto ??= webcrypto; // Node.js 18 has no such global; bybit-api signs with it
const { WebSocket, WebSocketServer } = npm("ws");
const { WebsocketClient, WS_KEY_MAP } = npm("bybit-api");
const SILENT = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
/** tests/e2e/serve/exchange_clients.test.mjs installs it. */
const LARGE = path.resolve("build/npm-large");
const withoutCcxt = fs.existsSync(path.join(LARGE, "node_modules/ccxt-4"))
  ? false
  : "needs ccxt, which make soak installs";
const PATH = "/v5/public/linear";
const trade = (n) =>
  JSON.stringify({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: 1672304486868 + n,
    data: [
      { T: 1672304486865, s: "BTCUSDT", S: "Buy", v: "0.001", p: "16578.50", i: `${n}`, BT: false },
    ],
  });

/** An exchange whose sockets the test holds: next() is the next one that connected. */
async function exchange(t, options = {}) {
  const server = http.createServer();
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: false,
    autoPong: false,
    ...options,
  });
  const waiting = [],
    there = [];
  sockets.on("connection", (ws, request) => {
    ws.on("error", () => {});
    ws.request = request;
    ws.events = record(ws);
    (waiting.shift() ?? ((one) => there.push(one)))(ws);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  const next = () =>
    there.length > 0
      ? Promise.resolve(there.shift())
      : new Promise((resolve) => waiting.push(resolve));
  return { url: `ws://127.0.0.1:${server.address().port}`, server, sockets, next };
}

/** What a socket receives, as texts; has(n) resolves once there are n of them. */
function record(ws) {
  const events = [],
    waiters = [];
  const add = (text) => {
    events.push(text);
    for (const check of waiters.splice(0)) check();
  };
  const show = (data) => (data.length > 200 ? `${data.length} bytes` : data.toString("latin1"));
  ws.on("message", (data, isBinary) => add(`${isBinary ? "binary" : "text"} ${show(data)}`));
  ws.on("ping", (data) => add(`ping ${show(data)}`));
  ws.on("pong", (data) => add(`pong ${show(data)}`));
  ws.on("close", (code, reason) => add(`close ${code} ${reason}`));
  events.has = async (n) => {
    while (events.length < n) await new Promise((resolve) => waiters.push(resolve));
    return events;
  };
  return events;
}

async function startTap(t, dir, upstream, more = [], options = {}) {
  const archive = path.join(dir, "tape");
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", upstream, ...more],
    dir,
    options
  );
  return {
    ...tap,
    archive,
    stop: async (code = 0) =>
      assert.equal((await tap.program.kill("SIGTERM")).code, code, tap.program.stderr),
  };
}

/** A client of the tap, and the exchange's end of its connection. */
async function pair(t, tap, server, { target = PATH, protocols = [], ...options } = {}) {
  const client = new WebSocket(`${tap.url}${target}`, protocols, {
    perMessageDeflate: false,
    autoPong: false,
    ...options,
  });
  client.on("error", () => {});
  client.events = record(client);
  t.after(() => client.terminate());
  const upstream = await server.next();
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  return { client, upstream };
}

/** Wait until tap reads no more of what a socket sends: nothing is taken while 50 pings of another client pass through. */
async function restsOf(socket, { client, upstream }) {
  for (let before = -1, pings = 0; before !== (before = socket.bufferedAmount);)
    for (const end = pings + 50; pings < end; await upstream.events.has(++pings)) client.ping();
}

const settled = async (...sockets) => {
  for (const ws of sockets) if (ws.readyState !== WebSocket.CLOSED) await once(ws, "close");
};

/** The first bytes of each line that cat prints: lines may have megabytes. */
async function beginnings(t, archive, args) {
  const file = path.join(temporary(t), "lines"),
    out = fs.openSync(file, "w");
  await tapedeck(t, ["cat", "-a", archive, ...args], { out });
  fs.closeSync(out);
  const bytes = fs.readFileSync(file),
    found = [];
  for (let at = 0; at < bytes.length; at = bytes.indexOf(10, at) + 1)
    found.push(bytes.toString("latin1", at, at + 30));
  return found;
}
const numbersIn = async (...args) =>
  (await beginnings(...args)).map((text) => Number(/^\{"n":(\d+),/.exec(text)[1]));

describe("tap", { concurrency: 2 }, () => {
  test("messages, pings and pongs of both directions arrive unchanged, and are in the archive", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain", "--json"]);
    const { client, upstream } = await pair(t, tap, server);
    const big = Buffer.alloc(900_000, "é").toString();
    const SENT = [
      ["text", `{"op":"subscribe"}`],
      ["ping", "hello"],
      ["text", ""],
      ["binary", Buffer.from([0, 255, 10])],
      ["pong", "alone"],
      ["ping", ""],
      ["text", big],
    ];
    const give = async (from, to) => {
      for (const [kind, data] of SENT) {
        if (kind === "ping" || kind === "pong") from[kind](data);
        else from.send(data, { binary: kind === "binary" });
      }
      // A message in fragments, with a ping between two of them: the ping comes first, the message whole.
      for (let i = 0; i < 8; i++) {
        from.send(`${i}`.repeat(50_000), { fin: i === 7 });
        if (i === 3) from.ping("between");
      }
      await to.events.has(SENT.length + 2);
    };
    await give(client, upstream);
    await give(upstream, client);
    const shown = (data) =>
      data.length > 200 ? `${Buffer.byteLength(data)} bytes` : Buffer.from(data).toString("latin1");
    const expected = [
      ...SENT.map(([kind, data]) => `${kind} ${shown(data)}`),
      "ping between",
      "text 400000 bytes",
    ];
    assert.deepEqual([...upstream.events], expected);
    assert.deepEqual([...client.events], expected);
    upstream.send("x".repeat(16 * 1024 * 1024 - 1)); // nearly the largest that a recorder accepts
    await client.events.has(expected.length + 1);
    client.close(1000, "done");
    await settled(client, upstream);
    assert.equal(tap.program.stdout, "");
    await tap.stop();
    const { file_bytes, ...counts } = JSON.parse(tap.program.stdout);
    assert.deepEqual(counts, {
      connections: 1,
      refused: 0,
      raw_connections: 0,
      requests: 0,
      frames: 11,
      dropped: 0,
    });
    assert.equal(file_bytes, fs.statSync(path.join(tap.archive, segments(tap.archive)[0])).size);
    for (const dir of ["in", "out"])
      assert.equal(
        (await beginnings(t, tap.archive, ["--dir", dir])).length,
        dir === "in" ? 6 : 5,
        dir
      );
    const beats = (await eventsOf(t, tap.archive, "heartbeat")).map(
      (event) => `${event.dir} ${event.what} ${event.payload ?? ""}`
    );
    const one = (dir) =>
      ["ping hello", "pong alone", "ping ", "ping between"].map((text) => `${dir} ${text}`);
    assert.deepEqual(beats, [...one("out"), ...one("in")]);
    assert.match((await tapedeck(t, ["verify", tap.archive], { status: null })).stdout, /sound/);
  });

  test("close codes and reasons of either end, and the answers to them, pass", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const CODES = [undefined, 1000, 1001, 1002, 1014, 3000, 4999];
    const wanted = [];
    for (const first of ["client", "upstream"])
      for (const code of CODES) {
        const ends = await pair(t, tap, server);
        const second = first === "client" ? "upstream" : "client";
        const reason = code === undefined || code % 2 ? "" : `because ${code}`;
        ends[first].close(code, reason);
        await settled(ends.client, ends.upstream);
        // ws answers a close frame with the same code and reason.
        assert.deepEqual(
          [...ends[second].events],
          [`close ${code ?? 1005} ${reason}`],
          `${first} closed with ${code}`
        );
        assert.deepEqual(
          [...ends[first].events],
          [`close ${code ?? 1005} ${reason}`],
          `the answer to ${code}`
        );
        wanted.push([code, code, first === "client" ? "us" : "peer", reason]);
      }
    await tap.stop();
    const ends = await eventsOf(t, tap.archive, "disconnect");
    assert.deepEqual(
      ends.map(({ code, sent_code, by, detail }) => [code, sent_code, by, detail ?? ""]),
      wanted
    );
  });

  test("a forbidden close code is its sender's fault, and the other end learns of the close", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const CODES = [0, 1005, 1006, 2999, 65535];
    const wanted = [];
    for (const first of ["client", "upstream"])
      for (const code of CODES) {
        const ends = await pair(t, tap, server);
        const mask = first === "client" ? [0x82, 0, 0, 0, 0] : [0x02];
        ends[first]._socket.write(Buffer.from([0x88, ...mask, code >> 8, code & 255]));
        await settled(ends.client, ends.upstream);
        const seen = [[...ends.client.events], [...ends.upstream.events]];
        assert.deepEqual(
          seen,
          first === "client"
            ? [["close 1002 "], ["close 1006 "]]
            : [["close 1014 "], ["close 1002 "]],
          `${first} ${code}`
        );
        wanted.push(first === "client" ? ["us", "closed_by_us"] : ["peer", "protocol"]);
      }
    await tap.stop();
    const ends = await eventsOf(t, tap.archive, "disconnect");
    assert.deepEqual(
      ends.map(({ by, cause }) => [by, cause]),
      wanted
    );
  });

  test("a message above the limit ends the connection, as its sender's fault", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    for (const [first, second, most, codes] of [
      ["client", "upstream", 1 << 20, [1009, 1006]],
      ["upstream", "client", 16 << 20, [1009, 1014]],
    ]) {
      const ends = await pair(t, tap, server);
      ends[first].send(Buffer.alloc(most, "x"));
      await ends[second].events.has(1);
      ends[first].send(Buffer.alloc(most + 1, "x"));
      await settled(ends.client, ends.upstream);
      assert.deepEqual(
        [ends[first].events.at(-1), ends[second].events.at(-1)],
        codes.map((code) => `close ${code} `),
        first
      );
      assert.equal(ends[second].events.length, 2, first);
    }
    await tap.stop();
  });

  test("a reset, and an end without a close frame, pass as such", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    for (const [first, second] of [
      ["client", "upstream"],
      ["upstream", "client"],
    ])
      for (const how of ["reset", "end"]) {
        const ends = await pair(t, tap, server);
        ends[first].send(trade(1));
        await ends[second].events.has(1);
        const errors = [];
        ends[second]._socket.on("error", (error) => errors.push(error.code));
        if (how === "reset") ends[first]._socket.resetAndDestroy();
        else ends[first]._socket.end();
        await settled(ends[second]);
        assert.deepEqual(
          [...ends[second].events],
          [`text ${trade(1)}`, "close 1006 "],
          `${first} ${how}`
        );
        assert.deepEqual(errors, how === "reset" ? ["ECONNRESET"] : [], `${first} ${how}`);
      }
    await tap.stop();
  });

  test("both ends agree on permessage-deflate; compressed messages pass unchanged, and are in the archive", async (t) => {
    const dir = temporary(t);
    for (const [i, alone] of [false, true].entries()) {
      const perMessageDeflate = {
        threshold: 0,
        serverNoContextTakeover: alone,
        clientNoContextTakeover: alone,
        clientMaxWindowBits: 10,
        serverMaxWindowBits: 11,
      };
      const server = await exchange(t, { perMessageDeflate });
      const own = path.join(dir, `${i}`);
      fs.mkdirSync(own);
      const tap = await startTap(t, own, server.url, ["--plain"]);
      const { client, upstream } = await pair(t, tap, server, { perMessageDeflate });
      assert.match(client.extensions, /permessage-deflate/);
      assert.equal(client.extensions, upstream.extensions);
      const texts = Array.from(
        { length: 60 },
        (_, n) => `{"n":${n},"pad":"${"x".repeat(1000)}","odd":${n * 7919}}`
      );
      const read = client._socket.bytesRead;
      for (const text of texts) {
        upstream.send(text);
        client.send(text);
        if (text.includes("9")) upstream.send(text, { compress: false });
      }
      upstream.ping("p");
      const inbound = texts.flatMap((text) => (text.includes("9") ? [text, text] : [text]));
      await upstream.events.has(texts.length);
      await client.events.has(inbound.length + 1);
      assert.ok(client._socket.bytesRead - read < inbound.join("").length, "most came compressed");
      client.close();
      await settled(client, upstream);
      await tap.stop();
      assert.deepEqual(
        [await rawFrames(t, tap.archive), await rawFrames(t, tap.archive, "out")],
        [inbound, texts]
      );
      const rows = await jsonLines(t, ["cat", "-a", tap.archive, "--json"]);
      assert.equal(rows.filter(({ compressed }) => compressed).length, 2 * texts.length);
      assert.match((await eventsOf(t, tap.archive, "connect"))[0].extensions, /permessage-deflate/);
    }
  });

  test("a compressed message that is broken, or inflates above the limit, is its sender's fault", async (t) => {
    const server = await exchange(t, { perMessageDeflate: true, maxPayload: 1 << 30 }),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const broken = (masked) =>
      Buffer.from([
        0xc1,
        masked ? 0x84 : 4,
        ...(masked ? [0, 0, 0, 0] : []),
        0xff,
        0xff,
        0xff,
        0xff,
      ]);
    for (const [first, codes] of [
      ["client", [1007, 1006]],
      ["upstream", [1007, 1014]],
    ])
      for (const how of ["broken", "large"]) {
        const ends = await pair(t, tap, server, { perMessageDeflate: { threshold: 0 } });
        const second = first === "client" ? "upstream" : "client";
        if (how === "broken") ends[first]._socket.write(broken(first === "client"));
        else ends[first].send(Buffer.alloc((first === "client" ? 1 << 20 : 16 << 20) + 1));
        await settled(ends.client, ends.upstream);
        assert.deepEqual(
          [ends[first].events.at(-1), ends[second].events.at(-1)],
          [how === "large" ? 1009 : codes[0], codes[1]].map((code) => `close ${code} `),
          `${first} ${how}`
        );
      }
    await tap.stop();
  });

  test("path, query, headers and subprotocols reach the exchange; its answer or refusal reaches the client", async (t) => {
    const server = await exchange(t, { handleProtocols: () => "two" }),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    server.sockets.on("headers", (headers) => headers.push("Set-Cookie: a=b", "X-From: exchange"));
    const heads = [];
    const { client, upstream } = await pair(t, tap, server, {
      target: `${PATH}?max_active_time=1m&token=t0kenT0ken`,
      protocols: ["one", "two"],
      origin: "https://o.example",
      headers: { "User-Agent": "the client", Cookie: "c=d", "X-Two": "2" },
    });
    client.once("upgrade", (response) => heads.push(response));
    assert.equal(client.protocol, "two");
    const { url, headers } = upstream.request;
    assert.equal(url, `${PATH}?max_active_time=1m&token=t0kenT0ken`);
    assert.equal(headers.host, new URL(server.url).host);
    assert.deepEqual(
      ["user-agent", "cookie", "x-two", "origin", "sec-websocket-protocol"].map(
        (name) => headers[name]
      ),
      ["the client", "c=d", "2", "https://o.example", "one,two"]
    );
    assert.equal(headers["sec-websocket-extensions"], undefined);
    client.close();
    await settled(client, upstream);
    await tap.stop();
    const [connect] = await eventsOf(t, tap.archive, "connect");
    assert.match(connect.detail, /^client 127\.0\.0\.1 \(the client\)$/);
    assert.ok(
      connect.url.startsWith(`${server.url}${PATH}?max_active_time=1m&token=***`),
      connect.url
    );
  });

  test("the client gets the exchange's refusal with status, headers and body, and 502 without an answer", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    server.server.removeAllListeners("upgrade");
    server.server.on("upgrade", (request, socket) =>
      socket.end(
        "HTTP/1.1 403 Forbidden\r\nX-Why: region\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nnot here\n"
      )
    );
    const refused = async () => {
      const client = new WebSocket(tap.url + PATH);
      client.on("error", () => {});
      const [, response] = await once(client, "unexpected-response");
      const body = (await response.toArray()).join("");
      return { status: response.statusCode, headers: response.headers, body };
    };
    const { status, headers, body } = await refused();
    assert.deepEqual(
      [status, headers["x-why"], headers["retry-after"], body],
      [403, "region", "7", "not here\n"]
    );
    server.server.closeAllConnections();
    server.server.close();
    await once(server.server, "close");
    const gone = await refused();
    assert.equal(gone.status, 502);
    assert.match(gone.body, /refused/);
    await tap.stop();
    assert.match(tap.program.stderr, /0 connections relayed, 2 refused; recorded 0 frames/);
  });

  test("HTTP requests and their answers pass unchanged, and are in the archive", async (t) => {
    const server = await exchange(t),
      dir = temporary(t),
      seen = [];
    server.server.on("request", async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      seen.push([
        request.method,
        request.url,
        request.headers["x-bapi-sign"],
        request.headers["content-type"],
        request.headers["accept-encoding"],
        body,
      ]);
      const status = request.url === "/v5/busy" ? 403 : 200;
      response.writeHead(status, {
        "X-Limit": "9",
        ...(request.url === "/packed" && { "Content-Encoding": "gzip" }),
      });
      if (request.url === "/v5/user/create-sub-api")
        return response.end(
          JSON.stringify({
            n: seen.length,
            result: { apiKey: made[0], secret: made[1], note: "x" },
          })
        );
      response.end(
        request.url === "/packed"
          ? gzipSync("plain")
          : JSON.stringify({ n: seen.length, echo: request.headers["x-bapi-api-key"] })
      );
    });
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const base = tap.url.replace("ws:", "http:");
    const ask = async (target, options) => {
      const answer = await fetch(base + target, options);
      return [answer.status, answer.headers.get("x-limit"), await answer.text()];
    };
    const [key, sign, old] = ["aKeyOfTheHeader99", "5190f06a5190f06a5190f06a", "aKeyOfTheQuery77"];
    const headers = { "X-BAPI-API-KEY": key, "X-BAPI-SIGN": sign };
    const made = ["aKeyThatWasMade1", "theSecretOfThatKey22"];
    assert.deepEqual(await ask("/v5/market/time"), [200, "9", '{"n":1}']);
    assert.deepEqual(await ask("/v5/position/list?category=linear", { headers }), [
      200,
      "9",
      `{"n":2,"echo":"${key}"}`,
    ]);
    assert.deepEqual(await ask(`/x9/order?api_key=${old}&sign=${sign}&symbol=BTCUSD`), [
      200,
      "9",
      '{"n":3}',
    ]);
    const order = `{"symbol":"BTCUSDT","api_key":"${old}","qty":"1"}`;
    assert.deepEqual(
      await ask("/v5/order/create", {
        method: "POST",
        headers: { ...headers, "Content-Type": "application/json" },
        body: order,
      }),
      [200, "9", `{"n":4,"echo":"${key}"}`]
    );
    assert.deepEqual(await ask("/v5/busy"), [403, "9", '{"n":5}']);
    assert.deepEqual(await ask("/packed"), [200, "9", "plain"]);
    assert.ok(
      (await ask("/v5/user/create-sub-api", { method: "POST", headers, body: "{}" }))[2].includes(
        made[1]
      )
    );
    assert.deepEqual(seen.slice(0, 4), [
      ["GET", "/v5/market/time", undefined, undefined, undefined, ""],
      ["GET", "/v5/position/list?category=linear", sign, undefined, undefined, ""],
      [
        "GET",
        `/x9/order?api_key=${old}&sign=${sign}&symbol=BTCUSD`,
        undefined,
        undefined,
        undefined,
        "",
      ],
      ["POST", "/v5/order/create", sign, "application/json", undefined, order],
    ]);
    assert.equal((await ask("/v5/order", { method: "PATCH", body: "{}" }))[0], 405);
    assert.equal((await ask("/v5/order", { method: "POST", body: "x".repeat(70_000) }))[0], 413);
    server.server.closeAllConnections();
    server.server.close();
    const [status, , why] = await ask("/v5/market/time");
    assert.deepEqual([status, /refused/.test(why)], [502, true], why);
    await tap.stop();

    const stars = (text) => "*".repeat(text.length);
    const events = (await eventsOf(t, tap.archive, "http")).map((event) => [
      event.method,
      event.url.replace(server.url.replace("ws:", "http:"), ""),
      event.state,
      event.code,
      event.detail,
    ]);
    assert.deepEqual(events, [
      [undefined, "/v5/market/time", "kept", 200, undefined],
      [undefined, "/v5/position/list?category=linear", "kept", 200, undefined],
      [
        undefined,
        `/x9/order?api_key=${stars(old)}&sign=${stars(sign)}&symbol=BTCUSD`,
        "kept",
        200,
        undefined,
      ],
      ["POST", "/v5/order/create", "kept", 200, order.replace(old, stars(old))],
      [undefined, "/v5/busy", "failed", 403, undefined],
      [undefined, "/packed", "kept", 200, undefined],
      ["POST", "/v5/user/create-sub-api", "kept", 200, "{}"],
      [undefined, "/v5/market/time", "failed", undefined, undefined],
    ]);
    const replies = (await jsonLines(t, ["cat", "-a", tap.archive, "--dir", "http"])).map((row) => [
      row.feed,
      row.topic,
      row.data,
    ]);
    assert.deepEqual(
      replies.sort((a, b) => (a[2] < b[2] ? -1 : 1)),
      [
        ["raw-127.0.0.1-others", "http.packed", "plain"],
        ["v5-linear", "http.time", '{"n":1}'],
        ["v5-linear", "http.list", `{"n":2,"echo":"${stars(key)}"}`],
        [
          "v5-linear",
          "http.create-sub-api",
          `{"n":7,"result":{"apiKey":"${stars(made[0])}","secret":"${stars(made[1])}","note":"x"}}`,
        ],
        ["raw-127.0.0.1-others", "http.order", '{"n":3}'],
        ["v5-linear", "http.create", `{"n":4,"echo":"${stars(key)}"}`],
      ].sort((a, b) => (a[2] < b[2] ? -1 : 1))
    );
    for (const secret of [key, sign, old, ...made]) {
      assert.ok(!tap.program.stderr.includes(secret), tap.program.stderr);
      for (const file of filesBelow(tap.archive))
        assert.ok(!fs.readFileSync(path.join(tap.archive, file)).includes(secret), file);
    }
    await tapedeck(t, ["verify", tap.archive]);
  });

  /** Requests and streams at one URL: a client gets the same through a tap, and again from a cut of a later moment. */
  async function checkOneUrl(t, modules, module) {
    const dir = temporary(t),
      file = path.join(dir, "cut.mcap");
    const sim = await simulator(t, dir, [
      "--families",
      "v5-linear",
      "--symbols",
      "1",
      "--rate",
      "300",
      "--plain",
    ]);
    const tap = await startTap(t, dir, sim.url, ["--plain"]);
    const use = async (url, frames) =>
      parseLines(
        (
          await run(
            t,
            process.execPath,
            ["tests/e2e/tap/one_url_client.mjs", modules, module, url, frames],
            { env: { NODE_EXTRA_CA_CERTS: "" } }
          )
        ).stdout
      );
    const live = await use(tap.url, "6");
    await tap.stop();
    const text = (await tapedeck(t, ["cat", tap.archive, "--topic", "publicTrade"])).stdout.split(
      "\n"
    );
    await tapedeck(t, [
      "cut",
      tap.archive,
      "-o",
      file,
      "--topic",
      "publicTrade",
      "--symbol",
      "BTCUSDT",
      "--from",
      /"recv_ns":(\d+)/.exec(text[2])[1],
    ]);
    const { url } = await listening(t, ["serve", file, "--plain", "--hold"], dir);
    const replayed = await use(url, "3");
    for (const rows of [live, replayed]) for (const row of rows) t.diagnostic(JSON.stringify(row));
    const without = (rows) => rows.filter((row) => row.trades === undefined);
    assert.ok(
      live.some((row) => row.markets?.length > 0) &&
        live.every((row) => row.elsewhere === undefined),
      JSON.stringify(live)
    );
    assert.deepEqual(
      without(replayed).filter((row) => !row.refused),
      without(live).filter((row) => !row.refused)
    );
    const ids = (rows) => rows.flatMap(({ trades }) => trades ?? []);
    const first = JSON.parse(JSON.parse(text[2]).data).data[0].i;
    assert.ok(
      ids(replayed).includes(first) && ids(live).includes(first),
      JSON.stringify([live, replayed])
    );
    for (const dirOf of [tap.archive])
      for (const name of filesBelow(dirOf))
        for (const secret of ["aKeyOfTheTests1234", "aSecretOfTheTests"])
          assert.ok(!fs.readFileSync(path.join(dirOf, name)).includes(secret), name);
    return (await eventsOf(t, tap.archive, "http")).map(
      (event) => `${event.method ?? "GET"} ${event.what} ${event.code}`
    );
  }

  test(
    "bybit-api gets requests and streams at one URL, live and from a cut",
    { skip: withoutPackages },
    async (t) => {
      const requests = await checkOneUrl(t, path.resolve("build/npm"), "bybit-api");
      for (const one of [
        "GET time 200",
        "GET instruments-info 200",
        "GET wallet-balance 404",
        "POST create 405",
      ])
        assert.ok(requests.includes(one), `${one}: ${requests}`);
    }
  );

  test(
    "ccxt gets requests and streams at one URL, live and from a cut",
    { skip: withoutCcxt },
    async (t) => {
      const requests = await checkOneUrl(t, LARGE, "ccxt-4");
      assert.ok(
        requests.every((one) => one === "GET instruments-info 200"),
        `${requests}`
      );
    }
  );

  test("a slow client slows the exchange down, in bounded memory, and gets every message", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const { client, upstream } = await pair(t, tap, server);
    client._socket.pause();
    const FRAMES = 80,
      PAD = "x".repeat(500_000);
    for (let i = 0; i < FRAMES; i++) upstream.send(`{"n":${i},"pad":"${PAD}"}`);
    await restsOf(upstream, await pair(t, tap, server));
    assert.ok(
      upstream.bufferedAmount > 20e6,
      `${upstream.bufferedAmount} bytes still wait at the exchange`
    );
    client._socket.resume();
    await client.events.has(FRAMES);
    client.close();
    await settled(client, upstream);
    await tap.stop();
    assert.deepEqual(await numbersIn(t, tap.archive, ["--raw", "--dir", "in"]), [
      ...Array(FRAMES).keys(),
    ]);
  });

  test("a slow exchange slows the client down", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const { client, upstream } = await pair(t, tap, server);
    upstream._socket.pause();
    const FRAMES = 60,
      PAD = "x".repeat(500_000);
    for (let i = 0; i < FRAMES; i++) client.send(`{"n":${i},"pad":"${PAD}"}`);
    await restsOf(client, await pair(t, tap, server));
    assert.ok(
      client.bufferedAmount > 10e6,
      `${client.bufferedAmount} bytes still wait at the client`
    );
    upstream._socket.resume();
    await upstream.events.has(FRAMES);
    client.close();
    await settled(client, upstream);
    await tap.stop();
    assert.deepEqual(await numbersIn(t, tap.archive, ["--raw", "--dir", "out"]), [
      ...Array(FRAMES).keys(),
    ]);
  });

  test("a client's reconnect is a gap of its slot, with the exchange's cut as its cause", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const first = await pair(t, tap, server);
    first.upstream.send(trade(1));
    await first.client.events.has(1);
    first.upstream._socket.resetAndDestroy();
    await settled(first.client, first.upstream);
    const second = await pair(t, tap, server);
    second.upstream.send(trade(2));
    await second.client.events.has(1);
    second.client.close(1000);
    await settled(second.client);
    await tap.stop();
    const gaps = await jsonList(t, ["gaps", "-a", tap.archive, "--json"], { status: null });
    assert.deepEqual(
      gaps.map(({ feed, reason, shard, conn, cause }) => [feed, reason, shard, conn, cause]),
      [["v5-linear", "disconnect", 0, 1, "reset"]]
    );
    const frames = await jsonLines(t, ["cat", "-a", tap.archive, "--dir", "in", "--json"]);
    // The client sent no ping, so its last frame is the proof.
    assert.deepEqual(
      [gaps[0].from_ns, gaps[0].to_ns],
      frames.map((frame) => frame.recv_ns),
      JSON.stringify([gaps, frames])
    );
  });

  test("a gap lasts over a connection that received nothing", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const first = await pair(t, tap, server);
    first.upstream.send(trade(1));
    await first.client.events.has(1);
    first.client.close(1000);
    await settled(first.client, first.upstream);
    const second = await pair(t, tap, server);
    second.upstream.close(1012);
    await settled(second.client, second.upstream);
    const third = await pair(t, tap, server);
    third.upstream.send(trade(2));
    await third.client.events.has(1);
    third.client.close(1000);
    await settled(third.client);
    await tap.stop();
    const gaps = await jsonList(t, ["gaps", "-a", tap.archive, "--json"], { status: null });
    const frames = await jsonLines(t, ["cat", "-a", tap.archive, "--dir", "in", "--json"]);
    assert.deepEqual(
      gaps.map(({ conn, cause, to_ns }) => [conn, cause, to_ns]),
      [[1, "closed_by_client", frames[1].recv_ns]]
    );
    const [{ at_ns: closed_ns }] = await eventsOf(t, tap.archive, "disconnect");
    assert.ok(
      gaps[0].from_ns >= frames[0].recv_ns && gaps[0].from_ns <= closed_ns,
      JSON.stringify([gaps, frames, closed_ns])
    );
  });

  test("a gap names the end that closed", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    for (const close of [
      (of) => of.client.close(1000),
      (of) => of.upstream.close(1000),
      () => {},
    ]) {
      const of = await pair(t, tap, server);
      of.upstream.send(trade(1));
      await of.client.events.has(1);
      close(of);
      if (`${close}`.includes("close")) await settled(of.client, of.upstream); // tap frees the slot when both have ended
    }
    await tap.stop();
    const gaps = await jsonList(t, ["gaps", "-a", tap.archive, "--json"], { status: null });
    assert.deepEqual(
      gaps.map((row) => row.cause),
      ["closed_by_client", "closed_by_exchange"]
    );
  });

  test("after kill -9 both ends get a reset, and the ledger has a crash that ends when the client is back", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    let tap = await startTap(t, dir, server.url, ["--plain"]);
    const { client, upstream } = await pair(t, tap, server);
    for (let i = 0; i < 100; i++) upstream.send(trade(i));
    await client.events.has(100);
    const durable = async () => (await rawFrames(t, tap.archive, "in", { status: null })).length;
    await eventually("100 frames are durable", async () => (await durable()) >= 100);
    await tap.program.kill("SIGKILL");
    await settled(client, upstream);
    assert.equal(client.events.at(-1), "close 1006 ");
    assert.equal(upstream.events.at(-1), "close 1006 ");
    tap = await startTap(t, dir, server.url, ["--plain"]);
    const again = await pair(t, tap, server);
    again.upstream.send(trade(100));
    await again.client.events.has(1);
    await tap.stop();
    assert.equal((await rawFrames(t, tap.archive)).length, 101);
    const gaps = await jsonList(t, ["gaps", "-a", tap.archive, "--json"], { status: null });
    assert.deepEqual(
      gaps.map(({ reason, to_ns }) => [reason, to_ns !== null]),
      [["crash", true]]
    );
  });

  test(
    "tap relays on when the disk is full, and the ledger has what it did not record",
    { skip: withoutMount() },
    async (t) => {
      const server = await exchange(t),
        dir = temporary(t);
      const disk = await smallDisk(t, dir, 48);
      const archive = path.join(disk.mountPoint, "tape");
      const tap = await listening(
        t,
        ["tap", "-a", archive, "--upstream", server.url, "--plain"],
        dir,
        { under: disk.under }
      );
      const { client, upstream } = await pair(t, tap, server);
      upstream.send(trade(0));
      await client.events.has(1);
      const hog = path.join(disk.pathOutside, "hog");
      fs.writeFileSync(hog, Buffer.alloc(47 << 20));
      await tap.program.prints(/nothing is recorded now, relaying continues/);
      for (let i = 1; i <= 50; i++) upstream.send(trade(i));
      client.send(`{"op":"ping"}`);
      await client.events.has(51);
      await upstream.events.has(1);
      fs.rmSync(hog);
      await tap.program.prints(/session [0-9a-f]{8} records again/);
      for (let i = 51; i < 60; i++) upstream.send(trade(i));
      await client.events.has(60);
      client.close();
      await settled(client, upstream);
      assert.equal((await tap.program.kill("SIGTERM")).code, 4, tap.program.stderr);
      const inside = { under: disk.under };
      const ids = (await rawFrames(t, archive, "in", inside)).map((text) =>
        Number(JSON.parse(text).data[0].i)
      );
      assert.deepEqual(ids, [0, ...Array.from({ length: 9 }, (_, i) => 51 + i)]);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], {
        status: null,
        ...inside,
      });
      const frames = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--json"], inside);
      assert.ok(
        gaps.some(
          (gap) => gap.from_ns <= frames[0].recv_ns + 1e6 && gap.to_ns >= frames[1].recv_ns - 256
        ),
        JSON.stringify([gaps, frames.map((f) => f.recv_ns)])
      );
    }
  );

  test("a disk that hangs does not delay the relay, and the ledger counts what was not recorded", async (t) => {
    const server = await exchange(t),
      dir = temporary(t),
      archive = path.join(dir, "tape");
    const sync = path.join(dir, "sync");
    const takes = (ns) =>
      fs.writeFileSync(sync, Buffer.from(new BigUint64Array([ns]).buffer), {
        flag: fs.existsSync(sync) ? "r+" : "w",
      }); // mapped: never shorter
    takes(0n);
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", server.url, "--plain"],
      dir,
      { program: wrapped("recorder_slow_disk"), env: { TAPEDECK_TEST_SYNC: sync } }
    );
    const { client, upstream } = await pair(t, tap, server);
    takes(3_600_000_000_000n);
    const FRAMES = 20,
      SIZE = 8 << 20; // more than ring and queue hold
    const text = Buffer.from(`{"pad":"${"x".repeat(SIZE)}"}`);
    for (let i = 0; i < FRAMES; i++) upstream.send(text, { binary: false }); // no compressed frames: those may take too long
    await client.events.has(FRAMES);
    takes(0n);
    await tap.program.prints(/overload: over/);
    client.close();
    await settled(client, upstream);
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    const kept = (await beginnings(t, archive, ["--dir", "in"])).length;
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    const lost = gaps
      .filter(({ reason }) => reason === "overload")
      .reduce((sum, { frames_lost }) => sum + frames_lost, 0);
    assert.ok(lost > 0 && kept + lost === FRAMES, `${kept} kept, ${JSON.stringify(gaps)}`);
  });

  test("credentials pass unchanged, and are hidden in the archive", async (t) => {
    const server = await exchange(t),
      dir = temporary(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const { client, upstream } = await pair(t, tap, server, {
      target: "/v5/private?api_key=ur1KeyUr1Key&expires=1&signature=ur1SigUr1Sig",
    });
    const auth = `{"op":"auth","args":["k3yK3Yk3yK3Yk3y",1700000000000,"s1gnatureS1gnature"]}`;
    client.send(auth);
    await upstream.events.has(1);
    upstream.send(
      `{"success":true,"op":"auth","echo":["K3yK3Yk3yK3Yk3y","s1gnatureS1gnature","ur1SigUr1Sig"]}`
    );
    await client.events.has(1);
    assert.equal(upstream.events[0], `text ${auth}`);
    client.close();
    await settled(client, upstream);
    await tap.stop();
    const all = Buffer.concat(
      filesBelow(tap.archive).map((file) => fs.readFileSync(path.join(tap.archive, file)))
    ).toString("latin1");
    const text = (await tapedeck(t, ["cat", "-a", tap.archive, "--events", "--raw"])).stdout + all;
    for (const secret of ["k3yK3Yk3yK3Yk3y", "s1gnatureS1gnature", "ur1KeyUr1Key", "ur1SigUr1Sig"])
      assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), secret);
    assert.equal((await eventsOf(t, tap.archive, "redacted")).length, 2);
    for (const file of filesBelow(tap.archive).filter(
      (name) => name.endsWith(".mcap") && name.startsWith("capture")
    ))
      assert.equal(fs.statSync(path.join(tap.archive, file)).mode & 0o77, 0, file);
  });

  test(
    "with TLS at both ends, and 16 clients, frames equal the exchange's own account",
    { skip: withoutPackages },
    async (t) => {
      const dir = temporary(t);
      const sim = await simulator(t, dir, [
        "--families",
        "inverse,v5-linear",
        "--symbols",
        "2",
        "--rate",
        "200",
        "--seed",
        "5",
      ]);
      const tap = await startTap(t, dir, sim.url, ["--ca-file", sim.ca]);
      const through = { ...sim, url: tap.url, ca: tap.ca };
      const recorded = path.join(dir, "recorded");
      const { ca } = tap,
        clients = [],
        args = ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"];
      // They connect one after the other and before frames come, because tap gives the exchange 10 s to accept a connection.
      while (clients.length < 16) {
        const ws = new WebSocket(`${tap.url}${PATH}`, {
          ca: fs.readFileSync(ca),
          servername: "localhost",
        });
        await once(ws, "open");
        clients.push(Object.assign(ws, { frames: 0 }));
      }
      const recorder = new Program(t, "tapedeck-record", [
        "record",
        "-a",
        recorded,
        ...feedArgs(through, "inverse"),
        "--connect-timeout",
        "60s",
        "--max-frames",
        "250",
      ]);
      await recorder.prints(/subscribed to/);
      // A client with enough frames unsubscribes, so that a slow machine need not relay more.
      const haveMany = clients.map(
        (ws) =>
          new Promise((resolve) =>
            ws.on("message", () => {
              if (++ws.frames === 41) resolve(ws.send(JSON.stringify({ op: "unsubscribe", args })));
            })
          )
      );
      for (const ws of clients) ws.send(JSON.stringify({ op: "subscribe", args }));
      await inTime(
        Promise.all(haveMany),
        () => `frames of the clients: ${clients.map(({ frames }) => frames)}`
      );
      assert.equal((await recorder.ended).code, 0, recorder.stderr);
      for (const ws of clients) ws.close();
      await settled(...clients);
      await tap.stop();
      await sim.program.kill("SIGTERM");
      const truth = await compareTruth(t, tap.archive, sim.truth);
      assert.ok(
        truth.equal && truth.missing + truth.unexpected === 0 && truth.frames > 600,
        JSON.stringify(truth)
      );
      assert.ok(
        (
          await jsonLines(t, [
            "cat",
            "-a",
            tap.archive,
            "--feed",
            "v5-linear",
            "--dir",
            "in",
            "--json",
          ])
        ).length >= clients.reduce((sum, ws) => sum + ws.frames, 0)
      );
      const [relayed, received] = await Promise.all(
        [tap.archive, recorded].map(async (archive) =>
          (
            await tapedeck(t, ["cat", "-a", archive, "--feed", "inverse", "--dir", "in", "--raw"])
          ).stdout
            .split("\n")
            .slice(0, -1)
        )
      );
      assert.ok(received.length > 200, `${received.length}`);
      assert.deepEqual(relayed.slice(0, received.length), received); // later ones were under way when tap closed
    }
  );

  /** Data of both directions equals the exchange's own account, and each order has its answer and its update. */
  async function checkOrders(t, tap, sim, orders) {
    await tap.stop();
    await sim.program.kill("SIGTERM");
    const truth = await compareTruth(t, tap.archive, sim.truth);
    assert.ok(
      truth.equal && truth.missing + truth.unexpected === 0 && truth.frames > 0,
      JSON.stringify(truth)
    );
    const asked = parseLines(fs.readFileSync(sim.truth, "utf8"))
      .filter((row) => row.t === "request" && row.path === "/v5/trade")
      .map((row) => row.xxh64);
    const sent = (await rawFrames(t, tap.archive, "out"))
      .filter((text) => text.includes('"op":"order.'))
      .map((text) => xxh64(Buffer.from(text)));
    assert.deepEqual(sent, asked);
    const { requests, unanswered, unasked, without_update } = await json(t, [
      "latency",
      tap.archive,
      "--json",
    ]);
    assert.deepEqual(
      { requests, unanswered, unasked, without_update },
      { requests: orders, unanswered: 0, unasked: 0, without_update: 0 }
    );
  }
  // The rate is low, because a slow client has to read everything that is sent while it works.
  const exchangeWithOrders = (t, dir) =>
    simulator(t, dir, [
      "--plain",
      "--families",
      "v5-linear,v5-trade",
      "--symbols",
      "2",
      "--rate",
      "50",
    ]);

  /** The levels of one book, from its frames; `seen` has each state by the number of its update. */
  function bookOf() {
    const sides = { b: new Map(), a: new Map() },
      seen = new Map();
    const add = ({ type, data }) => {
      for (const side of ["b", "a"]) {
        if (type === "snapshot") sides[side].clear();
        for (const [price, size] of data[side])
          if (Number(size) === 0) sides[side].delete(price);
          else sides[side].set(price, size);
      }
      seen.set(data.u, JSON.stringify([[...sides.b].sort(), [...sides.a].sort()]));
    };
    return { add, seen };
  }

  /** Place and cancel five orders while following a book up to that update, or for 20 updates: {answers, updates, books}. */
  async function tradeByBybitApi(t, url, last) {
    const connect = (at) => {
      const client = new WebsocketClient(
        {
          wsUrl: url + at,
          key: "aKeyOfTheTests",
          secret: "aSecretOfTheTests",
          pingInterval: 200,
          pongTimeout: 60_000,
          recvWindow: 60_000,
        },
        SILENT
      );
      client.on("exception", () => {});
      t.after(() => client.closeAll(true));
      return client;
    };
    const [books, own, trade] = [PATH, "/v5/private", "/v5/trade"].map(connect);
    const updates = [],
      book = bookOf(),
      answers = [];
    const cancelled = new Promise((resolve) =>
      own.on("update", ({ topic, data }) => {
        const mine =
          topic === "order" ? data.filter((order) => order.orderLinkId.startsWith("mine-")) : []; // the account has others
        updates.push(
          ...mine.map(
            ({ orderId, orderLinkId, orderStatus }) => `${orderId} ${orderLinkId} ${orderStatus}`
          )
        );
        if (updates.filter((text) => text.endsWith("Cancelled")).length === 5) resolve();
      })
    );
    const followed = new Promise((resolve) =>
      books.on("update", (frame) => {
        if (frame.topic.startsWith("orderbook")) book.add(frame);
        if (last === undefined ? book.seen.size >= 20 : book.seen.has(last)) resolve();
      })
    );
    books.subscribeV5(["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"], "linear");
    await Promise.all(own.subscribeV5(["order", "wallet"], "linear", true));
    const ask = async (op, order) => {
      const { retCode, data } = await trade.sendWSAPIRequest(WS_KEY_MAP.v5PrivateTrade, op, {
        category: "linear",
        symbol: "BTCUSDT",
        ...order,
      });
      answers.push([op, retCode, data]);
      return data;
    };
    for (let i = 0; i < 5; i++) {
      const { orderId } = await ask("order.create", {
        side: "Buy",
        orderType: "Limit",
        qty: "0.01",
        price: "50000",
        orderLinkId: `mine-${i}`,
      });
      await ask("order.cancel", { orderId });
    }
    await followed;
    await cancelled;
    for (const client of [books, own, trade]) client.closeAll(true);
    return { answers, updates, books: new Map(book.seen) }; // a compressed frame may still be on its way
  }

  /** The same client with the served archive gets the same answers, updates and books. */
  async function checkServed(t, dir, archive, work, { answers, updates, books }) {
    const { url } = await listening(t, ["serve", archive, "--plain", "--hold"], dir);
    const again = await work(t, url, [...books.keys()].at(-1));
    assert.deepEqual(again.answers, answers);
    assert.deepEqual(again.updates, updates);
    for (const [number, levels] of books)
      assert.equal(again.books.get(number), levels, `book at ${number}`);
  }

  test("bybit-api gets books, an account and orders live, and the same from the archive", async (t) => {
    const dir = temporary(t);
    const sim = await exchangeWithOrders(t, dir);
    const tap = await startTap(t, dir, sim.url, ["--plain"]);
    const first = await tradeByBybitApi(t, tap.url);
    assert.deepEqual(
      [first.answers.length, first.answers.every(([, code]) => code === 0)],
      [10, true]
    );
    await checkOrders(t, tap, sim, 10);
    await checkServed(t, dir, tap.archive, tradeByBybitApi, first);
  });

  /** Place and cancel an order while following a book. */
  async function tradeByCcxt(t, url, last) {
    const { pro } = createRequire(path.join(LARGE, "package.json"))("ccxt-4");
    const client = new pro.bybit({
      apiKey: "aKeyOfTheTests",
      secret: "aSecretOfTheTests",
      options: { enableUnifiedAccount: true, enableUnifiedMargin: false },
    });
    t.after(() => client.close());
    await client.loadHttpProxyAgent(); // for ws://
    const own = `${url}/v5/private`,
      symbol = "BTC/USDT:USDT";
    client.urls.api.ws.public = { linear: url + PATH };
    client.urls.api.ws.private = {
      spot: { unified: own },
      contract: own,
      usdc: own,
      trade: `${url}/v5/trade`,
    };
    const market = {
      id: "BTCUSDT",
      symbol,
      base: "BTC",
      quote: "USDT",
      settle: "USDT",
      baseId: "BTC",
      quoteId: "USDT",
      settleId: "USDT",
      type: "swap",
      swap: true,
      contract: true,
      linear: true,
      inverse: false,
      spot: false,
      option: false,
      contractSize: 1,
      precision: { amount: 0.001, price: 0.1 },
      limits: {},
      info: {},
    };
    client.setMarkets({ [symbol]: market });
    const books = new Map(),
      updates = []; // the account has others, too
    const handle = client.handleOrderBook; // every state: watchOrderBook may skip some
    client.handleOrderBook = (ws, frame) => {
      handle.call(client, ws, frame);
      const { bids, asks } = client.orderbooks[symbol];
      books.set(frame.data.u, JSON.stringify([bids, asks]));
    };
    const follow = async () => {
      while (last === undefined ? books.size < 20 : !books.has(last))
        await client.watchOrderBook(symbol);
    };
    let placed;
    const cancelled = new Promise((resolve) => {
      const handleOrder = client.handleOrder; // watchOrders joins updates that come at once
      client.handleOrder = (ws, frame) => {
        handleOrder.call(client, ws, frame);
        updates.push(...frame.data.map(({ orderId, orderStatus }) => `${orderId} ${orderStatus}`));
        client.checkCancelled();
      };
      client.checkCancelled = () => updates.includes(`${placed?.id} Cancelled`) && resolve();
    });
    await client.watchOrders(); // subscribed: an order of the account's own has arrived
    const order = async () => {
      placed = await client.createOrderWs(symbol, "limit", "buy", 0.01, 50000);
      client.checkCancelled();
      return [placed, await client.cancelOrderWs(placed.id, symbol)].map(({ id, info }) => [
        id,
        info,
      ]);
    };
    const [answers] = await Promise.all([order(), follow(), cancelled]);
    await client.close();
    return { answers, updates: [], books: new Map(books) };
  }

  test(
    "ccxt gets a book and orders live, and the same from the archive",
    { skip: withoutCcxt },
    async (t) => {
      const dir = temporary(t);
      const sim = await exchangeWithOrders(t, dir);
      const tap = await startTap(t, dir, sim.url, ["--plain"]);
      const first = await tradeByCcxt(t, tap.url);
      await checkOrders(t, tap, sim, 2);
      await checkServed(t, dir, tap.archive, tradeByCcxt, first);
    }
  );

  test("an upstream that is not a server's URL, and an archive in use, are refused", async (t) => {
    const dir = temporary(t);
    for (const [upstream, word] of [
      ["https://stream.bybit.com", "https"],
      ["wss://stream.bybit.com/v5/public/linear", "path"],
      ["wss://stream.bybit.com/", "'/'"],
    ]) {
      const end = await run(
        t,
        "tapedeck",
        ["tap", "-a", path.join(dir, "tape"), "--upstream", upstream],
        { status: 2 }
      );
      assert.ok(end.stderr.includes(word), end.stderr);
    }
    const server = await exchange(t);
    const tap = await startTap(t, dir, server.url, ["--plain"]);
    const second = await run(
      t,
      "tapedeck",
      ["tap", "-a", tap.archive, "--upstream", server.url, "--plain"],
      { status: 4 }
    );
    assert.match(second.stderr, /tap/);
    await tap.stop();
  });
});
