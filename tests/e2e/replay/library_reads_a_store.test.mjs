// libtapedeck and the Python package read an archive in an S3 store (Ceph's gateway). Expected: what they read from its folder.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import { AT_S } from "../support/frames_by_second.mjs";
import { importLines, tapedeck, temporary } from "../support/harness.mjs";
import { installed, LIBRARY, withoutLibrary } from "../support/python_scripts.mjs";

const skip = withoutLibrary || withoutCeph;
const store = fileStore("library", { skip, begin: pushed });
const { dir } = store;
const archive = path.join(dir, "tape");
const url = "s3://library/tape";

/** A session of an hour's first seconds: a book, its changes, and trades. */
const record = (hour) => {
  const at = (i) => (AT_S + hour * 3600) * 1000 + i * 10;
  const book = (i, type, b, a) => ({
    topic: "orderbook.50.BTCUSDT",
    type,
    ts: at(i),
    data: { s: "BTCUSDT", b, a, u: i + 1, seq: i + 1 },
    cts: at(i),
  });
  const trade = (i) => ({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: at(i),
    data: [{ T: at(i), s: "BTCUSDT", S: "Buy", v: "1", p: `${i}`, i: `${hour}-${i}`, BT: false }],
  });
  const message = (i) =>
    i === 0
      ? book(0, "snapshot", [["100", "1"]], [["101", "1"]])
      : i % 2
        ? book(i, "delta", [[`${100 - (i % 7)}`, `${i}`]], [])
        : trade(i);
  const conn = { conn: "A", addr: "wss://stream.bybit.com/v5/public/linear" };
  return importLines(
    store,
    [
      { t: "header", format: 2, exchange: "TEST" },
      { t: "connect", ts: at(0) / 1000, ...conn },
      ...Array.from({ length: 1000 }, (_, i) => ({
        t: "recv",
        conn: "A",
        ts: at(i) / 1000,
        data: JSON.stringify(message(i)),
      })),
    ],
    { archive, format: "cryptofeed", family: "v5-linear" }
  );
};

async function pushed() {
  await store.makeBucket("library");
  for (const hour of [0, 1]) await record(hour);
  await tapedeck(store, ["push", "-q", archive, url], { env: store.environment });
}

const run = async (program, args, env = {}) => {
  const all = store.env(env);
  try {
    return await promisify(execFile)(program, args, { env: all, maxBuffer: 1 << 26 });
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return error;
  }
};

const ALL = `
import sys, tapedeck
archive = tapedeck.open(sys.argv[1])
for message in archive.messages():
    print(message.recv_ns, message.suspect, message.text)
for frame in archive.frames(start=sys.argv[2]):
    print(frame.bytes)
for rows in archive.trades(), archive.levels():
    print(len(rows), *map(str, rows))
for book in archive.books(3):
    print(book.bids, book.asks, book.suspect)
book = archive.book_at("BTCUSDT", sys.argv[2])
print(book.bids, book.asks, book.suspect)
print(*archive.gaps(), *archive.damage(), *archive.bars("BTCUSDT", "1s"), sep="\\n")
`;

test("Python reads the rows, books, bars and gaps of the folder", { skip }, async (t) => {
  const env = { PYTHONPATH: installed(t), PYTHONDONTWRITEBYTECODE: "1" };
  const python = (script, ...args) => run("python3", ["-c", script, ...args], env);
  const at = new Date((AT_S + 3605) * 1000).toISOString();
  const expected = await python(ALL, archive, at);
  assert.equal(expected.stderr, "");
  assert.match(expected.stdout, /Gap\(/);
  assert.match(expected.stdout, /Level\(/);
  const found = await python(ALL, url, at);
  assert.equal(found.stderr, "");
  assert.equal(found.stdout, expected.stdout);

  await t.test("errors", async () => {
    const follow = "import sys, tapedeck; next(tapedeck.open(sys.argv[1]).frames(follow=1))";
    const open = "import sys, tapedeck; tapedeck.open(sys.argv[1])";
    assert.match((await python(follow, url)).stderr, /tapedeck\.Error: .* cannot be followed/);
    const nothing = await python(open, "s3://library/nothing");
    assert.match(nothing.stderr, /tapedeck\.Error: .*no archive was pushed to it/);
    const without = {
      ...{ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_EC2_METADATA_DISABLED: "true" },
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
    };
    const { stderr } = await run("python3", ["-c", open, url], { ...env, ...without });
    assert.match(stderr, /tapedeck\.Error: .*no credentials for the store: AWS_ACCESS_KEY_ID/);
  });
});

test("a program in C reads the same, and links no libcurl", { skip }, async (t) => {
  const program = path.join(temporary(t), "vwap");
  const source = ["-Iembed/include", "docs/examples/vwap.c", LIBRARY];
  execFileSync("cc", [...source, `-Wl,-rpath,${path.dirname(LIBRARY)}`, "-o", program]);
  for (const args of [[], ["BTCUSDT"]]) {
    const expected = await run(program, [archive, ...args]);
    const found = await run(program, [url, ...args]);
    assert.equal(found.stdout, expected.stdout);
    assert.equal(found.stderr, expected.stderr);
    assert.match(found.stdout, /BTCUSDT/);
  }
  assert.doesNotMatch((await run("ldd", [LIBRARY])).stdout, /libcurl/);
});
