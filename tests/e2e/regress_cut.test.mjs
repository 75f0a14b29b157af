// `regress check --cut`: the tape of the first difference. It must stand alone (every reader takes it, also one
// that shares no code with ours), hold nothing but what the archive has, and show the same difference.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { capture, filesBelow, run, segments, tapedeck, temporary, withoutCapture, wrapped } from "./lib.mjs";
import { readMcap, test } from "./npm.mjs";

const CAPTURES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz"];
const INVERSE = CAPTURES[0];
const FAULTS = ["replay_broken_action", "replay_broken_scale", "replay_broken_side"];

/** An archive of a capture, and its baseline. */
async function saved(t, name, ...options) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const baseline = path.join(dir, "all.tdb");
  await tapedeck(t, ["import", "-a", archive, capture(name)]);
  await tapedeck(t, ["regress", "save", archive, "-o", baseline, ...options]);
  return { dir, archive, baseline, bug: path.join(dir, "bug.mcap") };
}

async function check(t, program, args, status) {
  const { stdout } = await run(t, program, ["regress", "check", ...args, "--json"], { status });
  return JSON.parse(stdout);
}

/** The messages of a file as @mcap/core sees them: topic sequence logTime publishTime bytes. */
async function messages(t, file, how) {
  return (await readMcap(t, how, file)).filter((line) => /^\S+ \d+ \d+ \d+ /.test(line));
}

const text = (line) => Buffer.from(line.split(" ")[4], "hex").toString();
const isEvent = (line) => line.split(" ")[0].endsWith("/_events");

/** What says where and how; the place in the stream is another one in a part. */
function said({ feed, topic, symbol, ordinal, seq, path: field, was, is, kind }) {
  return { feed, topic, symbol, ordinal, seq, path: field, was, is, kind };
}

// Books of v5 have no updates, so it has nothing for the first fault.
const hasFault = (name, fault) => !(name.startsWith("v5") && fault === FAULTS[0]);

for (const name of CAPTURES) {
  for (const fault of FAULTS.filter((f) => hasFault(name, f))) {
    test(`${name}, ${fault}: the cut stands alone and shows the same difference`, { skip: withoutCapture(name) }, async (t) => {
      const { archive, baseline, bug } = await saved(t, name, "--full");
      const found = await check(t, wrapped(fault), [baseline, archive, "--cut", bug], 1);
      const first = found.first_difference;
      assert.ok(first.path !== null && first.was !== null && first.is !== null, JSON.stringify(first));

      const again = await check(t, wrapped(fault), [baseline, bug, "--part"], 1);
      assert.deepEqual(said(again.first_difference), said(first));
      assert.equal(again.totals.missing + again.totals.new, 0);
      assert.equal(again.totals.different, 1);
      assert.equal(again.differences.length, 1);
      const mended = await check(t, "tapedeck", [baseline, bug, "--part"], 0);
      assert.equal(mended.verdict, "same");

      // Readers take it; the checks and the books in it are those of the archive.
      await tapedeck(t, ["verify", bug]);
      await tapedeck(t, ["replay", bug, "--speed", "max"], { status: null }).then((end) => assert.ok([0, 1].includes(end.code), end.stderr));
      const cut = await messages(t, bug, "stream");
      assert.deepEqual((await messages(t, bug, "indexed")).sort(), [...cut].sort());
      const all = new Set((await Promise.all(segments(archive).map((file) => messages(t, path.join(archive, file), "stream")))).flat());
      const frames = cut.filter((line) => !isEvent(line));
      for (const line of frames) assert.ok(all.has(line), line);
      const events = cut.filter(isEvent).map((line) => JSON.parse(text(line)));
      assert.equal(events[0].event, "segment");
      assert.ok(events.some((e) => e.event === "connect"));

      // One topic of one connection, up to the frame; of a book from its last snapshot on.
      assert.equal(new Set(frames.map((line) => line.split(" ")[0])).size, 1);
      assert.equal(Number(frames.at(-1).split(" ")[1]), first.ordinal);
      assert.equal(mended.totals.compared, frames.length);
      const snapshots = frames.filter((line) => JSON.parse(text(line)).type === "snapshot");
      if (/^order[bB]ook/.test(first.topic)) assert.deepEqual(snapshots, frames.slice(0, 1));
      else assert.equal(frames.length, 1);
    });
  }
}

test("a file that is there is not replaced, and nothing is decoded for it; one that is no tape is refused", { skip: withoutCapture(INVERSE) }, async (t) => {
  const { dir, archive, baseline, bug } = await saved(t, INVERSE);
  const broken = wrapped(FAULTS[1]);
  fs.writeFileSync(bug, "mine");
  const refused = await run(t, broken, ["regress", "check", baseline, archive, "--cut", bug], { status: 2 });
  assert.match(refused.stderr, /bug\.mcap' is there already/);
  assert.match(refused.stderr, /--force/);
  assert.equal(refused.stdout, "");
  assert.equal(fs.readFileSync(bug, "utf8"), "mine");
  const named = await run(t, broken, ["regress", "check", baseline, archive, "--cut", path.join(dir, "bug.tape")], { status: 2 });
  assert.match(named.stderr, /the name of a tape ends in \.mcap/);
  await run(t, broken, ["regress", "check", baseline, archive, "--cut", bug, "--force"], { status: 1 });
  await tapedeck(t, ["verify", bug]);
  assert.deepEqual(filesBelow(dir).filter((f) => f.endsWith(".mcap.open") && !f.includes("journal")), []);
});

test("without a difference there is no file", { skip: withoutCapture(INVERSE) }, async (t) => {
  const { archive, baseline, bug } = await saved(t, INVERSE);
  await tapedeck(t, ["regress", "check", baseline, archive, "--cut", bug]);
  assert.equal(fs.existsSync(bug), false);
});
