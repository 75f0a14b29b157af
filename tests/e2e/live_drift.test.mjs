// What a recorder notices while it records: changes of the exchange's frames, each once. Expected values: the faults
// that the simulated exchange injects (docs/sim.md), and hand-made frames with a member more.
import assert from "node:assert/strict";
import path from "node:path";
import { describe } from "node:test";
import { eventsOf, json, jsonLines, tapedeck, temporary } from "./lib.mjs";
import { acknowledge, hostile, trade } from "./hostile.mjs";
import { nothingLeaked, nothingLeakedInText } from "./leaks.mjs";
import { feedArgs, Recorder, sentFrames, simulator } from "./live.mjs";
import { test } from "./npm.mjs";

const BOOK = "orderBookL2_25";

/** Record what a simulated exchange with faults sends, to its end. */
async function recorded(t, faults, frames = 1500) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await simulator(t, dir, [
    "--families", "inverse", "--rate", "500", "--frames", `${frames}`, "--seed", "7", ...faults.flatMap((fault) => ["--fault", fault]),
  ]);
  const recorder = new Recorder(t, archive, [...feedArgs(sim, "inverse"), "--until-close"]);
  assert.equal((await recorder.ended).code, 0, recorder.stderr);
  const sent = [...[...sentFrames(sim.truth).values()][0].values()][0].size;
  assert.equal(recorder.summary().in, sent + 1); // and the answer to the request
  return { archive, recorder, events: await eventsOf(t, archive, "drift"), dir, truth: sim.truth };
}

const textOf = (event) => [event.what, event.topic, event.path, event.detail].filter((text) => text !== undefined).join(" ");

describe("drift while it is recorded", { concurrency: 2 }, () => {
  const ROWS = [
    ["new-field@100:trade", "new_field trade data.simulated"],
    [`new-topic@100:${BOOK}`, `new_topic new_${BOOK}.{symbol}`],
    [`lost-field@200:trade`, /^not_decoded trade \w+ missing_field$/],
    // The book's prices are strings, the trades' sizes numbers.
    ["new-type@100:trade", "type_changed trade data.size number to string"],
  ];
  for (const [fault, expected] of ROWS)
    test(`${fault}: one event, one warning, counted`, async (t) => {
      const { archive, recorder, events } = await recorded(t, [fault]);
      assert.equal(events.length, 1, JSON.stringify(events));
      assert.match(textOf(events[0]), expected instanceof RegExp ? expected : new RegExp(`^${expected.replace(/[{}.]/g, "\\$&")}$`));
      assert.equal(recorder.summary().drift, 1);
      assert.equal(recorder.summary().drift_left_out, 0);
      assert.equal(recorder.stderr.split("\n").filter((line) => line.includes("drift: ")).length, 1, recorder.stderr);
      // The frame that it names is one of those that were changed. Its time has more digits than a number here.
      const [row] = (await jsonLines(t, ["cat", "-a", archive, "--events", "--topic", "_events"])).filter((r) => r.data.startsWith('{"event":"drift"'));
      const [, from] = /"from_ns":(\d+)/.exec(row.data);
      const frames = await tapedeck(t, ["cat", "-a", archive, "--raw", "--dir", "in", "--from", from, "-n", "1"]);
      assert.ok(frames.stdout.startsWith(events[0].example), `${events[0].example} is not the beginning of ${frames.stdout}`);
    });

  test("several changes at once: one event each; the tape is as it was sent", async (t) => {
    const { archive, recorder, events, truth } = await recorded(t, ["new-field@100:trade", `lost-field@150:${BOOK}`, "new-topic@200:orderBook_200.100ms"]);
    assert.deepEqual(events.map(textOf).sort(), [
      `new_field trade data.simulated`, "new_topic new_orderBook_200.100ms.{symbol}", `not_decoded ${BOOK} price missing_field`,
    ]);
    assert.equal(recorder.summary().drift, 3);
    await tapedeck(t, ["verify", "-a", archive]);
    const replayed = await tapedeck(t, ["replay", "-a", archive, "--speed", "max", "--truth", truth], { status: 1 });
    assert.match(replayed.stdout, /^Against the exchange's own account: equal\.$/m);
    const info = await json(t, ["info", "-a", archive, "--json"]);
    assert.equal(info.events, (await eventsOf(t, archive)).length);
  });

  test("clean traffic has none", async (t) => {
    const { recorder, events } = await recorded(t, []);
    assert.deepEqual(events, []);
    assert.equal(recorder.summary().drift, 0);
    assert.ok(!recorder.stderr.includes("drift"), recorder.stderr);
  });

  test("an example shows no secret", async (t) => {
    const key = "k3yK3Yk3yK3Yk3yZ";
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await hostile(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        if (request.op === "subscribe") ws.send(`{"echo":"${key}",${trade(1).slice(1)}`);
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--auth", "op", "--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"],
    { env: { TEST_KEY: key, TEST_SECRET: "s3cr3tS3cr3ts3cr3t" } });
    await recorder.says(/drift: new_field echo/);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const events = await eventsOf(t, archive, "drift");
    assert.deepEqual(events.map(textOf), ["new_field trade echo"], recorder.stderr);
    assert.ok(events[0].example.startsWith(`{"echo":"${"*".repeat(key.length)}",`), events[0].example);
    await nothingLeaked(archive, key);
    nothingLeakedInText(recorder, key);
  });

  // Each frame of the flood has something of its own, so that the next one is looked at, too (docs/recording.md).
  test("a flood in one topic, over several connections: each finding once, its share, and nothing hostile in the log", async (t) => {
    const key = "k3yK3Yk3yK3Yk3yZ";
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const more = (i, name) => `{${JSON.stringify(name)}:1,${trade(i).slice(1)}`;
    const flood = [
      (i) => more(i, `n${i}`),
      (i) => more(i, `${i}${"k".repeat(10_000)}`),
      (i) => more(i, `${i}\u001b[31m\u0000`),
      (i) => more(i, `${i}${key}`),
      (i) => trade(i).replace('"trade.BTCUSD"', `"fresh${i}.${key}"`),
    ];
    const CONNECTIONS = 3, FRAMES = 300, SHARE = 32;
    let connections = 0;
    const server = await hostile(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        if (request.op !== "subscribe") return;
        const n = connections++;
        for (let i = n * FRAMES; i < (n + 1) * FRAMES; i++) ws.send(flood[i % flood.length](i));
        if (n < CONNECTIONS - 1) ws.close();
        else ws.send('{"topic":"insurance.BTC","data":[{"wallet_balance":1}],"real":1}');
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--auth", "op", "--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"],
    { env: { TEST_KEY: key, TEST_SECRET: "s3cr3tS3cr3ts3cr3t" } });
    await recorder.says(/inverse insurance: drift: new_field real/);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const events = await eventsOf(t, archive, "drift");
    const { drift, drift_left_out: leftOut } = recorder.summary();
    const warnings = recorder.stderr.split("\n").filter((line) => line.includes("drift: "));
    const count = (what, topic) => events.filter((event) => event.what === what && event.topic.startsWith(topic)).length;
    assert.deepEqual([count("new_field", "trade"), count("new_topic", "fresh"), count("new_field", "insurance")], [SHARE, SHARE, 1]);
    assert.deepEqual([events.length, drift, warnings.length], Array(3).fill(2 * SHARE + 1));
    assert.equal(new Set(events.map(textOf)).size, drift);
    assert.ok(leftOut >= 2, `${leftOut}`);
    for (const event of events) assert.ok(event.example.length < 512 && (event.path ?? "").length < 160, textOf(event));
    assert.ok(!/[^\n\x20-\x7e]/.test(recorder.stderr), recorder.stderr);
    await nothingLeaked(archive, key);
    nothingLeakedInText(recorder, key);
    await tapedeck(t, ["verify", "-a", archive]);
  });
});
