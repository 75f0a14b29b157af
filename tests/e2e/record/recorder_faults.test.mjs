// Each fault of recorder_faults.mjs a few times; `make soak` does it at length. Expected values: what the recorders announced,
// against the truth files of the simulated exchange.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { temporary, tooLong } from "../support/harness.mjs";
import { withoutMount, randomNumbers } from "../support/recorders.mjs";
import {
  catalogs,
  clocks,
  full,
  kills,
  pairs,
  paused,
  unlocked,
  unread,
} from "./recorder_faults.mjs";
import { withoutMovedClock } from "../support/moved_clock.mjs";
import { restarts } from "./clock_faults.mjs";
import { test } from "../support/npm_packages.mjs";

const seed = Date.now() % 1e9;

const ROWS = [
  [
    "kill -9 early, in a chunk and at rotation, three dialects",
    kills,
    { rounds: 3, feeds: ["inverse", "spot-v1", "v5-linear"], rate: 100 },
    withoutMovedClock,
  ],
  ["SIGSTOP", paused, { rounds: 1, seconds: 2 }, false],
  ["readers of its output that read nothing", unread, { rounds: 2 }, tooLong],
  ["a full disk, with min_free and without", full, { rounds: 2 }, withoutMount()],
  ["a catalog that is deleted, then overwritten, while recording", catalogs, { rounds: 2 }, false],
  ["two recorders at once", pairs, { rounds: 2 }, false],
  [
    "the lock removed, then replaced, with another recorder and a recovery at once",
    unlocked,
    { rounds: 2 },
    false,
  ],
  [
    "the clock stepped, for good, for a while, and back",
    clocks,
    { rounds: 3 },
    tooLong || withoutMovedClock,
  ],
  ["the clock wrong over restarts", restarts, { rounds: 4 }, tooLong || withoutMovedClock],
];

describe("faults of a recorder and its machine", { concurrency: 2 }, () => {
  for (const [name, part, options, skip] of ROWS)
    test(name, { skip }, async (t) => {
      const row = await part(t, temporary(t), {
        random: randomNumbers(seed),
        seed,
        ...options,
      }).catch((error) => {
        error.message = `seed ${seed}: ${error.message}`;
        throw error;
      });
      assert.equal(row.lost, 0);
      assert.ok(row.announced > 50 && row.kept >= row.announced, JSON.stringify(row));
      assert.equal(row.tried, options.rounds);
    });
});
