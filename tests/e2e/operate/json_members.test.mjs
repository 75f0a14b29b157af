// docs/json.md is complete and true: it has every member that a program prints, with its type and its words, and programs print every member in
// it. A section describes one command, or several with the same members. The output comes from small archives with a gap, a
// loss, damage, a crash, and so on.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bookTape } from "../support/book_tape.mjs";
import {
  chunksOf,
  flipIn,
  importLines,
  json,
  jsonLines,
  listening,
  manifestsOf,
  parseLines,
  Program,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { answer, imported as orderTape, request, update } from "../support/order_entry.mjs";

/** Members that only other tests produce. */
const ELSEWHERE = [
  "drift --rules topics[].noted_by[].rule",
  "drift --rules topics[].noted_by[].count", // regress/drift_rules.test.mjs
  "record output.lines_lost", // record/blocked_output.test.mjs
  "cat compressed", // record/compressed_and_fragmented_messages.test.mjs
  "cat fragmented",
  "cat made", // replay/cut.test.mjs
  "cat opcode", // record/cat_import_round_trip.test.mjs
  "cat possible_copy", // of two lines whose frames repeat: operate/possible_copies.test.mjs
  "messages possible_copy",
  "replay lines[].line", // record/lines.test.mjs
  "replay lines[].first",
  "replay lines[].lead_ns",
  "MANIFEST.DATE.json request.bar_ns", // export/bars_and_book_snapshots.test.mjs
  "MANIFEST.DATE.json request.float", // export/parquet_rows.test.mjs
  "MANIFEST.DATE.json request.keep_suspect",
  "MANIFEST.DATE.json files[].left_out_bars",
  "MANIFEST.DATE.json left_out_formats[]", // export/csv_and_jsonl.test.mjs
  "MANIFEST.DATE.json files[].possible_copies", // of two lines whose frames repeat, as above
  "MANIFEST.DATE.json request.only_clean", // operate/days.test.mjs
  "MANIFEST.DATE.json not_clean[].feed",
  "MANIFEST.DATE.json not_clean[].symbol",
  "MANIFEST.DATE.json not_clean[].reasons",
  ...[
    "archive",
    "store",
    "manifest",
    "is_new",
    "segments_sent",
    "bytes_sent",
    "segments",
    "bytes",
  ].map((member) => `push ${member}`), // operate/push.test.mjs
  ...[
    ...["store", "archive", "manifest", "segments", "bytes", "segments_received"],
    ...["bytes_received", "segments_only_here", "requests"],
  ].map((member) => `pull ${member}`), // operate/pull.test.mjs
  ...[
    ...["store", "dry_run", "manifest", "objects_pruned", "manifests_pruned", "bytes_pruned"],
    ...["bytes_kept", "objects_kept", "manifests_kept", "counted_from_ns"],
  ].map((member) => `prune s3:// ${member}`), // operate/prune_store.test.mjs
  "push segments_open",
  "push catalog_bytes",
  "push segments_not_cataloged",
  "push segments_moved", // operate/push_again.test.mjs
  "push bytes_moved",
  "push segments_unproven",
  "push segments_noted",
  "push requests",
  ...["feed", "topic", "symbol", "state", "speaks", "from_ns", "to_ns", "proven", "overdue"].map(
    (member) => `days silent[].${member}`
  ), // operate/silent_topics.test.mjs
  ...["feed", "topic", "symbol", "state", "speaks", "from_ns", "to_ns", "proven", "overdue"].map(
    (member) => `info silent[].${member}`
  ),
  ...["feed", "topic", "symbol", "state", "speaks", "from_ns", "to_ns", "proven", "overdue"].map(
    (member) => `replay silent[].${member}`
  ),
];

const TYPES = {
  text: (v) => typeof v === "string",
  decimal: (v) => typeof v === "string" && /^-?\d+(\.\d+)?$/.test(v),
  bool: (v) => typeof v === "boolean",
  number: (v) => typeof v === "number",
  value: () => true,
};
for (const whole of ["count", "bytes", "time", "ns", "integer"])
  TYPES[whole] = (v) => Number.isInteger(v);

/** Objects that have a section of their own. */
const SECTIONS = {
  gap: "gap",
  note: "note",
  frame: "frame",
  change: "change",
  failures: "failures of a decoder",
  message: "messages",
};

/** "{a,b}.c" as ["a.c", "b.c"]. */
function expand(text) {
  const found = /\{([^}]*)\}/.exec(text);
  return found === null
    ? [text]
    : found[1].split(",").flatMap((each) => expand(text.replace(found[0], each)));
}

/** The page: name of a section -> path of a member -> its type, with "?" if it may be null, and its words, if the page lists them. */
function documented() {
  const sections = new Map();
  for (const part of fs.readFileSync("docs/json.md", "utf8").split(/^## /m).slice(1)) {
    const name = part.slice(0, part.indexOf("\n")).replaceAll("`", "");
    const rows = [
      ...part.matchAll(/^\| `(.*?)` \| (\w+\??) \|(?: (?:.*: )?(`\w+`(?:, `\w+`)+) \|$)?/gm),
    ];
    const words = (list) => list?.replaceAll("`", "").split(", ");
    sections.set(
      name,
      new Map(
        rows.flatMap(([, paths, type, list]) =>
          expand(paths).map((member, _, all) => [
            member,
            { type, words: all.length === 1 ? words(list) : undefined },
          ])
        )
      )
    );
  }
  return sections;
}

class Page {
  sections = documented();
  seen = new Map([...this.sections.keys()].map((name) => [name, new Set()]));

  /** The row of a member: itself, or "x.*", whose names are data. */
  row(section, member) {
    const rows = this.sections.get(section);
    if (rows.has(member)) return member;
    return [...rows.keys()].find(
      (key) =>
        key.endsWith(".*") && member.startsWith(key.slice(0, -1)) && member !== key.slice(0, -1)
    );
  }

  holdsMore(section, member) {
    return [...this.sections.get(section).keys()].some(
      (key) => member === "" || key.startsWith(`${member}.`) || key.startsWith(`${member}[]`)
    );
  }

  /** Compare a printed value, a list of lines or a document, with a section. */
  check(section, value, member = "") {
    assert.ok(this.sections.has(section), `docs/json.md has no section ${section}`);
    const row = this.row(section, member);
    const { type, words } = this.sections.get(section).get(row) ?? {};
    const where = `docs/json.md, ${section}: ${member}`;
    if (row === undefined && this.holdsMore(section, member)) {
      for (const empty of [`${member}[]`, `${member}.*`])
        if (this.row(section, empty) === empty) this.seen.get(section).add(empty);
      const inside = (key) => (member === "" ? key : `${member}.${key}`);
      if (Array.isArray(value))
        for (const each of value) this.check(section, each, member === "" ? "" : `${member}[]`);
      else
        for (const [key, each] of Object.entries(value ?? {}))
          this.check(section, each, inside(key));
      return;
    }
    if (row === undefined && this.sections.get(section).has("*")) return;
    assert.ok(row, `${where} is missing (${JSON.stringify(value)})`);
    this.seen.get(section).add(row);
    if (value === null) assert.match(type, /\?$/, `${where} may be null`);
    else if (type.replace("?", "") in SECTIONS) this.check(SECTIONS[type.replace("?", "")], value);
    else
      assert.ok(
        TYPES[type.replace("?", "")](value),
        `${where} is not of type ${type}: ${JSON.stringify(value)}`
      );
    if (type?.startsWith("text") && value !== null && words !== undefined)
      assert.ok(words.includes(value), `${where} is not one of ${words}: ${JSON.stringify(value)}`);
  }

  /** Members of the page that no command printed. */
  unprinted() {
    const all = [...this.sections].flatMap(([section, rows]) =>
      [...rows.keys()].map((member) => [section, member])
    );
    return all
      .filter(([section, member]) => !this.seen.get(section).has(member) && member !== "*")
      .map(([section, member]) => `${section} ${member}`);
  }
}

const SIM = ["sim", "--families", "v5-linear", "--symbols", "1", "--rate", "400", "--seed", "7"];
const feed = (exchange) => [
  exchange.url + "/v5/public/linear",
  "--family",
  "v5-linear",
  "--ca-file",
  exchange.ca,
];
const TOPICS = ["--topic", "orderbook.50.BTCUSDT", "--topic", "publicTrade.BTCUSDT", "--audit"];

/** Frames of both topics: which frame has which number depends on the moment of the subscription. */
const DROPS = Array.from({ length: 20 }, (_, i) => ["--fault", `drop@${150 + i}`]).flat();

/** A recording of a simulated exchange that drops frames and cuts the connection. */
async function record(t, page, dir) {
  const archive = path.join(dir, "tape");
  const exchange = await listening(t, [...SIM, ...DROPS, "--fault", "cut@300"], dir);
  page.check(
    "record --check",
    await json(t, ["record", "--check", "-a", archive, ...feed(exchange), ...TOPICS, "--json"])
  );
  const recorder = new Recorder(t, archive, [
    ...feed(exchange),
    ...TOPICS,
    "--commit-interval",
    "100ms",
  ]);
  await recorder.prints(/connection 2\)/);
  await recorder.durableAfter(recorder.durableLines + 10);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  for (const line of recorder.lines) page.check("record", JSON.parse(line));
  exchange.program.kill("SIGTERM");
  return archive;
}

/** The answers of a running recorder; its second configuration is refused. */
async function controlled(t, page, dir) {
  const archive = path.join(dir, "controlled"),
    file = path.join(dir, "feeds.yaml");
  const exchange = await listening(t, SIM, dir);
  const [url, , family, , ca] = feed(exchange);
  const text = `feeds:\n  - url: ${url}\n    family: ${family}\n    ca_file: ${ca}\n    topics: [publicTrade.BTCUSDT]\n`;
  fs.writeFileSync(file, text);
  const recorder = new Program(t, "tapedeck", ["record", "-a", archive, "-c", file, "--json"]);
  await recorder.line((line) => line.includes('"durable"'));
  page.check("ctl reload", await json(t, ["ctl", archive, "reload", "--json"]));
  fs.writeFileSync(file, `${text}    stale_after: 1s\n`);
  await tapedeck(t, ["ctl", archive, "reload"], { status: 4 });
  page.check("ctl status", await json(t, ["ctl", archive, "status", "--json"]));
  page.check("ctl rotate", await json(t, ["ctl", archive, "rotate", "--json"]));
  page.check("ctl stop", await json(t, ["ctl", archive, "stop", "--json"]));
  await recorder.ended;
  await exchange.program.kill("SIGTERM");
}

/** An archive with one open segment, left by a recorder that was killed. */
async function crashed(t, dir) {
  const archive = path.join(dir, "crashed");
  const exchange = await listening(t, SIM, dir);
  const recorder = new Program(t, "tapedeck", [
    "record",
    "-a",
    archive,
    ...feed(exchange),
    ...TOPICS,
    "--json",
  ]);
  await recorder.line((line) => line.includes('"durable"'));
  await recorder.kill("SIGKILL");
  await exchange.program.kill("SIGTERM");
  return archive;
}

const LINES = [
  { recv_ns: 1618677786801375000, conn: 1, url: "wss://stream.bybit.com/realtime" },
  {
    recv_ns: 1618677786801375000,
    dir: "out",
    conn: 1,
    data: '{"op":"subscribe","args":["trade.BTCUSD"]}',
  },
  {
    recv_ns: 1618677786986451900,
    conn: 1,
    data: {
      topic: "trade.BTCUSD",
      data: [
        {
          trade_time_ms: 1618677786587,
          timestamp: "2021-04-17T16:43:06.000Z",
          symbol: "BTCUSD",
          side: "Buy",
          size: 77,
          price: 60622,
          tick_direction: "PlusTick",
          trade_id: "1d28db3f",
          cross_seq: 5,
          surprise: 1,
        },
      ],
    },
  },
  { recv_ns: 1618677786987451900, conn: 1, data: { topic: "trade.BTCUSD", data: [{ price: [] }] } },
];

async function imported(t, page, dir) {
  const archive = path.join(dir, "imported");
  const file = path.join(dir, "frames.jsonl");
  fs.writeFileSync(file, LINES.map((line) => JSON.stringify(line) + "\n").join("") + "{\n");
  page.check(
    "import",
    await json(t, ["import", "-a", archive, "--format", "jsonl", file, "--json"], { status: 1 })
  );
  return archive;
}

/** Frames of v5-linear that fill an export's manifest: an id with a comma, a lost delta, days without rows. */
async function market(t, dir) {
  const day = (n) => 1_795_000_000_000 + n * 86_400_000;
  const trade = (n, symbol, id) => ({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: day(n),
    data: [
      { T: day(n), s: symbol, S: "Buy", v: "0.001", p: "16578.5", L: "PlusTick", i: id, BT: false },
    ],
  });
  const book = (type, u, b, a) => ({
    topic: "orderbook.200.BTCUSDT",
    type,
    ts: day(0),
    data: { s: "BTCUSDT", b, a, u, seq: u },
    cts: day(0),
  });
  const frames = [
    book("snapshot", 1, [["1", "1"]], [["2", "1"]]),
    book("delta", 3, [["1", "2"]], []),
    book("snapshot", 4, [["1", "1"]], [["2", "1"]]), // correct until the gap of several hours before the last trade
    trade(0, "BTCUSDT", "a,b"),
    trade(0, "=X", "1"),
    trade(4, "BTCUSDT", "2"),
  ];
  const lines = frames.map((data, i) => ({ recv_ns: `${data.ts}00000${i}`, data }));
  return importLines(t, lines, { archive: path.join(dir, "market"), family: "v5-linear" });
}

const copyOf = (archive, name) => {
  const copy = path.join(path.dirname(archive), name);
  fs.cpSync(archive, copy, { recursive: true });
  return copy;
};

/** A user's decoder that refuses every frame, except one in ten, for which its answer is invalid. */
const REFUSES = `python3 -uc '
import sys, json
print(json.dumps({"tapedeck": 1})) if sys.stdin.readline() else None
for line in sys.stdin:
    n = json.loads(line)["n"]
    print(json.dumps({"n": n, "error": "no"} if n % 10 else {"n": n, "trades": 1}))'`;

async function regress(t, page, archive, dir) {
  const baseline = path.join(dir, "before.tdb");
  page.check("regress save", await json(t, ["regress", "save", archive, "-o", baseline, "--json"]));
  const refused = ["--decoder-cmd", REFUSES, "-j", "1", "--json"];
  page.check(
    "regress save",
    await json(t, ["regress", "save", archive, "-o", path.join(dir, "refused.tdb"), ...refused], {
      status: 1,
    })
  );
  const reports = "regress check";
  page.check(
    reports,
    await json(t, ["regress", "check", archive, "--baseline", baseline, "--json"])
  );
  page.check(
    reports,
    await json(
      t,
      ["regress", "check", archive, "--baseline", baseline, "--topic", "orderbook.50", ...refused],
      { status: 1 }
    )
  );
  page.check(reports, await json(t, ["regress", "check", archive, ...refused], { status: 1 }));
  const script = path.join(dir, "other_sizes.py");
  fs.writeFileSync(
    script,
    fs.readFileSync("docs/examples/decoder.py", "utf8").replace("else size})", 'else "1"})')
  );
  page.check(
    reports,
    await json(
      t,
      [
        "regress",
        "check",
        archive,
        "--topic",
        "orderbook.50",
        "--decoder-cmd",
        `python3 ${script}`,
        "--json",
      ],
      { status: 1 }
    )
  );
  return { baseline, reports };
}

test("docs/json.md has the members of all JSON output, and no others", async (t) => {
  const page = new Page();
  const dir = temporary(t);
  const archive = await record(t, page, dir);
  const other = await imported(t, page, dir);

  page.check("info", await json(t, ["info", archive, "--json"]));
  page.check("ls", await json(t, ["ls", archive, "--json"]));
  page.check("topics", await json(t, ["topics", "--json"]));
  page.check("sim --list", await json(t, ["sim", "--list", "--json"]));
  page.check("gaps", await json(t, ["gaps", archive, "--json"], { status: 1 }));
  page.check("days", await json(t, ["days", archive, "--json"], { status: 1 }));
  const orders = [
    request(1, "create", { symbol: "BTCUSDT", orderLinkId: "a" }, "1"),
    answer(2, "create", { orderId: "A" }, "1"),
    update(3, { orderId: "A", orderStatus: "New" }),
  ];
  page.check(
    "latency",
    await json(t, [
      "latency",
      await orderTape(t, temporary(t), [...orders, request(4, "cancel", {})]),
      "--json",
    ])
  );
  const tapeOfBook = await bookTape(t);
  page.check("when", await json(t, ["when", "-a", tapeOfBook, "rule=crossed", "--json"]));
  page.check("when", await json(t, ["when", "-a", tapeOfBook, "undecoded", "--json"]));
  page.check("when", await json(t, ["when", "-a", tapeOfBook, "price=100 size=3", "--json"]));
  page.check("when", await json(t, ["when", "-a", tapeOfBook, "gap", "--json"]));
  page.check("when", await json(t, ["when", "-a", tapeOfBook, "topic=publicTrade", "--json"]));
  page.check(
    "when",
    await json(t, ["when", "-a", tapeOfBook, "topic=publicTrade undecoded", "--json"])
  );
  for (const status of [0, 1])
    page.check(
      "why",
      await json(
        t,
        [
          "why",
          "-a",
          tapeOfBook,
          "BTCUSDT",
          "--at",
          status ? "+62ms" : "+55ms",
          "--side",
          "bid",
          "--price",
          "100",
          "--json",
        ],
        { status }
      )
    );
  page.check("replay", await json(t, ["replay", archive, "--json"], { status: 1 }));
  page.check(
    "replay",
    await json(t, ["replay", archive, "--speed", "100", "--to", "now", "--json"], { status: 1 })
  );
  page.check(
    "replay",
    await json(t, ["replay", other, "--from", "2021-04-01", "--json"], { status: 1 })
  );
  page.check(
    "replay",
    await json(t, ["replay", other, "--topic", "trade", "--to", "2021-05-01", "--json"], {
      status: 1,
    })
  );
  page.check("cat", await jsonLines(t, ["cat", archive, "--events"]));
  for (const from of [archive, other])
    for (const line of await jsonLines(t, ["replay", "--messages", from], { status: 1 }))
      page.check(["control", "request"].includes(line.type) ? "control frames" : "messages", line);
  const stopped = async (verb, ...args) => {
    const { program } = await listening(
      t,
      [verb, ...args, "--plain", "--json"],
      fs.mkdtempSync(path.join(dir, `${verb}-`))
    );
    const end = await program.kill("SIGTERM");
    assert.equal(end.code, 0, end.stderr);
    page.check(verb, JSON.parse(end.stdout));
  };
  await stopped("serve", archive);
  await stopped("tap", "-a", path.join(dir, "tapped"), "--upstream", "ws://127.0.0.1:9");
  await controlled(t, page, dir);
  page.check(
    "drift",
    await json(t, ["drift", other, "--since", "2021-04-17", "--json"], { status: 1 })
  );
  page.check("drift --rules", await json(t, ["drift", "--rules", other, "--json"], { status: 1 }));
  page.check(
    "drift --rules",
    await json(t, ["drift", "--rules", archive, "--json"], { status: null })
  );
  page.check("cut", await json(t, ["cut", archive, "-o", path.join(dir, "cut.mcap"), "--json"]));
  await tapedeck(t, ["cut", archive, "-o", path.join(dir, "part.mcap"), "--topic", "publicTrade"]);
  page.check(
    "diff",
    await json(t, ["diff", archive, path.join(dir, "part.mcap"), "--json"], { status: 1 })
  );
  await regress(t, page, archive, dir);
  page.check(
    "merge",
    await json(t, [
      "merge",
      archive,
      copyOf(archive, "twin"),
      "-o",
      path.join(dir, "merged"),
      "--json",
    ])
  );

  const damaged = copyOf(archive, "damaged");
  const segment = path.join(damaged, segments(damaged)[0]);
  const size = ({ from, to }) => to - from;
  flipIn(
    segment,
    chunksOf(segment).reduce((a, b) => (size(b) > size(a) ? b : a))
  ); // it has frames, however many each commit has
  page.check("verify", await json(t, ["verify", damaged, "--json"], { status: 3 }));
  page.check("verify", await json(t, ["verify", archive, "--json"]));
  page.check("replay", await json(t, ["replay", damaged, "--json"], { status: 3 }));

  const left = await crashed(t, dir);
  page.check("recover", await json(t, ["recover", left, "--json"]));
  page.check("reindex", await json(t, ["reindex", left, "--json"]));
  fs.writeFileSync(path.join(left, "capture/notes.txt"), "not a segment");
  page.check("verify", await json(t, ["verify", left, "--json"]));
  await tapedeck(
    t,
    ["import", "-q", "-a", left, "--format", "jsonl", path.join(dir, "frames.jsonl")],
    { status: 1 }
  );
  page.check(
    "note",
    await json(t, ["note", "add", left, "the recorder was killed", "--from", "+0s", "--json"])
  );
  page.check(
    "note",
    await json(t, [
      "note",
      "add",
      left,
      "a gap",
      "--from",
      "+0s",
      "--to",
      "+1s",
      "--feed",
      (await json(t, ["info", left, "--json"])).feeds[0].feed,
      "--json",
    ])
  );
  page.check("note ls", await json(t, ["note", "ls", left, "--json"]));
  for (const args of [
    ["pack", left, "--older", "0s", "--dry-run"],
    ["pack", left, "--older", "0s"],
    ["unpack", left],
  ])
    page.check("pack, unpack", await json(t, [...args, "--json"]));
  page.check("prune", await json(t, ["prune", left, "--before", "2022-01-01", "--json"]));
  page.check("prune", await json(t, ["prune", left, "--older-than", "30d", "--json"]));
  page.check("info", await json(t, ["info", left, "--json"]));

  const units = ["--format", "tardis-csv", "--out", path.join(dir, "units")];
  page.check("plan", await json(t, ["plan", archive, "--json", "--", ...units]));
  const made = await market(t, dir);
  for (const verb of ["gaps", "days"])
    page.check(verb, await json(t, [verb, archive, made, "--json"], { status: 1 }));
  for (const [format, from, name] of [
    ["tardis-csv", archive, "csv"],
    ["jsonl", archive, "lines"],
    ["tardis-csv", made, "tickers"],
    ["hftbacktest", made, "events"],
    ["parquet", made, "tables"],
    ["nautilus", made, "catalog"],
  ]) {
    const out = path.join(dir, name);
    page.check(
      "export",
      await json(t, ["export", from, "--format", format, "--out", out, "--feed", "*", "--json"], {
        status: 1,
      })
    );
    for (const day of manifestsOf(out)) page.check("MANIFEST.DATE.json", day);
  }
  for (const line of parseLines(
    fs.readFileSync(path.join(dir, "lines", fs.readdirSync(path.join(dir, "lines")).at(-1)), "utf8")
  ))
    if (line.type === "gap") page.check("gap", (delete line.type, line));
    else page.check("messages", line);
  for (const line of await jsonLines(t, [
    "decode",
    "--family",
    "okx",
    "tests/golden/okx/books.update.json",
  ]))
    page.check("messages", line);
  assert.deepEqual(
    page.unprinted().sort(),
    ELSEWHERE.sort(),
    "members in docs/json.md that nothing printed"
  );
});
