// node soak.mjs KILLS [SEED]: makes every fault of recorder_faults.mjs, clock_faults.mjs, late_frames.mjs and
// ledger_under_faults.mjs at length, and prints a table of tried faults and losses. Only a fault that failed keeps its folder.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { withoutMount, randomNumbers } from "../support/recorders.mjs";
import {
  catalogs,
  clocks,
  full,
  kills,
  pairs,
  paused,
  table,
  unlocked,
  unread,
} from "./recorder_faults.mjs";
import { restarts } from "./clock_faults.mjs";
import { lates } from "./late_frames.mjs";
import { ledger } from "./ledger_under_faults.mjs";

const rounds = Number(process.argv[2]);
const seed = Number(process.argv[3] || Date.now() % 1e9);
assert.ok(
  Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seed),
  "usage: soak.mjs KILLS [SEED]"
);

const some = Math.max(2, Math.min(10, rounds));
const say = (line) => console.log(line);
const noMount = withoutMount();
const PARTS = [
  [ledger, { rounds, say }],
  [ledger, { rounds: some, say, isTls: true }],
  [lates, { say }],
  [kills, { rounds, say }],
  [paused, { rounds: 2, seconds: 10 }],
  [unread, { rounds: some }],
  noMount ? null : [full, { rounds: some }],
  [catalogs, { rounds: some }],
  [pairs, { rounds: some }],
  [unlocked, { rounds: some }],
  [clocks, { rounds: some }],
  [restarts, { rounds: 2 * some }],
].filter((part) => part !== null);

let status = 0;
const rows = [];
if (noMount) console.log(`soak: no full disk: ${noMount}`);
for (const [part, options] of PARTS) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `tapedeck-soak-${part.name}-`));
  const ends = [];
  try {
    rows.push(
      await part({ after: (end) => ends.push(end) }, dir, {
        random: randomNumbers(seed),
        seed,
        ...options,
      })
    );
    fs.rmSync(dir, { recursive: true });
    say(`${part.name}: ${JSON.stringify(rows.at(-1))}`);
  } catch (error) {
    status = 1;
    rows.push({
      fault: part.name,
      tried: options.rounds,
      announced: "?",
      lost: "?",
      kept: "?",
      note: `FAILED: ${error.message.split("\n")[0]}`,
    });
    console.error(error.stack);
    console.error(
      `soak: ${part.name} failed; repeat with: tests/e2e/soak BIN_DIR ${rounds} ${seed}; its folder is kept: ${dir}`
    );
  } finally {
    for (const end of ends) end();
  }
}
console.log(table(rows));
process.exit(status);
