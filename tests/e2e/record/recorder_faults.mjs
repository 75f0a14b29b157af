// Faults of a recorder and its machine. Each function makes one fault many times, and then checks that no frame is missing
// that was announced as durable, and that the ledger has every other missing frame. Each returns a row of the table that
// `make soak` prints: {fault, tried, announced, lost, kept, note}. `make test` does each a few times
// (recorder_faults.test.mjs). Expected values: what the recorder announced, against the exchange's truth file.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import {
  eventually,
  filesBelow,
  json,
  jsonLines,
  jsonList,
  passed,
  run,
  tapedeck,
} from "../support/harness.mjs";
import {
  checkAnnounced,
  checkCrashGaps,
  compareWithTruth,
  deleteCatalog,
  feedArgs,
  Recorder,
  simulator,
  smallDisk,
  stuffedPipe,
} from "../support/recorders.mjs";
import { MovedClock } from "../support/moved_clock.mjs";
import { SESSION } from "../support/all_families.mjs";

/** Feeds of five dialects, all public: no secret in them is overwritten. */
const FEEDS = ["inverse", "linear", "usdc-option", "spot-v1", "contract-v3", "v5-linear"];
const PUBLIC = {
  inverse: [
    "trade.*",
    "orderBookL2_25.*",
    "orderBook_200.100ms.*",
    "instrument_info.100ms.*",
    "klineV2.1.*",
  ],
};
const HOUR_MS = 3600_000;
const DAY = { deadlineMs: 24 * HOUR_MS };

async function exchange(t, dir, feeds, rate, seed, more = []) {
  return simulator(
    t,
    dir,
    [
      "--families",
      feeds.join(","),
      "--symbols",
      "3",
      "--rate",
      String(rate),
      "--seed",
      String(seed),
      ...more,
    ],
    DAY
  );
}

function configOf(dir, server, feeds) {
  const file = path.join(dir, "feeds.yaml");
  const rows = feeds.map((name) => {
    const topics = (PUBLIC[name] ?? SESSION[name].topics)
      .map((topic) => JSON.stringify(topic))
      .join(", ");
    return `  - family: ${name}\n    url: ${server.url}${SESSION[name].path}\n    ca_file: ${server.ca}\n    topics: [${topics}]\n`;
  });
  fs.writeFileSync(file, `commit_interval: 100ms\nfeeds:\n${rows.join("")}`);
  return ["-c", file];
}

/** After the last session: recover and verify the archive, and check every announced frame. */
async function settle(t, archive, feeds, truth, recorders) {
  await tapedeck(t, ["recover", "-a", archive], DAY);
  await tapedeck(t, ["reindex", "-a", archive], DAY);
  const { verdict } = await json(t, ["verify", "-a", archive, "--json"], DAY);
  assert.equal(verdict, "sound");
  const sum = { announced: 0, lost: 0, kept: 0, conns: [] };
  for (const feed of feeds) {
    const { announced, kept } = await checkAnnounced(t, archive, feed, truth, recorders);
    sum.announced += announced;
    sum.kept += kept;
  }
  return sum;
}

const catalogFiles = (archive) =>
  fs
    .readdirSync(archive)
    .filter((f) => f === "catalog.sqlite")
    .map((f) => path.join(archive, f));

/** Overwrite the catalog's files with random bytes. */
function garbageCatalog(archive, random) {
  for (const file of catalogFiles(archive)) {
    const size = fs.statSync(file).size;
    const fd = fs.openSync(file, "r+");
    fs.writeSync(
      fd,
      Buffer.from(Array.from({ length: Math.min(size, 65536) }, () => Math.floor(random() * 256))),
      0,
      Math.min(size, 65536),
      0
    );
    fs.closeSync(fd);
  }
}

/** When SIGKILL comes: a time after the start, or an event. */
const PHASES = {
  // Kill within 200 ms: while it is not connected, connects, recovers or opens its session.
  early: async (_recorder, random) => passed(random() * 200),
  // Kill anywhere in a chunk or between two: chunks are 75 ms apart.
  chunk: async (recorder, random) => {
    await recorder.durableAfter(2);
    await passed(random() * 400);
  },
  // Kill when an hour begins: every feed finishes a segment and begins another. The clock was set
  // before the recorder started.
  rotation: async (recorder, random, clock) => {
    await recorder.durableAfter(2);
    await passed(Math.max(0, clock.turn - Date.now()) - 30 + random() * 250);
  },
};

/** kill -9 again and again, one archive throughout; the catalog is deleted or spoilt, recover is run, now and then. */
export async function kills(
  t,
  dir,
  { rounds, random, seed, feeds = FEEDS, rate = 150, say = () => {} }
) {
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, feeds, rate, seed);
  const args = configOf(dir, sim, feeds);
  const clock = new MovedClock(dir);
  const recorders = [];
  const tried = {
    early: 0,
    chunk: 0,
    rotation: 0,
    "catalogs deleted": 0,
    "catalogs spoilt": 0,
    recoveries: 0,
  };
  for (let round = 0; round < rounds; round++) {
    const phase = ["chunk", "early", "rotation", "chunk"][round % 4];
    if (phase === "rotation") clock.hourAt(Date.now() + 3000);
    const recorder = new Recorder(t, archive, args, clock.options);
    recorders.push(recorder);
    await PHASES[phase](recorder, random, clock);
    const end = await recorder.kill("SIGKILL");
    assert.equal(end.signal, "SIGKILL", `the recorder ended before it was killed: ${end.stderr}`);
    tried[phase]++;
    if (fs.existsSync(path.join(archive, "capture"))) {
      const dice = random();
      if (dice < 0.2) deleteCatalog(archive);
      else if (dice < 0.35) garbageCatalog(archive, random);
      if (dice < 0.35) tried[dice < 0.2 ? "catalogs deleted" : "catalogs spoilt"]++;
      if (random() < 0.2) {
        await tapedeck(t, ["recover", "-a", archive], DAY);
        tried.recoveries++;
      }
    }
    say(`kill ${round + 1} of ${rounds} (${phase}): ${recorder.durableLines} durable lines`);
  }
  const last = new Recorder(t, archive, args, clock.options);
  recorders.push(last);
  await last.prints(/subscribed to/);
  await last.durableAfter(last.durableLines + 3 * feeds.length);
  assert.equal((await last.kill("SIGTERM")).code, 0, last.stderr);
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, feeds, sim.truth, recorders);
  let gaps = 0;
  for (const feed of feeds) gaps += await checkCrashGaps(t, archive, feed);
  const replay = await run(t, "tapedeck", ["replay", "-a", archive, "--json"], {
    status: null,
    ...DAY,
  });
  const { continuity } = JSON.parse(replay.stdout);
  assert.equal(continuity.violations, 0, JSON.stringify(continuity));
  const rotated = filesBelow(archive).filter((f) => /-00000[2-9]\.mcap$/.test(f)).length;
  assert.ok(tried.rotation < 4 || rotated > 0, "no segment was begun by an hour");
  const note = `${gaps} crash gaps; ${rotated} segments begun by an hour; ${Object.entries(tried)
    .map(([what, n]) => `${what} ${n}`)
    .join(", ")}`;
  return { fault: `kill -9, ${feeds.length} feeds`, tried: rounds, ...sum, note, counts: tried };
}

/** SIGSTOP: the ledger has every loss. The exchange ends first, so that an open connection can be compared up to its
 * end. */
export async function paused(t, dir, { rounds, seconds, seed }) {
  const feeds = ["inverse", "v5-linear"];
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, feeds, 500, seed);
  const recorder = new Recorder(t, archive, configOf(dir, sim, feeds), DAY);
  let longest = 0;
  for (let round = 0; round < rounds; round++) {
    await recorder.durableAfter(recorder.durableLines + 2 * feeds.length);
    recorder.child.kill("SIGSTOP");
    const from = Date.now();
    await passed(seconds * 1000);
    recorder.child.kill("SIGCONT");
    longest = Math.max(longest, Date.now() - from);
  }
  await recorder.durableAfter(recorder.durableLines + 10 * feeds.length);
  await sim.program.kill("SIGTERM");
  // No frame is under way any more: its connections have ended.
  for (const feed of feeds) await recorder.prints(new RegExp(`${feed}: cannot connect`));
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const sum = await settle(t, archive, feeds, sim.truth, [recorder]);
  let gaps = 0;
  let missing = 0;
  for (const feed of feeds) {
    const conns = await compareWithTruth(t, archive, feed, sim.truth);
    const ledger = await jsonList(t, ["gaps", "-a", archive, "--feed", feed, "--json"], {
      status: null,
    });
    // After each incomplete connection there is a gap.
    for (const conn of conns.filter((c) => c.sent > c.last)) {
      assert.ok(
        ledger.some((gap) => ["disconnect", "stale", "overload"].includes(gap.reason)),
        `${feed}: ${JSON.stringify([conn, ledger])}`
      );
      missing += conn.sent - conn.last;
    }
    gaps += ledger.length;
  }
  return {
    fault: `SIGSTOP for ${seconds} s`,
    tried: rounds,
    ...sum,
    note: `${missing} frames sent and not received, within ${gaps} gaps in the ledger (the exchange's end among them)`,
  };
}

/** Both readers of a recorder's output read nothing until it has to stop. */
export async function unread(t, dir, { rounds, random, seed }) {
  const feeds = ["inverse", "v5-linear"];
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, feeds, 500, seed);
  const args = configOf(dir, sim, feeds);
  const recorders = [];
  const ofSession = async () =>
    (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"], { ...DAY, status: null })).length;
  let before = 0;
  for (let round = 0; round < rounds; round++) {
    const [out, talk] = ["out", "talk"].map((name) => stuffedPipe(t, dir, `${name}-${round}`));
    const recorder = new Recorder(t, archive, ["-v", ...args], {
      ...DAY,
      out: out.end,
      err: talk.end,
    });
    recorders.push(recorder);
    await eventually(
      "500 more frames",
      async () => fs.existsSync(archive) && (await ofSession()) >= before + 500,
      recorder
    );
    await recorder.until(passed(random() * 2000));
    out.drain();
    recorder.child.kill("SIGTERM");
    assert.equal((await recorder.ended).code, 0);
    const lines = out
      .drain()
      .split("\n")
      .filter((line) => line !== "");
    for (const line of lines) recorder.note(line);
    const { recorded } = JSON.parse(lines.at(-1));
    assert.deepEqual([recorded.dropped, recorded.lines_lost], [0, 0], lines.at(-1));
    assert.doesNotMatch(talk.drain(), /overload/);
    before = await ofSession();
  }
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, feeds, sim.truth, recorders);
  return { fault: "output without a reader", tried: rounds, ...sum, note: "no line was lost" };
}

/** A small disk fills up repeatedly: by the recorder or by another program, down to min_free or completely. */
export async function full(t, dir, { rounds, seed }) {
  const archive = path.join(dir, "copy");
  const { mountPoint, pathOutside, under } = await smallDisk(t, dir, 24);
  const sim = await exchange(t, dir, ["inverse"], 20000, seed);
  const otherFile = path.join(pathOutside, "others");
  const free = () => fs.statfsSync(pathOutside).bavail * fs.statfsSync(pathOutside).bsize;
  const recorders = [];
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const minFree = round % 2 === 0 ? 6 << 20 : 0;
    fs.writeFileSync(otherFile, Buffer.alloc(Math.max(0, free() - minFree - (1 << 19)), 1));
    const args = [
      ...feedArgs(sim, "inverse"),
      "--commit-interval",
      "50ms",
      "--min-free",
      String(minFree),
    ];
    const recorder = new Recorder(t, path.join(mountPoint, "tape"), args, { under, ...DAY });
    recorders.push(recorder);
    const end = await recorder.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, minFree > 0 ? /min_free/ : /No space left/);
    fs.appendFileSync(otherFile, Buffer.alloc(Math.max(0, Math.min(free() - 4096, 2 << 20)), 1));
    const again = new Recorder(
      t,
      path.join(mountPoint, "tape"),
      [...feedArgs(sim, "inverse"), "--min-free", "6MiB"],
      { under, ...DAY }
    );
    assert.equal((await again.ended).code, 4, again.stderr);
    assert.match(again.stderr, /min_free/);
    refused++;
    fs.rmSync(otherFile);
  }
  const last = new Recorder(
    t,
    path.join(mountPoint, "tape"),
    [...feedArgs(sim, "inverse"), "--max-frames", "300"],
    { under, ...DAY }
  );
  recorders.push(last);
  assert.equal((await last.ended).code, 0, last.stderr);
  await sim.program.kill("SIGTERM");
  fs.cpSync(path.join(pathOutside, "tape"), archive, { recursive: true });
  const sum = await settle(t, archive, ["inverse"], sim.truth, recorders);
  const gaps = (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null })).map(
    (gap) => gap.reason
  );
  for (const reason of gaps) assert.ok(["restart", "crash"].includes(reason), reason);
  assert.equal(gaps.length, recorders.length - 1);
  return {
    fault: "a full tmpfs",
    tried: rounds,
    ...sum,
    note: `every other with min_free; ${refused} starts refused; ${gaps.length} gaps, each a restart or a crash`,
  };
}

/** The catalog deleted or overwritten under a recorder. */
export async function catalogs(t, dir, { rounds, random, seed }) {
  const feeds = ["inverse", "spot-v1"];
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, feeds, 500, seed);
  const args = configOf(dir, sim, feeds);
  const recorders = [];
  for (let round = 0; round < rounds; round++) {
    const recorder = new Recorder(t, archive, args, DAY);
    recorders.push(recorder);
    await recorder.durableAfter(2 * feeds.length);
    if (round % 2 === 0) deleteCatalog(archive);
    else garbageCatalog(archive, random);
    await recorder.durableAfter(recorder.durableLines + 4 * feeds.length);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  }
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, feeds, sim.truth, recorders);
  assert.equal(sum.announced, sum.kept, "after clean stops everything was announced");
  return {
    fault: "catalog deleted or overwritten while recording",
    tried: rounds,
    ...sum,
    note: "every recorder ended with 0; reindex makes the same catalog",
  };
}

/** Two recorders started at once: one of them records. */
export async function pairs(t, dir, { rounds, seed }) {
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, ["inverse"], 500, seed);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  const winners = [];
  for (let round = 0; round < rounds; round++) {
    const two = [0, 1].map(() => new Recorder(t, archive, args, DAY));
    const loser = await Promise.race(two.map((recorder) => recorder.ended.then(() => recorder)));
    const winner = two.find((recorder) => recorder !== loser);
    const end = await loser.ended;
    assert.equal(end.code, 4, end.stderr);
    // The lock of a recorder that has just started may have no text yet.
    assert.match(end.stderr, /in use|another|held|lock/);
    assert.equal(loser.durableLines, 0);
    await winner.durableAfter(3);
    assert.equal((await winner.kill("SIGTERM")).code, 0, winner.stderr);
    winners.push(winner);
  }
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, ["inverse"], sim.truth, winners);
  assert.equal(sum.announced, sum.kept);
  return {
    fault: "two recorders at once",
    tried: rounds,
    ...sum,
    note: "one records, the other ends with 4",
  };
}

/** The lock file is removed or replaced under a recorder; another recorder and a recovery start at once. Either the second
 * recorder is refused, or the first has ended before it started. */
export async function unlocked(t, dir, { rounds, random, seed }) {
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, ["inverse"], 500, seed);
  const args = [...feedArgs(sim, "inverse"), "--commit-interval", "100ms"];
  const recorders = [];
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const first = new Recorder(t, archive, args, DAY);
    await first.durableAfter(2);
    await passed(random() * 200);
    if (round % 2 === 0) {
      fs.rmSync(path.join(archive, "lock"));
    } else {
      fs.writeFileSync(path.join(archive, "other"), "");
      fs.renameSync(path.join(archive, "other"), path.join(archive, "lock"));
    }
    const recovery = run(t, "tapedeck", ["recover", "-a", archive], { status: null });
    const second = new Recorder(t, archive, [...args, "--duration", "500ms"], DAY);
    const end = await first.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /lock' was (removed|replaced)/);
    const other = await second.ended;
    assert.ok(other.code === 0 || other.code === 4, other.stderr);
    // On a busy machine its half second may be over before it has connected.
    if (other.code === 4)
      assert.match(other.stderr, /in use|lock|no connection was ever established/);
    refused += Number(other.code === 4);
    assert.ok([0, 4].includes((await recovery).code), (await recovery).stderr);
    recorders.push(first, second);
  }
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, ["inverse"], sim.truth, recorders);
  return {
    fault: "lock removed or replaced while recording",
    tried: rounds,
    ...sum,
    note: `the recorder ends with 4; of others at once ${refused} were refused`,
  };
}

/** The wall clock steps under a recorder: times still rise strictly, and each step is an event. */
export async function clocks(t, dir, { rounds, random, seed }) {
  const feeds = ["inverse", "v5-linear"];
  const archive = path.join(dir, "tape");
  const sim = await exchange(t, dir, feeds, 500, seed);
  const clock = new MovedClock(dir);
  const recorder = new Recorder(t, archive, configOf(dir, sim, feeds), clock.options);
  await recorder.durableAfter(2 * feeds.length);
  // A step that stays, one that is undone, and a small one backwards, equally often.
  const KINDS = ["adopted", "withdrawn", "held"];
  const WORDS = {
    adopted: "s is adopted",
    withdrawn: "no receive time was changed",
    held: "stepped back by 0\\.[1-9]",
  };
  const steps = { adopted: 0, withdrawn: 0, held: 0 };
  let ahead = 0; // how far the session's times are ahead of this machine's clock
  for (let round = 0; round < rounds; round++) {
    const kind = KINDS[round % KINDS.length];
    const before = clock.ms;
    clock.set(
      kind === "held" ? ahead - 200 - random() * 700 : ahead + 60_000 + random() * 2 * HOUR_MS
    );
    if (kind === "adopted") ahead = clock.ms;
    if (kind === "withdrawn") {
      await recorder.prints(
        new RegExp(`(it is adopted if it lasts[^]*){${steps.adopted + steps.withdrawn + 1}}`)
      );
      clock.set(before);
    }
    steps[kind]++;
    await recorder.prints(new RegExp(`(${WORDS[kind]}[^]*){${steps[kind]}}`));
    await recorder.durableAfter(recorder.durableLines + feeds.length);
  }
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await sim.program.kill("SIGTERM");
  const sum = await settle(t, archive, feeds, sim.truth, [recorder]);
  const rows = await jsonLines(t, ["cat", "-a", archive, "--events"], DAY);
  let before = 0n;
  for (const row of rows.filter((r) => r.dir !== "event")) {
    assert.ok(BigInt(row.recv_ns) >= before, "times rise"); // strictly: verify, of the exact values
    before = BigInt(row.recv_ns);
  }
  const clockEvents = rows
    .filter((row) => row.dir === "event" && row.feed === "inverse")
    .map((row) => JSON.parse(row.data))
    .filter((event) => event.event === "clock");
  // The machine's own clock may be set back by some milliseconds meanwhile.
  const states = clockEvents
    .filter((event) => Math.abs(event.step_ns) > 100e6)
    .map((event) => event.state);
  for (const kind of KINDS)
    assert.equal(
      states.filter((state) => state === kind).length,
      steps[kind],
      JSON.stringify(clockEvents)
    );
  const note = `${steps.adopted} that stayed, ${steps.withdrawn} taken back, ${steps.held} back; each is a clock event`;
  return { fault: "the clock stepped", tried: rounds, ...sum, note };
}

/** The table as text. */
export function table(rows) {
  const columns = ["fault", "tried", "announced", "lost", "kept"];
  const cells = [
    [...columns, "what else"],
    ...rows.map((row) => [...columns.map((c) => String(row[c])), row.note]),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) =>
          i === 0 || i >= widths.length ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i])
        )
        .join("  ")
    )
    .join("\n");
}
