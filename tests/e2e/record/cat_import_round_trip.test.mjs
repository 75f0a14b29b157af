// `import` of the lines of `cat` gives the same frames: the digest `frames` (design.md) covers times, connections, ordinals
// and bytes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  capture,
  eventually,
  importLines,
  json,
  jsonLines,
  jsonList,
  parseLines,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { Recorder, configFile, simulator } from "../support/recorders.mjs";

const digest = async (t, archive) =>
  (await json(t, ["replay", "-a", archive, "--json"], { status: null })).digest;

/** The lines of `cat` in a file. */
async function catInto(t, file, archive, ...selected) {
  fs.writeFileSync(file, (await tapedeck(t, ["cat", "-a", archive, ...selected])).stdout);
  return file;
}

/** A new archive of all frames and events of another. */
async function roundTrip(t, dir, archive, ...selected) {
  const other = path.join(dir, "again");
  const { files } = await json(t, [
    "import",
    "--json",
    "-a",
    other,
    "--format",
    "jsonl",
    await catInto(t, path.join(dir, "cat.jsonl"), archive, "--events", ...selected),
  ]);
  assert.deepEqual(
    files.map(({ malformed, adjusted }) => [malformed, adjusted]),
    [[0, 0]]
  );
  return other;
}

/** The lines of all frames, without the archive's own names of sessions. */
const frames = async (t, archive) =>
  (await tapedeck(t, ["cat", "-a", archive])).stdout
    .replaceAll(/"session":"\w+",/g, "")
    .split("\n");

const CAPTURES = [
  "inverse-2021-04-17.jsonl.gz",
  "linear-2021-04-17.jsonl.gz",
  "v5-2026-08-09.jsonl.gz",
];

test(
  "frames of captures come back with every member that cat prints",
  { skip: CAPTURES.map(withoutCapture).find((why) => why) ?? false },
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, ...CAPTURES.map(capture)]);
    const was = await digest(t, archive);
    const again = await roundTrip(t, dir, archive);
    assert.deepEqual(await digest(t, again), was);
    assert.deepEqual(await frames(t, again), await frames(t, archive));
    const plain = path.join(dir, "plain");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      plain,
      "--format",
      "jsonl",
      await catInto(t, path.join(dir, "plain.jsonl"), archive),
    ]);
    assert.deepEqual(await digest(t, plain), was);
    const part = await roundTrip(t, temporary(t), archive, "--topic", "trade");
    const { digest: partly } = await json(t, [
      "replay",
      "-a",
      archive,
      "--topic",
      "trade",
      "--json",
    ]);
    assert.equal((await digest(t, part)).frames, partly.frames);
  }
);

test("several sessions, connections and feeds of a recording come back, with its gaps", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  for (const seed of ["1", "2"]) {
    const drops = Array.from({ length: 40 }, (_, i) => ["--fault", `drop@${100 + i}`]).flat();
    const server = await simulator(t, dir, [
      "--families",
      "inverse,linear",
      "--symbols",
      "2",
      "--rate",
      "2000",
      "--seed",
      seed,
      "--fault",
      "disconnect@400",
      ...drops,
    ]);
    const recorder = new Recorder(t, archive, [
      "-c",
      configFile(dir, server, ["inverse", "linear"]),
      "--commit-interval",
      "100ms",
    ]);
    for (const feed of ["inverse", "linear"])
      await recorder.prints(new RegExp(`${feed}: connected to .*connection 2\\)`));
    // An import knows by its frames that a connection has a topic.
    await eventually(
      "the second connections have each topic of the first ones",
      async () => {
        const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
        const of = (conn) =>
          rows
            .filter((row) => row.session === rows.at(-1).session && row.conn === conn)
            .map(({ feed, topic, symbol }) => `${feed} ${topic} ${symbol}`);
        const later = new Set(of(2));
        return of(1).every((stream) => later.has(stream));
      },
      recorder
    );
    await recorder.durableAfter(recorder.durableLines + 8);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    server.program.kill("SIGTERM");
  }
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.ok(
    gaps.some((gap) => gap.reason === "sequence") && gaps.some((gap) => gap.reason === "disconnect")
  );
  const again = await roundTrip(t, dir, archive);
  assert.equal((await digest(t, again)).frames, (await digest(t, archive)).frames);
  const kept = await jsonList(t, ["gaps", "-a", again, "--json"], { status: 1 });
  const row = ({ reason, feed, topic, symbol, from_ns, to_ns }) => [
    reason,
    feed,
    topic,
    symbol,
    from_ns,
    to_ns,
  ];
  const ofTopics = (list) => list.filter((gap) => gap.topic !== null).map(row);
  assert.deepEqual(ofTopics(kept), ofTopics(gaps));
  // The others are between connections that brought frames.
  const conns = new Set(
    parseLines((await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout).map(
      ({ feed, session, conn }) => `${feed} ${session} ${conn}`
    )
  );
  assert.ok(kept.length - ofTopics(kept).length >= conns.size - 2, JSON.stringify(kept));
});

test("a session over midnight comes back as one session from the files of its two days", async (t) => {
  const dir = temporary(t);
  // Six hours between frames: a book, whose only snapshot is in the first day, and trades. Every import makes an hour without a line a gap.
  const from = 1_795_154_400_000_000_000n,
    HOUR = 3_600_000_000_000n;
  const frame = (i) =>
    i % 2
      ? {
          topic: "publicTrade.BTCUSDT",
          type: "snapshot",
          ts: i,
          data: [{ T: i, s: "BTCUSDT", S: "Buy", v: "1", p: "100", i: `${i}`, BT: false }],
        }
      : {
          topic: "orderbook.50.BTCUSDT",
          type: i === 0 ? "snapshot" : "delta",
          ts: i,
          data: {
            s: "BTCUSDT",
            b: [["100", `${i + 1}`]],
            a: i === 0 ? [["101", "1"]] : [],
            u: i / 2 + 5,
            seq: i + 5,
          },
          cts: i,
        };
  const lines = Array.from({ length: 120 }, (_, i) => ({
    recv_ns: String(from + (BigInt(i) * HOUR) / 2n),
    url: "wss://stream.bybit.com/v5/public/linear",
    data: JSON.stringify(frame(i)),
  }));
  const archive = await importLines(t, lines);
  const was = await json(t, ["replay", "-a", archive, "--json"]);
  const days = [];
  for (const date of ["2026-11-20", "2026-11-21", "2026-11-22"])
    days.push(
      await catInto(t, path.join(dir, `${date}.jsonl`), archive, "--from", date, "--to", date)
    );
  const again = async (name, files, status) => {
    const report = await json(
      t,
      ["import", "--json", "-a", path.join(dir, name), "--format", "jsonl", ...files],
      { status }
    );
    return {
      report,
      replay: await json(t, ["replay", "-a", path.join(dir, name), "--json"], { status: null }),
    };
  };
  const back = await again("back", days);
  assert.deepEqual(
    back.report.files.map((capture) => [capture.more_files, capture.lines, capture.adjusted]),
    [[2, 120, 0]]
  );
  assert.deepEqual(
    [back.replay.digest, back.replay.verdict, back.replay.gaps],
    [was.digest, "complete", []]
  );
  // Each file is a duplicate now.
  const known = await tapedeck(
    t,
    ["import", "-a", path.join(dir, "back"), "--format", "jsonl", days[1]],
    { status: 2 }
  );
  assert.match(known.stderr, /got this content already/);
  // In another order, or with one of them compressed, each file is a capture of its own.
  fs.writeFileSync(path.join(dir, "day.jsonl.gz"), zlib.gzipSync(fs.readFileSync(days[1])));
  for (const [name, files] of [
    ["reverse", [...days].reverse()],
    ["mixed", [days[0], path.join(dir, "day.jsonl.gz"), days[2]]],
  ]) {
    const { report, replay } = await again(name, files);
    assert.deepEqual(
      report.files.map((capture) => [capture.more_files, capture.adjusted]),
      [
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      name
    );
    assert.deepEqual(
      [replay.digest.frames, replay.verdict],
      [was.digest.frames, "incomplete"],
      name
    );
  }
});

test("bytes that are not text come back; impossible names and damage are reported", async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "frames.jsonl");
  const line = (more) =>
    JSON.stringify({
      recv_ns: "1618677786801375000",
      feed: "f",
      family: "inverse",
      shard: 3,
      conn: 1,
      session: "a",
      dir: "in",
      ...more,
    });
  const bad = [
    [{ data_hex: "0g" }, /data_hex/],
    [{ data_hex: "000" }, /data_hex/],
    [{ shard: 256, data: "x" }, /shard/],
    [{ feed: "a/b", data: "x" }, /feed/],
    [{ family: "moon", data: "x" }, /family/],
    [{ dir: "event", data: '{"event":"gap","shard":0,"reason":"moon","from_ns":1}' }, /gap event/],
    [{ dir: "event", data: "{" }, /./],
  ];
  fs.writeFileSync(
    file,
    [
      line({ data_hex: "00ff0a", opcode: 2, ordinal: 7 }),
      ...bad.map(([more]) => line(more)),
      line({ recv_ns: 1618677786801375001, conn: 2, data: "x" }),
    ].join("\n")
  );
  const archive = path.join(dir, "tape");
  const report = (
    await json(t, ["import", "--json", "-a", archive, "--format", "jsonl", file], { status: 1 })
  ).files[0];
  assert.deepEqual(
    report.malformed_lines.map((row) => row.line),
    bad.map((_, i) => i + 2)
  );
  for (const [i, [, why]] of bad.entries()) assert.match(report.malformed_lines[i].reason, why);
  const rows = parseLines((await tapedeck(t, ["cat", "-a", archive])).stdout);
  assert.deepEqual(
    rows.map(({ feed, shard, conn, ordinal, opcode, data, data_hex }) => [
      feed,
      shard,
      conn,
      ordinal,
      opcode,
      data,
      data_hex,
    ]),
    [
      ["f", 3, 1, 7, 2, undefined, "00ff0a"],
      ["f", 3, 2, 1, undefined, "x", undefined],
    ]
  );
  assert.equal(
    (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 }))[0].reason,
    "disconnect"
  );
  assert.deepEqual(await digest(t, await roundTrip(t, dir, archive)), await digest(t, archive));
});
