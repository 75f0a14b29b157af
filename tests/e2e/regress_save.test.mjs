// Baselines: their hashes are those of docs/regress.md, computed by tests/e2e/canonical.mjs from what `cat` and
// `replay --messages` print; they do not depend on threads, interruptions, or the files of the archive; and what may
// stand in their way is an error that says so.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bookHash, controlHash, failureHash, form, frameId, frameOfBook, member, messageHash, parse } from "./canonical.mjs";
import { Program, capture, json, jsonLines, passed, tapedeck, temporary, withoutCapture } from "./lib.mjs";
import { Recorder, canMount, feedArgs, simulator, smallDisk } from "./live.mjs";

const CAPTURES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz", "v5-linear-2025-06-13.jsonl.gz"];
const needs = { skip: CAPTURES.map(withoutCapture).find((reason) => reason !== false) ?? false };

const ORIGIN = ["feed", "conn", "ordinal", "recv_ns"];

const DUMP = `
import json, sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1])
streams = []
for row in db.execute("SELECT id, feed, topic, symbol, exchange_topic, has_book, frames, decoded, undecoded FROM streams ORDER BY id"):
    ids, hashes = b"", b""
    for block in db.execute("SELECT ids, hashes FROM blocks WHERE place >> 32 = ? ORDER BY place", (row[0],)):
        ids += block[0]
        hashes += block[1]
    names = ("id", "feed", "topic", "symbol", "exchange_topic", "has_book", "frames", "decoded", "undecoded")
    streams.append(dict(zip(names, row), ids=struct.unpack("<%dH" % (len(ids) // 2), ids),
                        hashes=["%016x" % h for h in struct.unpack("<%dQ" % (len(hashes) // 8), hashes)]))
print(json.dumps(streams))
`;

/** The streams of a baseline, read by another program. */
const read = (file) => JSON.parse(execFileSync("python3", ["-c", DUMP, file], { encoding: "utf8", maxBuffer: 1 << 28 }));

async function imported(t, names = CAPTURES) {
  const archive = path.join(temporary(t), "tape");
  for (const name of names) await tapedeck(t, ["import", "-q", "-a", archive, "--again", capture(name)]);
  return archive;
}

// ---- what it should have ----

/** A function of a family and a frame's "topic" that gives {member: type}. */
async function typesOfTopics(t) {
  const rows = await jsonLines(t, ["topics", "--json"]);
  const fits = (row, topic) => new RegExp(`^${row.pattern.replaceAll(".", "\\.").replace(/\{\w+\}/g, "[^.]+")}$`).test(topic);
  const known = new Map();
  return (family, topic) => {
    const key = `${family} ${topic}`;
    const own = () => rows.filter((r) => r.family === family && fits(r, topic)); // several, if the topic changed
    if (!known.has(key)) known.set(key, Object.fromEntries(own().flatMap((r) => r.fields.map((f) => [f.member, f.type]))));
    return known.get(key);
  };
}

/** A book that is followed level by level. */
class Book {
  levels = new Map();
  isKnown = false;

  take(message) {
    const kind = member(message, "kind")?.text;
    if (kind === "snapshot") {
      this.levels.clear();
      this.isKnown = true;
    }
    for (const level of member(message, "levels").items) {
      const [action, side, price, size] = ["action", "side", "price", "size"].map((name) => member(level, name)?.text);
      assert.equal(member(level, "rpi_size"), undefined);
      if (action === "delete") this.levels.delete(`${side} ${price}`);
      else this.levels.set(`${side} ${price}`, { side, price, size });
    }
    return this.isKnown ? bookHash([...this.levels.values()]) : 0n;
  }
}

/** The hash of a frame by docs/regress.md; message: as replay --messages prints it. */
function hashOf(message, types, book, isWhole) {
  const text = (name) => member(message, name)?.text;
  if (text("type") === "control") {
    const success = member(message, "success");
    return controlHash(text("control"), success === undefined ? null : success.text === "true", "");
  }
  if (text("type") === "raw") return failureHash(member(member(message, "error"), "reason").text);
  const hash = messageHash(form(message, types, isWhole));
  return text("type") === "book_change" ? frameOfBook(hash, book.take(message)) : hash;
}

/** A line of replay --messages without the frame's origin, which stands at its end. */
function messageOf(line) {
  const message = parse(line);
  assert.deepEqual(message.members.splice(-ORIGIN.length).map((m) => m.name), ORIGIN);
  return message;
}

/** "feed topic symbol" -> {ids, hashes} of an archive. */
async function expected(t, archive, isWhole) {
  const streams = new Map();
  const types = await typesOfTopics(t);
  const frames = (await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout.split("\n").filter((l) => l !== "").map((l) => JSON.parse(l));
  const messages = (await tapedeck(t, ["replay", "-a", archive, "--messages"], { status: null })).stdout.split("\n").filter((l) => l !== "").map(messageOf)
    .filter((m) => member(m, "type").text !== "request");
  assert.equal(frames.length, messages.length);
  for (const [i, message] of messages.entries()) {
    const { feed, topic, symbol, data } = frames[i];
    const key = `${feed} ${topic} ${symbol ?? ""}`;
    if (!streams.has(key)) streams.set(key, { ids: [], hashes: [], book: new Book() });
    const stream = streams.get(key);
    stream.ids.push(frameId(Buffer.from(data)));
    stream.hashes.push(hashOf(message, types(feed, JSON.parse(data).topic), stream.book, isWhole).toString(16).padStart(16, "0"));
  }
  return streams;
}

for (const flags of [[], ["--whole"], ["--full"]]) {
  test(`regress save ${flags.join(" ")}: the hashes of captures are those of the second implementation`, needs, async (t) => {
    const archive = await imported(t);
    const file = path.join(temporary(t), "x.tdb");
    const result = await json(t, ["regress", "save", archive, "-o", file, "--json", ...flags]);
    const should = await expected(t, archive, flags.length > 0);
    const streams = read(file);
    assert.deepEqual(streams.map((s) => `${s.feed} ${s.topic} ${s.symbol}`).sort(), [...should.keys()].sort());
    for (const s of streams) {
      const { ids, hashes } = should.get(`${s.feed} ${s.topic} ${s.symbol}`);
      assert.deepEqual(s.ids, ids, s.topic);
      assert.deepEqual(s.hashes, hashes, `${s.feed} ${s.topic} ${s.symbol}`);
    }
    const sum = (name) => streams.reduce((total, s) => total + s[name], 0);
    assert.equal(result.frames, sum("frames"));
    assert.equal(result.decoded, sum("decoded"));
    assert.equal(result.streams, streams.length);
    assert.equal(result.file_bytes, fs.statSync(file).size);
    assert.equal(result.full, flags.includes("--full"));
    assert.equal(result.decode_bytes > 0, flags.includes("--full"));
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ["x.tdb"], "one file at rest");
  });
}

// ---- what does not matter ----

test("regress save: interrupted by signals at any moment, it goes on and ends as if there had been none", needs, async (t) => {
  const archive = await imported(t, [...CAPTURES, ...CAPTURES, ...CAPTURES]);
  const dir = temporary(t);
  const at = (name) => path.join(dir, name);
  await tapedeck(t, ["regress", "save", archive, "-o", at("whole.tdb"), "--full"]);
  let status = null;
  let stopped = 0;
  for (let round = 0; status !== 0; round++) {
    const program = new Program(t, "tapedeck", ["regress", "save", archive, "-o", at("x.tdb"), "--full", "-j", String(1 + (round % 2))]);
    // Later in each round, so that the work ends at last.
    await Promise.race([program.ended, passed(5 * round)]);
    const end = await program.kill(round % 3 === 2 ? "SIGKILL" : "SIGTERM");
    status = end.code;
    if (status === 0) break;
    stopped++;
    if (status !== null && status !== 4) throw new Error(`${status}: ${end.stderr}`);
    if (status === 4) assert.match(end.stderr, /stopped before the end\n.*hint: .*the same command continues/);
    if (end.code === null) assert.ok(["SIGKILL", "SIGTERM"].includes(end.signal)); // SIGTERM: before it was blocked
  }
  assert.ok(stopped > 0);
  assert.deepEqual(read(at("x.tdb")), read(at("whole.tdb")));
});

test("regress save: a recording in several segments, reindexed, and imported again in one is the same baseline", async (t) => {
  const dir = temporary(t);
  const at = (name) => path.join(dir, name);
  const exchange = await simulator(t, dir, ["--families", "inverse", "--symbols", "2", "--rate", "2000"]);
  for (let session = 0; session < 3; session++) {
    const recorder = new Recorder(t, at("tape"), [...feedArgs(exchange, "inverse"), "--commit-interval", "100ms"]);
    await recorder.durableLine((durable) => durable.in >= 500);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  }
  const save = async (archive, name, ...more) => {
    await tapedeck(t, ["regress", "save", archive, "-o", at(name), ...more]);
    return read(at(name));
  };
  const streams = await save(at("tape"), "a.tdb");
  assert.ok(streams.reduce((sum, s) => sum + s.frames, 0) >= 1500);
  assert.ok(streams.some((s) => s.has_book));
  assert.ok(streams.every((s) => s.undecoded === 0));
  await tapedeck(t, ["reindex", at("tape")]);
  assert.deepEqual(await save(at("tape"), "b.tdb", "-j", "1"), streams);
  fs.writeFileSync(at("frames.jsonl"), (await tapedeck(t, ["cat", at("tape")])).stdout);
  await tapedeck(t, ["import", "-q", "-a", at("again"), "--format", "jsonl", "--family", "inverse", at("frames.jsonl")]);
  const segments = async (archive) => (await tapedeck(t, ["ls", archive, "--json"])).stdout.trimEnd().split("\n").length;
  assert.deepEqual([await segments(at("tape")), await segments(at("again"))], [3, 1]);
  assert.deepEqual(await save(at("again"), "c.tdb", "-j", "2"), streams);
});

// ---- what is in the way ----

test("regress save: another file, a complete baseline, another version and a damaged one are refused, each with the way out", needs, async (t) => {
  const archive = await imported(t, CAPTURES.slice(0, 1));
  const dir = temporary(t);
  const file = path.join(dir, "x.tdb");
  const save = (status, ...more) => tapedeck(t, ["regress", "save", archive, "-o", file, ...more], { status });
  const sql = (text) => execFileSync("python3", ["-c", "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()", file, text]);
  fs.writeFileSync(file, "notes\n");
  for (const more of [[], ["--force"]]) assert.match((await save(4, ...more)).stderr, /'.*x\.tdb' is not a baseline\n/);
  assert.equal(fs.readFileSync(file, "utf8"), "notes\n");
  fs.rmSync(file);
  assert.match((await save(0)).stdout, /^1,098 received frames of 5 streams: 1,094 decoded, 4 control\n.*x\.tdb: .*, [\d.]+ bytes a frame\n$/);
  assert.match((await save(2)).stderr, /is a complete baseline already\n.*hint: give --force to replace it/);
  await save(0, "--force");
  sql("PRAGMA user_version = 9");
  assert.match((await save(4)).stderr, /schema version 9, this program knows up to 1/);
  await save(0, "--force");
  sql("UPDATE streams SET frames = frames + 1 WHERE id = 2");
  assert.match((await save(3)).stderr, /is damaged: the checksum of stream 2 is wrong\n.*hint: /);
  await save(0, "--force");
  const missing = await tapedeck(t, ["regress", "save", archive, "-o", path.join(dir, "none", "x.tdb")], { status: 4 });
  assert.match(missing.stderr, /none\/x\.tdb/);
});

test("regress save: stored frames that are damaged are exit status 3, and the baseline says so", needs, async (t) => {
  const archive = await imported(t, CAPTURES.slice(0, 2));
  const file = path.join(temporary(t), "x.tdb");
  const [segment] = (await tapedeck(t, ["ls", archive, "--json"])).stdout.trimEnd().split("\n").map((l) => JSON.parse(l).segment);
  const bytes = fs.readFileSync(path.join(archive, segment));
  bytes[Math.floor(bytes.length / 3)] ^= 1;
  fs.writeFileSync(path.join(archive, segment), bytes);
  const end = await tapedeck(t, ["regress", "save", archive, "-o", file, "--json"], { status: 3 });
  assert.equal(JSON.parse(end.stdout).damaged, true);
  const other = await tapedeck(t, ["regress", "save", path.join(archive, segment), "-o", `${file}.2`], { status: 3 });
  assert.match(other.stderr, /stored frames are damaged\n.*hint: .*verify/);
  assert.ok(!fs.existsSync(`${file}.2`));
});

test("regress save: a disk that is full is an error that says so, and the next run goes on", { skip: needs.skip || canMount() }, async (t) => {
  const archive = await imported(t, [...CAPTURES, ...CAPTURES, ...CAPTURES, ...CAPTURES]);
  const disk = await smallDisk(t, temporary(t), 1);
  const filler = path.join(disk.seen, "filler");
  const file = path.join(disk.place, "x.tdb");
  fs.writeFileSync(filler, Buffer.alloc(960 << 10));
  const save = (status) => tapedeck(t, ["regress", "save", path.resolve(archive), "-o", file, "--whole"], { under: disk.under, status });
  const end = await save(4);
  assert.match(end.stderr, /x\.tdb': .*full\n.*hint: /);
  fs.rmSync(filler);
  await save(0);
});
