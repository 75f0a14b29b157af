// What sim answers to requests that an exchange refuses, in the exchange's words: the rows of the table in docs/sim.md
// ("Refusals"). The texts of its answers that are code must be members of the answer.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { describe } from "node:test";
import { FRAMES_MS as MS, importFrames, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const json = JSON.stringify;
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

const BROKEN = '{"a":';
const binance = (method, ...params) => json({ method, params, id: 1 });
const okx = (channel, instId) => json({ id: "1", op: "subscribe", args: [{ channel, instId }] });
const krakenV1 = (name, pair) =>
  json({ event: "subscribe", reqid: 1, pair: [pair], subscription: { name } });
const krakenV2 = (channel, symbol) =>
  json({ method: "subscribe", req_id: 1, params: { channel, symbol: [symbol] } });
const coinbase = (type, channel, product) => json({ type, channel, product_ids: [product] });
const deribit = (method, params) => json({ jsonrpc: "2.0", id: 1, method, params });
const deribitTopics = (...channels) => deribit("public/subscribe", { channels });
const bitstamp = (event, channel) => json({ event, data: { channel } });
const bybit = (op, ...args) => json({ req_id: "1", op, args });

const BINANCE = {
  path: "/stream",
  topic: binance("SUBSCRIBE", "btcusdt@aggTrade"),
  isGranted: (m) => m.result === null,
  requests: {
    "unknown topic": binance("SUBSCRIBE", "btcusdt@nosuch"),
    "unknown symbol": binance("SUBSCRIBE", "nosuch@aggTrade"),
    "not JSON": BROKEN,
    "unknown request": binance("DANCE"),
    "too many topics": binance("SUBSCRIBE", ...times(1025, (i) => `s${i}@aggTrade`)),
  },
};
const BYBIT_LOGIN = {
  path: "/v5/private",
  send: bybit("auth", "key", Date.now() + 60_000, "wrong"),
};

// By the names of the table. topic: a request that is granted; isGranted(answer); requests: by the names of the table, as a
// text, or {path, send} for another address.
const EXCHANGES = {
  "Binance spot": { ...BINANCE, families: "binance-spot" },
  "Binance futures": { ...BINANCE, families: "binance-usdm" },
  OKX: {
    families: "okx",
    path: "/ws/v5/public",
    topic: okx("trades", "BTC-USDT"),
    isGranted: (m) => m.event === "subscribe",
    requests: {
      "unknown topic": okx("nosuch", "BTC-USDT"),
      "unknown symbol": okx("trades", "NO-SUCH"),
      "not JSON": BROKEN,
      "unknown request": '{"op":"dance"}',
      "wrong login": {
        path: "/ws/v5/private",
        send: json({
          op: "login",
          args: [
            {
              apiKey: "key",
              passphrase: "p",
              timestamp: String(Math.floor(Date.now() / 1000)),
              sign: "wrong",
            },
          ],
        }),
      },
    },
  },
  "Kraken v1": {
    families: "kraken-v1",
    path: "/",
    topic: krakenV1("trade", "XBT/USD"),
    isGranted: (m) => m.status === "subscribed",
    requests: {
      "unknown topic": krakenV1("nosuch", "XBT/USD"),
      "unknown symbol": krakenV1("trade", "NO/SUCH"),
      "not JSON": BROKEN,
      "unknown request": '{"event":"dance"}',
    },
  },
  "Kraken v2": {
    families: "kraken-v2",
    path: "/v2",
    topic: krakenV2("trade", "BTC/USD"),
    isGranted: (m) => m.success === true,
    requests: {
      "unknown topic": krakenV2("nosuch", "BTC/USD"),
      "unknown symbol": krakenV2("trade", "NO/SUCH"),
      "not JSON": BROKEN,
      "unknown request": '{"method":"dance"}',
    },
  },
  Coinbase: {
    families: "coinbase-advanced",
    path: "/",
    topic: coinbase("subscribe", "market_trades", "BTC-USD"),
    isGranted: (m) => m.channel === "subscriptions",
    requests: {
      "unknown topic": coinbase("subscribe", "nosuch", "BTC-USD"),
      "unknown symbol": coinbase("subscribe", "market_trades", "NO-SUCH"),
      "not JSON": BROKEN,
      "unknown request": coinbase("dance", "market_trades", "BTC-USD"),
    },
  },
  Deribit: {
    families: "deribit",
    path: "/ws/api/v2",
    topic: deribitTopics("trades.BTC-PERPETUAL.raw"),
    isGranted: (m) => Array.isArray(m.result) && m.result.length > 0,
    isEmpty: (m) => Array.isArray(m.result) && m.result.length === 0,
    requests: {
      "unknown topic": deribitTopics("nosuch.BTC-PERPETUAL.raw"),
      "unknown symbol": deribitTopics("trades.NOSUCH.raw"),
      "not JSON": BROKEN,
      "unknown request": deribit("public/dance", {}),
      "too many topics": deribitTopics(...times(501, (i) => `trades.S${i}.raw`)),
      "wrong login": deribit("public/auth", {
        grant_type: "client_credentials",
        client_id: "key",
        client_secret: "wrong",
      }),
    },
  },
  Bitstamp: {
    families: "bitstamp",
    path: "/",
    topic: bitstamp("bts:subscribe", "live_trades_btcusd"),
    isGranted: (m) => m.event === "bts:subscription_succeeded",
    requests: {
      "unknown topic": bitstamp("bts:subscribe", "nosuch_btcusd"),
      "unknown symbol": bitstamp("bts:subscribe", "live_trades_nosuch"),
      "not JSON": BROKEN,
      "unknown request": bitstamp("bts:dance", "live_trades_btcusd"),
    },
  },
  "Bybit v5": {
    families: "v5-linear,v5-spot,v5-private",
    path: "/v5/public/linear",
    topic: bybit("subscribe", "publicTrade.BTCUSDT"),
    isGranted: (m) => m.success === true,
    requests: {
      "unknown topic": bybit("subscribe", "nosuch.BTCUSDT"),
      "unknown symbol": bybit("subscribe", "publicTrade.NOSUCH"),
      "not JSON": BROKEN,
      "unknown request": bybit("dance"),
      "too many topics": {
        path: "/v5/public/spot",
        send: bybit("subscribe", ...times(11, (i) => `orderbook.1.S${i}`)),
      },
      "wrong login": BYBIT_LOGIN,
    },
  },
};

/** The rows of the table: [exchanges, requests, answer]. */
function documented() {
  const page = fs.readFileSync("docs/sim.md", "utf8");
  const table = /\| exchange \| request \| answer \|\n\|[-|]+\|\n((?:\|.*\n)+)/.exec(page);
  assert.ok(table, "docs/sim.md has the table");
  return table[1]
    .trim()
    .split("\n")
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim())
    )
    .map(([exchanges, requests, answer]) => [exchanges.split(", "), requests.split(", "), answer]);
}

/** The code in a cell, without its quotes. */
const codeOf = (cell) => [...cell.matchAll(/(`+) ?(.+?) ?\1(?!`)/g)].map(([, , text]) => text);

/** All texts and numbers of an answer, as text. */
const valuesOf = (value) =>
  value !== null && typeof value === "object"
    ? Object.values(value).flatMap(valuesOf)
    : [String(value)];

/** Sends requests, one after the other's answer. Frames that are not answers are left out. */
class Client {
  constructor(t, url, isData) {
    this.ws = new WebSocket(url);
    this.waiting = [];
    t.after(() => this.ws.terminate());
    this.ws.on("message", (bytes) => {
      const frame = JSON.parse(bytes);
      if (!isData(frame)) this.waiting.shift()?.(frame);
    });
    this.ws.on("close", (code) => this.waiting.splice(0).forEach((got) => got({ closed: code })));
  }
  async ask(request) {
    if (this.ws.readyState === WebSocket.CONNECTING) await once(this.ws, "open");
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.ws.send(request);
    });
  }
}

const isData = (frame) =>
  Array.isArray(frame) ||
  frame.data?.microtimestamp !== undefined ||
  frame.data?.e !== undefined ||
  (frame.arg !== undefined && frame.data !== undefined) ||
  (frame.topic !== undefined && frame.data !== undefined) ||
  (frame.channel !== undefined &&
    (frame.data !== undefined || frame.channel === "market_trades") &&
    frame.event === undefined) ||
  frame.channel === "heartbeat" ||
  frame.event === "heartbeat" ||
  frame.event === "systemStatus" ||
  frame.channel === "status" ||
  frame.method === "subscription";

/** Check that an answer is as the table has it. */
function check(exchange, words, answer) {
  const about = `${json(answer)}, documented: ${words}`;
  if (words.startsWith("granted")) return assert.ok(exchange.isGranted(answer), about);
  if (words.startsWith("left out")) return assert.ok(exchange.isEmpty(answer), about);
  const values = valuesOf(answer);
  assert.ok(codeOf(words).length > 0, about);
  for (const text of codeOf(words)) assert.ok(values.includes(text), about);
}

describe("sim refuses in the words of the exchange", { concurrency: 2 }, () => {
  const rows = documented();
  const answerOf = (exchange, name) =>
    rows
      .filter(([exchanges, requests]) => exchanges.includes(exchange) && requests.includes(name))
      .map(([, , answer]) => answer);

  for (const [exchange, one] of Object.entries(EXCHANGES))
    test(exchange, async (t) => {
      const dir = temporary(t);
      const { url } = await listening(
        t,
        [
          "sim",
          "--plain",
          "--families",
          one.families,
          "--symbols",
          "2",
          "--rate",
          "1",
          "--secret",
          "s",
        ],
        dir
      );
      const client = new Client(t, url + one.path, isData);
      assert.ok(one.isGranted(await client.ask(one.topic)));
      for (const [name, request] of Object.entries({ ...one.requests, "topic again": one.topic })) {
        const words = answerOf(exchange, name);
        assert.equal(words.length, 1, `docs/sim.md has a row for ${exchange}, ${name}`);
        const other =
          request.path === undefined ? client : new Client(t, url + request.path, isData);
        check(one, words[0], await other.ask(request.send ?? request));
      }
    });

  test("the table has no other rows", () => {
    for (const [exchanges, requests] of rows)
      for (const exchange of exchanges)
        for (const name of requests)
          assert.ok(
            name === "topic again" || EXCHANGES[exchange]?.requests[name] !== undefined,
            `${exchange}, ${name}`
          );
  });
});

test("serve grants a topic that its tape lacks, as Binance does, and warns of the silent client", async (t) => {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, {
    family: "binance-spot",
    host: "/stream",
    frames: [
      json({
        stream: "btcusdt@aggTrade",
        data: {
          e: "aggTrade",
          E: MS,
          s: "BTCUSDT",
          a: 1,
          p: "1",
          q: "1",
          f: 1,
          l: 1,
          T: MS,
          m: true,
          M: true,
        },
      }),
    ],
  });
  const { program, url } = await listening(t, ["serve", "-a", archive, "--plain", "--hold"], dir);
  const client = new Client(t, url + "/stream", isData);
  assert.deepEqual(await client.ask(binance("SUBSCRIBE", "btcusdt@nosuch")), {
    result: null,
    id: 1,
  });
  client.ws.close();
  await program.prints(/btcusdt@nosuch/);
});
