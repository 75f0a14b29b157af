// A segment that a note keeps, with removed ones after it: every verb names the stretch between, and none calls it complete, clean
// or covered. Expected: docs/archive.md ("Gaps", "Days").
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import zlib from "node:zlib";
import { isManifest, json, jsonList, segments, tapedeck, temporary } from "../support/harness.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const BAR_NS = 100_000_000n;
const PARTS = 4;

const shared = temporary({ after });

/** The starts of a file's bars, which are in microseconds there. */
function startsOf(file) {
  const [head, ...rows] = zlib
    .gunzipSync(fs.readFileSync(file))
    .toString()
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  return rows.map((row) => 1000n * BigInt(row[head.indexOf("start")]));
}

/** A recording in PARTS segments: {archive, parts: the path and the times of each}. */
const recorded = (async () => {
  const archive = path.join(shared, "tape");
  const server = await simulator(undefined, shared, [
    "--families",
    "v5-linear",
    "--symbols",
    "1",
    "--rate",
    "1000",
  ]);
  const recorder = new Recorder(undefined, archive, [
    ...feedArgs(server, "v5-linear", ["publicTrade", "orderbook.50"]),
    "--symbol",
    "BTCUSDT",
    "--commit-interval",
    "100ms",
  ]);
  for (let i = 1; i < PARTS; i++) {
    await recorder.durableAfter(recorder.durableLines + 6);
    await tapedeck(undefined, ["ctl", archive, "rotate"]);
  }
  await recorder.durableAfter(recorder.durableLines + 6);
  await recorder.kill("SIGTERM");
  await server.program.kill("SIGKILL");
  const { stdout } = await tapedeck(undefined, ["cat", archive, "--dir", "in"]);
  const received = [...stdout.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => BigInt(ns)); // exact, which numbers are not
  const parts = (await jsonList(undefined, ["ls", archive, "--json"])).map((part) => {
    const times = received.filter(
      (ns) => Number(ns) >= part.first_ns && Number(ns) <= part.last_ns
    );
    return {
      file: part.segment,
      first: times[0],
      last: times.at(-1),
      bytes: fs.statSync(path.join(archive, part.segment)).size,
    };
  });
  assert.equal(parts.length, PARTS);
  return { archive, parts };
})();

/** A copy of the recording in which the segments after the first one are removed, but the last one. */
async function holed(t) {
  const { archive, parts } = await recorded;
  const copy = path.join(temporary(t), "holed");
  fs.cpSync(archive, copy, { recursive: true });
  await tapedeck(t, [
    "note",
    "add",
    copy,
    "keep",
    "--from",
    String(parts[0].first),
    "--to",
    String(parts[0].last),
    "--keep",
  ]);
  await tapedeck(t, ["prune", copy, "--keep-bytes", String(parts[0].bytes + parts.at(-1).bytes)]);
  assert.deepEqual(segments(copy), [parts[0].file, parts.at(-1).file]);
  const { stdout } = await tapedeck(t, ["cat", copy, "--dir", "in", "--topic", "publicTrade"]);
  const trades = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .flatMap(({ recv_ns, data }) =>
      JSON.parse(data).data.map(({ T }) => ({ recv_ns, ns: BigInt(T) * 1_000_000n }))
    );
  const after = trades.findIndex(({ recv_ns }) => recv_ns >= Number(parts.at(-1).first));
  return {
    archive: copy,
    from: parts[0].last,
    to: parts.at(-1).first,
    // Bars are of the exchange's time: the last trade before the stretch, and the first one after it.
    isInStretch: (bar_ns) => bar_ns + BAR_NS > trades[after - 1].ns && bar_ns <= trades[after].ns,
    removed: { first: parts[1].first, last: parts.at(-2).last },
  };
}

test("a removed stretch between kept frames is named and is no gap", async (t) => {
  const { archive, from, to, removed } = await holed(t);
  const hole = ({ reason, from_ns, to_ns, topic }) =>
    assert.deepEqual([reason, from_ns, to_ns, topic], ["pruned", Number(from), Number(to), null]);

  const gaps = await json(t, ["gaps", archive, "--json"]);
  assert.deepEqual([gaps.gaps.length, gaps.pruned, gaps.lasts_ns], [1, 1, 0]);
  hole(gaps.gaps[0]);
  assert.deepEqual(
    (({ gaps, holes }) => [gaps, holes])(await json(t, ["info", archive, "--json"])),
    [0, 1]
  );

  const played = await json(t, ["replay", archive, "--json"], { status: 1 });
  assert.equal(played.verdict, "incomplete");
  played.gaps.forEach(hole);
  assert.match(
    (await tapedeck(t, ["replay", archive], { status: 1 })).stdout,
    /^Complete: no\b.*1 part removed by prune\.$/m
  );

  // The book continues from the checkpoint of the segment after the stretch.
  const whole = await json(t, ["replay", (await recorded).archive, "--json"]);
  assert.deepEqual(
    [played.continuity.ok, played.continuity.unchecked, played.books],
    [true, 0, whole.books]
  );
  const inside = await tapedeck(
    t,
    ["replay", archive, "--from", String(removed.first), "--to", String(removed.last)],
    { status: 4 }
  );
  assert.match(
    inside.stderr,
    /no frame in the archive matches the selection: that time was pruned/
  );
  for (const at of [from + (to - from) / 2n, to + 1n])
    assert.deepEqual(
      (
        await json(t, ["replay", archive, "--from", String(at), "--json"], {
          status: at < to ? 1 : 0,
        })
      ).books,
      whole.books
    );

  const { days, not_clean } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.equal(not_clean, 1);
  for (const topic of days[0].topics) {
    assert.deepEqual([topic.missing_ns, topic.degraded_ns, topic.reasons], [0, 0, "pruned"]);
    assert.ok(topic.pruned_ns > 0 && topic.pruned_ns <= Number(to - from), `${topic.pruned_ns}`);
  }

  const file = path.join(path.dirname(archive), "cut.mcap");
  await tapedeck(t, ["cut", archive, "--out", file]);
  (await json(t, ["gaps", file, "--json"])).gaps.forEach(hole);
  assert.equal((await json(t, ["replay", file, "--json"], { status: 1 })).verdict, "incomplete");
});

test("exports do not call a removed stretch complete, and bars at its edges are suspect", async (t) => {
  const { archive, from, to, isInStretch } = await holed(t);
  const out = path.join(path.dirname(archive), "set");
  await tapedeck(
    t,
    [
      "export",
      archive,
      "--format",
      "tardis-csv",
      "--format",
      "parquet",
      "--type",
      "quotes",
      "--type",
      "incremental_book_L2",
      "--type",
      "book_deltas",
      "--out",
      `${out}-books`,
    ],
    { status: 1 }
  );
  for (const { breaks, left_out_frames: left } of JSON.parse(
    fs.readFileSync(path.join(`${out}-books`, fs.readdirSync(`${out}-books`).find(isManifest)))
  ).files)
    assert.deepEqual(
      [
        left,
        breaks.map((row) => [row.reason, row.from_ns <= Number(from), row.to_ns >= Number(to)]),
      ],
      [0, [["pruned", true, true]]]
    );
  const bars = [
    "export",
    archive,
    "--format",
    "tardis-csv",
    "--bars",
    `${BAR_NS / 1_000_000n}ms`,
    "--type",
    "bars",
  ];
  await tapedeck(t, [...bars, "--out", out], { status: 1 });
  const manifest = JSON.parse(
    fs.readFileSync(path.join(out, fs.readdirSync(out).find(isManifest)))
  );
  assert.deepEqual(
    [manifest.verdict, manifest.gaps.map(({ reason }) => reason)],
    ["incomplete", ["pruned"]]
  );
  const starts = fs
    .readdirSync(out)
    .filter((name) => name.includes("_bars_"))
    .flatMap((name) => startsOf(path.join(out, name)));
  assert.ok(starts.length > 2);
  assert.deepEqual(starts.filter(isInStretch), []);
  const clean = await tapedeck(t, [...bars, "--only-clean", "--out", `${out}-clean`], {
    status: 4,
  });
  assert.match(clean.stderr, /no symbol has a clean day/);
});

const SCRIPT = `
import json, sys, tapedeck
archive = tapedeck.open(sys.argv[1])
after = int(sys.argv[2])
print(json.dumps({
    "gaps": [gap.reason for gap in archive.gaps()],
    "bars": [bar.time_ns for bar in archive.bars("BTCUSDT", sys.argv[3]) if not bar.suspect],
    "books": sum(book.suspect for book in archive.books(5)),
    "changes": sorted({frame.suspect for frame in archive.frames(topic="orderbook.50") if frame.recv_ns >= after}),
    "before": sorted({frame.suspect for frame in archive.frames(topic="orderbook.50") if frame.recv_ns < after})}))
`;

test(
  "the library names a removed stretch; only its books are right after it, not the changes alone",
  { skip: withoutLibrary },
  async (t) => {
    const { archive, to, isInStretch } = await holed(t);
    const args = ["-c", SCRIPT, archive, String(to), `${BAR_NS / 1_000_000n}ms`];
    const { bars, ...found } = JSON.parse(
      execFileSync("python3", args, { env: { ...process.env, PYTHONPATH: installed(t) } })
    );
    assert.deepEqual(found, { gaps: ["pruned"], books: 0, changes: [true], before: [false] });
    assert.ok(bars.length > 2);
    assert.deepEqual(
      bars.filter((start) => isInStretch(BigInt(start))),
      []
    );
  }
);

test("the removed beginning of an archive leaves no row", async (t) => {
  const { archive, parts } = await recorded;
  const copy = path.join(temporary(t), "shorter");
  fs.cpSync(archive, copy, { recursive: true });
  await tapedeck(t, ["prune", copy, "--keep-bytes", String(parts.at(-1).bytes)]);
  assert.deepEqual((await json(t, ["gaps", copy, "--json"])).gaps, []);
  assert.equal((await json(t, ["replay", copy, "--json"])).verdict, "complete");
  assert.equal((await json(t, ["days", copy, "--json"])).not_clean, 0);
});

/** The ids of an archive's trades, in order. */
async function tradesOf(t, archive) {
  const { stdout } = await tapedeck(t, [
    "cat",
    archive,
    "--topic",
    "publicTrade",
    "--dir",
    "in",
    "--raw",
  ]);
  return stdout
    .trim()
    .split("\n")
    .flatMap((line) => JSON.parse(line).data.map(({ i }) => i));
}

test("of two merged archives, one covers a gap of the other only with what it has, and each frame is read", async (t) => {
  const dir = temporary(t);
  const [east, west, both] = ["east", "west", "both"].map((name) => path.join(dir, name));
  const server = await simulator(t, dir, [
    "--families",
    "v5-linear",
    "--symbols",
    "1",
    "--rate",
    "500",
  ]);
  const record = (archive) =>
    new Recorder(t, archive, [
      ...feedArgs(server, "v5-linear", ["publicTrade"]),
      "--symbol",
      "BTCUSDT",
      "--commit-interval",
      "100ms",
    ]);
  let one = record(east);
  const other = record(west);
  const goOn = (recorder) => recorder.durableAfter(recorder.durableLines + 6);
  await goOn(one);
  await goOn(other);
  await tapedeck(t, ["ctl", west, "rotate"]);
  await goOn(other);
  await one.kill("SIGTERM"); // a gap in the segment of the other archive that is removed below
  one = record(east);
  await goOn(one);
  await goOn(other);
  await tapedeck(t, ["ctl", west, "rotate"]);
  await goOn(other);
  await goOn(one);
  await one.kill("SIGTERM");
  await other.kill("SIGTERM");

  const parts = (await jsonList(t, ["ls", west, "--json"])).map(({ first_ns, last_ns, bytes }) => ({
    first_ns,
    last_ns,
    bytes,
  }));
  assert.equal(parts.length, 3);
  await tapedeck(t, [
    "note",
    "add",
    west,
    "keep",
    "--from",
    String(parts[0].first_ns),
    "--to",
    String(parts[0].first_ns + 1000),
    "--keep",
  ]);
  await tapedeck(t, ["prune", west, "--keep-bytes", String(parts[0].bytes + parts[2].bytes)]);
  const all = [...new Set([...(await tradesOf(t, east)), ...(await tradesOf(t, west))])].sort();
  await tapedeck(t, ["merge", east, west, "--out", both], { status: null });
  assert.deepEqual((await tradesOf(t, both)).sort(), all);
  const { gaps, pruned } = await json(t, ["gaps", both, "--json"], { status: 1 });
  assert.deepEqual(
    [gaps.map(({ reason, covered_by: by }) => [reason, by]).sort(), pruned],
    [
      [
        ["pruned", null],
        ["pruned", "line 0"],
        ["restart", null],
      ],
      1,
    ]
  );
  assert.equal((await json(t, ["replay", both, "--json"], { status: 1 })).verdict, "incomplete");
});
