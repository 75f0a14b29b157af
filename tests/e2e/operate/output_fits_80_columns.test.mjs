// Help and tables fit a terminal of 80 columns (every verb; a recorded capture, and an archive with long names), names are never
// truncated, and text results have the facts of the JSON. Expected: docs/design.md
// ("Output").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  archiveVerbs,
  capture,
  commands,
  helpOf,
  importLines,
  json,
  run,
  segments,
  tapedeck,
  temporary,
  verbs,
  withoutRecorded,
} from "../support/harness.mjs";
import { onTerminals } from "../support/terminal_output.mjs";

const COLUMNS = 80;
const FEED = "a-feed-with-a-name-that-leaves-hardly-any-space";
const SYMBOL = "BTC-26DEC25-118000-C-USDT-AND-MORE-OF-IT";

/** The lines of a terminal's screen, without colours and without remains of the status line. */
const lines = (text) =>
  text
    .replaceAll(/\x1b\[[\d;]*m/g, "")
    .replaceAll(/\r[^\r\n]*\x1b\[K/g, "")
    .split("\n");

/** Check that no line is wider, unless it is a single word such as a path. */
function fits(text, what) {
  for (const line of lines(text))
    assert.ok(
      [...line].length <= COLUMNS || /^ *\S+$/.test(line),
      `${what}: ${[...line].length} columns: ${line}`
    );
}

test("every help fits 80 columns, and lists the exit statuses", async (t) => {
  for (const verb of new Set([...(await commands(t)).keys(), ...(await verbs(t)).keys()])) {
    const help = await helpOf(...verb.split(" "));
    fits(help, `${verb} --help`);
    assert.match(help, /\nExit status\n {2}0 /, verb);
  }
  for (const program of ["tapedeck", "tapedeck-record", "tapedeck-replay", "tapedeck-sim"])
    fits((await run(t, program, ["--help"])).stdout, program);
});

const trade = (symbol, seq) =>
  JSON.stringify({
    topic: `trade.${symbol}`,
    data: [
      {
        trade_time_ms: 1618677785000 + seq,
        timestamp: "2021-04-17T16:43:05.000Z",
        symbol,
        side: "Buy",
        size: 5,
        price: 7.5,
        tick_direction: "PlusTick",
        trade_id: `558a0af8-ca11-5c5c-9b88-${String(seq).padStart(12, "0")}`,
        cross_seq: seq,
      },
    ],
  });

/** Two sessions of a feed with a long name: one frame breaks a rule, one is not JSON, one has a new member. */
async function longNames(t) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const connected = "wss://test/realtime <-> 1618677785.0";
  const files = [
    [connected, `1618677786.0: ${trade(SYMBOL, 5)}`, `1618677787.0: ${trade(SYMBOL, 6)}`],
    [
      connected.replace("785", "885"),
      `1618677885.5: ${trade(SYMBOL, 7)}`,
      `1618677886.0: ${trade(SYMBOL, 4)}`,
      '1618677887.0: {"topic":"trade.',
      `1618677888.0: ${trade("BTCUSD", 7).replace("{", '{"a_member_that_no_schema_knows":1,')}`,
    ],
  ];
  for (const lines of files)
    await importLines(t, lines, {
      archive,
      format: "cryptofeed",
      family: "inverse",
      feed: FEED,
      status: null,
    });
  return archive;
}

/** Run every verb that reads an archive on a terminal of 80 columns, and the others: name -> arguments. */
async function showAll(t, archive, others = {}) {
  const runs = new Map();
  for (const [words, needs] of await archiveVerbs(t)) {
    if (["cat", "serve", "import", "cut", "export", "plan"].includes(words[0])) continue; // they print frames, nothing, or lines with a path
    const more = words[0] === "replay" ? [] : needs; // without messages: the report
    runs.set(words.join(" "), [...words, "-a", archive, ...more, "-q"]);
  }
  for (const [name, args] of Object.entries(others)) runs.set(name, args);
  const texts = onTerminals(
    COLUMNS,
    [...runs.values()].map((args) => ({ args }))
  );
  const shown = Object.fromEntries([...runs.keys()].map((name, i) => [name, texts[i]]));
  for (const [name, text] of Object.entries(shown)) fits(text, name);
  return shown;
}

test("the tables of an archive with long names fit 80 columns, with whole names", async (t) => {
  const archive = await longNames(t);
  const shown = await showAll(t, archive, {
    "info -v": ["info", "-q", "-v", archive],
    topics: ["topics"],
  });
  for (const verb of ["info", "info -v", "ls", "gaps", "replay", "drift"])
    assert.ok(shown[verb].includes(FEED), `${verb}:\n${shown[verb]}`);
  for (const verb of ["info -v", "replay"])
    assert.ok(shown[verb].includes(SYMBOL), `${verb}:\n${shown[verb]}`);
  // A damaged archive prints more.
  const file = path.join(archive, segments(archive)[0]);
  fs.truncateSync(file, fs.statSync(file).size - 100);
  await showAll(t, archive);
});

for (const name of ["inverse-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz"])
  test(`the tables of ${name} fit 80 columns`, { skip: withoutRecorded(name) }, async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, capture(name)], { status: null });
    await showAll(t, archive);
  });

// ---- the two forms of a result ---------------------------------------------------------------------------------------

const count = (n) => String(n).replaceAll(/\B(?=(\d{3})+$)/g, ",");
const time = (ns) =>
  new Date(Number(BigInt(ns) / 1_000_000n)).toISOString().slice(0, 19).replace("T", " ");

/** For each verb: the members of a row, or of the document, that one line of the text must have. */
const FACTS = {
  info: {
    "": (d) => [count(d.frames), count(d.segments), count(d.gaps)],
    feeds: (f) => [f.feed, f.family, count(f.frames), time(f.first_ns)],
    day: (f) => [f.feed ?? "-", f.half_hours],
    topics: (row) => [
      row.feed,
      row.topic,
      row.symbols.length === 1 ? (row.symbols[0].symbol ?? "-") : String(row.symbols.length),
      count(row.frames),
    ],
  },
  ls: {
    segments: (s) => [
      path.basename(s.segment),
      s.state,
      count(s.frames),
      count(s.chunks),
      time(s.first_ns),
    ],
  },
  gaps: {
    "": (d) => [`${count(d.gaps.length)} gap`, count(d.frames), time(d.first_ns), time(d.last_ns)],
    gaps: (g) => [time(g.from_ns), g.reason, g.feed, g.topic ?? "", g.symbol ?? ""],
  },
  verify: {
    "": (d) => [count(d.segments), count(d.chunks), count(d.frames)],
    findings: (f) => [f.severity, f.segment ?? "archive", f.what],
    lost: (g) => [g.feed, time(g.from_ns)],
  },
  topics: { topics: (row) => [row.family, row.pattern, row.type, row.title] },
  replay: {
    "": (d) => [`${count(d.frames)} frames`],
    topics: (row) => [row.feed, row.topic, row.symbol ?? "", count(row.frames), count(row.items)],
    gaps: (g) => [g.reason, g.feed],
    books: (b) => [
      b.feed,
      b.topic,
      b.symbol,
      b.broken ? "broken" : "sound",
      `${b.bids} x ${b.asks}`,
    ],
  },
  "prune --dry-run --feed *": {
    "": (d) => [count(d.segments_pruned), count(d.segments_kept)],
    segments: (s) => [s.segment, s.why, time(s.last_ns)],
  },
  recover: {
    "": (d) =>
      d.segments_recovered === 0 ? ["nothing to recover"] : [count(d.segments_recovered)],
  },
  reindex: { "": (d) => [`${count(d.segments)} segments`, `${count(d.gaps)} gap`] },
};

/** JSON.parse with exact times. */
const exactly = (text) => JSON.parse(text.replaceAll(/("\w*_ns"):(\d{17,})/g, '$1:"$2"'));

test("the text of a result has the facts of its JSON", async (t) => {
  const archive = await longNames(t);
  const compare = async (words) => {
    const args = [...words.split(" "), ...(words === "topics" ? [] : ["-a", archive])];
    const made = exactly((await tapedeck(t, [...args, "--json"], { status: null })).stdout);
    const text = (await tapedeck(t, args, { status: null })).stdout.split("\n");
    for (const [list, facts] of Object.entries(FACTS[words]))
      for (const row of list === "" ? [made] : made[list]) {
        const wanted = facts(row);
        assert.ok(
          text.some((line) => wanted.every((fact) => line.includes(fact))),
          `${words}: no line has ${JSON.stringify(wanted)}:\n${text.join("\n")}`
        );
      }
    return made;
  };
  for (const words of Object.keys(FACTS)) await compare(words);
  const { verdict, continuity } = await json(t, ["replay", archive, "--json"], { status: 1 });
  assert.equal(verdict, "incomplete");
  const ends = (await tapedeck(t, ["replay", archive], { status: 1 })).stdout.trimEnd().split("\n");
  assert.ok(ends.at(-1).startsWith(`Complete: no, ${continuity.violations} frame`), ends.at(-1));
  const file = path.join(archive, segments(archive)[0]);
  fs.truncateSync(file, fs.statSync(file).size - 100);
  assert.ok((await compare("verify")).lost.length > 0);
});
