// Faults that serve injects: a recording of each kind has the expected findings, or none if it leaves no trace. A seed gives the
// same faults in every run and at any speed.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import {
  importFrames,
  json,
  jsonList,
  listening,
  parseLines,
  rawFrames,
  tapedeck,
  temporary,
} from "../support/harness.mjs";

const TOPICS = [
  "orderbook.50.BTCUSDT",
  "orderbook.50.ETHUSDT",
  "publicTrade.BTCUSDT",
  "publicTrade.ETHUSDT",
].flatMap((topic) => ["--topic", topic]);
const recordArgs = (archive, server) => [
  "record",
  "-a",
  archive,
  `${server.url}/v5/public/linear`,
  "--family",
  "v5-linear",
  "--ca-file",
  server.ca,
  ...TOPICS,
];
const isData = (text) => text.startsWith('{"topic"');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
let cached;
const session = (t) => (cached ??= recordSession(t));
async function recordSession(t) {
  const archive = path.join(folder, "sim");
  const sim = await listening(
    t,
    ["sim", "--families", "v5-linear", "--symbols", "2", "--rate", "2000", "--seed", "5"],
    folder
  );
  await tapedeck(t, [...recordArgs(archive, sim), "--max-frames", "1000"]);
  await sim.program.kill("SIGTERM");
  // With the same times in every run, because faults depend on them.
  const frames = (await rawFrames(t, archive)).filter(isData);
  return importFrames(t, folder, { family: "v5-linear", host: "/v5/public/linear", frames });
}

/** Serve with faults and record it. Returns the recording and the log of faults. */
async function faulty(t, faults, { speed = "max", more = [], frames } = {}) {
  const dir = temporary(t),
    copy = path.join(dir, "copy"),
    log = path.join(dir, "faults.jsonl");
  const server = await listening(
    t,
    [
      "serve",
      "-a",
      await session(t),
      "--speed",
      speed,
      ...faults.flatMap((rule) => ["--fault", rule]),
      "--fault-log",
      log,
      ...(frames === undefined ? ["--once"] : []),
      ...more,
    ],
    dir
  );
  await tapedeck(t, [
    ...recordArgs(copy, server),
    "--heal",
    "none",
    ...(frames === undefined ? ["--until-close"] : ["--max-frames", `${frames}`]),
  ]);
  await server.program.kill("SIGTERM");
  const log_lines = parseLines(fs.readFileSync(log, "utf8"));
  assert.match(server.program.stderr, new RegExp(`${log_lines.length} faults? injected`));
  return {
    copy,
    log: log_lines,
    report: await json(t, ["replay", "-a", copy, "--json"], { status: null }),
  };
}

// Replay's findings of each fault. A stall only delays frames, so only receive times show it.
const KINDS = [
  ["drop:p=0.02,topic=orderbook*", (r) => r.continuity.violations > 0],
  ["duplicate:p=0.02,topic=orderbook*", (r) => r.continuity.violations > 0],
  ["reorder:p=0.02,topic=orderbook*", (r) => r.continuity.violations > 0],
  ["delay:p=0.02,topic=orderbook*,by=200ms", (r) => r.continuity.violations > 0],
  ["truncate:p=0.02", (r) => r.undecoded > 0],
  ["corrupt:p=0.02", (r) => r.verdict !== "complete"],
  ["stall:p=0.005,by=20ms", (r) => r.verdict === "complete" && r.continuity.violations === 0],
];

describe("faults of serve", { concurrency: 3 }, () => {
  for (const [rule, isFound] of KINDS)
    test(`replay finds the fault: ${rule}`, async (t) => {
      const { log, report } = await faulty(t, [rule]);
      const [kind] = rule.split(":");
      assert.ok(log.length > 0 && log.every((line) => line.fault === kind), JSON.stringify(log));
      if (rule.includes("orderbook")) assert.ok(log.every((line) => line.topic === "orderbook.50"));
      assert.ok(
        isFound(report),
        JSON.stringify({
          verdict: report.verdict,
          undecoded: report.undecoded,
          continuity: report.continuity,
        })
      );
    });

  test("disconnect faults leave gaps, and every frame arrives once", async (t) => {
    const frames = (await rawFrames(t, await session(t))).filter(isData);
    const rule = "disconnect:p=0.003";
    const alone = await faulty(t, [rule.replace("disconnect", "stall") + ",by=1ms"]); // as many faults; each adds an answer and two snapshots
    const { copy, log } = await faulty(t, [rule], {
      more: ["--hold"],
      frames: frames.length + 1 + 3 * alone.log.length,
    });
    assert.equal(log.length, alone.log.length);
    assert.equal(
      (await jsonList(t, ["gaps", "-a", copy, "--json"], { status: 1 })).length,
      log.length
    );
    const got = (await rawFrames(t, copy)).filter(isData);
    assert.deepEqual(
      got.filter((frame) => !frame.includes('"type":"snapshot"') || frames.includes(frame)),
      frames
    );
  });

  test("a seed gives the same faults at any speed, another seed other faults", async (t) => {
    const rules = ["drop:p=0.01,topic=orderbook*", "duplicate:p=0.01"];
    const [one, same, other] = [
      await faulty(t, rules),
      await faulty(t, rules, { speed: "50" }),
      await faulty(t, rules, { more: ["--fault-seed", "2"] }),
    ];
    assert.deepEqual(same.log, one.log);
    assert.equal(same.report.digest.payload, one.report.digest.payload);
    assert.notDeepEqual(other.log, one.log);
  });

  test("an invalid rule, or a rule without a topic, is refused, and no log is overwritten", async (t) => {
    const archive = await session(t);
    for (const [rule, reason] of [
      ["burn:p=1", /is no fault/],
      ["drop", /needs p=SHARE/],
      ["drop:p=2", /up to 1/],
      ["delay:p=1", /needs by=/],
      ["drop:p=1,by=1s", /has no by=/],
      ["drop:q=1", /expected p=/],
    ])
      assert.match(
        (await tapedeck(t, ["serve", "-a", archive, "--fault", rule], { status: 2 })).stderr,
        reason
      );
    const topic = async (more, reason) =>
      assert.match(
        (await tapedeck(t, ["serve", "-a", archive, ...more], { status: 4 })).stderr,
        reason
      );
    await topic(
      ["--fault", "drop:p=1", "--fault", "drop:p=1,topic=publicTade*"],
      /--fault drop:topic=publicTade\*: .*no such feed, topic[^]*no topic 'publicTade\*': .*publicTrade/
    );
    await topic(
      ["--topic", "publicTrade", "--fault", "drop:p=1,topic=orderbook*"],
      /topic=orderbook\*: this topic is recorded, but not selected[^]*--topic/
    );
    const log = path.join(temporary(t), "log");
    fs.writeFileSync(log, "");
    await tapedeck(t, ["serve", "-a", archive, "--fault", "drop:p=1", "--fault-log", log], {
      status: 2,
    });
  });
});
