// Books whose snapshot comes over HTTP: a client of serve gets the state of the moment at which it asks, in the form of the
// exchange, and the deltas that it is sent continue it. The client keeps its books by the exchanges' documents.
import assert from "node:assert/strict";
import { once } from "node:events";
import path from "node:path";
import { describe } from "node:test";
import {
  eventually,
  json,
  listening,
  parseLines,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { recordUntil } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { sha1 } from "../support/level_book.mjs";

const { WebSocket } = npm("ws");

const binance = (stream) => ({
  ask: { method: "SUBSCRIBE", params: [stream], id: 1 },
  whole: (m) => ({ id: m.lastUpdateId, bids: m.bids, asks: m.asks }),
  delta: ({ data }) =>
    data && { id: data.u, before: data.pu ?? data.U - 1, bids: data.b, asks: data.a },
});
const FAMILIES = [
  {
    family: "binance-usdm",
    topic: "depth@100ms",
    url: "/stream",
    get: "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
    ...binance("btcusdt@depth@100ms"),
  },
  {
    family: "binance-spot",
    topic: "depth@100ms",
    url: "/stream",
    get: "/api/v3/depth?symbol=BTCUSDT&limit=5000",
    ...binance("btcusdt@depth@100ms"),
  },
  {
    family: "v5-linear",
    topic: "orderbook.full",
    url: "/v5/public/linear",
    get: "/v5/market/full_orderbook?category=linear&symbol=BTCUSDT",
    ask: { op: "subscribe", args: ["orderbook.full.BTCUSDT"] },
    whole: ({ result }) => ({ id: result.u, bids: result.b, asks: result.a }),
    delta: ({ data }) => data?.u && { id: data.u, before: data.u - 1, bids: data.b, asks: data.a },
  },
  {
    family: "bitstamp",
    topic: "diff_order_book",
    url: "/",
    get: "/api/v2/order_book/btcusd", // its only number is a time
    ask: { event: "bts:subscribe", data: { channel: "diff_order_book_btcusd" } },
    whole: (m) => ({ id: +m.microtimestamp, bids: m.bids, asks: m.asks }),
    delta: ({ event, data }) =>
      event === "data" && { id: +data.microtimestamp, bids: data.bids, asks: data.asks },
  },
];

/** The client's book at the end of the tape, and the reply that it began with, which it requests after so many frames of the tape. */
async function clientOf(t, tape, of, { from, seek, steps = 0 } = {}) {
  const server = await listening(
    t,
    ["serve", tape, "--plain", "--once", ...(from ? ["--from", from] : [])],
    temporary(t)
  );
  const base = server.url.replace("ws:", "http:"),
    post = (target) => fetch(`${base}/control/${target}`, { method: "POST" });
  const deltas = [];
  let reached = () => {};
  const ws = new WebSocket(server.url + of.url, { perMessageDeflate: false });
  const answered = new Promise((resolve) =>
    ws.on("message", (bytes) => {
      const delta = of.delta(JSON.parse(bytes));
      delta ? deltas.push(delta) : resolve();
      if (deltas.length === steps) reached();
    })
  );
  const closed = once(ws, "close");
  await once(ws, "open");
  await post("pause");
  ws.send(JSON.stringify(of.ask));
  await answered;
  if (steps > 0 || seek)
    await eventually(
      "the tape plays",
      async () => (await (await fetch(`${base}/control/status`)).json()).tapes.length > 0
    );
  if (seek) await post(`seek?to=${seek}`);
  const stepped = new Promise((resolve) => (reached = resolve));
  for (let n = 0; n < steps; n++) await post("step");
  if (steps > 0) await stepped;
  const response = await fetch(base + of.get);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  await post("speed?to=max");
  await post("resume");
  await closed;
  const whole = of.whole(JSON.parse(text));
  const book = {
    Buy: new Map(whole.bids.map((l) => l.map(Number))),
    Sell: new Map(whole.asks.map((l) => l.map(Number))),
  };
  let { id } = whole;
  const later = deltas.filter((delta) => delta.id > id);
  assert.ok(later.length > 20, `${later.length} deltas`);
  for (const [n, delta] of later.entries()) {
    if (delta.before !== undefined)
      assert.ok(
        n === 0 ? delta.before <= id : delta.before === id,
        `delta ${n}: ${JSON.stringify(delta).slice(0, 200)} after ${id}`
      );
    id = delta.id;
    for (const [side, levels] of [
      ["Buy", delta.bids],
      ["Sell", delta.asks],
    ])
      for (const [price, size] of levels)
        Number(size) === 0
          ? book[side].delete(Number(price))
          : book[side].set(Number(price), Number(size));
  }
  return { text, sha1: sha1(book), later: later.length, all: deltas.length };
}

describe("the state over HTTP", { concurrency: 2 }, () => {
  for (const of of FAMILIES)
    test(`${of.family}: a client that begins anywhere ends with replay's book`, async (t) => {
      const dir = temporary(t),
        tape = path.join(dir, "tape");
      const sim = await listening(
        t,
        ["sim", "--families", of.family, "--symbols", "1", "--rate", "200", "--seed", "5"],
        dir
      );
      const isEnough = (found) =>
        found.some((row) => row.fetched) &&
        found.length - found.findIndex((row) => row.fetched) > 500;
      await recordUntil(
        t,
        tape,
        [
          `${sim.url}${of.url}`,
          "--ca-file",
          sim.ca,
          "--family",
          of.family,
          "--topic",
          of.topic,
          "--symbol",
          of.family === "bitstamp" ? "btcusd" : "BTCUSDT",
        ],
        isEnough,
        ["--topic", of.topic]
      );
      await sim.program.kill("SIGTERM");
      const rows = parseLines((await tapedeck(t, ["cat", tape, "--topic", of.topic])).stdout);
      const fetched = rows.findIndex((row) => row.fetched);
      assert.ok(fetched >= 0 && rows.length - fetched > 60, `${fetched} of ${rows.length}`);
      const middle = String(rows[Math.floor((fetched + rows.length) / 2)].recv_ns);
      const {
        books: [{ levels_sha1: expected }],
      } = await json(t, ["replay", tape, "--json"], { status: null });

      const whole = await clientOf(t, tape, of);
      assert.deepEqual(
        [whole.sha1, whole.text],
        [expected, rows[fetched].data],
        "from the beginning: the recorded reply"
      );
      for (const where of [{ from: middle }, { seek: middle }, { from: middle, steps: 5 }]) {
        const { sha1: found, text, later, all } = await clientOf(t, tape, of, where);
        assert.deepEqual(
          [found, text === rows[fetched].data, all - later],
          [expected, false, where.steps ?? 0],
          JSON.stringify(where)
        );
      }
      for (const snapshots of ["made", "recorded"]) {
        const cut = path.join(dir, `${snapshots}.mcap`);
        await tapedeck(t, [
          "cut",
          "-q",
          tape,
          "--from",
          middle,
          "--snapshots",
          snapshots,
          "--out",
          cut,
        ]);
        assert.equal(
          (await clientOf(t, cut, of)).sha1,
          expected,
          `a cut with a ${snapshots} snapshot`
        );
      }
    });

  for (const of of FAMILIES.slice(0, 2))
    test(`${of.family}: a reply has at most the levels that its request asks for`, async (t) => {
      const dir = temporary(t),
        tape = path.join(dir, "tape");
      const sim = await listening(
        t,
        ["sim", "--families", of.family, "--symbols", "1", "--rate", "200", "--seed", "5"],
        dir
      );
      await recordUntil(
        t,
        tape,
        [
          `${sim.url}${of.url}`,
          "--ca-file",
          sim.ca,
          "--family",
          of.family,
          "--topic",
          of.topic,
          "--symbol",
          of.family === "bitstamp" ? "btcusd" : "BTCUSDT",
        ],
        (found) =>
          found.findIndex((row) => row.fetched) >= 0 &&
          found.length - found.findIndex((row) => row.fetched) > 100,
        ["--topic", of.topic]
      );
      await sim.program.kill("SIGTERM");
      const rows = parseLines((await tapedeck(t, ["cat", tape, "--topic", of.topic])).stdout);
      for (const from of [[], ["--from", String(rows.at(-20).recv_ns)]]) {
        // the recorded reply, and a made one
        const server = await listening(
          t,
          ["serve", tape, "--plain", "--hold", ...from],
          temporary(t)
        );
        const get = async (limit) =>
          (
            await fetch(server.url.replace("ws:", "http:") + of.get.replace(/&limit=.*/, limit))
          ).json();
        const all = await get(of.get.match(/&limit=.*/)[0]);
        assert.ok(
          all.bids.length > 20 && all.asks.length > 20,
          `${all.bids.length}, ${all.asks.length}`
        );
        // One that a reader would take for all levels of the side becomes a smaller one.
        for (const [asked, sent] of [
          ["5", 5],
          ["20", 20],
          ["7", 5],
          ["3", 3],
        ])
          assert.deepEqual(
            await get(`&limit=${asked}`),
            { ...all, bids: all.bids.slice(0, sent), asks: all.asks.slice(0, sent) },
            `limit ${asked}`
          );
        for (const other of ["", "&limit=0", "&limit=x", "&limit=100000"])
          assert.deepEqual(await get(other), all, other);
        await server.program.kill("SIGTERM");
      }
    });

  test("after a recorded disconnect it is the next recorded snapshot, because the state before it is not continued", async (t) => {
    const of = FAMILIES[0],
      dir = temporary(t),
      tape = path.join(dir, "tape");
    const sim = await listening(
      t,
      [
        "sim",
        "--families",
        of.family,
        "--symbols",
        "1",
        "--rate",
        "100",
        "--seed",
        "5",
        "--fault",
        "disconnect@300",
      ],
      dir
    );
    const isEnough = (found) =>
      found.some((row) => row.conn === 2 && row.fetched) &&
      found.filter((row) => row.conn === 2).length > 200;
    await recordUntil(
      t,
      tape,
      [
        `${sim.url}${of.url}`,
        "--ca-file",
        sim.ca,
        "--family",
        of.family,
        "--topic",
        of.topic,
        "--symbol",
        "BTCUSDT",
      ],
      isEnough,
      ["--topic", of.topic]
    );
    const rows = parseLines((await tapedeck(t, ["cat", tape, "--topic", of.topic])).stdout);
    const fetched = rows.filter((row) => row.fetched),
      second = rows.findIndex((row) => row.conn === 2);
    assert.ok(second > 0 && fetched.length >= 2, `${second}, ${fetched.length} snapshots`);
    const after = fetched.find((row) => row.conn === 2);
    const server = await listening(t, ["serve", tape, "--plain", "--hold", "--speed", "max"], dir);
    const get = async () => (await fetch(server.url.replace("ws:", "http:") + of.get)).text();
    const connect = async () => {
      const ws = new WebSocket(server.url + of.url, { perMessageDeflate: false });
      t.after(() => ws.terminate());
      const closed = once(ws, "close"),
        answer = once(ws, "message");
      await once(ws, "open");
      ws.send(JSON.stringify(of.ask));
      await answer;
      return { closed };
    };
    await (
      await connect()
    ).closed; // the tape waits for a client that connects again
    await fetch(`${server.url.replace("ws:", "http:")}/control/pause`, { method: "POST" });
    await connect();
    assert.equal(await get(), after.data);
  });
});

describe("before it subscribes, a client of the simulated exchange", { concurrency: 2 }, () => {
  for (const of of FAMILIES)
    test(`gets the present book of ${of.family}, and no delta from before it afterwards`, async (t) => {
      const dir = temporary(t);
      const args = ["sim", "--plain", "--families", of.family, "--rate", "500"];
      const server = await listening(t, args, dir);
      const reply = await fetch(server.url.replace("ws:", "http:") + of.get);
      assert.equal(reply.status, 200);
      const first = of.whole(await reply.json());
      assert.ok(first.bids.length > 0 && first.asks.length > 0);
      const ws = new WebSocket(server.url + of.url, { perMessageDeflate: false });
      t.after(() => ws.terminate());
      const isDelta = new Promise((resolve) =>
        ws.on("message", (bytes) => {
          const delta = of.delta(JSON.parse(bytes));
          if (delta) resolve(delta);
        })
      );
      await once(ws, "open");
      ws.send(JSON.stringify(of.ask));
      assert.ok((await isDelta).id > first.id);
    });
});
