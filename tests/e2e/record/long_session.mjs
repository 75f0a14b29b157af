// node long_session.mjs MINUTES [SEED]: a recorder with two feeds for a long time, while configurations are read again, segments are
// rotated and pruned, the recorder is replaced and killed, and a reader follows. Exit 1 if an action or `verify` fails, the ledger has
// other rows than the stops and kills, or the reader missed a frame. Memory and `days` are printed. TAPEDECK_BIN as for the other tests.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  eventually,
  json,
  jsonLines,
  jsonList,
  listening,
  passed,
  Program,
  tapedeck,
} from "../support/harness.mjs";
import { PATHS, randomNumbers, Recorder } from "../support/recorders.mjs";

const minutes = Number(process.argv[2]),
  seed = Number(process.argv[3] ?? 1);
assert.ok(minutes > 0 && Number.isInteger(seed), "usage: long_session.mjs MINUTES [SEED]");
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-long-session-"));
const ends = [],
  t = { after: (end) => ends.push(end) };
const random = randomNumbers(seed),
  LONG = { deadlineMs: 1e9 };
const archive = path.join(dir, "tape"),
  file = path.join(dir, "feeds.yaml");
const say = (text) => console.log(`${new Date().toISOString()} ${text}`);

const server = await listening(
  t,
  ["sim", "--families", "v5-linear,v5-spot", "--symbols", "5", "--rate", "300"],
  dir,
  LONG
);
const SYMBOLS = {
  "v5-linear": ["BTCUSDT", "ETHUSDT", "EOSUSDT", "XRPUSDT"],
  "v5-spot": ["BTCUSDT", "ETHUSDT"],
};

/** The configuration; one feed has two symbols, which never change, and more. */
function writeConfig(more) {
  const feed = (family, symbols) =>
    `  - family: ${family}\n    url: ${server.url}${PATHS[family]}\n    ca_file: ${server.ca}\n    resnapshot: 2m\n    max_age: 5m\n    topics: [orderbook.50, publicTrade, tickers]\n    symbols: [${symbols.join(", ")}]\n`;
  fs.writeFileSync(
    file,
    `feeds:\n${feed("v5-linear", SYMBOLS["v5-linear"].slice(0, 2 + more))}${feed("v5-spot", SYMBOLS["v5-spot"])}`
  );
}

const start = (more = []) => new Recorder(t, archive, ["-c", file, ...more], LONG);
const memory = (program) =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${program.child.pid}/status`, "utf8"))[1]);
const count = { reload: 0, rotate: 0, prune: 0, kill: 0, replace: 0, stop: 0 };
const samples = { recorder: [], tail: [] };

writeConfig(0);
let recorder = start();
await recorder.durableAfter(10);
const tail = new Program(
  t,
  "tapedeck",
  ["cat", "--follow", "-a", archive, "--feed", "v5-linear", "--topic", "orderbook.50.BTCUSDT"],
  LONG
);
const followed = { frames: 0, jumps: 0, late: 0, u: null, last: null };
tail.waiting.push((line) => {
  const { data } = JSON.parse(line),
    frame = JSON.parse(data);
  followed.frames++;
  followed.last = data;
  if (frame.type === "delta" && frame.data.u <= followed.u) followed.late++;
  if (frame.type === "delta" && frame.data.u > followed.u + 1) followed.jumps++;
  followed.u = frame.data.u;
  tail.lines.length = 0; // nothing is kept for hours
  tail.stdout = "";
  return false;
});

const ACTIONS = {
  reload: async () => {
    writeConfig(Math.floor(random() * 3));
    await tapedeck(t, ["ctl", archive, "reload"]);
  },
  rotate: () => tapedeck(t, ["ctl", archive, "rotate"]),
  prune: () => tapedeck(t, ["prune", archive, "--keep-bytes", "50MiB"], { status: null }),
  replace: async () => {
    const next = start(["--replace"]);
    await next.durableAfter(5);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    recorder = next;
  },
  kill: async () => {
    await recorder.kill("SIGKILL");
    recorder = start();
    await recorder.durableAfter(5);
  },
  stop: async () => {
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    recorder = start();
    await recorder.durableAfter(5);
  },
};
const WEIGHTS = [
  "reload",
  "reload",
  "reload",
  "rotate",
  "rotate",
  "prune",
  "replace",
  "replace",
  "kill",
  "stop",
];

const until = Date.now() + minutes * 60_000;
for (let n = 0; Date.now() < until; n++) {
  await passed(Math.min(30_000 + random() * 30_000, Math.max(0, until - Date.now())));
  samples.recorder.push(memory(recorder));
  samples.tail.push(memory(tail));
  const name = WEIGHTS[Math.floor(random() * WEIGHTS.length)];
  try {
    await ACTIONS[name]();
    count[name]++;
    say(
      `${name}: recorder ${samples.recorder.at(-1)} KiB, tail ${samples.tail.at(-1)} KiB, ${followed.frames} followed`
    );
  } catch (error) {
    say(`${name} FAILED: ${error.message.split("\n").slice(0, 3).join(" | ")}`);
    process.exitCode = 1;
    if (name === "replace") await passed(10_000); // a connection was being replaced, or compared: the recorder is the same
  }
}
assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
const [last] = (
  await jsonLines(
    t,
    ["cat", "-a", archive, "--feed", "v5-linear", "--topic", "orderbook.50.BTCUSDT"],
    LONG
  )
).slice(-1);
await eventually(
  `the reader has the last frame, ${last.data.slice(0, 200)}`,
  () => followed.last === last.data,
  tail
);
await tail.kill("SIGTERM");
await server.program.kill("SIGTERM");

const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
const counts = {};
for (const { feed, reason, topic, to_ns } of gaps) {
  const key = [feed, reason, topic ?? "all", to_ns === null ? "open" : "ended"].join(" ");
  counts[key] = (counts[key] ?? 0) + 1;
}
const verify = await tapedeck(t, ["verify", archive], { status: null });
const { days } = await json(t, ["days", archive, "--json"], { status: null });
const report = await json(t, ["replay", archive, "--json"], { status: null });
// A stop and a kill are rows of each feed, and nothing else is missing.
const wanted = {};
for (const feed of Object.keys(SYMBOLS))
  for (const [reason, rows] of [
    ["restart", count.stop],
    ["crash", count.kill],
  ])
    if (rows > 0) wanted[`${feed} ${reason} all ended`] = rows;
const found = {
  verify: verify.code,
  violations: report.continuity.violations,
  jumps: followed.jumps,
  late: followed.late,
  gaps: Object.fromEntries(
    Object.entries(counts).filter(([key]) => !/ (pruned|not_subscribed) /.test(key))
  ),
};
try {
  assert.deepEqual(found, { verify: 0, violations: 0, jumps: 0, late: 0, gaps: wanted });
} catch (error) {
  console.log(error.message);
  process.exitCode = 1;
}
console.log(
  JSON.stringify(
    {
      minutes,
      seed,
      count,
      followed,
      memory_kib: {
        recorder: [samples.recorder[0], Math.max(...samples.recorder), samples.recorder.at(-1)],
        tail: [samples.tail[0], Math.max(...samples.tail), samples.tail.at(-1)],
      },
      gaps: counts,
      verify: verify.code,
      violations: report.continuity.violations,
      missing_s: days.map(({ feed, topic, symbol, missing_ns }) => [
        feed,
        topic,
        symbol,
        missing_ns / 1e9,
      ]),
    },
    null,
    1
  )
);
console.log(`the archive is ${archive}`);
for (const end of ends) await end();
process.exit();
