// Another exchange is two documents, which --families adds. tests/venue/ has a made-up one, Harbor, with its own requests,
// answers, pings and frame numbers. A peer that shares no code with it sends frames, which are recorded, replayed, served, recorded
// again, and exported: the archive keeps the documents.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { importLines, listening, parseLines, run, temporary } from "../support/harness.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const FAMILIES = ["--families", "tests/venue"];
const MS = 1_795_154_400_000; // 2026-11-20T06:00:00Z
const PATH = "/v1/stream";

const book = (n, kind, bids, asks) =>
  JSON.stringify({
    channel: "book",
    market: "BTC-USD",
    n,
    at: MS + n,
    kind,
    payload: { bids, asks },
  });
const trade = (n, id, px) =>
  JSON.stringify({
    channel: "trades",
    market: "BTC-USD",
    n,
    at: MS + n,
    payload: [{ id, taker: "Buy", px, qty: "2" }],
  });
const BOOK = [
  book(
    1,
    "whole",
    [
      ["10", "1"],
      ["9", "2"],
    ],
    [["11", "3"]]
  ),
  book(2, "part", [["10", "0"]], [["12", "4"]]),
  book(3, "part", [["9.5", "1.25"]], []),
];
const TRADES = [trade(1, "a", "10.5"), trade(2, "b", "10.25"), trade(4, "d", "11")]; // 3 is lost
const FRAMES = { "book@BTC-USD": BOOK, "trades@BTC-USD": TRADES };

/** The peer: it answers each request, sends frames of the granted topics, and closes after a heartbeat. */
async function harbor(t, dir) {
  const sent = [];
  const granted = new Set();
  const server = await scriptedServer(t, dir, {
    message: (ws, { method, number, channels }) => {
      if (method === "HEARTBEAT") {
        ws.send('{"method":"ALIVE"}');
        if (granted.size === Object.keys(FRAMES).length) ws.close(1000);
        return;
      }
      const unknown = channels.find((channel) => FRAMES[channel] === undefined);
      ws.send(
        JSON.stringify(
          unknown === undefined
            ? { reply: number, code: 0 }
            : { reply: number, code: 404, why: `${unknown}: no such channel` }
        )
      );
      if (unknown !== undefined) return;
      for (const channel of channels) {
        granted.add(channel);
        for (const frame of FRAMES[channel]) {
          sent.push(frame);
          ws.send(frame);
        }
      }
    },
  });
  return { ...server, sent };
}

const record = (t, archive, server, ...more) =>
  run(t, "tapedeck-record", [
    "record",
    ...FAMILIES,
    "-a",
    archive,
    server.url + PATH,
    "--family",
    "harbor",
    "--ca-file",
    server.ca,
    "--topic",
    "book",
    "--topic",
    "trades",
    "--until-close",
    "--json",
    ...more,
  ]);

async function lines(t, archive, dir) {
  const { stdout } = await run(t, "tapedeck", ["cat", "-a", archive, "--dir", dir]);
  return parseLines(stdout);
}
/** The recorder's own events. */
async function events(t, archive) {
  const { stdout } = await run(t, "tapedeck", ["cat", "-a", archive, "--events"]);
  return parseLines(stdout)
    .filter((row) => row.dir === "event")
    .map((row) => JSON.parse(row.data));
}
const dataOf = async (t, archive) =>
  (await lines(t, archive, "in")).filter((row) => row.topic !== "_control").map((row) => row.data);

/** Send these requests to a server, and receive as many messages. */
function talk(t, server, requests, count) {
  const ws = new WebSocket(server.url + PATH, { ca: fs.readFileSync(server.ca) });
  t.after(() => ws.terminate());
  const got = [];
  return new Promise((resolve, reject) => {
    ws.on("error", reject);
    ws.on("open", () => requests.forEach((request) => ws.send(JSON.stringify(request))));
    ws.on("message", (bytes) => {
      got.push(JSON.parse(bytes));
      if (got.length === count) resolve(got);
    });
    ws.on("close", () => reject(new Error(`closed after ${JSON.stringify(got)}`)));
  });
}

test("a made-up exchange is recorded, replayed, served and exported", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const peer = await harbor(t, dir);

  await t.test("record: sends its requests, parses refusals, answers heartbeats", async () => {
    await record(t, archive, peer, "--symbol", "BTC-USD", "--symbol", "NOPE-USD");
    assert.deepEqual(await dataOf(t, archive), peer.sent);
    const asked = (await lines(t, archive, "out")).map((row) => JSON.parse(row.data));
    const subscriptions = asked
      .filter((request) => request.method === "SUBSCRIBE")
      .map((request) => request.channels);
    // At most two channels a request; the topics of a refused pair are then requested one by one.
    assert.deepEqual(
      subscriptions.flat().filter((channel) => channel === "book@BTC-USD").length,
      2,
      JSON.stringify(subscriptions)
    );
    assert.ok(subscriptions.every((channels) => channels.length <= 2));
    assert.ok(asked.some((request) => request.method === "HEARTBEAT"));
    const control = (await lines(t, archive, "in"))
      .filter((row) => row.topic === "_control")
      .map((row) => JSON.parse(row.data));
    assert.ok(
      control.every((answer) => answer.reply !== undefined || answer.method === "ALIVE"),
      JSON.stringify(control)
    );
    assert.ok(control.some((answer) => answer.code === 404));
    const of = await events(t, archive);
    const granted = of.filter((event) => event.event === "grant").map((event) => event.topic);
    const refused = of
      .filter((event) => event.event === "grant_end")
      .map((event) => event.topic)
      .filter((topic) => !granted.includes(topic));
    assert.deepEqual(granted.sort(), ["book.BTC-USD", "trades.BTC-USD"]);
    assert.deepEqual([...new Set(refused)].sort(), ["book.NOPE-USD", "trades.NOPE-USD"]);
  });

  await t.test("replay: decodes, keeps books, and finds the lost frame by its number", async () => {
    const { stdout } = await run(t, "tapedeck", ["replay", "-a", archive, "--json"], { status: 1 });
    const report = JSON.parse(stdout);
    assert.equal(report.decoded, BOOK.length + TRADES.length);
    assert.equal(report.undecoded, 0);
    assert.match(JSON.stringify(report), /seq_dense/);
    const messages = parseLines(
      (await run(t, "tapedeck", ["replay", "-a", archive, "--messages"], { status: 1 })).stdout
    );
    assert.deepEqual(
      messages
        .filter((m) => m.type === "trade")
        .map((m) => [m.seq, m.trades[0].trade_id, m.trades[0].price]),
      [
        [1, "a", "10.5"],
        [2, "b", "10.25"],
        [4, "d", "11"],
      ]
    );
  });

  await t.test("serve: a client receives what it subscribes to, byte for byte", async () => {
    const copy = path.join(dir, "copy");
    const args = ["serve", "-a", archive, "--feed", "harbor", "--speed", "max"];
    const once = await listening(t, [...args, "--once"], dir);
    await record(t, copy, once, "--symbol", "BTC-USD");
    assert.equal((await once.program.ended).code, 0);
    assert.deepEqual(await dataOf(t, copy), peer.sent);
    const server = await listening(t, args, dir);
    const answers = await talk(
      t,
      server,
      [
        { method: "HEARTBEAT" },
        { method: "SUBSCRIBE", number: "7", channels: ["book@NOPE-USD"] },
        { method: "DANCE", number: "8" },
      ],
      3
    );
    assert.deepEqual(answers, [
      { method: "ALIVE" },
      { reply: "7", code: 404, why: "book@NOPE-USD: no such channel" /* as recorded */ },
      { reply: "8", code: 404, why: "no such channel" },
    ]);
  });

  await t.test("export: writes the name of the exchange's row", async () => {
    const out = path.join(dir, "csv");
    await run(
      t,
      "tapedeck",
      ["export", "-q", "-a", archive, "--format", "tardis-csv", "--out", out],
      { status: null }
    );
    const files = fs
      .readdirSync(out)
      .filter((f) => f.endsWith(".csv.gz"))
      .sort();
    assert.deepEqual(
      files.map((f) => f.replace(/\d{4}-\d\d-\d\d/, "DATE")),
      ["book_snapshot_25", "book_snapshot_5", "incremental_book_L2", "quotes", "trades"].map(
        (type) => `harbor_${type}_DATE_BTC-USD.csv.gz`
      )
    );
    const rows = zlib
      .gunzipSync(fs.readFileSync(path.join(out, files[4])))
      .toString()
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
    assert.deepEqual(
      rows.map((row) => [row[0], row[1], row[2], ...row.slice(4)]),
      ["a", "b", "d"].map((id, i) => [
        "harbor",
        "BTC-USD",
        String((MS + [1, 2, 4][i]) * 1000),
        id,
        "buy",
        ["10.5", "10.25", "11"][i],
        "2",
      ])
    );
  });
});

test("decode and replay read the frames of a made-up exchange by the keys of its row", async (t) => {
  const dir = temporary(t);
  const weather = JSON.stringify({
    channel: "weather",
    market: "BTC-USD",
    n: 1,
    at: MS,
    payload: [],
  });
  const elsewhere = '{"topic":"weather.BTC-USD","data":[]}'; // another exchange's keys
  const inbound = [
    [BOOK[0], null],
    [TRADES[0], null],
    [weather, "unknown_topic"],
    [elsewhere, "no_topic"],
  ];
  const expected = [
    ["book_change", undefined],
    ["trade", undefined],
    ["raw", "unknown_topic"],
    ["raw", "no_topic"],
    ["control", undefined],
    ["request", undefined],
    ["raw", "no_topic"],
  ];
  const sent = JSON.stringify({
    ts: MS,
    dir: "out",
    data: '{"method":"SUBSCRIBE","number":"1","channels":[]}',
  });
  const control = ['{"reply":"1","code":0}', sent, '{"op":"subscribe","args":[]}'];
  fs.writeFileSync(
    path.join(dir, "lines"),
    [...inbound.map(([frame]) => frame), ...control].join("\n") + "\n"
  );
  const rows = parseLines(
    (
      await run(
        t,
        "tapedeck",
        ["decode", ...FAMILIES, "--family", "harbor", path.join(dir, "lines")],
        { status: 1 }
      )
    ).stdout
  );
  assert.deepEqual(
    rows.map((row) => [row.type, row.error?.reason]),
    expected
  );
  assert.equal(rows[2].error.topic, "weather");

  const capture = [
    "wss://test/ <-> 1795154400.0",
    ...inbound.map(([frame], i) => `${1795154401 + i}.0: ${frame}`),
  ];
  const archive = await importLines(t, capture, {
    families: "tests/venue",
    format: "cryptofeed",
    family: "harbor",
  });
  const report = JSON.parse(
    (await run(t, "tapedeck", ["replay", "-a", archive, "--json"], { status: 1 })).stdout
  );
  assert.equal(report.decoded, 2);
  assert.deepEqual(report.undecoded_by_reason, { no_topic: 1, unknown_topic: 1 });
});
