// A baseline as tests read it: with SQLite and without our code.
import { execFileSync } from "node:child_process";

const READ = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for row in db.execute("SELECT id, feed, topic, symbol, exchange_topic, rows FROM streams ORDER BY feed, topic, symbol, exchange_topic"):
    blocks = list(db.execute("SELECT rows FROM blocks WHERE stream = ? ORDER BY number", row[:1]))
    print(json.dumps(list(row[1:]) + [b"".join(b[0] for b in blocks).hex()]))
`;

/** The streams of a baseline: {feed, topic, symbol, exchangeTopic, rows: [{bytes, decode, book}] as BigInts}. */
export function readBaseline(file) {
  const lines = execFileSync("python3", ["-c", READ, file], { encoding: "utf8", maxBuffer: 1 << 28 }).trim().split("\n");
  return lines.map((line) => {
    const [feed, topic, symbol, exchangeTopic, count, hex] = JSON.parse(line);
    const packed = Buffer.from(hex, "hex");
    const rows = Array.from({ length: packed.length / 24 }, (_, i) => {
      const [bytes, decode, book] = [0, 8, 16].map((at) => packed.readBigUInt64LE(24 * i + at));
      return { bytes, decode, book };
    });
    if (rows.length !== count) throw new Error(`${feed} ${topic} ${symbol}: ${rows.length} rows, not ${count}`);
    return { feed, topic, symbol, exchangeTopic, rows };
  });
}
