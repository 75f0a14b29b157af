// The ledger against the truth: one archive with many sessions, each with a fault, and an exchange that numbers every frame
// with and without clients. At the end every frame that was made and is not in the archive must lie within a row of the
// ledger, no row may reach far beyond its hole (EXCESS_MS_MAX), and every frame that was announced durable must be there. `make soak` does it 200 times, `make test` each kind once (record/ledger_under_faults.test.mjs).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { certificate } from "../support/scripted_server.mjs";
import {
  checkCoverage,
  eventually,
  filesBelow,
  json,
  jsonLines,
  jsonList,
  passed,
  tapedeck,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import {
  compare,
  delayProxy,
  EXCESS_MS_MAX,
  numberedExchange,
} from "../support/numbered_exchange.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";

const TOPICS = ["trade.BTCUSD", "trade.EOSUSD"];
const DAY = { deadlineMs: 24 * 3600_000 };
const STALE_S = 2;
const MONTH_MS = 30 * 24 * 3600_000;

/** One feed with a single connection, one with a connection for each topic; `more` are further feeds. */
function configOf(dir, url, { files }, more = "") {
  const file = path.join(dir, "feeds.yaml");
  const feed = (name, shards) =>
    `  - {name: ${name}, family: inverse, url: ${url}/realtime, topics: [${TOPICS.join(", ")}], stale_after: ${STALE_S}s${files === undefined ? "" : `, ca_file: ${files.ca}`}` +
    `${shards ? ", max_topics_per_connection: 1" : ""}}\n`;
  fs.writeFileSync(
    file,
    `commit_interval: 50ms\nfeeds:\n${feed("single", false)}${feed("sharded", true)}${more}`
  );
  return ["-c", file];
}

const FEEDS = ["single", "sharded"];

/** The state that rounds share. */
class FaultTrial {
  constructor(t, dir, exchange, proxy, random) {
    Object.assign(this, {
      t,
      dir,
      exchange,
      proxy,
      random,
      archive: path.join(dir, "tape"),
      recorders: [],
      sessions: new Map(),
    });
  }

  sessionIds() {
    const capture = path.join(this.archive, "capture");
    const names = fs.existsSync(capture) ? filesBelow(capture) : [];
    return new Set(
      names
        .map((name) => /-([0-9a-f]{8})-\d{6,}\.mcap/.exec(name)?.[1])
        .filter((id) => id !== undefined)
    );
  }

  start(url = this.exchange.url, { more, ...options } = {}) {
    this.before = this.sessionIds();
    const recorder = new Recorder(
      this.t,
      this.archive,
      configOf(this.dir, url, this.exchange, more),
      { ...DAY, ...options }
    );
    this.recorders.push(recorder);
    return recorder;
  }

  /** Start a recorder, and wait until every connection has a durable frame. */
  async recording(url, options) {
    const recorder = this.start(url, options);
    await recorder.durableOn(["single|0", "sharded|0", "sharded|1"]);
    await recorder.durableAfter(6);
    return recorder;
  }

  /** Wait for the end with this status, and note the session's name. */
  async ended(recorder, signal, code = 0) {
    const end = await (signal === undefined ? recorder.ended : recorder.kill(signal));
    if (signal === "SIGKILL")
      assert.equal(end.signal, "SIGKILL", `the recorder ended before it was killed: ${end.stderr}`);
    else assert.equal(end.code, code, end.stderr);
    const made = [...this.sessionIds()].filter((id) => !this.before.has(id));
    assert.ok(made.length <= 1, `one recorder, sessions ${made}`);
    this.sessions.set(recorder, made[0]);
    return end;
  }

  rows(feed) {
    return jsonList(this.t, ["gaps", "-a", this.archive, "--feed", feed, "--json"], {
      status: null,
      ...DAY,
    });
  }

  /** Wait until this topic has an open row while the recorder runs. */
  openRow(feed, topic) {
    const is = (row) =>
      row.to_ns === null && (row.topic === null || `${row.topic}.${row.symbol}` === topic);
    return eventually(`an open row of ${feed} ${topic}`, async () =>
      (await this.rows(feed)).some(is)
    );
  }
}

const CLOCK = "a clock that is a month ahead for a while, then a restart";

// The faults by name. No recorder runs before and after one of them.
export const KINDS = {
  async "a stop"(trial) {
    await trial.ended(await trial.recording(), "SIGTERM");
  },
  async "a stop through a proxy that delays by 75 ms"(trial) {
    const recorder = await trial.recording(trial.proxy.url);
    await trial.ended(recorder, "SIGTERM");
  },
  async "a stop while the peer ignores the close"(trial) {
    trial.exchange.onClose = "ignore";
    const recorder = await trial.recording();
    await trial.ended(recorder, "SIGTERM");
    trial.exchange.onClose = "answer";
  },
  async "kill -9"(trial) {
    const recorder = await trial.recording();
    await passed(trial.random() * 300); // at a random moment
    await trial.ended(recorder, "SIGKILL");
  },
  async "kill -9, whenever"(trial) {
    const recorder = trial.start();
    await passed(trial.random() * 250);
    await trial.ended(recorder, "SIGKILL");
  },
  async "a session without a connection"(trial) {
    await trial.exchange.down();
    const recorder = trial.start();
    await recorder.prints(/cannot connect/);
    await trial.ended(recorder, trial.random() < 0.3 ? "SIGKILL" : "SIGTERM", 4);
    await trial.exchange.up();
  },
  async "one connection of two, all session long"(trial) {
    const [, topic] = TOPICS;
    trial.exchange.cutOff(topic);
    const recorder = trial.start();
    // The feed with one connection for both topics has no subscription, the other feed has one.
    await recorder.durableLine((line) => line.feed === "sharded" && line.in > 20);
    await trial.openRow("sharded", topic);
    await trial.ended(recorder, "SIGTERM");
    trial.exchange.allow(topic);
  },
  async "a topic that is refused after a reconnect"(trial) {
    const topic = TOPICS[trial.random() < 0.5 ? 0 : 1];
    const recorder = await trial.recording();
    trial.exchange.refuse(topic);
    trial.exchange.drop();
    for (const feed of FEEDS) await recorder.until(trial.openRow(feed, topic));
    if (trial.random() < 0.5) trial.exchange.allow(topic);
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, "SIGTERM");
    trial.exchange.allow(topic);
  },
  async "a connection that is lost"(trial) {
    const recorder = await trial.recording();
    const stood = trial.exchange.connections;
    trial.exchange.drop();
    await eventually("all connections again", () => trial.exchange.connections >= stood + 3);
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, "SIGTERM");
  },
  async silence(trial) {
    const recorder = await trial.recording();
    recorder.child.kill("SIGSTOP"); // it reads the last data late
    await passed(100 + trial.random() * 300);
    for (const ws of trial.exchange.sockets.clients) {
      trial.exchange.silence([ws]);
      await passed(trial.random() * 50);
    }
    recorder.child.kill("SIGCONT");
    // Data again within stale_after writes no row: wait until each connection has noticed the silence.
    for (const name of ["single", "shard 0\\)", "shard 1\\)"])
      await recorder.prints(new RegExp(`${name}: no data for`));
    trial.exchange.speak();
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, "SIGTERM");
  },
  async SIGSTOP(trial) {
    const recorder = await trial.recording();
    recorder.child.kill("SIGSTOP");
    await passed(500 + trial.random() * 1000);
    recorder.child.kill("SIGCONT");
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, "SIGTERM");
  },
  async [CLOCK](trial) {
    const clock = new MovedClock(trial.dir);
    const recorder = await trial.recording(trial.exchange.url, clock.options);
    clock.set(MONTH_MS);
    await recorder.prints(/wall clock stepped forward/);
    await passed(trial.random() * 2000); // as long as the clock is wrong
    clock.set(0);
    await recorder.prints(/no receive time was changed/);
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, trial.random() < 0.5 ? "SIGKILL" : "SIGTERM");
  },
  async "the lock file removed"(trial) {
    const recorder = await trial.recording();
    fs.rmSync(path.join(trial.archive, "lock"));
    const end = await trial.ended(recorder, undefined, 4);
    assert.match(end.stderr, /lock/);
  },
  async "a neighbour that flaps"(trial) {
    const flapping = await numberedExchange(
      { after: (end) => trial.t.after(end) },
      { symbols: ["XRPUSD"], rate: 50 }
    );
    const timer = setInterval(() => flapping.drop(), 20);
    const more = `  - {name: flapping, family: inverse, url: ${flapping.url}/realtime, topics: [trade.XRPUSD]}\n`;
    const recorder = await trial.recording(trial.exchange.url, { more });
    await eventually("a few of its connections", () => flapping.connections > 3);
    const stood = trial.exchange.connections;
    trial.exchange.drop();
    const dropped = Date.now();
    await eventually(
      "its neighbours' connections again",
      () => trial.exchange.connections >= stood + 3
    );
    assert.ok(Date.now() - dropped < 20_000, `its neighbours waited ${Date.now() - dropped} ms`);
    await recorder.durableAfter(recorder.durableLines + 6);
    await trial.ended(recorder, "SIGTERM");
    clearInterval(timer);
    await flapping.close();
  },
  async "a reader of --json that has stopped"(trial) {
    const release = path.join(trial.dir, `release-${trial.recorders.length}`);
    const recorder = trial.start(trial.exchange.url, {
      under: ["python3", "-c", STOPPED_READER, release],
    });
    await recorder.prints(/subscribed to[^]*subscribed to[^]*subscribed to/);
    await passed(1000 + trial.random() * 500); // fills the pipe a few times over
    fs.writeFileSync(release, "");
    await recorder.durableAfter(3);
    await trial.ended(recorder, "SIGTERM");
  },
};

/** Runs the rest of its arguments with a pipe of one page as standard output, and copies that pipe to its own output once
 * the file of its first argument is there. Signals go to the program that it runs. */
const STOPPED_READER = `
import fcntl, os, sys, time
reader, writer = os.pipe()
fcntl.fcntl(writer, 1031, 4096)
parent = os.getpid()
if os.fork() == 0:
    os.close(writer)
    while not os.path.exists(sys.argv[1]):
        if os.getppid() != parent:
            sys.exit(0)
        time.sleep(0.01)
    while True:
        bytes = os.read(reader, 65536)
        if not bytes:
            sys.exit(0)
        os.write(1, bytes)
os.close(reader)
os.dup2(writer, 1)
os.close(writer)
os.execv(sys.argv[2], sys.argv[2:])
`;

/** Counts the frames that were announced durable, and how many of them are not in the archive. */
async function announcedLost(trial) {
  const kept = new Map(); // "session|feed|conn|line|shard" -> how many inbound frames
  for (const feed of FEEDS)
    for (const row of await jsonLines(
      trial.t,
      ["cat", "-a", trial.archive, "--feed", feed, "--dir", "in"],
      DAY
    )) {
      const key = [row.session, feed, row.conn, row.line, row.shard].join("|");
      assert.equal(row.ordinal, (kept.get(key) ?? 0) + 1, `ordinals of ${key}`);
      kept.set(key, row.ordinal);
    }
  const sum = { announced: 0, lost: 0, kept: [...kept.values()].reduce((a, b) => a + b, 0) };
  for (const recorder of trial.recorders)
    for (const [key, { in: announced }] of recorder.durable) {
      if (!FEEDS.includes(key.split("|")[0])) continue;
      sum.announced += announced;
      sum.lost += Math.max(
        0,
        announced - (kept.get(`${trial.sessions.get(recorder)}|${key}`) ?? 0)
      );
    }
  return sum;
}

/** The faults that this machine can make. */
export const kindsHere = () =>
  Object.keys(KINDS).filter((kind) => kind !== CLOCK || !withoutMovedClock);

/** This many sessions in one archive, each with one of these faults, then one without; plain or over TLS. Returns the
 * comparison. */
export async function ledger(
  t,
  dir,
  { rounds, random, kinds = kindsHere(), say = () => {}, isTls = false }
) {
  const files = isTls ? certificate(dir) : undefined;
  const exchange = await numberedExchange(t, {
    symbols: TOPICS.map((topic) => topic.slice(6)),
    rate: 100,
    files,
  });
  const trial = new FaultTrial(t, dir, exchange, await delayProxy(t, exchange, 75), random);
  await trial.ended(await trial.recording(), "SIGTERM");
  const tried = {};
  for (let round = 0; round < rounds; round++) {
    const kind = kinds[round % kinds.length];
    await KINDS[kind](trial).catch((error) => {
      error.message = `round ${round + 1} (${kind}): ${error.message}\n${trial.recorders.at(-1).stderr}`;
      throw error;
    });
    tried[kind] = (tried[kind] ?? 0) + 1;
    if (random() < 0.1) await tapedeck(t, ["recover", "-a", trial.archive], DAY);
    say(`round ${round + 1} of ${rounds} (${kind})`);
  }
  await trial.ended(await trial.recording(), "SIGTERM");
  const { verdict } = await json(t, ["verify", "-a", trial.archive, "--json"], {
    status: null,
    ...DAY,
  });
  assert.equal(verdict, "sound");
  await checkCoverage(t, trial.archive, DAY);
  const sum = await announcedLost(trial);
  const holes = { made: 0, missing: 0, uncovered: 0, excess_ms: 0, rows: 0 };
  for (const feed of FEEDS) {
    const found = await compare(t, exchange, trial.archive, { feed });
    assert.equal(found.uncovered, 0, `${feed}: ${found.worst.join("\n")}`);
    assert.ok(found.excess_ms <= EXCESS_MS_MAX, `${feed}: ${found.worst.join("\n")}`);
    for (const key of ["made", "missing", "uncovered"]) holes[key] += found[key];
    holes.rows += found.rows.length;
    holes.excess_ms = Math.max(holes.excess_ms, Math.round(found.excess_ms));
  }
  const note =
    `true holes: ${holes.missing} frames in ${holes.rows} rows, ${holes.uncovered} uncovered, rows at most ${holes.excess_ms} ms beyond their holes; ` +
    Object.entries(tried)
      .map(([kind, n]) => `${kind} ${n}`)
      .join(", ");
  return {
    fault: `the ledger against the truth${isTls ? ", over TLS" : ""}`,
    tried: rounds,
    ...sum,
    note,
    holes,
  };
}
