// What each verb answers after each kind of event, for one family of each dialect: no answer may be good over data that is missing,
// doubtful or twice, none may be bad over data that is whole, and all must agree.
//
//   node tests/e2e/operate/answers_matrix.mjs [FAMILY,...|all] [EVENT,...|all]
//
// prints the matrix and ends with 1 if a cell is wrong. The truth is a second archive, of everything that the simulated exchange sent;
// bars are computed here from its trades. An event edits a recording (a frame is lost, times are shifted), or happens to a recorder
// behind a proxy (a connection is cut). Losses that docs/completeness.md lists as unseen are cells of their own.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import zlib from "node:zlib";
import {
  chunksOf,
  eventually,
  filesBelow,
  flipIn,
  importLines,
  json,
  listening,
  manifestsOf,
  passed,
  tapedeck,
} from "../support/harness.mjs";
import { exchangeBetween } from "../support/exchange_between.mjs";
import { installed, pythonWith, withoutLibrary } from "../support/python_scripts.mjs";
import {
  answersInC,
  answersProgram,
  hftTrades,
  mcapTrades,
  pageColumns,
  TILE,
} from "../support/readers.mjs";
import { Recorder } from "../support/recorders.mjs";

/** One family of each dialect, all exchanges. isTrade: frames of trades. http: the book's snapshot is fetched. untimed: it has no
 * time of the exchange. countsUpdates: it has a number of the last update. */
export const FAMILIES = {
  inverse: {
    path: "/realtime",
    book: "orderBookL2_25",
    trade: "trade",
    isTrade: /"topic":"trade\./,
    symbol: "BTCUSD",
  },
  "spot-v1": {
    path: "/spot/quote/ws/v1",
    book: "depth",
    trade: "trade",
    isTrade: /"topic":"trade".*"data":/,
    symbol: "BTCUSDT",
  },
  "spot-v2": {
    path: "/spot/quote/ws/v2",
    book: "depth",
    trade: "trade",
    isTrade: /"topic":"trade".*"data":/,
    symbol: "BTCUSDT",
  },
  "contract-v3": {
    path: "/contract/usdt/public/v3",
    book: "orderbook.50",
    trade: "publicTrade",
    isTrade: /"topic":"publicTrade/,
    symbol: "BTCUSDT",
  },
  "v5-linear": {
    path: "/v5/public/linear",
    book: "orderbook.50",
    trade: "publicTrade",
    isTrade: /"topic":"publicTrade/,
    symbol: "BTCUSDT",
  },
  "v5-spot": {
    path: "/v5/public/spot",
    book: "orderbook.50",
    trade: "publicTrade",
    isTrade: /"topic":"publicTrade/,
    symbol: "BTCUSDT",
  },
  "binance-spot": {
    path: "/stream",
    book: "depth@100ms",
    trade: "aggTrade",
    isTrade: /@aggTrade/,
    symbol: "BTCUSDT",
    http: true,
    countsUpdates: true,
    untimed: true,
  },
  "binance-usdm": {
    path: "/stream",
    book: "depth@100ms",
    trade: "aggTrade",
    isTrade: /@aggTrade/,
    symbol: "BTCUSDT",
    http: true,
    countsUpdates: true,
  },
  bitstamp: {
    path: "/",
    book: "diff_order_book",
    trade: "live_trades",
    isTrade: /"event":"trade"/,
    symbol: "btcusd",
    http: true,
  },
  "coinbase-advanced": {
    path: "/",
    book: "level2",
    trade: "market_trades",
    isTrade: /"channel":"market_trades"/,
    symbol: "BTC-USD",
  },
  deribit: {
    path: "/ws/api/v2",
    book: "book.raw",
    trade: "trades.raw",
    isTrade: /"channel":"trades\./,
    symbol: "BTC-PERPETUAL",
  },
  "kraken-v1": {
    path: "/",
    book: "book-10",
    trade: "trade",
    isTrade: /"trade","[^"]*"\]$/,
    symbol: "XBT/USD",
  },
  okx: {
    path: "/ws/v5/public",
    book: "books",
    trade: "trades",
    isTrade: /"channel":"trades".*"data":/,
    symbol: "BTC-USDT-SWAP",
  },
};

const EPOCH = "2026-11-20T23:59:56.700Z"; // a day and an hour end in each recording
const MIDNIGHT_NS = BigInt(Date.parse("2026-11-21")) * 1_000_000n,
  MS = 1_000_000n;

/** A level of a bid that crosses the book and its removal, as the text that begins with the list's bracket; of families whose books
 * have no fixed number of levels, and no checksum. */
const bids = (list) => [`"${list}":[["65000","1"]`, `"${list}":[["65000","0"]`];
const CROSSING = {
  "binance-spot": bids("b"),
  "binance-usdm": bids("b"),
  bitstamp: bids("bids"),
  okx: ['"bids":[["65000","1","0","1"]', '"bids":[["65000","0","0","0"]'],
  deribit: ['"bids":[["new",65000.0,10.0]', '"bids":[["delete",65000.0,0.0]'],
};
for (const [family, levels] of Object.entries(CROSSING)) FAMILIES[family].crossing = levels;

const isData = (row) => row.dir === "in" && row.topic !== "_control";
/** Where the middle frame of a topic is in the rows. */
const middle = (rows, topic, from = 0.5) => {
  const found = rows.flatMap((row, i) =>
    isData(row) && row.topic === topic && !row.fetched ? [i] : []
  );
  return found[Math.floor(found.length * from)];
};
const without = (rows, i) => rows.filter((_, at) => at !== i);
const swapped = (rows, topic) => {
  const a = middle(rows, topic),
    b = rows.findIndex((row, i) => i > a && row.topic === topic);
  return rows.map((row, i) =>
    i === a
      ? { ...rows[a], data: rows[b].data }
      : i === b
        ? { ...rows[b], data: rows[a].data }
        : row
  );
};
/** A row with another text. */
const changed = (rows, i, change) =>
  rows.map((row, at) => (at === i ? { ...row, data: change(row.data) } : row));
/** The first price is another one. */
const altered = (rows, i) =>
  changed(rows, i, (text) => text.replace(/(?<=["[,:])6(?=\d{4}(\.\d+)?\b)/, "5"));
/** The first of two deltas crosses the book, the second one ends that. */
const crossed = (rows, { book, crossing }) =>
  crossing.reduce((all, level, n) => {
    const list = level.slice(0, level.indexOf("[") + 1),
      i = all.findIndex(
        (row, at) =>
          at >= middle(rows, book) + n &&
          row.topic === book &&
          isData(row) &&
          row.data.includes(list)
      );
    return changed(all, i, (text) =>
      text.replace(list + "]", `${level}]`).replace(list + "[", `${level},[`)
    );
  }, rows);
/** Frames around midnight are missing, and the later ones are of another connection. */
const holeOverMidnight = (rows) =>
  rows
    .filter(({ recv_ns }) => recv_ns < MIDNIGHT_NS - 200n * MS || recv_ns > MIDNIGHT_NS + 200n * MS)
    .map((row) => (row.recv_ns > MIDNIGHT_NS ? { ...row, conn: row.conn + 1 } : row));
const twice = (rows, i) => [
  ...rows.slice(0, i + 1),
  { ...rows[i], recv_ns: rows[i].recv_ns },
  ...rows.slice(i + 1),
];
const shifted = (rows, ms) =>
  rows.map((row) => ({ ...row, recv_ns: row.recv_ns + BigInt(ms) * 1_000_000n }));
/** The rows without the last number of the connection each: the edited rows are other frames. */
const renumbered = (rows) => rows.map(({ ordinal, ...row }) => row);

/** Events that edit a recording: rows -> rows. `harmless`: everything is there. `lost`: what may be wrong ("trade", "book"). */
export const EDITS = {
  nothing: { harmless: true, edit: (rows) => rows },
  "delta lost": { lost: "book", edit: (rows, { book }) => without(rows, middle(rows, book)) },
  "delta twice": { lost: "book", edit: (rows, { book }) => twice(rows, middle(rows, book)) },
  "deltas swapped": { lost: "book", edit: (rows, { book }) => swapped(rows, book) },
  "snapshot lost": {
    lost: "book",
    edit: (rows, { book, http }) =>
      without(
        rows,
        rows.findIndex((row) => isData(row) && row.topic === book && (!http || row.fetched))
      ),
  },
  "trade lost": { lost: "trade", edit: (rows, { trade }) => without(rows, middle(rows, trade)) },
  "trade twice": { lost: "trade", edit: (rows, { trade }) => twice(rows, middle(rows, trade)) },
  "trades swapped": { lost: "trade", edit: (rows, { trade }) => swapped(rows, trade) },
  "delta altered": { lost: "book", edit: (rows, { book }) => altered(rows, middle(rows, book)) },
  "trade altered": { lost: "trade", edit: (rows, { trade }) => altered(rows, middle(rows, trade)) },
  crossed: { harmless: true, only: "crossing", isTruth: true, edit: crossed },
  "hole over midnight": { lost: "both", days: 2, edit: holeOverMidnight },
  "frame on midnight": {
    harmless: true,
    barUs: 3_600_000_000,
    edit: (rows, { book }) =>
      rows.map((row) => ({
        ...row,
        recv_ns: row.recv_ns + MIDNIGHT_NS - rows[middle(rows, book)].recv_ns,
      })),
  },
  "clock behind": { harmless: true, edit: (rows) => shifted(rows, -1270) },
  "clock ahead": { harmless: true, edit: (rows) => shifted(rows, 1270) },
};

/** What docs/completeness.md lists as unseen, or as a warning: event -> families whose frames cannot prove it. */
const UNSEEN = {
  "delta lost": ["inverse", "spot-v1", "spot-v2", "bitstamp", "kraken-v1"],
  "delta twice": ["inverse", "spot-v1", "spot-v2", "bitstamp", "kraken-v1"],
  "deltas swapped": ["bitstamp", "kraken-v1", "spot-v1", "spot-v2"],
  "snapshot lost": ["spot-v1", "spot-v2"],
  "delta altered": Object.keys(FAMILIES).filter((family) => family !== "kraken-v1"),
  "trade altered": Object.keys(FAMILIES),
  "trade lost": [
    "inverse",
    "spot-v1",
    "spot-v2",
    "contract-v3",
    "v5-linear",
    "v5-spot",
    "binance-spot",
    "bitstamp",
    "deribit",
    "kraken-v1",
    "okx",
  ],
  "trade twice": ["spot-v1", "spot-v2", "binance-spot", "kraken-v1"],
  "trades swapped": ["spot-v1", "spot-v2", "binance-spot", "kraken-v1", "okx"],
};

/** Who has entries as received, with those that a snapshot repeats (docs/export.md); families that send such snapshots. */
const AS_RECEIVED = ["sqlite", "mcap", "Python"],
  REPEATING = ["spot-v1", "spot-v2"];

// ---- recordings ------------------------------------------------------------------------------------

const feedOf = (family, server, more = []) => {
  const { path: at, book, trade, symbol } = FAMILIES[family];
  return [
    server + at,
    "--family",
    family,
    "--topic",
    book,
    "--topic",
    trade,
    "--symbol",
    symbol,
    "--commit-interval",
    "100ms",
    ...more,
  ];
};

const simulated = (t, dir, family, more) =>
  listening(
    t,
    [
      "sim",
      "--plain",
      "--families",
      family,
      "--symbols",
      "1",
      "--rate",
      "200",
      "--seed",
      "3",
      ...more,
    ],
    dir
  );

/** The rows of an archive; times are texts, which are exact. */
async function rowsOf(t, archive) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line.replace(/"(recv_ns|exchange_ns)":(\d+)/g, '"$1":"$2"')));
}

/** The rows of a family's recording, received when the exchange made them. */
export async function baseRows(t, dir, family) {
  const archive = path.join(dir, `${family}-base`);
  const sim = await simulated(t, dir, family, ["--max-frames", "1000", "--epoch", EPOCH]);
  await tapedeck(t, ["record", "-q", "-a", archive, ...feedOf(family, sim.url), "--until-close"]);
  const rows = await rowsOf(t, archive);
  const first = rows.find((row) => isData(row) && row.exchange_ns !== null && !row.fetched);
  const early = BigInt(first.recv_ns) - BigInt(first.exchange_ns) - 1_000_000n;
  return rows.map((row) => ({ ...row, recv_ns: BigInt(row.recv_ns) - early }));
}

/** An archive of edited rows. */
export async function importRows(t, dir, name, family, rows) {
  const lines = renumbered(rows).map((row) => ({ ...row, recv_ns: String(row.recv_ns) }));
  return importLines(t, lines, { archive: path.join(dir, name), family });
}

// ---- answers ---------------------------------------------------------------------------------------

const csvRows = (out, type) =>
  fs
    .readdirSync(out)
    .filter((name) => name.includes(`_${type}_`))
    .sort()
    .flatMap((name) => {
      const [head, ...lines] = zlib
        .gunzipSync(fs.readFileSync(path.join(out, name)))
        .toString()
        .trimEnd()
        .split("\n");
      const names = head.split(",");
      return lines.map((line) =>
        Object.fromEntries(line.split(",").map((value, i) => [names[i], value]))
      );
    });

const BAR_US = 500_000;
/** Trades without their receive time. */
const tradeKey = (row) => [row.timestamp, row.id, row.side, row.price, row.amount].join(",");
const quoteKey = (row) => [row.bid_price, row.bid_amount, row.ask_price, row.ask_amount].join(",");
const barKey = (row) => [row.start, row.open, row.high, row.low, row.close, row.count].join(",");

/** Bars of trades, by their start. */
function barsOf(trades, barUs) {
  const bars = new Map();
  for (const { timestamp, price } of trades) {
    const start = Math.floor(Number(timestamp) / barUs) * barUs,
      bar = bars.get(start);
    if (bar === undefined)
      bars.set(start, { start, open: price, high: price, low: price, close: price, count: 1 });
    else {
      if (Number(price) > Number(bar.high)) bar.high = price;
      if (Number(price) < Number(bar.low)) bar.low = price;
      bar.close = price;
      bar.count++;
    }
  }
  return bars;
}

/** All formats that have trades. */
const FORMATS = ["tardis-csv", "parquet", "sqlite", "nautilus", "hftbacktest", "mcap"];

/** A recording's rows as CSV, and how many trades each format has by the manifests. */
async function exported(t, archive, out, formats = ["tardis-csv"], barUs = BAR_US, time = []) {
  const options = [
    ...time,
    ...formats.flatMap((format) => ["--format", format]),
    "--bars",
    `${barUs / 1000}ms`,
  ];
  const { code } = await tapedeck(t, ["export", "-q", "-a", archive, ...options, "--out", out], {
    status: null,
  });
  const days = code === 4 ? [] : manifestsOf(out),
    csv = formats.length > 1 ? path.join(out, "tardis-csv") : out;
  const counts = Object.fromEntries(formats.map((format) => [format, 0]));
  for (const { files } of days)
    for (const { format, type, rows, name } of files)
      if (type === "trades") counts[format] += rows;
      else if (format === "sqlite")
        counts.sqlite += Number(
          execFileSync("sqlite3", [path.join(out, name), "SELECT count(*) FROM trades"], {
            encoding: "utf8",
          })
        );
  if (formats.includes("hftbacktest"))
    counts.hftbacktest = hftTrades(path.join(out, "hftbacktest"));
  if (formats.includes("mcap")) counts.mcap = await mcapTrades(path.join(out, "mcap"));
  const rows = (type) => (fs.existsSync(csv) ? csvRows(csv, type) : []);
  return {
    code,
    counts,
    trades: rows("trades"),
    quotes: rows("quotes"),
    bars: rows("bars"),
    verdicts: days.map(({ verdict }) => verdict),
    silent: days.reduce((sum, { silent }) => sum + silent.length, 0),
  };
}

const BARS = `
import json, sys, tapedeck
try:
    with tapedeck.open(sys.argv[1], strict=False) as archive:
        trades = archive.trades(symbol=sys.argv[2])
        text = lambda price: format(price.normalize(), "f")
        bars = [[bar.time_ns // 1000, text(bar.open), text(bar.high), text(bar.low), text(bar.close), bar.count] for bar in archive.bars(sys.argv[2], sys.argv[3]) if not bar.suspect]
    print(json.dumps({"trades": len(trades), "bars": bars}))
except tapedeck.Error as error:
    print(json.dumps({"trades": 0, "bars": [], "error": str(error)}))
`;

/** The bars and the number of trades that Python reads; null where the library is not built. */
async function pythonAnswers(archive, symbol, packages, barUs) {
  if (withoutLibrary) return null;
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
  const { stdout } = await promisify(execFile)(
    pythonWith("ctypes"),
    ["-c", BARS, archive, symbol, `${barUs / 1000}ms`],
    { env }
  );
  return JSON.parse(stdout);
}

/** Rows of `some` that `all` lacks, each as often as it is there too often. */
function surplus(some, all) {
  const left = new Map();
  for (const key of all) left.set(key, (left.get(key) ?? 0) + 1);
  return some.filter((key) => {
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count <= 0;
  });
}

/** Rows that are not the truth's best prices of their time: those of the last change before, or of one at the same time. A snapshot
 * for a new subscriber has what others get with their next frame. */
function wrongQuotes(quotes, all) {
  const times = all.map(({ timestamp }) => Number(timestamp)),
    keys = all.map(quoteKey);
  return quotes.filter((row) => {
    const next = times.findIndex((time) => time > Number(row.timestamp)),
      end = next < 0 ? times.length : next;
    const since =
      times[end - 1] === Number(row.timestamp) ? times.indexOf(Number(row.timestamp)) - 1 : end - 1;
    return !keys.slice(Math.max(since, 0), end + 1).includes(quoteKey(row));
  });
}

/** The exchange's own snapshots of a recorded book, which a new subscriber gets: another one has no frame with that state. Each is
 * local time and time, in us, unless a later delta came before it: the book is that of the delta then. */
async function ownSnapshots(t, archive, book) {
  const { stdout } = await tapedeck(t, ["replay", "-a", archive, "--messages", "--topic", book], {
    status: null,
  });
  const found = new Set();
  let last = 0n;
  for (const line of stdout.split("\n").filter((one) => one.includes('"recv_ns"'))) {
    const number = (name) => BigInt(new RegExp(`"${name}":(\\d+)`).exec(line)?.[1] ?? 0);
    const recv = number("recv_ns"),
      at = number("exchange_ns");
    if (/"kind":"snapshot"/.test(line))
      at >= last && found.add(`${recv / 1000n} ${(at || recv) / 1000n}`);
    else if (at > last) last = at;
  }
  return found;
}

/** The rows of a C program that CSV has not, or the other way. */
function otherInC(quotes, rows) {
  const number = (text) => (text === "" ? null : Number(text));
  const inCsv = rows.map((row) => [
    row.local_timestamp,
    row.timestamp,
    number(row.bid_price),
    number(row.bid_amount),
    number(row.ask_price),
    number(row.ask_amount),
  ]);
  const inC = quotes.map(([recv, exchange, ...best]) => [
    `${recv / 1000n}`,
    `${(exchange || recv) / 1000n}`,
    ...best,
  ]);
  const isChange = (row, i, all) => i === 0 || row.slice(2).join() !== all[i - 1].slice(2).join(); // each file begins with the state
  const [a, b] = [inCsv, inC].map((all) => all.filter(isChange).map((row) => row.join()));
  return [...surplus(a, b), ...surplus(b, a)];
}

/** Columns of the page's tiles that show other best prices as right than a C program has. */
function wrongColumns(columns, quotes) {
  let i = -1;
  return columns.filter(({ to, bid, ask, state }) => {
    while (i + 1 < quotes.length && quotes[i + 1][0] < to) i++;
    if ((state & ~TILE.MISSING) !== TILE.KNOWN) return false;
    return i < 0 || bid !== (quotes[i][2] ?? NaN) || ask !== (quotes[i][4] ?? NaN);
  });
}

/** 1 if nothing of a symbol's day is missing. Books whose snapshot is fetched are unknown until it comes, and right then. */
const isCleanDay = ({ topics }) =>
  topics.every(
    ({ reasons, clean_ns, unproven_ns }) =>
      unproven_ns === 0 && (reasons === null || (reasons === "no_snapshot" && clean_ns > 0))
  );

/** Sums over the days of each topic of a symbol. */
function sumsOf(days) {
  const sums = new Map();
  for (const { feed, symbol, topics } of days)
    for (const { topic, asked_ns, missing_ns, frames } of topics) {
      const key = [feed, topic, symbol].join(" ");
      const [asked, missing, count] = sums.get(key) ?? [0, 0, 0];
      sums.set(key, [asked + asked_ns, missing + missing_ns, count + frames]);
    }
  return sums;
}

const PART_NS = 10_000; // numbers have no single nanoseconds

/** Two parts of the time have together what the whole has: trades, and by `days` time and frames of each topic. The border is in the
 * first gap, or in the middle. Texts about what differs. */
async function partsDiffer(t, archive, dir, { replay, gaps, days, rows }) {
  const { first_recv_ns: first, last_recv_ns: last } = replay;
  const gap = gaps.find(({ from_ns, to_ns }) => from_ns > first && to_ns !== null && to_ns < last);
  const border_ns = gap === undefined ? (first + last) / 2 : (gap.from_ns + gap.to_ns) / 2;
  const border = new Date(Math.floor(border_ns / 1e6)).toISOString();
  const parts = await Promise.all(
    ["--to", "--from"].map(async (end) => {
      const time = [end, border];
      const args = ["days", "-a", archive, "--json", ...time];
      const { stdout } = await tapedeck(t, args, { status: null }); // empty if a part has no frame
      const read = await exported(
        t,
        archive,
        path.join(dir, `part${end}`),
        FORMATS.slice(0, 1),
        BAR_US,
        time
      );
      return {
        sums: sumsOf(stdout === "" ? [] : JSON.parse(stdout).days),
        trades: read.trades.length,
      };
    })
  );
  const found = [];
  const trades = parts[0].trades + parts[1].trades;
  if (trades !== rows.trades.length)
    found.push(`${trades} trades in parts at ${border}, ${rows.trades.length} in the whole`);
  for (const [key, whole] of sumsOf(days))
    for (const [i, name] of ["asked_ns", "missing_ns", "frames"].entries()) {
      const both = parts.reduce((sum, { sums }) => sum + (sums.get(key)?.[i] ?? 0), 0);
      if (Math.abs(both - whole[i]) > (name === "frames" ? 0 : PART_NS))
        found.push(`${key}: ${name} ${both} in parts at ${border}, ${whole[i]} in the whole`);
    }
  return found;
}

/** Reasons of rows that are no losses. */
const HOLES = ["pruned", "not_subscribed"];

/** What the verbs answer about an archive, beside the truth. */
export async function answersOf(
  t,
  archive,
  truth,
  dir,
  { symbol, untimed, packages, program, isLive, metrics, whole: wholeArchive, barUs = BAR_US }
) {
  const read = (verb, ...more) =>
    json(t, [verb, "-a", archive, "--json", ...more], { status: null });
  const [replay, days, gaps, info, verify, python, rows, all] = await Promise.all([
    read("replay"),
    read("days"),
    read("gaps"),
    read("info"),
    read("verify"),
    pythonAnswers(archive, symbol, packages, barUs),
    exported(t, archive, path.join(dir, "rows"), FORMATS, barUs),
    truth,
  ]);
  const [book] = replay.books,
    at = (end) => BigInt(replay[end]);
  const where = {
    ...book,
    book: book?.topic,
    firstNs: at("first_recv_ns"),
    lastNs: at("last_recv_ns"),
  };
  const [inC, inWhole, columns, own] = await Promise.all([
    program ? answersInC(t, program, archive, symbol) : null,
    program && wholeArchive ? answersInC(t, program, wholeArchive, symbol) : null,
    book ? pageColumns(t, archive, dir, where) : null,
    isLive && book ? ownSnapshots(t, archive, book.topic) : new Set(),
  ]);
  const isTimed = (row) => !untimed || row.timestamp !== row.local_timestamp;
  const trueQuotes = all.quotes
    .filter(isTimed)
    .sort((a, b) => Number(a.timestamp) - Number(b.timestamp));
  const isKnown = (row) =>
    !isLive || Number(row.timestamp) >= Number(trueQuotes[0]?.timestamp ?? 0); // another connection may have begun earlier
  const quotes = rows.quotes.filter(
    (row) => isTimed(row) && isKnown(row) && !own.has(`${row.local_timestamp} ${row.timestamp}`)
  );
  const wrong = wrongQuotes(quotes, trueQuotes);
  // A recorder does not miss what came before its first frames, and after it has stopped. It may have older trades than the truth if
  // another connection's first snapshot lists more; trades of the first time are left out, because a snapshot may begin among them.
  const times = (of) =>
    isLive ? of.trades.map(({ timestamp }) => Number(timestamp)) : [-Infinity, Infinity];
  const from = Math.max(times(rows)[0], times(all)[0]),
    to = times(rows).at(-1);
  const [trades, whole] = [rows, all].map((one) =>
    one.trades
      .filter(({ timestamp }) => Number(timestamp) > from && Number(timestamp) < to)
      .map(tradeKey)
  );
  const bars = barsOf(all.trades, barUs);
  const rightBars = [...bars.values()].map(barKey);
  const isBarKnown = (start) => !isLive || Number(start) > from; // a first snapshot may list older trades than the truth has
  return {
    missing: surplus(whole, trades).length,
    twice: surplus(trades, whole).length,
    wrongQuotes: wrong.length,
    firstWrong: wrong[0],
    quotes: rows.quotes.length,
    allQuotes: all.quotes.length,
    wrongBars: surplus(rows.bars.filter((row) => isBarKnown(row.start)).map(barKey), rightBars)
      .length,
    bars: rows.bars.length,
    good: {
      replay: replay.verdict === "complete" && replay.silent.length === 0,
      gaps: gaps.gaps.every((gap) => gap.covered_by !== null || HOLES.includes(gap.reason)),
      days: days.days.length > 0 && days.days.every(isCleanDay) && days.silent.length === 0,
      info: info.gaps === gaps.covered,
      verify: verify.verdict === "sound",
      export:
        rows.code === 0 &&
        rows.verdicts.length > 0 &&
        rows.verdicts.every((one) => one === "complete") &&
        rows.silent === 0,
    },
    counts: {
      ...rows.counts,
      ...(python && { Python: python.trades }),
      ...(inC && { C: inC.trades }),
      ...(columns && { page: columns.reduce((sum, { trades }) => sum + trades, 0) }),
    },
    otherInC: inC ? otherInC(inC.quotes, rows.quotes) : [],
    wrongColumns: inC && columns ? wrongColumns(columns, (inWhole ?? inC).quotes).length : 0,
    columns: columns?.length,
    silent: replay.silent.length,
    refused: replay.silent.filter(({ state }) => state === "refused").length,
    metrics,
    wrongPythonBars: python
      ? surplus(
          python.bars.filter(([start]) => isBarKnown(start)).map((bar) => bar.join(",")),
          rightBars
        ).length
      : 0,
    brokenBooks: replay.books.filter((book) => book.broken).length,
    books: replay.books.length,
    lasts_ns: gaps.lasts_ns,
    goodDays: rows.verdicts.filter((one) => one === "complete").length,
    parts: await partsDiffer(t, archive, dir, { replay, gaps: gaps.gaps, days: days.days, rows }),
  };
}

// ---- events that happen to a recorder ---------------------------------------------------------------

/** A recorder behind a proxy, and everything that the exchange sent as a second archive. run(recording) lets the event happen. */
async function recordedLive(t, dir, name, family, { hooks, args = [], run }) {
  let metrics;
  const archive = path.join(dir, name),
    programs = [];
  const sim = await simulated(t, dir, family, []);
  const between = await exchangeBetween(t, sim.url, hooks?.(FAMILIES[family]));
  const start = (to = archive, feed = feedOf(family, between.url)) => {
    const recorder = new Recorder(t, to, [...feed, "--status-listen", "127.0.0.1:0", ...args]);
    programs.push(recorder);
    return recorder;
  };
  try {
    // A chunk of each line every 100 ms; a snapshot over HTTP comes after 2 s.
    const lines = (FAMILIES[family].http ? 30 : 12) * (args.includes("--lines") ? 2 : 1);
    const stopped = async (recorder) => {
      metrics = await metricsOf(recorder);
      await recorder.kill("SIGTERM");
    };
    await run({ between, start, stopped, archive, t, lines, family, url: between.url });
    const seen = between.seen.length; // the observer may be later than the recorder
    await eventually("the observer has later frames", () => between.seen.length > seen + 400);
    const truth = await importLines(t, between.seen, {
      archive: path.join(dir, `${name}-truth`),
      family,
      status: null,
    });
    const all = await exported(t, truth, path.join(dir, `${name}-truth-rows`));
    return { archive, all, metrics };
  } finally {
    programs.forEach((program) => program.child.kill("SIGKILL"));
    between.stop();
    await sim.program.kill("SIGTERM");
  }
}

/** What a recorder's monitoring shows: topics without a frame, refused topics. */
async function metricsOf(recorder) {
  const [, url] = await recorder.prints(/metrics and state are at (http:\S+)/);
  // On a busy machine the connection may be closed before the request is sent.
  const ask = async () => (await fetch(`${url}metrics`)).text();
  const text = await eventually("its metrics", () => ask().catch(() => null), recorder);
  const sum = (name) =>
    [...text.matchAll(new RegExp(`^${name}\\{.*\\} (\\d+)$`, "gm"))].reduce(
      (all, [, value]) => all + Number(value),
      0
    );
  return {
    silent: sum("tapedeck_feed_topics_silent"),
    refused: sum("tapedeck_feed_topics_refused"),
  };
}

/** One recorder of a configuration, in which topics are left out for a while, one after the other. */
const leftOut = async ({ start, stopped, archive, t, lines, family, url }) => {
  const { path: at, book, trade, symbol } = FAMILIES[family];
  const file = `${archive}.yaml`;
  const write = (topics) =>
    fs.writeFileSync(
      file,
      `feeds:\n  - family: ${family}\n    url: ${url}${at}\n    topics: [${topics}]\n    symbols: [${symbol}]\n`
    );
  write([book, trade]);
  const recorder = start(archive, ["-c", file, "--commit-interval", "100ms"]);
  for (const [i, topics] of [[book], [trade], [book, trade]].entries()) {
    await recorder.durableAfter(lines * (i + 1));
    write(topics);
    await tapedeck(t, ["ctl", archive, "reload"]);
  }
  await recorder.durableAfter(lines * 5);
  await stopped(recorder);
};

/** One recorder; the event after some durable lines, then as many again. */
const one = (happens) => async (live) => {
  const recorder = live.start();
  await recorder.durableAfter(live.lines);
  const next = (await happens?.(live, recorder)) ?? recorder;
  await next.durableAfter((next === recorder ? live.lines : 0) + live.lines);
  await live.stopped(next);
};

/** Two lines: one of them is late, one is cut. */
const twoLines = (late, cut) => ({
  harmless: true,
  isKept: late !== cut, // the late line's frames are used after the cut: a tile that ends then has them, and the next one (docs/completeness.md)
  args: ["--lines", "2"],
  hooks: () => ({ delayMs: (conn) => (conn === late ? 300 : 0) }),
  run: one(async ({ between }, recorder) => {
    between.cut(cut);
    await recorder.prints(/connection 2\)/);
  }),
});

/** Two recorders' archives, one of them with a lost connection. */
const merged = (order) => ({
  harmless: true,
  run: async ({ start, stopped, between, archive, t, lines }) => {
    const whole = start(`${archive}-a`);
    await whole.durableAfter(2);
    const cut = start(`${archive}-b`);
    await cut.durableAfter(lines);
    between.cut(2);
    await cut.prints(/connection 2\)/);
    await cut.durableAfter(2 * lines);
    await Promise.all([stopped(whole), stopped(cut)]);
    await tapedeck(t, ["merge", "-q", ...order(`${archive}-a`, `${archive}-b`), "--out", archive]);
  },
});

const LIVE = {
  recorded: { harmless: true, run: one() },
  "connection cut": {
    lost: "both",
    run: one(async ({ between }, recorder) => {
      between.cut(1);
      await recorder.prints(/connection 2\)/);
    }),
  },
  "connection silent": {
    lost: "both",
    args: ["--stale-after", "1s"],
    run: one(async ({ between }, recorder) => {
      between.silence(1);
      await recorder.prints(/connection 2\)/);
    }),
  },
  "stopped and started": {
    lost: "both",
    run: one(async ({ start, stopped }, recorder) => {
      await stopped(recorder);
      return start();
    }),
  },
  "topics left out": { lost: "both", run: leftOut },
  "killed and started": {
    lost: "both",
    run: one(async ({ start }, recorder) => {
      await recorder.kill("SIGKILL");
      return start();
    }),
  },
  "topic silent": {
    lost: "trade",
    hooks: ({ isTrade }) => ({ frame: (text) => (isTrade.test(text) ? null : text) }),
    run: one(),
  },
  "topic refused": { lost: "topic", args: ["--symbol", "NOSUCH"], run: one() },
  "snapshot late": {
    harmless: true,
    only: "http",
    hooks: () => ({ reply: async (_path, body) => (await passed(1500), { status: 200, body }) }),
    run: one(),
  },
  "snapshot ahead": {
    lost: "book",
    only: "countsUpdates",
    hooks: () => ({
      reply: (_path, body) => ({
        status: 200,
        body: body.replace(/(?<="lastUpdateId":)\d+/, (id) => `${BigInt(id) + 10n ** 9n}`),
      }),
    }),
    // Binance spot's snapshots have no time: 6 s of deltas show it (docs/completeness.md).
    run: one(async (_live, recorder) => {
      for (const from = Date.now(); Date.now() < from + 8000;) await recorder.durableLine();
    }),
  },
  "connection replaced": {
    harmless: true,
    args: ["--max-age", "1s"],
    run: one(async (_live, recorder) => void (await recorder.prints(/connection 2\)/))),
  },
  "first line cut": {
    harmless: true,
    args: ["--lines", "2"],
    run: one(async ({ between }, recorder) => {
      between.cut(1);
      await recorder.prints(/connection 2\)/);
    }),
  },
  "second line cut": {
    harmless: true,
    args: ["--lines", "2"],
    run: one(async ({ between }, recorder) => {
      between.cut(2);
      await recorder.prints(/connection 2\)/);
    }),
  },
  "first line late and cut": twoLines(1, 1),
  "second line late and cut": twoLines(2, 2),
  "first line late and other cut": twoLines(1, 2),
  "second line late and other cut": twoLines(2, 1),
  "two lines killed": {
    lost: "both",
    args: ["--lines", "2"],
    run: one(async ({ start }, recorder) => {
      await passed(Math.random() * 1000);
      await recorder.kill("SIGKILL");
      return start();
    }),
  },
  merged: merged((a, b) => [a, b]),
  "merged the other way": merged((a, b) => [b, a]),
  "pruned around a pin": {
    lost: "both",
    run: async ({ start, stopped, archive, t, lines }) => {
      const recorder = start();
      for (let part = 1; part <= 4; part++) {
        await recorder.durableAfter(Math.ceil(lines * 0.7) * part);
        if (part === 1)
          await tapedeck(t, [
            "note",
            "add",
            archive,
            "kept",
            "--from",
            "+0s",
            "--to",
            "+200ms",
            "--keep",
          ]);
        await tapedeck(t, ["ctl", archive, "rotate"]);
      }
      await recorder.durableAfter(lines * 3);
      await stopped(recorder);
      const bytes = filesBelow(archive)
        .filter((file) => file.endsWith(".mcap"))
        .reduce((sum, file) => sum + fs.statSync(path.join(archive, file)).size, 0);
      const { segments_pruned } = await json(t, [
        "prune",
        archive,
        "--keep-bytes",
        String(bytes - 1),
        "--json",
      ]);
      assert.equal(segments_pruned, 1); // the second one
    },
  },
};

/** Events that change the files of a whole recording. */
const DAMAGE = {
  "chunk damaged": {
    lost: "both",
    change: (archive) => {
      const [file] = filesBelow(archive)
        .filter((one) => one.endsWith(".mcap"))
        .map((one) => path.join(archive, one));
      const chunks = chunksOf(file);
      flipIn(file, chunks[Math.floor(chunks.length / 2)]);
    },
  },
  "segment cut": {
    lost: "both",
    change: (archive) => {
      const [file] = filesBelow(archive)
        .filter((one) => one.endsWith(".mcap"))
        .map((one) => path.join(archive, one));
      fs.truncateSync(file, Math.floor(fs.statSync(file).size * 0.6));
    },
  },
};

// ---- the matrix ------------------------------------------------------------------------------------

/** What is wrong with the answers about an archive: texts, each with its verb. */
function faults(family, name, event, answers) {
  const isUnseen = UNSEEN[name]?.includes(family),
    found = [];
  const { good } = answers,
    verdicts = ["replay", "days", "export"];
  const isWrong = answers.missing > 0 || answers.twice > 0;
  const bad = (verb, what) => found.push(`${verb}: ${what}`);
  if (event.harmless) {
    for (const [verb, isGood] of Object.entries(good))
      if (!isGood) bad(verb, "not good, and all is there");
    if (isWrong) bad("rows", `${answers.missing} missing, ${answers.twice} twice`);
    if (answers.brokenBooks > 0) bad("books", "broken, and all is there");
  } else if (!isUnseen) {
    for (const verb of verdicts)
      if (good[verb] && (isWrong || event.lost)) bad(verb, "good over a loss");
  }
  if (event.days > 1 && answers.goodDays > 0)
    bad("export", "a day is good over its part of a hole");
  if (verdicts.some((verb) => good[verb] !== good.replay))
    bad(
      "all",
      `disagree: ${verdicts.map((verb) => `${verb} ${good[verb] ? "good" : "not"}`).join(", ")}`
    );
  if (good.gaps !== good.info && !event.change) bad("info", "another count of gaps than gaps");
  if (good.verify !== !event.change)
    bad("verify", good.verify ? "sound, and chunks are damaged" : "not sound, and all chunks are");
  if (answers.otherInC.length > 0)
    bad("C", `${answers.otherInC.length} other quotes than CSV's: ${answers.otherInC[0]}`);
  if (answers.wrongColumns > 0)
    bad(
      "page",
      `${answers.wrongColumns} of ${answers.columns} columns have other best prices than C`
    );
  const { metrics } = answers;
  // Metrics are of open connections, which may have just begun.
  if (
    metrics &&
    (metrics.refused !== answers.refused || metrics.silent < answers.silent - answers.refused)
  )
    bad(
      "metrics",
      `${metrics.silent} silent, ${metrics.refused} refused; replay has ${answers.silent - answers.refused}, ${answers.refused}`
    );
  const { "tardis-csv": csv, ...others } = answers.counts;
  const mayHaveMore = (reader) =>
    (AS_RECEIVED.includes(reader) && REPEATING.includes(family)) ||
    (reader === "page" && event.isKept);
  for (const [format, count] of Object.entries(others))
    if (mayHaveMore(format) ? count < csv : count !== csv)
      bad(format, `${count} trades, CSV has ${csv}`);
  // A part after a damaged chunk begins with a checkpoint, and has what the whole lacks.
  if (!event.change) for (const text of answers.parts) bad("parts", text);
  if (answers.wrongBars > 0 && !isUnseen)
    bad(
      "bars",
      `${answers.wrongBars} of ${answers.bars} are not those of the trades, and not suspect`
    );
  if (answers.wrongPythonBars > 0 && !isUnseen)
    bad("Python", `${answers.wrongPythonBars} bars are not those of the trades, and not suspect`);
  if (answers.wrongQuotes > (isUnseen ? answers.quotes : 0))
    bad(
      "quotes",
      `${answers.wrongQuotes} of ${answers.quotes} are wrong, ${Object.values(answers.firstWrong)}`
    );
  return { isUnseen, found };
}

const ALL = { ...EDITS, ...DAMAGE, ...LIVE };

/** One cell's row: the answers after an event, and what is wrong with them. */
async function cell(t, dir, family, name, base, packages, program) {
  const event = ALL[name],
    key = `${family}-${name.replaceAll(" ", "-")}`,
    out = path.join(dir, `${key}-out`);
  fs.mkdirSync(out);
  let archive, all, metrics, whole;
  if (event.run) ({ archive, all, metrics } = await recordedLive(t, dir, key, family, event));
  else {
    const { rows, truth } = await base();
    archive = await importRows(
      t,
      dir,
      key,
      family,
      event.edit ? event.edit(rows, FAMILIES[family]) : rows
    );
    event.change?.(archive);
    whole = event.change && path.join(dir, `${family}-truth`); // the page begins each tile at a checkpoint, which may be after the damage
    all = event.isTruth
      ? await exported(t, archive, path.join(dir, `${key}-truth-rows`))
      : await truth;
  }
  const answers = await answersOf(t, archive, all, out, {
    ...FAMILIES[family],
    packages,
    program,
    metrics,
    isLive: event.run !== undefined,
    whole,
    barUs: event.barUs,
  });
  return { family, name, answers, ...faults(family, name, event, answers) };
}

/** All cells of these families and events, `atOnce` at a time: most wait for a recording. seen(row) gets each wrong one at once. */
export async function matrix(t, dir, families, events, { atOnce = 8, seen } = {}) {
  const bases = new Map(),
    packages = withoutLibrary ? undefined : installed(t ?? { after: () => {} }),
    program = withoutLibrary ? undefined : answersProgram(dir);
  const base = (family) => async () => {
    if (!bases.has(family))
      bases.set(
        family,
        (async () => {
          const rows = await baseRows(t, dir, family);
          const truth = exported(
            t,
            await importRows(t, dir, `${family}-truth`, family, rows),
            path.join(dir, `${family}-truth-rows`)
          );
          return { rows, truth };
        })()
      );
    return bases.get(family);
  };
  const wanted = families.flatMap((family) =>
      events
        .filter((name) => !ALL[name].only || FAMILIES[family][ALL[name].only])
        .map((name) => [family, name])
    ),
    rows = [];
  const work = async () => {
    for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
      const row = await cell(t, dir, ...next, base(next[0]), packages, program);
      rows.push(row);
      if (row.found.length > 0) seen?.(row);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return rows;
}

const MARKS = { right: ".", unseen: "u", wrong: "X" };

const letter = (i) => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

/** The matrix as text: a row for each family, a column for each event. */
export function matrixText(rows, families, events) {
  const mark = (row) =>
    row === undefined
      ? " "
      : row.found.length > 0
        ? MARKS.wrong
        : row.isUnseen
          ? MARKS.unseen
          : MARKS.right;
  const head = events.map((name, i) => `  ${letter(i)}  ${name}\n`).join("");
  const lines = families.map(
    (family) =>
      family.padEnd(18) +
      events
        .map((name) => mark(rows.find((row) => row.family === family && row.name === name)))
        .join(" ")
  );
  const wrong = rows.filter(({ found }) => found.length > 0);
  return (
    `${head}\n${"".padEnd(18)}${events.map((_, i) => letter(i)).join(" ")}\n${lines.join("\n")}\n` +
    `. right   u unseen by docs/completeness.md   X wrong\n` +
    wrong.map(({ family, name, found }) => `${family}, ${name}: ${found.join("; ")}\n`).join("")
  );
}

export const EVENTS = Object.keys(ALL);

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const pick = (text, all) => (text === undefined || text === "all" ? all : text.split(","));
  const families = pick(process.argv[2], Object.keys(FAMILIES)),
    events = pick(process.argv[3], EVENTS);
  for (const name of [...families, ...events])
    assert.ok(name in FAMILIES || name in ALL, `no family or event '${name}'`);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-answers-"));
  const rows = await matrix(undefined, dir, families, events, {
    seen: ({ family, name, found }) => console.error(`${family}, ${name}: ${found.join("; ")}`),
  });
  process.stdout.write(matrixText(rows, families, events));
  if (process.env.TAPEDECK_KEEP === undefined) fs.rmSync(dir, { recursive: true, force: true });
  else console.log(dir);
  process.exitCode = rows.some(({ found }) => found.length > 0) ? 1 : 0;
}
