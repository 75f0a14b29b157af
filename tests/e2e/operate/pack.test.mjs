// pack and unpack, and every verb after them. Expected: docs/archive.md ("Packing"), FORMAT.md ("Packed segments"): whatever form
// segments have, all answers are the same, and damaged segments are left. The archive is recorded from the simulated exchange.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import {
  BIN,
  Program,
  chunksOf,
  eventually,
  filesBelow,
  flipIn,
  json,
  jsonList,
  listening,
  run,
  segments as segmentNames,
  tapedeck,
  temporary,
  wholeFile,
} from "../support/harness.mjs";
import { readMcap, test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const FRAMES = 1000;
const SYMBOLS = ["BTCUSDT", "ETHUSDT", "XRPUSDT"];
const TOPICS = ["orderbook.50", "publicTrade", "tickers"].flatMap((topic) =>
  SYMBOLS.map((symbol) => `${topic}.${symbol}`)
);

/** Three sessions of a feed, so three segments with gaps between them, and one of another family. */
async function record(t) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const families = "v5-linear,inverse";
  const server = await simulator(t, dir, ["--families", families, "--rate", "4000", "--seed", "5"]);
  const session = (family, topics) =>
    run(t, "tapedeck-record", [
      "record",
      "-q",
      "-a",
      archive,
      ...feedArgs(server, family, topics),
      "--max-frames",
      String(FRAMES),
    ]);
  for (let i = 0; i < 3; i++) await session("v5-linear", TOPICS);
  await session("inverse", ["orderBookL2_25.*", "trade.*"]);
  return archive;
}

const whole = wholeFile(after);
let tape;

async function copyOf(t) {
  const copy = path.join(temporary(t), "tape");
  fs.cpSync(await (tape ??= record(whole)), copy, { recursive: true });
  return copy;
}

/** Files of the segments. */
const segments = (archive) => segmentNames(archive).map((name) => path.join(archive, name));

const pack = (t, archive, more = [], options) =>
  json(t, ["pack", "-a", archive, "--older", "0s", "--json", ...more], options);

const hashOf = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

/** Files below dir and their hashes. */
const hashes = (dir) =>
  filesBelow(dir)
    .sort()
    .map((name) => [name, hashOf(fs.readFileSync(path.join(dir, name)))]);

/** Hashes of the page's tiles of the first session: of its timeline, and of the market of a book. */
async function tilesOf(t, archive) {
  const { first_ns } = (await jsonList(t, ["ls", "-a", archive, "--json"]))[0];
  const { url, program } = await listening(t, ["view", "-a", archive], temporary(t));
  const tiles = {};
  for (const k of [20, 22, 24])
    for (const kind of [
      "tile?by=topic",
      "market?feed=v5-linear&symbol=BTCUSDT&book=orderbook.50&bin=1",
    ]) {
      const question = `${kind}&k=${k}&i=${BigInt(first_ns) >> BigInt(k + 8)}`;
      const answer = await fetch(`${url}api/${question}`);
      assert.equal(answer.status, 200, `${question}: ${await answer.clone().text()}`);
      tiles[question] = hashOf(Buffer.from(await answer.arrayBuffer()));
    }
  assert.equal((await program.kill("SIGTERM")).code, 0);
  return tiles;
}

/** Answers that do not depend on the form of segments. All archives are asked under one name, because answers have it. */
async function answersOf(t, archive) {
  const dir = temporary(t);
  const asked = path.join("/tmp", `tapedeck-pack-${process.pid}`);
  fs.renameSync(archive, asked);
  try {
    const text = async (program, args, status = 0) =>
      (await run(t, program, [...args, "-a", asked], { status })).stdout;
    const answers = {};
    for (const jobs of ["1", "8"])
      answers[`replay -j ${jobs}`] = JSON.parse(
        await text("tapedeck-replay", ["replay", "--json", "-j", jobs], null)
      );
    for (const replay of Object.values(answers)) {
      delete replay.elapsed_s;
      delete replay.frames_per_s;
      delete replay.workers_busy_max;
    }
    answers.gaps = await text("tapedeck", ["gaps", "--json"], null);
    answers.days = await text("tapedeck", ["days", "--json"], null);
    answers.cat = hashOf(await text("tapedeck", ["cat", "--dir", "all"]));
    const format = ["tardis-csv", "parquet", "sqlite"];
    const out = path.join(dir, "set");
    await text(
      "tapedeck-replay",
      ["export", "-q", "--out", out, ...format.flatMap((f) => ["--format", f])],
      null
    );
    answers.exports = hashes(out).filter(([name]) => !/MANIFEST|sqlite$/.test(name));
    answers.tiles = await tilesOf(t, asked);
    const cut = path.join(dir, "cut.mcap");
    await text("tapedeck-replay", ["cut", "-q", "-o", cut, "--feed", "inverse"]);
    answers.cut = hashOf(fs.readFileSync(cut));
    return answers;
  } finally {
    fs.renameSync(asked, archive);
  }
}

test("all answers are the same as of the archive that was recorded", async (t) => {
  const recorded = await answersOf(t, await copyOf(t));
  assert.match(recorded.gaps, /between two sessions|restart/);
  const variants = {
    packed: [[]],
    "packed best": [["--level", "best"]],
    "packed twice": [[], ["--level", "best"]],
    "half and half": [["--feed", "inverse"]],
  };
  for (const [name, runs] of Object.entries(variants)) {
    const archive = await copyOf(t);
    for (const more of runs) await pack(t, archive, more);
    assert.deepEqual(await answersOf(t, archive), recorded, name);
    assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
    if (runs.length === 2) {
      await tapedeck(t, ["unpack", "-q", "-a", archive]);
      assert.deepEqual(await answersOf(t, archive), recorded, "unpacked");
    }
  }
});

test("it reports what it does, and does it once", async (t) => {
  const archive = await copyOf(t);
  const before = segments(archive).map((file) => fs.statSync(file).size);
  const sum = (sizes) => sizes.reduce((a, b) => a + b);
  const text = async (args) => (await tapedeck(t, [...args, "-a", archive])).stdout;
  assert.equal(await text(["pack"]), "nothing to pack\n"); // younger than an hour
  assert.match(
    await text(["pack", "--older", "0s", "--dry-run"]),
    /^would be rewritten: 4 segments, .+ to some .+\n$/
  );
  const estimate = (await pack(t, archive, ["--dry-run"])).bytes_estimated;
  assert.deepEqual(
    segments(archive).map((file) => fs.statSync(file).size),
    before
  );
  const done = await pack(t, archive);
  const after = segments(archive).map((file) => fs.statSync(file).size);
  assert.equal(done.segments_rewritten, 4);
  assert.equal(done.bytes_before, sum(before));
  assert.equal(done.bytes_after, sum(after));
  assert.ok(sum(after) < 0.5 * sum(before), `${after} of ${before}`);
  assert.ok(Math.abs(estimate - sum(after)) < 0.2 * sum(after), `${estimate}, ${after}`);
  assert.equal(done.bytes_estimated, null);
  const rows = await jsonList(t, ["ls", "-a", archive, "--json"]);
  assert.deepEqual(
    rows.map((row) => row.packed),
    ["fast", "fast", "fast", "fast"]
  );
  assert.match(await text(["ls"]), /000001\.mcap +packed /);
  assert.equal((await pack(t, archive)).segments_found, 0);
  assert.ok(!fs.existsSync(path.join(archive, "packing")));
  // verify --since-last reads them again
  await tapedeck(t, ["verify", "-a", archive, "--since-last"]);
  const again = await copyOf(t);
  await tapedeck(t, ["verify", "-a", again, "--since-last"]);
  await pack(t, again);
  const since = await json(t, ["verify", "-a", again, "--since-last", "--json"]);
  assert.equal(since.segments, 4);
  assert.equal(since.verdict, "sound");
});

test("unpack rewrites only what is packed", async (t) => {
  const archive = await copyOf(t);
  const unpack = (more) => json(t, ["unpack", "-a", archive, "--json", ...more]);
  assert.equal((await unpack(["--dry-run"])).segments_found, 0);
  assert.equal((await unpack([])).segments_rewritten, 0);
  assert.ok(!fs.existsSync(path.join(archive, "packing")));
  await pack(t, archive, ["--feed", "inverse"]);
  assert.equal((await unpack(["--dry-run"])).segments_found, 1);
  assert.equal((await unpack([])).segments_rewritten, 1);
  const [file] = segments(archive);
  const single = await run(t, "tapedeck", ["pack", file], { status: null });
  assert.notEqual(single.code, 0);
  assert.match(single.stderr, /is a single file; pack needs an archive folder/);
});

test("other programs read unpacked segments", async (t) => {
  const archive = await copyOf(t);
  await pack(t, archive);
  await tapedeck(t, ["unpack", "-q", "-a", archive]);
  for (const file of segments(archive))
    for (const how of ["stream", "indexed"])
      assert.ok((await readMcap(t, how, file)).length > FRAMES);
});

test("a reader that began before goes on", async (t) => {
  const archive = await copyOf(t);
  const dir = temporary(t);
  const expected = hashOf((await tapedeck(t, ["cat", "-a", archive, "--dir", "all"])).stdout);
  // The pipe is full after some frames, and read on when the segments are packed.
  const script =
    '"$0" cat -a "$1" --dir all | { read -r line; echo "$line"; : > "$2/began"; until [ -e "$2/packed" ]; do sleep 0.05; done; cat; }';
  const reader = new Program(t, "/bin/bash", [
    "-c",
    script,
    path.join(BIN, "tapedeck"),
    archive,
    dir,
  ]);
  await eventually("it has begun", () => fs.existsSync(path.join(dir, "began")), reader);
  await pack(t, archive);
  fs.writeFileSync(path.join(dir, "packed"), "");
  const end = await reader.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.equal(hashOf(end.stdout), expected);
});

test("a recorder packs what it has finished", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const server = await simulator(t, dir, ["--families", "v5-linear", "--rate", "1000"]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, "v5-linear", TOPICS),
    "--commit-interval",
    "100ms",
    "--on-segment",
    `'${path.join(BIN, "tapedeck")}' pack -q -a '${archive}' --older 0s && :`,
  ]);
  await recorder.durableAfter(3);
  // The follower is stopped while the segments that it has not read are packed.
  const follower = new Program(t, "tapedeck", ["cat", "-a", archive, "--dir", "all", "--follow"]);
  await eventually("it follows", () => follower.stdout !== "", follower);
  follower.child.kill("SIGSTOP");
  const forms = async () =>
    (await jsonList(t, ["ls", "-a", archive, "--json"])).map((row) => row.packed);
  for (let finished = 1; finished <= 2; finished++) {
    await tapedeck(t, ["ctl", archive, "rotate"]);
    await recorder.durableAfter(recorder.durableLines + 5);
    await eventually(
      "the finished segments are packed",
      async () => (await forms()).filter((form) => form === "fast").length >= finished,
      recorder
    );
  }
  follower.child.kill("SIGCONT");
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.doesNotMatch(recorder.stderr, /on_segment ended|dropped/);
  await eventually("the last one is packed", async () =>
    (await forms()).every((form) => form === "fast")
  );
  const replay = await json(t, ["replay", "-a", archive, "--json"]);
  assert.equal(replay.verdict, "complete", JSON.stringify(replay));
  assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
  const all = (await tapedeck(t, ["cat", "-a", archive, "--dir", "all"])).stdout;
  await eventually("the follower has all frames", () => follower.stdout.length >= all.length);
  const [followed, kept] = [follower.stdout.split("\n"), all.split("\n")];
  assert.equal(followed.length, kept.length);
  const other = kept.findIndex((line, i) => line !== followed[i]);
  assert.equal(followed[other], kept[other], `line ${other}`);
});

test("verify --since-last reads packed segments again", async (t) => {
  const archive = await copyOf(t);
  const sinceLast = async () =>
    (await json(t, ["verify", "-a", archive, "--since-last", "--json"])).segments;
  assert.deepEqual([await sinceLast(), await sinceLast()], [4, 0]);
  await pack(t, archive, ["--feed", "v5-linear"]);
  assert.deepEqual([await sinceLast(), await sinceLast()], [3, 0]);
});

test("a damaged segment is left, and the others are packed", async (t) => {
  const archive = await copyOf(t);
  const [first] = segments(archive);
  flipIn(first, chunksOf(first)[0]);
  const damaged = hashOf(fs.readFileSync(first));
  const done = await pack(t, archive, [], { status: 3 });
  assert.equal(done.segments_rewritten, 3);
  assert.equal(done.segments_damaged, 1);
  assert.equal(hashOf(fs.readFileSync(first)), damaged);
});

test("two at once, and a killed one", async (t) => {
  const archive = await copyOf(t);
  const both = await Promise.all(
    [1, 2].map(() =>
      run(t, "tapedeck", ["pack", "-q", "-a", archive, "--older", "0s"], { status: null })
    )
  );
  for (const end of both) assert.equal(end.code, 0, end.stderr);
  assert.ok((await jsonList(t, ["ls", "-a", archive, "--json"])).every((row) => row.packed));
  await tapedeck(t, ["unpack", "-q", "-a", archive]);
  for (let i = 0; i < 5; i++) {
    const killed = new Program(t, "tapedeck", [
      "pack",
      "-a",
      archive,
      "--older",
      "0s",
      "--level",
      "best",
    ]);
    await killed.kill("SIGKILL");
    assert.equal(
      (await json(t, ["verify", "-a", archive, "--json"], { status: null })).damaged ?? 0,
      0
    );
  }
  await pack(t, archive);
  assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
  assert.equal((await jsonList(t, ["ls", "-a", archive, "--json"])).length, 4);
});
