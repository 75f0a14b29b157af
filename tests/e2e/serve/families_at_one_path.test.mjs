// serve and sim tell families of different hosts at one path apart by a client's first request. Expected: docs/serve.md,
// "Feeds at one path"; the frames are golden frames of the families.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { importFrames, json, listening, tapedeck, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const golden = (name) => fs.readFileSync(`tests/golden/${name}.json`, "utf8").trim();
const KRAKEN = golden("kraken-v1/trade"),
  BITSTAMP = golden("bitstamp/live_trades"),
  SPOT = golden("binance-spot/aggTrade"),
  USDM = golden("binance-usdm/aggTrade"),
  MARK = golden("binance-usdm/markPrice");

/** An archive with a feed of each family. */
async function archiveOf(t, dir, families) {
  let archive;
  for (const [family, ...frames] of families)
    archive = await importFrames(t, dir, { family, host: "/", frames });
  return archive;
}

/** Send these requests, each once the one before is answered; returns what comes until `count` messages are there. */
async function ask(t, url, requests, count) {
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  const messages = [];
  socket.on("message", (data) => messages.push(data.toString()));
  await once(socket, "open");
  for (const request of requests) {
    socket.send(request);
    await once(socket, "message");
  }
  while (messages.length < count) await once(socket, "message");
  socket.close();
  await once(socket, "close");
  return messages;
}

test("a request's form chooses between exchanges at one path", async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, [
    ["kraken-v1", KRAKEN],
    ["bitstamp", BITSTAMP],
  ]);
  const { url, program } = await listening(t, ["serve", archive, "--plain", "--hold"], dir);
  await program.prints(
    /feeds kraken-v1 and bitstamp are both at \/: a client's first request tells which it means/
  );
  for (const [request, answer, frame] of [
    [
      '{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"trade"}}',
      /"status":"subscribed"/,
      KRAKEN,
    ],
    [
      '{"event":"bts:subscribe","data":{"channel":"live_trades_btcusd"}}',
      /bts:subscription_succeeded/,
      BITSTAMP,
    ],
  ]) {
    const [first, second] = await ask(t, url + "/", [request], 2);
    assert.match(first, answer);
    assert.equal(second, frame);
  }
  // no request of either: the client is of neither, with a line in the log
  await ask(t, url + "/", ['{"op":"subscribe","args":["trade"]}'], 1);
  await program.prints(
    /it first asked {"op":"subscribe","args":\["trade"\]}; feeds kraken-v1, bitstamp are at \/: which one is meant is not clear; tapedeck serve --feed chooses/
  );
});

test("topics choose between families of one exchange, and what both have is refused", async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, [
    ["binance-spot", SPOT],
    ["binance-usdm", USDM, MARK],
  ]);
  const { url, program } = await listening(t, ["serve", archive, "--plain", "--hold"], dir);
  await program.prints(
    /feeds binance-spot and binance-usdm are both at \/stream, and both have aggTrade.BTCUSDT: .*--feed chooses one/
  );
  const subscribe = (...topics) => JSON.stringify({ method: "SUBSCRIBE", params: topics, id: 1 });
  const AGG = "btcusdt@aggTrade",
    PRICE = "btcusdt@markPrice";
  const refused =
    /^{"error":{"code":2,"msg":"feeds binance-spot, binance-usdm are at \/stream: .*--feed/;

  const [first] = await ask(t, url + "/stream", [subscribe(AGG)], 1);
  assert.match(first, refused);
  for (const requests of [[subscribe(AGG, PRICE)], [subscribe(AGG), subscribe(PRICE, AGG)]]) {
    const got = (await ask(t, url + "/stream", requests, requests.length + 2)).slice(-3);
    assert.match(got[0], /"result":null/);
    assert.deepEqual(got.slice(1), [USDM, MARK]);
  }

  const byUrl = await ask(t, `${url}/stream?streams=${PRICE}/${AGG}`, [], 2);
  assert.deepEqual(byUrl, [USDM, MARK]);
  const socket = new WebSocket(`${url}/ws/${AGG}`);
  const [error] = await once(socket, "error");
  assert.match(error.message, /400/);
  await program.prints(
    /a client was refused \(400\): feeds binance-spot, binance-usdm are at \/ws: /
  );

  const one = await listening(
    t,
    ["serve", archive, "--feed", "binance-spot", "--plain", "--hold"],
    dir
  );
  assert.deepEqual(await ask(t, `${one.url}/stream?streams=${AGG}`, [], 1), [SPOT]);
});

test("two feeds of one family with the same topic are a warning", async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, [["bitstamp", BITSTAMP]]);
  const file = `${archive}.capture`;
  await tapedeck(t, [
    ...["import", "-a", archive, "--format", "cryptofeed"],
    ...["--family", "bitstamp", "--feed", "again", file],
  ]);
  const { program } = await listening(t, ["serve", archive, "--plain", "--hold"], dir);
  await program.prints(
    /feeds bitstamp and again both have live_trades.btcusd: .* the frames of both; --feed chooses one/
  );
});

test("sim answers each exchange at one path in its words", async (t) => {
  const families = "kraken-v1,bitstamp,coinbase-advanced";
  const { rows } = await json(t, ["sim", "--list", "--families", families, "--json"]);
  const symbolOf = (of) => rows.find(({ family, kind }) => family === of && kind === "symbol").name;
  const { url } = await listening(
    t,
    ["sim", "--plain", "--families", families, "--symbols", "1"],
    temporary(t)
  );
  for (const [request, words] of [
    [
      `{"event":"subscribe","pair":["${symbolOf("kraken-v1")}"],"subscription":{"name":"trade"}}`,
      /"status":"subscribed"/,
    ],
    [
      `{"event":"bts:subscribe","data":{"channel":"live_trades_${symbolOf("bitstamp")}"}}`,
      /"event":"bts:subscription_succeeded"/,
    ],
    [
      `{"type":"subscribe","product_ids":["${symbolOf("coinbase-advanced")}"],"channel":"ticker"}`,
      /"channel":"subscriptions"/,
    ],
  ]) {
    const got = await ask(t, url + "/", [request], 2);
    assert.ok(
      got.some((message) => words.test(message)),
      got.join("\n")
    );
  }
});
