// Exports on one core, compared with a plain replay and with a script in Python; their memory; the package for Python. Part
// of `make bench`; alone, with its own corpora: node benchmarks/exports.mjs BUILD_DIR
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import zlib from "node:zlib";
import {
  bin,
  EXPORTS,
  exportArgs,
  fresh,
  makeCorpus,
  pythonPackage,
  replayArgs,
  run,
  work,
} from "./corpus.mjs";

const FRAMES = 250_000,
  ROUNDS = 2;
/** Run a process: wall_s, cpu_s, and its peak memory in KiB. */
function measure(command, args) {
  const script =
    "import json, resource, subprocess, sys, time; from_s = time.perf_counter(); " +
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); wall_s = time.perf_counter() - from_s; " +
    "of = resource.getrusage(resource.RUSAGE_CHILDREN); print(json.dumps({'wall_s': wall_s, 'cpu_s': of.ru_utime + of.ru_stime, 'kib': of.ru_maxrss}))";
  return JSON.parse(run("python3", ["-c", script, command, ...args]));
}

/** Run the sides of a row in turn. Returns each side's round with the least CPU: other load can only add to it. */
function inTurn(...sides) {
  const rounds = Array.from({ length: ROUNDS }, () => sides.map((side) => side()));
  return sides.map((_, i) =>
    rounds.map((round) => round[i]).reduce((a, b) => (b.cpu_s < a.cpu_s ? b : a))
  );
}
const perSecond = (frames, side) => Math.round(frames / side.cpu_s);

/** The corpus as a file like a collector's, for a script: receive time and frame in each line. */
function linesOf(archive) {
  const file = path.join(work, "received.lines");
  const frames = run(bin("tapedeck"), [
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
    file,
    frames.replace(
      /^.*?"recv_ns":(\d+),"data":(".*")}$/gm,
      (_, at, data) => `${at} ${JSON.parse(data)}`
    )
  );
  return file;
}

function checkSame(ours, theirs) {
  const names = fs.readdirSync(theirs).sort();
  const text = (folder, name) => zlib.gunzipSync(fs.readFileSync(path.join(folder, name)));
  if (names.length === 0 || names.some((name) => !text(ours, name).equals(text(theirs, name))))
    throw new Error("the script's rows are others than tapedeck's");
}

/** Run the package for Python, or json.loads for the same frames. */
function inPython(c, what) {
  const { command, args, env } = pythonPackage(what, c.archive);
  return JSON.parse(run(command, args, { env: { ...process.env, ...env } }));
}

/** Rates are per second of CPU; rates of the Python package, which uses all cores, are per second by the clock. */
export async function exportRows(v5, row) {
  const few = await makeCorpus("tenth-v5", v5.frames / 10, "v5-linear");
  for (const format of Object.keys(EXPORTS)) {
    const topics = EXPORTS[format].needsTrades ? ["--topic", "publicTrade"] : [];
    const [replay, ours] = inTurn(
      () => measure(bin("tapedeck-replay"), [...replayArgs(v5.archive, 1), ...topics]),
      () => measure(bin("tapedeck-replay"), exportArgs(v5.archive, format))
    );
    row(
      `export ${format} -j 1 (limit: replay -j 1)`,
      perSecond(v5.frames, ours),
      perSecond(v5.frames, replay),
      "frames/s of CPU",
      "higher",
      null,
      v5.sha,
      ROUNDS
    );
    const least = measure(bin("tapedeck-replay"), exportArgs(few.archive, format));
    row(
      `export ${format} -j 1: peak memory (limit: of a tenth of the frames)`,
      ours.kib,
      least.kib,
      "KiB",
      "lower",
      null,
      v5.sha,
      1
    );
  }
  const lines = linesOf(v5.archive),
    ours = path.join(work, "exported"),
    theirs = path.join(work, "by-script");
  const [script, export_] = inTurn(
    () => measure("python3", ["benchmarks/export_csv.py", lines, fresh("by-script")]),
    () => measure(bin("tapedeck-replay"), exportArgs(v5.archive, "tardis-csv"))
  );
  checkSame(ours, theirs);
  row(
    "export tardis-csv -j 1 (limit: json and csv in Python)",
    perSecond(v5.frames, export_),
    perSecond(v5.frames, script),
    "frames/s of CPU",
    "higher",
    null,
    v5.sha,
    ROUNDS
  );
  const [loads, ...read] = inTurn(
    ...["loads", "rows", "frames", "messages"].map((what) => () => inPython(v5, what))
  );
  for (const [i, what] of ["rows", "frames", "messages"].entries()) {
    const byClock = (side) => Math.round(v5.frames / side.wall_s);
    row(
      `python ${what} (limit: json.loads)`,
      byClock(read[i]),
      byClock(loads),
      "frames/s",
      "higher",
      null,
      v5.sha,
      ROUNDS
    );
    row(
      `python ${what} (limit: json.loads): CPU`,
      perSecond(v5.frames, read[i]),
      perSecond(v5.frames, loads),
      "frames/s of CPU",
      "higher",
      null,
      v5.sha,
      ROUNDS
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const v5 = await makeCorpus("corpus-v5", FRAMES, "v5-linear");
  const print = (name, ours, limit, unit) =>
    console.log(`${name}: ${ours} ${limit} ${unit}, ratio ${(ours / limit).toFixed(2)}`);
  await exportRows(v5, print);
}
