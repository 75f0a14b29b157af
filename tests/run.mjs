// Run test programs, and count what passed: node tests/run.mjs OUT_DIR TEST...
//
// A TEST is a cmocka program or a file of end-to-end tests (*.test.mjs); these drive the programs in $TAPEDECK_BIN. Two more than
// there are cores run at once, because many wait for a clock; those that took longest the last time come first. A test's output is in OUT_DIR/NAME.out and shown if it
// failed, crashed, or still ran after TEST_TIMEOUT_S (600). OUT_DIR/times has a line each: seconds by the clock, seconds of CPU,
// name. The last line is "N passed, N failed[, N skipped]"; the line before has how many tests are left to `make check`, which sets
// TAPEDECK_LONG. Exit 1 on any failure, and if there was nothing to run: a mistyped name must not look like success.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [out, ...files] = process.argv.slice(2);
const TIMEOUT_S = Number(process.env.TEST_TIMEOUT_S ?? 600);
const isE2e = (file) => file.endsWith(".test.mjs");
/** build/debug/tests/base/test_io -> base.test_io, tests/e2e/replay/cut.test.mjs -> e2e.replay.cut */
const nameOf = (file) =>
  file
    .replace(/^(.*\/)?tests\//, "")
    .replace(/\.test\.mjs$/, "")
    .replaceAll("/", ".");

fs.mkdirSync(out, { recursive: true });
const timesFile = path.join(out, "times");
const before = new Map();
if (fs.existsSync(timesFile))
  for (const line of fs.readFileSync(timesFile, "utf8").trim().split("\n"))
    before.set(line.split(" ")[2], Number(line.split(" ")[0]));
const lengthOf = (file) => before.get(nameOf(file)) ?? (isE2e(file) ? 5 : 1);

// ---- one test ----

/** Sum of cmocka's "[  WORD  ] N test(s)" lines; a program may run several groups, whose names some versions print. */
const cmockaCount = (text, word) =>
  [...text.matchAll(new RegExp(`^\\[ +${word} +\\] (?:.*: )?(\\d+) test\\(s\\)`, "gm"))].reduce(
    (sum, match) => sum + Number(match[1]),
    0
  );
const tapCount = (text, word) => Number(text.match(new RegExp(`^# ${word} (\\d+)`, "m"))?.[1] ?? 0);

function countsOf(file, text) {
  if (!isE2e(file))
    return {
      passed: cmockaCount(text, "PASSED"),
      failed: cmockaCount(text, "FAILED"),
      skipped: cmockaCount(text, "SKIPPED"),
    };
  // A test that never ran, because its suite failed, is "cancelled": it has not passed. A suite that is skipped counts as one test.
  const suites = [
    ...text.matchAll(/^ *ok .* # SKIP.*\n *---\n *duration_ms: .*\n *type: 'suite'$/gm),
  ].length;
  return {
    passed: tapCount(text, "pass"),
    failed: tapCount(text, "fail") + tapCount(text, "cancelled"),
    skipped: tapCount(text, "skipped") + suites,
  };
}

function run(file) {
  const name = nameOf(file),
    to = path.join(out, `${name}.out`),
    log = fs.openSync(to, "w");
  const command = isE2e(file) ? ["node", "--test-reporter=tap", file] : [path.resolve(file)];
  // One format whatever the caller's environment has: the counts are read from it.
  const env = { ...process.env, CMOCKA_MESSAGE_OUTPUT: "stdout" };
  // The shell's clock adds up what the test and all that it started took.
  const script = `TIMEFORMAT="%R %U %S"; { time timeout -k 5 ${TIMEOUT_S} "$@" 2>&4; } 4>&2 2>&3`;
  const child = spawn("bash", ["-c", script, "bash", ...command], {
    env,
    stdio: ["ignore", log, log, "pipe"],
  });
  let clock = "";
  child.stdio[3].on("data", (bytes) => (clock += bytes));
  return new Promise((resolve) =>
    child.on("close", (status) => {
      fs.closeSync(log);
      const text = fs.readFileSync(to, "utf8"),
        counts = countsOf(file, text),
        [real, user, system] = clock.trim().split(" ").map(Number);
      let why = "";
      if (status === 124 || status === 137) why = `still running after ${TIMEOUT_S} s`;
      else if (status > 128) why = `killed by signal ${status - 128}`;
      else if (status !== 0) why = `exit status ${status}`;
      else if (counts.passed + counts.failed + counts.skipped === 0) why = "it ran no test";
      if (why !== "" && counts.failed === 0) counts.failed = 1;
      resolve({ file, name, text, ...counts, why, seconds: real, cpu: user + system });
    })
  );
}

// ---- all of them ----

const start = process.hrtime.bigint();
const isTerminal = process.stdout.isTTY;
const wipe = isTerminal ? "\r\x1b[K" : "";
const totals = { passed: 0, failed: 0, skipped: 0 },
  reasons = new Map(),
  times = [];
const TOO_LONG = "takes long: make check runs it"; // as tests/e2e/support/harness.mjs and tests/testing/long_test.h have it
const queue = [...files].sort((a, b) => lengthOf(b) - lengthOf(a));
let done = 0;

function report(result) {
  done++;
  for (const key of Object.keys(totals)) totals[key] += result[key];
  for (const [, a, b] of result.text.matchAll(/^skipped: (.*)|^ *ok .* # SKIP (.*)$/gm))
    reasons.set(a ?? b, (reasons.get(a ?? b) ?? 0) + 1);
  times.push(result);
  const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
  const state = `[${done}/${files.length}] ${elapsed.toFixed(0)} s`;
  if (result.failed > 0)
    console.log(
      `${wipe}==== ${result.file}: ${result.why || `${result.failed} failed`}\n${result.text}`
    );
  else if (!isTerminal)
    console.log(
      `${state.padEnd(16)} ok ${result.name} (${result.passed} passed, ${result.seconds.toFixed(1)} s)`
    );
  if (isTerminal)
    process.stdout.write(
      `${wipe}${state}, ${totals.passed} passed, ${totals.failed} failed; last: ${result.name}`
    );
}

async function worker() {
  for (let file; (file = queue.shift()) !== undefined;) report(await run(file));
}
await Promise.all(
  Array.from({ length: 2 + (os.availableParallelism?.() ?? os.cpus().length) }, worker)
);
process.stdout.write(wipe);

for (const { name } of times) before.delete(name);
const kept = [...before].map(([name, seconds]) => [seconds, "-", name]);
const lines = [
  ...times.map(({ name, seconds, cpu }) => [seconds.toFixed(1), cpu.toFixed(1), name]),
  ...kept,
];
fs.writeFileSync(
  timesFile,
  lines
    .sort((a, b) => b[0] - a[0])
    .map((line) => line.join(" ") + "\n")
    .join("")
);
const left = reasons.get(TOO_LONG) ?? 0;
reasons.delete(TOO_LONG);
totals.skipped -= left;
for (const [reason, count] of reasons) console.log(`skipped ${count}: ${reason}`);
if (left > 0) console.log(`left to make check, because they take long: ${left}`);
if (files.length === 0) console.log("no test was given");
console.log(
  `${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ""}`
);
process.exit(totals.failed > 0 || files.length === 0 ? 1 : 0);
