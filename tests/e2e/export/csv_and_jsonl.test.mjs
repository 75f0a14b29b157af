// Exports to Tardis CSV and JSON lines, and the rules of all exports. tests/export/expected.py computes the expected files from
// the captures and shares nothing with the programs; if a test changes a capture, both read the changed one. Rules about gaps,
// clashes and limits come from docs/export.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import zlib from "node:zlib";
import {
  Program,
  capture,
  captureLines,
  chunksOf,
  flipIn,
  importFrames,
  importLines,
  inboundFrames,
  isManifest,
  manifestName,
  manifestOf,
  manifestsOf,
  parseLines,
  run,
  tapedeck,
  temporary,
  tooLong,
  withoutCapture,
  withoutRecorded,
} from "../support/harness.mjs";
import { scripts } from "../support/python_scripts.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const CAPTURES = [
  [INVERSE, "inverse"],
  ["linear-2021-04-17.jsonl.gz", "linear"],
  ["v5-2026-08-09.jsonl.gz", "v5-linear"],
  ["v5-linear-2025-06-13.jsonl.gz", "v5-linear"],
];
const MANIFEST = manifestName("2021-04-17");

const csv = (dir, name) => zlib.gunzipSync(fs.readFileSync(path.join(dir, name))).toString("utf8");
const data = (dir) =>
  fs
    .readdirSync(dir)
    .filter((f) => !isManifest(f))
    .sort();
const exporting = (archive, format, out, ...more) => [
  "export",
  "-q",
  "-a",
  archive,
  "--format",
  format,
  "--out",
  out,
  ...more,
];

// Tests share this folder.
const sharedDir = temporary({ after });
const python = scripts("python3");

/** A function whose result is made once for the same arguments. */
const once = (make) => {
  const results = new Map();
  return (...args) => {
    const key = JSON.stringify(args);
    return results.get(key) ?? results.set(key, make(...args)).get(key);
  };
};

/** The archive of a capture, which tests with the same file share. */
const imported = once(async (file, family) => {
  const archive = path.join(fs.mkdtempSync(path.join(sharedDir, "import-")), "tape");
  await tapedeck(undefined, [
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
});

/** The script's files: {name: text}. */
const expected = once(async (file, family) => {
  const out = fs.mkdtempSync(path.join(sharedDir, "expected-"));
  await python("tests/export/expected.py", file, family, out);
  return Object.fromEntries(
    fs
      .readdirSync(out)
      .sort()
      .map((f) => [f, fs.readFileSync(path.join(out, f), "utf8")])
  );
});

/** Check that texts are equal; a failure shows the first line that differs. */
function assertLines(got, should, name) {
  if (got === should) return;
  const lines = should.split("\n");
  const at = got.split("\n").findIndex((line, i) => line !== lines[i]);
  assert.equal(got.split("\n")[at], lines[at], `${name}, line ${at + 1}`);
  assert.equal(got.length, should.length, name);
}

/** Check that an export has exactly these CSV files, byte for byte. */
function assertCsv(out, files) {
  const names = Object.keys(files).filter((f) => f.endsWith(".csv"));
  assert.ok(names.length > 0);
  assert.deepEqual(
    data(out),
    names.map((f) => `${f}.gz`)
  );
  for (const name of names) {
    assertLines(csv(out, `${name}.gz`), files[name], name);
  }
}

/** Check that the manifest has every file once, with its rows and bytes. */
function assertManifest(out, manifest) {
  const listed = manifest.files.filter((f) => f.name !== null);
  assert.deepEqual(listed.map((f) => f.name).sort(), data(out));
  for (const file of listed) {
    const bytes = fs.readFileSync(path.join(out, file.name));
    assert.equal(bytes.length, file.bytes);
    const text = file.name.endsWith(".gz")
      ? zlib.gunzipSync(bytes).toString("utf8")
      : bytes.toString("utf8");
    assert.equal(Buffer.byteLength(text), file.raw_bytes);
    const lines = text.split("\n").length - 1;
    assert.equal(file.rows, file.name.endsWith(".gz") ? lines - 1 : lines, file.name);
  }
  assert.equal(
    manifest.totals.rows,
    listed.reduce((n, f) => n + f.rows, 0)
  );
}

// ---- equal to the script ----------------------------------------------------------------------------------

for (const [name, family] of CAPTURES) {
  test(`${name}: CSV files equal the script's`, { skip: withoutCapture(name) }, async (t) => {
    const archive = await imported(capture(name), family);
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "tardis-csv", out));
    assertCsv(out, await expected(capture(name), family));
    const manifest = manifestOf(out);
    assertManifest(out, manifest);
    assert.deepEqual(
      [manifest.totals.violations, manifest.totals.left_out_frames, manifest.gaps],
      [0, 0, []]
    );
    assert.equal(manifest.segments.length, 1);
    assert.match(manifest.segments[0].chain, /^[0-9a-f]{32}$/);
    // The gzip header has no name and no time: the same data give the same bytes on any day.
    for (const file of data(out)) {
      const head = fs.readFileSync(path.join(out, file)).subarray(0, 9);
      assert.deepEqual([...head.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], file);
    }
  });

  test(`${name}: JSON lines equal the script's`, { skip: withoutCapture(name) }, async (t) => {
    const archive = await imported(capture(name), family);
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "jsonl", out));
    const files = await expected(capture(name), family);
    const names = Object.keys(files).filter((f) => f.endsWith(".jsonl"));
    assert.deepEqual(data(out), names);
    for (const file of names) {
      assertLines(fs.readFileSync(path.join(out, file), "utf8"), files[file], file);
    }
    assertManifest(out, manifestOf(out));
    // The report of a replay counts the same frames.
    const report = JSON.parse((await tapedeck(t, ["replay", "-a", archive, "--json"])).stdout);
    assert.equal(manifestOf(out).totals.rows, report.decoded + report.undecoded);
    assert.deepEqual(manifestOf(out).digest, report.digest);
  });
}

// ---- days and the start of a selection ----------------------------------------------------------------------

/** A capture whose times are moved so that its nth frame comes at 00:00:00 UTC of the next day. */
function movedToMidnight(t, lines, nth) {
  const seconds = (line) => Number(/(?:^|<- |<-> )(\d+\.\d+)/.exec(line)[1]);
  const inbound = lines.filter((l) => /^\d/.test(l));
  const by = 1618704000 - Math.floor(seconds(inbound[nth])) - 1;
  const file = path.join(temporary(t), "moved.txt");
  const move = (l) =>
    l.replace(
      /(^|<- |<-> )(\d+)(\.\d+)/,
      (_, a, whole, rest) => `${a}${Number(whole) + by}${rest}`
    );
  fs.writeFileSync(file, lines.map((l) => (l === "" ? l : move(l))).join("\n"));
  return file;
}

test(
  "an export over midnight has a file for each day, which begins with the book as it is then",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const file = movedToMidnight(t, captureLines(INVERSE), 600);
    const archive = await imported(file, "inverse");
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "tardis-csv", out));
    const files = await expected(file, "inverse");
    assertCsv(out, files);
    assertManifest(out, manifestOf(out));
    const days = new Set(manifestOf(out).files.map((f) => f.date));
    assert.deepEqual([...days], ["2021-04-17", "2021-04-18"]);
    const second = csv(out, "bybit_incremental_book_L2_2021-04-18_BTCUSD.csv.gz").split("\n");
    assert.equal(second.filter((l) => l.includes(",true,")).length, 50);
    assert.ok(second[1].includes(",true,ask,"));
    // A selection of the second day alone gives the same file: its books start in the correct state.
    const alone = path.join(temporary(t), "alone");
    await tapedeck(t, exporting(archive, "tardis-csv", alone, "--from", "2021-04-18"));
    assert.deepEqual(
      data(alone),
      data(out).filter((f) => f.includes("2021-04-18"))
    );
    // Their only source is the checkpoint at the beginning of the second day's segment.
    assert.equal(manifestOf(alone).segments.length, 1);
    for (const name of data(alone)) assert.equal(csv(alone, name), csv(out, name), name);
    // JSON lines: a file a day, each with its own frame numbers.
    const lines = path.join(temporary(t), "lines");
    await tapedeck(t, exporting(archive, "jsonl", lines));
    assert.deepEqual(data(lines), ["messages_2021-04-17.jsonl", "messages_2021-04-18.jsonl"]);
    for (const name of data(lines))
      assertLines(fs.readFileSync(path.join(lines, name), "utf8"), files[name], name);
  }
);

const inverseFrames = once(() => inboundFrames(INVERSE).map((f) => JSON.parse(f.text)));

/** The number of trades and levels of a symbol in the inverse capture. */
function frameCounts(symbol) {
  const data = (topic) =>
    inverseFrames()
      .filter((f) => f.topic === `${topic}.${symbol}`)
      .map((f) => f.data);
  const levels = (d) => (Array.isArray(d) ? d : [...d.delete, ...d.update, ...d.insert]).length;
  const sum = (counts) => counts.reduce((a, b) => a + b, 0);
  return {
    trades: sum(data("trade").map((d) => d.length)),
    levels: sum(data("orderBookL2_25").map(levels)),
  };
}

test("a day without rows has no file", { skip: withoutCapture(INVERSE) }, async (t) => {
  const archive = await imported(capture(INVERSE), "inverse");
  const out = path.join(temporary(t), "out");
  const end = await tapedeck(
    t,
    exporting(
      archive,
      "tardis-csv",
      out,
      "--from",
      "2021-04-16",
      "--to",
      "2021-04-18",
      "--symbol",
      "EOSUSD",
      "--type",
      "trades",
      "--type",
      "incremental_book_L2"
    ).filter((word) => word !== "-q"),
    { status: 1 }
  );
  assert.match(end.stderr, /; nothing was recorded on 2 days that are asked for$/m);
  const rows = manifestOf(out).files.map((f) => [f.date, f.type, f.name === null, f.rows]);
  const entries = frameCounts("EOSUSD");
  assert.deepEqual(rows, [
    ["2021-04-17", "incremental_book_L2", false, entries.levels],
    ["2021-04-17", "trades", false, entries.trades],
  ]);
  assert.equal(data(out).length, 2);
});

test(
  "the manifest of a long range lists each file, and no empty day",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    for (const format of ["tardis-csv", "jsonl"]) {
      const out = path.join(temporary(t), "out");
      await tapedeck(
        t,
        exporting(
          archive,
          format,
          out,
          "--from",
          "1990-01-01",
          "--to",
          "2037-12-09",
          "--symbol",
          "EOSUSD"
        ),
        { status: 1 }
      );
      const { files } = manifestOf(out);
      assertManifest(out, manifestOf(out));
      assert.equal(manifestsOf(out).length, 1);
      assert.ok(fs.statSync(path.join(out, MANIFEST)).size < 8192);
      const types = [...new Set(files.map((f) => f.type))];
      assert.equal(types.length, format === "jsonl" ? 1 : 5);
      for (const type of types) {
        assert.deepEqual(
          files.filter((f) => f.type === type).map((f) => [f.date, f.name === null]),
          [["2021-04-17", false]]
        );
      }
    }
  }
);

// ---- frames that cannot be trusted --------------------------------------------------------------------------

const isBook = (symbol) => (line) => line.includes(`"topic":"orderBookL2_25.${symbol}"`);

test(
  "a book that broke has no rows until its next snapshot",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    // BTCUSD loses 60 frames; 300 frames later its first snapshot is sent again, with numbers that fit.
    const lines = captureLines(INVERSE);
    const own = lines.map((l, i) => [l, i]).filter(([l]) => /^\d/.test(l) && isBook("BTCUSD")(l));
    const number = (l, key) => Number(new RegExp(`"${key}":(\\d+)`).exec(l)[1]);
    const [again, at] = own[400];
    const snapshot = own[0][0]
      .replace(/^\d+\.\d+/, /^\d+\.\d+/.exec(again)[0])
      .replace(/"cross_seq":\d+/, `"cross_seq":${number(again, "cross_seq")}`)
      .replace(/"timestamp_e6":\d+/, `"timestamp_e6":${number(again, "timestamp_e6")}`);
    const cut = new Set(own.slice(100, 160).map(([, i]) => i));
    const changed = lines
      .map((l, i) => (i === at ? snapshot : l))
      .filter((_, i) => !cut.has(i) && !own.slice(401).some(([, k]) => k === i));
    const file = path.join(temporary(t), "cut.txt");
    fs.writeFileSync(file, changed.join("\n"));
    const archive = await imported(file, "inverse");
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 1 });
    const entry = manifestOf(out).files.find(
      (f) => f.symbol === "BTCUSD" && f.type === "incremental_book_L2"
    );
    assert.equal(entry.break_count, 1);
    assert.equal(entry.breaks[0].cause, "gap");
    assert.match(entry.breaks[0].rule, /^(update_exists|insert_new)$/); // by the capture's first frame after the loss
    assert.ok(
      entry.left_out_frames > 0 && entry.left_out_frames <= 240,
      `${entry.left_out_frames}`
    );
    assert.equal(entry.frames + entry.left_out_frames, 401 - 60);
    assert.equal(manifestOf(out).totals.violations > 0, true);
    // The rows before the loss equal the script's rows; the snapshot's rows follow.
    const rows = csv(out, entry.name).trimEnd().split("\n").slice(1);
    const whole = (await expected(capture(INVERSE), "inverse"))[
      "bybit_incremental_book_L2_2021-04-17_BTCUSD.csv"
    ]
      .split("\n")
      .slice(1);
    const until = BigInt(entry.breaks[0].from_ns) / 1000n;
    const first = rows.filter((r) => BigInt(r.split(",")[3]) <= until);
    const cutTimes = new Set(
      [...cut].map((i) => /^\d+\.\d+/.exec(lines[i])[0].replace(".", "").padEnd(16, "0"))
    );
    const should = whole.filter(
      (r) => r !== "" && BigInt(r.split(",")[3]) <= until && !cutTimes.has(r.split(",")[3])
    );
    assert.deepEqual(first, should);
    assert.equal(rows.length - first.length, 50);
    assert.ok(rows.slice(first.length).every((r) => r.includes(",true,")));
    assert.equal(BigInt(entry.breaks[0].to_ns) / 1000n, BigInt(rows.at(-1).split(",")[3]));
  }
);

test(
  "a frame that cannot be decoded invalidates the book and is counted",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const lines = captureLines(INVERSE);
    const own = lines.map((l, i) => [l, i]).filter(([l]) => /^\d/.test(l) && isBook("EOSUSD")(l));
    lines[own[200][1]] = own[200][0].replace('"price":"', '"price":"x');
    const file = path.join(temporary(t), "bad.txt");
    fs.writeFileSync(file, lines.join("\n"));
    const archive = await imported(file, "inverse");
    const dir = temporary(t);
    await tapedeck(t, exporting(archive, "tardis-csv", path.join(dir, "csv")), { status: 1 });
    const entry = manifestOf(path.join(dir, "csv")).files.find(
      (f) => f.symbol === "EOSUSD" && f.type === "incremental_book_L2"
    );
    const after = own.length - 201;
    assert.deepEqual(
      [entry.frames, entry.undecoded_frames, entry.left_out_frames],
      [200, 1, after]
    );
    assert.deepEqual([entry.breaks[0].cause, entry.breaks[0].to_ns], ["undecoded", null]);
    await tapedeck(t, exporting(archive, "jsonl", path.join(dir, "jsonl")), { status: 1 });
    const objects = parseLines(
      fs.readFileSync(path.join(dir, "jsonl", "messages_2021-04-17.jsonl"), "utf8")
    );
    const raw = objects.filter((o) => o.type === "raw");
    assert.deepEqual([raw.length, raw[0].error.reason, raw[0].symbol], [1, "bad_number", "EOSUSD"]);
    const untrusted = objects.filter((o) => o.flags & 8);
    assert.equal(untrusted.length, 1 + after);
    assert.ok(untrusted.every((o) => o.symbol === "EOSUSD"));
  }
);

test(
  "at the gap of a reconnect rows stop, and resume with the snapshot",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    // The capture twice, half a minute apart: the second connection's snapshots start all books over.
    const lines = captureLines(INVERSE).filter((l) => l !== "");
    const later = lines.map((l) =>
      l.replace(
        /(^|<- |<-> )(\d+)(\.\d+)/,
        (_, a, whole, rest) => `${a}${Number(whole) + 60}${rest}`
      )
    );
    const file = path.join(temporary(t), "twice.txt");
    fs.writeFileSync(file, [...lines, ...later].join("\n"));
    const archive = await imported(file, "inverse");
    const dir = temporary(t);
    await tapedeck(t, exporting(archive, "tardis-csv", path.join(dir, "csv")), { status: 1 });
    const manifest = manifestOf(path.join(dir, "csv"));
    assert.equal(manifest.gaps.length, 1);
    assert.equal(manifest.gaps[0].reason, "disconnect");
    const entry = manifest.files.find(
      (f) => f.symbol === "BTCUSD" && f.type === "incremental_book_L2"
    );
    assert.deepEqual(
      [entry.break_count, entry.breaks[0].cause, entry.breaks[0].reason],
      [1, "gap", "disconnect"]
    );
    const { levels } = frameCounts("BTCUSD");
    assert.deepEqual(
      [entry.rows, entry.left_out_frames, entry.rows_synthesized],
      [2 * levels, 0, 0]
    );
    const rows = csv(path.join(dir, "csv"), entry.name).trimEnd().split("\n").slice(1);
    assert.deepEqual(
      rows.slice(levels).map((r) => r.split(",").slice(4)),
      rows.slice(0, levels).map((r) => r.split(",").slice(4))
    );
    // In JSON lines, the gap has a line where it begins.
    await tapedeck(t, exporting(archive, "jsonl", path.join(dir, "jsonl")), { status: 1 });
    const objects = parseLines(
      fs.readFileSync(path.join(dir, "jsonl", "messages_2021-04-17.jsonl"), "utf8")
    );
    const at = objects.findIndex((o) => o.type === "gap");
    assert.equal(at, 1094);
    assert.deepEqual(
      [objects[at].reason, objects[at].feed, objects[at].topic],
      ["disconnect", "inverse", null]
    );
    assert.ok(
      objects[at].from_ns >= objects[at - 1].recv_ns &&
        objects[at].from_ns < objects[at + 1].recv_ns
    );
  }
);

// ---- other families: made-up frames of the documented shapes ------------------------------------------------

const START_MS = 1_700_000_000_000; // 2023-11-14T22:13:20Z

/** An archive of these frames, one a second. */
const recorded = (t, family, frames) =>
  importLines(
    t,
    frames.map((f, i) => ({ ts: START_MS + 1000 * (i + 1), data: JSON.stringify(f) })),
    { family }
  );

/** Rows of a file without exchange, symbol and local time: "timestamp flag side price amount". */
const rowsOf = (out, name) =>
  csv(out, name)
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((l) =>
      l
        .split(",")
        .filter((_, i) => i !== 0 && i !== 1 && i !== 3)
        .join(" ")
    );

test("trades of an option topic are exported by the symbols that they name", async (t) => {
  const trade = (n, s, side, p) => ({
    p,
    v: "0.01",
    i: `00000000-0000-5000-8000-00000000000${n}`,
    T: START_MS + n,
    BT: n === 2,
    s,
    S: side,
  });
  const frame = (n, list) => ({
    id: `publicTrade.BTC-${n}-${START_MS}`,
    topic: "publicTrade.BTC",
    ts: START_MS + 50,
    data: list,
    type: "snapshot",
  });
  const archive = await recorded(t, "v5-option", [
    frame(1, [
      trade(1, "BTC-29DEC23-40000-C", "Sell", "985"),
      trade(2, "BTC-29DEC23-30000-P", "Buy", "10.50"),
    ]),
    frame(2, [
      trade(3, "BTC-29DEC23-40000-C", "Buy", "990"),
      trade(4, "BTC-29DEC23-40000-C", "None", "991"),
    ]),
  ]);
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, "tardis-csv", out));
  const name = (s) => `bybit-options_trades_2023-11-14_${s}.csv.gz`;
  assert.deepEqual(data(out), [name("BTC-29DEC23-30000-P"), name("BTC-29DEC23-40000-C")]);
  const at = (n) => (START_MS + n) * 1000;
  assert.deepEqual(rowsOf(out, name("BTC-29DEC23-40000-C")), [
    `${at(1)} 00000000-0000-5000-8000-000000000001 sell 985 0.01`,
    `${at(3)} 00000000-0000-5000-8000-000000000003 buy 990 0.01`,
    `${at(4)} 00000000-0000-5000-8000-000000000004 unknown 991 0.01`,
  ]);
  assert.deepEqual(rowsOf(out, name("BTC-29DEC23-30000-P")), [
    `${at(2)} 00000000-0000-5000-8000-000000000002 buy 10.5 0.01`,
  ]);
});

test("each spot depth frame is a snapshot, which deletes the levels that it lacks", async (t) => {
  const frame = (n, b, a) => ({
    topic: "depth",
    params: { symbol: "BITBTC", binary: "false", symbolName: "BITBTC" },
    data: { s: "BITBTC", t: START_MS + n, v: `${n}_1_1`, b, a },
  });
  const archive = await recorded(t, "spot-v2", [
    frame(
      1,
      [["0.00002949", "25862.50"]],
      [
        ["0.00002951", "555.8"],
        ["0.00002952", "1"],
      ]
    ),
    frame(2, [["0.00002950", "7"]], [["0.00002951", "500"]]),
  ]);
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, "tardis-csv", out));
  const at = (n) => (START_MS + n) * 1000;
  assert.deepEqual(rowsOf(out, "bybit-spot_incremental_book_L2_2023-11-14_BITBTC.csv.gz"), [
    `${at(1)} true ask 0.00002951 555.8`,
    `${at(1)} true ask 0.00002952 1`,
    `${at(1)} true bid 0.00002949 25862.5`,
    `${at(2)} false ask 0.00002952 0`,
    `${at(2)} false bid 0.00002949 0`,
    `${at(2)} true ask 0.00002951 500`,
    `${at(2)} true bid 0.0000295 7`,
  ]);
});

test("in a v5 book u reveals a loss, and a restart of the exchange starts a new book", async (t) => {
  const frame = (type, u, b, a) => ({
    topic: "orderbook.50.BTCUSDT",
    type,
    ts: START_MS + u,
    data: { s: "BTCUSDT", b, a, u, seq: 1000 + 7 * u },
    cts: START_MS + u - 3,
  });
  const archive = await recorded(t, "v5-linear", [
    frame("snapshot", 10, [["100.00", "1"]], [["101.00", "2"]]),
    frame("delta", 11, [["99.50", "3"]], []),
    frame("delta", 13, [["99.00", "4"]], []), // 12 is lost
    frame("delta", 14, [["98.00", "5"]], []),
    {
      ...frame("delta", 1, [["90.00", "6"]], [["91.00", "7"]]),
      ts: START_MS + 20,
      data: { s: "BTCUSDT", b: [["90.00", "6"]], a: [["91.00", "7"]], u: 1, seq: 2000 },
    },
    {
      ...frame("delta", 2, [["90.00", "0"]], []),
      ts: START_MS + 21,
      data: { s: "BTCUSDT", b: [["90.00", "0"]], a: [], u: 2, seq: 2001 },
    },
  ]);
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 1 });
  const at = (n) => (START_MS + n) * 1000;
  assert.deepEqual(rowsOf(out, "bybit_incremental_book_L2_2023-11-14_BTCUSDT.csv.gz"), [
    `${at(10)} true ask 101 2`,
    `${at(10)} true bid 100 1`,
    `${at(11)} false bid 99.5 3`,
    `${at(20)} true ask 91 7`,
    `${at(20)} true bid 90 6`,
    `${at(21)} false bid 90 0`,
  ]);
  const entry = manifestOf(out).files[0];
  assert.deepEqual([entry.left_out_frames, entry.left_out_entries, entry.break_count], [2, 2, 1]);
  assert.deepEqual([entry.breaks[0].cause, entry.breaks[0].rule], ["gap", "seq_dense"]);
});

test(
  "a day of many symbols is written in several passes, with the files of one pass",
  { skip: tooLong },
  async (t) => {
    const symbols = Array.from({ length: 410 }, (_, i) => `S${i}USDT`);
    const data = (s, u) => ({ s, b: [["1", `${u}`]], a: [["2", "1"]], u, seq: u });
    // The exchange's time of the last frame is later than its receipt, so all receive times of hftbacktest get an offset.
    const book = (s, type, u, ms) => ({
      topic: `orderbook.50.${s}`,
      type,
      ts: START_MS + ms,
      cts: START_MS + ms,
      data: data(s, u),
    });
    const archive = await recorded(t, "v5-linear", [
      ...symbols.map((s) => book(s, "snapshot", 1, 0)),
      ...symbols.map((s) => book(s, "delta", 2, s === symbols.at(-1) ? 900_000 : 0)),
    ]);
    const dir = temporary(t);
    // Five files a symbol are 409 symbols a pass; one file a symbol is a single pass.
    await tapedeck(
      t,
      exporting(
        archive,
        "tardis-csv",
        path.join(dir, "all"),
        "--format",
        "hftbacktest",
        "--format",
        "jsonl"
      )
    );
    const {
      days: [{ files, totals, verdict }],
    } = manifestOf(path.join(dir, "all"));
    assert.deepEqual(
      [files.length, totals.useful_frames, verdict],
      [(4 + 2) * symbols.length + 1, 2 * symbols.length, "complete"]
    );
    assert.ok(totals.clock_offset_ns > 4e9);
    const all = filesBelow(path.join(dir, "all"));
    await tapedeck(t, exporting(archive, "hftbacktest", path.join(dir, "one")));
    await tapedeck(
      t,
      exporting(
        archive,
        "tardis-csv",
        path.join(dir, "two"),
        "--symbol",
        "S0USDT",
        "--symbol",
        "S409USDT"
      )
    );
    for (const [part, format, count] of [
      ["one", "hftbacktest", 2 * symbols.length],
      ["two", "tardis-csv", 8],
    ]) {
      const made = Object.entries(filesBelow(path.join(dir, part))).filter(
        ([name]) => name !== "MANIFEST.2023-11-14.json"
      );
      assert.equal(made.length, count);
      for (const [name, bytes] of made) assert.ok(all[`${format}/${name}`] === bytes, name);
    }
  }
);

test("families without a market are omitted, and counted", async (t) => {
  const status = {
    topic: "system.status",
    ts: START_MS,
    data: [
      {
        id: "4d95b2a0-587f-11f0-bcc9-c1edbf074195",
        title: "t",
        state: "completed",
        begin: "1",
        end: "2",
        href: "",
        serviceTypes: [2],
        product: [1],
        uidSuffix: [],
        maintainType: 1,
        env: 1,
      },
    ],
  };
  const archive = await recorded(t, "v5-misc", [status]);
  const out = path.join(temporary(t), "out");
  const end = await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 4 });
  assert.match(end.stderr, /the selection has nothing to export as tardis-csv\n.*hint/);
  assert.ok(!fs.existsSync(out));
  // An existing folder stays, without the folders that the export made.
  fs.mkdirSync(out);
  await tapedeck(t, exporting(archive, "parquet", out, "--type", "trades"), { status: 4 });
  assert.deepEqual(fs.readdirSync(out), []);
});

// ---- damage -------------------------------------------------------------------------------------------------

/** The v5 capture with all frames of SOLUSDT 40 s later, so that they share no chunk with another symbol. */
function withLaterSymbol(t) {
  const isLater = (line) => /^\{"t":"recv".*\\"topic\\":\\"[\w.]+\.SOLUSDT\\"/.test(line);
  const lines = captureLines(CAPTURES[2][0]);
  const later = lines
    .filter(isLater)
    .map((line) => line.replace(/"ts":(\d+)/, (_, s) => `"ts":${Number(s) + 40}`));
  assert.ok(later.length > 100);
  const file = path.join(temporary(t), "later.jsonl");
  fs.writeFileSync(
    file,
    [...lines.filter((line) => line !== "" && !isLater(line)), ...later, ""].join("\n")
  );
  return file;
}

test(
  "damaged frames stop their books; the rest is exported, and the exit status reports it",
  { skip: withoutRecorded(CAPTURES[2][0]) },
  async (t) => {
    const file = withLaterSymbol(t);
    const family = CAPTURES[2][1];
    const archive = await imported(file, family);
    const segment = path.join(archive, manifestSegments(await exportedManifest(t, archive))[0]);
    flipIn(segment, chunksOf(segment)[0]);
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 3 });
    const manifest = manifestOf(out);
    assert.equal(manifest.totals.damaged_chunks, 1);
    assertManifest(out, manifest);
    // Books whose snapshots were in that chunk have no rows; the book that began after it is whole, as are its trades.
    const whole = await expected(file, family);
    const isWhole = (f) => f.symbol === "SOLUSDT";
    const books = manifest.files.filter((f) => f.type === "incremental_book_L2");
    assert.deepEqual(books.map((f) => f.symbol).sort(), [
      "BTCUSDT",
      "DOGEUSDT",
      "ETHUSDT",
      "SOLUSDT",
    ]);
    for (const book of books) {
      assert.equal(book.name !== null, isWhole(book), book.symbol);
      assert.equal(book.left_out_frames === 0, isWhole(book), book.symbol);
    }
    const kept = manifest.files.filter(isWhole);
    assert.deepEqual(kept.map((f) => f.type).sort(), [
      "book_snapshot_25",
      "book_snapshot_5",
      "derivative_ticker",
      "incremental_book_L2",
      "quotes",
      "trades",
    ]);
    for (const { name } of kept) assertLines(csv(out, name), whole[name.slice(0, -3)], name);
    for (const { name } of manifest.files.filter((f) => f.type === "trades" && f.name !== null)) {
      const all = whole[name.slice(0, -3)].split("\n");
      for (const row of csv(out, name).trimEnd().split("\n")) assert.ok(all.includes(row), row);
    }
  }
);

const manifestSegments = (manifest) => manifest.segments.map((s) => s.name);

async function exportedManifest(t, archive) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, "jsonl", out));
  return manifestOf(out);
}

// ---- one file, one source -----------------------------------------------------------------------------------

test(
  "of two days that are refused the first one is named, whichever fails first",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const lines = captureLines(INVERSE).filter((line) => line !== "");
    const moved = (line, seconds) =>
      line.replace(
        /(^|<- |<-> )(\d+)(\.\d+)/,
        (_, before, whole, rest) => `${before}${Number(whole) + seconds}${rest}`
      );
    const MINUTES = 20,
      DAY_S = 86400;
    // The first day has the second feed at its end only.
    const days = {
      one: [
        ...Array.from({ length: MINUTES }, (_, i) => lines.map((line) => moved(line, 60 * i))),
        lines.map((line) => moved(line, DAY_S)),
      ].flat(),
      two: [
        ...[lines[0], ...lines.slice(-120)].map((line) => moved(line, 60 * MINUTES)),
        ...lines.map((line) => moved(line, DAY_S)),
      ],
    };
    for (const [feed, text] of Object.entries(days))
      await importLines(t, text, { archive, format: "cryptofeed", family: "inverse", feed });
    const errors = new Set();
    for (const threads of [1, 2, 4]) {
      const args = exporting(archive, "tardis-csv", path.join(dir, "out"), "-j", String(threads));
      errors.add((await tapedeck(t, args, { status: 2 })).stderr);
    }
    assert.equal(errors.size, 1, [...errors].join("\n"));
    assert.match([...errors][0], /would share the trades file of BTCUSD, 2021-04-17/);
  }
);

test(
  "two feeds in one file are an error, before anything is written",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    for (const feed of ["one", "two"])
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--format",
        "cryptofeed",
        "--family",
        "inverse",
        "--feed",
        feed,
        capture(INVERSE),
      ]);
    const out = path.join(temporary(t), "out");
    const end = await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 2 });
    assert.match(
      end.stderr,
      /feeds 'one' and 'two' would share the \w+ file of (BTC|EOS)USD, 2021-04-17/
    );
    assert.match(end.stderr, /hint: .*--feed/);
    assert.ok(!fs.existsSync(out));
    // Another format of the same export is written all the same.
    for (const more of [
      ["-j", "1"],
      ["-j", "4"],
    ]) {
      const other = path.join(temporary(t), "other");
      const args = exporting(
        archive,
        "tardis-csv",
        other,
        "--format",
        "hftbacktest",
        "--json",
        ...more
      );
      const both = await tapedeck(t, args, { status: 1 });
      assert.match(both.stderr, /tardis-csv is not written: feeds 'one' and 'two' would share/);
      assert.equal(JSON.parse(both.stdout).left_out_formats, "tardis-csv");
      const { files, left_out_formats, verdict } = JSON.parse(
        fs.readFileSync(path.join(other, MANIFEST), "utf8")
      );
      assert.deepEqual([left_out_formats, verdict], [["tardis-csv"], "incomplete"]);
      assert.ok(
        files.length > 0 &&
          files.every(
            (of) => of.format === "hftbacktest" && fs.existsSync(path.join(other, of.name))
          )
      );
      assert.deepEqual(
        Object.keys(filesBelow(other)).filter((name) => /csv|partial/.test(name)),
        []
      );
      const again = await tapedeck(t, args, { status: 1 });
      assert.equal(JSON.parse(again.stdout).left_out_formats, "tardis-csv");
    }
    await tapedeck(t, exporting(archive, "tardis-csv", out, "--feed", "one"));
    // In JSON lines every object has its feed.
    const lines = path.join(temporary(t), "lines");
    await tapedeck(t, exporting(archive, "jsonl", lines));
    assert.equal(manifestOf(lines).totals.rows, 2 * 1094);
  }
);

test(
  "copy trading has linear's symbols, in separate files",
  { skip: withoutCapture(CAPTURES[1][0]) },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    for (const family of ["linear", "copytrade"])
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--format",
        "cryptofeed",
        "--family",
        family,
        capture(CAPTURES[1][0]),
      ]);
    const out = path.join(temporary(t), "out");
    const end = await tapedeck(t, exporting(archive, "tardis-csv", out, "--symbol", "LTCUSDT"), {
      status: null,
    });
    assert.ok([0, 1].includes(end.code), end.stderr);
    const exchanges = new Set(manifestOf(out).files.map((f) => f.exchange));
    assert.ok(exchanges.has("bybit"));
    for (const file of manifestOf(out).files)
      assert.ok(["bybit", "bybit-copytrade"].includes(file.exchange));
  }
);

// ---- depths -------------------------------------------------------------------------------------------------

/** A capture in which a second topic has the same book, 200 levels deep by its name. */
function withSecondDepth(t) {
  const lines = captureLines(INVERSE).flatMap((l) => {
    if (!/^\d/.test(l) || !l.includes('"topic":"orderBookL2_25.EOSUSD"')) return [l];
    return [l, l.replace('"topic":"orderBookL2_25.', '"topic":"orderBook_200.100ms.')];
  });
  const file = path.join(temporary(t), "depths.txt");
  fs.writeFileSync(file, lines.join("\n"));
  return file;
}

test(
  "books come from the usual topic, from another by --depth, never from both",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(withSecondDepth(t), "inverse");
    const dir = temporary(t);
    const one = async (name, ...more) => {
      const out = path.join(dir, name);
      await tapedeck(
        t,
        exporting(
          archive,
          "tardis-csv",
          out,
          "--type",
          "incremental_book_L2",
          "--symbol",
          "EOSUSD",
          ...more
        )
      );
      return manifestOf(out).files.map((f) => [f.topic, f.depth, f.rows, f.instead_of]);
    };
    const { levels } = frameCounts("EOSUSD");
    assert.deepEqual(await one("usual"), [["orderBookL2_25", 25, levels, undefined]]);
    assert.deepEqual(await one("deep", "--depth", "200"), [
      ["orderBook_200.100ms", 200, levels, "orderBookL2_25"],
    ]);
    assert.deepEqual(await one("only", "--topic", "orderBook_200*"), [
      ["orderBook_200.100ms", 200, levels, "orderBookL2_25"],
    ]);
    const result = await tapedeck(t, [
      "export",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--out",
      path.join(dir, "said"),
      "--topic",
      "orderBook_200*",
    ]);
    assert.match(result.stderr, /EOSUSD has no orderBookL2_25.*orderBook_200\.100ms/);
    // Trades alone would be less than requested, so they are not exported either.
    for (const more of [[], ["--type", "incremental_book_L2"]]) {
      const none = await tapedeck(
        t,
        exporting(archive, "tardis-csv", path.join(dir, "none"), ...more, "--depth", "50"),
        { status: 4 }
      );
      assert.match(
        none.stderr,
        /no book with 50 levels per side was recorded in the selection\n.*leave out --depth/
      );
      assert.equal(fs.existsSync(path.join(dir, "none", MANIFEST)), false);
    }
    const trades = await tapedeck(
      t,
      exporting(archive, "tardis-csv", path.join(dir, "none"), "--topic", "trade", "--depth", "50"),
      { status: 4 }
    );
    assert.match(
      trades.stderr,
      /no book with 50 levels per side was recorded in the selection\n.*leave out --depth/
    );
    // EOSUSD has both depths, the other symbols only the usual one.
    const part = await tapedeck(
      t,
      [
        "export",
        "-a",
        archive,
        "--format",
        "tardis-csv",
        "--out",
        path.join(dir, "part"),
        "--symbol",
        "EOSUSD",
        "--symbol",
        "BTCUSD",
        "--depth",
        "200",
      ],
      { status: 1 }
    );
    assert.match(
      part.stderr,
      /symbol 'BTCUSD' is left out, with [\d,]+ frames: no book of the requested depth was recorded\n/
    );
    const manifest = manifestOf(path.join(dir, "part"));
    assert.deepEqual(
      manifest.left_out_symbols.map(({ feed, symbol }) => [feed, symbol]),
      [["inverse", "BTCUSD"]]
    );
    assert.deepEqual(
      manifest.files
        .filter((f) => f.rows > 0)
        .map((f) => `${f.type} ${f.symbol}`)
        .sort(),
      [
        "book_snapshot_25 EOSUSD",
        "book_snapshot_5 EOSUSD",
        "incremental_book_L2 EOSUSD",
        "quotes EOSUSD",
        "trades BTCUSD",
        "trades EOSUSD",
      ]
    );
  }
);

// ---- refusals -----------------------------------------------------------------------------------------------

test("export overwrites files only with --force", { skip: withoutCapture(INVERSE) }, async (t) => {
  const archive = await imported(capture(INVERSE), "inverse");
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, "tardis-csv", out));
  const before = fs.readFileSync(path.join(out, MANIFEST));
  for (const more of [
    ["--symbol", "EOSUSD"],
    ["--type", "trades"],
    ["--format", "jsonl"],
  ]) {
    const end = await tapedeck(t, exporting(archive, "tardis-csv", out, ...more), { status: 2 });
    assert.match(
      end.stderr,
      /MANIFEST\.2021-04-17\.json' is there already, of another export or another part of the day\n.*hint: .*--force/
    );
  }
  fs.rmSync(path.join(out, MANIFEST));
  const file = await tapedeck(t, exporting(archive, "tardis-csv", out), { status: 2 });
  assert.match(file.stderr, /bybit_\w+_2021-04-17_\w+\.csv\.gz' is there already/);
  assert.ok(!fs.existsSync(path.join(out, MANIFEST)));
  await tapedeck(t, exporting(archive, "tardis-csv", out, "--force"));
  assert.deepEqual(fs.readFileSync(path.join(out, MANIFEST)), before);
});

// ---- days: in parallel, completed by the next run -----------------------------------------------------------

const DAY_S = 86400;

/** The inverse capture on each of these days after 2021-04-17, as separate connections. */
const onDays = once((days) => {
  const lines = captureLines(INVERSE).filter((l) => l !== "");
  const moved = (by) =>
    lines.map((l) =>
      l.replace(
        /(^|<- |<-> )(\d+)(\.\d+)/,
        (_, a, whole, rest) => `${a}${Number(whole) + by * DAY_S}${rest}`
      )
    );
  const file = path.join(sharedDir, `days-${days.join("-")}.txt`);
  fs.writeFileSync(file, days.flatMap(moved).join("\n"));
  return file;
});

/** All files below a folder: {path: bytes as text}. */
function filesBelow(dir) {
  const names = fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile())
    .map((f) => path.join(f.parentPath ?? f.path, f.name));
  return Object.fromEntries(
    names.sort().map((f) => [path.relative(dir, f), fs.readFileSync(f).toString("latin1")])
  );
}

test(
  "an export of several formats, symbols and days has the same bytes with any number of threads",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(onDays([0, 1, 2]), "inverse");
    const dir = temporary(t);
    const outs = {};
    for (const [name, formats, counts] of [
      ["csv", ["tardis-csv"], ["1"]],
      ["both", ["tardis-csv", "jsonl"], ["1", "4", "7"]],
    ])
      for (const threads of counts) {
        const out = path.join(dir, name + threads);
        const args = [
          "export",
          "-q",
          "-a",
          archive,
          ...formats.flatMap((f) => ["--format", f]),
          "--out",
          out,
          "-j",
          threads,
        ];
        await tapedeck(t, args, { status: 1 }); // status 1: the nights are gaps
        outs[name + threads] = filesBelow(out);
      }
    assert.deepEqual(outs.both4, outs.both1);
    assert.deepEqual(outs.both7, outs.both1);
    // Each format has a folder, whose files equal an export to that format alone.
    const alone = Object.entries(outs.csv1).filter(([name]) => !isManifest(name));
    assert.deepEqual(
      Object.entries(outs.both1).filter(([name]) => name.startsWith("tardis-csv/")),
      alone.map(([name, bytes]) => [`tardis-csv/${name}`, bytes])
    );
    const dates = ["2021-04-17", "2021-04-18", "2021-04-19"];
    assert.deepEqual(
      Object.keys(outs.both1).filter((name) => name.startsWith("jsonl/")),
      dates.map((date) => `jsonl/messages_${date}.jsonl`)
    );
    assert.deepEqual(
      manifestOf(path.join(dir, "both1")).days.map((day) => day.date),
      dates
    );
  }
);

test(
  "a repeated export changes nothing; after more recording it adds the new days",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(onDays([0, 1]), "inverse");
    const out = path.join(temporary(t), "out");
    const args = ["export", "-a", archive, "--format", "tardis-csv", "--out", out];
    await tapedeck(t, args, { status: 1 });
    const before = filesBelow(out);
    const inodes = () =>
      Object.fromEntries(data(out).map((f) => [f, fs.statSync(path.join(out, f)).ino]));
    const inodesBefore = inodes();
    const again = await tapedeck(t, args, { status: 1 });
    assert.match(again.stderr, /all days existed already/);
    assert.deepEqual(filesBelow(out), before);
    const events = (name) =>
      tapedeck(
        t,
        [
          "export",
          "-q",
          "-a",
          archive,
          "--format",
          "hftbacktest",
          "--out",
          path.join(out, "..", name),
        ],
        { status: 1 }
      );
    await events("events");
    const eventsBefore = Object.keys(filesBelow(path.join(out, "..", "events")));
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      "inverse",
      onDays([3]),
    ]);
    const more = await tapedeck(t, args, { status: 1 });
    assert.match(more.stderr, /existing days are kept/);
    assert.deepEqual(
      manifestOf(out).days.map((day) => day.date),
      ["2021-04-17", "2021-04-18", "2021-04-20"]
    );
    // The gap after the second day is new, so that day is rewritten; the first day's file stays.
    for (const [name, inode] of Object.entries(inodes()))
      assert.equal(name.includes("2021-04-17"), inode === inodesBefore[name], name);
    const fresh = path.join(temporary(t), "fresh");
    await tapedeck(t, ["export", "-q", "-a", archive, "--format", "tardis-csv", "--out", fresh], {
      status: 1,
    });
    assert.deepEqual(filesBelow(out), filesBelow(fresh));
    // Its books end with that gap, so it has fewer files than before.
    await events("events");
    await events("events-fresh");
    const eventsAfter = filesBelow(path.join(out, "..", "events"));
    assert.ok(eventsBefore.some((name) => !(name in eventsAfter)));
    assert.deepEqual(eventsAfter, filesBelow(path.join(out, "..", "events-fresh")));
    // A file that was removed or changed is rewritten.
    fs.rmSync(path.join(out, data(out)[0]));
    fs.appendFileSync(path.join(out, data(out)[5]), "x");
    await tapedeck(t, args, { status: 1 });
    assert.deepEqual(filesBelow(out), filesBelow(fresh));
  }
);

test(
  "an export that was killed, or had no space, is completed by the same command",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(onDays([0, 1, 2]), "inverse");
    const dir = temporary(t);
    const args = (out, ...more) => [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--format",
      "jsonl",
      "--out",
      path.join(dir, out),
      ...more,
    ];
    await tapedeck(t, args("fresh"), { status: 1 });
    const fresh = filesBelow(path.join(dir, "fresh"));
    // Files of an export that was killed before it completed a day do no harm.
    fs.mkdirSync(path.join(dir, "junk", "tardis-csv"), { recursive: true });
    for (const name of [
      `${MANIFEST}.partial`,
      "tardis-csv/bybit_trades_2021-04-17_BTCUSD.csv.gz.partial",
    ])
      fs.writeFileSync(path.join(dir, "junk", name), "left by a crash");
    await tapedeck(t, args("junk"), { status: 1 });
    assert.deepEqual(filesBelow(path.join(dir, "junk")), fresh);
    // Killed as soon as its first day is complete, which stays.
    const killed = path.join(dir, "killed");
    fs.mkdirSync(killed);
    const program = new Program(t, "tapedeck", args("killed", "-j", "1"));
    const watcher = fs.watch(killed, (_, name) => name === MANIFEST && program.kill("SIGKILL"));
    t.after(() => watcher.close());
    await program.ended;
    const left = filesBelow(killed);
    assert.equal(left[MANIFEST], fresh[MANIFEST]);
    assert.ok(!(manifestName("2021-04-19") in left));
    assert.deepEqual(
      Object.keys(left).filter((name) => !(name in fresh) && !name.endsWith(".partial")),
      []
    );
    // Another export does not complete it, but may replace the day.
    const other = await tapedeck(t, [...args("killed"), "--symbol", "EOSUSD"], { status: 2 });
    assert.match(other.stderr, /of another export or another part of the day\n.*--force/);
    fs.cpSync(killed, path.join(dir, "forced"), { recursive: true });
    await tapedeck(t, [...args("forced"), "--symbol", "EOSUSD", "--to", "2021-04-18", "--force"], {
      status: null,
    });
    const forced = Object.keys(filesBelow(path.join(dir, "forced"))).filter((name) =>
      name.includes("2021-04-17")
    );
    assert.ok(
      forced.includes(MANIFEST) && forced.every((name) => /EOSUSD|messages|MANIFEST/.test(name)),
      forced.join(" ")
    );
    const end = await tapedeck(
      t,
      args("killed").filter((a) => a !== "-q"),
      { status: 1 }
    );
    assert.match(end.stderr, /existing days are kept/);
    assert.deepEqual(filesBelow(killed), fresh);
  }
);

test(
  "a complete day that was not fully renamed is published by the next run",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "tardis-csv", out));
    const whole = filesBelow(out);
    const inode = fs.statSync(path.join(out, data(out)[0])).ino;
    for (const name of [MANIFEST, ...data(out).slice(0, 2)])
      fs.renameSync(path.join(out, name), path.join(out, `${name}.partial`));
    await tapedeck(t, exporting(archive, "tardis-csv", out));
    assert.deepEqual(filesBelow(out), whole);
    assert.equal(fs.statSync(path.join(out, data(out)[0])).ino, inode);
  }
);

test(
  "a part of a day and the whole day are different exports",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const out = path.join(temporary(t), "out");
    const from = (time, ...more) => exporting(archive, "tardis-csv", out, "--from", time, ...more);
    await tapedeck(t, from("2021-04-17")); // a whole day, as without a range
    const whole = filesBelow(out);
    await tapedeck(t, [...exporting(archive, "tardis-csv", out), "--to", "2021-04-18"], {
      status: 1, // nothing was recorded on the second day
    });
    assert.deepEqual(filesBelow(out), whole);
    const end = await tapedeck(t, from("2021-04-17T09:00:00Z"), { status: 2 });
    assert.match(end.stderr, /of another export or another part of the day/);
    assert.deepEqual(filesBelow(out), whole);
  }
);

test(
  "exported days stay as they are after their segments are pruned",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t);
    const [archive, out] = ["tape", "out"].map((name) => path.join(dir, name));
    fs.cpSync(await imported(onDays([0, 1, 2]), "inverse"), archive, { recursive: true });
    const args = exporting(archive, "tardis-csv", out).filter((word) => word !== "-q");
    await tapedeck(t, args, { status: 1 });
    const whole = filesBelow(out);
    await tapedeck(t, ["prune", archive, "--before", "2021-04-18"]);
    await tapedeck(t, args, { status: 1 });
    const kept = filesBelow(out);
    for (const name of Object.keys(whole).filter((name) => name.includes("2021-04-17")))
      assert.equal(kept[name], whole[name], name);
    assert.deepEqual(
      manifestOf(out).days.map((day) => day.date),
      ["2021-04-17", "2021-04-18", "2021-04-19"]
    );
  }
);

test(
  "shards export different days, and together equal one run",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(onDays([0, 1, 2]), "inverse");
    const dir = temporary(t);
    const args = (out, ...more) => [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--format",
      "jsonl",
      "--out",
      path.join(dir, out),
      ...more,
    ];
    await tapedeck(t, args("one"), { status: 1 });
    const shard = (i) => tapedeck(t, args("set", "--shard", `${i}/2`), { status: null });
    await shard(1);
    const days = manifestsOf(path.join(dir, "set")).length;
    assert.ok(days === 1 || days === 2);
    await shard(2);
    assert.deepEqual(filesBelow(path.join(dir, "set")), filesBelow(path.join(dir, "one")));
    // A shard without a day ends with success.
    await tapedeck(t, args("none", "--shard", "9/65535"));
    const refused = await tapedeck(
      t,
      [
        "export",
        "-a",
        archive,
        "--format",
        "jsonl",
        "--out",
        path.join(dir, "x"),
        "--shard",
        "4/3",
      ],
      { status: 2 }
    );
    assert.match(refused.stderr, /--shard: '4\/3' is not I\/N/);
  }
);

test("an export into an archive is refused", { skip: withoutCapture(INVERSE) }, async (t) => {
  const archive = await imported(capture(INVERSE), "inverse");
  const before = Object.keys(filesBelow(archive)).sort();
  const { stderr } = await tapedeck(t, exporting(archive, "jsonl", archive), { status: 2 });
  assert.match(stderr, /it is an archive\n.*hint: export into a folder of its own/);
  assert.deepEqual(Object.keys(filesBelow(archive)).sort(), before);
});

test(
  "a second export into the same folder is refused",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const out = path.join(temporary(t), "out");
    fs.mkdirSync(out);
    const marker = path.join(out, `${MANIFEST}.partial`);
    fs.writeFileSync(marker, "");
    const lock =
      "import fcntl, sys\nf = open(sys.argv[1], 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('locked', file=sys.stderr, flush=True)\nsys.stdin.read()";
    const holder = new Program(t, "/usr/bin/env", ["python3", "-c", lock, marker], { stdin: true });
    await holder.prints(/locked/);
    const end = await tapedeck(t, exporting(archive, "jsonl", out), { status: 4 });
    assert.match(end.stderr, /another export is writing there/);
    assert.deepEqual(fs.readdirSync(out), [`${MANIFEST}.partial`]);
    await holder.kill("SIGKILL");
    await tapedeck(t, exporting(archive, "jsonl", out));
    assertManifest(out, manifestOf(out));
  }
);

test(
  "export refuses invalid command lines and names the allowed values",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const out = path.join(temporary(t), "out");
    const refuse = async (args, pattern, status = 2) => {
      const end = await tapedeck(t, ["export", "-a", archive, ...args], { status });
      assert.match(end.stderr, pattern);
      assert.ok(!fs.existsSync(out) || fs.readdirSync(out).length === 0);
    };
    await refuse(["--out", out], /no format is given.*tardis-csv.*jsonl/);
    await refuse(
      ["--format", "csv", "--out", out],
      /--format: 'csv' is not one of tardis-csv, jsonl/
    );
    await refuse(["--to", "tardis-csv", "--out", out], /--to: 'tardis-csv' is not a time/);
    await refuse(["--format", "tardis-csv"], /no folder is given.*--out/);
    await refuse(
      ["--format", "tardis-csv", "--out", out, "--type", "candles"],
      /has no type 'candles'\n.*`klines`.*--bars.*--help/
    );
    await refuse(["--format", "jsonl", "--out", out, "--depth", "50"], /the export has no books/);
    await refuse(
      ["--format", "parquet", "--out", out, "--type", "klines"],
      /nothing to export as parquet\n.*the selection has topics for --type trades, book_deltas,/,
      4
    );
    await refuse(
      ["--format", "jsonl", "--out", out, "--symbol", "DOGE*"],
      /no frame in the archive matches/,
      4
    );
    await refuse(
      ["--format", "jsonl", "--to", "2021-04-16", "--out", out],
      /no frame in the archive matches/,
      4
    );
    const file = path.join(temporary(t), "file");
    fs.writeFileSync(file, "");
    await refuse(["--format", "jsonl", "--out", path.join(file, "x")], /cannot export to/, 4);
  }
);

test(
  "--to is a time, as in every verb, at which the selection ends",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const out = path.join(temporary(t), "out");
    await tapedeck(t, exporting(archive, "jsonl", out, "--to", "+10s"));
    const report = JSON.parse(
      (await tapedeck(t, ["replay", "-a", archive, "--to", "+10s", "--json"])).stdout
    );
    assert.equal(manifestOf(out).totals.rows, report.decoded);
    assert.ok(report.decoded < 1094);
    assert.deepEqual(manifestOf(out).digest, report.digest);
  }
);

// A program that may write no file beyond 40 KiB.
test(
  "an export that cannot write fails and leaves no file, in any format",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(capture(INVERSE), "inverse");
    const limited = (blocks) => ["bash", "-c", `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`, "-"];
    for (const format of [
      "tardis-csv",
      "hftbacktest",
      "parquet",
      "nautilus",
      "jsonl",
      "sqlite",
      "mcap",
    ]) {
      const out = path.join(temporary(t), "out");
      const end = await run(t, "tapedeck", exporting(archive, format, out), {
        status: 4,
        under: limited(format === "sqlite" ? 200 : 4),
      });
      assert.match(end.stderr, /2021-04-17.*(too large|disk I\/O error|full)/, format);
      assert.ok(!fs.existsSync(out), format);
    }
  }
);

// ---- symbols that no cell can hold ----------------------------------------------------------------------------

/** A symbol in a file's name: different for each symbol, also if upper and lower case are the same. */
const fileName = (symbol) =>
  symbol.replace(/^[-.]|[^A-Z0-9_.-]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

test("only symbols with line breaks or formulas are omitted, and every other symbol has its own files", async (t) => {
  const dir = temporary(t);
  const start = 1795154400; // 2026-11-20
  const frame = (symbol, id, seq) =>
    JSON.stringify({
      topic: `trade.${symbol}`,
      data: [
        {
          trade_time_ms: start * 1000 + seq,
          timestamp: "2026-11-20T09:21:59.000Z",
          symbol,
          side: "Buy",
          size: 5,
          price: 7.5,
          tick_direction: "PlusTick",
          trade_id: id,
          cross_seq: seq,
        },
      ],
    });
  const odd = [
    "=cmd|'/c calc'!A1",
    "+1+cmd",
    "-1+1",
    "@SUM(1)",
    "A,B",
    'A"B',
    "TAB\tX",
    "NL\nX",
    "CR\rX",
    "ESC\u001b[1mX",
    "C1\u009bX",
    "BIDI\u202eX",
    "A".repeat(127),
  ];
  const good = {
    BTCUSD: "id-1",
    "+1": "5",
    "SOL/USDT": "-7",
    "SOL\\USDT": "8",
    "SOL-USDT": "9",
    "-12.5": "10",
    btcusd: "11",
    ETHUSD: "=1+1",
    XRPUSD: "@x",
    EOSUSD: "-1+1",
  };
  const lines = [`wss://test/realtime <-> ${start}.0`];
  let seq = 1;
  for (const symbol of odd) lines.push(`${start + seq}.0: ${frame(symbol, `t${seq}`, seq++)}`);
  lines.push(`${start + seq}.0: ${frame(odd[0], `t${seq}`, seq++)}`);
  for (const [symbol, id] of Object.entries(good))
    lines.push(`${start + seq}.0: ${frame(symbol, id, seq++)}`);
  fs.writeFileSync(path.join(dir, "capture"), lines.map((l) => l + "\n").join(""));
  const archive = await imported(path.join(dir, "capture"), "inverse");
  const out = path.join(dir, "out");
  const end = await tapedeck(
    t,
    ["export", "-a", archive, "--format", "tardis-csv", "--out", out, "--type", "trades"],
    { status: 1 }
  );
  const left = odd.slice(0, -1); // all but the long symbol, which is valid
  assert.match(end.stderr, /symbol '=cmd.*' is left out, with 2 frames: it begins with =/);
  assert.match(
    end.stderr,
    /symbol 'NL\\x0aX' is left out, with 1 frame: it has a control character/
  );
  assert.equal(end.stderr.split("\n").filter((l) => l.includes("is left out")).length, left.length);
  const manifest = manifestOf(out);
  assert.deepEqual(manifest.left_out_symbols.map((row) => row.symbol).sort(), [...left].sort());
  for (const row of manifest.left_out_symbols)
    assert.equal(row.frames, row.symbol === left[0] ? 2 : 1, row.symbol);
  assert.ok(
    manifest.left_out_symbols.every((row) => row.feed === "inverse" && row.reason.length > 0)
  );
  assertManifest(out, manifest);
  assert.deepEqual(
    data(out)
      .map((f) => f.replace("bybit_trades_2026-11-20_", ""))
      .sort(),
    [...Object.keys(good), "A".repeat(127)].map((symbol) => `${fileName(symbol)}.csv.gz`).sort()
  );
  for (const name of data(out)) {
    const [, row] = csv(out, name).split("\n");
    const cells = row.split(",");
    assert.equal(cells.length, 8, row);
    for (const cell of cells)
      assert.ok(!/^[=+\-@\t\r]/.test(cell) || /^[+-]?\d+(\.\d+)?$/.test(cell), `${name}: ${cell}`);
  }
  for (const [format, pattern] of [
    ["parquet", /type=trades.*\/([^/]+)\.parquet/],
    ["nautilus", /data\/trades\/([^/]+)-INVERSE/],
  ]) {
    const dataset = path.join(dir, format);
    await tapedeck(
      t,
      ["export", "-q", "-a", archive, "--format", format, "--out", dataset, "--type", "trades"],
      { status: 1 }
    );
    const names = manifestOf(dataset).files.map((file) => pattern.exec(file.name)[1]);
    assert.deepEqual(
      names.sort(),
      [...Object.keys(good), "A".repeat(127)].map(fileName).sort(),
      format
    );
  }
  // Ids that are formulas leave their cells empty, like ids with commas.
  const cut = manifest.files
    .filter((f) => f.ids_cut === 1)
    .map((f) => f.symbol)
    .sort();
  assert.deepEqual(cut, ["EOSUSD", "ETHUSD", "XRPUSD"]);
});

test("rows of topics of several symbols in one file are in the tape's order with any number of threads", async (t) => {
  const dir = temporary(t);
  const alert = (i) => ({
    topic: "adlAlert.USDT",
    type: "snapshot",
    ts: i,
    data: [
      {
        c: "USDT",
        s: "AUSDT",
        b: `${i}`,
        mb: "1",
        i_pr: "0.3",
        pr: "0",
        adl_tt: "1",
        adl_sr: "0.4",
      },
    ],
  });
  const limit = (i) => ({
    topic: "priceLimit.AUSDT",
    ts: i,
    data: { symbol: "AUSDT", buyLmt: `${i}`, sellLmt: "1" },
  });
  const frames = Array.from({ length: 4000 }, (_, i) =>
    JSON.stringify((i % 7 < 4 ? alert : limit)(i + 1))
  );
  const archive = await importFrames(t, dir, {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames,
  });
  const written = [];
  for (const threads of ["1", "4", "4", "4"]) {
    const out = path.join(dir, `${written.length}`);
    await tapedeck(t, ["export", archive, "--format", "parquet", "--out", out, "-j", threads]);
    const file = Object.entries(filesBelow(out)).find(([name]) => name.includes("type=notices"));
    assert.ok(file !== undefined, `no notices: ${Object.keys(filesBelow(out))}`);
    written.push(file);
  }
  for (const other of written) assert.deepEqual(other, written[0]);
});

test("topics of a symbol that begin while other threads work on others are exported whole", async (t) => {
  const dir = temporary(t);
  const names = [
    "publicTrade",
    "allLiquidation",
    "liquidation",
    "priceLimit",
    ...[1, 50, 200, 500].map((n) => `orderbook.${n}`),
    ...[1, 3, 5, 15, 30, 60].map((n) => `kline.${n}`),
  ];
  const frames = Array.from({ length: 3000 }, (_, i) =>
    JSON.stringify(
      i % 3 === 2
        ? {
            topic: `${names[Math.min(Math.floor(i / 150), names.length - 1)]}.AUSDT`,
            type: "snapshot",
            ts: i,
            data: { s: "AUSDT", b: [["1", "1"]], a: [["2", "1"]], u: i, seq: i },
          }
        : {
            topic: "tickers.AUSDT",
            type: i === 0 ? "snapshot" : "delta",
            data: { symbol: "AUSDT", lastPrice: `${i}` },
            cs: i,
            ts: i,
          }
    )
  );
  const archive = await importFrames(t, dir, {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames,
  });
  const written = [];
  for (const threads of ["1", "4"]) {
    const out = path.join(dir, threads);
    await tapedeck(t, ["export", archive, "--format", "tardis-csv", "--out", out, "-j", threads], {
      status: null,
    }); // 1: frames that cannot be decoded
    written.push(
      Object.fromEntries(
        fs.readdirSync(out).map((name) => [name, fs.readFileSync(path.join(out, name), "latin1")])
      )
    );
  }
  assert.ok(Object.keys(written[0]).length > 2);
  assert.deepEqual(written[0], written[1]);
});
