// An export of many symbols whose rows are wide keeps a bounded part of each file's rows. In these frames each one moves all levels
// of a book, so that a small frame changes all cells of its rows.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, manifestOf, tapedeck, temporary } from "../support/harness.mjs";

const AT_S = 1_790_000_000,
  SYMBOLS = 30,
  FRAMES = 3_000, // of a symbol; all rows of its wide file take three row groups
  LEVELS = 26;
// All rows of the wide files take 33 MiB, what a writer may hold of them 12; the rest of the program takes some 25.
const MOST_KIB = 48 << 10;

/** A symbol's frames: levels that fill the widest row, then a best level that comes and goes. */
function* framesOf(symbol) {
  const frame = (type, b, a, seq) =>
    JSON.stringify({
      topic: `orderbook.50.${symbol}`,
      type,
      ts: (AT_S + seq) * 1000,
      data: { s: symbol, b, a, u: seq, seq },
    });
  const levels = (sign) =>
    Array.from({ length: LEVELS }, (_, i) => [`${1000 + sign * (2 + i)}.5`, `${1 + i * 3}`]);
  yield frame("snapshot", levels(-1), levels(1), 1);
  for (let n = 1; n < FRAMES; n++) {
    const size = n % 2 === 1 ? `${n}` : "0";
    yield frame("delta", [["999.5", size]], [["1001.5", size]], 1 + n);
  }
}

test("an export's memory does not grow with the rows of a day", async (t) => {
  const dir = temporary(t),
    capture = path.join(dir, "frames.jsonl"),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "out"),
    peakFile = path.join(dir, "peak");
  const symbols = Array.from({ length: SYMBOLS }, (_, i) => framesOf(`S${i}USDT`));
  const file = fs.openSync(capture, "w");
  const write = (line) => JSON.stringify(line) + "\n";
  fs.writeSync(file, write({ t: "header", format: 2, exchange: "TEST" }));
  fs.writeSync(file, write({ t: "connect", conn: "A", ts: AT_S, addr: "wss://a.example/" }));
  for (let n = 0; n < FRAMES; n++)
    fs.writeSync(
      file,
      symbols
        .map((of, i) =>
          write({ t: "recv", conn: "A", ts: AT_S + n + i / 100, data: of.next().value })
        )
        .join("")
    );
  fs.closeSync(file);
  await tapedeck(t, [
    ...["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "v5-linear", capture],
  ]);
  const measured =
    "import resource, subprocess, sys; end = subprocess.run(sys.argv[2:]); " +
    "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); " +
    "sys.exit(end.returncode)";
  await tapedeck(
    t,
    [
      ...["export", "-q", "-j", "1", "-a", archive, "--format", "parquet", "--out", out],
      ...["--type", "book_snapshot_25", "--type", "book_snapshot_5"],
    ],
    { under: ["python3", "-c", measured, peakFile] }
  );
  assert.equal(manifestOf(out).totals.rows, 2 * SYMBOLS * FRAMES);
  const peakKib = Number(fs.readFileSync(peakFile, "utf8"));
  // A sanitizer uses most of the memory.
  if (!/asan|tsan/.test(BIN)) assert.ok(peakKib < MOST_KIB, `${peakKib} KiB`);
  t.diagnostic(`${peakKib} KiB`);
});
