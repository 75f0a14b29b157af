// A session of every family at once: topics, paths and credentials. The simulated exchange has its symbols.
import fs from "node:fs";
import path from "node:path";

export const CREDENTIALS = {
  SESSION_KEY: "sessionkey0001",
  SESSION_SECRET: "a secret of the session",
  SESSION_PASSPHRASE: "a passphrase of the session",
};

const cross = (topics, symbols) =>
  topics.flatMap((topic) => symbols.map((symbol) => `${topic}.${symbol}`));

const V5_BOOKS = ["orderbook.1", "orderbook.50", "orderbook.200"];
const OPTIONS = ["BTC-25DEC26-60000-C", "ETH-25DEC26-2300-C"];

/** path, topics, and whether it authenticates. */
export const SESSION = {
  inverse: {
    path: "/realtime",
    auth: "op",
    topics: [
      "trade.*",
      "orderBookL2_25.*",
      "orderBook_200.100ms.*",
      "instrument_info.100ms.*",
      "klineV2.1.*",
      "liquidation.*",
      "insurance.*",
      "position",
      "execution",
      "order",
      "stop_order",
      "wallet",
      "kline.BTCUSD.1m",
      "instrument.BTCUSD",
      "orderBook25.BTCUSD",
    ],
  },
  linear: {
    path: "/realtime_public",
    topics: cross(
      [
        "trade",
        "orderBookL2_25",
        "orderBook_200.100ms",
        "instrument_info.100ms",
        "candle.1",
        "liquidation",
      ],
      ["BTCUSDT", "ETHUSDT"]
    ).concat("insurance.BTC"),
  },
  "linear-private": {
    family: "linear",
    path: "/realtime_private",
    auth: "op",
    topics: ["position", "execution", "order", "stop_order", "wallet"],
  },
  copytrade: {
    // Linear has the same path: the first topic tells the simulated exchange the family, and its first frame tells it to the
    // truth file.
    path: "/realtime_public",
    topics: cross(
      [
        "klineV2.1",
        "trade",
        "orderBookL2_25",
        "orderBook_200.100ms",
        "instrument_info.100ms",
        "candle.1",
      ],
      ["EOSUSDT"]
    )
      .concat(cross(["liquidation"], ["BTCUSDT", "ETHUSDT", "EOSUSDT"]))
      .concat("insurance.BTC"),
  },
  "copytrade-private": {
    family: "copytrade",
    path: "/realtime_private",
    auth: "op",
    topics: ["copyTradePosition", "copyTradeOrder", "copyTradeExecution", "copyTradeWallet"],
  },
  "usdc-perp": {
    path: "/perpetual/ws/v1/realtime_public",
    topics: cross(
      ["trade", "orderBookL2_25", "orderBook_200.100ms", "instrument_info.100ms", "candle.1"],
      ["BTCPERP", "ETHPERP"]
    ),
  },
  "usdc-option": {
    path: "/trade/option/usdc/public/v1",
    topics: [
      ...cross(["orderbook25", "orderbook100", "delta.orderbook100", "instrument_info"], OPTIONS),
      "recenttrades.BTC",
      "instrument_info.all.BTC",
      "underlying_price.BTC",
      "underlying.BTC_USD.25DEC26",
      "estimated_delivery_price.BTC_USD.25DEC26",
      "platform.insurance.USDC",
    ],
  },
  "usdc-private": {
    path: "/trade/option/usdc/private/v1",
    auth: "op",
    topics: [
      ...["order", "position", "trade"].flatMap((what) => [
        `user.openapi.perp.${what}`,
        `user.openapi.option.${what}`,
      ]),
      "user.order",
      "user.openapi.greeks",
      "user.service",
      "user.mmp.event",
    ],
  },
  "spot-v1": {
    path: "/spot/quote/ws/v1",
    topics: [
      ...cross(
        ["trade", "realtimes", "depth", "mergedDepth.1", "diffDepth", "kline.1m"],
        ["BTCUSDT", "ETHUSDT"]
      ),
      "lt.BTCUSDT",
    ],
  },
  "spot-v2": {
    path: "/spot/quote/ws/v2",
    topics: cross(
      ["trade", "realtimes", "depth", "bookTicker", "kline.1m"],
      ["BTCUSDT", "ETHUSDT"]
    ),
  },
  "spot-v3": {
    path: "/spot/public/v3",
    topics: cross(
      ["trade", "tickers", "orderbook.40", "bookticker", "kline.1m"],
      ["BTCUSDT", "ETHUSDT"]
    ),
  },
  "spot-v3-private": {
    family: "spot-v3",
    path: "/spot/private/v3",
    auth: "op",
    topics: ["order", "stopOrder", "ticketInfo", "outboundAccountInfo"],
  },
  "spot-private": {
    path: "/spot/ws",
    auth: "op",
    topics: ["executionReport", "stop_executionReport", "ticketInfo", "outboundAccountInfo"],
  },
  "contract-v3": {
    path: "/contract/usdt/public/v3",
    topics: cross(
      [...V5_BOOKS, "orderbook.500", "publicTrade", "tickers", "kline.1", "liquidation"],
      ["BTCUSDT"]
    ),
  },
  "contract-v3-private": {
    family: "contract-v3",
    path: "/contract/private/v3",
    auth: "op",
    topics: ["position", "execution", "order", "wallet"].map(
      (what) => `user.${what}.contractAccount`
    ),
  },
  "unified-v3": {
    path: "/contract/usdc/public/v3",
    topics: cross(
      [...V5_BOOKS, "orderbook.500", "publicTrade", "tickers", "kline.1", "liquidation"],
      ["BTCPERP"]
    ),
  },
  "unified-v3-private": {
    family: "unified-v3",
    path: "/unified/private/v3",
    auth: "op",
    topics: ["position", "execution", "order", "wallet", "greeks"].map(
      (what) => `user.${what}.unifiedAccount`
    ),
  },
  "v5-linear": {
    path: "/v5/public/linear",
    topics: [
      ...cross(
        [
          ...V5_BOOKS,
          "orderbook.500",
          "orderbook.1000",
          "orderbook.rpi",
          "orderbook.full",
          "publicTrade",
          "tickers",
          "kline.1",
          "kline.5",
          "allLiquidation",
          "liquidation",
          "priceLimit",
        ],
        ["BTCUSDT", "ETHUSDT"]
      ),
      "insurance.USDT",
      "adlAlert.USDT",
    ],
  },
  "v5-inverse": {
    path: "/v5/public/inverse",
    topics: [
      ...cross(
        [...V5_BOOKS, "publicTrade", "tickers", "kline.1", "allLiquidation"],
        ["BTCUSD", "ETHUSD"]
      ),
      ...cross(
        [
          "orderbook.500",
          "orderbook.1000",
          "orderbook.rpi",
          "orderbook.full",
          "liquidation",
          "priceLimit",
        ],
        ["BTCUSD"]
      ),
      "insurance.inverse",
      "adlAlert.inverse",
    ],
  },
  "v5-spot": {
    path: "/v5/public/spot",
    topics: [
      ...cross(
        [...V5_BOOKS, "orderbook.full", "publicTrade", "tickers", "kline.1"],
        ["BTCUSDT", "ETHUSDT"]
      ),
      ...cross(["orderbook.1000", "orderbook.rpi", "priceLimit"], ["BTCUSDT"]),
    ],
  },
  "v5-option": {
    path: "/v5/public/option",
    topics: [
      ...cross(["orderbook.25", "orderbook.100", "tickers"], OPTIONS),
      "publicTrade.BTC",
      "publicTrade.ETH",
    ],
  },
  "v5-spread": {
    path: "/v5/public/spread",
    topics: cross(
      ["orderbook.25", "publicTrade", "tickers"],
      ["BTCUSDT_BTC/USDT", "ETHUSDT_ETH/USDT"]
    ),
  },
  "binance-usdm": {
    path: "/stream",
    topics: cross(
      [
        ...["depth@100ms", "depth", "depth5@100ms", "depth20@100ms", "aggTrade", "bookTicker"],
        ...["kline_1m", "markPrice@1s", "markPrice", "ticker", "miniTicker", "forceOrder"],
      ],
      ["BTCUSDT", "ETHUSDT"]
    ),
  },
  "kraken-v1": {
    path: "/",
    topics: cross(
      [
        ...["book-10", "book-25", "book-100", "book-500", "book-1000", "trade", "ticker", "spread"],
        "ohlc-1",
      ],
      ["XBT/USD", "ETH/USD"]
    ),
  },
  // Frames of a book do not have its depth, so a feed has one depth of a symbol.
  "kraken-v2": {
    path: "/v2",
    topics: [
      ...cross(["trade", "ohlc.1"], ["BTC/USD", "ETH/USD"]),
      "book-10.BTC/USD",
      "book-100.ETH/USD",
      "level3-10.BTC/USD",
      "level3-100.ETH/USD",
      "ticker-trades.BTC/USD",
      "ticker-bbo.ETH/USD",
      "instrument",
    ],
  },
  "kraken-v2-deep": {
    family: "kraken-v2",
    path: "/v2",
    topics: ["book-25.BTC/USD", "book-500.ETH/USD"],
  },
  "kraken-v2-whole": { family: "kraken-v2", path: "/v2", topics: ["book-1000.BTC/USD"] },
  // The third symbol of the simulator is ETH-USDT-SWAP.
  okx: {
    path: "/ws/v5/public",
    topics: [
      ...cross(
        [
          "books",
          "books-l2-tbt",
          "books50-l2-tbt",
          "books5",
          "bbo-tbt",
          "trades",
          "trades-all",
          "tickers",
          "candle1m",
        ],
        ["BTC-USDT-SWAP", "BTC-USDT", "ETH-USDT-SWAP"]
      ),
      ...cross(
        ["mark-price", "funding-rate", "open-interest", "price-limit", "mark-price-candle1m"],
        ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
      ),
      ...cross(["index-tickers", "index-candle1m"], ["BTC-USDT"]),
      "liquidation-orders.SWAP",
      "opt-summary.BTC-USD",
      "estimated-price.OPTION.BTC-USD",
      "option-trades.OPTION.BTC-USD",
      "status",
    ],
  },
  "okx-private": {
    family: "okx",
    path: "/ws/v5/private",
    auth: "op",
    passphrase: true,
    topics: ["orders.ANY", "orders.SPOT", "fills", "account", "balance_and_position"],
  },
  deribit: {
    path: "/ws/api/v2",
    topics: [
      ...["book", "trades", "ticker"].flatMap((topic) =>
        ["BTC-PERPETUAL.raw", "ETH-PERPETUAL.raw", "BTC-PERPETUAL.100ms", "ETH-PERPETUAL.agg2"].map(
          (rest) => `${topic}.${rest}`
        )
      ),
      ...["1", "10", "20"].map((depth) => `book.BTC-PERPETUAL.none.${depth}.100ms`),
      ...["raw", "100ms", "agg2"].map((interval) => `perpetual.BTC-PERPETUAL.${interval}`),
      "quote.BTC-PERPETUAL",
      "incremental_ticker.BTC-PERPETUAL",
      "platform_state",
    ],
  },
  "v5-misc": {
    path: "/v5/public/misc/status",
    topics: ["system.status", "rfq.open.public.trades", "earn.doublewin.offers"],
    unknown: true,
  },
  "v5-private": {
    path: "/v5/private",
    auth: "op",
    unknown: true,
    topics: [
      "order",
      "execution",
      "execution.fast",
      "position",
      "wallet",
      "greeks",
      "strategy",
      "spread.order",
      "spread.execution",
      "dcp.future",
    ],
  },
  "v5-private-linear": {
    family: "v5-private",
    path: "/v5/private",
    auth: "op",
    topics: ["order.linear", "execution.linear", "execution.fast.linear", "position.linear"],
  },
};

/** Names of the families, each once. */
export const FAMILIES = [
  ...new Set(Object.entries(SESSION).map(([name, feed]) => feed.family ?? name)),
];

/** A recorder's configuration for the session at an exchange, with all of its feeds or some. */
export function sessionConfig(dir, server, only = Object.keys(SESSION)) {
  const file = path.join(dir, "session.yaml");
  const quoted = (list) => list.map((topic) => JSON.stringify(topic)).join(", ");
  const feeds = Object.entries(SESSION)
    .filter(([name]) => only.includes(name))
    .map(([name, feed]) =>
      [
        `  - name: ${name}`,
        `    family: ${feed.family ?? name}`,
        `    url: ${server.url}${feed.path}`,
        `    ca_file: ${server.ca}`,
        `    topics: [${quoted(feed.topics)}]`,
        ...(feed.unknown ? ["    allow_unknown_topic: true"] : []),
        ...(feed.auth
          ? ["    api_key_env: SESSION_KEY", "    api_secret_env: SESSION_SECRET"]
          : []),
        ...(feed.passphrase ? ["    api_passphrase_env: SESSION_PASSPHRASE"] : []),
      ].join("\n")
    );
  fs.writeFileSync(file, `commit_interval: 200ms\nfeeds:\n${feeds.join("\n")}\n`);
  return file;
}
