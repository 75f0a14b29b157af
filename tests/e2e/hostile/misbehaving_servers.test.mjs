// Servers that break the protocol, each as a feed of one recorder beside a good server's feed; plain and over TLS. Each
// connection ends with its cause or is recorded further; missing frames lie within a gap; memory stays bounded; the good feed
// has every frame.
// Expected values: RFC 6455, docs/recording.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe, test } from "node:test";
import {
  eventually,
  jsonLines,
  jsonList,
  passed,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { acknowledgement, certificate, trade } from "../support/scripted_server.mjs";
import { Recorder } from "../support/recorders.mjs";
import {
  accepted,
  closeFrame,
  deflated,
  frame,
  head,
  peakMiB,
  PING,
  rawServer,
  TEXT,
} from "../support/raw_websocket.mjs";

const MOST_MIB = 200; // its ring is 64 MiB, and bombs below the limit are recorded
const data = (id) => frame(TEXT, trade(id));
const numberOf = (text) => Number(/"trade_id":"00000000-0000-4000-8000-(\d+)"/.exec(text)?.[1]);

/** Answer the upgrade and the subscription, and send the trades 1 to 3 of a connection. */
async function begin(raw, n, write = (bytes) => raw.write(bytes)) {
  const request = await raw.head();
  const more = /permessage-deflate/.test(request)
    ? "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    : "";
  await write(Buffer.from(accepted(request).replace("Upgrade: ", `${more}Upgrade: `)));
  const { payload } = await raw.frameOf(TEXT);
  await write(
    Buffer.concat([
      frame(TEXT, acknowledgement(JSON.parse(payload))),
      ...[1, 2, 3].map((i) => data(100 * n + i)),
    ])
  );
}

/** Answer further subscriptions: the recorder repeats one whose answer took more than 10 s. */
async function acknowledgeAll(raw) {
  for (let next; (next = await raw.frameOf(TEXT)) !== undefined;) {
    const request = JSON.parse(next.payload);
    if (request.op === "subscribe") await raw.write(frame(TEXT, acknowledgement(request)));
  }
}

/** A server's good connection: trades until it ends. */
async function continueWell(raw, n) {
  acknowledgeAll(raw);
  for (let i = 4; !raw.isOver; i++) {
    await raw.write(data(100 * n + i));
    await passed(100);
  }
}

/** Send single bytes with pauses. */
async function slowly(raw, bytes, ms) {
  for (let i = 0; i < bytes.length && !raw.isOver; i++) {
    await raw.write(bytes.slice(i, i + 1));
    await passed(ms);
  }
}

// Attacks on an open connection, after its third trade. cause, code: of the disconnect event.
const OPEN = {
  "length-2-63": { attack: (raw) => raw.write(head(TEXT, 2n ** 63n)), cause: "protocol" },
  "length-2-63-1": { attack: (raw) => raw.write(head(TEXT, 2n ** 63n - 1n)), cause: "too_large" },
  "a-bomb": {
    attack: (raw) => raw.write(deflated(TEXT, "x".repeat((16 << 20) + 1))),
    cause: "too_large",
    more: "deflate: true",
  },
  bombs: {
    attack: async (raw) => {
      const bomb = deflated(TEXT, `{"x":"${"x".repeat(4 << 20)}"}`);
      for (let i = 0; i < 400 && (await raw.write(bomb)); i++) await passed(1);
      raw.socket.end();
    },
    cause: ["too_large", "closed_by_peer"],
    more: "deflate: true", // a recorder with little CPU time inflates all of them
  },
  "close-and-stay": {
    attack: (raw) => raw.write(closeFrame(1012)),
    cause: "closed_by_peer",
    code: 1012,
  },
  "data-after-close": {
    attack: (raw) => raw.write(Buffer.concat([closeFrame(4000), data(66), frame(PING, "late")])),
    cause: "closed_by_peer",
    code: 4000,
  },
  "end-in-a-frame": {
    attack: (raw) => raw.socket.end(data(66).subarray(0, 50)),
    cause: "closed_by_peer",
  },
  "reset-in-a-frame": {
    attack: async (raw) => {
      await raw.write(data(66).subarray(0, 50));
      raw.reset();
    },
    cause: ["reset", "closed_by_peer"], // Node.js cannot reset a TLS connection
  },
  "slow-frame": {
    attack: (raw) => slowly(raw, data(66), 1000),
    cause: "stale",
    more: "stale_after: 10s",
  },
};

// Attacks before the second connection is open; `logged` must match the recorder's log.
const OPENING = {
  "wrong-key": {
    attack: async (raw) =>
      raw.write(
        accepted(
          (await raw.head()).replace(/Key: (.)/, (_, first) => `Key: ${first === "+" ? "/" : "+"}`)
        )
      ),
    logged: /does not match the key/,
  },
  "head-without-end": {
    attack: async (raw) =>
      raw.write(`${accepted(await raw.head()).slice(0, -2)}X: ${"x".repeat(9000)}`),
    logged: /head is too large/,
  },
  "header-lines": {
    attack: async (raw) =>
      raw.write(`${accepted(await raw.head()).slice(0, -2)}${"a: b\r\n".repeat(100_000)}\r\n`),
    logged: /head is too large/,
  },
  "slow-head": {
    attack: async (raw) => slowly(raw, accepted(await raw.head()), 100),
    logged: /did not answer in time \(upgrade/,
    more: "connect_timeout: 3s",
  },
  silent: {
    attack: () => {},
    logged: /did not answer in time \(upgrade/,
    more: "connect_timeout: 3s",
  },
  "reset-at-once": { attack: (raw) => raw.reset(), logged: /cannot connect/ },
  "reset-after-request": {
    attack: async (raw) => (await raw.head(), raw.reset()),
    logged: /cannot connect/,
  },
  "reset-in-the-answer": {
    attack: async (raw) => (await raw.write(accepted(await raw.head()).slice(0, 60)), raw.reset()),
    logged: /cannot connect/,
  },
};

// Attacks on TLS, by a proxy that passes this many bytes of the second connection; -1: bytes that are not TLS.
const OPENING_TLS = {
  "no-server-hello": {
    bytes: 0,
    logged: /did not answer in time \(TLS/,
    more: "connect_timeout: 3s",
  },
  "half-a-server-hello": {
    bytes: 100,
    logged: /did not answer in time \(TLS/,
    more: "connect_timeout: 3s",
  },
  "no-tls": { bytes: -1, logged: /does not speak TLS/ },
};

// Attacks that a connection survives: no frame is missing.
const SURVIVED = {
  "byte-by-byte": async (raw) => {
    await begin(raw, 1, (bytes) => raw.writeBytes(bytes));
    await raw.writeBytes(Buffer.concat([frame(PING, "p"), data(104)]));
  },
  "many-fragments": async (raw) => {
    await begin(raw, 1);
    const empty = head(0, 0, { fin: false });
    await raw.write(
      Buffer.concat([
        head(TEXT, 0, { fin: false }),
        ...Array(200_000).fill(empty),
        frame(0, trade(104)),
      ])
    );
  },
  "pings-without-reading": async (raw) => {
    await begin(raw, 1);
    raw.socket.pause();
    const pings = Buffer.concat(Array(1000).fill(frame(PING, "x".repeat(125))));
    for (let i = 0; i < 150; i++) await raw.write(pings);
    raw.socket.resume();
    await raw.write(data(104));
  },
};

/** A proxy that passes only the first bytes of the server's side of the connection to attack. */
async function front(t, port, bytes, entry) {
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      t.after(() => socket.destroy());
    }
    client.on("close", () => upstream.destroy());
    client.pipe(upstream);
    if (entry.phase !== "attack")
      return void upstream.pipe(client).on("close", () => client.destroy());
    entry.phase = "good";
    if (bytes < 0) client.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    else upstream.once("data", (data) => client.write(data.subarray(0, bytes)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return server.address().port;
}

/** The servers of all attacks: name -> {row, server}. */
async function openServers(t, files) {
  const found = new Map();
  const add = async (name, row, serve) =>
    found.set(name, { row, server: await rawServer(t, serve, files) });
  for (const [name, row] of Object.entries(OPEN))
    await add(name, row, async (raw, n) => {
      await begin(raw, n);
      await (n === 1 ? row.attack(raw) : continueWell(raw, n));
    });
  for (const [name, row] of Object.entries({
    ...OPENING,
    ...(files === undefined ? {} : OPENING_TLS),
  })) {
    const entry = { row, phase: "first" }; // by phase, because a connection may be late on a busy machine
    found.set(name, entry);
    entry.server = await rawServer(
      t,
      async (raw) => {
        if (entry.phase === "attack" && row.attack !== undefined) {
          entry.phase = "good";
          return row.attack(raw);
        }
        const isFirst = entry.phase === "first";
        await begin(raw, isFirst ? 1 : 2);
        if (!isFirst) return continueWell(raw, 2);
        entry.phase = "attack";
        return raw.write(closeFrame(1001));
      },
      files
    );
  }
  for (const [name, attack] of Object.entries(SURVIVED))
    await add(name, {}, async (raw) => {
      await attack(raw);
      await continueWell(raw, 2);
    });
  for (const entry of found.values())
    if (entry.row.bytes !== undefined)
      entry.server.url = `wss://127.0.0.1:${await front(t, entry.server.port, entry.row.bytes, entry)}`;
  return found;
}

function configOf(dir, servers) {
  const file = path.join(dir, "feeds.yaml");
  const feed = ([name, { row, server }]) =>
    `  - {name: ${name}, family: inverse, url: ${server.url}/realtime, topics: [trade.BTCUSD]${server.ca === undefined ? "" : `, ca_file: ${server.ca}`}${row.more === undefined ? "" : `, ${row.more}`}${/connect_timeout/.test(row.more) ? "" : ", connect_timeout: 60s"}${/stale_after/.test(row.more) ? "" : ", stale_after: 5m"}}\n`; // 25 servers in one busy process
  fs.writeFileSync(file, `commit_interval: 50ms\nfeeds:\n${[...servers].map(feed).join("")}`);
  return ["-c", file];
}

/** Wait until a feed has had this many connections, and the newest has recorded a frame. */
async function untilBack(recorder, feed, conns) {
  const isBack = () =>
    [...recorder.durable].some(
      ([key, { in: n }]) =>
        key.startsWith(`${feed}|`) && Number(key.split("|")[1]) >= conns && n > 4
    );
  while (!isBack()) await recorder.durableLine();
}

/** An archive's content by feed: {trades, gaps, events}. */
async function readAll(t, archive) {
  const [trades, gaps, events] = await Promise.all([
    jsonLines(t, ["cat", "-a", archive, "--topic", "trade"]),
    jsonList(t, ["gaps", "-a", archive, "--json"], { status: null }),
    jsonLines(t, ["cat", "-a", archive, "--events", "--topic", "_events"]),
  ]);
  return (feed) => ({
    trades: trades.filter((r) => r.feed === feed),
    gaps: gaps.filter((r) => r.feed === feed),
    events: events.filter((r) => r.feed === feed).map((r) => JSON.parse(r.data)),
  });
}

function checkFeed({ trades, gaps, events }, name, row) {
  const numbers = trades.map((r) => numberOf(r.data)).filter((n) => !Number.isNaN(n));
  const isSurvived = row.cause === undefined && row.logged === undefined;
  const later = Math.max(2, Math.floor(numbers[3] / 100)); // on a busy machine a second attempt may be too late for the server
  const wanted = isSurvived
    ? [101, 102, 103, 104, 204]
    : [101, 102, 103, ...[1, 2, 3, 4].map((i) => 100 * later + i)];
  assert.deepEqual(numbers.slice(0, wanted.length), wanted, `${name}: ${JSON.stringify(gaps)}`);
  assert.ok(!numbers.includes(66), `${name}: half a frame, or one after a close`);
  // On a busy machine a good connection may be without data for so long, too.
  const isCounted =
    gaps.length === (isSurvived ? 0 : 1) || (row.cause === "stale" && gaps.length > 1);
  assert.ok(isCounted, `${name}: ${JSON.stringify(gaps)}`);
  if (isSurvived) return;
  assert.equal(gaps[0].reason, row.cause === "stale" ? "stale" : "disconnect", name);
  assert.ok(gaps[0].to_ns !== null, name);
  const ended = events.find((event) => event.event === "disconnect");
  if (row.cause !== undefined)
    assert.ok([row.cause].flat().includes(ended.cause), `${name}: ${JSON.stringify(ended)}`);
  assert.equal(
    ended.code,
    row.logged === undefined ? row.code : 1001,
    `${name}: ${JSON.stringify(ended)}`
  );
}

describe("servers that misbehave", { concurrency: 2 }, () => {
  for (const form of ["plain", "TLS"])
    test(form, { skip: form === "plain" && tooLong }, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const files = form === "TLS" ? certificate(dir) : undefined;
      const servers = await openServers(t, files);
      const sent = [];
      servers.set("good", {
        row: {},
        server: await rawServer(
          t,
          async (raw, n) => {
            assert.equal(n, 1, "the good feed has one connection");
            await begin(raw, 1);
            for (let i = 0; !raw.isOver; i++) {
              if (await raw.write(data(1000 + i)))
                sent.push(performance.timeOrigin + performance.now());
              await passed(5);
            }
          },
          files
        ),
      });
      const recorder = new Recorder(t, archive, configOf(dir, servers));
      await Promise.all(
        [...servers].map(([name, { row }]) =>
          recorder.until(untilBack(recorder, name, row.cause || row.logged ? 2 : 1))
        )
      );
      const gaps = () => jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
      await eventually(
        "every gap has ended",
        async () => (await gaps()).every((gap) => gap.to_ns !== null),
        recorder
      );
      assert.doesNotMatch(recorder.stderr, /could not be sent/);
      for (const [name, { row }] of servers)
        if (row.logged !== undefined)
          assert.match(recorder.stderr, new RegExp(`${name}\\b.*${row.logged.source}`), name);
      const peak = peakMiB(recorder, MOST_MIB);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const feed = await readAll(t, archive);
      for (const [name, { row }] of servers) if (name !== "good") checkFeed(feed(name), name, row);
      const good = feed("good")
        .trades.map((r) => [numberOf(r.data) - 1000, r.recv_ns])
        .filter(([n]) => n >= 0);
      assert.deepEqual(
        good.map(([n]) => n),
        good.map((_, i) => i)
      );
      assert.ok(good.length > sent.length / 2, `${good.length} of ${sent.length}`);
      const latest = Math.max(...good.map(([n, recv_ns]) => recv_ns / 1e6 - sent[n]));
      t.diagnostic(
        `${servers.size - 1} attacks, ${peak} MiB at most, good frames at most ${latest.toFixed(0)} ms late`
      );
    });
});
