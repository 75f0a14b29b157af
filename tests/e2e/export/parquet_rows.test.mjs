// export --format parquet: rows that DuckDB reads equal the rows of CSV files of the same export, which other tests
// compare with an independent script.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import zlib from "node:zlib";
import {
  capture,
  importLines,
  isRecorded,
  manifestOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { parquetMetadata, parquetRows, query } from "../support/parquet_files.mjs";
import { scripts } from "../support/python_scripts.mjs";

const CAPTURES = [
  ["inverse-2021-04-17.jsonl.gz", "inverse"],
  ["v5-2026-08-09.jsonl.gz", "v5-linear"],
  ["v5-linear-2025-06-13.jsonl.gz", "v5-linear"],
];
const V5 = "v5-2026-08-09.jsonl.gz";
const TYPES = { incremental_book_L2: "book_deltas" }; // other types have the same name in both

const python = scripts("python3");
const dir = temporary({ after });
const archives = new Map();

/** The archive of a capture, which tests share. */
function imported(name, family) {
  const make = async () => {
    const archive = path.join(dir, name, "tape");
    await tapedeck(undefined, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      family,
      capture(name),
    ]);
    return archive;
  };
  return archives.get(name) ?? archives.set(name, make()).get(name);
}

async function exported(t, archive, ...more) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "parquet", "--out", out, ...more]);
  return out;
}

let all;

/** The whole export of the v5 capture with one thread, which tests share. */
function whole() {
  const out = path.join(dir, "whole");
  all ??= imported(V5, "v5-linear")
    .then((archive) =>
      tapedeck(undefined, [
        "export",
        "-q",
        "-a",
        archive,
        "--format",
        "parquet",
        "--out",
        out,
        "-j",
        "1",
      ])
    )
    .then(() => out);
  return all;
}

const filesOf = (out) =>
  fs
    .readdirSync(out, { recursive: true })
    .filter((f) => f.endsWith(".parquet"))
    .sort();
/** The Parquet column of a CSV column. */
const sqlName = (column) =>
  column
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .replace(/^(type)$/, "$1_")
    .replace(/^id$/, "trade_id")
    .replace(/amount$/, "size");
/** The side of a trade or a level in CSV. */
const csvSide = (type, side) =>
  (type === "book_deltas"
    ? { Buy: "bid", Sell: "ask" }
    : { Buy: "buy", Sell: "sell", none: "unknown" })[side];
const shortest = (text) =>
  /^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, "").replace(/^-0$/, "0") : text;

/** A value as a CSV cell. */
function cell(value) {
  if (value === null) return "";
  return shortest(`${value}`);
}

async function assertSameRows(csvFile, parquetFile) {
  const [header, ...lines] = zlib
    .gunzipSync(fs.readFileSync(csvFile))
    .toString("utf8")
    .trimEnd()
    .split("\n");
  const columns = header.split(",").slice(4);
  const types = Object.fromEntries(
    await query(`SELECT name, logical_type FROM parquet_schema('${parquetFile}')`)
  );
  const values = columns
    .map(sqlName)
    .map((name) => (/^Timestamp/.test(types[name] ?? "") ? `epoch_us("${name}")` : `"${name}"`));
  const rows = await query(
    `SELECT symbol, epoch_us(coalesce(ts_exch, ts_recv)), epoch_us(ts_recv), ${values.map((v) => `${v}::VARCHAR`).join(", ")} FROM '${parquetFile}'`
  );
  assert.equal(rows.length, lines.length, parquetFile);
  const [, type] = /type=(\w+)/.exec(parquetFile),
    at = 3 + columns.indexOf("side");
  for (const [i, line] of lines.entries()) {
    const cells = rows[i].map((value, k) =>
      at > 2 && k === at ? csvSide(type, value) : cell(value)
    );
    assert.equal(cells.join(","), line.split(",").slice(1).join(","), `${parquetFile}, row ${i}`);
  }
}

for (const [name, family] of CAPTURES)
  test(`${name}: rows equal the CSV files' rows`, { skip: withoutCapture(name) }, async (t) => {
    const out = await exported(t, await imported(name, family), "--format", "tardis-csv");
    const csv = fs.readdirSync(path.join(out, "tardis-csv"));
    for (const file of csv) {
      const [, exchange, type, date, symbol] =
        /^([^_]+)_(.+)_(\d{4}-\d\d-\d\d)_(.+)\.csv\.gz$/.exec(file);
      await assertSameRows(
        path.join(out, "tardis-csv", file),
        path.join(
          out,
          "parquet",
          `exchange=${exchange}`,
          `type=${TYPES[type] ?? type}`,
          `date=${date}`,
          `${symbol}.parquet`
        )
      );
    }
    const listed = manifestOf(out).files.filter((f) => f.name?.endsWith(".parquet"));
    assert.deepEqual(listed.map((f) => f.name).sort(), filesOf(out));
    for (const file of listed)
      assert.equal(file.rows, Number((await parquetMetadata(path.join(out, file.name))).num_rows));
  });

test(
  "readers of Hive partitions get the same partitions, sums and bounds",
  { skip: withoutCapture(V5) },
  async (t) => {
    const archive = await imported(V5, "v5-linear");
    const out = await whole();
    const from = `read_parquet('${out}/**/*.parquet', hive_partitioning = true, union_by_name = true)`;
    const files = await query(
      `SELECT count(DISTINCT filename) FROM read_parquet('${out}/**/*.parquet', hive_partitioning = true, union_by_name = true, filename = true) WHERE type = 'trades' AND date = '2026-08-09'`
    );
    assert.deepEqual(files, [
      [BigInt(filesOf(out).filter((f) => f.includes("type=trades")).length)],
    ]);
    // One schema for all files of a type.
    for (const type of ["trades", "book_deltas", "quotes"]) {
      const schemas = await Promise.all(
        filesOf(out)
          .filter((f) => f.includes(`type=${type}/`))
          .map(async (f) => JSON.stringify((await parquetMetadata(path.join(out, f))).schema))
      );
      assert.equal(new Set(schemas).size, 1, type);
    }
    // Flags: a snapshot's rows, and the last row of each frame.
    const flags = await query(
      `SELECT count(*) FROM ${from} WHERE type = 'book_deltas' AND (flags & 2 = 2) <> is_snapshot`
    );
    assert.deepEqual(flags, [[0n]]);
    const frames = await query(
      `SELECT symbol, count(DISTINCT frame), sum(flags & 1) FROM ${from} WHERE type = 'book_deltas' GROUP BY symbol`
    );
    for (const [symbol, count, last] of frames) assert.equal(BigInt(last), count, symbol);
    assert.deepEqual(await query(`SELECT DISTINCT suspect FROM ${from}`), [[false]]);
    for (const file of filesOf(out).filter((f) => f.includes("type=trades"))) {
      const rows = await parquetRows(path.join(out, file));
      const text = await tapedeck(
        t,
        [
          "replay",
          "--messages",
          archive,
          "--topic",
          "publicTrade",
          "--symbol",
          path.basename(file, ".parquet"),
          "--speed",
          "max",
        ],
        { status: null }
      );
      const times = text.stdout
        .trim()
        .split("\n")
        .filter((line) => JSON.parse(line).type === "trade")
        .map((line) => /"recv_ns":(\d+)/.exec(line)[1]);
      assert.deepEqual([...new Set(rows.map((r) => `${r.ts_recv}`))], times, file);
    }
  }
);

test(
  "a selection begins with the tickers' earlier values, flagged as made",
  { skip: withoutCapture(V5) },
  async (t) => {
    const archive = await imported(V5, "v5-linear");
    const tickers = (out) =>
      `read_parquet('${out}/*/type=derivative_ticker/*/*.parquet', hive_partitioning = true)`;
    const VALUES =
      "symbol, funding_timestamp, funding_rate, open_interest, last_price, index_price, mark_price";
    const [[middle]] = await query(
      `SELECT (approx_quantile(epoch_ns(ts_recv), 0.5) // 1000000000)::BIGINT * 1000000000 FROM ${tickers(await whole())}`
    );
    const part = await exported(t, archive, "--type", "derivative_ticker", "--from", `${middle}`);
    const before = await query(
      `SELECT DISTINCT ON (symbol) ${VALUES} FROM (SELECT * FROM ${tickers(await whole())} WHERE epoch_ns(ts_recv) < ${middle} ORDER BY ts_recv DESC, frame DESC) ORDER BY symbol`
    );
    const made = await query(
      `SELECT ${VALUES} FROM ${tickers(part)} WHERE flags = 16 AND epoch_ns(ts_recv) = ${middle} ORDER BY symbol`
    );
    assert.ok(made.length > 0);
    assert.deepEqual(made.map(String), before.map(String));
    const after = (out) =>
      query(
        `SELECT ts_recv, ts_exch, ${VALUES} FROM ${tickers(out)} WHERE epoch_ns(ts_recv) >= ${middle} AND flags & 16 = 0 ORDER BY symbol, ts_recv, frame`
      );
    assert.deepEqual((await after(part)).map(String), (await after(await whole())).map(String));
    assert.deepEqual(
      await query(`SELECT count(*) FROM ${tickers(await whole())} WHERE flags & 16 = 16`),
      [[0n]]
    );
  }
);

test("--scale and --float set the types of decimals", { skip: withoutCapture(V5) }, async (t) => {
  const archive = await imported(V5, "v5-linear");
  const trades = (out) =>
    path.join(
      out,
      filesOf(out).find((f) => /type=trades.*BTCUSDT/.test(f))
    );
  const of = async (...more) =>
    trades(await exported(t, archive, "--type", "trades", "--symbol", "BTCUSDT", ...more));
  const types = async (file) =>
    Object.fromEntries(
      (await query(`SELECT name, type, logical_type FROM parquet_schema('${file}')`)).map(
        ([name, ...type]) => [name, type.join(" ")]
      )
    );
  const [exact, scaled] = [await of(), await of("--scale", "8")];
  assert.match((await types(exact)).ts_recv, /^INT64 .*NANOS=NanoSeconds/);
  assert.match((await types(exact)).price, /^FIXED_LEN_BYTE_ARRAY .*scale=12, precision=38/);
  assert.match((await types(scaled)).price, /^INT64 .*scale=8, precision=18/);
  const sums = `sum(price)::DECIMAL(38,8)::VARCHAR, sum(size)::DECIMAL(38,8)::VARCHAR, count(*)`;
  assert.deepEqual(
    await query(`SELECT ${sums} FROM '${scaled}'`),
    await query(`SELECT ${sums} FROM '${exact}'`)
  );
  const [[turnover, products]] = await query(
    `SELECT sum(price * size)::VARCHAR, sum(price::DECIMAL(18,2) * size::DECIMAL(18,3))::VARCHAR FROM '${exact}'`
  );
  assert.equal(Number(turnover), Number(products));
  assert.ok(Number(turnover) > 1000);
  // Doubles are the nearest values, and have bounds.
  const floats = trades(await exported(t, archive, "--type", "trades", "--float"));
  assert.match((await types(floats)).price, /^DOUBLE\s*$/);
  const values = (file) => query(`SELECT price::DOUBLE, size::DOUBLE FROM '${file}'`);
  assert.deepEqual(await values(floats), await values(exact));
  assert.deepEqual(
    await query(
      `SELECT stats_min_value::DOUBLE, stats_max_value::DOUBLE FROM parquet_metadata('${floats}') WHERE path_in_schema = 'price'`
    ),
    await query(`SELECT min(price), max(price) FROM '${floats}'`)
  );
  assert.match(
    (
      await tapedeck(
        t,
        [
          "export",
          archive,
          "--format",
          "parquet",
          "--float",
          "--scale",
          "3",
          "--out",
          path.join(temporary(t), "x"),
        ],
        { status: 2 }
      )
    ).stderr,
    /--float and --scale exclude each other/
  );
  // An error names a value that does not fit, and no file is written.
  const out = path.join(temporary(t), "out");
  const refused = await tapedeck(
    t,
    [
      "export",
      archive,
      "--format",
      "parquet",
      "--type",
      "book_deltas",
      "--scale",
      "1",
      "--out",
      out,
    ],
    { status: 4 }
  );
  assert.match(refused.stderr, /column (price|size): \d+\.\d+ does not fit DECIMAL\(18,1\)/);
  assert.ok(!fs.existsSync(out) || filesOf(out).length === 0);
  // Replies about instruments have more places, such as 1542.6000000000001.
  const replies = isRecorded
    ? await exported(t, archive, "--type", "instruments", "--scale", "8")
    : undefined;
  for (const file of replies === undefined ? [] : filesOf(replies))
    assert.match((await types(path.join(replies, file))).max_qty, /scale=18, precision=38/);
  const other = await tapedeck(
    t,
    ["export", archive, "--format", "jsonl", "--scale", "3", "--out", out],
    { status: 2 }
  );
  assert.match(other.stderr, /--scale and --float need --format parquet/);
});

test("the number of threads does not change the bytes", { skip: withoutCapture(V5) }, async (t) => {
  const archive = await imported(V5, "v5-linear");
  const [one, four] = [await whole(), await exported(t, archive, "-j", "4")];
  assert.deepEqual(filesOf(four), filesOf(one));
  for (const file of filesOf(one))
    assert.ok(
      fs.readFileSync(path.join(one, file)).equals(fs.readFileSync(path.join(four, file))),
      file
    );
});

// Parquet's rows of messages equal SQLite's, which other tests compare with JSON lines.
test("rows of tickers and klines equal SQLite's", { skip: withoutCapture(V5) }, async (t) => {
  const archive = await imported(V5, "v5-linear");
  const out = await exported(t, archive, "--format", "sqlite");
  for (const type of ["tickers", "klines"]) {
    const stored = JSON.parse(
      await python(
        "tests/export/sqlite_rows.py",
        path.join(out, "sqlite/messages_2026-08-09.sqlite"),
        type,
        "symbol, rowid"
      )
    );
    const folder = path.join(out, "parquet/exchange=bybit", `type=${type}`, "date=2026-08-09"),
      files = `${folder}/*.parquet`;
    const described = (await query(`DESCRIBE SELECT * FROM '${files}'`)).filter(
      ([name]) => !["frame", "exchange", "type", "date"].includes(name)
    );
    const columns = described.map(([name]) => name),
      times = described.filter(([, is]) => is.startsWith("TIMESTAMP")).map(([name]) => name);
    const rows = await query(
      `SELECT ${columns.map((name) => `"${name}"::VARCHAR`).join(", ")} FROM read_parquet('${files}', file_row_number = true) ORDER BY symbol, file_row_number`
    );
    const exact = (
      await Promise.all(filesOf(folder).map((file) => parquetRows(path.join(folder, file))))
    ).flat(); // DuckDB has no ns
    assert.deepEqual([rows.length, exact.length], [stored.length, stored.length]);
    assert.ok(rows.length > 30, type);
    for (const [i, row] of rows.entries())
      for (const name of times) row[columns.indexOf(name)] = exact[i][name]?.toString() ?? null;
    const text = (value) => (value === "true" ? "1" : value === "false" ? "0" : shortest(value));
    for (const [i, row] of rows.entries()) {
      const cells = Object.fromEntries(
        columns
          .map((name, k) => [name, row[k]])
          .filter(([, value]) => value !== null)
          .map(([name, value]) => [name, text(value)])
      );
      const wanted = Object.entries(stored[i])
        .filter(([name, value]) => value !== null && !/_real$|^(exchange|frame)$/.test(name))
        .map(([name, value]) => [name, `${value}`]);
      assert.deepEqual(cells, Object.fromEntries(wanted), `${type}, row ${i}`);
    }
  }
});

/** A capture of trades of two symbols: enough for several row groups of each. */
function captureOfTrades() {
  const at = 1_790_000_000,
    FRAMES = 100,
    TRADES = 120;
  const trade = (symbol, n) => ({
    T: at * 1000 + n,
    s: symbol,
    S: n % 3 === 0 ? "Sell" : "Buy",
    v: `${(n * 7919) % 1000}.5`,
    p: `${60000 + ((n * 104729) % 977)}`,
    L: "PlusTick",
    i: crypto.createHash("sha1").update(`${symbol} ${n}`).digest("hex"),
    BT: false,
  });
  const frame = (symbol, i) => ({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: at * 1000 + i,
    data: Array.from({ length: TRADES }, (_, j) => trade(symbol, i * TRADES + j)),
  });
  const lines = [
    { t: "header", format: 2, exchange: "BYBIT" },
    { t: "connect", conn: "A", ts: at, addr: "wss://stream.bybit.com/v5/public/linear" },
  ];
  for (let i = 0; i < FRAMES; i++)
    for (const symbol of ["BTCUSDT", "ETHUSDT"])
      lines.push({
        t: "recv",
        conn: "A",
        ts: at + lines.length,
        data: JSON.stringify(frame(symbol, i)),
      });
  return lines;
}

test("row groups end by the rows of their own file: not by others, nor by threads", async (t) => {
  const archive = await importLines(t, captureOfTrades(), { format: "cryptofeed" });
  const files = [];
  for (const more of [
    ["-j", "1"],
    ["-j", "2"],
    ["--symbol", "BTCUSDT", "--type", "trades"],
  ]) {
    const out = await exported(t, archive, ...more);
    const { name } = manifestOf(out).files.find(
      ({ type, symbol }) => type === "trades" && symbol === "BTCUSDT"
    );
    files.push(path.join(out, name));
  }
  const { row_groups: groups } = await parquetMetadata(files[0]);
  assert.ok(groups.length > 1, `${groups.length} row groups`);
  for (const file of files.slice(1))
    assert.ok(fs.readFileSync(file).equals(fs.readFileSync(files[0])), file);
});
