// Two lines: one subscription over two connections, of which readers make one stream. Expected: the exchange's own account of sent
// frames, each of them once; the cuts that the test makes.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import { eventsOf, json, jsonLines, jsonList, passed, tapedeck, temporary, tooLong } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const TOPICS = ["publicTrade", "orderbook.50", "tickers"], SYMBOLS = ["BTCUSDT", "ETHUSDT"];

/** A port that passes bytes on to a server and back, and can cut its connections. */
async function passage(t, url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  const server = net.createServer((client) => {
    const target = net.connect(Number(port), hostname);
    const pair = { client, target };
    open.add(pair);
    const end = () => (open.delete(pair), client.destroy(), target.destroy());
    for (const [from, to] of [[client, target], [target, client]]) {
      from.pipe(to);
      from.on("error", end);
      from.on("close", end);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.close(), [...open].forEach(({ client }) => client.destroy())));
  return {
    url: `wss://127.0.0.1:${server.address().port}`,
    /** Cut the n-th of the open connections, in the order of their beginning. */
    cut: (n) => {
      const pair = [...open][n];
      open.delete(pair);
      pair.client.destroy();
    },
  };
}

/** An exchange, and a recorder with two lines. */
async function recorded(t, { rate = 300, more = [] } = {}) {
  const dir = temporary(t), archive = path.join(dir, "tape");
  const server = await simulator(t, dir, ["--families", "v5-linear", "--symbols", "2", "--rate", String(rate)]);
  const between = await passage(t, server.url);
  const args = [...feedArgs({ ...server, url: between.url }, "v5-linear", TOPICS), ...SYMBOLS.flatMap((symbol) => ["--symbol", symbol]), "--lines", "2", ...more];
  const recorder = new Recorder(t, archive, [...args, "--commit-interval", "100ms"], { deadlineMs: 300_000 });
  await recorder.prints(/line 0\): subscribed to/);
  await recorder.prints(/line 1\): subscribed to/);
  return { archive, between, recorder, args };
}

/** A topic's frames in the tape. */
async function framesOf(t, archive, topic) {
  const lines = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", topic]);
  return lines.map(({ data }) => JSON.parse(data));
}

/** Every delta of the books is there once, after one snapshot, and every trade once. */
async function isWhole(t, archive) {
  for (const symbol of SYMBOLS) {
    const deltas = await framesOf(t, archive, `orderbook.50.${symbol}`);
    assert.equal(deltas.filter(({ type }) => type === "snapshot").length, 1, symbol);
    for (const [i, frame] of deltas.entries()) if (i > 0) assert.equal(frame.data.u, deltas[i - 1].data.u + 1, `${symbol} ${i}`);
    const ids = (await framesOf(t, archive, `publicTrade.${symbol}`)).flatMap(({ data }) => data.map(({ i }) => i));
    assert.equal(new Set(ids).size, ids.length, symbol);
  }
}

/** Cut the connections by turns, each once both are live. */
async function cutLines(t, cuts) {
  const { archive, between, recorder } = await recorded(t);
  for (let n = 0; n < cuts; n++) {
    // Until both connections are live, and have brought the same frames.
    while (recorder.stderr.match(/: subscribed to/g).length < 2 + n) await passed(10);
    await recorder.durableAfter(recorder.durableLines + 6);
    between.cut(n % 2);
  }
  while (recorder.stderr.match(/: subscribed to/g).length < 2 + cuts) await passed(10);
  await recorder.durableAfter(recorder.durableLines + 10);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"]);
  assert.equal(gaps.length, cuts);
  await isWhole(t, archive);
  assert.deepEqual(gaps.filter((gap) => gap.covered_by === null), []);
  const report = await json(t, ["replay", archive, "--json"]);
  assert.equal(report.verdict, "complete", JSON.stringify(report.reasons ?? report));
  await tapedeck(t, ["verify", archive]);
}

describe("two lines", { concurrency: true }, () => {
  test("everything is recorded twice and read once", async (t) => {
    const { archive, recorder, args } = await recorded(t);
    await recorder.durableAfter(80);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const [first, second] = (await eventsOf(t, archive, "disconnect")).map((row) => row.in);
    assert.ok(first > 100 && second > 100, `${first} ${second}`);
    const report = await json(t, ["replay", archive, "--json"]);
    assert.equal(report.verdict, "complete", JSON.stringify(report));
    await isWhole(t, archive);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    // On a loaded machine frames may be late, but nothing is missing.
    assert.deepEqual((await json(t, ["days", archive, "--json"], { status: null })).days.map((day) => day.missing_ns), [0, 0]);
    await tapedeck(t, ["verify", archive]);
    // A topic that is received over both lines is received once: the estimate of a day is that of the files.
    const check = await json(t, ["record", "--check", "-a", archive, ...args, "--json"]), info = await json(t, ["info", archive, "--json"]);
    const day = (info.bytes * 86_400e9) / (info.last_ns - info.first_ns);
    assert.equal(check.connections, 2);
    assert.ok(Math.abs(check.day_bytes / day - 1) < 0.3, `${check.day_bytes} ${day}`);
    // A cut has both lines, and reads the same.
    const cut = path.join(temporary(t), "cut.mcap");
    await tapedeck(t, ["cut", archive, "--out", cut]);
    assert.deepEqual((await json(t, ["replay", cut, "--json"])).digest, report.digest);
  });

  test("connections are replaced at their greatest age, by turns, and nothing is missing", async (t) => {
    const { archive, recorder } = await recorded(t, { more: ["--max-age", "5s"] });
    await recorder.prints(/(?:: at its greatest age[^]*){6}/);
    while (recorder.stderr.match(/: subscribed to/g).length < 8) await passed(10);
    await recorder.durableAfter(recorder.durableLines + 10);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const ends = (await eventsOf(t, archive, "disconnect")).filter(({ cause }) => cause === "max_age");
    assert.ok(ends.length >= 6);
    for (const [i, end] of ends.entries()) if (i > 0) {
      assert.notEqual(end.line, ends[i - 1].line);
      assert.ok(end.at_ns - ends[i - 1].at_ns > 1e9, `${end.at_ns - ends[i - 1].at_ns}`);
    }
    await isWhole(t, archive);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"]);
    assert.ok(gaps.length >= 6 && gaps.every((gap) => gap.covered_by !== null && gap.cause === "max_age"), JSON.stringify(gaps));
  });

  test("a feed has one or two lines, and only two can be replaced by age", async (t) => {
    const dir = temporary(t);
    for (const [lines, words] of [["0", /--lines: '0' is not in the range 1 to 2/], ["3", /--lines: '3' is not in the range 1 to 2/], ["two", /--lines: 'two' is not a whole number/]]) {
      const { stderr } = await tapedeck(t, ["record", "-a", path.join(dir, "tape"), "--family", "v5-linear", "--topic", "tickers.BTCUSDT", "--lines", lines], { status: 2 });
      assert.match(stderr, words);
    }
    const { stderr } = await tapedeck(t, ["record", "-a", path.join(dir, "tape"), "--family", "v5-linear", "--topic", "tickers.BTCUSDT", "--max-age", "1h"], { status: 2 });
    assert.match(stderr, /one line cannot be replaced without a gap\n.*--lines 2/);
  });

  for (const [cuts, options] of [[8, {}], [30, { skip: tooLong }]])
    test(`a connection that is cut loses nothing, needs no new snapshot, and its gap is covered: ${cuts} cuts`, options, (t) => cutLines(t, cuts));
});
