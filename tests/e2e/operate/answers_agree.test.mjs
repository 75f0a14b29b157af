// A small part of the matrix of answers (answers_matrix.mjs), which make soak prints whole: no verb, format or library is good over
// data that is missing, doubtful or twice, and all agree.
import assert from "node:assert/strict";
import { test } from "../support/npm_packages.mjs";
import { temporary } from "../support/harness.mjs";
import { matrix } from "./answers_matrix.mjs";

for (const [family, events] of [
  [
    "kraken-v1",
    [
      "nothing",
      "delta lost",
      "snapshot lost",
      "trade lost",
      "clock behind",
      "clock ahead",
      "chunk damaged",
    ],
  ],
  ["binance-usdm", ["delta twice", "trade twice", "deltas swapped", "snapshot ahead"]],
  [
    "okx",
    [
      "connection cut",
      "topic silent",
      "topic refused",
      "first line late and cut",
      "merged",
      "pruned around a pin",
    ],
  ],
])
  test(`${family}: all answers are right after ${events.length} events`, async (t) => {
    for (const { name, found, answers } of await matrix(t, temporary(t), [family], events))
      assert.deepEqual(found, [], `${name}: ${JSON.stringify(answers)}`);
  });
