// A recording is compared with the simulated exchange's own account, frame by frame and book by book. Expected values: the
// truth file, which the matching engine writes. The last test proves that the comparison can fail: it links a book that
// forgets a level now and then.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import {
  compareTruth,
  json,
  listening,
  tapedeck,
  temporary,
  wrapped,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";

const TOPICS = ["trade.*", "orderBookL2_25.*", "orderBook_200.100ms.*", "instrument_info.100ms.*"];
const BROKEN = wrapped("truth_broken_book");

/** A recording and what was sent, for all tests; none of them changes it. */
const shared = temporary({ after });
let cached;
const recorded = () => (cached ??= record(shared));

async function record(dir) {
  const t = undefined;
  const archive = path.join(dir, "tape");
  const truth = path.join(dir, "truth.jsonl");
  const sim = await listening(
    t,
    [
      "sim",
      "--families",
      "inverse",
      "--symbols",
      "3",
      "--rate",
      "2000",
      "--seed",
      "11",
      "--truth",
      truth,
    ],
    dir
  );
  await tapedeck(t, [
    "record",
    "-a",
    archive,
    `${sim.url}/realtime`,
    "--family",
    "inverse",
    "--ca-file",
    sim.ca,
    ...TOPICS.flatMap((topic) => ["--topic", topic]),
    "--max-frames",
    "4000",
  ]);
  await sim.program.kill("SIGTERM");
  return { archive, truth };
}

test("the recording equals what was sent, and the books agree", async (t) => {
  const { archive, truth } = await recorded();
  const found = await compareTruth(t, archive, truth);
  assert.equal(found.equal, true, JSON.stringify(found));
  assert.equal(found.missing + found.unexpected, 0);
  assert.ok(found.matched >= 3990);
  assert.ok(found.marks >= 20);
  assert.equal(found.marks_equal, found.marks);
});

test("the comparison with the truth reports what differs", async (t) => {
  const { archive, truth } = await recorded();
  const lines = fs
    .readFileSync(truth, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const nth = (kind, n) =>
    lines.map((line, i) => (line.t === kind ? i : -1)).filter((i) => i >= 0)[n];
  const altered = truth + ".altered";
  /** The comparison with the truth after a change of one of its lines. */
  const changed = async (kind, n, ...instead) => {
    const at = nth(kind, n);
    const all = [...lines.slice(0, at), ...instead, ...lines.slice(at + 1)];
    fs.writeFileSync(altered, all.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const found = await compareTruth(t, archive, altered, { status: 1 });
    assert.equal(found.equal, false);
    return found;
  };
  const frame = lines[nth("frame", 1000)];
  const other = await changed("frame", 1000, { ...frame, xxh64: "00000000deadbeef" });
  assert.deepEqual([other.missing, other.unexpected], [0, 1]);
  assert.match(
    other.first,
    new RegExp(`^this frame was recorded and was not sent so: .*, frame ${frame.n}$`)
  );
  // The recording has a frame that was not sent.
  const never = await changed("frame", 1000);
  assert.deepEqual([never.missing, never.unexpected], [0, 1]);
  // The recording lacks the first frame that was sent.
  const lost = { ...frame, n: 0, xxh64: "00000000deadbeef" };
  const missing = await changed("frame", 0, lost, lines[nth("frame", 0)]);
  assert.deepEqual([missing.missing, missing.unexpected], [1, 0]);
  assert.match(missing.first, /^a frame before this one was sent and is not recorded: /);
  const mark = await changed("book", 9, { ...lines[nth("book", 9)], levels_sha1: "0".repeat(40) });
  assert.deepEqual([mark.missing + mark.unexpected, mark.marks - mark.marks_equal], [0, 1]);
  assert.match(mark.first, /^the book after this frame is not the exchange's: /);
  const trade = lines[nth("trade", 50)];
  const value = await changed("trade", 50, {
    ...trade,
    values: { ...trade.values, price: "0.125" },
  });
  assert.deepEqual(
    [value.missing + value.unexpected, value.trades.compared - value.trades.equal],
    [0, 1]
  );
});

test("the comparison with the truth tells two feeds with the same subscriptions apart", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const truth = path.join(dir, "truth.jsonl");
  const sim = await listening(
    t,
    [
      "sim",
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "1000",
      "--seed",
      "11",
      "--truth",
      truth,
      "--fault",
      "cut@300",
    ],
    dir
  );
  const config = path.join(dir, "feeds.yaml");
  const feed = (name) =>
    `  - name: ${name}\n    family: inverse\n    url: ${sim.url}/realtime\n    ca_file: ${sim.ca}\n    topics: [${TOPICS.map((topic) => JSON.stringify(topic)).join()}]\n`;
  fs.writeFileSync(config, `feeds:\n${["one", "two", "three"].map(feed).join("")}`);
  const recorder = new Recorder(t, archive, ["-c", config]);
  const isThere = (name) => recorder.durable.get(`${name}|2|0|0`)?.in >= 500;
  while (!["one", "two", "three"].every(isThere)) await recorder.durableLine();
  assert.equal((await sim.program.kill("SIGTERM")).code, 0);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const found = await compareTruth(t, archive, truth);
  assert.equal(found.equal, true, JSON.stringify(found));
  assert.ok(found.matched > 1800, JSON.stringify(found));
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: null });
  assert.equal(new Set(report.topics.map((row) => row.feed)).size, 3);
});

test(
  "the comparison with the truth reports a book that loses levels",
  { skip: fs.existsSync(BROKEN) ? false : "needs the broken comparison" },
  async (t) => {
    const { archive, truth } = await recorded();
    const found = await compareTruth(t, archive, truth, { compare: BROKEN, status: 1 });
    assert.equal(found.missing + found.unexpected, 0);
    assert.ok(found.marks_equal < found.marks, JSON.stringify(found));
  }
);
