// Reads Parquet files with DuckDB, hyparquet and arrow-rs.
import fs from "node:fs";
import { after } from "node:test";
import { npm, npmModule, withoutPackages } from "./npm_packages.mjs";

// One instance for all queries of a test file: starting one takes longer than most queries. No two files have the same name.
let duckdb;
after(async () => {
  if (withoutPackages || duckdb === undefined) return;
  const { instance, connection } = await duckdb;
  connection.closeSync();
  instance.closeSync();
});

async function connect() {
  const { DuckDBInstance } = npm("@duckdb/node-api"); // import() of a package in CommonJS parses it twice
  if (withoutPackages) DuckDBInstance(); // throws
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return { instance, connection };
}

/** The rows of a query, by DuckDB. */
export async function query(sql) {
  const { connection } = await (duckdb ??= connect());
  return (await connection.runAndReadAll(sql)).getRows();
}

function bytesOf(name) {
  const bytes = fs.readFileSync(name);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}

/** The footer of a file, by hyparquet. */
export async function parquetMetadata(name) {
  const { parquetMetadata: read } = await npmModule("hyparquet", "src/node.js");
  return read(bytesOf(name));
}

/** The rows of a file as objects, by hyparquet; times as bigint. */
export async function parquetRows(name) {
  const { parquetReadObjects } = await npmModule("hyparquet", "src/node.js");
  const { compressors } = await npmModule("hyparquet-compressors", "src/index.js");
  const parsers = { timestampFromNanoseconds: (ns) => ns };
  return parquetReadObjects({ file: bytesOf(name), compressors, parsers });
}

/** A copy of a file as arrow-rs reads and writes it, beside it. */
export async function copiedByArrow(name) {
  const { readParquet, writeParquet } = (await npmModule("parquet-wasm", "node/parquet_wasm.js"))
    .default;
  fs.writeFileSync(`${name}.copy.parquet`, writeParquet(readParquet(fs.readFileSync(name))));
  return `${name}.copy.parquet`;
}
