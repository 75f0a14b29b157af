// Exports of bars and book snapshots. tests/export/derived.py computes the expected rows from the captures; docs/export.md has
// the rules for gaps.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import {
  capture,
  captureLines,
  eventually,
  importLines,
  jsonList,
  manifestOf,
  segments,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { linkTo, numberedExchange, recordedNumbers } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";
import { query } from "../support/parquet_files.mjs";
import { installed, scripts, withoutLibrary } from "../support/python_scripts.mjs";

const python = scripts("python3");
const INVERSE = "inverse-2021-04-17.jsonl.gz";
const CAPTURES = [
  [INVERSE, "inverse"],
  ["linear-2021-04-17.jsonl.gz", "linear"],
  ["v5-2026-08-09.jsonl.gz", "v5-linear"],
];

async function imported(t, family, ...files) {
  const archive = path.join(temporary(t), "tape");
  for (const file of files)
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

async function exported(t, archive, ...more) {
  const out = path.join(temporary(t), "out");
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--format",
    "tardis-csv",
    "--out",
    out,
    ...more,
  ]);
  return out;
}

/** All rows of a type, sorted. */
function rowsOf(out, type) {
  const files = fs.readdirSync(out).filter((name) => name.includes(`_${type}_`));
  return files
    .flatMap((name) =>
      zlib
        .gunzipSync(fs.readFileSync(path.join(out, name)))
        .toString("utf8")
        .trimEnd()
        .split("\n")
        .slice(1)
    )
    .sort();
}

for (const [name, family] of CAPTURES)
  test(
    `${name}: bars and book snapshots equal the script's`,
    { skip: withoutCapture(name) },
    async (t) => {
      const archive = await imported(t, family, capture(name));
      const should = temporary(t);
      await python("tests/export/derived.py", capture(name), family, should, "2", "100", "3");
      const lines = (file) =>
        fs
          .readFileSync(path.join(should, `${file}.csv`), "utf8")
          .trimEnd()
          .split("\n");
      const asked = [
        "--type",
        "bars",
        "--bars",
        "2s",
        "--keep-suspect",
        "--type",
        "book_snapshots",
        "--every",
        "100ms",
        "--levels",
        "3",
      ];
      const out = await exported(t, archive, ...asked);
      assert.deepEqual(rowsOf(out, "bars"), lines("bars"));
      assert.deepEqual(rowsOf(out, "book_snapshots"), lines("grid"));
      const changes = await exported(
        t,
        archive,
        "--type",
        "book_snapshots",
        "--every",
        "3changes",
        "--levels",
        "3"
      );
      assert.deepEqual(rowsOf(changes, "book_snapshots"), lines("changes"));
      const { request } = manifestOf(out);
      assert.deepEqual([request.bar_ns, request.every_ns, request.levels], [2e9, 1e8, 3]);
      assert.equal(manifestOf(changes).request.every_changes, 3);
      // A selection that begins within a day has the same rows as the export of the whole day.
      const from = Number(lines("grid")[Math.floor(lines("grid").length / 2)].split(",")[3]);
      const later = await exported(
        t,
        archive,
        "--type",
        "book_snapshots",
        "--every",
        "100ms",
        "--levels",
        "3",
        "--from",
        new Date(from / 1000).toISOString()
      );
      assert.deepEqual(
        rowsOf(later, "book_snapshots"),
        lines("grid").filter((row) => Number(row.split(",")[3]) >= from)
      );
      if (name !== INVERSE) return;
      // The same with any number of threads, and in shards.
      const threads = await exported(t, archive, ...asked, "-j", "4");
      const shards = await exported(t, archive, ...asked, "--shard", "1/2");
      await tapedeck(t, [
        "export",
        "-q",
        "-a",
        archive,
        "--format",
        "tardis-csv",
        "--out",
        shards,
        ...asked,
        "--shard",
        "2/2",
      ]);
      for (const other of [threads, shards]) {
        for (const file of fs.readdirSync(out)) {
          assert.ok(
            fs.readFileSync(path.join(other, file)).equals(fs.readFileSync(path.join(out, file))),
            file
          );
        }
      }
    }
  );

test(
  "25 levels after every change are the rows of book_snapshot_25",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(t, "inverse", capture(INVERSE));
    const out = await exported(
      t,
      archive,
      "--type",
      "book_snapshots",
      "--every",
      "1changes",
      "--type",
      "book_snapshot_25"
    );
    assert.ok(rowsOf(out, "book_snapshot_25").length > 100);
    assert.deepEqual(rowsOf(out, "book_snapshots"), rowsOf(out, "book_snapshot_25"));
  }
);

test(
  "bars at both ends of a gap are suspect, and the grid has no rows inside",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const lines = captureLines(INVERSE);
    const dir = temporary(t);
    const halves = [lines.slice(0, 500), [lines[0], ...lines.slice(700)]].map((part, i) => {
      fs.writeFileSync(path.join(dir, `${i}.jsonl`), part.join("\n"));
      return path.join(dir, `${i}.jsonl`);
    });
    const archive = await imported(t, "inverse", ...halves);
    const [gap] = JSON.parse(
      (await tapedeck(t, ["gaps", "-a", archive, "--json"], { status: 1 })).stdout
    ).gaps;
    const out = path.join(dir, "out");
    const asked = ["--type", "bars", "--bars", "1s", "--type", "book_snapshots", "--every", "10ms"];
    await tapedeck(
      t,
      ["export", "-q", "-a", archive, "--format", "parquet", "--out", out, ...asked],
      { status: 1 }
    );
    const rows = (type, symbol) =>
      `'${out}/exchange=bybit/type=${type}/date=2021-04-17/${symbol}.parquet'`;
    const bars = await query(
      `SELECT epoch_ns(start) > ${gap.to_ns} - 1000000000, suspect FROM ${rows("bars", "BTCUSD")} ORDER BY start`
    );
    const at = bars.findIndex(([isAfter]) => isAfter);
    assert.ok(at > 0 && at < bars.length - 1);
    const suspects = bars.flatMap(([, suspect], i) => (suspect ? [i] : []));
    assert.ok(suspects.includes(at - 1) && suspects.includes(at), `${suspects}`);
    assert.ok(
      suspects.every((i) => [0, at - 1, at, bars.length - 1].includes(i)),
      `${suspects}`
    ); // captures begin and end within a bar
    const [[inside, before, after]] = await query(
      `SELECT count_if(ns BETWEEN ${gap.from_ns} AND ${gap.to_ns}), count_if(ns < ${gap.from_ns}), count_if(ns > ${gap.to_ns}) FROM (SELECT epoch_ns(ts_recv) AS ns FROM ${rows("book_snapshots", "BTCUSD")})`
    );
    assert.equal(inside, 0n);
    assert.ok(before > 100n && after === 0n, `${before} ${after}`); // the book's next snapshot is not in the capture
  }
);

test("a bar is good exactly if it has all of its trades, whatever lost them", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const exchange = await numberedExchange(t, { rate: 50, isTimed: true });
  const link = await linkTo(t, exchange);
  const args = [`${link.url}/realtime`, ...exchange.args().slice(1), "--commit-interval", "50ms"];
  const { made } = exchange.topics.get("trade.BTCUSD");
  /** Until the exchange has made frames for so long. */
  const made_ms = (ms, recorder) => {
    const end = made.length + (ms * exchange.rate) / 1000;
    return eventually(`trades of ${ms} ms`, () => made.length >= end, recorder);
  };
  const recordFor = async (recorder, ms) => {
    await recorder.durableAfter(recorder.durableLines + 2);
    await made_ms(ms, recorder);
    await recorder.durableAfter(recorder.durableLines + 2);
  };
  for (const [lose, signal] of [
    [() => exchange.drop(), "SIGKILL"],
    [() => link.end("reset"), "SIGTERM"],
    [async () => (link.slow(0), await made_ms(700), link.end("reset", 2000)), "SIGKILL"],
    [async () => (link.slow(0), await made_ms(700), link.slow(Infinity)), "SIGTERM"],
  ]) {
    const recorder = new Recorder(t, archive, args);
    await recordFor(recorder, 1500);
    await lose();
    await recordFor(recorder, 2500);
    await recorder.kill(signal);
    await made_ms(400);
  }
  // Bars are suspect around rows of the ledger only, by the latest frame and a second, and where the recording begins and ends.
  const numbers = (await recordedNumbers(t, archive)).get("trade.BTCUSD"),
    times = [...numbers.values()];
  const late_ns = Math.max(...[...numbers].map(([n, at]) => at - made[n])) + 1.1e9;
  const doubtful = [
    ...(await jsonList(t, ["gaps", archive, "--json"], { status: 1 })),
    ...[Math.min(...times), Math.max(...times)].map((at) => ({ from_ns: at, to_ns: at })),
  ];
  for (const [bars, bar_ms] of [
    ["250ms", 250],
    ["1s", 1000],
    ["1m", 60_000],
  ]) {
    const out = path.join(dir, bars);
    await tapedeck(
      t,
      [
        "export",
        "-q",
        archive,
        "--format",
        "parquet",
        "--out",
        out,
        "--type",
        "bars",
        "--bars",
        bars,
      ],
      { status: 1 }
    );
    const rows = await query(
      `SELECT epoch_ms(start), count, suspect, covered::DOUBLE FROM read_parquet('${out}/**/*.parquet') ORDER BY start`
    );
    const truth = new Map();
    for (const at of made)
      truth.set(
        Math.floor(at / 1e6 / bar_ms) * bar_ms,
        (truth.get(Math.floor(at / 1e6 / bar_ms) * bar_ms) ?? 0) + 1
      );
    const found = {
      bars: rows.length,
      good: 0,
      suspect: 0,
      lacking: 0,
      lacking_and_good: 0,
      whole_and_suspect: 0,
    };
    for (const [start, count, suspect, covered] of rows) {
      const isLacking = Number(count) < truth.get(Number(start));
      assert.ok(Number(count) <= truth.get(Number(start)));
      assert.equal(suspect, covered < 1);
      found[suspect ? "suspect" : "good"]++;
      found.lacking += isLacking;
      found.lacking_and_good += isLacking && !suspect;
      found.whole_and_suspect += !isLacking && suspect;
    }
    t.diagnostic(`${bars}: ${JSON.stringify(found)}`);
    assert.equal(found.lacking_and_good, 0);
    const isDoubtful = (start_ns) =>
      doubtful.some(
        ({ from_ns, to_ns }) =>
          (to_ns ?? Infinity) + late_ns > start_ns && from_ns - late_ns < start_ns + bar_ms * 1e6
      );
    for (const [start, count, suspect] of rows)
      assert.ok(
        !suspect || isDoubtful(Number(start) * 1e6),
        `${bars} ${start} ${count} ${JSON.stringify(doubtful)}`
      );
    assert.ok(bars !== "250ms" || found.good > 0, bars);
    const csv = path.join(dir, `${bars}-csv`);
    const done = [
      "export",
      "-q",
      archive,
      "--format",
      "tardis-csv",
      "--type",
      "bars",
      "--bars",
      bars,
      "--out",
    ];
    await tapedeck(t, [...done, csv], { status: 1 });
    const files = manifestOf(csv).files;
    assert.deepEqual(
      [
        files.reduce((sum, file) => sum + file.rows, 0),
        files.reduce((sum, file) => sum + file.left_out_bars, 0),
      ],
      [found.good, found.suspect]
    );
    await tapedeck(t, [...done, `${csv}-all`, "--keep-suspect"], { status: 1 });
    assert.equal(rowsOf(`${csv}-all`, "bars").length, rows.length);
  }
});

test("a bar has all trades of its time, also those received after midnight", async (t) => {
  const dir = temporary(t);
  const midnight = Date.UTC(2026, 10, 21);
  const lines = [`wss://test/realtime <-> ${midnight / 1000 - 10}.0`];
  for (let i = 0; i < 600; i++) {
    const made = midnight - 9950 + 100 * i;
    const trade = {
      trade_time_ms: made,
      timestamp: "2026-11-20T09:21:59.000Z",
      symbol: "BTCUSD",
      side: "Buy",
      size: 1,
      price: 7.5,
      tick_direction: "PlusTick",
      trade_id: `t${i}`,
      cross_seq: i + 1,
    };
    lines.push(
      `${(made + 200) / 1000}: ${JSON.stringify({ topic: "trade.BTCUSD", data: [trade] })}`
    );
  }
  fs.writeFileSync(path.join(dir, "capture"), lines.join("\n"));
  const archive = await imported(t, "inverse", path.join(dir, "capture"));
  const out = path.join(dir, "out");
  await tapedeck(t, [
    "export",
    "-q",
    archive,
    "--format",
    "parquet",
    "--out",
    out,
    "--type",
    "bars",
    "--bars",
    "5s",
  ]);
  const rows = await query(
    `SELECT (epoch_ms(start) - ${midnight}) // 1000, count, suspect, date FROM read_parquet('${out}/**/*.parquet', hive_types = {'date': VARCHAR}) ORDER BY start`
  );
  assert.deepEqual(
    rows.map(([s, count, suspect, date]) => [Number(s), Number(count), suspect, date]),
    Array.from({ length: 12 }, (_, i) => [
      5 * i - 10,
      50,
      i === 0 || i === 11,
      i < 2 ? "2026-11-20" : "2026-11-21",
    ])
  );
  const clean = path.join(dir, "clean");
  await tapedeck(t, [
    "export",
    "-q",
    archive,
    "--format",
    "parquet",
    "--out",
    clean,
    "--type",
    "bars",
    "--bars",
    "5s",
    "--only-clean",
  ]);
  assert.deepEqual(
    await query(`SELECT count(*), count_if(suspect) FROM read_parquet('${clean}/**/*.parquet')`),
    [[10n, 0n]]
  );
  assert.deepEqual(
    manifestOf(clean).days.map(({ files }) => files.map((file) => file.left_out_bars)),
    [[1], [1]]
  );
});

test("a trade that is lost or comes twice across midnight makes the last bar of the day doubtful", async (t) => {
  const dir = temporary(t);
  const midnight = Date.UTC(2026, 10, 21);
  // A trade each 100 ms, received 200 ms later; number 100 is the first one that is received after midnight.
  for (const [what, numbers] of [
    ["whole", (i) => [i]],
    ["twice", (i) => (i === 100 ? [i, i] : [i])],
    ["lost", (i) => (i === 100 ? [] : [i])],
  ]) {
    const lines = [{ t: "header", format: 2, exchange: "TEST" }];
    const at_s = midnight / 1000 - 10;
    lines.push({ t: "connect", conn: "A", ts: at_s, addr: "wss://a.example/" });
    for (const i of Array.from({ length: 400 }, (_, k) => numbers(k)).flat()) {
      const T = midnight - 10_100 + 100 * i;
      const data = { e: "aggTrade", E: T, a: 1000 + i, s: "BTCUSDT", p: "10.5", q: "1" };
      const ids = { f: 1000 + i, l: 1000 + i, T, m: false };
      const frame = { stream: "btcusdt@aggTrade", data: { ...data, ...ids } };
      lines.push({ t: "recv", conn: "A", ts: (T + 200) / 1000, data: JSON.stringify(frame) });
    }
    const archive = await importLines(t, lines, { format: "cryptofeed", family: "binance-usdm" });
    const out = path.join(dir, `${what}-out`);
    const types = ["--format", "parquet", "--type", "bars", "--bars", "5s"];
    await tapedeck(t, ["export", "-q", archive, ...types, "--out", out], { status: null });
    const rows = await query(
      `SELECT count, suspect FROM read_parquet('${out}/**/*.parquet', hive_types = {'date': VARCHAR}) WHERE epoch_ms(start) = ${midnight - 5000}`
    );
    const count = { whole: 50n, twice: 51n, lost: 49n }[what];
    assert.deepEqual(rows, [[count, what !== "whole"]], what);
  }
});

/** A capture of a trade each 25 ms for 20 s around midnight, by a recorder whose clock is behind by this many ms. */
function skewed(midnight, behind, first = 0, end = 800) {
  const lines = [];
  for (let i = first; i < end; i++) {
    const made = midnight - 10_000 + 25 * i;
    const trade = {
      T: made,
      s: "BTCUSDT",
      S: "Buy",
      v: "0.5",
      p: "7",
      L: "PlusTick",
      i: `t${i}`,
      BT: false,
      seq: i + 1,
    };
    const frame = { topic: "publicTrade.BTCUSDT", type: "snapshot", ts: made, data: [trade] };
    lines.push({ recv_ns: `${made - behind}000000`, data: frame });
  }
  return lines;
}

for (const behind of [0, 2, 30, 1270, 9000, 12_000])
  test(
    `bars have all trades of their time, or are not covered: the recorder's clock is ${behind} ms behind`,
    { skip: withoutLibrary },
    async (t) => {
      const dir = temporary(t);
      const midnight = Date.UTC(2026, 10, 21);
      const archive = await importLines(t, skewed(midnight, behind), { family: "v5-linear" });
      const barsOf = async (name, ...more) => {
        const out = path.join(dir, name);
        const asked = ["--format", "parquet", "--type", "bars", "--bars", "1s", ...more];
        // By a clock that is 9 s or more behind, the recording ends before --to, or on the day before.
        const status = behind >= 9000 && more.length > 0 ? 1 : 0;
        await tapedeck(t, ["export", "-q", archive, "--out", out, ...asked], { status });
        const rows = await query(
          `SELECT (epoch_ms(start) - ${midnight}) // 1000, count, covered::DOUBLE FROM read_parquet('${out}/**/*.parquet') ORDER BY start, frame`
        );
        return rows.map(([second, count, covered]) => [Number(second), Number(count), covered]);
      };
      const all = await barsOf("all");
      for (const [second, count, covered] of all)
        assert.ok(
          count === 40 || covered < 1,
          `second ${second}: ${count} trades, covered ${covered}`
        );
      const whole = Array.from({ length: 18 }, (_, i) => [i - 9, 40, 1]); // not the first and last second of the recording
      if (behind < 9000)
        assert.deepEqual(
          all.filter(([second]) => second > -10 && second < 9),
          whole
        );
      const from = await barsOf(
        "from",
        "--from",
        "2026-11-20T23:59:57Z",
        "--to",
        "2026-11-21T00:00:03Z"
      );
      if (behind < 9000) assert.deepEqual(from, whole.slice(6, 12));
      const script = `
import json, sys, tapedeck
with tapedeck.open(sys.argv[1]) as archive:
    times = [None, "2026-11-20T23:59:57Z", "2026-11-21T00:00:03Z"]
    print(json.dumps([[[(b.time_ns // 10**6 - int(sys.argv[2])) // 1000, b.count, b.covered] for b in archive.bars("BTCUSDT", "1s", start=start, end=end)]
                      for start, end in ((None, None), (times[1], None), (times[1], times[2]))]))`;
      const env = { ...process.env, PYTHONPATH: installed(t) };
      const bars = JSON.parse(
        execFileSync("python3", ["-B", "-c", script, archive, midnight], { encoding: "utf8", env })
      );
      if (behind < 9000) {
        assert.deepEqual(
          bars[0].filter(([second]) => second > -10 && second < 9),
          whole
        );
        assert.deepEqual(
          bars[1].filter(([second]) => second < 9),
          whole.slice(6)
        );
        assert.deepEqual(bars[2], whole.slice(6, 12));
      }
      for (const [second, count, covered] of bars.flat())
        assert.ok(
          count === 40 || covered < 1,
          `second ${second}: ${count} trades, covered ${covered}`
        );
      for (const day of manifestOf(path.join(dir, "all")).days) assert.ok(day.segments.length > 0);
    }
  );

test("the manifest names the segments read before the day; after they are pruned, the day stays as it is", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const out = path.join(dir, "out");
  const midnight = Date.UTC(2026, 10, 21);
  for (const [first, end] of [
    [0, 402],
    [402, 800],
  ])
    await importLines(t, skewed(midnight, 50, first, end), { archive, family: "v5-linear" });
  const run = () =>
    tapedeck(t, [
      "export",
      archive,
      "--format",
      "parquet",
      "--out",
      out,
      "--type",
      "bars",
      "--bars",
      "1s",
      "--from",
      "2026-11-21",
      "--to",
      "2026-11-21",
    ]);
  await run();
  const before = manifestOf(out);
  assert.equal(before.days[0].segments.length, 2);
  const count = segments(archive).length;
  await tapedeck(t, ["prune", archive, "--before", "2026-11-21"]);
  assert.equal(segments(archive).length, count - 1);
  assert.match((await run()).stderr, /stays as it is/);
  assert.deepEqual(manifestOf(out), before);
});

for (const [name, more, error] of [
  [
    "an interval that does not divide a day",
    ["--bars", "7s"],
    /--bars: '7s' does not divide a day/,
  ],
  ["no interval", ["--bars", "0s"], /--bars: '0s' does not divide a day/],
  ["bars without one", ["--type", "bars"], /--type bars needs --bars/],
  [
    "an interval without bars",
    ["--type", "trades", "--bars", "1m"],
    /--bars: the export has no bars/,
  ],
  [
    "snapshots without a rhythm",
    ["--type", "book_snapshots"],
    /--type book_snapshots needs --every/,
  ],
  ["levels alone", ["--levels", "5"], /--levels needs --every/],
  ["no changes", ["--every", "0changes"], /'0changes' is not a number of changes/],
  ["a number alone", ["--every", "50"], /--every: '50' is not a duration/],
])
  test(`refused: ${name}`, async (t) => {
    const done = await tapedeck(
      t,
      ["export", "--format", "parquet", "--out", "/nowhere", "/no/archive", ...more],
      { status: 2 }
    );
    assert.match(done.stderr, error);
  });
