// Standard error of verbs: each verb with -v prints more with it, and lines of a log have time and level.
// Expected: docs/design.md ("Errors").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { commands, listening, Program, tapedeck, temporary } from "../support/harness.mjs";
import { feedArgs, recordUntil } from "../support/recorders.mjs";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const LEVELS = ["error", "warning", "info", "debug"];
const lines = (text) =>
  text
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "");

/** A server that has sent a recorder some frames: the logs of both. */
async function recorded(t, dir, name, more) {
  const server = await listening(
    t,
    ["sim", "--families", "inverse", "--symbols", "1", "--rate", "200", ...more],
    dir
  );
  const archive = path.join(dir, name);
  const recorder = await recordUntil(
    t,
    archive,
    [...feedArgs(server, "inverse", ["trade.BTCUSD"]), ...more],
    (rows) => rows.length > 20
  );
  const { stderr } = await server.program.kill("SIGTERM");
  return { archive, record: recorder.stderr, sim: stderr };
}

test("-v logs more in every verb that has it", async (t) => {
  const dir = temporary(t);
  const plain = await recorded(t, fs.mkdtempSync(path.join(dir, "a")), "tape", []);
  const more = await recorded(t, fs.mkdtempSync(path.join(dir, "b")), "tape", ["-v"]);
  for (const verb of ["record", "sim"]) {
    assert.ok(!plain[verb].includes(" debug "), plain[verb]);
    assert.ok(more[verb].includes(" debug "), more[verb]);
  }
  const { archive } = plain;
  const capture = path.join(dir, "capture.jsonl");
  fs.writeFileSync(capture, (await tapedeck(t, ["cat", archive, "--topic", "trade"])).stdout);
  const others = {
    import: (n) => [
      "import",
      "-a",
      path.join(dir, `imported${n}`),
      "--format",
      "jsonl",
      "--family",
      "inverse",
      capture,
    ],
    export: (n) => ["export", archive, "--format", "jsonl", "--out", path.join(dir, `dataset${n}`)],
    plan: () => ["plan", archive, "--", "--format", "jsonl", "--out", "x"],
    prune: () => ["prune", archive, "--dry-run", "--older-than", "1d"],
    "regress save": (n) => ["regress", "save", archive, "-o", path.join(dir, `${n}.tdb`)],
    "regress check": () => ["regress", "check", archive, "--decoder", "builtin"],
    cut: (n) => ["cut", archive, "-o", path.join(dir, `cut${n}.mcap`)],
    report: (n) => ["report", archive, "--html", path.join(dir, `report${n}.html`)],
    when: () => ["when", "-a", archive, "gap"],
    "note add": () => ["note", "add", archive, "a note", "--from", "+0s"],
    push: () => ["push", archive, "s3://"], // which is refused, once the archive is open
    "note ls": () => ["note", "ls", archive],
    why: () => ["why", "-a", archive, "BTCUSD", "--at", "+1s", "--side", "bid", "--price", "1"],
    serve: () => null, // below
  };
  let tried = 0;
  for (const verb of (await commands(t)).keys()) {
    const help = (await tapedeck(t, [...verb.split(" "), "--help"])).stdout;
    if (!help.includes("--verbose")) {
      assert.ok(["topics", "decode", "diff", "merge", "pull", "ctl"].includes(verb), verb);
      continue;
    }
    if (["record", "sim", "serve", "tap", "view"].includes(verb)) continue;
    const logs = [];
    for (const [n, flags] of [[], ["-v"]].entries())
      logs.push(
        (await tapedeck(t, [...(others[verb]?.(n) ?? [verb, archive]), ...flags], { status: null }))
          .stderr
      );
    assert.ok(lines(logs[1]).length > lines(logs[0]).length, `${verb}: ${logs[0]} | ${logs[1]}`);
    tried++;
  }
  assert.ok(tried >= 11, `${tried}`);
});

test("a log's lines have time and level", async (t) => {
  const { archive, record, sim } = await recorded(t, temporary(t), "tape", ["-v"]);
  const serve = new Program(t, "tapedeck-replay", ["serve", archive, "-v"]);
  await serve.prints(/serving at/);
  const served = (await serve.kill("SIGTERM")).stderr;
  for (const [verb, text] of Object.entries({ record, sim, serve: served })) {
    assert.ok(lines(text).length > 1, `${verb}: ${text}`);
    for (const line of lines(text)) {
      const [time, level, program, name] = line.split(" ");
      assert.match(time, TIME);
      assert.ok(LEVELS.includes(level) && program === "tapedeck" && name === `${verb}:`, line);
    }
    assert.ok(text.includes("debug"), text);
  }
});
