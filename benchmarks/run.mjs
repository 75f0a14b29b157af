// Our paths beside their limits, in one run on one machine, interleaved, best of several: only the ratios of
// one run say anything, because machines are shared. Called by `make bench`.
//
//   node benchmarks/run.mjs BUILD_DIR OUT_DIR
//
// The corpus is recorded from the simulated exchange (seeded), so anybody has the same frames.
// Output: a table, and OUT_DIR/results.jsonl, one object a row:
//   {name, ours, limit, unit, ratio (ours / limit), better, target, runs, input_sha}
import { spawn, spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [buildDir, outDir] = process.argv.slice(2);
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
const CORPUS_FRAMES = Number(process.env.BENCH_CORPUS_FRAMES ?? 250_000);
const FRAMES = Number(process.env.BENCH_FRAMES ?? 500_000);
const bin = (name) => path.join(buildDir, "bin", name);
const bench = (name) => path.join(buildDir, "bench", name);
const work = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-bench-"));
process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));

function run(command, args, options = {}) {
  const end = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 30, ...options });
  if (end.error) throw end.error;
  if (end.status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${end.status}\n${end.stderr}`);
  return end.stdout;
}

const parse = (text) => JSON.parse(text.trim().split("\n").at(-1));
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const say = (text) => process.stderr.write(text + "\n");

/** Wait until a file is there. */
async function appears(file) {
  while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10));
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

// ---- corpus ----------------------------------------------------------------------------------------------

async function makeCorpus() {
  const archive = path.join(work, "corpus");
  const readyFile = path.join(work, "sim.json");
  const sim = spawn(bin("tapedeck-sim"), ["sim", "--listen", "127.0.0.1:0", "--ready-file", readyFile, "--families", "inverse",
    "--symbols", "10", "--rate", "50000", "--seed", "7"], { stdio: "ignore" });
  const { url, ca_file } = await appears(readyFile);
  run(bin("tapedeck-record"), ["record", "-q", "-a", archive, `${url}/realtime`, "--family", "inverse", "--ca-file", ca_file,
    "--topic", "orderBookL2_25.*", "--topic", "trade.*", "--max-frames", String(CORPUS_FRAMES)]);
  sim.kill("SIGTERM");
  const lines = run(bin("tapedeck"), ["cat", "-a", archive, "--raw", "--topic", "orderBookL2_25", "--topic", "trade"], { encoding: "buffer" });
  const corpus = path.join(work, "corpus.lines");
  fs.writeFileSync(corpus, lines);
  const segments = fs.readdirSync(archive, { recursive: true }).filter((f) => f.endsWith(".mcap")).sort();
  return { archive, corpus, segments: segments.map((f) => path.join(archive, f)),
           sha: crypto.createHash("sha256").update(lines).digest("hex") };
}

// ---- single measurements, each gives frames a second and CPU ns a frame -------------------------------------

const speed = (m) => ({ perSecond: m.frames / m.wall_s, cpuNs: (m.cpu_s * 1e9) / m.frames });

const limitWrite = (c) => speed(parse(run(bench("limits/limit_write"), [c.corpus, path.join(work, "limit.out"), "--frames", String(FRAMES)])));
function oursWrite(c) {
  const folder = path.join(work, "write");
  fs.rmSync(folder, { recursive: true, force: true });
  return speed(parse(run(bench("bench_write"), [c.corpus, folder, "--frames", String(FRAMES)])));
}

const limitRead = (c) => speed(parse(run(bench("limits/limit_read"), c.segments)));
function oursReplay(c, threads) {
  const report = parse(run(bin("tapedeck-replay"), ["replay", "-a", c.archive, "--speed", "max", "-j", String(threads), "--json"]));
  return { perSecond: report.frames_per_s, cpuNs: 1e9 / report.frames_per_s };
}

/** Both clients take the same frames from the same server, over TLS. */
async function receive(c, client) {
  const server = spawn(bench("limits/blaster"), [c.corpus, "--frames", String(FRAMES), "--cert", c.cert, "--key", c.key],
    { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise((resolve) => server.stdout.once("data", (d) => resolve(Number(d))));
  return client(`wss://localhost:${port}/realtime`, c);
}
const limitReceive = (url, c) => speed(parse(run(bench("limits/limit_receive"), [url, "--ca-file", c.cert])));
function oursRecord(url, c) {
  const folder = path.join(work, "record");
  fs.rmSync(folder, { recursive: true, force: true });
  const before = process.resourceUsage();
  const { recorded } = parse(run(bin("tapedeck-record"), ["record", "-q", "--json", "-a", folder, url, "--family", "inverse",
    "--ca-file", c.cert, "--topic", "trade.*", "--until-close"]));
  if (recorded.dropped !== 0) throw new Error("the recorder dropped frames");
  return { perSecond: recorded.frames / recorded.elapsed_s, cpuNs: NaN, before };
}

function makeCertificate() {
  const cert = path.join(work, "cert.pem"), key = path.join(work, "key.pem");
  run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "pipe" });
  return { cert, key };
}

/** Instructions per frame of a command over this many frames, by callgrind; NaN without valgrind. */
function instructions(command, args, frames) {
  if (spawnSync("valgrind", ["--version"]).status !== 0) return NaN;
  const out = path.join(work, "callgrind.out");
  run("valgrind", ["--tool=callgrind", `--callgrind-out-file=${out}`, command, ...args]);
  const total = /^(?:summary|totals): (\d+)/m.exec(fs.readFileSync(out, "utf8"));
  return Math.round(Number(total[1]) / frames);
}

// ---- the run -----------------------------------------------------------------------------------------------

const rows = [];
function row(name, ours, limit, unit, better, target, sha, runs = RUNS) {
  const ratio = ours / limit;
  rows.push({ name, ours, limit, unit, ratio: Number(ratio.toFixed(3)), better, target, runs, input_sha: sha });
}

/** Run both sides in turn, RUNS times; report the best of each, since noise only ever slows down. */
async function beside(name, ours, limit, unit, target, sha, pick = (m) => m.perSecond, better = "higher") {
  const mine = [], theirs = [];
  for (let i = 0; i < RUNS; i++) {
    theirs.push(pick(await limit()));
    mine.push(pick(await ours()));
  }
  const best = better === "higher" ? Math.max : Math.min;
  row(name, Math.round(best(...mine)), Math.round(best(...theirs)), unit, better, target, sha);
  say(`${name}: median ${Math.round(median(mine))} against ${Math.round(median(theirs))} ${unit}`);
}

const c = { ...(await makeCorpus()), ...makeCertificate() };
say(`corpus: ${CORPUS_FRAMES} frames, sha256 ${c.sha}; ${os.cpus()[0].model}, ${os.cpus().length} cores`);
await beside("write: frame to disk, one core (limit: framing, CRC, zstd 1, pwrite)", () => oursWrite(c), () => limitWrite(c),
  "frames/s", null, c.sha);
await beside("write: CPU a frame", () => oursWrite(c), () => limitWrite(c), "ns/frame", null, c.sha, (m) => m.cpuNs, "lower");
await beside("replay --speed max -j 1 (limit: read, decompress, simdjson, book)", () => oursReplay(c, 1), () => limitRead(c),
  "frames/s", 0.6, c.sha);
await beside("replay --speed max -j 2 (limit: -j 1 of our own)", () => oursReplay(c, 2), () => oursReplay(c, 1), "frames/s", null, c.sha);
await beside("record over TLS, to disk (limit: a counting libwebsockets client)", () => receive(c, oursRecord), () => receive(c, limitReceive),
  "frames/s", 0.7, c.sha);
const few = path.join(work, "few.lines");
fs.writeFileSync(few, fs.readFileSync(c.corpus, "utf8").split("\n").slice(0, 20_000).join("\n") + "\n");
row("write: instructions a frame", instructions(bench("bench_write"), [few, path.join(work, "callgrind-write"), "--frames", "20000"], 20_000),
  instructions(bench("limits/limit_write"), [few, path.join(work, "limit2.out"), "--frames", "20000"], 20_000), "instructions/frame", "lower", null, c.sha, 1);
row("replay: instructions a frame", instructions(bin("tapedeck-replay"), ["replay", "-a", c.archive, "--speed", "max", "-j", "1", "--json"], CORPUS_FRAMES),
  instructions(bench("limits/limit_read"), c.segments, CORPUS_FRAMES), "instructions/frame", "lower", null, c.sha, 1);

fs.mkdirSync(outDir, { recursive: true });
fs.writeFileSync(path.join(outDir, "results.jsonl"), rows.map((r) => JSON.stringify(r) + "\n").join(""));
const number = (n) => (Number.isNaN(n) ? "-" : Math.round(n).toLocaleString("en"));
const width = Math.max(...rows.map((r) => r.name.length));
console.log(`${"".padEnd(width)}  ${"ours".padStart(12)}  ${"limit".padStart(12)}  ${"ratio".padStart(6)}  target`);
for (const r of rows)
  console.log(`${r.name.padEnd(width)}  ${number(r.ours).padStart(12)}  ${number(r.limit).padStart(12)}  ${r.ratio.toFixed(2).padStart(6)}  ` +
    `${r.target === null ? "" : (r.better === "higher" ? "≥ " : "≤ ") + r.target}  ${r.unit}`);
console.log(`results: ${path.join(outDir, "results.jsonl")}`);
