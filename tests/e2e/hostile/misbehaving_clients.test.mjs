// Clients that break the protocol, with sim and serve, plain and over TLS: each gets the status, close code or end that RFC
// 6455 demands, the servers' memory stays bounded, and other clients are served. Limits: docs/design.md, wire/handshake.h.
import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { importFrames, listening, passed, temporary, tooLong } from "../support/harness.mjs";
import {
  CLOSE,
  closeFrame,
  deflated,
  frame,
  head,
  peakMiB,
  PING,
  PONG,
  rawConnect,
  TEXT,
} from "../support/raw_websocket.mjs";

const FRAME = JSON.stringify({ topic: "publicTrade.AUSDT", type: "snapshot", ts: 1, data: [] });
const PATH = "/v5/public/linear";
const MASK = { mask: true };
const REQUEST = [
  `GET ${PATH} HTTP/1.1`,
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "",
  "",
].join("\r\n");
const MOST_MIB = 150;
const FLOOD_BYTES = 48 << 20; // more than both ends' sockets and the server's queue take together

const SERVERS = {
  sim: (t, dir, more) => listening(t, ["sim", "--families", "v5-linear", ...more], dir),
  serve: async (t, dir, more) => {
    const archive = await importFrames(t, dir, {
      family: "v5-linear",
      host: PATH,
      frames: [FRAME],
    });
    return listening(t, ["serve", "-a", archive, "--max-clients", "1000", ...more], dir);
  },
};

const request = (id) => JSON.stringify({ req_id: id, op: "ping" });

async function upgraded(t, server, lines = "") {
  const raw = await rawConnect(t, server);
  await raw.write(REQUEST.replace("Upgrade: ", `${lines}Upgrade: `));
  assert.match(await raw.head(), /^HTTP\/1\.1 101 /);
  return raw;
}

const withDeflate = (t, server) =>
  upgraded(t, server, "Sec-WebSocket-Extensions: permessage-deflate\r\n");

/** Check that the server answers this client. */
async function answers(raw, id) {
  for (let reply = await raw.frameOf(TEXT); ; reply = await raw.frameOf(TEXT)) {
    assert.ok(reply !== undefined, `the connection ended before the answer to ${id}`);
    if (reply.payload.includes(id)) return;
  }
}

/** Expect a close frame with this code, and then the server's end of the stream, because the client does not end it. */
async function closes(raw, code) {
  const reply = await raw.frameOf(CLOSE);
  assert.equal(reply?.payload.readUInt16BE(), code);
  await raw.ended();
}

async function refuses(raw, status) {
  assert.match((await raw.head()) ?? "no answer", new RegExp(`^HTTP/1\\.1 ${status} `));
  await raw.ended();
}

const after = (bytes, code) => async (t, server) => {
  const raw = await upgraded(t, server);
  await raw.write(bytes);
  await closes(raw, code);
};

/** Send without reading, until the sockets are full or the server closes. */
async function flood(t, server, bytes) {
  const raw = await upgraded(t, server);
  raw.socket.pause();
  const block = Buffer.concat(Array(Math.ceil(65536 / bytes.length)).fill(bytes));
  for (let sent = 0; sent < FLOOD_BYTES; sent += block.length) {
    const taken = raw.write(block);
    const isTaken = await Promise.race([
      taken,
      new Promise((resolve) => setTimeout(resolve, 1000, false)),
    ]);
    if (!isTaken) return raw; // a server that stops reading is protected as well
  }
  return raw;
}

const LARGE = deflated(TEXT, "x".repeat(8 << 20), MASK);

// What a client does, and the expected result.
const ATTACKS = {
  async "one byte at a time"(t, server) {
    const begun = performance.now(); // the server limits the time from connection to request
    const raw = await rawConnect(t, server);
    await raw.writeBytes(Buffer.from(REQUEST));
    const answer = await raw.head();
    if (answer === undefined) return assert.ok(performance.now() - begun > 9000); // on a busy machine the request's time was over
    assert.match(answer, /^HTTP\/1\.1 101 /);
    await raw.writeBytes(
      Buffer.concat([frame(TEXT, request("by bytes"), MASK), frame(PING, "p", MASK)])
    );
    await answers(raw, "by bytes");
    await raw.writeBytes(closeFrame(1000, "", MASK));
    await closes(raw, 1000);
  },
  "a length of 2^63": after(head(TEXT, 2n ** 63n, MASK), 1002),
  "a length of 2^63 - 1": after(head(TEXT, 2n ** 63n - 1n, MASK), 1009),
  async "200,000 empty fragments"(t, server) {
    const raw = await upgraded(t, server);
    const empty = head(0, 0, { fin: false, mask: true });
    await raw.write(
      Buffer.concat([
        head(TEXT, 0, { fin: false, mask: true }),
        ...Array(200_000).fill(empty),
        frame(0, request("in pieces"), MASK),
      ])
    );
    await answers(raw, "in pieces");
    raw.reset();
  },
  async "a fragmented message beyond the limit"(t, server) {
    const raw = await upgraded(t, server);
    const piece = frame(0, "x".repeat(100_000), { fin: false, mask: true });
    await raw.write(
      Buffer.concat([head(TEXT, 0, { fin: false, mask: true }), ...Array(12).fill(piece)])
    );
    await closes(raw, 1009);
  },
  async "pings, and nothing is read"(t, server) {
    const raw = await flood(t, server, frame(PING, "x".repeat(125), MASK));
    raw.socket.resume();
    assert.ok((await raw.frameOf(PONG)) !== undefined);
    raw.reset();
  },
  async "requests, and nothing is read"(t, server) {
    const raw = await flood(t, server, frame(TEXT, request("x".repeat(100)), MASK));
    raw.reset();
  },
  async "a message that inflates over the limit"(t, server) {
    const raw = await withDeflate(t, server);
    await raw.write(LARGE);
    await closes(raw, 1009);
  },
  async "messages that inflate to the limit"(t, server) {
    const raw = await withDeflate(t, server);
    const bomb = deflated(TEXT, request("x".repeat(1 << 19)), MASK);
    for (let i = 0; i < 400 && (await raw.write(bomb)); i++);
    raw.reset();
  },
  async "a connection that says nothing"(t, server) {
    const { hostname, port } = new URL(server.url);
    const socket = net.connect(port, hostname);
    t.after(() => socket.destroy());
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
  },
  async "a head of which a byte comes now and then"(t, server) {
    const raw = await rawConnect(t, server);
    const timer = setInterval(() => raw.socket.write("X"), 500);
    await raw.write("GET / HTTP/1.1\r\n");
    await raw.ended();
    clearInterval(timer);
  },
  async "a head without an end"(t, server) {
    const raw = await rawConnect(t, server);
    await raw.write(`GET ${PATH} HTTP/1.1\r\nX: ${"x".repeat(9000)}`);
    await refuses(raw, 431);
  },
  async "100,000 header lines"(t, server) {
    const raw = await rawConnect(t, server);
    await raw.write(`GET ${PATH} HTTP/1.1\r\n` + "a: b\r\n".repeat(100_000) + "\r\n");
    await refuses(raw, 431);
  },
  async "a close frame without the stream's end, and data after it"(t, server) {
    const raw = await upgraded(t, server);
    await raw.write(
      Buffer.concat([closeFrame(4000, "", MASK), frame(TEXT, request("after the close"), MASK)])
    );
    await closes(raw, 4000);
  },
  async "a reset at each step"(t, server) {
    for (const bytes of ["", "GET", REQUEST, REQUEST + "\x81"]) {
      const raw = await rawConnect(t, server);
      await raw.write(Buffer.from(bytes, "latin1"));
      raw.reset();
    }
    for (const bytes of [
      frame(TEXT, request("reset"), MASK),
      head(TEXT, 100, MASK),
      closeFrame(1000, "", MASK),
    ]) {
      const raw = await upgraded(t, server);
      await raw.write(bytes);
      raw.reset();
    }
  },
  async "500 connections that say nothing"(t, server) {
    const { hostname, port } = new URL(server.url);
    const sockets = Array.from({ length: 500 }, () => net.connect(port, hostname));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.on("error", () => {});
            socket.on("close", resolve);
            socket.resume();
          })
      )
    );
  },
};

/** Clients that stop within the TLS handshake. */
const OF_TLS = {
  async "a ClientHello in part"(t, server) {
    const { hostname, port } = new URL(server.url);
    const socket = net.connect(port, hostname);
    t.after(() => socket.destroy());
    socket.write(Buffer.from("1603010200010001fc0303", "hex"));
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
  },
  async "plain HTTP"(t, server) {
    const { hostname, port } = new URL(server.url);
    const socket = net.connect(port, hostname);
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.write(REQUEST);
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
  },
};

// Inflating all of them takes seconds, and one turn reads most of them. A pong shows that the server has read the message
// before its ping. If this process waits for a processor meanwhile, the server may have read all before it gets the other client's
// requests: such a round shows nothing. A server that reads one client until nothing is left fails in each round.
const BOMBS = 1500,
  ROUNDS = 20;
const bomb = Buffer.concat([deflated(TEXT, " ".repeat(1 << 20), MASK), frame(PING, "", MASK)]);

/** How many messages of `bad` were read when `good` had 10 answers. */
async function readMeanwhile(good, bad) {
  bad.socket.write(Buffer.concat(Array(BOMBS).fill(bomb)));
  await bad.frameOf(PONG);
  let read = 1;
  const count = (async () => {
    while (read < BOMBS && (await bad.frameOf(PONG)) !== undefined) read++;
  })();
  for (let i = 0; i < 10; i++) {
    await good.write(frame(TEXT, request(`beside ${i}`), MASK));
    await answers(good, `beside ${i}`);
  }
  const meanwhile = read;
  if (meanwhile < BOMBS) bad.reset();
  await count;
  return meanwhile;
}

describe("a client whose messages inflate a thousandfold", () => {
  for (const [name, open] of Object.entries(SERVERS))
    test(`${name} answers another client 10 times before it has read all messages`, async (t) => {
      const server = await open(t, temporary(t), ["--plain"]);
      const good = await upgraded(t, server);
      const bad = await withDeflate(t, server);
      let read = BOMBS;
      for (let round = 0; round < ROUNDS && read === BOMBS; round++)
        read = await readMeanwhile(good, bad);
      assert.ok(read < BOMBS, `all were read, ${ROUNDS} times`);
      t.diagnostic(`${read} of ${BOMBS} were read meanwhile`);
      good.reset();
      assert.equal((await server.program.kill("SIGTERM")).code, 0, server.program.stderr);
    });
});

const FORMS = { sim: "plain", serve: "TLS" }; // both use the same code for connections

describe("clients that misbehave", { concurrency: 4 }, () => {
  for (const [name, open] of Object.entries(SERVERS))
    for (const form of ["plain", "TLS"])
      test(`${name}, ${form}`, { skip: form !== FORMS[name] && tooLong }, async (t) => {
        const server = await open(t, temporary(t), form === "plain" ? ["--plain"] : []);
        const good = await upgraded(t, server);
        const attacks = Object.entries({ ...ATTACKS, ...(form === "TLS" ? OF_TLS : {}) });
        let latest = 0;
        let isOver = false;
        const talk = (async () => {
          for (let i = 0; !isOver; i++) {
            const from = performance.now();
            await good.write(frame(TEXT, request(`while ${i} is asked`), MASK));
            await answers(good, `while ${i} is asked`);
            latest = Math.max(latest, performance.now() - from);
            await passed(20);
          }
        })();
        await Promise.all(
          attacks.map(([what, attack]) =>
            attack(t, server).catch((error) => {
              error.message = `${what}: ${error.message}`;
              throw error;
            })
          )
        );
        isOver = true;
        await talk;
        good.reset();
        const peak = peakMiB(server.program, MOST_MIB);
        t.diagnostic(
          `${attacks.length} attacks, ${peak} MiB at most, another client waited up to ${latest.toFixed(0)} ms`
        );
        assert.equal((await server.program.kill("SIGTERM")).code, 0, server.program.stderr);
      });
});
