// Shared by tests of connections that bring the same frames: a recorder that a port can cut off, and what shows that its tape has
// each frame once.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { jsonLines, listening, temporary } from "./harness.mjs";
import { npm } from "./npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "./recorders.mjs";

const { WebSocket } = npm("ws");

export const TOPICS = ["publicTrade", "orderbook.50", "tickers"],
  SYMBOLS = ["BTCUSDT", "ETHUSDT"];

/** A port that passes bytes on to a server and back, and can cut its connections. delayMs: how long what the server sends to the n-th
 * connection is under way. */
export async function passage(t, url, delayMs = () => 0) {
  const { hostname, port } = new URL(url);
  const open = new Set(),
    openedAt = [];
  let refuses = false;
  const server = net.createServer((client) => {
    if (refuses) return client.destroy();
    const target = net.connect(Number(port), hostname);
    const pair = { client, target };
    open.add(pair);
    const n = openedAt.push(Date.now() * 1e6) - 1,
      delay = delayMs(n);
    const end = () => (open.delete(pair), client.destroy(), target.destroy());
    for (const [from, to] of [
      [client, target],
      [target, client],
    ]) {
      if (from === client || delay === 0) from.pipe(to);
      else from.on("data", (bytes) => setTimeout(() => to.destroyed || to.write(bytes), delay));
      from.on("error", end);
      from.on("close", end);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.close(), [...open].forEach(({ client }) => client.destroy())));
  return {
    url: `wss://127.0.0.1:${server.address().port}`,
    /** When each connection began, in ns. */
    openedAt,
    /** From now on no connection is accepted, or all are again. */
    refuse: (now) => (refuses = now),
    /** Cut the n-th of the open connections, in the order of their beginning. */
    cut: (n) => {
      const pair = [...open][n];
      open.delete(pair);
      pair.client.destroy();
    },
  };
}

/** An exchange of two families and two symbols, and recorders of it: { dir, server, archive(name), start(name) }. start waits for
 * the subscriptions. */
export async function recordersOf(t, options) {
  const dir = temporary(t);
  const sizes = ["--symbols", "2", "--rate", "300"];
  const server = await simulator(t, dir, ["--families", "v5-linear,v5-spot", ...sizes], options);
  const archive = (name) => path.join(dir, name);
  const start = async (name, { family = "v5-linear", topics = TOPICS, more = [] } = {}) => {
    const recorder = new Recorder(t, archive(name), [
      ...feedArgs(server, family, topics),
      ...SYMBOLS.flatMap((symbol) => ["--symbol", symbol]),
      "--commit-interval",
      "100ms",
      ...more,
    ]);
    await printed(recorder, ": subscribed to", 1);
    return recorder;
  };
  return { dir, server, archive, start };
}

/** An exchange, and a recorder with one line or two. */
export async function recorded(t, { rate = 300, lines = 2, more = [], delayMs } = {}) {
  const options = { deadlineMs: 3_000_000 };
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(
    t,
    dir,
    ["--families", "v5-linear", "--symbols", "2", "--rate", String(rate)],
    options
  );
  const between = await passage(t, server.url, delayMs);
  const args = [
    ...feedArgs({ ...server, url: between.url }, "v5-linear", TOPICS),
    ...SYMBOLS.flatMap((symbol) => ["--symbol", symbol]),
    "--lines",
    String(lines),
    ...more,
  ];
  const recorder = new Recorder(t, archive, [...args, "--commit-interval", "100ms"], options);
  await printed(recorder, ": subscribed to", lines);
  return { archive, between, recorder, args, truth: server.truth };
}

/** Wait until a recorder has printed a text so many times. */
export const printed = (recorder, text, times) =>
  recorder.prints({ test: (all) => all.split(text).length > times, exec: () => null });

/** A topic's frames in the tape. */
export async function framesOf(t, archive, topic) {
  const lines = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", topic]);
  return lines.map(({ data }) => JSON.parse(data));
}

/** Every delta of the books is there once, after one snapshot, and every trade once. */
export async function isWhole(t, archive) {
  for (const symbol of SYMBOLS) {
    const deltas = await framesOf(t, archive, `orderbook.50.${symbol}`);
    assert.equal(
      deltas.filter(({ type }) => type === "snapshot").length,
      1,
      `${symbol} ${JSON.stringify(deltas.map(({ type, data, ts }, i) => [i, type, data.u, ts]).filter(([, type]) => type === "snapshot"))}`
    );
    for (const [i, frame] of deltas.entries())
      if (i > 0) assert.equal(frame.data.u, deltas[i - 1].data.u + 1, `${symbol} ${i}`);
    const ids = (await framesOf(t, archive, `publicTrade.${symbol}`)).flatMap(({ data }) =>
      data.map(({ i }) => i)
    );
    assert.equal(new Set(ids).size, ids.length, symbol);
  }
}

/** A client of the tape gets each frame of a topic, over one connection. */
export async function isServedWhole(t, archive) {
  const topic = "orderbook.50.BTCUSDT";
  const { url, ca, program } = await listening(
    t,
    ["serve", "-a", archive, "--speed", "max", "--once"],
    temporary(t)
  );
  const client = new WebSocket(`${url}/v5/public/linear`, { ca: fs.readFileSync(ca) });
  const frames = [];
  client.on("message", (data) => frames.push(JSON.parse(data.toString())));
  await once(client, "open");
  client.send(JSON.stringify({ op: "subscribe", args: [topic] }));
  assert.equal((await once(client, "close"))[0], 1000);
  assert.equal((await program.ended).code, 0);
  const deltas = frames.filter((frame) => frame.topic === topic);
  assert.deepEqual(
    deltas.map(({ data }) => data.u),
    (await framesOf(t, archive, topic)).map(({ data }) => data.u)
  );
}
