// Instructions per frame, compared with the numbers in benchmarks/instructions: they reveal a path that became a few per cent
// slower, which times on a shared machine do not.
//
//   node benchmarks/instructions.mjs BUILD_DIR [--write]
//
// Exit status 1 if a number differs by more than TOLERANCE. The numbers are valid for one compiler, which their file names;
// with another compiler nothing is compared. --write replaces them; the commit should explain why they changed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  bench,
  bin,
  exportArgs,
  fresh,
  instructions,
  makeCertificate,
  makeCorpus,
  messagesArgs,
  rawFrames,
  received,
  recordArgs,
  replayArgs,
  run,
  work,
} from "./corpus.mjs";

const TOLERANCE = 0.03;
const FEW = 2_000,
  MANY = 10_000; // frames; the difference excludes the cost of starting
const FILE = new URL("instructions", import.meta.url);
const compiler = spawnSync("gcc", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0];

const tapes = {};
for (const family of ["inverse", "v5-linear"])
  tapes[family] = {
    [FEW]: await makeCorpus(`few-${family}`, FEW, family),
    [MANY]: await makeCorpus(`many-${family}`, MANY, family),
  };
const baselines = {};
for (const n of [FEW, MANY]) {
  baselines[n] = path.join(work, `${n}.tdb`);
  run(bin("tapedeck-replay"), ["regress", "save", tapes.inverse[n].archive, "--out", baselines[n]]);
}
const lines = path.join(work, "inverse.lines"),
  certificate = makeCertificate();
fs.writeFileSync(lines, rawFrames(tapes.inverse[MANY].archive, "inverse"));

const replay = (args) => instructions(bin("tapedeck-replay"), args);
const PATHS = {
  write: (n) =>
    instructions(bench("bench_write"), [lines, fresh(`write-${n}`), "--frames", String(n)]),
  replay: (n) => replay(replayArgs(tapes.inverse[n].archive, 1)),
  v5: (n) => replay(replayArgs(tapes["v5-linear"][n].archive, 1)),
  record: (n) =>
    received(certificate, lines, n, (url) =>
      instructions(bin("tapedeck-record"), recordArgs(certificate, url, fresh(`record-${n}`)))
    ),
  messages: (n) => replay(messagesArgs(tapes.inverse[n].archive, 1)),
  regress: (n) =>
    replay([
      "regress",
      "check",
      tapes.inverse[n].archive,
      "--baseline",
      baselines[n],
      "-j",
      "1",
      "--json",
    ]),
  export: (n) => replay(exportArgs(tapes.inverse[n].archive, "jsonl", `export-${n}`)),
};

const jobs = Object.keys(PATHS).flatMap((name) => [MANY, FEW].map((frames) => ({ name, frames })));
const totals = {};
async function worker() {
  for (let job; (job = jobs.shift()) !== undefined;)
    totals[`${job.name} ${job.frames}`] = await PATHS[job.name](job.frames);
}
await Promise.all(os.cpus().map(worker));
const measured = Object.fromEntries(
  Object.keys(PATHS).map((name) => [
    name,
    Math.round((totals[`${name} ${MANY}`] - totals[`${name} ${FEW}`]) / (MANY - FEW)),
  ])
);

const kept = fs.existsSync(FILE) ? fs.readFileSync(FILE, "utf8").split("\n") : [];
if (process.argv[3] === "--write") {
  const head = [
    "# Instructions a frame of each path, all threads: callgrind over what benchmarks/instructions.mjs runs.",
    "# `make check-instructions` compares with these numbers, `make instructions-update` writes them.",
    `# ${compiler}`,
  ];
  fs.writeFileSync(
    FILE,
    [
      ...head,
      ...Object.entries(measured).map(
        ([name, count]) => name.padEnd(10) + String(count).padStart(7)
      ),
    ].join("\n") + "\n"
  );
  console.log(fs.readFileSync(FILE, "utf8"));
} else {
  const isSame = kept.includes(`# ${compiler}`);
  let failed = false;
  for (const [name, count] of Object.entries(measured)) {
    const before = Number(kept.find((line) => line.startsWith(`${name} `))?.split(/ +/)[1]);
    const change = count / before - 1;
    const isOff = !(Math.abs(change) <= TOLERANCE);
    failed ||= isSame && isOff;
    console.log(
      `${name.padEnd(8)} ${String(count).padStart(7)} instructions a frame, kept ${String(before).padStart(7)}, ` +
        `${change >= 0 ? "+" : ""}${(100 * change).toFixed(1)} %${isOff ? "  OFF" : ""}`
    );
  }
  if (failed)
    console.log(
      "instructions: mend the path that is OFF, or run `make instructions-update` in a commit that says why"
    );
  if (!isSame) console.log(`not compared: the numbers are not of ${compiler}`);
  process.exit(failed ? 1 : 0);
}
