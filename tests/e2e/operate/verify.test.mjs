// verify's exit status and verdict; the same text with any number of threads; a progress bar on a terminal only. Expected: docs/archive.md ("Is it sound?"), docs/design.md ("Exit status").
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  BIN,
  filesBelow,
  importLines,
  json,
  jsonList,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { deleteCatalog } from "../support/recorders.mjs";

const HOURS = 12;
const withoutTerminal =
  spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0
    ? false
    : "needs script(1) for a terminal";

/** A segment an hour, 20 frames each. */
async function archiveOf(t) {
  const start = Date.parse("2021-04-17T00:00:00Z");
  const line = (i) =>
    `{"recv_ns":${start + Math.floor(i / 20) * 3_600_000 + (i % 20) * 1000}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":{"topic":"trade.BTCUSD","data":[],"n":${i}}}`;
  const archive = await importLines(
    t,
    Array.from({ length: HOURS * 20 }, (_, i) => line(i)),
    { family: "inverse" }
  );
  return {
    archive,
    segments: filesBelow(archive)
      .filter((f) => f.endsWith(".mcap"))
      .sort()
      .map((f) => path.join(archive, f)),
  };
}

function flip(file, at) {
  const bytes = fs.readFileSync(file);
  bytes[at] ^= 1;
  fs.writeFileSync(file, bytes);
}

test("verify exits with 0 (sound), 1 (recoverable), 3 (damaged), and prints the same with any number of threads", async (t) => {
  const { archive, segments } = await archiveOf(t);
  assert.equal(segments.length, HOURS);
  const verify = async (status) => {
    const seen = new Set();
    for (const threads of ["1", "2", "5"])
      seen.add(
        (await tapedeck(t, ["verify", "-a", archive, "--json", "-j", threads], { status })).stdout
      );
    assert.equal(seen.size, 1, [...seen].join("\n"));
    const textReport = await tapedeck(t, ["verify", "-a", archive], { status });
    assert.equal(textReport.stderr, "", "no bar without a terminal");
    return { ...JSON.parse([...seen][0]), textReport: textReport.stdout };
  };
  const sound = await verify(0);
  assert.deepEqual(
    [sound.verdict, sound.segments, sound.frames, sound.findings.length],
    ["sound", HOURS, HOURS * 20, 0]
  );
  assert.equal(
    sound.bytes,
    segments.reduce((sum, file) => sum + fs.statSync(file).size, 0)
  );
  deleteCatalog(archive);
  const recoverable = await verify(1);
  assert.equal(recoverable.verdict, "recoverable");
  assert.match(
    recoverable.textReport,
    /: recoverable\n.*\n {2}Run 'tapedeck recover', then 'tapedeck reindex'/
  );
  await tapedeck(t, ["reindex", "-a", archive]);
  // Every damaged segment is reported, in order of path, whichever thread reads it first.
  for (const i of [2, 5, 9]) flip(segments[i], 700);
  const damaged = await verify(3);
  assert.equal(damaged.verdict, "damaged");
  const named = [
    ...new Set(
      damaged.findings
        .filter((f) => f.severity === "damaged")
        .map((f) => path.join(archive, f.segment))
    ),
  ];
  assert.deepEqual(named, [segments[2], segments[5], segments[9]]);
  assert.match(damaged.textReport, /^damaged: capture\S+: (?!.* at \d)/m, "offsets with -v only");
  assert.match(
    (await tapedeck(t, ["verify", "-v", archive], { status: 3 })).stdout,
    /^damaged: capture\S+ at \d+: /m
  );
  // The lost time lies within the hours of the three segments.
  assert.equal(damaged.lost.length, 3);
  for (const row of damaged.lost) assert.deepEqual([row.reason, row.feed], ["corrupt", "inverse"]);
  assert.equal(damaged.frames_lost, 3 * 20);
  assert.match(
    damaged.textReport,
    /\nLost:\nfeed +from +to +frames[^]*\nat least 60 frames in all\n/
  );
  assert.match(damaged.textReport, /DAMAGED.*\n[^]*Restore the damaged files/);
});

test("a segment with a damaged summary is read whole; counts that only the summary has are null, and '?' in text", async (t) => {
  const { archive, segments } = await archiveOf(t);
  const cat = async () => (await tapedeck(t, ["cat", "-a", archive])).stdout;
  const frames = await cat();
  const damaged = segments[5];
  const size = fs.statSync(damaged).size;
  const summaryAt = Number(fs.readFileSync(damaged).readBigUInt64LE(size - 28)); // the footer's first field
  flip(damaged, Math.floor((summaryAt + size - 37) / 2));
  const whole = HOURS * 20;
  const name = path.relative(archive, damaged);
  const check = async (unknown) => {
    const info = await json(t, ["info", "-a", archive, "--json"]);
    const [topic] = info.topics;
    const rest = [info.feeds[0].frames, topic.frames, topic.symbols[0].frames];
    assert.deepEqual(
      [info.frames, info.events === null, ...rest],
      unknown ? [null, true, null, null, null] : [whole, false, whole, whole, whole]
    );
    const rows = await jsonList(t, ["ls", "-a", archive, "--json"]);
    assert.deepEqual(
      rows.map((row) => row.frames),
      segments.map((file) => (unknown && file === damaged ? null : 20))
    );
    const text = await tapedeck(t, ["info", "-a", archive]);
    assert.match(text.stdout, unknown ? /^\? frames, /m : /^240 frames, /m);
    assert.match(text.stdout, unknown ? /^inverse +inverse +\? /m : /^inverse +inverse +240 /m);
    const list = await tapedeck(t, ["ls", "-a", archive]);
    assert.equal(list.stdout.match(/ finished +\? /g)?.length ?? 0, unknown ? 1 : 0);
    // The chunks are whole: readers read them in order, and verify reports the summary.
    assert.equal(await cat(), frames);
    const verified = await json(t, ["verify", "-a", archive, "--json"], { status: 3 });
    assert.deepEqual(
      [verified.frames, verified.damaged, verified.lost, verified.frames_lost],
      [whole, 1, [], unknown ? null : 0]
    );
    const [finding] = verified.findings.filter((f) => f.severity === "damaged");
    assert.equal(finding.segment, name);
    assert.match(finding.what, /^summary: /);
    assert.match((await tapedeck(t, ["gaps", "-a", archive])).stdout, /in 240 frames/);
  };
  await check(false); // the catalog has the counts
  deleteCatalog(archive);
  await check(true);
  await tapedeck(t, ["reindex", "-a", archive]); // counts the messages
  await check(false);
});

test("verify shows its progress on a terminal", { skip: withoutTerminal }, async (t) => {
  const { archive } = await archiveOf(t);
  const program = path.join(BIN, "tapedeck");
  const seen = spawnSync(
    "script",
    ["-qec", `"${program}" verify -a "${archive}" >/dev/null`, "/dev/null"],
    { encoding: "utf8" }
  );
  assert.equal(seen.status, 0);
  assert.match(seen.stdout, /\rverify {2}\d+ % .* of .*\x1b\[K/);
  // The line is cleared at the end.
  assert.match(seen.stdout, /\r\x1b\[K$/);
  await run(t, "tapedeck", ["verify", "-a", archive]);
});

test("verify --from and --to read the segments of this time only", async (t) => {
  const { archive, segments } = await archiveOf(t);
  const counts = async (...args) => {
    const { segments, segments_left_out, verdict } = await json(t, [
      "verify",
      archive,
      ...args,
      "--json",
    ]);
    return [segments, segments_left_out, verdict];
  };
  assert.deepEqual(await counts("--from", "2021-04-17T02:30:00Z", "--to", "2021-04-17T05:00:00Z"), [
    3,
    HOURS - 3,
    "sound",
  ]);
  assert.deepEqual(await counts("--from", "2021-04-17T11:00:00Z"), [1, HOURS - 1, "sound"]);
  assert.deepEqual(await counts("--to", "2021-04-17T01:00:00Z"), [1, HOURS - 1, "sound"]);
  assert.match(
    (await tapedeck(t, ["verify", archive, "--to", "2021-04-17T01:00:00Z"])).stdout,
    /1 segment, .* read\n {2}11 segments not read\n/
  );
  assert.doesNotMatch((await tapedeck(t, ["verify", archive])).stdout, /not read/);
  // Damage elsewhere is not read; a file that is gone, or has another size, is found all the same.
  flip(segments[9], 700);
  assert.deepEqual(await counts("--to", "2021-04-17T05:00:00Z"), [5, HOURS - 5, "sound"]);
  await tapedeck(t, ["verify", archive, "--from", "2021-04-17T09:00:00Z"], { status: 3 });
  fs.truncateSync(segments[8], fs.statSync(segments[8]).size - 1);
  assert.match(
    (await tapedeck(t, ["verify", archive, "--to", "2021-04-17T05:00:00Z"], { status: 3 })).stdout,
    /the journal lists this segment with \d+ bytes, it has \d+/
  );
  fs.rmSync(segments[7]);
  assert.match(
    (await tapedeck(t, ["verify", archive, "--to", "2021-04-17T05:00:00Z"], { status: 3 })).stdout,
    /the journal lists this segment, but it is missing/
  );
});

test("verify --since-last reads what was finished since the last time", async (t) => {
  const { archive, segments } = await archiveOf(t);
  const verify = async (status = 0) => {
    const { segments, segments_left_out } = await json(
      t,
      ["verify", archive, "--since-last", "--json"],
      { status }
    );
    return [segments, segments_left_out];
  };
  const more = (hour) =>
    importLines(
      t,
      [
        `{"recv_ns":${Date.parse(`2021-04-18T${hour}:00:00Z`)}000000,"conn":0,"url":"wss://stream.bybit.com/realtime","data":{"topic":"trade.BTCUSD","data":[]}}`,
      ],
      { archive, family: "inverse" }
    );
  assert.deepEqual(await verify(), [HOURS, 0]);
  assert.deepEqual(await verify(), [0, HOURS]);
  await more("00");
  assert.deepEqual(await verify(), [1, HOURS]);
  // Without the option everything is read; it does not count as the last time.
  await more("01");
  assert.equal((await json(t, ["verify", archive, "--json"])).segments, HOURS + 2);
  assert.deepEqual(await verify(), [1, HOURS + 1]);
  // What was found damaged is read again.
  await more("02");
  const last = filesBelow(archive)
      .filter((f) => f.endsWith(".mcap"))
      .sort()
      .map((f) => path.join(archive, f))
      .at(-1),
    sound = fs.readFileSync(last);
  flip(last, 300);
  assert.deepEqual(await verify(3), [1, HOURS + 2]);
  assert.deepEqual(await verify(3), [1, HOURS + 2]);
  fs.writeFileSync(last, sound);
  assert.deepEqual(await verify(), [1, HOURS + 2]);
  assert.deepEqual(await verify(), [0, HOURS + 3]);
  // The chain from a segment that was read before: the next one must continue it.
  assert.ok(segments.length === HOURS);
  // A copy of the archive was never read.
  const copy = path.join(temporary(t), "copy");
  fs.cpSync(archive, copy, { recursive: true });
  assert.equal((await json(t, ["verify", copy, "--since-last", "--json"])).segments, HOURS + 3);
  // Anything but what it wrote counts as never.
  const written = fs.readFileSync(path.join(archive, "verified"), "utf8");
  for (const text of [
    "",
    "12",
    "x\n",
    written.slice(0, -2),
    `0${written}`,
    written + "\n",
    "9".repeat(20_000),
  ]) {
    fs.writeFileSync(path.join(archive, "verified"), text);
    assert.deepEqual(await verify(), [HOURS + 3, 0], JSON.stringify(text));
  }
  assert.match(
    (await tapedeck(t, ["verify", archive, "--since-last", "--from", "2021-04-17"], { status: 2 }))
      .stderr,
    /--since-last goes without --from and --to/
  );
});
