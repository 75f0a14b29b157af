// Shared by `make bench` and `make check-instructions`: a corpus recorded from the simulated exchange, the commands that are
// measured with it, and callgrind. The first argument of the importing script must be BUILD_DIR.
import { spawn, spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const buildDir = process.argv[2];
export const bin = (name) => path.join(buildDir, "bin", name);
export const bench = (name) => path.join(buildDir, "bench", name);
export const work = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-bench-"));
process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));

export function run(command, args, { statuses = [0], ...options } = {}) {
  const end = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 30, ...options });
  if (end.error) throw end.error;
  if (!statuses.includes(end.status))
    throw new Error(`${command} ${args.join(" ")}: status ${end.status}\n${end.stderr}`);
  return end.stdout;
}

/** Wait until a file exists, and parse it as JSON. */
export async function appears(file) {
  while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10));
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

// ---- corpus ----------------------------------------------------------------------------------------------

/** What corpora are recorded from: a family, its path and topics of ten symbols. */
export const feed = (family, path, ...topics) => ({ family, path, topics });
export const FEEDS = {
  inverse: feed("inverse", "/realtime", "orderBookL2_25.*", "trade.*"),
  "v5-linear": feed("v5-linear", "/v5/public/linear", "orderbook.50", "publicTrade"),
  "binance-usdm": feed("binance-usdm", "/stream", "depth@100ms", "aggTrade"),
};
export const SYMBOLS = 10;

/** The first ten symbols of a family on the simulated exchange. */
export const symbolsOf = (family) => {
  const listed = ["sim", "--list", "--families", family, "--symbols", String(SYMBOLS)];
  return [...run(bin("tapedeck-sim"), listed).matchAll(/ symbol +(\S+)/g)]
    .map(([, symbol]) => symbol)
    .slice(0, SYMBOLS);
};

/** Record frames of the simulated exchange. from: a key of FEEDS, or what feed() gives. */
export async function makeCorpus(name, frames, from = "inverse", rate = 50000, simArgs = []) {
  const { family, path: where, topics } = FEEDS[from] ?? from;
  const archive = path.join(work, name),
    readyFile = path.join(work, `${name}.json`);
  const sim = spawn(
    bin("tapedeck-sim"),
    [
      "sim",
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      readyFile,
      "--families",
      family,
      "--symbols",
      String(SYMBOLS),
      "--rate",
      String(rate),
      "--seed",
      "7",
      "--epoch",
      "2026-01-01T00:00:00Z",
      ...simArgs,
    ],
    { stdio: "ignore" }
  );
  try {
    const { url, ca_file } = await appears(readyFile);
    const symbols = topics[0].endsWith("*") ? [] : symbolsOf(family);
    run(bin("tapedeck-record"), [
      "record",
      "-q",
      "-a",
      archive,
      url + where,
      "--family",
      family,
      "--ca-file",
      ca_file,
      ...topics.flatMap((topic) => ["--topic", topic]),
      ...symbols.flatMap((symbol) => ["--symbol", symbol]),
      "--max-frames",
      String(frames),
    ]);
  } finally {
    sim.kill("SIGTERM");
  }
  const segments = fs
    .readdirSync(archive, { recursive: true })
    .filter((f) => f.endsWith(".mcap"))
    .sort();
  return { archive, frames, segments: segments.map((f) => path.join(archive, f)) };
}

export const segmentBytes = (archive) =>
  fs
    .readdirSync(archive, { recursive: true })
    .filter((name) => name.endsWith(".mcap"))
    .reduce((sum, name) => sum + fs.statSync(path.join(archive, name)).size, 0);

/** A corpus's data frames as bytes, one per line. */
export const rawFrames = (archive, from) =>
  run(
    bin("tapedeck"),
    [
      "cat",
      "-a",
      archive,
      "--raw",
      ...(FEEDS[from] ?? from).topics.flatMap((topic) => ["--topic", topic.replace(/\.\*$/, "")]),
    ],
    { encoding: "buffer" }
  );
export const digest = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

export function makeCertificate() {
  const cert = path.join(work, "cert.pem"),
    key = path.join(work, "key.pem");
  run(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      key,
      "-out",
      cert,
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ],
    { stdio: "pipe" }
  );
  return { cert, key };
}

// ---- commands ----------------------------------------------------------------------------------------------

export const fresh = (name) => {
  const folder = path.join(work, name);
  fs.rmSync(folder, { recursive: true, force: true });
  return folder;
};

/** Exports of one pass over v5's corpus. Those that are named by their format use each frame once: trades and changes of books.
 *  needsTrades: no other topic is needed. target: see paths.mjs. */
export const EXPORTS = {
  "tardis-csv": { types: ["trades", "incremental_book_L2"], target: 0.8 },
  "book_snapshot_25 tardis-csv": { types: ["book_snapshot_25"], target: 0.75 },
  "book_snapshot_25 parquet": { types: ["book_snapshot_25"], target: 0.65 },
  "trades tardis-csv": { types: ["trades"], needsTrades: true, target: 0.8 },
  "bars tardis-csv": { types: ["bars"], options: ["--bars", "1m"], needsTrades: true, target: 0.9 },
  hftbacktest: { types: ["depth", "trades"], target: 0.8 },
  parquet: { types: ["trades", "book_deltas"], target: 0.65 },
  nautilus: { types: ["trades", "order_book_deltas"], target: 0.65 },
  jsonl: { types: ["messages"], target: 0.65 },
  sqlite: { types: ["trades", "book_changes"], target: 0.85 },
  mcap: { types: ["trades", "book_changes"], target: 0.6 },
};
export const exportArgs = (archive, name, into = "exported") => [
  "export",
  "-q",
  "-a",
  archive,
  "-j",
  "1",
  "--format",
  name.split(" ").at(-1),
  ...EXPORTS[name].types.flatMap((type) => ["--type", type]),
  ...(EXPORTS[name].options ?? []),
  "--out",
  fresh(into),
];
export const messagesArgs = (archive, threads) => [
  "replay",
  "-a",
  archive,
  "--speed",
  "max",
  "-j",
  String(threads),
  "--messages",
];
export const replayArgs = (archive, threads) => [
  "replay",
  "-a",
  archive,
  "--speed",
  "max",
  "-j",
  String(threads),
  "--json",
];

/** Arguments that check a corpus against a baseline of itself, which the first call makes. */
export function checkArgs(archive, threads) {
  const baseline = `${archive}.tdb`;
  if (!fs.existsSync(baseline))
    run(bin("tapedeck-replay"), ["regress", "save", archive, "--out", baseline]);
  return ["regress", "check", archive, "--baseline", baseline, "-j", String(threads), "--json"];
}
/** The example decoder in C, built. */
export function libraryDecoder() {
  const file = path.join(work, "decoder.so");
  const source = "docs/examples/decoder.c";
  if (!fs.existsSync(file))
    run("cc", ["-O2", "-shared", "-fPIC", "-Iembed/include", source, "-o", file]);
  return file;
}

/** A Python with numpy, if there is one. */
const PYTHON =
  ["python3", "/usr/bin/python3"].find(
    (name) => spawnSync(name, ["-c", "import numpy"]).status === 0
  ) ?? "python3";
/** The command that reads an archive by the package for Python, with the library of BUILD_DIR. */
export function pythonPackage(what, archive) {
  const root = path.join(work, "python"),
    library = "libtapedeck.so.0";
  if (!fs.existsSync(root)) {
    fs.cpSync("embed/python", path.join(root, "embed/python"), { recursive: true });
    fs.symlinkSync(path.resolve(buildDir, "lib", library), path.join(root, library));
  }
  return {
    command: PYTHON,
    args: ["benchmarks/python_read.py", what, archive],
    // Each run compiles the package, so that the first is not longer than others.
    env: { PYTHONPATH: path.join(root, "embed/python"), PYTHONDONTWRITEBYTECODE: "1" },
  };
}

/** Options of a server; with TLS if there is a certificate c.cert. */
export const tlsArgs = (c) => (c.cert === undefined ? [] : ["--cert", c.cert, "--key", c.key]);
export async function serve(command, args) {
  const server = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  server.stdout.on("data", (text) => (printed += text));
  const rest = new Promise((resolve) =>
    server.stdout.once("end", () => resolve(printed.slice(printed.indexOf("\n") + 1)))
  );
  await new Promise((resolve) => server.stdout.once("data", resolve));
  return { port: Number(printed.split("\n")[0]), rest };
}

/** Run a client against a server that sends `lines`; all measured clients get the same frames. */
export async function received(c, lines, frames, client, paced = []) {
  const { port } = await serve(bench("limits/blaster"), [
    lines,
    "--frames",
    String(frames),
    ...paced,
    ...tlsArgs(c),
  ]);
  return client(`${c.cert === undefined ? "ws" : "wss"}://localhost:${port}/realtime`);
}
const trustArgs = (c) => (c.cert === undefined ? [] : ["--ca-file", c.cert]);
export const limitArgs = (c, url) => [url, ...trustArgs(c)];
export const recordArgs = (c, url, folder) => [
  "record",
  "-q",
  "--json",
  "-a",
  folder,
  url,
  "--family",
  "inverse",
  ...trustArgs(c),
  "--topic",
  "trade.*",
  "--until-close",
];

// ---- instructions: reproducible, independent of other load ------------------------------------

let counted = 0;
/** Where exports compress, or have SQLite write rows. */
const LIBRARIES = /:(?:ZSTD_compressCCtx|libdeflate_gzip_compress|deflate|sqlite3_step) \[/;

/** Number of instructions of a command and its threads, from start to end, and of these in libraries that
 *  write files. */
export async function allInstructions(command, args, env = {}) {
  const out = path.join(work, `callgrind.${counted++}`);
  const child = spawn(
    "valgrind",
    ["--tool=callgrind", `--callgrind-out-file=${out}`, command, ...args],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } }
  );
  let errors = "";
  child.stderr.on("data", (bytes) => (errors += bytes));
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${status}\n${errors}`);
  const total = Number(/^(?:summary|totals): (\d+)/m.exec(fs.readFileSync(out, "latin1"))[1]);
  const listed = run("callgrind_annotate", [
    "--auto=no",
    "--inclusive=yes",
    "--threshold=100",
    out,
  ]);
  const writing = listed
    .split("\n")
    .filter((line) => LIBRARIES.test(line))
    .reduce((sum, line) => sum + Number(line.trim().split(" ")[0].replaceAll(",", "")), 0);
  fs.rmSync(out);
  return { total, writing };
}
export const instructions = async (command, args) => (await allInstructions(command, args)).total;
