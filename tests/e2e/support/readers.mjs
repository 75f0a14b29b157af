// What programs beside the verbs read of an archive or an export: a C program, the page of `view`, hftbacktest, an MCAP reader.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { filesBelow, listening, run } from "./harness.mjs";
import { LIBRARY } from "./python_scripts.mjs";
import { npm } from "./npm_packages.mjs";

const COLUMNS = 256,
  DOUBLES = ["bid", "ask", "spread", "imbalance", "open", "high", "low", "close", "buy", "sell"];

/** Bits of a column's state: view/market_tile.h. */
export const TILE = { KNOWN: 1, UNKNOWN: 2, UNTRUSTED: 4, MISSING: 8 };

/** The columns of a tile in the page's form, as arrays. */
export function tileColumns(bytes) {
  const end = bytes.indexOf(10),
    head = JSON.parse(bytes.subarray(0, end));
  let at = end + 1;
  const take = (count, size, read) =>
    Array.from({ length: count }, () => read.call(bytes, (at += size) - size));
  const doubles = Object.fromEntries(
    DOUBLES.map((name) => [name, take(COLUMNS, 8, bytes.readDoubleLE)])
  );
  at += 8 * head.runs + 16 * head.trade_cells;
  const frames = take(COLUMNS, 4, bytes.readUInt32LE),
    trades = take(COLUMNS, 4, bytes.readUInt32LE);
  at += 4 * head.runs + 8 * head.trade_cells + 4 * head.latency_cells;
  return { ...doubles, frames, trades, state: take(COLUMNS, 1, bytes.readUInt8) };
}

/** The columns of a market that the page shows, those with frames or a known book: {from, to, bid, ask, trades, state}, 4 ms each. */
export async function pageColumns(t, archive, dir, { feed, symbol, book, firstNs, lastNs }) {
  const k = 22n,
    { url, program } = await listening(t, ["view", "-a", archive], dir),
    columns = [];
  try {
    for (let i = firstNs / (256n << k); i <= lastNs / (256n << k); i++) {
      const answer = await fetch(
        `${url}api/market?${new URLSearchParams({ feed, symbol, book, k, i, bin: "0.1" })}`
      );
      if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
      const tile = tileColumns(Buffer.from(await answer.arrayBuffer()));
      for (let n = 0; n < COLUMNS; n++) {
        const from = (i * 256n + BigInt(n)) << k;
        if (tile.trades[n] > 0 || (tile.state[n] & TILE.KNOWN) !== 0)
          columns.push({
            from,
            to: from + (1n << k),
            bid: tile.bid[n],
            ask: tile.ask[n],
            trades: tile.trades[n],
            state: tile.state[n],
          });
      }
    }
  } finally {
    await program.kill("SIGTERM");
  }
  return columns;
}

/** Compile tests/library/answers.c as a user would. */
export function answersProgram(dir) {
  const file = path.join(dir, "answers");
  execFileSync(
    "cc",
    [
      "-std=gnu17",
      "-Wall",
      "-Wextra",
      "-Wconversion",
      "-Werror",
      "-O0",
      "-Iembed/include",
      "tests/library/answers.c",
      LIBRARY,
      "-o",
      file,
    ],
    { stdio: "pipe" }
  );
  return file;
}

/** What it prints: {trades, suspect, quotes: [[recv_ns, exchange_ns, bid, bid size, ask, ask size]]}; sides that are absent are null. */
export async function answersInC(t, program, archive, symbol) {
  const { stdout } = await run(t, program, [archive, symbol], {
    env: { LD_LIBRARY_PATH: path.dirname(LIBRARY) },
  });
  const lines = stdout.trimEnd().split("\n"),
    [, trades, , suspect] = lines.pop().split(" ");
  const quotes = lines
    .filter((line) => !line.startsWith("error"))
    .map((line) => {
      const [recv, exchange, ...best] = line.split(" ");
      return [
        BigInt(recv),
        BigInt(exchange),
        ...best.map((text) => (text === "-" ? null : Number(text))),
      ];
    });
  return { trades: Number(trades), suspect: Number(suspect), quotes };
}

/** The number of trades in the hftbacktest files of a folder. */
export function hftTrades(folder) {
  const LOCAL_TRADE = (1 << 30) + 2,
    RECORD_BYTES = 64;
  let count = 0;
  for (const name of fs.existsSync(folder)
    ? fs.readdirSync(folder).filter((one) => /_\d+\.npz$/.test(one))
    : []) {
    const zip = fs.readFileSync(path.join(folder, name));
    const isDeflated = zip.readUInt16LE(8) === 8,
      start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28);
    const npy = isDeflated
      ? zlib.inflateRawSync(zip.subarray(start))
      : zip.subarray(start, zip.lastIndexOf("PK\x01\x02"));
    for (let at = 10 + npy.readUInt16LE(8); at + RECORD_BYTES <= npy.length; at += RECORD_BYTES)
      count += (npy.readUInt32LE(at) & 0x400000ff) === LOCAL_TRADE;
  }
  return count;
}

/** The number of trades in the MCAP files of an export's folder. */
export async function mcapTrades(folder) {
  const decompressHandlers = await npm("@mcap/support").loadDecompressHandlers();
  let count = 0;
  for (const name of filesBelow(folder).filter((one) => one.endsWith(".mcap"))) {
    const schemas = new Map(),
      channels = new Map(); // by id: the schema's name
    const reader = new (npm("@mcap/core").McapStreamReader)({ decompressHandlers });
    reader.append(fs.readFileSync(path.join(folder, name)));
    for (let record; (record = reader.nextRecord()) !== undefined;) {
      if (record.type === "Schema") schemas.set(record.id, record.name);
      if (record.type === "Channel") channels.set(record.id, schemas.get(record.schemaId));
      count += record.type === "Message" && /Trade$/.test(channels.get(record.channelId));
    }
  }
  return count;
}
