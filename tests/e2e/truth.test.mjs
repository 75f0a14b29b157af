// The simulated exchange's own account against what was recorded, frame by frame and book by book.
// Expected values: the truth file, which comes from the matching engine. The last test shows that the check
// can fail: the replayer is linked with a book that forgets a level now and then.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { json, listening, Program, run, tapedeck, temporary, wrapped } from "./lib.mjs";

const TOPICS = ["trade.*", "orderBookL2_25.*", "orderBook_200.100ms.*", "instrument_info.100ms.*"];
const BROKEN = wrapped("replay_broken_book");

async function recorded(t) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const truth = path.join(dir, "truth.jsonl");
  const sim = await listening(
    t, ["sim", "--families", "inverse", "--symbols", "3", "--rate", "2000", "--seed", "11", "--truth", truth], dir);
  await tapedeck(t, [
    "record", "-a", archive, `${sim.url}/realtime`, "--family", "inverse", "--ca-file", sim.ca,
    ...TOPICS.flatMap((topic) => ["--topic", topic]), "--max-frames", "4000",
  ]);
  await sim.program.kill("SIGTERM");
  return { archive, truth };
}

test("the recording equals what was sent, and the books agree", async (t) => {
  const { archive, truth } = await recorded(t);
  const report = await json(t, ["replay", "-a", archive, "--truth", truth, "--json"]);
  assert.equal(report.truth.equal, true, JSON.stringify(report.truth));
  assert.equal(report.truth.missing + report.truth.unexpected, 0);
  assert.ok(report.truth.matched >= 3990);
  assert.ok(report.truth.marks >= 20);
  assert.equal(report.truth.marks_equal, report.truth.marks);
});

test("the comparison with the truth reports a frame that is missing", async (t) => {
  const { archive, truth } = await recorded(t);
  // The exchange's account gets one frame more, in the middle of the connection.
  const lines = fs.readFileSync(truth, "utf8").split("\n");
  const frames = lines.map((line, i) => [i, line.startsWith('{"t":"frame"') ? JSON.parse(line) : null]).filter(([, f]) => f);
  const [at, frame] = frames[1000];
  lines[at] = JSON.stringify({ ...frame, xxh64: "00000000deadbeef" });
  const altered = truth + ".altered";
  fs.writeFileSync(altered, lines.join("\n"));
  const report = await json(t, ["replay", "-a", archive, "--truth", altered, "--json"], { status: 1 });
  assert.equal(report.truth.equal, false);
  assert.equal(report.truth.unexpected, 1);
  assert.match(report.truth.first, new RegExp(`frame ${frame.n}$`));
  const text = (await tapedeck(t, ["replay", "-a", archive, "--truth", altered], { status: 1 })).stdout;
  assert.match(text, /Complete: no\.\n\n  It differs from what the exchange sent/);
});

test("the truth distinguishes two feeds with the same subscriptions", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const truth = path.join(dir, "truth.jsonl");
  const sim = await listening(
    t, ["sim", "--families", "inverse", "--symbols", "2", "--rate", "1000", "--seed", "11", "--truth", truth, "--fault", "cut@700", "--frames", "2000"], dir);
  const config = path.join(dir, "feeds.yaml");
  const feed = (name) => `  - name: ${name}\n    family: inverse\n    url: ${sim.url}/realtime\n    ca_file: ${sim.ca}\n    topics: [${TOPICS.map((topic) => JSON.stringify(topic)).join()}]\n`;
  fs.writeFileSync(config, `feeds:\n${["one", "two", "three"].map(feed).join("")}`);
  const recorder = new Program(t, "tapedeck-record", ["record", "-a", archive, "-c", config]);
  assert.equal((await sim.program.ended).code, 0);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const report = await json(t, ["replay", "-a", archive, "--truth", truth, "--json"], { status: null });
  assert.equal(report.truth.equal, true, JSON.stringify(report.truth));
  assert.ok(report.truth.matched > 4000, JSON.stringify(report.truth));
  assert.equal(new Set(report.topics.map((row) => row.feed)).size, 3);
});

test("the comparison with the truth reports a book that loses levels", { skip: fs.existsSync(BROKEN) ? false : "needs the broken replayer" }, async (t) => {
  const { archive, truth } = await recorded(t);
  const end = await run(t, path.resolve(BROKEN), ["replay", "-a", archive, "--truth", truth, "--json"], { status: 1 });
  const report = JSON.parse(end.stdout);
  assert.equal(report.truth.missing + report.truth.unexpected, 0);
  assert.ok(report.truth.marks_equal < report.truth.marks, JSON.stringify(report.truth));
});
