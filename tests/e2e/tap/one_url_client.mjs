// A client of the exchange with one URL for its requests and its streams, in a process of its own.
// one_url_client.mjs MODULES MODULE WS_URL FRAMES: MODULE is ccxt-4 or bybit-api. Prints the markets that it loaded, and the
// ids of the trades in this many frames. Connections to other hosts fail.
import net from "node:net";
import { createRequire } from "node:module";
import { webcrypto } from "node:crypto";

const [, , modules, module, url, frames] = process.argv;
const print = (row) => process.stdout.write(JSON.stringify(row) + "\n");
globalThis.crypto ??= webcrypto; // Node.js 18 has no such global; bybit-api signs with it

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const { host } = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (host === "127.0.0.1") return connect.apply(this, args);
  print({ elsewhere: host });
  throw new Error(`no network: ${host}`);
};

const library = createRequire(`${modules}/`)(module);
const http = url.replace("ws", "http"),
  KEYS = { key: "aKeyOfTheTests1234", secret: "aSecretOfTheTests" };

async function ccxt() {
  const exchange = new library.pro.bybit();
  await exchange.loadHttpProxyAgent(); // for ws://
  exchange.urls.api = JSON.parse(
    JSON.stringify(exchange.urls.api)
      .replaceAll("https://api.{hostname}", http)
      .replaceAll("wss://stream.{hostname}", url)
      .replaceAll("wss://stream.bybit.com", url)
  );
  print({ markets: Object.keys(await exchange.loadMarkets()) });
  for (let i = 0; i < Number(frames); i++)
    print({ trades: (await exchange.watchTrades("BTC/USDT:USDT")).map(({ id }) => id) });
}

async function bybitApi() {
  const rest = new library.RestClientV5({ baseUrl: http, ...KEYS });
  print({ time: (await rest.getServerTime()).result });
  print({
    markets: (await rest.getInstrumentsInfo({ category: "linear" })).result.list.map(
      ({ symbol }) => symbol
    ),
  });
  const log = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
  const streams = new library.WebsocketClient(
    { wsUrl: `${url}/v5/public/linear`, pongTimeout: 60_000 },
    log
  );
  let left = Number(frames);
  const over = new Promise((resolve) =>
    streams.on("update", ({ data }) => {
      if (left-- > 0) print({ trades: data.map(({ i }) => i) });
      if (left === 0) resolve();
    })
  );
  streams.subscribeV5(["publicTrade.BTCUSDT"], "linear");
  await over;
  // Signed; the simulated exchange has no such path.
  await rest
    .getWalletBalance({ accountType: "UNIFIED" })
    .catch(({ code, body }) => print({ refused: code ?? body }));
  await rest
    .submitOrder({
      category: "linear",
      symbol: "BTCUSDT",
      side: "Buy",
      orderType: "Limit",
      qty: "1",
      price: "1",
    })
    .catch(({ code, body }) => print({ refused: code ?? body }));
}

await (module === "bybit-api" ? bybitApi() : ccxt());
process.stdout.write("", () => process.exit(0)); // its sockets are open
