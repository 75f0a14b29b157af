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

export const FEEDS = {
  inverse: { path: "/realtime", topics: ["orderBookL2_25.*", "trade.*"] },
  "v5-linear": {
    path: "/v5/public/linear",
    topics: ["orderbook.50", "publicTrade"],
    namesSymbols: true,
  },
  "binance-usdm": { path: "/stream", topics: ["depth@100ms", "aggTrade"], namesSymbols: true },
};
/** The first ten coins of the simulated exchange. */
const COINS = ["BTC", "ETH", "EOS", "XRP", "LTC", "BCH", "LINK", "ADA", "DOT", "XTZ"];
export const SYMBOLS = COINS.length;

/** Symbols of a family on the simulated exchange. */
export const symbolsOf = (family) =>
  COINS.map((coin) => coin + (family === "inverse" ? "USD" : "USDT"));

/** Record frames of the simulated exchange: books and trades of ten symbols. */
export async function makeCorpus(name, frames, family = "inverse", rate = 50000, simArgs = []) {
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
    const { path: where, topics, namesSymbols } = FEEDS[family];
    const symbols = namesSymbols ? symbolsOf(family) : [];
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
export const rawFrames = (archive, family) =>
  run(
    bin("tapedeck"),
    [
      "cat",
      "-a",
      archive,
      "--raw",
      ...FEEDS[family].topics.flatMap((topic) => ["--topic", topic.replace(/\.\*$/, "")]),
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

/** tardis-csv: types that use each frame once; other types repeat the books. */
const EXPORT_TYPES = { "tardis-csv": ["--type", "trades", "--type", "incremental_book_L2"] };
export const exportArgs = (archive, format, into = "exported") => [
  "export",
  "-a",
  archive,
  "--format",
  format,
  ...(EXPORT_TYPES[format] ?? []),
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

/** Number of instructions of a command and its threads, from start to end. */
export async function instructions(command, args) {
  const out = path.join(work, `callgrind.${counted++}`);
  const child = spawn(
    "valgrind",
    ["--tool=callgrind", `--callgrind-out-file=${out}`, command, ...args],
    { stdio: ["ignore", "ignore", "pipe"] }
  );
  let errors = "";
  child.stderr.on("data", (bytes) => (errors += bytes));
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${status}\n${errors}`);
  return Number(/^(?:summary|totals): (\d+)/m.exec(fs.readFileSync(out, "latin1"))[1]);
}
