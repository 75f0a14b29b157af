// A topic that a session was recorded without, between two that have it: that time was not asked for, and is neither whole nor lost.
// Expected: docs/archive.md ("Gaps", "Days"); the sessions' topics and times, which the test chooses.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { json, jsonLines, jsonList, manifestOf, tapedeck, temporary } from "../support/harness.mjs";
import { deleteCatalog, feedArgs, recordUntil, simulator } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TOPICS = ["orderbook.50", "publicTrade"];

test("a topic that one session leaves out was not asked for then, by every verb", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, ["--families", "v5-linear", "--symbols", "2"]);
  const record = (symbols) => {
    const topics = symbols.flatMap((symbol) => TOPICS.map((topic) => `${topic}.${symbol}`));
    const has = (rows) => (topic) =>
      rows.filter(({ data }) => data.includes(`"topic":"${topic}"`)).length > 5;
    const before = fs.existsSync(archive) ? jsonLines(t, ["cat", "-a", archive]) : [];
    return Promise.resolve(before).then((old) =>
      recordUntil(t, archive, feedArgs(server, "v5-linear", topics), (rows) =>
        topics.every(has(rows.slice(old.length)))
      )
    );
  };
  await record(["BTCUSDT", "ETHUSDT"]);
  await record(["BTCUSDT"]);
  await record(["BTCUSDT", "ETHUSDT"]);
  const sessions = new Map(); // times of the frames of both symbols
  for (const { session, recv_ns: ns, dir: way } of await jsonLines(t, ["cat", "-a", archive]))
    if (way === "in") sessions.set(session, [sessions.get(session)?.[0] ?? ns, ns]);
  const [first, second, third] = [...sessions.values()];

  const expectedOf = (row) => `${row.topic} ${row.symbol}`;
  let rows;
  for (const catalog of ["there", "deleted", "rebuilt"]) {
    const gaps = await json(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    rows = gaps.gaps.filter(({ reason }) => reason === "not_subscribed");
    assert.deepEqual(rows.map(expectedOf), ["orderbook.50 ETHUSDT", "publicTrade ETHUSDT"]);
    const restarts = gaps.gaps.filter(({ reason }) => reason === "restart");
    assert.equal(restarts.length, 2); // the second begins with the last proof of completeness
    for (const { from_ns, to_ns } of rows) {
      assert.equal(to_ns, restarts[1].from_ns, JSON.stringify(gaps));
      assert.ok(from_ns >= restarts[0].to_ns && from_ns <= second[0], JSON.stringify(gaps));
    }
    assert.equal(gaps.not_subscribed, 2);
    assert.equal(gaps.gaps.length, 4); // and two of reason restart
    if (catalog === "there") deleteCatalog(archive);
    else await tapedeck(t, ["reindex", "-a", archive]);
  }

  const days = await json(t, ["days", "-a", archive, "--json"], { status: null });
  for (const { symbol, topics } of days.days)
    for (const topic of topics) {
      const row = rows.find((one) => one.topic === topic.topic);
      const left_out = symbol === "ETHUSDT" ? row.to_ns - row.from_ns : 0;
      const whole = topic.asked_ns + topic.not_subscribed_ns;
      assert.ok(Math.abs(topic.not_subscribed_ns - left_out) < 1000, JSON.stringify(topic));
      assert.ok(Math.abs(whole - (third[1] - first[0])) < 1e9, JSON.stringify(topic));
      assert.equal(topic.reasons, left_out ? "restart, not_subscribed" : "restart");
    }

  // Over the hole alone nothing is lost, and nothing is whole.
  const hole = ["--symbol", "ETHUSDT", "--from", `${rows[0].from_ns + 1000}`];
  const part = [...hole, "--to", `${rows[0].to_ns - 1000}`];
  await tapedeck(t, ["replay", "-a", archive, ...part], { status: 4 }); // it has no frame
  await jsonList(t, ["gaps", "-a", archive, "--json", ...part], { status: 0 });
  const all = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.equal(all.verdict, "incomplete");
  assert.equal(all.gaps.filter(({ reason }) => reason === "not_subscribed").length, 2);
  const { holes, gaps } = await json(t, ["info", "-a", archive, "--json"]);
  assert.deepEqual([gaps, holes], [2, 2]);
  const out = path.join(dir, "set");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "tardis-csv", "--out", out], {
    status: 1,
  });
  const manifest = manifestOf(out);
  assert.equal(manifest.days?.[0].verdict ?? manifest.verdict, "incomplete");
  assert.deepEqual(
    manifest.gaps.filter(({ reason }) => reason === "not_subscribed").map(expectedOf),
    rows.map(expectedOf)
  );
});
