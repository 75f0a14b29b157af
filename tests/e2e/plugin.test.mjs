// Plugins of `replay --sink plugin=FILE`: what they are shown is compared with `replay --messages`, with books that are
// kept here from those messages, with the report, and with `cat --events`; and every way in which one can be wrong.
// tests/plugins/frames.c writes down all that it is shown.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { capture, captureLines, eventsOf, isRecorded, json, jsonLines, listening, parseLines, tapedeck, temporary, withoutCapture } from "./lib.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const LINEAR = "linear-2021-04-17.jsonl.gz";
const V5 = "v5-2026-08-09.jsonl.gz";
const skipInverse = withoutCapture(INVERSE);
const skipLinear = withoutCapture(LINEAR);
const skipV5 = withoutCapture(V5);

const WANTS = { leadIn: 1, copies: 2, control: 4, everyValue: 8 };
const ALL = 15;
const CONTENT = { book: 0, trades: 1, record: 2, undecoded: 3, control: 4, sent: 5, http: 6 };

/** What several tests need is made once. */
const shared = temporary({ after });
const made = new Map();
function once(name, make) {
  if (!made.has(name)) made.set(name, make(path.join(shared, name)));
  return made.get(name);
}

/** Compile a shared object as a user would, with the headers of the tree. */
function build(file, sources, flags = []) {
  const cc = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-O0", "-shared", "-fPIC", "-Iinclude"];
  execFileSync("cc", [...cc, ...flags, ...sources, "-o", file], { stdio: ["ignore", "pipe", "inherit"] });
  return file;
}

/** The plugin that writes frames, with these wants. */
const framesPlugin = (wants = 0) => once(`frames${wants}.so`, (file) => build(file, ["tests/plugins/frames.c"], [`-DWANTS=${wants}`]));

const strategy = () => once("strategy.so", (file) => build(file, ["docs/examples/strategy.c"], ["-Wconversion"]));

/** Replay with the plugin: its lines, and how the program ended. */
async function shown(t, archive, { plugin, args = [], keys = "", status = 0, stdin } = {}) {
  const so = plugin ?? framesPlugin();
  const out = path.join(temporary(t), "out.jsonl");
  const end = await tapedeck(t, ["replay", "-a", archive, "--sink", `plugin=${so},out=${out}${keys && `,${keys}`}`, ...args], { status, stdin });
  const lines = parseLines(fs.readFileSync(out, "utf8"));
  const only = (what) => lines.filter((line) => line.what === what);
  return { lines, frames: only("frame"), events: only("event"), last: only("end"), end };
}

async function imported(t, dir, family, file) {
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", family, file]);
  return archive;
}

const tape = (t, name, family) => once(family, (dir) => {
  fs.mkdirSync(dir);
  return imported(undefined, dir, family, capture(name));
});

// ---- messages and books, as they are known from elsewhere --------------------------------------------------

const PLACE = ["feed", "conn", "ordinal", "recv_ns"];
const place = (object) => PLACE.map((key) => object[key]);

/** A line of --messages, as the plugin writes a message. */
function expectedMessage(line) {
  const message = Object.fromEntries(Object.entries(line).filter(([key]) => !PLACE.includes(key)));
  for (const key of ["kind", "symbol"]) message[key] ??= "";
  message.exchange_ns ??= 0;
  for (const item of message.items ?? []) delete item.assumed_scale;
  for (const trade of message.trades ?? []) for (const key of ["trade_id", "tick_direction"]) if (trade[key] === null) delete trade[key];
  for (const level of message.levels ?? []) {
    if (level.rpi_size === "0") delete level.rpi_size;
    if (level.rpi_size !== undefined) level.size = text(decimal(level.size) + decimal(level.rpi_size)); // the whole level's
  }
  return message;
}

const decimal = (text) => {
  const [whole, places = ""] = text.split(".");
  return BigInt(whole + places.padEnd(18, "0"));
};

/** The inverse, for what is not negative. */
const text = (value) => `${value / 10n ** 18n}.${String(value % 10n ** 18n).padStart(18, "0")}`.replace(/\.?0*$/, "");

/** Books by feed, topic and symbol, brought up to date by messages. */
class Books {
  constructor() {
    this.books = new Map();
  }

  take(line) {
    if (line.type !== "book_change") return null;
    const key = `${line.feed} ${line.topic} ${line.symbol}`;
    if (line.kind === "snapshot" || !this.books.has(key)) this.books.set(key, { Buy: new Map(), Sell: new Map() });
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

// ---- what it is shown --------------------------------------------------------------------------------------

for (const [family, name, skip, ...part] of [["inverse", INVERSE, skipInverse], ["v5-linear", V5, skipV5, "--to", "+6s"]]) {
  test(`${family}: a plugin sees the frames of --messages, in order, and the book after each`, { skip }, async (t) => {
    const archive = await tape(t, name, family);
    const messages = await jsonLines(t, ["replay", "-a", archive, "--messages", ...part]);
    const { frames, last, end: own } = await shown(t, archive, { plugin: framesPlugin(ALL), args: ["--json", ...part] });
    assert.ok(frames.length > 200);
    const seen = frames.filter((frame) => frame.content !== CONTENT.http); // which --messages leaves out
    assert.deepEqual(seen.map(place), messages.map(place));
    const books = new Books();
    for (const [i, line] of messages.entries()) {
      const frame = seen[i];
      assert.equal(frame.message.type, line.type);
      if (frame.content === CONTENT.control || frame.content === CONTENT.sent) {
        assert.equal(frame.bytes, line.frame);
        continue;
      }
      assert.deepEqual(frame.message, expectedMessage(line));
      const book = books.take(line);
      assert.equal(frame.book === undefined, book === null);
      if (book === null) continue;
      const { bids, asks } = plainBook(book);
      assert.deepEqual({ bids: frame.book.bids, asks: frame.book.asks }, { bids, asks }, `frame ${i}`);
      assert.deepEqual([frame.book.bid_count, frame.book.ask_count, frame.book.broken], [bids.length, asks.length, 0]);
    }
    const report = await json(t, ["replay", "-a", archive, "--json", ...part]);
    const reported = JSON.parse(own.stdout);
    for (const key of ["digest", "topics", "continuity", "books", "frames", "control"]) assert.deepEqual(reported[key], report[key], key);
    for (const end of report.books) {
      const last = frames.findLast((f) => f.message.topic === end.topic && f.message.symbol === end.symbol);
      assert.equal(levelsSha1(last.book), end.levels_sha1, end.topic);
    }
    assert.equal(last.length, 1);
    for (const key of ["decoded", "undecoded", "first_recv_ns", "last_recv_ns"]) assert.equal(last[0][key], report[key], key);
    assert.equal(last[0].frames, report.frames - report.out - report.http, "received frames");
    assert.deepEqual([last[0].outcome, last[0].verdict, last[0].error], ["ended", "complete", ""]);
  });
}

test("every value of every topic: the golden frames of all families", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const families = fs.readdirSync("tests/golden");
  for (const family of families) {
    const folder = path.join("tests/golden", family);
    const frames = fs.readdirSync(folder).filter((f) => f.endsWith(".json") && !f.endsWith(".out.json")).map((f) => fs.readFileSync(path.join(folder, f), "utf8"));
    const file = path.join(dir, `${family}.jsonl`);
    fs.writeFileSync(file, frames.map((data, i) => JSON.stringify({ ts: 1795154400000 + i, data }) + "\n").join(""));
    await tapedeck(t, ["import", "-q", "-a", archive, "--format", "jsonl", "--family", family, "--feed", family, file]);
  }
  const messages = await jsonLines(t, ["replay", "-a", archive, "--messages"], { status: null });
  const { frames } = await shown(t, archive, { plugin: framesPlugin(ALL), status: null });
  assert.ok(messages.length > 100 && families.length > 10);
  assert.deepEqual(frames.map(place), messages.map(place));
  for (const [i, line] of messages.entries()) {
    if (frames[i].content > CONTENT.record) assert.ok(["control", "raw", "request"].includes(line.type), line.type);
    else {
      const { message } = frames[i];
      const expected = expectedMessage(line);
      if (message.symbol === "*") expected.symbol = "*"; // the stream's, whatever this frame's entries name
      assert.deepEqual(message, expected, frames[i].bytes);
    }
  }
  const types = new Set(frames.map((frame) => frame.message.type));
  for (const type of ["book_change", "trade", "ticker", "kline", "order", "execution", "position", "wallet"]) assert.ok(types.has(type), type);
});

test("without wants: frames of topics only, each by its stream; a kept book follows its stream", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const cat = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter((row) => row.topic !== "_control");
  const { frames } = await shown(t, archive);
  assert.equal(frames.length, 1094);
  assert.deepEqual(frames.map((f) => [f.recv_ns, f.bytes, f.message.topic, f.message.symbol]), cat.map((r) => [r.recv_ns, r.data, r.topic, r.symbol]));
  for (const frame of frames) {
    assert.equal(frame.exchange_topic, `${frame.message.topic}.${frame.message.symbol}`);
    assert.equal(frame.family, "inverse");
    assert.match(frame.session, /^[0-9a-f]{8}$/);
    assert.deepEqual([frame.verdict, frame.lead_in, frame.copy, frame.reason], ["ok", 0, 0, ""]);
  }
  // frames.c keeps the book of the first book frame, EOSUSD's, and looks at it at each trade.
  let last;
  for (const frame of frames) {
    if (frame.message.symbol === "EOSUSD" && frame.book) last = frame.book;
    if (frame.other) assert.deepEqual(frame.other, last);
  }
  assert.ok(frames.some((frame) => frame.other && frame.message.symbol === "BTCUSD"));
});

test("-j, --speed and a second plugin change nothing", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const plugin = framesPlugin(ALL);
  const part = ["--to", "+4s"];
  const one = (await shown(t, archive, { plugin, args: [...part, "-j", "1"] })).lines;
  assert.ok(one.length > 20);
  assert.deepEqual((await shown(t, archive, { plugin, args: [...part, "-j", "4"] })).lines, one);
  const second = path.join(temporary(t), "second.jsonl");
  const started = process.hrtime.bigint();
  const paced = await shown(t, archive, { plugin, args: [...part, "--speed", "10", "--sink", `plugin=${framesPlugin()},out=${second}`] });
  assert.ok(process.hrtime.bigint() - started > 300_000_000n, "four seconds at ten times the pace");
  assert.deepEqual(paced.lines, one);
  const seen = parseLines(fs.readFileSync(second, "utf8")).filter((line) => line.what === "frame");
  assert.deepEqual(seen.map(place), one.filter((f) => f.what === "frame" && f.content < CONTENT.control).map(place));
});

test("a frame reaches a plugin when it is due", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const source = path.join(temporary(t), "late.c");
  // Due times are those of the tape, ten times as fast, from the first frame on.
  fs.writeFileSync(source, `
    #define _POSIX_C_SOURCE 200809L
    #include <inttypes.h>
    #include <stdio.h>
    #include <time.h>
    #include <tapedeck/plugin.h>
    static int64_t first_mono, first_recv, earliest;
    static int on_frame(void *self, const tapedeck_frame *frame) {
      struct timespec ts;
      (void)self;
      clock_gettime(CLOCK_MONOTONIC, &ts);
      int64_t now = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
      if (first_mono == 0) { first_mono = now; first_recv = (int64_t)frame->recv_ns; }
      int64_t late = now - first_mono - ((int64_t)frame->recv_ns - first_recv) / 10;
      if (late < earliest) earliest = late;
      return TAPEDECK_GO;
    }
    static int on_end(void *self, const tapedeck_result *result) {
      (void)self; (void)result;
      fprintf(stderr, "earliest %" PRId64 "\\n", earliest);
      return TAPEDECK_GO;
    }
    const struct tapedeck_plugin tapedeck_plugin = {.abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .frame = on_frame, .end = on_end};`);
  const plugin = build(path.join(path.dirname(source), "late.so"), [source]);
  const { stderr } = await tapedeck(t, ["replay", "-a", archive, "--speed", "10", "--to", "+10s", "--sink", `plugin=${plugin}`]);
  // If the first call is late, others are early against it: on a busy machine by some ms. Unpaced it is a second.
  assert.ok(Number(/^earliest (-?\d+)$/m.exec(stderr)[1]) > -700_000_000, stderr);
});

// ---- verdicts, lead-in, copies ----------------------------------------------------------------------------

test("verdicts are those of the report", { skip: skipLinear }, async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "cut.txt");
  let found = 0;
  const isCut = (line) => line.includes('"orderBookL2_25.ETHUSDT","type":"delta"') && found++ >= 40 && found <= 60;
  fs.writeFileSync(file, captureLines(LINEAR).filter((line) => !isCut(line)).join("\n"));
  const archive = await imported(t, dir, "linear", file);
  const args = ["--topic", "orderBookL2_25"]; // nothing to compare with, which the report alone would have
  const report = await json(t, ["replay", "-a", archive, "--json", ...args], { status: 1 });
  const { frames, last } = await shown(t, archive, { args, status: 1 });
  const violations = frames.filter((frame) => frame.verdict === "violation");
  assert.ok(report.continuity.violations > 0);
  assert.equal(violations.length, report.continuity.violations);
  assert.equal(frames.filter((frame) => frame.unchecked).length, report.continuity.unchecked);
  const [first] = violations;
  const [rule] = first.rules.filter((r) => r.strength === "error");
  const reported = report.continuity.first;
  assert.deepEqual(
    [...place(first), first.message.topic, first.message.symbol, rule.rule, rule.expected, rule.found],
    [...place(reported), reported.topic, reported.symbol, reported.rule, reported.expected, reported.found]);
  const byRule = (strength) => {
    const counts = {};
    for (const { rules } of frames)
      for (const r of rules) if (r.strength === strength) counts[r.rule] = (counts[r.rule] ?? 0) + 1;
    return counts;
  };
  assert.deepEqual(byRule("warning"), report.continuity.warnings);
  assert.deepEqual(byRule("statistic"), report.continuity.statistics);
  const after = frames.filter((f) => f.message.symbol === "ETHUSDT" && f.ordinal >= first.ordinal);
  assert.ok(after.every((frame) => frame.book_broken === 1 && frame.book.broken === 1));
  assert.deepEqual([last[0].outcome, last[0].verdict, last[0].violations], ["ended", "incomplete", violations.length]);
});

test("a frame that cannot be decoded has its reason, and no entries", async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "frames.jsonl");
  const texts = ['{"topic":"trade.BTCUSD","data":[{"symbol":"BTCUSD","side":"Buy","size":1,"price":"x"}]}', '{"topic":"no.such","data":[]}', "{"];
  fs.writeFileSync(file, texts.map((data, i) => JSON.stringify({ ts: 1700000000000 + i, data }) + "\n").join(""));
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "jsonl", "--family", "inverse", file]);
  const { frames } = await shown(t, archive, { status: 1 });
  assert.deepEqual(frames.map((f) => [f.content, f.reason, f.message.type, f.message.topic, f.exchange_topic, f.verdict]), [
    [CONTENT.undecoded, "bad_number", "raw", "trade", "trade.BTCUSD", "unjudged"],
    [CONTENT.undecoded, "unknown_topic", "raw", "_unknown", "no.such", "unjudged"],
    [CONTENT.undecoded, "not_json", "raw", "_unknown", "", "unjudged"],
  ]);
  assert.deepEqual(frames.map((f) => f.bytes), texts);
});

test("--from: books are built before the first frame; the lead-in is shown if it is wanted", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const whole = (await shown(t, archive)).frames;
  const from = whole[600].recv_ns;
  const at = BigInt(/"recv_ns":(\d+)/.exec((await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout.split("\n").filter((l) => !l.includes("_control"))[600])[1]);
  const args = ["--from", `${at}`];
  const late = await shown(t, archive, { args });
  // Which book is kept for the frames of other topics depends on the first frame that the plugin gets.
  const plain = (frames) => frames.map(({ other, ...frame }) => frame);
  assert.deepEqual(plain(late.frames), plain(whole.filter((frame) => frame.recv_ns >= from)));
  const { frames } = await shown(t, archive, { args, plugin: framesPlugin(WANTS.leadIn | WANTS.copies) });
  const leadIn = frames.filter((frame) => frame.lead_in);
  const report = await json(t, ["replay", "-a", archive, "--json", ...args]);
  assert.ok(report.lead_in > 0);
  assert.equal(leadIn.length, report.lead_in);
  assert.ok(leadIn.every((frame) => frame.recv_ns < from && frame.book !== undefined));
  assert.deepEqual(plain(frames.slice(leadIn.length)), plain(late.frames));
});

test("copies are shown if they are wanted, with the book of their own connection", async (t) => {
  const dir = temporary(t);
  const book = (type, u, b, a) => JSON.stringify({ topic: "orderbook.50.BTCUSDT", type, ts: 1795154400000 + u, data: { s: "BTCUSDT", b, a, u, seq: u }, cts: 1795154400000 + u });
  const texts = [book("snapshot", 5, [["60000", "1"]], [["60001", "1"]]), book("delta", 6, [["60000", "2"]], []), book("delta", 7, [["60000", "3"]], [])];
  const file = path.join(dir, "two.jsonl");
  // Connection B is a frame behind A.
  const rows = [["A", 0], ["B", 0], ["A", 1], ["A", 2], ["B", 1], ["B", 2]].map(([conn, n], i) =>
    `{"recv_ns":${1795154400 + i}000000000,"conn":"${conn}","url":"wss://stream.bybit.com/v5/public/linear","data":${JSON.stringify(texts[n])}}`);
  fs.writeFileSync(file, rows.join("\n") + "\n");
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "jsonl", file]);
  const best = (frame) => [frame.conn, frame.shard, frame.copy, frame.book.bids[0].size];
  const all = (await shown(t, archive, { plugin: framesPlugin(WANTS.leadIn | WANTS.copies) })).frames;
  assert.deepEqual(all.map((frame) => frame.copy), [0, 1, 0, 0, 1, 1]);
  assert.deepEqual(all.map((frame) => frame.book.bids[0].size), ["1", "1", "2", "3", "2", "3"]);
  assert.deepEqual((await shown(t, archive)).frames.map(best), all.filter((frame) => !frame.copy).map(best));
});

// ---- events -----------------------------------------------------------------------------------------------

test("events stand at their place among the frames", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await listening(t, ["sim", "--families", "inverse", "--symbols", "1", "--rate", "2000", "--seed", "7", "--fault", "disconnect@300"], dir);
  await tapedeck(t, ["record", "-a", archive, `${sim.url}/realtime`, "--family", "inverse", "--ca-file", sim.ca, "--topic", "trade.*", "--topic", "orderBookL2_25.*", "--max-frames", "800"]);
  await sim.program.kill("SIGTERM");
  const { lines, events, frames } = await shown(t, archive, { status: null });
  const recorded = await eventsOf(t, archive);
  const withoutTime = ({ at_ns, ...event }) => event;
  assert.deepEqual(events.map((event) => event.json), recorded.map(withoutTime));
  assert.deepEqual(events.map((event) => [event.kind, event.recv_ns]), recorded.map((event) => [event.event, event.at_ns]));
  for (const event of events) {
    const text = event.json;
    assert.equal(event.feed, "inverse");
    assert.equal(event.session, events[0].json.session);
    for (const key of ["line", "shard", "conn", "url", "topics", "topic", "symbol", "reason", "state", "cause", "detail", "from_ns", "to_ns"])
      if (key in event && text[key] !== undefined && text[key] !== null) assert.equal(event[key], text[key], `${event.kind} ${key}`);
  }
  for (const kind of ["session", "segment", "connect", "subscribe", "disconnect", "gap"]) assert.ok(events.some((event) => event.kind === kind), kind);
  const ordered = lines.filter((line) => line.what !== "end");
  for (let i = 1; i < ordered.length; i++) assert.ok(ordered[i].recv_ns >= ordered[i - 1].recv_ns, `line ${i}`);
  // Connection 2 begins before its first frame, and 1 has ended by then.
  const at = (test) => ordered.findIndex(test);
  const first = at((line) => line.what === "frame" && line.conn === 2);
  assert.ok(at((line) => line.kind === "disconnect" && line.conn === 1) < first);
  assert.ok(at((line) => line.kind === "connect" && line.conn === 2) < first);
  assert.ok(frames.some((frame) => frame.conn === 1) && first > 0);
});

// ---- the end ----------------------------------------------------------------------------------------------

test("STOP ends the replay there, as stopped", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const { frames, last, end } = await shown(t, archive, { keys: "stop=100", args: ["--json"], status: 1 });
  assert.equal(frames.length, 100);
  const report = JSON.parse(end.stdout);
  assert.equal(report.stopped, true);
  assert.equal(report.decoded, 100);
  assert.deepEqual([last[0].outcome, last[0].verdict, last[0].decoded], ["stopped", "incomplete", 100]);
  assert.notDeepEqual(last[0].other.bids, []);
});

test("FAIL ends the replay with an error that has the plugin, the frame and the reason", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const { frames, last, end } = await shown(t, archive, { keys: "fail=7", status: 4 });
  assert.equal(frames.length, 7);
  const { ordinal, message } = frames[6];
  const where = `frame ${ordinal} of connection 1 of inverse, ${message.topic} ${message.symbol}`;
  const error = new RegExp(`plugins: plugin '[^']*/frames0\\.so': ${where}: the limit\\\\x0awas reached$`, "m");
  assert.match(end.stderr, error);
  assert.equal(end.stdout, "");
  assert.equal(last[0].outcome, "failed");
  assert.match(last[0].error, error);
  assert.deepEqual([last[0].other.bids, last[0].other.broken], [[], 1]); // books are gone
  const odd = await shown(t, archive, { keys: "fail=7,answer=9", status: 4 });
  assert.match(odd.end.stderr, /: it returned 9, which is not one of TAPEDECK_GO, _FAIL, _STOP$/m);
});

test("begin and end may fail", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const plugin = framesPlugin();
  const failing = async (keys) => (await tapedeck(t, ["replay", "-a", archive, "--sink", `plugin=${plugin},${keys}`], { status: 4 })).stderr;
  assert.match(await failing("begin=1"), /plugin '[^']*': begin: it fails on purpose$/m);
  assert.match(await failing("begin=2"), /plugin '[^']*': begin: it returned TAPEDECK_STOP, which only frame and event may$/m);
  assert.match(await failing("out=/no/such/folder/x"), /plugin '[^']*': begin: its file cannot be opened$/m);
  const { last, end } = await shown(t, archive, { plugin, keys: "end=1", status: 4 });
  assert.equal(last[0].outcome, "ended");
  assert.match(end.stderr, /plugin '[^']*': end: it failed, without a reason$/m);
  // The first ends when the second cannot begin.
  const { last: first } = await shown(t, archive, { plugin, args: ["--sink", `plugin=${plugin},begin=1`], status: 4 });
  assert.equal(first[0].outcome, "failed");
  // An archive that does not exist is found before any plugin is loaded.
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["replay", "-a", "no/such/tape", "--sink", `plugin=${plugin},out=${out}`], { status: 4 });
  assert.ok(!fs.existsSync(out));
});

// ---- what is no plugin --------------------------------------------------------------------------------------

test("what cannot be loaded is an error with its reason and a hint", async (t) => {
  const dir = temporary(t);
  // One file, which is wrong in the way that WRONG names.
  const source = path.join(dir, "wrong.c");
  fs.writeFileSync(source, `#define tapedeck_plugin declared
    #include <tapedeck/plugin.h>
    #undef tapedeck_plugin
    #include <stdlib.h>
    #include <string.h>
    static int on_frame(void *self, const tapedeck_frame *frame) { (void)self; (void)frame; return 0; }
    extern struct declared tapedeck_plugin;
    struct declared tapedeck_plugin = {.abi = 2, .size = sizeof tapedeck_plugin, .frame = on_frame};
    static __attribute__((constructor)) void change(void)
    {
        const char *wrong = getenv("WRONG");
        if (strcmp(wrong, "abi") == 0)
            tapedeck_plugin.abi = 1;
        else if (strcmp(wrong, "size") == 0)
            tapedeck_plugin.size = 0;
        else if (strcmp(wrong, "wants") == 0)
            tapedeck_plugin.wants = 0x101;
        else
            tapedeck_plugin.frame = NULL;
    }`);
  const wrong = build(path.join(dir, "wrong.so"), [source]);
  fs.writeFileSync(source, "int other = 0;");
  const empty = build(path.join(dir, "symbol.so"), [source]);
  const text = path.join(dir, "text.so");
  fs.writeFileSync(text, "no shared object at all\n".repeat(10));
  const cases = [
    [text, /cannot be loaded: .*invalid ELF header/, /cc -shared -fPIC/],
    [path.join(dir, "absent.so"), /cannot be loaded: .*No such file/, /cc -shared -fPIC/],
    [empty, /is not a plugin: it has no symbol tapedeck_plugin$/m, /const struct tapedeck_plugin tapedeck_plugin/],
    [wrong, /is for version 1 of the interface, this program has version 2$/m, /compile it again/, "abi"],
    [wrong, /its tapedeck_plugin has size 0, less than 64$/m, /set \.size/, "size"],
    [wrong, /wants 0x100, which this program does not have$/m, /newer tapedeck/, "wants"],
    [wrong, /its tapedeck_plugin has no function frame$/m, /set \.frame/, "frame"],
  ];
  for (const [file, why, hint, WRONG = ""] of cases) {
    const { stderr } = await tapedeck(t, ["replay", "-a", "no/such/tape", "--sink", `plugin=${file}`], { status: 4, env: { WRONG } });
    assert.match(stderr, why);
    assert.match(stderr, new RegExp(`hint: .*${hint.source}`));
    assert.equal(stderr.trimEnd().split("\n").length, 2, stderr);
  }
  for (const text of ["plugin", "plugin=", "plugin=,x", "file=x.so"]) {
    const { stderr } = await tapedeck(t, ["replay", "-a", "tape", "--sink", text], { status: 2 });
    assert.match(stderr, new RegExp(`--sink '${text}': not a sink\n.*hint: give plugin=FILE\\.so`));
  }
  const { stderr } = await tapedeck(t, ["replay", "-a", "tape", ...Array(17).fill(["--sink", `plugin=${text}`]).flat()], { status: 4 });
  assert.match(stderr, /17 plugins, at most 16 are allowed/);
});

// ---- the example -------------------------------------------------------------------------------------------

const E8 = 100_000_000n;
const e8 = (text) => decimal(text) / 10_000_000_000n;

/** What docs/examples/strategy.c prints for these lines of --messages, worked out once more: the book from Books. */
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
      const [b, a] = [bids[0], asks[0]].map((level) => ({ price: e8(level.price), size: e8(level.size) }));
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
      else if (trade.side === "Buy" && ask !== null && price >= ask.price) ask = fill(ask, offered, -1);
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

async function checkExample(t, archive, size, args = []) {
  const so = strategy();
  const expected = marketMaker(await jsonLines(t, ["replay", "-a", archive, "--messages", ...args]), size);
  const { stdout } = await tapedeck(t, ["replay", "-a", archive, "--sink", `plugin=${so},${size}`, ...args]);
  assert.deepEqual(stdout.split("\n").slice(0, 3), expected.lines);
  assert.match(stdout.split("\n")[3], /^Replayed /);
  return expected;
}

test("docs/examples/strategy.c: its numbers over a capture are those of --messages", { skip: skipInverse }, async (t) => {
  const archive = await tape(t, INVERSE, "inverse");
  const { fills, lines } = await checkExample(t, archive, "1000", ["--symbol", "BTCUSD"]);
  assert.match(lines[0], isRecorded ? /^inverse BTCUSD: 507 book frames, 131 trades$/ : /^inverse BTCUSD: \d+ book frames, \d+ trades$/);
  assert.ok(fills > 5);
  await checkExample(t, archive, "2.5");
  const so = strategy();
  const { stderr } = await tapedeck(t, ["replay", "-a", archive, "--sink", `plugin=${so},much`], { status: 4 });
  assert.match(stderr, /begin: the size of a quote is a number/);
});

test("docs/examples/strategy.c: likewise over a recording of the simulated exchange", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await listening(t, ["sim", "--families", "linear", "--symbols", "2", "--rate", "2000", "--seed", "5"], dir);
  await tapedeck(t, ["record", "-a", archive, `${sim.url}/realtime_public`, "--family", "linear", "--ca-file", sim.ca, "--topic", "trade.*", "--topic", "orderBookL2_25.*", "--max-frames", "1000"]);
  await sim.program.kill("SIGTERM");
  const { fills } = await checkExample(t, archive, "0.5");
  assert.ok(fills > 5, `${fills} fills`);
});
