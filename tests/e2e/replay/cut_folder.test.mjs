// `tapedeck cut` writes a selection of several feeds and sessions as a folder. Expected: the frames that `cat` prints from the
// archive, and replay's report of the same time.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import {
  BIN,
  capture,
  eventually,
  importLines,
  json,
  jsonLines,
  listening,
  Program,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { judgedByTest } from "../support/judged_command.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { ask, connected, message, updates } from "../support/order_entry.mjs";
import { feedArgs, Recorder, recordUntil, simulator } from "../support/recorders.mjs";

const tapedeckPath = path.resolve(BIN, "tapedeck");
const LINEAR = "linear-2021-04-17.jsonl.gz";
const INVERSE = "inverse-2021-04-17.jsonl.gz";
const REPLY = "/v5/market/instruments-info?category=linear&symbol=BTCUSDT";
const TOPICS = ["orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT", "publicTrade.BTCUSDT"];

const shared = temporary({ after });

/** The receive time of each printed frame, as text: it is too large for a number. */
const timesOf = (text) => [...text.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => ns);
const printed = async (t, archive, ...more) =>
  (await tapedeck(t, ["cat", archive, ...more])).stdout
    .split("\n")
    .map((line) => line.replace(/"position":\d+,?/, ""));

/** The window from a part of an archive's frames to another part: 0.4, 0.8. */
async function windowOf(t, archive, first, last) {
  const times = timesOf((await tapedeck(t, ["cat", archive])).stdout);
  const at = (part) => times[Math.floor((times.length - 1) * part)];
  return ["--from", at(first), "--to", at(last)];
}

/** The receive times of each feed in these lines. They have one length, so that texts are in their order. */
function timesOfFeeds(lines) {
  const feeds = new Map();
  for (const line of lines.filter((text) => text !== "")) {
    const { feed } = JSON.parse(line);
    feeds.set(feed, [...(feeds.get(feed) ?? []), ...timesOf(line)]);
  }
  return [...feeds.values()];
}

/** A window's end, or earlier: before the last frame of each feed of these lines, because a folder ends with its frames, and not
 * where a selection that was recorded in part ends. */
const withinFeeds = (end, lines) =>
  [end, ...timesOfFeeds(lines).map((times) => times.at(-2))].sort()[0];

/** The time from which each feed of these lines has frames. */
const beginOf = (lines) =>
  timesOfFeeds(lines)
    .map((times) => times[1])
    .sort()
    .at(-1);

/** A window's begin, or later: when each feed of these lines has frames. */
const sinceFeeds = (begin, lines) => [begin, beginOf(lines)].sort().at(-1);

/** The lines of the archive's first session. */
async function firstSession(t, archive) {
  const lines = await printed(t, archive);
  const { session } = JSON.parse(lines[0]);
  return lines.filter((line) => line.includes(session));
}

/** What replay reports, without what differs from run to run, and without the frames before the selection. */
async function replayed(t, archive, ...more) {
  const report = await json(t, ["replay", archive, ...more, "--json"], { status: null });
  const { elapsed_s, frames_per_s, workers_busy_max, contents_read, lead_in, ...same } = report;
  return same;
}

/** The frames, replay's report, and the gaps of a folder are those of the archive's window. */
async function assertEqual(t, archive, folder, selection) {
  const from = selection.slice(selection.indexOf("--from"), selection.indexOf("--from") + 2);
  assert.deepEqual(await printed(t, folder, ...from), await printed(t, archive, ...selection));
  assert.deepEqual(await replayed(t, folder), await replayed(t, archive, ...selection));
  const gaps = async (of) =>
    (await json(t, ["gaps", of, ...selection, "--json"], { status: null })).gaps;
  assert.deepEqual(await gaps(folder), await gaps(archive));
  assert.match((await tapedeck(t, ["verify", folder])).stdout, /: sound\n/);
}

/** Segments of an archive: "feed session number". */
const segments = async (t, archive) =>
  (await json(t, ["ls", archive, "--json"])).segments
    .map(({ feed, session, number }) => `${feed} ${session} ${number}`)
    .sort();

// ---- a bot of three connections ----

let bot;
/** What a bot received behind `tap`: books and trades, updates of its orders, answers to its requests. */
const recordedBot = () => (bot ??= recordBot());

async function recordBot() {
  const t = { after: (end) => after(end) };
  const dir = fs.mkdtempSync(path.join(shared, "bot-")),
    archive = path.join(dir, "tape");
  const sim = await listening(
    t,
    ["sim", "--plain", "--families", "v5-linear,v5-trade", "--rate", "400"],
    dir
  );
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", sim.url, "--plain"],
    fs.mkdtempSync(path.join(dir, "tap-"))
  );
  const reply = await fetch(`${tap.url.replace("ws:", "http:")}${REPLY}`);
  assert.equal(reply.status, 200);
  const market = await connected(t, `${tap.url}/v5/public/linear`, { auth: false });
  const own = await connected(t, `${tap.url}/v5/private`);
  const trade = await connected(t, `${tap.url}/v5/trade`);
  market.ws.send(JSON.stringify({ op: "subscribe", args: TOPICS }));
  own.ws.send(JSON.stringify({ op: "subscribe", args: ["order"] }));
  await message(own, (m) => m.op === "subscribe");
  for (let i = 0; i < 12; i++) {
    const of = { category: "linear", symbol: "BTCUSDT" };
    const { answer } = await ask(trade, `c${i}`, "order.create", {
      ...of,
      side: "Buy",
      orderType: "Limit",
      qty: "0.01",
      price: "50000",
    });
    const { orderId } = answer.data;
    await ask(trade, `d${i}`, "order.cancel", { ...of, orderId });
    await updates(own, orderId, "Cancelled");
    const { length } = market.got;
    while (market.got.length < length + 20) await once(market.ws, "message");
  }
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
  const window = await windowOf(t, archive, 0.4, 0.8);
  return { archive, window };
}

test("a bot's public, private and order feeds: frames, replay and gaps are the archive's", async (t) => {
  const { archive, window } = await recordedBot();
  const folder = path.join(temporary(t), "bug");
  const report = await json(t, ["cut", archive, "-o", folder, ...window, "--json"]);
  const feeds = (await segments(t, archive)).map((line) => line.replace(/1$/, "0"));
  assert.deepEqual(await segments(t, folder), feeds);
  assert.equal(feeds.length, 3);
  assert.ok(report.frames > 50 && report.state_frames > 10, JSON.stringify(report));
  await assertEqual(t, archive, folder, window);
  assert.equal((await replayed(t, folder)).frames, report.frames); // without the frames of the state
  assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  const latency = async (of) => (await json(t, ["latency", of, ...window, "--json"])).orders;
  assert.deepEqual(await latency(folder), await latency(archive));

  for (const args of [
    ["info"],
    ["gaps"],
    ["days"],
    ["when", "publicTrade", "price>0"],
    ["export", "--format", "jsonl", "--out", path.join(path.dirname(folder), "set")],
  ])
    await tapedeck(t, [args[0], folder, ...args.slice(1)], { status: null });
  assert.equal((await json(t, ["diff", folder, archive, ...window, "--json"])).only_a, 0);

  // A folder can be cut again, into the same folder or into the file of one feed.
  const again = path.join(path.dirname(folder), "again");
  await tapedeck(t, ["cut", folder, "-o", again, ...window]);
  await assertEqual(t, archive, again, window);
  const one = path.join(path.dirname(folder), "one.mcap");
  await tapedeck(t, ["cut", folder, "-o", one, "--feed", "v5-private", ...window]);
  assert.deepEqual(
    await printed(t, one, ...window),
    await printed(t, archive, "--feed", "v5-private", ...window)
  );

  // A folder is complete: nothing is added to it.
  const more = await tapedeck(t, ["import", "-q", "-a", folder, capture(LINEAR)], { status: null });
  assert.notEqual(more.status, 0);
  assert.deepEqual(await segments(t, folder), feeds);
});

/** The frames of topics that a client gets from a server at this path, until it closes. */
async function receivedAt(t, url, topics) {
  const { WebSocket } = npm("ws");
  const got = [];
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  socket.on("open", () => socket.send(JSON.stringify({ op: "subscribe", args: topics })));
  socket.on("message", (bytes) => got.push(JSON.parse(bytes)));
  await once(socket, "close");
  return got;
}

test("a client of serve gets the frames of each path", async (t) => {
  const { archive, window } = await recordedBot();
  const dir = temporary(t),
    folder = path.join(dir, "bug");
  await tapedeck(t, ["cut", archive, "-o", folder, ...window]);
  const { url } = await listening(t, ["serve", folder, "--plain", "--speed", "max"], dir);
  const [market, own] = await Promise.all([
    receivedAt(t, `${url}/v5/public/linear`, TOPICS),
    receivedAt(t, `${url}/v5/private`, ["order"]),
  ]);
  const expected = async (...selection) =>
    (await jsonLines(t, ["cat", archive, "--dir", "in", ...selection, ...window])).map(
      ({ data }) => data
    );
  const data = (frames) => frames.filter(({ topic }) => topic).map((frame) => frame);
  assert.deepEqual(
    data(market).filter(({ topic }) => topic === "publicTrade.BTCUSDT"),
    (await expected("--topic", "publicTrade")).map((text) => JSON.parse(text))
  );
  assert.deepEqual(
    data(own).map(({ id }) => id),
    (await expected("--topic", "order")).map((text) => JSON.parse(text).id)
  );
});

// ---- two exchanges, two sessions ----

/** An archive of an OKX and a Binance feed, which were recorded twice, and the sessions between which nothing was. */
let exchanges;
const recordedExchanges = () => (exchanges ??= recordExchanges());

async function recordExchanges() {
  const t = { after: (end) => after(end) };
  const dir = fs.mkdtempSync(path.join(shared, "exchanges-")),
    archive = path.join(dir, "tape"),
    config = path.join(dir, "feeds.yaml");
  const sim = await listening(t, ["sim", "--families", "okx,binance-usdm", "--rate", "300"], dir);
  fs.writeFileSync(
    config,
    `feeds:
  - {family: okx, url: "${sim.url}/ws/v5/public", ca_file: "${sim.ca}", topics: [books.BTC-USDT, trades.BTC-USDT]}
  - {family: binance-usdm, url: "${sim.url}/stream", ca_file: "${sim.ca}", topics: [depth@100ms.BTCUSDT, aggTrade.BTCUSDT]}
`
  );
  for (const session of [1, 2])
    await recordUntil(t, archive, ["--config", config], (rows) => {
      const feeds = new Map();
      for (const row of rows.filter(({ dir, topic }) => dir === "in" && topic !== "_control"))
        feeds.set(`${row.feed} ${row.session}`, (feeds.get(`${row.feed} ${row.session}`) ?? 0) + 1);
      return feeds.size === 2 * session && [...feeds.values()].every((count) => count > 60);
    });
  const [, from, , to] = await windowOf(t, archive, 0.3, 0.8);
  const begin = sinceFeeds(from, await firstSession(t, archive)),
    end = withinFeeds(to, await printed(t, archive));
  return { archive, window: ["--from", begin, "--to", end] };
}

test("two exchanges and two sessions: a segment for each, with the gap between the sessions", async (t) => {
  const { archive, window } = await recordedExchanges();
  const folder = path.join(temporary(t), "bug");
  await tapedeck(t, ["cut", archive, "-o", folder, ...window]);
  const found = await segments(t, folder);
  assert.equal(found.length, 4);
  assert.deepEqual(
    found,
    (await segments(t, archive)).map((line) => line.replace(/1$/, "0"))
  );
  await assertEqual(t, archive, folder, window);
  const { gaps } = await json(t, ["gaps", folder, "--json"], { status: null });
  assert.ok(gaps.length >= 2, JSON.stringify(gaps)); // of each feed between the sessions
  // One session, of both feeds.
  const lines = await firstSession(t, archive),
    times = timesOf(lines.join("\n"));
  const begin = sinceFeeds(times[20], lines),
    first = ["--from", begin, "--to", withinFeeds(times.at(-20), lines)],
    one = path.join(path.dirname(folder), "one");
  await tapedeck(t, ["cut", archive, "-o", one, ...first]);
  assert.equal((await segments(t, one)).length, 2);
  await assertEqual(t, archive, one, first);
});

test("an HTTP reply from before the selection is in the folder once, and serve returns it", async (t) => {
  const { archive, window } = await recordedBot();
  const dir = temporary(t),
    folder = path.join(dir, "bug");
  const report = await json(t, ["cut", archive, "-o", folder, ...window, "--json"]);
  const replies = async (of) =>
    (await jsonLines(t, ["cat", of, "--dir", "http"])).map(({ data }) => data);
  assert.equal(report.reply_frames, 1);
  assert.deepEqual(await replies(folder), await replies(archive));
  const { url } = await listening(t, ["serve", folder, "--plain"], dir);
  const reply = await fetch(url.replace("ws:", "http:") + REPLY);
  assert.deepEqual([await reply.text()], await replies(archive));
});

// ---- two captures ----

const skip = withoutCapture(LINEAR) || withoutCapture(INVERSE);
let captures;
const imported = () => (captures ??= importCaptures());

async function importCaptures() {
  const archive = path.join(shared, "captures");
  await tapedeck(undefined, ["import", "-q", "-a", archive, capture(LINEAR), capture(INVERSE)]);
  return { archive, window: await windowOf(undefined, archive, 0.3, 0.6) };
}

/** A command for --shrink: 1 if the cut has frames with each text, else 0. */
const failsWith = (dir, ...texts) =>
  `${tapedeckPath} cat "$1" --raw >${dir}/raw; ` +
  texts.map((text) => `grep -q '${text}' ${dir}/raw`).join(" && ") +
  " && exit 1; exit 0";
const named = async (t, archive) =>
  (await jsonLines(t, ["cat", archive])).map(({ feed, topic, symbol }) =>
    [feed, topic, symbol].join(" ")
  );

test("--shrink leaves out a feed, or keeps single frames of two", { skip }, async (t) => {
  const { archive, window } = await imported();
  const dir = temporary(t),
    cut = (name, ...texts) =>
      json(t, [
        "cut",
        archive,
        "-o",
        path.join(dir, name),
        ...window,
        "--shrink",
        failsWith(dir, ...texts),
        "--json",
      ]);
  const one = await cut("one", '"trade.BTCUSD"');
  assert.deepEqual(await named(t, path.join(dir, "one")), ["inverse trade BTCUSD"]);
  assert.equal(one.frames + one.state_frames, 1);
  assert.deepEqual(
    (await segments(t, path.join(dir, "one"))).map((line) => line.split(" ")[0]),
    ["inverse"]
  );
  await cut("two", '"trade.BTCUSD"', '"trade.LTCUSDT"');
  assert.deepEqual((await named(t, path.join(dir, "two"))).sort(), [
    "inverse trade BTCUSD",
    "linear trade LTCUSDT",
  ]);
  assert.match((await tapedeck(t, ["verify", path.join(dir, "two")])).stdout, /: sound\n/);
  assert.deepEqual(fs.readdirSync(dir).sort(), ["one", "raw", "two"]);
});

const START = 1_795_000_000_000_000_000n; // 20 minutes after an hour

/** Import trades of a linear and a spot feed, each at these times (ns after START), with the ids "a0", "b0", "a1" … Each feed has
 * a session of its own, because an import's frames have different times. */
async function importedTrades(t, dir, times) {
  const archive = path.join(dir, "tape");
  for (const [conn, at] of Object.entries({ a: "linear", b: "spot" })) {
    const url = `wss://stream.bybit.com/v5/public/${at}`;
    const rows = [`{"recv_ns":${START},"conn":"${conn}","url":"${url}"}`];
    for (const [i, ns] of times.entries()) {
      const data = JSON.stringify({
        topic: "publicTrade.BTCUSDT",
        type: "snapshot",
        ts: 1_795_000_000_000,
        data: [{ i: `${conn}${i}`, T: 1, p: "1", v: "1", S: "Buy", s: "BTCUSDT", BT: false }],
      });
      rows.push(
        `{"recv_ns":${START + ns},"conn":"${conn}","dir":"in","data":${JSON.stringify(data)}}`
      );
    }
    await importLines(t, rows, { archive });
  }
  const all = timesOf((await tapedeck(t, ["cat", archive])).stdout);
  assert.equal(new Set(all).size, times.length);
  return archive;
}
const ids = async (t, archive, ...selection) =>
  (await jsonLines(t, ["cat", archive, ...selection])).map(
    ({ data }) => JSON.parse(data).data[0].i
  );

test("frames of two feeds at the same time are told apart", async (t) => {
  const dir = temporary(t);
  const archive = await importedTrades(
    t,
    dir,
    Array.from({ length: 21 }, (_, i) => BigInt(i + 1) * 1_000_000n)
  );
  const folder = path.join(dir, "bug"),
    window = ["--from", String(START + 5_000_000n), "--to", String(START + 15_000_001n)];
  await tapedeck(t, ["cut", archive, "-o", folder, ...window]);
  await assertEqual(t, archive, folder, window);
  const small = path.join(dir, "small"),
    command = failsWith(dir, '"a8"', '"b11"');
  await tapedeck(t, ["cut", archive, "-o", small, ...window, "--shrink", command, "--any"]);
  assert.deepEqual(await ids(t, small), ["a8", "b11"]);
});

test("the state may be hours before the selection: nothing is skipped, and no gap is made of it", async (t) => {
  const dir = temporary(t),
    hour = 3_600_000_000_000n;
  const archive = await importedTrades(t, dir, [1n, hour, 4n * hour, 4n * hour + 1n, 9n * hour]);
  const folder = path.join(dir, "bug"),
    window = ["--from", String(START + 4n * hour), "--to", String(START + 9n * hour + 1n)];
  await tapedeck(t, ["cut", archive, "-o", folder, ...window]);
  await assertEqual(t, archive, folder, window);
  assert.deepEqual(await ids(t, folder), ["a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"]);
  assert.deepEqual(await ids(t, folder, "--from", window[1]), await ids(t, archive, ...window));
  const late = ["--from", String(START + 8n * hour)];
  assert.deepEqual(await ids(t, folder, ...late), ["a4", "b4"]);
});

test("--shrink --serve keeps the grants that the client's requests need", async (t) => {
  const { archive } = await recordedBot();
  const window = await windowOf(t, archive, 0.45, 0.6);
  const dir = temporary(t),
    folder = path.join(dir, "bug");
  const { WebSocket } = npm("ws");
  const frames = await jsonLines(t, ["cat", archive, "--topic", "publicTrade", ...window]);
  const { i: id } = JSON.parse(frames[Math.floor(frames.length / 2)].data).data[0];
  /** A bot that crashes at a trade: "crash", 0, or 125 if a request is refused. */
  const client = (url) =>
    new Promise((resolve) => {
      const open = (at, topics) => {
        const socket = new WebSocket(url + at);
        t.after(() => socket.terminate());
        socket.on("open", () => socket.send(JSON.stringify({ op: "subscribe", args: topics })));
        socket.on("error", () => resolve(125));
        socket.on("message", (text) => {
          const { success, topic, data } = JSON.parse(text);
          if (success === false) resolve(125);
          if (topic === "publicTrade.BTCUSDT" && data.some(({ i }) => i === id)) resolve("crash");
        });
        return socket;
      };
      const own = open("/v5/private", ["order"]);
      own.once("message", () => open("/v5/public/linear", TOPICS).on("close", () => resolve(0)));
    });
  const command = await judgedByTest(t, dir, client);
  const report = await json(t, [
    "cut",
    archive,
    "-o",
    folder,
    ...window,
    "--serve",
    "--shrink",
    command,
    "--json",
  ]);
  const kept = await jsonLines(t, ["cat", folder]);
  assert.deepEqual(
    kept.map(({ topic, symbol }) => `${topic} ${symbol}`),
    ["publicTrade BTCUSDT"],
    JSON.stringify(report)
  );
  const { feeds } = await json(t, ["info", folder, "--json"]); // `ls` shows segments with frames
  assert.deepEqual(feeds.map(({ feed }) => feed).sort(), ["v5-linear", "v5-private", "v5-trade"]);
});

test("--shrink --serve keeps a feed whose last frame is long before the failure", async (t) => {
  const { archive } = await recordedBot();
  const folder = path.join(temporary(t), "bug");
  const [, from] = await windowOf(t, archive, 0.45, 1);
  const trades = ["cat", archive, "--topic", "publicTrade", "--symbol", "BTCUSDT"];
  const timeOf = async (args) => BigInt(timesOf((await tapedeck(t, args)).stdout).at(-1));
  const last = (await jsonLines(t, trades)).at(-1);
  const last_ns = await timeOf(trades);
  const until = ["--to", String(last_ns + 1n)];
  assert.ok((await timeOf(["cat", archive, "--feed", "v5-trade", ...until])) < last_ns);
  const command = `'${BIN}/tapedeck' cat "$2" --raw | grep -q '${JSON.parse(last.data).data[0].i}' && exit 1; exit 0`;
  const window = ["--from", from, ...until];
  await tapedeck(t, ["cut", archive, "-o", folder, ...window, "--serve", "--shrink", command]);
  assert.equal((await jsonLines(t, ["cat", folder])).length, 1);
  const events = await jsonLines(t, ["cat", folder, "--events"]);
  const granted = events.filter(({ data }) => data.includes('"event":"grant"'));
  assert.deepEqual([...new Set(granted.map(({ feed }) => feed))].sort(), [
    "v5-linear",
    "v5-private",
    "v5-trade",
  ]);
});

test("a feed that cannot be read is a gap of the folder, too", { skip }, async (t) => {
  const { archive, window } = await imported();
  const dir = temporary(t),
    damaged = path.join(dir, "tape"),
    folder = path.join(dir, "bug");
  fs.cpSync(archive, damaged, { recursive: true });
  const day = path.join(damaged, "capture/2021/04/17");
  const segment = path.join(
    day,
    fs.readdirSync(day).find((name) => name.startsWith("inverse"))
  );
  fs.writeFileSync(segment, "no segment");
  const gaps = async (of) =>
    (await json(t, ["gaps", of, ...window, "--json"], { status: null })).gaps;
  const report = await json(t, ["cut", damaged, "-o", folder, ...window, "--json"], { status: 3 });
  assert.equal(report.damaged, true);
  assert.deepEqual(await gaps(folder), await gaps(damaged));
  assert.equal((await gaps(folder)).length, 1);
  assert.equal((await replayed(t, folder)).verdict, "incomplete");
});

test("a session that crashed has its gap, also in the folder", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    folder = path.join(dir, "bug");
  const sim = await simulator(t, dir, ["--families", "v5-linear,v5-spot", "--rate", "300"]);
  const args = ["v5-linear", "v5-spot"].map((family) =>
    feedArgs(sim, family, ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"])
  );
  const config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(
    config,
    "feeds:\n" +
      args
        .map(
          ([url, , family, , ca]) =>
            `  - {family: ${family}, url: "${url}", ca_file: "${ca}", topics: [publicTrade.BTCUSDT, orderbook.50.BTCUSDT]}\n`
        )
        .join("")
  );
  const recorder = new Recorder(t, archive, ["--config", config, "--commit-interval", "100ms"]);
  await recorder.durableOn(["v5-linear|0", "v5-spot|0"]);
  await recorder.durableAfter(6);
  await recorder.kill("SIGKILL");
  await recordUntil(t, archive, ["--config", config], (rows) => {
    const later = rows.filter(({ session }) => session !== rows[0].session);
    return ["v5-linear", "v5-spot"].every(
      (name) => later.filter(({ feed }) => feed === name).length > 100
    );
  });
  // From within the first session, however few of the frames it has.
  const lines = (await printed(t, archive)).filter((line) => line !== ""),
    { session } = JSON.parse(lines[0]);
  const [, , , end] = await windowOf(t, archive, 0, 0.9);
  const window = [
    "--from",
    beginOf(lines.filter((line) => line.includes(session))),
    "--to",
    withinFeeds(end, lines),
  ];
  await tapedeck(t, ["cut", archive, "-o", folder, ...window]);
  await assertEqual(t, archive, folder, window);
  const { gaps } = await json(t, ["gaps", folder, "--json"], { status: null });
  assert.ok(gaps.filter(({ reason }) => reason === "crash").length >= 2, JSON.stringify(gaps));
});

// ---- refusals and failures ----

test("what cannot be cut is refused, and leaves nothing", { skip }, async (t) => {
  const { archive, window } = await imported();
  const dir = temporary(t),
    folder = path.join(dir, "bug");
  const refused = async (status, pattern, ...args) => {
    const { stderr } = await tapedeck(t, ["cut", archive, ...args], { status });
    assert.match(stderr, pattern);
  };
  await refused(2, /two feeds[^]*-o a name without \.mcap/, "-o", `${folder}.mcap`, ...window);
  await refused(4, /./, "-o", folder, "--from", "2001-01-01", "--to", "2001-01-02");
  await refused(4, /./, "-o", path.join(dir, "missing", "bug"), ...window);
  await refused(2, /does not fail/, "-o", folder, ...window, "--shrink", "exit 0");
  assert.deepEqual(fs.readdirSync(dir), []);
  fs.mkdirSync(folder);
  await refused(2, /exists already/, "-o", folder, ...window);
  fs.rmdirSync(folder);
  fs.mkdirSync(`${folder}.open`); // of a process that was killed, or that runs
  await refused(2, /bug\.open' exists already/, "-o", folder, ...window);
  assert.deepEqual(fs.readdirSync(dir), ["bug.open"]);
});

test("a full disk, or a signal, leaves nothing", { skip }, async (t) => {
  const { archive, window } = await imported();
  const dir = temporary(t),
    folder = path.join(dir, "bug");
  // Files of at most 8 KiB.
  const program = new Program(t, "/bin/sh", [
    "-c",
    `ulimit -f 16; exec ${tapedeckPath} cut ${archive} -o ${folder} ${window.join(" ")}`,
  ]);
  assert.notEqual((await program.ended).code, 0);
  assert.deepEqual(fs.readdirSync(dir), []);

  const first = path.join(dir, "first"),
    second = path.join(dir, "second");
  const shrink = `if [ -e ${first} ]; then >${second}; exec sleep 100; fi; >${first}; exit 1`;
  const search = new Program(t, "tapedeck", [
    "cut",
    archive,
    "-o",
    folder,
    ...window,
    "--json",
    "--shrink",
    shrink,
  ]);
  await eventually("the command ran again", () => fs.existsSync(second));
  const end = await search.kill("SIGTERM");
  assert.equal(end.code, 1, end.stderr);
  assert.match((await tapedeck(t, ["verify", folder])).stdout, /: sound\n/);
  assert.deepEqual(fs.readdirSync(dir).sort(), ["bug", "first", "second"]);
});
