// duckdb -csv -c SQL, for the pages of docs: DuckDB's own program is in no package of Debian's.
import path from "node:path";
import process from "node:process";

const folder = process.env.TAPEDECK_NPM ?? path.resolve("build/npm");
const { DuckDBInstance } = (
  await import(path.join(folder, "node_modules/@duckdb/node-api/lib/index.js"))
).default;
const connection = await (await DuckDBInstance.create(":memory:")).connect();
const result = await connection.runAndReadAll(process.argv[process.argv.indexOf("-c") + 1]);
const csv = (row) => row.map((cell) => `${cell ?? ""}`).join(",");
console.log([result.columnNames(), ...result.getRows()].map(csv).join("\n"));
connection.closeSync();
