// A reader that begins at a checkpoint finds the same as one that reads the frames before it, and reads less. A copy with damaged
// checkpoints is read as if it had no checkpoints.
import assert from "node:assert/strict";
import fs from "node:fs";
import { once as event } from "node:events";
import path from "node:path";
import { after } from "node:test";
import zlib from "node:zlib";
import {
  captureLines,
  eventsOf,
  importLines,
  isManifest,
  json,
  jsonLines,
  listening,
  manifestOf,
  run,
  segments,
  tapedeck,
  temporary,
  tooLong,
  withoutCapture,
} from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");

const FRAMES = 24_000; // fit into the live check's ring, so that it skips none on a loaded machine
const HOURS_FRAMES = 1500; // of a simulated exchange, in archives of some hours
const CHECKPOINT = 0x81;
const MAGIC_BYTES = 8;
const SETTLED_NS = 2e9; // for so long at least both connections have had frames before the older one closes

/** The checkpoints of a segment: each record's offsets and moment. */
function checkpointsOf(file) {
  const bytes = fs.readFileSync(file);
  const found = [];
  for (let at = MAGIC_BYTES; at + 9 <= bytes.length;) {
    const end = at + 9 + Number(bytes.readBigUInt64LE(at + 1));
    if (bytes[at] === CHECKPOINT)
      found.push({ from: at, to: end, atNs: bytes.readBigUInt64LE(at + 9) });
    at = end;
  }
  return found;
}

function damage(file, { whole = false } = {}) {
  const bytes = fs.readFileSync(file);
  for (const { from, to } of checkpointsOf(file)) bytes[whole ? from + 9 : to - 1] ^= 1; // the moment, or the last state
  fs.writeFileSync(file, bytes);
}

/** Tests share this folder; a test that changes a file copies it. */
const sharedDir = temporary({ after });

/** A function whose result is made once. */
const once = (make) => {
  const results = new Map();
  return (key) => results.get(key) ?? results.set(key, make(key)).get(key);
};

/** A recording of a simulated exchange: {archive, recorded: the recorder's report}. */
const recordingOf = once(async (family) => {
  const dir = fs.mkdtempSync(path.join(sharedDir, `${family}-`)),
    archive = path.join(dir, "archive");
  const [symbols, frames, topics] =
    family === "inverse"
      ? ["3", FRAMES]
      : ["2", HOURS_FRAMES, ["tickers.BTCUSDT", "tickers.ETHUSDT", "orderbook.50.BTCUSDT"]];
  const server = await simulator(undefined, dir, [
    "--families",
    family,
    "--symbols",
    symbols,
    "--rate",
    "10000",
    "--seed",
    "3",
  ]);
  const recorder = new Recorder(undefined, archive, [
    ...feedArgs(server, family, topics),
    "--max-frames",
    String(frames),
  ]);
  const { recorded } = JSON.parse((await recorder.ended).stdout.trim().split("\n").at(-1));
  await server.program.kill("SIGKILL");
  return { archive, recorded };
});

const CHUNKS = /read (\d+) chunks \((\d+) bytes\)/;

/** Replay's report from a moment on, and the bytes of the chunks that it read. */
async function replayFrom(t, archive, ns) {
  const { stdout, stderr } = await run(
    t,
    "tapedeck-replay",
    ["replay", archive, "--from", String(ns), "-v", "--json", "-j", "1"],
    { status: null }
  ); // any status: only the report is compared

  const { digest, frames, books, continuity } = JSON.parse(stdout);
  assert.ok(frames > 0);
  delete continuity.audits.trades; // a checkpoint includes trades before the selection
  return { found: { digest, frames, books, continuity }, bytes: Number(CHUNKS.exec(stderr)[2]) };
}

test("a recording read from a checkpoint on has the report of the whole, and a damaged checkpoint is not used", async (t) => {
  const copy = path.join(temporary(t), "copy");
  const { archive, recorded } = await recordingOf("inverse");
  assert.deepEqual([recorded.unchecked, recorded.states_left_out], [0, 0]);

  const file = path.join(archive, segments(archive).at(-1));
  const checkpoints = checkpointsOf(file);
  assert.ok(checkpoints.length > 0, "a recording of some MiB has checkpoints");
  assert.ok(
    checkpoints.reduce((sum, { from, to }) => sum + to - from, 0) < 0.05 * fs.statSync(file).size
  );
  assert.equal((await json(t, ["verify", archive, "--json"])).verdict, "sound");

  fs.cpSync(archive, copy, { recursive: true });
  for (const each of segments(copy)) damage(path.join(copy, each));
  for (const { atNs } of checkpoints) {
    const from = await replayFrom(t, archive, atNs + 1_000_000n);
    const whole = await replayFrom(t, copy, atNs + 1_000_000n);
    assert.ok(from.found.continuity.ok);
    assert.deepEqual(from.found, whole.found);
    assert.ok(
      from.bytes < whole.bytes,
      `${from.bytes} bytes read, ${whole.bytes} without checkpoints`
    );
    // The first frame of a book after the checkpoint changes the levels of the checkpoint's book.
    for (const symbol of ["BTCUSD", "ETHUSD"]) {
      const first = (of) =>
        json(t, [
          "when",
          of,
          "topic=orderBook*",
          "--symbol",
          symbol,
          "--from",
          String(atNs),
          "--json",
        ]);
      const { found } = await first(archive);
      assert.deepEqual(found, (await first(copy)).found);
      assert.ok(
        found.book.before !== null && found.book.changes.length < found.book.bids.length,
        JSON.stringify(found.book.changes)
      );
    }
  }
  const { stdout } = await tapedeck(t, ["verify", copy, "-v"], { status: 3 });
  assert.match(stdout, /: checkpoint: /);
});

test("an archive without its older segments is read from the checkpoint of its first one on", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "archive");
  const server = await simulator(t, dir, [
    "--families",
    "v5-linear",
    "--symbols",
    "2",
    "--rate",
    "2000",
  ]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, "v5-linear", ["publicTrade", "orderbook.50", "tickers"]),
    "--symbol",
    "BTCUSDT",
    "--symbol",
    "ETHUSDT",
    "--commit-interval",
    "100ms",
  ]);
  for (let i = 0; i < 2; i++) {
    await recorder.durableAfter(recorder.durableLines + 10);
    await tapedeck(t, ["ctl", archive, "rotate"]);
  }
  await recorder.durableAfter(recorder.durableLines + 10);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const [, , last, ...more] = segments(archive);
  assert.deepEqual(more, []);
  const { stdout } = await tapedeck(t, ["replay", path.join(archive, last), "--json"], {
    status: null,
  });
  const first = /"first_recv_ns": ?(\d+)/.exec(stdout)[1];

  // What is left of the archive, with and without its checkpoint.
  const left = (name, change) => {
    const of = path.join(dir, name);
    fs.cpSync(archive, of, { recursive: true });
    if (change) damage(path.join(of, last));
    return of;
  };
  const pruned = left("pruned"),
    damaged = left("damaged", true);
  for (const of of [pruned, damaged]) await tapedeck(t, ["prune", of, "--before", first]);
  assert.deepEqual(segments(pruned), [last]);

  const whole = await replayFrom(t, archive, first);
  assert.ok(whole.found.continuity.ok);
  for (const from of [0, first])
    assert.deepEqual((await replayFrom(t, pruned, from)).found, whole.found);
  assert.deepEqual((await replayFrom(t, path.join(pruned, last), 0)).found, whole.found); // a segment alone
  const { continuity, books } = (await replayFrom(t, damaged, 0)).found;
  assert.ok(
    continuity.violations > 0 && books.every(({ broken }) => broken),
    JSON.stringify(books)
  );
});

test("a checkpoint after other connections have taken over, on another line and on the first one again", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "archive"),
    copy = path.join(dir, "copy");
  const server = await simulator(t, dir, [
    "--families",
    "v5-linear",
    "--symbols",
    "2",
    "--rate",
    "6000",
  ]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, "v5-linear", ["publicTrade", "orderbook.50", "tickers"]),
    "--symbol",
    "BTCUSDT",
    "--symbol",
    "ETHUSDT",
    "--max-age",
    "14s",
  ]);
  await recorder.prints({
    test: (all) => all.split("has taken over").length > 2,
    exec: () => null,
  });
  await recorder.durableAfter(recorder.durableLines + 2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  fs.cpSync(archive, copy, { recursive: true });
  for (const each of segments(copy)) damage(path.join(copy, each));
  const events = await eventsOf(t, archive);
  const at = (kind, n) => events.filter(({ event }) => event === kind)[n].at_ns;
  // While two lines are open, and for 8 s after that, an earlier checkpoint is used, of a time with one line, or none.
  const isBeforeDisconnect = (ns, n) =>
    ns > at("disconnect", n) - SETTLED_NS && ns < at("disconnect", n);
  const lineOf = (ns) =>
    ns > at("disconnect", 0) && ns < at("connect", 2)
      ? 1
      : isBeforeDisconnect(ns, 0) || isBeforeDisconnect(ns, 1)
        ? "two"
        : "other";
  const seen = new Set(),
    used = new Set();
  for (const { atNs } of checkpointsOf(path.join(archive, segments(archive).at(-1)))) {
    const from = await replayFrom(t, archive, atNs + 1_000_000n);
    const whole = await replayFrom(t, copy, atNs + 1_000_000n);
    for (const { found } of [from, whole])
      for (const of of ["audits", "statistics"]) delete found.continuity[of]; // on another line they begin at the checkpoint
    assert.deepEqual(from.found, whole.found);
    seen.add(lineOf(Number(atNs)));
    if (from.bytes < whole.bytes) used.add(lineOf(Number(atNs)));
  }
  assert.ok(used.has(1), [...used].join());
  assert.ok(seen.has("two"), [...seen].join());
});

// ---- exports -----------------------------------------------------------------------------------------------

const HOURS = 6;
const HOUR_NS = 3_600_000_000_000n;
const BEGIN_NS = 1_795_154_400_000_000_000n;

/** Frames of a simulated exchange with some missing; in the middle a new connection begins with the same frames. */
async function simulated(family) {
  const { archive } = await recordingOf(family);
  const frames = (await jsonLines(undefined, ["cat", archive, "-n", String(HOURS_FRAMES)])).map(
    ({ dir, data }) => ({ dir, data })
  );
  const connects = { url: "wss://stream.bybit.com/realtime" };
  return [connects, ...frames, connects, ...frames].filter((_, i) => i % 497 !== 496);
}

/** Frames of a capture of cryptofeed. */
function captured(name) {
  const received = /^\d+\.\d+: (.*)$/,
    sent = /^\S+ <- \d+\.\d+: (.*)$/;
  return captureLines(name)
    .map((line) =>
      received.test(line)
        ? { dir: "in", data: received.exec(line)[1] }
        : sent.test(line)
          ? { dir: "out", data: sent.exec(line)[1] }
          : null
    )
    .filter((frame) => frame !== null);
}

/** An archive of these frames over some hours, and so segments, and a copy of it whose checkpoints are damaged: {archive, copy}. A
 * frame is {dir, data}, or a line that connects. */
async function hoursOf(family, frames) {
  const dir = fs.mkdtempSync(path.join(sharedDir, "hours-"));
  const archive = path.join(dir, "archive"),
    copy = path.join(dir, "copy");
  const step = (BigInt(HOURS) * HOUR_NS) / BigInt(frames.length);
  await importLines(
    undefined,
    frames.map((frame, i) => ({ recv_ns: String(BEGIN_NS + BigInt(i) * step), ...frame })),
    { archive, family }
  );
  fs.cpSync(archive, copy, { recursive: true });
  for (const each of segments(copy)) damage(path.join(copy, each), { whole: true });
  return { archive, copy };
}

const simulatedHours = once(async (family) => {
  const frames = await simulated(family);
  return { frames, ...(await hoursOf(family, frames)) };
});

const EXPORTS = [
  ["tardis-csv"],
  ["jsonl"],
  ["tardis-csv", "--symbol", "*B*", "--topic", "order*ook*"],
];
const TICKERS = ["tardis-csv", "--topic", "*tickers*", "--topic", "instrument_info*"];
const EXPORT_MINUTES = [165n, 100n, 281n]; // for each capture, before and after the reconnect

/** The files of an export from a moment on, their manifest, and the bytes of the chunks that were read. */
async function exportFrom(t, archive, ns, [format, ...selection]) {
  const out = path.join(fs.mkdtempSync(path.join(sharedDir, "export-")), "out");
  const { stderr } = await run(
    t,
    "tapedeck",
    ["export", archive, "--format", format, "--out", out, "--from", String(ns), "-v", ...selection],
    { status: null }
  ); // 1: reconnects are gaps
  const { segments: read, days, ...manifest } = manifestOf(out);
  const files = Object.fromEntries(
    fs
      .readdirSync(out)
      .filter((f) => !isManifest(f))
      .map((f) => [f, fs.readFileSync(path.join(out, f)).toString("base64")])
  );
  return {
    found: { files, manifest },
    segments: read.length,
    bytes: Number(CHUNKS.exec(stderr)[2]),
  };
}

const SOURCES = [
  ["inverse, with a reconnect and lost frames", () => simulatedHours("inverse"), tooLong],
  ["v5-linear, with a reconnect and lost frames", () => simulatedHours("v5-linear")],
  [
    "linear-2021-04-17.jsonl.gz",
    () => hoursOf("linear", captured("linear-2021-04-17.jsonl.gz")),
    withoutCapture("linear-2021-04-17.jsonl.gz"),
  ],
  [
    "inverse-2021-04-17.jsonl.gz",
    () => hoursOf("inverse", captured("inverse-2021-04-17.jsonl.gz")),
    withoutCapture("inverse-2021-04-17.jsonl.gz") || tooLong,
  ],
];
for (const [name, hours, skip = false] of SOURCES) {
  test(
    `${name}: exports that begin at a checkpoint have the state of the frames before it`,
    { skip },
    async (t) => {
      const { archive, copy } = await hours();
      let saved = 0;
      for (const [i, what] of EXPORTS.entries()) {
        const ns = BEGIN_NS + (EXPORT_MINUTES[i] * HOUR_NS) / 60n;
        const from = await exportFrom(t, archive, ns, what);
        const whole = await exportFrom(t, copy, ns, what);
        assert.deepEqual(from.found, whole.found, `export ${i} from ${ns}`);
        assert.ok(from.bytes <= whole.bytes && from.segments <= whole.segments);
        saved += whole.bytes - from.bytes;
      }
      assert.ok(saved > 0, "checkpoints are used");

      // A whole export has the same rows of tickers from then on. Captures of 2021 have no tickers.
      if (!name.includes("2021")) {
        const rowsFrom = ({ found }, ns) =>
          Object.entries(found.files).flatMap(([name, text]) =>
            name.includes("derivative_ticker")
              ? zlib
                  .gunzipSync(Buffer.from(text, "base64"))
                  .toString()
                  .split("\n")
                  .filter((row) => Number(row.split(",")[3]) >= ns / 1000)
              : []
          );
        const all = await exportFrom(t, archive, BEGIN_NS, TICKERS);
        const middle = BEGIN_NS + (5n * HOUR_NS) / 2n;
        assert.deepEqual(
          rowsFrom(await exportFrom(t, archive, middle, TICKERS), Number(middle)),
          rowsFrom(all, Number(middle))
        );
        assert.ok(rowsFrom(all, Number(middle)).length > 0);
      }
    }
  );
}

// ---- serve -------------------------------------------------------------------------------------------------

/** A client's messages from a moment on, by topic, and the bytes of the chunks that were read. */
async function servedFrom(t, archive, ns, host, requests) {
  const { program, url } = await listening(
    t,
    [
      "serve",
      archive,
      "--plain",
      "--from",
      String(ns),
      "--disconnects",
      "skip",
      "--speed",
      "max",
      "--once",
      "-v",
    ],
    sharedDir
  );
  const client = new WebSocket(url + host, { perMessageDeflate: false });
  t.after(() => client.terminate());
  const found = {};
  client.on("open", () => requests.forEach((request) => client.send(request)));
  client.on("message", (bytes) => {
    const { topic, symbol } = JSON.parse(bytes);
    if (topic !== undefined) (found[`${topic} ${symbol}`] ??= []).push(String(bytes));
  });
  // The client may still have frames to read when the server has ended.
  const [[closeCode], { code, stderr }] = await Promise.all([
    event(client, "close"),
    program.ended,
  ]);
  assert.deepEqual([closeCode, code], [1000, 0], stderr);
  const bytes = [...stderr.matchAll(new RegExp(CHUNKS, "g"))].reduce(
    (sum, [, , size]) => sum + Number(size),
    0
  );
  return { found, bytes, made: Number(/(\d+) snapshots? made/.exec(stderr)[1]) };
}

/** Frames of books with a snapshot at their beginning only: for each dialect a function (symbol, u). */
const level = (u) => [
  ["100.00", `${u}`],
  [`${100 - (u % 7)}.50`, "3"],
];
const v5 = (topic, levels) => [
  "/v5/public/linear",
  (symbol, u) => ({
    topic: `${topic}.${symbol}`,
    type: u === 1 ? "snapshot" : "delta",
    ts: u * 1000,
    data: { s: symbol, b: levels(u), a: levels(200 - u), u, seq: 9 + u },
    cts: u * 1000 - 7,
  }),
  (symbols) => ({ op: "subscribe", args: symbols.map((symbol) => `${topic}.${symbol}`) }),
];
const RETAIL = "v5-linear, with retail orders"; // checkpoints do not have their sizes
const BOOKS = {
  "v5-linear": v5("orderbook.50", level),
  [RETAIL]: v5("orderbook.rpi", (u) => level(u).map(([price, size]) => [price, size, "2"])),
  "spot-v1": [
    "/spot/quote/ws/v1",
    (symbol, u) => ({
      symbol,
      symbolName: symbol,
      topic: "diffDepth",
      params: { realtimeInterval: "24h", binary: "false" },
      data: [{ e: 301, s: symbol, t: u, v: `${u}_1`, b: level(u), a: [["101", `${u}`]], o: 0 }],
      f: u === 1,
      sendTime: u,
    }),
    (symbols) => ({
      topic: "diffDepth",
      event: "sub",
      symbol: symbols.join(","),
      params: { binary: false },
    }),
  ],
};
const SYMBOLS = ["AUSDT", "BUSDT", "QUIETUSDT"]; // the last one has no frame for hours

function madeUp(family) {
  const [host, frame, request] = BOOKS[family];
  const numbers = Array.from({ length: 300 }, (_, i) => i + 1);
  const frames = numbers.flatMap((u) =>
    SYMBOLS.filter((symbol) => u < 40 || u > 280 || !symbol.startsWith("QUIET")).map((symbol) =>
      frame(symbol, symbol.startsWith("QUIET") && u > 280 ? u - 241 : u)
    )
  );
  return {
    host,
    requests: [JSON.stringify(request(SYMBOLS))],
    frames: [
      { url: `wss://stream.bybit.com${host}` },
      ...frames.map((data) => ({ dir: "in", data: JSON.stringify(data) })),
    ],
  };
}

async function recorded() {
  const { archive, copy, frames } = await simulatedHours("inverse");
  return {
    host: "/realtime",
    archive,
    copy,
    requests: frames
      .filter(({ dir, data }) => dir === "out" && data.includes("subscribe"))
      .map(({ data }) => data),
  };
}

for (const family of ["inverse", ...Object.keys(BOOKS)]) {
  test(`${family}: on a tape that begins at a checkpoint a client gets the same frames and made snapshots as on a longer tape`, async (t) => {
    const { host, frames, requests, ...archives } =
      family === "inverse" ? await recorded() : madeUp(family);
    const { archive, copy } =
      archives.archive === undefined ? await hoursOf(family.split(",")[0], frames) : archives;
    for (const tenths of family === "inverse" ? [25n, 40n, 59n] : [25n]) {
      const ns = BEGIN_NS + (tenths * HOUR_NS) / 10n;
      const [from, whole] = await Promise.all(
        [archive, copy].map((of) => servedFrom(t, of, ns, host, requests))
      );
      assert.deepEqual(from.found, whole.found);
      assert.ok(from.made > 0 && from.made === whole.made);
      assert.ok(
        family === RETAIL || from.bytes < whole.bytes,
        `${from.bytes} bytes read, ${whole.bytes} without checkpoints`
      );
    }
  });
}
