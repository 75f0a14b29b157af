// Recording through a proxy: the recorder's requests, answers that arrive in pieces, and errors if the proxy does not
// connect. The proxies are part of the tests. Expected values: RFC 9110 (CONNECT), RFC 7617 (Basic), docs/recording.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import { certificate, scriptedServer, silent, trade } from "../support/scripted_server.mjs";
import { jsonLines, Program, run, temporary } from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const NAME = "exchange.test"; // which only the proxy can find

/** A TCP server for the test's time; its port. */
async function listen(t, connected) {
  const held = new Set();
  const server = net.createServer((socket) => {
    held.add(socket);
    socket.on("error", () => {});
    socket.setNoDelay(true);
    connected(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  return server.address().port;
}

/** Bytes of a socket on demand: read(n), or readUntil("\r\n\r\n"). */
function reader(socket) {
  let buffer = Buffer.alloc(0);
  const waiting = [];
  const check = () => {
    while (waiting.length > 0) {
      const size = waiting[0].size(buffer);
      if (size === null || buffer.length < size) return;
      const { resolve } = waiting.shift();
      const piece = buffer.subarray(0, size);
      buffer = buffer.subarray(size);
      resolve(piece);
    }
  };
  const take = (data) => {
    buffer = Buffer.concat([buffer, data]);
    check();
  };
  socket.on("data", take);
  const wait = (size) =>
    new Promise((resolve) => {
      waiting.push({ size, resolve });
      check();
    });
  return {
    read: (n) => wait(() => n),
    readUntil: (end) => wait((b) => (b.indexOf(end) < 0 ? null : b.indexOf(end) + end.length)),
    /** From now on the bytes go to another socket. */
    pipe: (to) => {
      socket.off("data", take);
      to.write(buffer);
      socket.pipe(to);
    },
  };
}

/** Connect a client of a proxy with its server. */
async function join(client, from, port) {
  const behind = net.connect(port, "127.0.0.1");
  behind.on("error", () => client.destroy());
  behind.on("close", () => client.destroy());
  client.on("close", () => behind.destroy());
  await once(behind, "connect");
  from.pipe(behind);
  behind.pipe(client);
}

/** Write each byte as a TCP segment of its own. */
async function inPieces(socket, bytes) {
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** An HTTP proxy for port, which answers a CONNECT with answer (bytes; null: as it should, in pieces). */
async function httpProxy(t, port, answer = null) {
  const seen = [];
  const at = await listen(t, async (socket) => {
    const from = reader(socket);
    seen.push((await from.readUntil("\r\n\r\n")).toString());
    if (answer !== null) return void socket.end(answer);
    await inPieces(
      socket,
      Buffer.from("HTTP/1.1 200 Connection established\r\nVia: 1.1 corp\r\n\r\n")
    );
    await join(socket, from, port);
  });
  return { port: at, seen };
}

/** An exchange behind the proxy, under a name that has no address here. */
async function exchange(t, dir) {
  const files = certificate(dir, {
    name: "behind",
    names: [`DNS:${NAME}`, "IP:192.0.2.7", "IP:2001:db8::7"],
  });
  let n = 0;
  const server = await scriptedServer(t, dir, {
    certificate: files,
    opened: (ws) => {
      const timer = setInterval(() => ws.send(trade(++n)), 5);
      ws.on("close", () => clearInterval(timer));
    },
  });
  return {
    ...server,
    args: (host = NAME) => [
      `wss://${host}:${server.port}/realtime`,
      "--family",
      "inverse",
      "--ca-file",
      files.ca,
      "--topic",
      "trade.BTCUSD",
    ],
  };
}

// The test's own environment must not matter.
const NO_PROXIES = Object.fromEntries(
  ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"].map((name) => [
    name,
    "",
  ])
);
const through = (proxy) => ({ env: { ...NO_PROXIES, HTTPS_PROXY: proxy } });

async function records(t, dir, server, proxy, host) {
  const archive = path.join(dir, "tape");
  const recorder = new Recorder(t, archive, server.args(host), through(proxy));
  await recorder.durableLine((line) => line.in > 20);
  const end = await recorder.kill("SIGTERM");
  assert.equal(end.code, 0, end.stderr);
  assert.ok(
    (await jsonLines(t, ["cat", "-a", archive, "--topic", "trade", "--dir", "in"])).length > 10
  );
  return end;
}

/** What the recorder logs about a proxy that does not connect. It tries again. */
async function refusal(t, proxy, pattern) {
  const dir = temporary(t);
  const args = [
    "record",
    "-a",
    path.join(dir, "tape"),
    `wss://${NAME}:1/realtime`,
    "--family",
    "inverse",
    "--topic",
    "trade.BTCUSD",
  ];
  const recorder = new Program(t, "tapedeck-record", args, through(proxy));
  await recorder.prints(pattern);
  recorder.child.kill("SIGTERM");
  const end = await recorder.ended;
  assert.ok(!end.stderr.includes("s3cret"), end.stderr);
}

describe("through a proxy", { concurrency: 2 }, () => {
  test("an HTTP proxy resolves the name, and its answer may arrive in pieces", async (t) => {
    const dir = temporary(t);
    const server = await exchange(t, dir);
    const proxy = await httpProxy(t, server.port);
    await records(t, dir, server, `http://127.0.0.1:${proxy.port}`);
    assert.match(
      proxy.seen[0],
      new RegExp(
        `^CONNECT ${NAME}:${server.port} HTTP/1\\.1\r\nHost: ${NAME}:${server.port}\r\n\r\n$`
      )
    );
  });

  test("an HTTP proxy with a password: %XX in its URL is sent decoded", async (t) => {
    const dir = temporary(t);
    const server = await exchange(t, dir);
    const proxy = await httpProxy(t, server.port);
    const end = await records(
      t,
      dir,
      server,
      `http://us%3er:p%40s3cret:%25@127.0.0.1:${proxy.port}/`,
      "[2001:db8::7]"
    );
    const basic = Buffer.from("us>r:p@s3cret:%").toString("base64");
    assert.equal(
      proxy.seen[0],
      `CONNECT [2001:db8::7]:${server.port} HTTP/1.1\r\nHost: [2001:db8::7]:${server.port}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`
    );
    assert.ok(!end.stderr.includes("s3cret"), end.stderr);
  });

  test("the recorder reconnects through the proxy when the exchange's connection breaks", async (t) => {
    const dir = temporary(t);
    const server = await exchange(t, dir);
    const proxy = await httpProxy(t, server.port);
    const recorder = new Recorder(
      t,
      path.join(dir, "tape"),
      server.args(),
      through(`http://127.0.0.1:${proxy.port}`)
    );
    await recorder.durableLine((line) => line.in > 5);
    for (const ws of server.sockets.clients) ws.terminate();
    await recorder.durableLine((line) => line.conn === 2 && line.in > 5);
    const end = await recorder.kill("SIGTERM");
    assert.equal(end.code, 0, end.stderr);
    assert.equal(proxy.seen.length, 2);
  });

  const answers = [
    [
      "407 without a user",
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
      "",
      /the proxy 127\.0\.0\.1:\d+ asks for a user and a password \(HTTP\/1\.1 407 Proxy Authentication Required\): give them as http:\/\/USER:PASSWORD@HOST:PORT/,
    ],
    [
      "407 with one",
      "HTTP/1.1 407 No\r\n\r\n",
      "me:s3cret@",
      /does not accept this user and password \(HTTP\/1\.1 407 No\)/,
    ],
    [
      "403",
      "HTTP/1.0 403 Forbidden\r\nContent-Length: 6\r\n\r\nno way",
      "",
      /does not allow a connection to exchange\.test:1 \(HTTP\/1\.0 403 Forbidden\)/,
    ],
    [
      "502",
      "HTTP/1.1 502 Bad Gateway\r\n\r\n",
      "",
      /cannot reach exchange\.test:1 \(HTTP\/1\.1 502 Bad Gateway\)/,
    ],
    [
      "another status",
      "HTTP/1.1 418 I'm a teapot\r\n\r\n",
      "",
      /did not connect to exchange\.test:1 \(HTTP\/1\.1 418 I'm a teapot\)/,
    ],
    [
      "no HTTP",
      "SSH-2.0-OpenSSH\x1b[31m\r\n\r\n",
      "",
      /does not speak HTTP: it answered 'SSH-2\.0-OpenSSH\?\[31m'/,
    ],
    ["no answer", "", "", /closed the connection before it answered/],
    ["half an answer", "HTTP/1.1 20", "", /closed the connection before it answered/],
    [
      "a header without an end",
      "HTTP/1.1 200 OK\r\n" + "X: y\r\n".repeat(4000),
      "",
      /answered with a header of more than 16384 bytes/,
    ],
  ];
  for (const [name, answer, user, pattern] of answers)
    test(`an HTTP proxy: ${name}`, async (t) => {
      const proxy = await httpProxy(t, 0, answer);
      await refusal(t, `http://${user}127.0.0.1:${proxy.port}`, pattern);
    });

  test("a proxy that is missing, or silent, is reported and tried again", async (t) => {
    const gone = await new Promise((resolve) => {
      const server = net.createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address();
        server.close(() => resolve(port));
      });
    });
    await refusal(
      t,
      `http://127.0.0.1:${gone}`,
      /the proxy 127\.0\.0\.1:\d+ does not answer: Connection refused/
    );
    const quiet = await silent(t);
    await refusal(
      t,
      quiet.url.replace("wss:", "http:"),
      /the proxy 127\.0\.0\.1:\d+ did not connect to exchange\.test:1 in time/
    );
  });

  test("a proxy of an unsupported kind is an error that names it, without its password", async (t) => {
    const dir = temporary(t);
    const args = [
      "record",
      "-a",
      path.join(dir, "tape"),
      `wss://${NAME}:1/realtime`,
      "--family",
      "inverse",
      "--topic",
      "trade.BTCUSD",
    ];
    const end = await run(t, "tapedeck-record", args, {
      ...through("socks5h://me:s3cret@127.0.0.1:1"),
      status: 4,
    });
    assert.match(
      end.stderr,
      /environment variable HTTPS_PROXY: proxy 'socks5h:\/\/[^']*127\.0\.0\.1:1': proxies of the kind 'socks5h' are not supported: give an HTTP proxy as http:\/\/HOST:PORT/
    );
    assert.ok(!end.stderr.includes("s3cret"), end.stderr);
  });
});
