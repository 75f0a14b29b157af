// The HTML file of report: the page of view with its answers in it. Nothing in it is loaded from elsewhere, and no text of an archive is
// markup. Expected: docs/view.md.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  chunksOf,
  flipIn,
  FRAMES_MS,
  importFrames,
  importLines,
  json,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { jsonOf, readSavedPage } from "../support/saved_page.mjs";

const SYMBOLS = 26_000;
const EVIL = "</script><script>alert('1')</script>&\u202e";
const NOTE = "</script><b>note";
const trade = (symbol, n) =>
  JSON.stringify({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: FRAMES_MS + n,
    data: [
      { T: FRAMES_MS + n, s: symbol, S: "Buy", v: "1", p: "2.5", i: `id-${n}`, BT: false, seq: n },
    ],
  });
const importOf = (t, dir, frames) =>
  importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames });

test("the page has the answers about topics, gaps and days, and names are no markup", async (t) => {
  const dir = temporary(t),
    file = path.join(dir, "report.html");
  const archive = await importOf(
    t,
    dir,
    Array.from({ length: 300 }, (_, n) => trade([EVIL, "BTCUSDT"][n % 2], n))
  );
  await importLines(
    t,
    [
      { t: "header", format: 2, exchange: "TEST" },
      {
        t: "connect",
        conn: "W",
        ts: FRAMES_MS / 1000 + 60,
        addr: "wss://stream.bybit.com/v5/public/linear",
      },
      ...[400, 401].map((n) => ({
        t: "recv",
        conn: "W",
        ts: FRAMES_MS / 1000 + 60 + n / 100,
        data: trade("BTCUSDT", n),
      })),
    ],
    { archive, format: "cryptofeed", family: "v5-linear" }
  );
  await tapedeck(t, [
    "note",
    "add",
    archive,
    "--symbol",
    "BTCUSDT",
    "--from",
    "2026-11-20T06:00:01Z",
    NOTE,
  ]);
  const { stdout } = await tapedeck(t, ["report", archive, "--html", file]);
  assert.match(stdout, /^\S+report\.html: [\d.]+ KiB\n$/);
  const page = readSavedPage(file);
  assert.ok(page.html.length < 5 << 20);
  assert.match(
    page.html,
    /content="default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:"/
  );
  assert.doesNotMatch(page.html, /https?:|src=|@import|url\(|alert\(|\u202e/);
  assert.deepEqual(
    [...page.html.matchAll(/href="[^"]*"/g)].map(([link]) => link),
    ['href="data:,"']
  );
  // Each script of the page, the answers, and the start.
  assert.equal(page.html.match(/<script/g).length, 3);
  assert.equal(page.html.match(/<\/script/g).length, 3);
  const scripts = fs
    .readdirSync(new URL("../../../view/web/", import.meta.url))
    .filter((name) => name.endsWith(".js"));
  const [, map] = /<script type="importmap">([^<]*)<\/script>/.exec(page.html);
  const { imports } = JSON.parse(map);
  assert.deepEqual(Object.keys(imports).sort(), scripts.sort());
  for (const text of Object.values(imports).map((url) =>
    Buffer.from(url.replace("data:text/javascript;base64,", ""), "base64").toString()
  ))
    assert.deepEqual(
      [...text.matchAll(/from "([^"]*)"/g)]
        .map(([, name]) => name)
        .filter((name) => imports[name] === undefined),
      []
    );
  const shown = jsonOf(page, "archive");
  assert.deepEqual(
    shown.rows.map(({ symbol, frames }) => [symbol, frames]).sort(),
    [
      [EVIL, 150],
      ["BTCUSDT", 152],
    ].sort()
  );
  assert.deepEqual(
    jsonOf(page, "gaps").gaps.map(({ reason, cause }) => [reason, cause]),
    [["restart", "between two sessions"]]
  );
  assert.equal(jsonOf(page, "verb/note/ls").results[0].notes[0].text, NOTE);
  assert.equal(page.about.is_damaged, false);
  // The days equal what the verb prints.
  const members = ({
    feed,
    day,
    symbol,
    clean_percent,
    verified_percent,
    day_percent,
    degraded_ns,
    missing_ns,
    reasons,
    recording,
    frames,
    topics,
  }) => ({
    feed,
    day,
    symbol,
    clean_percent,
    day_percent,
    verified_percent,
    degraded_ns,
    missing_ns,
    reasons,
    recording,
    frames,
    topics: topics.map(({ topic, p50_ns, p99_ns }) => ({ topic, p50_ns, p99_ns })),
  });
  const { days } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.deepEqual(jsonOf(page, "verb/days").results[0].days.map(members), days.map(members));
  // Tiles have all frames, of topics and of symbols.
  for (const by of ["by=topic", "by=symbol&feed=v5-linear&topic=publicTrade"]) {
    const levels = [...page.answers.keys()]
      .filter((key) => key.startsWith("tile?") && key.endsWith(`&n=1&${by}`))
      .map((key) => Number(/k=(\d+)/.exec(key)[1]));
    for (const k of new Set(levels))
      assert.equal(Math.round(framesIn(page, k, by)), 302, `level ${k} ${by}`);
    assert.ok(new Set(levels).size >= 8, levels.join());
  }
  // No file is replaced.
  const again = await tapedeck(t, ["report", archive, "--html", file], { status: 2 });
  assert.match(again.stderr, /report\.html/);
  assert.equal(fs.readFileSync(file, "utf8"), page.html);
  // A selection has only its own topics, symbols and notes.
  await tapedeck(t, [
    "report",
    archive,
    "--symbol",
    "XRP*",
    "--symbol",
    "BTC*",
    "--html",
    path.join(dir, "part.html"),
  ]);
  const part = readSavedPage(path.join(dir, "part.html"));
  for (const [question, answer] of part.answers) assert.ok(!answer.includes("alert("), question);
  assert.deepEqual(
    jsonOf(part, "archive").rows.map(({ symbol }) => symbol),
    ["BTCUSDT"]
  );
  await tapedeck(t, [
    "report",
    archive,
    "--symbol",
    "[<]*",
    "--html",
    path.join(dir, "other.html"),
  ]);
  assert.deepEqual(
    jsonOf(readSavedPage(path.join(dir, "other.html")), "verb/note/ls").results[0].notes,
    []
  );
  assert.match(
    (
      await tapedeck(
        t,
        ["report", archive, "--symbol", "nothing", "--html", path.join(dir, "none.html")],
        { status: 4 }
      )
    ).stderr,
    /nothing/
  );
  assert.match(
    (await tapedeck(t, ["report", archive], { status: 2 })).stderr,
    /no file is given\n.*--html report\.html/
  );
});

/** The sum of all frames in the tiles of a level. */
function framesIn(page, k, by) {
  let sum = 0;
  for (const [question, answer] of page.answers) {
    if (!question.startsWith(`tile?k=${k}&`) || !question.endsWith(`&n=1&${by}`)) continue;
    const end = answer.indexOf(10);
    const { bands } = JSON.parse(answer.subarray(0, end));
    for (let cell = 0; cell < bands.length * 256; cell++)
      sum += answer.readFloatLE(end + 1 + 4 * cell);
  }
  return sum;
}

test("a damaged recording gets status 3, and the page reports it", async (t) => {
  const dir = temporary(t),
    file = path.join(dir, "report.html");
  const archive = await importOf(
    t,
    dir,
    Array.from({ length: 300 }, (_, n) => trade("BTCUSDT", n))
  );
  await tapedeck(t, [
    "import",
    "-q",
    "-a",
    archive,
    "--again",
    "--format",
    "cryptofeed",
    "--family",
    "v5-linear",
    `${archive}.capture`,
  ]);
  const segment = path.join(archive, segments(archive)[1]);
  flipIn(segment, chunksOf(segment)[0]);
  await tapedeck(t, ["report", archive, "--html", file], { status: 3 });
  assert.equal(readSavedPage(file).about.is_damaged, true);
});

test("a heat map saves the market of one book", async (t) => {
  const dir = temporary(t),
    file = path.join(dir, "report.html");
  const book = (type, u, b, a) =>
    JSON.stringify({
      topic: "orderbook.50.BTCUSDT",
      type,
      ts: FRAMES_MS + u,
      data: { s: "BTCUSDT", b, a, u, seq: u },
      cts: FRAMES_MS + u,
    });
  const frames = [
    book(
      "snapshot",
      1,
      [
        ["100", "2"],
        ["99.5", "8"],
      ],
      [["100.5", "3"]]
    ),
    ...Array.from({ length: 200 }, (_, n) =>
      n % 4 === 0
        ? trade("BTCUSDT", n).replace("2.5", "100.5")
        : book("delta", 2 + n - Math.ceil(n / 4), [["99.5", n % 8 === 1 ? "0" : "8"]], [])
    ),
  ];
  const archive = await importOf(t, dir, frames);
  await tapedeck(t, ["report", archive, "--html", file, "--heat-map", "orderbook.50"]);
  const page = readSavedPage(file);
  const markets = [...page.answers].filter(([question]) =>
    question.startsWith("market?feed=v5-linear&symbol=BTCUSDT&book=orderbook.50&k=")
  );
  const heads = markets.map(([question, answer]) => ({
    question,
    ...JSON.parse(answer.subarray(0, answer.indexOf(10))),
  }));
  assert.ok(
    heads.some(
      ({ trades, runs, trade_cells }) => trades === "publicTrade" && runs > 10 && trade_cells > 0
    ),
    JSON.stringify(heads)
  );
  // All have one height of rows, which is a height that the page asks for.
  assert.equal(
    new Set(heads.map(({ question }) => /&bin=(0\.0*[125]|[125]0*)$/.exec(question)[1])).size,
    1
  );
  // The topic must be a book of one selected symbol.
  assert.match(
    (
      await tapedeck(
        t,
        ["report", archive, "--html", path.join(dir, "no.html"), "--heat-map", "publicTrade"],
        { status: 4 }
      )
    ).stderr,
    /no book 'publicTrade'/
  );
  assert.equal(fs.existsSync(path.join(dir, "no.html")), false);
});

test("a page of more than 5 MiB is refused, with what to select less of", async (t) => {
  const dir = temporary(t),
    file = path.join(dir, "report.html");
  // Names of symbols that cannot be compressed are too much for a page; some of them are not.
  const name = (n) =>
    ["a", "b"]
      .map((salt) =>
        createHash("sha512")
          .update(salt + n)
          .digest("base64url")
          .slice(0, 60)
      )
      .join("");
  const archive = await importOf(
    t,
    dir,
    Array.from({ length: SYMBOLS }, (_, n) => trade(`S${n}-${name(n)}`, n))
  );
  const { stderr } = await tapedeck(t, ["report", archive, "--html", file], { status: 4 });
  assert.match(
    stderr,
    /the page has more than 5 MiB: select less, with a later --from, an earlier --to, or fewer symbols/
  );
  assert.equal(fs.existsSync(file), false);
  await tapedeck(t, ["report", archive, "--html", file, "--symbol", "S100*"]);
  assert.ok(fs.statSync(file).size <= 5 << 20);
});
