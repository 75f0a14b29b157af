// What strangers and broken clients may send to the page's server: each request is refused with a clear status or served, and
// the server stays alive and small. Expected: view/server.h, view/verb_child.h, docs/view.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";
import {
  boundAddresses,
  eventually,
  FRAMES_MS,
  importFrames,
  listening,
  tapedeck,
  temporary,
  WAIT_MS,
} from "../support/harness.mjs";

// Of the peak.
const MEMORY_MAX_KIB = 256 * 1024;
const FRAMES = Array.from({ length: 3000 }, (_, i) =>
  JSON.stringify({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: FRAMES_MS + i,
    data: [
      {
        T: FRAMES_MS + i,
        s: "BTCUSDT",
        S: "Buy",
        v: "1",
        p: "2.5",
        i: `id-${i}`,
        BT: false,
        seq: i,
      },
    ],
  })
);

/** Send bytes on a connection of its own, in pieces; resolves to all that comes until the end, or until `enough` is true. */
function raw(port, pieces, { enough = () => false } = {}) {
  return new Promise((resolve) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1");
    const end = () => (socket.destroy(), resolve(text));
    socket.setTimeout(WAIT_MS, end);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (enough(text)) end();
    });
    socket.on("error", end);
    socket.on("close", end);
    for (const piece of pieces) socket.write(piece);
  });
}
const statusOf = (answer) =>
  answer === "" ? "closed" : Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]);
const isWhole = (answer) => {
  const end = answer.indexOf("\r\n\r\n");
  const size = /content-length: (\d+)/i.exec(answer.slice(0, end));
  return end > 0 && size !== null && answer.length >= end + 4 + Number(size[1]);
};

/** Show an archive, or with `other` that and a second one. */
async function shown(t, { other = false, options = [] } = {}) {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames: FRAMES,
  });
  const operands = other
    ? [
        await importFrames(t, temporary(t), {
          family: "v5-linear",
          host: "/v5/public/linear",
          frames: FRAMES.slice(1000),
        }),
      ]
    : [];
  const { program, url } = await listening(t, ["view", archive, ...operands, ...options], dir);
  const { port, host, pathname } = new URL(url);
  const ask = (target, { method = "GET", head = {}, body = "" } = {}) => {
    const lines = Object.entries({ Host: host, ...head })
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name}: ${value}\r\n`);
    return raw(Number(port), [`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${body}`], {
      enough: method === "HEAD" ? (text) => text.includes("\r\n\r\n") : isWhole,
    });
  };
  const memory = () =>
    Number(
      /VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${program.child.pid}/status`, "utf8"))[1]
    );
  const served = async () => assert.equal((await fetch(`${url}api/archive`)).status, 200);
  return { program, url, port: Number(port), host, base: pathname, ask, memory, served };
}

test("only the given address is bound, and one that is unknown or another machine's is refused", async (t) => {
  const { program, url, served } = await shown(t);
  assert.deepEqual(boundAddresses(program.child.pid), ["0100007F"]);
  await served();
  const archive = (await (await fetch(`${url}api/archive`)).json()).path;
  for (const [place, status, text] of [
    [`127.0.0.1:${new URL(url).port}`, 4, /cannot listen: Address already in use/],
    ["192.0.2.1:0", 4, /--listen 192\.0\.2\.1:0: cannot listen: /], // RFC 5737: no machine has it
    ["nohost.invalid:0", 2, /--listen nohost\.invalid:0: no such address: /],
  ])
    assert.match(
      (await tapedeck(t, ["view", archive, "--listen", place], { status })).stderr,
      text
    );
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("clients that send no request keep no other client out", async (t) => {
  const { program, port, served } = await shown(t);
  const silent = Array.from({ length: 64 }, () => net.connect(port, "127.0.0.1"));
  t.after(() => silent.forEach((socket) => socket.destroy()));
  await Promise.all(
    silent.map((socket) => new Promise((resolve) => socket.on("connect", resolve)))
  );
  const ends = silent.map((socket) => new Promise((resolve) => socket.on("close", resolve)));
  await served(); // the server ends a silent client, of at most 64, to answer this one
  await Promise.race(ends);
  assert.ok(
    silent.filter((socket) => socket.destroyed).length < 10,
    "they were ended by their time limit only"
  );
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("a client that upgrades to HTTP/2 is served when all connections are in use", async (t) => {
  const { program, port, host, served } = await shown(t);
  const connected = () =>
    new Promise((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve(socket));
    });
  const silent = await Promise.all(Array.from({ length: 63 }, connected));
  const client = await connected();
  t.after(() => [client, ...silent].forEach((socket) => socket.destroy()));
  const answer = (text) =>
    new Promise((resolve) => {
      let all = "";
      client.on("data", (bytes) => (all += bytes.toString("latin1")).includes(text) && resolve());
      client.on("close", () => resolve(assert.ok(all.includes(text), `closed after '${all}'`)));
    });
  client.write(
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`
  );
  await answer("101 Switching Protocols");
  client.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1")); // RFC 7540, 3.4: the preface and an empty SETTINGS
  await answer("lacks its secret part"); // of stream 1, the request that was upgraded
  await served(); // which closes a silent connection
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("requests with a wrong path, name, origin, method or argument are refused, and good ones are served", async (t) => {
  const { program, base, host, port, ask, served } = await shown(t);
  const other = base.replace(/[0-9a-f]/, (digit) => (digit === "0" ? "1" : "0"));
  const tile = (query) => `${base}api/tile?${query}`;
  const market = (query) =>
    `${base}api/market?feed=v5-linear&symbol=BTCUSDT&book=${encodeURIComponent("../orderbook")}&${query}`;
  const many = Array.from({ length: 13 }, (_, i) => `symbol=S${i}`).join("&");
  const ROWS = [
    // Good ones.
    [200, base],
    [200, `${base}index.html`],
    [200, base, { method: "HEAD" }],
    [200, base, { head: { Origin: `http://${host}` } }],
    [200, base, { head: { Host: `localhost:${port}` } }],
    [200, base, { head: { Range: "bytes=0-1" } }],
    [200, `${base}api/archive`],
    [200, tile("k=30&i=6528000&by=topic")],
    [200, tile("k=0&i=0&by=topic")],
    [200, tile("k=30&i=6528000&n=8&by=topic")],
    [200, tile("k=30&i=6528000&by=symbol&feed=none&topic=none")],
    [200, `${base}api/verb/gaps?symbol=%3Cscript%3E`],
    // Without the secret.
    [403, "/"],
    [403, "/index.html"],
    [403, other],
    [403, base.slice(0, -1)],
    [403, `${base.slice(0, -1)}0/`],
    [403, "/api/archive"],
    [200, `//${base}`, {}, [200, 403]],
    // Other paths.
    [404, `${base}../../etc/passwd`, {}, [403, 404]],
    [404, `${base}%2e%2e/%2e%2e/etc/passwd`, {}, [403, 404]],
    [404, `${base}..%2f..%2fetc/passwd`, {}, [403, 404]],
    [404, `${base}index.html/`],
    [404, `${base}api`],
    [404, `${base}api/`],
    [404, `${base}api/nothing`],
    [400, `${base}${"x".repeat(3000)}`, {}, [400, 404, 414, "closed"]],
    // Names of the server, and pages elsewhere.
    [421, base, { head: { Host: "example.com" } }],
    [421, base, { head: { Host: `127.0.0.1:${port + 1}` } }],
    [421, base, { head: { Host: `127.0.0.1:${port}.example.com` } }],
    [421, base, { head: { Host: null } }, [400, 421, "closed"]],
    [403, base, { head: { Origin: "http://example.com" } }],
    [403, base, { head: { Origin: "null" } }],
    [403, base, { head: { Origin: `https://${host}` } }],
    // Methods and upgrades.
    [405, base, { method: "POST", head: { "Content-Length": 3 }, body: "abc" }],
    [405, base, { method: "PUT", head: { "Content-Length": 0 } }],
    [405, base, { method: "DELETE" }, [405, "closed"]],
    [405, base, { method: "OPTIONS" }, [405, "closed"]],
    ["closed", base, { method: "BREW" }, [400, 403, 405, "closed"]],
    [
      "closed",
      base,
      {
        head: {
          Upgrade: "websocket",
          Connection: "Upgrade",
          "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
          "Sec-WebSocket-Version": "13",
        },
      },
      [400, 403, "closed"],
    ],
    // Questions.
    [400, tile("k=30&i=6528000&n=9&by=topic")],
    [400, tile("k=30&i=6528000&n=0&by=topic")],
    [400, tile("k=49&i=0&by=topic")],
    [400, tile("k=-1&i=0&by=topic")],
    [400, tile("k=48&i=18446744073709551615&by=topic")],
    [400, tile("k=30&by=topic")],
    [400, tile("k=30&i=1&by=everything")],
    [400, tile("k=30&i=1&by=symbol")],
    [200, market("k=30&i=1&bin=0.5")],
    [400, market("k=16&i=1&bin=1")],
    [400, market("k=49&i=1&bin=1")],
    [400, market("k=48&i=18446744073709551615&bin=1")],
    [400, market("k=30&i=1&bin=0")],
    [400, market("k=30&i=1&bin=-1")],
    [400, market("k=30&i=1&bin=nan")],
    [400, market("k=30&i=1")],
    [400, `${base}api/market?k=30&i=1&bin=1`],
    [400, `${base}api/gaps?from=yesterday`],
    [400, `${base}api/verb/prune`],
    [400, `${base}api/verb/`],
    [400, `${base}api/verb/gaps?catalog=/tmp/x`],
    [400, `${base}api/verb/cat?output=/tmp/x`],
    [400, `${base}api/verb/cat?follow`],
    [400, `${base}api/verb/gaps?${many}`],
    [400, `${base}api/verb/gaps?symbol=${"S".repeat(1100)}`],
    // There is no second archive, and no decoder.
    [404, `${base}api/b/archive`],
    [404, `${base}api/b/verb/gaps`],
    [400, `${base}api/verb/diff`],
    [400, `${base}api/verb/regress/check`],
  ];
  for (const [status, target, how = {}, allowed = [status]] of ROWS) {
    const answer = await ask(target, how);
    assert.ok(
      allowed.includes(statusOf(answer)),
      `${how.method ?? "GET"} ${target.slice(0, 120)} ${JSON.stringify(how.head ?? {})}: ${statusOf(answer)}, expected ${allowed}\n${answer.slice(0, 500)}`
    );
    // The library refuses what is no request itself, in HTTP/1.0.
    if (answer !== "" && !answer.startsWith("HTTP/1.0"))
      assert.match(answer, /content-security-policy: default-src 'self'/i);
    if (how.method === "HEAD") assert.match(answer, /\r\n\r\n$/);
  }
  await served();
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("questions about a second archive have the limits of the first one's", async (t) => {
  const { base, ask, served, url, program } = await shown(t, { other: true });
  const ROWS = [
    [200, "b/archive"],
    [200, "b/tile?k=30&i=6528000&by=topic"],
    [200, "b/gaps"],
    [200, "b/verb/gaps"],
    [200, "verb/diff?topic=publicTrade"],
    [404, "b"],
    [404, "b/"],
    [404, "B/archive"],
    [404, "a/archive"],
    [404, "c/archive"],
    [404, "b/b/archive"],
    [404, "b/b/verb/gaps"],
    [200, "b/%2e%2e/archive"], // the library resolves it, and two slashes in a row
    [200, "b%2f%2f/archive"],
    [404, "b/%2e%2e/%2e%2e/archive"],
    [404, "b/index.html"],
    [400, "b/tile?k=49&i=0&by=topic"],
    [400, "b/gaps?from=yesterday"],
    [400, "b/verb/diff"],
    [400, "b/verb/prune"],
    [400, "b/verb/cat?output=/tmp/x"],
    [400, "b/verb/gaps?archive=/tmp"],
    [400, "verb/diff?archive=/tmp"],
    [400, "verb/diff?of=b"],
    [400, "verb/diff?json=x"],
    [400, "verb/diff/"],
    [400, "verb/regress/check"],
    [400, "verb/regress/check?decoder-cmd=touch%20/tmp/never"],
    [400, "verb/regress/save?out=/tmp/x"],
  ];
  for (const [status, question] of ROWS) {
    const answer = await ask(`${base}api/${question}`);
    assert.equal(statusOf(answer), status, `${question}: ${answer.slice(0, 500)}`);
  }
  const of = async (question) => (await fetch(`${url}api/${question}`)).json();
  const [a, b] = [await of("archive"), await of("b/archive")];
  assert.notEqual(a.path, b.path);
  assert.deepEqual(
    [a, b].map(({ rows }) => rows.reduce((sum, { frames }) => sum + frames, 0)),
    [3000, 2000]
  );
  const { command, status, results } = await of("verb/diff?symbol=BTC*");
  assert.deepEqual(
    [command, status],
    [`tapedeck diff '--symbol=BTC*' --json ${a.path} ${b.path}`, 1]
  );
  assert.deepEqual([results[0].same, results[0].only_a, results[0].only_b], [2000, 1000, 0]);
  assert.match((await of("b/verb/gaps")).command, new RegExp(` --archive=${b.path}$`));
  await served();
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("a verb's option takes any text without becoming another option or a command", async (t) => {
  const { url, program } = await shown(t);
  for (const text of ["--help", "$(touch /tmp/never)", "'; exit 1; '", "--catalog=/tmp/x", "\\"]) {
    const answer = await fetch(
      `${url}api/verb/when?condition=${encodeURIComponent(text)}&symbol=${encodeURIComponent(text)}`
    );
    const { status, errors, results, command } = await answer.json();
    assert.equal(answer.status, 200);
    assert.deepEqual(results, []);
    assert.ok([2, 4].includes(status), `${text}: ${status}`);
    assert.match(errors, /tapedeck when: /);
    assert.ok(command.startsWith("tapedeck when "), command);
  }
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("bytes that are no request, huge heads, and heads in pieces", async (t) => {
  const { port, base, host, served, program } = await shown(t);
  const answers = await Promise.all([
    raw(port, [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])]),
    raw(port, [Buffer.alloc(5000)]),
    raw(port, ["\r\n\r\n\r\n"]),
    raw(port, [`GET ${base} HTTP/1.1\r\nHost: ${host}\r\nX: ${"y".repeat(100_000)}\r\n\r\n`], {
      enough: isWhole,
    }),
    raw(
      port,
      [
        `GET ${base} HTTP/1.1\r\n${Array.from({ length: 2000 }, (_, i) => `X-${i}: y\r\n`).join("")}Host: ${host}\r\n\r\n`,
      ],
      { enough: isWhole }
    ),
  ]);
  for (const answer of answers)
    assert.ok(
      [200, 400, 403, 404, 405, 413, 421, 431, "closed"].includes(statusOf(answer)) ||
        answer === "",
      answer.slice(0, 200)
    );
  const request = `GET ${base} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const socket = net.connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (bytes) => (text += bytes));
  socket.setNoDelay(true);
  for (const byte of request) await new Promise((resolve) => socket.write(byte, resolve));
  await eventually("an answer to a head in pieces", () => isWhole(text));
  socket.destroy();
  assert.equal(statusOf(text), 200);
  await served();
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("one kept connection gets 200 files, then one that is missing, then another", async (t) => {
  const { port, base, host, program } = await shown(t);
  const get = (name) => `GET ${base}${name} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const socket = net.connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  let text = "";
  socket.on("data", (bytes) => (text += bytes.toString("latin1")));
  const statuses = [];
  for (const name of [...Array(200).fill("index.html"), "no-such-file.js", "index.html"]) {
    text = "";
    socket.write(get(name));
    await eventually(`an answer to request ${statuses.length} of ${name}`, () => isWhole(text));
    statuses.push(statusOf(text));
  }
  assert.deepEqual(statuses, [...Array(200).fill(200), 404, 200]);
  assert.equal((await program.kill("SIGTERM")).code, 0);
});

test("a stop, and a client that leaves, end the verb that runs for it", async (t) => {
  // A decoder that answers no frame: its verb runs until it is ended.
  const decoder = `read first; echo '{"tapedeck":1}'; while read frame; do :; done`;
  const { program, url } = await shown(t, {
    options: ["--decoder-cmd", decoder, "--timeout", "100s"],
  });
  const children = () =>
    fs
      .readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          return (
            Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) ===
            program.child.pid
          );
        } catch {
          return false; // it has ended
        }
      });
  const ask = (signal) => fetch(`${url}api/verb/regress/check`, { signal }).catch(() => null);
  const leaver = new AbortController();
  const left = ask(leaver.signal);
  await eventually("a verb runs", () => children().length > 0);
  leaver.abort();
  await left;
  await eventually("the verb of a client that has left ends", () => children().length === 0);
  void ask();
  await eventually("a second verb runs", () => children().length > 0);
  assert.equal((await program.kill("SIGTERM")).code, 0);
  assert.equal(children().length, 0);
});

test("200 connections, clients that do not read, and clients that leave, cost no memory and stop no other client", async (t) => {
  const { port, base, host, served, memory, program, url } = await shown(t);
  const idle = Array.from({ length: 200 }, () => net.connect(port, "127.0.0.1"));
  for (const socket of idle) socket.on("error", () => {});
  await eventually("200 connections are open", () => idle.every((socket) => !socket.connecting));
  for (const socket of idle) socket.destroy();
  await served();
  // Answers of about a MB that no client reads.
  const deaf = Array.from({ length: 30 }, () => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write(`GET ${base}api/verb/cat?max-frames=2000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return socket;
  });
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async () => (await fetch(`${url}index.html`)).status)
  );
  assert.deepEqual(statuses, Array(20).fill(200));
  // While the answers of the deaf are made, others may be refused, but not for long.
  const isAnswered = async () => {
    const { status } = await fetch(`${url}api/archive`);
    assert.ok([200, 503].includes(status), `${status}`);
    return status === 200;
  };
  await eventually(
    "another client's request is answered beside those that do not read",
    isAnswered
  );
  for (const socket of deaf) socket.destroy();
  await eventually("another client's request is answered after those that left", isAnswered);
  assert.ok(memory() < MEMORY_MAX_KIB, `${memory()} KiB`);
  assert.equal((await program.kill("SIGTERM")).code, 0);
});
