// A client of an exchange's own library, with only its addresses changed; in a process of its own because Node.js reads the
// certificate's variable at its start. library_client.mjs MODULES LIBRARY WSS_URL: keeps a book and trades until the server ends the
// connection, then prints {book: [bids, asks, digest], trades: [id], account: number of updates}. The ones with -account trade and
// print {answers, updates}, once they have three updates.
import { generateKeyPairSync, webcrypto } from "node:crypto";
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

/** Credentials that a search of an archive finds. */
const CREDENTIALS = {
  apiKey: "fakeApiKeyOfTheTestsfakeApiKeyOfTheTestsfakeApiKeyOfTheTests0001",
  apiSecret: "fakeSecretOfTheTests0001",
  apiPass: "Fake.Pass.Phrase1",
};
/** An Ed25519 key, with which Binance's clients log in once. */
const privateKey = () =>
  generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
const ORDER = {
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  timeInForce: "GTC",
  price: 5,
  quantity: 1,
};

/** Collects updates and answers of orders; ends after three updates and as many answers. */
function trades3(answers = 2) {
  const got = { answers: [], updates: [] };
  const check = () => {
    if (got.updates.length < 3 || got.answers.length < answers) return;
    process.stdout.write(JSON.stringify(got) + "\n", () => process.exit(0));
  };
  return {
    update: (what) => check(got.updates.push(what)),
    answer: (what) => check(got.answers.push(what)),
  };
}

/** Binance's WebSocket API: the events of the account, and two orders. */
async function binanceAccount(api_secret) {
  const { WebsocketAPIClient } = load("binance");
  const client = new WebsocketAPIClient(
    { wsUrl: url, api_key: CREDENTIALS.apiKey, api_secret },
    SILENT
  );
  const to = trades3();
  client.getWSClient().on("message", ({ e, c, X }) => to.update([e, c, X]));
  client.getWSClient().on("exception", () => {}); // the second order is refused
  await client.subscribeUserDataStream("mainWSAPI").catch(fail);
  const timestamp = Date.now();
  const { result } = await client.submitNewSpotOrder({ ...ORDER, timestamp });
  to.answer([result.orderId, result.clientOrderId]);
  await client
    .submitNewSpotOrder({ ...ORDER, quantity: 9999, timestamp })
    .then(fail, ({ error }) => to.answer(error.code));
}

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
    const own = of("/ws/v5/private", [CREDENTIALS]);
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
  "binance-account": () => binanceAccount(CREDENTIALS.apiSecret),
  "binance-login-account": () => binanceAccount(privateKey()),
  "node-binance-api-account"() {
    const Binance = load("node-binance-api");
    const client = new Binance({ APIKEY: CREDENTIALS.apiKey, APISECRET: CREDENTIALS.apiSecret });
    client.wsApi = `${url}/ws-api/v3`; // no option has this address
    const to = trades3(0);
    client.websockets.userData(({ e, c, X }) => to.update([e, c, X]));
  },
  async "okx-api-account"() {
    const { WebsocketAPIClient, WebsocketClient } = load("okx-api");
    const options = { wsUrl: `${url}/ws/v5/private`, accounts: [CREDENTIALS] };
    const to = trades3();
    const own = new WebsocketClient(options, SILENT);
    own.on("update", ({ arg, data }) => to.update([arg.channel, data[0].ordId, data[0].state]));
    own.on("exception", fail);
    const client = new WebsocketAPIClient(options, SILENT);
    own.on("response", async ({ event }) => {
      if (event !== "subscribe") return;
      const order = { instId: "BTC-USDT", tdMode: "cash", side: "buy", ordType: "limit" };
      const { data } = await client.submitNewOrder({ ...order, sz: "1", px: "5" });
      to.answer([data[0].ordId, data[0].sCode]);
      await client
        .submitNewOrder({ ...order, sz: "9999", px: "5" })
        .then(fail, ({ code }) => to.answer(code));
    });
    own.subscribe({ channel: "orders", instType: "ANY" });
  },
};
await LIBRARIES[library]();
