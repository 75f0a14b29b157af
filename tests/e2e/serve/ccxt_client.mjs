// A client of ccxt.pro with only its base URLs changed, in a process of its own because Node.js reads the certificate's variable
// at its start. ccxt_client.mjs MODULES MODULE WSS_URL LOOPS SYMBOL [DEPTH]: prints each book and each trade until the tape has
// started again this many times.
import { createRequire } from "node:module";

const [, , modules, module, url, loops, symbol, depth] = process.argv;
const ccxt = createRequire(`${modules}/`)(module);
const exchange = new ccxt.pro.bybit();
exchange.urls.api = JSON.parse(
  JSON.stringify(exchange.urls.api)
    .replaceAll("https://api.{hostname}", url.replace("wss:", "https:"))
    .replaceAll("wss://stream.{hostname}", url)
);
const print = (row) => process.stdout.write(JSON.stringify(row) + "\n");
print({ markets: Object.keys(await exchange.loadMarkets()) });

async function trades() {
  for (;;) for (const { id } of await exchange.watchTrades(symbol)) print({ trade: id });
}
trades().catch((error) => print({ error: String(error) }));
for (let begun = 0, last = 0; begun < Number(loops);) {
  const { timestamp, bids, asks } = await exchange.watchOrderBook(symbol, depth && Number(depth));
  if (timestamp < last) begun++;
  last = timestamp;
  print({ at: timestamp, bids, asks });
}
process.stdout.write("", () => process.exit(0)); // its sockets are open
