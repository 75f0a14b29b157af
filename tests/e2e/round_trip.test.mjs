// Raw frames out of an archive and back: the digest `frames` (design.md) covers times, connections, ordinals and bytes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import zlib from "node:zlib";
import { capture, filesBelow, json, jsonList, parseLines, segments, tapedeck, temporary, withoutCapture } from "./lib.mjs";
import { Recorder, configFile, simulator } from "./live.mjs";
import { npm, test as npmTest } from "./npm.mjs";

const digest = async (t, archive) => (await json(t, ["replay", "-a", archive, "--json"], { status: null })).digest;

/** Export both raw formats, import each into a new archive; {format: its archive}. */
async function roundTrips(t, dir, archive, ...selected) {
  const out = path.join(dir, "out");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "jsonl-frames", "--format", "mcap-frames", "--out", out, ...selected], { status: null });
  const archives = {};
  for (const format of ["jsonl", "mcap"]) {
    archives[format] = path.join(dir, `from-${format}`);
    const files = filesBelow(path.join(out, `${format}-frames`)).sort().map((file) => path.join(out, `${format}-frames`, file));
    const { files: reports } = await json(t, ["import", "--json", "-a", archives[format], "--format", format, ...files]);
    assert.equal(reports.reduce((sum, report) => sum + report.malformed + report.adjusted, 0), 0);
  }
  return archives;
}

const dir = temporary({ after });
let first;

/** The archive of the first capture, which tests share. */
function imported() {
  const archive = path.join(dir, "tape");
  first ??= tapedeck(undefined, ["import", "-q", "-a", archive, capture(CAPTURES[0])]).then(() => archive);
  return first;
}

const CAPTURES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz"];

test("frames of captures come back through JSON lines, MCAP, `cat` and segments", { skip: CAPTURES.map(withoutCapture).find((why) => why) ?? false }, async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, ...CAPTURES.map(capture)]);
  const archives = await roundTrips(t, dir, archive);
  const lines = path.join(dir, "cat.jsonl");
  fs.writeFileSync(lines, (await tapedeck(t, ["cat", "-a", archive])).stdout);
  archives.cat = path.join(dir, "from-cat");
  await tapedeck(t, ["import", "-q", "-a", archives.cat, "--format", "jsonl", lines]);
  archives.segments = path.join(dir, "from-segments");
  await tapedeck(t, ["import", "-q", "-a", archives.segments, "--format", "mcap", ...segments(archive).filter((file) => file.startsWith("capture")).map((file) => path.join(archive, file))]);
  const was = await digest(t, archive);
  for (const [from, other] of Object.entries(archives)) assert.deepEqual(await digest(t, other), was, from);
  const part = await roundTrips(t, temporary(t), archive, "--topic", "trade");
  const { digest: partly } = await json(t, ["replay", "-a", archive, "--topic", "trade", "--json"]);
  for (const [from, other] of Object.entries(part)) assert.equal((await digest(t, other)).frames, partly.frames, from);
});

test("so do several sessions, connections and feeds of a recording, with its gaps", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  for (const seed of ["1", "2"]) {
    const drops = Array.from({ length: 40 }, (_, i) => ["--fault", `drop@${300 + i}`]).flat();
    const server = await simulator(t, dir, ["--families", "inverse,linear", "--symbols", "2", "--rate", "2000", "--seed", seed, "--fault", "disconnect@150", ...drops]);
    const recorder = new Recorder(t, archive, ["-c", configFile(dir, server, ["inverse", "linear"]), "--max-frames", "900"]);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    server.program.kill("SIGTERM");
  }
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.ok(gaps.some((gap) => gap.reason === "sequence") && gaps.some((gap) => gap.reason === "disconnect"));
  const was = await digest(t, archive);
  for (const [from, other] of Object.entries(await roundTrips(t, dir, archive))) {
    assert.equal((await digest(t, other)).frames, was.frames, from);
    const kept = await jsonList(t, ["gaps", "-a", other, "--json"], { status: 1 });
    const row = ({ reason, feed, topic, symbol, from_ns }) => [reason, feed, topic, symbol, from_ns];
    const ofTopics = (list) => list.filter((gap) => gap.topic !== null).map(row);
    assert.deepEqual(ofTopics(kept), ofTopics(gaps), from);
    assert.ok(kept.length >= gaps.length, from);
  }
});

test("so does a session over midnight: the files of its days are one again", async (t) => {
  const dir = temporary(t), file = path.join(dir, "frames.jsonl"), archive = path.join(dir, "tape");
  // Six hours between frames: a book, whose only snapshot is of the first day, and trades. An hour without a line is a gap of every import.
  const from = 1_795_154_400_000_000_000n, HOUR = 3_600_000_000_000n;
  const frame = (i) => (i % 2 ? { topic: "publicTrade.BTCUSDT", type: "snapshot", ts: i, data: [{ T: i, s: "BTCUSDT", S: "Buy", v: "1", p: "100", i: `${i}`, BT: false }] }
    : { topic: "orderbook.50.BTCUSDT", type: i === 0 ? "snapshot" : "delta", ts: i, data: { s: "BTCUSDT", b: [["100", `${i + 1}`]], a: i === 0 ? [["101", "1"]] : [], u: i / 2 + 5, seq: i + 5 }, cts: i });
  const lines = Array.from({ length: 120 }, (_, i) => JSON.stringify({ recv_ns: String(from + BigInt(i) * HOUR / 2n), url: "wss://stream.bybit.com/v5/public/linear", data: JSON.stringify(frame(i)) }) + "\n");
  fs.writeFileSync(file, lines.join(""));
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "jsonl", file]);
  const was = await json(t, ["replay", "-a", archive, "--json"]);
  const out = path.join(dir, "days");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "jsonl-frames", "--out", out]);
  const days = filesBelow(out).filter((name) => name.endsWith(".jsonl")).sort().map((name) => path.join(out, name));
  assert.equal(days.length, 3);
  const again = async (name, files, status) => {
    const report = await json(t, ["import", "--json", "-a", path.join(dir, name), "--format", "jsonl", ...files], { status });
    return { report, replay: await json(t, ["replay", "-a", path.join(dir, name), "--json"], { status: null }) };
  };
  const back = await again("back", days);
  assert.deepEqual(back.report.files.map((capture) => [capture.more_files, capture.lines, capture.adjusted]), [[2, 120, 0]]);
  assert.deepEqual([back.replay.digest, back.replay.verdict, back.replay.gaps], [was.digest, "complete", []]);
  // Each of them is known from then on.
  const known = await tapedeck(t, ["import", "-a", path.join(dir, "back"), "--format", "jsonl", days[1]], { status: 2 });
  assert.match(known.stderr, /got this content already/);
  // In another order each is a capture, and so is one that is compressed in another way.
  fs.writeFileSync(path.join(dir, "day.jsonl.gz"), zlib.gzipSync(fs.readFileSync(days[1])));
  for (const [name, files] of [["reverse", [...days].reverse()], ["mixed", [days[0], path.join(dir, "day.jsonl.gz"), days[2]]]]) {
    const { report, replay } = await again(name, files);
    assert.deepEqual(report.files.map((capture) => [capture.more_files, capture.adjusted]), [[0, 0], [0, 0], [0, 0]], name);
    assert.deepEqual([replay.digest.frames, replay.verdict], [was.digest.frames, "incomplete"], name);
  }
});

test("bytes that are no text, names that cannot be, and damage", async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "frames.jsonl");
  const line = (more) => JSON.stringify({ recv_ns: "1618677786801375000", feed: "f", family: "inverse", shard: 3, conn: 1, session: "a", dir: "in", ...more });
  const bad = [
    [{ data_hex: "0g" }, /data_hex/], [{ data_hex: "000" }, /data_hex/], [{ shard: 256, data: "x" }, /shard/], [{ feed: "a/b", data: "x" }, /feed/],
    [{ family: "moon", data: "x" }, /family/], [{ dir: "event", data: '{"event":"gap","shard":0,"reason":"moon","from_ns":1}' }, /gap event/], [{ dir: "event", data: "{" }, /./],
  ];
  fs.writeFileSync(file, [line({ data_hex: "00ff0a", opcode: 2, ordinal: 7 }), ...bad.map(([more]) => line(more)), line({ recv_ns: 1618677786801375001, conn: 2, data: "x" })].join("\n"));
  const archive = path.join(dir, "tape");
  const report = (await json(t, ["import", "--json", "-a", archive, "--format", "jsonl", file], { status: 1 })).files[0];
  assert.deepEqual(report.malformed_lines.map((row) => row.line), bad.map((_, i) => i + 2));
  for (const [i, [, why]] of bad.entries()) assert.match(report.malformed_lines[i].reason, why);
  const rows = parseLines((await tapedeck(t, ["cat", "-a", archive])).stdout);
  assert.deepEqual(rows.map(({ feed, shard, conn, ordinal, opcode, data, data_hex }) => [feed, shard, conn, ordinal, opcode, data, data_hex]),
    [["f", 3, 1, 7, 2, undefined, "00ff0a"], ["f", 3, 2, 1, undefined, "x", undefined]]);
  assert.equal((await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 }))[0].reason, "disconnect");
  const archives = await roundTrips(t, dir, archive);
  for (const [from, other] of Object.entries(archives)) assert.deepEqual(await digest(t, other), await digest(t, archive), from);
  const mcap = path.join(dir, "out/mcap-frames/frames_2021-04-17.mcap");
  const whole = fs.readFileSync(mcap);
  for (const [i, bytes] of [whole.subarray(0, 200), Buffer.concat([whole.subarray(0, 60), Buffer.from("?"), whole.subarray(61)]), Buffer.from("no MCAP file")].entries()) {
    fs.writeFileSync(mcap, bytes);
    const { stderr } = await tapedeck(t, ["import", "-a", path.join(dir, `damaged${i}`), "--format", "mcap", mcap], { status: 1 });
    assert.match(stderr, /frames_2021-04-17\.mcap:\d+: /);
  }
});

test("decoded messages are refused: they are no frames", { skip: withoutCapture(CAPTURES[0]) }, async (t) => {
  const dir = temporary(t);
  const archive = await imported();
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "mcap", "--out", path.join(dir, "out")]);
  const again = path.join(dir, "again");
  const { stderr } = await tapedeck(t, ["import", "-a", again, "--family", "inverse", "--format", "mcap", path.join(dir, "out/messages_2021-04-17.mcap")], { status: 2 });
  assert.match(stderr, /decoded[^]*mcap-frames/);
  assert.ok(!fs.existsSync(again));
});

npmTest("@mcap/core reads the frames, by their summary as well", { skip: withoutCapture(CAPTURES[0]) }, async (t) => {
  const dir = temporary(t);
  const archive = await imported();
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "mcap-frames", "--out", path.join(dir, "out")]);
  const { McapIndexedReader } = npm("@mcap/core");
  const handle = await fs.promises.open(path.join(dir, "out/frames_2021-04-17.mcap"), "r");
  const decompressHandlers = await npm("@mcap/support").loadDecompressHandlers();
  const reader = await McapIndexedReader.Initialize({ readable: new (npm("@mcap/nodejs").FileHandleReadable)(handle), decompressHandlers });
  const rows = parseLines((await tapedeck(t, ["cat", "-a", archive])).stdout);
  let at = 0;
  for await (const message of reader.readMessages({ validateCrcs: true })) {
    const { metadata, topic, schemaId } = reader.channelsById.get(message.channelId);
    const row = rows[at++];
    assert.equal(Buffer.from(message.data).toString(), row.data);
    assert.deepEqual([Number(message.logTime), metadata.get("dir"), metadata.get("conn"), message.sequence], [row.recv_ns, row.dir, String(row.conn), row.ordinal]);
    assert.equal(topic, [row.feed, row.topic, row.symbol].filter((part) => part !== null).join("/"));
    assert.equal(reader.schemasById.get(schemaId).name, "tapedeck.Frame");
  }
  await handle.close();
  assert.equal(at, rows.length);
  assert.equal(Number(reader.statistics.messageCount), rows.length);
  assert.equal(reader.statistics.schemaCount, 1);
});
