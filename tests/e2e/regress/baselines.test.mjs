// `regress save`, `check` and `diff` report each difference, and no other. The archives are imports of a real capture, unchanged
// and with edited lines, so that the differences are known.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { pythonWith } from "../support/python_scripts.mjs";
import { readBaseline, readIndex } from "./baseline_reader.mjs";
import {
  capture,
  captureLines,
  eventually,
  filesBelow,
  importLines,
  json,
  Program,
  run,
  segments,
  tapedeck,
  temporary,
  withoutCapture,
  withoutRecorded,
  wrapped,
} from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { xxh64 } from "../support/xxh64.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const FRAMES = 1098; // received frames
const skip = withoutCapture(INVERSE);

/** An archive of a capture's lines. */
const archiveOf = (t, dir, name, lines, options) =>
  importLines(t, lines, { archive: path.join(dir, name), format: "cryptofeed", ...options });

const shared = temporary({ after });
let whole, ofWhole, read;
const captured = () => (read ??= captureLines(INVERSE));
/** An archive of the whole capture, which no test changes. */
const wholeArchive = () => (whole ??= archiveOf(undefined, shared, "whole", captured()));

/** A baseline of an archive of the whole capture. */
async function saved(t, ...options) {
  const dir = temporary(t);
  const archive = await wholeArchive();
  const save = (file) =>
    tapedeck(undefined, ["regress", "save", archive, "-o", file, ...options]).then(() => file);
  const baseline = await (options.length > 0
    ? save(path.join(dir, "base.tdb"))
    : (ofWhole ??= save(path.join(shared, "base.tdb"))));
  return { dir, archive, baseline };
}

const check = (t, args, options) => json(t, ["regress", "check", ...args, "--json"], options);
const tradeFrames = (symbol) =>
  captured().filter((line) => line.includes(`{"topic":"trade.${symbol}"`)).length;
/** The capture's lines 1,000 s later. */
const later = () =>
  captured().map((line) =>
    line.replace(/(\d{10})(\.\d+)/, (_, s, rest) => Number(s) + 1000 + rest)
  );
const streamOf = (report, topic, symbol) =>
  report.streams.find((s) => s.topic === topic && s.symbol === symbol);

/** The lines of the whole capture; at(topic, n) is the index of the n-th frame of a topic, from 0. */
function editable() {
  const lines = [...captured()];
  const at = (topic, n) =>
    lines.map((line, i) => [line, i]).filter(([line]) => line.includes(`: {"topic":"${topic}"`))[
      n
    ][1];
  return { lines, at };
}

test(
  "the same archive, a second import, other segments and any number of threads give no difference",
  { skip },
  async (t) => {
    const { dir, archive, baseline } = await saved(t);
    const same = (report) => {
      assert.equal(report.verdict, "same");
      assert.equal(report.first_difference, null);
      assert.deepEqual(
        [report.totals.compared, report.totals.same, report.totals.missing, report.totals.new],
        [FRAMES, FRAMES, 0, 0]
      );
    };
    same(await check(t, [archive, "--baseline", baseline]));
    same(await check(t, [archive, "--baseline", baseline, "-j", "1"]));
    // Moves the times by 1,000 s, so that an hour, and thus a segment, ends within the capture.
    // Baselines contain no receive times of rows.
    const other = await archiveOf(t, dir, "later", later());
    assert.deepEqual([segments(archive).length, segments(other).length], [1, 2]);
    same(await check(t, [other, "--baseline", baseline]));

    const one = path.join(dir, "one.tdb");
    await tapedeck(t, ["regress", "save", archive, "-o", one, "-j", "1"]);
    assert.deepEqual(readBaseline(one), readBaseline(baseline));
    assert.deepEqual(
      fs
        .readdirSync(dir)
        .filter((name) => name.includes(".tdb"))
        .sort(),
      ["one.tdb"]
    );
  }
);

test(
  "frames that are missing, repeated, altered or in another order are counted exactly",
  { skip },
  async (t) => {
    const { dir, baseline } = await saved(t);
    const { lines, at } = editable();
    const text = (i) => lines[i].slice(lines[i].indexOf(": "));
    const time = (i) => lines[i].slice(0, lines[i].indexOf(": "));
    const [cut, altered, first, second, twice] = [5, 20, 30, 31, 45].map((n) =>
      at("trade.BTCUSD", n)
    );
    lines[altered] = lines[altered].replace('"price":', '"prize":');
    [lines[first], lines[second]] = [time(first) + text(second), time(second) + text(first)];
    lines.splice(twice, 0, lines[twice]);
    lines.splice(cut, 1);
    const archive = await archiveOf(t, dir, "edited", lines);
    const report = await check(t, [archive, "--baseline", baseline], { status: 1 });
    const trades = streamOf(report, "trade", "BTCUSD");
    assert.equal(report.verdict, "different");
    // If two frames change places, one counts as moved; an altered frame counts as one missing and one new.
    assert.deepEqual([trades.missing, trades.new, trades.different], [3, 3, 0]);
    const count = tradeFrames("BTCUSD") - 3;
    assert.deepEqual([trades.compared, trades.same], [count, count]);
    assert.deepEqual(
      [report.first_difference.kind, report.first_difference.index_was],
      ["missing", 5]
    );
    assert.deepEqual([report.totals.compared, report.totals.same], [FRAMES - 3, FRAMES - 3]);

    const shown = await tapedeck(t, ["regress", "check", archive, "--baseline", baseline], {
      status: 1,
    });
    const all = count + tradeFrames("EOSUSD");
    assert.match(shown.stdout, new RegExp(`^inverse +trade +${all} +${all} +0 +0 +3 +3$`, "m"));
    assert.match(
      shown.stdout,
      /^first difference: inverse trade BTCUSD: missing in the archive\n {2}before frame 5 of its stream, 2021-/m
    );
    assert.match(
      shown.stdout,
      /^DIFFERENT: 1,095 frames compared, 1,095 the same, 3 missing, 3 new$/m
    );
  }
);

test("a book without one of its frames differs until it is whole again", { skip }, async (t) => {
  const { dir, baseline } = await saved(t);
  const { lines, at } = editable();
  lines.splice(at("orderBookL2_25.BTCUSD", 20), 1);
  const archive = await archiveOf(t, dir, "edited", lines);
  const report = await check(t, [archive, "--baseline", baseline], { status: 1 });
  const book = streamOf(report, "orderBookL2_25", "BTCUSD");
  assert.equal(book.missing, 1);
  assert.ok(book.book >= 1 && book.book < 5, `${book.book}`);
  assert.equal(book.different, book.book + book.consequences);
  assert.equal(book.compared, book.same + book.different);
  assert.deepEqual(
    [report.totals.different, report.first_difference.kind],
    [book.different, "missing"]
  );
});

test(
  "with --part frames that the archive lacks at either end are not missing",
  { skip },
  async (t) => {
    const { dir, archive, baseline } = await saved(t);
    const lines = [...captured()];
    const half = await archiveOf(t, dir, "half", lines.slice(0, 600));
    const whole = await check(t, [half, "--baseline", baseline], { status: 1 });
    assert.equal(whole.totals.missing, FRAMES - whole.totals.compared);
    assert.ok(whole.totals.missing > 400);
    const part = await check(t, [half, "--baseline", baseline, "--part"]);
    assert.deepEqual([part.totals.missing, part.totals.outside], [0, whole.totals.missing]);
    // These frames have times of another clock: the frames themselves decide which are outside the
    // compared part.
    const moved = await archiveOf(t, dir, "moved", later().slice(0, 600));
    assert.deepEqual(
      (await check(t, [moved, "--baseline", baseline, "--part"])).totals,
      part.totals
    );
    const end = await archiveOf(t, dir, "end", lines.slice(600), {
      feed: "inverse",
      family: "inverse",
    });
    const trades = async (archive) =>
      (await check(t, [archive, "--baseline", baseline, "--part", "--topic", "trade"])).totals; // books begin with a snapshot
    const [first, rest] = [await trades(half), await trades(end)];
    assert.deepEqual(
      [rest.missing, rest.new, first.compared + rest.compared, first.compared],
      [0, 0, first.outside + first.compared, rest.outside]
    );

    const timed = await check(t, [
      archive,
      "--baseline",
      baseline,
      "--from",
      "2021-04-17T16:43:15Z",
      "--to",
      "2021-04-17T16:43:20Z",
      "--topic",
      "orderBook*",
    ]);
    assert.equal(timed.verdict, "same");
    assert.ok(timed.totals.compared > 10 && timed.totals.compared < 500);
    assert.deepEqual(
      timed.topics.map((row) => row.topic),
      ["orderBookL2_25"]
    );
  }
);

test("a baseline of a selection is compared with that selection", { skip }, async (t) => {
  const { archive, baseline } = await saved(t, "--topic", "trade", "--symbol", "BTC*");
  const report = await check(t, [archive, "--baseline", baseline]);
  assert.deepEqual(
    report.streams.map((s) => [s.topic, s.symbol, s.same]),
    [["trade", "BTCUSD", tradeFrames("BTCUSD")]]
  );
  const none = await tapedeck(
    t,
    ["regress", "check", archive, "--baseline", baseline, "--topic", "nosuch"],
    { status: 4 }
  );
  assert.match(none.stderr, /nosuch/);
  await tapedeck(t, ["regress", "check", archive, "--baseline", baseline, "--from", "2022-01-01"], {
    status: 4,
  });
  const other = await tapedeck(
    t,
    ["regress", "check", archive, "--baseline", baseline, "--topic", "orderBook*", "--symbol", "*"],
    { status: 1 }
  );
  assert.match(other.stdout, /new/);
});

/** JUnit XML as a strict parser reads it. */
function parsed(file) {
  const script =
    "import json, sys, xml.etree.ElementTree as e\n" +
    "def row(x): return {'tag': x.tag, 'text': x.text or '', **x.attrib, 'children': [row(c) for c in x]}\n" +
    "print(json.dumps(row(e.parse(sys.argv[1]).getroot())))";
  return JSON.parse(
    execFileSync(pythonWith("json"), ["-I", "-S", "-c", script, file], { encoding: "utf8" })
  );
}

for (const fault of ["side", "scale", "action"])
  test(
    `a decoder with a wrong ${fault} is reported with its first frame, in JUnit, and with a cut that reproduces it`,
    { skip },
    async (t) => {
      const { dir, archive, baseline } = await saved(t);
      const [junit, cut] = [path.join(dir, "report.xml"), path.join(dir, "bug.mcap")];
      const broken = wrapped(`replay_broken_${fault}`);
      const { stdout } = await run(
        t,
        broken,
        [
          "regress",
          "check",
          archive,
          "--baseline",
          baseline,
          "--json",
          "--junit",
          junit,
          "--cut",
          cut,
        ],
        { status: 1 }
      );
      const report = JSON.parse(stdout);
      const first = report.first_difference;
      assert.deepEqual([first.feed, first.kind, first.decode_was], ["inverse", "decode", null]);
      assert.equal(JSON.parse(first.frame).topic, `${first.topic}.${first.symbol}`);
      assert.equal(first.decode_is.topic, first.topic);
      // The report shows the frame that it names.
      const rows = (
        await tapedeck(t, ["cat", "-a", archive, "--topic", first.topic, "--symbol", first.symbol])
      ).stdout
        .split("\n")
        .filter(Boolean);
      assert.equal(JSON.parse(rows[first.index_is]).data, first.frame);

      const suites = parsed(junit);
      assert.deepEqual([suites.tag, suites.tests], ["testsuite", String(report.streams.length)]);
      const cases = new Map(
        suites.children.filter(({ tag }) => tag === "testcase").map((c) => [c.name, c])
      );
      assert.deepEqual(
        [...cases.keys()].sort(),
        report.streams.map((s) => [s.topic, s.symbol].filter(Boolean).join(" ")).sort()
      );
      assert.equal(suites.failures, String(report.streams.filter((s) => s.different > 0).length));
      assert.match(
        cases.get(`${first.topic} ${first.symbol}`).children[0].text,
        /^first difference: decoded differently, frame \d+[^]* of it\nnow:\n {[^]*"type":/
      );

      // The cut alone suffices: it has the frame, of a book from its last snapshot on, and the same difference.
      const again = JSON.parse(
        (
          await run(
            t,
            broken,
            ["regress", "check", cut, "--baseline", baseline, "--part", "--json"],
            { status: 1 }
          )
        ).stdout
      );
      assert.deepEqual([again.totals.missing, again.totals.new, again.totals.different], [0, 0, 1]);
      for (const name of ["feed", "topic", "symbol", "ordinal", "kind", "frame", "decode_is"])
        assert.deepEqual(again.first_difference[name], first[name], name);
      assert.equal((await check(t, [cut, "--baseline", baseline, "--part"])).verdict, "same");
      await tapedeck(t, ["verify", cut]);
    }
  );

test(
  "a cut replaces no file, and is written only if there is a difference",
  { skip },
  async (t) => {
    const { dir, archive, baseline } = await saved(t);
    const broken = wrapped("replay_broken_side");
    const bug = path.join(dir, "bug.mcap");
    fs.writeFileSync(bug, "mine");
    const refused = await run(
      t,
      broken,
      ["regress", "check", archive, "--baseline", baseline, "--cut", bug],
      { status: 2 }
    );
    assert.match(refused.stderr, /bug\.mcap' exists already[^]*another name/);
    assert.equal(fs.readFileSync(bug, "utf8"), "mine");
    const named = await run(
      t,
      broken,
      ["regress", "check", archive, "--baseline", baseline, "--cut", path.join(dir, "bug.tape")],
      { status: 2 }
    );
    assert.match(named.stderr, /the name of a tape ends in \.mcap/);
    await tapedeck(t, [
      "regress",
      "check",
      archive,
      "--baseline",
      baseline,
      "--cut",
      path.join(dir, "none.mcap"),
    ]);
    assert.ok(!fs.existsSync(path.join(dir, "none.mcap")));
  }
);

test(
  "an existing, outdated or damaged baseline, or another file in its place, is refused with a hint",
  { skip },
  async (t) => {
    const { dir, archive, baseline } = await saved(t);
    const save = (status, file, ...more) =>
      tapedeck(t, ["regress", "save", archive, "-o", file, ...more], { status });
    assert.match(
      (await save(2, baseline)).stderr,
      /base\.tdb' exists already\n.*hint: remove it, or give another name/
    );
    const text = path.join(dir, "text.tdb");
    fs.writeFileSync(text, "notes\n");
    await save(2, text);
    assert.equal(fs.readFileSync(text, "utf8"), "notes\n");
    assert.match(
      (await save(0, path.join(dir, "more.tdb"))).stdout,
      /^1,098 received frames of 5 streams: 1,094 decoded, 4 control\n.*more\.tdb: /
    );
    assert.match((await save(4, path.join(dir, "none", "x.tdb"))).stderr, /none\/x\.tdb/);

    const refused = async (file, status, pattern) =>
      assert.match(
        (await tapedeck(t, ["regress", "check", archive, "--baseline", file], { status })).stderr,
        pattern
      );
    await refused(path.join(dir, "none.tdb"), 4, /none\.tdb/);
    await refused(text, 4, /text\.tdb/);
    /** The baseline with a changed index and a matching checksum. */
    const { at: indexAt, size: indexSize, index: whole } = readIndex(baseline);
    const withIndex = (change) => (bytes) => {
      const at = indexAt;
      const text = change(Buffer.from(bytes.subarray(at, at + indexSize)));
      const trailer = Buffer.alloc(32);
      [BigInt(at), BigInt(text.length), BigInt(`0x${xxh64(text)}`)].forEach((value, k) =>
        trailer.writeBigUInt64LE(value, 8 * k)
      );
      trailer.write("tdbline1", 24);
      return Buffer.concat([bytes.subarray(0, at), text, trailer]);
    };
    const flipped = (at) => (bytes) => ((bytes[at < 0 ? bytes.length + at : at] ^= 1), bytes);
    for (const [change, status, pattern] of [
      [flipped(-40), 3, /the checksum of its index fails[^]*regress save/],
      [(bytes) => bytes.subarray(0, bytes.length - 1), 3, /its end is missing/],
      [flipped(-32), 3, /its index is not where it should be/],
      [withIndex((index) => index.subarray(0, -1)), 3, /its index is malformed/],
      [withIndex((index) => Buffer.concat([index, Buffer.from("x")])), 3, /its index is malformed/],
      [withIndex((index) => index.subarray(0, 2)), 3, /its index is malformed/],
      [withIndex((index) => index.fill(0xff, 5, 9)), 3, /its index is malformed/], // the size of a text
      [
        withIndex(
          (index) => (
            index.writeBigUInt64LE(
              BigInt(whole.streams.at(-1).frames + 1024),
              index.length - 12 - 8 * whole.streams.at(-1).blocks.length
            ),
            index
          )
        ),
        3,
        /its index is malformed/,
      ],
      [flipped(100), 3, /the checksum of a block of .* fails/],
      [withIndex((index) => index.fill(9, 0, 1)), 4, /hashes of version 9, this program of 1/],
    ]) {
      const file = path.join(dir, "damaged.tdb");
      fs.writeFileSync(file, change(fs.readFileSync(baseline)));
      await refused(file, status, pattern);
    }
  }
);

test(
  "damaged chunks end save and check with 3, and the rest is saved and compared",
  { skip },
  async (t) => {
    const { dir, baseline } = await saved(t);
    const archive = await archiveOf(t, dir, "later", later());
    const segment = path.join(archive, segments(archive)[1]);
    const bytes = fs.readFileSync(segment);
    bytes[bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) + 2000] ^= 0x10; // in the first zstd frame
    fs.writeFileSync(segment, bytes);
    const report = await check(t, [archive, "--baseline", baseline], { status: 3 });
    assert.equal(report.damaged, true);
    assert.ok(report.totals.same > 0 && report.totals.missing > 0);
    assert.equal(report.totals.compared + report.totals.missing, FRAMES);
    const end = await tapedeck(
      t,
      ["regress", "save", archive, "-o", path.join(dir, "x.tdb"), "--json"],
      { status: 3 }
    );
    assert.equal(JSON.parse(end.stdout).damaged, true);
  }
);

test("a signal ends a save with status 4, and leaves no file", { skip }, async (t) => {
  const { dir, archive } = await saved(t);
  const silent = path.join(dir, "silent.py");
  const started = path.join(dir, "started");
  fs.writeFileSync(
    silent,
    `import sys
sys.stdin.readline()
print('{"tapedeck":1}', flush=True)
sys.stdin.readline() # a frame, which is never answered
open(${JSON.stringify(started)}, "w").close()
sys.stdin.read()
`
  );
  const program = new Program(t, "tapedeck", [
    "regress",
    "save",
    archive,
    "-o",
    path.join(dir, "x.tdb"),
    "--decoder-cmd",
    `exec ${pythonWith("json")} -I -S ${silent}`,
    "--timeout",
    "10m",
  ]);
  await eventually("the decoder has a frame", () => fs.existsSync(started), program);
  const end = await program.kill("SIGTERM");
  assert.equal(end.code, 4, end.stderr);
  assert.match(end.stderr, /stopped before the end/);
  assert.deepEqual(
    filesBelow(dir).filter((f) => f.includes("x.tdb")),
    []
  );
});

test("in an archive that is being recorded earlier frames are the same, and later ones are new", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await simulator(t, dir, ["--families", "inverse", "--rate", "500", "--seed", "7"]);
  const recorder = new Recorder(t, archive, feedArgs(sim, "inverse"));
  await recorder.durableAfter(2);
  const saved = await json(t, [
    "regress",
    "save",
    archive,
    "-o",
    path.join(dir, "a.tdb"),
    "--json",
  ]);
  const inbound = () => [...recorder.durable.values()].reduce((n, count) => n + count.in, 0);
  while (inbound() <= saved.frames) await recorder.durableLine();
  const { totals } = await check(t, [archive, "--baseline", path.join(dir, "a.tdb")], {
    status: 1,
  });
  assert.deepEqual(
    [totals.compared, totals.same, totals.different, totals.missing],
    [saved.frames, saved.frames, 0, 0]
  );
  assert.ok(totals.new > 0);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
});

// A decoder in another process: the documentation's example with one changed line.
const EXAMPLE = fs.readFileSync(
  new URL("../../../docs/examples/decoder.py", import.meta.url),
  "utf8"
);
function exampleDecoder(dir, name, change) {
  const file = path.join(dir, `${name}.py`);
  const line = '"side": entry["side"], "price": entry["price"],';
  assert.ok(EXAMPLE.includes(line));
  fs.writeFileSync(file, EXAMPLE.replace(line, change(line)));
  return `exec ${pythonWith("json")} -I -S ${file}`;
}

test(
  "diff prints both decoders' results of a frame that differs, one member a line",
  { skip: withoutRecorded(INVERSE) },
  async (t) => {
    const dir = temporary(t);
    const archive = await wholeArchive();
    const diff = (status, decoders, ...more) =>
      tapedeck(
        t,
        [
          "regress",
          "check",
          archive,
          ...decoders.flatMap((d) => (d.includes(" ") ? ["--decoder-cmd", d] : ["--decoder", d])),
          ...more,
        ],
        { status }
      );
    const same = JSON.parse((await diff(0, ["builtin"], "--json")).stdout);
    assert.deepEqual(
      [same.verdict, same.baseline, same.totals.same, same.decoder_is],
      ["same", null, FRAMES, null]
    );

    // Only one level of the capture has this size.
    const wrong = exampleDecoder(dir, "wrong", (line) =>
      line.replace('entry["price"]', 'entry["price"] if entry.get("size") != 1870179 else "1.5"')
    );
    const book = ["--topic", "orderBook*", "--symbol", "BTCUSD"];
    const report = JSON.parse((await diff(1, [wrong], ...book, "--json")).stdout);
    const { topic, symbol, decode_was, decode_is } = report.first_difference;
    assert.deepEqual([topic, symbol], ["orderBookL2_25", "BTCUSD"]);
    assert.deepEqual([decode_was.levels[0].price, decode_is.levels[0].price], ["60617", "1.5"]);
    assert.deepEqual(
      [report.totals.decode, report.was.decoder, report.is.decoder],
      [1, "built-in", wrong]
    );
    const { stdout } = await diff(1, [wrong], ...book);
    assert.match(stdout, /^ {2}--- before\n {2}\+\+\+ now\n/m);
    assert.match(stdout, /^ {2}- {6}"price":"60617",\n {2}\+ {6}"price":"1\.5",$/m);
    assert.doesNotMatch(stdout, /\x1b/);
    const turned = JSON.parse((await diff(1, ["builtin", wrong], ...book, "--json")).stdout);
    assert.deepEqual(turned.first_difference, report.first_difference);

    for (const [decoders, pattern] of [
      [[], /no decoder/],
      [["builtin", "builtin", "builtin"], /3 decoders/],
    ])
      assert.match((await diff(2, decoders)).stderr, pattern);
  }
);

test(
  "a decoder that answers differently each time is unstable, not different",
  { skip: withoutRecorded(INVERSE) },
  async (t) => {
    const { dir, archive, baseline } = await saved(t);
    const moody = exampleDecoder(dir, "moody", (line) =>
      line
        .replace(
          'entry["price"]',
          'entry["price"] if entry.get("size") != 1870179 else str(time.time_ns() % 10**9)'
        )
        .replace(/^/, "")
    );
    fs.writeFileSync(
      path.join(dir, "moody.py"),
      fs
        .readFileSync(path.join(dir, "moody.py"), "utf8")
        .replace("import sys", "import sys\nimport time")
    );
    const report = await check(t, [archive, "--baseline", baseline, "--decoder-cmd", moody], {
      status: 1,
    });
    assert.deepEqual(
      [report.totals.unstable, report.totals.decode, report.decoder_is.unstable],
      [1, 0, 1]
    );
  }
);

test(
  "baselines of v5 captures are the same with any number of threads",
  { skip: withoutCapture("v5-2026-08-09.jsonl.gz") },
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, capture("v5-2026-08-09.jsonl.gz")]);
    const file = path.join(dir, "x.tdb");
    await tapedeck(t, ["regress", "save", archive, "-o", file, "-j", "3"]);
    assert.equal((await check(t, [archive, "--baseline", file, "-j", "2"])).verdict, "same");
  }
);
