// A client of an exchange's own library, with only its addresses changed; in a process of its own because Node.js reads the
// certificate's variable at its start. library_client.mjs MODULES LIBRARY WSS_URL: keeps a book and trades until the server ends the
// connection, then prints {book: [bids, asks, digest], trades: [id], account: number of updates}.
import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";
import { digest, emptyBook, setLevels } from "../support/level_book.mjs";

globalThis.crypto ??= webcrypto; // Node.js 18 has no such global; okx-api signs with it
const [, , modules, library, url] = process.argv;
const load = createRequire(`${modules}/`);
const http = url.replace("ws", "http");
const SILENT = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
const book = emptyBook(),
  trades = [];
let account = 0;

function end() {
  process.stdout.write(JSON.stringify({ book: digest(book), trades, account }) + "\n", () =>
    process.exit(0)
  );
}
const fail = (error) => {
  process.stderr.write(`${JSON.stringify(error)} ${error?.stack ?? ""}\n`);
  process.exit(1);
};

const LIBRARIES = {
  // The book is kept as the exchange's documentation of the stream tells.
  binance() {
    const { MainClient, WebsocketClient } = load("binance");
    const client = new WebsocketClient({ wsUrl: url }, SILENT);
    const waiting = [];
    let last = null;
    const apply = ({ U, u, b, a }) => {
      if (u <= last) return;
      if (U > last + 1) fail({ message: `an update is missing: ${last}, ${U}` });
      last = u;
      setLevels(book.Buy, b);
      setLevels(book.Sell, a);
    };
    client.on("message", async (message) => {
      if (message.e === "aggTrade") trades.push(message.a);
      if (message.e !== "depthUpdate") return;
      if (last !== null) return apply(message);
      if (waiting.push(message) > 1) return;
      const rest = new MainClient({ baseUrl: http });
      const { lastUpdateId, bids, asks } = await rest.getOrderBook({
        symbol: "BTCUSDT",
        limit: 1000,
      });
      last = lastUpdateId;
      setLevels(book.Buy, bids);
      setLevels(book.Sell, asks);
      waiting.forEach(apply);
    });
    client.on("exception", fail);
    client.on("reconnecting", end);
    client.subscribe(["btcusdt@depth@100ms", "btcusdt@aggTrade"], "main").catch(fail);
  },
  // The library keeps the book, and begins another one when it connects again.
  "node-binance-api"() {
    const Binance = load("node-binance-api");
    let kept;
    const client = new Binance({
      urls: { base: `${http}/api/`, stream: `${url}/ws/` },
      log: (line) => {
        if (!line.startsWith("WebSocket closed")) return;
        setLevels(book.Buy, Object.entries(kept.bids));
        setLevels(book.Sell, Object.entries(kept.asks));
        end();
      },
    });
    client.websockets.depthCache("BTCUSDT", (symbol, depth) => (kept = depth), 1000);
  },
  // One client for each path. The account's is subscribed first, so that both begin with the tape.
  "okx-api"() {
    const { WebsocketClient } = load("okx-api");
    const open = new Set();
    const of = (path, accounts) => {
      const client = new WebsocketClient({ wsUrl: url + path, accounts }, SILENT);
      open.add(path);
      client.on("exception", fail);
      client.on("reconnect", () => open.delete(path) && open.size === 0 && end());
      return client;
    };
    const market = of("/ws/v5/public");
    const own = of("/ws/v5/private", [
      { apiKey: "fake-Key-Of-Okx-1", apiSecret: "fakeSecretOfOkx1", apiPass: "Fake.Pass.Phrase1" },
    ]);
    own.on("update", ({ arg }) => (account += arg.channel === "orders"));
    own.on("response", ({ event, arg }) => {
      if (event === "subscribe" && arg.channel === "account")
        market.subscribe(["books", "trades"].map((channel) => ({ channel, instId: "BTC-USDT" })));
    });
    own.subscribe([{ channel: "orders", instType: "ANY" }, { channel: "account" }]);
    market.on("update", ({ arg, action, data }) => {
      if (arg.channel === "trades") return trades.push(...data.map(({ tradeId }) => tradeId));
      if (action === "snapshot") for (const side of Object.values(book)) side.clear();
      for (const { bids, asks } of data) {
        setLevels(book.Buy, bids);
        setLevels(book.Sell, asks);
      }
    });
  },
  // Node.js 18 cannot require() what it depends on.
  async "coinbase-api"() {
    const { WebsocketClient } = await import(path.join(modules, "coinbase-api/dist/mjs/index.js"));
    const client = new WebsocketClient({ wsUrl: url }, SILENT);
    client.on("update", ({ channel, events }) => {
      for (const event of events) {
        if (channel === "market_trades")
          trades.push(...event.trades.map(({ trade_id }) => trade_id));
        if (channel !== "l2_data") continue;
        if (event.type === "snapshot") for (const side of Object.values(book)) side.clear();
        for (const { side, price_level, new_quantity } of event.updates)
          setLevels(side === "bid" ? book.Buy : book.Sell, [[price_level, new_quantity]]);
      }
    });
    client.on("exception", fail);
    client.on("reconnect", end);
    const payload = { product_ids: ["BTC-USD"] };
    client.subscribe(
      ["level2", "market_trades"].map((topic) => ({ topic, payload })),
      "advTradeMarketData"
    );
  },
};
await LIBRARIES[library]();
