// For each topic of each family: is it decoded, kept as a book, checked (its rules, and how many of them find something in
// spoilt frames), simulated and served? The table is written to build/coverage.md (or $TAPEDECK_COVERAGE). Each empty cell
// needs a reason in this file; a reason for a cell that is not empty fails the test.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import {
  importLines,
  json,
  jsonList,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { CREDENTIALS, FAMILIES, SESSION, sessionConfig } from "../support/all_families.mjs";
import { test } from "node:test";

const GOLDEN = path.resolve("tests/golden");
const OUT = process.env.TAPEDECK_COVERAGE ?? path.resolve("build/coverage.md");
const PATIENCE = { deadlineMs: 600_000 };
const COLUMNS = ["decoded", "book", "continuity", "simulated", "served"];

/** Why a cell may be empty: [family, pattern of the topic, columns, reason]. */
const REASONS = [
  ["dated", ".*", ["book", "simulated", "served"], "an older form of the topic, gone today"],
  [".*", ".*[wW]allet.*", ["continuity"], "nothing in it rises: each frame is of its own"],
  ["v5-trade", ".*", ["continuity"], "answers have no order"],
  ["kraken-v2", "instrument", ["continuity"], "nothing in it rises: each frame is of its own"],
  [
    "kraken-v2",
    "level3-1000.*",
    ["book", "continuity", "simulated", "served"],
    "another topic of the same form is simulated",
  ],
  [
    "bitstamp",
    ".*",
    ["book", "continuity", "simulated", "served"],
    "has the path of kraken-v1, so that one server has one of the two",
  ],
  [
    "coinbase-advanced",
    ".*",
    ["book", "continuity", "simulated", "served"],
    "has the path of kraken-v1, so that one server has one of the two",
  ],
  [
    "binance-spot",
    ".*",
    ["book", "continuity", "simulated", "served"],
    "has the path of binance-usdm, so that one server has one of the two",
  ],
  [
    "binance-usdm",
    "depth@\\{speed.*|depth(5|20)\\.\\{.*|depth10.*",
    ["book", "simulated", "served", "continuity"],
    "another topic of the same form is simulated",
  ],
  [
    "binance-usdm",
    "!.*",
    ["simulated", "served", "continuity"],
    "the simulator sends the topics of one symbol",
  ],
  [
    "binance-(usdm|spot)-private|binance-usdm-api|kraken-v[12]-private",
    ".*",
    ["simulated", "served", "continuity"],
    "the simulator has no account of this exchange",
  ],
  [
    "deribit",
    "trades\\.\\{kind.*",
    ["simulated", "served", "continuity"],
    "the simulator sends the topics of one instrument",
  ],
  [
    "deribit",
    "book\\.\\{symbol\\}\\.[0-9]+\\..*",
    ["book", "simulated", "served", "continuity"],
    "the simulator has no groups of prices",
  ],
  [
    "deribit",
    "deribit_.*|estimated_expiration_price.*|markprice.*|instrument\\.state.*|.*public_methods_state",
    ["simulated", "served", "continuity"],
    "the simulator has no indexes and no events of instruments",
  ],
  ["deribit", "platform_state", ["continuity"], "has neither a number nor a time"],
  [
    "deribit",
    "user\\..*",
    ["simulated", "served", "continuity"],
    "the simulator has no account of this exchange",
  ],
  ["v5-trade", ".*", ["simulated", "served"], "a recorder sends no orders"],
  [
    "okx|deribit",
    "order|.*-orders?|mass-cancel|private/.*",
    ["simulated", "served", "continuity"],
    "a recorder sends no orders, and answers have no order",
  ],
  [
    "okx",
    "positions.*",
    ["simulated", "served", "continuity"],
    "the simulated account trades spot, and so has no positions",
  ],
  [
    "inverse|copytrade",
    "position|copyTradePosition",
    ["continuity"],
    "has a rule for its number, which is 0 in all frames known",
  ],
];

const until = (row) => row.valid_until ?? null;
const matches = (pattern, text) =>
  new RegExp(
    `^${pattern
      .split(/\{[a-z+]+\}/)
      .map((s) => s.replace(/[.*+?^$()[\]\\|]/g, "\\$&"))
      .join("[^.]+")}$`
  ).test(text);
/** Is this topic of a frame or report the row's? Its name has no symbol, which stands last in most patterns. */
function fits(row, { topic, symbol }) {
  if (/\{coin\}\./.test(row.pattern)) return matches(row.pattern, topic); // the topic keeps its text
  const [, before, after] = /^(.*)\.\{(?:symbol\+?|coin)\}(\..+)$/.exec(row.pattern) ?? [];
  if (after !== undefined) return symbol !== null && matches(`${before}${after}`, topic);
  return matches(
    row.pattern,
    /\{(symbol\+?|coin)\}/.test(row.pattern) ? `${topic}.${symbol}` : topic
  );
}

const familyOf = (feed) => SESSION[feed].family ?? feed;
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** A family's golden frames (tests/schema/test_golden.c decodes them), each with its message. */
function goldens(family) {
  const dir = path.join(GOLDEN, family);
  const names = fs.readdirSync(dir).filter((n) => n.endsWith(".json") && !n.endsWith(".out.json"));
  return names.map((name) => ({
    day: /@(\d{4}-\d{2}-\d{2})/.exec(name)?.[1] ?? null,
    name: `${family}/${name}`,
    frame: JSON.parse(fs.readFileSync(path.join(dir, name), "utf8")),
    message: JSON.parse(
      fs.readFileSync(path.join(dir, name.replace(/\.json$/, ".out.json")), "utf8")
    ),
  }));
}

// Finds the row that is valid on that day, if several have one pattern.
const holds = (row, day) =>
  day === null
    ? until(row) === null
    : (row.valid_from ?? "") <= day && day < (until(row) ?? "9999");

/** Number of a feed's frames after which each topic has some: the private account trades in ten markets by turns, deep books
 * and liquidations are rare. */
const FRAMES = { "v5-private": 500, "v5-linear": 600, "v5-inverse": 600, inverse: 400, okx: 1500 };

/** Wait until every feed is subscribed, and until each has some frames after that: the slowest have 25 a second. */
async function everyFeed(recorder) {
  const names = Object.keys(SESSION);
  for (const name of names)
    await recorder.prints(new RegExp(` ${name}: (subscribed to|authenticated;)`));
  const counts = () =>
    Object.fromEntries(
      [...recorder.durable].map(([key, { in: count }]) => [key.split("|")[0], count])
    );
  const before = counts();
  while (!names.every((name) => counts()[name] >= (before[name] ?? 0) + (FRAMES[name] ?? 120)))
    await recorder.durableLine();
}

/** Call a function for each item of a list, this many at a time. */
async function eachOf(atOnce, list, action) {
  const rest = [...list];
  const worker = async () => {
    while (rest.length > 0) await action(rest.shift());
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A session of all families, recorded; served from there and recorded again. Both replay reports. */
async function sessions(t) {
  const dir = temporary(t);
  const server = await simulator(
    t,
    dir,
    [
      "--families",
      FAMILIES.join(","),
      "--symbols",
      "3",
      "--rate",
      "150",
      "--seed",
      "5",
      "--time-scale",
      "30",
    ],
    PATIENCE
  );
  const first = path.join(dir, "first");
  const again = path.join(dir, "again");
  const recorder = new Recorder(t, first, ["-c", sessionConfig(dir, server)], {
    env: CREDENTIALS,
    ...PATIENCE,
  });
  await everyFeed(recorder);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.equal((await server.program.kill("SIGTERM")).code, 0, server.program.stderr);
  const report = await json(t, ["replay", "-a", first, "--json"], { status: null });
  const served = [];
  // Each mostly waits for requests (--settle).
  await eachOf(5, Object.keys(SESSION), async (feed) => {
    const ready = fs.mkdtempSync(path.join(dir, "serve-"));
    const tape = await listening(
      t,
      ["serve", "-a", first, "--feed", feed, "--speed", "max", "--settle", "1s", "--once"],
      ready
    );
    const config = sessionConfig(ready, tape, [feed]);
    const second = new Recorder(t, path.join(again, feed), ["-c", config, "--until-close"], {
      env: CREDENTIALS,
      ...PATIENCE,
    });
    assert.equal((await second.ended).code, 0, second.stderr);
    served.push(
      ...(await json(t, ["replay", "-a", path.join(again, feed), "--json"], { status: null }))
        .topics
    );
  });
  return { report, served, found: await spoilt(t, dir, first, report.topics) };
}

/** A stream with errors: backwards, each frame twice, an unknown symbol in the last one. */
function spoil(lines) {
  const times = lines.map((line) => /"recv_ns":(\d+)/.exec(line)[1]); // too large for a number of JavaScript
  const at = (line, i) =>
    line.replace(/"recv_ns":\d+/, `"recv_ns":${times[Math.min(i, times.length - 1)]}`);
  const last = new Map(
    lines.map((line) => [
      line
        .match(/"(?:topic|symbol)":(?:null|"[^"]*")/g)
        .slice(0, 2)
        .join(),
      line,
    ])
  );
  const unknown = [...last.values()].map((line) =>
    line.replace(/\\"(s|symbol)\\":\\"[^"]+\\"/g, '\\"$1\\":\\"UNKNOWN\\"')
  );
  return [...[...lines].reverse().flatMap((line) => [line, line]), ...unknown].map((line, i) =>
    at(line, Math.floor(i / 2))
  );
}

/** Rules that find something in the spoilt streams, by feed and topic. A topic whose rules find nothing is not checked. */
async function spoilt(t, dir, archive, streams) {
  const into = path.join(dir, "spoilt");
  for (const feed of Object.keys(SESSION)) {
    const cat = async (...options) =>
      (await tapedeck(t, ["cat", "-a", archive, "--feed", feed, ...options])).stdout
        .trimEnd()
        .split("\n");
    // Frames that do not say all of their topic need the requests of their connection.
    const asked = /^kraken-v2/.test(feed) ? await cat("--dir", "out") : [];
    const lines = (await cat("--dir", "in")).filter((line) => !line.includes('"topic":"_control"'));
    await importLines(t, [...asked, ...spoil(lines)], {
      archive: into,
      feed,
      family: SESSION[feed].family ?? feed,
    });
  }
  const found = new Map();
  const replayTopic = async (name) => {
    const [feed, topic] = name.split(" ");
    const { continuity, topics } = await json(
      t,
      ["replay", "-a", into, "--json", "-j", "1", "--feed", feed, "--topic", topic],
      { status: null }
    );
    for (const { symbol, frames } of streams.filter(
      (stream) => stream.feed === feed && stream.topic === topic
    ))
      assert.ok(
        topics.find((row) => row.topic === topic && row.symbol === symbol)?.frames >= 2 * frames,
        `${name} ${symbol}`
      );
    found.set(
      name,
      Object.keys({ ...continuity.by_rule, ...continuity.warnings, ...continuity.statistics })
    );
  };
  await eachOf(2, new Set(streams.map(({ feed, topic }) => `${feed} ${topic}`)), replayTopic);
  return found;
}

/** The cells of a row. */
function cellsOf(row, { report, served, found }, frames) {
  const own = (topics) =>
    topics.filter(
      (stream) => familyOf(stream.feed) === row.family && until(row) === null && fits(row, stream)
    );
  const recorded = own(report.topics);
  // The snapshot of a book that is fetched is no frame of the connection: a short tape ends before a recorder fetches it.
  const fetched = /^(v5-[a-z]+ orderbook\.full|binance-[a-z]+ depth(@100ms)?)\./.test(
    `${row.family} ${row.pattern}`
  );
  const count = (streams) =>
    sum(streams.map(({ frames, snapshots }) => frames - (fetched ? snapshots : 0)));
  const books = report.books.filter(
    (book) => familyOf(book.feed) === row.family && until(row) === null && fits(row, book)
  );
  const errors = row.rules.filter((rule) => rule.strength === "error").length;
  const broken = new Set(
    recorded.flatMap(({ feed, topic }) => found.get(`${feed} ${topic}`) ?? [])
  );
  const same = count(recorded) > 0 && count(own(served)) === count(recorded);
  return {
    decoded: frames.length > 0 ? `${frames.length} golden` : "",
    book: !/^book_(change|orders)$/.test(row.type)
      ? "no book"
      : books.length > 0
        ? `${books[0].bids} x ${books[0].asks}`
        : "",
    continuity:
      row.rules.length === 0
        ? ""
        : until(row) !== null
          ? `${errors} hard of ${row.rules.length}`
          : broken.size > 0
            ? `${errors} hard of ${row.rules.length}, ${broken.size} seen broken`
            : "",
    simulated: count(recorded) > 0 ? `${count(recorded)}` : "",
    served: same ? "the same" : "",
  };
}

test("each topic is decoded, kept as a book, checked, simulated and served, or a reason is listed", async (t) => {
  const rows = await jsonList(t, ["topics", "--json"]);
  const results = await sessions(t);

  const lines = [
    `| family | topic | ${COLUMNS.join(" | ")} |`,
    `|---|---|${COLUMNS.map(() => "---").join("|")}|`,
  ];
  const empty = [];
  const used = new Set();
  const byFamily = new Map(fs.readdirSync(GOLDEN).map((family) => [family, goldens(family)]));
  for (const row of rows) {
    const frames = (byFamily.get(row.family) ?? []).filter(
      ({ message, day }) => message.type !== "raw" && holds(row, day) && fits(row, message)
    );
    const cells = cellsOf(row, results, frames);
    for (const column of COLUMNS) {
      const reason = REASONS.find(
        ([family, pattern, columns]) =>
          (new RegExp(`^(${family})$`).test(row.family) &&
            new RegExp(`^(${pattern})$`).test(row.pattern) &&
            columns.includes(column)) ||
          (family === "dated" && until(row) !== null && columns.includes(column))
      );
      if (cells[column] !== "") continue;
      if (reason === undefined) empty.push(`${row.family} ${row.pattern}: ${column}`);
      else used.add(reason);
      cells[column] = reason?.[3] ?? "";
    }
    const dates = until(row) === null ? "" : ` (until ${until(row)})`;
    lines.push(
      `| ${row.family} | \`${row.pattern}\`${dates} | ${COLUMNS.map((column) => cells[column]).join(" | ")} |`
    );
  }
  fs.mkdirSync(path.dirname(OUT), { recursive: true });
  fs.writeFileSync(OUT, lines.join("\n") + "\n");
  assert.deepEqual(empty, [], `cells that are empty without a reason:\n${empty.join("\n")}`);
  assert.deepEqual(
    REASONS.filter((reason) => !used.has(reason)),
    [],
    "reasons that excuse nothing"
  );
  t.diagnostic(`${rows.length} topics: ${OUT}`);
});
