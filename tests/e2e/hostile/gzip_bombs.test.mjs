// Frames that inflate a thousandfold, and are searched for secrets, take long to process: only their feed loses frames, and
// the ledger has rows for them. Expected values: docs/design.md ("Overload", P1, P2, P4), and the frames that this file
// sends.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { jsonLines, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { nothingLeaked } from "../support/secret_search.mjs";
import { Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TICKS_PER_S = 100; // of /proc: Linux has no other value
const KEY = "k3yK3Yk3yK3Yk3yZ_-";
const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3tQ8w/E+";

// 16 KB that inflate to 16 MiB; one in four has a secret.
const bombs = Array.from({ length: 4 }, (_, n) =>
  zlib.gzipSync(
    Buffer.concat([
      Buffer.from(`{"n":${n},"echo":"${n === 3 ? SECRET : ""}"}`),
      Buffer.alloc((16 << 20) - 100, 32),
    ])
  )
);

/** Two feeds of one server: `own` has credentials and gets a hundred bombs, then 60 and 20 trades a second; `plain` gets a trade
 * every 10 ms. sent: numbers of frames to `own`, by connection. */
async function twoFeeds(t, dir) {
  const withKey = new Set();
  const sent = [];
  const server = await scriptedServer(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op === "auth") withKey.add(ws);
      if (request.op !== "subscribe") return;
      let n = 0;
      const send = withKey.has(ws) ? flood(ws) : () => ws.send(trade(++n));
      const timer = setInterval(send, withKey.has(ws) ? 50 : 10);
      ws.on("close", () => clearInterval(timer));
    },
  });
  const flood = (ws) => {
    const count = { bombs: 0, trades: 0 };
    const some = (size) => {
      for (let n = 0; n < size; n++) ws.send(bombs[count.bombs++ % bombs.length]);
    };
    sent.push(count);
    some(100);
    return () => {
      some(3);
      ws.send(trade(++count.trades));
    };
  };
  const feed = (name, more) =>
    `  - {name: ${name}, family: inverse, url: ${server.url}/realtime, ca_file: ${server.ca}, topics: [trade.BTCUSD]${more}}\n`;
  const config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(
    config,
    `feeds:\n${feed("own", ", api_key_env: TEST_KEY, api_secret_env: TEST_SECRET")}${feed("plain", "")}`
  );
  const archive = path.join(dir, "tape");
  const record = () =>
    new Recorder(t, archive, ["-c", config], { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } });
  return { archive, record, sent, server };
}

/** Seconds of processor that each thread of a running program has had, by thread. */
function threadSeconds(program) {
  const tasks = `/proc/${program.child.pid}/task`;
  return new Map(
    fs.readdirSync(tasks).map((thread) => {
      const [user, system] = fs
        .readFileSync(`${tasks}/${thread}/stat`, "utf8")
        .split(") ")[1]
        .split(" ")
        .slice(11, 13);
      return [thread, (Number(user) + Number(system)) / TICKS_PER_S];
    })
  );
}

/** How much a recorder works: on an idle machine as long as the clock shows, on a busy one less, because it waits for a processor or
 * a disk. chunks: of each durable one {feed, lag: seconds from receipt to durability, worked: the most that one thread had of them}. */
class Work {
  constructor(recorder) {
    this.samples = [];
    this.chunks = [];
    const look = () => {
      try {
        this.samples.push({ at: Date.now(), threads: threadSeconds(recorder) });
      } catch {
        // a thread or the recorder has just ended
      }
    };
    const timer = setInterval(look, 50);
    recorder.closed.then(() => clearInterval(timer));
    recorder.waiting.push((line) => {
      const { durable } = JSON.parse(line);
      if (durable === undefined) return false;
      look();
      const lag = durable.lag_ns / 1e9;
      this.chunks.push({ feed: durable.feed, lag, worked: this.since(Date.now() - 1000 * lag) });
      return false;
    });
  }

  since(time) {
    const last = this.samples.at(-1),
      { threads: before } = this.samples.find(({ at }) => at >= time) ?? last;
    return Math.max(
      ...[...last.threads].map(([thread, seconds]) => seconds - (before.get(thread) ?? 0))
    );
  }
}

const gapsOf = (t, archive, feed) =>
  jsonList(t, ["gaps", "-a", archive, "--feed", feed, "--json"], { status: null });

/** Check that each hole in a connection's ordinals has a row, which ends between the frames around the hole's last frame.
 * Returns the number of missing frames. Times are rounded to 256 ns here; frames of one read are 1 ns apart. */
function checkHoles(frames, rows) {
  let missing = 0;
  for (let i = 1; i < frames.length; i++) {
    const hole = frames[i].ordinal - frames[i - 1].ordinal - 1;
    assert.ok(hole >= 0 && frames[i].recv_ns >= frames[i - 1].recv_ns);
    missing += hole;
    const around = rows.filter(
      (row) => row.from_ns <= frames[i].recv_ns && row.to_ns >= frames[i - 1].recv_ns
    );
    assert.ok(
      hole === 0 || around.length > 0,
      `frames before ${frames[i].ordinal}: ${JSON.stringify(rows)}`
    );
  }
  return missing;
}

test("only the feed of gzip bombs loses frames: trades are in time, rows count the loss, a warning names the feed, a stop is quick", async (t) => {
  const dir = temporary(t);
  const { archive, record, sent } = await twoFeeds(t, dir);
  const recorder = record();
  const work = new Work(recorder);
  await recorder.prints(/warning tapedeck record: own: overload: /);
  for (let chunks = 0; chunks < 4; chunks++)
    await recorder.durableLine((durable) => durable.feed === "plain");
  const asked = Date.now();
  const end = await recorder.kill("SIGTERM");
  assert.equal(end.code, 0, end.stderr);
  for (const feed of ["plain", "own"]) {
    const chunks = work.chunks.filter((chunk) => chunk.feed === feed);
    t.diagnostic(
      `${feed}: ${chunks.map(({ lag, worked }) => `${lag.toFixed(2)} s (${worked.toFixed(2)} s)`)}`
    );
    assert.ok(chunks.at(-1).worked < 2.5, `${feed}: ${JSON.stringify(chunks)}`); // the first lags include frames from before the pause
  }
  assert.ok(work.since(asked) < 10, `${work.since(asked)} s`);
  assert.equal(end.stderr.match(/overload/g).length, 1, end.stderr);

  assert.deepEqual(await gapsOf(t, archive, "plain"), []);
  const rows = await gapsOf(t, archive, "own");
  assert.ok(
    rows.length > 0 &&
      rows.every((row) => row.reason === "overload" && row.conn === 1 && row.topic === null),
    JSON.stringify(rows)
  );
  const lost = rows.reduce((sum, row) => sum + row.frames_lost, 0);
  assert.equal(recorder.summary().dropped, lost);
  const frames = await jsonLines(t, ["cat", "-a", archive, "--feed", "own", "--dir", "in"]);
  const kept = frames.filter((row) => row.topic === "_unknown");
  t.diagnostic(`${sent[0].bombs} bombs sent, ${kept.length} recorded, ${lost} lost`);
  assert.ok(kept.length > 0 && lost > 100);
  assert.ok(checkHoles(frames, rows) <= lost); // the last lost frames have no frame after them
  assert.ok(kept.length + lost <= sent[0].bombs);
  assert.equal(
    recorder.summary().in,
    frames.length +
      lost +
      (await jsonLines(t, ["cat", "-a", archive, "--feed", "plain", "--dir", "in"])).length
  );
  // Every uncompressed frame is there.
  const trades = frames
    .filter((row) => row.topic === "trade")
    .map((row) => JSON.parse(row.data).data[0].trade_time_ms);
  assert.ok(trades.length > 20 && trades.every((time, i) => time === trades[0] + i), `${trades}`);
  await nothingLeaked(archive, SECRET);
  await tapedeck(t, ["verify", "-a", archive]);
});

test("frames that a killed recorder had discarded are in an open row, which the next session closes", async (t) => {
  const dir = temporary(t);
  const { archive, record } = await twoFeeds(t, dir);
  const first = record();
  await first.prints(/own: overload: /);
  for (let chunks = 0; chunks < 2; chunks++)
    await first.durableLine((durable) => durable.feed === "own");
  await first.kill("SIGKILL");
  const lost = (await gapsOf(t, archive, "own")).filter((row) => row.reason === "overload");
  const open = lost.filter((row) => row.to_ns === null);
  assert.equal(open.length, 1, JSON.stringify(lost));
  const frames = await jsonLines(t, ["cat", "-a", archive, "--feed", "own", "--dir", "in"]);
  assert.ok(
    checkHoles(
      frames,
      lost.map((row) => ({ ...row, to_ns: row.to_ns ?? Infinity }))
    ) > 0
  );

  const second = record();
  await second.durableLine((durable) => durable.feed === "own");
  await second.kill("SIGTERM");
  const rows = await gapsOf(t, archive, "own");
  const [row] = rows.filter((row) => row.from_ns === open[0].from_ns);
  assert.ok(row.reason === "overload" && row.to_ns >= frames.at(-1).recv_ns, JSON.stringify(rows));
  assert.ok(
    rows.every((row) => row.to_ns !== null),
    JSON.stringify(rows)
  );
  await nothingLeaked(archive, SECRET);
  await tapedeck(t, ["verify", "-a", archive]);
});
