// Man pages: each verb has one, with exactly the options of --help; pages render without a warning, and examples work. A comment
// above an example tells how it runs:
//   .\" example: run              its status is 0
//   .\" example: run status 1     another status
//   .\" example: not run (why)
// Examples run in a folder of their own with: tape (an archive of two feeds, v5-linear with two symbols and v5-spot with one),
// frame.json, frames.jsonl and capture.txt.gz (its v5-linear frames), crashed (an archive whose recorder was killed). Port 9443 stands for a free port, and three seconds of
// recording for one second, unless a fault occurs later.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import zlib from "node:zlib";
import { PAGES, withOptions } from "./man_options.mjs";
import {
  BIN,
  Program,
  commands,
  helpOf,
  jsonLines,
  listening,
  tapedeck,
  temporary,
  verbs,
  verbsBelow,
} from "../support/harness.mjs";

const SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"];
const EXAMPLE_MS = 60_000;

const pageNames = () => fs.readdirSync(PAGES).filter((f) => f.endsWith(".1"));
const pageLines = (name) => fs.readFileSync(path.join(PAGES, name), "utf8").split("\n");
const plain = (roff) =>
  roff.replace(/\\f./g, "").replace(/\\-/g, "-").replace(/\\&/g, "").replace(/\\e/g, "\\");

/** The lines of a section of a page. */
function section(name, title) {
  const lines = pageLines(name);
  const from = lines.findIndex((l) => l === `.SH ${title}`);
  if (from < 0) return [];
  const rest = lines.slice(from + 1);
  const length = rest.findIndex((l) => l.startsWith(".SH "));
  return length < 0 ? rest : rest.slice(0, length);
}

/** The page of a verb, or of a verb of a verb ("regress save"). */
const pageOf = (verb) => `tapedeck-${verb.replace(" ", "-")}.1`;

/** The verbs that a page lists, each with the line below it. */
function listedVerbs(name) {
  const lines = section(name, "DESCRIPTION").map(plain);
  return lines.flatMap((l, i) => (l === ".TP" ? [[lines[i + 1], lines[i + 2]]] : []));
}

/** A verb's summary of --help as the man page that lists the verbs writes it: "Summary:". */
const sentence = (summary) => `${summary[0].toUpperCase()}${summary.slice(1)}:`;

/** Examples of a page: {mark, script}. */
function examples(name) {
  const lines = pageLines(name);
  return lines.flatMap((line, i) => {
    if (line !== ".EX") return [];
    const end = lines.indexOf(".EE", i);
    const mark = /^\.\\" example: (.*)$/.exec(
      lines.slice(0, i).findLast((l) => l.startsWith('.\\"')) ?? ""
    );
    return [
      {
        mark: mark?.[1] ?? "",
        script: lines
          .slice(i + 1, end)
          .map(plain)
          .join("\n"),
      },
    ];
  });
}

test("each verb has a page with all sections, and each page belongs to a verb", async (t) => {
  const all = new Set([...(await verbs(t)).keys(), ...(await commands(t)).keys()]);
  const expected = ["tapedeck.1", ...[...all].map(pageOf)].sort();
  assert.deepEqual(pageNames().sort(), expected);
  for (const name of expected) {
    const titles = pageLines(name)
      .filter((l) => l.startsWith(".SH "))
      .map((l) => l.slice(4));
    for (const title of SECTIONS) assert.ok(titles.includes(title), `${name} has no ${title}`);
    assert.ok(plain(section(name, "NAME")[0]).startsWith(`${name.slice(0, -2)} - `), name);
    assert.ok(examples(name).length > 0, `${name} has no example`);
    for (const other of plain(section(name, "SEE ALSO").join("")).matchAll(
      /(tapedeck[a-z-]*)\(1\)/g
    ))
      assert.ok(expected.includes(`${other[1]}.1`), `${name} refers to ${other[1]}`);
  }
});

test("pages list the verbs, options and words of --help", async (t) => {
  const rows = [...(await verbs(t))];
  assert.deepEqual(
    listedVerbs("tapedeck.1"),
    rows.map(([verb, summary]) => [verb, sentence(summary)])
  );
  for (const [verb, summary] of rows) {
    const below = [...(await verbsBelow(t, verb))];
    if (below.length === 0) continue;
    const name = pageOf(verb);
    assert.equal(plain(section(name, "NAME")[0]), `tapedeck-${verb} - ${summary}`);
    assert.deepEqual(
      listedVerbs(name),
      below.map(([word, its]) => [word, sentence(its)])
    );
  }
  for (const [verb, summary] of await commands(t)) {
    const name = pageOf(verb);
    assert.equal(plain(section(name, "NAME")[0]), `${name.slice(0, -2)} - ${summary}`);
    const text = pageLines(name).join("\n");
    const help = await helpOf(...verb.split(" "));
    assert.equal(text, withOptions(text, help), `options of ${verb}: make docs`);
    assert.match(text, /^\\fB\\-h\\fR, \\fB\\-\\-help\\fR$/m, `${verb} --help was not understood`);
  }
});

/** The settings of the keys in the table of docs/recording.md, as options. */
const keysAsOptions = (text) =>
  [...text.matchAll(/^\| (`[^|]+) \|/gm)]
    .flatMap(([, keys]) => [...keys.matchAll(/`(\w+)`/g)])
    .map(([, key]) => `--${key.replaceAll("_", "-")}`);

test("each option is named on a page that is not generated", async (t) => {
  const docs = path.join(PAGES, "..");
  const names = fs.readdirSync(docs).filter((name) => name.endsWith(".md") && name !== "topics.md");
  const pages = [path.join(docs, "..", "README.md"), ...names.map((name) => path.join(docs, name))]
    .map((name) => fs.readFileSync(name, "utf8"))
    .join("\n");
  const named = new Set([...pages.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option));
  const ofRecord = new Set(keysAsOptions(fs.readFileSync(path.join(docs, "recording.md"), "utf8")));
  const missing = [];
  for (const [verb] of await commands(t))
    for (const [, option] of (await helpOf(...verb.split(" "))).matchAll(
      /^ {2}(?:-\w, | {4})(--[a-z][a-z-]*)/gm
    ))
      if (!named.has(option) && !(verb === "record" && ofRecord.has(option)))
        missing.push(`${verb} ${option}`);
  assert.deepEqual(missing, []);
});

test(
  "pages render without a warning",
  { skip: spawnSync("groff", ["--version"]).error ? "needs groff" : false },
  () => {
    const { status, stderr } = spawnSync(
      "groff",
      ["-man", "-Tutf8", "-ww", "-z", ...pageNames().map((name) => path.join(PAGES, name))],
      { encoding: "utf8" }
    );
    assert.equal(stderr, "");
    assert.equal(status, 0);
  }
);

// ---- examples --------------------------------------------------------------------------------------------

let fixture = null;

/** Record from the exchange until n frames have arrived, then end the recorder with the signal. */
async function recordUntil(archive, config, frames, signal) {
  const recorder = new Program(null, "tapedeck", [
    "record",
    "-a",
    archive,
    "-c",
    config,
    "--json",
    "--commit-interval",
    "100ms",
  ]);
  let last = 0;
  await recorder.line((l) => (last = JSON.parse(l).durable?.in ?? last) >= frames);
  await recorder.kill(signal);
}

/** A capture of cryptofeed's first generation with these frames. */
function cryptofeedCapture(frames) {
  const url = "wss://stream.bybit.com/v5/public/linear";
  const time = (f) => `${f.recv_ns}`.replace(/(\d{9})$/, ".$1");
  return (
    frames.map((f) => (f.dir === "out" ? `${url} <- ` : "") + `${time(f)}: ${f.data}`).join("\n") +
    "\n"
  );
}

before(async () => {
  fixture = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-man-"));
  const at = (name) => path.join(fixture, name);
  const exchange = await listening(
    null,
    ["sim", "--families", "v5-linear,v5-spot", "--symbols", "2", "--rate", "500"],
    fixture
  );
  const feed = (family, where, symbols) =>
    `  - {family: ${family}, url: "${exchange.url}${where}", ca_file: ${exchange.ca}, topics: [orderbook.50, publicTrade], symbols: [${symbols}]}`;
  fs.writeFileSync(
    at("feeds.yaml"),
    [
      "feeds:",
      feed("v5-linear", "/v5/public/linear", "BTCUSDT, ETHUSDT"),
      feed("v5-spot", "/v5/public/spot", "BTCUSDT"),
      "",
    ].join("\n")
  );
  // An example selects from +0.2s on, and needs books by then. `days` ends with 0 if no frame was late,
  // as one is on a machine that holds the recorder up.
  const firstOf = async (...selection) =>
    (await jsonLines(null, ["cat", "-a", at("tape"), ...selection, "-n", "1"]))[0].recv_ns;
  let [lateNs, days] = [Infinity, null];
  for (let tries = 10; lateNs > 150e6 || days.code !== 0; tries--) {
    assert.ok(
      tries > 0,
      `its books begin ${lateNs / 1e6} ms after the first frame; days: ${days?.stdout}`
    );
    fs.rmSync(at("tape"), { recursive: true, force: true });
    await recordUntil(at("tape"), at("feeds.yaml"), 700, "SIGINT");
    const firsts = await Promise.all(
      ["v5-linear", "v5-spot"].map((feed) => firstOf("--feed", feed, "--symbol", "BTCUSDT"))
    );
    lateNs = Math.max(...firsts) - (await firstOf());
    days = await tapedeck(null, ["days", "-a", at("tape")], { status: null });
  }
  await recordUntil(at("crashed"), at("feeds.yaml"), 100, "SIGKILL");
  await exchange.program.kill("SIGINT");
  const text = (await tapedeck(null, ["cat", "-a", at("tape"), "--feed", "v5-linear"])).stdout
    .trimEnd()
    .split("\n");
  // recv_ns has more digits than a double holds.
  const frames = text.map((l) => ({ ...JSON.parse(l), recv_ns: /"recv_ns":(\d+)/.exec(l)[1] }));
  fs.writeFileSync(at("capture.txt.gz"), zlib.gzipSync(cryptofeedCapture(frames)));
  fs.writeFileSync(
    at("frames.jsonl"),
    frames
      .filter((f) => f.dir === "in")
      .map((f) => `${f.data}\n`)
      .join("")
  );
  const ticker = {
    topic: "tickers.AAAUSDT",
    type: "delta",
    data: { symbol: "AAAUSDT", lastPrice: "1.50" },
    cs: 7,
    ts: 1700000000000,
  };
  fs.writeFileSync(at("frame.json"), JSON.stringify(ticker, null, 2));
});

after(() => fixture !== null && fs.rmSync(fixture, { recursive: true, force: true }));

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Run a script as a user would type it, in a copy of the fixture. */
async function runScript(t, script) {
  const dir = path.join(temporary(t), "work");
  fs.cpSync(fixture, dir, { recursive: true });
  const isShort = !script.includes("--fault");
  const text = script
    .replaceAll("9443", String(await freePort()))
    .replaceAll("--duration 3s", isShort ? "--duration 1s" : "$&");
  const env = {
    ...process.env,
    PATH: `${path.resolve(BIN)}:${process.env.PATH}`,
    TAPEDECK_ARCHIVE: "",
  };
  const child = spawn(
    "bash",
    ["-euo", "pipefail", "-c", `trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n${text}`],
    { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"], timeout: EXAMPLE_MS, killSignal: "SIGKILL" }
  );
  let output = "";
  child.stdout.on("data", (d) => (output += d));
  child.stderr.on("data", (d) => (output += d));
  const [code] = await once(child, "close");
  return { code, output };
}

for (const name of pageNames()) {
  for (const [i, { mark, script }] of examples(name).entries()) {
    const run = /^run(?: status (\d+))?$/.exec(mark);
    const skip = run ? false : /^not run \((.+)\)$/.exec(mark)?.[1];
    if (skip) continue;
    test(`${name}: example ${i + 1} works`, async (t) => {
      assert.ok(run, `example ${i + 1} of ${name} carries no mark that this test knows: '${mark}'`);
      const { code, output } = await runScript(t, script);
      assert.equal(code, Number(run[1] ?? 0), `${script}\n${output}`);
    });
  }
}

test("the frames in the examples decode", async (t) => {
  const rows = await jsonLines(t, [
    "decode",
    "--family",
    "v5-linear",
    path.join(fixture, "frames.jsonl"),
  ]);
  assert.ok(rows.some((r) => r.type === "trade") && rows.some((r) => r.type === "book_change"));
});
