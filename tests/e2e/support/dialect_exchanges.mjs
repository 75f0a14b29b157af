// Exchanges that speak each dialect of docs/wire.md 1 to 1.5, for tests of the recorder. They share no code with wire/: this
// file parses requests and writes answers and frames itself.
import { createHmac } from "node:crypto";
import { scriptedServer } from "./scripted_server.mjs";

const CONN = "5ae2a1fb-0000-4000-8000-000000000001";
const json = JSON.stringify;

export const KEY = "k3yK3Yk3yK3Yk3y";
export const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3t";
export const CREDENTIALS = ["--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"];
export const ENV = { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } };

/** The exchange's signature with the secret (docs/wire.md 1.1). */
export const signature = (expires) =>
  createHmac("sha256", SECRET).update(`GET/realtime${expires}`).digest("hex");

// How a dialect reads requests and words answers. topics(request): the requested topics, as the recorder's configuration
// writes it, or null if the request is not about topics; answer(request, refused): refused is a reason or undefined.
const op = {
  topics: (r) => (r.op === "subscribe" ? r.args : null),
  answer: (r, refused) =>
    json({ success: !refused, ret_msg: refused ?? "", conn_id: CONN, request: r }),
  auth: (r, refused) =>
    json({
      success: !refused,
      ret_msg: refused ?? "",
      conn_id: CONN,
      request: { ...r, args: r.args.map(String) },
    }),
};
const v3 = {
  topics: op.topics,
  answer: (r, refused) =>
    json({
      success: !refused,
      ret_msg: refused ?? "",
      conn_id: CONN,
      req_id: r.req_id ?? "",
      op: r.op,
    }),
};
const spotV3 = {
  topics: op.topics,
  answer: (r, refused) =>
    json({
      op: r.op,
      success: !refused,
      ...(r.req_id && { req_id: r.req_id }),
      ret_msg: refused ?? r.op,
      conn_id: CONN,
    }),
};
const v5Spot = {
  topics: op.topics,
  answer: (r, refused) =>
    json({
      success: !refused,
      ret_msg: refused ?? "subscribe",
      conn_id: CONN,
      ...(r.req_id && { req_id: r.req_id }),
      op: r.op,
    }),
};
const v5Private = {
  topics: op.topics,
  answer: (r, refused) =>
    json({
      ...(r.req_id && { req_id: r.req_id }),
      success: !refused,
      ret_msg: refused ?? "",
      op: r.op,
      conn_id: CONN,
    }),
  auth: (r, refused) =>
    json({ success: !refused, ret_msg: refused ? "Params Error" : "", op: "auth", conn_id: CONN }),
};
const command = (id) => ({
  topics: op.topics,
  answer: (r, refused, failed = []) =>
    json({
      ...(r[id] && { [id]: r[id] }),
      success: !refused,
      conn_id: CONN,
      data: {
        failTopics: refused ? r.args : failed,
        successTopics: refused ? [] : r.args.filter((a) => !failed.includes(a)),
      },
      type: "COMMAND_RESP",
    }),
  auth: (r, refused) =>
    json({
      success: !refused,
      ret_msg: refused ? "3303006" : "0",
      conn_id: CONN,
      type: "AUTH_RESP",
    }),
});
// In v1 a candle's topic has the interval, and the answer has `binary` as a string.
const spotTopic = (r, symbol) => {
  const [name, interval] = r.topic.split("_");
  const parameter = interval ?? r.params.klineType ?? r.params.dumpScale;
  return [name, ...(parameter === undefined ? [] : [parameter]), symbol].join(".");
};
const spotAnswer = (r, refused) =>
  refused
    ? json({ code: "-100010", desc: refused })
    : json({
        ...r,
        params: { ...r.params, binary: String(r.params.binary) },
        code: "0",
        msg: "Success",
      });
const spot = {
  topics: (r) => (r.event === "sub" ? r.symbol.split(",").map((s) => spotTopic(r, s)) : null),
  answer: spotAnswer,
};
const spotV2 = {
  topics: (r) => (r.event === "sub" ? [spotTopic(r, r.params.symbol)] : null),
  answer: spotAnswer,
};
const spotPrivate = {
  topics: () => null,
  auth: (_r, refused) => json({ auth: refused ? "fail" : "success" }),
};

/** Families: where their clients connect, how they speak, how a recorder of them is configured, and frames of theirs with
 * made-up values. `wanted` are the topics that it must request; requests: how many requests that takes. */
export const FAMILIES = {
  inverse: {
    path: "/realtime",
    speaks: op,
    args: ["--topic", "trade", "--symbol", "BTCUSD", "--symbol", "EOSUSD"],
    wanted: ["trade.BTCUSD", "trade.EOSUSD"],
    requests: 1,
    frames: [
      '{"topic":"trade.BTCUSD","data":[{"trade_time_ms":1618666000001,"timestamp":"2021-04-17T13:26:40.000Z","symbol":"BTCUSD","side":"Buy","size":1,"price":60000.5,"tick_direction":"ZeroPlusTick","trade_id":"00000000-0000-4000-8000-000000000001","cross_seq":5938950001}]}',
    ],
  },
  linear: {
    path: "/realtime_private",
    speaks: op,
    auth: "op",
    args: ["--topic", "position"],
    wanted: ["position"],
    requests: 1,
    frames: [
      '{"topic":"position","action":"update","data":[{"user_id":"1","symbol":"BTCUSDT","size":0.1,"side":"Buy","position_seq":"0"}]}',
    ],
  },
  copytrade: {
    path: "/realtime_private",
    speaks: op,
    auth: "op",
    args: ["--topic", "copyTradeWallet", "--topic", "copyTradeOrder"],
    wanted: ["copyTradeWallet", "copyTradeOrder"],
    requests: 1,
    frames: ['{"topic":"copyTradeWallet","data":{"walletBalance":"10.5","availableBalance":"9"}}'],
  },
  "usdc-option": {
    path: "/trade/option/usdc/public/v1",
    speaks: command("id"),
    args: ["--topic", "recenttrades.BTC", "--topic", "orderbook25.BTC-31DEC21-36000-P"],
    wanted: ["recenttrades.BTC", "orderbook25.BTC-31DEC21-36000-P"],
    requests: 1,
    frames: [
      '{"id":"recenttrades.BTC-118388-1636510323022","topic":"recenttrades.BTC","creationTime":1636510323022,"data":{"trades":[]}}',
    ],
  },
  "usdc-private": {
    path: "/trade/option/usdc/private/v1",
    speaks: command("id"),
    auth: "op",
    args: ["--topic", "user.openapi.option.order"],
    wanted: ["user.openapi.option.order"],
    requests: 1,
    frames: [
      '{"id":"0f3a","topic":"user.openapi.option.order","creationTime":1636510323022,"data":{"result":[],"version":1,"baseLine":1,"dataType":"NEW"}}',
    ],
  },
  "spot-v1": {
    path: "/spot/quote/ws/v1",
    speaks: spot,
    args: ["--topic", "trade", "--topic", "kline.1m", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT"],
    wanted: ["trade.BTCUSDT", "trade.ETHUSDT", "kline.1m.BTCUSDT", "kline.1m.ETHUSDT"],
    requests: 2,
    pings: true,
    frames: [
      '{"symbol":"BTCUSDT","symbolName":"BTCUSDT","topic":"trade","params":{"realtimeInterval":"24h","binary":"false"},"data":[{"v":"2290000000003000001","t":1618666000001,"p":"60000.5","q":"0.1","m":true}],"f":true,"sendTime":1618666000002}',
    ],
  },
  "spot-v2": {
    path: "/spot/quote/ws/v2",
    speaks: spotV2,
    args: ["--topic", "depth", "--topic", "kline.1m", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT"],
    wanted: ["depth.BTCUSDT", "depth.ETHUSDT", "kline.1m.BTCUSDT", "kline.1m.ETHUSDT"],
    requests: 4,
    pings: true,
    frames: [
      '{"topic":"depth","params":{"symbol":"BTCUSDT","binary":"false","symbolName":"BTCUSDT"},"data":{"s":"BTCUSDT","t":1618666000001,"v":"112801745_18","b":[["60000.5","1"]],"a":[["60001","2"]]}}',
    ],
  },
  "spot-v3": {
    path: "/spot/public/v3",
    speaks: spotV3,
    args: ["--topic", "trade", "--symbol", "BTCUSDT"],
    wanted: ["trade.BTCUSDT"],
    requests: 1,
    frames: [
      '{"data":{"v":"2100000000001992711","t":1663000001200,"p":"1703.55","q":"0.025","m":true},"type":"delta","topic":"trade.BTCUSDT","ts":1663000001207}',
    ],
  },
  "spot-private": {
    path: "/spot/ws",
    speaks: spotPrivate,
    auth: "op",
    args: [],
    wanted: [],
    requests: 0,
    pings: true,
    frames: [
      '[{"e":"outboundAccountInfo","E":"1618666000001","T":true,"W":true,"D":true,"B":[{"a":"USDT","f":"10.5","l":"0"}]}]',
    ],
  },
  "contract-v3": {
    path: "/contract/usdt/public/v3",
    speaks: v3,
    args: ["--topic", "publicTrade", "--symbol", "BTCUSDT"],
    wanted: ["publicTrade.BTCUSDT"],
    requests: 1,
    frames: [
      '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486151,"data":[{"T":1672304486152,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-586b9a13d25e","BT":false}]}',
    ],
  },
  "v5-linear": {
    path: "/v5/public/linear",
    speaks: v3,
    args: ["--topic", "orderbook.50", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT"],
    wanted: ["orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"],
    requests: 1,
    frames: [
      '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484481,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484485}',
    ],
  },
  "v5-spot": {
    path: "/v5/public/spot",
    speaks: v5Spot,
    args: ["--topic", "publicTrade", "--symbol", "BTCUSDT"],
    wanted: ["publicTrade.BTCUSDT"],
    requests: 1,
    frames: [
      '{"topic":"publicTrade.BTCUSDT","ts":1672304486151,"type":"snapshot","data":[{"i":"2290000000003000001","T":1672304486152,"p":"16578.5","v":"0.001","S":"Buy","seq":1,"s":"BTCUSDT","BT":false,"RPI":false}]}',
    ],
  },
  "v5-option": {
    path: "/v5/public/option",
    speaks: command("req_id"),
    args: ["--topic", "orderbook.25", "--symbol", "BTC-27JUN25-90000-C"],
    wanted: ["orderbook.25.BTC-27JUN25-90000-C"],
    requests: 1,
    frames: [
      '{"topic":"orderbook.25.BTC-27JUN25-90000-C","ts":1672304484481,"type":"snapshot","id":"orderbook.25.BTC-27JUN25-90000-C-1-1672304484481","data":{"s":"BTC-27JUN25-90000-C","b":[["10","1"]],"a":[["11","2"]],"u":5,"seq":1}}',
    ],
  },
  "v5-private": {
    path: "/v5/private",
    speaks: v5Private,
    auth: "op",
    args: ["--topic", "order", "--topic", "wallet"],
    wanted: ["order", "wallet"],
    requests: 1,
    frames: [
      '{"id":"592324fa945a30-2603-49a5-b865-d811bfd0ed51","topic":"wallet","creationTime":1672364262913,"data":[{"accountType":"UNIFIED","totalEquity":"10.5","coin":[{"coin":"USDT","equity":"10.5"}]}]}',
    ],
  },
};

/** An exchange of one family. Data goes out before the answer (docs/wire.md 1.3), once per connection and topic request.
 * Keeps the requests of each connection. options.behave(ws, request, n) returns true if it has handled a request;
 * options.after(ws, n) is called after the last answer of a connection. */
export async function exchange(t, dir, name, options = {}) {
  const family = FAMILIES[name];
  const conns = [];
  const server = await scriptedServer(t, dir, {
    ...options,
    opened: (ws, n, request) => {
      const conn = { url: request.url, requests: [], topics: [], isAuthentic: false, n };
      conns.push(conn);
      ws.conn = conn;
      if (family.pings) ws.send('{"ping":1535975085152}');
      options.opened?.(ws, n, request);
    },
    message: (ws, request, n) => {
      const { conn } = ws;
      conn.requests.push(request);
      if (options.behave?.(ws, request, n)) return;
      if (request.pong !== undefined || request.ping !== undefined || request.op === "ping") return;
      if (request.op === "auth") {
        const [key, expires, sign] = request.args;
        conn.isAuthentic =
          key === KEY && sign === signature(expires) && Number(expires) > Date.now();
        ws.send(family.speaks.auth(request, conn.isAuthentic ? undefined : "error:USVC1111"));
        if (conn.isAuthentic && family.requests === 0) finish(ws, n);
        return;
      }
      const topics = family.speaks.topics(request);
      if (topics === null) throw new Error(`not understood: ${JSON.stringify(request)}`);
      if (family.auth && !conn.isAuthentic) {
        ws.send(family.speaks.answer(request, `error:topic:${topics[0]} needs auth first`));
        return;
      }
      conn.topics.push(...topics);
      for (const frame of conn.topics.length === topics.length ? family.frames : []) ws.send(frame);
      ws.send(family.speaks.answer(request));
      if (conn.topics.length === family.wanted.length) finish(ws, n);
    },
  });
  function finish(ws, n) {
    for (const frame of family.frames) ws.send(frame);
    options.after?.(ws, n);
  }
  return { ...server, conns, family };
}

/** Arguments of a recorder of that exchange. */
export function recorderArgs(server, name, more = []) {
  const { path, args, auth } = FAMILIES[name];
  return [
    server.url + path,
    "--family",
    name,
    "--ca-file",
    server.ca,
    ...args,
    ...(auth ? CREDENTIALS : []),
    ...more,
  ];
}
