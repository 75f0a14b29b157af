// A baseline as tests read it: with SQLite and without our code.
import { execFileSync } from "node:child_process";

const READ = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for row in db.execute("SELECT id, feed, topic, symbol, exchange_topic, has_book FROM streams ORDER BY feed, topic, symbol, exchange_topic"):
    blocks = list(db.execute("SELECT ids, hashes FROM blocks WHERE place >> 32 = ? ORDER BY place", row[:1]))
    print(json.dumps(list(row[1:]) + [b"".join(b[i] for b in blocks).hex() for i in (0, 1)]))
`;

/** The streams of a baseline: {feed, topic, symbol, exchangeTopic, hasBook, ids: numbers, hashes: BigInts}. */
export function readBaseline(file) {
  const lines = execFileSync("python3", ["-c", READ, file], { encoding: "utf8", maxBuffer: 1 << 28 }).trim().split("\n");
  return lines.map((line) => {
    const [feed, topic, symbol, exchangeTopic, hasBook, ids, hashes] = JSON.parse(line);
    const of = (hex, size, read) => Array.from({ length: hex.length / 2 / size }, (_, i) => Buffer.from(hex.slice(2 * size * i, 2 * size * (i + 1)), "hex")[read](0));
    return { feed, topic, symbol, exchangeTopic, hasBook: hasBook === 1, ids: of(ids, 2, "readUInt16LE"), hashes: of(hashes, 8, "readBigUInt64LE") };
  });
}
