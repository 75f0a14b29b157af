// Two connections of one feed have the same topic: every consumer follows the same one (book/conn_choice.h, docs/design.md). The
// captures are made up here, so the frames of one connection are known without tapedeck.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import {
  compareTruth,
  importLines,
  isManifest,
  json,
  jsonLines,
  jsonList,
  listening,
  manifestOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";
import { TILE, tileColumns } from "../support/readers.mjs";
import { Recorder } from "../support/recorders.mjs";

const URL_V5 = "wss://stream.bybit.com/v5/public/linear";
const NOON = Date.parse("2026-08-09T12:00:00Z");
const SYMBOL = "BTCUSDT";

const book = (type, u, ms, b, a) => ({
  topic: `orderbook.50.${SYMBOL}`,
  type,
  ts: ms,
  data: { s: SYMBOL, b, a, u, seq: 1000 + 3 * u },
  cts: ms - 2,
});
const trade = (n, ms) => ({
  topic: `publicTrade.${SYMBOL}`,
  type: "snapshot",
  ts: ms,
  data: [
    {
      T: ms,
      s: SYMBOL,
      S: n % 2 ? "Buy" : "Sell",
      v: "0.5",
      p: String(60000 + n),
      L: "PlusTick",
      i: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
      BT: false,
      seq: 2000 + n,
    },
  ],
});

/** The exchange's frames in each second of a run: a change of the book, and a trade. */
function exchange(seconds) {
  const frames = [
    {
      ms: NOON,
      data: book(
        "snapshot",
        5,
        NOON,
        [
          ["60000", "1"],
          ["59999", "2"],
        ],
        [
          ["60001", "1"],
          ["60002", "3"],
        ]
      ),
    },
  ];
  for (let n = 1; n <= seconds; n++) {
    const ms = NOON + n * 1000;
    frames.push({
      ms,
      data: book(
        "delta",
        5 + n,
        ms,
        [
          ["60000", String(n + 1)],
          ["59998", n % 2 ? "1" : "0"],
        ],
        [["60002", String(n + 3)]]
      ),
    });
    frames.push({ ms: ms + 100, data: trade(n, ms + 100) });
  }
  return frames;
}

const line = (conn, ms, us, data) =>
  JSON.stringify({ recv_ns: "AT", conn, url: URL_V5, data }).replace(
    '"AT"',
    `${ms}${String(us).padStart(3, "0")}000`
  );

/** A capture of connections: {conn, late: µs after the exchange, from, to: ms of the run}. */
function capture(frames, conns) {
  const rows = [];
  for (const { conn, late, from = 0, to = Infinity } of conns) {
    const seen = frames.filter(({ ms }) => ms - NOON >= from && ms - NOON <= to);
    for (const { ms, data } of seen)
      rows.push({ at: ms * 1000 + late, text: line(conn, ms, late, data) });
  }
  return rows.sort((a, b) => a.at - b.at).map(({ text }) => text);
}

const archiveOf = (t, dir, name, frames, conns) =>
  importLines(t, capture(frames, conns), { archive: path.join(dir, name) });

async function exported(t, archive, format, status = 0) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", format, "--out", out], { status });
  const files = {};
  for (const name of fs.readdirSync(out).filter((f) => !isManifest(f))) {
    const bytes = fs.readFileSync(path.join(out, name));
    files[name] = (name.endsWith(".gz") ? zlib.gunzipSync(bytes) : bytes).toString("utf8");
  }
  return { files, manifest: manifestOf(out) };
}

/** The last book of a reader of incremental_book_L2. */
function readBook(csv) {
  const levels = new Map();
  let was = "false";
  for (const row of csv.trimEnd().split("\n").slice(1)) {
    const [, , , , snapshot, side, price, amount] = row.split(",");
    if (snapshot === "true" && was === "false") levels.clear();
    was = snapshot;
    if (amount === "0") levels.delete(`${side} ${price}`);
    else levels.set(`${side} ${price}`, amount);
  }
  return Object.fromEntries([...levels].sort());
}

const bookFile = (files) => Object.entries(files).find(([name]) => name.includes("incremental"))[1];
const tradeIds = (files) =>
  Object.entries(files)
    .find(([name]) => name.includes("trades"))[1]
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => row.split(",")[4]);
const ids = (from, to) =>
  Array.from(
    { length: to - from + 1 },
    (_, i) => `00000000-0000-4000-8000-${String(from + i).padStart(12, "0")}`
  );

test("two connections with one topic give each frame once, like one connection", async (t) => {
  const dir = temporary(t);
  const frames = exchange(30);
  const one = await archiveOf(t, dir, "one", frames, [{ conn: "a", late: 5 }]);
  const two = await archiveOf(t, dir, "two", frames, [
    { conn: "a", late: 5 },
    { conn: "b", late: 300 },
  ]);
  const csv = await exported(t, two, "tardis-csv");
  assert.deepEqual(csv.files, (await exported(t, one, "tardis-csv")).files);
  assert.deepEqual(
    [csv.manifest.totals.copies, csv.manifest.totals.left_out_frames],
    [frames.length, 0]
  );
  const withoutNumber = (text) => text.replaceAll(/"frame":\d+,/g, "");
  const [jsonl, alone] = [await exported(t, two, "jsonl"), await exported(t, one, "jsonl")];
  for (const [name, text] of Object.entries(alone.files))
    assert.equal(withoutNumber(jsonl.files[name]), withoutNumber(text));
  const messages = (archive) => jsonLines(t, ["replay", "-a", archive, "--messages"]);
  const own = ({ ordinal, conn, ...row }) => row;
  assert.deepEqual((await messages(two)).map(own), (await messages(one)).map(own));
  const [report, single] = [
    await json(t, ["replay", "-a", two, "--json"]),
    await json(t, ["replay", "-a", one, "--json"]),
  ];
  assert.deepEqual(report.books, single.books);
  assert.deepEqual(
    [report.frames, report.copies, report.continuity.violations],
    [2 * frames.length, frames.length, 0]
  );
  for (const part of ["payload", "messages", "books"])
    assert.equal(report.digest[part], single.digest[part], part);
  assert.notEqual(report.digest.frames, single.digest.frames);
  // The archive has the frames of both.
  assert.equal((await jsonLines(t, ["cat", "-a", two])).length, 2 * frames.length);
});

test("when the followed connection falls silent, replay follows the other one, with a whole book, and lacks the silence", async (t) => {
  const dir = temporary(t);
  const frames = exchange(40);
  const archive = await archiveOf(t, dir, "tape", frames, [
    { conn: "a", late: 5, to: 20_100 },
    { conn: "b", late: 300 },
  ]);
  const { files, manifest } = await exported(t, archive, "tardis-csv", 1);
  // 5 s of silence, then the next frame; frames of that stretch are copies.
  assert.deepEqual(tradeIds(files), [...ids(1, 20), ...ids(25, 40)]);
  assert.deepEqual(readBook(bookFile(files)), {
    "ask 60001": "1",
    "ask 60002": "43",
    "bid 59999": "2",
    "bid 60000": "41",
  });
  const [file] = manifest.files.filter((row) => row.type === "incremental_book_L2");
  assert.deepEqual(
    [file.break_count, file.breaks[0].cause, file.left_out_frames],
    [1, "connection", 0]
  );
  assert.equal(Math.round((file.breaks[0].to_ns - file.breaks[0].from_ns) / 1000), 5_000_295); // numbers round ns here
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(
    [report.books[0].u, report.books[0].broken, report.continuity.violations],
    [45, false, 0]
  );
  const times = ({ reason, topic, from_ns, to_ns }) =>
    [reason, topic].concat([from_ns, to_ns].map((ns) => Math.round(ns / 1e6) - NOON));
  const rows = [
    ["sequence", "orderbook.50", 20_000, 25_000],
    ["sequence", "publicTrade", 20_100, 25_100],
  ];
  assert.deepEqual(report.gaps.map(times).sort(), rows);
  const { days } = await json(t, ["days", "-a", archive, "--json"], { status: 1 });
  for (const { degraded_ns } of days[0].topics) assert.ok(degraded_ns >= 5_000_000_000);
});

test("frames that only another connection had until the end are missing", async (t) => {
  const dir = temporary(t);
  const frames = exchange(10);
  for (const [name, to, status] of [
    ["ends", 7_100, 1],
    ["both", 10_200, 0],
  ]) {
    const archive = await archiveOf(t, dir, name, frames, [
      { conn: "a", late: 5, to },
      { conn: "b", late: 300 },
    ]);
    const { gaps } = await json(t, ["replay", "-a", archive, "--json"], { status });
    assert.deepEqual(
      gaps.map(({ cause }) => cause),
      Array(status * 2).fill("only another connection had frames")
    );
  }
});

/** Second and count of an export's covered bars. */
async function coveredBars(t, archive, start) {
  const out = path.join(temporary(t), "out");
  const options = ["--format", "tardis-csv", "--bars", "5s", "--type", "bars", "--out", out];
  await tapedeck(t, ["export", "-q", archive, ...options, "--from", start], { status: null });
  const name = fs.readdirSync(out).find((file) => file.includes("_bars_"));
  const text = zlib.gunzipSync(fs.readFileSync(path.join(out, name))).toString();
  const rows = text.trimEnd().split("\n").slice(1);
  return rows.map((row) => row.split(",")).map((row) => [row[4] / 1e6 - NOON / 1000, +row[11]]);
}

test(
  "a bar is not covered where only another connection had trades",
  { skip: withoutLibrary },
  async (t) => {
    const dir = temporary(t);
    const env = { ...process.env, PYTHONPATH: installed(t) };
    const script = `
import json, sys, tapedeck
with tapedeck.open(sys.argv[1]) as archive:
    bars = archive.bars("BTCUSDT", "5s", start=sys.argv[2])
    print(json.dumps([[b.time_ns // 10**9 - int(sys.argv[3]), b.count] for b in bars if b.covered == 1]))`;
    for (const [name, a, b, expected] of [
      ["moves", 5_100, Infinity, [15]], // the hole ends in the bar of 10 s
      ["moves at the end", 17_100, Infinity, [5, 10]],
      ["both", Infinity, Infinity, [5, 10, 15]],
      ["continues", Infinity, 17_100, [5, 10, 15]],
    ]) {
      const archive = await archiveOf(t, dir, name, exchange(20), [
        { conn: "a", late: 5, to: a },
        { conn: "b", late: 300, to: b },
      ]);
      for (const from of [0, 7.5]) {
        const start = new Date(NOON + from * 1000).toISOString();
        const bars = expected.filter((second) => second >= from).map((second) => [second, 5]);
        assert.deepEqual(await coveredBars(t, archive, start), bars, `${name}, ${from}`);
        const args = ["-B", "-c", script, archive, start, NOON / 1000];
        const found = JSON.parse(execFileSync("python3", args, { encoding: "utf8", env }));
        assert.deepEqual(found, bars, `${name}, ${from}, Python`);
      }
    }
  }
);

test("the page marks the time in which only another connection had trades", async (t) => {
  const dir = temporary(t);
  const k = 28n, // columns of 0.27 s; the run is in two tiles
    length = 2 ** 28 / 1e9,
    first = (BigInt(NOON) * 1_000_000n) >> k;
  for (const [name, a, expected] of [
    ["moves", 5_100, [5.1, 10.1]],
    ["moves at the end", 17_100, [17.1, 20.1]],
    ["both", Infinity, null],
  ]) {
    const archive = await archiveOf(t, dir, name, exchange(20), [
      { conn: "a", late: 5, to: a },
      { conn: "b", late: 300 },
    ]);
    const { url, program } = await listening(t, ["view", "-a", archive], dir);
    const missing = [];
    for (const i of [first / 256n, first / 256n + 1n]) {
      const names = { feed: "v5-linear", symbol: SYMBOL, book: "orderbook.50", k, i, bin: "1" };
      const answer = await fetch(`${url}api/market?${new URLSearchParams(names)}`);
      assert.equal(answer.status, 200);
      const { state } = tileColumns(Buffer.from(await answer.arrayBuffer()));
      const at = (n) =>
        Number((((i * 256n + BigInt(n)) << k) - BigInt(NOON) * 1_000_000n) / 1000n) / 1e6;
      const seconds = state.flatMap((bits, n) => ((bits & TILE.MISSING) !== 0 ? [at(n)] : []));
      missing.push(...seconds.filter((s) => s > 1.2 && s + length < 20.1)); // of the recorded time
    }
    await program.kill("SIGTERM");
    assert.equal(missing.length > 0, expected !== null, name);
    if (expected === null) continue;
    const [from, to] = expected;
    assert.ok(missing[0] <= from && missing[0] + length > from, `${name}: ${missing[0]}`);
    assert.ok(Math.abs(missing.at(-1) + length - to) < 2 * length, `${name}: ${missing.at(-1)}`);
    assert.equal(missing.length, Math.round((missing.at(-1) - missing[0]) / length) + 1);
  }
});

test("a session that overlaps another adds copies, and is followed from the other's end on", async (t) => {
  const dir = temporary(t);
  const frames = exchange(40);
  const archive = await archiveOf(t, dir, "tape", frames, [{ conn: "a", late: 5, to: 20_100 }]);
  await importLines(t, capture(frames, [{ conn: "x", late: 300 }]), { archive });
  const { files, manifest } = await exported(t, archive, "tardis-csv");
  assert.deepEqual(manifest.gaps, []);
  // The last frame came over the second session, after the first had ended.
  assert.deepEqual(tradeIds(files), [...ids(1, 20), ...ids(20, 40)]);
  assert.deepEqual(readBook(bookFile(files)), {
    "ask 60001": "1",
    "ask 60002": "43",
    "bid 59999": "2",
    "bid 60000": "41",
  });
  const report = await json(t, ["replay", "-a", archive, "--json"]);
  assert.deepEqual([report.continuity.violations, report.copies], [0, 40]);
});

test("serve sends each frame of a recording over two connections once, like the exchange", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const truth = path.join(dir, "truth.jsonl");
  const sim = await listening(
    t,
    [
      "sim",
      "--families",
      "inverse",
      "--symbols",
      "1",
      "--rate",
      "300",
      "--seed",
      "4",
      "--truth",
      truth,
    ],
    dir
  );
  // A wildcard and one of its topics: no connection may subscribe to both. Topics are dealt to the two connections by turns.
  const config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(
    config,
    `feeds:\n  - family: inverse\n    url: ${sim.url}/realtime\n    ca_file: ${sim.ca}\n    max_topics_per_connection: 2\n    topics: ["trade.*", "trade.BTCUSD", "orderBookL2_25.*", "orderBookL2_25.BTCUSD"]\n`
  );
  const recorder = new Recorder(t, archive, ["-c", config, "--commit-interval", "100ms"]);
  await recorder.durableOn(["inverse|0", "inverse|1"], 750);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await sim.program.kill("SIGTERM");
  assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  const compared = await compareTruth(t, archive, truth);
  assert.equal(compared.equal, true, JSON.stringify(compared));
  const report = await json(t, ["replay", "-a", archive, "--json"]);
  assert.ok(report.copies > 500, String(report.copies));
  const { files } = await exported(t, archive, "tardis-csv");
  const found = tradeIds(files);
  assert.equal(new Set(found).size, found.length);
  const server = await listening(t, ["serve", "-a", archive, "--speed", "max"], dir);
  const again = path.join(dir, "again");
  await tapedeck(t, [
    "record",
    "-a",
    again,
    `${server.url}/realtime`,
    "--family",
    "inverse",
    "--ca-file",
    server.ca,
    "--topic",
    "trade.BTCUSD",
    "--topic",
    "orderBookL2_25.BTCUSD",
    "--until-close",
  ]);
  const copy = await json(t, ["replay", "-a", again, "--json"]);
  for (const part of ["payload", "messages", "books"])
    assert.equal(copy.digest[part], report.digest[part], part);
  assert.equal(copy.copies, 0);
});
