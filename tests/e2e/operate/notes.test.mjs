// Notes about times of an archive: what `note add` accepts and refuses, which of them `note ls` lists, and that they stay. Expected:
// the names and times that the test gives; frames and gaps of the archive as before.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { importLines, json, tapedeck, temporary } from "../support/harness.mjs";
import { compareWithTruth, feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const NOON_NS = 1618660800000000000n;
const at = (seconds) => String(NOON_NS + BigInt(seconds * 1000) * 1000000n);

/** An archive of ten seconds of two feeds: trades of two symbols, and of one. */
async function archiveOf(t) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  for (const [feed, symbols] of [
    ["one", ["BTCUSD", "ETHUSD"]],
    ["two", ["XRPUSD"]],
  ]) {
    const lines = symbols.flatMap((symbol, k) =>
      Array.from({ length: 10 }, (_, i) => {
        const ms = Number(NOON_NS / 1000000n) + i * 1000 + k;
        return `{"recv_ns":${ms}000000,"conn":0,"data":${JSON.stringify({ topic: `trade.${symbol}`, data: [{ trade_time_ms: ms, timestamp: new Date(ms).toISOString(), symbol, side: "Buy", size: 1, price: 100, tick_direction: "PlusTick", trade_id: `${symbol}${ms}`, cross_seq: ms }] })}}`;
      })
    );
    await importLines(t, lines.sort(), { archive, feed, family: "inverse" });
  }
  return archive;
}

const texts = async (t, archive, ...options) =>
  (await json(t, ["note", "ls", archive, ...options, "--json"])).notes.map(({ text }) => text);

test("notes are listed by time, and by what they may be about", async (t) => {
  const archive = await archiveOf(t);
  const add = (text, ...options) => json(t, ["note", "add", archive, text, ...options, "--json"]);
  assert.deepEqual(await texts(t, archive), []);
  await add("late", "--from", at(8), "--feed", "one");
  await add("early", "--from", "+2s", "--to", "+3s", "--topic", "trade", "--symbol", "BTCUSD");
  const exchange = await add(
    "as the exchange writes it",
    "--from",
    at(3),
    "--topic",
    "trade.ETHUSD"
  );
  const { made_ns: made, ...rest } = await add(
    '<b>"all" of it; spreads ≥ 5',
    "--from",
    at(1),
    "--to",
    at(9)
  );

  assert.ok(Math.abs(made / 1e6 - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    from_ns: Number(at(1)),
    to_ns: Number(at(9)),
    lasts_ns: 8e9,
    keep: false,
    feed: null,
    topic: null,
    symbol: null,
    text: '<b>"all" of it; spreads ≥ 5',
  });
  assert.deepEqual(
    [exchange.feed, exchange.topic, exchange.symbol, exchange.lasts_ns],
    [null, "trade", "ETHUSD", 0]
  );
  const all = '<b>"all" of it; spreads ≥ 5',
    own = "as the exchange writes it";
  assert.deepEqual(await texts(t, archive), [all, "early", own, "late"]);
  assert.deepEqual(await texts(t, archive, "--symbol", "BTC*"), [all, "early", "late"]);
  assert.deepEqual(await texts(t, archive, "--topic", "trade.ETHUSD"), [all, own, "late"]);
  assert.deepEqual(await texts(t, archive, "--feed", "two"), [all, "early", own]);
  assert.deepEqual(
    await texts(t, archive, "--from", at(5)),
    [all, "late"],
    "a stretch ends before its end"
  );
  assert.deepEqual(await texts(t, archive, "--to", at(3)), [all, "early"]);
  assert.deepEqual(await texts(t, archive, "--from", at(3), "--to", at(4)), [all, "early", own]);
  assert.match(
    (await tapedeck(t, ["note", "ls", archive, "--symbol", "BTCUSD", "--to", at(8)])).stdout,
    /^2021-04-17 12:00:01\.000 for 8 s, all feeds: <b>"all" of it; spreads ≥ 5\n2021-04-17 12:00:02\.000 for 3 s, all feeds trade BTCUSD: early\n$/
  );
});

test("a note that would be unclear or lost is refused, and nothing is written", async (t) => {
  const archive = await archiveOf(t),
    file = path.join(temporary(t), "cut.mcap");
  const refused = async (status, pattern, ...args) =>
    assert.match((await tapedeck(t, ["note", "add", ...args], { status })).stderr, pattern);
  await refused(2, /a note needs a time\n.*--from/, archive, "text");
  await refused(
    2,
    /--symbol: a note is about one symbol or about all, and has no pattern/,
    archive,
    "text",
    "--from",
    "+1s",
    "--symbol",
    "BTC*"
  );
  await refused(
    2,
    /--feed: a note is about one feed or about all/,
    archive,
    "text",
    "--from",
    "+1s",
    "--feed",
    "one",
    "--feed",
    "two"
  );
  await refused(
    4,
    /no symbol 'BTCUSX': did you mean 'BTCUSD'/,
    archive,
    "text",
    "--from",
    "+1s",
    "--symbol",
    "BTCUSX"
  );
  await refused(
    4,
    /no symbol|no such/,
    archive,
    "text",
    "--from",
    at(1),
    "--feed",
    "two",
    "--symbol",
    "BTCUSD"
  );
  await refused(2, /the note has no text/, archive, "", "--from", "+1s");
  await refused(
    2,
    /line break or another control character/,
    archive,
    "two\nlines",
    "--from",
    "+1s"
  );
  await refused(
    2,
    /line break or another control character/,
    archive,
    "\x1b[31mred",
    "--from",
    "+1s"
  );
  await refused(
    4,
    /the note has 4096 bytes; at most 4095 are kept/,
    archive,
    "x".repeat(4096),
    "--from",
    "+1s"
  );
  await tapedeck(t, ["cut", archive, "--feed", "two", "--out", file]);
  await refused(
    4,
    /it is a single file, and note add works on an archive's folder/,
    file,
    "text",
    "--from",
    "+1s"
  );
  assert.deepEqual(await texts(t, file), []);
  assert.deepEqual(await texts(t, archive), []);
  await json(t, ["note", "add", archive, "x".repeat(4095), "--from", "+1s", "--json"]);
  assert.deepEqual(await texts(t, archive), ["x".repeat(4095)]);
});

test("notes stay when segments are pruned, the catalog is rebuilt, and in a copy", async (t) => {
  const archive = await archiveOf(t),
    copy = path.join(temporary(t), "copy");
  await tapedeck(t, ["note", "add", archive, "kept", "--from", at(1), "--feed", "two"]);
  await tapedeck(t, ["prune", archive, "--feed", "two"]);
  await tapedeck(t, ["reindex", archive]);
  await tapedeck(t, ["verify", archive]);
  fs.cpSync(archive, copy, { recursive: true });
  for (const each of [archive, copy])
    assert.deepEqual(await texts(t, each, "--feed", "*"), ["kept"]);
});

test("a note is written while a recorder runs, which loses nothing", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "1",
    "--rate",
    "200",
  ]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, "inverse", ["trade.*"]),
    "--commit-interval",
    "100ms",
  ]);
  await recorder.durableAfter(1);
  for (const text of ["first", "second"])
    await tapedeck(t, ["note", "add", archive, text, "--from", "+0s", "--symbol", "BTCUSD"]);
  assert.deepEqual(await texts(t, archive), ["first", "second"]);
  await recorder.durableAfter(recorder.durableLines + 2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.deepEqual(await texts(t, archive), ["first", "second"]);
  await tapedeck(t, ["verify", archive]);
  await compareWithTruth(t, archive, "inverse", server.truth);
});
