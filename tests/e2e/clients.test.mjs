// A client that others wrote for the exchange (bybit-api), unchanged, against serve and sim: it connects, subscribes, is
// answered, keeps alive, authenticates. The books that it keeps are those that replay keeps.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { json, listening, run, temporary } from "./lib.mjs";
import { feedArgs } from "./live.mjs";

const { WebsocketClient } = createRequire(import.meta.url)("bybit-api");
const SILENT = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
const SYMBOLS = ["BTCUSDT", "ETHUSDT"];

/** Connected to one address, whatever is subscribed to; what it receives is in client.heard. */
function connect(t, url, options = {}) {
  const client = new WebsocketClient({ wsUrl: url, pingInterval: 200, pongTimeout: 60_000, ...options }, SILENT);
  client.heard = { responses: [], closes: 0, exceptions: [] };
  client.on("response", (response) => client.heard.responses.push(response));
  client.on("exception", (exception) => client.heard.exceptions.push(exception));
  t.after(() => client.closeAll(true));
  return client;
}

/** Keeps books as the exchange's documents say, of what a client gets. */
function keepBooks(client) {
  const books = {};
  client.on("update", ({ topic, type, data }) => {
    if (!topic.startsWith("orderbook.")) return;
    if (type === "snapshot") books[data.s] = { Buy: new Map(), Sell: new Map(), frames: 0 };
    const book = books[data.s];
    assert.ok(book, `${topic}: a delta before its snapshot`);
    for (const [side, levels] of [["Buy", data.b], ["Sell", data.a]])
      for (const [price, size] of levels) Number(size) === 0 ? book[side].delete(Number(price)) : book[side].set(Number(price), Number(size));
    book.frames++;
  });
  return books;
}

/** docs/replay.md: SIDE PRICE SIZE, each side by rising price. */
const sha1 = (book) => createHash("sha1").update(["Buy", "Sell"].flatMap((side) =>
  [...book[side]].sort(([a], [b]) => a - b).map(([price, size]) => `${side} ${price} ${size}`)).join("\n")).digest("hex");

test("serve sends a whole book to a late subscriber, and all books end equal to replay's", async (t) => {
  const dir = temporary(t), archive = path.join(dir, "tape");
  const sim = await listening(t, ["sim", "--families", "v5-linear", "--symbols", "2", "--rate", "300", "--seed", "11"], dir);
  const topics = SYMBOLS.flatMap((symbol) => [`orderbook.50.${symbol}`, `publicTrade.${symbol}`]);
  await run(t, "tapedeck-record", ["record", "-q", "-a", archive, ...feedArgs(sim, "v5-linear", topics), "--duration", "4s"]);
  const { books: recorded } = await json(t, ["replay", archive, "--json"], { status: null });
  const served = await listening(t, ["serve", archive, "--plain", "--once"], dir);
  const client = connect(t, `${served.url}/v5/public/linear`);
  const books = keepBooks(client);
  const trades = [];
  client.on("update", ({ topic, data }) => topic.startsWith("publicTrade") && trades.push(...data));
  const ended = once(client, "reconnect"); // the server closed: the tape is through
  const early = new Promise((resolve) => client.on("update", () => books.BTCUSDT?.frames > 20 && resolve()));
  client.subscribeV5([`orderbook.50.BTCUSDT`, `publicTrade.BTCUSDT`], "linear");
  await early;
  assert.equal(books.ETHUSDT, undefined);
  client.subscribeV5("orderbook.50.ETHUSDT", "linear");
  await ended;
  assert.equal((await served.program.ended).code, 0, served.program.stderr);
  assert.deepEqual(Object.keys(books).sort(), SYMBOLS);
  for (const { symbol, bids, asks, levels_sha1 } of recorded) {
    assert.deepEqual([books[symbol].Buy.size, books[symbol].Sell.size], [bids, asks], symbol);
    assert.equal(sha1(books[symbol]), levels_sha1, symbol);
  }
  assert.ok(trades.length > 20 && trades.every((trade) => trade.s === "BTCUSDT"), `${trades.length} trades`);
  assert.ok(client.heard.responses.length >= 2 && client.heard.responses.every((response) => response.success), JSON.stringify(client.heard.responses));
  assert.match(served.program.stderr, /1 book without a snapshot in what a client gets: made from the book/);
});

test("the simulated exchange authenticates a private client, and refuses a wrong secret", async (t) => {
  const dir = temporary(t);
  const sim = await listening(t, ["sim", "--families", "v5-private", "--symbols", "1", "--rate", "100", "--secret", "the right secret", "--plain"], dir);
  const client = connect(t, `${sim.url}/v5/private`, { key: "aKeyOfTheTests", secret: "the right secret" });
  const update = once(client, "update");
  client.subscribeV5(["order", "wallet"], "linear", true);
  const [{ topic, data }] = await update;
  assert.ok(["order", "wallet"].includes(topic) && data.length > 0, topic);
  assert.deepEqual(client.heard.exceptions, []);
  const wrong = connect(t, `${sim.url}/v5/private`, { key: "aKeyOfTheTests", secret: "a wrong secret" });
  const refused = once(wrong, "exception");
  wrong.on("update", () => assert.fail("nothing is private without the secret"));
  for (const asked of wrong.subscribeV5("order", "linear", true)) asked.catch(() => {}); // it is never answered
  await refused;
});
