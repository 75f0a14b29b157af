// Imports of captures: replay, verify and cat give the captures' content.
// Expected values: the table of facts about the two recordings of 2021-04-17 (counted from the captures by
// scripts that share no code with the programs), and the capture files themselves.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  capture,
  captureLines,
  catalogRows,
  eventually,
  filesBelow,
  importLines,
  inboundFrames,
  json,
  jsonList,
  manifestOf,
  Program,
  tapedeck,
  temporary,
  withoutCapture,
  withoutRecorded,
} from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const LINEAR = "linear-2021-04-17.jsonl.gz";

async function imported(t, name) {
  const archive = path.join(temporary(t), "tape");
  await tapedeck(t, ["import", "-a", archive, "--format", "cryptofeed", capture(name)]);
  return archive;
}

function book(report, symbol) {
  const found = report.books.filter((b) => b.symbol === symbol);
  assert.equal(found.length, 1, `one book of ${symbol}`);
  return found[0];
}

test(
  "an imported inverse capture replays with the known counts and books",
  { skip: withoutRecorded(INVERSE) },
  async (t) => {
    const archive = await imported(t, INVERSE);
    const report = await json(t, ["replay", "-a", archive, "--speed", "max", "--json"]);
    assert.equal(report.frames, 1102);
    assert.equal(report.control, 4);
    assert.equal(report.out, 4);
    assert.equal(report.undecoded, 0);
    assert.equal(report.decoded, 1094);
    const sum = (key) => report.topics.reduce((n, row) => n + row[key], 0);
    assert.equal(sum("snapshots"), 2);
    assert.equal(sum("deltas"), 1016);
    const trades = report.topics.filter((row) => row.topic === "trade");
    assert.equal(
      trades.reduce((n, row) => n + row.items, 0),
      150
    );
    assert.equal(
      trades.reduce((n, row) => n + row.frames, 0),
      76
    );
    assert.equal(report.continuity.violations, 0);
    assert.equal(report.continuity.first, null);
    for (const b of report.books)
      assert.deepEqual([b.bids, b.asks, b.broken], [25, 25, false], b.symbol);
    const btc = book(report, "BTCUSD");
    assert.deepEqual(
      [
        btc.best_bid,
        btc.best_bid_size,
        btc.best_ask,
        btc.best_ask_size,
        btc.cross_seq,
        btc.levels_sha1,
      ],
      [
        "60622.5",
        "12836512",
        "60623",
        "1656505",
        5938958627,
        "057317dcce6407a6b42bd093cfcfc72a3f0527c0",
      ]
    );
    const eos = book(report, "EOSUSD");
    assert.deepEqual(
      [
        eos.best_bid,
        eos.best_bid_size,
        eos.best_ask,
        eos.best_ask_size,
        eos.cross_seq,
        eos.levels_sha1,
      ],
      ["7.978", "90650", "7.979", "10007", 1225779041, "3ec2da5420c2c140ef8b7bff6ed6e47c5b517026"]
    );
  }
);

test(
  "an imported linear capture replays with the known counts and books",
  { skip: withoutRecorded(LINEAR) },
  async (t) => {
    const archive = await imported(t, LINEAR);
    const report = await json(t, ["replay", "-a", archive, "--speed", "max", "--json"]);
    assert.equal(report.frames - report.out, 983);
    assert.equal(report.control, 16);
    const sum = (key) => report.topics.reduce((n, row) => n + row[key], 0);
    assert.equal(sum("snapshots"), 8);
    assert.equal(sum("deltas"), 937);
    const trades = report.topics.filter((row) => row.topic === "trade");
    assert.equal(
      trades.reduce((n, row) => n + row.items, 0),
      25
    );
    assert.equal(
      trades.reduce((n, row) => n + row.frames, 0),
      22
    );
    assert.equal(report.continuity.violations, 0);
    assert.equal(book(report, "LTCUSDT").levels_sha1, "390c8ee3390af63509da70ff0165f2e4e5acda47");
    assert.equal(book(report, "ETHUSDT").levels_sha1, "38fde336b5d9c3914950755b7d13d890b1b5ac15");
  }
);

test(
  "cat --raw gives back the captured bytes, in order",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const archive = await imported(t, INVERSE);
    const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--raw"]);
    const inbound = inboundFrames(INVERSE).map((f) => f.text);
    const got = stdout.trimEnd().split("\n");
    assert.deepEqual(
      got.filter((line) => !line.startsWith('{"op":')),
      inbound
    );
    assert.equal(got.length, inbound.length + 4);
  }
);

test("verify finds an imported archive sound", { skip: withoutCapture(INVERSE) }, async (t) => {
  const archive = await imported(t, INVERSE);
  await tapedeck(t, ["verify", "-a", archive]);
  assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  const info = await json(t, ["info", "-a", archive, "--json"]);
  assert.ok(JSON.stringify(info).includes("orderBookL2_25"));
});

test(
  "a deleted catalog is rebuilt with the same content",
  { skip: withoutCapture(LINEAR) },
  async (t) => {
    for (const name of [INVERSE, LINEAR]) {
      const archive = await imported(t, name);
      const before = catalogRows(archive);
      assert.ok(before.length > 100);
      for (const file of filesBelow(archive).filter((f) => f.startsWith("catalog.sqlite")))
        fs.rmSync(path.join(archive, file));
      await tapedeck(t, ["reindex", "-a", archive]);
      assert.equal(catalogRows(archive), before);
    }
  }
);

test("digests do not depend on speed or threads", { skip: withoutCapture(INVERSE) }, async (t) => {
  const archive = await imported(t, INVERSE);
  const digests = [];
  for (const args of [
    ["--speed", "max", "-j", "1"],
    ["--speed", "max", "-j", "2"],
    ["--speed", "50", "-j", "2"],
  ])
    digests.push((await json(t, ["replay", "-a", archive, ...args, "--json"])).digest);
  assert.match(digests[0].frames, /^[0-9a-f]{32}$/);
  assert.deepEqual(digests[1], digests[0]);
  assert.deepEqual(digests[2], digests[0]);
});

test(
  "replay finds frames that were cut out, with rule, topic and frame",
  { skip: withoutCapture(LINEAR) },
  async (t) => {
    // ETHUSDT's book loses 40 deltas in a row: some delete, update or insert after them must miss its level.
    let seen = 0;
    const lines = captureLines(LINEAR).filter((line) => {
      if (!line.includes('"topic":"orderBookL2_25.ETHUSDT","type":"delta"')) return true;
      seen++;
      return seen < 40 || seen >= 80;
    });
    assert.ok(seen > 80);
    const archive = await importLines(t, lines, { format: "cryptofeed" });
    const report = await json(t, ["replay", "-a", archive, "--speed", "max", "--json"], {
      status: 1,
    });
    assert.ok(report.continuity.violations > 0);
    const first = report.continuity.first;
    assert.ok(
      ["delete_exists", "update_exists", "insert_new", "not_crossed"].includes(first.rule),
      first.rule
    );
    assert.deepEqual(
      [first.topic, first.symbol, first.feed],
      ["orderBookL2_25", "ETHUSDT", "linear"]
    );
    assert.ok(first.ordinal > 0 && first.recv_ns > 0);
    const people = await tapedeck(t, ["replay", "-a", archive, "--speed", "max"], { status: 1 });
    assert.match(people.stdout + people.stderr, /orderBookL2_25/);
  }
);

test(
  "import names a malformed line and imports the rest",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t);
    const lines = captureLines(INVERSE).slice(0, 50);
    lines.splice(20, 0, "this is no capture line");
    fs.writeFileSync(path.join(dir, "bad.txt"), lines.join("\n"));
    const archive = path.join(dir, "tape");
    const end = await tapedeck(
      t,
      ["import", "-a", archive, "--format", "cryptofeed", path.join(dir, "bad.txt")],
      { status: 1 }
    );
    assert.match(end.stderr, /21/);
    const report = await json(t, ["replay", "-a", archive, "--speed", "max", "--json"]);
    assert.equal(report.frames - report.out, 45);
  }
);

test("a connection without a URL does not get the family of another one", async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "two.jsonl");
  const trade = (topic) => ({
    topic,
    type: "snapshot",
    ts: 1786276800000,
    data: [
      {
        T: 1786276800000,
        s: "BTCUSDT",
        S: "Buy",
        v: "1",
        p: "60000",
        L: "PlusTick",
        i: "00000000-0000-4000-8000-000000000001",
        BT: false,
      },
    ],
  });
  const line = (conn, ms, data, url) =>
    JSON.stringify({ ts: `${1786276800 + ms}.5`, conn, ...(url && { url }), data }) + "\n";
  const book = {
    topic: "orderbook.50.BTCUSDT",
    type: "snapshot",
    ts: 1786276800000,
    data: { s: "BTCUSDT", b: [["60000", "1"]], a: [["60001", "1"]], u: 4, seq: 9 },
    cts: 1786276800000,
  };
  fs.writeFileSync(
    file,
    line("spot", 0, trade("publicTrade.BTCUSDT"), "wss://stream.bybit.com/v5/public/spot") +
      line("mute", 1, book)
  );
  const archive = path.join(dir, "tape");
  const importing = ["import", "-a", archive, "--format", "jsonl", file];
  const end = await tapedeck(t, importing, { status: 2 });
  assert.match(end.stderr, /connection 'mute' has no URL, so its family is unknown/);
  assert.match(end.stderr, /--family/);
  assert.deepEqual(
    fs.existsSync(archive) ? filesBelow(archive).filter((name) => name.endsWith(".mcap")) : [],
    []
  );
  // One connection of each file can get a name.
  await tapedeck(t, [...importing, "--family", "v5-spot"]);
  // That connection alone gives no family either.
  fs.writeFileSync(file, line("mute", 1, book));
  await tapedeck(t, importing, { status: 2 });
});

test("an interrupted import is reported as incomplete", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const frame = (n) =>
    `{"topic":"trade.BTCUSD","data":[{"trade_time_ms":${1618666000000 + n},"timestamp":"2021-04-17T13:26:40.000Z","symbol":"BTCUSD","side":"Buy","size":1,"price":60000.5,"tick_direction":"ZeroPlusTick","trade_id":"00000000-0000-4000-8000-${String(n).padStart(12, "0")}","cross_seq":${5938950001 + n}}]}`;
  const capture = (name, count) => {
    const file = path.join(dir, name);
    fs.writeFileSync(
      file,
      Array.from({ length: count }, (_, n) => `${1618666000 + n}.5: ${frame(n * 1000)}\n`).join("")
    );
    return file;
  };
  const whole = 200_000;
  const importing = ["import", "-a", archive, "--format", "cryptofeed", "--family", "inverse"];
  const program = new Program(t, "tapedeck", [...importing, capture("long", whole)]);
  const written = () =>
    fs.existsSync(archive) &&
    filesBelow(archive).find(
      (file) =>
        file.endsWith(".mcap.open") &&
        file.startsWith("capture") &&
        fs.statSync(path.join(archive, file)).size > 20_000
    );
  await eventually("a part is written", written, program);
  const end = await program.kill("SIGTERM");
  assert.equal(end.signal, "SIGTERM", "it was over too soon");
  assert.equal(end.stdout, "");
  // Until the feed has another session, the gap stays open (to_ns null); recovering writes it.
  await tapedeck(t, ["recover", "-a", archive]);
  const [gap, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(more, []);
  assert.deepEqual(
    [gap.reason, gap.feed, gap.to_ns, gap.cause],
    ["crash", "inverse", null, "import ended before its end"]
  );
  const part = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.ok(part.frames > 0 && part.frames < whole);
  assert.equal(part.last_recv_ns, gap.from_ns);
  assert.deepEqual(part.gaps, [gap]);
  await tapedeck(t, [...importing, capture("again", part.frames + 10)]);
  const [closed, ...others] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(others, []);
  // The second part begins with the last frame of the interrupted part, with the same time; its
  // next frame is a second later.
  assert.deepEqual(closed, { ...gap, to_ns: gap.from_ns + 1e9 });
  await tapedeck(t, ["verify", "-a", archive]);
});

const TRADES = (count) =>
  [
    "wss://test/realtime <-> 1618677785.0",
    ...Array.from(
      { length: count },
      (_, i) =>
        `${1618677785 + i}.5: ${JSON.stringify({
          topic: "trade.BTCUSD",
          data: [
            {
              trade_time_ms: (1618677785 + i) * 1000,
              timestamp: "2021-04-17T16:43:05.000Z",
              symbol: "BTCUSD",
              side: "Buy",
              size: 5,
              price: 7.5,
              tick_direction: "PlusTick",
              trade_id: `558a0af8-ca11-5c5c-9b88-${String(i).padStart(12, "0")}`,
              cross_seq: i,
            },
          ],
        })}`
    ),
    "",
  ].join("\n");

test("import refuses content that the feed has, under any name and compression; --again imports it", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const at = (name) => path.join(dir, name);
  fs.writeFileSync(at("capture"), TRADES(5));
  fs.writeFileSync(at("same.gz"), gzipSync(TRADES(5)));
  fs.writeFileSync(at("other"), TRADES(6));
  const args = (...more) => ["import", "-a", archive, "--family", "inverse", ...more];
  const frames = async () => (await json(t, ["info", archive, "--json"])).frames;
  const {
    files: [{ session }],
  } = await json(t, args(at("capture"), "--json"));
  for (const again of ["capture", "same.gz"]) {
    const end = await tapedeck(t, args(at(again)), { status: 2 });
    assert.match(
      end.stderr,
      new RegExp(
        `feed 'inverse' got this content already, at 20\\S+Z \\(session ${session}\\)\n.*hint: .*--again`
      )
    );
  }
  assert.equal(await frames(), 5);
  await tapedeck(t, ["reindex", archive]);
  await tapedeck(t, ["recover", archive]);
  await tapedeck(t, args(at("capture")), { status: 2 });
  await tapedeck(t, args(at("other")));
  await tapedeck(t, args("--feed", "elsewhere", at("capture")));
  assert.equal(await frames(), 16);
  await tapedeck(t, args("--again", at("capture"), at("capture")));
  assert.equal(await frames(), 26);
  await tapedeck(t, ["verify", archive]);
});

test("a killed import can be repeated without --again", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    pipe = path.join(dir, "pipe");
  fs.writeFileSync(path.join(dir, "capture"), TRADES(5));
  const args = ["import", "-a", archive, "--family", "inverse"];
  // Cut the journal after the entry of the capture's content, as a kill before the session's end does.
  await tapedeck(t, [...args, path.join(dir, "capture")]);
  const journal = path.join(archive, "journal.mcap.open");
  const bytes = fs.readFileSync(journal);
  const stop = bytes.lastIndexOf("session_stop");
  assert.ok(bytes.lastIndexOf("imported") < stop && bytes.includes("imported"), pipe);
  fs.truncateSync(journal, stop);
  await tapedeck(t, [...args, path.join(dir, "capture")]);
  assert.equal((await json(t, ["info", archive, "--json"])).frames, 10);
  await tapedeck(t, [...args, path.join(dir, "capture")], { status: 2 });
});

test(
  "import recognizes a zstd capture by its content",
  { skip: spawnSync("zstd", ["--version"]).error ? "needs zstd" : false },
  async (t) => {
    const dir = temporary(t);
    const packed = Buffer.concat(
      [TRADES(400).slice(0, 5000), TRADES(400).slice(5000)].map((text) =>
        execFileSync("zstd", ["-c", "-q"], { input: text })
      )
    );
    fs.writeFileSync(path.join(dir, "capture.jsonl"), packed);
    const args = (name, file) => [
      "import",
      "-a",
      path.join(dir, name),
      "--family",
      "inverse",
      "--json",
      file,
    ];
    const {
      files: [
        {
          feeds: [{ frames }],
          compression,
          malformed,
        },
      ],
    } = await json(t, args("tape", path.join(dir, "capture.jsonl")));
    assert.deepEqual([frames, compression, malformed], [400, "zstd", 0]);
    const piped = await tapedeck(t, args("piped", "-"), { stdin: packed, status: 2 });
    assert.match(
      piped.stderr,
      /standard input cannot be imported: captures are read twice\n.*write it to a file/
    );
    for (const [name, bytes, why] of [
      ["cut", packed.subarray(0, packed.length - 9), "breaks off"],
      ["bad", Buffer.from(packed).fill(0xff, packed.length - 60, packed.length - 30), "is damaged"],
    ]) {
      fs.writeFileSync(path.join(dir, name), bytes);
      const end = await tapedeck(t, args(`${name}.tape`, path.join(dir, name)), { status: 1 });
      assert.match(end.stderr, new RegExp(`zstd stream ${why} at byte \\d+`));
      const report = JSON.parse(end.stdout);
      const {
        feeds: [{ frames }],
        lines,
        malformed,
        malformed_lines: [{ line }],
      } = report.files[0];
      assert.ok(frames > 0 && frames < 400, `${frames}`);
      assert.equal(malformed, 1);
      assert.equal(line, lines + 1);
    }
  }
);

test("import takes any number of files", async (t) => {
  const dir = temporary(t);
  const names = Array.from({ length: 600 }, (_, i) => path.join(dir, `${i}.txt`));
  const { stderr } = await tapedeck(
    t,
    ["import", "-a", path.join(dir, "tape"), "--format", "cryptofeed", ...names],
    { status: 4 }
  );
  assert.match(stderr, /0\.txt.*No such file/);
});

const MIDNIGHT_MS = Date.UTC(2026, 10, 21);

/** Import Binance trades, [receive time in ms, number], as one connection. */
async function importTrades(t, archive, trades) {
  const lines = [
    { t: "header", format: 2, exchange: "TEST" },
    { t: "connect", conn: "A", ts: trades[0][0] / 1000 - 1, addr: "wss://a.example/" },
  ];
  for (const [ms, a] of trades) {
    const trade = { e: "aggTrade", E: ms, a, s: "BTCUSDT", p: "10.5", q: "1" };
    const data = { stream: "btcusdt@aggTrade", data: { ...trade, f: a, l: a, T: ms, m: false } };
    lines.push({ t: "recv", conn: "A", ts: ms / 1000, data: JSON.stringify(data) });
  }
  const file = path.join(temporary(t), "trades.jsonl");
  fs.writeFileSync(file, lines.map((line) => JSON.stringify(line) + "\n").join(""));
  const options = ["--format", "cryptofeed", "--family", "binance-usdm"];
  return await tapedeck(t, ["import", "-a", archive, ...options, file]);
}

test("a frame that was lost around midnight is a gap of both days", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  // A trade each 100 ms; number 99, which is missing, was due 100 ms before midnight.
  const trades = Array.from({ length: 400 }, (_, i) => [MIDNIGHT_MS - 10_000 + 100 * i, 1000 + i]);
  const { stdout } = await importTrades(
    t,
    archive,
    trades.filter((_, i) => i !== 99)
  );
  assert.match(stdout, /, 1 connection, 1 gap$/m);
  const rows = ({ gaps }) =>
    gaps.map(({ reason, topic, symbol, cause, from_ns }) => [
      ...[reason, topic, symbol, cause],
      from_ns / 1e6 - MIDNIGHT_MS,
    ]);
  const expected = [["sequence", "aggTrade", "BTCUSDT", "id_dense", -200]];
  assert.deepEqual(rows(await json(t, ["gaps", archive, "--json"], { status: 1 })), expected);
  for (const format of ["tardis-csv", "parquet", "sqlite"]) {
    const out = path.join(dir, format);
    const types = ["--format", format, "--type", "trades"];
    await tapedeck(t, ["export", "-q", archive, ...types, "--out", out], { status: 1 });
    for (const day of manifestOf(out).days)
      assert.deepEqual([day.verdict, rows(day)], ["incomplete", expected], format);
  }
  const first = ["--from", new Date(MIDNIGHT_MS - 10_000).toISOString(), "--to", "2026-11-20"];
  const { verdict } = await json(t, ["replay", archive, ...first, "--json"], { status: 1 });
  assert.equal(verdict, "incomplete");
  const { days } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.deepEqual(
    days.map(({ reasons }) => reasons),
    ["sequence, rule", "sequence, rule"]
  );
});

test("a book that is broken at the end of a capture stays so until that end, not longer", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const frame = (ms, type, u) => {
    const levels = { b: [["10", String(u)]], a: [["12", "1"]] };
    const data = { s: "BTCUSDT", ...levels, u, seq: u };
    return {
      recv_ns: `${ms}000000`,
      conn: 0,
      data: { topic: "orderbook.50.BTCUSDT", type, ts: ms, data },
    };
  };
  const add = (lines) => importLines(t, lines, { archive, family: "v5-linear" });
  const at = (i) => MIDNIGHT_MS + 1000 * i;
  await add([
    frame(at(0), "snapshot", 1),
    ...[1, 2, 4, 5, 6].map((i) => frame(at(i), "delta", i + 1)),
  ]);
  await add([frame(at(9), "snapshot", 1), frame(at(10), "delta", 2)]);
  const { gaps } = await json(t, ["gaps", archive, "--json"], { status: 1 });
  assert.deepEqual(
    gaps.map(({ reason, from_ns, to_ns }) => [reason, from_ns / 1e6, to_ns / 1e6]),
    [
      ["sequence", at(2), at(6)],
      ["restart", at(6), at(9)],
    ]
  );
});

test("beyond the limit of gaps that it records, an import leaves the rest of the feed in doubt", async (t) => {
  const archive = path.join(temporary(t), "tape");
  // Each second number is missing: a gap for two frames.
  const trades = Array.from({ length: 135_000 }, (_, i) => [
    MIDNIGHT_MS + 20 * i,
    1000 + i + Math.floor(i / 2),
  ]);
  const { stdout } = await importTrades(t, archive, trades);
  assert.match(stdout, /, 1 connection, 65,536 gaps$/m);
  const { gaps } = await json(t, ["gaps", archive, "--json"], { status: 1 });
  assert.equal(gaps.length, 65_536);
  const { reason, topic, cause, to_ns } = gaps.at(-1);
  assert.deepEqual(
    [reason, topic, cause, to_ns / 1e6],
    ["sequence", null, "more gaps were found than an import records", trades.at(-1)[0]]
  );
  const { days } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.equal(days[0].clean_percent, 0);
});
