// No result depends on the catalog. Whatever SQL changes in it, while a recorder runs or later, every verb's result is that of
// the segments and the journal, and prune removes no frame that must stay. Expected: the results of the same verbs with the
// unchanged catalog.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import { filesBelow, jsonLines, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";

const skip = spawnSync("sqlite3", ["--version"]).status === 0 ? false : "needs the program sqlite3";

function sql(archive, text) {
  const end = spawnSync(
    "sqlite3",
    ["-cmd", ".timeout 10000", path.join(archive, "catalog.sqlite"), text],
    { encoding: "utf8" }
  );
  assert.equal(end.status, 0, `${text}: ${end.stderr}`);
}

const EDITS = [
  "DELETE FROM segments",
  "DELETE FROM segments WHERE path = (SELECT max(path) FROM segments)",
  "UPDATE segments SET hash = 0",
  "UPDATE segments SET file_bytes = 1",
  "UPDATE segments SET chain = '00'",
  "UPDATE segments SET path = path || 'x'",
  "UPDATE segments SET rows = x''",
  "UPDATE segments SET rows = substr(rows, 1, length(rows) - 8)",
  "UPDATE segments SET rows = CAST(substr(rows, 1, 40) || x'00' || substr(rows, 42) AS BLOB)",
  "UPDATE segments SET rows = rows || rows",
  "UPDATE segments SET (rows, hash) = (SELECT rows, hash FROM segments ORDER BY path DESC LIMIT 1)",
  "UPDATE segments SET chunks = x''",
  "UPDATE segments SET chunks = substr(chunks, 1, 80)",
  "UPDATE segments SET chunks = chunks || x'00'",
  "DROP TABLE segments",
];

/** A symbol, a topic, a time from which books need earlier frames. Times are frames' times: a busy machine records few at first. */
let selections;
async function selectionsOf(t, archive) {
  const times = async (...args) =>
    (await jsonLines(t, ["cat", "-a", archive, "--dir", "in", ...args])).map((row) => row.recv_ns);
  const trades = await times("--topic", "trade"),
    frames = await times("--symbol", "BTCUSD");
  const at = (list, share) => String(list[Math.floor(list.length * share)]);
  return [
    ["--symbol", "EOSUSD"],
    ["--topic", "trade", "--to", at(trades, 0.5)],
    ["--symbol", "BTCUSD", "--from", at(frames, 0.3), "--to", at(frames, 0.6)],
  ];
}

/** The results of the verbs. */
async function answers(t, archive) {
  const of = async (...args) => {
    const { code, stdout } = await tapedeck(t, [args[0], "-a", archive, ...args.slice(1)], {
      status: null,
    });
    return { args: args.join(" "), code, stdout };
  };
  const replays = [];
  for (const selection of [[], ...selections]) {
    const { code, stdout } = await of("replay", "--json", ...selection);
    const { elapsed_s, frames_per_s, workers_busy_max, ...report } = JSON.parse(stdout); // the speed is not part of the result
    replays.push({ selection, code, report });
  }
  return {
    replays,
    gaps: await of("gaps", "--json"),
    ls: [await of("ls", "--symbol", "EOSUSD"), await of("ls", "--symbol", "NONE")],
    cat: createHash("sha256")
      .update((await of("cat", "--symbol", "BTCUSD", "--events")).stdout)
      .digest("hex"),
    prune: await of("prune", "--older-than", "1h", "--dry-run", "--json"),
  };
}

/** Two sessions with a gap in each, and a restart between them. */
async function archiveWithGaps(t, exchange, archive, { meanwhile = () => {} } = {}) {
  for (let i = 0; i < 2; i++) {
    const recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "50ms"]);
    await recorder.durableAfter(3);
    exchange.drop();
    await recorder.durableLine((durable) => durable.conn === 2);
    await recorder.durableAfter(recorder.durableLines + 2);
    meanwhile(archive);
    await recorder.durableAfter(recorder.durableLines + 2);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  }
}

const recorded = path.join(temporary({ after }), "tape");

/** A copy of an archive with gaps, which is recorded once. */
async function copied(t) {
  if (!fs.existsSync(recorded))
    await archiveWithGaps(
      t,
      await numberedExchange(t, { symbols: ["BTCUSD", "EOSUSD"], rate: 100 }),
      recorded
    );
  selections ??= await selectionsOf(t, recorded);
  const archive = path.join(temporary(t), "tape");
  fs.cpSync(recorded, archive, { recursive: true });
  return archive;
}

test("no edit of the catalog changes a verb's result", { skip }, async (t) => {
  const archive = await copied(t);
  const right = await answers(t, archive);
  assert.equal(right.gaps.code, 1);
  assert.ok(right.replays.every(({ report }) => report.frames > 0));
  assert.deepEqual(
    right.ls.map(({ stdout }) => stdout !== ""),
    [true, false]
  );
  assert.equal(JSON.parse(right.gaps.stdout).gaps.length, 3);
  assert.deepEqual(JSON.parse(right.prune.stdout).segments, []);
  const file = path.join(archive, "catalog.sqlite");
  const bytes = fs.readFileSync(file);
  for (const edit of EDITS) {
    sql(archive, edit);
    assert.deepEqual(await answers(t, archive), right, edit);
    const verified = await tapedeck(t, ["verify", "-a", archive], { status: null });
    assert.equal(verified.code, 1, `${edit}: ${verified.stdout}`);
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, bytes);
  }
  await tapedeck(t, ["verify", "-a", archive]);
});

test(
  "prune removes segments by the files' ages, whatever the catalog contains",
  { skip },
  async (t) => {
    const archive = await copied(t);
    const before = filesBelow(archive).filter((name) => name.endsWith(".mcap"));
    sql(archive, "UPDATE segments SET rows = x'', hash = 0");
    await tapedeck(t, ["prune", "-a", archive, "--older-than", "1h"]);
    assert.deepEqual(
      filesBelow(archive).filter((name) => name.endsWith(".mcap")),
      before
    );
  }
);

test(
  "gaps that are deleted from the catalog while it is written are still listed",
  { skip },
  async (t) => {
    const exchange = await numberedExchange(t, { rate: 100 });
    const archive = path.join(temporary(t), "tape");
    await archiveWithGaps(t, exchange, archive, {
      meanwhile: (of) => sql(of, "UPDATE segments SET rows = x''"),
    });
    const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(rows.map((row) => row.reason).sort(), ["disconnect", "disconnect", "restart"]);
  }
);
