// In every dialect serve sends a client the requested frames, byte for byte; the recorder is the client. The v5 tape is a real
// capture; the other tapes have made-up frames in the forms of docs/wire.md, so the expected frames are known without
// tapedeck.
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import {
  capture,
  FRAMES_MS as MS,
  importFrames,
  isRecorded,
  json,
  jsonLines,
  listening,
  rawFrames,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const V5 = "v5-2026-08-09.jsonl.gz";
const SECRET = { TEST_KEY: "a-test-key", TEST_SECRET: "a-test-secret" };
const AUTH = ["--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"];

/** Serve an archive and record it from there. Returns the new archive. */
async function recordServed(t, dir, source, { family, host, serve = [], record }) {
  const copy = path.join(dir, "copy");
  const server = await listening(
    t,
    ["serve", "-a", source, "--feed", family, "--speed", "max", "--once", ...serve],
    dir
  );
  await tapedeck(
    t,
    [
      "record",
      "-a",
      copy,
      `${server.url}${host}`,
      "--family",
      family,
      "--ca-file",
      server.ca,
      "--until-close",
      ...record,
    ],
    { env: SECRET }
  );
  const end = await server.program.ended;
  assert.equal(end.code, 0, end.stderr);
  return copy;
}

const received = (t, archive) => jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
// A recorder that receives data pings once a second: a recording that takes longer has pings, and their answers.
const isPing = ({ op, ping, pong }) =>
  op === "ping" || op === "pong" || ping !== undefined || pong !== undefined;
const requests = async (t, archive) =>
  (await rawFrames(t, archive, "out"))
    .map((line) => JSON.parse(line))
    .filter((request) => !isPing(request));

/** Data frames, in order. */
async function dataOf(t, archive) {
  const rows = await received(t, archive);
  const lines = await rawFrames(t, archive);
  assert.equal(lines.length, rows.length);
  return lines.filter((_, i) => rows[i].topic !== "_control");
}

const spot1 = (topic, params, symbol, v) =>
  JSON.stringify({
    symbol,
    symbolName: symbol,
    topic,
    params,
    data: [{ v: `${v}_1`, t: MS + v, p: "1.5", q: "2", m: true }],
    f: false,
    sendTime: MS + v,
  });
const spot2 = (topic, params, v) =>
  JSON.stringify({ topic, params, data: { v: `${v}`, t: MS + v, p: "1.5", q: "2", m: true } });

const CASES = [
  {
    family: "spot-v1",
    host: "/spot/quote/ws/v1",
    frames: [
      spot1("trade", { binary: "false" }, "AUSDT", 1),
      spot1("trade", { binary: "false" }, "BUSDT", 2),
      spot1("kline", { klineType: "1m", binary: "false" }, "AUSDT", 3),
      spot1("kline", { klineType: "5m", binary: "false" }, "AUSDT", 4),
      spot1("mergedDepth", { dumpScale: "1", binary: "false" }, "BUSDT", 5),
      spot1("trade", { binary: "false" }, "CUSDT", 6),
    ],
    record: [
      "--topic",
      "trade",
      "--topic",
      "kline.1m",
      "--topic",
      "mergedDepth.1",
      "--symbol",
      "AUSDT",
      "--symbol",
      "BUSDT",
    ],
    wanted: [0, 1, 2, 4],
    asked: [
      { symbol: "AUSDT,BUSDT", topic: "trade", event: "sub", params: { binary: false } },
      { symbol: "AUSDT,BUSDT", topic: "kline_1m", event: "sub", params: { binary: false } },
      {
        symbol: "AUSDT,BUSDT",
        topic: "mergedDepth",
        event: "sub",
        params: { dumpScale: 1, binary: false },
      },
    ],
  },
  {
    family: "spot-v2",
    host: "/spot/quote/ws/v2",
    frames: [
      spot2("trade", { symbol: "AUSDT", binary: "false", symbolName: "AUSDT" }, 1),
      spot2("kline", { symbol: "AUSDT", binary: "false", klineType: "1m", symbolName: "AUSDT" }, 2),
      spot2("trade", { symbol: "BUSDT", binary: "false", symbolName: "BUSDT" }, 3),
    ],
    record: ["--topic", "trade", "--topic", "kline.1m", "--symbol", "AUSDT"],
    wanted: [0, 1],
    asked: [
      { topic: "trade", event: "sub", params: { symbol: "AUSDT", binary: false } },
      { topic: "kline", event: "sub", params: { symbol: "AUSDT", klineType: "1m", binary: false } },
    ],
  },
  {
    family: "spot-private",
    host: "/spot/ws",
    frames: [
      JSON.stringify([
        {
          e: "executionReport",
          E: `${MS}`,
          s: "AUSDT",
          c: "1",
          S: "BUY",
          o: "LIMIT",
          q: "1",
          p: "2",
        },
      ]),
      JSON.stringify([
        { e: "ticketInfo", E: `${MS + 1}`, s: "AUSDT", q: "1", t: `${MS}`, p: "2", T: "5" },
      ]),
    ],
    serve: ["--secret", SECRET.TEST_SECRET],
    record: [...AUTH, "--topic", "executionReport"],
    wanted: [0, 1],
  },
  {
    family: "usdc-private",
    host: "/trade/option/usdc/private/v1",
    frames: [
      JSON.stringify({
        id: "a",
        topic: "user.openapi.perp.trade",
        creationTime: MS,
        data: { result: [], version: 1 },
      }),
      JSON.stringify({
        id: "b",
        topic: "user.service",
        creationTime: MS + 1,
        data: { version: 1 },
      }),
    ],
    serve: ["--secret", SECRET.TEST_SECRET],
    record: [...AUTH, "--topic", "user.service"],
    wanted: [1],
  },
  {
    family: "v5-private",
    host: "/v5/private",
    frames: [
      JSON.stringify({
        id: "a",
        topic: "order",
        creationTime: MS,
        data: [{ category: "spot", symbol: "AUSDT", orderId: "1" }],
      }),
      JSON.stringify({
        id: "b",
        topic: "execution.fast",
        creationTime: MS + 1,
        data: [{ category: "linear", symbol: "AUSDT" }],
      }),
      JSON.stringify({ id: "c", topic: "wallet", creationTime: MS + 2, data: [] }),
    ],
    serve: ["--secret", SECRET.TEST_SECRET],
    record: [...AUTH, "--topic", "order", "--topic", "wallet"],
    wanted: [0, 2],
  },
  {
    family: "v5-option",
    host: "/v5/public/option",
    frames: [
      JSON.stringify({
        topic: "tickers.A-1JAN27-5-C",
        ts: MS,
        type: "snapshot",
        id: "t",
        data: { symbol: "A-1JAN27-5-C" },
      }),
      JSON.stringify({
        topic: "tickers.A-1JAN27-6-C",
        ts: MS,
        type: "snapshot",
        id: "t",
        data: { symbol: "A-1JAN27-6-C" },
      }),
    ],
    record: ["--topic", "tickers", "--symbol", "A-1JAN27-6-C"],
    wanted: [1],
  },
];

describe("served and recorded", { concurrency: 2 }, () => {
  test("a v5 tape is served and recorded unchanged", { skip: withoutCapture(V5) }, async (t) => {
    const dir = temporary(t);
    const source = path.join(dir, "source");
    await tapedeck(t, [
      "import",
      "-a",
      source,
      "--format",
      "cryptofeed",
      "--family",
      "v5-linear",
      capture(V5),
    ]);
    const topics = [
      "orderbook.200",
      "publicTrade",
      "tickers",
      "kline.1",
      ...(isRecorded ? [] : ["kline.5"]),
    ].flatMap((topic) => ["--topic", topic]);
    const symbols = [
      "BTCUSDT",
      "ETHUSDT",
      ...(isRecorded ? ["SOLUSDT", "DOGEUSDT"] : ["EOSUSDT", "XRPUSDT"]),
    ].flatMap((symbol) => ["--symbol", symbol]);
    const copy = await recordServed(t, dir, source, {
      family: "v5-linear",
      host: "/v5/public/linear",
      record: [...topics, ...symbols],
    });
    const [was, is] = [
      await json(t, ["replay", "-a", source, "--json"]),
      await json(t, ["replay", "-a", copy, "--json"]),
    ];
    for (const key of ["payload", "messages", "books"])
      assert.equal(is.digest[key], was.digest[key], key);
    assert.equal(is.decoded, 962); // docs/wire.md: frames of the capture
    assert.equal(is.continuity.violations, 0);
    // All topics in one request: only contract v3 and v5 spot have a limit of ten (docs/wire.md 1.5).
    const asked = await requests(t, copy);
    assert.deepEqual(
      asked.map((request) => request.args.length),
      [(topics.length * symbols.length) / 4]
    );
    const control = (await received(t, copy))
      .filter(({ topic }) => topic === "_control")
      .map(({ data }) => JSON.parse(data));
    assert.equal(control.length, is.control);
    assert.equal(control.filter((answer) => !isPing(answer)).length, 1);
  });

  for (const one of CASES)
    test(`${one.family}: serve speaks its dialect`, async (t) => {
      const dir = temporary(t);
      const source = await importFrames(t, dir, one);
      const copy = await recordServed(t, dir, source, one);
      assert.deepEqual(
        await dataOf(t, copy),
        one.wanted.map((i) => one.frames[i])
      );
      if (one.asked) assert.deepEqual(await requests(t, copy), one.asked);
    });

  test("a wrong secret is refused with the exchange's text", async (t) => {
    const dir = temporary(t);
    const one = CASES.find((row) => row.family === "v5-private");
    const source = await importFrames(t, dir, one);
    const server = await listening(t, ["serve", "-a", source, "--secret", "another"], dir);
    const copy = path.join(dir, "copy");
    const end = await tapedeck(
      t,
      [
        "record",
        "-a",
        copy,
        `${server.url}${one.host}`,
        "--family",
        one.family,
        "--ca-file",
        server.ca,
        "--strict",
        ...AUTH,
        "--topic",
        "order",
      ],
      { env: SECRET, status: 4 }
    );
    assert.match(end.stderr, /Params Error/);
    assert.doesNotMatch(end.stderr, /a-test-/);
    assert.equal((await server.program.kill("SIGTERM")).code, 0);
  });
});
