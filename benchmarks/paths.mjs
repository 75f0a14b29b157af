// Instructions of each path that users wait for, by callgrind: they are reproducible, whatever else runs. Used by `make
// check-instructions` and `make bench`. The first argument of the importing script must be BUILD_DIR.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  allInstructions,
  bench,
  bin,
  checkArgs,
  EXPORTS,
  exportArgs,
  feed,
  fresh,
  instructions,
  libraryDecoder,
  limitArgs,
  makeCertificate,
  makeCorpus,
  messagesArgs,
  pythonPackage,
  rawFrames,
  received,
  recordArgs,
  replayArgs,
  run,
  work,
} from "./corpus.mjs";

const FEW = 2_000,
  MANY = 10_000; // frames; the difference excludes the cost of starting

const tapes = {};
for (const family of ["inverse", "v5-linear"])
  tapes[family] = {
    [FEW]: await makeCorpus(`few-${family}`, FEW, family),
    [MANY]: await makeCorpus(`many-${family}`, MANY, family),
  };
const inverse = (n) => tapes.inverse[n].archive;
const v5 = (n) => tapes["v5-linear"][n].archive;
const lines = path.join(work, "inverse.lines"),
  certificate = makeCertificate();
fs.writeFileSync(lines, rawFrames(inverse(MANY), "inverse"));

const replay = (args) => allInstructions(bin("tapedeck-replay"), args);
const read = (tape) => allInstructions(bench("limits/limit_read"), tape.segments);
const written = (program, out) => (n) =>
  allInstructions(bench(program), [lines, fresh(`${out}-${n}`), "--frames", String(n)]);
const receivedBy = (command, args) => (n) =>
  received(certificate, lines, n, (url) => allInstructions(command, args(url, n)));

/** Each path: count(n) gives the instructions of n frames, and how many of these are in libraries that write files (compressors, SQLite). limit: a path that does the
 *  least for the same frames; what an export's libraries take is added to it. target: the part of our instructions that the limit
 *  takes at least. A path without limit is one. */
const PATHS = {
  "write limit": { count: written("limits/limit_write", "limit") },
  write: { count: written("bench_write", "write"), limit: "write limit" },
  "record limit": {
    count: receivedBy(bench("limits/limit_receive"), (url) => limitArgs(certificate, url)),
  },
  record: {
    count: receivedBy(bin("tapedeck-record"), (url, n) =>
      recordArgs(certificate, url, fresh(`record-${n}`))
    ),
    limit: "record limit",
  },
  "read inverse": { count: (n) => read(tapes.inverse[n]) },
  "read v5": { count: (n) => read(tapes["v5-linear"][n]) },
  "replay inverse": {
    count: (n) => replay(replayArgs(inverse(n), 1)),
    limit: "read inverse",
    target: 0.75,
  },
  "replay v5": { count: (n) => replay(replayArgs(v5(n), 1)), limit: "read v5", target: 0.68 },
  "replay v5 trades": { count: (n) => replay([...replayArgs(v5(n), 1), "--topic", "publicTrade"]) },
  messages: { count: (n) => replay(messagesArgs(inverse(n), 1)), limit: "read inverse" },
  regress: { count: (n) => replay(checkArgs(inverse(n), 1)), limit: "replay inverse" },
  "regress v5": { count: (n) => replay(checkArgs(v5(n), 1)), limit: "replay v5" },
  "regress v5 .so": {
    count: (n) => replay([...checkArgs(v5(n), 1), "--decoder", libraryDecoder()]),
    limit: "regress v5",
    target: 0.52,
  },
  "python batches v5": {
    count: (n) => {
      const { command, args, env } = pythonPackage("rows", v5(n));
      return allInstructions(command, args, env);
    },
    limit: "replay v5",
    target: 0.95,
  },
};
for (const [name, { target }] of Object.entries(EXPORTS))
  PATHS[`export ${name}`] = {
    target,
    count: (n) => replay(exportArgs(v5(n), name, `export-${name}-${n}`)),
    limit: EXPORTS[name].needsTrades ? "replay v5 trades" : "replay v5",
  };

/** Families whose frames the decoder alone reads: books and trades, and the other topics. Counted a byte, because frames of
 *  exchanges differ in length. */
const DECODED = {
  "v5 books": feed("v5-linear", "/v5/public/linear", "orderbook.50", "publicTrade"),
  "v5 others": feed("v5-linear", "/v5/public/linear", "tickers", "kline.1"),
  "binance-spot books": feed("binance-spot", "/stream", "depth@100ms", "aggTrade"),
  "binance-spot others": feed("binance-spot", "/stream", "bookTicker", "kline_1m"),
  "binance-usdm books": feed("binance-usdm", "/stream", "depth@100ms", "aggTrade"),
  "binance-usdm others": feed("binance-usdm", "/stream", "bookTicker", "markPrice", "ticker"),
  "okx books": feed("okx", "/ws/v5/public", "books", "trades"),
  "okx others": feed("okx", "/ws/v5/public", "tickers", "mark-price", "open-interest"),
  "kraken-v2 books": feed("kraken-v2", "/v2", "book-25", "trade"),
  "kraken-v2 others": feed("kraken-v2", "/v2", "ticker-trades", "ohlc.1"),
  "kraken-v1 books": feed("kraken-v1", "/", "book-25", "trade"),
  "kraken-v1 others": feed("kraken-v1", "/", "ticker", "spread", "ohlc-1"),
  "coinbase books": feed("coinbase-advanced", "/", "level2", "market_trades"),
  "coinbase others": feed("coinbase-advanced", "/", "ticker", "candles"),
  "deribit books": feed("deribit", "/ws/api/v2", "book.100ms", "trades.100ms"),
  "deribit others": feed("deribit", "/ws/api/v2", "ticker.100ms", "quote"),
  "bitstamp books": feed("bitstamp", "/", "diff_order_book", "live_trades"),
};
async function decodedByte(name) {
  const { archive } = await makeCorpus(name, FEW, DECODED[name]);
  const args = (rounds) => [archive, "--rounds", String(rounds)];
  const count = (rounds) => instructions(bench("bench_decode"), args(rounds));
  const { bytes } = JSON.parse(run(bench("bench_decode"), args(1)));
  return ((await count(3)) - (await count(1))) / 2 / bytes;
}

/** Measure all paths: their instructions a frame, a byte or, in thousands, a start; `least` of the limit, `target` of least /
 *  count. */
export async function measurePaths() {
  const jobs = [
    ...Object.keys(PATHS).flatMap((name) =>
      [MANY, FEW].map((n) => [`${name} ${n}`, () => PATHS[name].count(n)])
    ),
    ...Object.keys(DECODED).map((name) => [`decode ${name}`, () => decodedByte(name)]),
    ["topics", () => instructions(bin("tapedeck"), ["topics", "--family", "v5-linear"])],
  ];
  const counted = {};
  const worker = async () => {
    for (let job; (job = jobs.shift()) !== undefined;) counted[job[0]] = await job[1]();
  };
  await Promise.all(os.cpus().map(worker));
  const perFrame = (name, what) =>
    (counted[`${name} ${MANY}`][what] - counted[`${name} ${FEW}`][what]) / (MANY - FEW);
  return [
    ...Object.entries(PATHS).map(([name, { limit, target }]) => ({
      name,
      count: Math.round(perFrame(name, "total")),
      unit: "a frame",
      target,
      least:
        limit === undefined
          ? undefined
          : Math.round(
              perFrame(limit, "total") + (name.startsWith("export") ? perFrame(name, "writing") : 0)
            ),
    })),
    ...Object.keys(DECODED).map((name) => ({
      name: `decode ${name}`,
      count: Number(counted[`decode ${name}`].toFixed(1)),
      unit: "a byte",
      target: 1,
      least: name.endsWith("books") ? 30 : 50,
    })),
    ...[
      ["start topics", counted.topics],
      [
        "start export",
        counted[`export tardis-csv ${FEW}`].total - FEW * perFrame("export tardis-csv", "total"),
      ],
    ].map(([name, count]) => ({
      name,
      count: Math.round(count / 1000),
      unit: "thousand",
      target: 1,
      least: 30_000,
    })),
  ];
}
