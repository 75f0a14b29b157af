// Shared by tests of the recorder: recorders and the frames that they announce as durable, simulated exchanges and their own
// account of sent frames, and comparisons of an archive with both.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { eventually, jsonLines, jsonList, listening, passed, Program } from "./harness.mjs";
import { SESSION } from "./all_families.mjs";
import { xxh64 } from "./xxh64.mjs";

export const TOPICS = [
  "trade.*",
  "orderBookL2_25.*",
  "orderBook_200.100ms.*",
  "instrument_info.100ms.*",
];

/** The path of each family's clients, from the exchange's documents. */
export const PATHS = Object.fromEntries(
  Object.entries(SESSION).map(([name, feed]) => [name, feed.path])
);

/** A recorder with --json that keeps its durable lines. */
export class Recorder extends Program {
  constructor(t, archive, args, options = {}) {
    super(
      t,
      options.program ?? "tapedeck-record",
      ["record", "-a", archive, "--json", ...args],
      options
    );
    this.durableLines = 0; // with data: on a loaded machine a chunk may end before the first answer, or after it
    this.durable = new Map(); // "feed|conn|line|shard" -> {in, out}, the last that was announced; "|session" after it, except for the first session
    this.waiting.push((line) => {
      this.note(line);
      return false;
    });
  }

  note(line) {
    const printed = JSON.parse(line);
    if (printed.durable === undefined) return;
    const { feed, line: redundant, shard, conn, in: inbound, out, session } = printed.durable;
    this.firstSession ??= session;
    const key =
      `${feed}|${conn}|${redundant}|${shard}` +
      (session === this.firstSession ? "" : `|${session}`);
    const before = this.durable.get(key) ?? { in: 0, out: 0 };
    assert.ok(inbound >= before.in && out >= before.out, `a durable count fell: ${line}`);
    this.durable.set(key, { in: inbound, out });
    this.durableLines += inbound > 1;
  }

  /** Wait until test(line object) is true of a durable line. */
  durableLine(test = () => true) {
    return this.line((line) => {
      const durable = JSON.parse(line).durable;
      return durable !== undefined && test(durable);
    });
  }

  /** Wait until this many durable lines with data have arrived in all. */
  async durableAfter(lines) {
    while (this.durableLines < lines) await this.durableLine();
  }

  /** Wait until each of these connections has at least so many durable frames, each named "feed|shard". */
  async durableOn(names, frames = 2) {
    const has = (name) =>
      [...this.durable].some(([key, count]) => {
        const [feed, , , shard] = key.split("|");
        return `${feed}|${shard}` === name && count.in >= frames;
      });
    while (!names.every(has)) await this.durableLine();
  }

  /** The last line, once it has ended. */
  summary() {
    return JSON.parse(this.lines.at(-1)).recorded;
  }
}

/** A simulated exchange with a truth file. */
export async function simulator(t, dir, args, options) {
  const truth = path.join(dir, `truth-${Math.random().toString(36).slice(2)}.jsonl`);
  const server = await listening(t, ["sim", "--truth", truth, ...args], dir, options);
  return { ...server, truth };
}

/** Arguments of a recorder of one family from a server. */
export function feedArgs(server, family, topics = TOPICS) {
  return [
    server.url + PATHS[family],
    "--family",
    family,
    "--ca-file",
    server.ca,
    ...topics.flatMap((topic) => ["--topic", topic]),
  ];
}

/** Record until the archive's rows, which cat prints with these options, are enough. Returns the recorder, which was stopped. */
export async function recordUntil(t, archive, args, isEnough, selection = []) {
  const recorder = new Recorder(t, archive, [...args, "--commit-interval", "100ms"]);
  const rows = async () =>
    fs.existsSync(archive)
      ? jsonLines(t, ["cat", "-a", archive, ...selection], { status: null })
      : [];
  await eventually(`recorded: ${isEnough}`, async () => isEnough(await rows()), recorder);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return recorder;
}

/** A configuration file with a feed for each family. */
export function configFile(dir, server, families, more = "") {
  const file = path.join(dir, "feeds.yaml");
  const feed = (family) =>
    `  - family: ${family}\n    url: ${server.url}${PATHS[family]}\n    ca_file: ${server.ca}\n    topics: [${TOPICS.join(", ")}]\n`;
  fs.writeFileSync(file, more + "feeds:\n" + families.map(feed).join(""));
  return file;
}

/** Sent frames by an exchange's truth file: path -> connections in their order, each {frames: ordinal -> xxh64}. */
export function sentFrames(truthFile) {
  const paths = new Map();
  for (const text of fs.readFileSync(truthFile, "utf8").split("\n")) {
    if (!text.includes('"t":"frame"')) continue; // most lines are the frames' decoded values
    const line = JSON.parse(text);
    if (!paths.has(line.path)) paths.set(line.path, new Map());
    const conns = paths.get(line.path);
    if (!conns.has(line.conn)) conns.set(line.conn, new Map());
    conns.get(line.conn).set(line.n, line.xxh64);
  }
  return paths;
}

/** A feed's connections in an archive, in their order, each {session, shard, conn, out: last outbound ordinal, fetched: number of
 * snapshots that did not come over it, frames: ordinal without these -> row of the inbound ones}. */
export async function recordedFrames(t, archive, feed) {
  const conns = new Map();
  for (const row of await jsonLines(t, ["cat", "-a", archive, "--feed", feed])) {
    if (row.dir === "http") continue;
    const key = `${row.session}|${row.shard}|${row.conn}`;
    if (!conns.has(key))
      conns.set(key, {
        session: row.session,
        shard: row.shard,
        conn: row.conn,
        out: 0,
        fetched: 0,
        frames: new Map(),
      });
    if (row.dir === "out") {
      assert.equal(row.ordinal, conns.get(key).out + 1, `outbound frames of ${key}`);
      conns.get(key).out = row.ordinal;
      continue;
    }
    if (row.fetched) {
      conns.get(key).fetched++;
      continue;
    }
    const ordinal = row.ordinal - conns.get(key).fetched;
    assert.ok(!conns.get(key).frames.has(ordinal), `frame ${ordinal} of ${key} is there twice`);
    conns.get(key).frames.set(ordinal, { topic: row.topic, xxh64: xxh64(Buffer.from(row.data)) });
  }
  return [...conns.values()];
}

/** Compare a feed with the truth, byte for byte. Each recorded connection must be one of the exchange's, without a hole
 * from its first frame to its last, and without a frame that was not sent. Returns, per recorded connection,
 * {session, conn, last: highest ordinal, data: data frames, out: outbound frames, sent: ordinal of the last data frame
 * that the exchange sent on it}. */
export async function compareWithTruth(t, archive, feed, truthFile) {
  const sent = [...(sentFrames(truthFile).get(PATHS[feed]) ?? new Map()).values()];
  const result = [],
    recorded = await recordedFrames(t, archive, feed);
  const hasShards = recorded.some(({ shard }) => shard > 0); // then connections open at the same time, in any order
  let next = 0;
  for (const { session, conn, out, fetched, frames } of recorded) {
    const last = Math.max(0, ...frames.keys());
    for (let n = 1; n <= last; n++)
      assert.ok(frames.has(n), `${feed} session ${session}: frame ${n} of ${last} is missing`);
    const data = [...frames].filter(([, row]) => row.topic !== "_control");
    // Connections have the exchange's order; a recorder that was killed early may have recorded none.
    const [ordinal, first] = data[0] ?? [];
    if (ordinal !== undefined) {
      // Two connections may begin with the same snapshot.
      const isIt = (conn) => data.every(([n, row]) => row.xxh64 === conn.get(n));
      const candidate = sent.findIndex(
        (conn, i) => (hasShards || i >= next) && conn.get(ordinal) === first.xxh64
      );
      assert.ok(candidate >= 0, `${feed} session ${session}: frame ${ordinal} was never sent so`);
      next = sent.findIndex((conn, i) => i >= candidate && isIt(conn));
      if (next < 0)
        for (const [n, row] of data)
          assert.equal(row.xxh64, sent[candidate].get(n), `${feed} session ${session}: frame ${n}`);
      for (const n of sent[next].keys())
        if (n <= last)
          assert.notEqual(
            frames.get(n).topic,
            "_control",
            `${feed} session ${session}: frame ${n} is data`
          );
      next++;
    }
    result.push({
      session,
      conn,
      last: last + fetched,
      data: data.length,
      out,
      sent: ordinal === undefined ? 0 : Math.max(...sent[next - 1].keys()),
    });
  }
  return result;
}

/** Check that every announced frame is in the archive. Recorders are in their order; each is a session of its own if it
 * recorded anything. Returns {announced, kept}: numbers of frames. */
export async function checkAnnounced(t, archive, feed, truthFile, recorders) {
  const kept = await compareWithTruth(t, archive, feed, truthFile);
  let announced = 0;
  let at = 0;
  for (const recorder of recorders)
    for (const [key, count] of recorder.durable) {
      const [name, conn] = key.split("|");
      if (name !== feed) continue;
      announced += count.in;
      // Skipped sessions are of recorders that were killed before they announced anything.
      while (
        at < kept.length &&
        (kept[at].conn !== Number(conn) || kept[at].last < count.in || kept[at].out < count.out)
      )
        at++;
      assert.ok(
        at < kept.length,
        `${feed}: of ${count.in} + ${count.out} frames announced durable (${key}) not all are there: ${JSON.stringify(kept)}`
      );
      at++;
    }
  return { announced, kept: kept.reduce((n, row) => n + row.last, 0) };
}

/** Remove the catalog, which is derived from the other files. */
export function deleteCatalog(archive) {
  for (const file of fs.readdirSync(archive).filter((f) => f.startsWith("catalog.sqlite")))
    fs.rmSync(path.join(archive, file));
}

/** Numbers from 0 to below 1, equal for equal seeds (mulberry32, public domain). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/** Reason to skip tests that need a file system of their own, or false. */
export function withoutMount() {
  const able = spawnSync("unshare", [
    "-Urm",
    "sh",
    "-c",
    "mount -t tmpfs -o size=1m none /mnt && command -v nsenter",
  ]);
  return able.status === 0 ? false : "needs a mount of its own (unshare -Urm, nsenter)";
}

/** A new file system of this many MiB that is removed when the test ends: {mountPoint, under, pathOutside}. A program that runs
 * under `under` has it at `mountPoint`; other programs find its files below `pathOutside`, the root of the process that has
 * mounted it (but not SQLite, which follows symbolic links by their text). */
export async function smallDisk(t, dir, mebibytes) {
  const mountPoint = path.join(dir, "small");
  fs.mkdirSync(mountPoint);
  const holder = spawn(
    "unshare",
    [
      "-Urm",
      "sh",
      "-c",
      `mount -t tmpfs -o size=${mebibytes}m none "$1" && echo mounted && exec sleep 1000000`,
      "sh",
      mountPoint,
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  );
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const under = ["nsenter", "-t", String(holder.pid), "-U", "-m", "--preserve-credentials"];
  return {
    mountPoint,
    under,
    pathOutside: `/proc/${holder.pid}/root${fs.realpathSync(mountPoint)}`,
  };
}

/** Start a recorder and kill it (SIGKILL) at a random moment after `lines` durable lines; if `early` is true, at a random
 * moment after its start. */
export async function recordAndKill(t, archive, args, { random, early = false, lines = 2 }) {
  const recorder = new Recorder(t, archive, args);
  if (!early) await recorder.durableAfter(lines);
  await passed(random() * (early ? 150 : 400)); // at a random time
  const end = await recorder.kill("SIGKILL");
  assert.equal(end.signal, "SIGKILL", `the recorder ended before it was killed: ${end.stderr}`);
  return recorder;
}

/** Every session but the last was killed. Check that each has one crash gap of the feed, from its last durable data to a
 * moment when the feed was recorded again, and that there are no other gaps. A session that was killed before it connected
 * may have events only: the gap before it covers it, if there were frames before. A session that was killed within 2 s of
 * its first frame may have left the gap before it open, too. Returns the number of gaps. */
export async function checkCrashGaps(t, archive, feed) {
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--feed", feed, "--json"], {
    status: null,
  });
  const sessions = new Map();
  for (const row of await jsonLines(t, ["cat", "-a", archive, "--feed", feed, "--events"])) {
    if (!sessions.has(row.session))
      sessions.set(row.session, { begin: row.recv_ns, firstIn: null });
    const session = sessions.get(row.session);
    session.end = row.recv_ns;
    session.isConnected ||= row.dir === "event" && JSON.parse(row.data).event === "connect";
    if (row.dir === "in") {
      session.firstIn ??= row.recv_ns;
      if (row.topic !== "_control") session.lastData = row.recv_ns; // a gap begins at data: an answer may be later
    }
  }
  const order = [...sessions.values()];
  for (const gap of gaps) {
    assert.equal(gap.reason, "crash", JSON.stringify(gap));
    assert.ok(gap.to_ns !== null && gap.to_ns > gap.from_ns, JSON.stringify(gap));
    assert.deepEqual([gap.topic, gap.symbol], [null, null]);
  }
  let inside = 0;
  for (let i = 0; i + 1 < order.length; i++) {
    const { begin, end, firstIn, lastData, isConnected } = order[i];
    const back = order.slice(i + 1).find((session) => session.firstIn !== null).firstIn;
    // It begins at the latest answered ping: in the session, and not after its last data.
    const own = gaps.filter(
      (gap) => gap.from_ns >= begin && gap.from_ns <= (lastData ?? end) && gap.to_ns >= back
    );
    const isShort = (lastData ?? end) - (firstIn ?? end) < 2e9;
    const isFirst = !isConnected && order.slice(0, i).every((session) => session.firstIn === null);
    const isInside =
      isShort &&
      own.length === 0 &&
      (isFirst || gaps.some((gap) => gap.from_ns < begin && gap.to_ns >= back));
    inside += isInside;
    assert.equal(
      own.length + isInside,
      1,
      `${feed}: the gap after session ${i + 1} of ${order.length}: ${JSON.stringify([order[i], back, gaps])}`
    );
  }
  assert.equal(gaps.length, order.length - 1 - inside, `${feed}: ${JSON.stringify(gaps)}`);
  return gaps.length;
}

/** A full pipe: a writer waits until drain() reads. */
export function stuffedPipe(t, dir, name) {
  const file = path.join(dir, name);
  execFileSync("mkfifo", [file]);
  const own = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const end = fs.openSync(file, fs.constants.O_WRONLY);
  const isEmpty = (error) => {
    if (error.code !== "EAGAIN") throw error;
    return true;
  };
  const pad = Buffer.from(".".repeat(127) + "\n");
  try {
    for (;;) fs.writeSync(own, pad);
  } catch (error) {
    isEmpty(error);
  }
  let text = "";
  const part = Buffer.alloc(65536);
  const drain = () => {
    try {
      for (;;) text += part.subarray(0, fs.readSync(own, part)).toString();
    } catch (error) {
      isEmpty(error);
    }
    return text.replace(/^(\.{127}\n)*/, "");
  };
  let closed = false;
  /** Close the pipes: there is no reader any more. */
  const close = () => {
    if (!closed) fs.closeSync(own);
    closed = true;
  };
  t.after(() => {
    close();
    fs.closeSync(end);
  });
  return { end, drain, close };
}
