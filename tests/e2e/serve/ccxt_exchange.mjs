// A client of ccxt.pro for any exchange, with only its base URLs changed; in a process of its own because Node.js reads the
// certificate's variable at its start. ccxt_exchange.mjs MODULES MODULE CLASS MARKET URLS [SETTINGS]: MARKET is the exchange's name
// of it, URLS a list of [beginning, what takes its place], SETTINGS {options: the exchange's, markets: parameters of its requests
// for them, depth, book: parameters of the subscription, withoutLogin, only: a market in place of the exchange's}. Prints the number of markets, then the last book before
// the server ends.
import { createRequire } from "node:module";

const [, , modules, module, name, market, urls, text = "{}"] = process.argv;
const settings = JSON.parse(text);
const ccxt = createRequire(`${modules}/`)(module);
const exchange = new ccxt.pro[name]();
const changed = (value) => {
  if (typeof value !== "string")
    return value !== null && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, changed(inner)]))
      : value;
  const [from, to] = JSON.parse(urls).find(([begins]) => value.startsWith(begins)) ?? ["", ""];
  return to + value.slice(from.length);
};
exchange.urls.api = changed(exchange.urls.api);
exchange.has.fetchCurrencies = false;
Object.assign(exchange.options, settings.options);
if (settings.withoutLogin) exchange.authenticate = () => {};
const print = (row) => process.stdout.write(JSON.stringify(row) + "\n");
if (settings.only) exchange.setMarkets([exchange.safeMarketStructure(settings.only)]);
print({
  markets: Object.keys(
    settings.only ? exchange.markets : await exchange.loadMarkets(false, settings.markets)
  ).length,
});
const { symbol } = Object.values(exchange.markets).find(({ id, info }) =>
  [id, info?.wsname].includes(market)
);
let count = 0,
  book = null;
try {
  for (;;) {
    book = await exchange.watchOrderBook(symbol, settings.depth, settings.book);
    count++;
  }
} catch (error) {
  print({
    count,
    bids: book?.bids,
    asks: book?.asks,
    error: error.constructor.name,
    message: error.message,
  });
}
process.stdout.write("", () => process.exit(0)); // its sockets are open
