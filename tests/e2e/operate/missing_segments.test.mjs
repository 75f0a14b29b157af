// Every verb on an archive without some of its segments: pruned ones, or a deleted file.
// Expected: docs/archive.md ("When a file is missing", "Retention"), docs/design.md ("Exit status": 3 is damage, 4
// cannot). The archive is imported from made-up captures of four days, so the expected frames are known without tapedeck.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import {
  catalogRows,
  filesBelow,
  importLines,
  json,
  jsonList,
  listening,
  rawFrames,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const DAYS = ["2021-04-17", "2021-04-18", "2021-04-19", "2021-04-20"];
const FRAMES = 50;
const FEED = "inverse";

/** Trades of a day, one a second from noon on. */
function frames(day) {
  const start = Date.parse(`${day}T12:00:00Z`);
  return Array.from({ length: FRAMES }, (_, i) => {
    const ms = start + (i + 1) * 1000;
    const trade = {
      trade_time_ms: ms,
      timestamp: new Date(ms).toISOString(),
      symbol: "BTCUSD",
      side: "Buy",
      size: i + 1,
      price: 100 + i,
      tick_direction: "PlusTick",
      trade_id: `${day}-${i}`,
      cross_seq: ms,
    };
    return { ms, text: JSON.stringify({ topic: "trade.BTCUSD", data: [trade] }) };
  });
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
let cached;
/** A copy of the archive, which is imported once. */
async function archiveOf(t) {
  const dir = temporary(t);
  cached ??= imported(t, folder);
  fs.cpSync(await cached, path.join(dir, "tape"), { recursive: true });
  return { dir, archive: path.join(dir, "tape") };
}

async function imported(t, dir) {
  const archive = path.join(dir, "tape");
  for (const day of DAYS)
    await importLines(
      t,
      frames(day).map(
        ({ ms, text }) =>
          `{"recv_ns":${ms}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":${text}}`
      ),
      { archive, family: "inverse", feed: FEED }
    );
  return archive;
}

const textsOf = (days) => days.flatMap((day) => frames(day).map(({ text }) => text));

/** Data frames that a client of a served archive gets, in order. */
async function served(t, dir, archive) {
  const copy = path.join(dir, `copy-${Math.random().toString(36).slice(2)}`);
  const server = await listening(t, ["serve", "-a", archive, "--speed", "max", "--once"], dir);
  await tapedeck(t, [
    "record",
    "-a",
    copy,
    `${server.url}/realtime`,
    "--family",
    "inverse",
    "--ca-file",
    server.ca,
    "--until-close",
    "--topic",
    "trade",
    "--symbol",
    "BTCUSD",
  ]);
  const end = await server.program.ended;
  assert.equal(end.code, 0, end.stderr); // a clean end; the log reports missing frames
  return {
    stderr: end.stderr,
    texts: (await rawFrames(t, copy)).filter((line) => line.includes('"topic":"trade')),
  };
}

/** Every verb that reads; verbs that read frames end with `status`. There is a gap between two days. */
async function readAll(t, dir, archive, days, { status, missing, gaps }) {
  const texts = textsOf(days);
  const judged = status === 0 && days.length > 1 ? 1 : status;
  const read = async (verb, args, expected) => {
    const end = await tapedeck(t, [verb, "-a", archive, ...args], { status: expected });
    if (verb !== "gaps")
      missing
        ? assert.match(end.stderr, missing, verb)
        : assert.doesNotMatch(end.stderr, /missing/, verb);
    return end.stdout;
  };
  assert.equal(
    await read("cat", ["--raw", "--dir", "in"], status),
    texts.map((text) => text + "\n").join("")
  );
  assert.equal(JSON.parse(await read("ls", ["--json"], status)).segments.length, days.length);
  assert.equal(JSON.parse(await read("info", ["--json"], status)).frames, texts.length);
  assert.equal(JSON.parse(await read("replay", ["--json"], judged)).decoded, texts.length);
  const reasons = JSON.parse(await read("gaps", ["--json"], judged)).gaps.map((row) => row.reason);
  assert.deepEqual(reasons, gaps ?? days.slice(1).map(() => "restart"));
  const out = path.join(temporary(t), "set");
  await read("export", ["--format", "jsonl", "--out", out], judged);
  const exported = fs.existsSync(out) ? filesBelow(out).filter((f) => f.endsWith(".jsonl")) : [];
  assert.ok(exported.length > 0, "export writes what there is");
}

/** The same for serve. */
async function serveAll(t, dir, archive, days, { missing } = {}) {
  const copy = await served(t, dir, archive);
  missing ? assert.match(copy.stderr, missing) : assert.doesNotMatch(copy.stderr, /missing/);
  assert.deepEqual(copy.texts, textsOf(days));
}

/** A live session of the same feed, stopped in order. Returns its number of frames. */
async function recordOn(t, dir, archive) {
  const sim = await simulator(t, dir, ["--families", "inverse", "--symbols", "1", "--rate", "400"]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(sim, "inverse"),
    "--feed",
    FEED,
    "--commit-interval",
    "100ms",
  ]);
  await recorder.durableAfter(2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await sim.program.kill("SIGTERM");
  const [session] = (
    await json(t, ["info", "-a", archive, "--json"], { status: null })
  ).sessions.filter((row) => row.verb === "record");
  return session.session;
}

describe("missing segments", { concurrency: 2 }, () => {
  test("after prune every verb continues with what is left, and so does a recorder", async (t) => {
    const { dir, archive } = await archiveOf(t);
    const [first, second] = segments(archive);
    const bytes = [first, second].reduce(
      (sum, f) => sum + fs.statSync(path.join(archive, f)).size,
      0
    );
    assert.deepEqual((await json(t, ["info", "-a", archive, "--json"])).pruned, []);
    await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-19"]);
    const left = DAYS.slice(2);
    for (const round of ["as it is", "recovered", "reindexed", "pruned again"]) {
      if (round === "as it is" || round === "reindexed")
        await readAll(t, dir, archive, left, { status: 0 });
      const verified = await json(t, ["verify", "-a", archive, "--json"]);
      assert.deepEqual(
        [verified.verdict, verified.findings, verified.segments],
        ["sound", [], 2],
        round
      );
      const { pruned } = await json(t, ["info", "-a", archive, "--json"]);
      const [from, to] = [frames(DAYS[0])[0].ms, frames(DAYS[1]).at(-1).ms];
      assert.deepEqual(
        pruned,
        [{ feed: FEED, store: null, segments: 2, bytes, first_ns: from * 1e6, last_ns: to * 1e6 }],
        round
      );
      const dump = catalogRows(archive);
      if (round === "as it is")
        assert.equal((await json(t, ["recover", "-a", archive, "--json"])).segments_recovered, 0);
      else if (round === "recovered") await tapedeck(t, ["reindex", "-a", archive]);
      else
        assert.equal(
          (await json(t, ["prune", "-a", archive, "--before", "2021-04-19", "--json"]))
            .segments_pruned,
          0
        );
      assert.equal(catalogRows(archive), dump, round);
    }
    await serveAll(t, dir, archive, left);
    assert.match(
      (await tapedeck(t, ["info", "-a", archive])).stdout,
      /^pruned: inverse: 2 segments, .* from 2021-04-17 12:00:01.000 to 2021-04-18 12:00:50.000 UTC$/m
    );
    const session = await recordOn(t, dir, archive);
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
    const names = (await jsonList(t, ["ls", "-a", archive, "--json"])).map((row) => row.segment);
    assert.deepEqual([names.length, names.filter((name) => name.includes(session)).length], [3, 1]);
    assert.deepEqual((await rawFrames(t, archive)).slice(0, 2 * FRAMES), textsOf(left));
    // Everything is pruned, and a recorder begins after its feed's former segments.
    await tapedeck(t, ["prune", "-a", archive, "--feed", FEED, "--all"]);
    assert.deepEqual(segments(archive), []);
    await recordOn(t, dir, archive);
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
  });

  for (const at of [0, 1, 3])
    test(`every verb reports that segment ${at + 1} of 4 is missing and reads the rest`, async (t) => {
      const { dir, archive } = await archiveOf(t);
      const gone = segments(archive)[at];
      fs.rmSync(path.join(archive, gone));
      const missing = new RegExp(`missing: ${gone}`);
      const left = DAYS.filter((_, i) => i !== at);
      const verify = async (round) => {
        const { verdict, findings } = JSON.parse(
          (await tapedeck(t, ["verify", "-a", archive, "--json"], { status: 3 })).stdout
        );
        assert.equal(verdict, "damaged");
        assert.ok(
          findings.some((f) => f.severity === "damaged" && f.segment === gone),
          round
        );
        return findings.filter((f) => f.severity === "damaged");
      };
      // The next segment lacks the one whose chain it continues.
      assert.equal((await verify("as it is")).length, at === 3 ? 1 : 2);
      // One row for the time of the missing segment, and one for the time between two sessions.
      const gaps = {
        0: ["corrupt", "restart", "restart"],
        1: ["restart", "corrupt", "restart", "restart"],
        3: ["restart", "restart", "corrupt"],
      }[at];
      await readAll(t, dir, archive, left, { status: 3, missing, gaps });
      await serveAll(t, dir, archive, left, { missing });
      assert.match(
        (await tapedeck(t, ["recover", "-a", archive], { status: 3 })).stdout,
        /durable data is LOST/
      );
      await verify("recovered");
      assert.match((await tapedeck(t, ["reindex", "-a", archive], { status: 3 })).stderr, missing);
      const before = await verify("reindexed");
      assert.doesNotMatch(catalogRows(archive), new RegExp(gone));
      await readAll(t, dir, archive, left, { status: 3, missing, gaps });
      // A recorder continues from the journal's last chain value, without further damage.
      await recordOn(t, dir, archive);
      const after = await verify("recorded on");
      assert.deepEqual(
        after.filter((f) => f.segment === gone),
        before.filter((f) => f.segment === gone)
      );
      assert.equal(
        after.length,
        at === 3 ? before.length + 1 : before.length,
        JSON.stringify(after)
      ); // the new segment lacks the last one
      // After older segments are pruned, too, it is no longer missing.
      await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-21"], { status: 3 });
      assert.equal(segments(archive).length, 1);
      await verify("pruned");
    });
});
