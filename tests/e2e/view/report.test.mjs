// The HTML file of report: what it shows, and that nothing in it is loaded, run or taken for markup. Expected: docs/view.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { chunksOf, flipIn, FRAMES_MS, importFrames, segments, tapedeck, temporary } from "../support/harness.mjs";

const EVIL = "<script>alert('1')</script>&\u202e";
const trade = (symbol, n) => JSON.stringify({ topic: `publicTrade.${symbol}`, type: "snapshot", ts: FRAMES_MS + n, data: [{ T: FRAMES_MS + n, s: symbol, S: "Buy", v: "1", p: "2.5", i: `id-${n}`, BT: false, seq: n }] });

test("the page has a row for each topic, the gaps and the days, and names are text", async (t) => {
  const dir = temporary(t), file = path.join(dir, "report.html");
  const archive = await importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames: Array.from({ length: 300 }, (_, n) => trade([EVIL, "BTCUSDT"][n % 2], n)) });
  const second = path.join(dir, "later.jsonl");
  fs.writeFileSync(second, [{ t: "header", format: 2, exchange: "TEST" }, { t: "connect", conn: "W", ts: FRAMES_MS / 1000 + 60, addr: "wss://stream.bybit.com/v5/public/linear" },
    ...[400, 401].map((n) => ({ t: "recv", conn: "W", ts: FRAMES_MS / 1000 + 60 + n / 100, data: trade("BTCUSDT", n) }))].map((line) => `${JSON.stringify(line)}\n`).join(""));
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "v5-linear", second]);
  const { stdout } = await tapedeck(t, ["report", archive, "--html", file]);
  assert.match(stdout, /^\S+report\.html: [\d.]+ KiB\n$/);
  const html = fs.readFileSync(file, "utf8");
  assert.ok(html.length < 5 << 20);
  assert.match(html, /content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.doesNotMatch(html, /<script|src=|href=|url\(|@import|https?:|\u202e/);
  assert.match(html, /&#60;script&#62;alert\(&#39;1&#39;\)&#60;\/script&#62;&#38;\\u202e/);
  assert.match(html, /<tr><th>v5-linear publicTrade<td><svg [^]*<rect class=r [^]*<rect class=g [^>]*><title>restart /);
  assert.match(html, /<tr><td>2026-11-20T06:00:0[^<]*<td>\S+ m?s?[^<]*<td>restart<td>v5-linear \(all topics\) <td>\?<td>between two sessions<\/tr>/);
  assert.match(html, /<tr class=bad><td>2026-11-20<td>v5-linear<td>BTCUSDT<td>\d+\.\d\d<td>/);
  // No file is replaced.
  const again = await tapedeck(t, ["report", archive, "--html", file], { status: 2 });
  assert.match(again.stderr, /report\.html/);
  assert.equal(fs.readFileSync(file, "utf8"), html);
  // A selection has its own topics.
  await tapedeck(t, ["report", archive, "--symbol", "BTC*", "--html", path.join(dir, "part.html")]);
  assert.doesNotMatch(fs.readFileSync(path.join(dir, "part.html"), "utf8"), /script/);
  assert.match((await tapedeck(t, ["report", archive, "--symbol", "nothing", "--html", path.join(dir, "none.html")], { status: 4 })).stderr, /nothing/);
  assert.match((await tapedeck(t, ["report", archive], { status: 2 })).stderr, /no file is given\n.*--html report\.html/);
});

test("a damaged recording gets status 3, and the page reports it", async (t) => {
  const dir = temporary(t), file = path.join(dir, "report.html");
  const archive = await importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames: Array.from({ length: 300 }, (_, n) => trade("BTCUSDT", n)) });
  await tapedeck(t, ["import", "-q", "-a", archive, "--again", "--format", "cryptofeed", "--family", "v5-linear", path.join(dir, "frames.jsonl")]);
  const segment = path.join(archive, segments(archive)[1]);
  flipIn(segment, chunksOf(segment)[0]);
  await tapedeck(t, ["report", archive, "--html", file], { status: 3 });
  assert.match(fs.readFileSync(file, "utf8"), /A part of the recording cannot be read/);
});

test("a heat map shows the book's depth, best prices and trades", async (t) => {
  const dir = temporary(t), file = path.join(dir, "report.html");
  const book = (type, u, b, a) => JSON.stringify({ topic: "orderbook.50.BTCUSDT", type, ts: FRAMES_MS + u, data: { s: "BTCUSDT", b, a, u, seq: u }, cts: FRAMES_MS + u });
  const frames = [book("snapshot", 1, [["100", "2"], ["99.5", "8"]], [["100.5", "3"]]), ...Array.from({ length: 200 }, (_, n) => (n % 4 === 0 ? trade("BTCUSDT", n).replace("2.5", "100.5") : book("delta", 2 + n - Math.ceil(n / 4), [["99.5", n % 8 === 1 ? "0" : "8"]], [])))];
  const archive = await importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames });
  await tapedeck(t, ["report", archive, "--html", file, "--heat-map", "orderbook.50"]);
  const html = fs.readFileSync(file, "utf8");
  assert.match(html, /<h2>The book of v5-linear orderbook\.50 BTCUSDT<\/h2>/);
  assert.doesNotMatch(html, /<script|src=|href=|@import|https?:/);
  // 100 has size 2 all the time, 99.5 comes and goes with size 8: a run in each of the picture's tiles, and many.
  const [, ...shades] = html.split(/<path class=h\d d="/).map((part) => part.slice(0, part.indexOf('"')));
  const runs = shades.flatMap((d) => [...d.matchAll(/M(\d+) ([\d.]+)h(\d+)/g)]).map(([, x, y, width]) => ({ x: Number(x), y: Number(y), width: Number(width) }));
  const byRow = runs.reduce((all, run) => all.set(run.y, [...(all.get(run.y) ?? []), run]), new Map());
  const rows = [...byRow].sort(([a], [b]) => a - b).map(([, list]) => list);
  assert.equal(rows.length, 3);
  assert.ok(rows[0].length <= 4 && rows[1].length <= 4 && rows[2].length > 10, rows.map((list) => list.length).join());
  assert.match(html, /<path class="buy s2" d="M/);
  assert.match(html, /<path class=best d="M/);
  // The topic must be a book of one selected symbol.
  assert.match((await tapedeck(t, ["report", archive, "--html", path.join(dir, "no.html"), "--heat-map", "publicTrade"], { status: 4 })).stderr, /no book 'publicTrade'/);
  assert.equal(fs.existsSync(path.join(dir, "no.html")), false);
});
