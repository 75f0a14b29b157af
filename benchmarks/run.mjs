// Compares paths of tapedeck with their limits, in one run on one machine, interleaved, in several rounds. Only ratios within
// a round are meaningful, because machines are shared. Called by `make bench`; docs/performance.md explains the rows.
//
//   node benchmarks/run.mjs BUILD_DIR OUT_DIR
//
// The corpus is recorded from the simulated exchange (seed 7), so every machine has the same kind of frames; input_sha is
// the hash of the frames. Output: a table, and OUT_DIR/results.jsonl, with one object per row:
//   {name, ours, limit, unit, ratio (ours / limit), better, target, runs, input_sha}
// BENCH_RUNS (default 5) repeats each measurement; BENCH_CORPUS_FRAMES (default 250,000) and BENCH_DAY_FRAMES (default 6 million)
// size the corpus and the day.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  appears,
  bench,
  bin,
  checkArgs,
  digest,
  exportArgs,
  FEEDS,
  fresh,
  libraryDecoder,
  limitArgs,
  makeCertificate,
  makeCorpus,
  messagesArgs,
  rawFrames,
  received,
  recordArgs,
  replayArgs,
  run,
  segmentBytes,
  serve,
  SYMBOLS,
  symbolsOf,
  tlsArgs,
  work,
} from "./corpus.mjs";
import { exportRows } from "./exports.mjs";
import { columnBits, makeHours } from "./hours.mjs";
import { measurePaths } from "./paths.mjs";

const outDir = process.argv[3];
const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const CORPUS_FRAMES = Number(process.env.BENCH_CORPUS_FRAMES ?? 250_000);
const MADE_HOURS = Number(process.env.BENCH_HOURS ?? 2);
/** How often the corpus is written, sent and received in one measurement: the cost of starting, and of touching memory for the
 *  first time, is then negligible, as in an hour of recording. */
const ROUNDS = 6;

/** Run a command. Returns its output, and its CPU time including start and end. */
function timed(command, args, statuses = [0]) {
  const script = 'TIMEFORMAT="%U %S"; time "$@" 2>/dev/null';
  const end = spawnSync("bash", ["-c", script, "bash", command, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (!statuses.includes(end.status))
    throw new Error(`${command} ${args.join(" ")}: status ${end.status}`);
  const [user, system] = end.stderr.trim().split("\n").at(-1).split(" ").map(Number);
  return { out: end.stdout, cpu_s: user + system };
}

/** Peak memory of a command with all its threads, in KiB, as the kernel counts it. */
function peakKib(command, args) {
  const script =
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); " +
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
  return Number(run("python3", ["-c", script, command, ...args]));
}

/** Number of times that a command opened a segment, and bytes that it read from segments. */
function segmentReads(command, args) {
  const out = path.join(work, "strace.out");
  run(
    "strace",
    ["-f", "-y", "-qq", "-e", "trace=openat,read,pread64", "-o", out, command, ...args],
    { statuses: [0, 1] }
  ); // 1: gaps between the sessions
  const reads = { opens: 0, bytes: 0, files: new Set() };
  for (const line of fs.readFileSync(out, "latin1").split("\n")) {
    if (!/\/capture\/.*\.mcap/.test(line)) continue; // not the journal
    const result = Number(/ = (-?\d+)/.exec(line)?.[1] ?? -1);
    if (result >= 0) reads.files.add(/[^/]+\.mcap/.exec(line)[0]);
    if (/ openat\(/.test(line)) reads.opens += result >= 0;
    else if (/ (?:read|pread64)\(\d+<[^>]*\.mcap>/.test(line)) reads.bytes += Math.max(result, 0);
  }
  return reads;
}

const parse = (text) => JSON.parse(text.trim().split("\n").at(-1));
const firstLine = (command, args) =>
  spawnSync(command, args, { encoding: "utf8" }).stdout?.split("\n")[0] ?? "?";
const say = (text) => process.stderr.write(text + "\n");

// ---- corpus ----------------------------------------------------------------------------------------------

/** Write the corpus to files of lines, for programs that read lines. */
function makeLines(corpus) {
  const bytes = rawFrames(corpus.archive, "inverse");
  const lines = bytes
    .toString("latin1")
    .split("\n")
    .filter((line) => line !== "");
  const file = path.join(work, "corpus.lines");
  fs.writeFileSync(file, bytes);
  return { lines: file, lineCount: lines.length, sha: digest(bytes) };
}

// ---- single measurements: frames per second by the clock, and CPU ns per frame ----------------------------

const measured = (m) => ({ perSecond: m.frames / m.wall_s, cpuNs: (m.cpu_s * 1e9) / m.frames });
const limitWrite = (c) =>
  measured(
    parse(
      run(bench("limits/limit_write"), [
        c.lines,
        path.join(work, "limit.out"),
        "--frames",
        String(c.lineCount * ROUNDS),
      ])
    )
  );
const oursWrite = (c) =>
  measured(
    parse(
      run(bench("bench_write"), [c.lines, fresh("write"), "--frames", String(c.lineCount * ROUNDS)])
    )
  );

const limitRead = (c) => measured(parse(run(bench("limits/limit_read"), c.segments)));
function oursReplay(c, threads) {
  const { out, cpu_s } = timed(
    bin("tapedeck-replay"),
    replayArgs(c.archive, threads),
    [0, 1] // 1: made hours of Binance begin without snapshots
  );
  const report = parse(out);
  if (report.continuity.violations !== 0 || report.undecoded !== 0)
    throw new Error("the corpus is not replayed cleanly");
  return measured({ frames: report.frames, wall_s: report.elapsed_s, cpu_s });
}

/** Measure a process from its start to its end. */
function processed(c, args) {
  const from = process.hrtime.bigint();
  const { cpu_s } = timed(bin("tapedeck-replay"), args);
  return measured({
    frames: c.frames,
    wall_s: Number(process.hrtime.bigint() - from) / 1e9,
    cpu_s,
  });
}
const oursCheck = (c, threads) => processed(c, checkArgs(c.archive, threads));
/** Users' decoders: the examples; also the one in Python without tapedeck, which reads the same bytes from a file. */
const SCRIPT = path.resolve("docs/examples/decoder.py");
const oursLibrary = (c, threads) =>
  processed(c, [...checkArgs(c.archive, threads), "--decoder", libraryDecoder()]);
const oursScript = (c, threads) =>
  processed(c, [...checkArgs(c.archive, threads), "--decoder-cmd", `python3 '${SCRIPT}'`]);
function scriptAlone(c) {
  const frames = path.join(work, "frames.in");
  if (c.asked === undefined) {
    c.asked = frames;
    run(bin("tapedeck-replay"), [
      ...checkArgs(c.archive, 1),
      "--decoder-cmd",
      `sh -c "tee '${frames}' | python3 '${SCRIPT}'"`,
    ]);
  }
  const from = process.hrtime.bigint();
  const { cpu_s } = timed("sh", ["-c", `python3 '${SCRIPT}' < '${frames}' > /dev/null`]);
  return measured({
    frames: c.frames,
    wall_s: Number(process.hrtime.bigint() - from) / 1e9,
    cpu_s,
  });
}
const wholeReplay = (c, threads) => processed(c, replayArgs(c.archive, threads));

/** Measured by a client, which prints what it counted between the end of its handshake and the close. */
const receivedBy = (client) => (c) =>
  received(c, c.lines, c.lineCount * ROUNDS, (url) => {
    const { out, cpu_s } = timed(bench(client), limitArgs(c, url));
    return measured({ ...parse(out), cpu_s });
  });
const limitReceive = receivedBy("limits/limit_receive");
const oursReceive = receivedBy("bench_receive");
/** Measured from before the recorder connects until its last chunk is synced. */
const unchecked = { frames: 0, most: 0 };
const oursRecord = (c) =>
  received(c, c.lines, c.lineCount * ROUNDS, (url) => {
    const { out, cpu_s } = timed(bin("tapedeck-record"), recordArgs(c, url, fresh("record")));
    const { recorded } = parse(out);
    if (recorded.dropped !== 0 || recorded.in !== c.lineCount * ROUNDS)
      throw new Error(`the recorder lost frames: ${JSON.stringify(recorded)}`);
    unchecked.frames = recorded.in;
    unchecked.most = Math.max(unchecked.most, recorded.unchecked);
    return measured({ frames: recorded.in, wall_s: recorded.elapsed_s, cpu_s });
  });

/** Measured by a server, which prints its time for sending to a client that only reads. */
const sentBy = (server) => async (c) => {
  const { port, rest } = await serve(bench(server), [
    c.lines,
    "--frames",
    String(c.lineCount * ROUNDS),
    ...tlsArgs(c),
  ]);
  run(bench("limits/drain"), [String(port), ...(c.cert === undefined ? [] : ["--tls"])]);
  return measured(parse(await rest));
};
const limitSend = sentBy("limits/limit_send");
const oursSend = sentBy("bench_send");

// ---- instructions: reproducible, independent of other load ------------------------------------

const hasStrace = spawnSync("strace", ["-V"]).status === 0;
const hasValgrind = spawnSync("valgrind", ["--version"]).status === 0;

/** The rows of benchmarks/instructions, beside their limits. */
async function instructionRows(c) {
  for (const { name, count, unit, least, target } of await measurePaths())
    if (least !== undefined)
      row(
        `${name}: instructions`,
        count,
        least,
        `instructions ${unit}`,
        "lower",
        target === undefined ? null : 1 / target,
        c.sha,
        1
      );
}

// ---- delays ------------------------------------------------------------------------------------------------

const PACE = 10_000,
  PACED_FRAMES = 30_000; // frames per second, and in total
const DELAY_US_MAX = 200;

/** Delay of each paced frame from its time to its stamp, in us, ascending. */
const stamped = (c, url) => {
  const archive = fresh("paced");
  run(bin("tapedeck-record"), recordArgs(c, url, archive));
  const frames = run(bin("tapedeck"), ["cat", "-a", archive, "--topic", "_unknown"]);
  return [...frames.matchAll(/"recv_ns":(\d+),"data":"{\\"sent\\":(\d+)/g)]
    .map(([, recv, sent]) => Number(BigInt(recv) - BigInt(sent)) / 1000)
    .sort((a, b) => a - b);
};
const paced = (c, client) => received(c, c.lines, PACED_FRAMES, client, ["--rate", String(PACE)]);
const delays = (c) => paced(c, (url) => stamped(c, url));
/** Delay that a tap adds, compared with a direct connection in the same process; at real-time priority if the kernel allows it. */
async function tapDelays(c) {
  const first = spawnSync("chrt", ["-f", "1", "true"]).status === 0 ? ["chrt", "-f", "1"] : [];
  const start = (command, args, stdio) => {
    const [name, ...rest] = [...first, command, ...args];
    return spawn(name, rest, { stdio });
  };
  const file = path.join(work, "tap.json");
  const client = start(
    bench("bench_delay"),
    [c.lines, "--cert", c.cert, "--key", c.key],
    ["pipe", "pipe", "inherit"]
  );
  let printed = "";
  client.stdout.on("data", (text) => (printed += text));
  const ended = new Promise((resolve) => client.stdout.once("end", resolve));
  await new Promise((resolve) => client.stdout.once("data", resolve));
  const tap = start(
    bin("tapedeck-record"),
    [
      "tap",
      "-q",
      "-a",
      fresh("tapped"),
      "--upstream",
      `wss://127.0.0.1:${printed.trim()}`,
      "--ca-file",
      c.cert,
      "--ready-file",
      file,
    ],
    "ignore"
  );
  try {
    const { url, ca_file } = await appears(file);
    client.stdin.end(`${url}/realtime\n${ca_file}\n`);
    await ended;
  } finally {
    tap.kill("SIGKILL");
    fs.rmSync(file, { force: true });
  }
  return {
    ...parse(printed),
    how: first.length > 0 ? "before other programs" : "beside other programs",
  };
}

/** Uses the round with the least p99: other load can only add to it. */
async function delayRows(c) {
  const rounds = [];
  for (let i = 0; i < RUNS; i++) rounds.push(await delays(c));
  const at = (round, part) => round[Math.floor(round.length * part)];
  rounds.sort((a, b) => at(a, 0.99) - at(b, 0.99));
  if (rounds[0].length !== PACED_FRAMES)
    throw new Error(`${rounds[0].length} paced frames were recorded`);
  const name = (part) =>
    `record ${number(PACE)} single frames/s: ${part} from sent to stamped (limit: ${DELAY_US_MAX} us)`;
  row(name("p50"), at(rounds[0], 0.5), DELAY_US_MAX, "us", "lower", null, c.sha);
  row(name("p99"), at(rounds[0], 0.99), DELAY_US_MAX, "us", "lower", 1, c.sha);
  say(
    `p99 from sent to stamped: rounds ${rounds.map((round) => Math.round(at(round, 0.99))).join(" ")} us`
  );
  const tapped = await tapDelays(c);
  for (const [part, most] of [
    [50, 50],
    [99, 250],
  ])
    row(
      `tap ${number(PACE)} single frames/s: p${part} of the added delay (limit: ${most} us)`,
      Math.max(0, tapped[`p${part}_us`]),
      most,
      "us",
      "lower",
      1,
      c.sha
    );
  say(
    `tap: ${tapped.how}, ${tapped.rounds} rounds; p99 of the direct connection ${tapped.direct_p99_us} us`
  );
}

// ---- packed segments -----------------------------------------------------------------------------------------

/** Pack a copy of a corpus: its bytes, the cost of packing, and its replay beside that of the recorded one. */
async function packRows(title, tape, most = 0.35) {
  const archive = path.join(work, `packed-${title}`);
  fs.cpSync(tape.archive, archive, { recursive: true });
  const { cpu_s } = timed(bin("tapedeck"), ["pack", "-q", "-a", archive, "--older", "0s"]);
  const recorded = segmentBytes(tape.archive);
  row(
    `pack ${title}: bytes of segments (limit: as recorded)`,
    segmentBytes(archive),
    recorded,
    "bytes",
    "lower",
    most,
    tape.sha,
    1
  );
  row(
    `pack ${title}: CPU, comparison included (limit: replay -j 1)`,
    Math.round((cpu_s * 1e9) / tape.frames),
    oursReplay(tape, 1).cpuNs,
    "ns/frame",
    "lower",
    null,
    tape.sha,
    1
  );
  await beside(
    `replay ${title} packed -j 1 (limit: as recorded)`,
    () => oursReplay({ ...tape, archive }, 1),
    () => oursReplay(tape, 1),
    0.9,
    tape.sha
  );
}

/** Hours of made recordings, with sizes and delays of real captures (hours.mjs). */
async function hoursRows() {
  const captures = process.env.TAPEDECK_CAPTURES;
  if (captures === undefined || !fs.existsSync(captures)) {
    say("no captures: no rows of hours");
    return;
  }
  for (const [family, most] of Object.entries({
    "v5-linear": 0.35,
    inverse: 0.35,
    "binance-usdm": 0.42,
  })) {
    const made = await makeHours(family, MADE_HOURS, captures);
    const { out } = timed(bin("tapedeck-replay"), replayArgs(made.archive, 1), [0, 1]);
    made.sha = parse(out).digest.frames;
    const bits = await columnBits(family, made.real, Infinity);
    const madeBits = await columnBits(family, made.archive, bits.level_count.values);
    for (const [column, of] of Object.entries(bits))
      console.log(
        `hours of ${family}: ${column}: real ${of.bits.toFixed(2)} bits a value (${of.values} values), made ${madeBits[column].bits.toFixed(2)} (${madeBits[column].values})`
      );
    await packRows(`${family}, ${MADE_HOURS} h`, made, most);
    fs.rmSync(made.archive, { recursive: true });
  }
}

// ---- memory, and bytes read for a small selection -----------------------------------------------------------

function memoryRows(c) {
  const replay = (threads) => peakKib(bin("tapedeck-replay"), replayArgs(c.archive, threads));
  const messages = (threads) => peakKib(bin("tapedeck-replay"), messagesArgs(c.archive, threads));
  const single = replay(1);
  row(
    "replay -j 1: peak memory",
    single,
    peakKib(bench("limits/limit_read"), c.segments),
    "KiB",
    "lower",
    null,
    c.sha,
    1
  );
  row(
    "replay -j 16: peak memory (limit: our -j 1)",
    replay(16),
    single,
    "KiB",
    "lower",
    null,
    c.sha,
    1
  );
  row(
    "replay --messages -j 16: peak memory (limit: our -j 1)",
    messages(16),
    messages(1),
    "KiB",
    "lower",
    null,
    c.sha,
    1
  );
  row(
    "regress check -j 1: peak memory (limit: replay -j 1)",
    peakKib(bin("tapedeck-replay"), checkArgs(c.archive, 1)),
    single,
    "KiB",
    "lower",
    null,
    c.sha,
    1
  );
  for (const format of ["jsonl", "tardis-csv"]) {
    row(
      `export ${format}: peak memory (limit: replay -j 1)`,
      peakKib(bin("tapedeck-replay"), exportArgs(c.archive, format)),
      single,
      "KiB",
      "lower",
      null,
      c.sha,
      1
    );
  }
}

// ---- many clients of serve ------------------------------------------------------------------------------------

const CROWD = 500,
  JOINERS = 200,
  CROWD_S = 5,
  DELAY_MS_MAX = 50,
  CLIENT_KIB_MAX = 512;
const CROWD_ASKS = JSON.stringify({
  op: "subscribe",
  args: ["orderbook.50", "publicTrade"].flatMap((topic) =>
    symbolsOf("v5-linear").map((symbol) => `${topic}.${symbol}`)
  ),
});

/** A process's CPU time so far in s, and its memory in KiB. */
const cpuOf = (pid) =>
  fs
    .readFileSync(`/proc/${pid}/stat`, "latin1")
    .split(") ")[1]
    .split(" ")
    .slice(11, 13)
    .reduce((a, b) => a + Number(b), 0) / 100;
const memoryOf = (pid) =>
  Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))[1]);

/** Run clients of a server for some seconds. Returns what they counted, and the server's CPU and peak memory. */
async function crowd(server, port, clients, join = "0") {
  const before = cpuOf(server.pid);
  const out = spawn(
    bench("limits/crowd"),
    [
      String(port),
      FEEDS["v5-linear"].path,
      CROWD_ASKS,
      String(clients),
      String(CROWD_S),
      join,
      path.join(work, "crowd.times"),
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  );
  let text = "",
    memory = 0;
  out.stdout.on("data", (bytes) => (text += bytes));
  const timer = setInterval(() => (memory = Math.max(memory, memoryOf(server.pid))), 100);
  const status = await new Promise((resolve) => out.on("close", resolve));
  clearInterval(timer);
  if (status !== 0) throw new Error(`crowd: status ${status}`);
  return { ...JSON.parse(text), cpu: cpuOf(server.pid) - before, memory };
}
async function ofServe(archive, clients, join, options = []) {
  const readyFile = path.join(work, "crowd.json");
  const server = spawn(
    bin("tapedeck-replay"),
    ["serve", archive, "--plain", "--ready-file", readyFile, "--max-clients", "4096", ...options],
    { stdio: "ignore" }
  );
  try {
    const { url } = await appears(readyFile);
    return await crowd(server, new URL(url).port, clients, join);
  } finally {
    server.kill("SIGKILL");
    fs.rmSync(readyFile);
  }
}
async function ofLimit(clients) {
  const server = spawn(
    bench("limits/limit_crowd"),
    [path.join(work, "crowd.lines"), path.join(work, "crowd.times")],
    { stdio: ["ignore", "pipe", "inherit"] }
  );
  const port = Number(await new Promise((resolve) => server.stdout.once("data", resolve)));
  const found = await crowd(server, port, clients);
  server.kill("SIGKILL");
  return found;
}

/** Clients of a tape with 200 frames per second, at its own speed. */
async function crowdRows() {
  const { archive } = await makeCorpus("crowd", 300 * CROWD_S, "v5-linear", 200);
  const lines = rawFrames(archive, "v5-linear");
  fs.writeFileSync(path.join(work, "crowd.lines"), lines);
  const stamps = run(bin("tapedeck"), [
    "cat",
    "-a",
    archive,
    "--dir",
    "in",
    "--topic",
    "orderbook.50",
    "--topic",
    "publicTrade",
  ]);
  fs.writeFileSync(
    path.join(work, "crowd.times"),
    [...stamps.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => ns + "\n").join("")
  );
  const sha = digest(lines);
  const rounds = [];
  for (let i = 0; i < Math.min(RUNS, 3); i++) {
    const limit = await ofLimit(CROWD),
      ours = await ofServe(archive, CROWD);
    rounds.push({ limit: limit.cpu, ours: ours.cpu, memory: ours.memory });
  }
  rounds.sort((a, b) => a.ours / a.limit - b.ours / b.limit);
  const middle = rounds[(rounds.length - 1) >> 1];
  row(
    `serve to ${CROWD} clients: CPU`,
    (middle.ours / CROWD_S) * 100,
    (middle.limit / CROWD_S) * 100,
    "% of a core",
    "lower",
    2,
    sha,
    rounds.length
  );
  const joined = [];
  for (let i = 0; i < 3; i++)
    joined.push((await ofServe(archive, JOINERS + 1, "2000")).delay_us / 1000);
  row(
    `serve: ${JOINERS} join at once: delay of one client (limit: ${DELAY_MS_MAX} ms)`,
    Math.min(...joined),
    DELAY_MS_MAX,
    "ms",
    "lower",
    1,
    sha,
    3
  );
  const one = (await ofServe(archive, 1)).memory;
  const memory = (many) => Math.round((many.memory - one) / (many.clients - 1));
  row(
    `serve: memory of one of ${CROWD} clients (limit: ${CLIENT_KIB_MAX} KiB)`,
    memory({ clients: CROWD, memory: middle.memory }),
    CLIENT_KIB_MAX,
    "KiB",
    "lower",
    1,
    sha,
    1
  );
  row(
    `serve: memory of a client with a tape of its own (limit: ${CLIENT_KIB_MAX} KiB)`,
    memory({ clients: 50, ...(await ofServe(archive, 50, "/60")) }),
    CLIENT_KIB_MAX,
    "KiB",
    "lower",
    1,
    sha,
    1
  );
}

const SPREAD_SEGMENTS = 20;

/** Twenty segments of three symbols, and a fourth symbol in one segment: files opened and bytes read to select that symbol. */
async function selectionRows(sha) {
  const symbols = symbolsOf("v5-linear"),
    archive = path.join(work, "spread"),
    readyFile = path.join(work, "spread.json");
  const sim = spawn(
    bin("tapedeck-sim"),
    [
      "sim",
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      readyFile,
      "--families",
      "v5-linear",
      "--symbols",
      String(SYMBOLS),
      "--rate",
      "5000",
      "--seed",
      "7",
    ],
    { stdio: "ignore" }
  );
  try {
    const { url, ca_file } = await appears(readyFile);
    for (let i = 0; i < SPREAD_SEGMENTS; i++) {
      const of = i === SPREAD_SEGMENTS >> 1 ? symbols.slice(0, 4) : symbols.slice(0, 3);
      run(bin("tapedeck-record"), [
        "record",
        "-q",
        "-a",
        archive,
        url + FEEDS["v5-linear"].path,
        "--family",
        "v5-linear",
        "--ca-file",
        ca_file,
        ...FEEDS["v5-linear"].topics.flatMap((topic) => ["--topic", topic]),
        ...of.flatMap((symbol) => ["--symbol", symbol]),
        "--max-frames",
        "1000",
      ]);
    }
  } finally {
    sim.kill("SIGTERM");
  }
  const segments = fs
    .readdirSync(archive, { recursive: true })
    .filter((f) => f.endsWith(".mcap"))
    .map((f) => fs.statSync(path.join(archive, f)).size);
  const { opens, bytes } = segmentReads(bin("tapedeck-replay"), [
    ...replayArgs(archive, 1),
    "--symbol",
    symbols[3],
  ]);
  row(
    `a symbol of 1 in ${segments.length} segments: opens`,
    opens,
    1,
    "opens",
    "lower",
    null,
    sha,
    1
  );
  row(
    `a symbol of 1 in ${segments.length} segments: bytes read`,
    bytes,
    Math.max(...segments),
    "bytes",
    "lower",
    null,
    sha,
    1
  );
}

const DAY_FRAMES = Number(process.env.BENCH_DAY_FRAMES ?? 6_000_000),
  DAY_SYMBOLS = 100,
  SEEK_MS_MAX = 25;

/** Ten seconds of one symbol of a day: just after the begin of a segment, which has a checkpoint, and as far from one as possible. */
async function dayRows() {
  const archive = path.join(work, "day");
  const day = JSON.parse(
    run(bench("bench_day"), [
      archive,
      "--frames",
      String(DAY_FRAMES),
      "--symbols",
      String(DAY_SYMBOLS),
    ])
  );
  const bytes = fs
    .readdirSync(archive, { recursive: true })
    .filter((f) => f.endsWith(".mcap"))
    .reduce((sum, f) => sum + fs.statSync(path.join(archive, f)).size, 0);
  console.log(
    `day of v5-linear: ${number(day.frames)} frames of ${DAY_SYMBOLS} symbols, books of 50 levels, trades, tickers and candles, ${number(bytes)} bytes`
  );
  for (const [name, minutes, isTarget] of [
    ["at noon", 12 * 60, true],
    ["59 minutes later", 12 * 60 + 59, false],
  ]) {
    const at = new Date(day.from_ns / 1e6 + minutes * 60e3).toISOString();
    const part = ["--symbol", day.symbol, "--from", at, "--to", "+10s"];
    const args = [...replayArgs(archive, 1), ...part];
    const { files, bytes: read } = segmentReads(bin("tapedeck-replay"), args);
    const { bytes: needed } = segmentReads(bin("tapedeck"), ["cat", archive, ...part]);
    const times = Array.from({ length: 3 * RUNS }, () => {
      const from = process.hrtime.bigint();
      spawnSync(bin("tapedeck-replay"), args);
      return Number(process.hrtime.bigint() - from) / 1e6;
    });
    const title = `10 s of 1 symbol of ${DAY_SYMBOLS}, ${name}`;
    row(
      `${title}: segments opened`,
      files.size,
      1,
      "segments",
      "lower",
      isTarget ? 1 : null,
      "",
      1
    );
    row(
      `${title}: bytes read (limit: its chunks)`,
      read,
      needed,
      "bytes",
      "lower",
      isTarget ? 2 : null,
      "",
      1
    );
    row(
      `${title}: time (limit: ${SEEK_MS_MAX} ms)`,
      Math.min(...times),
      SEEK_MS_MAX,
      "ms",
      "lower",
      isTarget ? 1 : null,
      "",
      times.length
    );
  }
  await dayClientRows(archive, day);
}

/** Memory of one more client of serve with its own tape, in the middle of the day: if all clients share a chunk, and if each is a
 *  hundred seconds behind the one before and needs its own chunk. */
async function dayClientRows(archive, day) {
  const clients = 10,
    from = ["--from", new Date(day.from_ns / 1e6 + 12.5 * 3600e3).toISOString()];
  for (const [name, join, speed, target] of [
    ["in one chunk", "/100", "1", 1],
    ["each in its own chunk", "/500", "200", null],
  ]) {
    const of = async (n) => (await ofServe(archive, n, join, [...from, "--speed", speed])).memory;
    const one = await of(1);
    row(
      `serve a day of ${DAY_SYMBOLS} symbols: memory of a client, ${name} (limit: ${CLIENT_KIB_MAX} KiB)`,
      Math.round(((await of(clients)) - one) / (clients - 1)),
      CLIENT_KIB_MAX,
      "KiB",
      "lower",
      target,
      "",
      1
    );
  }
}

const HOURS = [100, 1_000, 10_000],
  HOUR_SYMBOLS = 5;

/** Number of files that a command opened in the archive, and bytes that it read from them, including catalog and journal. */
function archiveReads(command, args, archive) {
  const out = path.join(work, "strace.out");
  run(
    "strace",
    ["-f", "-y", "-qq", "-e", "trace=openat,read,pread64", "-o", out, command, ...args],
    { statuses: [0, 1] }
  );
  const reads = { opens: 0, bytes: 0 };
  for (const line of fs.readFileSync(out, "latin1").split("\n")) {
    const result = Number(/ = (-?\d+)/.exec(line)?.[1] ?? -1);
    if (!line.includes(archive) || line.includes("O_DIRECTORY") || result < 0) continue;
    if (/ openat\(/.test(line)) reads.opens++;
    else reads.bytes += result;
  }
  return reads;
}

/** Cost of a command in archives of more and more segments; the limit is the cost in the smallest. The recording of one frame is
 *  last, because it changes the archive. */
async function archiveRows() {
  const readyFile = path.join(work, "hours.json");
  const sim = spawn(
    bin("tapedeck-sim"),
    [
      "sim",
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      readyFile,
      "--families",
      "v5-linear",
      "--symbols",
      "1",
      "--rate",
      "5000",
    ],
    { stdio: "ignore" }
  );
  process.on("exit", () => sim.kill("SIGTERM"));
  const { url, ca_file } = await appears(readyFile);
  const tables = HOURS.map((segments) => {
    const archive = path.join(work, `hours-${segments}`);
    const made = JSON.parse(
      run(bench("bench_archive"), [
        archive,
        "--segments",
        String(segments),
        "--symbols",
        String(HOUR_SYMBOLS),
      ])
    );
    const part = [
      "--symbol",
      made.symbol,
      "--from",
      new Date(made.from_ns / 1e6 + (Math.floor(segments / 48) * 24 + 1) * 3600e3).toISOString(),
      "--to",
      "+10s",
    ];
    const verbs = {
      "cat 10 s": [bin("tapedeck"), ["cat", archive, ...part]],
      "replay 10 s": [bin("tapedeck-replay"), [...replayArgs(archive, 1), ...part]],
      "export 10 s": [
        bin("tapedeck-replay"),
        [...exportArgs(archive, "jsonl"), ...part, "--force"],
      ],
      "gaps 10 s": [bin("tapedeck"), ["gaps", archive, ...part]],
      info: [bin("tapedeck"), ["info", archive]],
      gaps: [bin("tapedeck"), ["gaps", archive]],
      days: [bin("tapedeck"), ["days", archive]],
      "record 1 frame": [
        bin("tapedeck-record"),
        [
          "record",
          "-q",
          "-a",
          archive,
          url + FEEDS["v5-linear"].path,
          "--family",
          "v5-linear",
          "--ca-file",
          ca_file,
          "--topic",
          "publicTrade",
          "--symbol",
          "BTCUSDT",
          "--max-frames",
          "1",
        ],
      ],
    };
    return Object.entries(verbs).map(([name, [command, args]]) => {
      const times = Array.from({ length: 3 }, () => {
        const from = process.hrtime.bigint();
        spawnSync(command, args);
        return Number(process.hrtime.bigint() - from) / 1e6;
      });
      return { name, segments, ms: Math.min(...times), ...archiveReads(command, args, archive) };
    });
  });
  sim.kill("SIGTERM");
  for (const table of tables)
    for (const [i, { name, segments, ms, opens, bytes }] of table.entries()) {
      const least = tables[0][i],
        title = `${name} of ${number(segments)} segments (limit: of ${HOURS[0]})`;
      const target =
        / 10 s| 1 frame/.test(name) && !name.startsWith("gaps") && segments > HOURS[0] ? 2 : null;
      row(`${title}: time`, ms, least.ms, "ms", "lower", target, "", 3);
      row(`${title}: files opened`, opens, least.opens, "opens", "lower", null, "", 1);
      row(`${title}: bytes read`, bytes, least.bytes, "bytes", "lower", null, "", 1);
    }
}

// ---- the run -----------------------------------------------------------------------------------------------

const rows = [];
function row(name, ours, limit, unit, better, target, sha, runs = RUNS) {
  rows.push({
    name,
    ours,
    limit,
    unit,
    ratio: Number((ours / limit).toFixed(3)),
    better,
    target,
    runs,
    input_sha: sha,
  });
}

/** Run both sides in turn, RUNS times. Frames per second are from the round with the median ratio, whose sides had the same
 *  other load. CPU is the best of each side, because other load can only add to it. */
async function beside(name, ours, limit, target, sha, cpuTarget = null) {
  const rounds = [];
  for (let i = 0; i < RUNS; i++) {
    const theirs = await limit(),
      mine = await ours();
    rounds.push({ mine, theirs, ratio: mine.perSecond / theirs.perSecond });
  }
  rounds.sort((a, b) => a.ratio - b.ratio);
  const middle = rounds[(RUNS - 1) >> 1];
  const leastCpu = (side) => Math.round(Math.min(...rounds.map((round) => round[side].cpuNs)));
  row(
    name,
    Math.round(middle.mine.perSecond),
    Math.round(middle.theirs.perSecond),
    "frames/s",
    "higher",
    target,
    sha
  );
  row(`${name}: CPU`, leastCpu("mine"), leastCpu("theirs"), "ns/frame", "lower", cpuTarget, sha);
  say(`${name}: ratios of the rounds ${rounds.map((round) => round.ratio.toFixed(2)).join(" ")}`);
}

const number = (n) => Math.round(n).toLocaleString("en");
function verdict(r) {
  if (r.target === null) return "";
  const isReached = r.better === "higher" ? r.ratio >= r.target : r.ratio <= r.target;
  return `${r.better === "higher" ? "≥" : "≤"} ${r.target} ${isReached ? "reached" : "MISSED"}`;
}
function printTable() {
  const width = Math.max(...rows.map((r) => r.name.length));
  const line = (...cells) =>
    console.log(
      `${cells[0].padEnd(width)}  ${cells[1].padStart(10)}  ${cells[2].padStart(10)}  ` +
        `${cells[3].padStart(5)}  ${cells[4].padEnd(18)}  ${cells[5].padEnd(6)}  ${cells[6]}`.trimEnd()
    );
  line("", "ours", "limit", "ratio", "unit", "better", "target");
  for (const r of rows)
    line(r.name, number(r.ours), number(r.limit), r.ratio.toFixed(2), r.unit, r.better, verdict(r));
}

const c = { ...(await makeCorpus("corpus", CORPUS_FRAMES)), ...makeCertificate() };
Object.assign(c, makeLines(c));
const v5 = await makeCorpus("corpus-v5", CORPUS_FRAMES, "v5-linear");
v5.sha = digest(rawFrames(v5.archive, "v5-linear"));
console.log(
  `${new Date().toISOString().slice(0, 16)}Z  ${os.cpus()[0].model.trim()}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}; ` +
    `Linux ${os.release()}; ${firstLine("gcc", ["--version"])}`
);
console.log(
  `corpus: ${number(c.lineCount)} data frames of ten symbols from the simulated exchange, seed 7, sha256 ${c.sha.slice(0, 16)}…; ` +
    `${RUNS} rounds`
);
console.log(
  `corpus of v5-linear: ${number(v5.frames)} frames of ten symbols, books of 50 levels and trades, sha256 ${v5.sha.slice(0, 16)}…`
);
await beside(
  "write to disk, one core",
  () => oursWrite(c),
  () => limitWrite(c),
  null,
  c.sha
);
await beside(
  "replay --speed max -j 1",
  () => oursReplay(c, 1),
  () => limitRead(c),
  0.6,
  c.sha
);
await beside(
  "replay -j 2 (limit: our -j 1)",
  () => oursReplay(c, 2),
  () => oursReplay(c, 1),
  null,
  c.sha
);
await beside(
  "replay v5 --speed max -j 1",
  () => oursReplay(v5, 1),
  () => limitRead(v5),
  0.6,
  v5.sha
);
await packRows("inverse", c);
await packRows("v5", v5);
await hoursRows();
await beside(
  "regress check -j 1 (limit: replay -j 1)",
  () => oursCheck(c, 1),
  () => wholeReplay(c, 1),
  0.9,
  c.sha
);
await beside(
  "regress check -j 2 (limit: replay -j 2)",
  () => oursCheck(c, 2),
  () => wholeReplay(c, 2),
  0.9,
  c.sha
);
await beside(
  "regress check v5 -j 1 (limit: replay v5 -j 1)",
  () => oursCheck(v5, 1),
  () => wholeReplay(v5, 1),
  0.9,
  v5.sha
);
await beside(
  "regress check v5 --decoder .so -j 1 (limit: built-in)",
  () => oursLibrary(v5, 1),
  () => oursCheck(v5, 1),
  null,
  v5.sha
);
await beside(
  "regress check v5 --decoder-cmd python3 -j 1 (limit: the script from a file)",
  () => oursScript(v5, 1),
  () => scriptAlone(v5),
  null,
  v5.sha
);
await exportRows(v5, row);
const plain = { ...c, cert: undefined };
await beside(
  "record over TLS to disk",
  () => oursRecord(c),
  () => limitReceive(c),
  1.5,
  c.sha,
  1.05
);
await beside(
  "record without TLS to disk",
  () => oursRecord(plain),
  () => limitReceive(plain),
  1.6,
  c.sha
);
row(
  "record: frames that the live check skipped (limit: all)",
  unchecked.most,
  unchecked.frames,
  "frames",
  "lower",
  0,
  c.sha,
  2 * RUNS
);
await delayRows(c);
await beside(
  "socket to ring, TLS",
  () => oursReceive(c),
  () => limitReceive(c),
  4,
  c.sha
);
await beside(
  "socket to ring, plain",
  () => oursReceive(plain),
  () => limitReceive(plain),
  null,
  c.sha
);
await beside(
  "server to one client, TLS",
  () => oursSend(c),
  () => limitSend(c),
  1.5,
  c.sha
);
await beside(
  "server to one client, plain",
  () => oursSend(plain),
  () => limitSend(plain),
  1.5,
  c.sha
);
memoryRows(c);
await crowdRows();
if (hasStrace) {
  await selectionRows(v5.sha);
  await dayRows();
  await archiveRows();
} else say("no strace: no rows of opens");
if (hasValgrind) await instructionRows(c);
else say("no valgrind: no rows of instructions");

fs.mkdirSync(outDir, { recursive: true });
fs.writeFileSync(
  path.join(outDir, "results.jsonl"),
  rows.map((r) => JSON.stringify(r) + "\n").join("")
);
printTable();
console.log(`results: ${path.join(outDir, "results.jsonl")}`);
