// export --format nautilus: every field of the schema is as documented by Nautilus, and rows equal the rows of --format
// parquet.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import {
  capture,
  importLines,
  isManifest,
  isRecorded,
  manifestOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { copiedByArrow, parquetMetadata, query } from "../support/parquet_files.mjs";

const V5 = "v5-2026-08-09.jsonl.gz";
const START_MS = 1_700_000_000_000;
const DECIMAL = "FIXED_LEN_BYTE_ARRAY 16 DECIMAL 38,16";
const TIMES = { ts_event: "INT64 TIMESTAMP NANOS", ts_init: "INT64 TIMESTAMP NANOS" };
const SCHEMAS = {
  trades: {
    price: DECIMAL,
    size: DECIMAL,
    aggressor_side: "BYTE_ARRAY STRING",
    trade_id: "BYTE_ARRAY STRING",
    ...TIMES,
  },
  quotes: {
    bid_price: DECIMAL,
    ask_price: DECIMAL,
    bid_size: DECIMAL,
    ask_size: DECIMAL,
    ...TIMES,
  },
  order_book_deltas: {
    action: "BYTE_ARRAY STRING",
    side: "BYTE_ARRAY STRING",
    price: `${DECIMAL}?`,
    size: `${DECIMAL}?`,
    order_id: "INT64 INTEGER 64 unsigned",
    flags: "INT32 INTEGER 8 unsigned",
    sequence: "INT64 INTEGER 64 unsigned",
    ...TIMES,
  },
};
SCHEMAS.mark_prices = SCHEMAS.index_prices = { value: DECIMAL, ...TIMES };
SCHEMAS.funding_rates = {
  instrument_id: "BYTE_ARRAY STRING",
  rate: "BYTE_ARRAY STRING",
  interval: "INT64 INTEGER 64 unsigned?",
  next_funding_ns: "INT64 TIMESTAMP NANOS?",
  ...TIMES,
  identifier: "BYTE_ARRAY STRING?",
};
/** Rows of derivative_ticker whose value differs from the row before. */
const VALUES = {
  mark_prices: ["value", "mark_price"],
  index_prices: ["value", "index_price"],
  funding_rates: ["rate", "funding_rate"],
};
const TEXTS = (names) =>
  Object.fromEntries(
    names
      .split(" ")
      .map((name) => [name.replace("?", ""), `BYTE_ARRAY STRING${name.endsWith("?") ? "?" : ""}`])
  );
const U8 = "INT32 INTEGER 8 unsigned",
  MOMENT = "INT64 TIMESTAMP NANOS";
const LIMITS = {
  price_precision: U8,
  size_precision: U8,
  ...TEXTS(
    "price_increment size_increment multiplier lot_size? max_quantity? min_quantity? max_notional? min_notional? max_price? min_price? margin_init margin_maint tick_scheme? info?"
  ),
  ...TIMES,
};
const SETTLED = { ...TEXTS("quote_currency settlement_currency"), is_inverse: "BOOLEAN" },
  DATED = { activation_ns: MOMENT, expiration_ns: MOMENT };
const INSTRUMENTS = {
  crypto_perpetual: [
    "CryptoPerpetual",
    { ...TEXTS("id raw_symbol base_currency"), ...SETTLED, ...LIMITS },
  ],
  crypto_future: [
    "CryptoFuture",
    { ...TEXTS("id raw_symbol underlying"), ...SETTLED, ...DATED, ...LIMITS },
  ],
  crypto_option: [
    "CryptoOption",
    {
      ...TEXTS("id raw_symbol underlying"),
      ...SETTLED,
      ...TEXTS("option_kind strike_price"),
      ...DATED,
      ...LIMITS,
    },
  ],
  currency_pair: [
    "CurrencyPair",
    { ...TEXTS("id raw_symbol base_currency quote_currency"), ...LIMITS },
  ],
};
for (const [folder, [, schema]] of Object.entries(INSTRUMENTS)) SCHEMAS[folder] = schema;
const NAMES = {
  trades: "TradeTick",
  quotes: "QuoteTick",
  order_book_deltas: "OrderBookDelta",
  mark_prices: "MarkPriceUpdate",
  index_prices: "IndexPriceUpdate",
  funding_rates: "FundingRateUpdate",
};

function field({ type, type_length: length, repetition_type: repetition, logical_type: logical }) {
  if (logical === undefined) return type;
  const detail = {
    DECIMAL: `DECIMAL ${logical.precision},${logical.scale}`,
    TIMESTAMP: `TIMESTAMP ${logical.unit}`,
    INTEGER: `INTEGER ${logical.bitWidth} ${logical.isSigned ? "signed" : "unsigned"}`,
  };
  return `${type} ${length === undefined ? "" : `${length} `}${detail[logical.type] ?? logical.type}${repetition === "OPTIONAL" ? "?" : ""}`;
}

const filesOf = (out) =>
  fs
    .readdirSync(out, { recursive: true })
    .filter((f) => f.endsWith(".parquet"))
    .sort();

async function exported(t, archive, format, ...more) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", format, "--out", out, ...more], {
    status: null,
  });
  return out;
}

const dir = temporary({ after });
let tape;

/** The archive of the capture, which tests share. */
function imported() {
  const archive = path.join(dir, "tape");
  tape ??= tapedeck(undefined, [
    "import",
    "-q",
    "-a",
    archive,
    "--format",
    "cryptofeed",
    "--family",
    "v5-linear",
    capture(V5),
  ]).then(() => archive);
  return tape;
}

/** An archive of these frames, one a second; null begins another connection. */
async function recorded(t, frames) {
  const line = (f, i) => ({
    ts: START_MS + 1000 * (i + 1),
    ...(f === null ? { url: "wss://stream.bybit.com/x" } : { data: JSON.stringify(f) }),
    ...(f?.result && { dir: "http", url: "https://api.bybit.com/v5/market/instruments-info" }),
  });
  return importLines(t, frames.map(line), { family: "v5-linear" });
}

const frame = (n, type, b, a) => ({
  topic: "orderbook.50.BTCUSDT",
  ts: START_MS + n,
  type,
  data: { s: "BTCUSDT", b, a, u: 100 + n, seq: 200 + n },
});

test(
  "a capture's files have the documented schema, metadata, names and rows",
  { skip: withoutCapture(V5) },
  async (t) => {
    const archive = await imported();
    const [out, plain] = [
      await exported(t, archive, "nautilus"),
      await exported(t, archive, "parquet"),
    ];
    assert.equal(filesOf(out).length, isRecorded ? 28 : 24); // four instruments
    const precisions = new Map();
    for (const file of filesOf(out)) {
      const name = path.join(out, file);
      const [, type, instrument, first, last] =
        /^data\/(\w+)\/([A-Z]+-LINEAR\.BYBIT)\/(.+Z)_(.+Z)\.parquet$/.exec(file);
      const { schema, key_value_metadata: pairs, num_rows: count } = await parquetMetadata(name);
      assert.deepEqual(
        Object.entries(
          Object.fromEntries(schema.slice(1).map((column) => [column.name, field(column)]))
        ),
        Object.entries(SCHEMAS[type])
      );
      const metadata = Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
      assert.deepEqual(
        [metadata.instrument_id, metadata.type_name],
        [instrument, NAMES[type] ?? INSTRUMENTS[type][0]]
      );
      // A backtest accepts only data with the instrument's precisions.
      for (const key of ["price_precision", "size_precision"].filter((key) => key in metadata))
        precisions.set(
          `${instrument} ${key}`,
          (precisions.get(`${instrument} ${key}`) ?? new Set()).add(metadata[key])
        );
      const written = [/^price/, /^size/].map(
        (name) =>
          Object.entries(metadata).filter(([key, value]) => name.test(key) && /^\d+$/.test(value))
            .length
      );
      assert.deepEqual(
        written,
        type === "funding_rates" ? [0, 0] : [1, /_prices$/.test(type) ? 0 : 1]
      );
      if (type in INSTRUMENTS) continue;
      if (type !== "order_book_deltas")
        // which has CLEARs besides
        assert.equal(manifestOf(out).files.find((f) => f.name === file).rows, Number(count), file);
      const [[least, most, falling]] = await query(
        `SELECT min(ts_init)::VARCHAR, max(ts_init)::VARCHAR, count(*) FILTER (ts_init < before) FROM (SELECT ts_init, lag(ts_init) OVER () AS before FROM '${name}')`
      );
      assert.equal(falling, 0n);
      const text = (isoTime) =>
        isoTime
          .slice(0, 19)
          .replace("T", " ")
          .replaceAll(/(\d\d)-(\d\d)-(\d\d)$/g, "$1:$2:$3");
      assert.deepEqual([text(first), text(last)], [least.slice(0, 19), most.slice(0, 19)]);
      const copy = await query(`SELECT count(*) FROM '${await copiedByArrow(name)}'`);
      assert.deepEqual(copy, [[BigInt(count)]]);
      if (type in VALUES) {
        const [mine, theirs] = VALUES[type];
        const ticker = path.join(
          plain,
          "exchange=bybit",
          "type=derivative_ticker",
          "date=2026-08-09",
          `${instrument.split("-")[0]}.parquet`
        );
        const [found, want] = [
          `SELECT ${mine}::DECIMAL(38,16), ts_init, ts_event FROM '${name}'`,
          `SELECT ${theirs}::DECIMAL(38,16), ts_recv, ts_exch FROM (SELECT *, lag(${theirs}) OVER () AS before FROM '${ticker}') WHERE before IS DISTINCT FROM ${theirs}`,
        ];
        assert.deepEqual((await query(found)).map(String), (await query(want)).map(String), file);
        continue;
      }
      const other = path.join(
        plain,
        "exchange=bybit",
        `type=${type === "order_book_deltas" ? "book_deltas" : type}`,
        "date=2026-08-09",
        `${instrument.split("-")[0]}.parquet`
      );
      const sums = {
        trades: ["sum(price), sum(size)", "sum(price), sum(size)"],
        quotes: ["sum(bid_price), sum(ask_size)", "sum(bid_price), sum(ask_size)"],
        order_book_deltas: ["sum(price), sum(size)", "sum(price), sum(size)"],
      }[type];
      const [[a, b]] = await query(
        `SELECT ${sums[0].replaceAll(/\)/g, ")::DECIMAL(38,16)::VARCHAR")} FROM '${name}'`
      );
      assert.deepEqual(
        await query(
          `SELECT ${sums[1].replaceAll(/\)/g, ")::DECIMAL(38,16)::VARCHAR")} FROM '${other}'`
        ),
        [[a, b]],
        file
      );
    }
    assert.equal(precisions.size, 8);
    if (isRecorded) for (const [key, found] of precisions) assert.equal(found.size, 1, key);
  }
);

test("bars end at their time, and equal Parquet's", { skip: withoutCapture(V5) }, async (t) => {
  const archive = await imported();
  for (const [length, name, ns] of [
    ["5s", "5-SECOND", 5_000_000_000n],
    ["1m", "1-MINUTE", 60_000_000_000n],
  ]) {
    const [out, plain] = [
      await exported(t, archive, "nautilus", "--bars", length, "--type", "bars", "--keep-suspect"),
      await exported(t, archive, "parquet", "--bars", length, "--type", "bars"),
    ];
    assert.equal(filesOf(out).length, 4);
    for (const file of filesOf(out)) {
      const [, symbol, bar] =
        /^data\/bars\/([A-Z]+)-LINEAR\.BYBIT-(.+)-LAST-EXTERNAL\/\S+Z_\S+Z\.parquet$/.exec(file);
      const { schema, key_value_metadata: pairs } = await parquetMetadata(path.join(out, file));
      assert.deepEqual(
        schema.slice(1).map((column) => [column.name, field(column)]),
        Object.entries({
          open: DECIMAL,
          high: DECIMAL,
          low: DECIMAL,
          close: DECIMAL,
          volume: DECIMAL,
          ...TIMES,
        })
      );
      const metadata = Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
      assert.deepEqual(
        [bar, metadata.bar_type, metadata.type_name],
        [name, `${symbol}-LINEAR.BYBIT-${name}-LAST-EXTERNAL`, "Bar"]
      );
      const numbers =
        "open::DECIMAL(38,16), high::DECIMAL(38,16), low::DECIMAL(38,16), close::DECIMAL(38,16), volume::DECIMAL(38,16)";
      const found = await query(
        `SELECT ${numbers}, epoch_ns(ts_event), ts_init >= ts_event, ts_init >= lag(ts_init, 1, ts_init) OVER () FROM '${path.join(out, file)}'`
      );
      const want = await query(
        `SELECT ${numbers}, epoch_ns(start) + ${ns}, true, true FROM '${path.join(plain, "exchange=bybit", "type=bars", "date=2026-08-09", `${symbol}.parquet`)}' WHERE flags & 4 = 0`
      );
      assert.deepEqual(found.map(String), want.map(String), file);
    }
  }
});

test("a second part of a bar is omitted, and not counted", async (t) => {
  const times = [...Array.from({ length: 12 }, (_, i) => 1000 * (i + 1)), 2500, 14_000]; // the 13th trade belongs to the second bar
  const archive = await recorded(
    t,
    times.map((ms, i) => ({
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: START_MS + ms,
      data: [
        {
          T: START_MS + ms,
          s: "BTCUSDT",
          S: "Buy",
          v: "1",
          p: `${60_000 + i}`,
          L: "PlusTick",
          i: `id-${i}`,
          BT: false,
        },
      ],
    }))
  );
  const out = await exported(
    t,
    archive,
    "nautilus",
    "--bars",
    "1s",
    "--type",
    "bars",
    "--keep-suspect"
  );
  const [file] = manifestOf(out).files;
  assert.equal(file.rows, 13);
  assert.deepEqual(
    (await query(`SELECT count(*) FROM '${path.join(out, filesOf(out)[0])}'`)).map(String),
    ["13"]
  );
});

const listed = (symbol, tick, more = {}) => ({
  symbol,
  baseCoin: "BTC",
  quoteCoin: "USDT",
  priceFilter: { tickSize: tick, maxPrice: "9.50" },
  lotSizeFilter: { qtyStep: "0.001", minOrderQty: "0.002", maxOrderQty: "5.0" },
  ...more,
});
const reply = (category, ...list) => ({ retCode: 0, time: START_MS, result: { category, list } });

test("instruments of each class have rows; a changed tick begins another file", async (t) => {
  const dated = { launchTime: "1500000000000", deliveryTime: "1700000000001" };
  const archive = await recorded(t, [
    reply(
      "linear",
      listed("BTCUSDT", "0.10", { contractType: "LinearPerpetual", settleCoin: "USDC" }),
      listed("BTCUSDT-29DEC23", "0.5", { contractType: "LinearFutures", ...dated })
    ),
    reply(
      "inverse",
      listed("BTCUSD", "0.5", { quoteCoin: "USD", contractType: "InversePerpetual" })
    ),
    reply("option", listed("BTC-29DEC23-40000-P", "5", { optionsType: "Put", ...dated })),
    reply("spot", {
      symbol: "BTCUSDT",
      baseCoin: "BTC",
      quoteCoin: "USDT",
      priceFilter: { tickSize: "0.01" },
      lotSizeFilter: { basePrecision: "0.00001" },
    }),
    reply(
      "linear",
      listed("BTCUSDT", "0.05", { contractType: "LinearPerpetual" }),
      listed("X", "1", { baseCoin: "", contractType: "LinearPerpetual" })
    ),
    reply("spread", listed("S", "1")),
    frame(7, "snapshot", [["10", "1"]], [["11", "1"]]),
  ]);
  const out = await exported(t, archive, "nautilus", "--type", "instruments");
  const rows = {};
  for (const file of filesOf(out)) {
    const [, type, id] = /^data\/(\w+)\/(.+)\.BYBIT\/\S+Z_\S+Z\.parquet$/.exec(file);
    const name = path.join(out, file);
    const { schema, key_value_metadata: pairs } = await parquetMetadata(name);
    assert.deepEqual(
      Object.entries(
        Object.fromEntries(schema.slice(1).map((column) => [column.name, field(column)]))
      ),
      Object.entries(SCHEMAS[type])
    );
    const {
      type_name: is,
      class: old,
      price_precision: places,
    } = Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
    assert.deepEqual([is, old], [INSTRUMENTS[type][0], INSTRUMENTS[type][0]]);
    const more = {
      crypto_perpetual: ["settlement_currency", "is_inverse"],
      crypto_future: ["settlement_currency", "epoch_ms(expiration_ns)"],
      crypto_option: ["option_kind", "strike_price", "epoch_ms(activation_ns)"],
      currency_pair: [],
    }[type];
    const columns = [
      "id",
      "price_increment",
      "price_precision",
      "size_increment",
      "size_precision",
      "min_quantity",
      "max_quantity",
      "max_price",
      ...more,
    ];
    const [[found]] = [await query(`SELECT ${columns.join(", ")} FROM '${name}'`)];
    assert.equal(String(found[2]), places);
    rows[`${type} ${id}`] = [...(rows[`${type} ${id}`] ?? []), found.slice(1).join(" ")];
  }
  assert.deepEqual(rows, {
    "crypto_future BTCUSDT-29DEC23-LINEAR": ["0.5 1 0.001 3 0.002 5.0 9.50 USDT 1700000000001"],
    "crypto_option BTC-29DEC23-40000-P-OPTION": [
      "5 0 0.001 3 0.002 5.0 9.50 PUT 40000 1500000000000",
    ],
    "crypto_perpetual BTCUSD-INVERSE": ["0.5 1 0.001 3 0.002 5.0 9.50 BTC true"],
    "crypto_perpetual BTCUSDT-LINEAR": [
      "0.10 2 0.001 3 0.002 5.0 9.50 USDC false",
      "0.05 2 0.001 3 0.002 5.0 9.50 USDT false",
    ],
    "currency_pair BTCUSDT-SPOT": ["0.01 2 0.00001 5   "],
  });
  // With other types: the instruments that have data, and data in their precision.
  const all = await exported(t, archive, "nautilus");
  assert.deepEqual(
    [...new Set(filesOf(all).map((file) => file.split("/").slice(1, 3).join(" ")))],
    [
      "crypto_perpetual BTCUSDT-LINEAR.BYBIT",
      "order_book_deltas BTCUSDT-LINEAR.BYBIT",
      "quotes BTCUSDT-LINEAR.BYBIT",
    ]
  );
  const shards = await exported(t, archive, "nautilus", "--shard", "1/2");
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--format",
    "nautilus",
    "--out",
    shards,
    "--shard",
    "2/2",
  ]);
  for (const file of [...fs.readdirSync(all).filter(isManifest), ...filesOf(all)])
    assert.deepEqual(
      fs.readFileSync(path.join(shards, file)),
      fs.readFileSync(path.join(all, file)),
      file
    );
});

test("books have rows for snapshots, changes and a gap", async (t) => {
  const archive = await recorded(t, [
    frame(
      1,
      "snapshot",
      [
        ["10.0", "1"],
        ["9.5", "2"],
      ],
      [["11", "2.50"]]
    ),
    frame(
      2,
      "delta",
      [["10.0", "0"]],
      [
        ["11", "3"],
        ["12", "1"],
      ]
    ),
    frame(3, "snapshot", [["8.0", "1"]], [["9", "1"]]),
    null,
    frame(5, "snapshot", [["8.0", "4"]], []),
  ]);
  const out = await exported(t, archive, "nautilus", "--type", "order_book_deltas");
  const [file] = filesOf(out);
  assert.match(
    file,
    /^data\/order_book_deltas\/BTCUSDT-LINEAR\.BYBIT\/2023-11-14T22-13-21-\d{9}Z_2023-11-14T22-13-2\d-\d{9}Z\.parquet$/
  );
  const rows = await query(
    `SELECT action, side, price::DOUBLE, size::DOUBLE, flags, sequence, order_id FROM '${path.join(out, file)}'`
  );
  const text = rows.map(([action, side, price, size, flags, sequence, id]) =>
    [action, side, price, size, flags, Number(sequence), Number(id)].join(" ")
  );
  assert.deepEqual(text, [
    "CLEAR NO_ORDER_SIDE 0 0 32 201 0",
    "ADD BUY 10 1 48 201 0",
    "ADD BUY 9.5 2 48 201 0",
    "ADD SELL 11 2.5 176 201 0",
    "DELETE BUY 10 0 16 202 0",
    "UPDATE SELL 11 3 16 202 0",
    "UPDATE SELL 12 1 144 202 0",
    "CLEAR NO_ORDER_SIDE 0 0 32 203 0",
    "ADD BUY 8 1 48 203 0",
    "ADD SELL 9 1 176 203 0",
    "CLEAR NO_ORDER_SIDE 0 0 160 0 0",
    "CLEAR NO_ORDER_SIDE 0 0 32 205 0",
    "ADD BUY 8 4 176 205 0",
  ]);
});

const DAY_MS = 86_400_000;
const DAYS = ["2023-11-14", "2023-11-15", "2023-11-16"];
const manifestOfDay = (i) => `MANIFEST.${DAYS[i]}.json`;
const metadataOf = async (name) =>
  Object.fromEntries(
    (await parquetMetadata(name)).key_value_metadata.map(({ key, value }) => [key, value])
  );
const filesBelow = (dir) =>
  Object.fromEntries(
    fs
      .readdirSync(dir, { recursive: true })
      .filter((name) => fs.statSync(path.join(dir, name)).isFile())
      .sort()
      .map((name) => [name, fs.readFileSync(path.join(dir, name)).toString("latin1")])
  );
function assertSame(one, other, message) {
  const [a, b] = [one, other].map((files) =>
    typeof files === "string" ? filesBelow(files) : files
  );
  assert.deepEqual(Object.keys(a), Object.keys(b), message);
  for (const name of Object.keys(a)) assert.ok(a[name] === b[name], `${message ?? ""} ${name}`);
}
const trade = (day, n, p, v) => ({
  topic: "publicTrade.BTCUSDT",
  type: "snapshot",
  ts: START_MS + day * DAY_MS + n,
  data: [
    {
      T: START_MS + day * DAY_MS + n,
      s: "BTCUSDT",
      S: "Buy",
      v,
      p,
      L: "PlusTick",
      i: `${day}-${n}`,
      BT: false,
    },
  ],
});

/** An archive of days, whose frames are an array for each day. */
async function recordedDays(t, ...days) {
  const line = (f, day, i) => ({
    ts: START_MS + day * DAY_MS + 1000 * (i + 1),
    data: JSON.stringify(f),
    ...(f.result && { dir: "http", url: "https://api.bybit.com/v5/market/instruments-info" }),
  });
  return importLines(
    t,
    days.flatMap((frames, day) => frames.map((f, i) => line(f, day, i))),
    { family: "v5-linear" }
  );
}

const list = (tick) =>
  reply("linear", listed("BTCUSDT", tick, { contractType: "LinearPerpetual", settleCoin: "USDT" }));
const BOOK = frame(1, "snapshot", [["10.5", "1"]], [["11", "0.25"]]);
const FINER = frame(DAY_MS, "snapshot", [["10.5", "1"]], [["11.1234", "2"]]);
const TYPES = ["trades", "quotes", "order_book_deltas", "bars", "instruments"].flatMap((type) => [
  "--type",
  type,
]);
const command = (archive, out, ...more) => [
  "export",
  "-q",
  "-a",
  archive,
  "--format",
  "nautilus",
  "--out",
  out,
  ...TYPES,
  "--bars",
  "1m",
  "--keep-suspect",
  ...more,
];
const exportDays = (t, archive, out, ...more) =>
  tapedeck(t, command(archive, out, ...more), { status: null });
const night = (t, archive, out, i, ...more) =>
  exportDays(t, archive, out, "--from", DAYS[i], "--to", DAYS[i], ...more);
const foldersFor = (t, ...names) => names.map((name) => path.join(temporary(t), name));

/** "BTCUSDT-LINEAR.BYBIT 2 3" of each file, once. */
async function precisionsIn(out) {
  const found = new Set();
  for (const file of filesOf(out)) {
    const {
      instrument_id: id,
      price_precision: price,
      size_precision: size,
    } = await metadataOf(path.join(out, file));
    found.add(`${id} ${price} ${size}`);
  }
  return [...found];
}

/** Exports a night that the dataset has no precision for: status 2, and all files stay as they are. */
async function refusedNight(t, archive, out, i, ...more) {
  const before = filesBelow(out);
  const { code, stderr } = await night(t, archive, out, i, ...more);
  assert.equal(code, 2, stderr);
  assertSame(out, before, "after a refused night");
  return stderr;
}

test("the recorded list gives an instrument its precision, on all days and in all types", async (t) => {
  // The list has more places than the data of the first day and those of the second; the third has no list.
  const archive = await recordedDays(
    t,
    [list("0.0010"), BOOK, trade(0, 1, "10.5", "1"), trade(0, 2, "10.7", "2")],
    [FINER, list("0.0010"), trade(1, 1, "10.5", "1")],
    [trade(2, 1, "10", "0.001")]
  );
  const [nights, one, shards, trades] = foldersFor(t, "nights", "one", "shards", "trades");
  let before = {};
  for (const i of [0, 1, 2]) {
    await night(t, archive, nights, i);
    const after = filesBelow(nights);
    for (const name of Object.keys(before))
      assert.ok(after[name] === before[name], `${name} after night ${i}`);
    before = after;
    assert.deepEqual(await precisionsIn(nights), ["BTCUSDT-LINEAR.BYBIT 4 3"]);
  }
  assert.deepEqual([...new Set(filesOf(nights).map((file) => file.split("/")[1]))].sort(), [
    "bars",
    "crypto_perpetual",
    "order_book_deltas",
    "quotes",
    "trades",
  ]);
  const [instrument] = filesOf(nights).filter((file) => file.includes("crypto_perpetual"));
  const columns =
    "price_precision, size_precision, price_increment, size_increment, lot_size, min_quantity, max_price, raw_symbol, settlement_currency, is_inverse, tick_scheme, epoch_ns(ts_init) = epoch_ns(ts_event)";
  assert.deepEqual(
    (await query(`SELECT ${columns} FROM '${path.join(nights, instrument)}'`)).map((row) =>
      row.join(" ")
    ),
    ["4 3 0.0010 0.001 0.001 0.002 9.50 BTCUSDT USDT false  false"]
  );
  // One run, and shards in any order, give the same bytes.
  await exportDays(t, archive, one);
  assertSame(nights, one);
  for (const shard of ["3/3", "1/3", "2/3"]) await exportDays(t, archive, shards, "--shard", shard);
  assertSame(shards, one);
  // The list is read even if its rows are not exported.
  await tapedeck(
    t,
    [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "nautilus",
      "--out",
      trades,
      "--type",
      "trades",
      "--from",
      DAYS[0],
      "--to",
      DAYS[0],
      "--symbol",
      "BTCUSDT",
    ],
    { status: null }
  );
  assert.deepEqual(
    [filesOf(trades).length, await precisionsIn(trades)],
    [1, ["BTCUSDT-LINEAR.BYBIT 4 3"]]
  );
});

test("without a list, the days of a run have the precision that one of them needs", async (t) => {
  const archive = await recordedDays(
    t,
    [BOOK, trade(0, 1, "10.5", "1")],
    [FINER, trade(1, 1, "10.5", "1")],
    [trade(2, 1, "10", "0.00012345678")]
  );
  const [one, serial, resumed] = foldersFor(t, "one", "serial", "resumed");
  await exportDays(t, archive, one, "-j", "2");
  assert.deepEqual(await precisionsIn(one), ["BTCUSDT-LINEAR.BYBIT 4 11"]);
  await exportDays(t, archive, serial, "-j", "1");
  assertSame(serial, one);
  assert.ok(!Object.keys(filesBelow(one)).some((name) => name.endsWith(".partial")));
  // A run that was killed before it published the days: the files of the first one have the precision of that day alone.
  const [alone] = foldersFor(t, "alone");
  await night(t, archive, alone, 0);
  for (const [name, text] of Object.entries(filesBelow(alone))) {
    fs.mkdirSync(path.dirname(path.join(resumed, name)), { recursive: true });
    fs.writeFileSync(path.join(resumed, `${name}.partial`), text, "latin1");
  }
  await exportDays(t, archive, resumed);
  assertSame(resumed, one);
  // The same command keeps all days, and a night that needs no more has the dataset's precision.
  await exportDays(t, archive, one);
  assertSame(serial, one);
  for (const name of [
    ...filesOf(serial).filter((file) => file.includes("2023-11-14T")),
    manifestOfDay(0),
  ])
    fs.rmSync(path.join(serial, name));
  await night(t, archive, serial, 0);
  assertSame(serial, one);
  for (const file of filesOf(one)) await copiedByArrow(path.join(one, file)); // another reader accepts them
});

test("a day that needs more than the dataset has is refused, with the command that makes the dataset again", async (t) => {
  const archive = await recordedDays(
    t,
    [BOOK, trade(0, 1, "10.5", "1")],
    [FINER, trade(1, 1, "10.5", "1")],
    [list("0.0000100"), trade(2, 1, "10", "1")]
  );
  const [out, one] = foldersFor(t, "out", "one");
  await night(t, archive, out, 0);
  for (const [i, more, places, without] of [
    [1, [], 4, ""],
    [1, ["--format", "parquet"], 4, ""],
    [2, [], 7, ""],
    [1, ["--shard", "1/1"], 4, ", without --shard,"],
  ]) {
    const stderr = await refusedNight(t, archive, out, i, ...more);
    assert.match(
      stderr,
      new RegExp(
        `BTCUSDT-LINEAR\\.BYBIT needs ${places} decimal places in prices and \\d in sizes, but other files in '${out}' have 1 and 2\\n`
      )
    );
    assert.match(
      stderr,
      new RegExp(
        `hint: this command with --from ${DAYS[0]} --to ${DAYS[i]} --force${without} makes the dataset again`
      )
    );
  }
  // The command that the message gives; options that are given twice take the last value.
  const made = await night(t, archive, out, 2, "--from", DAYS[0], "--to", DAYS[2], "--force");
  assert.ok(made.code <= 1, made.stderr);
  await exportDays(t, archive, one);
  assertSame(out, one);
  assert.deepEqual(await precisionsIn(out), ["BTCUSDT-LINEAR.BYBIT 7 3"]);
  // Shards: the one that needs less can end last, the other one is refused.
  const [shards] = foldersFor(t, "shards");
  await exportDays(t, archive, shards, "--shard", "2/3");
  const before = filesBelow(shards);
  const codes = [];
  for (const shard of ["1/3", "3/3"])
    codes.push((await exportDays(t, archive, shards, "--shard", shard)).code);
  for (const name of Object.keys(before))
    assert.ok(filesBelow(shards)[name] === before[name], name);
  assert.equal((await precisionsIn(shards)).length, 1);
  assert.ok(codes.includes(2), `${codes}`);
});

test("a dataset whose files already have two precisions is refused", async (t) => {
  const archive = await recordedDays(
    t,
    [BOOK, trade(0, 1, "10.5", "1")],
    [FINER, trade(1, 1, "10.5", "1")],
    [trade(2, 1, "10", "1")]
  );
  const [out, other] = foldersFor(t, "out", "other");
  await night(t, archive, out, 0);
  await night(t, archive, other, 1);
  fs.cpSync(other, out, { recursive: true });
  const stderr = await refusedNight(t, archive, out, 2);
  assert.match(
    stderr,
    /BTCUSDT-LINEAR\.BYBIT needs \d decimal places in prices and \d in sizes, but other files in '.*' have \d and \d\n/
  );
});

test("an instrument that needs more than 16 places is refused by name", async (t) => {
  const archive = await recorded(t, [
    frame(1, "snapshot", [["0.00000000000000001", "1"]], [["11", "2.50"]]),
  ]);
  const out = path.join(temporary(t), "out");
  const refused = await tapedeck(t, ["export", archive, "--format", "nautilus", "--out", out], {
    status: 4,
  });
  assert.match(
    refused.stderr,
    /of BTCUSDT-LINEAR\.BYBIT: column (bid_)?price: 0\.00000000000000001 does not fit DECIMAL\(38,16\)/
  );
});
