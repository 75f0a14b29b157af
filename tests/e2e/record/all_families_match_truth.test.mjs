// Records every family at once, public and private, over TLS, with connections that break, and compares replay with the
// simulated exchange's own account of what it sent. Expected values: the truth file, which the matching engine writes, and
// the number of its lines.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { compareTruth, eventually, json, jsonList, temporary } from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { nothingLeaked } from "../support/secret_search.mjs";
import { CREDENTIALS, FAMILIES, SESSION, sessionConfig } from "../support/all_families.mjs";
import { test } from "../support/npm_packages.mjs";

const RATE = Number(process.env.TAPEDECK_SESSION_RATE ?? 150);
const SECONDS = Number(process.env.TAPEDECK_SESSION_SECONDS ?? 5); // `make soak` sets ten minutes
const PATIENCE = { deadlineMs: (SECONDS + 600) * 1000 };
const BROKEN = ["inverse", "v5-linear", "spot-v1", "usdc-option"]; // families with one feed here, so that every fault hits that feed

/** Faults that close and cut a connection of each family in turn, so far apart that the recorder reconnects at once. The
 * exchange's time runs faster than the clock, and candles are compared by the difference of the two. */
function faults() {
  const each = RATE * (SECONDS < 7 ? 3 : Math.max(7, SECONDS / 20));
  const list = [];
  for (let n = 1; n * each < RATE * SECONDS; n++)
    list.push(`${n % 2 === 1 ? "disconnect" : "cut"}@${Math.round(n * each)}`);
  return list.slice(0, 40);
}

/** Wait until each of these feeds has this many frames on the connection after the last fault. */
async function afterFaults(recorder, frames) {
  const isOver = (name) =>
    (recorder.durable.get(`${name}|${faults().length + 1}|0|0`)?.in ?? 0) >= frames;
  while (!BROKEN.every(isOver)) await recorder.durableLine();
}

/** The feeds of an archive that have frames of topics, sorted. */
const feedsWithTopics = (topics) => [...new Set(topics.map(({ feed }) => feed))].sort();

/** Wait until each feed has a frame of a topic: on a slow machine the last ones connect late. */
const everyFeedHasData = (t, archive, recorder) =>
  eventually(
    "frames of topics of every feed",
    async () => {
      const { topics } = await json(t, ["info", "-a", archive, "--json"], PATIENCE);
      return feedsWithTopics(topics).length === Object.keys(SESSION).length;
    },
    recorder
  );

/** Lines of the truth by kind. Frames with the same bytes count once: a frame without a time can come twice. */
async function countLines(file) {
  const counts = {};
  const seen = new Set();
  for await (const line of readline.createInterface({ input: fs.createReadStream(file) })) {
    const row = JSON.parse(line);
    const key = row.values === undefined ? undefined : `${row.xxh64} ${row.item}`;
    if (key !== undefined && seen.has(key)) continue;
    seen.add(key);
    counts[row.t] = (counts[row.t] ?? 0) + 1;
  }
  return counts;
}

test("a recording of all families with reconnects contains every sent frame, decoded to the exchange's values", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await simulator(
    t,
    dir,
    [
      "--families",
      FAMILIES.join(","),
      "--symbols",
      "3",
      "--rate",
      String(RATE),
      "--seed",
      "21",
      "--time-scale",
      "20",
      "--secret",
      CREDENTIALS.SESSION_SECRET,
      ...faults().flatMap((fault) => ["--fault", fault]),
    ],
    PATIENCE
  );
  const recorder = new Recorder(t, archive, ["-c", sessionConfig(dir, server)], {
    env: CREDENTIALS,
    ...PATIENCE,
  });
  await afterFaults(recorder, 2 * RATE);
  await everyFeedHasData(t, archive, recorder);
  assert.equal((await server.program.kill("SIGTERM")).code, 0, server.program.stderr);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);

  const sentCounts = await countLines(server.truth);
  const truth = await compareTruth(t, archive, server.truth, PATIENCE);
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: null, ...PATIENCE });
  assert.equal(truth.equal, true, JSON.stringify(truth));
  assert.equal(truth.missing + truth.unexpected, 0);
  assert.equal(truth.frames, sentCounts.frame);
  assert.ok(truth.matched > RATE * SECONDS, JSON.stringify(truth));
  assert.equal(truth.marks_equal, truth.marks);
  assert.ok(truth.marks > truth.frames / 1000, JSON.stringify(truth)); // a busy exchange makes fewer of both
  for (const [kind, lines] of [
    ["trades", "trade"],
    ["candles", "candle"],
  ]) {
    assert.equal(truth[kind].compared + truth[kind].not_recorded, sentCounts[lines], kind);
    assert.equal(truth[kind].equal, truth[kind].compared, kind);
    assert.ok(truth[kind].compared > 100, `${kind}: ${JSON.stringify(truth[kind])}`);
  }
  // Sequence rules fail only where a connection broke; every raw frame is raw by design.
  const { continuity } = report;
  assert.equal(continuity.ok, true, JSON.stringify(continuity));
  // A simulated market is thin: it may have fewer levels than a topic's depth.
  const warnings = Object.keys(continuity.warnings).filter((rule) => rule !== "depth");
  assert.deepEqual(warnings, [], JSON.stringify(continuity.warnings));
  assert.equal(
    continuity.audits.books.differed + continuity.audits.trades.differed,
    0,
    JSON.stringify(continuity.audits)
  );
  assert.ok(
    continuity.audits.books.compared > 50 && continuity.audits.trades.compared > 50,
    JSON.stringify(continuity.audits)
  );
  assert.deepEqual(feedsWithTopics(report.topics), Object.keys(SESSION).sort());
  // Each fault leaves a closed gap.
  const gaps = (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null })).filter(
    (gap) => gap.reason === "disconnect"
  );
  for (const name of BROKEN)
    assert.ok(
      gaps.filter((gap) => gap.feed === name && gap.to_ns !== null).length >= faults().length,
      `${name}: ${JSON.stringify(gaps)}`
    );
  await nothingLeaked(archive, ...Object.values(CREDENTIALS));
});
