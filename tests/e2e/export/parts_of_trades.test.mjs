// A dataset that is made in parts has each trade once: the list of the latest trades with which a connection begins repeats trades
// that belong to an earlier part, whether the part begins with a checkpoint, on a connection, or between two.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { filesBelow, importLines, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";

const MINUTE_MS = 60_000;
const HOUR_MS = Date.UTC(2026, 7, 3, 12);
const at = (minute) => HOUR_MS + minute * MINUTE_MS;

/** A frame of one connection with trades, the newest one first; a trade's id is its minute, from 100. */
function frame(conn, ordinal, minute, type, minutes) {
  const trades = minutes
    .slice()
    .sort((a, b) => b - a)
    .map((of) => ({
      product_id: "BTC-USD",
      trade_id: String(100 + of),
      price: "10",
      size: "2",
      time: new Date(at(of)).toISOString(),
      side: "SELL",
    }));
  const data = {
    channel: "market_trades",
    client_id: "",
    timestamp: new Date(at(minute)).toISOString(),
    sequence_num: ordinal,
    events: [{ type, trades }],
  };
  return `{"recv_ns":${at(minute) + 50}000000,"conn":${conn},"data":${JSON.stringify(data)}}`;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Trades of each minute from -20 to 20, in two segments; the second connection begins at 6 with a list that has those since -10. */
const LINES = [
  frame(1, 0, -20, "snapshot", [-20]),
  ...range(-19, 4).map((minute, i) => frame(1, i + 1, minute, "update", [minute])),
  frame(2, 0, 6, "snapshot", range(-10, 6)),
  ...range(7, 20).map((minute, i) => frame(2, i + 1, minute, "update", [minute])),
];

async function idsOf(t, archive, ...times) {
  const out = path.join(temporary(t), "out");
  const { code } = await tapedeck(
    t,
    ["export", "-q", archive, "--format", "tardis-csv", "--type", "trades", "--out", out, ...times],
    { status: null }
  );
  assert.ok(code === 0 || code === 1, `export ended with ${code}`);
  const name = filesBelow(out).find((of) => of.includes("_trades_"));
  const rows = zlib
    .gunzipSync(fs.readFileSync(path.join(out, name)))
    .toString("utf8")
    .trimEnd()
    .split("\n");
  return rows.slice(1).map((row) => Number(row.split(",")[4]));
}

/** Bars of a part, by the library: [begin, count, suspect]. */
function barsSince(archive, start, env) {
  const script = `
import json, sys, tapedeck
with tapedeck.open(sys.argv[1]) as archive:
    print(json.dumps([[b.time_ns // 1000000, b.count, b.suspect] for b in archive.bars("BTC-USD", "1m", start=sys.argv[2] or None)]))`;
  const args = ["-B", "-c", script, archive, start];
  return JSON.parse(execFileSync("python3", args, { encoding: "utf8", env }));
}

test("parts of a dataset have each trade once", async (t) => {
  const archive = await importLines(t, LINES, { family: "coinbase-advanced" });
  const whole = range(80, 120);
  const env = withoutLibrary ? undefined : { ...process.env, PYTHONPATH: installed(t) };
  const bars = withoutLibrary ? [] : barsSince(archive, "", env);
  assert.deepEqual(await idsOf(t, archive), whole);
  for (const [what, minute] of [
    ["on the first connection, without a checkpoint", -5],
    ["at the checkpoint of the second segment", 0],
    ["on the first connection, after a checkpoint", 2],
    ["between the connections", 5],
    ["on the second connection", 9],
  ]) {
    const border = new Date(at(minute)).toISOString();
    const before = await idsOf(t, archive, "--to", border);
    const after = await idsOf(t, archive, "--from", border);
    assert.deepEqual([...before, ...after], whole, what);
    const cut = path.join(temporary(t), "cut.mcap");
    await tapedeck(t, ["cut", archive, "--from", border, "--out", cut], { status: null });
    assert.deepEqual(await idsOf(t, cut), after, `cut, ${what}`);
    if (withoutLibrary) continue;
    const since = bars.filter(([begin]) => begin >= at(minute));
    assert.deepEqual(barsSince(archive, border, env), since, `bars, ${what}`);
  }
});
