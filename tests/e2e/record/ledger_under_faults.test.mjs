// Each fault once, in one archive; `make soak` does it at length. Frames that the exchange made and that are not in the
// archive must lie within rows of the ledger. Expected values: the exchange's numbers.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { temporary, tooLong } from "../support/harness.mjs";
import { randomNumbers } from "../support/recorders.mjs";
import { kindsHere, ledger } from "./ledger_under_faults.mjs";
import { test } from "../support/npm_packages.mjs";

async function check(t, isTls) {
  const seed = Date.now() % 1e9;
  const kinds = kindsHere();
  const row = await ledger(t, temporary(t), {
    rounds: kinds.length,
    random: randomNumbers(seed),
    kinds,
    isTls,
  }).catch((error) => {
    error.message = `seed ${seed}: ${error.message}`;
    throw error;
  });
  assert.equal(row.lost, 0);
  assert.equal(row.holes.uncovered, 0);
  assert.ok(row.holes.missing > 500 && row.announced > 500, JSON.stringify(row)); // the faults did lose frames
}

describe(
  "every missing frame lies within a row of the ledger, whatever fault caused it",
  { concurrency: 2 },
  () => {
    test("plain connections", (t) => check(t, false));
    test("connections over TLS", { skip: tooLong }, (t) => check(t, true));
  }
);
