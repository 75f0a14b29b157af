// Gaps and the rows of frames have what joins them: the exchange, the feed, the topic and the symbol. The frames are made up here,
// in the form of the exchanges' documentation.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { importLines, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { query } from "../support/parquet_files.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";

const AT_MS = 1_790_000_000_000;

const okxTrade = (id) => ({
  arg: { channel: "trades", instId: "BTC-USDT" },
  data: [
    {
      instId: "BTC-USDT",
      tradeId: String(id),
      px: "100",
      sz: "1",
      side: "buy",
      ts: String(AT_MS),
      count: "1",
    },
  ],
});

const book = (type, u, s = "BTCUSDT") => ({
  topic: `orderbook.50.${s}`,
  type,
  ts: AT_MS,
  cts: AT_MS,
  data: {
    s,
    b: [["10", String(u)]],
    a: type === "snapshot" ? [["12", "1"]] : [],
    u,
    seq: 1000 + u,
  },
});
const trade = (n) => ({
  topic: "publicTrade.BTCUSDT",
  type: "snapshot",
  ts: AT_MS,
  data: [
    {
      i: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
      T: AT_MS,
      p: "11",
      v: "1",
      S: "Buy",
      s: "BTCUSDT",
      L: "PlusTick",
      BT: false,
      seq: 5000 + n,
    },
  ],
});

/** Adds frames to an archive, one a second. */
const add = (t, archive, family, from_s, frames) =>
  importLines(
    t,
    frames.map((frame, i) => ({ ts: AT_MS + 1000 * (from_s + i), data: JSON.stringify(frame) })),
    { archive, family }
  );

test("a gap is filed under the exchange of its feed", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "set");
  await add(t, archive, "okx", 0, [okxTrade(1), okxTrade(2)]);
  await add(t, archive, "okx", 200, [okxTrade(3)]);
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "parquet",
      "--type",
      "trades",
      "--type",
      "gaps",
      "--out",
      out,
    ],
    { status: 1 }
  );
  const rows = (type) =>
    query(
      `SELECT DISTINCT exchange FROM read_parquet('${out}/*/type=${type}/*/*.parquet', hive_partitioning = true)`
    );
  assert.deepEqual(await rows("gaps"), [["okx"]]);
  assert.deepEqual(await rows("trades"), [["okx"]]);
});

test("a gap of a feed whose segments were all removed is filed under the feed's exchange", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "set"),
    config = path.join(dir, "feeds.yaml");
  const serversOf = {
    okx: ["/ws/v5/public", "tickers", "BTC-USDT-SWAP"],
    "v5-linear": ["/v5/public/linear", "publicTrade", "BTCUSDT"],
  };
  const servers = {};
  let text = "commit_interval: 100ms\nfeeds:\n";
  for (const [family, [where, topic, symbol]] of Object.entries(serversOf)) {
    servers[family] = await simulator(t, temporary(t), [
      "--families",
      family,
      "--symbols",
      "1",
      "--rate",
      "100",
    ]);
    text += `  - family: ${family}\n    url: ${servers[family].url}${where}\n    ca_file: ${servers[family].ca}\n    topics: [${topic}]\n    symbols: [${symbol}]\n`;
  }
  fs.writeFileSync(config, text);
  const recorder = new Recorder(t, archive, ["-c", config]);
  for (const feed of Object.keys(servers))
    await recorder.durableLine((line) => line.feed === feed && line.in > 3);
  await servers.okx.program.kill("SIGKILL"); // its gap is open at the end, and so beyond the removed segment
  await recorder.prints(/okx: cannot connect/);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await tapedeck(t, ["prune", archive, "--feed", "okx"]);
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "parquet",
      "--type",
      "trades",
      "--type",
      "gaps",
      "--out",
      out,
    ],
    { status: null }
  );
  const rows = await query(
    `SELECT DISTINCT exchange, feed FROM read_parquet('${out}/*/type=gaps/*/*.parquet', hive_partitioning = true)`
  );
  assert.deepEqual(rows, [["okx", "okx"]]);
});

test("each row has the feed and the topic that gaps name", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "set");
  await add(t, archive, "v5-linear", 0, [
    book("snapshot", 1),
    trade(1),
    book("delta", 2),
    trade(2),
  ]);
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--format",
    "parquet",
    "--bars",
    "1m",
    "--keep-suspect",
    "--out",
    out,
  ]);
  const topics =
    await query(`SELECT DISTINCT type, feed, topic FROM read_parquet('${out}/**/*.parquet', hive_partitioning = true, union_by_name = true)
    WHERE type IN ('bars', 'trades', 'quotes', 'book_deltas') ORDER BY ALL`);
  assert.deepEqual(topics, [
    ["bars", "v5-linear", "publicTrade"],
    ["book_deltas", "v5-linear", "orderbook.50"],
    ["quotes", "v5-linear", "orderbook.50"],
    ["trades", "v5-linear", "publicTrade"],
  ]);
});

const DOCUMENTED = /^```\n(SELECT t\.\*, q\.bid_price.*?)\n```$/ms.exec(
  fs.readFileSync("docs/datasets.md", "utf8")
)[1];

test("a trade after a break of the book has no quotes from before it", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "set");
  await add(t, archive, "v5-linear", 0, [
    book("snapshot", 1),
    trade(1),
    book("delta", 2),
    trade(2),
    book("delta", 4),
    trade(3),
    book("snapshot", 5),
    trade(4),
  ]);
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "parquet", "--out", out], {
    status: 1,
  });
  const gaps = await query(
    `SELECT reason, cause, feed, topic, symbol, epoch_ms(from_ns), epoch_ms(to_ns) FROM read_parquet('${out}/*/type=gaps/*/*.parquet')`
  );
  assert.deepEqual(gaps, [
    [
      "sequence",
      "seq_dense",
      "v5-linear",
      "orderbook.50",
      "BTCUSDT",
      BigInt(AT_MS + 2000),
      BigInt(AT_MS + 6000),
    ],
  ]);
  const joined = await query(
    `SELECT right(trade_id, 1), bid_size FROM (${DOCUMENTED.replaceAll("'dataset/", `'${out}/`)}) ORDER BY 1`
  );
  assert.deepEqual(
    joined.map(([id, size]) => [id, Number(size)]),
    [
      ["1", 1],
      ["4", 5],
    ]
  ); // the lost frame may have come before trade 2
});

test("a break that has ended stays as it is when another connection continues the book", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "set");
  const frames = [
    ["a", "snapshot", 1],
    ["a", "delta", 2],
    ["a", "delta", 4],
    ["a", "snapshot", 5],
    ["b", "snapshot", 5],
    ["a", "delta", 6],
    ["b", "delta", 6],
    ["b", "delta", 7],
    ["b", "delta", 8],
  ];
  const lines = frames.map(([conn, type, u], i) => ({
    ts: AT_MS + 1000 * (i < 7 ? i : i + 60),
    conn,
    data: JSON.stringify(book(type, u)),
  }));
  await importLines(t, lines, { archive, family: "v5-linear" });
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "parquet", "--out", out], {
    status: 1,
  });
  const gaps = await query(
    `SELECT reason, epoch_ms(from_ns), epoch_ms(to_ns) FROM read_parquet('${out}/*/type=gaps/*/*.parquet')`
  );
  assert.deepEqual(gaps, [["sequence", BigInt(AT_MS + 1000), BigInt(AT_MS + 3000)]]);
});
