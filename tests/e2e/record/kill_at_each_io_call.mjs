// Kill a recorder, an import over midnight and a prune at each of their I/O calls (strace), and run every verb before recovery:
// no verb may report an archive as complete if recovery then finds something missing. Prints a table; `make soak` runs it.
//
//     kill_at_each_io_call.mjs PROGRAMS
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { eventually } from "../support/harness.mjs";

const CALLS = [
  "openat",
  "write",
  "pwrite64",
  "writev",
  "fsync",
  "fdatasync",
  "rename",
  "renameat2",
  "unlink",
  "unlinkat",
  "ftruncate",
  "mkdir",
  "mkdirat",
];
const [, , programs] = process.argv;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-kills-"));
const archive = path.join(dir, "tape");
const tapedeck = (...args) =>
  spawnSync(path.join(programs, "tapedeck"), args, { encoding: "utf8" });

function parsed(done, read) {
  try {
    return read(JSON.parse(done.stdout));
  } catch {
    return "-";
  }
}

/** How each verb judges the archive: its exit status and verdict. */
function verdictsOfVerbs() {
  const out = path.join(dir, "out");
  fs.rmSync(out, { recursive: true, force: true });
  const [gaps, replay, days, verify] = [
    ["gaps", archive, "--json"],
    ["replay", archive],
    ["days", archive, "--json"],
    ["verify", archive, "--json"],
  ].map((args) => tapedeck(...args));
  return {
    gaps: `${gaps.status} ${parsed(gaps, (found) => found.gaps.map((gap) => gap.reason).join() || "none")}`,
    replay: `${replay.status} ${/Complete: (\w+)/.exec(replay.stdout)?.[1] ?? "-"}`,
    days: `${days.status}`,
    verify: `${verify.status} ${parsed(verify, (found) => found.verdict)}`,
    info: `${tapedeck("info", archive).status}`,
    cat: `${tapedeck("cat", archive).status}`,
    export: `${tapedeck("export", "-q", archive, "--format", "parquet", "--out", out).status}`,
  };
}

const isGood = (beforeRecover) =>
  beforeRecover.gaps === "0 none" ||
  beforeRecover.replay === "0 yes" ||
  beforeRecover.days === "0" ||
  beforeRecover.export === "0";

/** Kill the verb at each call; `before` is the archive that it starts with. */
function sweep(name, before, ...args) {
  const found = new Map();
  let points = 0,
    broken = 0;
  for (const call of CALLS)
    for (let n = 1; ; n++) {
      fs.rmSync(archive, { recursive: true, force: true });
      if (before !== undefined) fs.cpSync(before, archive, { recursive: true });
      const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${n}`];
      const done = spawnSync(
        "strace",
        ["-f", "-o", path.join(dir, "trace"), ...inject, path.join(programs, "tapedeck"), ...args],
        { encoding: "utf8" }
      );
      if (done.signal !== "SIGKILL" && done.status !== 137) break;
      points++;
      if (!fs.existsSync(archive)) continue;
      const beforeRecover = verdictsOfVerbs();
      tapedeck("recover", "-q", archive);
      const afterRecover = verdictsOfVerbs();
      const isBroken =
        isGood(beforeRecover) &&
        (beforeRecover.gaps !== afterRecover.gaps ||
          beforeRecover.replay !== afterRecover.replay ||
          beforeRecover.days !== afterRecover.days ||
          beforeRecover.export !== afterRecover.export);
      broken += isBroken;
      const row = JSON.stringify([beforeRecover, afterRecover, isBroken]);
      found.set(row, [...(found.get(row) ?? []), `${call} ${n}`]);
    }
  console.log(
    `${name}: killed at ${points} calls, ${broken} at which a verb called the archive complete until recover ran`
  );
  for (const [row, at] of found)
    console.log(`  ${at.length} of them (${at[0]} to ${at.at(-1)}): ${row}`);
  return points > 20 && broken === 0;
}

/** A capture with a trade every 100 ms, from 10 s before midnight on. */
function capture(name, from, to) {
  const midnight = Date.UTC(2026, 10, 21);
  const lines = [`wss://test/realtime <-> ${(midnight - 10000 + from * 100) / 1000}`];
  for (let i = from; i < to; i++) {
    const made = midnight - 9950 + 100 * i;
    const data = [
      {
        trade_time_ms: made,
        timestamp: "2026-11-20T09:21:59.000Z",
        symbol: "BTCUSD",
        side: "Buy",
        size: 1,
        price: 7.5,
        tick_direction: "PlusTick",
        trade_id: `t${i}`,
        cross_seq: i + 1,
      },
    ];
    lines.push(`${(made + 200) / 1000}: ${JSON.stringify({ topic: "trade.BTCUSD", data })}`);
  }
  const file = path.join(dir, name);
  fs.writeFileSync(file, lines.join("\n"));
  return file;
}

const importing = ["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "inverse"];
const ready = path.join(dir, "ready.json");
const sim = spawn(
  path.join(programs, "tapedeck"),
  [
    "sim",
    "-q",
    "--families",
    "inverse",
    "--plain",
    "--symbols",
    "2",
    "--rate",
    "400",
    "--listen",
    "127.0.0.1:0",
    "--ready-file",
    ready,
  ],
  { stdio: ["ignore", "ignore", "inherit"] }
);
try {
  execFileSync("strace", ["-V"], { stdio: "ignore" });
  const results = [
    sweep("import over midnight", undefined, ...importing, capture("midnight", 0, 200)),
  ];
  const before = path.join(dir, "before");
  fs.rmSync(archive, { recursive: true, force: true });
  for (const [i, range] of [
    [0, 50],
    [60, 100],
    [110, 150],
  ].entries())
    execFileSync(path.join(programs, "tapedeck"), [...importing, capture(`part${i}`, ...range)], {
      stdio: "ignore",
    });
  fs.renameSync(archive, before);
  results.push(
    sweep("prune", before, "prune", "-q", "-a", archive, "--before", "2026-11-20T23:59:59Z")
  );
  await eventually("the simulated exchange is ready", () => fs.existsSync(ready));
  const { url } = JSON.parse(fs.readFileSync(ready, "utf8"));
  results.push(
    sweep(
      "record",
      undefined,
      "record",
      "-q",
      "-a",
      archive,
      `${url}/realtime`,
      "--family",
      "inverse",
      "--topic",
      "trade.*",
      "--max-frames",
      "60",
      "--commit-interval",
      "50ms"
    )
  );
  process.exitCode = results.every(Boolean) ? 0 : 1;
} finally {
  sim.kill("SIGTERM");
  await once(sim, "exit");
  fs.rmSync(dir, { recursive: true, force: true });
}
