// Units of an export (docs/export.md, "In units"): whoever runs them, in any order, more than once and killed in between, the
// finished dataset has the bytes of one run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  Program,
  chunksOf,
  capture,
  captureLines,
  eventually,
  flipIn,
  importLines,
  json,
  listening,
  manifestsOf,
  segments,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { Recorder, feedArgs } from "../support/recorders.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz",
  LINEAR = "linear-2021-04-17.jsonl.gz",
  V5 = "v5-2026-08-09.jsonl.gz";
const skip = withoutCapture(INVERSE) || withoutCapture(LINEAR) || withoutCapture(V5);

/** An archive of captures: {family: file}. */
async function imported(t, dir, captures) {
  const archive = path.join(dir, "tape");
  for (const [family, file] of Object.entries(captures))
    await tapedeck(t, [
      ...["import", "-q", "-a", archive, "--format", "cryptofeed"],
      ...["--family", family, capture(file)],
    ]);
  return archive;
}

/** Adds the inverse capture with the times of the next day. */
async function addNextDay(t, archive) {
  const next = (line) =>
    line.replace(/(^|<- |<-> )(\d+)(\.\d+)/, (_, before, s, rest) => before + (+s + 86400) + rest);
  const lines = captureLines(INVERSE).map(next);
  await importLines(t, lines, { archive, format: "cryptofeed", family: "inverse" });
}

/** The commands of a plan, as arrays of words without the program, and the days of its JSON. */
async function planned(t, archive, bytes, words, options) {
  const plan = ["plan", archive, "--unit-bytes", `${bytes}`];
  const { days } = await json(t, [...plan, "--json", "--", ...words], options);
  const commands = days.flatMap((day) => day.units.map((unit) => unit.command));
  const { stdout } = await tapedeck(t, [...plan, "-q", "--", ...words], options);
  const lines = stdout.split("\n").slice(0, -1);
  assert.deepEqual(
    lines.map((line) => execFileSync("sh", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" })),
    commands.map((command) => command.join("\n") + "\n")
  );
  for (const command of commands) assert.equal(command.shift(), "tapedeck");
  return { commands, days };
}

/** Two copies of the items, in an order that a number determines. */
function twice(items, seed) {
  const all = [...items, ...items];
  for (let i = all.length - 1; i > 0; i--) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const k = seed % (i + 1);
    [all[i], all[k]] = [all[k], all[i]];
  }
  return all;
}

/** Kills a unit once it has begun to write, or it has ended before. */
async function kill(t, command, out) {
  const program = new Program(t, "tapedeck", command);
  const folder = path.join(out, ".units", command.at(-1));
  let hasEnded = false;
  program.ended.then(() => (hasEnded = true));
  await eventually("the unit writes", () => hasEnded || fs.existsSync(folder));
  await program.kill("SIGKILL");
}

const same = (a, b) => execFileSync("diff", ["-r", a, b], { stdio: "pipe" });

/** Exports once, and in units. Returns the plan's days, and the output of --finish. */
async function inUnits(t, archive, dir, bytes, words, seed) {
  const one = path.join(dir, "one"),
    out = path.join(dir, "units");
  const whole = await tapedeck(t, ["export", archive, ...words, "--out", one], { status: null });
  const { commands, days } = await planned(t, archive, bytes, [...words, "--out", out]);
  await kill(t, commands.at(-1), out);
  for (const command of twice(commands, seed)) await tapedeck(t, [...command, "-q"]);
  const finished = await tapedeck(t, ["export", archive, ...words, "--out", out, "--finish"], {
    status: whole.code,
  });
  same(one, out);
  const last = ({ stderr }) => stderr.trimEnd().split("\n").at(-1);
  assert.equal(last(finished).replace(out, one), last(whole));
  // Afterwards a unit has nothing to do.
  await tapedeck(t, [...commands[0], "-q"]);
  same(one, out);
  return { days, finished };
}

const TESTS = [
  ["tardis-csv", { inverse: INVERSE, linear: LINEAR }, ["--format", "tardis-csv"], 1000],
  [
    "bars",
    { inverse: INVERSE },
    ["--format", "tardis-csv", "--type", "bars", "--bars", "1m"],
    9000,
  ],
  ["parquet", { "v5-linear": V5 }, ["--format", "parquet"], 10000],
  [
    "parquet beside mcap and jsonl",
    { inverse: INVERSE, linear: LINEAR },
    ["--format", "parquet", "--format", "mcap", "--format", "jsonl"],
    7000,
  ],
  ["hftbacktest", { inverse: INVERSE }, ["--format", "hftbacktest"], 1000],
  ["nautilus", { "v5-linear": V5 }, ["--format", "nautilus"], 1000],
  ["sqlite", { inverse: INVERSE, linear: LINEAR }, ["--format", "sqlite"], 1000],
];
for (const [name, captures, words, bytes] of TESTS)
  test(`units of ${name} give the bytes of one run`, { skip }, async (t) => {
    const dir = temporary(t);
    const archive = await imported(t, dir, captures);
    if (captures.inverse !== undefined) await addNextDay(t, archive);
    const { days } = await inUnits(t, archive, dir, bytes, words, name.length);
    const isCut = words.includes("tardis-csv") || words.includes("parquet");
    assert.equal(
      days.some((day) => day.units.length > 2),
      isCut,
      JSON.stringify(days)
    );
    for (const { units } of days) {
      const symbols = units.flatMap((unit) => unit.symbols);
      assert.equal(new Set(symbols).size, symbols.length);
    }
  });

test("a day that lacks a unit is named and not published; other days are", { skip }, async (t) => {
  const dir = temporary(t),
    out = path.join(dir, "out");
  const archive = await imported(t, dir, { inverse: INVERSE });
  await addNextDay(t, archive);
  const words = ["--format", "tardis-csv", "--out", out];
  const { commands, days } = await planned(t, archive, 1000, words);
  assert.equal(days.length, 2);
  const lacking = commands.splice(1, 1)[0];
  for (const command of commands) await tapedeck(t, [...command, "-q"]);
  const finish = (options) => tapedeck(t, ["export", archive, ...words, "--finish"], options);
  const { stderr } = await finish({ status: 1 });
  assert.match(
    stderr,
    new RegExp(
      `'MANIFEST.${days[0].day}.json' is not published: missing or out of date: ${lacking.at(-1)}\n`
    )
  );
  const dates = () => manifestsOf(out).map((manifest) => manifest.date);
  assert.deepEqual(dates(), [days[1].day]);
  assert.equal(
    (await json(t, ["export", archive, ...words, "--finish", "--json"], { status: 1 }))
      .days_unfinished,
    1
  );
  await tapedeck(t, [...lacking, "-q"]);
  await finish({ status: null });
  assert.deepEqual(
    dates(),
    days.map((day) => day.day)
  );
  assert.ok(!fs.existsSync(path.join(out, ".units")));
});

test(
  "units of an archive that changed are out of date; damage is joined as one run has it",
  { skip },
  async (t) => {
    const dir = temporary(t),
      out = path.join(dir, "out"),
      one = path.join(dir, "one");
    const archive = await imported(t, dir, { inverse: INVERSE });
    const words = ["--format", "tardis-csv", "--out", out];
    const run = async () => {
      for (const command of (await planned(t, archive, 1000, words)).commands)
        await tapedeck(t, [...command, "-q"], { status: 0 });
    };
    const finish = (status) => tapedeck(t, ["export", archive, ...words, "--finish"], { status });
    await run();
    await importLines(t, captureLines(LINEAR), { archive, format: "cryptofeed", family: "linear" });
    assert.match((await finish(1)).stderr, /out of date: 2021-04-17.1of/);
    const [segment] = segments(archive);
    flipIn(path.join(archive, segment), chunksOf(path.join(archive, segment))[0]);
    await run();
    await finish(3);
    await tapedeck(t, ["export", "-q", archive, ...words.slice(0, 2), "--out", one], { status: 3 });
    same(one, out);
  }
);

test("a day that is being recorded has no units", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await listening(t, ["sim", "--families", "inverse", "--symbols", "2"], dir);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, "inverse", ["trade.*"]),
    ...["--commit-interval", "100ms"],
  ]);
  await recorder.durableLine((durable) => durable.in > 5);
  const words = ["--format", "tardis-csv", "--out", path.join(dir, "out")];
  const { days, commands } = await planned(t, archive, 1000, words);
  assert.ok(!days.at(-1).finished && days.at(-1).units.length === 0);
  const plan = ["plan", archive, "--", ...words];
  assert.match((await tapedeck(t, plan)).stderr, new RegExp(`${days.at(-1).day} is not finished`));
  await recorder.kill("SIGTERM");
  assert.ok((await planned(t, archive, 1000, words)).commands.length > commands.length);
});

test("a plan refuses what has no units", { skip }, async (t) => {
  const dir = temporary(t),
    out = path.join(dir, "out");
  const archive = await imported(t, dir, { inverse: INVERSE });
  const words = ["--format", "tardis-csv", "--out", out];
  const refused = async (args, text) =>
    assert.match((await tapedeck(t, args, { status: 2 })).stderr, text);
  await refused(["plan", archive, "--verb", "verify", "--", "-q"], /only 'export' has units/);
  await refused(["plan", archive], /options of export are missing/);
  await refused(["plan", archive, "--", ...words, "--only-clean"], /replay the whole selection/);
  await refused(["plan", archive, "--", ...words, "--shard", "1/2"], /excludes/);
  await refused(["export", archive, ...words, "--unit", "2021-04-17.3of2"], /is not a unit/);
  await refused(
    ["export", archive, "--format", "sqlite", "--out", out, "--unit", "2021-04-17.1of2"],
    /cannot be cut/
  );
  await tapedeck(t, ["export", archive, ...words, "--unit", "2020-01-01.1of1"], { status: 4 });
  assert.ok(!fs.existsSync(out));
});
