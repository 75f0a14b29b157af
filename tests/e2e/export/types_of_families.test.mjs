// The table of docs/export.md: which types of Tardis CSV the families have. The frames are the golden ones of each topic.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { importLines, manifestOf, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";

const GOLDEN = "tests/golden";
/** The types of each column of the table. */
const COLUMNS = {
  trades: ["trades"],
  "books, snapshots, quotes": [
    "incremental_book_L2",
    "book_snapshot_25",
    "book_snapshot_5",
    "quotes",
  ],
  book_ticker: ["book_ticker"],
  derivative_ticker: ["derivative_ticker"],
  options_chain: ["options_chain"],
  liquidations: ["liquidations"],
};

/** Requests without which frames do not tell their topic. */
const REQUESTS = {
  "kraken-v2": [
    {
      method: "subscribe",
      params: { channel: "book", depth: 1000, symbol: ["BTC/USD"], snapshot: true },
      req_id: 1,
    },
    {
      method: "subscribe",
      params: { channel: "ticker", event_trigger: "bbo", symbol: ["BTC/USD"] },
      req_id: 2,
    },
  ],
};

function readTable() {
  const rows = fs
    .readFileSync("docs/export.md", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim())
    );
  const begin = rows.findIndex(([, ...cells]) => cells.join() === Object.keys(COLUMNS).join());
  const end = rows.findIndex(
    (cells, i) => i > begin + 1 && !cells.slice(1).every((cell) => /^(yes|no)$/.test(cell))
  );
  return Object.fromEntries(
    rows
      .slice(begin + 2, end)
      .flatMap(([families, ...cells]) => families.split(", ").map((family) => [family, cells]))
  );
}

/** A capture of the golden frames of a family's present topics, a second each. Topics of several symbols are left out, because
 * they would repeat the others' rows. */
function capture(family) {
  const names = fs
    .readdirSync(path.join(GOLDEN, family))
    .filter((name) => /^(?!.*(\.out|@|\.kind)).*\.json$/.test(name));
  const frames = names
    .sort()
    .map((name) => fs.readFileSync(path.join(GOLDEN, family, name), "utf8").trim());
  const at = 1_790_000_000;
  return [
    { t: "header", format: 2, exchange: "TEST" },
    { t: "connect", conn: "A", ts: at, addr: "wss://a.example/" },
    ...(REQUESTS[family] ?? []).map((data) => ({
      t: "send",
      conn: "A",
      ts: at,
      data: JSON.stringify(data),
    })),
    ...frames.map((data, i) => ({ t: "recv", conn: "A", ts: at + i + 1, data })),
  ];
}

test("the families have the types of the documentation's table, and no others", async (t) => {
  const table = readTable();
  const families = fs.readdirSync(GOLDEN);
  for (const family of families) {
    const dir = temporary(t);
    const archive = await importLines(t, capture(family), {
      format: "cryptofeed",
      family,
      status: null,
    });
    const out = path.join(dir, "set");
    await tapedeck(t, ["export", "-q", "-a", archive, "--format", "tardis-csv", "--out", out], {
      status: null,
    });
    const files = fs.existsSync(out) ? manifestOf(out).files : [];
    const cells = Object.values(COLUMNS).map((types) =>
      types.every((type) => files.some((each) => each.type === type)) ? "yes" : "no"
    );
    if (cells.includes("yes") || family in table)
      assert.deepEqual(cells, table[family], `${family}: ${cells}`);
  }
  assert.deepEqual(
    Object.keys(table).filter((family) => !families.includes(family)),
    []
  );
});
