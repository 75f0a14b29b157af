// Exports for hftbacktest. tests/export/hftbacktest.py reads the captures, sorts with numpy and compares; it shares nothing with
// the programs. Rules about gaps come from docs/export.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import {
  capture,
  captureLines,
  importLines,
  json,
  listening,
  manifestOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import * as npm from "../support/npm_packages.mjs";
import { ask, connected } from "../support/order_entry.mjs";
import { pythonWith, scripts } from "../support/python_scripts.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const V5 = "v5-2026-08-09.jsonl.gz";
const CAPTURES = [
  [INVERSE, "inverse"],
  ["linear-2021-04-17.jsonl.gz", "linear"],
  [V5, "v5-linear"],
  ["v5-linear-2025-06-13.jsonl.gz", "v5-linear"],
];
const python = scripts(pythonWith("numpy"));
const [EXCH, LOCAL, BUY, SELL] = [31, 30, 29, 28].map((bit) => 2 ** bit);
const [DEPTH, TRADE, CLEAR, SNAPSHOT, BBO] = [1, 2, 3, 4, 5];

const script = async (...args) => JSON.parse(await python("tests/export/hftbacktest.py", ...args));
/** A file's records, each member as text. */
const records = (...names) => script("print", path.join(...names));
const npz = (dir) =>
  fs
    .readdirSync(dir)
    .filter((name) => name.endsWith(".npz"))
    .sort();
const exporting = (archive, out, ...more) => [
  "export",
  "-q",
  "-a",
  archive,
  "--format",
  "hftbacktest",
  "--out",
  out,
  ...more,
];

const dirs = temporary({ after });
const archives = new Map();

/** The archive of a capture, which tests with the same file share and only read. */
function imported(file, family) {
  const make = async () => {
    const archive = path.join(fs.mkdtempSync(path.join(dirs, "import-")), "tape");
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
  };
  return archives.get(file) ?? archives.set(file, make()).get(file);
}

/** Check that the files equal the script's, and that the manifest has their counts. */
async function compare(file, family, out, options = {}) {
  const { records: counts, offsets } = await script(
    "check",
    file,
    family,
    out,
    JSON.stringify(options)
  );
  const { days, totals } = manifestOf(out);
  const listed = days
    .flatMap((day) => day.files)
    .filter(({ name, rows }) => name !== null && rows !== undefined);
  assert.deepEqual(Object.fromEntries(listed.map(({ name, rows }) => [name, rows])), counts);
  assert.equal(
    totals.rows,
    Object.values(counts).reduce((a, b) => a + b, 0)
  );
  assert.deepEqual(
    days.map((day) => day.totals.clock_offset_ns),
    offsets
  );
}

for (const [name, family] of CAPTURES) {
  test(
    `${name}: events equal the script's, and books are right after each frame`,
    { skip: withoutCapture(name) },
    async (t) => {
      const archive = await imported(capture(name), family);
      const out = path.join(temporary(t), "out");
      await tapedeck(t, exporting(archive, out));
      await compare(capture(name), family, out);
      // The last books equal the books of a replay.
      const { books } = await json(t, ["replay", archive, "--json"]);
      for (const file of npz(out).filter((of) => of.endsWith("_eod.npz"))) {
        const rows = await records(out, file);
        const best = (flag) => rows.find(({ ev }) => Number(ev) === EXCH + LOCAL + flag + SNAPSHOT);
        const { topic } = manifestOf(out).days[0].files.find(
          (row) => row.name === file.replace("_eod", "")
        );
        const book = books.find((row) => row.symbol === file.split("_")[0] && row.topic === topic);
        assert.deepEqual(
          [Number(best(BUY).px), Number(best(SELL).px)],
          [book.best_bid, book.best_ask].map(Number),
          file
        );
        assert.equal(rows.length, book.bids + book.asks);
      }
    }
  );
}

/** A capture whose receive times are moved by seconds. */
function moved(t, seconds) {
  const file = path.join(temporary(t), "moved.txt");
  const move = (line) =>
    line.replace(
      /(^|<- |<-> )(\d+)(\.\d+)/,
      (_, before, whole, rest) => `${before}${Number(whole) + seconds}${rest}`
    );
  fs.writeFileSync(
    file,
    captureLines(INVERSE)
      .map((line) => (line === "" ? line : move(line)))
      .join("\n")
  );
  return file;
}

const firstSecond = () => Number(/^(\d+)\./m.exec(captureLines(INVERSE).join("\n"))[1]);

test(
  "a book continues over midnight; --sod begins with the whole book; threads do not change the bytes",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const file = moved(t, 1618704000 - firstSecond() - 15);
    const archive = await imported(file, "inverse");
    const dir = temporary(t);
    const bytes = (out) =>
      npz(out).map((name) => [name, fs.readFileSync(path.join(out, name)).toString("latin1")]);
    for (const options of [{}, { sod: true }]) {
      const outs = ["1", "4"].map((threads) => path.join(dir, `${threads}${options.sod}`));
      for (const [i, threads] of ["1", "4"].entries())
        await tapedeck(
          t,
          exporting(archive, outs[i], "-j", threads, ...(options.sod ? ["--sod"] : []))
        );
      assert.equal(npz(outs[0]).length, 8);
      await compare(file, "inverse", outs[0], options);
      assert.deepEqual(bytes(outs[0]), bytes(outs[1]));
    }
  }
);

test(
  "a recorder's clock that was slow gives each day an offset, in its manifest",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const file = moved(t, 1618704000 - firstSecond() - 15 - 30 * 86400); // moves the times about thirty days back, so that midnight is within the capture
    const archive = await imported(file, "inverse");
    const out = path.join(temporary(t), "out");
    const { stderr } = await tapedeck(
      t,
      exporting(archive, out).filter((word) => word !== "-q")
    );
    const { days } = manifestOf(out);
    assert.equal(days.length, 2);
    for (const { totals } of days) assert.ok(totals.clock_offset_ns > 29 * 86400e9);
    assert.match(stderr, /was behind; \d+ ns are added/);
    await compare(file, "inverse", out);
    const again = await tapedeck(
      t,
      exporting(archive, out).filter((word) => word !== "-q")
    );
    assert.match(again.stderr, /all days existed already/);
  }
);

test("a day that does not fit into memory is sorted in a file, which is removed afterwards", async (t) => {
  const dir = temporary(t),
    file = path.join(dir, "many.txt");
  const at = (i) => 1_700_000_000_000 + 10 * i;
  const time = (ms) => `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}`;
  const side = (i, from) =>
    Array.from({ length: 8 }, (_, k) => [String(from + ((i + k) % 20)), `${i + 1}.${k + 1}`]);
  const frame = (i) => ({
    topic: "orderbook.50.BTCUSDT",
    type: i === 0 ? "snapshot" : "delta",
    ts: at(i) - 5 - ((i * 7919) % 997),
    data: { s: "BTCUSDT", b: side(i, 100), a: side(i, 200), u: 10 + i, seq: 1000 + i },
  });
  fs.writeFileSync(
    file,
    [
      `wss://stream.bybit.com/v5/public/linear <-> ${time(at(0) - 1)}`,
      ...Array.from({ length: 1500 }, (_, i) => `${time(at(i))}: ${JSON.stringify(frame(i))}`),
      "",
    ].join("\n")
  );
  const archive = await imported(file, "v5-linear");
  const out = path.join(dir, "out");
  await tapedeck(t, exporting(archive, out));
  await compare(file, "v5-linear", out);
  assert.deepEqual(fs.readdirSync(out).sort(), [
    "BTCUSDT_20231114.npz",
    "BTCUSDT_20231114_eod.npz",
    "MANIFEST.2023-11-14.json",
  ]);
});

// ---- made-up frames --------------------------------------------------------------------------------------------

const START_MS = 1_700_000_000_000;

/** A frame of BTCUSDT's book; u rises by one. */
const book = (ms, type, u, b, a, topic = "orderbook.50") => ({
  topic: `${topic}.BTCUSDT`,
  type,
  ts: START_MS + ms,
  data: { s: "BTCUSDT", b, a, u, seq: 1000 + u },
  cts: START_MS + ms - 3,
});
const trade = (ms, S, p, v, s = "BTCUSDT") => ({
  topic: `publicTrade.${s}`,
  type: "snapshot",
  ts: START_MS + ms,
  data: [
    {
      T: START_MS + ms,
      s,
      S,
      v,
      p,
      L: "PlusTick",
      i: `00000000-0000-5000-8000-${String(ms).padStart(12, "0")}`,
      BT: false,
    },
  ],
});

const recorded = (t, frames, family = "v5-linear") =>
  importLines(
    t,
    frames.map((frame) => ({ ts: frame.ts + 10, data: JSON.stringify(frame) })),
    { family }
  );

/** Records in brief: kind, flags, ms of both times, price, amount. */
const short = (rows) =>
  rows.map(({ ev, exch_ts, local_ts, px, qty }) => {
    const flags = [
      [EXCH, "E"],
      [LOCAL, "L"],
      [BUY, "B"],
      [SELL, "S"],
    ]
      .filter(([flag]) => BigInt(ev) & BigInt(flag))
      .map(([, name]) => name)
      .join("");
    const ms = (ns) => Number((BigInt(ns) - BigInt(START_MS) * 1_000_000n) / 1_000_000n);
    return `${Number(BigInt(ev) & 255n)} ${flags} ${ms(exch_ts)} ${ms(local_ts)} ${px} ${qty}`;
  });

test("trades come before depth, a lost frame clears the book, a snapshot clears whole sides", async (t) => {
  const archive = await recorded(t, [
    book(
      0,
      "snapshot",
      10,
      [
        ["100", "1"],
        ["99.5", "2"],
      ],
      [["101", "3"]]
    ),
    book(
      20,
      "delta",
      11,
      [["100", "0"]],
      [
        ["101", "0.25"],
        ["102", "7"],
      ]
    ),
    trade(20, "Sell", "100", "1"), // received 1 ns later
    book(40, "delta", 14, [["98", "1"]], []), // two frames are missing
    trade(50, "Buy", "101", "2"),
    book(60, "snapshot", 20, [], [["0.00000001", "123456789.12345678"]]),
  ]);
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, out), { status: 1 });
  const depth = (flags) => [
    `${DEPTH} ${flags}S 20 30 101.0 0.25`,
    `${DEPTH} ${flags}S 20 30 102.0 7.0`,
    `${DEPTH} ${flags}B 20 30 100.0 0.0`,
  ];
  assert.deepEqual(short(await records(out, "BTCUSDT_20231114.npz")), [
    `${CLEAR} ELB 0 10 -inf 0.0`,
    `${SNAPSHOT} ELB 0 10 100.0 1.0`,
    `${SNAPSHOT} ELB 0 10 99.5 2.0`,
    `${CLEAR} ELS 0 10 inf 0.0`,
    `${SNAPSHOT} ELS 0 10 101.0 3.0`,
    ...depth("L"),
    `${CLEAR} L 20 30 0.0 0.0`, // clears both sides, after the last trusted frame
    `${TRADE} ELS 20 30 100.0 1.0`,
    ...depth("E"),
    `${CLEAR} E 20 30 0.0 0.0`,
    `${TRADE} ELB 50 60 101.0 2.0`,
    `${CLEAR} ELB 60 70 -inf 0.0`,
    `${CLEAR} ELS 60 70 inf 0.0`,
    `${SNAPSHOT} ELS 60 70 1e-08 123456789.12345678`,
  ]);
  assert.deepEqual(short(await records(out, "BTCUSDT_20231114_eod.npz")), [
    `${SNAPSHOT} ELS 60 70 1e-08 123456789.12345678`,
  ]);
  const [file] = manifestOf(out).days[0].files;
  assert.deepEqual([file.break_count, file.left_out_frames, file.breaks[0].cause], [1, 1, "gap"]);
});

test("a symbol of two feeds has a folder for each; the format's options are refused with other formats", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "out");
  const frames = {
    "v5-linear": [trade(0, "Buy", "1", "1"), trade(0, "Buy", "3", "1", "ETHUSDT")],
    "v5-spot": [trade(0, "Buy", "2", "1")],
  };
  for (const [family, list] of Object.entries(frames))
    await importLines(
      t,
      list.map((frame) => ({ ts: START_MS + 10, data: JSON.stringify(frame) })),
      { archive, family }
    );
  await tapedeck(t, exporting(archive, out, "--format", "tardis-csv"));
  const names = [
    "ETHUSDT_20231114.npz",
    "v5-linear/BTCUSDT_20231114.npz",
    "v5-spot/BTCUSDT_20231114.npz",
  ];
  const made = fs
    .readdirSync(path.join(out, "hftbacktest"), { recursive: true })
    .filter((name) => name.includes("."));
  assert.deepEqual(made.sort(), names);
  const { files } = manifestOf(out);
  assert.deepEqual(
    files.filter((of) => of.format === "hftbacktest").map(({ name, feed }) => [name, feed]),
    [
      ["hftbacktest/ETHUSDT_20231114.npz", "v5-linear"],
      ["hftbacktest/v5-linear/BTCUSDT_20231114.npz", "v5-linear"],
      ["hftbacktest/v5-spot/BTCUSDT_20231114.npz", "v5-spot"],
    ]
  );
  const prices = await Promise.all(names.map((name) => records(out, "hftbacktest", name)));
  assert.deepEqual(
    prices.map(([row]) => Number(row.px)),
    [3, 1, 2]
  );
  await tapedeck(t, exporting(archive, path.join(dir, "one"), "--feed", "v5-spot"));
  assert.deepEqual(short(await records(dir, "one", "BTCUSDT_20231114.npz")), [
    `${TRADE} ELB 0 10 2.0 1.0`,
  ]);
  const other = await tapedeck(
    t,
    ["export", archive, "--format", "jsonl", "--sod", "--out", path.join(dir, "other")],
    { status: 2 }
  );
  assert.match(other.stderr, /--sod and --bbo need --format hftbacktest/);
});

test("--bbo adds the exchange's own best prices; a side that a frame lacks keeps its price", async (t) => {
  const archive = await recorded(t, [
    book(0, "snapshot", 10, [["100", "1"]], [["101", "3"]], "orderbook.1"),
    book(10, "snapshot", 10, [["100", "1"]], []),
    book(
      20,
      "delta",
      11,
      [
        ["100", "0"],
        ["99.5", "2"],
      ],
      [],
      "orderbook.1"
    ),
  ]);
  const dir = temporary(t);
  await tapedeck(t, exporting(archive, path.join(dir, "with"), "--bbo"));
  const rows = short(await records(dir, "with", "BTCUSDT_20231114.npz"));
  const bbo = rows.filter((row) => row.startsWith(`${BBO} `));
  assert.deepEqual(bbo, [
    `${BBO} ELS 0 10 101.0 3.0`,
    `${BBO} ELB 0 10 100.0 1.0`,
    `${BBO} ELS 20 30 101.0 3.0`,
    `${BBO} ELB 20 30 99.5 2.0`,
  ]);
  await tapedeck(t, exporting(archive, path.join(dir, "without")));
  assert.equal((await records(dir, "without", "BTCUSDT_20231114.npz")).length, 3);
});

test("a book that breaks at its first frame of a day is cleared at the day's beginning", async (t) => {
  const MIDNIGHT = 6_400_000;
  const archive = await recorded(t, [
    book(0, "snapshot", 10, [["100", "1"]], [["101", "3"]]),
    book(MIDNIGHT + 1000, "delta", 14, [["98", "1"]], []),
    book(MIDNIGHT + 2000, "snapshot", 20, [["90", "1"]], []),
  ]);
  const out = path.join(temporary(t), "out");
  await tapedeck(t, exporting(archive, out), { status: 1 });
  assert.deepEqual(short(await records(out, "BTCUSDT_20231115.npz")), [
    `${CLEAR} EL ${MIDNIGHT - 1} ${MIDNIGHT} 0.0 0.0`,
    `${CLEAR} ELB ${MIDNIGHT + 2000} ${MIDNIGHT + 2010} -inf 0.0`,
    `${SNAPSHOT} ELB ${MIDNIGHT + 2000} ${MIDNIGHT + 2010} 90.0 1.0`,
    `${CLEAR} ELS ${MIDNIGHT + 2000} ${MIDNIGHT + 2010} inf 0.0`,
  ]);
});

npm.test(
  "the recipe for order latencies gives the truth file's latencies for a client behind tap",
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      truth = path.join(dir, "truth.jsonl");
    const sim = await listening(
      t,
      ["sim", "--plain", "--families", "v5-trade", "--rate", "500", "--truth", truth],
      dir
    );
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", sim.url, "--plain"],
      fs.mkdtempSync(path.join(dir, "tap-"))
    );
    const trade = await connected(t, `${tap.url}/v5/trade`);
    const order = {
      category: "linear",
      symbol: "BTCUSDT",
      side: "Buy",
      orderType: "Limit",
      qty: "0.01",
      price: "50000",
    };
    for (let i = 0; i < 20; i++)
      await ask(trade, `c${i}`, "order.create", { ...order, ...(i === 7 ? { qty: "200" } : {}) }); // one order is refused
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    const out = path.join(dir, "out");
    const [, recipe] = /^```python\n(import json[^]*?)^```/m.exec(
      fs.readFileSync("docs/datasets.md", "utf8")
    );
    const file = (name, text) => (
      fs.writeFileSync(path.join(out, name), text),
      path.join(out, name)
    );
    fs.mkdirSync(out);
    await python(
      file("latency.py", recipe),
      file("latency.json", (await tapedeck(t, ["latency", archive, "--json"])).stdout),
      path.join(out, "latency.npz")
    );
    const rows = (await records(out, "latency.npz")).map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key, BigInt(value)]))
    );
    // Exact times of the tape: numbers of JavaScript would be rounded.
    const frames = async (direction) =>
      (await tapedeck(t, ["cat", archive, "--topic", "order.create", "--dir", direction])).stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => BigInt(/"recv_ns":(\d+)/.exec(line)[1]));
    const [sent, answered] = [await frames("out"), await frames("in")];
    const known = fs
      .readFileSync(truth, "utf8")
      .split("\n")
      .filter((line) => line.includes('"t":"frame"') && line.includes('"order.create"'))
      .map((line) => BigInt(/"ts_ns":(\d+)/.exec(line)[1]));
    assert.deepEqual([sent.length, answered.length, known.length], [20, 20, 20]);
    let last = 0n;
    const expected = sent.map((req_ts, i) => {
      const least = (req_ts > last ? req_ts : last) + 1n,
        cut = known[i] - (known[i] % 1_000_000n),
        most = answered[i] - 1n;
      const exch_ts = i === 7 ? 0n : cut < least ? least : cut > most ? most : cut;
      last = exch_ts || last;
      return { req_ts, exch_ts, resp_ts: answered[i], _padding: 0n };
    });
    assert.deepEqual(rows, expected);
  }
);

test("frames without a receive time of their own do not show a clock that was behind", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const trade = (i, ms) => ({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: ms,
    data: [{ T: ms, s: "BTCUSDT", S: "Buy", v: "1", p: "2.5", i: `t${i}`, BT: false, seq: i }],
  });
  for (const [behindMs, warning] of [
    [0, null],
    [2, /the recorder's clock was behind; 2000001 ns are added/],
  ]) {
    const lines = [0, 1, 2]
      .map((i) => trade(i, 1_786_320_000_000 + 10 * i))
      .map((data) =>
        behindMs === 0
          ? JSON.stringify(data)
          : `{"recv_ns":${data.ts - behindMs}000000,"data":${JSON.stringify(data)}}`
      );
    await importLines(t, lines, { archive: archive + behindMs, family: "v5-linear" });
    const { stderr } = await tapedeck(
      t,
      exporting(archive + behindMs, path.join(dir, `out${behindMs}`)).filter((arg) => arg !== "-q")
    );
    assert.match(stderr, warning ?? /^tapedeck export: 1 file, 3 rows in .*\n$/);
  }
});
