// `regress check`: what a baseline and an archive have in common, frame by frame. The archives are imports of a real
// capture, as it is and with lines edited by hand, so that what must be found is known.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { captureLines, filesBelow, importFrames, Program, ready, run, segments, tapedeck, temporary, withoutCapture, withoutRecorded, wrapped } from "./lib.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const skip = withoutCapture(INVERSE);

/** An archive of a capture's lines. */
async function archiveOf(t, dir, name, lines) {
  const file = path.join(dir, `${name}.jsonl`);
  const archive = path.join(dir, name);
  fs.writeFileSync(file, lines.join("\n"));
  await tapedeck(t, ["import", "-a", archive, "--format", "cryptofeed", file]);
  return archive;
}

/** A baseline of an archive of the whole capture. */
async function saved(t, ...options) {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, "whole", captureLines(INVERSE));
  const baseline = path.join(dir, "base.tdb");
  await tapedeck(t, ["regress", "save", archive, "-o", baseline, ...options]);
  return { dir, archive, baseline };
}

async function check(t, args, options) {
  const { stdout } = await tapedeck(t, ["regress", "check", ...args, "--json"], options);
  return JSON.parse(stdout);
}

const FRAMES = 1098;
const tradeFrames = (symbol) => captureLines(INVERSE).filter((line) => line.includes(`{"topic":"trade.${symbol}"`)).length;
/** The capture's lines 1,000 s later. */
const later = () => captureLines(INVERSE).map((line) => line.replace(/(\d{10})(\.\d+)/, (_, s, rest) => Number(s) + 1000 + rest));
const streamOf = (report, topic, symbol) => report.streams.find((s) => s.topic === topic && s.symbol === symbol);

test("the same archive, one that is imported again, and other segments: the same", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t);
  const same = (report) => {
    assert.equal(report.verdict, "same");
    assert.equal(report.first_difference, null);
    assert.deepEqual([report.totals.compared, report.totals.same, report.totals.missing, report.totals.new], [FRAMES, FRAMES, 0, 0]);
  };
  same(await check(t, [baseline, archive]));
  same(await check(t, [baseline, archive, "-j", "1"]));

  // 1,000 s later an hour ends within the capture, and with it a segment. Receive times are no part of a baseline.
  const other = await archiveOf(t, dir, "later", later());
  assert.equal(segments(archive).length, 1);
  assert.equal(segments(other).length, 2);
  same(await check(t, [baseline, other]));
  assert.deepEqual(filesBelow(dir).filter((f) => f.includes(".check")), []); // nothing is left
});

/** The lines of the whole capture; at(topic, n) is the index of the n-th frame of a topic, from 0. */
function editable() {
  const lines = captureLines(INVERSE);
  const at = (topic, n) => lines.map((line, i) => [line, i]).filter(([line]) => line.includes(`: {"topic":"${topic}"`))[n][1];
  return { lines, at };
}

test("frames that are missing, twice, altered or in another order are counted exactly", { skip }, async (t) => {
  const { dir, baseline } = await saved(t);
  const { lines, at } = editable();
  const text = (i) => lines[i].slice(lines[i].indexOf(": "));
  const time = (i) => lines[i].slice(0, lines[i].indexOf(": "));
  const [cut, altered, first, second, twice] = [5, 20, 30, 31, 45].map((n) => at("trade.BTCUSD", n));
  lines[altered] = lines[altered].replace('"price":', '"prize":');
  [lines[first], lines[second]] = [time(first) + text(second), time(second) + text(first)];
  lines.splice(twice, 0, lines[twice]);
  lines.splice(cut, 1);
  const archive = await archiveOf(t, dir, "edited", lines);
  const report = await check(t, [baseline, archive], { status: 1 });
  const trades = streamOf(report, "trade", "BTCUSD");
  assert.equal(report.verdict, "different");
  // One of two frames that changed places is a pair; an altered frame is missing, and another one is new.
  assert.deepEqual([trades.missing, trades.new, trades.different], [3, 3, 0]);
  const count = tradeFrames("BTCUSD") - 3;
  assert.deepEqual([trades.compared, trades.same], [count, count]);
  assert.equal(trades.first_missing.index, 5);
  assert.equal(trades.first_new.index, 19);
  assert.deepEqual([report.totals.compared, report.totals.same], [FRAMES - 3, FRAMES - 3]);

  const shown = await tapedeck(t, ["regress", "check", baseline, archive], { status: 1 });
  const all = count + tradeFrames("EOSUSD");
  assert.match(shown.stdout, new RegExp(`^inverse +trade +${all} +${all} +0 +0 +0 +3 +3$`, "m"));
  assert.match(shown.stdout, /^first missing frame: inverse trade BTCUSD, frame 5 of its stream, received between 2021-/m);
  assert.match(shown.stdout, /^DIFFERENT: 1,095 frames compared, 1,095 the same, 3 missing, 3 new$/m);
});

test("a book without one of its frames differs until it is whole again, and says so once", { skip }, async (t) => {
  const { dir, baseline } = await saved(t);
  const { lines, at } = editable();
  lines.splice(at("orderBookL2_25.BTCUSD", 20), 1);
  const archive = await archiveOf(t, dir, "edited", lines);
  const report = await check(t, [baseline, archive], { status: 1 });
  const book = streamOf(report, "orderBookL2_25", "BTCUSD");
  assert.equal(book.missing, 1);
  assert.ok(book.book >= 1 && book.book < 5, `${book.book}`);
  assert.equal(book.different, book.book + book.consequences);
  assert.equal(book.compared, book.same + book.different);
  assert.equal(report.totals.different, book.different);
  assert.equal(report.first_difference.kind, "book");
  assert.equal(report.first_difference.path, null);
  assert.equal(report.differences.length, 1);
  assert.match(report.differences[0].book_is, /^Sell \S+ \S+\n/);
});

test("with --part and in a time of its own, what the archive does not have is not missing", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t);
  const lines = captureLines(INVERSE);
  const half = await archiveOf(t, dir, "half", lines.slice(0, 600));
  const whole = await check(t, [baseline, half], { status: 1 });
  assert.equal(whole.totals.missing, FRAMES - whole.totals.compared);
  assert.ok(whole.totals.missing > 400);
  const part = await check(t, [baseline, half, "--part"]);
  assert.deepEqual([part.totals.missing, part.totals.outside], [0, whole.totals.missing]);
  // Received by another clock: what is outside follows from the frames, not from their times.
  const moved = await archiveOf(t, dir, "moved", later().slice(0, 600));
  assert.deepEqual((await check(t, [baseline, moved, "--part"])).totals, part.totals);

  const timed = await check(t, [baseline, archive, "--from", "2021-04-17T16:43:15Z", "--to", "2021-04-17T16:43:20Z", "--topic", "orderBook*"]);
  assert.equal(timed.verdict, "same");
  assert.ok(timed.totals.compared > 10 && timed.totals.compared < 500);
  assert.deepEqual(timed.topics.map((row) => row.topic), ["orderBookL2_25"]);
});

test("a baseline of a selection is compared with that selection", { skip }, async (t) => {
  const { archive, baseline } = await saved(t, "--topic", "trade", "--symbol", "BTC*");
  const report = await check(t, [baseline, archive]);
  assert.equal(report.was.selection, "--topic 'trade' --symbol 'BTC*'");
  assert.deepEqual(report.streams.map((s) => [s.topic, s.symbol, s.same]), [["trade", "BTCUSD", tradeFrames("BTCUSD")]]);
  const none = await tapedeck(t, ["regress", "check", baseline, archive, "--topic", "nosuch"], { status: 4 });
  assert.match(none.stderr, /nosuch/);
  await tapedeck(t, ["regress", "check", baseline, archive, "--from", "2022-01-01"], { status: 4 });
});

/** JUnit XML as a strict parser reads it. */
function parsed(file) {
  const script = "import json, sys, xml.etree.ElementTree as e\n" +
    "def row(x): return {'tag': x.tag, 'text': x.text or '', **x.attrib, 'children': [row(c) for c in x]}\n" +
    "print(json.dumps(row(e.parse(sys.argv[1]).getroot())))";
  return JSON.parse(execFileSync("python3", ["-c", script, file], { encoding: "utf8" }));
}

test("a broken decoder: the first frame, both decodes, the fields, JUnit, and a tape that shows it", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t, "--full");
  const junit = path.join(dir, "report.xml");
  const cut = path.join(dir, "bug.mcap");
  const broken = wrapped("replay_broken_side");
  const { stdout } = await run(t, broken, ["regress", "check", baseline, archive, "--json", "--junit", junit, "--cut", cut], { status: 1 });
  const report = JSON.parse(stdout);
  const first = report.first_difference;
  assert.equal(report.has_decodes, true);
  assert.deepEqual([first.feed, first.kind], ["inverse", "decode"]);
  assert.match(first.path, /^(levels|trades)\[\d+\]\.side$/);
  assert.deepEqual(new Set([first.was, first.is]), new Set(["Buy", "Sell"]));
  assert.deepEqual(new Set(report.paths.map((row) => row.path)), new Set(["levels[].side", "trades[].side"]));
  const shown = report.differences[0];
  assert.equal(JSON.parse(shown.frame).topic, `${first.topic}.${first.symbol}`);
  assert.notDeepEqual(shown.decode_was, shown.decode_is);
  assert.equal(shown.decode_was.topic, first.topic);
  // The frame that is named is the frame that is shown.
  const rows = (await tapedeck(t, ["cat", "-a", archive, "--topic", first.topic, "--symbol", first.symbol])).stdout.split("\n").filter(Boolean);
  assert.equal(JSON.parse(rows[first.index]).data, shown.frame);

  const suites = parsed(junit);
  assert.deepEqual([suites.tag, suites.name, suites.tests], ["testsuites", "tapedeck regress check", String(report.streams.length)]);
  assert.equal(suites.children.length, 1);
  const cases = new Map(suites.children[0].children.map((c) => [c.name, c]));
  assert.deepEqual([...cases.keys()].sort(), report.streams.map((s) => [s.topic, s.symbol].filter(Boolean).join(" ")).sort());
  const failure = cases.get(`${first.topic} ${first.symbol}`).children[0];
  assert.equal(failure.type, "decode");
  assert.match(failure.text, /\.side: "(Buy|Sell)" -> "(Buy|Sell)"\n/);
  assert.equal(suites.failures, String(report.streams.filter((s) => s.different > 0).length));

  // The tape stands alone: the sound decoder saves it, the broken one differs from that in its last frame.
  const alone = path.join(dir, "bug.tdb");
  await tapedeck(t, ["regress", "save", cut, "-o", alone, "--full"]);
  const again = JSON.parse((await run(t, broken, ["regress", "check", alone, cut, "--json"], { status: 1 })).stdout);
  assert.deepEqual([again.first_difference.path, again.first_difference.was, again.first_difference.is], [first.path, first.was, first.is]);

  const text = (await run(t, broken, ["regress", "check", baseline, archive], { status: 1 })).stdout;
  assert.match(text, /^ {2}> (levels|trades)\[\d+\]\.side +"(Buy|Sell)" +"(Buy|Sell)"$/m);
  assert.doesNotMatch(text, /\x1b/);
});

test("a baseline of hashes names the frame, and says how to see more", { skip }, async (t) => {
  const { archive, baseline } = await saved(t);
  const broken = wrapped("replay_broken_scale");
  const report = JSON.parse((await run(t, broken, ["regress", "check", baseline, archive, "--json"], { status: 1 })).stdout);
  assert.deepEqual([report.has_decodes, report.first_difference.path, report.first_difference.was], [false, null, null]);
  assert.equal(report.differences[0].decode_was, null);
  assert.equal(report.differences[0].decode_is.symbol, report.first_difference.symbol);
  const { stdout } = await run(t, broken, ["regress", "check", baseline, archive], { status: 1 });
  assert.match(stdout, /--full/);
  assert.match(stdout, /regress diff/);
});

test("what is no sound baseline is refused, with what to do", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t);
  const refused = async (file, status, ...patterns) => {
    const { stderr } = await tapedeck(t, ["regress", "check", file, archive], { status });
    for (const pattern of patterns) assert.match(stderr, pattern);
  };
  await refused(path.join(dir, "none.tdb"), 4, /none\.tdb/, /regress save/);
  const text = path.join(dir, "text.tdb");
  fs.writeFileSync(text, "no baseline\n".repeat(1000));
  await refused(text, 4, /text\.tdb/);
  const bytes = fs.readFileSync(baseline);
  for (let at = 8192; at < bytes.length; at += 512) bytes[at] ^= 0x40;
  const damaged = path.join(dir, "damaged.tdb");
  fs.writeFileSync(damaged, bytes);
  await refused(damaged, 3, /damaged\.tdb/);
  const missing = await tapedeck(t, ["regress", "check", baseline, path.join(dir, "nowhere")], { status: 4 });
  assert.match(missing.stderr, /nowhere/);
});

test("damaged chunks of the archive are status 3, and the rest is compared", { skip }, async (t) => {
  const { dir, baseline } = await saved(t);
  const archive = await archiveOf(t, dir, "later", later());
  const segment = path.join(archive, segments(archive)[1]);
  const bytes = fs.readFileSync(segment);
  bytes[bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) + 2000] ^= 0x10; // in the first zstd frame
  fs.writeFileSync(segment, bytes);
  const report = await check(t, [baseline, archive], { status: 3 });
  assert.equal(report.is.damaged, true);
  assert.ok(report.totals.same > 0 && report.totals.missing > 0);
  assert.equal(report.totals.compared + report.totals.missing, FRAMES);
});

test("an interrupted check continues", async (t) => {
  const dir = temporary(t);
  const frames = Array.from({ length: 60_000 }, (_, i) => JSON.stringify({
    topic: "trade.BTCUSD",
    data: [{ trade_time_ms: 1_795_154_400_000 + i, timestamp: "2026-11-20T00:00:00.000Z", symbol: "BTCUSD", side: "Buy", size: 1 + i, price: 60000 + (i % 7), tick_direction: "PlusTick", trade_id: `00000000-0000-0000-0000-${String(i).padStart(12, "0")}`, cross_seq: i + 1 }],
  }));
  const archive = await importFrames(t, dir, { family: "inverse", host: "/realtime", frames });
  const baseline = path.join(dir, "base.tdb");
  await tapedeck(t, ["regress", "save", archive, "-o", baseline]);
  const state = `${baseline}.check`;
  let stopped = false;
  for (let i = 0; i < 20 && !stopped; i++) {
    const program = new Program(t, "tapedeck", ["regress", "check", baseline, archive, "-j", "1"]);
    let over = false;
    program.ended.then(() => (over = true));
    while (!over && !fs.existsSync(state)) await new Promise((resolve) => setTimeout(resolve, 1));
    stopped = (await program.kill("SIGINT")).code === 4; // else it had ended before the signal came
    if (stopped) assert.match(program.stderr, /the same command continues/);
  }
  assert.ok(stopped);
  assert.ok(fs.existsSync(state));
  const refused = await tapedeck(t, ["regress", "check", state, archive], { status: 4 });
  assert.match(refused.stderr, /is what a check keeps until it ends, not a baseline/);
  const report = await check(t, [baseline, archive]);
  assert.equal(report.verdict, "same");
  assert.equal(report.totals.same, frames.length);
  assert.notEqual(report.resumed_from_ns, null);
  assert.ok(!fs.existsSync(state));
});

test("the baseline is no place for what a check keeps", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t);
  const linked = path.join(dir, "linked.tdb");
  const before = fs.readFileSync(baseline);
  fs.linkSync(baseline, linked);
  for (const file of [baseline, linked]) {
    const refused = await tapedeck(t, ["regress", "check", baseline, archive, "--state", file, "--force"], { status: 2 });
    assert.match(refused.stderr, /is the baseline/);
    assert.deepEqual(fs.readFileSync(file), before);
  }
});

/** What checks left beside their baseline. */
const kept = (dir) => fs.readdirSync(dir).filter((f) => /check|lock|own/.test(f));

test("a second check of a baseline is refused while one runs", { skip }, async (t) => {
  const { dir, archive, baseline } = await saved(t);
  const started = path.join(dir, "started");
  const silent = path.join(dir, "silent.py");
  fs.writeFileSync(
    silent,
    `import os, sys
sys.stdin.buffer.readline()
print('{"tapedeck":1}', flush=True)
sys.stdin.buffer.readline() # a frame, which is never answered
name = ${JSON.stringify(started)}
with open(name + ".new", "w") as file:
    file.write("{}")
os.rename(name + ".new", name)
sys.stdin.buffer.read()
`,
  );
  const first = new Program(t, "tapedeck", ["regress", "check", baseline, archive, "--decoder-cmd", `python3 ${silent}`, "--timeout", "10m"]);
  await ready(first, started);
  const { stderr } = await tapedeck(t, ["regress", "check", baseline, archive], { status: 4 });
  assert.match(stderr, /another 'tapedeck regress check' keeps its results in '.*base\.tdb\.check'/);
  assert.match(stderr, /--state/);
  assert.equal((await check(t, [baseline, archive, "--state", path.join(dir, "own")])).verdict, "same");

  await first.kill("SIGKILL");
  assert.equal((await check(t, [baseline, archive])).verdict, "same");
  assert.deepEqual(kept(dir), []);
});

test("a check that compares no frame is no success", { skip }, async (t) => {
  const { dir, baseline } = await saved(t, "--topic", "trade");
  const { stderr } = await tapedeck(t, ["regress", "check", baseline, path.join(dir, "whole"), "--topic", "orderBook*"], { status: 4 });
  assert.match(stderr, /no frame is compared/);
  assert.match(stderr, /the baseline covers: .*trade/);
  assert.deepEqual(kept(dir), []);
});

// A decoder in another process: the example of the documentation, with one line of it changed.
const EXAMPLE = fs.readFileSync(new URL("../../docs/examples/decoder.py", import.meta.url), "utf8");
function exampleDecoder(dir, name, change) {
  const file = path.join(dir, `${name}.py`);
  const line = '"side": entry["side"], "price": entry["price"],';
  assert.ok(EXAMPLE.includes(line));
  fs.writeFileSync(file, EXAMPLE.replace(line, change(line)));
  return `python3 ${file}`;
}

async function diff(t, archive, decoders, status, ...options) {
  const named = decoders.flatMap((d) => (d.includes(" ") ? ["--decoder-cmd", d] : ["--decoder", d]));
  const dir = temporary(t);
  const { stdout } = await tapedeck(t, ["regress", "diff", archive, ...named, "--json", "--state", path.join(dir, "state"), ...options], { status });
  assert.deepEqual(filesBelow(dir), []); // nothing is left
  return JSON.parse(stdout);
}

test("diff: two decoders, both decodes of what differs, and whatever fails", { skip: withoutRecorded(INVERSE) }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, "whole", captureLines(INVERSE));
  const same = await diff(t, archive, ["builtin"], 0);
  assert.deepEqual([same.verdict, same.baseline, same.totals.same, same.decoder_is], ["same", null, FRAMES, null]);

  // One level of the capture has this size.
  const wrong = exampleDecoder(dir, "wrong", (line) => line.replace('entry["price"]', 'entry["price"] if entry.get("size") != 1870179 else "1.5"'));
  const book = ["--topic", "orderBook*", "--symbol", "BTCUSD"];
  const report = await diff(t, archive, [wrong], 1, ...book);
  const { topic, symbol, path: field, was, is } = report.first_difference;
  assert.deepEqual([topic, symbol, field, was, is], ["orderBookL2_25", "BTCUSD", "levels[0].price", "60617", "1.5"]);
  assert.deepEqual(report.paths, [{ topic, path: "levels[].price", frames: 1 }]);
  assert.deepEqual([report.totals.decode, report.was.decoder, report.is.decoder], [1, "built-in", wrong]);
  const turned = await diff(t, archive, ["builtin", wrong], 1, ...book);
  assert.deepEqual(turned.first_difference, report.first_difference);

  const crashing = exampleDecoder(dir, "crashing", (line) => line.replace('entry["price"]', 'entry["price"] if entry.get("size") != 1870179 else os._exit(3)'));
  const crashed = await diff(t, archive, [crashing], 1, ...book);
  assert.deepEqual([crashed.totals.different, crashed.totals.newly_failing], [crashed.totals.consequences + 1, 1]);
  assert.equal(crashed.decoder_is.crashed, 1);
  assert.equal(crashed.decoder_is.frames[0].recv_ns, crashed.first_difference.recv_ns);

  for (const [decoders, pattern] of [[[], /no decoder/], [["builtin", "builtin", "builtin"], /3 decoders/]]) {
    const { stderr } = await tapedeck(t, ["regress", "diff", archive, ...decoders.flatMap((d) => ["--decoder", d])], { status: 2 });
    assert.match(stderr, pattern);
  }
});

test("an interrupted diff continues with the second decoder", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, "whole", captureLines(INVERSE));
  const slow = exampleDecoder(dir, "slow", (line) => line.replace('entry["price"]', 'entry["price"] if "SLOW" not in os.environ else __import__("time").sleep(3600)'));
  const args = ["regress", "diff", archive, "--decoder-cmd", slow, "--state", path.join(dir, "state"), "-v"];
  const program = new Program(t, "tapedeck", args, { env: { SLOW: "1" } });
  await program.until((async () => {
    while (!fs.existsSync(path.join(dir, "state.b"))) await new Promise((resolve) => setTimeout(resolve, 5));
  })());
  await program.kill("SIGKILL");
  const { stdout, stderr } = await tapedeck(t, args);
  assert.match(stderr, /state\.a' is complete: it is used as it is/);
  assert.match(stdout, /^the same: 1,098 frames compared/m);
  assert.deepEqual(filesBelow(dir).filter((f) => f.startsWith("state")), []);
});
