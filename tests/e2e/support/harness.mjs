// Shared by all end-to-end tests: runs the real programs, waits for conditions (never for a time), makes temporary folders,
// finds captures. The programs are in $TAPEDECK_BIN.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import zlib from "node:zlib";

export const BIN = process.env.TAPEDECK_BIN ?? "build/bin";

/** The path of a program of tests/wrapped/: a program of the product with one function replaced. */
export const wrapped = (name) =>
  path.resolve(process.env.TAPEDECK_WRAPPED ?? path.join(BIN, "../tests/wrapped"), name);
// The folder of captures, which the Makefile sets. Without recorded captures make simulates some (tests/simulate-captures).
export const CAPTURES = process.env.TAPEDECK_CAPTURES ?? "";
const DEADLINE_MS = 270_000; // time after which a program counts as hanging: with two suites on two processors they take less

// The same text is in tests/testing/capture.c.
const UNRECORDED =
  "needs captures recorded from the exchange (TAPEDECK_CAPTURES names their folder)";

/** Reason to skip a test that needs this capture, recorded or simulated, or false. */
export const withoutCapture = (name) =>
  fs.existsSync(path.join(CAPTURES, name)) ? false : UNRECORDED;

/** True if the captures were recorded from the exchange, so that figures that were counted in them hold. */
export const isRecorded = CAPTURES !== "" && !fs.existsSync(path.join(CAPTURES, "simulated"));

/** Reason to skip a test that waits for long, or repeats a short test at length; false for `make check`. The same text is in
 *  tests/testing/long_test.h. */
export const tooLong = process.env.TAPEDECK_LONG ? false : "takes long: make check runs it";

/** Reason to skip a test that needs this capture as recorded, or false. */
export const withoutRecorded = (name) => (isRecorded ? withoutCapture(name) : UNRECORDED);

export function capture(name) {
  return path.join(CAPTURES, name);
}

/** A folder that is removed when the test ends. */
export function temporary(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
  t.after(() => {
    try {
      fs.rmSync(dir, { recursive: true, force: true });
    } catch {
      spawnSync("chmod", ["-R", "u+rwX", dir]); // a test removed permissions
      fs.rmSync(dir, { recursive: true, force: true });
    }
  });
  return dir;
}

// Programs keep what they made of archives below this folder, not in the user's.
const CACHE = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
process.on("exit", () => fs.rmSync(CACHE, { recursive: true, force: true }));

/** Stands for a test where all tests of a file share something: it ends after the last of them. Call it outside of tests, with
 * after() of node:test: within a test, after() means the end of that test. */
export function wholeFile(after) {
  const ends = [];
  after(() => ends.reverse().forEach((end) => end()));
  return { after: (end) => ends.push(end) };
}

/** A running program. Its output is collected; lines of stdout can be awaited. */
export class Program {
  constructor(t, name, args, options = {}) {
    this.name = name;
    this.args = args;
    this.stdout = "";
    this.stderr = "";
    this.lines = [];
    this.waiting = [];
    // An absolute name is a path, another one is a program in BIN; options.under is a command that runs the program.
    const command = path.isAbsolute(name) ? name : path.join(BIN, name);
    const [first, ...rest] = [...(options.under ?? []), command, ...args];
    // options.out and options.err: a descriptor that the test reads, instead of a pipe that is read here.
    // options.stdin: its text, or true for a pipe that stays open.
    this.child = spawn(first, rest, {
      stdio: [
        options.stdin === undefined ? "ignore" : "pipe",
        options.out ?? "pipe",
        options.err ?? "pipe",
      ],
      env: { ...process.env, XDG_CACHE_HOME: CACHE, ...(options.env ?? {}) },
    });
    this.child.stdin?.on("error", () => {}); // a program may end without reading all of it
    if (options.stdin !== undefined && options.stdin !== true) this.child.stdin.end(options.stdin);
    this.stderrWaits = [];
    this.child.stderr?.on("data", (d) => {
      this.stderr += d;
      this.stderrWaits = this.stderrWaits.filter((check) => !check());
    });
    const lines = this.child.stdout && readline.createInterface({ input: this.child.stdout });
    lines?.on("line", (line) => {
      this.stdout += line + "\n";
      this.lines.push(line);
      this.waiting = this.waiting.filter((check) => !check(line));
    });
    this.closed = once(this.child, "close");
    this.ended = this.closed.then(([code, signal]) => ({
      code,
      signal,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
    this.timer = setTimeout(() => this.child.kill("SIGKILL"), options.deadlineMs ?? DEADLINE_MS);
    this.closed.then(() => clearTimeout(this.timer));
    t?.after(() => this.child.kill("SIGKILL"));
  }

  /** The first line of stdout, from now on, for which test(line) is true. */
  line(test) {
    return new Promise((resolve, reject) => {
      this.waiting.push((line) => {
        if (!test(line)) return false;
        resolve(line);
        return true;
      });
      this.ended.then((end) =>
        reject(new Error(`${this.name} ended (${end.code}) before the awaited line\n${end.stderr}`))
      );
    });
  }

  /** Wait until stderr, from the start, matches. */
  prints(pattern) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!pattern.test(this.stderr)) return false;
        resolve(pattern.exec(this.stderr));
        return true;
      };
      if (check()) return;
      this.stderrWaits.push(check);
      this.ended.then(
        (end) =>
          check() ||
          reject(
            new Error(
              `${this.name} ended (${end.code ?? end.signal}) before it printed ${pattern}\n${end.stderr}`
            )
          )
      );
    });
  }

  /** Wait for something that happens while the program runs; it fails if the program ends before. */
  until(promise) {
    const over = this.ended.then((end) => {
      throw new Error(`${this.name} ended (${end.code ?? end.signal}) too early\n${end.stderr}`);
    });
    over.catch(() => {}); // the program may end long after the promise
    return Promise.race([promise, over]);
  }

  kill(signal) {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Run to the end. Throws unless the exit status is the expected one. */
export async function run(t, name, args, { status = 0, ...options } = {}) {
  const end = await new Program(t, name, args, options).ended;
  if (status !== null && end.code !== status)
    throw new Error(
      `${name} ${args.join(" ")}: status ${end.code ?? end.signal}, expected ${status}\n${end.stdout.slice(-2000)}\n${end.stderr}`
    );
  return end;
}

export const tapedeck = (t, args, options) => run(t, "tapedeck", args, options);

/** The name of a day's manifest. */
export const manifestName = (date) => `MANIFEST.${date}.json`;
export const isManifest = (name) => /^MANIFEST\.\d{4}-\d\d-\d\d\.json$/.test(name);

/** The manifests of an export's days, by date. */
export const manifestsOf = (dir) =>
  fs
    .readdirSync(dir)
    .filter(isManifest)
    .sort()
    .map((name) => JSON.parse(fs.readFileSync(path.join(dir, name), "utf8")));

/** The manifests of all days as one; totals are sums. */
export function manifestOf(dir) {
  const days = manifestsOf(dir);
  // A gap or a segment of two days is in both manifests.
  const all = (key) =>
    [...new Set(days.flatMap((day) => day[key]).map((row) => JSON.stringify(row)))].map((row) =>
      JSON.parse(row)
    );
  const totals = Object.fromEntries(
    Object.keys(days[0].totals).map((key) => [
      key,
      days.reduce((sum, day) => sum + day.totals[key], 0),
    ])
  );
  return {
    request: days[0].request,
    days,
    totals,
    files: all("files"),
    segments: all("segments"),
    gaps: [...all("gaps"), ...all("found_gaps")],
    left_out_symbols: all("left_out_symbols"),
    left_out_topics: all("left_out_topics"),
    digest: days[0].digest,
  };
}

/** Check that every time without a connection lies within a row of the ledger (tests/coverage/compare.c). */
export async function checkCoverage(t, archive, options) {
  await run(t, path.resolve(fs.realpathSync(BIN), "../tests/coverage/compare"), [archive], options);
}

/** Compare a recording with a simulated exchange's truth file (tests/truth/compare.c); returns the report. */
export async function compareTruth(
  t,
  archive,
  truth,
  { compare = path.resolve(fs.realpathSync(BIN), "../tests/truth/compare"), ...options } = {}
) {
  return JSON.parse((await run(t, compare, ["--json", archive, truth], options)).stdout);
}

/** The verbs that a help lists, each with its summary; empty for a help of options. */
function listedVerbs(help) {
  const list = /^Verbs\n((?:  \S.*\n)+)/m.exec(help)?.[1] ?? "";
  return new Map(
    [...list.matchAll(/^  (\S+) +(.*)$/gm)].map(([, name, summary]) => [name, summary])
  );
}

const helps = new Map();

/** The help of a command; without words, of the program. Each runs once in a test file. */
export function helpOf(...words) {
  const key = words.join(" ");
  if (!helps.has(key))
    helps.set(
      key,
      tapedeck(null, [...words, "--help"]).then(({ stdout }) => stdout)
    );
  return helps.get(key);
}

/** The verbs, each with its summary. */
export const verbs = async () => listedVerbs(await helpOf());

/** The commands, each with its summary: a verb, or "regress save" for a verb that has verbs. */
export async function commands(t) {
  const found = new Map();
  for (const [verb, summary] of await verbs(t)) {
    const below = await verbsBelow(t, verb);
    if (below.size === 0) found.set(verb, summary);
    for (const [name, its] of below) found.set(`${verb} ${name}`, its);
  }
  return found;
}

/** The verbs of a verb. */
export const verbsBelow = async (t, verb) => listedVerbs(await helpOf(verb));

/** The commands that need only an archive and end by themselves: [words, arguments that each needs besides]. */
export async function archiveVerbs(t) {
  const others = ["record", "tap", "import", "serve", "view"]; // they need a source or a terminal, or run until they are stopped
  const needs = {
    pack: ["--dry-run"],
    prune: ["--dry-run", "--older-than", "1d"],
    replay: ["--messages"], // its report has the speed
    export: ["--format", "jsonl", "--out", path.join(temporary(t), "set"), "--force"],
    plan: ["--", "--format", "jsonl", "--out", "set"],
    cut: ["--out", path.join(temporary(t), "cut.mcap")],
    "regress save": ["--out", path.join(temporary(t), "x.tdb")],
    "regress check": ["--decoder", "builtin"],
    report: ["--html", path.join(temporary(t), "report.html")],
  };
  const found = [];
  for (const command of (await commands(t)).keys()) {
    const [verb, ...below] = command.split(" ");
    const help = others.includes(verb) ? "" : await helpOf(verb, ...below);
    if (/^usage: .* \[ARCHIVE\](\.\.\.)?$/m.test(help))
      found.push([[verb, ...below], needs[command] ?? []]);
  }
  return found;
}

/** The rows of an archive's catalog, as text. */
export function catalogRows(archive) {
  const rows = "SELECT path, file_bytes, chain, hex(rows), hex(chunks) FROM segments ORDER BY path";
  return execFileSync("sqlite3", [path.join(archive, "catalog.sqlite"), rows], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
}

export async function json(t, args, options) {
  return JSON.parse((await tapedeck(t, args, options)).stdout);
}

/** The list that `gaps --json`, `ls --json` or `topics --json` prints; empty after an error. */
export async function jsonList(t, args, options) {
  const { stdout } = await tapedeck(t, args, options);
  return stdout === ""
    ? []
    : JSON.parse(stdout)[{ gaps: "gaps", ls: "segments", topics: "topics" }[args[0]]];
}

/** The objects of a text with one on each line. */
export const parseLines = (text) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

export async function jsonLines(t, args, options) {
  return parseLines((await tapedeck(t, args, options)).stdout);
}

/** The recorder's own events in an archive, each with at_ns, its receive time; only events of `kind` if given. A grant is there once,
 * though the segment of the next hour repeats it. */
export async function eventsOf(t, archive, kind, options) {
  const rows = await jsonLines(
      t,
      ["cat", "-a", archive, "--events", "--topic", "_events"],
      options
    ),
    seen = new Set();
  const isFirst = ({ session, feed, data }) =>
    seen.size !== seen.add([session, feed, data].join(" ")).size;
  const events = rows
    .map((row) => ({ row, event: JSON.parse(row.data) }))
    .filter(({ row, event }) => event.event !== "grant" || isFirst(row));
  return events
    .map(({ row, event }) => ({ at_ns: row.recv_ns, ...event }))
    .filter((event) => kind === undefined || event.event === kind);
}

/** The texts of the frames of one direction. */
export async function rawFrames(t, archive, dir = "in", options) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--raw", "--dir", dir], options);
  return stdout.split("\n").filter((line) => line !== "");
}

/** Wait this many ms: the length of a fault, the pace of a peer, a random moment. No verdict depends on it: a test waits for an event
 * with eventually() or inTime(). tests/check/structure has the files that may use it. */
export const passed = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const WAIT_MS = 120_000;

const LOOK_MS = 10;

/** Wait until test() returns something true, and return it. A condition that is still false after two minutes is an error with this
 * text; with a program, which the condition needs, its end is one, too. */
export async function eventually(what, test, program) {
  let end;
  program?.ended.then((its) => (end = its));
  for (const until = Date.now() + WAIT_MS; ; await passed(LOOK_MS)) {
    const isOver = end !== undefined,
      found = await test();
    if (found) return found;
    if (isOver)
      throw new Error(
        `${program.name} ended (${end.code ?? end.signal}) before: ${what}\n${end.stderr}`
      );
    if (Date.now() > until) throw new Error(`not in time: ${what}\n${program?.stderr ?? ""}`);
  }
}

/** A promise's result. One that is still open after two minutes is an error with the text of describe(). */
export async function inTime(promise, describe) {
  let timer;
  const late = new Promise(
    (_, reject) =>
      (timer = setTimeout(() => reject(new Error(`not in time: ${describe()}`)), WAIT_MS))
  );
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The content of a ready file, once the program has written it. */
export async function ready(program, file) {
  await eventually(`${program.name} is ready`, () => fs.existsSync(file), program);
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

/** Start a listening verb and wait for it. */
export async function listening(t, args, dir, options) {
  const file = path.join(dir, `ready-${Math.random().toString(36).slice(2)}.json`);
  const program = new Program(
    t,
    options?.program ?? "tapedeck",
    [...args, "--listen", "127.0.0.1:0", "--ready-file", file],
    options
  );
  const info = await ready(program, file);
  return { program, url: info.url, ca: info.ca_file };
}

/** The addresses at which a process listens, by the kernel's tables: hexadecimal, "0100007F" is 127.0.0.1. */
export function boundAddresses(pid) {
  const links = fs
    .readdirSync(`/proc/${pid}/fd`)
    .map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
  const rows = ["tcp", "tcp6"].flatMap((table) =>
    fs.readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1)
  );
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === "0A" && links.includes(`socket:[${row[9]}]`))
    .map((row) => row[1].split(":")[0]);
}

/** Lines of a gzipped or plain capture. */
export function captureLines(name) {
  const bytes = fs.readFileSync(capture(name));
  const text = bytes[0] === 0x1f && bytes[1] === 0x8b ? zlib.gunzipSync(bytes) : bytes;
  return text.toString("utf8").split("\n");
}

/** Inbound frames of a cryptofeed capture of the first generation: "RECV: JSON". */
export function inboundFrames(name) {
  return captureLines(name)
    .map((line) => /^(\d+\.\d+): (.*)$/.exec(line))
    .filter((m) => m)
    .map((m) => ({ at: m[1], text: m[2] }));
}

/** Every file below a folder, as paths relative to it. */
export function filesBelow(dir) {
  const isFile = (f) => fs.statSync(path.join(dir, f), { throwIfNoEntry: false })?.isFile(); // SQLite's journal may be gone by now
  return fs.readdirSync(dir, { recursive: true }).filter(isFile);
}

/** The finished segments of an archive, as paths relative to it, in order. */
export const segments = (archive) =>
  filesBelow(archive)
    .filter((f) => f.endsWith(".mcap"))
    .sort();

/** Import lines, each a text or an object, into an archive, by default a new one, and return it. Other options are the ones of
 * `import`, by name. The lines are left in the file ARCHIVE.capture. */
export async function importLines(
  t,
  lines,
  { archive = path.join(temporary(t), "tape"), status, format = "jsonl", ...options } = {}
) {
  const file = `${archive}.capture`;
  const text = (line) => (typeof line === "string" ? line : JSON.stringify(line)) + "\n";
  fs.writeFileSync(file, lines.map(text).join(""));
  const words = Object.entries({ format, ...options }).flatMap(([name, to]) => [`--${name}`, to]);
  await tapedeck(t, ["import", "-q", "-a", archive, ...words, file], { status });
  return archive;
}

/** Unix ms of the first moment of an archive of importFrames(). */
export const FRAMES_MS = 1_795_154_400_000;

/** An archive of made-up frames, 10 ms apart, imported from a capture in cryptofeed's second format that has received frames
 * only. */
export async function importFrames(
  t,
  dir,
  { family, host, frames, beginMs = FRAMES_MS, stepMs = 10 }
) {
  const at = (i) => (beginMs + i * stepMs) / 1000;
  const lines = [
    { t: "header", format: 2, exchange: "TEST" },
    { t: "connect", conn: "W", ts: at(0), addr: `wss://stream.bybit.com${host}` },
    ...frames.map((data, i) => ({ t: "recv", conn: "W", ts: at(i + 1), data })),
  ];
  return importLines(t, lines, { archive: path.join(dir, "source"), format: "cryptofeed", family });
}

const CHUNK = 0x06;
const MAGIC_BYTES = 8;
const CHUNK_FIELDS_BYTES = 9 + 8 + 8 + 8 + 4 + 4 + 4 + 8;

/** The chunks of an MCAP file, in order. */
export function chunksOf(file) {
  const bytes = fs.readFileSync(file);
  const chunks = [];
  for (let at = MAGIC_BYTES; at + 9 <= bytes.length;) {
    const end = at + 9 + Number(bytes.readBigUInt64LE(at + 1));
    if (end > bytes.length) break;
    if (bytes[at] === CHUNK)
      chunks.push({
        from: at,
        to: end,
        firstNs: bytes.readBigUInt64LE(at + 9),
        lastNs: bytes.readBigUInt64LE(at + 17),
      });
    at = end;
  }
  return chunks;
}

/** Damage several bytes of a chunk's records: zstd may decompress a single flipped byte to the same. */
export function flipIn(file, chunk) {
  const bytes = fs.readFileSync(file);
  const at = Math.floor((chunk.from + CHUNK_FIELDS_BYTES + chunk.to) / 2);
  for (let i = 0; i < 8; i++) bytes[at + i] ^= 0x10;
  fs.writeFileSync(file, bytes);
}
