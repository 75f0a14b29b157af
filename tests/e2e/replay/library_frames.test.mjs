// Frames that a program gets from libtapedeck equal `replay --messages`, the books that this file keeps from those messages, and
// the report. tests/library/frames.c prints everything that a reader returns. The numbers of docs/examples/strategy.c, which
// reads a tape, are computed here a second time.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import {
  capture,
  captureLines,
  importLines,
  isRecorded,
  json,
  jsonLines,
  listening,
  parseLines,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { LIBRARY, withoutLibrary } from "../support/python_scripts.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const LINEAR = "linear-2021-04-17.jsonl.gz";
const V5 = "v5-2026-08-09.jsonl.gz";
const skip = (name) => withoutLibrary || withoutCapture(name);

const EVERY_VALUE = 1;
const CONTENT = { record: 2, control: 4 };

/** Make a thing that several tests need once. */
const shared = temporary({ after });
const cached = new Map();
function once(name, make) {
  if (!cached.has(name)) cached.set(name, make(path.join(shared, name)));
  return cached.get(name);
}

/** Compile a program as a user would, with the headers and the library of the tree. */
function build(file, source, compiler = ["cc", "-std=gnu17"]) {
  const [cc, ...language] = compiler;
  execFileSync(
    cc,
    [
      ...language,
      "-Wall",
      "-Wextra",
      "-Wconversion",
      "-Werror",
      "-O0",
      "-Iembed/include",
      source,
      "-x",
      "none",
      LIBRARY,
      "-o",
      file,
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  );
  return file;
}

const run = (program, args, input) =>
  execFileSync(program, args, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, LD_LIBRARY_PATH: path.dirname(LIBRARY) },
  });

/** The results of a reader for frames {recvNs, text}. */
function decoded(family, frames, wants = EVERY_VALUE) {
  const program = once("frames", (file) => build(file, "tests/library/frames.c"));
  assert.ok(frames.every(({ text }) => !text.includes("\n")));
  return parseLines(
    run(
      program,
      [family, String(wants)],
      frames.map(({ recvNs, text }) => `${recvNs} ${text}\n`).join("")
    )
  );
}

/** The received frames of an archive, with exact times. */
async function received(t, archive, ...args) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--dir", "in", ...args]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => ({ recvNs: /"recv_ns":(\d+)/.exec(line)[1], text: JSON.parse(line).data }));
}

async function imported(t, dir, family, file) {
  const archive = path.join(dir, "tape");
  await tapedeck(t, [
    "import",
    "-q",
    "-a",
    archive,
    "--format",
    "cryptofeed",
    "--family",
    family,
    file,
  ]);
  return archive;
}

const tape = (name, family) =>
  once(family, (dir) => {
    fs.mkdirSync(dir);
    return imported(undefined, dir, family, capture(name));
  });

// ---- expected messages and books -------------------------------------------------------------------------

const PLACE = ["feed", "line", "shard", "conn", "ordinal", "recv_ns"];

/** A line of --messages in the form of tests/library/frames.c. */
function expectedMessage(line) {
  const message = Object.fromEntries(Object.entries(line).filter(([key]) => !PLACE.includes(key)));
  for (const key of ["kind", "symbol"]) message[key] ??= "";
  message.exchange_ns ??= 0;
  for (const item of message.items ?? []) delete item.assumed_scale;
  for (const trade of message.trades ?? [])
    for (const key of ["trade_id", "tick_direction"]) if (trade[key] === null) delete trade[key];
  for (const level of message.levels ?? []) {
    if (level.rpi_size === "0") delete level.rpi_size;
    if (level.rpi_size !== undefined)
      level.size = text(decimal(level.size) + decimal(level.rpi_size)); // the whole level's
  }
  return message;
}

const decimal = (text) => {
  const [whole, places = ""] = text.split(".");
  return BigInt(whole + places.padEnd(18, "0"));
};

/** The inverse, for non-negative values. */
const text = (value) =>
  `${value / 10n ** 18n}.${String(value % 10n ** 18n).padStart(18, "0")}`.replace(/\.?0*$/, "");

/** Books by feed, topic and symbol, which messages update. */
class Books {
  constructor() {
    this.books = new Map();
  }

  take(line) {
    if (line.type !== "book_change") return null;
    const key = `${line.feed} ${line.topic} ${line.symbol}`;
    if (line.kind === "snapshot" || !this.books.has(key))
      this.books.set(key, { Buy: new Map(), Sell: new Map() });
    const book = this.books.get(key);
    for (const { action, side, price, size } of line.levels)
      if (action === "delete") book[side].delete(price);
      else book[side].set(price, size);
    return book;
  }
}

/** Levels of a side, best first. */
function sorted(side, sign) {
  const levels = [...side].map(([price, size]) => ({ price, size }));
  return levels.sort((a, b) => sign * (Number(a.price) - Number(b.price))); // prices have few digits
}

const plainBook = (book) => ({ bids: sorted(book.Buy, -1), asks: sorted(book.Sell, 1) });

function levelsSha1(book) {
  const rows = (name, levels) => levels.map(({ price, size }) => `${name} ${price} ${size}`);
  const lines = [...rows("Buy", [...book.bids].reverse()), ...rows("Sell", book.asks)];
  return createHash("sha1").update(lines.join("\n")).digest("hex");
}

// ---- a reader ----------------------------------------------------------------------------------------------

for (const [family, name, ...part] of [
  ["inverse", INVERSE],
  ["v5-linear", V5, "--to", "+6s"],
]) {
  test(
    `${family}: a reader returns the messages of --messages, and the book after each`,
    { skip: skip(name) },
    async (t) => {
      const archive = await tape(name, family);
      const messages = (
        await jsonLines(t, ["replay", "-a", archive, "--messages", ...part])
      ).filter((line) => line.type !== "request");
      const frames = decoded(family, await received(t, archive, ...part));
      assert.ok(frames.length > 200);
      assert.deepEqual(
        frames.map((frame) => [frame.ordinal, frame.recv_ns]),
        messages.map((line) => [line.ordinal, line.recv_ns])
      );
      const books = new Books();
      let kept = null,
        keptKey = null; // the book that frames.c keeps, and prints beside frames without a book
      for (const [i, line] of messages.entries()) {
        const frame = frames[i];
        assert.equal(frame.message.type, line.type);
        if (frame.content === CONTENT.control) {
          assert.equal(frame.bytes, line.frame);
          continue;
        }
        assert.deepEqual(frame.message, expectedMessage(line));
        assert.deepEqual([frame.verdict, frame.reason, frame.family], ["ok", "", family]);
        const book = books.take(line);
        assert.equal(frame.book === undefined, book === null);
        if (frame.other) assert.deepEqual(frame.other, kept);
        if (book === null) continue;
        const { bids, asks } = plainBook(book);
        assert.deepEqual(
          { bids: frame.book.bids, asks: frame.book.asks },
          { bids, asks },
          `frame ${i}`
        );
        assert.deepEqual(
          [frame.book.bid_count, frame.book.ask_count, frame.book.broken],
          [bids.length, asks.length, 0]
        );
        keptKey ??= `${line.topic} ${line.symbol}`;
        if (keptKey === `${line.topic} ${line.symbol}`) kept = frame.book;
      }
      for (const end of (await json(t, ["replay", "-a", archive, "--json", ...part])).books) {
        const last = frames.findLast(
          (f) => f.message.topic === end.topic && f.message.symbol === end.symbol
        );
        assert.equal(levelsSha1(last.book), end.levels_sha1, end.topic);
      }
    }
  );
}

test(
  "a reader returns every value of the golden frames of all families",
  { skip: withoutLibrary },
  async (t) => {
    const types = new Set();
    for (const family of fs.readdirSync("tests/golden")) {
      const folder = path.join("tests/golden", family);
      const texts = fs
        .readdirSync(folder)
        .filter((f) => f.endsWith(".json") && !f.endsWith(".out.json"))
        .map((f) => fs.readFileSync(path.join(folder, f), "utf8").trim());
      const archive = await importLines(
        t,
        texts.map((data, i) => ({ ts: 1795154400000 + i, data })),
        { family }
      );
      const messages = await jsonLines(t, ["replay", "-a", archive, "--messages"], {
        status: null,
      });
      const frames = decoded(family, await received(t, archive));
      assert.equal(frames.length, texts.length);
      assert.deepEqual(
        frames.map((frame) => [frame.ordinal, frame.recv_ns]),
        messages.map((line) => [line.ordinal, line.recv_ns])
      );
      for (const [i, line] of messages.entries()) {
        const { content, message, bytes } = frames[i];
        types.add(line.type);
        if (content > CONTENT.record) {
          assert.ok(["control", "raw"].includes(line.type), line.type);
          continue;
        }
        const expected = expectedMessage(line);
        if (message.symbol === "*") expected.symbol = "*"; // the topic's symbol, not that of this frame's entries
        assert.deepEqual(message, expected, bytes);
      }
    }
    for (const type of [
      "book_change",
      "trade",
      "ticker",
      "kline",
      "order",
      "execution",
      "position",
      "wallet",
    ])
      assert.ok(types.has(type), type);
  }
);

test("a reader's verdicts equal the report's", { skip: skip(LINEAR) }, async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "cut.txt");
  let found = 0;
  const isCut = (line) =>
    line.includes('"orderBookL2_25.ETHUSDT","type":"delta"') && found++ >= 40 && found <= 60;
  fs.writeFileSync(
    file,
    captureLines(LINEAR)
      .filter((line) => !isCut(line))
      .join("\n")
  );
  const archive = await imported(t, dir, "linear", file);
  const args = ["--topic", "orderBookL2_25"]; // without a second depth, whose comparison only the report has
  const report = await json(t, ["replay", "-a", archive, "--json", ...args], { status: 1 });
  const frames = decoded("linear", await received(t, archive, ...args), 0);
  const violations = frames.filter((frame) => frame.verdict === "violation");
  assert.ok(report.continuity.violations > 0);
  assert.equal(violations.length, report.continuity.violations);
  assert.equal(frames.filter((frame) => frame.unchecked).length, report.continuity.unchecked);
  const [first] = violations;
  const [rule] = first.rules.filter((r) => r.strength === "error");
  const reported = report.continuity.first;
  assert.deepEqual(
    [
      first.recv_ns,
      first.message.topic,
      first.message.symbol,
      rule.rule,
      rule.expected,
      rule.found,
    ],
    [
      reported.recv_ns,
      reported.topic,
      reported.symbol,
      reported.rule,
      reported.expected,
      reported.found,
    ]
  );
  const byRule = (strength) => {
    const counts = {};
    for (const { rules } of frames)
      for (const r of rules)
        if (r.strength === strength) counts[r.rule] = (counts[r.rule] ?? 0) + 1;
    return counts;
  };
  assert.deepEqual(byRule("warning"), report.continuity.warnings);
  assert.deepEqual(byRule("statistic"), report.continuity.statistics);
  const after = frames.filter((f) => f.message.symbol === "ETHUSDT" && f.recv_ns >= first.recv_ns);
  assert.ok(after.every((frame) => frame.book_broken === 1 && frame.book.broken === 1));
});

// ---- the example -------------------------------------------------------------------------------------------

const E8 = 100_000_000n;
const e8 = (text) => decimal(text) / 10_000_000_000n;

/** The expected output of docs/examples/strategy.c for these lines of --messages, with books of Books. */
function marketMaker(messages, quoteSize) {
  const size = e8(quoteSize);
  const books = new Books();
  let [own, bid, ask, position, cash, middle] = [null, null, null, 0n, 0, 0];
  let [frames, trades, fills, spreads, imbalances] = [0, 0, 0, 0, 0];
  const fill = (quote, offered, sign) => {
    const filled = offered < quote.size ? offered : quote.size;
    fills++;
    position += BigInt(sign) * filled;
    cash -= sign * (Number(quote.price) / 1e8) * (Number(filled) / 1e8);
    return filled === quote.size ? null : { price: quote.price, size: quote.size - filled };
  };
  for (const line of messages) {
    const book = books.take(line);
    if (book !== null) own ??= { feed: line.feed, topic: line.topic, symbol: line.symbol };
    if (own === null || line.feed !== own.feed || line.symbol !== own.symbol) continue;
    if (book !== null && line.topic === own.topic) {
      const { bids, asks } = plainBook(book);
      const [b, a] = [bids[0], asks[0]].map((level) => ({
        price: e8(level.price),
        size: e8(level.size),
      }));
      frames++;
      spreads += Number(a.price - b.price) / 1e8;
      imbalances += Number(b.size - a.size) / Number(b.size + a.size);
      middle = Number(b.price + a.price) / 2 / 1e8;
      bid = position < 4n * size ? { price: b.price, size } : null;
      ask = position > -4n * size ? { price: a.price, size } : null;
    }
    for (const trade of line.trades ?? []) {
      const [price, offered] = [e8(trade.price), e8(trade.size)];
      trades++;
      if (trade.side === "Sell" && bid !== null && price <= bid.price) bid = fill(bid, offered, 1);
      else if (trade.side === "Buy" && ask !== null && price >= ask.price)
        ask = fill(ask, offered, -1);
    }
  }
  const held = Number(position) / Number(E8);
  return {
    fills,
    lines: [
      `${own.feed} ${own.symbol}: ${frames} book frames, ${trades} trades`,
      `mean spread ${(spreads / frames).toFixed(6)}, mean imbalance ${(imbalances / frames).toFixed(6)}`,
      `${fills} fills, position ${held.toFixed(8)}, cash ${cash.toFixed(6)}, worth ${(cash + held * middle).toFixed(6)}`,
    ],
  };
}

const STRATEGIES = [
  ["cc", "-std=gnu17"],
  ["c++", "-std=c++20", "-x", "c++"],
];

async function checkExample(t, archive, symbol, size) {
  const expected = marketMaker(
    await jsonLines(t, ["replay", "-a", archive, "--messages", "--symbol", symbol]),
    size
  );
  for (const compiler of STRATEGIES) {
    const program = once(`strategy_${compiler[0]}`, (file) =>
      build(file, "docs/examples/strategy.c", compiler)
    );
    assert.deepEqual(run(program, [archive, symbol, size]).trimEnd().split("\n"), expected.lines);
  }
  return expected;
}

test(
  "docs/examples/strategy.c: its numbers for a capture follow from --messages",
  { skip: skip(INVERSE) },
  async (t) => {
    const archive = await tape(INVERSE, "inverse");
    const { fills, lines } = await checkExample(t, archive, "BTCUSD", "1000");
    assert.match(
      lines[0],
      isRecorded
        ? /^inverse BTCUSD: 507 book frames, 131 trades$/
        : /^inverse BTCUSD: \d+ book frames, \d+ trades$/
    );
    assert.ok(fills > 5);
    await checkExample(t, archive, "EOSUSD", "2.5");
    const program = path.join(shared, "strategy_cc");
    assert.throws(() => run(program, [archive, "BTCUSD", "much"]), { status: 2 });
    assert.throws(() => run(program, [path.join(shared, "absent"), "BTCUSD", "1"]), { status: 1 });
  }
);

test(
  "docs/examples/strategy.c: its numbers for a recording of the simulated exchange follow from --messages",
  { skip: withoutLibrary },
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await listening(
      t,
      ["sim", "--families", "linear", "--symbols", "2", "--rate", "2000", "--seed", "5"],
      dir
    );
    await tapedeck(t, [
      "record",
      "-a",
      archive,
      `${sim.url}/realtime_public`,
      "--family",
      "linear",
      "--ca-file",
      sim.ca,
      "--topic",
      "trade.*",
      "--topic",
      "orderBookL2_25.*",
      "--max-frames",
      "1000",
    ]);
    await sim.program.kill("SIGTERM");
    const { fills } = await checkExample(t, archive, "BTCUSDT", "0.5");
    assert.ok(fills > 5, `${fills} fills`);
  }
);
