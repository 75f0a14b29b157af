// A topic that a session was recorded without, between two that have it: that time was not asked for, and is neither whole nor lost.
// A feed that was lost and then taken out of the configuration: its gap ends where it was no longer asked for.
// Expected: docs/archive.md ("Gaps", "Days"); the sessions' topics and times, which the test chooses.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import {
  checkCoverage,
  json,
  jsonLines,
  jsonList,
  manifestOf,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import {
  deleteCatalog,
  feedArgs,
  PATHS,
  Recorder,
  recordUntil,
  simulator,
} from "../support/recorders.mjs";
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

test("another archive of a merge has the topic that one leaves out", async (t) => {
  const dir = temporary(t);
  const [part, whole, both] = ["part", "whole", "both"].map((name) => path.join(dir, name));
  const server = await simulator(t, dir, ["--families", "v5-linear", "--symbols", "2"]);
  const topics = ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"];
  const record = (archive, more) =>
    new Recorder(t, archive, [
      ...feedArgs(server, "v5-linear", more),
      "--commit-interval",
      "100ms",
    ]);
  const other = record(whole, topics);
  await other.durableAfter(3);
  for (const more of [topics, topics.slice(0, 1), topics]) {
    const recorder = record(part, more);
    await recorder.durableAfter(5);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  }
  await other.durableAfter(other.durableLines + 3);
  assert.equal((await other.kill("SIGTERM")).code, 0, other.stderr);
  const alone = await json(t, ["gaps", "-a", part, "--json"], { status: 1 });
  assert.deepEqual([alone.gaps.length, alone.not_subscribed, alone.covered], [3, 1, 0]);
  await tapedeck(t, ["merge", "-q", part, whole, "--out", both]);
  const merged = await json(t, ["gaps", "-a", both, "--json"]);
  assert.deepEqual([merged.gaps.length, merged.not_subscribed, merged.covered], [3, 0, 3]);
  assert.equal((await json(t, ["replay", "-a", both, "--json"])).verdict, "complete");
});

test("a topic that is left out is found although no connection was open at the session's end", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    file = path.join(dir, "feeds.yaml");
  const exchange = () => simulator(t, dir, ["--families", "v5-linear", "--symbols", "2"]);
  const write = (server, symbols) =>
    fs.writeFileSync(
      file,
      `feeds:\n  - family: v5-linear\n    url: ${server.url}${PATHS["v5-linear"]}\n    ca_file: ${server.ca}\n    topics: [publicTrade]\n    symbols: [${symbols}]\n`
    );
  const start = () => new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms"]);
  const first = await exchange();
  write(first, "BTCUSDT, ETHUSDT");
  const recorder = start();
  await recorder.durableAfter(3);
  write(first, "BTCUSDT");
  await tapedeck(t, ["ctl", archive, "reload"]);
  await recorder.durableAfter(recorder.durableLines + 40); // a gap begins up to a ping, so a second, earlier
  await first.program.kill("SIGTERM");
  await recorder.prints(/cannot connect/);
  await tapedeck(t, ["ctl", archive, "rotate"]); // the last segment has no grants
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  write(await exchange(), "BTCUSDT, ETHUSDT");
  const again = start();
  await again.durableAfter(3);
  assert.equal((await again.kill("SIGTERM")).code, 0, again.stderr);
  const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(
    rows.filter(({ reason }) => reason === "not_subscribed").map(({ symbol }) => symbol),
    ["ETHUSDT"]
  );
});

for (const [how, end] of [
  ["a reload", "reload"],
  ["the next session", "SIGTERM"],
  ["the session after a kill", "SIGKILL"],
])
  test(`the gap of a feed that ${how} leaves out ends there`, async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      file = path.join(dir, "feeds.yaml");
    const servers = new Map();
    for (const family of ["v5-linear", "v5-spot"])
      servers.set(family, await simulator(t, temporary(t), ["--families", family]));
    const write = (...families) =>
      fs.writeFileSync(
        file,
        "feeds:\n" +
          families
            .map((family) => [family, servers.get(family)])
            .map(
              ([family, { url, ca }]) =>
                `  - family: ${family}\n    url: ${url}${PATHS[family]}\n    ca_file: ${ca}\n    topics: [publicTrade]\n    symbols: [BTCUSDT]\n`
            )
            .join("")
      );
    const start = () => new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms"]);
    const durable = async (recorder, feed, count) => {
      for (let i = 0; i < count; i++)
        await recorder.durableLine((row) => row.feed === feed && row.in > 1);
    };
    const gaps = async (feed) =>
      (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 })).filter(
        (row) => row.feed === feed
      );
    write("v5-linear", "v5-spot");
    let recorder = start();
    await durable(recorder, "v5-linear", 2);
    await servers.get("v5-linear").program.kill("SIGTERM");
    await recorder.prints(/cannot connect/);
    await durable(recorder, "v5-spot", 2);
    const [open, ...more] = await gaps("v5-linear");
    assert.ok(open.to_ns === null && more.length === 0, JSON.stringify([open, more]));
    write("v5-spot");
    const asked_ms = Date.now();
    if (end === "reload") await tapedeck(t, ["ctl", archive, "reload"]);
    else {
      await recorder.kill(end);
      recorder = start();
    }
    await durable(recorder, "v5-spot", 2);
    const ended_ms = Date.now(); // the next session has begun
    const rows = await gaps("v5-linear");
    assert.deepEqual(
      rows.map(({ reason, origin, detail }) => [reason, origin, detail]),
      [["disconnect", "exchange_planned", "close code 1001; removed from the configuration"]]
    );
    const { from_ns, to_ns } = rows[0];
    assert.equal(from_ns, open.from_ns);
    assert.ok(to_ns >= asked_ms * 1e6 && to_ns < ended_ms * 1e6, `${to_ns}`);
    if (end !== "reload") await checkCoverage(t, archive);
    // Recorded again, it has a gap from its last frame on.
    servers.set("v5-linear", await simulator(t, temporary(t), ["--families", "v5-linear"]));
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    write("v5-linear", "v5-spot");
    recorder = start();
    await durable(recorder, "v5-linear", 2);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const all = await gaps("v5-linear");
    const [later, ...none] = all.filter(({ reason }) => reason !== "disconnect");
    assert.ok(all.length === 2 && none.length === 0, JSON.stringify(all));
    assert.ok(later.from_ns <= from_ns + 1 && later.to_ns > to_ns, JSON.stringify(all));
    await tapedeck(t, ["verify", "-a", archive]);
  });
