// docs/examples/learn_family.py: the documents that it proposes for recordings of exchanges decode their frames, and make the books
// that the programs' own documents make of them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, capture, json, tapedeck, temporary, withoutRecorded } from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";

/** Run the script; returns its end. */
function learn(args, status = 0) {
  const end = spawnSync(
    "python3",
    ["docs/examples/learn_family.py", "--tapedeck", path.resolve(BIN, "tapedeck"), ...args],
    { encoding: "utf8", maxBuffer: 1 << 28 }
  );
  assert.equal(end.status, status, end.stderr);
  return end;
}

/** The report of `drift --rules` for the proposal, without frames that have no topic: {topics, frames, decoded}. */
function report(args) {
  const topics = JSON.parse(learn([...args, "--json"]).stdout).topics.filter(
    ({ pattern }) => pattern !== null
  );
  const sum = (member) => topics.reduce((all, row) => all + row[member], 0);
  return { topics, frames: sum("frames"), decoded: sum("frames") - sum("undecoded") };
}

const books = async (t, archive) =>
  (await json(t, ["replay", "-a", archive, "--json"], { status: null })).books
    .map(({ symbol, levels_sha1 }) => [symbol.toUpperCase(), levels_sha1])
    .sort();

/** Capture, the family of the programs, how many frames are of topics, and these topics. */
const RECORDED = [
  [
    "other/coinbase.jsonl.zst",
    "coinbase-advanced",
    1000,
    ["candles", "l2_data", "market_trades", "ticker"],
  ],
  ["other/deribit.jsonl.zst", "deribit", 135, ["book", "ticker"]],
  ["other/kraken.jsonl.zst", "kraken-v1", 4287, ["book-1000", "trade"]],
  ["other/okx.jsonl.zst", "okx", 392, ["books", "tickers", "trades"]],
  [
    "v5-2026-08-09.jsonl.gz",
    "v5-linear",
    962,
    ["kline.1", "orderbook.200", "publicTrade", "tickers"],
  ],
];
for (const [file, family, frames, topics] of RECORDED)
  test(
    `${file}: the proposal decodes the frames, and its books equal the books of ${family}`,
    { skip: withoutRecorded(file) },
    async (t) => {
      const dir = temporary(t),
        at = (name) => path.join(dir, name);
      const found = report(["--name", "learned", "--out", dir, capture(file)]);
      assert.deepEqual(
        found.topics.map(({ pattern }) => pattern.replace(/\.\{symbol\}.*/, "")).sort(),
        topics
      );
      assert.deepEqual([found.frames, found.decoded], [frames, frames]);
      assert.equal(
        fs.readFileSync(at("learned.yaml"), "utf8").includes("# checksum: {levels"),
        ["okx", "kraken-v1"].includes(family)
      );
      await tapedeck(t, ["import", "-q", "-a", at("own"), "--family", family, capture(file)]);
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        at("tape"),
        "--families",
        at("learned.exchange.yaml"),
        "--families",
        at("learned.yaml"),
        "--family",
        "learned",
        capture(file),
      ]);
      assert.deepEqual(await books(t, at("tape")), await books(t, at("own")));
    }
  );

const LINES = Array.from(
  { length: 20 },
  (_, i) =>
    JSON.stringify({
      topic: `book.${i % 2 ? "BTCUSDT" : "ETHUSDT"}`,
      type: i < 2 ? "snapshot" : "delta",
      ts: 1671853000000 + i,
      strange: [i],
      data: { b: [["1.5", String(i)]], a: [["2", "1"]], u: (i >> 1) + 7 },
    }) + "\n"
);

test("what the frames bear out is proposed: a number that counts, times, kinds; what is not known is a comment", async (t) => {
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  fs.writeFileSync(
    at("lines"),
    LINES.map((line) => line.replace('"u":', '"puzzle":"why","u":')).join("")
  );
  const { stdout } = learn(["--name", "mine", "--out", dir, "--format", "jsonl", at("lines")]);
  assert.match(stdout, /^mine +book +20 +0 +40 +0 /m);
  const text = fs.readFileSync(at("mine.yaml"), "utf8");
  for (const line of [
    '- topic: "book.{symbol}"',
    "- data.b set any positional buy zero_deletes empty",
    "- ts exchange_ns time ms",
    "- seq_dense u error # 18 of 18 frames",
    "- anchored error",
    "# - data.puzzle MEANING text # not known, such as why",
  ])
    assert.ok(text.includes(`  ${line}\n`), `${line} in\n${text}`);
  const exchange = fs.readFileSync(at("mine.exchange.yaml"), "utf8");
  for (const line of ["topic: topic", "data: data", 'begins: \'{"topic":"\''])
    assert.ok(exchange.includes(`  ${line}`), exchange);
});

test("a number that follows the last one of the frame before is proposed as the link between them", async (t) => {
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  let u = 100;
  const frames = Array.from({ length: 40 }, (_, i) => {
    const U = u + 1;
    u += 1 + ((i * 7) % 5);
    const data = {
      E: 1_790_000_000_000 + i,
      s: "BTCUSDT",
      U,
      u,
      b: [["5", `${i}`]],
      a: [["6", "1"]],
    };
    return JSON.stringify({ stream: "btcusdt@depth", data }) + "\n";
  });
  fs.writeFileSync(at("lines"), frames.join(""));
  learn(["--name", "mine", "--out", dir, "--format", "jsonl", at("lines")]);
  const text = fs.readFileSync(at("mine.yaml"), "utf8");
  for (const line of [
    "- data.U prev_seq integer below required",
    "- prev_links prev_seq error # 39 of 39 frames",
  ])
    assert.ok(text.includes(`  ${line}\n`), `${line} in\n${text}`);
});

const LEVELS = { bids: [["1.5", "2"]], asks: [["2", "1"]] };
/** Shapes of frames, each as an exchange has it, and the topic that is proposed for it. */
const SHAPES = [
  [
    "type tells no kind",
    (symbol, i) => ({
      type: "channel_data",
      channel: "v3_orderbook",
      id: symbol,
      contents: { offset: `${i}`, ...LEVELS },
    }),
    "v3_orderbook.{symbol}",
  ],
  [
    "the data's key is that of answers, too",
    (symbol) => ({
      time: 1619093532,
      channel: "spot.order_book",
      event: "update",
      result: { s: symbol, b: LEVELS.bids, a: LEVELS.asks },
    }),
    "spot.order_book.{symbol}",
    { time: 1, channel: "spot.order_book", event: "subscribe", result: { status: "success" } },
  ],
  [
    "topics are paths",
    (symbol) => ({ topic: `/market/level2:${symbol}`, type: "message", data: { changes: LEVELS } }),
    "/market/level2.{symbol}",
  ],
  [
    "words for kinds are topics",
    (symbol, i) => ({ type: i < 2 ? "snapshot" : "incremental", symbol, book: LEVELS }),
    "snapshot.{symbol}",
  ],
  [
    "the frame is the entry",
    (symbol) => ({
      feed: "book",
      product_id: symbol,
      side: "buy",
      price: 2002.85,
      qty: 4077,
      timestamp: 1626994928404,
    }),
    "book.{symbol}",
    { event: "subscribed", feed: "book", product_ids: ["BTC-USDT"] },
  ],
  [
    "levels begin with their side",
    (symbol) => ({ type: "l2_updates", symbol, changes: [["buy", "24083.96", "0.04"]] }),
    "l2_updates.{symbol}",
  ],
  [
    "a long key has most of the data",
    (symbol) => ({
      channel: "marketdata",
      market_id: symbol,
      order_books_l0: [{ side: "buy", price: "1", quantity: "2", a: 1, b: 2 }],
      recent: [{ id: "7", price: "1", quantity: "2", side: "buy" }],
    }),
    "marketdata.{symbol}",
  ],
];
for (const [what, frame, topic, answer] of SHAPES)
  test(`a proposal for any shape can be read: ${what}`, async (t) => {
    const dir = temporary(t),
      at = (name) => path.join(dir, name);
    const lines = Array.from({ length: 20 }, (_, i) => frame(i % 2 ? "BTC-USDT" : "ETH-USDT", i));
    fs.writeFileSync(
      at("lines"),
      [...(answer ? [answer] : []), ...lines].map((line) => JSON.stringify(line) + "\n").join("")
    );
    const { frames, decoded } = report([
      "--name",
      "mine",
      "--out",
      dir,
      "--format",
      "jsonl",
      at("lines"),
    ]);
    assert.equal(/- topic: "(.*)"/.exec(fs.readFileSync(at("mine.yaml"), "utf8"))[1], topic);
    assert.deepEqual([decoded, frames], [20, 20]);
  });

test("lines of an archive are learned from, also if their family is unknown here", async (t) => {
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  const line = (text, i) =>
    JSON.stringify({
      topic: "_unknown",
      symbol: null,
      dir: "in",
      family: "raw",
      shard: 0,
      session: "9ae87d1d",
      feed: "raw",
      conn: 1,
      ordinal: i + 1,
      recv_ns: 1671853000000000000 + i,
      data: text.trim(),
    }) + "\n";
  fs.writeFileSync(at("lines"), LINES.map(line).join("") + "{\n");
  const learned = learn([
    "--name",
    "mine",
    "--out",
    dir,
    "--format",
    "jsonl",
    "--json",
    at("lines"),
  ]);
  assert.equal(JSON.parse(learned.stdout).frames, 20);
  assert.match(learned.stderr, /lines:21: JSON/);
  const imported = await json(
    t,
    [
      "import",
      "-a",
      at("tape"),
      "--format",
      "jsonl",
      "--families",
      at("mine.exchange.yaml"),
      "--families",
      at("mine.yaml"),
      "--family",
      "mine",
      at("lines"),
      "--json",
    ],
    { status: 1 }
  );
  assert.equal(imported.files[0].feeds[0].frames, 20);
  assert.equal((await json(t, ["replay", "-a", at("tape"), "--json"])).books.length, 2);
});

test("an exchange without a document is recorded, and the proposal describes the same archive", async (t) => {
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  const [, command] = /\$ tapedeck record -a tape (--feed [^]*?) --duration/.exec(
    fs.readFileSync("docs/families.md", "utf8")
  );
  const args = command.match(/'[^']*'|[^\s\\]+/g).map((word) => word.replaceAll("'", ""));
  const server = await simulator(t, dir, [
    "--families",
    "bitstamp",
    "--symbols",
    "1",
    "--rate",
    "200",
    "--seed",
    "7",
  ]);
  const recorder = new Recorder(t, at("tape"), [
    ...args.map((word) => word.replace("wss://ws.bitstamp.net", server.url)),
    "--ca-file",
    server.ca,
  ]);
  await recorder.durableLine((durable) => durable.in > 200);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.equal((await server.program.kill("SIGTERM")).code, 0);
  const raw = await json(t, ["replay", "-a", at("tape"), "--json"], { status: 1 });
  assert.deepEqual([raw.decoded, raw.undecoded > 100], [0, true]);
  const found = report(["--name", "mine", "--out", at("learned"), at("tape")]);
  assert.deepEqual(found.topics.map(({ pattern }) => pattern).sort(), [
    "diff_order_book.{symbol}",
    "live_trades.{symbol}",
  ]);
  const text = fs.readFileSync(at("learned/mine.yaml"), "utf8");
  for (const line of [
    "- microtimestamp exchange_ns time us",
    "# - timestamp MEANING",
    "- amount_str size",
    "# - amount MEANING",
  ])
    assert.ok(text.includes(`    ${line}`), `${line} in\n${text}`);
  const after = await json(t, ["replay", "-a", at("tape"), "--families", at("learned"), "--json"], {
    status: null,
  });
  assert.equal(after.decoded, found.frames);
  assert.deepEqual(
    after.topics
      .map(({ topic, symbol }) => `${topic} ${symbol}`)
      .filter((name) => !name.startsWith("_")),
    ["diff_order_book BTCUSD", "live_trades BTCUSD"]
  );
});

test("it writes over nothing, and refuses what it cannot use", (t) => {
  const dir = temporary(t),
    at = (name) => path.join(dir, name);
  fs.writeFileSync(at("lines"), LINES.join(""));
  fs.writeFileSync(at("bare"), '{"a":1}\n'.repeat(9));
  fs.writeFileSync(at("mine.yaml"), "mine\n");
  const refused = (args, status, words) =>
    assert.match(learn(["--format", "jsonl", "--out", dir, ...args], status).stderr, words);
  refused(["--name", "mine", at("lines")], 2, /mine\.yaml.*exists/);
  assert.equal(fs.readFileSync(at("mine.yaml"), "utf8"), "mine\n");
  assert.ok(!fs.existsSync(at("mine.exchange.yaml")));
  refused([at("lines")], 2, /required: --name/);
  refused(
    ["--name", "other", "--out", at("lines/in"), at("lines")],
    4,
    /^learn_family\.py: .*Not a directory.*lines\/in/
  );
  refused(["--name", "Mine", at("lines")], 2, /'Mine' is not a-z/);
  refused(["--name", "okx", at("lines")], 4, /there is a family 'okx' already/);
  refused(["--name", "other", at("bare")], 4, /no member of the frames looks like a topic/);
  fs.writeFileSync(at("lists"), `[{"channel":"trades"},"te",[1,2,3]]\n`.repeat(9));
  refused(["--name", "other", at("lists")], 4, /list must be of the form \[NUMBER, DATA/);
  refused(["--name", "other", at("absent")], 4, /absent/);
});
