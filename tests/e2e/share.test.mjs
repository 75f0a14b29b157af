// A feed whose frames take long to process waits alone: frames that are a thousand times as large inflated, in which
// secrets are searched. Expected values: docs/design.md ("Overload", P1, P2, P4), and what this
// file sends.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import { eventsOf, jsonLines, jsonList, passed, tapedeck, temporary, tooLong } from "./lib.mjs";
import { acknowledge, hostile, trade } from "./hostile.mjs";
import { nothingLeaked } from "./leaks.mjs";
import { Recorder } from "./live.mjs";

const KEY = "k3yK3Yk3yK3Yk3yZ_-";
const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3tQ8w/E+";
const INFLATED = 16 << 20;

/** Two feeds of one server: `own` has credentials and gets what send(socket) sends, `plain` a trade every 10 ms. */
async function twoFeeds(t, dir, send) {
  const withKey = new Set();
  const server = await hostile(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op === "auth") withKey.add(ws);
      if (request.op !== "subscribe") return;
      if (withKey.has(ws)) return send(ws);
      let n = 0;
      const timer = setInterval(() => ws.send(trade(++n)), 10);
      ws.on("close", () => clearInterval(timer));
    },
  });
  const feed = (name, more) =>
    `  - {name: ${name}, family: inverse, url: ${server.url}/realtime, ca_file: ${server.ca}, topics: [trade.BTCUSD]${more}}\n`;
  const config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(config, `feeds:\n${feed("own", ", auth: op, api_key_env: TEST_KEY, api_secret_env: TEST_SECRET")}${feed("plain", "")}`);
  const archive = path.join(dir, "tape");
  const recorder = new Recorder(t, archive, ["-c", config], { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } });
  return { archive, recorder };
}

const lagsOf = (recorder, feed) =>
  recorder.lines.map((line) => JSON.parse(line).durable).filter((said) => said?.feed === feed).map((said) => said.lag_ns / 1e9);

test("a feed of gzip bombs delays itself alone: its frames wait, then are dropped with rows; the warning names it; a stop is quick", { skip: tooLong }, async (t) => {
  const dir = temporary(t);
  // 16 KB each. One in a hundred has a secret; every frame has its number.
  const bomb = (n) => zlib.gzipSync(Buffer.concat([Buffer.from(`{"n":${n},"echo":"${n % 100 === 3 ? SECRET : ""}"}`), Buffer.alloc(INFLATED - 100, 32)]), { level: 6 });
  const bombs = Array.from({ length: 4 }, (_, n) => bomb(n));
  const SENT = 1500; // more than may wait
  const { archive, recorder } = await twoFeeds(t, dir, (ws) => {
    for (let n = 0; n < SENT; n++) ws.send(bombs[n % bombs.length]);
  });
  await recorder.says(/warning tapedeck record: own: .*not durable/);
  await recorder.says(/own: overload: /);
  // Long enough for several chunks of the other feed.
  for (let chunks = 0; chunks < 4; chunks++) await recorder.durableLine((said) => said.feed === "plain");
  const asked = Date.now();
  const end = await recorder.kill("SIGTERM");
  assert.equal(end.code, 0, end.stderr);
  assert.ok(Date.now() - asked < 30_000, `${Date.now() - asked} ms`);
  assert.doesNotMatch(end.stderr, /disk is slow/);
  const lags = lagsOf(recorder, "plain");
  t.diagnostic(`plain: ${lags.length} chunks, at most ${Math.max(...lags)} s; own: at most ${Math.max(...lagsOf(recorder, "own"))} s`);
  assert.ok(Math.max(...lags) < 3, `${lags}`);

  // What did not wait its turn is in rows of that feed, and the rest is in the archive, in order.
  const rows = (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 })).filter((row) => row.reason === "overload");
  assert.ok(rows.length > 0 && rows.every((row) => row.feed === "own"), JSON.stringify(rows));
  const lostIn = (some) => some.reduce((sum, row) => sum + row.frames_lost, 0);
  assert.equal(recorder.summary().dropped, lostIn(rows));
  const lost = lostIn(rows.filter((row) => row.topic !== "_control")); // pings
  const own = (await jsonLines(t, ["cat", "-a", archive, "--feed", "own", "--dir", "in"])).filter((row) => row.topic === "_unknown");
  assert.equal(own.length + lost, SENT, JSON.stringify(rows));
  assert.ok(own.every((row, i) => i === 0 || (row.ordinal > own[i - 1].ordinal && row.recv_ns > own[i - 1].recv_ns)));
  const events = await eventsOf(t, archive, "overload");
  assert.ok(events.length >= 2 && events.every((event) => event.what !== "durability" || /process/.test(event.cause)), JSON.stringify(events));
  await nothingLeaked(archive, SECRET);
  await tapedeck(t, ["verify", "-a", archive]);
});

test("after a stop by SIGSTOP the warning does not blame the disk", async (t) => {
  const dir = temporary(t);
  const { archive, recorder } = await twoFeeds(t, dir, () => {});
  await recorder.durableLine((said) => said.feed === "plain" && said.in > 20);
  // Only what was pending at the stop becomes late, which may be nothing.
  for (let stops = 0; stops < 10 && !/did not run[^]*not durable/.test(recorder.stderr); stops++) {
    recorder.child.kill("SIGSTOP");
    await passed(1500); // longer than commit_interval
    recorder.child.kill("SIGCONT");
    for (let lines = 0; lines < 3; lines++) await recorder.durableLine((said) => said.feed === "plain");
  }
  assert.match(recorder.stderr, /warning tapedeck record: .*did not run[^]*not durable/);
  await recorder.kill("SIGTERM");
  assert.doesNotMatch(recorder.stderr, /disk is slow/);
  const late = (await eventsOf(t, archive, "overload")).filter((event) => event.what === "durability");
  assert.ok(late.length > 0 && late.every((event) => /did not run/.test(event.cause)), JSON.stringify(late));
});
