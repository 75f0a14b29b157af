// The exchange's client libraries, unchanged, with serve and sim: they connect, subscribe, get answers, keep alive and
// authenticate. Books of bybit-api equal the books of replay. The programs of docs/clients.md run; the large ones (ccxt, a browser)
// only with TAPEDECK_ALL_CLIENTS=1, which `make soak` sets.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import {
  capture,
  eventually,
  json,
  listening,
  parseLines,
  Program,
  run,
  tapedeck,
  temporary,
  withoutRecorded,
} from "../support/harness.mjs";
import { digest, emptyBook, setLevels } from "../support/level_book.mjs";
import { feedArgs, recordUntil } from "../support/recorders.mjs";
import { npm, python, test, withoutPackages } from "../support/npm_packages.mjs";

globalThis.crypto ??= webcrypto; // Node.js 18 has no such global; bybit-api signs with it
const { WebsocketClient } = npm("bybit-api");
const SILENT = Object.fromEntries(["trace", "info", "error"].map((level) => [level, () => {}]));
const SYMBOLS = ["BTCUSDT", "ETHUSDT"];

/** A client that is connected to one address for all topics; its messages are in client.received. */
function connect(t, url, options = {}) {
  const client = new WebsocketClient(
    { wsUrl: url, pingInterval: 200, pongTimeout: 60_000, ...options },
    SILENT
  );
  client.received = { responses: [], closes: 0, exceptions: [] };
  client.on("response", (response) => client.received.responses.push(response));
  client.on("exception", (exception) => client.received.exceptions.push(exception));
  t.after(() => client.closeAll(true));
  return client;
}

/** Keeps books of a client's messages by the exchange's documents. */
function keepBooks(client) {
  const books = {};
  client.on("update", ({ topic, type, data }) => {
    if (!topic.startsWith("orderbook.")) return;
    if (type === "snapshot") books[data.s] = { ...emptyBook(), frames: 0 };
    const book = books[data.s];
    assert.ok(book, `${topic}: a delta before its snapshot`);
    setLevels(book.Buy, data.b);
    setLevels(book.Sell, data.a);
    book.frames++;
  });
  return books;
}

test("serve sends a whole book to a late subscriber, and every book ends equal to replay's", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear", "--symbols", "2", "--rate", "300", "--seed", "11"],
    dir
  );
  const topics = SYMBOLS.flatMap((symbol) => [`orderbook.50.${symbol}`, `publicTrade.${symbol}`]);
  await recordUntil(t, archive, feedArgs(sim, "v5-linear", topics), (rows) => rows.length > 600);
  const { books: recorded } = await json(t, ["replay", archive, "--json"], { status: null });
  const served = await listening(t, ["serve", archive, "--plain", "--once"], dir);
  const client = connect(t, `${served.url}/v5/public/linear`);
  const books = keepBooks(client);
  const trades = [];
  client.on("update", ({ topic, data }) => topic.startsWith("publicTrade") && trades.push(...data));
  const ended = once(client, "reconnect"); // the server closes at the end of the tape
  // The tape does not pass the late subscription, however slow the client is.
  const control = async (command) =>
    (
      await fetch(`${served.url.replace("ws:", "http:")}/control/${command}`, { method: "POST" })
    ).json();
  const answered = (count) =>
    eventually(
      `${count} answered subscriptions`,
      () => client.received.responses.filter(({ op }) => op === "subscribe").length === count,
      served.program
    );
  const counted = () => trades.length + (books.BTCUSDT?.frames ?? 0);
  await control("pause");
  client.subscribeV5([`orderbook.50.BTCUSDT`, `publicTrade.BTCUSDT`], "linear");
  await answered(1);
  await eventually(
    "the tape plays",
    async () => (await control("pause")).tapes.length > 0,
    served.program
  );
  while (!(books.BTCUSDT?.frames > 20)) {
    const before = counted();
    await control("step");
    await eventually("the next frame", () => counted() > before, served.program);
  }
  assert.equal(books.ETHUSDT, undefined);
  client.subscribeV5("orderbook.50.ETHUSDT", "linear");
  await answered(2);
  await control("resume");
  await ended;
  assert.equal((await served.program.ended).code, 0, served.program.stderr);
  assert.deepEqual(Object.keys(books).sort(), SYMBOLS);
  for (const { symbol, bids, asks, levels_sha1 } of recorded)
    assert.deepEqual(digest(books[symbol]), [bids, asks, levels_sha1], symbol);
  assert.ok(
    trades.length > 20 && trades.every((trade) => trade.s === "BTCUSDT"),
    `${trades.length} trades`
  );
  // The client reconnects when the tape has ended, and also reports that failure as a response.
  const responses = client.received.responses.filter(({ op }) => op !== undefined);
  assert.ok(
    responses.length >= 2 && responses.every(({ success }) => success),
    JSON.stringify(responses)
  );
  assert.match(
    served.program.stderr,
    /made 1 snapshot for 1 client since this was last logged, of books or tickers that begin with a delta/
  );
});

test("the simulated exchange authenticates a private client, and refuses a wrong secret", async (t) => {
  const dir = temporary(t);
  const sim = await listening(
    t,
    [
      "sim",
      "--families",
      "v5-private",
      "--symbols",
      "1",
      "--rate",
      "100",
      "--secret",
      "the right secret",
      "--plain",
    ],
    dir
  );
  const client = connect(t, `${sim.url}/v5/private`, {
    key: "aKeyOfTheTests",
    secret: "the right secret",
  });
  const update = once(client, "update");
  client.subscribeV5(["order", "wallet"], "linear", true);
  const [{ topic, data }] = await update;
  assert.ok(["order", "wallet"].includes(topic) && data.length > 0, topic);
  assert.deepEqual(client.received.exceptions, []);
  const wrong = connect(t, `${sim.url}/v5/private`, {
    key: "aKeyOfTheTests",
    secret: "a wrong secret",
  });
  const refused = once(wrong, "exception");
  wrong.on("update", () => assert.fail("nothing is private without the secret"));
  for (const asked of wrong.subscribeV5("order", "linear", true)) asked.catch(() => {}); // it is never answered
  await refused;
});

const PAGE = fs.readFileSync("docs/clients.md", "utf8");
/** The expected output of a program: topics as the exchange or the program's library names them. */
const V5 = [/^orderbook\.50\.BTCUSDT\b/m, /^publicTrade\.BTCUSDT\b/m];
const CCXT = (symbol) => [
  new RegExp(`^${symbol} book \\[ `, "m"),
  new RegExp(`^${symbol} trade (buy|sell) `, "m"),
];
const PROGRAMS = [
  {
    section: "bybit-api 3 and 4",
    packages: { "bybit-api-3": "bybit-api", "bybit-api": "bybit-api" },
    prints: V5,
  },
  {
    section: "bybit-api 1 and 2",
    packages: { "bybit-api-1": "bybit-api", "bybit-api-2": "bybit-api" },
    prints: [/^orderBookL2_25\.BTCUSD$/m, /^trade\.BTCUSD$/m],
  },
  {
    section: "binance",
    packages: { binance: "binance" },
    prints: [/^depthUpdate BTCUSDT$/m, /^aggTrade BTCUSDT$/m, /^book \d+$/m],
  },
  {
    section: "node-binance-api",
    packages: { "node-binance-api": "node-binance-api" },
    prints: [/^aggTrade BTCUSDT$/m, /^book BTCUSDT \d+/m],
  },
  {
    section: "okx-api",
    packages: { "okx-api": "okx-api" },
    prints: [/^books BTC-USDT$/m, /^trades BTC-USDT$/m],
  },
  {
    section: "coinbase-api",
    packages: { "coinbase-api": "coinbase-api" },
    prints: [/^l2_data snapshot$/m, /^market_trades update$/m],
  },
  {
    section: "node-bitstamp",
    isLarge: true,
    packages: { "node-bitstamp": "node-bitstamp" },
    prints: [/^diff_order_book_btcusd data$/m, /^live_trades_btcusd trade$/m],
  },
  {
    section: "tardis-dev",
    packages: { "tardis-dev": "tardis-dev" },
    prints: [/^book_change BTCUSDT 2/m, /^trade BTCUSDT 2/m],
  },
  {
    section: "Python websockets",
    prints: V5,
    needs: () => python() === undefined && "needs Python's websockets (Debian: python3-websockets)",
  },
  {
    section: "ccxt 2.9 and 4.5",
    isLarge: true,
    packages: { "ccxt-2": "ccxt", "ccxt-4": "ccxt" },
    prints: CCXT("BTC/USDT:USDT"),
  },
  {
    section: "ccxt 1.95",
    isLarge: true,
    packages: { "ccxt-1": "ccxt" },
    prints: CCXT("BTC/USD:BTC"),
  },
  {
    section: "A browser",
    isLarge: true,
    prints: [/CONSOLE.*"orderbook\.50\.BTCUSDT"/, /CONSOLE.*"publicTrade\.BTCUSDT"/],
    needs: () => !fs.existsSync(CHROMIUM) && `needs ${CHROMIUM}`,
  },
];
/** What `make soak` installs: large packages, or ones with many old dependencies. */
const LARGE = {
  "ccxt-1": "ccxt@1.95.43",
  "ccxt-2": "ccxt@2.9.16",
  "ccxt-4": "ccxt@4.5.84",
  "node-bitstamp": "node-bitstamp@3.1.0",
};
const WITH_LARGE = process.env.TAPEDECK_ALL_CLIENTS === "1";
const CHROMIUM = "/usr/bin/chromium";
const SMALL_MODULES = path.resolve("build/npm/node_modules");
const LARGE_FOLDER = path.resolve("build/npm-large");
const LARGE_MODULES = path.join(LARGE_FOLDER, "node_modules");

/** The program of a section of the page: {language, text}. */
function programOf(section) {
  const [, rest] = PAGE.split(`\n## ${section}\n`);
  assert.ok(rest, `docs/clients.md has no section "${section}"`);
  const [, language, text] = /```(js|python|html)\n([\s\S]*?)```/.exec(rest);
  return { language, text };
}

/** Family, path and topics. */
const FEEDS = [
  ["v5-linear", "/v5/public/linear", ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]],
  ["inverse", "/realtime", ["orderBookL2_25.BTCUSD", "trade.BTCUSD"]],
];
const OTHER_FEEDS = [
  ["binance-spot", "/stream", ["depth@100ms.BTCUSDT", "aggTrade.BTCUSDT"]],
  ["okx", "/ws/v5/public", ["books.BTC-USDT", "trades.BTC-USDT"]],
  ["coinbase-advanced", "/", ["level2.BTC-USD", "market_trades.BTC-USD"]],
  ["bitstamp", "/", ["diff_order_book.btcusd", "live_trades.btcusd"]],
];
/** The feeds of ccxt's other exchanges. */
const CCXT_FEEDS = [
  ...OTHER_FEEDS,
  ["binance-usdm", "/public/stream", ["depth@100ms.BTCUSDT"]],
  ["kraken-v2", "/v2", ["book-10.BTC/USD"]],
  ["deribit", "/ws/api/v2", ["book.BTC-PERPETUAL.100ms"]],
];

/** An archive of these feeds, of the simulated exchange with these families, recorded until its rows are enough, or for so long. */
async function archiveOf(t, dir, { name, families, isEnough, duration, feeds }) {
  const archive = path.join(dir, name);
  const sim = await listening(
    t,
    ["sim", "--families", families.join(), "--symbols", "3", "--rate", "100", "--seed", "11"],
    dir
  );
  const one = ([family, at, topics, preset = ""]) =>
    `  - family: ${family}\n    url: ${sim.url}${at}\n    ca_file: ${sim.ca}\n    topics: [${topics}]\n${preset}`;
  const config = path.join(dir, `${name}.yaml`);
  fs.writeFileSync(config, `feeds:\n${feeds.map(one).join("")}`);
  if (isEnough !== undefined) await recordUntil(t, archive, ["-q", "-c", config], isEnough);
  else await tapedeck(t, ["record", "-q", "-a", archive, "-c", config, "--duration", duration]);
  await sim.program.kill("SIGTERM");
  return archive;
}

/** A small archive of several exchanges: frames of each topic, of Binance's books after their snapshots, which are fetched 2 s
 * after the grant. */
const smallArchive = (t, dir, feeds = [...FEEDS, ...OTHER_FEEDS]) => {
  const families = feeds.map(([family]) => family);
  const isEnough = (rows) =>
    feeds.every(([family, , topics]) =>
      topics.every((topic) => {
        const its = rows.filter(
          (row) => row.feed === family && row.dir === "in" && `${row.topic}.${row.symbol}` === topic
        );
        const from = topic.startsWith("depth") ? its.findIndex(({ fetched }) => fetched) : 0;
        return from >= 0 && its.length - from > 20;
      })
    );
  return archiveOf(t, dir, { name: "tape", families, isEnough, feeds });
};

/** Install the large packages at the first call. */
function installLarge() {
  fs.mkdirSync(LARGE_FOLDER, { recursive: true });
  execFileSync("npm", [
    "install",
    "--prefix",
    LARGE_FOLDER,
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
    ...Object.entries(LARGE).map(([name, what]) => `${name}@npm:${what}`),
  ]);
}
if (WITH_LARGE) installLarge();

/** An archive with the replies that ccxt requests of Bybit at its start; a feed's 13 requests are a second apart. */
const archiveOfCcxt = (t, dir, more = []) =>
  archiveOf(t, dir, {
    name: "ccxt",
    families: [
      ...["v5-linear", "v5-spot", "v5-inverse", "v5-option", "inverse", "linear", "usdc-perp"],
      "usdc-option",
      ...more.map(([family]) => family),
    ],
    duration: "15s",
    feeds: [...FEEDS.map((feed) => [...feed, "    http_preset: ccxt\n"]), ...more],
  });

/** The trades of a feed's frames, and its book after each of them by the frame's time in ms: [sorted levels of bids and asks]. */
function folded(frames) {
  const sides = { Buy: new Map(), Sell: new Map() },
    trades = [],
    books = new Map();
  const put = (side, price, size) =>
    Number(size) === 0
      ? sides[side].delete(Number(price))
      : sides[side].set(Number(price), Number(size));
  for (const { topic, type, ts, timestamp_e6, data } of frames) {
    if (/^(publicTrade|trade)\./.test(topic))
      trades.push(...data.map(({ i, trade_id }) => i ?? trade_id));
    if (!/^orderbook/i.test(topic)) continue;
    if (type === "snapshot") for (const side of Object.values(sides)) side.clear();
    for (const [price, size] of data.b ?? []) put("Buy", price, size);
    for (const [price, size] of data.a ?? []) put("Sell", price, size);
    const rows = Array.isArray(data) ? data : [...(data.update ?? []), ...(data.insert ?? [])];
    for (const { side, price } of data.delete ?? []) put(side, price, 0);
    for (const { side, price, size } of rows) put(side, price, size);
    const book = [
      [...sides.Buy].sort(([a], [b]) => b - a),
      [...sides.Sell].sort(([a], [b]) => a - b),
    ];
    const at = ts ?? Math.floor(timestamp_e6 / 1000);
    books.set(at, [...(books.get(at) ?? []), JSON.stringify(book)]);
  }
  return { trades, books };
}

/** A command that runs a file with the program's text, which finds one package under the name that it uses. */
function command(dir, server, { language, text }, installed, name) {
  const folder = fs.mkdtempSync(path.join(dir, "client-"));
  const address = text
    .replaceAll(/(ws|http)(s?:\/\/)127\.0\.0\.1:9443/g, (_, scheme) =>
      server.url.replace("ws", scheme)
    )
    .replaceAll("serve.json.pem", server.ca);
  const extension = { python: "py", html: "html", js: text.startsWith("import ") ? "mjs" : "cjs" }[
    language
  ];
  const file = path.join(folder, `client.${extension}`);
  fs.writeFileSync(file, address);
  if (language === "python") return [python(), [file]];
  if (language === "html")
    return [
      CHROMIUM,
      [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--remote-debugging-port=0",
        `--user-data-dir=${folder}/profile`,
        `file://${file}`,
      ],
    ];
  fs.mkdirSync(path.join(folder, "node_modules"));
  fs.symlinkSync(
    path.join(LARGE[installed] ? LARGE_MODULES : SMALL_MODULES, installed),
    path.join(folder, "node_modules", name)
  );
  return [process.execPath, [file]];
}

/** Wait until a program's output matches all patterns. */
function printed(program, patterns) {
  return program.until(
    new Promise((resolve) => {
      const check = () =>
        patterns.every((pattern) => pattern.test(program.stdout + program.stderr)) && resolve();
      program.child.stdout.on("data", check);
      program.child.stderr.on("data", check);
    })
  );
}

test(
  "the programs of docs/clients.md run as they are printed there",
  { concurrency: 3 },
  async (t) => {
    const dir = temporary(t);
    const blocks = PAGE.match(/^```(js|python|html)\n/gm);
    assert.equal(
      blocks.length,
      PROGRAMS.length + 1, // and the one of ccxt for other exchanges
      "each program of docs/clients.md has a row in PROGRAMS"
    );
    const archive = await (WITH_LARGE ? archiveOfCcxt(t, dir, OTHER_FEEDS) : smallArchive(t, dir));
    const server = await listening(t, ["serve", archive, "--hold"], dir);
    const plain = await listening(
      t,
      ["serve", archive, "--hold", "--plain", "--allow-origin", "null"],
      dir
    );
    const runs = [];
    for (const { section, packages, prints, isLarge, needs } of PROGRAMS) {
      if (isLarge && !WITH_LARGE) continue;
      const program = programOf(section);
      for (const [installed, name] of Object.entries(packages ?? { [section]: "" }))
        runs.push(
          t.test(
            `${section}: ${installed}`,
            { skip: (packages && withoutPackages) || (needs?.() ?? false) },
            async (t) => {
              const address = program.language === "html" ? plain : server;
              const [file, args] = command(dir, address, program, installed, name);
              const client = new Program(t, file, args, {
                env: { NODE_EXTRA_CA_CERTS: server.ca, NODE_PATH: "" },
              });
              await printed(client, prints);
              await client.kill("SIGTERM"); // a browser's own processes end with it
            }
          )
        );
    }
    await Promise.all(runs);
  }
);

test(
  "ccxt.pro with only its URLs changed loads its markets, and gets every book and trade of ten loops",
  { skip: WITH_LARGE ? false : "make soak runs it" },
  async (t) => {
    const dir = temporary(t);
    const archive = await archiveOfCcxt(t, dir);
    for (const [module, feed, watched, markets] of [
      ["ccxt-4", "v5-linear", ["BTC/USDT:USDT", "50"], 11],
      ["ccxt-2", "v5-linear", ["BTC/USDT:USDT", "50"], 9],
      ["ccxt-1", "inverse", ["BTC/USD:BTC"], 12],
    ])
      await t.test(module, async (t) => {
        const recorded = folded(
          parseLines(
            (await tapedeck(t, ["cat", "-a", archive, "--raw", "--dir", "in", "--feed", feed]))
              .stdout
          ).filter(({ topic }) => topic)
        );
        const server = await listening(
          t,
          ["serve", archive, "--feed", feed, "--loop", "--speed", "20"],
          dir
        );
        const client = await run(
          t,
          process.execPath,
          ["tests/e2e/serve/ccxt_client.mjs", LARGE_MODULES, module, server.url, "10", ...watched],
          { env: { NODE_EXTRA_CA_CERTS: server.ca } }
        );
        await server.program.kill("SIGTERM");
        const rows = parseLines(client.stdout);
        assert.equal(rows[0].markets.length, markets, rows[0].markets.join(" "));
        const books = rows.filter(({ at }) => at),
          trades = rows.filter(({ trade }) => trade).map(({ trade }) => trade);
        for (const { at, bids, asks } of books)
          assert.ok(recorded.books.get(at)?.includes(JSON.stringify([bids, asks])), `${at}`);
        assert.ok(books.length > 5 * recorded.books.size, `${books.length} books`);
        assert.deepEqual(
          trades,
          Array.from(
            { length: trades.length },
            (_, i) => recorded.trades[i % recorded.trades.length]
          )
        );
        assert.ok(trades.length >= 10 * recorded.trades.length, `${trades.length} trades`);
      });
  }
);

/** A capture's line of a reply that ccxt requests and that was not recorded. */
const CURRENCIES = JSON.stringify({
  t: "http",
  conn: "DERIBIT.http.sync",
  ts: 1626993723,
  url: "https://www.deribit.com/api/v2/public/get_currencies?expired=false",
  data: '{"jsonrpc":"2.0","result":[{"currency":"BTC"},{"currency":"ETH"}]}',
});
/** Clients with recordings of their exchanges: URLs by the server's; settings as in ccxt_exchange.mjs; more lines of the capture. */
const OTHERS = [
  {
    name: "coinbase",
    family: "coinbase-advanced",
    file: "other/coinbase.jsonl.zst",
    market: "BTC-USD",
    urls: (https, wss) => [
      ["https://{hostname}", https],
      ["https://api.coinbase.com", https],
      ["wss://advanced-trade-ws.coinbase.com", wss],
    ],
  },
  {
    name: "okx",
    family: "okx",
    file: "other/okx.jsonl.zst",
    market: "BTC-USDT",
    urls: (https, wss) => [
      ["https://{hostname}", https],
      ["wss://ws.okx.com:8443", wss],
    ],
  },
  {
    name: "binanceusdm",
    family: "binance-usdm",
    file: "other/binance-futures.jsonl.zst",
    market: "SUSHIUSDT",
    levelsMax: 1000,
    urls: (https, wss) => [
      ["https://fapi.binance.com", https],
      ["wss://fstream.binance.com", wss],
    ],
    settings: {
      options: {
        fetchMarkets: { types: ["linear"] },
        defaultType: "linear",
        watchOrderBookSnapshotDelay: 2,
      },
    },
  },
  // The class of API v1, which later versions do not have. It checks the checksum of each update.
  ...["XBT/CHF", "ADA/XBT", "ETH/CHF"].map((market) => ({
    name: "kraken",
    module: "ccxt-2",
    family: "kraken-v1",
    file: "other/kraken.jsonl.zst",
    market,
    urls: (https, wss) => [
      ["https://api.kraken.com", https],
      ["wss://ws.kraken.com", wss],
    ],
    settings: { depth: 1000 },
  })),
  // When this was recorded, raw books needed no login.
  ...["BTC-31DEC21-300000-C", "BTC-24SEP21-34000-P", "ETH-30JUL21-2800-C"].map((market) => ({
    name: "deribit",
    family: "deribit",
    file: "other/deribit.jsonl.zst",
    more: CURRENCIES,
    updates: 1,
    market,
    urls: (https, wss) => [
      ["https://www.deribit.com", https],
      ["wss://www.deribit.com", wss],
    ],
    settings: {
      options: { fetchMarkets: { fetchAllMarkets: false } },
      markets: { expired: "false" },
      book: { interval: "raw" },
      withoutLogin: true,
    },
  })),
];
for (const [
  {
    name,
    module = "ccxt-4",
    family,
    file,
    market,
    urls,
    settings = {},
    more,
    updates = 20,
    levelsMax,
  },
  from,
] of OTHERS.flatMap((row) => [
  [row, []],
  [{ ...row, updates: 1 }, ["--from", "+15s"]],
]))
  test(
    `ccxt.pro's ${name} with only its URLs changed loads its markets, and ends with the recording's book of ${market}${from.length > 0 ? " from the middle, too" : ""}`,
    { skip: WITH_LARGE ? withoutRecorded(file) : "make soak runs it" },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      const lines = path.join(dir, "lines.jsonl");
      if (more) {
        const [header, ...rest] = execFileSync("zstd", ["-dc", capture(file)], {
          encoding: "utf8",
          maxBuffer: 1 << 28,
        }).split("\n");
        fs.writeFileSync(lines, [header, more, ...rest].join("\n"));
      }
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--family",
        family,
        more ? lines : capture(file),
      ]);
      const { books } = await json(t, ["replay", "-a", archive, "--json"]);
      const server = await listening(
        t,
        ["serve", "-a", archive, "--once", "--speed", "2", ...from],
        dir
      );
      const https = server.url.replace("wss:", "https:");
      const client = await run(
        t,
        process.execPath,
        [
          "tests/e2e/serve/ccxt_exchange.mjs",
          LARGE_MODULES,
          module,
          name,
          market,
          JSON.stringify(urls(https, server.url)),
          JSON.stringify(settings),
        ],
        { env: { NODE_EXTRA_CA_CERTS: server.ca } }
      );
      const [{ markets }, { count, bids, asks, message }] = parseLines(client.stdout);
      assert.ok(markets > 10 && count >= updates, `${markets} markets, ${count} books, ${message}`);
      // Best prices are a book of one level.
      const want = books.find((book) => book.symbol === market && !book.broken && book.bids > 1);
      if (!(want.bids >= levelsMax))
        assert.deepEqual([bids.length, asks.length], [want.bids, want.asks]);
      assert.deepEqual(
        [bids[0].slice(0, 2), asks[0].slice(0, 2)],
        [
          [Number(want.best_bid), Number(want.best_bid_size)],
          [Number(want.best_ask), Number(want.best_ask_size)],
        ]
      );
    }
  );

/** What ccxt knows of a market that it has not requested. */
const marketOf = (id, symbol, more = {}) => {
  const [base, rest] = symbol.split("/");
  return {
    id,
    lowercaseId: id.toLowerCase(),
    symbol,
    base,
    quote: rest.split(":")[0],
    type: "spot",
    spot: true,
    precision: { amount: 1e-8, price: 1e-8 },
    info: {},
    ...more,
  };
};
const SWAP = { type: "swap", spot: false, swap: true, contract: true, contractSize: 1 };
/** Clients of the simulated exchange: URLs by the server's; settings as in ccxt_exchange.mjs. */
const SIMULATED = [
  {
    name: "binance",
    family: "binance-spot",
    market: "BTCUSDT",
    urls: (https, wss) => [
      ["https://api.binance.com", https],
      ["wss://stream.binance.com:9443", wss],
    ],
    settings: {
      only: marketOf("BTCUSDT", "BTC/USDT"),
      options: { watchOrderBookSnapshotDelay: 2 },
    },
  },
  {
    name: "binanceusdm",
    family: "binance-usdm",
    market: "BTCUSDT",
    urls: (https, wss) => [
      ["https://fapi.binance.com", https],
      ["wss://fstream.binance.com", wss],
    ],
    settings: {
      only: marketOf("BTCUSDT", "BTC/USDT:USDT", { ...SWAP, settle: "USDT", linear: true }),
      options: { defaultType: "linear", watchOrderBookSnapshotDelay: 2 },
    },
  },
  {
    name: "okx",
    family: "okx",
    market: "BTC-USDT",
    urls: (https, wss) => [
      ["https://{hostname}", https],
      ["wss://ws.okx.com:8443", wss],
    ],
    settings: { only: marketOf("BTC-USDT", "BTC/USDT") },
  },
  {
    name: "kraken",
    family: "kraken-v2",
    market: "BTC/USD",
    urls: (https, wss) => [
      ["https://api.kraken.com", https],
      ["wss://ws.kraken.com", wss],
    ],
    settings: { only: marketOf("XBTUSD", "BTC/USD", { info: { wsname: "BTC/USD" } }) },
  },
  {
    name: "coinbase",
    family: "coinbase-advanced",
    market: "BTC-USD",
    urls: (https, wss) => [
      ["https://api.coinbase.com", https],
      ["wss://advanced-trade-ws.coinbase.com", wss],
    ],
    settings: { only: marketOf("BTC-USD", "BTC/USD") },
  },
  {
    name: "deribit",
    family: "deribit",
    market: "BTC-PERPETUAL",
    urls: (https, wss) => [
      ["https://www.deribit.com", https],
      ["wss://www.deribit.com", wss],
    ],
    settings: {
      only: marketOf("BTC-PERPETUAL", "BTC/USD:BTC", { ...SWAP, settle: "BTC", inverse: true }),
    },
  },
  {
    name: "bitstamp",
    family: "bitstamp",
    market: "btcusd",
    urls: (https, wss) => [
      ["https://www.bitstamp.net", https],
      ["wss://ws.bitstamp.net", wss],
    ],
    settings: { only: marketOf("btcusd", "BTC/USD") },
  },
  {
    name: "bybit",
    family: "v5-linear",
    market: "BTCUSDT",
    urls: (https, wss) => [
      ["https://api.{hostname}", https],
      ["wss://stream.{hostname}", wss],
    ],
    settings: {
      depth: 50,
      only: marketOf("BTCUSDT", "BTC/USDT:USDT", { ...SWAP, settle: "USDT", linear: true }),
    },
  },
];
for (const { name, family, market, urls, settings } of SIMULATED)
  test(
    `ccxt.pro's ${name} through tap: its book is the recording's, and the same from serve, also from the middle`,
    { skip: WITH_LARGE ? false : "make soak runs it" },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      /** The client's book when a server has ended its connection. */
      const bookAt = async (server) => {
        const client = await run(
          t,
          process.execPath,
          [
            "tests/e2e/serve/ccxt_exchange.mjs",
            LARGE_MODULES,
            "ccxt-4",
            name,
            market,
            JSON.stringify(urls(server.url.replace("wss:", "https:"), server.url)),
            JSON.stringify(settings),
          ],
          { env: { NODE_EXTRA_CA_CERTS: server.ca } }
        );
        const [, { count, bids, asks, message }] = parseLines(client.stdout);
        assert.ok(count > 10, `${count} books, ${message}`);
        return digest({
          Buy: new Map(bids.map((level) => level.slice(0, 2))),
          Sell: new Map(asks.map((level) => level.slice(0, 2))),
        });
      };
      const sim = await listening(
        t,
        ["sim", "--families", family, "--symbols", "2", "--rate", "50", "--seed", "5"].concat(
          "--duration",
          "10s"
        ),
        dir
      );
      const tap = await listening(
        t,
        ["tap", "-a", archive, "--upstream", sim.url, "--family", family, "--ca-file", sim.ca],
        dir
      );
      const live = await bookAt(tap);
      assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
      const { books } = await json(t, ["replay", archive, "--json"], { status: null });
      const want = books.find((book) => book.levels_sha1 !== null && !book.broken);
      assert.deepEqual([want.bids, want.asks, want.levels_sha1], live);
      for (const from of [[], ["--from", "+6s"]]) {
        const server = await listening(t, ["serve", archive, "--once", ...from], dir);
        assert.deepEqual(await bookAt(server), live, from.join(" "));
      }
    }
  );

/** The rows of the page: class, addresses, symbol. */
const CCXT_ROWS = [...PAGE.matchAll(/^\| `(\w+)` \| `(https\S+)` `(wss\S+)` \| `(\S+)` \|$/gm)];

test(
  "ccxt's program for other exchanges runs with each row of its table",
  { skip: WITH_LARGE ? false : "make soak runs it", concurrency: 3 },
  async (t) => {
    const dir = temporary(t);
    const archive = await smallArchive(t, dir, CCXT_FEEDS);
    const served = (...feeds) =>
      listening(
        t,
        ["serve", archive, "--hold", ...feeds.flatMap((feed) => ["--feed", feed])],
        temporary(t)
      );
    // Binance's spot and futures have the path /ws, so each needs a server.
    const spot = await served("binance-spot");
    const others = await served(
      ...CCXT_FEEDS.map(([family]) => family).filter((family) => family !== "binance-spot")
    );
    const program = programOf("ccxt for other exchanges");
    const [, , https, wss, example] = CCXT_ROWS[0];
    assert.equal(CCXT_ROWS.length, 7);
    const runs = CCXT_ROWS.map(([, name, http, ws, symbol]) =>
      t.test(name, async (t) => {
        const { settings } = SIMULATED.find((row) => row.name === name);
        const server = name === "binance" ? spot : others;
        // The simulated exchange has no lists of these markets: they are set, as the page tells.
        const text = program.text
          .replace("ccxt.pro.binance()", `ccxt.pro.${name}()`)
          .replace(https, http)
          .replace(wss, ws)
          .replace(`"${example}"`, `"${symbol}"`)
          .replace(
            "await exchange.loadMarkets();",
            `exchange.setMarkets([exchange.safeMarketStructure(${JSON.stringify(settings.only)})]);`
          );
        const [file, args] = command(dir, server, { ...program, text }, "ccxt-4", "ccxt");
        const client = new Program(t, file, args, {
          env: { NODE_EXTRA_CA_CERTS: server.ca, NODE_PATH: "" },
        });
        await printed(client, [new RegExp(`^${symbol} book \\[ `, "m")]);
        await client.kill("SIGTERM");
      })
    );
    await Promise.all(runs);
  }
);

test("docs/clients.md names the versions that are tested", () => {
  const { dependencies } = JSON.parse(fs.readFileSync("tests/npm/package.json", "utf8"));
  const tested = { ...dependencies, ...LARGE };
  for (const { packages } of PROGRAMS)
    for (const name of Object.keys(packages ?? {})) {
      const version = tested[name].replace(/^.*@/, "");
      assert.match(
        PAGE,
        new RegExp(`^\\|.*[ |]${version.replaceAll(".", "\\.")}[ ,]`, "m"),
        `${name} ${version}`
      );
    }
});
