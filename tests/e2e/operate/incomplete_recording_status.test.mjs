// Each verb's exit status for a recording that is incomplete or still growing: no verb may report a time as good if the archive
// shows that something is missing. A row for each state, a column for each verb.
// Expected: docs/design.md ("Exit status"), docs/archive.md ("When a file is missing").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  chunksOf,
  filesBelow,
  flipIn,
  json,
  jsonLines,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import {
  deleteCatalog,
  feedArgs,
  randomNumbers,
  Recorder,
  recordAndKill,
  simulator,
} from "../support/recorders.mjs";

const FEED = "inverse";
const segmentsOf = (archive) =>
  filesBelow(archive)
    .filter((f) => f.startsWith("capture"))
    .sort();
const fileOf = (archive, at = 0) => path.join(archive, segmentsOf(archive)[at]);
const copyOf = (t, archive) => {
  const copy = path.join(temporary(t), "tape");
  fs.cpSync(archive, copy, { recursive: true });
  return copy;
};

// Exit statuses: 0 good; 1 something is missing or incomplete; 3 damaged or lost; 4 nothing to work
// on. "save" and "check" are verbs of regress; "diff" is its check of two decoders.
const READERS = [
  "info",
  "ls",
  "gaps",
  "cat",
  "replay",
  "export",
  "save",
  "diff",
  "drift",
  "verify",
];
const OTHERS = ["check", "serve", "recover", "reindex", "prune"];
const COLUMNS = [...READERS, ...OTHERS];
const TABLE = {
  //                   info ls gaps cat replay export save diff drift verify  check serve recover reindex prune
  complete: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0],
  crashed: [0, 0, 1, 0, 1, 1, 0, 0, 0, 1, /**/ 0, 0, 0, 0, 0],
  recovered: [0, 0, 1, 0, 1, 1, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0],
  "chunk damaged": [0, 0, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 3, 0, 0, 0, 0],
  "only one deleted": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 4, 4, 3, 3, 3],
  "first of two deleted": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 3, 0, 3, 3, 3],
  "last of two deleted": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 3, 0, 3, 3, 3],
  "finished one cut": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 3, 0, 3, 3, 3],
  "open one deleted": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, /**/ 4, 4, 3, 3, 3],
  "open one cut": [0, 0, 1, 0, 1, 1, 0, 0, 0, 1, /**/ 0, 0, 0, 0, 0],
};

/** The status and the texts of each reading verb. */
async function readAll(t, archive) {
  const dir = temporary(t);
  const more = {
    export: ["--format", "jsonl", "--out", path.join(dir, "set")],
    save: ["--out", path.join(dir, "x.tdb")],
    diff: ["--decoder", "builtin"],
  };
  const ends = {};
  const one = async (verb) => {
    const words = { save: ["regress", "save"], diff: ["regress", "check"] }[verb] ?? [verb];
    ends[verb] = await tapedeck(t, [...words, archive, ...(more[verb] ?? [])], { status: null });
  };
  await Promise.all(READERS.map(one));
  return { ends, dir };
}

/** The same for all verbs; each verb that writes has a copy. */
async function callAll(t, archive) {
  const { ends, dir } = await readAll(t, archive);
  const on = (...args) => tapedeck(t, args, { status: null });
  const serve = async () => {
    const server = await listening(t, ["serve", archive, "--speed", "max"], dir).catch(() => null);
    ends.serve = server === null ? { code: 4 } : await server.program.kill("SIGTERM");
  };
  await Promise.all([
    serve(),
    on("regress", "check", archive, "--baseline", path.join(dir, "x.tdb")).then(
      (end) => (ends.check = end)
    ),
    on("recover", copyOf(t, archive)).then((end) => (ends.recover = end)),
    on("reindex", copyOf(t, archive)).then((end) => (ends.reindex = end)),
    on("prune", copyOf(t, archive), "--before", "2001-01-01").then((end) => (ends.prune = end)),
  ]);
  return ends;
}

async function checkRow(t, state, archive) {
  const ends = await callAll(t, archive);
  const found = Object.fromEntries(COLUMNS.map((verb) => [verb, ends[verb].code]));
  assert.deepEqual(
    found,
    Object.fromEntries(COLUMNS.map((verb, i) => [verb, TABLE[state][i]])),
    state
  );
  // If the status is not 0, no text has a good verdict.
  for (const [verb, { code, stdout, stderr }] of Object.entries(ends))
    if (code !== 0)
      assert.doesNotMatch(
        `${stdout}${stderr}`,
        /no gaps|Complete: yes|: sound$|nothing durable is lost|every complete chunk/m,
        `${state}: ${verb}`
      );
  return ends;
}

/** Rows of `gaps` with exact times, without members for people only. */
async function gapsOf(t, archive, status) {
  const { stdout } = await tapedeck(t, ["gaps", archive, "--json"], { status });
  return JSON.parse(stdout).gaps.map((row, i) => {
    const [, from, to] = [...stdout.matchAll(/"from_ns":(\d+),"to_ns":(\d+|null)/g)][i];
    return { ...row, from_ns: BigInt(from), to_ns: to === "null" ? null : BigInt(to) };
  });
}

const keyOf = ({ reason, feed, line, shard, conn, from_ns, to_ns }) => [
  reason,
  feed,
  line,
  shard,
  conn,
  from_ns,
  to_ns,
];

/** A clean session, two sessions, a killed session; and the readers' results while the first was recorded. */
async function makeAll(t) {
  const dir = temporary(t);
  const sim = await simulator(t, dir, [
    "--families",
    FEED,
    "--symbols",
    "2",
    "--rate",
    "500",
    "--seed",
    "3",
  ]);
  const args = [...feedArgs(sim, FEED), "--commit-interval", "100ms"];
  const [one, two, crashed] = ["one", "two", "crashed"].map((name) => path.join(dir, name));
  const record = async (archive, lines, during = async () => {}) => {
    const recorder = new Recorder(t, archive, args);
    await recorder.durableAfter(lines);
    await during();
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  };
  let live;
  await record(one, 6, async () => {
    live = (await readAll(t, one)).ends;
  });
  fs.cpSync(one, two, { recursive: true });
  await record(two, 4);
  await recordAndKill(t, crashed, args, { random: randomNumbers(3), lines: 8 });
  await sim.program.kill("SIGTERM");
  return { one, two, crashed, live };
}

test("no verb reports an incomplete recording as good", { concurrency: 3 }, async (t) => {
  const archives = await makeAll(t);
  const tests = [];
  tests.push(
    t.test("readers report a recording in progress, and not as damage", () => {
      const { live } = archives;
      for (const verb of READERS.filter((verb) => verb !== "diff"))
        assert.equal(live[verb].code, 0, `${verb}: ${live[verb].stderr}`);
      assert.match(live.info.stdout, /: indexes are good, newest frame .* ago, being recorded\n/);
      assert.match(live.ls.stdout, / recording /);
      assert.match(live.gaps.stdout, /^no gaps in .* frames from .*; being recorded$/m);
      assert.match(live.replay.stdout, /Being recorded/);
    })
  );

  tests.push(
    t.test("a complete recording is good", async (t) => {
      const ends = await checkRow(t, "complete", archives.one);
      assert.match(ends.gaps.stdout, /^no gaps in [\d,]+ frames from \S+ \S+ to \S+ \S+$/m);
      const [row] = await gapsOf(t, archives.two, 1);
      assert.equal(row.reason, "restart");
      assert.match(
        (await tapedeck(t, ["gaps", archives.two], { status: 1 })).stdout,
        /^1 gap, [\d.]+ m?s in all in [\d,]+ frames /m
      );
    })
  );

  tests.push(
    t.test("after a crash readers derive the rows that recover writes", async (t) => {
      const { crashed } = archives;
      const ends = await checkRow(t, "crashed", crashed);
      assert.match(
        ends.info.stdout,
        /^1 segment left by a crash: the next 'record' repairs this; to do it now: tapedeck recover \S+$/m
      );
      assert.match(ends.ls.stdout, / crashed /);
      assert.match(ends.gaps.stdout, /run 'tapedeck recover'/);
      assert.match(ends.gaps.stdout, /^1 gap, 1 without an end in [\d,]+ frames /m);
      assert.match(ends.replay.stdout, /Complete: no/);
      assert.match(ends.recover.stdout, /every complete chunk was kept/);
      const info = await json(t, ["info", crashed, "--json"]);
      assert.deepEqual(
        [info.segments_crashed, info.segments_recording, info.gaps, info.sessions[0].state],
        [1, 0, 1, "crashed"]
      );
      const rows = await gapsOf(t, crashed, 1);
      const data = (await jsonLines(t, ["cat", crashed, "--dir", "in"])).filter(
        (row) => row.topic !== "_control"
      );
      assert.deepEqual([rows.length, rows[0].reason, rows[0].to_ns], [1, "crash", null]);
      assert.ok(rows[0].from_ns <= data.at(-1).recv_ns, `${rows[0].from_ns}`);
      const recovered = copyOf(t, crashed);
      await tapedeck(t, ["recover", recovered]);
      assert.deepEqual((await gapsOf(t, recovered, 1)).map(keyOf), rows.map(keyOf));
      await checkRow(t, "recovered", recovered);
    })
  );

  tests.push(
    t.test("a damaged chunk is a row over its time", async (t) => {
      const archive = copyOf(t, archives.one);
      const chunk = chunksOf(fileOf(archive)).at(-2); // the first ones may have only events
      flipIn(fileOf(archive), chunk);
      await checkRow(t, "chunk damaged", archive);
      const expected = [["corrupt", FEED, 0, 0, null, chunk.firstNs, chunk.lastNs + 1n]];
      assert.deepEqual((await gapsOf(t, archive, 3)).map(keyOf), expected);
      const { stdout } = await tapedeck(t, ["replay", archive, "--json"], { status: 3 });
      assert.deepEqual(
        [...stdout.matchAll(/"from_ns":(\d+),"to_ns":(\d+)/g)].map((m) => [
          BigInt(m[1]),
          BigInt(m[2]),
        ]),
        [[chunk.firstNs, chunk.lastNs + 1n]]
      );
      await tapedeck(t, ["gaps", archive, "--to", `${chunk.firstNs - 1n}`]);
    })
  );

  tests.push(
    t.test("a deleted segment is a row over its time", async (t) => {
      const cases = [
        ["only one deleted", archives.one, 0],
        ["first of two deleted", archives.two, 0],
        ["last of two deleted", archives.two, 1],
        ["open one deleted", archives.crashed, 0],
      ];
      for (const [state, whole, at] of cases) {
        const archive = copyOf(t, whole);
        const gone = fileOf(archive, at);
        const frames = (await jsonLines(t, ["cat", gone])).map((row) => row.recv_ns);
        fs.rmSync(gone);
        const ends = await checkRow(t, state, archive);
        assert.match(ends.recover.stdout, /durable data is LOST/);
        const rows = (await gapsOf(t, archive, 3)).filter((row) => row.reason === "corrupt");
        assert.equal(rows.length, 1, state);
        assert.ok(
          Number(rows[0].from_ns) <= frames[0] &&
            (rows[0].to_ns === null || Number(rows[0].to_ns) >= frames.at(-1)),
          state
        );
        // Neither catalog nor recover changes that.
        deleteCatalog(archive);
        await tapedeck(t, ["recover", archive], { status: 3 });
        assert.equal(
          (await gapsOf(t, archive, 3)).filter((row) => row.reason === "corrupt").length,
          1,
          state
        );
      }
    })
  );

  tests.push(
    t.test("a truncated segment is damage", async (t) => {
      const archive = copyOf(t, archives.two);
      const chunk = chunksOf(fileOf(archive, 1)).at(-1);
      fs.truncateSync(fileOf(archive, 1), chunk.from + 10);
      const ends = await checkRow(t, "finished one cut", archive);
      assert.match(ends.ls.stdout, / truncated /);
      const row = (await gapsOf(t, archive, 3)).find((row) => row.reason === "corrupt");
      assert.ok(
        row.from_ns <= chunk.firstNs && row.to_ns >= chunk.lastNs,
        JSON.stringify(ends.gaps.stdout)
      );
    })
  );

  tests.push(
    t.test(
      "recover of an unfinished, truncated segment reports only that every complete chunk was kept",
      async (t) => {
        const archive = copyOf(t, archives.crashed);
        fs.truncateSync(fileOf(archive), chunksOf(fileOf(archive)).at(-1).from + 100);
        const ends = await checkRow(t, "open one cut", archive);
        assert.match(ends.recover.stdout, /^every complete chunk was kept$/m);
        assert.equal((await json(t, ["recover", archive, "--json"])).torn_bytes, 100);
      }
    )
  );

  tests.push(
    t.test("a truncated single file is damage", async (t) => {
      const dir = temporary(t);
      const open = path.join(dir, path.basename(fileOf(archives.crashed)));
      fs.copyFileSync(fileOf(archives.crashed), open);
      for (const verb of ["gaps", "replay"]) await tapedeck(t, [verb, open], { status: 1 });
      const cut = path.join(dir, path.basename(fileOf(archives.one)));
      fs.copyFileSync(fileOf(archives.one), cut);
      fs.truncateSync(cut, fs.statSync(cut).size - 1000);
      for (const verb of ["gaps", "replay", "info"]) await tapedeck(t, [verb, cut], { status: 3 });
    })
  );
  await Promise.all(tests);
});
