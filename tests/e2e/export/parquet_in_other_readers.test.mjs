// DuckDB, hyparquet and parquet-wasm (arrow-rs) read from Parquet files the rows that this file computes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import { run, temporary, wrapped } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { copiedByArrow, parquetMetadata, parquetRows, query } from "../support/parquet_files.mjs";

// In a group of this many rows the dictionaries of texts and integers fill up; in the last group the dictionaries of integers do not.
const GROUP_ROWS = 3_000;
const COUNT = 7_000;
const WORDS = ["buy", "sell", "", "größer"];

/** The rows of tests/conformance/parquet_rows.c, as DuckDB prints their columns. */
function row(i) {
  const n = BigInt(i);
  const odd = i % 2;
  const price = odd ? -((n * 7919n) % 1000n) - 1n : (n * 7919n) % 1000n;
  const short = (odd ? -n : n) * 10n ** BigInt(8 - (i % 9));
  const unique = `${(n * 1103515245n) % 1000003n}`.padStart(24, "0");
  return [
    1600000000000000000n + n * 1000000007n,
    i % 5 === 0 ? null : 1600000000000000000n + n * 1000007000n,
    odd ? -(2n ** 63n) + n : 2n ** 63n - 1n - n,
    2n ** 64n - 1n - n,
    i % 256,
    i % 3 === 0 ? null : !odd,
    decimal(price, 18),
    i % 7 === 0 ? null : odd ? "-1234567890123456789012.0000000000000001" : "0.5000000000000000",
    decimal(short, 8),
    WORDS[i % 4],
    unique,
    i % 1000 === 999 ? unique : null,
    null,
  ];
}

function decimal(value, scale) {
  const digits = `${value < 0 ? -value : value}`.padStart(scale + 1, "0");
  return `${value < 0 ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const WRITER = wrapped("../conformance/parquet_rows");
const dir = temporary({ after });

async function file(t, count = COUNT) {
  const name = path.join(dir, `${count}.parquet`);
  if (!fs.existsSync(name)) await run(t, WRITER, [name, `${count}`, `${GROUP_ROWS}`]);
  return name;
}

const ROWS = Array.from({ length: COUNT }, (_, i) => row(i));

/** Like assert.deepEqual, for rows without objects. */
function assertRow(got, want, i) {
  if (got.length !== want.length || got.some((value, column) => value !== want[column]))
    assert.deepEqual(got, want, `row ${i}`);
}

const ALL = `SELECT epoch_ns(time_ns), epoch_ns(time_seen), number, "unsigned", small, is_even, price::VARCHAR, coarse::VARCHAR, short::VARCHAR,
  word, unique_text, seldom, never FROM`;

test("DuckDB reads every value", async (t) => {
  const name = await file(t);
  const rows = await query(`${ALL} '${name}' ORDER BY time_ns`);
  assert.equal(rows.length, COUNT);
  for (const [i, got] of rows.entries())
    assertRow(got, [ROWS[i][0] - (ROWS[i][0] % 1000n), ...ROWS[i].slice(1)], i); // DuckDB has µs for a time in UTC
});

test("hyparquet reads every value, with nanoseconds", async (t) => {
  const rows = await parquetRows(await file(t));
  assert.equal(rows.length, COUNT);
  for (const [i, got] of rows.entries()) {
    const want = ROWS[i].map((value, column) =>
      [6, 7, 8].includes(column) && value !== null ? Number(value) : value
    );
    const values = Object.values(got).map((value, column) =>
      column === 7 && value !== null ? Number(value.toPrecision(15)) : value
    );
    if (want[7] !== null) want[7] = Number(want[7].toPrecision(15));
    for (const column of [6, 8]) {
      assert.ok(
        Math.abs(values[column] - want[column]) <= Math.abs(want[column]) * 1e-15,
        `row ${i}`
      );
      values[column] = want[column];
    }
    assertRow(values, want, i);
  }
});

test("arrow-rs reads every value: its copy has the same rows", async (t) => {
  const name = await file(t);
  const copy = await copiedByArrow(name);
  const [[count, missing]] = await query(
    `SELECT count(*), (SELECT count(*) FROM (SELECT * FROM '${name}' EXCEPT SELECT * FROM '${copy}')) FROM '${copy}'`
  );
  assert.deepEqual([count, missing], [BigInt(COUNT), 0n]);
});

test("row groups, statistics and metadata are as written", async (t) => {
  const name = await file(t);
  const metadata = await parquetMetadata(name);
  assert.deepEqual(
    metadata.row_groups.map((group) => Number(group.num_rows)),
    [GROUP_ROWS, GROUP_ROWS, COUNT - 2 * GROUP_ROWS]
  );
  assert.deepEqual(metadata.key_value_metadata, [
    { key: "instrument_id", value: "BTCUSDT-LINEAR.BYBIT" },
    { key: "price_precision", value: "2" },
  ]);
  assert.match(metadata.created_by, /^tapedeck version \S+ \(build \S+\)$/);
  let from = 0;
  for (const group of metadata.row_groups) {
    const rows = ROWS.slice(from, from + Number(group.num_rows));
    from += rows.length;
    assert.deepEqual(group.sorting_columns, [
      { column_idx: 0, descending: false, nulls_first: false },
    ]);
    for (const [column, { meta_data: data }] of group.columns.entries()) {
      const values = rows.map((each) => each[column]).filter((value) => value !== null);
      assert.equal(Number(data.statistics.null_count), rows.length - values.length);
      assert.equal(Number(data.num_values), rows.length);
      if (values.length === 0) assert.equal(data.statistics.min_value, undefined);
    }
  }
  const bounds = await query(
    `SELECT path_in_schema, stats_min_value, stats_max_value FROM parquet_metadata('${name}') WHERE row_group_id = 0`
  );
  const columns = Object.fromEntries(
    bounds.map(([column, least, most]) => [column, [least, most]])
  );
  const first = ROWS.slice(0, GROUP_ROWS);
  const sorted = (column) =>
    first
      .map((each) => each[column])
      .filter((value) => value !== null)
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const byNumber = (column) =>
    first
      .map((each) => each[column])
      .filter((value) => value !== null)
      .sort((a, b) => Number(a) - Number(b));
  for (const [column, values] of [
    ["number", sorted(2)],
    ["unsigned", sorted(3)],
    ["small", sorted(4)],
    ["price", byNumber(6)],
    ["coarse", byNumber(7)],
    ["short", byNumber(8)],
    ["unique_text", sorted(10)],
  ])
    assert.deepEqual(columns[column], [`${values[0]}`, `${values.at(-1)}`], column);
  assert.deepEqual(columns.word, ["", "sell"]);
});

test("DuckDB skips row groups by their statistics: it does not read a destroyed one", async (t) => {
  const name = path.join(dir, "destroyed.parquet");
  fs.copyFileSync(await file(t), name);
  const { row_groups: groups } = await parquetMetadata(name);
  const descriptor = fs.openSync(name, "r+");
  const from = Number(groups[0].file_offset);
  fs.writeSync(
    descriptor,
    Buffer.alloc(Number(groups[1].file_offset) - from, 0xff),
    0,
    undefined,
    from
  );
  fs.closeSync(descriptor);
  await assert.rejects(query(`SELECT sum(small), sum(price) FROM '${name}'`));
  const last = COUNT - 100;
  for (const [column, bound] of [
    ["unsigned", `"unsigned" <= ${2n ** 64n - 1n - BigInt(last)}`],
    ["time", `time_ns >= make_timestamptz(${ROWS[last][0] / 1000n})`],
  ]) {
    const [[count, sum]] = await query(`SELECT count(*), sum(small) FROM '${name}' WHERE ${bound}`);
    const want = ROWS.slice(last).map((each) => each[4]);
    assert.deepEqual([count, Number(sum)], [100n, want.reduce((a, each) => a + each)], column);
  }
});

test("files with no row, and with one, are readable", async (t) => {
  for (const count of [0, 1]) {
    const rows = await query(`${ALL} '${await file(t, count)}'`);
    assert.equal(rows.length, count);
    if (count > 0) assert.equal(rows[0][1], null);
  }
});
