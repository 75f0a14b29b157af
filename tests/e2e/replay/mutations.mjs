// Measures how many faults in a stream the rules find. Frames of the captures and of every family of the simulated exchange are
// dropped, repeated, swapped with the next frame of their stream, or altered in one digit: one fault in each copy of a capture,
// which is imported and replayed. A fault is found if the replay has more violations or undecodable frames (error), or more
// warnings or statistics (noted), than the replay of the unchanged capture.
//
//   TAPEDECK_BIN=… node tests/e2e/replay/mutations.mjs CORPUS_DIR [PER_KIND]
//
// The captures stay in CORPUS_DIR, and are read from there if it has any, so that two builds can be compared with the same
// frames. Positions are the same each time.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { BIN, capture, isRecorded, tapedeck } from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { CREDENTIALS, FAMILIES, SESSION, sessionConfig } from "../support/all_families.mjs";

const [corpus, perKind = "24"] = process.argv.slice(2);
const FRAMES_MAX = 1_500; // of a source; more would only take longer
const CAPTURES = [
  "inverse-2021-04-17",
  "linear-2021-04-17",
  "v5-2026-08-09",
  "v5-linear-2025-06-13",
];

/** Recordings of other exchanges, and their families. */
const OTHERS = {
  "binance-futures": "binance-usdm",
  coinbase: "coinbase-advanced",
  deribit: "deribit",
  kraken: "kraken-v1",
  okx: "okx",
};

const cleanups = [];
const t = { after: (f) => cleanups.push(f) };

/** A number generator whose numbers are the same each time. */
function seeded(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

// ---- the corpus: FEED.FAMILY.jsonl, a frame a line --------------------------------------------------------------

const isOfTopic = (line) => !line.includes('"topic":"_');

async function keep(archive, feed, family, name, isKept = isOfTopic) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--feed", feed, "--dir", "in"]);
  const lines = stdout
    .split("\n")
    .filter((line) => line !== "" && isKept(line))
    .slice(0, FRAMES_MAX);
  fs.writeFileSync(path.join(corpus, `${name}.${family}.jsonl`), lines.join("\n") + "\n");
}

async function makeCorpus() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-mutations-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.mkdirSync(corpus, { recursive: true });
  for (const name of isRecorded ? CAPTURES : []) {
    const archive = path.join(dir, name),
      family = name.split(/-20/)[0].replace(/^v5$/, "v5-linear");
    await tapedeck(t, ["import", "-a", archive, "--feed", name, capture(`${name}.jsonl.gz`)]);
    await keep(archive, name, family, name);
  }
  for (const [name, family] of Object.entries(isRecorded ? OTHERS : {})) {
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      path.join(dir, name),
      "--family",
      family,
      capture(`other/${name}.jsonl.zst`),
    ]);
    await keep(path.join(dir, name), family, family, name, () => true); // all frames of a connection may be numbered
  }
  const archive = path.join(dir, "simulated");
  const server = await simulator(t, dir, [
    "--families",
    FAMILIES.join(","),
    "--symbols",
    "3",
    "--rate",
    "150",
    "--seed",
    "5",
    "--time-scale",
    "30",
    "--duration",
    "8s",
  ]);
  const recorder = new Recorder(t, archive, ["-c", sessionConfig(dir, server)], {
    env: CREDENTIALS,
  });
  await server.program.ended;
  await recorder.kill("SIGTERM");
  for (const feed of Object.keys(SESSION))
    await keep(archive, feed, SESSION[feed].family ?? feed, `sim-${feed}`);
}

// ---- faults ----------------------------------------------------------------------------------------------------

const time = (line) => /"recv_ns":(\d+)/.exec(line)[1]; // too large for a number of JavaScript
const at = (line, recvNs) => line.replace(/"recv_ns":\d+/, `"recv_ns":${recvNs}`);
const streamOf = (line) => {
  const { topic, symbol } = JSON.parse(line);
  return `${topic} ${symbol}`;
};

/** Change one digit of the frame's data, not the first digit of a number; null if absent. */
function altered(line, random) {
  const from = line.indexOf('"data":') + 7;
  const places = [...line.slice(from).matchAll(/(?<=\d\.?)\d/g)].map((m) => from + m.index);
  if (places.length === 0) return null;
  const place = places[random(places.length)];
  return (
    line.slice(0, place) + ((Number(line[place]) + 1 + random(8)) % 10) + line.slice(place + 1)
  );
}

/** Without its ordinal a frame that is left out was never received. */
const unnumbered = (line) => line.replace(/"ordinal":\d+,/, "");

const replaced = (lines, i, others) => [...lines.slice(0, i), ...others, ...lines.slice(i + 1)];

/** The lines with one fault at frame i, whose stream continues at next; null if that fault is impossible there. */
const FAULTS = {
  drop: (lines, i) => replaced(lines, i, []),
  repeat: (lines, i) => replaced(lines, i, [lines[i], lines[i]]),
  swap: (lines, i, next) =>
    replaced(replaced(lines, i, [at(lines[next], time(lines[i]))]), next, [
      at(lines[i], time(lines[next])),
    ]),
  alter: (lines, i, next, random) => {
    const line = altered(lines[i], random);
    return line === null ? null : replaced(lines, i, [line]);
  },
};

/** Frames of a topic (undefined: of any) that are neither the first nor the last of their stream, from all streams alike. */
function positions(lines, topic, count, random) {
  const streams = new Map();
  lines.forEach((line, i) => {
    if (!isOfTopic(line) || (topic && JSON.parse(line).topic !== topic)) return;
    const s = streamOf(line);
    streams.set(s, [...(streams.get(s) ?? []), i]);
  });
  const long = [...streams.values()].filter((frames) => frames.length >= 4);
  return Array.from({ length: long.length === 0 ? 0 : count }, (_, k) => {
    const frames = long[k % long.length],
      place = 1 + random(frames.length - 2);
    return { i: frames[place], next: frames[place + 1] };
  });
}

// ---- judging -----------------------------------------------------------------------------------------------------

function output(name, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(BIN, name), args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "",
      errors = "";
    child.stdout.on("data", (d) => (out += d));
    child.stderr.on("data", (d) => (errors += d));
    child.on("close", (status) =>
      status === 0 || (name === "tapedeck-replay" && status === 1)
        ? resolve(out)
        : reject(new Error(`${name} ${args.join(" ")}: status ${status}\n${errors}`))
    );
  });
}

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

async function countFindings(dir, family, lines) {
  const folder = fs.mkdtempSync(path.join(dir, "one-"));
  const file = path.join(folder, "capture.jsonl");
  fs.writeFileSync(file, lines.join("\n") + "\n");
  await output("tapedeck", [
    "import",
    "-a",
    path.join(folder, "tape"),
    "--format",
    "jsonl",
    "--family",
    family,
    file,
  ]);
  const { continuity, undecoded, gaps } = JSON.parse(
    await output("tapedeck-replay", [
      "replay",
      "-a",
      path.join(folder, "tape"),
      "--speed",
      "max",
      "-j",
      "1",
      "--json",
    ])
  );
  fs.rmSync(folder, { recursive: true, force: true });
  const lost = gaps.filter(({ reason }) => reason === "sequence").length;
  return {
    errors: continuity.violations + undecoded + lost,
    notes: sum(continuity.warnings) + sum(continuity.statistics),
  };
}

async function tryAll(dir) {
  const found = new Map(); // "source fault" -> {error, noted, tried}
  const jobs = [];
  for (const file of fs
    .readdirSync(corpus)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()) {
    const [source, family] = file.split(".");
    const lines = fs
      .readFileSync(path.join(corpus, file), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (Object.hasOwn(OTHERS, source) ? unnumbered(line) : line));
    if (lines.length < 4) continue;
    const whole = await countFindings(dir, family, lines);
    // of other exchanges each topic, which has rules of its own
    const topics = Object.hasOwn(OTHERS, source)
      ? [...new Set(lines.filter(isOfTopic).map((line) => JSON.parse(line).topic))].sort()
      : [undefined];
    for (const topic of topics)
      for (const [fault, make] of Object.entries(FAULTS)) {
        const cell = { error: 0, noted: 0, tried: 0 };
        found.set(`${[source, topic].filter((part) => part).join(":")} ${fault}`, cell);
        const random = seeded(source.length + fault.length);
        for (const { i, next } of positions(lines, topic, Number(perKind), random)) {
          const changed = make(lines, i, next, random);
          if (changed === null) continue;
          jobs.push(async () => {
            const { errors, notes } = await countFindings(dir, family, changed);
            cell.tried++;
            cell.error += errors > whole.errors;
            cell.noted += errors <= whole.errors && notes > whole.notes;
          });
        }
      }
  }
  const worker = async () => {
    for (let job; (job = jobs.shift()) !== undefined;) await job();
  };
  await Promise.all(os.cpus().map(worker));
  return found;
}

function print(found) {
  const faults = Object.keys(FAULTS),
    total = Object.fromEntries(faults.map((fault) => [fault, { error: 0, noted: 0, tried: 0 }]));
  const row = (name, cells) =>
    console.log(name.padEnd(32) + cells.map((cell) => cell.padStart(14)).join(""));
  const text = ({ error, noted, tried }) => (tried === 0 ? "-" : `${error}+${noted} of ${tried}`);
  row("errors+notes of tried", faults);
  for (const source of new Set([...found.keys()].map((key) => key.split(" ")[0]))) {
    row(
      source,
      faults.map((fault) => text(found.get(`${source} ${fault}`)))
    );
    for (const fault of faults)
      for (const key of Object.keys(total[fault]))
        total[fault][key] += found.get(`${source} ${fault}`)[key];
  }
  row(
    "all",
    faults.map((fault) => text(total[fault]))
  );
}

if (corpus === undefined)
  throw new Error("usage: node tests/e2e/replay/mutations.mjs CORPUS_DIR [PER_KIND]");
try {
  if (!fs.existsSync(corpus) || !fs.readdirSync(corpus).some((name) => name.endsWith(".jsonl")))
    await makeCorpus();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-mutations-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  print(await tryAll(dir));
} finally {
  for (const f of cleanups.reverse()) f();
}
