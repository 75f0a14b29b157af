// Books whose snapshot is the reply to an HTTP request: it is fetched, recorded, and put under the deltas. Expected: a model of the
// book that shares no code with the programs, and the simulated exchange's own account.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import https from "node:https";
import { describe } from "node:test";
import zlib from "node:zlib";
import {
  eventsOf,
  eventually,
  json,
  jsonLines,
  jsonList,
  listening,
  manifestOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { printed } from "../support/lines.mjs";
import { acknowledge, scriptedServer } from "../support/scripted_server.mjs";

const { WebSocket } = npm("ws");

const TOPIC = "orderbook.full.BTCUSDT",
  EVERY_MS = 50;

const until = (is) => eventually(is, is);

/** What delta u changes: bids as [price, size]. */
const changes = (u) => [
  [60000 - (u % 10), u],
  ...(u % 3 === 0 ? [[60000 - ((u + 5) % 10), 0]] : []),
];

/** The bids after delta u of a run that began with delta 1, as "price x size", best first. */
function bidsAt(u) {
  const bids = new Map([[59000, 1]]);
  for (let n = 1; n <= u; n++)
    for (const [price, size] of changes(n)) size === 0 ? bids.delete(price) : bids.set(price, size);
  return [...bids].sort((a, b) => b[0] - a[0]).map(([price, size]) => [`${price}`, `${size}`]);
}

/** An exchange with one such book. answer(n, u): what the n-th HTTP request gets, at delta u: an HTTP status as text, an object, or
 * the u of the state that the snapshot has. `skip`: deltas that are not sent. `restart`: the delta after which u begins at 1 again. */
async function exchange(t, dir, { answer, skip = new Set(), restart = Infinity }) {
  let made = 100,
    requests = 0;
  const clients = new Set();
  const sentU = (n) => (n > restart ? n - restart : n);
  const timer = setInterval(() => {
    made++;
    const text = JSON.stringify({
      topic: TOPIC,
      type: "delta",
      ts: Date.now(),
      data: {
        s: "BTCUSDT",
        b: changes(made).map((level) => level.map(String)),
        a: [],
        u: sentU(made),
        seq: 1000 + made,
      },
      cts: Date.now(),
    });
    if (!skip.has(made)) for (const ws of clients) ws.send(text);
  }, EVERY_MS);
  t.after(() => clearInterval(timer));
  const server = await scriptedServer(t, dir, {
    message: (ws, request) => (acknowledge(ws, request), clients.add(ws)),
    page: (request, response) => {
      assert.equal(request.url, "/v5/market/full_orderbook?category=linear&symbol=BTCUSDT");
      const what = answer(++requests, made);
      if (typeof what === "object") return response.end(JSON.stringify(what));
      if (typeof what === "string") return response.writeHead(Number(what)).end("no");
      const result = {
        s: "BTCUSDT",
        b: bidsAt(what),
        a: [["61000", "1"]],
        ts: Date.now(),
        u: sentU(what),
        seq: 1000 + what,
        cts: Date.now(),
      };
      response.end(
        JSON.stringify({ retCode: 0, retMsg: "OK", result, retExtInfo: {}, time: Date.now() })
      );
    },
  });
  return { ...server, requests: () => requests };
}

async function recorded(t, options) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await exchange(t, dir, options);
  const recorder = new Recorder(t, archive, [
    `${server.url}/v5/public/linear`,
    "--family",
    "v5-linear",
    "--ca-file",
    server.ca,
    "--topic",
    TOPIC,
    "--commit-interval",
    "100ms",
  ]);
  return { archive, recorder, server, dir };
}

/** The archive's book after its last frame is that of the model. */
async function endsWithModel(t, archive, status = 0) {
  const [book] = (await json(t, ["replay", archive, "--json"], { status })).books;
  assert.equal(book.broken, false);
  const rows = await jsonLines(t, [
    "cat",
    "-a",
    archive,
    "--dir",
    "in",
    "--topic",
    "orderbook.full",
  ]);
  const deltas = rows.map(({ data }) => JSON.parse(data)).filter((frame) => frame.topic === TOPIC);
  const expected = bidsAt(deltas.at(-1).data.seq - 1000);
  assert.deepEqual(
    [book.best_bid, book.best_bid_size, book.bids],
    [...expected[0], expected.length]
  );
  return rows;
}

/** A client of the tape, as the exchange's documents tell clients to be: it keeps deltas until it has the snapshot, which it requests
 * some time after it has subscribed. Returns its bids after a delta. */
async function clientOf(t, archive, last, more) {
  const { url, ca, program } = await listening(
    t,
    ["serve", "-a", archive, "--speed", "4", "--hold", ...more],
    temporary(t)
  );
  const agent = new https.Agent({ ca: fs.readFileSync(ca) });
  const get = async (where) => {
    const request = https.get(`${url.replace("wss", "https")}${where}`, { agent });
    const [response] = await once(request, "response");
    let text = "";
    for await (const part of response.setEncoding("utf8")) text += part;
    return JSON.parse(text);
  };
  const client = new WebSocket(`${url}/v5/public/linear`, { ca: fs.readFileSync(ca) });
  const deltas = [];
  client.on("message", (data) => {
    const frame = JSON.parse(data.toString());
    assert.ok(frame.topic === TOPIC || frame.op === "subscribe", data.toString()); // the reply is not sent on the connection
    if (frame.topic === TOPIC) deltas.push(frame);
  });
  await once(client, "open");
  client.send(JSON.stringify({ op: "subscribe", args: [TOPIC] }));
  let snapshot;
  while (snapshot === undefined) {
    const from = deltas.length;
    await until(() => deltas.length > from + 5);
    const { result } = await get("/v5/market/full_orderbook?category=linear&symbol=BTCUSDT");
    if (result.u >= deltas[0].data.u - 1) snapshot = result;
  }
  await until(() => deltas.at(-1).data.seq === 1000 + last);
  const bids = new Map(snapshot.b);
  for (const { data } of deltas) {
    if (data.u <= snapshot.u) continue;
    for (const [price, size] of data.b) size === "0" ? bids.delete(price) : bids.set(price, size);
  }
  client.close();
  await program.kill("SIGTERM");
  return { bids: [...bids].sort((a, b) => b[0] - a[0]), snapshot, deltas };
}

describe("snapshots over HTTP", { concurrency: true }, () => {
  test("a request that fails is repeated; a snapshot that lags behind the stream is put under the deltas", async (t) => {
    const refusal = { retCode: 10001, retMsg: "no such symbol", result: {}, time: 1 };
    const { archive, recorder, dir } = await recorded(t, {
      answer: (n, u) => (n === 1 ? refusal : u - 20),
    });
    await recorder.prints(/not a snapshot[^]*no such symbol/);
    const events = async (state) =>
      (await eventsOf(t, archive, "http")).filter((row) => row.state === state);
    while ((await events("kept")).length === 0)
      await recorder.durableAfter(recorder.durableLines + 5);
    await eventually(
      "200 frames",
      async () => (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length > 200,
      recorder
    );
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual(
      (await events("failed")).map(({ code, cause }) => [code, cause]),
      [[200, "content"]]
    );
    const rows = await endsWithModel(t, archive);
    const fetched = rows.filter((row) => row.fetched);
    assert.equal(fetched.length, 1);
    assert.deepEqual(
      rows.map(({ ordinal }) => ordinal).slice(1),
      rows.map(({ ordinal }) => ordinal + 1).slice(0, -1)
    ); // one series of numbers
    await tapedeck(t, ["verify", archive]);

    // An export's rows, applied in order, make the same book; those before the snapshot are not exported.
    const out = path.join(dir, "out");
    await tapedeck(t, [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--type",
      "incremental_book_L2",
      "--topic",
      "orderbook.full",
      "--out",
      out,
    ]);
    const {
      files: [file],
    } = manifestOf(out);
    const bids = new Map();
    let isSnapshot = false;
    for (const line of zlib
      .gunzipSync(fs.readFileSync(path.join(out, file.name)))
      .toString()
      .trimEnd()
      .split("\n")
      .slice(1)) {
      const [, , , , snapshot, side, price, amount] = line.split(",");
      if (snapshot === "true" && !isSnapshot) bids.clear();
      isSnapshot = snapshot === "true";
      if (side === "bid")
        Number(amount) === 0 ? bids.delete(Number(price)) : bids.set(Number(price), Number(amount));
    }
    const last = JSON.parse(rows.at(-1).data).data.seq - 1000;
    assert.deepEqual(
      [...bids].sort((a, b) => b[0] - a[0]).map((level) => level.map(String)),
      bidsAt(last)
    );

    // A cut from after the snapshot has what its book needs, as recorded or made: without its checkpoint, too.
    const { books } = await json(t, ["replay", archive, "--json"]);
    for (const snapshots of ["recorded", "made"]) {
      const cut = path.join(dir, `${snapshots}.mcap`),
        lines = path.join(dir, `${snapshots}.jsonl`),
        plain = path.join(dir, snapshots);
      await tapedeck(t, [
        "cut",
        archive,
        "--out",
        cut,
        "--from",
        String(rows.at(-2).recv_ns),
        "--snapshots",
        snapshots,
      ]);
      assert.deepEqual((await json(t, ["replay", cut, "--json"])).books, books);
      const { stdout } = await tapedeck(t, ["cat", "-a", cut]);
      assert.deepEqual(
        [stdout.split('"dir":"http"').length, stdout.split('"fetched":true').length],
        [1, 2]
      );
      fs.writeFileSync(lines, stdout);
      await tapedeck(t, ["import", lines, "--format", "jsonl", "-a", plain]);
      assert.deepEqual(
        (await json(t, ["replay", plain, "--json"], { status: null })).books.map(
          ({ levels_sha1 }) => levels_sha1
        ),
        books.map(({ levels_sha1 }) => levels_sha1)
      );
    }
    assert.match((await tapedeck(t, ["drift", archive])).stdout, /no new findings/);

    // A client of the tape gets the deltas over its connection, and over HTTP a snapshot of the present state, also if its tape
    // begins in the middle, some 40 deltas before that of the recorded snapshot.
    const snapshotU = JSON.parse(fetched[0].data).result.u;
    const before = rows.filter((row) => {
      const u = row.fetched ? undefined : JSON.parse(row.data).data?.u;
      return u !== undefined && u < snapshotU;
    });
    const earlier = before.at(-40) ?? before[0];
    for (const more of [[], ["--from", String(earlier.recv_ns)]]) {
      const { bids, snapshot, deltas } = await clientOf(t, archive, last, more);
      assert.deepEqual(bids, bidsAt(last), more.join(" "));
      const of = snapshot.seq - 1000;
      assert.deepEqual(
        [snapshot.s, snapshot.b, snapshot.a, snapshot.u],
        ["BTCUSDT", bidsAt(of), [["61000", "1"]], of]
      );
      assert.ok(snapshot.u > deltas[0].data.u, "the recorded snapshot is older");
    }

    // Lines of `cat` can be imported.
    const lines = path.join(dir, "lines.jsonl"),
      again = path.join(dir, "again");
    fs.writeFileSync(lines, (await tapedeck(t, ["cat", "-a", archive])).stdout);
    await tapedeck(t, ["import", lines, "--format", "jsonl", "-a", again]);
    assert.deepEqual(
      (await json(t, ["replay", again, "--json"])).books.map(({ levels_sha1 }) => levels_sha1),
      (await json(t, ["replay", archive, "--json"])).books.map(({ levels_sha1 }) => levels_sha1)
    );
  });

  test("a snapshot that is older than the first delta is not used, and requested again", async (t) => {
    const { archive, recorder } = await recorded(t, {
      answer: (n, u) => (n === 1 ? 90 : n === 2 ? "404" : u),
    });
    await recorder.prints(/whole again/);
    await recorder.durableAfter(recorder.durableLines + 5);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.match(recorder.stderr, /no snapshot of orderbook.full.BTCUSDT: HTTP status 404/);
    await endsWithModel(t, archive, 1);
    const [gap, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      [gap.reason, gap.rule ?? gap.detail?.split(":")[0], more],
      ["sequence", "anchored", []]
    );
    assert.ok(
      gap.to_ns - gap.from_ns > 10e9 && gap.to_ns - gap.from_ns < 25e9,
      JSON.stringify(gap)
    );
    // replay finds the same time, as one row.
    const replay = await json(t, ["replay", archive, "--json"], { status: 1 });
    assert.deepEqual(
      replay.gaps.map((row) => [row.reason, row.cause, row.from_ns, row.to_ns]),
      [["sequence", "anchored", gap.from_ns, gap.to_ns]]
    );
  });

  test("after a lost delta, and when the exchange's service restarts, the snapshot is fetched again", async (t) => {
    const { archive, recorder, server } = await recorded(t, {
      answer: (n, u) => u - 5,
      skip: new Set([220]),
      restart: 300,
    });
    await printed(recorder, "whole again", 2);
    await recorder.durableAfter(recorder.durableLines + 5);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    await endsWithModel(t, archive, 1);
    assert.equal(server.requests(), 3);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map((gap) => [gap.reason, gap.detail.split(":")[0]]),
      [
        ["sequence", "seq_dense"],
        ["sequence", "anchored"],
      ]
    );
    assert.ok(gaps[0].to_ns - gaps[0].from_ns < 6e9, JSON.stringify(gaps));
  });

  test("another snapshot is fetched before the market leaves the levels that the first one shows", async (t) => {
    // Deltas of Binance USD-M, which replies with ten bids here: a number that clients ask for, so there may be more.
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      clients = new Set();
    let u = 100,
      best = 60000,
      requests = 0;
    const push = (bids) => {
      u++;
      const data = {
        e: "depthUpdate",
        E: Date.now(),
        T: Date.now(),
        s: "BTCUSDT",
        U: u,
        u,
        pu: u - 1,
        b: bids.map(([price, size]) => [`${price}`, `${size}`]),
        a: [],
      };
      for (const ws of clients) ws.send(JSON.stringify({ stream: "btcusdt@depth@100ms", data }));
    };
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => (
        ws.send(JSON.stringify({ result: null, id: request.id })),
        clients.add(ws)
      ),
      page: (request, response) => {
        assert.equal(request.url, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000");
        requests++;
        response.end(
          JSON.stringify({
            lastUpdateId: u,
            E: Date.now(),
            T: Date.now(),
            bids: Array.from({ length: 10 }, (_, i) => [`${best - i}`, "1"]),
            asks: [["61000", "1"]],
          })
        );
        if (requests === 1) for (let n = 0; n < 6; n++) push([[best--, 0]]); // four of ten are left
      },
    });
    const timer = setInterval(() => push([[best, 1]]), EVERY_MS);
    t.after(() => clearInterval(timer));
    const recorder = new Recorder(t, archive, [
      `${server.url}/stream`,
      "--family",
      "binance-usdm",
      "--ca-file",
      server.ca,
      "--topic",
      "depth@100ms.BTCUSDT",
      "--commit-interval",
      "100ms",
    ]);
    await until(() => requests === 2);
    await recorder.durableAfter(recorder.durableLines + 5);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const {
      verdict,
      books: [book],
      continuity,
    } = await json(t, ["replay", archive, "--json"]);
    assert.deepEqual(
      [verdict, book.broken, book.best_bid, book.bids],
      ["complete", false, `${best}`, 10]
    );
    assert.deepEqual([continuity.violations, requests], [0, 2]);
  });

  test("an exchange that refuses the host is not asked at once for the other books", async (t) => {
    const dir = temporary(t),
      times = [];
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => acknowledge(ws, request),
      page: (request, response) => (
        times.push(Date.now()),
        response.writeHead(403).end("Access too frequent")
      ),
    });
    const topics = ["BTCUSDT", "ETHUSDT", "XRPUSDT"].flatMap((symbol) => [
      "--topic",
      `orderbook.full.${symbol}`,
    ]);
    const recorder = new Recorder(t, path.join(dir, "tape"), [
      `${server.url}/v5/public/linear`,
      "--family",
      "v5-linear",
      "--ca-file",
      server.ca,
      ...topics,
    ]);
    await until(() => times.length === 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    // The recorder waits 5 s; a busy machine may hand over the first of two requests late.
    for (const [i, at] of times.slice(1).entries()) assert.ok(at - times[i] > 2500, `${times}`);
  });

  for (const lines of [1, 2])
    test(`the simulated exchange's books, over ${lines} ${lines === 1 ? "line" : "lines"}`, async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      const server = await simulator(t, dir, [
        "--families",
        "v5-linear,v5-spot,v5-inverse",
        "--symbols",
        "2",
        "--rate",
        "200",
      ]);
      const families = ["v5-linear", "v5-spot", "v5-inverse"];
      const config = path.join(dir, "feeds.yaml");
      fs.writeFileSync(
        config,
        `feeds:\n${families.map((family) => `  - family: ${family}\n    url: ${server.url}/v5/public/${family.slice(3)}\n    ca_file: ${server.ca}\n    lines: ${lines}\n    topics: [orderbook.full]\n    symbols: [${family === "v5-inverse" ? "BTCUSD, ETHUSD" : "BTCUSDT, ETHUSDT"}]\n`).join("")}`
      );
      const recorder = new Recorder(t, archive, ["-c", config, "--commit-interval", "100ms"]);
      const truths = () =>
        fs
          .readFileSync(server.truth, "utf8")
          .split("\n")
          .filter((line) => line.includes('"t":"book"'))
          .map((line) => JSON.parse(line));
      // Until the exchange has told four books of each symbol, all of them after the snapshot.
      const enough = (told) =>
        new Set(told.map(({ path, symbol }) => path + symbol)).size === 6 && told.length >= 6 * 4;
      while (!enough(truths())) await recorder.durableAfter(recorder.durableLines + 10);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
      const report = await json(t, ["replay", archive, "--json"]);
      assert.equal(report.verdict, "complete");
      assert.ok(
        report.books.length === 6 && report.books.every(({ broken }) => !broken),
        JSON.stringify(report.books)
      );
    });
});
