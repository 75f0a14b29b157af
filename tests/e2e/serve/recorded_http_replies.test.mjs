// serve answers HTTP requests with the replies that were recorded beside a feed, by path and query, at the tape's time. This
// file has the HTTP server, so each reply is known.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import {
  eventsOf,
  eventually,
  json,
  jsonLines,
  listening,
  Program,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { recordUntil } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const { RestClientV5 } = npm("bybit-api");
const PATH = "/v5/public/linear";
const TOPIC = "publicTrade.BTCUSDT";
const BIG = "x".repeat(300_000);
const T0 = 1_600_000_000_000;
const TIMES = {
  time: T0,
  result: { timeSecond: `${T0 / 1000}`, timeNano: `${T0}000000`, launchTime: `${T0}` },
};

/** A server whose n-th reply to a URL has the number n; asked(path, n) waits for the n-th request of a path. */
async function numberedReplies(t) {
  const seen = new Map(),
    waiting = [];
  const server = http.createServer((request, response) => {
    const n = (seen.get(request.url) ?? 0) + 1;
    seen.set(request.url, n);
    response.end(JSON.stringify({ url: request.url, n, BIG, ...TIMES }));
    for (const one of waiting) if (request.url.startsWith(one.path) && n === one.n) one.resolve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const asked = (path, n) => new Promise((resolve) => waiting.push({ path, n, resolve }));
  return { base: `http://127.0.0.1:${server.address().port}`, asked };
}

test("serve sends the recorded HTTP reply of the tape's time, for parameters in any order", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const { base: replies, asked } = await numberedReplies(t);
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear", "--symbols", "1", "--rate", "100"],
    dir
  );
  const recorder = new Program(t, "tapedeck", [
    "record",
    "-a",
    archive,
    `${sim.url}${PATH}`,
    "--family",
    "v5-linear",
    "--ca-file",
    sim.ca,
    "--topic",
    TOPIC,
    "--http",
    `instruments@2s=${replies}/v5/market/instruments-info?category=linear&limit=1000`,
    "--http",
    `time@60s=${replies}/v5/market/time`,
    "--commit-interval",
    "100ms",
  ]);
  await recorder.until(asked("/v5/market/instruments-info", 3)); // the second reply has arrived
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const rows = (await jsonLines(t, ["cat", "-a", archive, "--dir", "http"])).filter(
    (row) => row.topic === "http.instruments"
  );
  const lastNs = (await jsonLines(t, ["cat", "-a", archive, "--topic", "publicTrade"])).at(
    -1
  ).recv_ns;
  const latest = rows.filter((row) => row.recv_ns < lastNs).length;
  assert.ok(latest >= 2, `${latest}`);
  const { url } = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--hold", "--speed", "max"],
    dir
  );
  const base = url.replace("ws:", "http:");
  const get = async (target) => (await fetch(base + target)).json();
  const post = (target) => fetch(base + target, { method: "POST" });
  const first = {
    url: "/v5/market/instruments-info?category=linear&limit=1000",
    n: 1,
    BIG,
    ...TIMES,
  };
  // Before a tape plays it is the first reply; later the latest reply before the last sent frame.
  assert.deepEqual(await get("/v5/market/instruments-info?category=linear&limit=1000"), first);
  assert.deepEqual(await get("/v5/market/instruments-info?limit=1000&category=linear"), first);
  assert.equal((await get("/v5/market/time")).n, 1);
  for (const other of [
    "/v5/market/instruments-info",
    "/v5/market/instruments-info?category=linear",
    "/v5/market/instruments-info?category=linear&limit=1000&x=1",
    "/v5/market/tickers",
  ])
    assert.equal((await fetch(base + other)).status, 404, other);
  const ws = new WebSocket(`${url}${PATH}`, { perMessageDeflate: false });
  t.after(() => ws.terminate());
  ws.on("open", () => ws.send(JSON.stringify({ op: "subscribe", args: [TOPIC] })));
  await eventually(
    "the tape is at its end",
    async () => (await get("/control/status")).tapes[0]?.at_end
  );
  assert.equal((await get("/v5/market/instruments-info?category=linear&limit=1000")).n, latest);
  // Back at the first reply, which is the only one at that time.
  await post("/control/pause");
  await post(`/control/seek?to=%2B1s`);
  await post("/control/step");
  assert.equal((await get("/v5/market/instruments-info?category=linear&limit=1000")).n, 1);

  // A cut of the archive's last part also has the HTTP replies from before its start; so has a cut
  // of that cut.
  const from = String(rows[1].recv_ns + 1_000_000);
  const cuts = ["cut.mcap", "again.mcap"].map((name) => path.join(dir, name));
  const made = await json(t, [
    "cut",
    archive,
    "-o",
    cuts[0],
    "--topic",
    "publicTrade",
    "--from",
    from,
    "--json",
  ]);
  assert.equal(made.reply_frames, 2, JSON.stringify(made));
  await tapedeck(t, ["cut", cuts[0], "-o", cuts[1], "--topic", "publicTrade"]);
  for (const file of cuts) {
    await tapedeck(t, ["verify", file]);
    const kept = (await eventsOf(t, file, "http"))
      .filter((event) => event.from_ns !== undefined)
      .map((event) => [event.what, event.from_ns < Number(from)]);
    assert.deepEqual(
      kept,
      [
        ["instruments", true],
        ["time", true],
      ],
      file
    );
    const of = await listening(t, ["serve", file, "--plain"], dir);
    const answer = async (target) => (await fetch(of.url.replace("ws:", "http:") + target)).json();
    assert.equal(
      (await answer("/v5/market/instruments-info?limit=1000&category=linear")).n,
      2,
      file
    );
    assert.equal((await answer("/v5/market/time")).n, 1, file);
  }

  // The server's time is later by the time between the requests.
  const rebased = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--rebase-time", "now"],
    dir
  );
  const text = await (await fetch(`${rebased.url.replace("ws:", "http:")}/v5/market/time`)).text();
  const { time, result } = JSON.parse(text);
  const later = time - TIMES.time;
  assert.ok(later >= 1000 && later < 300_000 && later % 1000 === 0, text);
  assert.deepEqual(result, {
    timeSecond: String((TIMES.time + later) / 1000),
    timeNano: `${TIMES.time + later}000000`,
    launchTime: TIMES.result.launchTime,
  });
});

test("record --http-preset sends its requests to the recorded server, not to the exchange; bybit-api gets the replies from serve", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear", "--symbols", "1", "--rate", "50"],
    dir
  );
  const args = [
    `${sim.url}${PATH}`,
    "--family",
    "v5-linear",
    "--ca-file",
    sim.ca,
    "--topic",
    TOPIC,
    "--http-preset",
    "bybit-api",
  ];
  await recordUntil(t, archive, args, (rows) => rows.length > 0, ["--dir", "http"]);
  const [row] = await jsonLines(t, ["cat", "-a", archive, "--dir", "http"]);
  const { url } = await listening(t, ["serve", "-a", archive, "--plain"], dir);
  const client = new RestClientV5({ baseUrl: url.replace("ws:", "http:") });
  assert.deepEqual((await client.getServerTime()).result, JSON.parse(row.data).result);
});
